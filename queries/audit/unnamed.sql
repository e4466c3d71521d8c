-- audit/unnamed: versions and delete markers that the store lists and no link names
-- params:  none; reads `named`, `listed`
-- returns: key VARCHAR, version_id VARCHAR, is_delete_marker BOOLEAN, size_bytes BIGINT,
--          modified_at TIMESTAMP
SELECT key, version_id, is_delete_marker, size_bytes, modified_at
FROM listed
WHERE NOT EXISTS (
    FROM named
    WHERE named.key = listed.key
      AND coalesce(named.version_id, 'null') = coalesce(listed.version_id, 'null')
)
ORDER BY key, modified_at
