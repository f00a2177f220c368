//! A load gives the same whatever fits into memory.

use crate::support::*;
use concert_ingest::fuzzing::{Limits, ingest_within};
use std::fmt::Write as _;

/// Concerts with many records of one id, in an order that depends on `seed`.
fn concerts(seed: u64, ids: u64, records: u64) -> String {
    let mut text =
        String::from("concert_id,artist_id,venue_id,event_date,status,total_attendance,revenue,updated_at\n");
    let mut state = seed;
    let mut next = |below: u64| {
        // A linear congruential generator (Knuth's MMIX constants).
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..records {
        let id = next(ids);
        let or_nothing = |text: String, odds: u64| if odds == 0 { String::new() } else { text };
        let status = ["", "", "scheduled", "completed", "cancelled"][next(5) as usize];
        let attendance = or_nothing(next(500).to_string(), next(3));
        let revenue = or_nothing(format!("{}.50", next(90)), next(3));
        let updated = or_nothing("2024-01-01T00:00:00Z".to_owned(), next(2));
        let day = 1 + next(28);
        writeln!(
            text,
            "c{id},a{},v{},2024-06-{day:02},{status},{attendance},{revenue},{updated}",
            id % 7,
            id % 5
        )
        .expect("a string takes it");
    }
    text
}

#[tokio::test]
async fn parts_and_threads_make_no_difference() {
    // Everything in memory; all rows by key, in one part; in many parts.
    let limits = [
        Limits::default(),
        Limits {
            part_bytes: 1 << 30,
            hashed_rows: 0,
        },
        Limits {
            part_bytes: 4 << 10,
            hashed_rows: 0,
        },
        Limits {
            part_bytes: 4 << 10,
            ..Limits::default()
        },
    ];
    let mut seen: Option<(Vec<TableCounts>, Vec<String>)> = None;
    for limits in limits {
        let bench = Bench::new();
        let mut reports = Vec::new();
        // The second load brings new rows, changed ones and known ones; the third one nothing.
        for text in [concerts(1, 400, 600), concerts(2, 700, 600), concerts(2, 700, 600)] {
            let file = bench.file("concerts.csv", text);
            let report = ingest_within(&bench.lake, &options(&[file], None), limits)
                .await
                .expect("loads");
            reports.push(report.tables["concerts"]);
        }
        let rows = bench
            .rows(
                "SELECT concert_id, event_date, status, total_attendance, revenue, updated_at = created_at, _line \
                 FROM concerts ORDER BY 1",
            )
            .await;
        assert_eq!(
            bench
                .rows("SELECT count(*) - count(DISTINCT concert_id) FROM concerts")
                .await,
            ["0"]
        );
        match &seen {
            None => {
                assert!(reports[0].clean > 0 && reports[0].merged > 0, "{reports:?}");
                assert!(reports[1].clean > 0 && reports[1].merged > 0, "{reports:?}");
                assert_eq!(reports[2].unchanged, 600, "{reports:?}");
                seen = Some((reports, rows));
            }
            Some(first) => assert!(
                *first == (reports.clone(), rows),
                "{limits:?}: {reports:?}, not {:?}",
                first.0
            ),
        }
    }
}
