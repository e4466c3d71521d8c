-- fingerprint/postgres: the fingerprint of the example in docs/fingerprint.md, a table shop.orders
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
    CAST(CAST(CONCAT('x', SUBSTR(row_hash, 1, 15)) AS BIT(60)) AS BIGINT) AS lane1,
    CAST(CAST(CONCAT('x', SUBSTR(row_hash, 16, 15)) AS BIT(60)) AS BIGINT) AS lane2
  FROM (
    SELECT
      ENCODE(SHA256(CONVERT_TO(row_text, 'UTF8')), 'hex') AS row_hash
    FROM (
      SELECT
        CONCAT(
          CASE
            WHEN text1 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(CONVERT_TO(text1, 'UTF8')) AS VARCHAR), ':', text1)
          END,
          CASE
            WHEN text2 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(CONVERT_TO(text2, 'UTF8')) AS VARCHAR), ':', text2)
          END,
          CASE
            WHEN text3 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(CONVERT_TO(text3, 'UTF8')) AS VARCHAR), ':', text3)
          END,
          CASE
            WHEN text4 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(CONVERT_TO(text4, 'UTF8')) AS VARCHAR), ':', text4)
          END,
          CASE
            WHEN text5 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(CONVERT_TO(text5, 'UTF8')) AS VARCHAR), ':', text5)
          END,
          CASE
            WHEN text6 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(CONVERT_TO(text6, 'UTF8')) AS VARCHAR), ':', text6)
          END,
          CASE
            WHEN text7 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(CONVERT_TO(text7, 'UTF8')) AS VARCHAR), ':', text7)
          END,
          CASE
            WHEN text8 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(OCTET_LENGTH(CONVERT_TO(text8, 'UTF8')) AS VARCHAR), ':', text8)
          END
        ) AS row_text
      FROM (
        SELECT
          CASE
            WHEN STRPOS(CAST("amount" AS VARCHAR), '.') > 0
            THEN TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST("amount" AS VARCHAR)))
            ELSE CAST("amount" AS VARCHAR)
          END AS text1,
          CAST((
            CAST(CAST("created_at" AS DATE) - CAST('1970-01-01' AS DATE) AS BIGINT) * 86400000
          ) + CAST((
            (
              EXTRACT(HOUR FROM "created_at") * 3600000
            ) + (
              EXTRACT(MINUTE FROM "created_at") * 60000
            )
          ) + FLOOR(
            CAST((
              EXTRACT(MICROSECONDS FROM "created_at") + 500
            ) AS DOUBLE PRECISION) / 1000
          ) AS BIGINT) AS VARCHAR) AS text2,
          ENCODE("data", 'hex') AS text3,
          CAST("day" - CAST('1970-01-01' AS DATE) AS VARCHAR) AS text4,
          CAST("id" AS VARCHAR) AS text5,
          CASE WHEN NOT "note" IS NULL THEN CONCAT("note") END AS text6,
          CASE WHEN "paid" THEN '1' WHEN NOT (
            "paid"
          ) THEN '0' END AS text7,
          CAST((
            CAST(CAST((
              "updated_at" AT TIME ZONE 'UTC'
            ) AS DATE) - CAST('1970-01-01' AS DATE) AS BIGINT) * 86400000
          ) + CAST((
            (
              EXTRACT(HOUR FROM (
                "updated_at" AT TIME ZONE 'UTC'
              )) * 3600000
            ) + (
              EXTRACT(MINUTE FROM (
                "updated_at" AT TIME ZONE 'UTC'
              )) * 60000
            )
          ) + FLOOR(
            CAST((
              EXTRACT(MICROSECONDS FROM (
                "updated_at" AT TIME ZONE 'UTC'
              )) + 500
            ) AS DOUBLE PRECISION) / 1000
          ) AS BIGINT) AS VARCHAR) AS text8
        FROM "shop"."orders"
      ) AS r
    ) AS r
  ) AS r
) AS r
