//! `concert lake` and `concert sql --as-of`, and a lake in another place than the home.

use crate::support::concert;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const TODAY: &str = "2024-06-10";

/// Runs the command with `--json` in a home of its own.
struct Home {
    folder: tempfile::TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Home {
    fn new() -> Result<Home> {
        Ok(Home {
            folder: tempfile::tempdir()?,
            settings: Vec::new(),
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command: Command = concert()?;
        command
            .args(arguments)
            .args(["--json", "--home"])
            .arg(self.path().join("home"))
            .env_remove("CONCERT_LAKE")
            .env_remove("CONCERT_S3_DIR")
            .env("CONCERT_TODAY", TODAY)
            .envs(self.settings.iter().cloned());
        Ok(command.output()?)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run(arguments)?;
        ensure!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).with_context(|| format!("{arguments:?}"))
    }

    /// Takes in one more artist and gives the id of the snapshot that shows it.
    fn load(&self, artist: &str) -> Result<String> {
        let file = self.path().join("artists.csv");
        fs::write(&file, format!("artist_id,name\n{artist},{artist}\n"))?;
        self.json(&["ingest", &file.display().to_string()])?;
        let kept = self.json(&["lake", "snapshots"])?;
        let id = kept[0]["snapshot_id"].as_str().context("a snapshot")?;
        Ok(id.to_owned())
    }

    fn artists(&self, as_of: &[&str]) -> Result<u64> {
        let arguments = [&["sql", "select count(*) as n from artists"], as_of].concat();
        self.json(&arguments)?["rows"][0][0].as_u64().context("a number")
    }
}

#[test]
fn earlier_snapshots_are_read_until_vacuum_removes_them() -> Result<()> {
    let home = Home::new()?;
    let first = home.load("a")?;
    home.load("b")?;
    home.load("c")?;
    assert_eq!(home.artists(&[])?, 3);
    assert_eq!(home.artists(&["--as-of", &first])?, 1);
    assert_eq!(home.artists(&["--as-of", "2999-01-01"])?, 3);
    let refused = home.run(&["sql", "select 1 as one", "--as-of", "2001-01-01"])?;
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains(&first), "{message}");

    // Three loads left three files of raw records; together they are one, and the content is the same.
    let optimized = home.json(&["lake", "optimize"])?;
    let raw = optimized["tables"].as_array().context("tables")?.iter();
    let raw: Vec<&Value> = raw.filter(|table| table["table"] == "raw_records").collect();
    assert_eq!(
        (&raw[0]["files_before"], &raw[0]["files_after"]),
        (&3.into(), &1.into())
    );
    assert_eq!(home.artists(&[])?, 3);
    assert_eq!(home.artists(&["--as-of", &first])?, 1);

    let dry = home.json(&["lake", "vacuum", "--keep", "1", "--dry-run"])?;
    assert_eq!(home.artists(&["--as-of", &first])?, 1, "a dry run removes nothing");
    let done = home.json(&["lake", "vacuum", "--keep", "1"])?;
    assert_eq!((&dry["files"], &dry["bytes"]), (&done["files"], &done["bytes"]));
    assert_eq!(done["snapshots_forgotten"], 2);
    assert_eq!(home.artists(&[])?, 3);
    assert!(
        !home
            .run(&["sql", "select 1 as one", "--as-of", &first])?
            .status
            .success()
    );
    assert_eq!(home.load("d").and_then(|_| home.artists(&[]))?, 4);
    Ok(())
}

#[test]
fn the_lake_can_be_in_a_folder_that_stands_for_a_bucket() -> Result<()> {
    let mut home = Home::new()?;
    let s3 = home.path().join("s3");
    home.settings = vec![
        ("CONCERT_LAKE", "s3://tour/lake".to_owned()),
        ("CONCERT_S3_DIR", s3.display().to_string()),
    ];
    home.load("a")?;
    assert_eq!(home.artists(&[])?, 1);
    assert!(s3.join("tour/lake/concert_dw.json").is_file());
    assert!(!home.path().join("home/lake").exists(), "nothing is in the home");

    home.settings = vec![("CONCERT_LAKE", "gs://tour/lake".to_owned())];
    let refused = home.run(&["status"])?;
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        message.contains("CONCERT_LAKE") && message.contains("gs://"),
        "{message}"
    );
    Ok(())
}
