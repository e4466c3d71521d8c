-- samples/postgres_order_items: order lines as PostgreSQL's export writes them. Needs order_lines
-- params:  none
-- returns: one row per line, the columns of public.order_items
SELECT tenant_id, id, order_id, line, product_id, sku, quantity, unit_price::VARCHAR AS unit_price,
       CASE WHEN discount < 0.8 THEN '0' WHEN discount < 0.9 THEN '0.05' WHEN discount < 0.97 THEN '0.125'
            END AS discount,
       placed_at::DATE::VARCHAR AS ordered_on
FROM order_lines ORDER BY id;
