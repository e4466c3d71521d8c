-- athena/integrity: how many checks of each table passed, failed, or were not made, run by run?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all)
-- needs:   the views `tables`, `checks`, `objects`
-- returns: one row for each table that a run names, those with failed checks first: run_id, name,
--          snapshot, status, passed, failed, not_verified (checks), failed_checks (their names),
--          objects, without_digest (objects whose SHA-256 is not in the manifest),
--          without_version (archived ones that name no version), fully_verified (NULL
--          for a table that another one covers: it has no checks of its own)
-- A table that failed in a run is not in its manifest: ask `failed` for those.
-- Example: run_id               | name               | passed | failed | not_verified | ...
--          20261006T080211Z-... | shop.public.orders |     31 |      0 |            1 | ...
WITH wanted AS (
    SELECT CAST(NULL AS varchar) AS table_name
), checked AS (
    SELECT
        run_id,
        task_id,
        count(*) FILTER (WHERE status = 'pass') AS passed,
        count(*) FILTER (WHERE status = 'fail') AS failed,
        count(*) FILTER (WHERE status = 'not_verified') AS not_verified,
        array_join(array_agg(DISTINCT check_name) FILTER (WHERE status = 'fail'), ', ')
            AS failed_checks
    FROM checks
    GROUP BY run_id, task_id
), stored AS (
    SELECT
        run_id,
        task_id,
        count(*) AS objects,
        count(*) FILTER (WHERE coalesce(sha256, '') = '') AS without_digest,
        count(*) FILTER (WHERE place <> 'lake' AND coalesce(version_id, '') = '')
            AS without_version
    FROM objects
    GROUP BY run_id, task_id
)
SELECT
    t.run_id,
    t.name,
    t.snapshot,
    t.status,
    coalesce(c.passed, 0) AS passed,
    coalesce(c.failed, 0) AS failed,
    coalesce(c.not_verified, 0) AS not_verified,
    c.failed_checks,
    coalesce(o.objects, 0) AS objects,
    coalesce(o.without_digest, 0) AS without_digest,
    coalesce(o.without_version, 0) AS without_version,
    CASE
        WHEN t.status <> 'covered' THEN
            coalesce(c.passed, 0) > 0
            AND coalesce(c.failed, 0) = 0
            AND coalesce(c.not_verified, 0) = 0
            AND coalesce(o.without_digest, 0) = 0
    END AS fully_verified
FROM tables AS t
CROSS JOIN wanted AS w
LEFT JOIN checked AS c ON c.run_id = t.run_id AND c.task_id = t.task_id
LEFT JOIN stored AS o ON o.run_id = t.run_id AND o.task_id = t.task_id
WHERE w.table_name IS NULL OR w.table_name = t.name
ORDER BY failed DESC, without_digest DESC, not_verified DESC, t.run_id DESC, t.name
