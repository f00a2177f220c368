//! Disks that fill up, disks that cannot be written, writers that stop: whatever happens, the published snapshots stay
//! readable with the content that they had, and the next run goes on as if nothing had been.

use crate::support::{Content, LAYER, NO_WAIT, TABLE, commit, content, customers, publish, read};
use concert_lake::{
    Error, Lake, OptimizeOptions, Result, Snapshot, VacuumOptions,
    fault::{self, Fault, Faults},
};
use datafusion::prelude::SessionContext;
use proptest::{prelude::*, test_runner::Config};

/// A lake on a disk that can be made to fail.
fn lake_with_faults() -> (tempfile::TempDir, Lake, Faults) {
    let home = tempfile::tempdir().expect("a folder");
    let faults = Faults::default();
    let lake = fault::open(&home.path().join("lake").display().to_string(), &faults).expect("opens");
    (home, lake, faults)
}

#[tokio::test]
async fn a_full_disk_is_said_and_a_rerun_ends_as_an_undisturbed_run() {
    let (_home, lake, faults) = lake_with_faults();
    let first = content([("a", "1")]);
    publish(&lake, &first).await.expect("publishes");
    // How much one run writes, from a run of the same kind.
    let before = faults.written_bytes();
    publish(&lake, &content([("b", "1")])).await.expect("publishes");
    let a_run = faults.written_bytes() - before;
    let published = lake.snapshot().expect("reads");

    let third = content([("c", "1")]);
    for part in 0..8 {
        faults.fail_after(a_run * part / 8, Fault::NoSpace);
        let error = publish(&lake, &third).await.expect_err("no room");
        assert!(matches!(error, Error::NoSpace { .. }), "after {part}/8: {error}");
        let text = error.to_string();
        assert!(
            text.starts_with("No space left") && text.contains("make room"),
            "{text}"
        );
        let now = lake.snapshot().expect("reads");
        assert_eq!(now.as_ref().map(|s| &s.id), published.as_ref().map(|s| &s.id));
        let found = read(&lake, &now.expect("published")).await.expect("reads");
        assert_eq!(found, content([("a", "1"), ("b", "1")]), "after {part}/8");
    }
    faults.mend();
    let after = publish(&lake, &third).await.expect("there is room again");
    assert_eq!(
        read(&lake, &after).await.expect("reads"),
        content([("a", "1"), ("b", "1"), ("c", "1")])
    );
}

#[tokio::test]
async fn a_read_only_disk_is_said_and_can_still_be_read() {
    let (home, lake, faults) = lake_with_faults();
    let snapshot = publish(&lake, &content([("a", "1")])).await.expect("publishes");
    faults.fail_after(0, Fault::ReadOnly);
    let error = publish(&lake, &content([("b", "1")])).await.expect_err("refused");
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("read-only"), "{error}");
    let other = Lake::open(home.path()).expect("opens");
    assert_eq!(other.snapshot().expect("reads").as_ref(), Some(&snapshot));
    assert_eq!(read(&other, &snapshot).await.expect("reads"), content([("a", "1")]));
}

#[tokio::test]
async fn a_log_that_a_power_cut_tore_is_mended() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(home.path()).expect("opens");
    let snapshot = publish(&lake, &content([("a", "1")])).await.expect("publishes");
    let log = home
        .path()
        .join("lake")
        .join(LAYER.name())
        .join(TABLE)
        .join("_delta_log");
    for torn in [&b""[..], b"{\"commitInfo\":{\"timest", b"\0\0\0\0\0\0\0\0"] {
        {
            let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
            for id in ["b", "c"] {
                let rows = customers(&content([(id, "lost")]));
                writer.append(LAYER, TABLE, vec![rows]).await.expect("writes");
            }
        }
        let mut commits: Vec<_> = std::fs::read_dir(&log)
            .expect("a log")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .collect();
        commits.sort();
        let second_last = &commits[commits.len() - 2];
        std::fs::write(second_last, torn).expect("tears");
        let lake = Lake::open(home.path()).expect("opens");
        publish(&lake, &Content::new()).await.expect("goes on");
        let now = lake.snapshot().expect("reads").expect("published");
        assert_eq!(read(&lake, &now).await.expect("reads"), content([("a", "1")]));
        assert_eq!(read(&lake, &snapshot).await.expect("reads"), content([("a", "1")]));
    }
}

/// What a random run does next.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u8>),
    Replace(Vec<u8>),
    Merge(Vec<u8>),
    /// From now on this many bytes more can be written.
    Fill(u64),
    Mend,
    Commit,
    /// The writer stops where it is.
    Crash,
    Optimize,
    Vacuum(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let ids = || prop::collection::vec(0_u8..12, 1..5);
    prop_oneof![
        3 => ids().prop_map(Step::Append),
        1 => ids().prop_map(Step::Replace),
        3 => ids().prop_map(Step::Merge),
        2 => (0_u64..40_000).prop_map(Step::Fill),
        2 => Just(Step::Mend),
        4 => Just(Step::Commit),
        1 => Just(Step::Crash),
        1 => Just(Step::Optimize),
        1 => (1_usize..4).prop_map(Step::Vacuum),
    ]
}

/// What must be there: the published snapshots with their content, the newest last, and what the writer has changed.
struct Model {
    published: Vec<(Snapshot, Content)>,
    content: Content,
    round: u32,
}

impl Model {
    fn current(&self) -> Content {
        self.published
            .last()
            .map(|(_, content)| content.clone())
            .unwrap_or_default()
    }

    /// Rows that differ from all before.
    fn rows(&mut self, ids: &[u8], fresh: bool) -> Content {
        self.round += 1;
        let rows = ids.iter().map(|id| (format!("c{id:02}"), format!("r{}", self.round)));
        let known = &self.content;
        rows.filter(|(id, _)| !fresh || !known.contains_key(id)).collect()
    }
}

async fn run(steps: &[Step]) -> Result<()> {
    let (_home, lake, faults) = lake_with_faults();
    let mut model = Model {
        published: Vec::new(),
        content: Content::new(),
        round: 0,
    };
    let mut writer = None;
    for step in steps {
        // What fails ends the run, as it ends a command: the writer is gone, and what it had not published with it.
        let outcome: Result<()> = async {
            match step {
                Step::Fill(bytes) => faults.fail_after(*bytes, Fault::NoSpace),
                Step::Mend => faults.mend(),
                Step::Crash => {
                    writer = None;
                    model.content = model.current();
                }
                Step::Optimize => {
                    writer = None;
                    model.content = model.current();
                    lake.optimize(&OptimizeOptions {
                        full: false,
                        wait: NO_WAIT,
                    })
                    .await?;
                }
                Step::Vacuum(keep) => {
                    writer = None;
                    model.content = model.current();
                    let options = VacuumOptions {
                        keep: *keep,
                        dry_run: false,
                        wait: NO_WAIT,
                    };
                    lake.vacuum(&options).await?;
                }
                Step::Append(_) | Step::Replace(_) | Step::Merge(_) | Step::Commit => {
                    if writer.is_none() {
                        writer = Some(lake.writer(NO_WAIT).await?);
                    }
                    let Some(writer) = writer.as_mut() else { return Ok(()) };
                    match step {
                        Step::Append(ids) => {
                            let rows = model.rows(ids, true);
                            writer.append(LAYER, TABLE, vec![customers(&rows)]).await?;
                            model.content.extend(rows);
                        }
                        Step::Replace(ids) => {
                            let rows = model.rows(ids, false);
                            writer.replace(LAYER, TABLE, vec![customers(&rows)]).await?;
                            model.content = rows;
                        }
                        Step::Merge(ids) => {
                            let rows = model.rows(ids, false);
                            let frame = SessionContext::new().read_batch(customers(&rows)).expect("a frame");
                            writer.merge(LAYER, TABLE, frame).await?;
                            model.content.extend(rows);
                        }
                        _ => {
                            let snapshot = commit(writer)?;
                            model.published.push((snapshot, model.content.clone()));
                        }
                    }
                }
            }
            Ok(())
        }
        .await;
        if let Err(error) = outcome {
            assert!(matches!(error, Error::NoSpace { .. }), "{step:?}: {error}");
            writer = None;
            model.content = model.current();
        }
        check(&lake, &model, step).await;
    }
    // After all of it, an undisturbed run goes on from what is published.
    drop(writer);
    faults.mend();
    let rows = content([("last", "run")]);
    let snapshot = publish(&lake, &rows).await?;
    let mut expected = model.current();
    expected.extend(rows);
    assert_eq!(read(&lake, &snapshot).await?, expected);
    Ok(())
}

/// Every snapshot that the lake says it keeps has the content that was published under its id, the last one among them.
async fn check(lake: &Lake, model: &Model, step: &Step) {
    let kept = lake.snapshots().expect("reads");
    assert_eq!(
        kept.first().map(|snapshot| &snapshot.id),
        model.published.last().map(|(snapshot, _)| &snapshot.id),
        "{step:?}"
    );
    for snapshot in &kept {
        let (_, expected) = model
            .published
            .iter()
            .find(|(published, _)| published.id == snapshot.id)
            .expect("was published");
        let found = read(lake, snapshot).await.expect("reads");
        assert_eq!(&found, expected, "{} after {step:?}", snapshot.id);
    }
}

#[test]
fn whatever_happens_the_published_snapshots_stay_as_they_were() {
    let long = std::env::var_os("CONCERT_LONG").is_some();
    let config = Config {
        cases: if long { 200 } else { 8 },
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    proptest!(config, |(steps in prop::collection::vec(step(), 4..14))| {
        runtime.block_on(run(&steps)).expect("ends well");
    });
}
