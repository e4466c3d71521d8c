-- audit/versions: every version that the chain names, once
-- params:  none; reads `named`
-- returns: the columns of `named`, in order of keys. The latest link counts, but for the end of the
--          lock: what was once promised stays promised.
SELECT key, version_id, arg_max(size_bytes, link) AS size_bytes, arg_max(sha256, link) AS sha256,
       arg_max(lock_mode, link) AS lock_mode, max(retain_until) AS retain_until,
       arg_max(legal_hold, link) AS legal_hold, arg_max(rows, link) AS rows, max(link) AS link,
       arg_max(snapshot, link) AS snapshot, arg_max(part, link) AS part
FROM named
GROUP BY key, version_id
ORDER BY key, version_id
