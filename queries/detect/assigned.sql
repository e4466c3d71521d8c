-- detect/assigned: every object of the listing, once, with what it is and why it is not taken
-- params:  $listing VARCHAR (Parquet), $out VARCHAR, $control, $leftover, $marker, $data (regexes)
-- needs:   placed; tables (root_no, table_folder, table_no, reason); roots (root_no, control_reason)
-- writes:  Parquet (source, key, size_bytes, etag, modified_at, version_id, role, table_no, reason,
--          place), sorted by table_no and key; place is the folder it is reported under:
--          the table's, else a folder of the export, the export itself for markers and left-overs
COPY (
    WITH known AS (
        SELECT
            placed.source,
            placed.folder,
            placed.root,
            placed.table_folder,
            roots.control_reason,
            tables.table_no,
            tables.reason
        FROM placed
        JOIN roots USING (root_no)
        LEFT JOIN tables ON tables.root_no = placed.root_no
            AND tables.table_folder = placed.table_folder
    ), named AS (
        SELECT *, role(key, size_bytes, $control, $leftover, $marker, $data) AS named_role
        FROM read_parquet($listing)
    ), judged AS (
        SELECT
            named.* EXCLUDE (named_role),
            CASE
                WHEN named_role = 'data' AND known.table_no IS NULL THEN 'unrecognised'
                ELSE named_role
            END AS role,
            known.table_no AS of_table,
            known.reason AS table_reason,
            known.control_reason,
            CASE
                WHEN named_role IN ('marker', 'leftover') AND known.root IS NOT NULL
                    THEN known.root
                WHEN known.table_folder <> '' THEN known.table_folder
                WHEN known.root IS NOT NULL
                    THEN known.root || regexp_extract(
                        substr(known.folder, length(known.root) + 1), '^(?:[^/]*/)?')
                ELSE regexp_extract(folder_of(named.key), '^(?:[^/]*/){0,2}')
            END AS place
        FROM named
        LEFT JOIN known ON known.source = named.source AND known.folder = folder_of(named.key)
    )
    SELECT
        source,
        key,
        size_bytes,
        etag,
        modified_at,
        version_id,
        role,
        CASE WHEN role = 'data' THEN of_table END AS table_no,
        CASE role
            WHEN 'data' THEN table_reason
            WHEN 'control' THEN coalesce(control_reason, 'describes an export')
            WHEN 'marker' THEN 'marker of a job or folder, holds no rows'
            WHEN 'leftover' THEN 'left over from the exporting job, not part of the export'
            ELSE 'not recognised as part of an export'
        END AS reason,
        place
    FROM judged
    ORDER BY table_no NULLS LAST, source, key
) TO $out (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)
