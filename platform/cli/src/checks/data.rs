//! The home folder and the data in it. Nothing is changed: what a stopped process left is told and not taken back, which
//! is the next writer's work.

use super::{Check, State, bytes, told};
use crate::commands::open_lake;
use concert_contract::api::DataState;
use concert_ingest::Unfinished;
use concert_lake::{Lake, Layer, QuarantineCount, Run, Snapshot, TableFiles};
use concert_refine::{Dangling, dangling, mart_breaches, unpublished};
use jiff::{Unit, civil::Date};
use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    path::Path,
};

/// Below this a load of any size may fail.
const LOW_SPACE_BYTES: u64 = 2 << 30;
/// Below this not even a pointer may be written.
const NO_SPACE_BYTES: u64 = 64 << 20;

/// After how many days without a complete day the data is said to be old.
const OLD_AFTER_DAYS: i32 = 7;

/// Above this share of a table's records, what was put aside changes answers.
const QUARANTINE_SHARE: f64 = 0.05;

/// How many examples a finding names.
const MAX_EXAMPLES: usize = 3;

const PUBLISH: &str = "concert refine";

/// Everything about the home and its data, one check after the other; what cannot be looked at because of an earlier
/// one is left out.
pub async fn all(home: &Path, today: Date) -> Vec<Check> {
    let mut checks = vec![writable(home), space(home)];
    let lake = match open_lake(home) {
        Ok(lake) => lake,
        Err(error) => {
            checks.push(Check::error(
                "lake",
                format!("{error:#}"),
                "no data can be read or written",
                "make the home folder yours and writable, or name another one by --home",
            ));
            return checks;
        }
    };
    let (clean, current) = match (lake.layer_snapshot(Layer::Clean), lake.snapshot()) {
        (Ok(clean), Ok(current)) => (clean, current),
        (Err(error), _) | (_, Err(error)) => {
            checks.push(Check::error(
                "lake",
                told(&error),
                "which versions of the tables belong together is not known",
                "restore the file from a copy; without one, remove the folder lake in the home and ingest again",
            ));
            return checks;
        }
    };
    checks.push(lake_of(&lake, clean.as_ref(), current.as_ref()));
    let writer = lease(&lake);
    let is_writing = writer.found != FREE;
    checks.push(writer);

    let mut files = Vec::new();
    for (layer, snapshot) in [(Layer::Clean, &clean), (Layer::ConcertDw, &current)] {
        if let Some(snapshot) = snapshot {
            files.extend(lake.verify(layer, snapshot).await);
        }
    }
    let whole = files_of(&files);
    let is_whole = whole.state == State::Ok;
    checks.push(whole);
    checks.push(leftovers(&files, is_writing));
    if let Ok(unfinished) = concert_ingest::unfinished(&lake) {
        checks.push(loads(&unfinished));
    }
    if !is_whole {
        return checks;
    }

    checks.push(published(clean.as_ref(), current.as_ref()));
    let mut state = DataState::default();
    checks.extend(match lake.data_state().await {
        Ok(read) => {
            state = read;
            None
        }
        Err(error) => Some(unreadable("publication", &error)),
    });
    let is_current = clean
        .as_ref()
        .zip(current.as_ref())
        .is_none_or(|(c, p)| unpublished(c, p).is_empty());
    match (lake.runs(usize::MAX).await, lake.quarantine_counts().await) {
        (Ok(runs), Ok(quarantine)) => {
            checks.push(counts(&runs, is_current.then_some(&state)));
            checks.push(quarantined(&runs, &quarantine));
        }
        (Err(error), _) | (_, Err(error)) => checks.push(unreadable("counts", &error)),
    }
    if let Some(snapshot) = &current {
        checks.extend(content(&lake, snapshot, &state).await);
        checks.push(freshness(&state, today));
    }
    checks
}

fn unreadable(name: &'static str, error: &(dyn std::error::Error + 'static)) -> Check {
    Check::error(
        name,
        told(error),
        "what is published cannot be read",
        "ingest again; if it stays, restore the folder lake in the home from a copy",
    )
}

fn writable(home: &Path) -> Check {
    match tempfile::tempfile_in(home) {
        Ok(_) => Check::ok("home", format!("{} can be written", home.display())),
        Err(error) => Check::error(
            "home",
            format!("{} cannot be written: {error}", home.display()),
            "nothing can be loaded or published; what is published can be read",
            "make the folder yours and writable, free space, or name another one by --home",
        ),
    }
}

pub fn space(home: &Path) -> Check {
    #[cfg(unix)]
    let free = rustix::fs::statvfs(home)
        .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
        .map_err(|error| error.to_string());
    #[cfg(not(unix))]
    let free: Result<u64, String> = Err("this system is not asked".to_owned());
    match free {
        Ok(free) => judge_space(free),
        Err(error) => Check::ok("space", format!("not known: {error}")),
    }
}

fn judge_space(free: u64) -> Check {
    let found = format!("{} are free", bytes(free));
    let mend = "free space on the disk; concert lake vacuum removes what no kept snapshot needs";
    if free < NO_SPACE_BYTES {
        Check::error("space", found, "nothing can be loaded or published", mend)
    } else if free < LOW_SPACE_BYTES {
        Check::warning(
            "space",
            found,
            "a large load may end with a full disk, and nothing changed",
            mend,
        )
    } else {
        Check::ok("space", found)
    }
}

fn lake_of(lake: &Lake, clean: Option<&Snapshot>, published: Option<&Snapshot>) -> Check {
    let place = lake.location();
    match (clean, published) {
        (None, None) => Check::warning(
            "lake",
            format!("{place} is empty"),
            "there is nothing to ask about",
            "concert generate --out DIR, then concert ingest DIR; or concert ingest your own files",
        ),
        (_, None) => Check::ok("lake", format!("{place}, nothing published yet")),
        (_, Some(published)) => Check::ok(
            "lake",
            format!(
                "{place}, snapshot {} of {}",
                published.id,
                published.published_at.get(..19).unwrap_or(&published.published_at)
            ),
        ),
    }
}

const FREE: &str = "nobody writes";

/// Whether somebody writes now. The lock of a folder ends with its holder, so that none is ever stale; a bucket's lease
/// runs out by itself.
fn lease(lake: &Lake) -> Check {
    let place = lake.location();
    let path = Path::new(&place).join("writer.lock");
    if place.contains("://") {
        return Check::ok("writer", "a lease in a bucket runs out by itself");
    }
    match File::open(&path).map(|file| file.try_lock_shared()) {
        Ok(Err(TryLockError::WouldBlock)) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            let holder = if holder.is_empty() { "a process" } else { &holder };
            Check::ok("writer", format!("{holder} writes"))
        }
        Ok(Ok(()) | Err(TryLockError::Error(_))) | Err(_) => Check::ok("writer", FREE),
    }
}

fn files_of(tables: &[TableFiles]) -> Check {
    let broken: Vec<String> = tables
        .iter()
        .filter(|table| !table.problems.is_empty())
        .map(|table| format!("{}.{}: {}", table.layer, table.table, table.problems.join(", ")))
        .collect();
    if broken.is_empty() {
        let files: u64 = tables.iter().map(|table| table.files).sum();
        let size: u64 = tables.iter().map(|table| table.bytes).sum();
        return Check::ok("files", format!("all {files} files are there, {}", bytes(size)));
    }
    Check::error(
        "files",
        some(&broken),
        "questions about these tables fail, and the next load may too",
        "restore the folder lake in the home from a copy; without one, remove it and ingest again",
    )
}

/// What was written past the snapshots.
fn leftovers(tables: &[TableFiles], is_writing: bool) -> Check {
    let past: Vec<String> = tables
        .iter()
        .filter(|table| table.head > table.version)
        .map(|table| format!("{}.{}", table.layer, table.table))
        .collect();
    if past.is_empty() {
        Check::ok("leftovers", "nothing was written that is not published")
    } else if is_writing {
        Check::ok("leftovers", format!("being written now: {}", some(&past)))
    } else {
        Check::warning(
            "leftovers",
            format!("written and not published: {}", some(&past)),
            "a process was stopped; nobody reads what it left",
            "ingest its files again; whoever writes next takes this back",
        )
    }
}

pub fn loads(loads: &[Unfinished]) -> Check {
    let stopped: Vec<String> = loads
        .iter()
        .filter(|load| !load.running)
        .map(|load| {
            format!(
                "the load of {} with {} of {} files read, {}",
                load.started_at.get(..19).unwrap_or(&load.started_at),
                load.staged,
                load.files,
                bytes(load.bytes)
            )
        })
        .collect();
    if !stopped.is_empty() {
        return Check::warning(
            "loads",
            some(&stopped),
            "a load was stopped before its end; nothing of it is in the tables",
            "ingest the same files again: it goes on where it was stopped",
        );
    }
    match loads.len() {
        0 => Check::ok("loads", "none is unfinished"),
        running => Check::ok("loads", format!("{running} running")),
    }
}

pub fn published(clean: Option<&Snapshot>, current: Option<&Snapshot>) -> Check {
    let Some(clean) = clean else {
        return Check::ok("published", "nothing is loaded yet");
    };
    let behind = match current {
        None => return Check::warning("published", "nothing is published", "no question finds data", PUBLISH),
        Some(current) => unpublished(clean, current),
    };
    if behind.is_empty() {
        return Check::ok("published", "everything that was loaded is published");
    }
    Check::warning(
        "published",
        format!("loaded and not published: {}", behind.join(", ")),
        "answers come from the data of before",
        PUBLISH,
    )
}

/// In = clean + merged + quarantined + unchanged, for every table of every run; and where the published tables are those
/// of the last run, as many rows as the runs brought.
pub fn counts(runs: &[Run], published: Option<&DataState>) -> Check {
    let mut wrong = Vec::new();
    let mut brought: BTreeMap<&str, u64> = BTreeMap::new();
    let mut all_counted = true;
    for run in runs {
        all_counted &= !run.tables.is_empty();
        for (table, c) in &run.tables {
            *brought.entry(table).or_default() += c.clean;
            if c.records_in != c.clean + c.merged + c.quarantined + c.unchanged {
                wrong.push(format!(
                    "run {}, {table}: {} in, {} clean + {} merged + {} quarantined + {} unchanged",
                    run.run_id, c.records_in, c.clean, c.merged, c.quarantined, c.unchanged
                ));
            }
        }
    }
    if let Some(state) = published.filter(|_| all_counted) {
        for (table, rows) in brought {
            let there = state.table(table).map_or(0, |table| table.row_count);
            if there != rows {
                wrong.push(format!("{table} has {there} rows, and the runs brought {rows}"));
            }
        }
    }
    if wrong.is_empty() {
        return Check::ok("counts", format!("they close over all {} runs", runs.len()));
    }
    Check::error(
        "counts",
        some(&wrong),
        "records were lost or counted twice",
        "keep a copy of the home and report this; ingesting the same files again brings what is missing",
    )
}

pub fn quarantined(runs: &[Run], quarantine: &[QuarantineCount]) -> Check {
    let all: u64 = quarantine.iter().map(|count| count.records).sum();
    if all == 0 {
        return Check::ok("quarantine", "no record is put aside");
    }
    let mut came: BTreeMap<&str, u64> = BTreeMap::new();
    for (table, counts) in runs.iter().flat_map(|run| &run.tables) {
        *came.entry(table).or_default() += counts.records_in;
    }
    let mut much = false;
    let rules: Vec<String> = quarantine
        .iter()
        .map(|count| {
            let share = came
                .get(count.table.as_str())
                .filter(|came| **came > 0)
                .map(|came| count.records as f64 / *came as f64);
            much |= share.is_some_and(|share| share > QUARANTINE_SHARE);
            let share = share.map_or_else(String::new, |share| format!(" ({:.1} %)", share * 100.0));
            format!("{} of {}{share} by the rule {}", count.records, count.table, count.rule)
        })
        .collect();
    let found = format!("{all} records are put aside: {}", some(&rules));
    if much {
        Check::warning(
            "quarantine",
            found,
            "so many are missing that totals are too low",
            "concert quarantine list shows each with its reason; mend the mapping or the files and ingest again",
        )
    } else {
        Check::ok("quarantine", format!("{found}; concert quarantine list"))
    }
}

/// What stands in the tables, against each other.
async fn content(lake: &Lake, published: &Snapshot, state: &DataState) -> Vec<Check> {
    let session = match lake.session(published).await {
        Ok(session) => session,
        Err(error) => return vec![unreadable("references", &error)],
    };
    let references = match dangling(&session).await {
        Ok(found) => references(&found, state),
        Err(error) => unreadable("references", &error),
    };
    let marts = match mart_breaches(&session).await {
        Ok(found) if found.is_empty() => Check::ok("marts", "they add up to their tables"),
        Ok(found) => Check::error(
            "marts",
            some(&found.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "answers from the marts differ from those from the tables",
            "the files of the lake were changed by another program: restore the home from a copy, or ingest into a new one",
        ),
        Err(error) => unreadable("marts", &error),
    };
    vec![references, marts]
}

fn references(found: &[Dangling], state: &DataState) -> Check {
    if found.is_empty() {
        return Check::ok("references", "all lead somewhere");
    }
    let each: Vec<String> = found
        .iter()
        .map(|d| {
            let rows = state.table(d.table).map_or(0, |table| table.row_count);
            format!(
                "{} of {rows} {} have a {} that {} does not have",
                d.rows, d.table, d.column, d.to
            )
        })
        .collect();
    let missing: Vec<&str> = found
        .iter()
        .map(|d| d.to)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    Check::warning(
        "references",
        each.join("; "),
        "these rows are counted, and have no name, city or whatever the other table would say of them",
        format!("load the missing {}", missing.join(" and ")),
    )
}

pub fn freshness(state: &DataState, today: Date) -> Check {
    let Some(day) = state.last_complete_day else {
        return Check::ok("freshness", "there is no complete day yet");
    };
    let age = today.since((Unit::Day, day)).map_or(0, |age| age.get_days());
    let found = format!("the last complete day is {day}, {age} days ago");
    if age > OLD_AFTER_DAYS {
        Check::warning(
            "freshness",
            found,
            "questions about this week and this month find little or nothing",
            "ingest newer files if there are any",
        )
    } else {
        Check::ok("freshness", found)
    }
}

/// The first few, and how many more.
fn some(all: &[String]) -> String {
    let mut text = all.iter().take(MAX_EXAMPLES).cloned().collect::<Vec<_>>().join("; ");
    if all.len() > MAX_EXAMPLES {
        text.push_str(&format!("; and {} more", all.len() - MAX_EXAMPLES));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::api::TableState;
    use concert_lake::RunCounts;
    use jiff::civil::date;

    fn run(table: &str, counts: [u64; 5]) -> Run {
        let [records_in, clean, merged, quarantined, unchanged] = counts;
        let counts = RunCounts {
            records_in,
            clean,
            merged,
            quarantined,
            unchanged,
        };
        Run {
            run_id: "r1".to_owned(),
            arrived_at: "2024-06-10T08:00:00Z".to_owned(),
            files: Vec::new(),
            tables: BTreeMap::from([(table.to_owned(), counts)]),
            rules: Vec::new(),
        }
    }

    fn state(table: &str, rows: u64) -> DataState {
        DataState {
            tables: vec![TableState {
                table_name: table.to_owned(),
                row_count: rows,
                first_day: None,
                last_complete_day: None,
                filled_columns: Vec::new(),
            }],
            ..DataState::default()
        }
    }

    fn told_of(check: &Check, state: State, words: &str) {
        assert_eq!(check.state, state, "{check:?}");
        assert!(check.found.contains(words), "{check:?}");
        assert_eq!(check.mend.is_some(), state != State::Ok, "{check:?}");
    }

    #[test]
    fn space_is_judged() {
        told_of(&judge_space(10 << 30), State::Ok, "10.00 GiB");
        told_of(&judge_space(LOW_SPACE_BYTES - 1), State::Warning, "2.00 GiB");
        told_of(&judge_space(0), State::Error, "0 B");
    }

    #[test]
    fn counts_that_do_not_close_are_errors() {
        let good = run("concerts", [10, 5, 2, 2, 1]);
        told_of(
            &counts(std::slice::from_ref(&good), Some(&state("concerts", 5))),
            State::Ok,
            "all 1 runs",
        );
        told_of(
            &counts(&[run("concerts", [10, 5, 2, 2, 0])], None),
            State::Error,
            "run r1, concerts: 10 in",
        );
        told_of(
            &counts(std::slice::from_ref(&good), Some(&state("concerts", 4))),
            State::Error,
            "concerts has 4 rows, and the runs brought 5",
        );
        // What is published is older than the last run: then its rows say nothing about it.
        told_of(&counts(&[good], None), State::Ok, "all 1 runs");
    }

    #[test]
    fn quarantine_is_judged_by_its_share() {
        let count = |records| QuarantineCount {
            table: "concerts".to_owned(),
            rule: "date".to_owned(),
            records,
        };
        let runs = [run("concerts", [1_000, 1_000, 0, 0, 0])];
        told_of(&quarantined(&runs, &[]), State::Ok, "no record");
        told_of(
            &quarantined(&runs, &[count(50)]),
            State::Ok,
            "50 of concerts (5.0 %) by the rule date",
        );
        told_of(&quarantined(&runs, &[count(51)]), State::Warning, "(5.1 %)");
    }

    #[test]
    fn what_leads_nowhere_is_named_with_what_to_load() {
        let found = [Dangling {
            table: "concerts",
            column: "venue_id",
            to: "venues",
            rows: 2,
        }];
        let check = references(&found, &state("concerts", 5));
        told_of(
            &check,
            State::Warning,
            "2 of 5 concerts have a venue_id that venues does not have",
        );
        assert_eq!(check.mend.as_deref(), Some("load the missing venues"));
        told_of(&references(&[], &DataState::default()), State::Ok, "all lead");
    }

    #[test]
    fn data_grows_old() {
        let mut state = DataState::default();
        told_of(&freshness(&state, date(2024, 6, 10)), State::Ok, "no complete day");
        state.last_complete_day = Some(date(2024, 6, 3));
        told_of(&freshness(&state, date(2024, 6, 10)), State::Ok, "7 days ago");
        told_of(&freshness(&state, date(2024, 6, 11)), State::Warning, "8 days ago");
    }

    #[test]
    fn a_stopped_load_is_told_and_a_running_one_is_not() {
        let load = |running| Unfinished {
            run_id: "r".to_owned(),
            started_at: "2024-06-10T08:00:00.1Z".to_owned(),
            files: 3,
            staged: 1,
            bytes: 2048,
            running,
        };
        told_of(&loads(&[]), State::Ok, "none");
        told_of(&loads(&[load(true)]), State::Ok, "1 running");
        told_of(&loads(&[load(true), load(false)]), State::Warning, "1 of 3 files");
    }
}
