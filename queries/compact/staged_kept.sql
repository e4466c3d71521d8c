-- compact/staged_kept: the rows of staged files that have been decoded, and kept in a table
-- params:  none; creates the temporary table macro staged(files VARCHAR[]), which ignores its
--          argument; reads the table `kept_rows`
-- returns: nothing
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE
SELECT * FROM kept_rows
