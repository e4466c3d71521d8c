-- reconcile/postgres_tables: every relation of this database that holds rows, and whose part it is
-- params:  none
-- returns: schema_name, table_name, kind, parent_schema, parent_name VARCHAR, has_heirs BOOLEAN
-- pg_class shows all tables to everybody; information_schema only those that one has rights to.
-- https://www.postgresql.org/docs/18/catalog-pg-class.html (read 2026-11)
SELECT
    n.nspname::text AS schema_name,
    c.relname::text AS table_name,
    CASE c.relkind
        WHEN 'r' THEN 'table'
        WHEN 'p' THEN 'partitioned table'
        WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view'
        ELSE 'foreign table'
    END AS kind,
    pn.nspname::text AS parent_schema,
    p.relname::text AS parent_name,
    c.relkind = 'r' AND EXISTS (
        SELECT 1 FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = c.oid
    ) AS has_heirs
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid AND c.relispartition
LEFT JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND left(n.nspname::text, 3) <> 'pg_'
    AND n.nspname <> 'information_schema'
ORDER BY 1, 2
