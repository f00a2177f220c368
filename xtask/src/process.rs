//! Starting other programs: steps with their time, errors that show what was run, and a clean environment.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::context::Context;

/// Runs one named step and prints how long it took.
///
/// # Errors
/// Those of the step, with its name in front.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("> {name}");
    let start = Instant::now();
    let result = work().with_context(|| format!("step `{name}` failed"));
    if result.is_ok() {
        eprintln!("  {name}: {}", seconds(start.elapsed()));
    }
    result
}

/// `4.2 s`, or `3 min 20 s`.
pub fn seconds(time: Duration) -> String {
    if time.as_secs() < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// Runs a program with its output on the terminal.
///
/// Its standard output goes to ours only where `stdout` of the command was set so by the caller; the callers of this
/// function are builders, whose output is progress.
///
/// # Errors
/// If it cannot be started or ends with another status than 0; the message shows the whole command.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}; its output above says why", shown(command));
    }
    Ok(())
}

/// Runs a program and returns its standard output.
///
/// # Errors
/// As [`run`]; the message holds what the program wrote to standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// A command as it would be typed.
fn shown(command: &Command) -> String {
    let mut text = format!("`{}", command.get_program().to_string_lossy());
    for argument in command.get_args() {
        let _ = write!(text, " {}", argument.to_string_lossy());
    }
    text.push('`');
    text
}

/// A program started from here, without what cargo and rustup set for xtask itself: a nested cargo would take
/// `CARGO_MANIFEST_DIR` and its kind for a change, and another compiler would load the wrong libraries.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in env::vars_os() {
        let Some(text) = variable.to_str() else { continue };
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
            || [
                "CARGO",
                "LD_LIBRARY_PATH",
                "RUST_RECURSION_COUNT",
                "CARGO_TARGET_DIR",
                "CARGO_PRIMARY_PACKAGE",
            ]
            .contains(&text);
        if ours {
            command.env_remove(variable);
        }
    }
    command
}

/// `cargo` for the native side, in its own target folder.
pub fn cargo(context: &Context) -> Command {
    let mut command = program("cargo");
    command
        .current_dir(&context.root)
        .env("CARGO_TARGET_DIR", context.native_target());
    command
}

/// A program that finds the pinned Node and npm's programs first.
///
/// # Errors
/// If the search path cannot be written.
pub fn with_node(context: &Context, name: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = program(name);
    let mut folders = vec![context.cache.join("node/bin"), context.node_modules().join(".bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    // `wrangler dev` would ask the internet where this machine is.
    command
        .env("PATH", env::join_paths(folders)?)
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
    Ok(command)
}

/// Runs `cargo xtask exec -- PROGRAM ARGUMENTS`: this process becomes that program.
///
/// # Errors
/// If it cannot be started.
pub fn exec_with_node(context: &Context, arguments: &[OsString]) -> Result<ExitCode> {
    let (name, rest) = arguments.split_first().context("name a program after `--`")?;
    let mut command = with_node(context, name)?;
    command.args(rest);
    let error = command.exec();
    Err(error).with_context(|| {
        format!(
            "cannot start {}; `cargo xtask setup node` brings npm's programs",
            shown(&command)
        )
    })
}

/// The full path of a program on the search path.
pub fn find(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Installs the missing ones among these packages by the system's package manager.
///
/// # Errors
/// If there is no `apt-get`, this is not root and there is no `sudo`, or the installation fails; the message says what
/// to install by hand.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| {
            !output(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]))
                .is_ok_and(|status| status == "installed")
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if find("apt-get").is_none() {
        bail!("missing: {names}. There is no apt-get here; install them by your system's package manager, then repeat");
    }
    eprintln!("  installing by apt-get: {names}");
    let root = output(Command::new("id").arg("-u"))? == "0";
    let apt = || -> Result<Command> {
        let mut command = match (root, find("sudo")) {
            (true, _) => program("apt-get"),
            (false, Some(sudo)) => {
                let mut command = program(sudo);
                command.arg("apt-get");
                command
            }
            (false, None) => bail!("this needs root: run `apt-get install {names}` as root, then repeat"),
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        Ok(command)
    };
    let install = || -> Result<()> {
        let mut command = apt()?;
        command
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&missing)
            .stdout(Stdio::null());
        run(&mut command)
    };
    // The package lists may be missing or old: one refresh, then once more.
    if install().is_err() {
        run(apt()?.args(["update", "-qq"]).stdout(Stdio::null()))?;
        install().with_context(|| format!("install by hand: apt-get install {names}"))?;
    }
    Ok(())
}
