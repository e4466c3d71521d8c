-- detect/table_sizes: files, bytes and size histogram of each table
-- params:  $assigned VARCHAR (Parquet), $edges BIGINT[] (upper edges of the size classes)
-- returns: table_no INTEGER, files BIGINT, bytes BIGINT, median_file_bytes BIGINT (the lower one),
--          classes MAP(BIGINT, BIGINT) (class -> files; class i holds sizes up to edge i); sorted
-- Counting equal sizes first keeps it exact, and small for any number of objects.
WITH sizes AS (
    SELECT table_no, size_bytes, count(*) AS files
    FROM read_parquet($assigned)
    WHERE role = 'data' AND table_no IS NOT NULL
    GROUP BY table_no, size_bytes
), running AS (
    SELECT
        *,
        sum(files) OVER (PARTITION BY table_no ORDER BY size_bytes) AS up_to,
        sum(files) OVER (PARTITION BY table_no) AS of_all
    FROM sizes
), totals AS (
    SELECT
        table_no,
        sum(files)::BIGINT AS files,
        sum(size_bytes * files)::BIGINT AS bytes,
        (min(size_bytes) FILTER (2 * up_to >= of_all))::BIGINT AS median_file_bytes
    FROM running
    GROUP BY table_no
), classes AS (
    SELECT
        table_no,
        len(list_filter($edges::BIGINT[], lambda edge: edge < size_bytes)) AS class,
        sum(files)::BIGINT AS files
    FROM sizes
    GROUP BY ALL
), histograms AS (
    SELECT table_no, map(list(class), list(files)) AS classes FROM classes GROUP BY table_no
)
SELECT table_no, files, bytes, median_file_bytes, classes
FROM totals JOIN histograms USING (table_no)
ORDER BY table_no
