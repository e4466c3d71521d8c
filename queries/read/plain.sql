-- read/plain: plain files, one table per folder, below prefixes that a person has named
-- params:  $sources INTEGER[], $prefixes VARCHAR[] (of the same length: a source and a key prefix,
--          with its trailing slash; empty: the whole source)
-- needs:   free (source, key, folder, name, size_bytes, modified_at)
-- adds to: claimed; each table is a unit of its own
-- The innermost prefix owns a folder. Folders `column=value` at the end of the path are values of
-- columns, as Hive and Spark write them: URL-encoded (what does not decode stays as it is),
-- __HIVE_DEFAULT_PARTITION__ is NULL. A folder that names a column twice is left, and so are hidden
-- names (`_` or `.` first; a folder `_a=1` is none) and tables of a format whose log says which of
-- its files count (Delta, Hudi, Iceberg): taking all of them would bring deleted rows back.
INSERT INTO claimed (source, key, system, root, unit, database, "table", folder, format, keyed)
WITH named AS (
    SELECT unnest($sources::INTEGER[]) AS source, unnest($prefixes::VARCHAR[]) AS root
), owned AS MATERIALIZED (
    SELECT free.source, free.folder, max(named.root) AS root
    FROM (SELECT DISTINCT source, folder FROM free) AS free
    JOIN named ON named.source = free.source AND starts_with(free.folder, named.root)
    GROUP BY free.source, free.folder
), split AS (
    SELECT
        *,
        regexp_extract(
            substr(folder, length(root) + 1),
            '^((?:[^/]*/)*?)((?:[^/=]+=[^/]*/)*)$',
            ['path', 'hive']
        ) AS parts
    FROM owned
), logged AS (
    SELECT source, regexp_extract(folder, '(?s)^((?:.*/)?)(?:_delta_log|\.hoodie)/', 1) AS folder
    FROM owned
    WHERE regexp_matches(folder, '(?:^|/)(?:_delta_log|\.hoodie)/')
    UNION
    SELECT source, regexp_extract(folder, '(?s)^((?:.*/)?)metadata/$', 1)
    FROM free
    WHERE ends_with(name, '.metadata.json') AND regexp_matches(folder, '(?:^|/)metadata/$')
), written AS (
    SELECT
        *,
        list_transform(
            string_split(rtrim(parts.hive, '/'), '/'),
            lambda one: {
                'name': regexp_extract(one, '^[^=]+'),
                'value': substr(one, length(regexp_extract(one, '^[^=]+')) + 2)
            }
        ) AS columns
    FROM split
    WHERE parts.hive <> ''
    UNION ALL
    SELECT *, [] FROM split WHERE parts.hive = ''
), decoded AS (
    SELECT
        * EXCLUDE (columns),
        list_transform(columns, lambda one: {
            'name': coalesce(try(url_decode(one.name)), one.name),
            'value': CASE
                WHEN one.value <> '__HIVE_DEFAULT_PARTITION__'
                    THEN coalesce(try(url_decode(one.value)), one.value)
            END
        }) AS columns
    FROM written
), tables AS MATERIALIZED (
    SELECT
        source,
        folder,
        root,
        root || parts.path AS table_folder,
        rtrim(parts.path, '/') AS path,
        coalesce(nullif(regexp_extract(root, '([^/]+)/$', 1), ''), 'top') AS root_name,
        map_from_entries(columns) AS keyed
    FROM decoded
    WHERE NOT regexp_matches(substr(folder, length(root) + 1), '(?:^|/)[._][^/=]*/')
        AND len(list_distinct(list_transform(columns, lambda one: lower(one.name)))) = len(columns)
        AND NOT EXISTS (
            FROM logged
            WHERE logged.source = decoded.source
                AND starts_with(decoded.folder, logged.folder)
        )
), with_names AS (
    SELECT
        *,
        CASE
            WHEN path <> '' THEN path
            WHEN EXISTS (
                FROM tables AS other
                WHERE other.source = tables.source AND other.root = tables.root
                    AND other.path = tables.root_name
            ) THEN root_name || ' (top)'
            ELSE root_name
        END AS name
    FROM tables
), data AS (
    SELECT
        source,
        key,
        folder,
        CASE
            WHEN regexp_matches(name, '(?i)\.parquet$') THEN 'parquet'
            WHEN regexp_matches(name, '(?i)\.csv(?:\.gz)?$') THEN 'csv'
            WHEN regexp_matches(name, '(?i)\.(?:json|jsonl|ndjson)(?:\.gz)?$') THEN 'json_lines'
        END AS format
    FROM free
    WHERE NOT regexp_matches(name, '^[._]')
)
SELECT
    data.source,
    key,
    'files',
    root,
    with_names.name,
    'files',
    with_names.name,
    table_folder,
    format,
    keyed
FROM data
JOIN with_names ON with_names.source = data.source AND with_names.folder = data.folder
WHERE format IS NOT NULL
