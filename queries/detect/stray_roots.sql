-- detect/stray_roots: folders that look like exports but hold no description of themselves
-- params:  $stray_folder VARCHAR (regex on the folder of a data file; groups root, database, table)
-- needs:   folders, placed
-- returns: source INTEGER, root VARCHAR; sorted
SELECT DISTINCT source, coalesce(names.root, '') AS root
FROM (
    SELECT
        source,
        regexp_extract(folder, $stray_folder, ['root', 'database', 'table']) AS names
    FROM folders LEFT JOIN placed USING (source, folder)
    WHERE files > 0 AND coalesce(table_folder, '') = ''
)
WHERE names."table" <> ''
ORDER BY source, root
