//! `cargo xtask bench`: what can be measured on this machine, by subject.
//!
//! Figures go to standard output as a table, and to `$CONCERT_CACHE/bench/SUBJECT.json` for programs. With `--write` the
//! table also takes its place in docs/benchmarks.md, so that every figure there has the command that made it.

mod aws;
mod data;
mod planner;
mod query;
mod size;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::context::Context;

/// The options of `bench`.
#[derive(Args)]
pub struct Options {
    /// Only these subjects (the default is all of them)
    #[arg(value_enum)]
    subjects: Vec<Subject>,
    /// Put the tables into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// For `aws`: purchases of the world that is queried
    #[arg(long, value_name = "N", default_value_t = aws::SALES)]
    queried_sales: u64,
    /// For `data`: purchases of the world that goes from CSV to tables
    #[arg(long, value_name = "N", default_value_t = data::CSV_SALES)]
    sales: u64,
}

/// Something that is measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The local AWS endpoint through boto3: requests, start, memory, and queries against DuckDB; builds an optimised
    /// `concert`
    Aws,
    /// Bytes of the page and the edges, and how fast the whole answers that it is well
    Size,
    /// Generator, ingest and publication, against DuckDB and polars; builds an optimised `concert`
    Data,
    /// The query compiler and the guard: time, and WebAssembly's size
    Query,
    /// The planner: its score by tag, and the time that a question takes
    Planner,
}

impl Subject {
    const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Size => "size",
            Self::Data => "data",
            Self::Query => "query",
            Self::Planner => "planner",
        }
    }
}

/// What a subject gives: for programs, and as Markdown.
struct Measured {
    figures: Value,
    table: String,
}

/// Runs the command.
///
/// # Errors
/// The first step that failed.
pub fn command(context: &Context, options: &Options) -> Result<ExitCode> {
    let all = Subject::value_variants();
    let subjects = if options.subjects.is_empty() {
        all
    } else {
        &options.subjects
    };
    for subject in subjects {
        let measured = match subject {
            Subject::Size => {
                size::measure(context)?;
                continue;
            }
            Subject::Aws => aws::measure(context, options.queried_sales)?,
            Subject::Data => data::measure(context, options.sales)?,
            Subject::Query => {
                let figures = query::measure(context)?;
                Measured {
                    table: query::table(&figures),
                    figures,
                }
            }
            Subject::Planner => planner::measure(context)?,
        };
        println!("{}", measured.table);
        let folder = context.cache.join("bench");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", subject.name()));
        fs::write(&path, serde_json::to_vec_pretty(&measured.figures)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("The figures are in {}.", path.display());
        if options.write {
            write(context, subject.name(), &measured.table)?;
        }
    }
    eprintln!("Next: `cargo xtask test` compares behaviour; figures are for reading.");
    Ok(ExitCode::SUCCESS)
}

/// Replaces what stands between a subject's marks in docs/benchmarks.md.
fn write(context: &Context, subject: &str, table: &str) -> Result<()> {
    let path = context.root.join("docs/benchmarks.md");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = between(&text, subject, table).with_context(|| {
        format!(
            "{} has no marks <!-- {subject} --> and <!-- /{subject} -->",
            path.display()
        )
    })?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn between(text: &str, subject: &str, table: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {subject} -->"), format!("<!-- /{subject} -->"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let text = "a\n<!-- data -->\nold\n<!-- /data -->\nb\n";
        let new = between(text, "data", "| new |\n").expect("has marks");
        assert_eq!(new, "a\n<!-- data -->\n\n| new |\n\n<!-- /data -->\nb\n");
        assert_eq!(between(&new, "data", "| new |\n"), Some(new.clone()));
        assert_eq!(between(text, "other", ""), None);
    }
}
