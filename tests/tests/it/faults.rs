//! What a killed process leaves. The real command is killed at random moments of its work: whatever it was at, the
//! tables open, the counts close, questions are answered from the state of before or the one of after, and running it
//! again ends where a run that nobody disturbed ends.
//!
//! The moments come from a seed that is printed; `CONCERT_SEED` repeats it, as far as a machine repeats its timing.

use crate::support::{concert, copy};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const TODAY: &str = "2026-03-01";

/// How many kills of each kind of work: five in all, and fifty with `CONCERT_LONG=1`.
const KINDS: [(Work, usize, usize); 4] = [
    (Work::Generate, 1, 10),
    (Work::Ingest, 2, 24),
    (Work::Optimize, 1, 8),
    (Work::Vacuum, 1, 8),
];

/// A run that ends before its moment comes is no test. The next try is at an earlier one.
const TRIES: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Generate,
    Ingest,
    Optimize,
    Vacuum,
}

fn is_long() -> bool {
    std::env::var_os("CONCERT_LONG").is_some_and(|value| value == "1")
}

/// Moments without a library: splitmix64 (Steele, Lea and Flood 2014).
struct Moments(u64);

impl Moments {
    fn new() -> Result<Moments> {
        let seed = match std::env::var("CONCERT_SEED") {
            Ok(seed) => seed.parse().context("CONCERT_SEED is a whole number")?,
            Err(_) => u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() % 1_000_000_007)?,
        };
        eprintln!("kills from CONCERT_SEED={seed}");
        Ok(Moments(seed))
    }

    /// 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}

fn command(arguments: &[&str], home: &Path) -> Result<Command> {
    let mut command = concert()?;
    command
        .args(arguments)
        .arg("--home")
        .arg(home)
        .env("CONCERT_TODAY", TODAY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in [
        "CONCERT_LAKE",
        "CONCERT_S3_DIR",
        "CONCERT_AWS_ENDPOINT",
        "CONCERT_WORKGROUP",
        "CONCERT_MODELS",
    ] {
        command.env_remove(name);
    }
    Ok(command)
}

fn succeeds(arguments: &[&str], home: &Path) -> Result<String> {
    let output = command(arguments, home)?.output()?;
    ensure!(
        output.status.success(),
        "{arguments:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn json(arguments: &[&str], home: &Path) -> Result<Value> {
    let text = succeeds(&[arguments, &["--json"]].concat(), home)?;
    serde_json::from_str(&text).with_context(|| format!("{arguments:?}: {text}"))
}

/// Every column of the published tables but the times of loads, which no two runs share.
const TABLES: [(&str, &[&str]); 12] = [
    (
        "artists",
        &[
            "artist_id",
            "name",
            "genre",
            "popularity_score",
            "formation_date",
            "home_city",
            "home_country",
        ],
    ),
    ("artist_genres", &["artist_id", "genre"]),
    ("artist_members", &["artist_id", "member"]),
    (
        "venues",
        &[
            "venue_id",
            "name",
            "city",
            "state",
            "country",
            "latitude",
            "longitude",
            "timezone",
            "capacity",
            "venue_type",
        ],
    ),
    ("venue_amenities", &["venue_id", "amenity"]),
    (
        "concerts",
        &[
            "concert_id",
            "artist_id",
            "venue_id",
            "event_date",
            "starts_at",
            "announced_at",
            "status",
            "total_attendance",
            "revenue",
            "currency",
        ],
    ),
    ("concert_prices", &["concert_id", "tier", "price", "currency"]),
    ("customers", &["customer_id", "segment", "city", "state", "joined_at"]),
    (
        "ticket_sales",
        &[
            "sale_id",
            "concert_id",
            "customer_id",
            "price_tier",
            "quantity",
            "unit_price",
            "currency",
            "channel",
            "purchase_timestamp",
            "customer_segment",
        ],
    ),
    (
        "daily_sales",
        &["sale_date", "concert_id", "tickets", "revenue", "currency"],
    ),
    (
        "venue_popularity",
        &[
            "venue_id",
            "popularity_rank",
            "avg_attendance_rate",
            "revenue_per_event",
            "booking_frequency",
        ],
    ),
    (
        "artist_performance",
        &[
            "artist_id",
            "total_concerts",
            "avg_ticket_sales",
            "revenue_generated",
            "fan_engagement_score",
            "growth_trend",
        ],
    ),
];

/// What is published, as `concert sql` gives it: each row once, in order, and the values that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Content(Vec<String>);

impl Content {
    fn of(home: &Path) -> Result<Content> {
        let mut parts: Vec<String> = TABLES
            .iter()
            .map(|(table, columns)| {
                let values: Vec<String> = columns
                    .iter()
                    .map(|column| format!("coalesce(cast({column} as varchar), '-')"))
                    .collect();
                format!("select '{table} ' || {} as r from {table}", values.join(" || ' ' || "))
            })
            .collect();
        parts.push(
            "select 'values ' || dimension || ' ' || value || ' ' || label || ' ' || cast(weight as varchar) as r \
             from catalogue_values"
                .to_owned(),
        );
        parts.push(
            "select 'publication ' || table_name || ' ' || cast(row_count as varchar) || ' ' || filled_columns as r \
             from publication"
                .to_owned(),
        );
        let answer = json(
            &[
                "sql",
                &format!("select r from ({}) all_rows order by r", parts.join(" union all ")),
            ],
            home,
        )?;
        ensure!(answer["truncated"] == false, "the world is too large for one answer");
        let rows = answer["rows"].as_array().context("rows")?;
        let rows = rows
            .iter()
            .map(|row| row[0].as_str().map(str::to_owned).context("a text"));
        Ok(Content(rows.collect::<Result<_>>()?))
    }

    /// The first rows in which two differ.
    fn difference(&self, other: &Content) -> String {
        let missing = self.0.iter().filter(|row| !other.0.contains(row)).take(3);
        let extra = other.0.iter().filter(|row| !self.0.contains(row)).take(3);
        format!(
            "only here {:?}, only there {:?}",
            missing.collect::<Vec<_>>(),
            extra.collect::<Vec<_>>()
        )
    }
}

/// What the doctor says of the checks that a kill must not harm: none is an error. Returns the states by name.
fn doctor(home: &Path) -> Result<BTreeMap<String, String>> {
    let output = command(&["doctor", "--json"], home)?.output()?;
    let report: Value =
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let mut states = BTreeMap::new();
    for check in report["checks"].as_array().context("checks")? {
        ensure!(check["state"] != "error", "{check}");
        let text = |field: &str| check[field].as_str().map(str::to_owned).context("a text");
        states.insert(text("name")?, text("state")?);
    }
    ensure!(output.status.success());
    for looked_at in ["files", "counts", "references", "marts"] {
        ensure!(
            states.get(looked_at).is_some_and(|state| state == "ok"),
            "{looked_at}: {states:?}"
        );
    }
    Ok(states)
}

/// What stands in quarantine, without when it came.
fn quarantine(home: &Path) -> Result<Vec<String>> {
    let listed = json(&["quarantine", "list"], home)?;
    let records = listed
        .as_array()
        .or_else(|| listed["records"].as_array())
        .context("a list")?;
    let mut records: Vec<String> = records
        .iter()
        .map(|record| {
            format!(
                "{} {} {} {}",
                record["table"], record["line"], record["rule"], record["original"]
            )
        })
        .collect();
    records.sort();
    Ok(records)
}

/// The files of a folder and its folders, with their bytes.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = PathBuf::from(path.file_name().context("a name")?);
        if path.is_dir() {
            found.extend(
                files(&path)?
                    .into_iter()
                    .map(|(below, bytes)| (name.join(below), bytes)),
            );
        } else {
            found.insert(name, fs::read(&path)?);
        }
    }
    Ok(found)
}

const BEFORE: &[&str] = &[
    "--concerts",
    "30",
    "--artists",
    "6",
    "--venues",
    "5",
    "--sales",
    "120",
    "--seed",
    "1",
];
const AFTER: &[&str] = &[
    "--concerts",
    "40",
    "--artists",
    "8",
    "--venues",
    "6",
    "--sales",
    "200",
    "--seed",
    "2",
];

fn generate(world: &[&str], out: &str, home: &Path) -> Result<Command> {
    let arguments = [&["generate", "--as-of", TODAY, "--out", out], world].concat();
    command(&arguments, home)
}

/// Runs a command and kills it after this share of `takes`; whether it was killed before it ended.
fn killed(mut command: Command, takes: Duration, moment: f64) -> Result<bool> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // The moment is what is tested.
    sleep(takes.mul_f64(moment));
    let ended = child.try_wait()?.is_some();
    if !ended {
        child.kill()?;
    }
    child.wait()?;
    Ok(!ended)
}

/// What is compared with, from runs that nobody disturbed.
struct Reference {
    /// Removed at the end.
    folder: tempfile::TempDir,
    /// How long each kind of work takes.
    takes: BTreeMap<&'static str, Duration>,
    old: Content,
    new: Content,
    quarantine: Vec<String>,
}

impl Reference {
    /// `home` holds the first world, `loaded` the second one as well.
    fn make() -> Result<Reference> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let text = |name: &str| path(name).display().to_string();
        let mut takes = BTreeMap::new();
        let timed = |command: &mut Command| -> Result<Duration> {
            let start = Instant::now();
            let output: Output = command.output()?;
            ensure!(
                output.status.success(),
                "{command:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(start.elapsed())
        };
        timed(&mut generate(BEFORE, &text("before"), &path("home"))?)?;
        takes.insert("generate", timed(&mut generate(AFTER, &text("after"), &path("home"))?)?);
        copy(&path("after"), &path("generated"))?;
        // Two records that no table takes: what is put aside must survive a kill as well.
        let concerts = path("after").join("concerts.csv");
        let mut lines = fs::read_to_string(&concerts)?;
        let columns = lines.lines().next().context("a header")?.split(',').count();
        for id in ["bad-1", "bad-2"] {
            lines.push_str(&format!("{id}{}\n", ",".repeat(columns - 1)));
        }
        fs::write(&concerts, lines)?;

        succeeds(&["ingest", &text("before")], &path("home"))?;
        let old = Content::of(&path("home"))?;
        copy(&path("home"), &path("loaded"))?;
        takes.insert(
            "ingest",
            timed(&mut command(&["ingest", &text("after")], &path("loaded"))?)?,
        );
        let new = Content::of(&path("loaded"))?;
        ensure!(old != new, "the second load changes nothing");
        let quarantine = quarantine(&path("loaded"))?;
        ensure!(quarantine.len() == 2, "{quarantine:?}");
        doctor(&path("loaded"))?;

        copy(&path("loaded"), &path("optimized"))?;
        takes.insert("optimize", timed(&mut command(OPTIMIZE, &path("optimized"))?)?);
        ensure!(
            Content::of(&path("optimized"))? == new,
            "optimize changes what is published"
        );
        copy(&path("optimized"), &path("vacuumed"))?;
        takes.insert("vacuum", timed(&mut command(VACUUM, &path("vacuumed"))?)?);
        Ok(Reference {
            folder,
            takes,
            old,
            new,
            quarantine,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn killed(&self, work: &'static str, moments: &mut Moments, make: impl Fn() -> Result<Command>) -> Result<()> {
        let takes = self.takes[work];
        for attempt in 0..TRIES {
            // Later tries are earlier: what slowed the undisturbed run down may be over.
            let moment = moments.next() * 0.8_f64.powi(i32::try_from(attempt)?);
            if killed(make()?, takes, moment)? {
                eprintln!("{work} killed after {:.0} ms", takes.as_secs_f64() * moment * 1000.0);
                return Ok(());
            }
        }
        bail!("{work} always ended before its moment, {takes:?} at most");
    }

    fn generate(&self, moments: &mut Moments) -> Result<()> {
        let out = self.path("out");
        let _ = fs::remove_dir_all(&out);
        let (name, home) = (out.display().to_string(), self.path("nothing"));
        self.killed("generate", moments, || {
            let _ = fs::remove_dir_all(&out);
            generate(AFTER, &name, &home)
        })?;
        // What is there may be taken in at any time: a file under its name is whole.
        let whole = files(&self.path("generated"))?;
        if out.is_dir() {
            for (file, bytes) in files(&out)? {
                if let Some(expected) = whole.get(&file) {
                    ensure!(*expected == bytes, "{} is half written", file.display());
                }
            }
        }
        let output = generate(AFTER, &name, &home)?.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let again = files(&out)?;
        ensure!(
            again.keys().eq(whole.keys()),
            "{:?} and not {:?}",
            again.keys().collect::<Vec<_>>(),
            whole.keys().collect::<Vec<_>>()
        );
        ensure!(again == whole, "the files differ");
        Ok(())
    }

    fn ingest(&self, moments: &mut Moments) -> Result<()> {
        let (home, after) = (self.path("trial"), self.path("after").display().to_string());
        self.killed("ingest", moments, || {
            let _ = fs::remove_dir_all(&home);
            copy(&self.path("home"), &home)?;
            command(&["ingest", &after], &home)
        })?;
        let left = Content::of(&home)?;
        ensure!(
            left == self.old || left == self.new,
            "neither the old state nor the new one: {}",
            left.difference(&self.new)
        );
        doctor(&home)?;
        succeeds(&["ingest", &after], &home)?;
        self.is_settled(&home)?;
        Ok(())
    }

    fn maintain(&self, work: &'static str, from: &str, arguments: &[&str], moments: &mut Moments) -> Result<()> {
        let home = self.path("trial");
        self.killed(work, moments, || {
            let _ = fs::remove_dir_all(&home);
            copy(&self.path(from), &home)?;
            command(arguments, &home)
        })?;
        let left = Content::of(&home)?;
        ensure!(
            left == self.new,
            "{work} changed what is published: {}",
            left.difference(&self.new)
        );
        doctor(&home)?;
        succeeds(arguments, &home)?;
        self.is_settled(&home)
    }

    /// As after runs that nobody disturbed: the same rows, the same records put aside, and nothing left over.
    fn is_settled(&self, home: &Path) -> Result<()> {
        let end = Content::of(home)?;
        ensure!(end == self.new, "another end: {}", end.difference(&self.new));
        ensure!(quarantine(home)? == self.quarantine, "other records are in quarantine");
        let states = doctor(home)?;
        for check in ["leftovers", "loads", "published"] {
            ensure!(
                states.get(check).is_some_and(|state| state == "ok"),
                "{check}: {states:?}"
            );
        }
        Ok(())
    }
}

const OPTIMIZE: &[&str] = &["lake", "optimize", "--full"];
const VACUUM: &[&str] = &["lake", "vacuum", "--keep", "1"];

#[test]
fn a_killed_process_leaves_the_old_state_or_the_new_one_and_a_rerun_ends_as_ever() -> Result<()> {
    let mut moments = Moments::new()?;
    let reference = Reference::make()?;
    for (work, few, many) in KINDS {
        for kill in 0..if is_long() { many } else { few } {
            match work {
                Work::Generate => reference.generate(&mut moments),
                Work::Ingest => reference.ingest(&mut moments),
                Work::Optimize => reference.maintain("optimize", "loaded", OPTIMIZE, &mut moments),
                Work::Vacuum => reference.maintain("vacuum", "optimized", VACUUM, &mut moments),
            }
            .with_context(|| format!("{work:?}, kill {}", kill + 1))?;
        }
    }
    Ok(())
}

/// A small file system in memory, gone when dropped.
struct Mount(PathBuf);

impl Mount {
    /// None where this process may not mount.
    fn new(folder: &Path, mib: u32) -> Option<Mount> {
        fs::create_dir_all(folder).ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Mount(folder.to_owned()))
    }

    fn remount(&self, options: &str) -> Result<()> {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0)
            .status()?;
        ensure!(status.success(), "remount {options}");
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A mount that stays is seen by whoever looks; there is nothing to be done about it here.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_or_read_only_changes_nothing_and_is_named() -> Result<()> {
    if !is_long() {
        eprintln!("skipped: real mounts are tried with CONCERT_LONG=1");
        return Ok(());
    }
    let reference = Reference::make()?;
    let Some(mount) = Mount::new(&reference.path("disk"), 64) else {
        eprintln!("skipped: this process may not mount a file system");
        return Ok(());
    };
    let home = reference.path("disk").join("home");
    copy(&reference.path("home"), &home)?;
    let after = reference.path("after").display().to_string();
    let refused = |words: &[&str]| -> Result<()> {
        let output = command(&["ingest", &after], &home)?.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
        ensure!(words.iter().any(|word| said.to_lowercase().contains(word)), "{said}");
        ensure!(Content::of(&home)? == reference.old, "what is published changed");
        Ok(())
    };
    // Filled to the last byte but a few, at several places: whatever it is that no longer fits.
    let filler = reference.path("disk").join("filler");
    for free_kib in [4_u64, 64, 256] {
        let _ = fs::remove_file(&filler);
        let output = Command::new("df")
            .args(["--output=avail", "-k"])
            .arg(&mount.0)
            .output()?;
        let free = String::from_utf8(output.stdout)?;
        let free: u64 = free.lines().last().context("a line")?.trim().parse()?;
        fs::write(&filler, vec![0; usize::try_from(free.saturating_sub(free_kib) * 1024)?])?;
        refused(&["space", "full"])?;
    }
    fs::remove_file(&filler)?;
    mount.remount("ro")?;
    refused(&["read-only", "read only"])?;
    mount.remount("rw,size=256m")?;
    succeeds(&["ingest", &after], &home)?;
    reference.is_settled(&home)
}
