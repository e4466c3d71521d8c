-- plan/objects: the data objects of some tables
-- params:  $assigned VARCHAR (Parquet), $tables INTEGER[]
-- returns: table_no INTEGER, key VARCHAR, size_bytes BIGINT, etag VARCHAR,
--          keyed MAP(VARCHAR, VARCHAR), declared_rows BIGINT, declared_md5 VARCHAR,
--          declared_etag VARCHAR; sorted
SELECT table_no, key, size_bytes, etag, keyed, declared_rows, declared_md5, declared_etag
FROM read_parquet($assigned)
WHERE role = 'data' AND table_no IN (SELECT unnest($tables::INTEGER[]))
ORDER BY table_no, key
