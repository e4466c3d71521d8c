-- samples/order_heads: when and by whom was each order placed? Growing, quiet on Sundays and at night
-- params:  $orders BIGINT, $customers BIGINT, $salt VARCHAR, $opened_at TIMESTAMP, $taken_at TIMESTAMP
-- returns: nothing; creates the table order_heads, one row per order, numbered by time
CREATE OR REPLACE TABLE order_heads AS
WITH drawn AS (
    -- volume grows linearly to 2.5 times itself: the inverse of its cumulative distribution
    SELECT i, (sqrt(1 + uniform(i, $salt || 'day') * 5.25) - 1) / 1.5 AS share,
           uniform(i, $salt || 'calm') AS calm,
           (uniform(i, $salt || 'hour1') + uniform(i, $salt || 'hour2')) / 2 AS time_of_day
    FROM range($orders) AS numbers(i)
), placed AS (
    SELECT i, calm, time_of_day,
           $opened_at::DATE + floor(share * (1 + date_diff('day', $opened_at, $taken_at)))::INTEGER AS day
    FROM drawn
), dated AS (
    SELECT i,
           -- half of Sunday's orders wait for Monday or Tuesday
           (day + CASE WHEN dayofweek(day) = 0 AND calm < 0.5 THEN 1 + floor(4 * calm)::INTEGER ELSE 0 END)
               + to_microseconds((1e6 * 86399 * least(0.999, 0.12 + time_of_day))::BIGINT) AS placed_at
    FROM placed
)
SELECT 1000000 + row_number() OVER (ORDER BY placed_at, i) AS id, placed_at,
       1 + floor($customers * pow(uniform(i, $salt || 'customer'), 1.8))::INTEGER AS customer_id,
       1 + floor(pow(uniform(i, $salt || 'items'), 2.5) * 6)::INTEGER AS item_count,
       floor(pow(uniform(i, $salt || 'tenant'), 1.5) * 6)::INTEGER AS tenant_id,
       uniform(i, $salt || 'status') AS status, uniform(i, $salt || 'delay') AS delay,
       uniform(i, $salt || 'extra') AS extra, i AS draw
FROM dated WHERE placed_at < $taken_at ORDER BY id;
