-- samples/goods: what does the invented shop sell?
-- params:  $products BIGINT, $salt VARCHAR
-- returns: nothing; creates the table goods, one row per product
CREATE OR REPLACE TABLE goods AS
WITH drawn AS (
    SELECT i + 1 AS id,
           pick(['Coffee', 'Kitchen', 'Garden', 'Office', 'Outdoor', 'Toys'],
                uniform(i, $salt || 'category')) AS category,
           pick(['Classic', 'Compact', 'Foldable', 'Recycled', 'Large', 'Mini', 'Oak', 'Steel'],
                uniform(i, $salt || 'adjective')) AS adjective,
           pick(['Mug', 'Grinder', 'Lamp', 'Kettle', 'Planter', 'Notebook', 'Tent', 'Puzzle', 'Café-Set',
                 'Crème brûlée kit'], uniform(i, $salt || 'noun')) AS noun,
           (exp(1.5 + 3.2 * uniform(i, $salt || 'price')))::INTEGER - 0.01 AS price,
           round(0.05 + 8 * pow(uniform(i, $salt || 'weight'), 3), 3) AS weight_kg,
           floor(400 * uniform(i, $salt || 'stock'))::INTEGER AS stock
    FROM range($products) AS numbers(i)
)
SELECT *, upper(left(category, 3)) || '-' || lpad(id::VARCHAR, 5, '0') AS sku,
       greatest(price, 1.99)::DECIMAL(10, 2) AS unit_price
FROM drawn ORDER BY id;
