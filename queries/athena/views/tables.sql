-- athena/views/tables: one row for each table that a run's manifest names
-- params:  none
-- needs:   the view `manifests`
-- returns: name (database.table), snapshot (as in folder names, `20261006T034712Z`), taken_at (the
--          same moment, UTC), run_id, task_id, status (`done`, `adopted`: stored; `covered`:
--          another table holds its rows), covered_by, rows, files and bytes as read and as written,
--          fingerprint, columns (names and types, in their order), engine, and more
SELECT
    concat(t.database, '.', t."table") AS name,
    t.database AS database_name,
    t."table" AS table_name,
    concat(replace(replace(substr(t.snapshot, 1, 19), '-', ''), ':', ''), 'Z') AS snapshot,
    CAST(from_iso8601_timestamp(t.snapshot) AS timestamp(3)) AS taken_at,
    m.run_id,
    t.task_id,
    t.export_id,
    t.system,
    t.status,
    t.covered_by,
    t.source_url,
    t.source_folder,
    t.source_files,
    t.source_bytes,
    t.source_rows,
    t.output_files,
    t.output_rows,
    t.output_bytes,
    t.partition_column,
    t.grain,
    t.fingerprint,
    array_join(t.covers, ', ') AS covers,
    array_join(transform(t.columns, c -> concat(c.name, ' ', c.type)), ', ') AS "columns",
    t.engine,
    t.seconds
FROM manifests AS m
CROSS JOIN UNNEST(m.tables) AS t
