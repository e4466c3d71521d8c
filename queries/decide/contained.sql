-- decide/contained: is every row of a member in the parent, as often as the member has it?
-- params:  none; reads `member_rows` and `parent_rows` (h1, h2 UBIGINT)
-- returns: member INTEGER, distinct_rows BIGINT, missing BIGINT (distinct rows of the member that
--          the parent lacks, or has less often)
WITH parent AS (
    SELECT h1, h2, count(*) AS n FROM parent_rows GROUP BY h1, h2
), wanted AS (
    SELECT member, h1, h2, count(*) AS n FROM member_rows GROUP BY member, h1, h2
)
SELECT member,
       count(*) AS distinct_rows,
       count_if(coalesce(parent.n, 0) < wanted.n) AS missing
FROM wanted LEFT JOIN parent USING (h1, h2)
GROUP BY member
ORDER BY member
