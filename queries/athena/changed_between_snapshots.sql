-- athena/changed_between_snapshots: which partitions differ between two snapshots of a table?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all),
--          from_snapshot and to_snapshot (`20261006T034712Z`; both NULL: last two of each table)
-- needs:   the views `snapshots`, `partitions`
-- returns: one row for each table and partition, those that differ first: from_snapshot,
--          to_snapshot, dt, state (`added`, `removed`, `changed`, `same`, `cannot tell`), rows_from,
--          rows_to, why (nothing else than a fingerprint can tell, and it cannot, where columns or
--          the version of DuckDB are not the same; or the table is cut by another grain)
-- A table with one snapshot is not here. Which rows differ: changed_rows.
-- Example: name               | dt         | state   | rows_from | rows_to | why
--          shop.public.orders | 2026-10-05 | changed |       412 |     412 |
WITH wanted AS (
    SELECT
        CAST(NULL AS varchar) AS table_name,
        CAST(NULL AS varchar) AS from_snapshot,
        CAST(NULL AS varchar) AS to_snapshot
), pairs AS (
    SELECT
        t.name,
        f.snapshot AS from_snapshot,
        t.snapshot AS to_snapshot,
        f.run_id AS from_run,
        f.task_id AS from_task,
        t.run_id AS to_run,
        t.task_id AS to_task,
        CASE
            WHEN f.grain <> t.grain THEN 'cut by another grain'
            WHEN f."columns" <> t."columns" THEN 'columns are not the same'
            WHEN f.engine <> t.engine THEN 'written by another version of DuckDB'
        END AS why
    FROM snapshots AS t
    CROSS JOIN wanted AS w
    JOIN snapshots AS f ON f.name = t.name AND f.snapshot <> t.snapshot
    WHERE
        (w.table_name IS NULL OR w.table_name = t.name)
        AND (t.snapshot = w.to_snapshot OR (w.to_snapshot IS NULL AND t.age = 1))
        AND (f.snapshot = w.from_snapshot OR (w.from_snapshot IS NULL AND f.age = 2))
), sides AS (
    SELECT a.name, a.from_snapshot, a.to_snapshot, a.why, p.dt, p.rows AS rows_from,
        p.fingerprint AS print_from, CAST(NULL AS bigint) AS rows_to,
        CAST(NULL AS varchar) AS print_to
    FROM pairs AS a
    JOIN partitions AS p ON p.run_id = a.from_run AND p.task_id = a.from_task
    UNION ALL
    SELECT a.name, a.from_snapshot, a.to_snapshot, a.why, p.dt, CAST(NULL AS bigint) AS rows_from,
        CAST(NULL AS varchar) AS print_from, p.rows AS rows_to, p.fingerprint AS print_to
    FROM pairs AS a
    JOIN partitions AS p ON p.run_id = a.to_run AND p.task_id = a.to_task
), compared AS (
    SELECT
        name,
        from_snapshot,
        to_snapshot,
        why,
        dt,
        max(rows_from) AS rows_from,
        max(rows_to) AS rows_to,
        max(print_from) AS print_from,
        max(print_to) AS print_to
    FROM sides
    GROUP BY name, from_snapshot, to_snapshot, why, dt
), judged AS (
    SELECT
        c.*,
        CASE
            WHEN c.why = 'cut by another grain' THEN 'cannot tell'
            WHEN c.rows_from IS NULL THEN 'added'
            WHEN c.rows_to IS NULL THEN 'removed'
            WHEN c.rows_from <> c.rows_to THEN 'changed'
            WHEN c.why IS NOT NULL THEN 'cannot tell'
            WHEN c.print_from = c.print_to THEN 'same'
            ELSE 'changed'
        END AS state
    FROM compared AS c
)
SELECT
    name,
    from_snapshot,
    to_snapshot,
    dt,
    state,
    rows_from,
    rows_to,
    CASE WHEN state = 'cannot tell' THEN why END AS why
FROM judged
ORDER BY name, CASE WHEN state = 'same' THEN 1 ELSE 0 END, dt
