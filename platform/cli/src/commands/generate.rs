//! `concert generate`: an invented data set, in a folder or a bucket, that `concert ingest` takes as it is.

use crate::{home, output::Output};
use anyhow::Result;
use clap::{Args, ValueEnum};
use concert_generate::{Format, GenerateOptions, GenerateReport, OnProgress, Progress, Sales, Target, generate};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use jiff::civil::Date;
use serde::Serialize;
use std::{
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many purchases are made unless `--sales` says otherwise, where there are as many tickets.
const SALES: u64 = 50_000;

#[derive(Args)]
pub struct Options {
    #[arg(long, default_value_t = 1_000)]
    artists: u32,
    #[arg(long, default_value_t = 500)]
    venues: u32,
    #[arg(long, default_value_t = 10_000)]
    concerts: u32,
    /// How many purchases to write: a sample of all that the world would have seen [default: 50000, or one for each
    /// ticket where there are fewer]
    #[arg(long)]
    sales: Option<u64>,
    /// The same seed and --as-of give the same bytes
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// The first day of concerts [default: three and a half years before --as-of]
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// The day that the data is made on; concerts after it are scheduled [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    as_of: Option<Date>,
    /// One file for each table: .csv, .jsonl or .parquet
    #[arg(long, value_enum, default_value_t = FileFormat::Csv)]
    format: FileFormat,
    /// The share of records to damage, 0 to 1: typos, other spellings, duplicates in five sources, missing fields,
    /// impossible values; the folder _truth in the output then says what was done
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    dirty: f64,
    /// Where to write: a folder, which is made if it is missing, or s3://bucket/prefix
    #[arg(long, value_name = "DIR", default_value = "concert-data")]
    out: String,
    /// Replace the data of another run
    #[arg(long)]
    overwrite: bool,
    /// Threads to make data on; they do not change it [default: as many as there are processors]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    threads: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum FileFormat {
    Csv,
    /// JSON Lines
    Json,
    Parquet,
}

impl From<FileFormat> for Format {
    fn from(format: FileFormat) -> Format {
        match format {
            FileFormat::Csv => Format::Csv,
            FileFormat::Json => Format::Json,
            FileFormat::Parquet => Format::Parquet,
        }
    }
}

/// What was made, and what it took.
#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    report: GenerateReport,
    seconds: f64,
    sales_per_second: f64,
    /// The most memory that this process has had; none where the system does not say it.
    peak_memory_bytes: Option<u64>,
}

pub fn run(output: &Output, options: Options) -> Result<()> {
    let as_of = home::today(options.as_of);
    let mut wanted = GenerateOptions {
        artists: options.artists,
        venues: options.venues,
        concerts: options.concerts,
        sales: options.sales.map_or(Sales::AtMost(SALES), Sales::Exactly),
        seed: options.seed,
        format: options.format.into(),
        dirty: options.dirty,
        target: target(&options.out)?,
        overwrite: options.overwrite,
        threads: options.threads,
        progress: Some(progress()),
        ..GenerateOptions::new(as_of, "")
    };
    if let Some(from) = options.from {
        wanted.from = from;
    }
    let begun = Instant::now();
    let report = generate(&wanted)?;
    let seconds = begun.elapsed().as_secs_f64();
    let sales = report.tables.get("ticket_sales").copied().unwrap_or(0);
    let document = Document {
        report,
        seconds,
        sales_per_second: sales as f64 / seconds.max(1e-9),
        peak_memory_bytes: peak_memory_bytes(),
    };
    output.print(&document, |document| {
        format!(
            "{}\nIt took {seconds:.1} s.\nNext: concert ingest {}",
            document.report, options.out
        )
    })
}

/// A path is a folder; an address is opened as every command opens it.
fn target(out: &str) -> Result<Target> {
    if !out.contains("://") {
        return Ok(Target::Folder(out.into()));
    }
    let (store, prefix) = concert_lake::store(out)?;
    Ok(Target::Store {
        store,
        prefix,
        url: out.to_owned(),
    })
}

/// Says on standard error how far a run is: a bar on a terminal, a line now and then elsewhere.
fn progress() -> OnProgress {
    if !std::io::stderr().is_terminal() {
        return lines();
    }
    let bar = ProgressBar::no_length();
    let template = "{msg:<14} {wide_bar} {human_pos}/{human_len} records {per_sec} {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    Arc::new(move |progress| {
        bar.set_message(progress.table);
        bar.set_length(progress.of);
        bar.set_position(progress.records);
        if progress.records == progress.of {
            bar.finish_and_clear();
        }
    })
}

fn lines() -> OnProgress {
    /// How often a line is written.
    const PAUSE: Duration = Duration::from_secs(5);
    // When the first records were there, how many they were, and when the last line was written: tours are planned
    // before anything is written, which says nothing about the speed of writing.
    let said: Mutex<Option<(Instant, u64, Instant)>> = Mutex::new(None);
    Arc::new(move |Progress { table, records, of }| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (begun, first, last) = said.get_or_insert((now, records, now));
        if now - *last < PAUSE {
            return;
        }
        *last = now;
        let a_second = (records - *first) as f64 / (now - *begun).as_secs_f64();
        let left = of.saturating_sub(records) as f64 / a_second.max(1.0);
        eprintln!(
            "{table}: {} of {} records, {} a second, {left:.0} s left",
            HumanCount(records),
            HumanCount(of),
            HumanCount(a_second as u64)
        );
    })
}

/// As Linux counts it.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}
