-- read/dms: the objects of AWS DMS (and Qlik Replicate) S3 targets, told by their keys alone
-- params:  $folders VARCHAR[] (BucketFolder settings that are known: key prefixes, trailing slash)
-- needs:   free (source, key, folder, name, size_bytes, modified_at)
-- adds to: claimed; units `load <schema>.<table>` (a table that is loaded again gets a new snapshot,
--          the others keep theirs), `changes-<UTC day>` and `control`
-- Keys are read from the right: file name, date folders (of changes only), table, schema; what is
-- left is the BucketFolder, the root. Work is done on folders; objects are looked at twice.
-- Below a known BucketFolder there are exactly a schema, a table, and what belongs to the table.
-- Elsewhere several readings may fit. What decides, in this order:
--   date folders: the table is where LOAD objects lie; not a folder that holds other tables; else
--     as many folders are dates as can be (a table 10 with changes in 2022/10 is a table of its
--     schema only if one of these, or $folders, says so)
--   partitions:   changes are never written to a partition's folder, so they show which folders are
--     schemas; then the folder above is the table if tables lie beside it, or if it lies as deep
--     below the control tables as tables do; else schema and table are the last two
-- What then has no schema and table is left, and so is what fits no reading below a known
-- BucketFolder.
INSERT INTO claimed (source, key, system, root, unit, database, "table", folder, format, keyed)
WITH data AS MATERIALIZED (
    SELECT
        source,
        key,
        folder,
        CASE WHEN regexp_matches(name, '\.parquet(?:\.gz)?$') THEN 'parquet' ELSE 'csv' END
            AS format,
        CASE
            WHEN regexp_matches(
                folder,
                '(?i)(?:^|/)(?:awsdms_[^/]*/(?:[0-9][0-9_-]*/){0,4}$|s3_validation_failures)'
            ) THEN 'control'
            WHEN regexp_matches(name, '^(?:(?:SEGMENT[0-9]+_)?LOAD|LOAD_[0-9]+_)[0-9A-F]{5,8}\.')
                THEN 'load'
            WHEN regexp_matches(name, '^[0-9]{8}-[0-9]{9,12}\.') THEN 'changes'
        END AS kind,
        CASE
            WHEN kind = 'changes' THEN try_strptime(substr(name, 1, 8), '%Y%m%d')::DATE
        END AS day
    FROM free
    WHERE regexp_matches(name, '^[^/]*\.(?:csv|parquet)(?:\.gz)?$')
        AND NOT regexp_matches(name, '(?i)^CDC_TXN-')
), dirs AS MATERIALIZED (
    SELECT
        source,
        folder,
        kind,
        list_sort(list_filter($folders::VARCHAR[], lambda one: starts_with(folder, one)), 'DESC')[1]
            AS base
    FROM data
    WHERE kind = 'load' OR day IS NOT NULL
    GROUP BY source, folder, kind
), load_dirs AS MATERIALIZED (
    SELECT
        *,
        regexp_extract(folder, '(?s)^(.*/)?[^/]+/$', 1) AS above,
        regexp_extract(folder, '(?s)^(.*/)?(?:[^/]+/){2}$', 1) AS above2,
        regexp_extract(folder, '(?s)^(.*/)?(?:[^/]+/){3}$', 1) AS above3,
        len(regexp_extract_all(substr(folder, length(coalesce(base, '')) + 1), '[^/]+/')) AS depth
    FROM dirs
    WHERE kind = 'load'
), dated AS (
    SELECT
        source,
        folder,
        base,
        unnest([
            {'dates': 0, 'rest': '/' || folder},
            {'dates': 1, 'rest': regexp_extract(
                '/' || folder,
                '(?s)^(.*/)(?:'
                || '(?:19|20)[0-9]{2}[-_]?(?:0[1-9]|1[0-2])'
                || '(?:[-_]?(?:0[1-9]|[12][0-9]|3[01])(?:[-_]?(?:[01][0-9]|2[0-3]))?)?'
                || '|(?:0[1-9]|1[0-2])[-_]?(?:19|20)[0-9]{2}[-_]?(?:0[1-9]|[12][0-9]|3[01])'
                || '|(?:0[1-9]|[12][0-9]|3[01])[-_]?(?:0[1-9]|1[0-2])[-_]?(?:19|20)[0-9]{2}'
                || ')/$',
                1
            )},
            {'dates': 2, 'rest': regexp_extract(
                '/' || folder, '(?s)^(.*/)(?:19|20)[0-9]{2}/(?:0[1-9]|1[0-2])/$', 1
            )},
            {'dates': 3, 'rest': regexp_extract(
                '/' || folder,
                '(?s)^(.*/)(?:'
                || '(?:19|20)[0-9]{2}/(?:0[1-9]|1[0-2])/(?:0[1-9]|[12][0-9]|3[01])'
                || '|(?:0[1-9]|1[0-2])/(?:19|20)[0-9]{2}/(?:0[1-9]|[12][0-9]|3[01])'
                || '|(?:0[1-9]|[12][0-9]|3[01])/(?:0[1-9]|1[0-2])/(?:19|20)[0-9]{2}'
                || ')/$',
                1
            )},
            {'dates': 4, 'rest': regexp_extract(
                '/' || folder,
                '(?s)^(.*/)(?:19|20)[0-9]{2}/(?:0[1-9]|1[0-2])'
                || '/(?:0[1-9]|[12][0-9]|3[01])/(?:[01][0-9]|2[0-3])/$',
                1
            )}
        ], recursive := true)
    FROM dirs
    WHERE kind = 'changes'
), readings AS MATERIALIZED (
    SELECT
        *,
        regexp_extract(table_folder, '(?s)^(.*/)?[^/]+/$', 1) AS schema_folder,
        len(regexp_extract_all(substr(table_folder, length(coalesce(base, '')) + 1), '[^/]+/'))
            AS depth,
        count(*) OVER (PARTITION BY source, folder) AS choices
    FROM (SELECT *, substr(rest, 2) AS table_folder FROM dated WHERE rest <> '')
), certain_schemas AS (
    SELECT DISTINCT source, schema_folder FROM readings WHERE choices = 1 AND depth >= 2
), chosen AS (
    SELECT
        readings.source,
        readings.folder,
        arg_max(
            {'table_folder': table_folder, 'depth': depth},
            (loads.folder IS NOT NULL, certain.schema_folder IS NULL, dates)
        ) AS chosen
    FROM readings
    LEFT JOIN (SELECT source, folder FROM load_dirs) AS loads
        ON loads.source = readings.source AND loads.folder = readings.table_folder
    LEFT JOIN certain_schemas AS certain
        ON certain.source = readings.source AND certain.schema_folder = readings.table_folder
    WHERE base IS NULL OR depth = 2
    GROUP BY readings.source, readings.folder
), change_dirs AS MATERIALIZED (
    SELECT source, folder, chosen.table_folder AS table_folder FROM chosen WHERE chosen.depth >= 2
), change_schemas AS (
    SELECT DISTINCT
        source, regexp_extract(table_folder, '(?s)^(.*/)?[^/]+/$', 1) AS schema_folder
    FROM change_dirs
), control_dirs AS MATERIALIZED (
    SELECT DISTINCT
        source,
        folder,
        regexp_extract(
            folder,
            '(?is)^((?:.*/)?)((?:awsdms_|s3_validation_failures)[^/]*)/',
            ['holder', 'table']
        ) AS parts
    FROM data
    WHERE kind = 'control'
), read_loads AS (
    SELECT
        source,
        folder,
        CASE
            WHEN base IS NOT NULL THEN CASE depth WHEN 2 THEN folder WHEN 3 THEN above END
            WHEN depth < 2 THEN NULL
            WHEN depth = 2 THEN folder
            WHEN (source, above) IN (SELECT (source, schema_folder) FROM change_schemas) THEN folder
            WHEN (source, above2) IN (SELECT (source, schema_folder) FROM change_schemas)
                OR (source, above2) IN (SELECT (source, above) FROM load_dirs)
                OR (source, above3) IN (SELECT (source, parts.holder) FROM control_dirs) THEN above
            ELSE folder
        END AS table_folder
    FROM load_dirs
), tables AS MATERIALIZED (
    SELECT
        source,
        folder,
        kind,
        table_folder,
        regexp_extract(table_folder, '(?s)^(.*/)?(?:[^/]+/){2}$', 1) AS root,
        regexp_extract(table_folder, '([^/]+)/([^/]+)/$', ['schema', 'table']) AS names
    FROM (
        SELECT source, folder, 'load' AS kind, table_folder FROM read_loads
        UNION ALL
        SELECT source, folder, 'changes', table_folder FROM change_dirs
    )
    WHERE table_folder IS NOT NULL
), rooted AS (
    SELECT
        control_dirs.source,
        control_dirs.folder,
        any_value(parts) AS parts,
        coalesce(max(roots.root), any_value(parts.holder)) AS root
    FROM control_dirs
    LEFT JOIN (SELECT DISTINCT source, root FROM tables) AS roots
        ON roots.source = control_dirs.source AND starts_with(parts.holder, roots.root)
    GROUP BY control_dirs.source, control_dirs.folder
), control_tables AS (
    SELECT
        source,
        folder,
        root,
        parts.holder || parts."table" || '/' AS table_folder,
        CASE
            WHEN min(parts.holder) OVER same_name = max(parts.holder) OVER same_name
                THEN parts."table"
            ELSE replace(substr(parts.holder, length(root) + 1), '/', '.') || parts."table"
        END AS "table"
    FROM rooted
    WINDOW same_name AS (PARTITION BY source, root, parts."table")
)
SELECT
    data.source,
    key,
    'dms',
    root,
    CASE data.kind
        WHEN 'load' THEN 'load ' || names.schema || '.' || names."table"
        ELSE 'changes-' || strftime(day, '%Y-%m-%d')
    END,
    names.schema || CASE data.kind WHEN 'load' THEN '' ELSE '_changes' END,
    names.schema || '.' || names."table",
    table_folder,
    format,
    CASE data.kind WHEN 'load' THEN MAP {'Op': 'I'} END
FROM data
JOIN tables
    ON tables.source = data.source AND tables.folder = data.folder AND tables.kind = data.kind
WHERE data.kind = 'load' OR day IS NOT NULL
UNION ALL
SELECT
    data.source, key, 'dms', root, 'control', 'awsdms', "table", table_folder, format, NULL
FROM data
JOIN control_tables ON control_tables.source = data.source AND control_tables.folder = data.folder
WHERE data.kind = 'control'
