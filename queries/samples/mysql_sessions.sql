-- samples/mysql_sessions: sessions of the invented shop as MySQL's export writes them
-- params:  $events BIGINT, $salt VARCHAR, $opened_at TIMESTAMP, $taken_at TIMESTAMP
-- returns: one row per session, in the order of time, the columns of shop.sessions
SELECT i + 1 AS id, md5($salt || i) AS token,
       to_timestamp(epoch($opened_at) + (i + uniform(i, $salt || 'when')) / $events
                    * (epoch($taken_at) - epoch($opened_at))) AT TIME ZONE 'UTC' AS started_at,
       lpad(floor(pow(uniform(i, $salt || 'hours'), 9) * 30)::INTEGER::VARCHAR, 2, '0') || ':'
           || lpad(floor(uniform(i, $salt || 'minutes') * 60)::INTEGER::VARCHAR, 2, '0') || ':09' AS duration,
       from_hex('0a00' || left(md5(i::VARCHAR), 4)) AS ip,
       pick(['Firefox', 'Chrome', 'Safari', 'curl'], pow(uniform(i, $salt || 'agent'), 2)) AS user_agent
FROM range($events) AS numbers(i) ORDER BY id;
