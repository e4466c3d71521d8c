-- formats/csv_by_name: the rows of converted CSV files whose columns differ, matched by name
-- params:  $delimiter, $null_text VARCHAR; they are replaced in the parsed statement, because a
--          macro takes no bound parameters. The table `no_rows` stands for one of all columns
--          without rows, so that those are there which no file of a call has; the star for the
--          columns as f0, ..., unescaped
-- makes:   the temporary table macro staged(files VARCHAR[]). Each file's own header is read, which
--          needs the sniffer; converted files have headers that it cannot mistake.
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE
SELECT * FROM (
    FROM no_rows
    UNION ALL BY NAME
    SELECT * FROM read_csv(
        files, all_varchar = true, union_by_name = true, header = true, delim = $delimiter,
        quote = '"', escape = '"', nullstr = $null_text, allow_quoted_nulls = false,
        new_line = '\n', comment = '', skip = 0, strict_mode = true, null_padding = false,
        ignore_errors = false, max_line_size = 41943040, buffer_size = 67108864,
        encoding = 'utf-8', compression = 'none', hive_partitioning = false,
        filename = 'compactor source file')
) AS delivered
