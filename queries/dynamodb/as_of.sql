-- dynamodb/as_of: the items of a table as of a moment, from a full export and the changes after it
-- params:  $full VARCHAR[] (Parquet files of the compacted `dynamodb/<table>`, any of its snapshots:
--          the last one at or before the moment counts), $changes VARCHAR[] (files of the compacted
--          `dynamodb_changes/<table>`, windows in any order, overlapping or not), $keys VARCHAR[]
--          (names of all key attributes of the table), $moment TIMESTAMPTZ (what was written before
--          it counts, what was written at it does not: the end of a window is its state)
-- returns: item VARCHAR: one line per item as a full export has it, `{"Item":{...}}`; in no order
--
-- Attribute columns differ from table to table, so only `item` (the exported line) is read, with
-- `event`, `write_time` and the folder's `snapshot`. Not for exports in Ion.
--
-- 1. Of each key the latest record before the moment counts; a deletion takes the item away.
-- 2. Records from before the full export are left out: it holds them already. Its folder names the
--    second; what was written within that second counts twice, which changes nothing.
-- 3. It fails, rather than give a state that never was, if there is no full export at or before the
--    moment, or if $keys are not the names of the table's key attributes.
--
-- Exact where windows follow each other from the full export to the moment (findings `change_gap`
-- and `change_overlap` tell where they do not) and the moment is the end of a window. Within one, an
-- item written again later in the same window is shown as it was before the window: an export keeps
-- only the last record of each item.
WITH snapshots AS (
    -- from the names of the files: a table without items has a snapshot, too
    SELECT regexp_extract(
        unnest($full), '(?:^|[/\\])snapshot=([0-9]{8}T[0-9]{6}Z)[/\\]', 1) AS snapshot
), base AS (
    SELECT coalesce(
        max(snapshot) FILTER (
            strptime(snapshot, '%Y%m%dT%H%M%SZ') <= make_timestamp(epoch_us($moment::TIMESTAMPTZ))),
        error('no full export at or before the moment: take one, or a later moment')
    ) AS snapshot
    FROM snapshots
), items AS (
    SELECT
        item,
        list_transform($keys, lambda name: coalesce(
            json_extract(item, '/Item/' || replace(replace(name, '~', '~0'), '/', '~1'))::VARCHAR,
            error('an item has no key attribute ' || name)
        )) AS key
    FROM read_parquet(
        $full, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
    JOIN base USING (snapshot)
), changes AS (
    SELECT item, event, epoch_us(write_time) AS written_us
    FROM read_parquet(
        $changes, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
), keyed AS (
    SELECT
        changes.*,
        CASE WHEN len(json_keys(item, '/Keys')) = len($keys)
            THEN list_transform($keys, lambda name: coalesce(
                json_extract(item, '/Keys/' || replace(replace(name, '~', '~0'), '/', '~1'))::VARCHAR,
                error('a change has no key attribute ' || name)
            ))
            ELSE error('changes have other key attributes: ' || json_extract(item, '/Keys')::VARCHAR)
        END AS key
    FROM changes CROSS JOIN base
    WHERE written_us >= epoch_us(strptime(base.snapshot, '%Y%m%dT%H%M%SZ'))
        AND written_us < epoch_us($moment::TIMESTAMPTZ)
), latest AS (
    SELECT * FROM keyed
    QUALIFY row_number() OVER (PARTITION BY key ORDER BY written_us DESC, item DESC) = 1
)
SELECT item FROM items ANTI JOIN latest USING (key)
UNION ALL
SELECT '{"Item":' || coalesce(
    json_extract(item, '/NewImage')::VARCHAR, error('a change has no new image: ' || item)
) || '}'
FROM latest
WHERE event <> 'delete'
-- Athena and Trino, for a table `carts` with the keys customer_id and cart_no:
--
-- WITH base AS (
--     SELECT max(snapshot) AS snapshot FROM dynamodb.carts WHERE snapshot <= '20261006T060000Z'
-- ), items AS (
--     SELECT
--         item,
--         ARRAY[json_format(json_extract(item, '$.Item["customer_id"]')),
--               json_format(json_extract(item, '$.Item["cart_no"]'))] AS keys
--     FROM dynamodb.carts
--     WHERE snapshot = (SELECT snapshot FROM base)
-- ), latest AS (
--     SELECT
--         ARRAY[json_format(json_extract(item, '$.Keys["customer_id"]')),
--               json_format(json_extract(item, '$.Keys["cart_no"]'))] AS keys,
--         max_by(event, write_time) AS event,
--         max_by(json_format(json_extract(item, '$.NewImage')), write_time) AS image
--     FROM dynamodb_changes.carts
--     WHERE write_time >= (SELECT date_parse(snapshot, '%Y%m%dT%H%i%sZ') FROM base)
--         AND write_time < TIMESTAMP '2026-10-06 06:00:00'
--     GROUP BY 1
-- )
-- SELECT items.item
-- FROM items LEFT JOIN latest ON latest.keys = items.keys
-- WHERE latest.keys IS NULL
-- UNION ALL
-- SELECT '{"Item":' || image || '}' FROM latest WHERE event <> 'delete'
