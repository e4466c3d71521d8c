-- compact/describe: names and types of the columns of staged files, as DuckDB reads them
-- params:  $files VARCHAR[]
-- returns: column_name VARCHAR, column_type VARCHAR, ... in file order
DESCRIBE SELECT * EXCLUDE ("compactor source file") FROM staged($files)
