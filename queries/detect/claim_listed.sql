-- detect/claim_listed: the objects that an export lists by name
-- params:  $source INTEGER, $system, $root, $unit, $database, $table, $folder, $format VARCHAR
-- needs:   listed_objects (key, rows, md5, etag)
-- adds to: claimed
INSERT INTO claimed
SELECT
    $source, key, $system, $root, $unit, $database, $table, $folder, $format, NULL, rows, md5, etag
FROM listed_objects
