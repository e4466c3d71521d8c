-- samples/postgres_events: visits to the shop as PostgreSQL's export writes them
-- params:  $events BIGINT, $customers BIGINT, $salt VARCHAR, $opened_at TIMESTAMP, $taken_at TIMESTAMP
-- returns: one row per event, in the order of time, the columns of public.events
WITH drawn AS (
    SELECT i, to_timestamp(epoch($opened_at) + (i + uniform(i, $salt || 'when')) / $events
                           * (epoch($taken_at) - epoch($opened_at))) AT TIME ZONE 'UTC' AS occurred_at,
           uniform(i, $salt || 'kind') AS kind, uniform(i, $salt || 'who') AS who,
           uniform(i // 6, $salt || 'device') AS device
    FROM range($events) AS numbers(i)
)
SELECT i + 1 AS id, md5('session' || i // 6)::UUID::VARCHAR AS session_id,
       CASE WHEN who < 0.4 THEN NULL ELSE 1 + floor($customers * pow(who, 3))::INTEGER END AS customer_id,
       CASE WHEN kind < 0.78 THEN 'page_view' WHEN kind < 0.92 THEN 'add_to_cart'
            WHEN kind < 0.98 THEN 'search' ELSE 'checkout' END AS kind,
       '/' || pick(['', 'sale', 'coffee', 'garden', 'cart', 'search?q=caf%C3%A9'], pow(kind, 2)) AS path,
       occurred_at::VARCHAR || '+00' AS occurred_at,
       format('{{"ref": "{}", "ab": {}}}', pick(['direct', 'ad', 'mail', 'social'], who), (kind * 2)::INTEGER)
           AS properties,
       (40 + 3000 * pow(who, 6))::INTEGER AS duration_ms, device < 0.55 AS is_mobile
FROM drawn ORDER BY id;
