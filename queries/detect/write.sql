-- detect/write: keep the assigned listing, sorted so that one table's objects lie together
-- params:  $path VARCHAR
-- returns: rows written
COPY (SELECT * FROM assigned ORDER BY table_no NULLS LAST, source, key)
TO $path (FORMAT parquet, COMPRESSION zstd)
