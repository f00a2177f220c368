//! `cargo xtask bench`: what can be measured on this machine today.
//!
//! The sizes of what is sent to a browser or put on an edge, and how fast the whole answers that it is well.

mod query;

use std::{fs, io::Write as _, process::ExitCode, time::Instant};

use anyhow::{Result, bail};
use flate2::{Compression, write::GzEncoder};

use crate::{
    bundle,
    context::Context,
    demo,
    setup::{self, Part},
    spin, worker,
};

/// Enough for a steady median, in about a second.
const HEALTH_REQUESTS: usize = 500;

/// Runs the command.
///
/// # Errors
/// The first step that failed.
pub fn command(context: &Context, subjects: &[String]) -> Result<ExitCode> {
    if subjects.iter().any(|subject| subject == "query") {
        println!("{}", query::table(&query::measure(context)?));
        return Ok(ExitCode::SUCCESS);
    }
    setup::ensure(context, &[Part::Wasm, Part::Node])?;
    bundle::bundle(context)?;
    worker::build(context)?;
    spin::build(context)?;
    println!("The page, in bytes");
    print!("{}", bundle::sizes(&context.dist())?);
    println!("The edges, in bytes (raw, gzip)");
    for path in [
        context.worker().join("index.js"),
        context.worker().join("index_bg.wasm"),
        context.spin_wasm(),
    ] {
        let bytes = fs::read(&path)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        let name = path.strip_prefix(&context.cache).unwrap_or(&path).display().to_string();
        println!("{name:<44}{:>12}{:>12}", bytes.len(), gzip.finish()?.len());
    }
    health(context)?;
    eprintln!("Next: `cargo xtask test` compares behaviour; sizes are for reading.");
    Ok(ExitCode::SUCCESS)
}

/// Times `GET /api/health` of a running `concert up`, one after the other on this machine.
fn health(context: &Context) -> Result<()> {
    let (_running, address) = demo::start(context)?;
    let mut times_us = Vec::with_capacity(HEALTH_REQUESTS);
    for _ in 0..HEALTH_REQUESTS {
        let start = Instant::now();
        let status = demo::get(&address, "/api/health")?;
        if status != 200 {
            bail!("GET /api/health answered {status}");
        }
        times_us.push(start.elapsed().as_micros());
    }
    times_us.sort_unstable();
    println!(
        "GET /api/health, {HEALTH_REQUESTS} requests (dependencies' answers at most 5 s old), unoptimised build: median {} us, slowest of 99 in 100 {} us",
        times_us[HEALTH_REQUESTS / 2],
        times_us[HEALTH_REQUESTS * 99 / 100]
    );
    Ok(())
}
