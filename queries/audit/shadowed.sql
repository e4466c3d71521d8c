-- audit/shadowed: named keys whose current version is none that the chain names
-- params:  none; reads `named`, `listed`
-- returns: key VARCHAR, version_id VARCHAR (the named one), link BIGINT, current_id VARCHAR,
--          is_delete_marker BOOLEAN, modified_at TIMESTAMP; the last three NULL where the listing
--          shows no current version at all
WITH wanted AS (
    SELECT key, arg_max(version_id, link) AS version_id, max(link) AS link FROM named GROUP BY key
), latest AS (
    SELECT * FROM listed WHERE is_latest
)
SELECT wanted.key, wanted.version_id, wanted.link, latest.version_id AS current_id,
       latest.is_delete_marker, latest.modified_at
FROM wanted LEFT JOIN latest ON latest.key = wanted.key
WHERE NOT EXISTS (
    FROM named
    WHERE named.key = latest.key
      AND coalesce(named.version_id, 'null') = coalesce(latest.version_id, 'null')
      AND NOT latest.is_delete_marker
)
ORDER BY wanted.key
