-- formats/csv_unescaped: a value of a converted CSV file as it was
-- params:  none
-- makes:   the temporary macro unescaped(given VARCHAR): chr(26) is the escape of line breaks, and
--          of itself, last
CREATE OR REPLACE TEMP MACRO unescaped(given) AS
    CASE WHEN contains(given, chr(26))
         THEN replace(replace(replace(
                  given, chr(26) || '1', chr(10)), chr(26) || '2', chr(13)), chr(26) || '0', chr(26))
         ELSE given END
