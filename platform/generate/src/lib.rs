//! An invented but believable concert world, written as files that `concert ingest` takes as they are.
//!
//! Artists have a heavy-tailed draw, tours go through real cities, demand depends on weekday, season, city size, genre
//! trends, price and nearby competition, with noise, and customers come back to what they like (docs/data.md has the
//! formulas). The same options give the same bytes on every machine and on any number of threads. Rows are made and
//! encoded in pieces, so that memory does not grow with the purchases.

mod calendar;
mod cities;
mod concerts;
mod customers;
mod dirty;
mod encode;
mod frame;
mod names;
mod output;
mod pipeline;
mod random;
mod run;
mod sales;
mod spelling;
mod tables;
mod tours;
mod world;

pub use dirty::{DirtyReport, SOURCES};
pub use run::generate;

use jiff::{ToSpan, civil::Date};
use object_store::{ObjectStore, path::Path as ObjectPath};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

/// History before `as_of`, unless `from` says otherwise, in days: three and a half years.
pub const HISTORY_DAYS: i64 = 1_280;

/// The years that a world may lie in: time zones have rules, and prices a currency, only so far.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2200;

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    /// JSON Lines: an object for each row.
    Json,
    Parquet,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Csv, Format::Json, Format::Parquet];

    /// What a file's name ends in.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "jsonl",
            Format::Parquet => "parquet",
        }
    }
}

/// How many purchases to make. They are a sample of all; a world has no more than its concerts have sold tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sales {
    /// So many, or an error that says what is the most.
    Exactly(u64),
    /// So many, or as many as there are tickets.
    AtMost(u64),
}

/// Where files are written to.
#[derive(Clone, Debug)]
pub enum Target {
    /// It is made if it is missing.
    Folder(PathBuf),
    Store {
        store: Arc<dyn ObjectStore>,
        prefix: ObjectPath,
        /// How a person names the place.
        url: String,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Folder(path) => path.display().fmt(f),
            Target::Store { url, .. } => url.fmt(f),
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The table that is being written.
    pub table: &'static str,
    /// Artists, venues, customers, concerts and purchases that are written, and how many there will be.
    pub records: u64,
    pub of: u64,
}

/// Is called while a run goes on.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// What to make.
#[derive(Clone)]
pub struct GenerateOptions {
    pub artists: u32,
    pub venues: u32,
    pub concerts: u32,
    pub sales: Sales,
    pub seed: u64,
    /// The first day of concerts.
    pub from: Date,
    /// "Today" of the world: later concerts are scheduled and have no box office yet, and nothing is sold on it or
    /// after it.
    pub as_of: Date,
    pub format: Format,
    /// The share of records that are damaged, 0 to 1. Above 0 the truth about them is written as well.
    pub dirty: f64,
    pub target: Target,
    /// Take the place of another run's files.
    pub overwrite: bool,
    /// 0: as many as there are processors.
    pub threads: usize,
    pub progress: Option<OnProgress>,
}

impl GenerateOptions {
    /// The default world, made on `as_of`, as CSV in a folder.
    pub fn new(as_of: Date, folder: impl Into<PathBuf>) -> GenerateOptions {
        GenerateOptions {
            artists: 1_000,
            venues: 500,
            concerts: 10_000,
            sales: Sales::AtMost(50_000),
            seed: 42,
            from: as_of.saturating_sub(HISTORY_DAYS.days()),
            as_of,
            format: Format::Csv,
            dirty: 0.0,
            target: Target::Folder(folder.into()),
            overwrite: false,
            threads: 0,
            progress: None,
        }
    }

    fn check(&self) -> Result<(), GenerateError> {
        for (what, count) in [("artists", self.artists), ("venues", self.venues)] {
            if count == 0 && self.concerts > 0 {
                return Err(GenerateError::Empty {
                    what,
                    concerts: self.concerts,
                });
            }
        }
        if self.from >= self.as_of {
            return Err(GenerateError::Order {
                from: self.from,
                as_of: self.as_of,
            });
        }
        if let Some(day) = [self.from, self.as_of]
            .into_iter()
            .find(|day| !YEARS.contains(&day.year()))
        {
            return Err(GenerateError::Period { day });
        }
        if !(0.0..=1.0).contains(&self.dirty) {
            return Err(GenerateError::Rate { rate: self.dirty });
        }
        Ok(())
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GenerateReport {
    /// The folder, or the address.
    pub out: String,
    pub format: Format,
    pub seed: u64,
    pub from: Date,
    pub as_of: Date,
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
    /// The part of all purchases in this world that were written: 0 to 1.
    pub sales_fraction: f64,
    /// The part of all tickets sold by `as_of` that they hold: 0 to 1.
    pub ticket_fraction: f64,
    /// Tickets that the concerts have sold by `as_of`, which is the most that `--sales` can be.
    pub tickets: u64,
    /// What was damaged, if anything was to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirty: Option<DirtyReport>,
}

impl fmt::Display for GenerateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Wrote to {}, from {} to {}:", self.out, self.from, self.as_of)?;
        for (table, rows) in &self.tables {
            writeln!(f, "  {table:<16} {rows:>11}")?;
        }
        write!(
            f,
            "The purchases are {:.2} % of all in this world and hold {:.2} % of the {} tickets that were sold.",
            self.sales_fraction * 100.0,
            self.ticket_fraction * 100.0,
            self.tickets
        )?;
        if let Some(dirty) = &self.dirty {
            write!(
                f,
                "\n{} records are damaged and {} are there again in another source; {} says which.",
                dirty.damaged_records, dirty.duplicate_records, dirty.truth
            )?;
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("cannot write {}: {source}. Name a folder that may be written to, on a disk with room, with --out", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot {what} {location}: {source}")]
    Store {
        what: &'static str,
        location: String,
        source: object_store::Error,
    },
    #[error("{place} holds {name}, which is no file of this command: name an empty folder or a new one with --out")]
    NotEmpty { place: String, name: String },
    #[error(
        "{place} holds the data of another run: name another folder with --out, or say --overwrite to replace the data"
    )]
    OtherData { place: String },
    #[error("another run is writing to {place}: wait for it, or name another folder with --out")]
    Busy { place: String },
    #[error("--{what} is 0, but there are {concerts} concerts to make: give at least one, or say --concerts 0")]
    Empty { what: &'static str, concerts: u32 },
    #[error(
        "only {made} of {wanted} concerts fit: {venues} venues are booked out; ask for more venues, fewer concerts or \
         an earlier --from"
    )]
    Crowded { made: u64, wanted: u32, venues: u32 },
    #[error("--from {from} is not before --as-of {as_of}: concerts take place between the two")]
    Order { from: Date, as_of: Date },
    #[error("{day} is outside of the years that a world can be made in, 1970 to 2200")]
    Period { day: Date },
    #[error("--dirty {rate} is no share: give a number from 0 (nothing is damaged) to 1 (every record is)")]
    Rate { rate: f64 },
    #[error(
        "--sales {wanted} is more than the {most} tickets that these {concerts} concerts have sold: ask for at most as \
         many, or for more concerts"
    )]
    TooManySales { wanted: u64, most: u64, concerts: u32 },
    #[error("cannot encode {table}: {source}")]
    Encode {
        table: &'static str,
        source: parquet::errors::ParquetError,
    },
}
