//! The AWS endpoint, driven by AWS's own client: the pytest suite in `tests/wire` with boto3 unmodified.

use crate::support::{concert, tool};
use anyhow::{Result, ensure};
use std::{path::Path, process::Command};

#[test]
fn boto3_drives_redshift_data_and_bedrock_at_the_local_endpoint() -> Result<()> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("wire");
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
