-- detect/make_placed: an empty table for detect/placed
-- params:  none
-- makes:   table placed
CREATE OR REPLACE TEMP TABLE placed (
    source INTEGER,
    folder VARCHAR,
    root_no INTEGER,
    root VARCHAR,
    table_folder VARCHAR,
    database VARCHAR,
    "table" VARCHAR
)
