//! `cargo xtask bench`: what can be measured on this machine today.
//!
//! The sizes of what is sent to a browser or put on an edge. Times of the product will join when there is a budget
//! to hold them against.

use std::{fs, io::Write as _, process::ExitCode};

use anyhow::Result;
use flate2::{Compression, write::GzEncoder};

use crate::{
    bundle,
    context::Context,
    setup::{self, Part},
    spin, worker,
};

/// Runs the command.
///
/// # Errors
/// The first step that failed.
pub fn command(context: &Context) -> Result<ExitCode> {
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
    eprintln!("Next: `cargo xtask test` compares behaviour; sizes are for reading.");
    Ok(ExitCode::SUCCESS)
}
