-- compact/staged_decoded: the rows of staged files that have been decoded already
-- params:  none; creates the temporary table macro staged(files VARCHAR[]), which ignores its
--          argument; reads the registered Arrow table `decoded_rows`
-- returns: nothing
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE
SELECT * FROM decoded_rows
