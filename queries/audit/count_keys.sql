-- audit/count_keys: how many keys the chain names
-- params:  none; reads `named`
-- returns: keys BIGINT (one row)
SELECT count(DISTINCT key) AS keys FROM named
