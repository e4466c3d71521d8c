-- audit/add_listed: add a page of the listing of versions, without what is no part of an archive
-- params:  $left_out VARCHAR: keys that begin so; reads the registered Arrow table `batch`
-- returns: nothing
INSERT INTO listed BY NAME
SELECT * FROM batch WHERE $left_out = '' OR NOT starts_with(key, $left_out)
