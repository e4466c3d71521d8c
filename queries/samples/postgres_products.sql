-- samples/postgres_products: products as PostgreSQL's export writes them. Needs goods
-- params:  $taken_at TIMESTAMP
-- returns: one row per product, the columns of public.products
SELECT id, sku, adjective || ' ' || noun AS title, category, unit_price::VARCHAR AS price,
       weight_kg, stock, stock > 0 AS in_stock,
       '{' || lower(category) || ',"' || lower(adjective) || ' ' || lower(noun) || '"}' AS tags,
       format('{{"color": "{}", "warranty_months": {}}}', pick(['black', 'white', 'grün', 'oak'], stock / 401.0),
              12 * (1 + stock % 3)) AS attributes,
       ($taken_at - to_hours(1 + stock * 9))::VARCHAR AS updated_at
FROM goods ORDER BY id;
