-- compact/keep_decoded: take decoded rows into a table, to read them more than once
-- params:  none; reads the registered Arrow stream `decoded_rows`
-- returns: rows taken
CREATE OR REPLACE TEMP TABLE kept_rows AS SELECT * FROM decoded_rows
