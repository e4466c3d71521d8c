-- decide/keep_hashes: keep the row hashes of the sorted table until the members are decided
-- params:  $path VARCHAR
-- returns: rows written
COPY (SELECT h1, h2 FROM sorted) TO $path (FORMAT parquet, COMPRESSION uncompressed)
