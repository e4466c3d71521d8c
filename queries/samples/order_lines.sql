-- samples/order_lines: what was ordered? Needs order_heads and goods
-- params:  $products BIGINT, $salt VARCHAR
-- returns: nothing; creates the table order_lines, one row per item of an order
CREATE OR REPLACE TABLE order_lines AS
WITH drawn AS (
    SELECT h.id AS order_id, h.tenant_id, h.placed_at, line::INTEGER AS line,
           1 + floor($products * pow(uniform(h.draw * 16 + line, $salt || 'product'), 2))::INTEGER AS product_id,
           1 + floor(4 * pow(uniform(h.draw * 16 + line, $salt || 'quantity'), 3))::INTEGER AS quantity,
           uniform(h.draw * 16 + line, $salt || 'discount') AS discount
    FROM order_heads AS h, unnest(range(1, h.item_count + 1)) AS lines(line)
)
SELECT row_number() OVER (ORDER BY order_id, line) AS id, drawn.*, g.unit_price, g.sku, g.weight_kg,
       (g.unit_price * quantity)::DECIMAL(12, 2) AS amount
FROM drawn JOIN goods AS g ON g.id = drawn.product_id ORDER BY order_id, line;
