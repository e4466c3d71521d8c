-- compact/parquet_files: the rows of staged Parquet files some of which lack a column
-- params:  none; creates the temporary table macro parquet_files(files VARCHAR[])
-- returns: nothing. Columns are matched by name, their types unified, missing ones are NULL.
CREATE OR REPLACE TEMP MACRO parquet_files(files) AS TABLE
SELECT * FROM read_parquet(
    files, hive_partitioning = false, filename = 'compactor source file', union_by_name = true)
