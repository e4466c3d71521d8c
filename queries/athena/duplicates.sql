-- athena/duplicates: which tables are not stored by themselves, and which table holds their rows?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all)
-- needs:   the view `tables`
-- returns: one row for each table and export that was proven to repeat another one: name, snapshot,
--          covered_by, source_files, source_bytes and source_rows that were not stored twice,
--          run_id (of the latest run that says so)
-- Example: name                       | covered_by         | source_files | source_rows
--          shop.public.orders_2026_01 | shop.public.orders |            4 |        8410
WITH wanted AS (
    SELECT CAST(NULL AS varchar) AS table_name
), told AS (
    SELECT
        t.*,
        row_number() OVER (PARTITION BY t.name, t.snapshot, t.export_id ORDER BY t.run_id DESC)
            AS choice
    FROM tables AS t
    CROSS JOIN wanted AS w
    WHERE t.status = 'covered' AND (w.table_name IS NULL OR w.table_name = t.name)
)
SELECT
    d.name,
    d.snapshot,
    d.covered_by,
    d.source_files,
    d.source_bytes,
    d.source_rows,
    d.run_id
FROM told AS d
WHERE d.choice = 1
ORDER BY d.source_bytes DESC, d.name, d.snapshot DESC
