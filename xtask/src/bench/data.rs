//! The way of data, measured with an optimised `concert`: how fast the generator is and what memory it takes, CSV to
//! published tables against DuckDB's and polars' CSV to Parquet on the same files in the same run, and the default world
//! from nothing to its publication.
//!
//! Each figure is the median of three runs, taken in turns, so that a machine that is busy for a while is busy for all.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Measured;
use crate::{
    context::Context,
    process::{cargo, output, program, run, step},
};

/// Purchases of the world that goes from CSV to tables, unless told otherwise.
pub const CSV_SALES: u64 = 1_000_000;

/// Purchases of the worlds that the generator is measured on, with as many concerts as are needed to sell them.
const GENERATED: [(u64, u32); 2] = [(1_000_000, 10_000), (10_000_000, 50_000)];

/// As in the default world.
pub(super) const CONCERTS_PER_VENUE: u32 = 20;
pub(super) const CONCERTS_PER_ARTIST: u32 = 10;
const DEFAULT_CONCERTS: u32 = 10_000;
/// A world of so many purchases a concert can always be made.
pub(super) const SALES_PER_CONCERT: u64 = 200;

const RUNS: usize = 3;

/// How often the peak of memory is read. The system counts it, so that only what is reached in the very last moment is
/// missed.
const WATCH: Duration = Duration::from_millis(5);

/// The day that the worlds are made on.
pub(super) const AS_OF: &str = "2026-03-01";

/// One run of a program.
#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    peak_mib: f64,
}

/// A line of the table.
struct Figure {
    name: String,
    runs: Vec<Run>,
    records: u64,
}

/// Builds, measures, and removes what was made on the way.
///
/// # Errors
/// The first step that failed.
pub fn measure(context: &Context, csv_sales: u64) -> Result<Measured> {
    let python = step("DuckDB and polars", || peers(context))?;
    let bench = Bench {
        concert: step("an optimised concert", || build(context))?,
        script: context.root.join("xtask/python-bench/csv_to_parquet.py"),
        python,
        folder: context.cache.join("bench/work"),
    };
    let _ = fs::remove_dir_all(&bench.folder);
    fs::create_dir_all(&bench.folder)?;
    let figures = bench.all(csv_sales);
    let _ = fs::remove_dir_all(&bench.folder);
    Ok(tell(&figures?, &machine()))
}

/// The environment with the programs that are measured against, and AWS's own client.
pub(super) fn peers(context: &Context) -> Result<PathBuf> {
    let folder = context.cache.join("python-bench");
    let python = folder.join("bin/python");
    let requirements = context.root.join("xtask/python-bench/requirements.txt");
    let key = fs::read_to_string(&requirements)?;
    if context.stamp("python-bench") != key || !python.is_file() {
        let _ = fs::remove_dir_all(&folder);
        run(program("python3").args(["-m", "venv"]).arg(&folder))
            .context("python3 with its module venv is needed: `cargo xtask setup python` brings it")?;
        run(program(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
            ])
            .arg("--requirement")
            .arg(&requirements))?;
        context.set_stamp("python-bench", &key)?;
    }
    Ok(python)
}

pub(super) fn build(context: &Context) -> Result<PathBuf> {
    let target = context.cache.join("target-release");
    run(cargo(context)
        .env("CARGO_TARGET_DIR", &target)
        .args(["build", "--release", "--package", "concert-cli"]))?;
    Ok(target.join("release/concert"))
}

struct Bench {
    concert: PathBuf,
    python: PathBuf,
    script: PathBuf,
    /// What is made on the way.
    folder: PathBuf,
}

impl Bench {
    fn all(&self, csv_sales: u64) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for (sales, concerts) in GENERATED {
            figures.push(step(&format!("{} M sales", sales / 1_000_000), || {
                self.generator(sales, concerts)
            })?);
        }
        figures.extend(step("CSV to tables", || self.csv_to_tables(csv_sales))?);
        figures.extend(step("the default world", || self.default_world())?);
        Ok(figures)
    }

    fn generator(&self, sales: u64, concerts: u32) -> Result<Figure> {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let out = self.folder.join("made");
            runs.push(watched(&mut self.generate(&out, sales, concerts, "parquet"))?.0);
            fs::remove_dir_all(&out)?;
        }
        Ok(Figure {
            name: format!("`concert generate --sales {sales} --format parquet`"),
            runs,
            records: sales,
        })
    }

    fn csv_to_tables(&self, sales: u64) -> Result<Vec<Figure>> {
        let csv = self.folder.join("csv");
        let concerts = u32::try_from(sales / SALES_PER_CONCERT)
            .unwrap_or(u32::MAX)
            .max(DEFAULT_CONCERTS);
        watched(&mut self.generate(&csv, sales, concerts, "csv"))?;
        let (records, bytes) = size_of(&csv)?;
        let (home, out) = (self.folder.join("home"), self.folder.join("out"));
        let (mut ours, mut duckdb, mut polars) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            ours.push(watched(self.ingest(&csv, &home).arg("--json"))?.0);
            fs::remove_dir_all(&home)?;
            for (engine, runs) in [("duckdb", &mut duckdb), ("polars", &mut polars)] {
                let mut command = program(&self.python);
                let (measured, printed) = watched(command.arg(&self.script).arg(engine).arg(&csv).arg(&out))?;
                // The script leaves out the interpreter's start.
                let seconds = printed.trim().parse().context("the script prints its seconds")?;
                runs.push(Run { seconds, ..measured });
                fs::remove_dir_all(&out)?;
            }
        }
        fs::remove_dir_all(&csv)?;
        let of = format!("{:.2} M rows, {} MiB of CSV", records as f64 / 1e6, bytes >> 20);
        Ok([
            ("`concert ingest`: kept raw, checked, clean, published", ours),
            ("DuckDB: CSV to Parquet (zstd)", duckdb),
            ("polars: CSV to Parquet (zstd)", polars),
        ]
        .into_iter()
        .map(|(name, runs)| Figure {
            name: format!("{name}; {of}"),
            runs,
            records,
        })
        .collect())
    }

    /// From nothing to its publication; then the publication alone, of the same clean tables.
    fn default_world(&self) -> Result<Vec<Figure>> {
        let (csv, home) = (self.folder.join("csv"), self.folder.join("home"));
        let (mut generated, mut ingested, mut published) = (Vec::new(), Vec::new(), Vec::new());
        let mut records = 0;
        for _ in 0..RUNS {
            let mut generate = program(&self.concert);
            generate.args(["generate", "--as-of", AS_OF, "--out"]).arg(&csv);
            generated.push(watched(&mut generate)?.0);
            ingested.push(watched(&mut self.ingest(&csv, &home))?.0);
            fs::remove_dir_all(home.join("lake/concert_dw"))?;
            fs::remove_file(home.join("lake/concert_dw.json"))?;
            let mut refine = program(&self.concert);
            refine.args(["refine", "--today", AS_OF, "--home"]).arg(&home);
            published.push(watched(&mut refine)?.0);
            (records, _) = size_of(&csv)?;
            fs::remove_dir_all(&csv)?;
            fs::remove_dir_all(&home)?;
        }
        let whole = generated
            .iter()
            .zip(&ingested)
            .map(|(a, b)| Run {
                seconds: a.seconds + b.seconds,
                peak_mib: a.peak_mib.max(b.peak_mib),
            })
            .collect();
        Ok([
            ("`concert generate`, the default world", generated),
            ("`concert ingest` of it, with publication", ingested),
            ("both together", whole),
            ("`concert refine`, its publication alone", published),
        ]
        .into_iter()
        .map(|(name, runs)| Figure {
            name: name.to_owned(),
            runs,
            records,
        })
        .collect())
    }

    fn generate(&self, out: &Path, sales: u64, concerts: u32, format: &str) -> Command {
        let mut command = program(&self.concert);
        let number = |number: u64| number.to_string();
        command
            .args(["generate", "--as-of", AS_OF, "--format", format])
            .args(["--sales", &number(sales), "--concerts", &number(concerts.into())])
            .args(["--venues", &number((concerts / CONCERTS_PER_VENUE).into())])
            .args(["--artists", &number((concerts / CONCERTS_PER_ARTIST).into())])
            .arg("--out")
            .arg(out);
        command
    }

    fn ingest(&self, csv: &Path, home: &Path) -> Command {
        let mut command = program(&self.concert);
        command
            .arg("ingest")
            .arg(csv)
            .args(["--today", AS_OF, "--home"])
            .arg(home);
        command
    }
}

/// Runs a program to its end; gives its time, the peak of its memory, and what it printed.
fn watched(command: &mut Command) -> Result<(Run, String)> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    // Both are read while it runs: a full pipe would stop it.
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let mut peak_kib = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_kib = peak_kib.max(peak_of(&child).unwrap_or(0));
        thread::sleep(WATCH);
    };
    let seconds = start.elapsed().as_secs_f64();
    let text = |pipe: Option<thread::JoinHandle<String>>| pipe.and_then(|read| read.join().ok()).unwrap_or_default();
    let (printed, said) = (text(stdout), text(stderr));
    if !status.success() {
        bail!("{command:?} ended with {status}: {}", said.trim_end());
    }
    let peak_mib = peak_kib as f64 / 1024.0;
    Ok((Run { seconds, peak_mib }, printed))
}

fn collect(mut pipe: impl std::io::Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What can no longer be read is not needed.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The most memory that a running process has held so far, in KiB.
fn peak_of(child: &Child) -> Option<u64> {
    let mut status = String::new();
    fs::File::open(format!("/proc/{}/status", child.id()))
        .ok()?
        .read_to_string(&mut status)
        .ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Rows (without the headers) and bytes of the CSV files of a folder. No value of a generated world holds a line's end.
fn size_of(folder: &Path) -> Result<(u64, u64)> {
    let (mut rows, mut size) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            let bytes = fs::read(&path)?;
            size += bytes.len() as u64;
            rows += (bytes.iter().filter(|byte| **byte == b'\n').count() as u64).saturating_sub(1);
        }
    }
    Ok((rows, size))
}

/// What the figures were taken on.
pub(super) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unknown processor", |(_, name)| name.trim());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_gib = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .map_or(0, |kib| kib >> 20);
    let day = output(Command::new("date").arg("+%Y-%m-%d")).unwrap_or_default();
    format!("{cores} cores of {cpu}, {memory_gib} GiB, {day}")
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn tell(figures: &[Figure], machine: &str) -> Measured {
    let mut table = format!("`cargo xtask bench data`, on {machine}. Each figure is the median of {RUNS} runs.\n\n");
    table.push_str("| what | time | peak memory | rows a second |\n|---|---:|---:|---:|\n");
    let mut documents: Vec<Value> = Vec::new();
    for figure in figures {
        let (seconds, peak_mib) = (
            median(&figure.runs, |run| run.seconds),
            median(&figure.runs, |run| run.peak_mib),
        );
        let rate = figure.records as f64 / seconds.max(f64::MIN_POSITIVE);
        let _ = writeln!(
            table,
            "| {} | {seconds:.2} s | {peak_mib:.0} MiB | {:.2} M |",
            figure.name,
            rate / 1e6
        );
        let runs: Vec<Value> = figure
            .runs
            .iter()
            .map(|run| json!({ "seconds": run.seconds, "peak_mib": run.peak_mib }))
            .collect();
        documents.push(json!({
            "name": figure.name,
            "seconds": seconds,
            "peak_mib": peak_mib,
            "records": figure.records,
            "records_per_second": rate,
            "runs": runs,
        }));
    }
    Measured {
        figures: json!({ "machine": machine, "as_of": AS_OF, "figures": documents }),
        table,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_watched() {
        let (run, printed) =
            watched(Command::new("sh").args(["-c", "sleep 0.1; echo done; echo noise >&2"])).expect("runs");
        assert_eq!(printed, "done\n");
        assert!(
            run.seconds >= 0.1 && run.peak_mib > 0.0,
            "{} s, {} MiB",
            run.seconds,
            run.peak_mib
        );
        let error = watched(Command::new("sh").args(["-c", "echo reason >&2; exit 3"]))
            .err()
            .expect("fails");
        assert!(error.to_string().ends_with("reason"), "{error}");
    }

    #[test]
    fn a_figure_is_the_median_of_its_runs() {
        let run = |seconds| Run { seconds, peak_mib: 2.0 };
        let measured = tell(
            &[Figure {
                name: "x".to_owned(),
                runs: vec![run(9.0), run(1.0), run(2.0)],
                records: 4_000_000,
            }],
            "a machine",
        );
        assert!(
            measured.table.ends_with("| x | 2.00 s | 2 MiB | 2.00 M |\n"),
            "{}",
            measured.table
        );
        assert_eq!(measured.figures["figures"][0]["records_per_second"], 2_000_000.0);
        assert_eq!(measured.figures["figures"][0]["runs"][0]["seconds"], 9.0);
    }
}
