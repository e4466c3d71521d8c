-- samples/mysql_orders: orders as MySQL's export writes them. Needs order_heads and order_lines
-- params:  $salt VARCHAR
-- returns: one row per order, the columns of shop.orders
WITH totals AS (
    SELECT order_id, sum(amount)::DECIMAL(12, 2) AS total FROM order_lines GROUP BY order_id
)
SELECT (9000000000000000000 + h.id)::DECIMAL(20, 0) AS id, 'MY' || lpad(h.id::VARCHAR, 10, '0') AS order_no,
       h.customer_id, t.total,
       CASE WHEN h.status < 0.7 THEN 'delivered' WHEN h.status < 0.93 THEN 'shipped' ELSE 'new' END AS status,
       from_hex(lpad(hex(floor(h.extra * 16)::INTEGER), 2, '0')) AS flags,
       round(1 + uniform(h.draw, $salt || 'rate'), 10)::DECIMAL(20, 10) AS exchange_rate,
       h.placed_at AS placed_at, h.placed_at + to_minutes(floor(h.delay * 4000)::INTEGER) AS updated_at,
       CASE WHEN h.delay > 0.97 THEN NULL
            ELSE lpad(floor(h.delay * 90)::INTEGER::VARCHAR, 2, '0') || ':'
                 || lpad(floor(h.extra * 60)::INTEGER::VARCHAR, 2, '0') || ':00' END AS delivery_time,
       year(h.placed_at) AS fiscal_year,
       format('{{"lines": {}, "gift": {}}}', h.item_count, CASE WHEN h.extra > 0.9 THEN 'true' ELSE 'false' END)
           AS details,
       CASE WHEN h.extra < 0.8 THEN NULL WHEN h.extra < 0.9 THEN '' ELSE 'Größe L, bitte' END AS note
FROM order_heads AS h JOIN totals AS t ON t.order_id = h.id ORDER BY h.id;
