//! `cargo xtask spin`: the Spin component, one file that `spin` and `wasmtime serve` both serve.
//!
//! It is built for the same target as the page, with the linker that emits a component, so that one compiled standard
//! library serves all three.

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{
    context::Context,
    inputs,
    process::step,
    setup::{self, Part},
    wasm::{self, Artefact},
};

const PACKAGE: &str = "concert-edge-spin";

/// Runs the command.
///
/// # Errors
/// The first step that failed.
pub fn command(context: &Context) -> Result<ExitCode> {
    setup::ensure(context, &[Part::Wasm])?;
    build(context)?;
    eprintln!(
        "The component is {}.",
        context.root.join("edge/spin/build/concert.wasm").display()
    );
    eprintln!("Next: `spin up` in edge/spin, or `wasmtime serve edge/spin/build/concert.wasm`.");
    Ok(ExitCode::SUCCESS)
}

/// Builds it at [`Context::spin_wasm`] and copies it to `edge/spin/build`, unless it is there from the same inputs.
///
/// # Errors
/// The first step that failed.
pub fn build(context: &Context) -> Result<()> {
    let _lock = context.lock("spin")?;
    let toolchain =
        setup::find_toolchain(context).context("the wasm target is missing: run `cargo xtask setup wasm`")?;
    let mut paths = inputs::sources(context, PACKAGE)?;
    paths.extend(["xtask/src/spin.rs", "xtask/src/wasm.rs"].map(|name| context.root.join(name)));
    let key = inputs::hash(&paths, &[&toolchain.version])?;
    let out = context.spin_wasm();
    if context.stamp("spin") == key && out.is_file() {
        eprintln!("> spin: nothing changed since it was built");
    } else {
        let linked = step("spin: compile and link", || {
            wasm::compile(context, &toolchain, PACKAGE, &Artefact::Component)
        })?;
        fs::create_dir_all(out.parent().context("the component has no folder")?)?;
        fs::copy(&linked, &out).with_context(|| format!("cannot copy {}", linked.display()))?;
        context.set_stamp("spin", &key)?;
    }
    let folder = context.root.join("edge/spin/build");
    fs::create_dir_all(&folder)?;
    fs::copy(&out, folder.join("concert.wasm"))?;
    Ok(())
}
