-- scan/data_objects: every data object of one source
-- params:  $assigned VARCHAR (Parquet, sorted by table_no and key), $source INTEGER
-- returns: table_no INTEGER, key VARCHAR, size_bytes BIGINT, etag VARCHAR; in the file's order
SELECT table_no, key, size_bytes, etag
FROM read_parquet($assigned)
WHERE role = 'data' AND table_no IS NOT NULL AND source = $source
