//! `cargo xtask setup`: every tool that the rest needs, pinned, into the cache, safe to repeat.
//!
//! `demo`, `test` and the others call [`ensure`] with the parts they need, so that nobody has to run this first.
//! A part that is in place costs milliseconds.

mod browser;
mod node;
mod python;
mod toolchain;
mod wasmtime;

use std::{process::ExitCode, time::Instant};

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    context::Context,
    process::{seconds, step},
};

pub use browser::{chromedriver, chromium};
pub use node::ready as npm_ready;
pub use python::ready as python_ready;
pub use toolchain::{TARGET, Toolchain, WASI, ensure_wasi, find as find_toolchain};
pub use wasmtime::{WASMTIME_VERSION, ready as wasmtime_ready};

/// One tool, or one family of tools.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The wasm32-unknown-unknown target
    Wasm,
    /// Node, and the npm packages of the lockfile
    Node,
    /// A Python environment with boto3 for the wire tests
    Python,
    /// wasmtime, which serves the Spin component
    Wasmtime,
    /// Chromium and its driver
    Browser,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Wasm => "wasm target",
            Self::Node => "Node and npm packages",
            Self::Python => "Python environment",
            Self::Wasmtime => "wasmtime",
            Self::Browser => "Chromium and its driver",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// The first part that failed, with what to do.
pub fn command(context: &Context, parts: &[Part]) -> Result<ExitCode> {
    let start = Instant::now();
    let parts = if parts.is_empty() {
        Part::value_variants()
    } else {
        parts
    };
    ensure(context, parts)?;
    eprintln!("Set up in {} in {}.", seconds(start.elapsed()), context.cache.display());
    eprintln!("Next: `cargo xtask demo` shows the product, `cargo xtask test` runs the tests.");
    Ok(ExitCode::SUCCESS)
}

/// Brings these parts where they are missing or have another version than the pinned one.
///
/// # Errors
/// The first part that failed, with what to do.
pub fn ensure(context: &Context, parts: &[Part]) -> Result<()> {
    let _lock = context.lock("setup")?;
    for part in parts {
        step(part.name(), || match part {
            Part::Wasm => toolchain::ensure(context),
            Part::Node => node::ensure(context),
            Part::Python => python::ensure(context),
            Part::Wasmtime => wasmtime::ensure(context),
            Part::Browser => browser::ensure(),
        })?;
    }
    Ok(())
}
