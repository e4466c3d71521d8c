-- compact/staged: the rows of staged Parquet files that all have the same columns
-- params:  none; creates the temporary table macro staged(files VARCHAR[])
-- returns: nothing. Hive partitioning is off: a source path may contain dt=..., which is not data.
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE
SELECT * FROM read_parquet(
    files, hive_partitioning = false, filename = 'compactor source file')
