-- detect/table_folders: the tables' folders that the listing shows
-- params:  none
-- needs:   folders, placed
-- returns: root_no INTEGER, table_folder VARCHAR, database VARCHAR, table VARCHAR, files BIGINT,
--          markers BIGINT (job markers, without folder placeholders), folders BIGINT (with data);
--          sorted
SELECT
    root_no,
    table_folder,
    any_value(database) AS database,
    any_value("table") AS "table",
    sum(files)::BIGINT AS files,
    sum(markers)::BIGINT AS markers,
    count(*) FILTER (files > 0) AS folders
FROM folders JOIN placed USING (source, folder)
WHERE table_folder <> ''
GROUP BY root_no, table_folder
ORDER BY root_no, table_folder
