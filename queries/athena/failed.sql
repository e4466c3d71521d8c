-- athena/failed: which checks failed, and which errors did runs report?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all)
-- needs:   the views `checks`, `findings`, `runs`
-- returns: one row for each failed check and each finding of severity `error`, the latest run
--          first: run_id, started_at (UTC), what (`check` or `finding`), kind, table_name
--          (a finding names it without its database), subject, message
-- A run all of whose tables failed writes no manifest: its report.json says why.
-- Example: run_id               | what    | kind              | table_name    | message
--          20261006T080211Z-... | finding | unreadable_object | public.orders | s3://... cannot be ...
WITH wanted AS (
    SELECT CAST(NULL AS varchar) AS table_name
), told AS (
    SELECT
        c.run_id,
        'check' AS what,
        c.check_name AS kind,
        c.name AS table_name,
        c.subject,
        concat('expected ', coalesce(c.expected, 'nothing'), ', found ',
            coalesce(c.actual, 'nothing'), ': ', c.source) AS message
    FROM checks AS c
    WHERE c.status = 'fail'
    UNION ALL
    SELECT
        f.run_id,
        'finding' AS what,
        f.kind,
        f.table_name,
        f.export_id AS subject,
        f.message
    FROM findings AS f
    WHERE f.severity = 'error'
)
SELECT t.run_id, r.started_at, t.what, t.kind, t.table_name, t.subject, t.message
FROM told AS t
JOIN runs AS r ON r.run_id = t.run_id
CROSS JOIN wanted AS w
WHERE
    w.table_name IS NULL
    OR w.table_name = t.table_name
    OR (t.what = 'finding' AND concat('.', t.table_name)
        = substr(w.table_name, length(w.table_name) - length(t.table_name)))
ORDER BY r.started_at DESC, t.run_id DESC, t.what, t.kind, t.table_name, t.subject
