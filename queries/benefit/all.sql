-- benefit/all: all rows of some files, in any order
-- params:  $files VARCHAR[], $columns VARCHAR[] (to return)
-- returns: the rows
SELECT COLUMNS(lambda c: list_contains($columns, c))
FROM read_parquet($files, hive_partitioning = false)
