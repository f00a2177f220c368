//! Times the compiler and the guard on this machine and prints the figures as JSON, for `cargo xtask bench query`.

use concert_bench::subject::Subject;
use serde_json::json;
use std::{hint::black_box, process::ExitCode, time::Instant};

const WARM_RUNS: usize = 300;
const RUNS: usize = 3_000;

/// From the plainest query to the one with the most around it.
const QUERIES: [(&str, &str); 5] = [
    ("total", r#"{"metrics":["concerts"]}"#),
    (
        "ranking in a year",
        r#"{"metrics":["attendance"],"dimensions":["venue"],"filters":[{"dimension":"country","op":"=","values":["DE"]}],"period":{"kind":"relative","unit":"year","offset":0,"count":1},"limit":10}"#,
    ),
    (
        "money by month and genre",
        r#"{"metrics":["revenue","average_price"],"dimensions":["genre"],"grain":"month"}"#,
    ),
    (
        "no sold-out concert",
        r#"{"metrics":["concerts"],"dimensions":["venue"],"filters":[{"not":{"exists":{"dimension":"venue","of":"concerts","per":["concert"],"having":[{"metric":"attendance_rate","op":">=","values":[100]}]}}}]}"#,
    ),
    (
        "two comparisons, top in each city",
        r#"{"metrics":["tickets_sold"],"dimensions":["city","artist"],"grain":"quarter","compare":["previous_period","rank"],"top":{"n":3,"per":["city"]}}"#,
    ),
];

/// One of about 1 KB.
const STATEMENT: &str = "SELECT v.city, v.name, a.genre, count(*) AS concerts, sum(c.total_attendance) AS people, \
    avg(CAST(c.total_attendance AS DOUBLE PRECISION) / nullif(v.capacity, 0)) AS fill, \
    max(c.event_date) AS last_day, min(c.event_date) AS first_day, \
    sum(CASE WHEN c.status = 'cancelled' THEN 1 ELSE 0 END) AS cancelled, \
    rank() OVER (PARTITION BY v.city ORDER BY sum(c.total_attendance) DESC) AS place \
    FROM concert_dw.concerts AS c \
    JOIN concert_dw.venues AS v ON v.venue_id = c.venue_id \
    LEFT JOIN concert_dw.artists AS a ON a.artist_id = c.artist_id \
    WHERE c.event_date >= DATE '2025-01-01' AND c.event_date < DATE '2026-01-01' \
    AND v.country IN ('US', 'CA', 'DE', 'FR', 'GB') AND (a.genre = 'rock' OR a.genre = 'jazz' OR a.genre IS NULL) \
    AND c.concert_id IN (SELECT s.concert_id FROM concert_dw.ticket_sales AS s WHERE s.channel = 'web' AND s.quantity > 2) \
    GROUP BY v.city, v.name, a.genre HAVING count(*) > 3 \
    ORDER BY people DESC NULLS LAST, v.city ASC, v.name ASC, a.genre ASC LIMIT 100";

fn main() -> ExitCode {
    match measure() {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("concert-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<serde_json::Value, String> {
    let subject = Subject::new()?;
    let mut compile = Vec::new();
    for (name, json) in QUERIES {
        let (median_us, slow_us) = time(|| subject.compile(black_box(json)))?;
        compile.push(json!({"query": name, "median_us": median_us, "p99_us": slow_us}));
    }
    let (median_us, slow_us) = time(|| subject.guard(black_box(STATEMENT)))?;
    Ok(json!({
        "compile": compile,
        "guard": [{"bytes": STATEMENT.len(), "median_us": median_us, "p99_us": slow_us}],
    }))
}

/// The median and the slowest of 99 in 100, in microseconds.
fn time(work: impl Fn() -> Result<String, String>) -> Result<(f64, f64), String> {
    for _ in 0..WARM_RUNS {
        black_box(work()?);
    }
    let mut times_ns = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        black_box(work()?);
        times_ns.push(start.elapsed().as_nanos());
    }
    times_ns.sort_unstable();
    let at = |index: usize| times_ns.get(index).map_or(0.0, |ns| *ns as f64 / 1_000.0);
    Ok((at(RUNS / 2), at(RUNS * 99 / 100)))
}
