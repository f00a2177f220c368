//! From one of our crates to an optimised WebAssembly file: cargo, wasm-bindgen as a library, binaryen's wasm-opt.
//!
//! Each stage is a function of files, in the order that splitting by route will need: the splitter comes between
//! [`compile`] and [`bind`], and [`optimise`] then runs on each module.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    context::Context,
    process::{run, with_node},
    setup::{TARGET, Toolchain},
};

/// The profile of everything that ends in a browser or on an edge.
const PROFILE: &str = "wasm";
/// What rustc enables for [`TARGET`], and the exception handling of wasm-bindgen's wrappers. They are named one by one
/// so that a newer binaryen emits nothing that a browser or workerd does not know.
const FEATURES: [&str; 7] = [
    "mutable-globals",
    "sign-ext",
    "nontrapping-float-to-int",
    "bulk-memory",
    "multivalue",
    "reference-types",
    "exception-handling",
];

/// What cargo links.
pub enum Artefact {
    /// The binary of a package.
    Program,
    /// The `cdylib` of a package.
    Library,
    /// The `cdylib` of a package, linked as a component.
    Component,
}

/// Compiles one package for [`TARGET`] and returns the linked file.
///
/// # Errors
/// If it does not compile.
pub fn compile(context: &Context, toolchain: &Toolchain, package: &str, artefact: &Artefact) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo(context);
    cargo.args(["rustc", "--profile", PROFILE, "--target", TARGET, "--package", package]);
    match artefact {
        Artefact::Program => cargo.args(["--bin", package]),
        Artefact::Library => cargo.arg("--lib"),
        Artefact::Component => {
            // The linker is named for the last step only: named for the target, it would be part of every dependency's
            // fingerprint, and page and component would compile them in turn. Nothing after this removes the names.
            cargo
                .args(["--lib", "--", "-Cstrip=symbols"])
                .arg(format!("-Clinker={}", toolchain.component_linker().display()))
        }
    };
    run(&mut cargo)?;
    let name = match artefact {
        Artefact::Program => format!("{package}.wasm"),
        Artefact::Library | Artefact::Component => format!("{}.wasm", package.replace('-', "_")),
    };
    Ok(context.wasm_target().join(TARGET).join(PROFILE).join(name))
}

/// Runs wasm-bindgen on a linked file: `NAME.js` and `NAME_bg.wasm` in the folder, which is emptied before.
///
/// # Errors
/// If wasm-bindgen refuses the file.
pub fn bind(
    linked: &Path,
    folder: &Path,
    name: &str,
    configure: impl FnOnce(&mut Bindgen) -> Result<()>,
) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(linked)
        .out_name(name)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    configure(&mut bindgen)?;
    bindgen
        .generate(folder)
        .with_context(|| format!("wasm-bindgen refuses {}", linked.display()))
}

/// Runs wasm-opt for size, in place.
///
/// # Errors
/// If wasm-opt refuses the file.
pub fn optimise(context: &Context, file: &Path) -> Result<()> {
    let mut command = with_node(context, "wasm-opt")?;
    command
        .arg("-Oz")
        .args(FEATURES.map(|feature| format!("--enable-{feature}")));
    run(command.arg(file).arg("-o").arg(file))
}

/// Runs esbuild, which finds the installed npm packages from any folder.
///
/// # Errors
/// If esbuild refuses its input; it has said why.
pub fn esbuild<A: AsRef<OsStr>>(context: &Context, arguments: impl IntoIterator<Item = A>) -> Result<()> {
    let mut command = with_node(context, "esbuild")?;
    command
        .env("NODE_PATH", context.node_modules())
        .arg("--log-level=warning")
        .args(arguments);
    run(&mut command)
}
