-- formats/no_columns: no rows, for tables none of whose objects has a column
-- params:  none
-- makes:   the temporary table macro staged(files VARCHAR[])
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE
SELECT file AS "compactor source file" FROM (SELECT unnest(files) AS file) AS named WHERE false
