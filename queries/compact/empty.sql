-- compact/empty: write a Parquet file with the columns of another one, and no rows
-- params:  $part VARCHAR (Parquet), $path VARCHAR
-- returns: rows written
COPY (FROM read_parquet($part, hive_partitioning = false) LIMIT 0) TO $path (
    FORMAT parquet, COMPRESSION zstd)
