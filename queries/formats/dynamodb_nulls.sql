-- formats/dynamodb_nulls: the attributes of an item that are there and NULL
-- params:  none; creates the temporary macro dynamodb_nulls(line, names, places), whose last two
--          are JSON paths of an item ('$.Item') and of its attributes' typed values ('$.Item.*')
-- returns: nothing. The macro gives VARCHAR[], sorted; NULL where the line has no such item. Few
--          lines hold the word at all, be it spelled with escapes: only those are looked into.
CREATE OR REPLACE TEMP MACRO dynamodb_nulls(line, names, places) AS
CASE WHEN NOT json_exists(line, names) THEN NULL
     WHEN NOT contains(line, 'NULL') AND NOT contains(line, '\u') THEN []::VARCHAR[]
     ELSE list_sort(list_transform(
         list_filter(
             list_zip(json_keys(line, names), json_keys(line, places)),
             lambda attribute: attribute[2] = ['NULL']
         ),
         lambda attribute: attribute[1]
     )) END
