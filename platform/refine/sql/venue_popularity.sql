-- One row for each venue. docs/data.md, "Marts", says in words what is computed here.
WITH span AS (
    -- The last 365 days up to the last complete one, or as many of them as the data has. Days since 1970-01-01.
    SELECT
        CAST(CAST($last_day AS DATE) AS INT) AS last_day,
        greatest(min(CAST(event_date AS INT)), CAST(CAST($last_day AS DATE) AS INT) - 364) AS first_day
    FROM concerts
    WHERE status <> 'cancelled'
),
booked AS (
    SELECT c.venue_id, count(*) AS concerts
    FROM concerts c
    CROSS JOIN span
    WHERE c.status <> 'cancelled' AND CAST(c.event_date AS INT) BETWEEN span.first_day AND span.last_day
    GROUP BY c.venue_id
),
filled AS (
    SELECT c.venue_id, sum(CAST(c.total_attendance AS BIGINT)) AS attendance, sum(CAST(v.capacity AS BIGINT)) AS capacity
    FROM concerts c
    JOIN venues v ON v.venue_id = c.venue_id
    WHERE c.status = 'completed' AND c.total_attendance IS NOT NULL AND v.capacity > 0
    GROUP BY c.venue_id
),
crowds AS (
    SELECT venue_id, CAST(sum(tickets) AS DOUBLE) / count(*) AS crowd
    FROM work.concert_tickets
    GROUP BY venue_id
),
takings AS (
    -- A venue's money is that of its main currency: the one of most of its concerts, of several the first by name.
    SELECT
        venue_id,
        sum(revenue) AS revenue,
        count(*) AS events,
        row_number() OVER (PARTITION BY venue_id ORDER BY count(*) DESC, currency) AS place
    FROM work.concert_takings
    GROUP BY venue_id, currency
),
figures AS (
    SELECT
        v.venue_id,
        CAST(filled.attendance AS DOUBLE) / filled.capacity AS avg_attendance_rate,
        crowds.crowd,
        CAST(takings.revenue / takings.events AS DECIMAL(14, 2)) AS revenue_per_event,
        CASE
            WHEN span.last_day IS NOT NULL
                THEN coalesce(booked.concerts, 0) * 30.4375 / greatest(span.last_day - span.first_day + 1, 30.4375)
        END AS booking_frequency
    FROM venues v
    CROSS JOIN span
    LEFT JOIN booked ON booked.venue_id = v.venue_id
    LEFT JOIN filled ON filled.venue_id = v.venue_id
    LEFT JOIN crowds ON crowds.venue_id = v.venue_id
    LEFT JOIN takings ON takings.venue_id = v.venue_id AND takings.place = 1
),
parts AS (
    -- The share of the venues with a lower figure, those with the same one counted half: 0 to 1, the middle 0.5.
    SELECT
        figures.*,
        (rank() OVER (PARTITION BY avg_attendance_rate IS NULL ORDER BY avg_attendance_rate) - 1
            + count(*) OVER (PARTITION BY avg_attendance_rate) / 2.0)
            / count(*) OVER (PARTITION BY avg_attendance_rate IS NULL) AS rate_part,
        (rank() OVER (PARTITION BY crowd IS NULL ORDER BY crowd) - 1
            + count(*) OVER (PARTITION BY crowd) / 2.0)
            / count(*) OVER (PARTITION BY crowd IS NULL) AS crowd_part,
        (rank() OVER (PARTITION BY booking_frequency IS NULL ORDER BY booking_frequency) - 1
            + count(*) OVER (PARTITION BY booking_frequency) / 2.0)
            / count(*) OVER (PARTITION BY booking_frequency IS NULL) AS frequency_part
    FROM figures
)
SELECT
    venue_id,
    CAST(row_number() OVER (
        ORDER BY
            avg_attendance_rate IS NULL AND crowd IS NULL,
            rate_part + crowd_part + frequency_part DESC,
            avg_attendance_rate DESC NULLS LAST,
            crowd DESC NULLS LAST,
            venue_id
    ) AS BIGINT) AS popularity_rank,
    avg_attendance_rate,
    revenue_per_event,
    CAST(booking_frequency AS DOUBLE) AS booking_frequency,
    $calculated_at AS calculated_at
FROM parts
ORDER BY popularity_rank
