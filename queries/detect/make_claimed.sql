-- detect/make_claimed: an empty table of objects that belong to a table by name
-- params:  none
-- makes:   table claimed; keyed holds columns whose value follows from the key, the last three what
--          the export says of the object
CREATE OR REPLACE TEMP TABLE claimed (
    source INTEGER,
    key VARCHAR,
    system VARCHAR,
    root VARCHAR,
    unit VARCHAR,
    database VARCHAR,
    "table" VARCHAR,
    folder VARCHAR,
    format VARCHAR,
    keyed MAP(VARCHAR, VARCHAR),
    declared_rows BIGINT,
    declared_md5 VARCHAR,
    declared_etag VARCHAR
)
