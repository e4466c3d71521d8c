-- athena/growth: how does each table grow from month to month?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all)
-- needs:   the view `snapshots`
-- returns: one row for each table and month (UTC) that has a snapshot: month (its first day), the
--          last snapshot in it, rows, bytes and files of that, rows_grown and bytes_grown since the
--          month before that has one. In tables of events (`..._changes`) these are windows.
-- Example: name               | month      | snapshot         | rows    | rows_grown
--          shop.public.orders | 2026-10-01 | 20261031T034712Z | 1204551 |      88410
WITH wanted AS (
    SELECT CAST(NULL AS varchar) AS table_name
), monthly AS (
    SELECT
        s.name,
        CAST(date_trunc('month', s.taken_at) AS date) AS month,
        s.snapshot,
        s.output_rows,
        s.output_bytes,
        s.output_files,
        row_number() OVER (
            PARTITION BY s.name, date_trunc('month', s.taken_at) ORDER BY s.taken_at DESC
        ) AS choice
    FROM snapshots AS s
    CROSS JOIN wanted AS w
    WHERE w.table_name IS NULL OR w.table_name = s.name
)
SELECT
    name,
    month,
    snapshot,
    output_rows AS rows,
    output_bytes AS bytes,
    output_files AS files,
    output_rows - lag(output_rows) OVER (PARTITION BY name ORDER BY month) AS rows_grown,
    output_bytes - lag(output_bytes) OVER (PARTITION BY name ORDER BY month) AS bytes_grown
FROM monthly
WHERE choice = 1
ORDER BY name, month
