-- samples/postgres_orders: orders as PostgreSQL's export writes them. Needs order_heads, order_lines, people
-- params:  $taken_at TIMESTAMP
-- returns: one row per order, the columns of public.orders; 1 in 250 was imported with a date of years ago
WITH totals AS (
    SELECT order_id, sum(amount)::DECIMAL(12, 2) AS amount, 
           -- exact: a sum of doubles depends on the threads
           sum(weight_kg::DECIMAL(9, 3) * quantity) AS weight_kg
    FROM order_lines GROUP BY order_id
), dated AS (
    SELECT h.*, CASE WHEN h.extra < 0.004 THEN placed_at - INTERVAL 6 YEAR ELSE placed_at END AS created_at,
           CASE WHEN h.status < 0.82 AND h.placed_at > $taken_at - INTERVAL 5 DAY THEN 'paid'
                WHEN h.status < 0.62 THEN 'delivered' WHEN h.status < 0.82 THEN 'shipped'
                WHEN h.status < 0.9 THEN 'paid' WHEN h.status < 0.95 THEN 'cancelled'
                WHEN h.status < 0.98 THEN 'refunded' ELSE 'pending' END AS state
    FROM order_heads AS h
)
SELECT d.id, 'SO-' || lpad(d.id::VARCHAR, 8, '0') AS order_no, d.customer_id, d.tenant_id,
       d.state AS status, pick(['web', 'app', 'store', 'phone'], pow(d.delay, 2)) AS channel,
       CASE p.city.country WHEN 'GB' THEN 'GBP' WHEN 'CH' THEN 'CHF' WHEN 'PL' THEN 'PLN'
                           WHEN 'DK' THEN 'DKK' WHEN 'JP' THEN 'JPY' ELSE 'EUR' END AS currency,
       t.amount::VARCHAR AS amount,
       CASE WHEN d.extra < 0.5 THEN '0.19' WHEN d.extra < 0.8 THEN '0.2' ELSE '0.0775' END AS tax_rate,
       d.item_count, d.created_at::VARCHAR AS created_at,
       CASE WHEN d.state IN ('pending', 'cancelled') THEN NULL
            ELSE (d.created_at + to_seconds(20 + floor(d.delay * 7000)))::VARCHAR || '+00' END AS paid_at,
       CASE WHEN d.state IN ('shipped', 'delivered')
            THEN (d.created_at::DATE + 1 + floor(d.delay * 4)::INTEGER)::VARCHAR END AS ship_on,
       md5('batch' || d.id // 40)::UUID::VARCHAR AS batch_uuid,
       format('{{"city": "{}", "name": "{} {}"}}', p.city.name, p.first_name, p.last_name) AS shipping,
       CASE WHEN d.extra < 0.6 THEN '{}' WHEN d.extra < 0.8 THEN '{sale}' ELSE '{sale,"autumn ☂"}' END AS tags,
       CASE WHEN d.extra < 0.004 THEN 'imported from the old shop' WHEN d.extra < 0.7 THEN NULL
            WHEN d.extra < 0.8 THEN '' WHEN d.extra < 0.9 THEN 'Bitte beim Nachbarn abgeben – danke! 🎁'
            ELSE E'Ring twice,\nthen "knock"' END AS note,
       t.weight_kg::DOUBLE AS weight_kg, d.extra > 0.93 AS gift
FROM dated AS d JOIN totals AS t ON t.order_id = d.id JOIN people AS p ON p.id = d.customer_id
ORDER BY d.id;
