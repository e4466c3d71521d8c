-- athena/views/checks: one row for each check that a manifest holds
-- params:  none
-- needs:   the view `manifests`
-- returns: name, snapshot, run_id, task_id, check_name, subject, expected, actual, status (`pass`,
--          `fail`, `not_verified`), source (where both numbers came from, or why there is none)
SELECT
    concat(t.database, '.', t."table") AS name,
    concat(replace(replace(substr(t.snapshot, 1, 19), '-', ''), ':', ''), 'Z') AS snapshot,
    m.run_id,
    t.task_id,
    c.name AS check_name,
    c.subject,
    c.expected,
    c.actual,
    c.status,
    c.source
FROM manifests AS m
CROSS JOIN UNNEST(m.tables) AS t
CROSS JOIN UNNEST(t.checks) AS c
