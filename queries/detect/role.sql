-- detect/role: what an object is, by its key alone
-- params:  none; the macro takes key VARCHAR, size_bytes BIGINT and four regexes: on the whole key
--          (control, leftover, marker) and on the file name (data)
-- returns: VARCHAR: control, leftover, marker, data (if it lies in a table's folder), unrecognised
-- A key that ends in "/" is a folder placeholder only if it is empty. Most keys are data: the other
-- three are looked for together first, because each regex takes 3 s of CPU for ten million keys.
CREATE OR REPLACE TEMP MACRO role(key, size_bytes, control, leftover, marker, data) AS
CASE
    WHEN NOT regexp_matches(
        key, '(?:' || control || ')|(?:' || leftover || ')|(?:' || marker || ')'
    ) THEN CASE WHEN regexp_matches(key, data) THEN 'data' ELSE 'unrecognised' END
    WHEN regexp_matches(key, control) THEN 'control'
    WHEN regexp_matches(key, leftover) THEN 'leftover'
    WHEN regexp_matches(key, marker) AND NOT (ends_with(key, '/') AND size_bytes > 0) THEN 'marker'
    WHEN regexp_matches(key, data) THEN 'data'
    ELSE 'unrecognised'
END
