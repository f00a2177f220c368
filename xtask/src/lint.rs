//! `cargo xtask lint`: what must hold before each commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    context::Context,
    process::{cargo, find, output, program, run, step},
    setup::{self, Part, TARGET},
};

/// The version of cargo-deny that is installed where none is there.
const DENY_VERSION: &str = "0.20.2";
/// Compiled for [`TARGET`].
const WASM_PACKAGES: [&str; 3] = ["concert-app", "concert-edge-worker", "concert-edge-spin"];
/// What the page must not carry to the browser.
const NOT_IN_PAGE: [&str; 4] = ["sqlparser", "datafusion", "aws-sigv4", "tokio"];

/// The options of `lint`.
#[derive(Args)]
pub struct Options {
    /// Leave out the crates over DataFusion, whose first check takes many minutes
    #[arg(long)]
    light: bool,
}

/// The native crates that do not stand on DataFusion.
const LIGHT_PACKAGES: [&str; 7] = [
    "concert-aws",
    "concert-contract",
    "concert-planner",
    "concert-edge",
    "concert-edge-native",
    "concert-generate",
    "concert-store",
];

/// What tests may do.
const TESTS: &str = "-Aclippy::unwrap_used";

/// Runs the command.
///
/// # Errors
/// The first check that failed.
pub fn command(context: &Context, options: &Options) -> Result<ExitCode> {
    setup::ensure(context, &[Part::Wasm])?;
    step("format", || run(cargo(context).args(["fmt", "--all", "--check"])))
        .context("`cargo fmt --all` mends the format")?;
    step("clippy, native", || {
        // A test may stop at what it did not expect; a library may not.
        for (targets, lints) in [
            (&["--lib", "--bins"][..], &["-Dwarnings"][..]),
            (&["--tests"], &["-Dwarnings", TESTS]),
        ] {
            let mut clippy = cargo(context);
            clippy
                .env("CARGO_TARGET_DIR", context.cache.join("target-lint"))
                .arg("clippy")
                .args(targets);
            if options.light {
                clippy.args(LIGHT_PACKAGES.map(|package| format!("--package={package}")));
            }
            run(clippy.arg("--").args(lints))?;
        }
        Ok(())
    })?;
    step("clippy, xtask", || {
        run(cargo(context)
            .env("CARGO_TARGET_DIR", context.cache.join("target-xtask"))
            .args(["clippy", "--quiet", "--package", "xtask", "--", "-Dwarnings"]))
    })?;
    let toolchain =
        setup::find_toolchain(context).context("the wasm target is missing: run `cargo xtask setup wasm`")?;
    for package in WASM_PACKAGES {
        step(&format!("clippy, {package}"), || {
            run(toolchain.cargo(context).args([
                "clippy",
                "--quiet",
                "--target",
                TARGET,
                "--package",
                package,
                "--",
                "-Dwarnings",
            ]))
        })?;
    }
    step("one build of DataFusion", || one_build(context))?;
    step("what the page carries", || page_dependencies(context))?;
    step("licences and duplicates", || deny(context))?;
    eprintln!("All checks passed. Next: `cargo xtask test`, then commit.");
    Ok(ExitCode::SUCCESS)
}

/// The page's dependency tree holds neither a SQL parser nor the SQL compiler.
///
/// # Errors
/// What it holds that it must not, and how to find out why.
pub fn page_dependencies(context: &Context) -> Result<()> {
    let tree = output(cargo(context).args([
        "tree",
        "--quiet",
        "--package",
        "concert-app",
        "--target",
        TARGET,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p} [{f}]",
    ]))?;
    for line in tree.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        if NOT_IN_PAGE.contains(&name) {
            bail!("the page depends on {name}; `cargo tree -p concert-app -i {name}` shows by which way");
        }
        let features = line
            .rsplit('[')
            .next()
            .unwrap_or_default()
            .trim_end_matches("] (*)")
            .trim_end_matches(']');
        if name == "concert-contract" && features.split(',').any(|feature| feature == "compile") {
            bail!("the page enables the feature `compile` of concert-contract, which carries the SQL compiler");
        }
    }
    Ok(())
}

/// Whatever packages a command selects, what is under DataFusion has the same features, so that it is compiled once.
fn one_build(context: &Context) -> Result<()> {
    let tree = |selection: &[&str]| -> Result<BTreeMap<String, BTreeSet<String>>> {
        let text = output(
            cargo(context)
                .args(["tree", "--quiet", "--prefix", "none", "--format", "{p}|{f}"])
                .args(selection),
        )?;
        let mut features: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in text.lines() {
            let Some((package, set)) = line.trim_end_matches(" (*)").split_once('|') else {
                continue;
            };
            features.entry(package.to_owned()).or_default().insert(set.to_owned());
        }
        Ok(features)
    };
    let one = tree(&["--edges", "normal,build", "--package", "concert-lake"])?;
    let all = tree(&["--edges", "normal,build,dev"])?;
    let mut differing = Vec::new();
    for (package, features) in &one {
        // A path behind the name marks our own packages.
        if !package.contains("(/") && all.get(package).is_some_and(|others| !features.is_subset(others)) {
            differing.push(package.as_str());
        }
    }
    if !differing.is_empty() {
        bail!(
            "`cargo test` and `cargo test -p concert-lake` would compile DataFusion twice: the features of {} differ; \
             add what is missing to platform/features/Cargo.toml",
            differing.join(", ")
        );
    }
    Ok(())
}

/// cargo-deny by `deny.toml`, installed into the cache where it is missing.
fn deny(context: &Context) -> Result<()> {
    let own = context.cache.join("deny/bin/cargo-deny");
    let binary = match find("cargo-deny") {
        Some(binary) => binary,
        None if own.is_file() => own,
        None => {
            eprintln!("  cargo-deny {DENY_VERSION} from source (some minutes, once)");
            run(program("cargo")
                .current_dir(&context.root)
                .args([
                    "install",
                    "cargo-deny",
                    "--version",
                    DENY_VERSION,
                    "--locked",
                    "--quiet",
                    "--root",
                ])
                .arg(context.cache.join("deny"))
                .env("CARGO_TARGET_DIR", context.tools_target())
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_RELEASE_LTO", "off"))?;
            own
        }
    };
    // Advisories need their database from the network; `cargo deny check advisories` is for those who have it.
    run(program(binary).current_dir(&context.root).args([
        "--log-level",
        "error",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))
}
