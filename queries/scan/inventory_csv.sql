-- scan/inventory_csv: the entries of a CSV inventory: no header, every field quoted, keys encoded
-- params:  none; the macro takes files VARCHAR[] and fields STRUCT (column name -> type, in the order
--          of the manifest's fileSchema)
-- makes:   table macro entries(files, fields): bucket, key VARCHAR; size BIGINT; e_tag, version_id
--          VARCHAR; last_modified_date TIMESTAMPTZ; is_latest, is_delete_marker BOOLEAN; and whatever
--          else there is. A field that the inventory does not have is NULL.
-- source:  https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html (2026-11-25);
--          a space is "+", a plus "%2B": github.com/cloud-custodian/cloud-custodian/issues/1997
CREATE OR REPLACE TEMP MACRO entries(files, fields) AS TABLE (
    SELECT
        NULL::VARCHAR AS e_tag,
        NULL::VARCHAR AS version_id,
        NULL::TIMESTAMPTZ AS last_modified_date,
        NULL::BOOLEAN AS is_latest,
        NULL::BOOLEAN AS is_delete_marker
    WHERE false
    UNION ALL BY NAME
    SELECT * REPLACE (
        CASE
            WHEN NOT contains(key, '%') THEN replace(key, '+', ' ')
            WHEN regexp_matches(key, '%(?:[^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)', 's')
                THEN error('the key ' || key || ' is not URL-encoded')
            ELSE url_decode(replace(key, '+', ' '))
        END AS key
    )
    FROM read_csv(
        files,
        columns = fields,
        header = false,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        compression = 'gzip'
    )
)
