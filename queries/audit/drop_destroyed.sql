-- audit/drop_destroyed: versions whose destruction the chain records need not be there
-- params:  none; reads the registered table `batch` (name VARCHAR: key@version), changes `named`
-- returns: nothing
DELETE FROM named
WHERE version_id IS NOT NULL AND key || '@' || version_id IN (SELECT name FROM batch)
