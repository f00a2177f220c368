//! What a lake promises: snapshots that do not move under a reader, one writer, and nothing left of a writer that
//! stopped half way.

mod evolve;
mod faults;
mod layout;
mod maintain;
mod merge;
mod s3;
mod support;

use arrow::{
    array::{ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
};
use concert_lake::{Error, Lake, Layer, Snapshot};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const NO_WAIT: Duration = Duration::ZERO;

/// Rows of `catalogue_values`, the smallest published table.
fn rows(values: &[&str]) -> RecordBatch {
    let n = values.len();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["city"; n])),
        Arc::new(StringArray::from(values.to_vec())),
        Arc::new(StringArray::from(values.to_vec())),
        Arc::new(Int64Array::from(vec![1; n])),
        Arc::new(StringArray::from(vec![None::<&str>; n])),
    ];
    let schema = Layer::ConcertDw
        .table("catalogue_values")
        .expect("there")
        .arrow_schema();
    RecordBatch::try_new(schema, columns).expect("rows")
}

async fn count(lake: &Lake, snapshot: &Snapshot) -> i64 {
    let session = lake.session(snapshot).await.expect("a session");
    let sql = "SELECT count(*) FROM dev.concert_dw.catalogue_values";
    let batches = session.sql(sql).await.expect("plans").collect().await.expect("runs");
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

async fn publish(lake: &Lake, values: &[&str], id: &str) -> Snapshot {
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    writer
        .append(Layer::ConcertDw, "catalogue_values", vec![rows(values)])
        .await
        .expect("writes");
    writer
        .commit(
            Layer::ConcertDw,
            id.to_owned(),
            jiff::Timestamp::UNIX_EPOCH,
            BTreeMap::new(),
        )
        .expect("commits")
}

#[tokio::test]
async fn before_the_first_publication_every_table_is_there_and_empty() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    assert_eq!(lake.snapshot().expect("reads"), None);
    assert_eq!(count(&lake, &Snapshot::default()).await, 0);
    assert_eq!(
        lake.data_state().await.expect("reads"),
        concert_contract::api::DataState::default()
    );
}

#[tokio::test]
async fn a_reader_keeps_its_snapshot_while_the_next_is_published() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let first = publish(&lake, &["Boston"], "one").await;
    let second = publish(&lake, &["Chicago", "Denver"], "two").await;
    assert_eq!(count(&lake, &first).await, 1);
    assert_eq!(count(&lake, &second).await, 3);
    assert_eq!(lake.snapshot().expect("reads"), Some(second));
    // Another process sees the same.
    let other = Lake::open(home.path()).expect("opens");
    let snapshot = other.snapshot().expect("reads").expect("published");
    assert_eq!(count(&other, &snapshot).await, 3);
    let values = other.catalogue_values().await.expect("reads");
    assert_eq!(
        values.iter().map(|v| v.value.as_str()).collect::<Vec<_>>(),
        ["Boston", "Chicago", "Denver"]
    );
}

#[tokio::test]
async fn what_a_stopped_writer_left_is_taken_back_by_the_next() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let first = publish(&lake, &["Boston"], "one").await;
    {
        let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
        writer
            .append(Layer::ConcertDw, "catalogue_values", vec![rows(&["Lost"])])
            .await
            .expect("writes");
        writer
            .replace(Layer::ConcertDw, "publication", vec![])
            .await
            .expect("writes");
        // Dropped without a commit, as by a kill.
    }
    assert_eq!(
        lake.snapshot().expect("reads"),
        Some(first.clone()),
        "readers never saw it"
    );
    let writer = lake.writer(NO_WAIT).await.expect("the lease");
    let left = writer.read(Layer::ConcertDw, "catalogue_values").await.expect("reads");
    assert_eq!(left.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    let recovered = lake.snapshot().expect("reads").expect("published");
    assert_eq!(recovered.id, first.id, "the same content keeps its id");
    drop(writer);
    // Nothing is left to take back a second time.
    drop(lake.writer(NO_WAIT).await.expect("the lease"));
    assert_eq!(lake.snapshot().expect("reads"), Some(recovered.clone()));
    assert_eq!(count(&lake, &recovered).await, 1);
}

#[tokio::test]
async fn a_second_writer_is_told_who_holds_the_lease() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let _held = lake.writer(NO_WAIT).await.expect("the lease");
    let error = lake.writer(NO_WAIT).await.expect_err("held");
    assert!(matches!(error, Error::LeaseHeld { .. }), "{error}");
    assert!(
        error.to_string().contains(&format!("process {}", std::process::id())),
        "{error}"
    );
}

#[tokio::test]
async fn two_writers_at_once_both_publish_one_after_the_other() {
    const ROUNDS: usize = 3;
    const PATIENCE: Duration = Duration::from_secs(60);
    let home = tempfile::tempdir().expect("a folder");
    let writer = |name: &'static str| {
        // A handle of its own, as another process has.
        let lake = Lake::open(home.path()).expect("opens");
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let mut writer = lake.writer(PATIENCE).await.expect("the other one is done at some time");
                let row = rows(&[name]);
                writer
                    .append(Layer::ConcertDw, "catalogue_values", vec![row])
                    .await
                    .expect("writes");
                // The other one has time to try while this one holds the lease.
                tokio::task::yield_now().await;
                let id = format!("{name} {round}");
                writer
                    .commit(Layer::ConcertDw, id, jiff::Timestamp::UNIX_EPOCH, BTreeMap::new())
                    .expect("commits");
            }
        })
    };
    let (one, two) = (writer("one"), writer("two"));
    one.await.expect("ends");
    two.await.expect("ends");
    let lake = Lake::open(home.path()).expect("opens");
    let snapshot = lake.snapshot().expect("reads").expect("published");
    assert_eq!(count(&lake, &snapshot).await, 2 * ROUNDS as i64);
    assert_eq!(lake.snapshots().expect("reads").len(), 2 * ROUNDS);
}

#[tokio::test]
async fn the_published_tables_cannot_be_written_by_sql() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let snapshot = publish(&lake, &["Boston"], "one").await;
    let session = lake.session(&snapshot).await.expect("a session");
    for sql in [
        "INSERT INTO catalogue_values VALUES ('a', 'b', 'c', 1, NULL)",
        "DELETE FROM catalogue_values",
        "DROP TABLE catalogue_values",
        "CREATE TABLE more AS SELECT 1 AS one",
    ] {
        let outcome = match session.sql(sql).await {
            Ok(frame) => frame.collect().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(outcome.is_err(), "{sql}");
    }
    assert_eq!(count(&lake, &snapshot).await, 1);
}

#[tokio::test]
async fn types_survive_the_round_trip() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    for layer in Layer::ALL {
        for table in layer.tables() {
            writer.replace(layer, table.name, vec![]).await.expect(table.name);
        }
        writer
            .commit(layer, "one".into(), jiff::Timestamp::UNIX_EPOCH, BTreeMap::new())
            .expect("commits");
        let snapshot = lake.layer_snapshot(layer).expect("reads").expect("committed");
        let session = lake.layer_session(layer, &snapshot).await.expect("a session");
        for table in layer.tables() {
            let frame = session.table(table.name).await.expect(table.name);
            assert_eq!(
                frame.schema().as_arrow(),
                table.arrow_schema().as_ref(),
                "{}",
                table.name
            );
        }
    }
}

/// Set for the process that the kill test starts: the home to write to.
const CHILD_HOME: &str = "CONCERT_LAKE_TEST_HOME";

/// Ends the writer even when the test fails before it would.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Adds one row to each of two tables in every publication, until it is killed.
#[tokio::test]
#[ignore = "is started, and killed, by the test below"]
async fn write_until_killed() {
    let Some(home) = std::env::var_os(CHILD_HOME) else {
        eprintln!("skipped: only the kill test starts this, with {CHILD_HOME}");
        return;
    };
    let lake = Lake::open(std::path::Path::new(&home)).expect("opens");
    let genre = || {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["artist"])),
            Arc::new(StringArray::from(vec!["genre"])),
        ];
        let schema = Layer::ConcertDw.table("artist_genres").expect("there").arrow_schema();
        RecordBatch::try_new(schema, columns).expect("a row")
    };
    loop {
        let mut writer = lake.writer(Duration::from_secs(10)).await.expect("the lease");
        let id = writer.snapshot(Layer::ConcertDw).id.parse::<u64>().unwrap_or(0) + 1;
        writer
            .append(Layer::ConcertDw, "catalogue_values", vec![rows(&["x"])])
            .await
            .expect("writes");
        writer
            .append(Layer::ConcertDw, "artist_genres", vec![genre()])
            .await
            .expect("writes");
        writer
            .commit(
                Layer::ConcertDw,
                id.to_string(),
                jiff::Timestamp::UNIX_EPOCH,
                BTreeMap::new(),
            )
            .expect("commits");
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_a_whole_snapshot() {
    const ROUNDS: u64 = 6;
    const DEADLINE: Duration = Duration::from_secs(120);
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let published = |lake: &Lake| -> u64 {
        lake.snapshot()
            .expect("reads")
            .map_or(0, |snapshot| snapshot.id.parse().expect("a number"))
    };
    for round in 0..ROUNDS {
        let before = published(&lake);
        let child = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "write_until_killed", "--ignored"])
            .env(CHILD_HOME, home.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .map(Child)
            .expect("starts");
        let started = std::time::Instant::now();
        while published(&lake) < before + 1 + round % 2 {
            assert!(started.elapsed() < DEADLINE, "the writer published nothing");
            std::thread::sleep(Duration::from_millis(2));
        }
        // Each round hits another place of the next publication.
        std::thread::sleep(Duration::from_millis(round * 9));
        drop(child);

        let snapshot = lake.snapshot().expect("reads").expect("published");
        let rows: i64 = snapshot.id.parse().expect("a number");
        for recovered in [false, true] {
            if recovered {
                drop(lake.writer(NO_WAIT).await.expect("the lease of a dead process is free"));
            }
            let now = lake.snapshot().expect("reads").expect("published");
            assert_eq!(now.id, snapshot.id);
            let session = lake.session(&now).await.expect("a session");
            for table in ["catalogue_values", "artist_genres"] {
                let sql = format!("SELECT count(*) FROM {table}");
                let batches = session.sql(&sql).await.expect("plans").collect().await.expect("runs");
                let found = batches[0].column(0).as_primitive::<Int64Type>().value(0);
                assert_eq!(found, rows, "{table}, recovered: {recovered}");
            }
        }
    }
}
