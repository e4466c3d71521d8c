-- compact/staged_by_name: the rows of staged Parquet files whose columns differ
-- params:  none; creates the temporary table macro staged(files VARCHAR[])
-- returns: nothing. Columns are matched by name, their types unified, missing ones are NULL.
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE
SELECT * FROM read_parquet(
    files, hive_partitioning = false, filename = 'compactor source file', union_by_name = true)
