-- plan/sample: a few objects of each table, spread over its keys
-- params:  $listing VARCHAR (assigned listing, Parquet), $tables INTEGER[], $count BIGINT
-- returns: table_no INTEGER, key VARCHAR, size_bytes BIGINT, etag VARCHAR; sorted
SELECT table_no, key, size_bytes, etag
FROM (
    SELECT table_no, key, size_bytes, etag,
           row_number() OVER (PARTITION BY table_no ORDER BY key) - 1 AS place,
           count(*) OVER (PARTITION BY table_no) AS objects
    FROM read_parquet($listing)
    WHERE role = 'data' AND table_no IN (SELECT unnest($tables::INTEGER[]))
)
WHERE place IN (
    SELECT n * (objects - 1) // greatest($count - 1, 1) FROM range($count) AS r(n))
ORDER BY table_no, key
