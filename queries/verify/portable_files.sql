-- verify/portable_files: sums of the portable fingerprint per written file
-- params:  none; reads the temporary table `written` (one row per file, made by verify.py)
-- returns: file_name VARCHAR, lane1, lane2 VARCHAR
SELECT file_name, coalesce(lane1, 0)::VARCHAR AS lane1, coalesce(lane2, 0)::VARCHAR AS lane2
FROM written
