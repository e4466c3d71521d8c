-- scan/sampled: some data objects of each table, spread evenly from its first to its last by key
-- params:  $assigned VARCHAR (Parquet, sorted by table_no and key), $tables INTEGER[],
--          $per_table INTEGER
-- returns: source INTEGER, table_no INTEGER, key VARCHAR, size_bytes BIGINT, etag VARCHAR; sorted
-- A table's objects are neighbours in the file, so two numbers per table tell which rows to take.
WITH spans AS (
    SELECT table_no, min(file_row_number) AS first_row, count(*) AS objects
    FROM read_parquet($assigned, file_row_number = true)
    WHERE role = 'data' AND reason IS NULL AND table_no IN (SELECT unnest($tables::INTEGER[]))
    GROUP BY table_no
), picked AS (
    SELECT DISTINCT
        first_row + (n * (objects - 1)) // greatest($per_table::BIGINT - 1, 1) AS row_number
    FROM spans, (SELECT unnest(range($per_table::BIGINT)) AS n)
)
SELECT source, table_no, key, size_bytes, etag
FROM read_parquet($assigned, file_row_number = true)
WHERE file_row_number IN (SELECT row_number FROM picked)
ORDER BY source, table_no, key
