-- samples/uniform: which number in [0, 1) belongs to row n of the column named salt?
-- params:  none
-- returns: nothing; creates the macro uniform(n, salt)
-- Hashed twice: hash(a, b) is f(a) XOR hash(b), so columns of different salts would go together
CREATE OR REPLACE MACRO uniform(n, salt) AS (hash(hash(n, salt)) >> 11)::DOUBLE / 9007199254740992.0;
