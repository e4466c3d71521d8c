-- formats/dynamodb_survey: which attributes do items have, and what are their values?
-- params:  $files VARCHAR[], $names, $values, $lists VARCHAR: JSON paths of an item ('$.Item'), of
--          its attributes' typed values ('$.Item.*'), of those that are lists ('$.Item.*.L')
-- returns: attribute VARCHAR, kind VARCHAR (S, N, ...; `L:S` where every element has that one
--          descriptor, `L:` for an empty list; anything else that was found, joined by `,`), items
--          BIGINT; ordered by attribute and kind. Attribute NULL: lines without such an item (kind
--          'none'), and such as name an attribute twice (kind 'twice')
-- Items of one shape are counted first, and only shapes are taken apart: three times as fast as
-- taking each item apart.
WITH shapes AS (
    SELECT json_keys(json, $names) AS names,
           json_keys(json, $values) AS kinds,
           list_transform(
               json_extract(json, $lists),
               lambda elements: list_sort(list_distinct(flatten(json_keys(elements, '$[*]'))))
           ) AS elements,
           count(*) AS items
    FROM read_ndjson_objects(
        $files, compression = 'gzip', maximum_object_size = 16777216)  -- names do not tell
    GROUP BY ALL
),
attributes AS (
    SELECT unnest(names) AS attribute,
           unnest(kinds) AS kinds,
           -- an attribute's place among those that are lists
           elements[unnest(list_transform(kinds, lambda kind, place: len(list_filter(
               kinds[:place], lambda one: one = ['L']))))] AS elements,
           items
    FROM shapes
    UNION ALL
    SELECT NULL, ['none'], NULL, items FROM shapes WHERE names IS NULL
    UNION ALL
    SELECT NULL, ['twice'], NULL, items FROM shapes WHERE len(list_distinct(names)) < len(names)
)
SELECT attribute,
       CASE WHEN kinds = ['L'] AND len(elements) < 2 THEN 'L:' || coalesce(elements[1], '')
            ELSE array_to_string(kinds, ',') END AS kind,
       sum(items)::BIGINT AS items
FROM attributes
GROUP BY ALL
ORDER BY attribute, kind
