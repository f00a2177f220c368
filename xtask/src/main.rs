//! The project's developer commands: set up the tools, build the page and the edges, run, test, check.
//!
//! `cargo xtask --help` lists them. Everything downloaded or compiled stands in the cache folder
//! (`$CONCERT_CACHE`, else `~/.cache/concert`); [`context::Context`] says where, and each command is one module.

mod bench;
mod bundle;
mod context;
mod demo;
mod doctor;
mod inputs;
mod lint;
mod process;
mod setup;
mod spin;
mod test;
mod wasm;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::Context;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Developer commands of the Concert data platform",
    version
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring every pinned tool into the cache; safe to repeat
    Setup {
        /// Only these parts (the default is all of them)
        #[arg(value_enum)]
        parts: Vec<setup::Part>,
    },
    /// Build the page, generate data, start everything and print the address
    Demo(demo::Options),
    /// Build what the tests need and run them all
    Test(test::Options),
    /// Check format, lints, licences and the page's dependencies
    Lint(lint::Options),
    /// Build the page, optimised, with hashes, compressed copies and its security policy
    Bundle,
    /// Build the Cloudflare Worker (wrangler calls this)
    Worker,
    /// Build the Spin component (spin calls this)
    Spin,
    /// Put the custom ECharts file into trunk's staging folder (trunk calls this)
    #[command(hide = true)]
    TrunkAssets,
    /// Measure what can be measured on this machine
    Bench {
        /// Only this subject: `query` (the default is sizes and health)
        subjects: Vec<String>,
    },
    /// Say which tools are there, which are missing, and what to do
    Doctor,
    /// Run a program with the pinned Node and the installed npm packages first on its search path
    Exec {
        /// The program and its arguments, after `--`
        #[arg(last = true, required = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Build the `concert` command when it is stale, and run it
    Run {
        /// Arguments for `concert`, after `--`
        #[arg(last = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = Context::new().and_then(|context| match arguments.command {
        Command::Setup { parts } => setup::command(&context, &parts),
        Command::Demo(options) => demo::command(&context, &options),
        Command::Test(options) => test::command(&context, &options),
        Command::Lint(options) => lint::command(&context, &options),
        Command::Bundle => bundle::command(&context),
        Command::Worker => worker::command(&context),
        Command::Spin => spin::command(&context),
        Command::TrunkAssets => bundle::trunk_assets(&context),
        Command::Bench { subjects } => bench::command(&context, &subjects),
        Command::Doctor => doctor::command(&context),
        Command::Exec { arguments } => process::exec_with_node(&context, &arguments),
        Command::Run { arguments } => demo::run(&context, &arguments),
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
