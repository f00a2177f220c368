//! Starting the real processes: `concert up` and `concert aws` on free ports with a temporary home.
//!
//! Every process ends when its handle is dropped, so a failing test leaves nothing behind.

use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

/// How long a process may take until it says that it is ready. Generous: a busy machine is no failure.
pub const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// A path that `cargo xtask test` hands over, such as `CONCERT_BIN`.
///
/// # Errors
/// The variable is not set: the test was started without xtask.
pub fn tool(variable: &str) -> Result<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .with_context(|| format!("{variable} is not set: run these tests with `cargo xtask test`"))
}

/// The built `concert` command: `CONCERT_BIN`, else the one that cargo put beside this test.
pub fn concert() -> Result<Command> {
    if let Ok(path) = tool("CONCERT_BIN") {
        return Ok(Command::new(path));
    }
    let here = std::env::current_exe()?;
    let path = here
        .ancestors()
        .nth(2)
        .context("the test binary has no target folder")?
        .join("concert");
    if !path.exists() {
        bail!(
            "{} does not exist: run `cargo build -p concert-cli` or `cargo xtask test`",
            path.display()
        );
    }
    Ok(Command::new(path))
}

/// Copies a folder with all that is in it.
///
/// # Errors
/// Something cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A process that ends with this value.
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `command` and waits until a line of its standard output matches; gives what `ready` made of the line.
    /// What it prints otherwise goes to the test's own output.
    pub fn start<T: Send + 'static>(
        name: &str,
        mut command: Command,
        ready: impl Fn(&str) -> Option<T> + Send + 'static,
    ) -> Result<(Process, T)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let process = Process {
            child,
            name: name.to_owned(),
        };
        let (sender, receiver) = mpsc::channel();
        let label = name.to_owned();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                println!("{label}: {line}");
                if let Some(value) = ready(&line) {
                    // The receiver is gone once the first match was taken; later lines are only printed.
                    let _ = sender.send(value);
                }
            }
        });
        match receiver.recv_timeout(READY_TIMEOUT) {
            Ok(value) => Ok((process, value)),
            Err(_) => bail!(
                "{} did not say that it is ready within {} s",
                process.name,
                READY_TIMEOUT.as_secs()
            ),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `concert up` with a home of its own.
pub struct Stack {
    /// The page and `/api`, without a slash at the end.
    pub base_url: String,
    /// The AWS-compatible endpoint.
    pub aws_url: String,
    _process: Process,
    /// Removed after the process has ended: fields are dropped in their order.
    _home: tempfile::TempDir,
}

impl Stack {
    /// Ingests `data` (files, with their mapping if they need one), then serves. `today` fixes the clock.
    pub fn start(data: &[PathBuf], mapping: Option<&Path>, today: &str) -> Result<Stack> {
        let home = tempfile::tempdir()?;
        let mut command = concert()?;
        command
            .args(["up", "--port", "0", "--aws-port", "0", "--today", today, "--home"])
            .arg(home.path());
        if !data.is_empty() {
            command.arg("--data").args(data);
        }
        if let Some(mapping) = mapping {
            command.arg("--mapping").arg(mapping);
        }
        if let Ok(page) = tool("CONCERT_DIST") {
            command.arg("--page").arg(page);
        }
        let aws = std::sync::Mutex::new(String::new());
        let (process, (aws_url, base_url)) = Process::start("concert up", command, move |line| {
            if let Some(url) = line.strip_prefix("AWS endpoint at ") {
                *aws.lock().ok()? = url.trim().to_owned();
            }
            let url = line.strip_prefix("Concert is ready at ")?;
            Some((aws.lock().ok()?.clone(), url.trim().to_owned()))
        })?;
        Ok(Stack {
            _home: home,
            base_url,
            aws_url,
            _process: process,
        })
    }
}
