//! Chromium and its driver, for the tests that open the page.

use std::{env, path::PathBuf};

use anyhow::Result;

use crate::process::{apt_install, find};

/// Installs what is missing.
///
/// # Errors
/// If the package manager cannot; the message says what to install.
pub fn ensure() -> Result<()> {
    if chromium().is_none() {
        apt_install(&["chromium"])?;
    }
    if chromedriver().is_none() {
        apt_install(&["chromium-driver"])?;
    }
    Ok(())
}

/// The browser: `CONCERT_CHROMIUM`, else one on the search path.
pub fn chromium() -> Option<PathBuf> {
    named("CONCERT_CHROMIUM", &["chromium", "chromium-browser", "google-chrome"])
}

/// Its driver: `CONCERT_CHROMEDRIVER`, else one on the search path.
pub fn chromedriver() -> Option<PathBuf> {
    named("CONCERT_CHROMEDRIVER", &["chromedriver"])
}

fn named(variable: &str, names: &[&str]) -> Option<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| names.iter().find_map(|name| find(name)))
}
