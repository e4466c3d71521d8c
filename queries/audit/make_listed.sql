-- audit/make_listed: a table for the versions and delete markers that the store lists
-- params:  none; creates the table `listed`
-- returns: nothing
CREATE TABLE listed (
    key VARCHAR,
    version_id VARCHAR,
    is_latest BOOLEAN,
    is_delete_marker BOOLEAN,
    size_bytes BIGINT,
    modified_at TIMESTAMP
)
