-- detect/groups: the tables that one reader has found by keys alone
-- params:  $system VARCHAR
-- needs:   claimed, free
-- returns: source INTEGER, root, unit, database, table, folder, format VARCHAR, files BIGINT,
--          bytes BIGINT, first_us, last_us BIGINT (microseconds since 1970, UTC), first_name,
--          last_name VARCHAR; sorted
SELECT
    claimed.source,
    claimed.root,
    claimed.unit,
    claimed.database,
    claimed."table" AS "table",
    min(claimed.folder) AS folder,
    claimed.format,
    count(*) AS files,
    sum(free.size_bytes)::BIGINT AS bytes,
    epoch_us(min(free.modified_at)) AS first_us,
    epoch_us(max(free.modified_at)) AS last_us,
    min(free.name) AS first_name,
    max(free.name) AS last_name
FROM claimed JOIN free ON free.source = claimed.source AND free.key = claimed.key
WHERE claimed.system = $system
GROUP BY claimed.source, claimed.root, claimed.unit, claimed.database, claimed."table",
    claimed.format
ORDER BY ALL
