-- One row for each artist. docs/data.md, "Marts", says in words what is computed here.
WITH booked AS (
    SELECT artist_id, count(*) AS concerts
    FROM concerts
    WHERE status <> 'cancelled'
    GROUP BY artist_id
),
sold AS (
    SELECT artist_id, CAST(sum(tickets) AS DOUBLE) / count(*) AS avg_ticket_sales
    FROM work.concert_tickets
    GROUP BY artist_id
),
takings AS (
    -- An artist's money is that of the main currency: the one of most of the concerts, of several the first by name.
    SELECT
        artist_id,
        sum(revenue) AS revenue,
        row_number() OVER (PARTITION BY artist_id ORDER BY count(*) DESC, currency) AS place
    FROM work.concert_takings
    GROUP BY artist_id, currency
),
filled AS (
    SELECT c.artist_id, CAST(sum(CAST(c.total_attendance AS BIGINT)) AS DOUBLE) / sum(CAST(v.capacity AS BIGINT)) AS rate
    FROM concerts c
    JOIN venues v ON v.venue_id = c.venue_id
    WHERE c.status = 'completed' AND c.total_attendance IS NOT NULL AND v.capacity > 0
    GROUP BY c.artist_id
),
customers AS (
    SELECT c.artist_id, s.customer_id, min(s.concert_id) AS one, max(s.concert_id) AS another
    FROM ticket_sales s
    JOIN concerts c ON c.concert_id = s.concert_id
    WHERE s.customer_id IS NOT NULL AND c.status <> 'cancelled'
    GROUP BY c.artist_id, s.customer_id
),
loyal AS (
    SELECT artist_id, CAST(sum(CASE WHEN one <> another THEN 1 ELSE 0 END) AS DOUBLE) / count(*) AS rate
    FROM customers
    GROUP BY artist_id
),
early AS (
    -- Tickets bought in the first quarter of the days between announcement and concert.
    SELECT
        c.artist_id,
        CAST(sum(CASE
            WHEN 4 * (CAST(d.sale_date AS INT) - CAST(c.announced_at AS INT))
                <= CAST(c.event_date AS INT) - CAST(c.announced_at AS INT) THEN d.tickets
            ELSE 0
        END) AS DOUBLE) / sum(d.tickets) AS rate
    FROM daily_sales d
    JOIN concerts c ON c.concert_id = d.concert_id
    WHERE c.status = 'completed' AND c.announced_at IS NOT NULL
    GROUP BY c.artist_id
),
growth AS (
    -- The least-squares line through the logarithm of tickets over time, in years.
    SELECT
        artist_id,
        count(*) AS concerts,
        max(CAST(event_date AS INT)) - min(CAST(event_date AS INT)) AS days,
        regr_slope(ln(CAST(tickets AS DOUBLE)), (CAST(event_date AS INT) - CAST(CAST($last_day AS DATE) AS INT)) / 365.25)
            AS slope,
        regr_r2(ln(CAST(tickets AS DOUBLE)), (CAST(event_date AS INT) - CAST(CAST($last_day AS DATE) AS INT)) / 365.25)
            AS fit
    FROM work.concert_tickets
    WHERE tickets > 0
    GROUP BY artist_id
),
trends AS (
    -- Rising or falling by at least 5 % a year, and by more than chance explains: Student's t of the slope, squared,
    -- against its two-sided 5 % limit for concerts - 2 degrees of freedom (the first terms of its Cornish-Fisher series).
    SELECT
        artist_id,
        CASE
            WHEN concerts < 6 OR days < 90 THEN NULL
            WHEN abs(slope) >= ln(1.05)
                AND fit * (concerts - 2) > (1 - fit) * power(
                    1.95996 + 2.37227 / (concerts - 2) + 2.82250 / ((concerts - 2) * (concerts - 2)), 2)
                THEN CASE WHEN slope > 0 THEN 'rising' ELSE 'falling' END
            ELSE 'steady'
        END AS growth_trend
    FROM growth
)
SELECT
    a.artist_id,
    CAST(coalesce(booked.concerts, 0) AS BIGINT) AS total_concerts,
    sold.avg_ticket_sales,
    CAST(takings.revenue AS DECIMAL(14, 2)) AS revenue_generated,
    -- The mean of those of the three that are known, the first with twice the weight.
    100 * (2 * least(coalesce(filled.rate, 0), 1) + coalesce(loyal.rate, 0) + coalesce(early.rate, 0))
        / nullif(
            CASE WHEN filled.rate IS NULL THEN 0 ELSE 2 END
                + CASE WHEN loyal.rate IS NULL THEN 0 ELSE 1 END
                + CASE WHEN early.rate IS NULL THEN 0 ELSE 1 END, 0) AS fan_engagement_score,
    trends.growth_trend,
    $calculated_at AS calculated_at
FROM artists a
LEFT JOIN booked ON booked.artist_id = a.artist_id
LEFT JOIN sold ON sold.artist_id = a.artist_id
LEFT JOIN takings ON takings.artist_id = a.artist_id AND takings.place = 1
LEFT JOIN filled ON filled.artist_id = a.artist_id
LEFT JOIN loyal ON loyal.artist_id = a.artist_id
LEFT JOIN early ON early.artist_id = a.artist_id
LEFT JOIN trends ON trends.artist_id = a.artist_id
ORDER BY a.artist_id
