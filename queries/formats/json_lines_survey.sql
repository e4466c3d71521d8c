-- formats/json_lines_survey: the keys of the objects in files of JSON lines, and what they hold
-- params:  $files VARCHAR[]
-- returns: name VARCHAR, kind VARCHAR (string, number, boolean, null, object, array), rows BIGINT;
--          in the order of the keys in the objects. Lines that are no objects are passed over:
--          decoding tells them by their number. Rows of one shape are looked at together, which
--          takes a third of the time, but not where an object may be nested deeply: from a few
--          hundred levels on, json_structure stops the whole engine (seen with 2.0.0).
WITH objects AS (
    SELECT json, strlen(json) - strlen(replace(replace(json, '[', ''), '{', '')) < 100 AS flat
    FROM read_json_objects(
        $files, format = 'newline_delimited', ignore_errors = false, compression = 'none',
        maximum_object_size = 17825792)
    WHERE json_type(json) = 'OBJECT'
), shapes AS (
    SELECT json_structure(CASE WHEN flat THEN json END) AS shape, count(*) AS rows
    FROM objects WHERE flat GROUP BY ALL
), members AS (
    SELECT member.key AS name, member.id AS place, shapes.rows AS rows,
           coalesce(member.atom ->> '$', member.type) AS type
    FROM shapes, json_each(shapes.shape) AS member
    UNION ALL
    SELECT member.key, member.id, 1, member.type
    FROM objects, json_each(CASE WHEN NOT objects.flat THEN objects.json END) AS member
), kinds AS (
    SELECT name, place, rows,
           CASE type
               WHEN 'VARCHAR' THEN 'string'
               WHEN 'NULL' THEN 'null'
               WHEN 'BOOLEAN' THEN 'boolean'
               WHEN 'ARRAY' THEN 'array'
               WHEN 'OBJECT' THEN 'object'
               WHEN 'JSON' THEN 'object' -- the shape of an object without keys
               ELSE 'number'
           END AS kind
    FROM members WHERE name IS NOT NULL
)
SELECT name, kind, sum(rows)::BIGINT AS rows
FROM kinds
GROUP BY name, kind
ORDER BY max(max(place)) OVER (PARTITION BY name), sum(sum(rows)) OVER (PARTITION BY name) DESC,
         name, kind
