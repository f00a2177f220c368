//! `concert doctor` in homes that are well and in homes that were damaged, and `concert status` beside it.

use crate::support::{concert, copy};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

const TODAY: &str = "2024-06-10";

const ARTISTS: &str = "artist_id,name\na1,Ann\n";
const VENUES: &str = "venue_id,name,capacity\nv1,Hall,100\n";
const CONCERTS: &str = "concert_id,artist_id,venue_id,event_date,total_attendance,revenue,currency\n\
                        c1,a1,v1,2024-06-01,80,800,USD\nc2,a1,v1,2024-06-05,90,900,USD\n";
const SALES: &str = "sale_id,concert_id,quantity,unit_price,currency,purchase_timestamp\n\
                     s1,c1,2,10,USD,2024-05-01T10:00:00Z\n";

fn run(arguments: &[&str], home: &Path, settings: &[(&str, &str)]) -> Result<Output> {
    let mut command = concert()?;
    command.args(arguments).args(["--json", "--home"]).arg(home);
    for (name, _) in std::env::vars() {
        if name.starts_with("CONCERT_") || name.starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    Ok(command
        .env("CONCERT_TODAY", TODAY)
        .envs(settings.iter().copied())
        .output()?)
}

fn json(output: &Output) -> Result<Value> {
    serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Loads files of these names and contents.
fn load(home: &Path, files: &[(&str, &str)]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (table, content) in files {
        fs::write(folder.path().join(format!("{table}.csv")), content)?;
    }
    let output = run(&["ingest", &folder.path().display().to_string()], home, &[])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The only Parquet file of a published table.
fn data_file(home: &Path, table: &str) -> Result<PathBuf> {
    let folder = home.join("lake/concert_dw").join(table);
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            return Ok(path);
        }
    }
    anyhow::bail!("{} has no data", folder.display())
}

/// A change to the pointer of the published tables.
fn pointer(home: &Path, change: impl Fn(&mut Value)) -> Result<()> {
    let path = home.join("lake/concert_dw.json");
    let mut pointer: Value = serde_json::from_slice(&fs::read(&path)?)?;
    change(&mut pointer);
    fs::write(path, serde_json::to_vec(&pointer)?)?;
    Ok(())
}

type Damage = fn(&Path) -> Result<()>;

/// What is done to a home that is well; settings; the check that sees it, its state, and words of what it says.
struct Case {
    name: &'static str,
    damage: Damage,
    settings: &'static [(&'static str, &'static str)],
    expected: [&'static str; 3],
}

const fn case(name: &'static str, damage: Damage, expected: [&'static str; 3]) -> Case {
    Case {
        name,
        damage,
        settings: &[],
        expected,
    }
}

const fn set(settings: &'static [(&'static str, &'static str)], expected: [&'static str; 3]) -> Case {
    Case {
        name: "settings",
        damage: |_| Ok(()),
        settings,
        expected,
    }
}

const CASES: [Case; 12] = [
    case(
        "a file is gone",
        |home| Ok(fs::remove_file(data_file(home, "concerts")?)?),
        ["files", "error", "is not there"],
    ),
    case(
        "a file is cut",
        |home| {
            Ok(fs::OpenOptions::new()
                .write(true)
                .open(data_file(home, "venues")?)?
                .set_len(10)?)
        },
        ["files", "error", "has 10 bytes"],
    ),
    case(
        "a version is gone",
        |home| pointer(home, |pointer| pointer["tables"]["artists"] = 999.into()),
        ["files", "error", "concert_dw.artists: version 999 does not open"],
    ),
    case(
        "the pointer is no pointer",
        |home| Ok(fs::write(home.join("lake/concert_dw.json"), "{\"id\": ")?),
        ["lake", "error", "concert_dw.json"],
    ),
    case(
        "the lake is a file",
        |home| {
            fs::remove_dir_all(home.join("lake"))?;
            Ok(fs::write(home.join("lake"), "")?)
        },
        ["lake", "error", "lake"],
    ),
    case(
        "the publication is behind",
        |home| {
            let old = fs::read(home.join("lake/concert_dw.json"))?;
            load(home, &[("artists", "artist_id,name\na2,Bob\n")])?;
            Ok(fs::write(home.join("lake/concert_dw.json"), old)?)
        },
        ["published", "warning", "loaded and not published: artists"],
    ),
    case(
        "a writer was stopped",
        |home| {
            let old = fs::read(home.join("lake/concert_dw.json"))?;
            load(home, &[("artists", "artist_id,name\na2,Bob\n")])?;
            Ok(fs::write(home.join("lake/concert_dw.json"), old)?)
        },
        ["leftovers", "warning", "concert_dw.artist"],
    ),
    case(
        "much is put aside",
        |home| {
            load(
                home,
                &[("concerts", "concert_id,artist_id,venue_id,event_date\nx1,a1,v1,soon\n")],
            )
        },
        ["quarantine", "warning", "1 of concerts"],
    ),
    case(
        "concerts came before their venue",
        |home| {
            let concerts = "concert_id,artist_id,venue_id,event_date\nc3,a1,v9,2024-06-06\n";
            load(home, &[("concerts", concerts)])
        },
        [
            "references",
            "warning",
            "1 of 3 concerts have a venue_id that venues does not have",
        ],
    ),
    set(
        &[("CONCERT_TODAY", "2024-07-01")],
        [
            "freshness",
            "warning",
            "the last complete day is 2024-06-05, 26 days ago",
        ],
    ),
    set(
        &[("CONCERT_TODAY", "10.6.2024"), ("CONCERT_CURRENCY", "dollars")],
        [
            "settings",
            "error",
            "CONCERT_CURRENCY is \"dollars\": write the three letters of a currency, such as USD; CONCERT_TODAY is",
        ],
    ),
    set(
        &[
            ("CONCERT_AWS_ENDPOINT", "http://127.0.0.1:9"),
            ("CONCERT_WORKGROUP", "concert"),
            ("CONCERT_MODELS", "local.planner"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ],
        ["endpoint", "error", "http://127.0.0.1:9 does not answer"],
    ),
];

#[test]
fn the_doctor_sees_what_is_wrong_and_says_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let well = folder.path().join("well");
    let files = [
        ("artists", ARTISTS),
        ("venues", VENUES),
        ("concerts", CONCERTS),
        ("ticket_sales", SALES),
    ];
    load(&well, &files)?;
    let output = run(&["doctor"], &well, &[])?;
    let report = json(&output)?;
    ensure!(output.status.success(), "{report:#}");
    ensure!(
        report["state"] == "ok" && report["errors"] == 0 && report["warnings"] == 0,
        "{report:#}"
    );
    let checks = report["checks"].as_array().context("checks")?;
    ensure!(checks.iter().all(|check| check["state"] == "ok"), "{report:#}");
    // Nothing is changed by looking.
    ensure!(json(&run(&["doctor"], &well, &[])?)? == report);

    for (index, case) in CASES.iter().enumerate() {
        let home = folder.path().join(format!("case-{index}"));
        copy(&well, &home)?;
        (case.damage)(&home).with_context(|| case.name)?;
        let output = run(&["doctor"], &home, case.settings)?;
        let report = json(&output)?;
        let [name, state, words] = case.expected;
        let check = report["checks"]
            .as_array()
            .context("checks")?
            .iter()
            .find(|check| check["name"] == name)
            .with_context(|| format!("{}: {report:#}", case.name))?;
        ensure!(check["state"] == state, "{}: {check:#}", case.name);
        let found = check["found"].as_str().context("a text")?;
        ensure!(found.contains(words), "{}: {found}", case.name);
        for told in ["means", "mend"] {
            ensure!(
                check[told].as_str().is_some_and(|text| !text.is_empty()),
                "{}: {check:#}",
                case.name
            );
        }
        let is_error = state == "error";
        ensure!(
            output.status.code() == Some(i32::from(is_error)),
            "{}: {}",
            case.name,
            output.status
        );
        ensure!(report["state"] == state, "{}: {report:#}", case.name);
        fs::remove_dir_all(&home)?;
    }
    Ok(())
}

#[test]
fn the_status_says_what_is_loaded_and_what_to_do_next() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("home");
    let status = || json(&run(&["status"], &home, &[])?);
    ensure!(status()?["findings"][0]["found"] == "nothing is loaded");
    load(&home, &[("artists", ARTISTS), ("concerts", CONCERTS)])?;
    let report = status()?;
    let found = report["findings"].as_array().context("findings")?.iter();
    let found: Vec<&str> = found.filter_map(|finding| finding["found"].as_str()).collect();
    ensure!(found == ["there are concerts, and no venues"], "{found:?}");
    ensure!(report["runs"] == 1 && report["snapshots"] == 1, "{report:#}");
    load(&home, &[("venues", VENUES)])?;
    let report = status()?;
    ensure!(report["findings"] == serde_json::json!([]), "{report:#}");
    ensure!(report["data"]["last_complete_day"] == "2024-06-05", "{report:#}");

    // What was loaded and not published, concert refine publishes.
    let pointer = home.join("lake/concert_dw.json");
    let old = fs::read(&pointer)?;
    load(&home, &[("artists", "artist_id,name\na2,Bob\n")])?;
    fs::write(&pointer, old)?;
    ensure!(status()?["unpublished"] == serde_json::json!(["artists"]));
    let published = json(&run(&["refine"], &home, &[])?)?;
    ensure!(published["changed"] == true, "{published}");
    ensure!(status()?["unpublished"] == serde_json::json!([]));
    let again = json(&run(&["refine"], &home, &[])?)?;
    ensure!(
        again["changed"] == false && again["snapshot_id"] == published["snapshot_id"],
        "{again}"
    );
    Ok(())
}
