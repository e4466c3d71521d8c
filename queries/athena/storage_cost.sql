-- athena/storage_cost: what does keeping each table cost a month, in the lake and in the archive?
-- params:  none to bind; `wanted` holds: table_name (database.table; NULL for all),
--          lake_usd and archive_usd (for a GB of 2^30 bytes and month; STANDARD in us-east-1,
--          https://aws.amazon.com/s3/pricing/, read 2026-11)
-- needs:   the view `objects`
-- returns: one row a table, the dearest first: name, snapshots, lake_bytes, archive_bytes (with the
--          export's sidecars), lake_usd_month, archive_usd_month, archive_usd_to_end (from now
--          until the locks end, at that price)
-- Each object counts once, however many manifests name it. Storage only: no requests, no smallest
-- billed sizes, no taxes. Put in your own prices.
-- Example: name               | lake_bytes | archive_bytes | archive_usd_month | archive_usd_to_end
--          shop.public.orders | 5368709120 |    5368709120 |             0.115 |              9.66
WITH wanted AS (
    SELECT CAST(NULL AS varchar) AS table_name, 0.023 AS lake_usd, 0.023 AS archive_usd
), stored AS (
    SELECT
        o.name,
        o.snapshot,
        o.place,
        o.key,
        o.version_id,
        max(o.bytes) AS bytes,
        max(o.retain_until) AS retain_until
    FROM objects AS o
    CROSS JOIN wanted AS w
    WHERE w.table_name IS NULL OR w.table_name = o.name
    GROUP BY o.name, o.snapshot, o.place, o.key, o.version_id
), priced AS (
    SELECT
        s.name,
        s.snapshot,
        CASE WHEN s.place = 'lake' THEN s.bytes ELSE 0 END AS lake_bytes,
        CASE WHEN s.place <> 'lake' THEN s.bytes ELSE 0 END AS archive_bytes,
        CASE
            WHEN s.place <> 'lake' AND s.retain_until IS NOT NULL THEN
                CAST(s.bytes AS double) * greatest(0, date_diff(
                    'day', CAST(current_timestamp AT TIME ZONE 'UTC' AS timestamp(3)),
                    s.retain_until)) / 30.4375
            ELSE 0
        END AS archive_byte_months
    FROM stored AS s
)
SELECT
    p.name,
    count(DISTINCT p.snapshot) AS snapshots,
    sum(p.lake_bytes) AS lake_bytes,
    sum(p.archive_bytes) AS archive_bytes,
    sum(p.lake_bytes) / 1073741824e0 * w.lake_usd AS lake_usd_month,
    sum(p.archive_bytes) / 1073741824e0 * w.archive_usd AS archive_usd_month,
    sum(p.archive_byte_months) / 1073741824e0 * w.archive_usd AS archive_usd_to_end
FROM priced AS p
CROSS JOIN wanted AS w
GROUP BY p.name, w.lake_usd, w.archive_usd
ORDER BY sum(p.lake_bytes) + sum(p.archive_bytes) DESC, p.name
