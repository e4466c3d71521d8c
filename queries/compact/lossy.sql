-- compact/lossy: in which columns did a value fail its round trip while the table was loaded?
-- params:  none
-- returns: bad USMALLINT (column number), rows BIGINT; no row if every value survived
SELECT bad, count(*) AS rows FROM sorted WHERE bad IS NOT NULL GROUP BY bad ORDER BY bad
