-- verify/written_files: rows and sums of row hashes per written file
-- params:  none; reads the temporary table `written` (one row per file, made by verify.py)
-- returns: file_name VARCHAR, rows BIGINT, sum1, sum2 VARCHAR
SELECT file_name, rows, sum1::VARCHAR AS sum1, sum2::VARCHAR AS sum2 FROM written
