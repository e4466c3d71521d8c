-- compact/portable_partitions: sums of the portable fingerprint per partition of the source
-- params:  none
-- returns: value VARCHAR ('' for rows without a usable date), lane1, lane2 VARCHAR
SELECT coalesce(dt::VARCHAR, '') AS value,
       sum(lane1)::VARCHAR AS lane1,
       sum(lane2)::VARCHAR AS lane2
FROM dated
GROUP BY dt
