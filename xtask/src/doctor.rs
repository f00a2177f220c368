//! `cargo xtask doctor`: each tool, whether it is there, and what to do if not.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{
    context::Context,
    process::{find, output},
    setup,
};

/// Runs the command; its status is 1 if something is missing.
///
/// # Errors
/// None today; the shape is that of the other commands.
pub fn command(context: &Context) -> Result<ExitCode> {
    let version = |program: std::path::PathBuf| output(Command::new(program).arg("--version")).ok();
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let toolchain = setup::find_toolchain(context);
    let rows: Vec<(&str, Option<String>, &str)> = vec![
        ("cargo", find("cargo").and_then(version), "install Rust by rustup.rs"),
        (
            "wasm target",
            toolchain.map(|toolchain| toolchain.version),
            "cargo xtask setup wasm",
        ),
        (
            "npm",
            find("npm").and_then(version),
            "install Node with npm from your system's packages",
        ),
        ("Node", version(context.node()), "cargo xtask setup node"),
        (
            "npm packages",
            setup::npm_ready(context).then(|| "as locked".to_owned()),
            "cargo xtask setup node",
        ),
        (
            "Python with boto3",
            setup::python_ready(context).then(|| "as pinned".to_owned()),
            "cargo xtask setup python",
        ),
        (
            "wasmtime",
            setup::wasmtime_ready(context).then(|| setup::WASMTIME_VERSION.to_owned()),
            "cargo xtask setup wasmtime",
        ),
        (
            "Chromium",
            setup::chromium().and_then(version),
            "cargo xtask setup browser",
        ),
        (
            "chromedriver",
            setup::chromedriver().and_then(version),
            "cargo xtask setup browser",
        ),
    ];
    let mut missing = 0;
    for (name, found, mend) in rows {
        match found {
            Some(version) => println!("{name:<18} there    {}", first_line(version)),
            None => {
                missing += 1;
                println!("{name:<18} missing  {mend}");
            }
        }
    }
    println!("{:<18} {}", "cache", context.cache.display());
    if missing > 0 {
        eprintln!("{missing} missing. Next: `cargo xtask setup` brings all of them.");
        return Ok(ExitCode::FAILURE);
    }
    eprintln!("Nothing is missing. Next: `cargo xtask demo`.");
    Ok(ExitCode::SUCCESS)
}
