-- fingerprint/duckdb: the fingerprint of the example in docs/fingerprint.md, a table shop.orders
-- params:  none
-- returns: row_count, digest. Written by tests/test_portable_sql.py
SELECT
  COUNT(*) AS row_count,
  CONCAT(CAST(COALESCE(SUM(lane1), 0) AS TEXT), '-', CAST(COALESCE(SUM(lane2), 0) AS TEXT)) AS digest
FROM (
  SELECT
    CAST(CONCAT('0x', SUBSTR(row_hash, 1, 15)) AS UBIGINT) AS lane1,
    CAST(CONCAT('0x', SUBSTR(row_hash, 16, 15)) AS UBIGINT) AS lane2
  FROM (
    SELECT
      SHA256(row_text) AS row_hash
    FROM (
      SELECT
        CONCAT(
          CASE
            WHEN text1 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(STRLEN(text1) AS TEXT), ':', text1)
          END,
          CASE
            WHEN text2 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(STRLEN(text2) AS TEXT), ':', text2)
          END,
          CASE
            WHEN text3 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(STRLEN(text3) AS TEXT), ':', text3)
          END,
          CASE
            WHEN text4 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(STRLEN(text4) AS TEXT), ':', text4)
          END,
          CASE
            WHEN text5 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(STRLEN(text5) AS TEXT), ':', text5)
          END,
          CASE
            WHEN text6 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(STRLEN(text6) AS TEXT), ':', text6)
          END,
          CASE
            WHEN text7 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(STRLEN(text7) AS TEXT), ':', text7)
          END,
          CASE
            WHEN text8 IS NULL
            THEN 'N'
            ELSE CONCAT(CAST(STRLEN(text8) AS TEXT), ':', text8)
          END
        ) AS row_text
      FROM (
        SELECT
          RTRIM(RTRIM(CAST("amount" AS TEXT), '0'), '.') AS text1,
          CAST((
            (
              EPOCH_US("created_at") + 500
            ) // 1000
          ) - CASE WHEN (
            EPOCH_US("created_at") + 500
          ) % 1000 < 0 THEN 1 ELSE 0 END AS TEXT) AS text2,
          LOWER(HEX("data")) AS text3,
          CAST("day" - CAST('1970-01-01' AS DATE) AS TEXT) AS text4,
          CAST("id" AS TEXT) AS text5,
          "note" AS text6,
          CASE WHEN "paid" THEN '1' WHEN NOT (
            "paid"
          ) THEN '0' END AS text7,
          CAST((
            (
              EPOCH_US("updated_at") + 500
            ) // 1000
          ) - CASE WHEN (
            EPOCH_US("updated_at") + 500
          ) % 1000 < 0 THEN 1 ELSE 0 END AS TEXT) AS text8
        FROM "shop"."orders"
      ) AS r
    ) AS r
  ) AS r
) AS r
