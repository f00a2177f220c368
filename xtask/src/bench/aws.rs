//! The local AWS endpoint, measured with an optimised `concert` and AWS's own client: a statement, the first token of a
//! stream, the start on an existing home, memory at rest, and twenty analytical queries against DuckDB on the same Parquet
//! files in the same run (`xtask/python-bench/aws.py`).

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    Measured,
    data::{AS_OF, CONCERTS_PER_ARTIST, CONCERTS_PER_VENUE, SALES_PER_CONCERT, build, machine, peers},
};
use crate::{
    context::Context,
    process::{output, program, run, step},
};

/// Purchases of the world that is queried, unless told otherwise.
pub const SALES: u64 = 10_000_000;

/// Starts of which the median is told.
const STARTS: usize = 5;
/// What a start leaves behind, such as files that were read, is settled by then.
const REST: Duration = Duration::from_secs(3);

/// What is aimed at, told beside what was measured.
const START_MAX_S: f64 = 1.0;
const MEMORY_MAX_MIB: f64 = 150.0;
const RATIO_MAX: f64 = 1.5;

/// Builds, makes a world, measures, and removes the world.
///
/// # Errors
/// The first step that failed; answers of the two engines that differ are one.
pub fn measure(context: &Context, sales: u64) -> Result<Measured> {
    let python = step("AWS's client and DuckDB", || peers(context))?;
    let concert = step("an optimised concert", || build(context))?;
    let folder = context.cache.join("bench/aws");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let measured = all(context, &python, &concert, &folder, sales);
    let _ = fs::remove_dir_all(&folder);
    measured
}

fn all(context: &Context, python: &Path, concert: &Path, folder: &Path, sales: u64) -> Result<Measured> {
    let home = folder.join("home");
    step(&format!("a world of {sales} sales"), || {
        world(concert, folder, &home, sales)
    })?;
    let (start_s, memory_mib) = step("starts", || starts(concert, &home))?;
    let server = Server::start(concert, &home)?;
    let script = context.root.join("xtask/python-bench/aws.py");
    let printed = step("statements, streams, queries", || {
        output(program(python).arg(script).arg(&server.url).arg(&home))
    })?;
    let mut figures: Value = serde_json::from_str(&printed).context("the script prints one JSON document")?;
    figures["start_s"] = json!(start_s);
    figures["memory_at_rest_mib"] = json!(memory_mib);
    figures["machine"] = json!(machine());
    Ok(Measured {
        table: table(&figures)?,
        figures,
    })
}

fn world(concert: &Path, folder: &Path, home: &Path, sales: u64) -> Result<()> {
    let made = folder.join("made");
    let concerts = (sales / SALES_PER_CONCERT).max(1_000);
    let per = |number: u32| (concerts / u64::from(number)).to_string();
    run(program(concert)
        .args(["generate", "--as-of", AS_OF, "--format", "parquet"])
        .args(["--sales", &sales.to_string(), "--concerts", &concerts.to_string()])
        .args([
            "--venues",
            &per(CONCERTS_PER_VENUE),
            "--artists",
            &per(CONCERTS_PER_ARTIST),
        ])
        .arg("--out")
        .arg(&made))?;
    run(program(concert)
        .arg("ingest")
        .arg(&made)
        .args(["--today", AS_OF, "--home"])
        .arg(home)
        .stdout(Stdio::null()))?;
    fs::remove_dir_all(&made).with_context(|| format!("cannot remove {}", made.display()))
}

/// The median time from the start of the process to its first answer, in seconds, and the memory that it holds at rest
/// then, in MiB.
fn starts(concert: &Path, home: &Path) -> Result<(f64, f64)> {
    let mut times = Vec::new();
    let mut memory_mib: f64 = 0.0;
    for _ in 0..STARTS {
        let start = Instant::now();
        let server = Server::start(concert, home)?;
        server.answers()?;
        times.push(start.elapsed().as_secs_f64());
        thread::sleep(REST);
        memory_mib = memory_mib.max(server.memory_mib()?);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], memory_mib))
}

/// `concert aws` on a free port; it ends with this value.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(concert: &Path, home: &Path) -> Result<Server> {
        let mut process = program(concert)
            .args(["aws", "--port", "0", "--today", AS_OF, "--home"])
            .arg(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start concert aws")?;
        let stdout = process.stdout.take().context("standard output is piped")?;
        let mut server = Server {
            process,
            url: String::new(),
        };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let Some(url) = line.trim().strip_prefix("AWS endpoint at ") else {
            bail!("concert aws said {line:?} and not where it listens");
        };
        url.clone_into(&mut server.url);
        Ok(server)
    }

    /// One whole request.
    fn answers(&self) -> Result<()> {
        use std::io::{Read as _, Write as _};
        let address = self.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address)?;
        write!(
            stream,
            "GET /_concert/health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 200") {
            bail!("concert aws is not well: {answer}");
        }
        Ok(())
    }

    fn memory_mib(&self) -> Result<f64> {
        let path = PathBuf::from(format!("/proc/{}/status", self.process.id()));
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let kib: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
            .context("the system does not tell a process's memory")?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn table(figures: &Value) -> Result<String> {
    let number = |name: &str| {
        figures[name]
            .as_f64()
            .with_context(|| format!("the script gives no {name}"))
    };
    let text = |name: &str| {
        figures[name]
            .as_str()
            .with_context(|| format!("the script gives no {name}"))
    };
    let mut table = format!(
        "`cargo xtask bench aws`, on {}; {} purchases. Requests are whole ones through boto3.\n\n| what | measured | aim |\n|---|---:|---:|\n",
        text("machine")?,
        figures["sales"]
    );
    let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
    for (what, measured, aim) in [
        (
            "`SELECT 1`: executed and its result fetched",
            ms(number("select_1_s")?),
            String::new(),
        ),
        (
            "first token of ConverseStream",
            ms(number("first_token_s")?),
            String::new(),
        ),
        (
            "start to first answer on an existing home",
            ms(number("start_s")?),
            format!("{} ms", START_MAX_S * 1e3),
        ),
        (
            "memory at rest",
            format!("{:.0} MiB", number("memory_at_rest_mib")?),
            format!("{MEMORY_MAX_MIB} MiB"),
        ),
        (
            "twenty queries, our time by DuckDB's, geometric mean",
            format!("{:.2}", number("geometric_mean")?),
            format!("{RATIO_MAX}"),
        ),
    ] {
        let _ = writeln!(table, "| {what} | {measured} | {aim} |");
    }
    table.push_str("\n| query | ours | DuckDB | ratio |\n|---|---:|---:|---:|\n");
    for query in figures["queries"].as_array().context("the script gives no queries")? {
        let value = |name: &str| query[name].as_f64().unwrap_or(f64::NAN);
        let _ = writeln!(
            table,
            "| {} | {} | {} | {:.2} |",
            query["name"].as_str().unwrap_or_default(),
            ms(value("ours_s")),
            ms(value("duckdb_s")),
            value("ratio")
        );
    }
    let _ = write!(
        table,
        "\nThe worst is \"{}\"; its plan:\n\n```\n{}\n```\n",
        text("worst")?,
        text("worst_plan")?.trim_end()
    );
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_every_figure() {
        let figures = json!({
            "machine": "a machine", "sales": 10, "select_1_s": 0.005, "first_token_s": 0.002, "start_s": 0.5,
            "memory_at_rest_mib": 99.6, "geometric_mean": 1.234, "worst": "x", "worst_plan": "scan\n",
            "queries": [{"name": "x", "ours_s": 0.2, "duckdb_s": 0.1, "ratio": 2.0, "rows": 1}],
        });
        let table = table(&figures).expect("a table");
        for part in [
            "| 5.0 ms |",
            "| 500.0 ms | 1000 ms |",
            "| 100 MiB | 150 MiB |",
            "| 1.23 | 1.5 |",
            "| x | 200.0 ms | 100.0 ms | 2.00 |",
            "```\nscan\n```",
        ] {
            assert!(table.contains(part), "no {part} in {table}");
        }
        let mut without = figures;
        without["worst"] = Value::Null;
        assert!(super::table(&without).is_err());
    }
}
