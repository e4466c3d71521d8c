-- athena/views/objects: one row for each object that a manifest names
-- params:  none
-- needs:   the view `manifests`
-- returns: name, snapshot, run_id, task_id, place (`lake`; `archive`: its locked copy; `control`: a
--          sidecar of the export in the archive), dt (folder value; empty where the table has one
--          partition, NULL for sidecars), key (below the URL of lake or archive), version_id,
--          sha256, bytes, rows, lock_mode, retain_until (UTC), legal_hold: all of it as read back
--          by that run. Holds and extensions that came later are not in manifests.
SELECT
    concat(t.database, '.', t."table") AS name,
    concat(replace(replace(substr(t.snapshot, 1, 19), '-', ''), ':', ''), 'Z') AS snapshot,
    m.run_id,
    t.task_id,
    'lake' AS place,
    p.value AS dt,
    o.key,
    o.version_id,
    o.sha256,
    o.size_bytes AS bytes,
    o.rows,
    o.lock_mode,
    CAST(from_iso8601_timestamp(o.retain_until) AS timestamp(3)) AS retain_until,
    o.legal_hold
FROM manifests AS m
CROSS JOIN UNNEST(m.tables) AS t
CROSS JOIN UNNEST(t.partitions) AS p
CROSS JOIN UNNEST(p.objects) AS o
UNION ALL
SELECT
    concat(t.database, '.', t."table") AS name,
    concat(replace(replace(substr(t.snapshot, 1, 19), '-', ''), ':', ''), 'Z') AS snapshot,
    m.run_id,
    t.task_id,
    'archive' AS place,
    p.value AS dt,
    o.key,
    o.version_id,
    o.sha256,
    o.size_bytes AS bytes,
    o.rows,
    o.lock_mode,
    CAST(from_iso8601_timestamp(o.retain_until) AS timestamp(3)) AS retain_until,
    o.legal_hold
FROM manifests AS m
CROSS JOIN UNNEST(m.tables) AS t
CROSS JOIN UNNEST(t.partitions) AS p
CROSS JOIN UNNEST(p.archived) AS o
UNION ALL
SELECT
    concat(t.database, '.', t."table") AS name,
    concat(replace(replace(substr(t.snapshot, 1, 19), '-', ''), ':', ''), 'Z') AS snapshot,
    m.run_id,
    t.task_id,
    'control' AS place,
    CAST(NULL AS varchar) AS dt,
    o.key,
    o.version_id,
    o.sha256,
    o.size_bytes AS bytes,
    o.rows,
    o.lock_mode,
    CAST(from_iso8601_timestamp(o.retain_until) AS timestamp(3)) AS retain_until,
    o.legal_hold
FROM manifests AS m
CROSS JOIN UNNEST(m.tables) AS t
CROSS JOIN UNNEST(t.control) AS o
