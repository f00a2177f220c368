//! Rows that are put in by key.

use crate::support::{Content, LAYER, NO_WAIT, TABLE, commit, content, customers, publish, read, texts};
use concert_lake::{Error, Lake, Merged};
use datafusion::prelude::SessionContext;

async fn merge(lake: &Lake, rows: &Content) -> Merged {
    let frame = SessionContext::new().read_batch(customers(rows)).expect("a frame");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    let merged = writer.merge(LAYER, TABLE, frame).await.expect("merges");
    commit(&mut writer).expect("publishes");
    merged
}

async fn now(lake: &Lake) -> Content {
    let snapshot = lake.snapshot().expect("reads").expect("published");
    read(lake, &snapshot).await.expect("reads")
}

#[tokio::test]
async fn a_merge_replaces_by_key_and_rewrites_only_the_files_that_hold_one() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let first = merge(&lake, &content([("a", "1"), ("b", "1")])).await;
    assert_eq!(
        (first.inserted, first.updated, first.files_rewritten),
        (2, 0, 0),
        "into an empty table"
    );
    // A file of its own for each.
    publish(&lake, &content([("m", "1"), ("n", "1")]))
        .await
        .expect("publishes");
    publish(&lake, &content([("x", "1"), ("y", "1")]))
        .await
        .expect("publishes");

    let merged = merge(&lake, &content([("n", "2"), ("o", "2")])).await;
    assert_eq!((merged.inserted, merged.updated, merged.files_rewritten), (1, 1, 1));
    assert_eq!(
        now(&lake).await,
        content([
            ("a", "1"),
            ("b", "1"),
            ("m", "1"),
            ("n", "2"),
            ("o", "2"),
            ("x", "1"),
            ("y", "1")
        ])
    );
    // Within the range of a file's keys, and yet in none.
    let between = merge(&lake, &content([("mm", "3")])).await;
    assert_eq!((between.inserted, between.updated, between.files_rewritten), (1, 0, 0));
    assert_eq!(merge(&lake, &Content::new()).await, Merged::default());
    let all: Content = now(&lake).await.into_keys().map(|key| (key, "4".to_owned())).collect();
    let merged = merge(&lake, &all).await;
    assert_eq!((merged.inserted, merged.updated), (0, 8));
    assert_eq!(now(&lake).await, all);
}

#[tokio::test]
async fn a_key_of_two_columns_is_one_key() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    let session = SessionContext::new();
    for (rows, expected) in [
        ("('a', 'rock'), ('a', 'folk'), ('b', 'rock')", (3, 0)),
        ("('a', 'rock'), ('b', 'folk')", (1, 1)),
    ] {
        let sql = format!("SELECT column1 AS artist_id, column2 AS genre FROM (VALUES {rows})");
        let frame = session.sql(&sql).await.expect("plans");
        let merged = writer.merge(LAYER, "artist_genres", frame).await.expect("merges");
        assert_eq!((merged.inserted, merged.updated), expected);
    }
    let session = lake.session(&writer.heads(LAYER)).await.expect("a session");
    let rows = texts(&session, "SELECT artist_id, genre FROM artist_genres ORDER BY 1, 2").await;
    let expected = [("a", "folk"), ("a", "rock"), ("b", "folk"), ("b", "rock")];
    assert_eq!(
        rows.expect("reads"),
        expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
}

#[tokio::test]
async fn rows_with_a_column_that_the_table_has_not_are_refused() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    let sql = "SELECT 'a' AS customer_id, 'x' AS segmnt";
    let frame = SessionContext::new().sql(sql).await.expect("plans");
    let error = writer.merge(LAYER, TABLE, frame).await.expect_err("refused");
    assert!(matches!(error, Error::Row { .. }), "{error}");
    assert!(error.to_string().contains("segmnt"), "{error}");
}

#[tokio::test]
async fn a_stream_replaces_a_table_with_what_it_reads_of_it() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let snapshot = publish(&lake, &content([("a", "1"), ("b", "2")]))
        .await
        .expect("publishes");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    let session = lake.batch_session(LAYER, &snapshot).await.expect("a session");
    let sql = format!("SELECT segment || '0' AS segment, customer_id FROM {TABLE} WHERE customer_id > 'a'");
    let stream = session
        .sql(&sql)
        .await
        .expect("plans")
        .execute_stream()
        .await
        .expect("runs");
    assert_eq!(writer.replace_stream(LAYER, TABLE, stream).await.expect("writes"), 1);
    commit(&mut writer).expect("publishes");
    assert_eq!(now(&lake).await, content([("b", "20")]));
    assert_eq!(
        read(&lake, &snapshot).await.expect("reads"),
        content([("a", "1"), ("b", "2")]),
        "the snapshot before it stays"
    );
}
