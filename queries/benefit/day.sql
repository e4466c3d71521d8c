-- benefit/day: the rows of one day, dates compared as they are stored
-- params:  $files VARCHAR[], $columns VARCHAR[] (to return), $dated VARCHAR (the date column),
--          $first (first moment of the day), $end (of the next), both of the column's own type
-- returns: the rows. Row groups whose statistics exclude the day are skipped.
SELECT COLUMNS(lambda c: list_contains($columns, c))
FROM read_parquet($files, hive_partitioning = false)
WHERE COLUMNS(lambda c: c = $dated) >= $first
  AND COLUMNS(lambda c: c = $dated) < $end
