-- athena/retention: until when is each snapshot locked, what ends soon, what is not locked at all?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all),
--          days (a lock that ends within so many days from now ends soon)
-- needs:   the views `snapshots`, `objects`
-- returns: one row a snapshot, the most urgent first: state (`not archived`: at least one object
--          has no copy in the archive; `not locked`: at least one copy has no lock; `ended`, `ends
--          soon`, `locked`), objects and bytes in the archive with the export's sidecars, modes,
--          first_end and last_end of its locks (UTC), not_archived, not_locked and legal_holds
--          (objects), shortest_of_table and longest_of_table
-- As runs locked it: holds and extensions that came later are in the archive's own records;
-- `compactor hold list` and `compactor audit` ask the archive itself.
-- Example: name               | snapshot         | state     | modes      | first_end           | ...
--          shop.public.orders | 20261006T034712Z | ends soon | COMPLIANCE | 2026-12-05 03:47:12 | ...
WITH wanted AS (
    SELECT CAST(NULL AS varchar) AS table_name, 90 AS days
), counted AS (
    SELECT
        s.name,
        s.snapshot,
        count(o.key) FILTER (WHERE o.place <> 'lake') AS objects,
        coalesce(sum(o.bytes) FILTER (WHERE o.place <> 'lake'), 0) AS bytes,
        array_join(array_agg(DISTINCT o.lock_mode) FILTER (WHERE o.lock_mode IS NOT NULL), ', ')
            AS modes,
        min(o.retain_until) AS first_end,
        max(o.retain_until) AS last_end,
        count(o.key) FILTER (WHERE o.place = 'lake')
            - count(o.key) FILTER (WHERE o.place = 'archive') AS not_archived,
        count(o.key) FILTER (
            WHERE o.place <> 'lake' AND (o.lock_mode IS NULL OR o.retain_until IS NULL)
        ) AS not_locked,
        count(o.key) FILTER (WHERE o.legal_hold) AS legal_holds
    FROM snapshots AS s
    CROSS JOIN wanted AS w
    LEFT JOIN objects AS o ON o.run_id = s.run_id AND o.task_id = s.task_id
    WHERE w.table_name IS NULL OR w.table_name = s.name
    GROUP BY s.name, s.snapshot
), judged AS (
    SELECT
        c.*,
        CASE
            WHEN c.objects = 0 OR c.not_archived > 0 THEN 0
            WHEN c.not_locked > 0 THEN 1
            WHEN c.first_end <= CAST(current_timestamp AT TIME ZONE 'UTC' AS timestamp(3)) THEN 2
            WHEN c.first_end
                <= date_add('day', w.days, CAST(current_timestamp AT TIME ZONE 'UTC' AS timestamp(3)))
                THEN 3
            ELSE 4
        END AS urgency
    FROM counted AS c
    CROSS JOIN wanted AS w
)
SELECT
    j.name,
    j.snapshot,
    CASE j.urgency
        WHEN 0 THEN 'not archived'
        WHEN 1 THEN 'not locked'
        WHEN 2 THEN 'ended'
        WHEN 3 THEN 'ends soon'
        ELSE 'locked'
    END AS state,
    j.objects,
    j.bytes,
    j.modes,
    j.first_end,
    j.last_end,
    j.not_archived,
    j.not_locked,
    j.legal_holds,
    min(j.first_end) OVER (PARTITION BY j.name) AS shortest_of_table,
    max(j.last_end) OVER (PARTITION BY j.name) AS longest_of_table
FROM judged AS j
ORDER BY j.urgency, j.first_end, j.name, j.snapshot
