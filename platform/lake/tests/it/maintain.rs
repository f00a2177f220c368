//! Compaction, vacuum, and the snapshots before the current one.

use crate::support::{Content, LAYER, NO_WAIT, TABLE, commit, content, publish, read};
use concert_lake::{Error, KEPT_SNAPSHOTS, Lake, OptimizeOptions, VacuumOptions};
use std::path::{Path, PathBuf};

const OPTIMIZE: OptimizeOptions = OptimizeOptions {
    full: false,
    wait: NO_WAIT,
};

fn vacuum(keep: usize, dry_run: bool) -> VacuumOptions {
    VacuumOptions {
        keep,
        dry_run,
        wait: NO_WAIT,
    }
}

fn files(home: &Path) -> Vec<PathBuf> {
    let folder = home.join("lake").join(LAYER.name()).join(TABLE);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the table's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn many_files_become_one_and_the_content_and_the_id_stay() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let mut all = Content::new();
    for n in [3, 1, 4, 2] {
        let rows = content([(format!("c{n}"), format!("s{n}"))]);
        publish(&lake, &rows).await.expect("publishes");
        all.extend(rows);
    }
    let before = lake.snapshot().expect("reads").expect("published");
    let optimized = lake.optimize(&OPTIMIZE).await.expect("optimises");
    let customers = optimized
        .tables
        .iter()
        .find(|table| table.table == TABLE)
        .expect("changed");
    assert_eq!(
        (customers.files_before, customers.files_after, customers.rows),
        (4, 1, 4)
    );
    let after = lake.snapshot().expect("reads").expect("published");
    assert_eq!((&after.id, &after.published_at), (&before.id, &before.published_at));
    assert_ne!(after.tables, before.tables);
    assert_eq!(read(&lake, &after).await.expect("reads"), all);
    assert_eq!(
        read(&lake, &before).await.expect("reads"),
        all,
        "its files are still there"
    );
    // In the order of the key, whatever order they came in.
    let session = lake.session(&after).await.expect("a session");
    let rows = crate::support::texts(&session, "SELECT customer_id, segment FROM customers").await;
    let ids: Vec<String> = rows.expect("reads").into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["c1", "c2", "c3", "c4"]);

    let again = lake.optimize(&OPTIMIZE).await.expect("optimises");
    assert_eq!(again.tables, [], "there is nothing left to do");
    assert_eq!(lake.snapshots().expect("reads").len(), 4);
}

#[tokio::test]
async fn vacuum_removes_what_no_kept_snapshot_names_and_nothing_else() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let mut snapshots = Vec::new();
    for n in 0..4 {
        let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
        let rows = content([("a", n.to_string())]);
        let batch = crate::support::customers(&rows);
        writer.replace(LAYER, TABLE, vec![batch]).await.expect("writes");
        snapshots.push((commit(&mut writer).expect("publishes"), rows));
    }
    // What a killed process left: a file that no version names, and one that is not complete.
    let folder = home.path().join("lake").join(LAYER.name()).join(TABLE);
    std::fs::write(folder.join("part-00000-lost.parquet"), b"lost").expect("writes");
    std::fs::write(folder.join("part-00000-torn.parquet#1"), b"torn").expect("writes");

    let before = files(home.path());
    let dry = lake.vacuum(&vacuum(2, true)).await.expect("looks");
    assert_eq!(files(home.path()), before, "a dry run removes nothing");
    assert_eq!((dry.snapshots_kept, dry.snapshots_forgotten), (2, 2));
    assert_eq!(lake.snapshots().expect("reads").len(), 4);

    let done = lake.vacuum(&vacuum(2, false)).await.expect("removes");
    assert_eq!(
        (dry.files, dry.bytes, &dry.tables),
        (done.files, done.bytes, &done.tables)
    );
    assert_eq!(done.files, 4, "two old files and two that were left behind");
    assert_eq!(files(home.path()).len(), before.len() - 4);
    let kept: Vec<String> = lake.snapshots().expect("reads").into_iter().map(|s| s.id).collect();
    assert_eq!(kept, [&*snapshots[3].0.id, &*snapshots[2].0.id]);
    for (snapshot, rows) in &snapshots[2..] {
        assert_eq!(&read(&lake, snapshot).await.expect("reads"), rows);
        assert_eq!(&lake.snapshot_at(&snapshot.id).expect("kept").id, &snapshot.id);
    }
    let error = lake.snapshot_at(&snapshots[0].0.id).expect_err("forgotten");
    assert!(matches!(error, Error::NoSuchSnapshot { .. }), "{error}");
    assert!(error.to_string().contains(&kept[1]), "{error}");
    assert_eq!(lake.vacuum(&vacuum(2, false)).await.expect("again").files, 0);
}

#[tokio::test]
async fn the_last_snapshots_can_be_read_as_of_their_time() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let error = lake.snapshot_at("2026-01-01").expect_err("nothing is there");
    assert!(error.to_string().contains("Nothing is published yet"), "{error}");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    for n in 0..KEPT_SNAPSHOTS + 2 {
        let rows = content([("a", n.to_string())]);
        writer
            .replace(LAYER, TABLE, vec![crate::support::customers(&rows)])
            .await
            .expect("writes");
        let at = jiff::Timestamp::from_second(n as i64).expect("a time");
        writer
            .commit(LAYER, format!("snapshot-{n}"), at, Default::default())
            .expect("publishes");
    }
    drop(writer);
    assert_eq!(lake.snapshots().expect("reads").len(), KEPT_SNAPSHOTS);
    let other = Lake::open(home.path()).expect("opens");
    for (asked, n) in [
        ("1970-01-01T00:00:05.9Z", 5),
        ("snapshot-7", 7),
        ("1970-01-01", KEPT_SNAPSHOTS + 1),
    ] {
        let snapshot = other.snapshot_at(asked).expect(asked);
        assert_eq!(
            read(&other, &snapshot).await.expect("reads"),
            content([("a", n.to_string())]),
            "{asked}"
        );
    }
    other
        .snapshot_at("1970-01-01T00:00:01Z")
        .expect_err("two were forgotten");
}

#[tokio::test]
async fn a_long_log_is_shortened_and_kept_snapshots_still_open() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    let mut last = Vec::new();
    for n in 0..60 {
        let rows = content([("a", n.to_string())]);
        let batch = crate::support::customers(&rows);
        writer.replace(LAYER, TABLE, vec![batch]).await.expect("writes");
        last.push((commit(&mut writer).expect("publishes"), rows));
    }
    drop(writer);
    lake.vacuum(&vacuum(3, false)).await.expect("removes");
    let log = home
        .path()
        .join("lake")
        .join(LAYER.name())
        .join(TABLE)
        .join("_delta_log");
    let commits = std::fs::read_dir(&log)
        .expect("a log")
        .filter(|entry| {
            entry
                .as_ref()
                .is_ok_and(|e| e.path().extension().is_some_and(|e| e == "json"))
        })
        .count();
    assert!(commits <= 4, "{commits} versions are left of 60");
    let other = Lake::open(home.path()).expect("opens");
    for (snapshot, rows) in &last[57..] {
        assert_eq!(&read(&other, snapshot).await.expect("reads"), rows);
    }
    publish(&other, &content([("b", "new")])).await.expect("goes on");
    assert_eq!(files(home.path()).len(), 4);
}
