-- fingerprint/spark: the fingerprint of the example in docs/fingerprint.md, a table shop.orders
-- params:  none
-- returns: row_count, digest. Written by tests/test_portable_sql.py
SELECT
  COUNT(*) AS row_count,
  CONCAT(
    CAST(COALESCE(SUM(lane1), 0) AS STRING),
    '-',
    CAST(COALESCE(SUM(lane2), 0) AS STRING)
  ) AS digest
FROM (
  SELECT
    CAST(CONV(SUBSTR(row_hash, 1, 15), 16, 10) AS DECIMAL(28, 0)) AS lane1,
    CAST(CONV(SUBSTR(row_hash, 16, 15), 16, 10) AS DECIMAL(28, 0)) AS lane2
  FROM (
    SELECT
      SHA2(CAST(row_text AS BINARY), 256) AS row_hash
    FROM (
      SELECT
        CONCAT(
          CASE
            WHEN text1 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(text1) AS STRING), ':', text1)
          END,
          CASE
            WHEN text2 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(text2) AS STRING), ':', text2)
          END,
          CASE
            WHEN text3 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(text3) AS STRING), ':', text3)
          END,
          CASE
            WHEN text4 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(text4) AS STRING), ':', text4)
          END,
          CASE
            WHEN text5 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(text5) AS STRING), ':', text5)
          END,
          CASE
            WHEN text6 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(text6) AS STRING), ':', text6)
          END,
          CASE
            WHEN text7 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(text7) AS STRING), ':', text7)
          END,
          CASE
            WHEN text8 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(text8) AS STRING), ':', text8)
          END
        ) AS row_text
      FROM (
        SELECT
          TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST(`amount` AS STRING))) AS text1,
          CAST(UNIX_MILLIS(`created_at` + INTERVAL '500' MICROSECOND) AS STRING) AS text2,
          LOWER(HEX(`data`)) AS text3,
          CAST(UNIX_DATE(`day`) AS STRING) AS text4,
          CAST(`id` AS STRING) AS text5,
          `note` AS text6,
          CASE WHEN `paid` THEN '1' WHEN NOT (
            `paid`
          ) THEN '0' END AS text7,
          CAST(UNIX_MILLIS(`updated_at` + INTERVAL '500' MICROSECOND) AS STRING) AS text8
        FROM `shop`.`orders`
      ) AS r
    ) AS r
  ) AS r
) AS r
