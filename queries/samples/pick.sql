-- samples/pick: which of these choices does a number in [0, 1) stand for?
-- params:  none
-- returns: nothing; creates the macro pick(choices, u)
CREATE OR REPLACE MACRO pick(choices, u) AS choices[1 + floor(u * len(choices))::BIGINT];
