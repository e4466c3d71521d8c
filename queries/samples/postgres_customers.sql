-- samples/postgres_customers: customers as PostgreSQL's export writes them. Needs people
-- params:  none
-- returns: one row per customer, the columns of public.customers
SELECT id, first_name || ' ' || last_name AS full_name,
       CASE WHEN optional < 0.03 THEN NULL ELSE email END AS email,
       CASE WHEN optional < 0.4 THEN NULL WHEN optional < 0.5 THEN ''
            ELSE '+49 30 ' || lpad(floor(optional * 1e7)::BIGINT::VARCHAR, 7, '0') END AS phone,
       city.name AS city, city.country AS country,
       CASE WHEN optional > 0.9 THEN NULL ELSE born_on::VARCHAR END AS born_on,
       joined_at::VARCHAR || '+00' AS joined_at,
       segment > 0.85 AS is_business, (round(segment * 5000) / 100)::DECIMAL(12, 2)::VARCHAR AS credit_limit,
       md5('customer' || id)::UUID::VARCHAR AS external_id
FROM people ORDER BY id;
