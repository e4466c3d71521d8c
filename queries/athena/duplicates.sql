-- athena/duplicates: which tables are not stored by themselves, and which table holds their rows?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all)
-- needs:   the view `tables`
-- returns: one row for each table that was proven to repeat another one: name, snapshot,
--          covered_by, source_files, source_bytes and source_rows that were not stored twice, run_id
-- Example: name                       | covered_by         | source_files | source_rows
--          shop.public.orders_2026_01 | shop.public.orders |            4 |        8410
WITH wanted AS (
    SELECT CAST(NULL AS varchar) AS table_name
)
SELECT
    t.name,
    t.snapshot,
    t.covered_by,
    t.source_files,
    t.source_bytes,
    t.source_rows,
    t.run_id
FROM tables AS t
CROSS JOIN wanted AS w
WHERE t.status = 'covered' AND (w.table_name IS NULL OR w.table_name = t.name)
ORDER BY t.source_bytes DESC, t.name, t.snapshot DESC
