-- evidence/source_listing: the source objects that the tables of a run were read from
-- params:  $assigned VARCHAR (Parquet of detect/assigned), $out VARCHAR
-- needs:   named_tables (table_no, task_id), named_sources (source, url)
-- writes:  Parquet (source, key, size_bytes, etag, version_id, modified_at, task_id); returns rows
COPY (
    SELECT
        named_sources.url AS source,
        listed.key,
        listed.size_bytes,
        listed.etag,
        listed.version_id,
        listed.modified_at,
        named_tables.task_id
    FROM read_parquet($assigned) AS listed
    JOIN named_tables USING (table_no)
    JOIN named_sources USING (source)
    WHERE listed.role = 'data'
    ORDER BY named_sources.url, listed.key
) TO $out (FORMAT parquet, COMPRESSION zstd)
