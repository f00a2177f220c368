//! `cargo xtask test`: everything that the tests drive is built once, optimised where it ends on an edge, then cargo
//! runs them all.
//!
//! Tests find what was built by environment variables ([`environment`]), so that no test builds anything.

use std::{process::ExitCode, time::Instant};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    bundle,
    context::Context,
    demo, lint,
    process::{cargo, run, seconds, step},
    setup::{self, Part},
    spin, worker,
};

/// The options of `test`.
#[derive(Args)]
pub struct Options {
    /// Also what takes minutes: kill loops, fuzzing, soaks, large data
    #[arg(long)]
    long: bool,
    /// Arguments for `cargo test`, after `--`
    #[arg(last = true)]
    arguments: Vec<std::ffi::OsString>,
}

/// Runs the command. Its last lines are the test runner's own.
///
/// # Errors
/// The first step that failed; for failed tests the runner has said which.
pub fn command(context: &Context, options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    setup::ensure(
        context,
        &[Part::Wasm, Part::Node, Part::Python, Part::Wasmtime, Part::Browser],
    )?;
    bundle::bundle(context)?;
    eprint!("{}", bundle::sizes(&context.dist())?);
    worker::build(context)?;
    spin::build(context)?;
    demo::build_concert(context)?;
    step("what the page carries", || lint::page_dependencies(context))?;
    step("xtask's own tests", || {
        run(cargo(context)
            .env("CARGO_TARGET_DIR", context.cache.join("target-xtask"))
            .args(["test", "--quiet", "--package", "xtask"]))
    })?;
    step("the page's own tests", || {
        run(cargo(context).env("CARGO_TARGET_DIR", context.wasm_target()).args([
            "test",
            "--quiet",
            "--package",
            "concert-app",
        ]))
    })?;
    step("concert-aws on wasm", || aws_on_wasm(context))?;
    step("the tests, compiled", || {
        run(cargo(context)
            .args(["test", "--no-run", "--tests"])
            .args(&options.arguments))
    })?;
    eprintln!("Everything is built after {}; now the tests.", seconds(start.elapsed()));

    let mut tests = cargo(context);
    // One failure must not hide the next. `--tests` is all but the documentation's examples, of which there are none:
    // the runner then closes on what it ran.
    tests
        .args(["test", "--no-fail-fast", "--tests"])
        .args(&options.arguments);
    for (name, value) in environment(context)? {
        tests.env(name, value);
    }
    if options.long {
        tests.env("CONCERT_LONG", "1");
    }
    let status = tests.status().context("cannot start cargo")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The signing and decoding of AWS's protocols, tested as the edges run them: compiled to WebAssembly.
fn aws_on_wasm(context: &Context) -> Result<()> {
    if !setup::ensure_wasi(context) {
        eprintln!(
            "  SKIPPED: rustup cannot bring {}; the Worker and the component are tested all the same",
            setup::WASI
        );
        return Ok(());
    }
    // The test data stands beside the repository, so the folder that holds both is what the tests may read.
    let folder = context.root.parent().unwrap_or(&context.root).display();
    let runner = format!("{} run --dir={folder}::{folder}", context.wasmtime().display());
    run(cargo(context)
        .env("CARGO_TARGET_DIR", context.wasm_target())
        .env("CARGO_TARGET_WASM32_WASIP2_RUNNER", runner)
        .args(["test", "--quiet", "--package", "concert-aws", "--target", setup::WASI]))
}

/// What the tests are told about this machine.
fn environment(context: &Context) -> Result<Vec<(&'static str, std::path::PathBuf)>> {
    Ok(vec![
        ("CONCERT_BIN", context.concert()),
        ("CONCERT_DIST", context.dist()),
        ("CONCERT_WORKER_DIR", context.worker()),
        ("CONCERT_SPIN_WASM", context.spin_wasm()),
        ("CONCERT_WASMTIME", context.wasmtime()),
        ("CONCERT_NODE", context.node()),
        ("CONCERT_NPM", context.node_modules()),
        ("CONCERT_PYTHON", context.python()),
        (
            "CONCERT_CHROMIUM",
            setup::chromium().context("Chromium is missing: run `cargo xtask setup browser`")?,
        ),
        (
            "CONCERT_CHROMEDRIVER",
            setup::chromedriver().context("chromedriver is missing: run `cargo xtask setup browser`")?,
        ),
    ])
}
