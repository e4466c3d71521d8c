-- samples/mysql_customers: customers as MySQL's export writes them. Needs people
-- params:  none
-- returns: one row per customer, the columns of shop.customers
SELECT id, first_name || ' ' || last_name AS name, email, city.country AS country,
       CASE WHEN optional > 0.9 THEN NULL ELSE born_on::VARCHAR END AS birth_date,
       CASE WHEN segment < 0.7 THEN 'private' WHEN segment < 0.95 THEN 'business' ELSE 'vip' END AS segment,
       CASE WHEN optional < 0.3 THEN '' WHEN optional < 0.6 THEN 'coffee' ELSE 'coffee,garden' END AS interests,
       (round(segment * 500000) / 100)::DECIMAL(10, 2) AS credit_limit,
       (optional > 0.5)::INTEGER AS newsletter, floor(segment * 256)::INTEGER AS loyalty_level,
       CASE WHEN optional > 0.96 THEN from_hex('89504e470d0a1a0a' || left(md5(id::VARCHAR), 16)) END AS avatar,
       joined_at AS created_at
FROM people ORDER BY id;
