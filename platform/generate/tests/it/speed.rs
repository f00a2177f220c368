//! Speed and memory, measured in release: `cargo test --release -p concert-generate -- --ignored speed --nocapture`.

use crate::support::AS_OF;
use concert_generate::{Format, GenerateOptions, Sales, generate};
use std::time::Instant;

/// The most memory that this process has had, in MB, where the system says it.
fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1_024)
}

#[test]
#[ignore = "takes a release build and a disk with a gigabyte"]
fn rate_and_peak_memory() {
    for (sales, format, dirty) in [
        (1_000_000, Format::Parquet, 0.0),
        (10_000_000, Format::Parquet, 0.0),
        (1_000_000, Format::Csv, 0.0),
        (1_000_000, Format::Json, 0.0),
        (1_000_000, Format::Csv, 0.1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let report = generate(&GenerateOptions {
            sales: Sales::Exactly(sales),
            format,
            dirty,
            ..GenerateOptions::new(AS_OF, folder.path())
        })
        .unwrap();
        let took = begun.elapsed().as_secs_f64();
        assert_eq!(report.tables["ticket_sales"], sales);
        let peak = peak_mb();
        eprintln!(
            "{sales:>10} sales, {format:?}, dirty {dirty}: {took:.2} s, {:.0} sales/s, peak {peak:?} MB",
            sales as f64 / took
        );
        assert!(peak.is_none_or(|peak| peak < 500), "{peak:?} MB");
    }
}
