-- detect/own_control: the sidecars that one reader knows
-- params:  $control VARCHAR (regex on the whole key)
-- needs:   sidecars (key)
-- returns: key VARCHAR; sorted
SELECT key FROM sidecars WHERE regexp_matches(key, $control) ORDER BY key
