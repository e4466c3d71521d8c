-- audit/add_named: add versions that a link names
-- params:  none; reads the registered Arrow table `batch`, writes `named`
-- returns: nothing
INSERT INTO named BY NAME SELECT * FROM batch
