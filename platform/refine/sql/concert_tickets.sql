-- How many tickets each completed concert sold: what the box office counted where the data has that of any concert,
-- else the purchases. The family is chosen once for all concerts, so that no figure mixes the two.
SELECT concert_id, artist_id, venue_id, event_date, CAST(total_attendance AS BIGINT) AS tickets
FROM concerts
WHERE status = 'completed' AND total_attendance IS NOT NULL AND CAST($has_attendance AS BOOLEAN)
UNION ALL
SELECT c.concert_id, c.artist_id, c.venue_id, c.event_date, CAST(sum(d.tickets) AS BIGINT) AS tickets
FROM daily_sales d
JOIN concerts c ON c.concert_id = d.concert_id
WHERE c.status = 'completed' AND NOT CAST($has_attendance AS BOOLEAN)
GROUP BY c.concert_id, c.artist_id, c.venue_id, c.event_date
