-- reconcile/mysql_columns: columns of every table that this user may see, with their types
-- params:  none
-- returns: schema_name, table_name, column_name, type_name VARCHAR; in their order
-- `data_type` is the type without length; whether a number is unsigned does not matter here.
-- https://dev.mysql.com/doc/refman/8.4/en/information-schema-columns-table.html (read 2026-11)
SELECT
    table_schema AS schema_name,
    table_name AS table_name,
    column_name AS column_name,
    data_type AS type_name
FROM information_schema.columns
WHERE table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
ORDER BY 1, 2, ordinal_position
