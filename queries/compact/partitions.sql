-- compact/partitions: what the source holds per partition, and where it lies in the sorted table
-- params:  none
-- returns: value VARCHAR ('' for rows without a usable date), rows BIGINT, sum1, sum2 VARCHAR
--          (sums of the row hashes, which were taken from the source before sorting),
--          first_row, last_row BIGINT (row ids; contiguous, because the table is sorted)
SELECT coalesce(dt::VARCHAR, '') AS value,
       count(*) AS rows,
       sum(h1)::VARCHAR AS sum1,
       sum(h2)::VARCHAR AS sum2,
       min(row_no) AS first_row,
       max(row_no) AS last_row
FROM dated
GROUP BY dt
ORDER BY dt NULLS LAST
