//! The edge in the other runtimes: the Worker in `wrangler dev --local` (a real workerd) and the Spin component in
//! `wasmtime serve`, both against an endpoint that stands for AWS. `cargo xtask test` says where their parts are.

use crate::support::{READY_TIMEOUT, tool};
use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Sender},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a process gets to end by itself; wrangler then ends the workerd that it has started.
const END_TIMEOUT: Duration = Duration::from_secs(5);
const END_PAUSE: Duration = Duration::from_millis(20);

/// What the edge reads, in every runtime.
pub fn settings(aws_url: &str, secret_key: &str) -> Vec<(&'static str, String)> {
    [
        ("CONCERT_REGION", "us-east-1"),
        ("CONCERT_AWS_ENDPOINT", aws_url),
        ("CONCERT_WORKGROUP", "concert"),
        ("CONCERT_DATABASE", "dev"),
        ("CONCERT_MODELS", "local.planner"),
        ("CONCERT_COOKIE_KEY", "only-for-tests-only-for-tests-only-for-tests"),
        ("CONCERT_TODAY", crate::conformance::TODAY),
        ("AWS_ACCESS_KEY_ID", "concert"),
        ("AWS_SECRET_ACCESS_KEY", secret_key),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// As [`settings`], with the local store for conversations and preferences.
pub fn with_store(aws_url: &str) -> Vec<(&'static str, String)> {
    let mut all = settings(aws_url, "concert-local-secret");
    all.extend(
        [
            ("CONCERT_TABLE", "concert"),
            ("CONCERT_MEMORY_ID", "concert-localmem01"),
            (
                "CONCERT_MEMORY_NAMESPACES",
                "/strategies/preferences-localprefs/actors/{actorId},/strategies/facts-localfacts/actors/{actorId}",
            ),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    );
    all
}

/// A process and all that it has started; all of it ends with this value.
pub struct Runtime {
    child: Child,
    pub base_url: String,
    _folder: tempfile::TempDir,
}

impl Runtime {
    fn start(
        name: &'static str,
        mut command: Command,
        folder: tempfile::TempDir,
        ready: &'static str,
    ) -> Result<Runtime> {
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        let (sender, receiver) = mpsc::channel();
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ];
        for pipe in pipes.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || follow(name, pipe, ready, &sender));
        }
        drop(sender);
        let mut runtime = Runtime {
            child,
            base_url: String::new(),
            _folder: folder,
        };
        match receiver.recv_timeout(READY_TIMEOUT) {
            Ok(url) => runtime.base_url = url,
            Err(_) => bail!(
                "{name} did not say that it is ready within {} s",
                READY_TIMEOUT.as_secs()
            ),
        }
        Ok(runtime)
    }

    /// To the whole group: wrangler's workerd is a process of its own.
    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill")
            .args([signal, "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.signal("-TERM");
        let deadline = Instant::now() + END_TIMEOUT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(END_PAUSE);
        }
        self.signal("-KILL");
        let _ = self.child.wait();
    }
}

/// Passes lines on to the test's own output, and the address that stands behind `ready` to `sender`.
fn follow(name: &str, pipe: impl Read, ready: &str, sender: &Sender<String>) {
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        println!("{name}: {line}");
        if let Some((_, rest)) = line.split_once(ready) {
            let url = rest.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
            // Nobody listens any more after the first.
            let _ = sender.send(url.to_owned());
        }
    }
}

/// The Worker in workerd.
pub fn worker(settings: &[(&'static str, String)]) -> Result<Runtime> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(tool("CONCERT_NODE")?);
    command
        .arg(tool("CONCERT_NPM")?.join("wrangler/bin/wrangler.js"))
        .args([
            "dev",
            "--local",
            "--ip",
            "127.0.0.1",
            "--show-interactive-dev-session=false",
            "--inspector-port",
            "0",
        ])
        .args(["--port", &free_port()?.to_string(), "--persist-to"])
        .arg(folder.path())
        .current_dir(tool("CONCERT_WORKER_DIR")?)
        .env("CI", "1")
        .env("WRANGLER_SEND_METRICS", "false")
        .env("HOME", folder.path());
    for (name, value) in settings {
        command.args(["--var", &format!("{name}:{value}")]);
    }
    Runtime::start("wrangler", command, folder, "Ready on ")
}

/// The Spin component in wasmtime.
pub fn spin(settings: &[(&'static str, String)]) -> Result<Runtime> {
    let mut command = Command::new(tool("CONCERT_WASMTIME")?);
    command.args(["serve", "--addr", "127.0.0.1:0"]);
    for (name, value) in settings {
        command.args(["--env", &format!("{name}={value}")]);
    }
    command.arg(tool("CONCERT_SPIN_WASM")?);
    Runtime::start("wasmtime", command, tempfile::tempdir()?, "Serving HTTP on ")
}

/// wrangler says the port that it was asked for, so one is chosen for it.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
