-- query/tree: the syntax tree of a SELECT, which DuckDB's parser makes without looking any table up
-- params:  $statement VARCHAR
-- returns: tree VARCHAR: JSON with error, error_message, statements
SELECT json_serialize_sql($statement) AS tree
