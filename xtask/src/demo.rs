//! `cargo xtask demo` and `cargo xtask run`: the product on this machine.
//!
//! `demo` prepares what `concert up` needs (the page, generated data, the command itself) and leaves the rest to it.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    bundle,
    context::Context,
    inputs,
    process::{cargo, run as run_command, seconds, step},
    setup::{self, Part},
};

/// Ingesting the generated data on two busy cores takes seconds; ten minutes mean that something is wrong.
const READY_LIMIT: Duration = Duration::from_secs(600);
/// An answer on two busy cores takes a second or two.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// What `concert up` prints when everything is healthy.
const READY: &str = "Concert is ready at ";
/// What `--check` asks.
const QUESTION: &str = "ten best attended concerts";

/// The options of `demo`.
#[derive(Args)]
pub struct Options {
    /// Ask one question through the edge, print the answer and stop
    #[arg(long)]
    check: bool,
    /// The port of the page (`--check` takes a free one)
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The port of the AWS endpoints (`--check` takes a free one)
    #[arg(long, default_value_t = 4566)]
    aws_port: u16,
}

/// Compiles the `concert` command where it is stale.
///
/// # Errors
/// If it does not compile.
pub fn build_concert(context: &Context) -> Result<()> {
    step("the concert command", || {
        run_command(cargo(context).args(["build", "--package", "concert-cli"]))
    })
}

/// Runs `cargo xtask run -- ARGUMENTS`: this process becomes `concert`.
///
/// # Errors
/// If it does not compile or cannot be started.
pub fn run(context: &Context, arguments: &[OsString]) -> Result<ExitCode> {
    run_command(cargo(context).args(["build", "--quiet", "--package", "concert-cli"]))?;
    let error = Command::new(context.concert()).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", context.concert().display()))
}

/// Runs the command.
///
/// # Errors
/// The first step that failed, or why the question was not answered.
pub fn command(context: &Context, options: &Options) -> Result<ExitCode> {
    let begin = Instant::now();
    if !options.check {
        let mut up = prepare(context, "demo", options.port, options.aws_port)?;
        eprintln!(
            "Built after {}. Ctrl-C stops what starts now.",
            seconds(begin.elapsed())
        );
        // This process becomes `concert up`, so that whatever ends the one ends the other.
        return Err(up.exec()).context("cannot start concert up");
    }
    let (running, address) = start(context)?;
    let answer = step("one question", || ask(&address))?;
    drop(running);
    println!("{QUESTION}\n{answer}");
    eprintln!(
        "The demo works; it took {}. Next: `cargo xtask demo` keeps it running.",
        seconds(begin.elapsed())
    );
    Ok(ExitCode::SUCCESS)
}

/// Builds and starts everything on free ports, with a home made anew, so that it may run beside a demo that somebody is
/// using; returns the address of the page too.
///
/// # Errors
/// The first step that failed.
pub fn start(context: &Context) -> Result<(Running, String)> {
    context.set_stamp("demo-check-data", "")?;
    let up = prepare(context, "demo-check", 0, 0)?;
    step("concert up", || Running::start(up))
}

/// Builds the page, the command and the data; returns the command that serves them, with its home in the cache.
fn prepare(context: &Context, home: &str, port: u16, aws_port: u16) -> Result<Command> {
    setup::ensure(context, &[Part::Wasm, Part::Node])?;
    bundle::bundle(context)?;
    build_concert(context)?;
    let stamp = format!("{home}-data");
    let home = context.cache.join(home);
    let data = home.join("generated");
    // Data of another generator would be mixed with what the home holds.
    let key = inputs::hash(&inputs::sources(context, "concert-generate")?, &[])?;
    if !data.is_dir() || context.stamp(&stamp) != key {
        step("generated data", || {
            let _ = fs::remove_dir_all(&home);
            fs::create_dir_all(&home)?;
            run_command(
                Command::new(context.concert())
                    .arg("generate")
                    .arg("--out")
                    .arg(&data)
                    .stdout(Stdio::null()),
            )?;
            context.set_stamp(&stamp, &key)
        })?;
    }
    let mut up = Command::new(context.concert());
    up.args([
        "up",
        "--port",
        &port.to_string(),
        "--aws-port",
        &aws_port.to_string(),
        "--data",
    ])
    .arg(&data)
    .arg("--home")
    .arg(home.join("home"))
    .arg("--page")
    .arg(context.dist());
    Ok(up)
}

/// `concert up`, stopped when dropped.
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts it and waits until it says that it is ready; returns the address too.
    fn start(mut command: Command) -> Result<(Self, String)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start concert up")?;
        let output = child.stdout.take().context("concert up has no output")?;
        let running = Self { child };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                eprintln!("  {line}");
                if let Some(address) = line.trim().strip_prefix(READY) {
                    let _ = sender.send(address.trim().to_owned());
                }
            }
        });
        match receiver.recv_timeout(READY_LIMIT) {
            Ok(address) => Ok((running, address)),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!(
                "concert up ended before it was ready; its output above says why. If a port is taken, give another \
                 with --port and --aws-port"
            ),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("concert up was not ready after {}", seconds(READY_LIMIT))
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks the question through the edge and returns the sentence and the first rows.
fn ask(address: &str) -> Result<String> {
    let (status, body) = post(address, "/api/chat", &json!({ "message": QUESTION }).to_string())?;
    let answer: Value = serde_json::from_str(&body).with_context(|| format!("the edge answered no JSON: {body}"))?;
    if status != 200 {
        bail!(
            "the edge answered {status}: {}",
            answer["error_message"].as_str().unwrap_or(&body)
        );
    }
    let text = answer["text"].as_str().unwrap_or_default();
    let table = &answer["results"][0]["table"];
    let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    if text.is_empty() || rows.is_empty() {
        bail!("the answer has no sentence or no rows: {body}");
    }
    let line = |values: &[Value]| {
        values
            .iter()
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(" | ")
    };
    let mut shown = vec![text.to_owned()];
    shown.extend(rows.iter().filter_map(Value::as_array).map(|row| line(row)));
    Ok(shown.join("\n"))
}

fn post(address: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let head = format!(
        "content-type: application/json\r\naccept: application/json\r\nidempotency-key: {}\r\ncontent-length: {}\r\n",
        std::process::id(),
        body.len()
    );
    exchange(address, &format!("POST {path}"), &head, body)
}

/// One GET; returns its status.
///
/// # Errors
/// If there is no answer.
pub fn get(address: &str, path: &str) -> Result<u16> {
    Ok(exchange(address, &format!("GET {path}"), "", "")?.0)
}

/// One exchange over HTTP/1.0, whose answer ends with the connection: xtask needs no client library for so little.
fn exchange(address: &str, what: &str, head: &str, body: &str) -> Result<(u16, String)> {
    let host = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    let mut stream = TcpStream::connect(host).with_context(|| format!("cannot reach {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(
        format!("{what} HTTP/1.0\r\nhost: {host}\r\norigin: http://{host}\r\n{head}\r\n{body}").as_bytes(),
    )?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .with_context(|| format!("no answer to {what} from {address}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("the answer is no HTTP")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .context("the answer has no status")?;
    Ok((status, body.to_owned()))
}
