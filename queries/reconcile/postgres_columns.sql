-- reconcile/postgres_columns: columns of every table of this database, with their types
-- params:  none
-- returns: schema_name, table_name, column_name, type_name VARCHAR; in their order
-- A domain is given by its base type, without length and precision.
-- https://www.postgresql.org/docs/18/catalog-pg-attribute.html (read 2026-11)
SELECT
    n.nspname::text AS schema_name,
    c.relname::text AS table_name,
    a.attname::text AS column_name,
    format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) AS type_name
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND a.attnum > 0
    AND NOT a.attisdropped
    AND left(n.nspname::text, 3) <> 'pg_'
    AND n.nspname <> 'information_schema'
ORDER BY 1, 2, a.attnum
