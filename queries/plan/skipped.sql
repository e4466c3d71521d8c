-- plan/skipped: objects that no task takes, by folder and reason
-- params:  $assigned VARCHAR (Parquet), $depth INTEGER (segments kept of a folder), $most BIGINT
-- returns: source INTEGER, key VARCHAR (a folder, or the object where it is just one, or where there
--          is no folder), reason VARCHAR, objects BIGINT, bytes BIGINT; sorted, at most $most rows
WITH parted AS (
    SELECT *, string_split(place, '/') AS parts
    FROM read_parquet($assigned)
    WHERE reason IS NOT NULL
), cut AS (
    SELECT
        source,
        key,
        size_bytes,
        reason,
        CASE
            WHEN $depth = 0 THEN '/'
            WHEN place = '' THEN key
            ELSE array_to_string(parts[1:least($depth, len(parts) - 1)], '/') || '/'
        END AS folder
    FROM parted
)
SELECT
    source,
    CASE WHEN count(*) = 1 THEN min(key) ELSE folder END AS key,
    reason,
    count(*) AS objects,
    sum(size_bytes)::BIGINT AS bytes
FROM cut
GROUP BY source, folder, reason
ORDER BY source, key, reason
LIMIT $most
