-- detect/parse: take every key apart
-- params:  $listing VARCHAR (Parquet), $layout VARCHAR (RE2 with the groups root, db, st, batch, file),
--          $data VARCHAR (RE2 of file names that hold rows)
-- returns: nothing; makes the table `parsed`, one row per object. `root` is NULL where the key does
--          not have the layout.
CREATE OR REPLACE TABLE parsed AS
SELECT source, key, size_bytes, etag, modified_at, version_id,
       CASE WHEN fits THEN p.root END AS root,
       CASE WHEN fits THEN p.db || '/' || p.st END AS folder,
       CASE WHEN fits THEN p.batch END AS batch,
       fits AND regexp_matches(p.file, $data) AS is_data
FROM (
    SELECT *, regexp_matches(key, $layout) AS fits,
           regexp_extract(key, $layout, ['root', 'db', 'st', 'batch', 'file']) AS p
    FROM read_parquet($listing)
)
