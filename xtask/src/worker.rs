//! `cargo xtask worker`: the Cloudflare Worker as `index.js` and `index_bg.wasm`.
//!
//! The same stages as worker-build of the same version as the `worker` crate, which takes long to install: wasm-bindgen
//! for ES modules with the means to start afresh after a trap, wasm-opt, and esbuild around `edge/worker/entry.js`.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{
    context::Context,
    inputs,
    process::step,
    setup::{self, Part},
    wasm::{self, Artefact},
};

const PACKAGE: &str = "concert-edge-worker";

/// Runs the command.
///
/// # Errors
/// The first step that failed.
pub fn command(context: &Context) -> Result<ExitCode> {
    setup::ensure(context, &[Part::Wasm, Part::Node])?;
    build(context)?;
    eprintln!("The Worker is in {}.", context.root.join("edge/worker/build").display());
    eprintln!("Next: `cd edge/worker && cargo xtask exec -- wrangler dev --local` serves it.");
    Ok(ExitCode::SUCCESS)
}

/// Builds it, unless it is there from the same inputs: in [`Context::worker`] with its own `wrangler.toml`, from where
/// tests serve it, and in `edge/worker/build` for the `wrangler.toml` of the repository.
///
/// # Errors
/// The first step that failed.
pub fn build(context: &Context) -> Result<()> {
    let _lock = context.lock("worker")?;
    let toolchain =
        setup::find_toolchain(context).context("the wasm target is missing: run `cargo xtask setup wasm`")?;
    let source = context.root.join("edge/worker");
    let mut paths = inputs::sources(context, PACKAGE)?;
    paths.extend(["entry.js", "wrangler.toml"].map(|name| source.join(name)));
    paths.extend(["xtask/src/worker.rs", "xtask/src/wasm.rs", "xtask/npm"].map(|name| context.root.join(name)));
    let key = inputs::hash(&paths, &[&toolchain.version])?;
    let out = context.worker();
    if context.stamp("worker") == key && out.join("index.js").is_file() {
        eprintln!("> worker: nothing changed since it was built");
        return copy(&out, &source.join("build"));
    }
    let linked = step("worker: compile and link", || {
        wasm::compile(context, &toolchain, PACKAGE, &Artefact::Library)
    })?;
    let bound = context.cache.join("worker-work");
    step("worker: bind to JavaScript", || {
        wasm::bind(&linked, &bound, "index", |bindgen| {
            bindgen
                .module(true)?
                .reset_state_function(true)
                .force_enable_abort_handler(true);
            Ok(())
        })
    })?;
    step("worker: optimise", || {
        wasm::optimise(context, &bound.join("index_bg.wasm"))
    })?;
    step("worker: bundle", || {
        fs::copy(source.join("entry.js"), bound.join("entry.js")).context("cannot copy edge/worker/entry.js")?;
        fs::create_dir_all(&out)?;
        wasm::esbuild(
            context,
            [
                bound.join("entry.js").into_os_string(),
                "--bundle".into(),
                "--format=esm".into(),
                "--minify".into(),
                "--external:./index_bg.wasm".into(),
                "--external:cloudflare:*".into(),
                format!("--outfile={}", out.join("index.js").display()).into(),
            ],
        )?;
        // workerd gives the compiled module on a plain import; it does not know source phase imports yet.
        let script = fs::read_to_string(out.join("index.js"))?;
        fs::write(out.join("index.js"), script.replace("import source ", "import "))?;
        fs::copy(bound.join("index_bg.wasm"), out.join("index_bg.wasm"))?;
        let wrangler =
            fs::read_to_string(source.join("wrangler.toml")).context("cannot read edge/worker/wrangler.toml")?;
        fs::write(out.join("wrangler.toml"), served_as_it_is(&wrangler)?)?;
        Ok(())
    })?;
    copy(&out, &source.join("build"))?;
    context.set_stamp("worker", &key)
}

/// The same configuration for a folder that holds the finished Worker: nothing to build, and `index.js` beside it.
fn served_as_it_is(wrangler: &str) -> Result<String> {
    let mut table: toml::Table = wrangler.parse().context("edge/worker/wrangler.toml")?;
    table.remove("build");
    table.insert("main".to_owned(), toml::Value::String("index.js".to_owned()));
    Ok(toml::to_string(&table)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in ["index.js", "index_bg.wasm"] {
        fs::copy(from.join(name), to.join(name)).with_context(|| format!("cannot copy to {}", to.display()))?;
    }
    Ok(())
}
