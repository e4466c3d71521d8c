-- detect/unrecognised: objects that nobody can name, by place
-- params:  $assigned VARCHAR (Parquet)
-- returns: source INTEGER, place VARCHAR, parquet BOOLEAN, objects BIGINT, bytes BIGINT,
--          keys VARCHAR[] (up to five); sorted
SELECT
    source,
    place,
    ends_with(lower(key), '.parquet') AS parquet,
    count(*) AS objects,
    sum(size_bytes)::BIGINT AS bytes,
    min(key, 5) AS keys
FROM read_parquet($assigned)
WHERE role = 'unrecognised'
GROUP BY source, place, parquet
ORDER BY source, place, parquet
