-- athena/rows_per_day: how many rows has each day, against the snapshot before and the day before?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all),
--          from_snapshot and to_snapshot (`20261006T034712Z`; both NULL: last two of each table),
--          loss (0.2: a loss of more than a fifth is flagged)
-- needs:   the views `snapshots`, `partitions`
-- returns: one row for each table and day: dt (first day of a month or year, where the table is cut
--          so; empty where it has one partition), rows, rows_before (of the same day in the
--          snapshot before), change, rows_day_before (of the last day before it that has rows),
--          flag (`gone`, `fewer than before`, `fewer than the day before`, or NULL)
-- The last day of a snapshot is seldom whole. Tables of events (`..._changes`) have a window in
-- each snapshot: compare their days only within one.
-- Example: name               | dt         | rows | rows_before | change | rows_day_before | flag
--          shop.public.orders | 2026-10-05 |  412 |         980 |   -568 |             955 | fewer ...
WITH wanted AS (
    SELECT
        CAST(NULL AS varchar) AS table_name,
        CAST(NULL AS varchar) AS from_snapshot,
        CAST(NULL AS varchar) AS to_snapshot,
        0.2 AS loss
), chosen AS (
    SELECT
        s.name,
        s.run_id,
        s.task_id,
        CASE
            WHEN s.snapshot = w.to_snapshot OR (w.to_snapshot IS NULL AND s.age = 1) THEN 'to'
            ELSE 'from'
        END AS side
    FROM snapshots AS s
    CROSS JOIN wanted AS w
    WHERE
        (w.table_name IS NULL OR w.table_name = s.name)
        AND (
            s.snapshot = w.to_snapshot
            OR s.snapshot = w.from_snapshot
            OR (w.to_snapshot IS NULL AND s.age = 1)
            OR (w.from_snapshot IS NULL AND s.age = 2)
        )
), days AS (
    SELECT c.name, c.side, p.dt, p.rows
    FROM chosen AS c
    JOIN partitions AS p ON p.run_id = c.run_id AND p.task_id = c.task_id
), now_there AS (
    SELECT
        name,
        dt,
        rows,
        CASE
            WHEN try_cast(dt AS date) IS NOT NULL
                THEN lag(rows) OVER (
                    PARTITION BY name, try_cast(dt AS date) IS NULL ORDER BY dt)
        END AS rows_day_before
    FROM days
    WHERE side = 'to'
), days_before AS (
    SELECT name, dt, rows
    FROM days
    WHERE side = 'from'
)
SELECT
    coalesce(n.name, b.name) AS name,
    coalesce(n.dt, b.dt) AS dt,
    coalesce(n.rows, 0) AS rows,
    b.rows AS rows_before,
    coalesce(n.rows, 0) - b.rows AS change,
    n.rows_day_before,
    CASE
        WHEN n.rows IS NULL THEN 'gone'
        WHEN n.rows < b.rows * (1 - w.loss) THEN 'fewer than before'
        WHEN n.rows < n.rows_day_before * (1 - w.loss) THEN 'fewer than the day before'
    END AS flag
FROM now_there AS n
FULL JOIN days_before AS b ON b.name = n.name AND b.dt = n.dt
CROSS JOIN wanted AS w
ORDER BY 1, 2
