-- detect/folder_of: the folder of a key, with its trailing slash; empty at the top
-- params:  none; the macro takes key VARCHAR
-- returns: VARCHAR
CREATE OR REPLACE TEMP MACRO folder_of(key) AS regexp_extract(key, '(?s)^(?:.*/)?')
