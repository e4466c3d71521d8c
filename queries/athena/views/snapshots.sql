-- athena/views/snapshots: one row for each snapshot of a table that is stored
-- params:  none
-- needs:   the views `tables`, `partitions`
-- returns: the columns of `tables`, archived_objects, choice (always 1), and age: 1 is the latest
--          snapshot of its table, 2 the one before it. Of a snapshot that several runs name, the
--          run counts that has archived it, then the later one.
SELECT
    s.*,
    row_number() OVER (PARTITION BY s.name ORDER BY s.taken_at DESC) AS age
FROM (
    SELECT
        t.*,
        coalesce(a.archived_objects, 0) AS archived_objects,
        row_number() OVER (
            PARTITION BY t.name, t.taken_at
            ORDER BY coalesce(a.archived_objects, 0) > 0 DESC, t.run_id DESC
        ) AS choice
    FROM tables AS t
    LEFT JOIN (
        SELECT run_id, task_id, sum(archived) AS archived_objects
        FROM partitions
        GROUP BY run_id, task_id
    ) AS a ON a.run_id = t.run_id AND a.task_id = t.task_id
    WHERE t.status IN ('done', 'adopted')
) AS s
WHERE s.choice = 1
