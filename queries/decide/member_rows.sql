-- decide/member_rows: an empty table for the row hashes of the members
-- params:  none
-- returns: nothing; makes the table `member_rows`
CREATE OR REPLACE TABLE member_rows (member INTEGER, h1 UBIGINT, h2 UBIGINT, bad INTEGER)
