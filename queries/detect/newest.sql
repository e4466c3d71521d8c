-- detect/newest: when something was last written to each export
-- params:  none
-- needs:   folders, placed
-- returns: root_no INTEGER, newest_us BIGINT (microseconds since 1970, UTC), objects BIGINT
SELECT root_no, epoch_us(max(newest)) AS newest_us, sum(objects)::BIGINT AS objects
FROM folders JOIN placed USING (source, folder)
GROUP BY root_no
