//! What `generate` writes is taken in as it is: in every format, and damaged.

use crate::support::{Bench, generated};
use concert_generate::{Format, GenerateOptions, generate};

#[tokio::test]
async fn every_format_brings_the_same_rows() {
    let mut first: Option<Vec<String>> = None;
    for format in Format::ALL {
        let bench = Bench::new();
        let options = GenerateOptions {
            format,
            ..generated(bench.data.path(), 40, 30, 150, 400)
        };
        let made = generate(&options).expect("makes a world");
        let report = bench.load().await;
        for (table, rows) in &made.tables {
            let counts = report.tables[table];
            assert_eq!(
                (counts.records_in, counts.clean, counts.quarantined),
                (*rows, *rows, 0),
                "{table} from {format:?}"
            );
        }
        let snapshot = bench
            .lake
            .layer_snapshot(concert_lake::Layer::Clean)
            .expect("reads")
            .expect("is there");
        let session = bench
            .lake
            .layer_session(concert_lake::Layer::Clean, &snapshot)
            .await
            .expect("a session");
        let mut sums = Vec::new();
        for sql in [
            "SELECT sum(revenue), sum(total_attendance), min(starts_at), max(event_date), max(updated_at) FROM concerts",
            "SELECT sum(unit_price), sum(quantity), min(purchase_timestamp), max(created_at) FROM ticket_sales",
            "SELECT sum(capacity), count(latitude), min(longitude), max(created_at) FROM venues",
            "SELECT max(popularity_score), min(formation_date), count(genre) FROM artists",
            "SELECT min(joined_at), max(joined_at), count(segment) FROM customers",
        ] {
            let batches = session.sql(sql).await.expect("plans").collect().await.expect("runs");
            sums.push(format!("{batches:?}"));
        }
        assert_eq!(*first.get_or_insert_with(|| sums.clone()), sums, "{format:?}");
    }
}

#[tokio::test]
async fn damaged_records_are_all_accounted_for_and_the_truth_is_no_table() {
    for format in Format::ALL {
        let bench = Bench::new();
        let options = GenerateOptions {
            format,
            dirty: 0.3,
            ..generated(bench.data.path(), 40, 30, 150, 400)
        };
        let made = generate(&options).expect("makes a world");
        let truth = std::fs::read_to_string(bench.data.path().join("_truth/damage.csv")).expect("is there");
        // A row without a price says nothing about prices, which is no fault.
        let silent = |line: &&str| line.starts_with("concert_prices,") && line.contains(",price,missing,");
        let silent = truth.lines().filter(silent).count() as u64;
        let report = bench.load().await;
        let mut quarantined = 0;
        for (table, rows) in &made.tables {
            let counts = report.tables[table];
            let said = if table == "concert_prices" {
                rows - silent
            } else {
                *rows
            };
            assert_eq!(counts.records_in, said, "{table} from {format:?}");
            quarantined += counts.quarantined;
        }
        let damaged = made.dirty.expect("says what was damaged").damaged_records;
        assert!(0 < quarantined && quarantined < damaged, "{quarantined} of {damaged}");
    }
}
