//! `concert generate`: an invented data set as a folder of CSV files that `concert ingest` takes as it is.

use crate::{home, output::Output};
use anyhow::Result;
use clap::Args;
use concert_generate::{GenerateOptions, generate};
use jiff::civil::Date;
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    #[arg(long, default_value_t = 1_000)]
    artists: u32,
    #[arg(long, default_value_t = 500)]
    venues: u32,
    #[arg(long, default_value_t = 10_000)]
    concerts: u32,
    /// How many purchases to write: a sample of all that the world would have seen
    #[arg(long, default_value_t = 50_000)]
    sales: u64,
    /// The same seed and --as-of give the same bytes
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// The day that the data is made on; concerts after it are scheduled [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    as_of: Option<Date>,
    /// The folder to write to; it is made if it is missing
    #[arg(long, value_name = "DIR", default_value = "concert-data")]
    out: PathBuf,
}

pub fn run(output: &Output, options: Options) -> Result<()> {
    let report = generate(&GenerateOptions {
        artists: options.artists,
        venues: options.venues,
        concerts: options.concerts,
        sales: options.sales,
        seed: options.seed,
        as_of: home::today(options.as_of),
        out: options.out.clone(),
    })?;
    output.print(&report, |_| {
        format!("{report}\nNext: concert ingest {}", options.out.display())
    })
}
