-- reconcile/postgres_begin: settings of this transaction, and the moment that it sees
-- params:  $1 VARCHAR (statement timeout in milliseconds; 0 is none)
-- returns: at TIMESTAMPTZ, version, database_name, encoding, and settings that were made (VARCHAR)
-- The first statement of a REPEATABLE READ transaction, so this is the snapshot of all others.
-- With row_security off, a policy that would hide rows is an error and not a smaller count (what
-- pg_dump does, too). Moments are compared and printed in UTC.
-- https://www.postgresql.org/docs/18/runtime-config-client.html (read 2026-11)
SELECT
    statement_timestamp() AS at,
    current_setting('server_version') AS version,
    current_database() AS database_name,
    current_setting('server_encoding') AS encoding,
    set_config('statement_timeout', $1, true) AS timeout_ms,
    set_config('row_security', 'off', true) AS row_security,
    set_config('timezone', 'UTC', true) AS timezone,
    set_config('datestyle', 'ISO, YMD', true) AS datestyle
