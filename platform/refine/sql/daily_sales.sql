-- Every purchase, summed by the calendar day at the concert's venue, the concert and the currency. Purchases for
-- concerts that were cancelled later are in it, and so are those whose concert is not in the data (their day is UTC's):
-- the sums are those of ticket_sales, to the cent.
SELECT
    day_at(s.purchase_timestamp, v.timezone) AS sale_date,
    s.concert_id,
    CAST(sum(CAST(s.quantity AS BIGINT)) AS BIGINT) AS tickets,
    CAST(sum(s.quantity * s.unit_price) AS DECIMAL(14, 2)) AS revenue,
    s.currency
FROM ticket_sales s
LEFT JOIN concerts c ON c.concert_id = s.concert_id
LEFT JOIN venues v ON v.venue_id = c.venue_id
GROUP BY 1, 2, 5
ORDER BY 1, 2, 5
