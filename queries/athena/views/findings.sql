-- athena/views/findings: one row for each finding that a manifest holds
-- params:  none
-- needs:   the view `manifests`
-- returns: run_id, finished_at (UTC), kind, severity (`info`, `warning`, `error`), export_id,
--          table_name (without its database), message. Tables that failed are here, and only here:
--          a manifest does not name them otherwise.
SELECT
    m.run_id,
    CAST(from_iso8601_timestamp(m.finished_at) AS timestamp(3)) AS finished_at,
    f.kind,
    f.severity,
    f.export_id,
    f."table" AS table_name,
    f.message
FROM manifests AS m
CROSS JOIN UNNEST(m.findings) AS f
