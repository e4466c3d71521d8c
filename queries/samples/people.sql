-- samples/people: who are the customers of the invented shop?
-- params:  $customers BIGINT, $salt VARCHAR, $opened_at TIMESTAMP
-- returns: nothing; creates the table people, one row per customer
CREATE OR REPLACE TABLE people AS
WITH drawn AS (
    SELECT i + 1 AS id,
           pick(['Anna', 'Ben', 'Chloé', 'David', 'Elif', 'Farid', 'Grace', 'Hana', 'Igor', 'Júlia',
                 'Kai', 'Lena', 'Mehmet', 'Nora', 'Oskar', 'Priya', 'Quentin', 'Rosa', 'Søren',
                 'Tomás', 'Uma', 'Václav', 'Wei', 'Ximena', 'Yuki', 'Zoë'],
                uniform(i, $salt || 'first')) AS first_name,
           pick(['Müller', 'Smith', 'García', 'Nguyễn', 'O''Brien', 'Kowalski', 'Yılmaz', 'Rossi',
                 'Jensen', 'Novák', 'Silva', 'Ivanova', '田中', 'Dubois', 'Andersson', 'Papadopoulos',
                 'Kim', 'van den Berg', 'Haddad', 'Szabó'],
                uniform(i, $salt || 'last')) AS last_name,
           pick([{'name': 'Berlin', 'country': 'DE'}, {'name': 'Hamburg', 'country': 'DE'},
                 {'name': 'Köln', 'country': 'DE'}, {'name': 'München', 'country': 'DE'},
                 {'name': 'Paris', 'country': 'FR'}, {'name': 'Lyon', 'country': 'FR'},
                 {'name': 'London', 'country': 'GB'}, {'name': 'Leeds', 'country': 'GB'},
                 {'name': 'Madrid', 'country': 'ES'}, {'name': 'A Coruña', 'country': 'ES'},
                 {'name': 'Wrocław', 'country': 'PL'}, {'name': 'Aarhus', 'country': 'DK'},
                 {'name': 'Zürich', 'country': 'CH'}, {'name': 'İstanbul', 'country': 'TR'},
                 {'name': '東京', 'country': 'JP'}],
                pow(uniform(i, $salt || 'city'), 1.6)) AS city,
           DATE '1948-01-01' + floor(21000 * uniform(i, $salt || 'born'))::INTEGER AS born_on,
           to_timestamp(epoch($opened_at) - 1e8 * uniform(i, $salt || 'joined')) AT TIME ZONE 'UTC' AS joined_at,
           uniform(i, $salt || 'segment') AS segment,
           uniform(i, $salt || 'optional') AS optional
    FROM range($customers) AS numbers(i)
)
SELECT *, lower(regexp_replace(strip_accents(first_name), '[^A-Za-z]', '', 'g')) || id
          || '@example.' || lower(city.country) AS email
FROM drawn ORDER BY id;
