-- benefit/day_of_text: the rows of one day, a date made of each text
-- params:  $files VARCHAR[], $columns VARCHAR[] (to return), $dated VARCHAR (the date column, text),
--          $first TIMESTAMP (first moment of the day), $end TIMESTAMP (of the next)
-- returns: the rows. Statistics are of the text, so they exclude nothing.
SELECT COLUMNS(lambda c: list_contains($columns, c))
FROM read_parquet($files, hive_partitioning = false)
WHERE TRY_CAST(COLUMNS(lambda c: c = $dated) AS TIMESTAMP) >= $first
  AND TRY_CAST(COLUMNS(lambda c: c = $dated) AS TIMESTAMP) < $end
