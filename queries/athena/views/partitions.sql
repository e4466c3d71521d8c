-- athena/views/partitions: one row for each partition that a manifest names
-- params:  none
-- needs:   the view `manifests`
-- returns: name, snapshot, run_id, task_id, dt (folder value; empty where the table has one
--          partition), rows, fingerprint, objects and archived (how many)
SELECT
    concat(t.database, '.', t."table") AS name,
    concat(replace(replace(substr(t.snapshot, 1, 19), '-', ''), ':', ''), 'Z') AS snapshot,
    m.run_id,
    t.task_id,
    p.value AS dt,
    p.rows,
    p.fingerprint,
    cardinality(p.objects) AS objects,
    cardinality(p.archived) AS archived
FROM manifests AS m
CROSS JOIN UNNEST(m.tables) AS t
CROSS JOIN UNNEST(t.partitions) AS p
