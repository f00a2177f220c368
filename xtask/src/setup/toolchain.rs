//! The wasm32-unknown-unknown target, by rustup, or on a Debian machine that cannot reach rustup's servers from
//! Debian's own compiler and the standard library's sources.
//!
//! The second way makes a toolchain folder in the cache with its own library folder, so that nothing outside the cache
//! is changed except by apt-get, and links it into rustup as `concert`.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    context::Context,
    process::{apt_install, find as find_program, output, program, run, step},
};

/// The target of the page, the Worker and the Spin component.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// The target of tests that run under wasmtime: it has files, arguments and an output, which [`TARGET`] has not.
pub const WASI: &str = "wasm32-wasip2";
/// The name under which rustup knows the toolchain made here.
const LINKED: &str = "concert";
/// rustup takes seconds where it can download; a network that swallows packets must not hold up the other way.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);
/// What Debian brings: the compiler, the sources of its standard library, and the clippy that belongs to it.
const PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "rust-web-clippy"];
/// Raise when the recipe changes, so that folders made by an older one are made again.
const RECIPE: &str = "1";

/// A toolchain that compiles for [`TARGET`].
pub struct Toolchain {
    /// The name for `cargo +NAME`; none for the repository's own toolchain.
    name: Option<&'static str>,
    /// The host's `lib/rustlib/HOST/bin`, which holds `wasm-component-ld`.
    linkers: PathBuf,
    /// What the compiler calls itself, part of the key of everything built with it.
    pub version: String,
}

impl Toolchain {
    /// `cargo` for [`TARGET`], in the target folder of everything that ends as WebAssembly.
    pub fn cargo(&self, context: &Context) -> Command {
        let mut command = program("cargo");
        if let Some(name) = self.name {
            command.arg(format!("+{name}"));
        }
        command
            .current_dir(&context.root)
            .env("CARGO_TARGET_DIR", context.wasm_target());
        command
    }

    /// The linker that emits a component instead of a module.
    pub fn component_linker(&self) -> PathBuf {
        self.linkers.join("wasm-component-ld")
    }
}

/// The toolchain that is there, if one is.
pub fn find(context: &Context) -> Option<Toolchain> {
    let forced = env::var("CONCERT_WASM").ok();
    let own = || of(context, None);
    let linked = || of(context, Some(LINKED)).filter(|_| context.stamp("toolchain") == stamp());
    match forced.as_deref() {
        Some("rustup") => own(),
        Some("debian") => linked(),
        _ => own().or_else(linked),
    }
}

/// Describes a toolchain if it has the target.
fn of(context: &Context, name: Option<&'static str>) -> Option<Toolchain> {
    if !has_std(context, name, TARGET) {
        return None;
    }
    let host = PathBuf::from(rustc(context, name, &["--print", "target-libdir"])?);
    Some(Toolchain {
        name,
        linkers: host.parent()?.join("bin"),
        version: rustc(context, name, &["--version"])?,
    })
}

/// Makes sure that there is one.
///
/// # Errors
/// If neither way works; the message says what to do.
pub fn ensure(context: &Context) -> Result<()> {
    if let Some(toolchain) = find(context) {
        eprintln!("  {TARGET} is there ({})", toolchain.version);
        return Ok(());
    }
    let forced = env::var("CONCERT_WASM").ok();
    if forced.as_deref() != Some("debian") {
        match rustup_target(context, TARGET) {
            Ok(()) if find(context).is_some() => {
                eprintln!("  {TARGET} by rustup");
                return Ok(());
            }
            Ok(()) => eprintln!("  rustup has the target, but the compiler in use does not see it"),
            Err(error) => eprintln!("  rustup cannot bring the target: {error:#}"),
        }
    }
    if forced.as_deref() == Some("rustup") || find_program("apt-get").is_none() {
        bail!("run `rustup target add {TARGET}` where rustup's servers can be reached, then repeat");
    }
    eprintln!("  {TARGET} from Debian's compiler instead (about 3 minutes)");
    debian(context)?;
    if find(context).is_none() {
        bail!(
            "the toolchain `{LINKED}` was made but does not compile for {TARGET}; delete {} and repeat",
            folder(context).display()
        );
    }
    Ok(())
}

/// Makes sure that the repository's own toolchain compiles for [`WASI`]; false where rustup cannot bring it.
pub fn ensure_wasi(context: &Context) -> bool {
    let there = || has_std(context, None, WASI);
    there() || (rustup_target(context, WASI).is_ok() && there())
}

/// Whether a toolchain has the standard library for a target.
fn has_std(context: &Context, name: Option<&str>, target: &str) -> bool {
    rustc(context, name, &["--print", "target-libdir", "--target", target])
        .and_then(|folder| fs::read_dir(folder).ok())
        .is_some_and(|folder| {
            folder
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
        })
}

/// What a toolchain's compiler prints.
fn rustc(context: &Context, name: Option<&str>, arguments: &[&str]) -> Option<String> {
    let mut command = program("rustc");
    if let Some(name) = name {
        command.arg(format!("+{name}"));
    }
    output(command.current_dir(&context.root).args(arguments)).ok()
}

/// `rustup target add`, with a limit on its time.
fn rustup_target(context: &Context, target: &str) -> Result<()> {
    if find_program("rustup").is_none() {
        bail!("there is no rustup");
    }
    let mut child = program("rustup")
        .current_dir(&context.root)
        .args(["target", "add", target])
        .env("RUSTUP_MAX_RETRIES", "1")
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start rustup")?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() {
                Ok(())
            } else {
                bail!("it ended with {status}")
            };
        }
        if start.elapsed() > RUSTUP_LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("no end after {} s", RUSTUP_LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The toolchain folder made here.
fn folder(context: &Context) -> PathBuf {
    context.cache.join("toolchain")
}

/// What must not change under a toolchain folder that is kept: the recipe, and Debian's compiler.
fn stamp() -> String {
    let compiler = output(Command::new("/usr/bin/rustc").arg("--version")).unwrap_or_default();
    format!("{RECIPE} {compiler}")
}

/// The second way. A folder that is already filled for the same compiler is only linked again: the cache may outlive
/// the machine that filled it.
fn debian(context: &Context) -> Result<()> {
    step("Debian's compiler", || apt_install(&PACKAGES))?;
    let folder = folder(context);
    if context.stamp("toolchain") != stamp() {
        step("the standard library for wasm32", || fill(context, &folder))?;
        context.set_stamp("toolchain", &stamp())?;
    }
    lay_out(context, &folder)?;
    run(program("rustup").args(["toolchain", "link", LINKED]).arg(&folder))
}

/// Compiles the standard library into the folder.
fn fill(context: &Context, folder: &Path) -> Result<()> {
    let work = context.cache.join("toolchain-build");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(work.join("src"))?;
    // A crate of its own workspace, with nothing in it: cargo builds the library as its dependency.
    fs::write(
        work.join("Cargo.toml"),
        "[package]\nname = \"concert-std\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
    )?;
    fs::write(work.join("src/lib.rs"), "")?;
    // Without bitcode in the library an application cannot be linked with LTO.
    run(program("cargo")
        .current_dir(&work)
        .args([
            "build",
            "--release",
            "-Zbuild-std=std,panic_abort,panic_unwind,test",
            "--target",
            TARGET,
        ])
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env("CARGO_TARGET_DIR", work.join("target")))?;
    let library = folder.join("lib/rustlib").join(TARGET).join("lib");
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(&library)?;
    let built = work.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.ends_with(".rlib") && !name.starts_with("libconcert_std-") {
            fs::copy(&path, library.join(name))?;
        }
    }
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// Fills in the rest of the folder: programs that call Debian's, and links to Debian's and rustup's libraries.
fn lay_out(context: &Context, folder: &Path) -> Result<()> {
    let sysroot = PathBuf::from(output(
        program("rustc").current_dir(&context.root).args(["--print", "sysroot"]),
    )?);
    let host = host(context)?;
    let bin = folder.join("bin");
    fs::create_dir_all(&bin)?;
    let shown = folder.display();
    for (name, text) in [
        ("rustc", format!("exec /usr/bin/rustc --sysroot '{shown}' \"$@\"\n")),
        ("rustdoc", format!("exec /usr/bin/rustdoc --sysroot '{shown}' \"$@\"\n")),
        // clippy asks this variable for the libraries.
        (
            "clippy-driver",
            format!("SYSROOT='{shown}' exec /usr/bin/clippy-driver \"$@\"\n"),
        ),
        (
            "cargo-clippy",
            format!("SYSROOT='{shown}' exec /usr/bin/cargo-clippy \"$@\"\n"),
        ),
    ] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    for name in ["cargo", "rustfmt", "cargo-fmt"] {
        link(&sysroot.join("bin").join(name), &bin.join(name))?;
    }
    let rustlib = folder.join("lib/rustlib");
    let linkers = rustlib.join(&host).join("bin");
    fs::create_dir_all(&linkers)?;
    for name in ["rust-lld", "wasm-component-ld", "gcc-ld"] {
        link(
            &sysroot.join("lib/rustlib").join(&host).join("bin").join(name),
            &linkers.join(name),
        )?;
    }
    link(
        &Path::new("/usr/lib/rustlib").join(&host).join("lib"),
        &rustlib.join(&host).join("lib"),
    )?;
    link(Path::new("/usr/lib/rustlib/src"), &rustlib.join("src"))
}

/// The triple of this machine.
fn host(context: &Context) -> Result<String> {
    output(program("rustc").current_dir(&context.root).arg("-vV"))?
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc -vV names no host")
}

/// Makes or renews a link.
fn link(target: &Path, place: &Path) -> Result<()> {
    let _ = fs::remove_file(place);
    symlink(target, place).with_context(|| format!("cannot link {} to {}", place.display(), target.display()))
}
