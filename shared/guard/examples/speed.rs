//! How long the guard takes: `cargo run --release -p concert-guard --example speed`. Each line is one statement: its
//! length, the middle of many runs, and the slowest tenth.

use concert_contract::catalogue::{CONCERT_DW, Catalogue};
use concert_guard::{Policy, check};
use std::time::Instant;

/// Somewhat more than 1 KB: WITH queries, joins, windows and CASE, as an analyst writes it.
const LONG: &str = "WITH done AS (\n  SELECT c.concert_id, c.venue_id, c.artist_id, c.event_date, c.revenue, c.total_attendance, c.currency\n  FROM concert_dw.concerts AS c\n  WHERE c.status = 'completed' AND c.event_date BETWEEN DATE '2024-01-01' AND DATE '2025-12-31' AND c.currency = 'USD'\n), monthly AS (\n  SELECT v.city, DATE_TRUNC('month', d.event_date) AS month, SUM(d.revenue) AS takings, SUM(d.total_attendance) AS people,\n         SUM(CASE WHEN d.total_attendance >= v.capacity THEN 1 ELSE 0 END) AS sold_out, COUNT(*) AS concerts\n  FROM done d\n  JOIN concert_dw.venues v ON v.venue_id = d.venue_id AND v.capacity > 0\n  WHERE v.country IN ('US', 'CA', 'GB') AND v.venue_type <> 'club'\n  GROUP BY v.city, DATE_TRUNC('month', d.event_date)\n)\nSELECT m.city, m.month, m.takings, ROUND(m.takings / NULLIF(m.people, 0), 2) AS per_head,\n       m.takings - LAG(m.takings) OVER (PARTITION BY m.city ORDER BY m.month) AS change,\n       RANK() OVER (PARTITION BY m.month ORDER BY m.takings DESC) AS place\nFROM monthly m\nWHERE m.concerts > 3\nQUALIFY place <= 10\nORDER BY m.month DESC, place\nLIMIT 500";

fn main() {
    const RUNS: usize = 5_000;
    let catalogue = match Catalogue::from_toml(CONCERT_DW) {
        Ok(catalogue) => catalogue,
        Err(error) => {
            eprintln!("{error}");
            return;
        }
    };
    let open = match Policy::of(&catalogue, None) {
        Ok(policy) => policy,
        Err(error) => {
            eprintln!("{error}");
            return;
        }
    };
    let restricted = open
        .clone()
        .hide("concerts", "created_at")
        .filter("venues", "country = 'US'");
    for (name, sql, policy) in [
        ("a count", "SELECT COUNT(*) FROM concerts", &open),
        ("1 KB", LONG, &open),
        ("1 KB, a role with rules", LONG, &restricted),
    ] {
        let mut times: Vec<f64> = (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                let is_ok = std::hint::black_box(check(std::hint::black_box(sql), policy)).is_ok();
                assert!(is_ok);
                start.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{name}: {} bytes, {:.0} µs, slowest tenth from {:.0} µs",
            sql.len(),
            times[RUNS / 2],
            times[RUNS * 9 / 10]
        );
    }
}
