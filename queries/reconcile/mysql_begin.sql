-- reconcile/mysql_begin: the moment that this transaction sees, and the server
-- params:  none
-- returns: at DATETIME (UTC), version VARCHAR
-- Asked right after START TRANSACTION WITH CONSISTENT SNAPSHOT.
SELECT utc_timestamp(6) AS at, version() AS version
