-- benefit/middle_day: the day of the row in the middle, by date
-- params:  $files VARCHAR[], $dated VARCHAR (the date column)
-- returns: day DATE, one row; NULL where no row has a date
SELECT quantile_disc(TRY_CAST(COLUMNS(lambda c: c = $dated) AS DATE), 0.5) AS day
FROM read_parquet($files, hive_partitioning = false)
