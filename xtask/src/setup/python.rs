//! A Python environment with boto3, AWS's own client, for the wire tests, and moto, which stands for S3.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    context::Context,
    inputs,
    process::{apt_install, find, output, program, run},
};

/// Makes the environment from `xtask/python/requirements.txt`.
///
/// # Errors
/// If there is no Python, or pip cannot download.
pub fn ensure(context: &Context) -> Result<()> {
    if ready(context) {
        return Ok(());
    }
    if find("python3").is_none() {
        apt_install(&["python3", "python3-venv"])?;
    }
    let folder = context.cache.join("python");
    let _ = fs::remove_dir_all(&folder);
    let make = || run(program("python3").args(["-m", "venv"]).arg(&folder));
    // Debian splits the module that makes environments from Python itself.
    if make().is_err() {
        apt_install(&["python3-venv"])?;
        make()?;
    }
    run(program(context.python())
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--requirement",
        ])
        .arg(context.root.join("xtask/python/requirements.txt")))
    .context("pip could not install; it needs its index, or set pip's own `index-url` setting to a mirror")?;
    context.set_stamp("python", &key(context)?)
}

/// Whether the environment has the pinned packages.
pub fn ready(context: &Context) -> bool {
    key(context).is_ok_and(|key| context.stamp("python") == key)
        && output(Command::new(context.python()).args(["-c", "import boto3, moto.moto_server.werkzeug_app"])).is_ok()
}

fn key(context: &Context) -> Result<String> {
    inputs::hash(&[context.root.join("xtask/python")], &[])
}
