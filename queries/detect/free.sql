-- detect/free: objects that no export with sidecars knows
-- params:  $listing VARCHAR (Parquet), $control VARCHAR (regex)
-- needs:   folders, placed, claimed
-- makes:   table free (source, key, folder, name, size_bytes, modified_at)
CREATE OR REPLACE TEMP TABLE free AS
WITH open_folders AS (
    SELECT source, folder FROM folders ANTI JOIN placed USING (source, folder)
), lying AS (
    SELECT listing.source, key, folder, size_bytes, modified_at
    FROM read_parquet($listing) AS listing
    JOIN open_folders
        ON open_folders.source = listing.source AND open_folders.folder = folder_of(listing.key)
)
SELECT source, key, folder, substr(key, length(folder) + 1) AS name, size_bytes, modified_at
FROM lying
ANTI JOIN claimed USING (source, key)
WHERE NOT regexp_matches(key, $control) AND NOT ends_with(key, '/')
