-- detect/histogram: data objects per size class, for the tables that have many small ones
-- params:  $edges BIGINT[] (upper edges; one more class holds what is larger), $tables INTEGER[]
-- returns: table_no INTEGER, class INTEGER (index into the edges), files BIGINT
SELECT table_no,
       len(list_filter($edges::BIGINT[], lambda edge: edge < size_bytes)) AS class,
       count(*) AS files
FROM assigned
WHERE role = 'data' AND table_no IN (SELECT unnest($tables::INTEGER[]))
GROUP BY ALL
ORDER BY ALL
