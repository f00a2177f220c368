//! The AWS endpoint, driven by AWS's own clients: the pytest suite in `tests/wire` with boto3 unmodified, and the
//! JavaScript client's in `tests/wire/js`.

use crate::support::{Process, concert, tool};
use anyhow::{Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wire")
}

#[test]
fn boto3_drives_every_service_at_the_local_endpoint() -> Result<()> {
    let suite = suite();
    // The suite starts the command itself, on a free port and with a home of its own.
    let status = Command::new(tool("CONCERT_PYTHON")?)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(&suite)
        .current_dir(&suite)
        .env("CONCERT_BIN", concert()?.get_program())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("CONCERT_ENDPOINT")
        .status()?;
    ensure!(status.success(), "pytest ended with {status}; its report stands above");
    Ok(())
}

/// With the long tests: its packages are only worth their download there.
#[test]
fn awss_javascript_client_drives_the_local_endpoint() -> Result<()> {
    if std::env::var_os("CONCERT_LONG").is_none() {
        eprintln!("skipped: `cargo xtask test --long` runs AWS's JavaScript client");
        return Ok(());
    }
    let mut command = concert()?;
    command.args(["aws", "--port", "0", "--in-memory"]);
    let (_process, url) = Process::start("concert aws", command, |line| {
        line.strip_prefix("AWS endpoint at ").map(|url| url.trim().to_owned())
    })?;
    let status = Command::new(tool("CONCERT_NODE")?)
        .arg("--test")
        .arg(suite().join("js/wire.test.mjs"))
        .env("CONCERT_NPM", tool("CONCERT_NPM")?)
        .env("CONCERT_ENDPOINT", url)
        .env("NO_PROXY", "127.0.0.1")
        .status()?;
    ensure!(status.success(), "node ended with {status}; its report stands above");
    Ok(())
}
