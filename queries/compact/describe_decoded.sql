-- compact/describe_decoded: names and types of the columns of decoded rows, as DuckDB sees them
-- params:  none; reads the registered Arrow table `decoded_rows`
-- returns: column_name VARCHAR, column_type VARCHAR, ... in their order
DESCRIBE SELECT * FROM decoded_rows
