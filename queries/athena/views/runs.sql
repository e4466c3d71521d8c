-- athena/views/runs: one row a run that has a manifest
-- params:  none
-- needs:   the view `manifests`
-- returns: run_id, plan_id, status (`failed`: other tables of that run are not in its manifest),
--          started_at and finished_at (UTC), tables, lake, archive, url (of the manifest),
--          compactor and duckdb (versions)
SELECT
    m.run_id,
    m.plan_id,
    m.status,
    CAST(from_iso8601_timestamp(m.started_at) AS timestamp(3)) AS started_at,
    CAST(from_iso8601_timestamp(m.finished_at) AS timestamp(3)) AS finished_at,
    cardinality(m.tables) AS tables,
    m.lake,
    m.archive,
    m.url,
    element_at(m.versions, 'compactor') AS compactor,
    element_at(m.versions, 'duckdb') AS duckdb
FROM manifests AS m
