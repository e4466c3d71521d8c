-- scan/doubled: keys that the listing holds more than once
-- params:  $listing VARCHAR (Parquet), $sources INTEGER[] (those to look at)
-- returns: source INTEGER, key VARCHAR, times BIGINT; up to five, sorted
-- Numbers are compared first: grouping the keys themselves would hold all of them in memory.
WITH suspects AS (
    SELECT source, hash(key) AS number
    FROM read_parquet($listing)
    WHERE source IN (SELECT unnest($sources::INTEGER[]))
    GROUP BY ALL
    HAVING count(*) > 1
)
SELECT source, key, count(*) AS times
FROM read_parquet($listing)
WHERE (source, hash(key)) IN (SELECT (source, number) FROM suspects)
GROUP BY ALL
HAVING count(*) > 1
ORDER BY source, key
LIMIT 5
