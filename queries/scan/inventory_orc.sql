-- scan/inventory_orc: the entries of an ORC inventory, decoded by Arrow; keys are not encoded
-- params:  none; the macro takes files VARCHAR[] and fields of any type, and needs neither
-- needs:   stripes (an Arrow stream with the columns of the files)
-- makes:   table macro entries(files, fields), as scan/inventory_csv does
CREATE OR REPLACE TEMP MACRO entries(files, fields) AS TABLE (
    SELECT
        NULL::VARCHAR AS e_tag,
        NULL::VARCHAR AS version_id,
        NULL::TIMESTAMPTZ AS last_modified_date,
        NULL::BOOLEAN AS is_latest,
        NULL::BOOLEAN AS is_delete_marker
    WHERE false
    UNION ALL BY NAME
    SELECT * FROM stripes
)
