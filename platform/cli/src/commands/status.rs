//! `concert status`: what is loaded, how fresh it is, what is wrong, and what to do about it. It looks at what is known
//! without reading tables; `concert doctor` looks deeper.

use super::open_lake;
use crate::{
    checks::{Check, State, data},
    home,
    output::{Output, plain_text},
};
use anyhow::Result;
use clap::Args;
use concert_contract::api::DataState;
use concert_lake::{Layer, QuarantineCount, Run};
use jiff::civil::Date;
use serde::Serialize;
use std::path::Path;

#[derive(Args)]
pub struct Options {
    /// The day that freshness is measured against [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    today: Option<Date>,
}

#[derive(Serialize)]
struct Status {
    home: String,
    /// What is published.
    data: DataState,
    /// When the clean layer was last changed, RFC 3339; none before the first load.
    loaded_at: Option<String>,
    /// Loaded tables whose newest rows are not published.
    unpublished: Vec<&'static str>,
    /// How many snapshots can be asked with --as-of.
    snapshots: usize,
    runs: usize,
    last_run: Option<Run>,
    quarantine: Vec<QuarantineCount>,
    findings: Vec<Finding>,
}

/// Something that is wrong or that a person should know, and what to do.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    state: State,
    found: String,
    mend: String,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let lake = open_lake(home)?;
    let (clean, published) = (lake.layer_snapshot(Layer::Clean)?, lake.snapshot()?);
    let data = lake.data_state().await?;
    let runs = lake.runs(usize::MAX).await?;
    let quarantine = lake.quarantine_counts().await?;
    let unpublished = match (&clean, &published) {
        (Some(clean), Some(published)) => concert_refine::unpublished(clean, published),
        _ => Vec::new(),
    };
    let mut findings = judge(&data, clean.is_some());
    let is_current = clean.is_some() && published.is_some() && unpublished.is_empty();
    let mut looked_at = vec![
        data::space(home),
        data::counts(&runs, is_current.then_some(&data)),
        data::quarantined(&runs, &quarantine),
    ];
    if published.is_some() {
        looked_at.push(data::published(clean.as_ref(), published.as_ref()));
        looked_at.push(data::freshness(&data, home::today(options.today)));
    }
    if let Ok(loads) = concert_ingest::unfinished(&lake) {
        looked_at.push(data::loads(&loads));
    }
    findings.extend(looked_at.into_iter().filter_map(finding));
    let status = Status {
        home: home.display().to_string(),
        loaded_at: clean.map(|snapshot| snapshot.published_at),
        unpublished,
        snapshots: lake.snapshots()?.len(),
        runs: runs.len(),
        last_run: runs.into_iter().next(),
        data,
        quarantine,
        findings,
    };
    output.print(&status, describe)
}

/// What of a check a person should know; a record in quarantine is worth a look however few there are.
fn finding(check: Check) -> Option<Finding> {
    let mend = match (&check.mend, check.name) {
        (Some(mend), _) => mend.clone(),
        (None, "quarantine") if check.found.contains("put aside:") => {
            "concert quarantine list shows each with its reason".to_owned()
        }
        (None, _) => return None,
    };
    Some(Finding {
        state: check.state,
        found: check.found,
        mend,
    })
}

/// What the tables say about themselves.
fn judge(data: &DataState, is_loaded: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |found: String, mend: &str| {
        findings.push(Finding {
            state: State::Warning,
            found,
            mend: mend.to_owned(),
        });
    };
    let rows = |name: &str| data.table(name).map_or(0, |table| table.row_count);
    match (is_loaded, &data.as_of) {
        (false, _) => find(
            "nothing is loaded".to_owned(),
            "concert generate --out DIR, then concert ingest DIR; or concert ingest your own files",
        ),
        (true, None) => find(
            "files were loaded, and nothing is published".to_owned(),
            "concert refine publishes what was loaded",
        ),
        (true, Some(_)) if rows("concerts") == 0 => find(
            "there are no concerts".to_owned(),
            "load a source of concerts: most questions are about them",
        ),
        _ => {}
    }
    if rows("concerts") > 0 {
        for (table, what) in [("artists", "artist"), ("venues", "venue")] {
            if rows(table) == 0 {
                find(
                    format!("there are concerts, and no {table}"),
                    &format!("load the {table}: without them no concert has the name of its {what}"),
                );
            }
        }
    }
    findings
}

fn describe(status: &Status) -> String {
    let mut text = format!("Home        {}\n", status.home);
    match &status.data.as_of {
        Some(at) => text.push_str(&format!("Published   {at}, snapshot {}\n", status.data.snapshot_id)),
        None => text.push_str("Published   nothing yet\n"),
    }
    if status.snapshots > 1 {
        text.push_str(&format!(
            "Kept        {} snapshots; concert sql --as-of asks an earlier one\n",
            status.snapshots
        ));
    }
    if let Some(run) = &status.last_run {
        text.push_str(&format!(
            "Last load   {}, run {}, of {} in all\n",
            run.arrived_at, run.run_id, status.runs
        ));
    }
    if let Some(day) = status.data.last_complete_day {
        text.push_str(&format!("Complete    until {day}\n"));
    }
    let filled = status.data.tables.iter().filter(|table| table.row_count > 0);
    for table in filled {
        text.push_str(&format!("  {:<18} {:>10} rows", table.table_name, table.row_count));
        if let (Some(first), Some(last)) = (table.first_day, table.last_complete_day) {
            text.push_str(&format!(", {first} to {last}"));
        }
        text.push('\n');
    }
    let put_aside: u64 = status.quarantine.iter().map(|count| count.records).sum();
    if put_aside > 0 {
        text.push_str(&format!("Quarantine  {put_aside} records\n"));
    }
    if status.findings.is_empty() {
        text.push_str("Nothing is wrong. Next: concert ask \"attendance by year\", or concert up");
        return text;
    }
    for finding in &status.findings {
        let mark = if finding.state == State::Error { "error: " } else { "" };
        text.push_str(&format!(
            "- {mark}{}\n  {}\n",
            plain_text(&finding.found),
            plain_text(&finding.mend)
        ));
    }
    text.push_str("concert doctor looks at everything, files, settings and services too.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;
    use concert_contract::api::TableState;

    fn table(name: &str, rows: u64) -> TableState {
        TableState {
            table_name: name.to_owned(),
            row_count: rows,
            first_day: None,
            last_complete_day: None,
            filled_columns: Vec::new(),
        }
    }

    fn found(data: &DataState, is_loaded: bool) -> Vec<String> {
        let findings = judge(data, is_loaded);
        assert!(findings.iter().all(|finding| !finding.mend.is_empty()));
        findings.into_iter().map(|finding| finding.found).collect()
    }

    #[test]
    fn what_is_wrong_is_found() {
        assert_eq!(found(&DataState::default(), false), ["nothing is loaded"]);
        assert_eq!(
            found(&DataState::default(), true),
            ["files were loaded, and nothing is published"]
        );
        let mut data = DataState {
            as_of: Some("2024-06-10T08:00:00Z".to_owned()),
            tables: vec![table("concerts", 5), table("artists", 2), table("venues", 0)],
            ..DataState::default()
        };
        assert_eq!(found(&data, true), ["there are concerts, and no venues"]);
        data.tables[2].row_count = 1;
        assert_eq!(found(&data, true), [""; 0]);
        data.tables[0].row_count = 0;
        assert_eq!(found(&data, true), ["there are no concerts"]);
    }

    #[test]
    fn what_is_well_is_no_finding_and_a_few_bad_records_are_one() {
        assert_eq!(finding(checks::Check::ok("counts", "they close")), None);
        assert_eq!(finding(checks::Check::ok("quarantine", "no record is put aside")), None);
        let few = finding(checks::Check::ok("quarantine", "3 records are put aside: …")).expect("is one");
        assert_eq!(few.mend, "concert quarantine list shows each with its reason");
        let old = finding(checks::Check::warning("freshness", "old", "it is", "ingest")).expect("is one");
        assert_eq!((old.state, old.mend.as_str()), (State::Warning, "ingest"));
    }
}
