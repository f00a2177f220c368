//! What a build step read, as one hash: a step whose hash stands beside its result is skipped.
//!
//! Contents are hashed, not times, so that a fresh clone with a warm cache builds nothing twice.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

use crate::{
    context::Context,
    process::{cargo, output},
};

/// The hash of these files and folders (contents and names) and of these texts.
///
/// # Errors
/// If a file cannot be read.
pub fn hash(paths: &[PathBuf], texts: &[&str]) -> Result<String> {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text.len().to_le_bytes());
        hasher.update(text);
    }
    for path in paths.iter().filter(|path| path.exists()) {
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = entry?;
            if !entry.file_type().is_file() {
                continue;
            }
            let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            let name = entry.path().strip_prefix(path).unwrap_or(entry.path());
            hasher.update(name.as_os_str().as_encoded_bytes());
            hasher.update(bytes.len().to_le_bytes());
            hasher.update(bytes);
        }
    }
    Ok(hex::encode(hasher.finalize()))
}

/// The sources that one of our packages is compiled from: its own folder, those of our packages that it depends on,
/// and the workspace's manifest and lockfile.
///
/// # Errors
/// If cargo cannot read the workspace.
pub fn sources(context: &Context, package: &str) -> Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        manifest_path: PathBuf,
        dependencies: Vec<Dependency>,
    }
    #[derive(Deserialize)]
    struct Dependency {
        name: String,
        path: Option<PathBuf>,
        kind: Option<String>,
    }
    let text = output(cargo(context).args(["metadata", "--no-deps", "--format-version=1", "--quiet"]))?;
    let metadata: Metadata = serde_json::from_str(&text).context("cargo metadata is not as expected")?;
    let ours: HashMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package))
        .collect();
    let mut folders = BTreeSet::new();
    let mut open = vec![package];
    while let Some(name) = open.pop() {
        let package = ours
            .get(name)
            .with_context(|| format!("there is no package {name} in the workspace"))?;
        let folder = package.manifest_path.parent().unwrap_or(Path::new("")).to_owned();
        if folders.insert(folder) {
            open.extend(
                package
                    .dependencies
                    .iter()
                    .filter(|dependency| dependency.path.is_some() && dependency.kind.is_none())
                    .map(|dependency| dependency.name.as_str()),
            );
        }
    }
    let mut paths: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| ["Cargo.toml", "build.rs", "src"].map(|name| folder.join(name)))
        .collect();
    paths.push(context.root.join("Cargo.toml"));
    paths.push(context.root.join("Cargo.lock"));
    Ok(paths)
}
