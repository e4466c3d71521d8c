-- detect/claimed_tables: what the listing has of the objects that each table claims
-- params:  $listing VARCHAR (Parquet)
-- needs:   claimed; owners (root_no, source, system, root, unit)
-- returns: root_no INTEGER, database, table, format VARCHAR, files BIGINT, missing BIGINT,
--          missing_keys VARCHAR[] (up to five), folders BIGINT
SELECT
    owners.root_no,
    claimed.database,
    claimed."table" AS "table",
    min(claimed.format) AS format,
    count(listing.key) AS files,
    count(*) FILTER (listing.key IS NULL) AS missing,
    min(claimed.key, 5) FILTER (listing.key IS NULL) AS missing_keys,
    count(DISTINCT folder_of(listing.key)) AS folders
FROM claimed
JOIN owners
    ON owners.source = claimed.source AND owners.system = claimed.system
    AND owners.root = claimed.root AND owners.unit = claimed.unit
LEFT JOIN read_parquet($listing) AS listing
    ON listing.source = claimed.source AND listing.key = claimed.key
GROUP BY owners.root_no, claimed.database, claimed."table"
