-- formats/dynamodb_bytes: the members of a set of bytes
-- params:  none; creates the temporary macro dynamodb_bytes(members): JSON text of a list of base64
-- returns: nothing. The macro gives BLOB[], in the order of the list.
CREATE OR REPLACE TEMP MACRO dynamodb_bytes(members) AS
list_transform(json_extract_string(members, '$[*]'), lambda member: from_base64(member))
