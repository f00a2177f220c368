//! `cargo xtask bench query`: how long the query compiler and the guard take on this machine, optimised, and how many
//! bytes an edge grows by them: the difference between modules that hold neither, the one, and both, each after
//! wasm-bindgen and wasm-opt, and compressed.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::{
    context::Context,
    process::{cargo, output, run},
    setup::{self, Part, TARGET},
    wasm,
};

const PACKAGE: &str = "concert-bench";
/// What a compilation may take at most.
const COMPILE_MAX_US: f64 = 100.0;
/// What the guard may take at most for a statement of 1 KB.
const GUARD_MAX_US: f64 = 200.0;

/// The figures: `{compile: [{query, median_us, p99_us}], guard: […], bytes: [{holds, wasm, gzip}]}`.
///
/// # Errors
/// The first step that failed.
pub fn measure(context: &Context) -> Result<Value> {
    let mut command = cargo(context);
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        PACKAGE,
        "--features",
        "compile,guard",
        "--bin",
        PACKAGE,
    ]);
    let text = output(&mut command)?;
    let mut figures: Value = serde_json::from_str(text.trim()).context("concert-bench prints JSON")?;
    setup::ensure(context, &[Part::Wasm, Part::Node])?;
    let mut bytes = Vec::new();
    for (holds, features) in [
        ("neither", ""),
        ("the compiler", "compile"),
        ("compiler and guard", "guard"),
    ] {
        let (wasm, gzip) = size(context, features)?;
        bytes.push(json!({"holds": holds, "wasm": wasm, "gzip": gzip}));
    }
    if let Some(fields) = figures.as_object_mut() {
        fields.insert("bytes".to_owned(), Value::Array(bytes));
    }
    Ok(figures)
}

/// The figures as a table, with what they may be at most.
pub fn table(figures: &Value) -> String {
    let mut text = String::from("| what | median | slowest of 99 in 100 | at most |\n|---|---:|---:|---:|\n");
    let rows = |name: &str| figures.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let number = |row: &Value, name: &str| row.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    for row in rows("compile") {
        let query = row.get("query").and_then(Value::as_str).unwrap_or_default().to_owned();
        text.push_str(&format!(
            "| compile: {query} | {:.1} µs | {:.1} µs | {COMPILE_MAX_US} µs |\n",
            number(&row, "median_us"),
            number(&row, "p99_us")
        ));
    }
    for row in rows("guard") {
        text.push_str(&format!(
            "| guard: {} bytes | {:.1} µs | {:.1} µs | {GUARD_MAX_US} µs |\n",
            number(&row, "bytes"),
            number(&row, "median_us"),
            number(&row, "p99_us")
        ));
    }
    text.push_str("\n| WebAssembly that holds | bytes | gzip |\n|---|---:|---:|\n");
    for row in rows("bytes") {
        let holds = row.get("holds").and_then(Value::as_str).unwrap_or_default().to_owned();
        text.push_str(&format!(
            "| {holds} | {} | {} |\n",
            number(&row, "wasm"),
            number(&row, "gzip")
        ));
    }
    text
}

/// The bytes of an optimised module with these features, and of the same compressed.
fn size(context: &Context, features: &str) -> Result<(usize, usize)> {
    let found = setup::find_toolchain(context).context("cargo xtask setup wasm has made a toolchain")?;
    let mut command = found.cargo(context);
    command.args([
        "rustc",
        "--profile",
        "wasm",
        "--target",
        TARGET,
        "--package",
        PACKAGE,
        "--lib",
        "--no-default-features",
        "--features",
        features,
        "--crate-type",
        "cdylib",
    ]);
    run(&mut command)?;
    let linked = context
        .wasm_target()
        .join(TARGET)
        .join("wasm")
        .join("concert_bench.wasm");
    let folder = context.cache.join("bench").join("query-wasm");
    wasm::bind(&linked, &folder, "bench", |_| Ok(()))?;
    let file = folder.join("bench_bg.wasm");
    wasm::optimise(context, &file)?;
    let sizes = compressed(&file)?;
    fs::remove_dir_all(&folder)?;
    Ok(sizes)
}

fn compressed(file: &Path) -> Result<(usize, usize)> {
    let bytes = fs::read(file)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&bytes)?;
    Ok((bytes.len(), gzip.finish()?.len()))
}
