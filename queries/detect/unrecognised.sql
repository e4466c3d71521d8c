-- detect/unrecognised: objects that nobody can name, by export, and by table for Parquet objects
-- params:  $assigned VARCHAR (Parquet)
-- needs:   placed; tables (root_no, table_folder, table_no)
-- returns: source INTEGER, root VARCHAR (NULL outside of any export), of_table INTEGER (NULL unless
--          they are Parquet in a table's folder), objects BIGINT, bytes BIGINT, keys VARCHAR[] (up to
--          five); sorted
SELECT
    strange.source,
    placed.root,
    CASE WHEN ends_with(lower(strange.key), '.parquet') THEN tables.table_no END AS of_table,
    count(*) AS objects,
    sum(size_bytes)::BIGINT AS bytes,
    min(strange.key, 5) AS keys
FROM (SELECT * FROM read_parquet($assigned) WHERE role = 'unrecognised') AS strange
LEFT JOIN placed
    ON placed.source = strange.source AND placed.folder = folder_of(strange.key)
LEFT JOIN tables
    ON tables.root_no = placed.root_no AND tables.table_folder = placed.table_folder
GROUP BY ALL
ORDER BY ALL
