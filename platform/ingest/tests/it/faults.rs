//! Disks that fill up or cannot be written: a clear error, never half a table, and a second attempt that ends well.

use crate::support::*;
use concert_ingest::unfinished;
use concert_lake::fault::{self, Fault, Faults};

/// What is in the tables, whichever load brought it.
const TABLES: [&str; 4] = [
    "SELECT venue_id, name, city, capacity, venue_type, _source, _line FROM venues ORDER BY 1",
    "SELECT artist_id, name, _source, _line FROM artists ORDER BY 1",
    "SELECT quarantine_id, line, rule FROM quarantine ORDER BY 1",
    "SELECT line, encode(record, 'hex') FROM raw_records ORDER BY 1, 2",
];

async fn content(bench: &Bench) -> Vec<Vec<String>> {
    let mut content = Vec::new();
    for sql in TABLES {
        content.push(bench.rows(sql).await);
    }
    content
}

fn files(bench: &Bench) -> Vec<PathBuf> {
    let rows: String = (0..300).map(|n| format!("v{},Hall {n},Ulm,{n},\n", n % 250)).collect();
    vec![
        bench.file("venues.csv", format!("{VENUES_HEADER}{rows}v1,A,Ulm,x,\n")),
        bench.file("artists.csv", "artist_id,name\na1,A\n"),
    ]
}

#[tokio::test]
async fn a_disk_that_fails_changes_nothing_and_a_rerun_ends_as_if_it_never_had() {
    let undisturbed = Bench::new();
    let faults = Faults::default();
    let lake = fault::open(&undisturbed.home.path().join("lake").display().to_string(), &faults).expect("opens");
    let before = undisturbed.file("before/venues.csv", format!("{VENUES_HEADER}v7,Old,Bonn,1,club\n"));
    let load = async |lake: &Lake, files: &[PathBuf]| ingest(lake, &options(files, None)).await;
    load(&lake, std::slice::from_ref(&before)).await.expect("loads");
    let begun = faults.written_bytes();
    let wanted = load(&lake, &files(&undisturbed)).await.expect("loads");
    let whole = faults.written_bytes() - begun;
    let wanted_content = content(&undisturbed).await;

    // What is staged is written first, then the lake's own files. The first three are enough for every day.
    let moments = [
        (0, Fault::ReadOnly, "read-only"),
        (1, Fault::NoSpace, "space"),
        (6, Fault::NoSpace, "space"),
        (0, Fault::NoSpace, "space"),
        (2, Fault::NoSpace, "space"),
        (3, Fault::ReadOnly, "read-only"),
        (4, Fault::NoSpace, "space"),
        (5, Fault::NoSpace, "space"),
        (8, Fault::NoSpace, "space"),
        (9, Fault::NoSpace, "space"),
    ];
    let is_long = std::env::var_os("CONCERT_LONG").is_some_and(|value| value == "1");
    for (share, fault, word) in moments.into_iter().take(if is_long { 10 } else { 3 }) {
        let bench = Bench::new();
        let faults = Faults::default();
        let lake = fault::open(&bench.home.path().join("lake").display().to_string(), &faults).expect("opens");
        let before = bench.file("before/venues.csv", format!("{VENUES_HEADER}v7,Old,Bonn,1,club\n"));
        load(&lake, &[before]).await.expect("loads");
        let begun = content(&bench).await;
        let files = files(&bench);
        faults.fail_after(whole * share / 10, fault);
        let message = load(&lake, &files)
            .await
            .expect_err("the disk fails")
            .to_string()
            .to_lowercase();
        assert!(message.contains(word), "{share} tenths: {message}");
        faults.mend();
        assert!(!message.contains("panic"), "{message}");
        assert_eq!(content(&bench).await, begun, "{share} tenths: nothing has changed");
        let report = load(&lake, &files).await.expect("loads");
        assert_eq!(report.tables, wanted.tables, "{share} tenths");
        assert_eq!(content(&bench).await, wanted_content, "{share} tenths");
        assert_eq!(unfinished(&lake).expect("reads"), [], "{share} tenths");
    }
}
