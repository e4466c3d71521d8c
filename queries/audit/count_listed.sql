-- audit/count_listed: how many versions and delete markers the store lists
-- params:  none; reads `listed`
-- returns: versions BIGINT (one row)
SELECT count(*) AS versions FROM listed
