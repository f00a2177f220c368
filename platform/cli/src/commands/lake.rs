//! `concert lake`: which snapshots are kept, and keeping the tables small and quick.

use super::open_lake;
use crate::output::Output;
use anyhow::Result;
use clap::Subcommand;
use concert_lake::{KEPT_SNAPSHOTS, OptimizeOptions, Optimized, Snapshot, VacuumOptions, Vacuumed};
use serde::Serialize;
use std::{num::NonZeroUsize, path::Path, time::Duration};

/// How long to wait for a load that is running.
const WAIT: Duration = Duration::from_secs(60);

#[derive(Subcommand)]
pub enum Options {
    /// Put small files together, sorted by day; what is published stays the same
    Optimize {
        /// Write every file anew, not only small ones
        #[arg(long)]
        full: bool,
    },
    /// Remove files that no kept snapshot needs
    Vacuum {
        /// How many snapshots stay, the current one among them; older ones cannot be asked --as-of any more
        #[arg(long, value_name = "N", default_value_t = default_keep())]
        keep: NonZeroUsize,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// The snapshots that are kept, the newest first, for concert sql --as-of
    Snapshots,
}

fn default_keep() -> NonZeroUsize {
    NonZeroUsize::new(KEPT_SNAPSHOTS).unwrap_or(NonZeroUsize::MIN)
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let lake = open_lake(home)?;
    match options {
        Options::Optimize { full } => {
            let optimized = lake.optimize(&OptimizeOptions { full, wait: WAIT }).await?;
            output.print(&optimized, describe_optimized)
        }
        Options::Vacuum { keep, dry_run } => {
            let options = VacuumOptions {
                keep: keep.get(),
                dry_run,
                wait: WAIT,
            };
            let vacuumed = lake.vacuum(&options).await?;
            output.print(&vacuumed, describe_vacuumed)
        }
        Options::Snapshots => {
            let kept: Vec<Kept> = lake.snapshots()?.into_iter().map(Kept::from).collect();
            output.print(&kept, |kept| describe_snapshots(kept))
        }
    }
}

#[derive(Serialize)]
struct Kept {
    snapshot_id: String,
    published_at: String,
}

impl From<Snapshot> for Kept {
    fn from(snapshot: Snapshot) -> Kept {
        Kept {
            snapshot_id: snapshot.id,
            published_at: snapshot.published_at,
        }
    }
}

fn describe_snapshots(kept: &[Kept]) -> String {
    if kept.is_empty() {
        return "Nothing is published yet. Next: concert ingest FILES".to_owned();
    }
    let mut text: String = kept
        .iter()
        .map(|kept| format!("{}  {}\n", kept.snapshot_id, kept.published_at))
        .collect();
    text.push_str("Next: concert sql \"…\" --as-of one of these, a date or a time");
    text
}

fn describe_optimized(done: &Optimized) -> String {
    if done.tables.is_empty() {
        return "Every table is in as few files as it needs. Nothing was changed.".to_owned();
    }
    let mut text = String::new();
    for table in &done.tables {
        text.push_str(&format!(
            "  {:<28} {:>6} files, {:>9}  ->  {:>4} files, {:>9}\n",
            format!("{}.{}", table.layer, table.table),
            table.files_before,
            size(table.bytes_before),
            table.files_after,
            size(table.bytes_after)
        ));
    }
    text.push_str(&format!(
        "Files: {} became {}, {} became {}. What is published is the same.\n\
         Next: concert lake vacuum removes the old files once no kept snapshot needs them",
        done.files_before,
        done.files_after,
        size(done.bytes_before),
        size(done.bytes_after)
    ));
    text
}

fn describe_vacuumed(done: &Vacuumed) -> String {
    let mut text = String::new();
    for table in &done.tables {
        text.push_str(&format!(
            "  {:<28} {:>6} files, {:>9}\n",
            format!("{}.{}", table.layer, table.table),
            table.files,
            size(table.bytes)
        ));
    }
    let (would, forgotten) = if done.dry_run {
        ("would be removed", "would be forgotten")
    } else {
        ("were removed", "are forgotten")
    };
    text.push_str(&format!(
        "Files that {would}: {}, {}. Snapshots that are kept: {}; that {forgotten}: {}.",
        done.files,
        size(done.bytes),
        done.snapshots_kept,
        done.snapshots_forgotten
    ));
    text
}

/// A number of bytes for people: three digits and a unit.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // What would be rounded up to four digits is the next unit's.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.decimals$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_999, "10.0 kB"),
            (99_960, "100 kB"),
            (999_600, "1.00 MB"),
            (1_234_567_890, "1.23 GB"),
            (5_000_000_000_000_000, "5000 TB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }
}
