-- formats/csv_by_place: the rows of converted CSV files that all have the same columns
-- params:  $columns (a struct of the types by column name), $delimiter, $null_text VARCHAR; they are
--          replaced in the parsed statement, because a macro takes no bound parameters, and so is
--          the star, by the columns, unescaped
-- makes:   the temporary table macro staged(files VARCHAR[]). Everything is told and nothing is
--          guessed by DuckDB's sniffer.
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE
SELECT * FROM read_csv(
    files, auto_detect = false, columns = $columns, header = true, delim = $delimiter,
    quote = '"', escape = '"', nullstr = $null_text, allow_quoted_nulls = false,
    new_line = '\n', comment = '', skip = 0, strict_mode = true, null_padding = false,
    ignore_errors = false, max_line_size = 41943040, buffer_size = 67108864, encoding = 'utf-8',
    compression = 'none', hive_partitioning = false, filename = 'compactor source file')
