-- athena/not_verified: who is not verified, and why?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all),
--          snapshots (so many of each table, the latest first)
-- needs:   the views `snapshots`, `checks`
-- returns: one row for each check that was not made or did not pass: name, snapshot, check_name,
--          subject, status, found, why, run_id. A snapshot without any check has a row, too:
--          "no checks" is not "verified".
-- Example: name               | check_name    | subject | status       | why
--          shop.public.orders | declared_rows | table   | not_verified | this export system ships ...
WITH wanted AS (
    SELECT CAST(NULL AS varchar) AS table_name, 1 AS snapshots
)
SELECT
    s.name,
    s.snapshot,
    c.check_name,
    c.subject,
    coalesce(c.status, 'not_verified') AS status,
    c.actual AS found,
    coalesce(c.source, 'the manifest holds no check of this table') AS why,
    s.run_id
FROM snapshots AS s
CROSS JOIN wanted AS w
LEFT JOIN checks AS c ON c.run_id = s.run_id AND c.task_id = s.task_id
WHERE
    s.age <= w.snapshots
    AND coalesce(c.status, 'not_verified') <> 'pass'
    AND (w.table_name IS NULL OR w.table_name = s.name)
ORDER BY s.name, s.snapshot DESC, status, c.check_name, c.subject
