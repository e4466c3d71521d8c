-- samples/mysql_payments: payments as MySQL's export writes them. Needs order_heads and order_lines
-- params:  none
-- returns: one row per paid order, the columns of shop.payments
WITH totals AS (
    SELECT order_id, sum(amount)::DECIMAL(12, 2) AS amount FROM order_lines GROUP BY order_id
)
SELECT h.id, (9000000000000000000 + h.id)::DECIMAL(20, 0) AS order_id, t.amount, 'EUR' AS currency,
       pick(['card', 'paypal', 'invoice', 'voucher'], pow(h.extra, 2)) AS method,
       h.placed_at::DATE::VARCHAR AS booked_on, h.placed_at + to_seconds(floor(h.delay * 900)::INTEGER) AS paid_at
FROM order_heads AS h JOIN totals AS t ON t.order_id = h.id WHERE h.status < 0.93 ORDER BY h.id;
