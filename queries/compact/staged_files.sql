-- compact/staged_files: the rows of staged Parquet files to which columns will be added
-- params:  none; creates the temporary table macro staged_files(files VARCHAR[])
-- returns: nothing. Columns are matched by name, their types unified, missing ones are NULL.
CREATE OR REPLACE TEMP MACRO staged_files(files) AS TABLE
SELECT * FROM read_parquet(
    files, hive_partitioning = false, filename = 'compactor source file', union_by_name = true)
