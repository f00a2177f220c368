//! `concert status`: what is loaded, how fresh it is, what is wrong, and what to do about it.

use super::open_lake;
use crate::{home, output::Output};
use anyhow::Result;
use clap::Args;
use concert_contract::api::DataState;
use concert_lake::{Layer, QuarantineCount, Run};
use jiff::{Unit, civil::Date};
use serde::Serialize;
use std::path::Path;

/// After how many days without a complete day the data is said to be old.
const OLD_AFTER_DAYS: i32 = 7;

#[derive(Args)]
pub struct Options {
    /// The day that freshness is measured against [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    today: Option<Date>,
}

#[derive(Serialize)]
struct Status {
    home: String,
    data: DataState,
    last_run: Option<Run>,
    quarantine: Vec<QuarantineCount>,
    findings: Vec<Finding>,
}

/// Something that is wrong or that a person should know, and what to do.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    found: String,
    mend: String,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let lake = open_lake(home)?;
    let data = lake.data_state().await?;
    let last_run = lake.runs(1).await?.into_iter().next();
    let quarantine = lake.quarantine_counts().await?;
    let loaded_at = lake.layer_snapshot(Layer::Clean)?.map(|snapshot| snapshot.published_at);
    let findings = judge(&data, loaded_at.as_deref(), &quarantine, home::today(options.today));
    let status = Status {
        home: home.display().to_string(),
        data,
        last_run,
        quarantine,
        findings,
    };
    output.print(&status, describe)
}

fn judge(data: &DataState, loaded_at: Option<&str>, quarantine: &[QuarantineCount], today: Date) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |found: String, mend: &str| {
        findings.push(Finding {
            found,
            mend: mend.to_owned(),
        });
    };
    let rows = |name: &str| data.table(name).map_or(0, |table| table.row_count);
    match (loaded_at, &data.as_of) {
        (None, _) => find(
            "nothing is loaded".to_owned(),
            "concert generate --out DIR, then concert ingest DIR; or concert ingest your own files",
        ),
        (Some(_), None) => find(
            "files were loaded, and nothing is published".to_owned(),
            "concert ingest the same files again: it publishes at its end",
        ),
        (Some(_), Some(_)) if rows("concerts") == 0 => find(
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
    if let Some(day) = data.last_complete_day
        && let Ok(age) = today.since((Unit::Day, day))
        && age.get_days() > OLD_AFTER_DAYS
    {
        find(
            format!("the last complete day is {day}, {} days ago", age.get_days()),
            "ingest newer files if there are any",
        );
    }
    let put_aside: u64 = quarantine.iter().map(|count| count.records).sum();
    if put_aside > 0 {
        let most: Vec<String> = quarantine
            .iter()
            .take(3)
            .map(|count| format!("{} {} of {}", count.records, count.rule, count.table))
            .collect();
        find(
            format!("{put_aside} records are in quarantine: {}", most.join(", ")),
            "concert quarantine list shows each with its reason",
        );
    }
    findings
}

fn describe(status: &Status) -> String {
    let mut text = format!("Home        {}\n", status.home);
    match &status.data.as_of {
        Some(at) => text.push_str(&format!("Published   {at}, snapshot {}\n", status.data.snapshot_id)),
        None => text.push_str("Published   nothing yet\n"),
    }
    if let Some(run) = &status.last_run {
        text.push_str(&format!("Last load   {}, run {}\n", run.arrived_at, run.run_id));
    }
    let filled = status.data.tables.iter().filter(|table| table.row_count > 0);
    for table in filled {
        text.push_str(&format!("  {:<18} {:>10} rows", table.table_name, table.row_count));
        if let (Some(first), Some(last)) = (table.first_day, table.last_complete_day) {
            text.push_str(&format!(", {first} to {last}"));
        }
        text.push('\n');
    }
    if status.findings.is_empty() {
        text.push_str("Nothing is wrong. Next: concert ask \"attendance by year\", or concert up");
    }
    for finding in &status.findings {
        text.push_str(&format!("- {}\n  {}\n", finding.found, finding.mend));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::api::TableState;
    use jiff::civil::date;

    fn table(name: &str, rows: u64) -> TableState {
        TableState {
            table_name: name.to_owned(),
            row_count: rows,
            first_day: None,
            last_complete_day: None,
            filled_columns: Vec::new(),
        }
    }

    fn found(data: &DataState, loaded_at: Option<&str>, quarantine: &[QuarantineCount]) -> Vec<String> {
        let findings = judge(data, loaded_at, quarantine, date(2024, 6, 10));
        assert!(findings.iter().all(|finding| !finding.mend.is_empty()));
        findings.into_iter().map(|finding| finding.found).collect()
    }

    #[test]
    fn what_is_wrong_is_found() {
        let now = Some("2024-06-10T08:00:00Z");
        assert_eq!(found(&DataState::default(), None, &[]), ["nothing is loaded"]);
        assert_eq!(
            found(&DataState::default(), now, &[]),
            ["files were loaded, and nothing is published"]
        );
        let mut data = DataState {
            as_of: now.map(str::to_owned),
            tables: vec![table("concerts", 5), table("artists", 2), table("venues", 0)],
            last_complete_day: Some(date(2024, 6, 3)),
            ..DataState::default()
        };
        assert_eq!(found(&data, now, &[]), ["there are concerts, and no venues"]);
        data.tables[2].row_count = 1;
        assert_eq!(found(&data, now, &[]), [""; 0]);
        data.last_complete_day = Some(date(2024, 6, 2));
        let refused = QuarantineCount {
            table: "concerts".to_owned(),
            rule: "date".to_owned(),
            records: 12,
        };
        assert_eq!(
            found(&data, now, &[refused]),
            [
                "the last complete day is 2024-06-02, 8 days ago",
                "12 records are in quarantine: 12 date of concerts"
            ]
        );
        data.tables[0].row_count = 0;
        data.last_complete_day = None;
        assert_eq!(found(&data, now, &[]), ["there are no concerts"]);
    }
}
