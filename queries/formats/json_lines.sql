-- formats/json_lines: the rows of files of JSON lines, chosen keys as columns
-- params:  $values, $parts (lists of JSON pointers: what is read as a plain value, and as JSON text);
--          they are replaced in the parsed statement, because a macro takes no bound parameters,
--          and so is the star, by the columns f0, f1, ...
-- makes:   the temporary table macro staged(files VARCHAR[]). DuckDB takes numbers apart as DOUBLE:
--          1.10 would come out as 1.1. So it is given objects (`marked`) in which a number n stands
--          as the string #n, and a string or key that begins with # has one more of them. A quote
--          that opens a string follows one of : [ , { and any other one closes a string, or has a
--          backslash before it. Control characters cannot stand in JSON as they are: chr(1) marks a
--          place beyond doubt. Short whole numbers come out as they are, and are left alone if
--          there are no others.
CREATE OR REPLACE TEMP MACRO staged(files) AS TABLE
SELECT * FROM (
    SELECT item, "compactor source file",
           json_extract_string(marked, $values) AS plain_values,
           json_extract(marked, $parts) AS parts
    FROM (
        SELECT item, "compactor source file",
               CASE WHEN regexp_matches(escaped, '[:\[,]\s*(-?[0-9]+[.eE]|-?[0-9]{18}|-0)')
               THEN replace(replace(regexp_replace(
                        escaped, '("(?:[^"\\]|\\.)*")|(-?[0-9][0-9.eE+-]*)',
                        '\1' || chr(1) || '#\2' || chr(1), 'g'),
                    chr(1) || '#' || chr(1), ''), chr(1), '"')
               ELSE escaped END AS marked
        FROM (
            SELECT item, "compactor source file",
                   CASE WHEN contains(item, '"#') OR contains(item, '"\u0023')
                   THEN regexp_replace(item, '([:\[,{]\s*)"(#|\\u0023)', '\1"#\2', 'g')
                   ELSE item END AS escaped
            FROM (
                SELECT json::VARCHAR AS item, "compactor source file"
                FROM read_json_objects(
                    files, format = 'newline_delimited', ignore_errors = false,
                    compression = 'none', maximum_object_size = 17825792,
                    filename = 'compactor source file')
            ) AS delivered
        ) AS with_escapes
    ) AS with_marks
) AS extracted
