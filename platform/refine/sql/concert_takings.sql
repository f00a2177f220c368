-- What each completed concert took in each currency: the box office's revenue where the data has that of any concert,
-- else the purchases. A currency is never added to another.
SELECT concert_id, artist_id, venue_id, currency, CAST(revenue AS DECIMAL(38, 2)) AS revenue
FROM concerts
WHERE status = 'completed' AND revenue IS NOT NULL AND CAST($has_revenue AS BOOLEAN)
UNION ALL
SELECT c.concert_id, c.artist_id, c.venue_id, d.currency, CAST(sum(d.revenue) AS DECIMAL(38, 2)) AS revenue
FROM daily_sales d
JOIN concerts c ON c.concert_id = d.concert_id
WHERE c.status = 'completed' AND NOT CAST($has_revenue AS BOOLEAN)
GROUP BY c.concert_id, c.artist_id, c.venue_id, d.currency
