-- scan/data_objects: the data objects that some tables have in one source
-- params:  $assigned VARCHAR (Parquet, sorted by table_no and key), $source INTEGER,
--          $tables INTEGER[]
-- returns: table_no INTEGER, key VARCHAR, size_bytes BIGINT, etag VARCHAR; in the file's order
SELECT table_no, key, size_bytes, etag
FROM read_parquet($assigned)
WHERE role = 'data' AND source = $source
    AND table_no IN (SELECT unnest($tables::INTEGER[]))
