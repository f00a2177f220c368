//! `concert catalogue`: propose a catalogue for tables that nobody has described yet, and say whether one can be used.

use super::aws::{ACCESS_KEY, SECRET_KEY};
use crate::output::{AlreadySaid, Output};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use concert_aws::Credentials;
use concert_catalogue::{Folder, Inferred, RedshiftOptions, RedshiftSchema, infer_folder, infer_redshift};
use concert_contract::catalogue::Catalogue;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Subcommand)]
pub enum Options {
    /// Propose a catalogue: keys, joins, metrics and dimensions, from the names and values of tables
    Infer(Infer),
    /// Say whether a catalogue can be used, and if not, every place where and how to mend it
    Check {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("of").required(true).args(["tables", "redshift"]))]
pub struct Infer {
    /// A folder of CSV, TSV, JSON lines or Parquet: a table for each file, or for each folder of part files
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// The tables of a schema in Redshift, through its Data API (CONCERT_REGION, CONCERT_WORKGROUP, CONCERT_DATABASE,
    /// CONCERT_AWS_ENDPOINT; the key of AWS_ACCESS_KEY_ID)
    #[arg(long)]
    redshift: bool,
    /// The schema in Redshift
    #[arg(long, value_name = "NAME", default_value = "concert_dw", requires = "redshift")]
    schema: String,
    /// Write the catalogue there [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What was inferred, in numbers.
#[derive(Serialize)]
struct Summary {
    schema: String,
    tables: usize,
    joins: usize,
    metrics: usize,
    dimensions: usize,
    /// What a person should look at first.
    notes: Vec<String>,
    /// Files that are no tables, and what could not be learnt.
    left_out: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<String>,
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    entry: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

pub async fn run(output: &Output, options: Options) -> Result<()> {
    match options {
        Options::Infer(options) => infer(output, options).await,
        Options::Check { file } => check(output, &file),
    }
}

async fn infer(output: &Output, options: Infer) -> Result<()> {
    let progress = ProgressBar::new_spinner();
    progress.set_style(ProgressStyle::with_template("{spinner} {msg}")?);
    progress.enable_steady_tick(Duration::from_millis(100));
    let look = |table: &str| progress.set_message(format!("looking at {table}"));
    let (inferred, left_out) = match &options.tables {
        Some(tables) => {
            progress.set_message(format!("reading {}", tables.display()));
            let folder = Folder::open(tables).await?;
            (infer_folder(&folder, look).await?, folder.left_out)
        }
        None => {
            progress.set_message(format!("asking for the tables of {}", options.schema));
            let schema = RedshiftSchema::open(redshift(&options.schema)?).await?;
            (infer_redshift(&schema, &options.schema, look).await?, schema.notes)
        }
    };
    progress.finish_and_clear();
    give(output, options.out.as_deref(), &inferred, left_out)
}

/// Where Redshift is, and with what key, as the configuration has it.
fn redshift(schema: &str) -> Result<RedshiftOptions> {
    let setting = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let endpoint = setting("CONCERT_AWS_ENDPOINT").unwrap_or_default();
    let key = (setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"));
    let credentials = match key {
        (Some(access_key_id), Some(secret_access_key)) => Credentials {
            access_key_id,
            secret_access_key,
            session_token: setting("AWS_SESSION_TOKEN"),
        },
        // An endpoint of one's own is most likely the one on this machine, whose key is no secret.
        _ if !endpoint.is_empty() => Credentials {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: SECRET_KEY.to_owned(),
            session_token: None,
        },
        _ => bail!("no key for AWS is set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    };
    Ok(RedshiftOptions {
        region: setting("CONCERT_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
        endpoint,
        credentials,
        workgroup: setting("CONCERT_WORKGROUP").unwrap_or_else(|| "concert".to_owned()),
        database: setting("CONCERT_DATABASE").unwrap_or_else(|| "dev".to_owned()),
        schema: schema.to_owned(),
    })
}

fn give(output: &Output, out: Option<&Path>, inferred: &Inferred, left_out: Vec<String>) -> Result<()> {
    if let Some(path) = out {
        std::fs::write(path, &inferred.toml).with_context(|| format!("cannot write {}", path.display()))?;
    } else if !output.json {
        return crate::output::write_line(inferred.toml.trim_end());
    }
    let summary = Summary {
        schema: inferred.draft.schema.clone(),
        tables: inferred.draft.tables.len(),
        joins: inferred.draft.joins.len(),
        metrics: inferred.draft.metrics.len(),
        dimensions: inferred.draft.dimensions.len(),
        notes: inferred.draft.notes.clone(),
        left_out,
        file: out.map(Path::to_owned),
        catalogue: out.is_none().then(|| inferred.toml.clone()),
    };
    output.print(&summary, person)
}

fn person(summary: &Summary) -> String {
    let mut text = format!(
        "{} tables, {} joins, {} metrics and {} dimensions",
        summary.tables, summary.joins, summary.metrics, summary.dimensions
    );
    if let Some(file) = &summary.file {
        text.push_str(&format!(" are in {}.", file.display()));
    }
    for note in &summary.notes {
        text.push_str(&format!("\nTo look at: {note}"));
    }
    if !summary.left_out.is_empty() {
        text.push_str(&format!("\nLeft out: {}", summary.left_out.join(", ")));
    }
    if let Some(file) = &summary.file {
        text.push_str(&format!(
            "\nNext: look through it, then ask: concert ask \"…\" --catalogue {} --tables DIR",
            file.display()
        ));
    }
    text
}

fn check(output: &Output, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (version, problems) = match Catalogue::from_toml(&text) {
        Ok(catalogue) => (Some(catalogue.version), Vec::new()),
        Err(error) => (None, error.problems),
    };
    let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    let checked = Checked {
        ok: problems.is_empty(),
        file: file.to_owned(),
        version,
        problems: problems
            .into_iter()
            .map(|problem| Problem {
                entry: problem.entry,
                line: problem.line,
                column: problem.column,
                message: problem.message,
            })
            .collect(),
    };
    output.print(&checked, |checked| match &checked.version {
        Some(version) => format!("{} can be used: version {version}.", file.display()),
        None => format!("{} cannot be used:\n{}", file.display(), lines.join("\n")),
    })?;
    if checked.ok { Ok(()) } else { Err(AlreadySaid.into()) }
}
