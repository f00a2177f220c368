//! An invented but believable concert world, written as CSV files.
//!
//! Artists have a heavy-tailed draw, tours go through real cities, demand depends on weekday, season, city size,
//! genre trends, price and nearby competition, with noise, and rooms are never over their capacity. The same options
//! give the same bytes on every machine.

mod cities;
mod concerts;
mod names;
mod sales;
mod world;
mod write;

use jiff::civil::Date;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// What to make. Rows are limited by memory: about 200 bytes for each sale.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    pub artists: u32,
    pub venues: u32,
    pub concerts: u32,
    /// Purchases to write: a sample of all.
    pub sales: u64,
    pub seed: u64,
    /// "Today" of the world: later concerts are scheduled and have no box office yet.
    pub as_of: Date,
    /// The folder to write to.
    pub out: PathBuf,
}

impl GenerateOptions {
    /// Customers to make: enough that most buy a few times.
    fn customers(&self) -> u64 {
        (self.sales / 4).max(1)
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GenerateReport {
    pub out: PathBuf,
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
    /// The part of all tickets that the purchases are: 0 to 1.
    pub sales_fraction: f64,
}

impl fmt::Display for GenerateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Wrote to {}:", self.out.display())?;
        for (table, rows) in &self.tables {
            writeln!(f, "  {table:<16} {rows:>10}")?;
        }
        write!(
            f,
            "The purchases are {:.2} % of all tickets of this world.",
            self.sales_fraction * 100.0
        )
    }
}

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("--{what} is 0, but there are {concerts} concerts to make: give at least one")]
    Empty { what: &'static str, concerts: u32 },
    #[error(
        "only {made} of {wanted} concerts fit: {venues} venues are booked out; ask for more venues or fewer concerts"
    )]
    Crowded { made: usize, wanted: u32, venues: u32 },
}

/// Makes the world and writes it.
///
/// # Errors
/// [`GenerateError`]: the folder cannot be written, or so many concerts do not fit so few venues.
pub fn generate(options: &GenerateOptions) -> Result<GenerateReport, GenerateError> {
    for (what, count) in [("artists", options.artists), ("venues", options.venues)] {
        if count == 0 && options.concerts > 0 {
            return Err(GenerateError::Empty {
                what,
                concerts: options.concerts,
            });
        }
    }
    let world = world::World::new(options);
    let concerts = concerts::concerts(options, &world);
    if concerts.len() < options.concerts as usize {
        return Err(GenerateError::Crowded {
            made: concerts.len(),
            wanted: options.concerts,
            venues: options.venues,
        });
    }
    let (sales, sales_fraction) = sales::sales(options, &world, &concerts);
    let tables = write::write(options, &world, &concerts, &sales)?;
    Ok(GenerateReport {
        out: options.out.clone(),
        tables,
        sales_fraction,
    })
}
