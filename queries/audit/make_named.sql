-- audit/make_named: a table for the versions that links name; two links may name the same one
-- params:  none; creates the table `named`
-- returns: nothing
CREATE TABLE named (
    key VARCHAR,
    version_id VARCHAR,
    size_bytes BIGINT,
    sha256 VARCHAR,
    lock_mode VARCHAR,
    retain_until TIMESTAMP,
    legal_hold BOOLEAN,
    rows BIGINT,
    link BIGINT,
    snapshot TIMESTAMP,
    part BIGINT
)
