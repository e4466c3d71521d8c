-- detect/folders: what lies directly in each folder
-- params:  $listing VARCHAR (Parquet), $control, $leftover, $marker, $data VARCHAR (regexes)
-- makes:   table folders (source, folder, files, markers, objects, newest)
CREATE OR REPLACE TEMP TABLE folders AS
SELECT
    source,
    folder_of(key) AS folder,
    count(*) FILTER (role = 'data') AS files,
    count(*) FILTER (role = 'marker' AND NOT ends_with(key, '/')) AS markers,
    count(*) AS objects,
    max(modified_at) AS newest
FROM (
    SELECT *, role(key, size_bytes, $control, $leftover, $marker, $data) AS role
    FROM read_parquet($listing)
)
GROUP BY source, folder_of(key)
