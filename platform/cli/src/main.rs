//! `concert`: the whole platform as one command.
//!
//! Each subcommand is a thin rim in [`commands`]: it reads its options, calls one library of the platform, and prints
//! what came back, for a person or, with `--json`, as one document on standard output. Exit status: 0 done, 1 failed,
//! 2 wrong usage.

mod checks;
mod commands;
mod home;
mod output;
mod page;
mod source;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Concert data on one machine: take files in, ask in plain words, serve the page.
#[derive(Parser)]
#[command(name = "concert", version, max_term_width = 100)]
struct Cli {
    /// Where data is kept [default: $CONCERT_HOME, else the user's data folder]
    #[arg(long, global = true, env = "CONCERT_HOME", hide_env = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print one JSON document on standard output and nothing else there
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the page, the edge and the AWS-compatible endpoint on this machine
    Up(commands::up::Options),
    /// Serve the AWS-compatible endpoint alone
    Aws(commands::aws::Options),
    /// Write an invented but believable data set
    Generate(commands::generate::Options),
    /// Take files in: every row ends clean or in quarantine with its reason
    Ingest(commands::ingest::Options),
    /// Check files against the mapping and the rules, and load nothing; status 1 if a record breaks one
    Validate(commands::validate::Options),
    /// Publish what was loaded; every load ends with it
    Refine(commands::refine::Options),
    /// The records that broke a rule, and why
    #[command(subcommand)]
    Quarantine(commands::quarantine::Options),
    /// What was loaded, when, and what became of its records
    Runs(commands::runs::Options),
    /// From a row back to the file, the line and the record that it was made from
    Lineage(commands::lineage::Options),
    /// What is loaded, how fresh it is, what is wrong and what to do
    Status(commands::status::Options),
    /// Look at everything: home, data, settings and services; status 1 if something does not work
    Doctor(commands::doctor::Options),
    /// The kept snapshots, and keeping the tables small and quick
    #[command(subcommand)]
    Lake(commands::lake::Options),
    /// Query the published tables
    Sql(commands::sql::Options),
    /// Ask in plain words
    Ask(commands::ask::Options),
    /// Describe tables so that they can be asked about
    #[command(subcommand)]
    Catalogue(commands::catalogue::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // What libraries under us log is for their authors; what matters of it comes back as an error.
    let filter = tracing_subscriber::EnvFilter::try_from_env("CONCERT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off,concert=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    let output = output::Output { json: cli.json };
    let result = home::resolve(cli.home).and_then(|home| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match cli.command {
                Command::Up(options) => commands::up::run(&home, options).await,
                Command::Aws(options) => commands::aws::run(&home, options).await,
                Command::Generate(options) => commands::generate::run(&output, options),
                Command::Ingest(options) => commands::ingest::run(&home, &output, options).await,
                Command::Quarantine(options) => commands::quarantine::run(&home, &output, options).await,
                Command::Runs(options) => commands::runs::run(&home, &output, options).await,
                Command::Lineage(options) => commands::lineage::run(&home, &output, options).await,
                Command::Doctor(options) => commands::doctor::run(&home, &output, options).await,
                Command::Validate(options) => commands::validate::run(&home, &output, options).await,
                Command::Refine(options) => commands::refine::run(&home, &output, options).await,
                Command::Status(options) => commands::status::run(&home, &output, options).await,
                Command::Lake(options) => commands::lake::run(&home, &output, options).await,
                Command::Sql(options) => commands::sql::run(&home, &output, options).await,
                Command::Ask(options) => commands::ask::run(&home, &output, options).await,
                Command::Catalogue(options) => commands::catalogue::run(&output, options).await,
            }
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.failure(&error);
            ExitCode::FAILURE
        }
    }
}
