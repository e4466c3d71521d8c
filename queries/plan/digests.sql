-- plan/digests: one digest per table over key, size and ETag of its objects
-- params:  $assigned VARCHAR (Parquet)
-- returns: table_no INTEGER, objects BIGINT, lanes VARCHAR (four sums, as text)
-- Each object's SHA-256 is taken as four 64-bit numbers, and each is summed over the table. Sums do
-- not depend on order and need no sort and no memory, for a hundred million objects. They notice any
-- change that is not made for the purpose of going unnoticed: who can write to the source at will
-- needs no such trick.
SELECT
    table_no,
    count(*) AS objects,
    concat_ws(
        '-',
        sum(('0x' || digest[1:16])::UBIGINT)::VARCHAR,
        sum(('0x' || digest[17:32])::UBIGINT)::VARCHAR,
        sum(('0x' || digest[33:48])::UBIGINT)::VARCHAR,
        sum(('0x' || digest[49:64])::UBIGINT)::VARCHAR
    ) AS lanes
FROM (
    SELECT
        table_no,
        sha256(strlen(key) || ':' || key || ':' || size_bytes || ':' || coalesce(etag, ''))
            AS digest
    FROM read_parquet($assigned)
    WHERE role = 'data' AND reason IS NULL
)
GROUP BY table_no
