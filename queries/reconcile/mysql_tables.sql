-- reconcile/mysql_tables: every table of the server that this user may see
-- params:  none
-- returns: schema_name, table_name, kind, engine VARCHAR
-- `SYSTEM VERSIONED` is MariaDB's. Tables that one has no rights to are not shown.
-- https://dev.mysql.com/doc/refman/8.4/en/information-schema-tables-table.html (read 2026-11)
SELECT
    table_schema AS schema_name,
    table_name AS table_name,
    CASE
        WHEN table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') THEN 'table'
        ELSE lower(table_type)
    END AS kind,
    engine AS engine
FROM information_schema.tables
WHERE table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
ORDER BY 1, 2
