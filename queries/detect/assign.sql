-- detect/assign: give every object exactly one place
-- params:  none; reads `parsed`, `table_folders` (source, root, folder, table_no, reason),
--          `control_files` (source, key, reason) and `roots` (source, root, reason)
-- returns: nothing; makes the table `assigned`. Roles: data, control, marker (Spark's success and
--          commit files, folder placeholders), leftover (an unfinished Spark job), unrecognised.
CREATE OR REPLACE TABLE assigned AS
SELECT p.source, p.key, p.size_bytes, p.etag, p.modified_at, p.version_id,
       CASE WHEN c.key IS NOT NULL THEN 'control'
            WHEN p.is_data AND t.table_no IS NOT NULL THEN 'data'
            WHEN regexp_matches(p.key, '(^|/)_temporary/') THEN 'leftover'
            WHEN p.root IS NOT NULL
              OR (p.size_bytes = 0 AND (p.key LIKE '%/' OR p.key LIKE '%\_$folder$' ESCAPE '\'))
              OR (p.size_bytes = 0 AND regexp_matches(p.key, '(^|/)_SUCCESS$'))
              THEN 'marker'
            ELSE 'unrecognised' END AS role,
       CASE WHEN p.is_data THEN t.table_no END AS table_no,
       CASE WHEN c.key IS NOT NULL THEN c.reason
            WHEN p.is_data AND t.table_no IS NOT NULL THEN t.reason
            WHEN regexp_matches(p.key, '(^|/)_temporary/') THEN 'left by a Spark job that did not finish'
            WHEN p.root IS NOT NULL OR p.size_bytes = 0 AND
                 (p.key LIKE '%/' OR p.key LIKE '%\_$folder$' ESCAPE '\' OR p.key LIKE '%\_SUCCESS' ESCAPE '\')
              THEN 'marker without rows'
            ELSE 'not part of any layout that is known' END AS reason
FROM parsed p
LEFT JOIN table_folders t
       ON p.source = t.source AND p.root = t.root AND p.folder = t.folder
LEFT JOIN control_files c ON p.source = c.source AND p.key = c.key
