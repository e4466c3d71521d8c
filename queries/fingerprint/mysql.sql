-- fingerprint/mysql: the fingerprint of the example in docs/fingerprint.md, a table shop.orders
-- params:  none
-- returns: row_count, digest. Written by tests/test_portable_sql.py
SELECT
  COUNT(*) AS row_count,
  CONCAT(
    CAST(COALESCE(SUM(lane1), 0) AS CHAR CHARACTER SET utf8mb4),
    '-',
    CAST(COALESCE(SUM(lane2), 0) AS CHAR CHARACTER SET utf8mb4)
  ) AS digest
FROM (
  SELECT
    CAST(CONV(SUBSTR(row_hash, 1, 15), 16, 10) AS DECIMAL(38, 0)) AS lane1,
    CAST(CONV(SUBSTR(row_hash, 16, 15), 16, 10) AS DECIMAL(38, 0)) AS lane2
  FROM (
    SELECT
      SHA2(row_text, 256) AS row_hash
    FROM (
      SELECT
        CONCAT(
          CASE
            WHEN text1 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(text1) AS CHAR CHARACTER SET utf8mb4), ':', text1)
          END,
          CASE
            WHEN text2 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(text2) AS CHAR CHARACTER SET utf8mb4), ':', text2)
          END,
          CASE
            WHEN text3 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(text3) AS CHAR CHARACTER SET utf8mb4), ':', text3)
          END,
          CASE
            WHEN text4 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(text4) AS CHAR CHARACTER SET utf8mb4), ':', text4)
          END,
          CASE
            WHEN text5 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(text5) AS CHAR CHARACTER SET utf8mb4), ':', text5)
          END,
          CASE
            WHEN text6 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(text6) AS CHAR CHARACTER SET utf8mb4), ':', text6)
          END,
          CASE
            WHEN text7 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(text7) AS CHAR CHARACTER SET utf8mb4), ':', text7)
          END,
          CASE
            WHEN text8 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(text8) AS CHAR CHARACTER SET utf8mb4), ':', text8)
          END
        ) AS row_text
      FROM (
        SELECT
          CASE
            WHEN `amount` = 0
            THEN '0'
            WHEN LOCATE('.', CAST(`amount` + 0 AS CHAR CHARACTER SET utf8mb4)) > 0
            THEN TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST(`amount` + 0 AS CHAR CHARACTER SET utf8mb4)))
            ELSE CAST(`amount` + 0 AS CHAR CHARACTER SET utf8mb4)
          END AS text1,
          CAST((
            (
              TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', `created_at`) + 62167219200000500
            ) DIV 1000
          ) - 62167219200000 AS CHAR CHARACTER SET utf8mb4) AS text2,
          LOWER(HEX(`data`)) AS text3,
          CAST(DATEDIFF(`day`, '1970-01-01') AS CHAR CHARACTER SET utf8mb4) AS text4,
          CAST(`id` + 0 AS CHAR CHARACTER SET utf8mb4) AS text5,
          CAST(`note` AS CHAR CHARACTER SET utf8mb4) AS text6,
          CASE WHEN `paid` THEN '1' WHEN NOT (
            `paid`
          ) THEN '0' END AS text7,
          CAST((
            (
              CAST(UNIX_TIMESTAMP(`updated_at`) * 1000000 AS SIGNED) + 62167219200000500
            ) DIV 1000
          ) - 62167219200000 AS CHAR CHARACTER SET utf8mb4) AS text8
        FROM `shop`.`orders`
      ) AS r
    ) AS r
  ) AS r
) AS r
