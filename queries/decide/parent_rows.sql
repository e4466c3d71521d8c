-- decide/parent_rows: the row hashes of all chunks of the parent
-- params:  $files VARCHAR[] (written by decide/keep_hashes)
-- returns: nothing; makes the table `parent_rows`
CREATE OR REPLACE TEMP TABLE parent_rows AS
SELECT h1, h2 FROM read_parquet($files, hive_partitioning = false)
