-- samples/detached_orders: what held the partition that was detached? Needs a table or relation orders
-- params:  $month VARCHAR, the first month in orders; $months INTEGER, how long before it
-- returns: one row per order of an earlier month, the columns of public.orders
SELECT * REPLACE (
    id - 500000 AS id, 'SO-' || lpad((id - 500000)::VARCHAR, 8, '0') AS order_no,
    (created_at::TIMESTAMP - to_months($months))::VARCHAR AS created_at,
    (paid_at[:-4]::TIMESTAMP - to_months($months))::VARCHAR || '+00' AS paid_at,
    (ship_on::TIMESTAMP - to_months($months))::DATE::VARCHAR AS ship_on)
FROM orders WHERE created_at[:7] = $month ORDER BY id;
