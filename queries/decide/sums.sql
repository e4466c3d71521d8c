-- decide/sums: rows and sums of row hashes per member, many thousands of members in one query
-- params:  none; reads `member_rows` (member INTEGER, h1, h2 UBIGINT, bad INTEGER)
-- returns: member INTEGER, rows BIGINT, sum1, sum2 VARCHAR, bad BIGINT (rows that the parent's
--          types cannot hold: such a row is not in the parent)
SELECT member, count(*) AS rows, sum(h1)::VARCHAR AS sum1, sum(h2)::VARCHAR AS sum2, count(bad) AS bad
FROM member_rows
GROUP BY member
ORDER BY member
