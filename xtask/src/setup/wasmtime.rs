//! wasmtime, which serves the Spin component in tests: `spin` itself is in no package registry.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{
    context::Context,
    process::{output, program, run},
};

/// The last line that builds with Rust 1.95.
pub const WASMTIME_VERSION: &str = "48.0.8";
/// What `wasmtime serve` needs for a component of WASI 0.3, and nothing else.
const FEATURES: &str = "run,serve,compile,cranelift,wasi-http,component-model,component-model-async,\
                        parallel-compilation,pooling-allocator,logging";

/// Compiles and installs it.
///
/// # Errors
/// If cargo cannot download or compile it.
pub fn ensure(context: &Context) -> Result<()> {
    if ready(context) {
        return Ok(());
    }
    eprintln!("  wasmtime {WASMTIME_VERSION} from source (7 minutes on 2 cores)");
    // Its own compiler pass is at opt-level 1: it compiles one small component per start, and builds twice as fast.
    run(program("cargo")
        .current_dir(&context.root)
        .args([
            "install",
            "wasmtime-cli",
            "--version",
            WASMTIME_VERSION,
            "--locked",
            "--quiet",
        ])
        .args(["--no-default-features", "--features", FEATURES, "--root"])
        .arg(context.cache.join("wasmtime"))
        .env("CARGO_TARGET_DIR", context.tools_target())
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off"))
    .with_context(|| format!("wasmtime {WASMTIME_VERSION} could not be installed"))
}

/// Whether the pinned version is there.
pub fn ready(context: &Context) -> bool {
    output(Command::new(context.wasmtime()).arg("--version")).is_ok_and(|text| text.contains(WASMTIME_VERSION))
}
