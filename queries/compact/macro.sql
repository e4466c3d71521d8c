-- compact/macro: a table macro of staged files; its name and its query are put in their place
-- params:  none; creates the temporary table macro staged(files VARCHAR[])
-- returns: nothing
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE SELECT 1
