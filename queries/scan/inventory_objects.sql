-- scan/inventory_objects: what each entry of an inventory is, and the listing's columns of it
-- params:  $files VARCHAR[], $fields STRUCT, $bucket VARCHAR (the only one that may occur),
--          $prefix VARCHAR (keys below it count, and lose it)
-- needs:   entries
-- returns: key VARCHAR (relative), size_bytes BIGINT, etag VARCHAR (empty if not known), modified_at
--          TIMESTAMPTZ, version_id VARCHAR (NULL: a listing has none), kind VARCHAR: object (latest
--          version, no delete marker), older, delete_marker, elsewhere (not below the prefix)
SELECT
    substr(key, length($prefix::VARCHAR) + 1) AS key,
    size AS size_bytes,
    coalesce(trim(e_tag, '"'), '') AS etag,
    last_modified_date AS modified_at,
    NULL::VARCHAR AS version_id,
    CASE
        WHEN key IS NULL THEN error('an entry has no key')
        WHEN bucket IS DISTINCT FROM $bucket::VARCHAR
            THEN error('the key ' || key || ' is one of the bucket ' || coalesce(bucket, '(none)'))
        WHEN version_id IS NOT NULL AND is_latest IS NULL
            THEN error('nothing says whether this is the latest version of ' || key)
        WHEN NOT starts_with(key, $prefix) THEN 'elsewhere'
        WHEN NOT is_latest THEN 'older'
        WHEN is_delete_marker THEN 'delete_marker'
        WHEN size IS NULL OR size < 0 THEN error('the key ' || key || ' has no size')
        ELSE 'object'
    END AS kind
FROM entries($files, $fields)
