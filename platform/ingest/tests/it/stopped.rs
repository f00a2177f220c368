//! A load that was stopped goes on from what it has staged, and ends as one that nobody disturbed.

use crate::support::*;
use concert_ingest::{Unfinished, discard_unfinished, unfinished};

/// Two good files and one that cannot be read to its end.
fn three(bench: &Bench) -> Vec<PathBuf> {
    vec![
        bench.file("artists.csv", "artist_id,name\na1,A\na2,\n"),
        bench.file("venues.csv", format!("{VENUES_HEADER}v1,A,Ulm,100,\nv1,A,,,club\n")),
        bench.file("customers.json", "[{\"customer_id\": \"c1\"}, {\"customer_"),
    ]
}

#[tokio::test]
async fn a_load_that_failed_goes_on_with_what_is_staged() {
    let bench = Bench::new();
    let mut files = three(&bench);
    let message = bench
        .load(&files, None)
        .await
        .expect_err("the third is cut off")
        .to_string();
    assert!(message.contains("customers.json"), "{message}");
    assert_eq!(bench.pointer(), None);
    let left = unfinished(&bench.lake).expect("reads");
    let [
        Unfinished {
            run_id,
            staged: 2,
            files: 3,
            running: false,
            ..
        },
    ] = &left[..]
    else {
        panic!("{left:?}");
    };

    // The staged files are not read again: they are gone, but for their names and times.
    files[2] = bench.file("customers.json", "[{\"customer_id\": \"c1\"}]");
    let (options, notes) = noting(options(&files, None));
    let report = ingest(&bench.lake, &options).await.expect("loads");
    assert_eq!(&report.run_id, run_id, "it is the same run");
    assert_eq!(report.tables["artists"], counts(2, 1, 0, 1, 0));
    assert_eq!(report.tables["venues"], counts(2, 1, 1, 0, 0));
    assert_eq!(report.tables["customers"], counts(1, 1, 0, 0, 0));
    assert_eq!(
        notes.lock().expect("not poisoned")[0],
        format!("going on with the load {run_id}, which was stopped: 2 of 3 files are staged already")
    );
    assert_eq!(unfinished(&bench.lake).expect("reads"), []);

    // The same in one go.
    let other = Bench::new();
    let fresh: Vec<PathBuf> = three(&other)[..2]
        .iter()
        .cloned()
        .chain([other.file("customers.json", "[{\"customer_id\": \"c1\"}]")])
        .collect();
    let undisturbed = other.load(&fresh, None).await.expect("loads");
    assert_eq!(report.tables, undisturbed.tables);
    for sql in [
        "SELECT artist_id, name, _source, _line FROM artists",
        "SELECT venue_id, city, capacity, venue_type, _source, _line FROM venues",
        "SELECT customer_id, _source, _line FROM customers",
        "SELECT quarantine_id, original FROM quarantine",
        "SELECT file_sha256, source, bytes, records FROM raw_files ORDER BY 1",
        "SELECT file_sha256, line, encode(record, 'hex') FROM raw_records ORDER BY 1, 2",
        "SELECT table_name, records_in, clean, merged, quarantined, unchanged FROM runs ORDER BY 1",
    ] {
        assert_eq!(bench.rows(sql).await, other.rows(sql).await, "{sql}");
    }
}

#[tokio::test]
async fn a_file_that_has_changed_is_read_again() {
    let bench = Bench::new();
    let mut files = three(&bench);
    bench.load(&files, None).await.expect_err("the third is cut off");
    files[0] = bench.file("artists.csv", "artist_id,name\na1,A\na2,B\na3,C\n");
    files[2] = bench.file("customers.json", "[]");
    let report = bench.load(&files, None).await.expect("loads");
    assert_eq!(report.tables["artists"], counts(3, 3, 0, 0, 0));
    assert_eq!(report.tables["venues"], counts(2, 1, 1, 0, 0));
}

#[tokio::test]
async fn what_a_load_left_is_damaged_or_unwanted() {
    let bench = Bench::new();
    let files = three(&bench);
    bench.load(&files, None).await.expect_err("the third is cut off");
    // A power cut takes the end of a staged file.
    let staging = bench.home.path().join("staging");
    let run = std::fs::read_dir(&staging)
        .expect("there")
        .next()
        .expect("one")
        .expect("reads")
        .path();
    let staged = run.join("000001.venues.arrow");
    let file = std::fs::OpenOptions::new().write(true).open(&staged).expect("opens");
    file.set_len(100).expect("cuts");
    assert_eq!(unfinished(&bench.lake).expect("reads")[0].staged, 1);
    let report = bench.load(&files[..2], None).await.expect("loads");
    assert_eq!(report.tables["venues"], counts(2, 1, 1, 0, 0));

    bench.load(&files, None).await.expect_err("the third is cut off");
    assert_eq!(discard_unfinished(&bench.lake).expect("removes"), 1);
    assert_eq!(unfinished(&bench.lake).expect("reads"), []);
    assert_eq!(
        std::fs::read_dir(&staging).expect("there").count(),
        0,
        "nothing is left"
    );
}

#[tokio::test]
async fn a_load_whose_future_is_dropped_ends_and_can_be_done_again() {
    let bench = Bench::new();
    let rows: String = (0..20_000).map(|n| format!("v{n},Hall {n},Ulm,{n},\n")).collect();
    let file = bench.file("venues.csv", format!("{VENUES_HEADER}{rows}"));
    let files = [file];
    for polls in 0..3 {
        let options = options(&files, None);
        let mut load = Box::pin(ingest(&bench.lake, &options));
        for _ in 0..=polls {
            let _ = futures::poll!(load.as_mut());
            tokio::task::yield_now().await;
        }
    }
    let report = ingest(
        &bench.lake,
        &IngestOptions {
            wait: Duration::from_secs(60),
            ..options(&files, None)
        },
    )
    .await
    .expect("loads");
    assert_eq!(report.tables["venues"], counts(20_000, 20_000, 0, 0, 0));
    assert_eq!(
        bench
            .rows("SELECT count(*), count(DISTINCT venue_id) FROM venues")
            .await,
        ["20000|20000"]
    );
}

#[tokio::test]
async fn a_staging_folder_that_cannot_be_made_is_said() {
    let bench = Bench::new();
    std::fs::write(bench.home.path().join("staging"), "a file").expect("writes");
    let file = bench.file("venues.csv", format!("{VENUES_HEADER}v1,A,,,\n"));
    let message = bench.load(&[file], None).await.expect_err("refused").to_string();
    assert!(
        message.contains("could not make the folder") && message.contains("staging"),
        "{message}"
    );
    assert_eq!(bench.pointer(), None);
}
