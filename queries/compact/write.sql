-- compact/write: write a range of the sorted table as one Parquet file
-- params:  $first_row BIGINT, $last_row BIGINT, $path VARCHAR, $level INTEGER, $row_group BIGINT
-- returns: rows written. The macro part() gives the columns their final names.
COPY (SELECT * FROM part($first_row, $last_row)) TO $path (
    FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL $level, ROW_GROUP_SIZE $row_group)
