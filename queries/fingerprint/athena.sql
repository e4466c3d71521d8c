-- fingerprint/athena: the fingerprint of the example in docs/fingerprint.md, a table shop.orders
-- params:  none
-- returns: row_count, digest. Written by tests/test_portable_sql.py
SELECT
  COUNT(*) AS row_count,
  CONCAT(
    CAST(COALESCE(SUM(lane1), 0) AS VARCHAR),
    '-',
    CAST(COALESCE(SUM(lane2), 0) AS VARCHAR)
  ) AS digest
FROM (
  SELECT
    CAST(FROM_BASE(SUBSTR(row_hash, 1, 15), 16) AS DECIMAL(38, 0)) AS lane1,
    CAST(FROM_BASE(SUBSTR(row_hash, 16, 15), 16) AS DECIMAL(38, 0)) AS lane2
  FROM (
    SELECT
      TO_HEX(SHA256(TO_UTF8(row_text))) AS row_hash
    FROM (
      SELECT
        CONCAT(
          CASE
            WHEN text1 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(TO_UTF8(text1)) AS VARCHAR), ':', text1)
          END,
          CASE
            WHEN text2 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(TO_UTF8(text2)) AS VARCHAR), ':', text2)
          END,
          CASE
            WHEN text3 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(TO_UTF8(text3)) AS VARCHAR), ':', text3)
          END,
          CASE
            WHEN text4 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(TO_UTF8(text4)) AS VARCHAR), ':', text4)
          END,
          CASE
            WHEN text5 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(TO_UTF8(text5)) AS VARCHAR), ':', text5)
          END,
          CASE
            WHEN text6 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(TO_UTF8(text6)) AS VARCHAR), ':', text6)
          END,
          CASE
            WHEN text7 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(TO_UTF8(text7)) AS VARCHAR), ':', text7)
          END,
          CASE
            WHEN text8 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(LENGTH(TO_UTF8(text8)) AS VARCHAR), ':', text8)
          END
        ) AS row_text
      FROM (
        SELECT
          TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST("amount" AS VARCHAR))) AS text1,
          CAST(DATE_DIFF(
            'millisecond',
            CAST('1970-01-01' AS TIMESTAMP(3)),
            CAST("created_at" AS TIMESTAMP(3))
          ) AS VARCHAR) AS text2,
          LOWER(TO_HEX("data")) AS text3,
          CAST(DATE_DIFF('day', CAST('1970-01-01' AS DATE), "day") AS VARCHAR) AS text4,
          CAST("id" AS VARCHAR) AS text5,
          "note" AS text6,
          CASE WHEN "paid" THEN '1' WHEN NOT (
            "paid"
          ) THEN '0' END AS text7,
          CAST(DATE_DIFF(
            'millisecond',
            CAST('1970-01-01' AS TIMESTAMP(3)),
            CAST("updated_at" AS TIMESTAMP(3))
          ) AS VARCHAR) AS text8
        FROM "shop"."orders"
      ) AS r
    ) AS r
  ) AS r
) AS r
