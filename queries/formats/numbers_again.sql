-- formats/numbers_again: JSON text from within an object that json_lines has marked
-- params:  none
-- makes:   the temporary macro numbers_again(part VARCHAR): the part with its numbers as they were
--          written; NULL for JSON's null. See json_lines for the marks.
CREATE OR REPLACE TEMP MACRO numbers_again(part) AS
    CASE WHEN contains(part, '"#')
         THEN regexp_replace(regexp_replace(
                  part, '(^|[:\[,])"#(-?[0-9][0-9.eE+-]*)"', '\1\2', 'g'),
              '(^|[:\[,{])"##', '\1"#', 'g')
         WHEN part = 'null' THEN NULL
         ELSE part::VARCHAR END
