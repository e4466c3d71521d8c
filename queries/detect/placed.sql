-- detect/placed: the export that each folder belongs to, and the table's folder it lies in
-- params:  $system VARCHAR, $table_folder VARCHAR (regex on the path below the export's root; its
--          groups are database and table)
-- needs:   folders; roots (root_no, source, root, system)
-- adds to: placed (source, folder, root_no, root, table_folder, database, "table"); the innermost
--          root wins; table_folder is empty outside of tables
INSERT INTO placed
WITH above AS (
    SELECT source, folder, string_split(folder, '/') AS parts FROM folders
), prefixes AS (
    SELECT
        source,
        folder,
        unnest(list_transform(
            range(len(parts)),
            lambda i: array_to_string(parts[1:i], '/') || CASE WHEN i > 0 THEN '/' ELSE '' END
        )) AS root
    FROM above
), innermost AS (
    SELECT source, folder, arg_max(root_no, length(root)) AS root_no
    FROM prefixes JOIN roots USING (source, root)
    GROUP BY source, folder
), below AS (
    SELECT source, folder, root_no, root, substr(folder, length(root) + 1) AS path
    FROM innermost JOIN roots USING (source, root_no)
    WHERE system = $system
), parsed AS (
    SELECT *, regexp_extract(path, $table_folder, ['database', 'table']) AS names FROM below
)
SELECT
    source,
    folder,
    root_no,
    root,
    CASE WHEN names.database <> '' AND names."table" <> ''
         THEN root || names.database || '/' || names."table" || '/' ELSE '' END,
    names.database,
    names."table"
FROM parsed
