-- scan/control: the small files by which exports describe themselves
-- params:  $listing VARCHAR (Parquet), $control VARCHAR (regex on the whole key)
-- returns: source INTEGER, key VARCHAR, size_bytes BIGINT; sorted
SELECT source, key, size_bytes
FROM read_parquet($listing)
WHERE regexp_matches(key, $control)
ORDER BY source, key
