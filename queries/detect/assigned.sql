-- detect/assigned: every object of the listing, once, with what it is and why it is not taken
-- params:  $listing VARCHAR (Parquet), $out VARCHAR, $control, $leftover, $marker, $data (regexes)
-- needs:   placed, claimed; roots (root_no, control_reason, root_reason); owners (root_no, source,
--          system, root, unit); tables, claiming (root_no, table_folder, database, table, table_no,
--          reason): tables told by folder, and by the names of their objects
-- writes:  Parquet (source, key, size_bytes, etag, modified_at, version_id, role, table_no, reason,
--          place, keyed, declared_rows, declared_md5, declared_etag), sorted by table_no and key;
--          place is the folder it is reported under: the table's, else a folder of the export, the
--          export itself for markers and left-overs
-- An object that two tables claim goes to the first; the other one's count shows it.
COPY (
    WITH known AS (
        SELECT
            placed.source,
            placed.folder,
            placed.root,
            placed.table_folder,
            roots.control_reason,
            roots.root_reason,
            tables.table_no,
            tables.reason
        FROM placed
        JOIN roots USING (root_no)
        LEFT JOIN tables ON tables.root_no = placed.root_no
            AND tables.table_folder = placed.table_folder
    ), by_name AS (
        SELECT DISTINCT ON (claimed.source, claimed.key)
            claimed.source,
            claimed.key,
            claimed.keyed,
            claimed.declared_rows,
            claimed.declared_md5,
            claimed.declared_etag,
            claiming.table_no,
            claiming.table_folder,
            claiming.reason
        FROM claimed
        JOIN owners
            ON owners.source = claimed.source AND owners.system = claimed.system
            AND owners.root = claimed.root AND owners.unit = claimed.unit
        JOIN claiming
            ON claiming.root_no = owners.root_no AND claiming.database = claimed.database
            AND claiming."table" = claimed."table"
        ORDER BY claimed.source, claimed.key, claiming.table_no
    ), named AS (
        SELECT *, role(key, size_bytes, $control, $leftover, $marker, $data) AS named_role
        FROM read_parquet($listing)
    ), judged AS (
        SELECT
            named.* EXCLUDE (named_role),
            CASE
                WHEN named_role = 'control' THEN 'control'
                WHEN by_name.table_no IS NOT NULL THEN 'data'
                WHEN named_role <> 'data' OR known.table_no IS NOT NULL THEN named_role
                WHEN known.root_reason IS NOT NULL THEN 'pending'
                ELSE 'unrecognised'
            END AS role,
            coalesce(by_name.table_no, known.table_no) AS of_table,
            CASE WHEN by_name.table_no IS NULL THEN known.reason ELSE by_name.reason END
                AS table_reason,
            known.control_reason,
            known.root_reason,
            CASE
                WHEN by_name.table_no IS NOT NULL THEN by_name.table_folder
                WHEN named_role IN ('marker', 'leftover') AND known.root IS NOT NULL
                    THEN known.root
                WHEN known.table_folder <> '' THEN known.table_folder
                WHEN known.root IS NOT NULL
                    THEN known.root || regexp_extract(
                        substr(known.folder, length(known.root) + 1), '^(?:[^/]*/)?')
                ELSE regexp_extract(folder_of(named.key), '^(?:[^/]*/){0,2}')
            END AS place,
            by_name.keyed,
            by_name.declared_rows,
            by_name.declared_md5,
            by_name.declared_etag
        FROM named
        LEFT JOIN known ON known.source = named.source AND known.folder = folder_of(named.key)
        LEFT JOIN by_name ON by_name.source = named.source AND by_name.key = named.key
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
            WHEN 'pending' THEN root_reason
            ELSE 'not recognised as part of an export'
        END AS reason,
        place,
        keyed,
        declared_rows,
        declared_md5,
        declared_etag
    FROM judged
    ORDER BY table_no NULLS LAST, source, key
) TO $out (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)
