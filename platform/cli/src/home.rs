//! Where a person's data is kept, and the clock that relative dates read.

use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use std::path::PathBuf;

/// `--home` (or `CONCERT_HOME`, which clap reads into it), else `concert` in the user's data folder.
///
/// # Errors
/// Neither is known, or the folder cannot be made.
pub fn resolve(option: Option<PathBuf>) -> Result<PathBuf> {
    let home = match option.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => path,
        None => dirs::data_dir()
            .context("no data folder is known for this user; say --home DIR")?
            .join("concert"),
    };
    if home.to_str().is_some_and(|home| home.contains("://")) {
        bail!(
            "the home is a folder on this machine, and {} is not one; for tables in S3 set CONCERT_LAKE to their address",
            home.display()
        );
    }
    std::fs::create_dir_all(&home).with_context(|| format!("cannot make the home folder {}", home.display()))?;
    Ok(home)
}

/// `--today`, else this machine's calendar day.
pub fn today(option: Option<Date>) -> Date {
    option.unwrap_or_else(|| jiff::Zoned::now().date())
}
