//! The lake in a bucket, on a real S3-compatible server: moto's, which answers one request after the other, so that
//! its conditional puts are as atomic as S3's.
//!
//! AWS's settings are environment variables, and those of this process cannot be changed while others read them: each
//! scenario runs in a process of its own, which is this test's binary again.

use crate::support::{Content, LAYER, NO_WAIT, TABLE, commit, content, customers, publish, read};
use concert_lake::{Error, Lake, OptimizeOptions, VacuumOptions};
use datafusion::prelude::SessionContext;
use object_store::ObjectStoreExt as _;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

/// Names the scenario for the process that runs it.
const SCENARIO: &str = "CONCERT_LAKE_TEST_SCENARIO";
const BUCKET: &str = "tour";
const LOCATION: &str = "s3://tour/some where/lake";

/// Long enough for a slow machine that starts processes.
const PATIENCE: Duration = Duration::from_secs(60);
/// A lease that dies soon.
const SHORT_TTL: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;

const SERVER: &str = "
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.port, flush=True)
server.serve_forever()
";

/// A process that ends with this value.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &mut Command) -> std::io::Result<Process> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?;
        Ok(Process {
            child,
            out: BufReader::new(out),
        })
    }

    /// The next line that begins with `tag`, without it; the test's own runner prints around it.
    fn line(&mut self, tag: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(at) = line.find(tag) {
                return Some(line[at + tag.len()..].trim().to_owned());
            }
        }
    }

    /// Sends a signal by the system's own command.
    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    fn go_on(&mut self) {
        let input = self.child.stdin.as_mut().expect("piped");
        input
            .write_all(b"go on\n")
            .and_then(|()| input.flush())
            .expect("listens");
    }

    fn succeeds(mut self, what: &str) {
        let mut rest = String::new();
        let _ = self.out.read_to_string(&mut rest);
        assert!(self.child.wait().expect("ends").success(), "{what}: {rest}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Server {
    _process: Process,
    endpoint: String,
}

impl Server {
    /// Starts the server with an empty bucket; none where its packages are absent.
    fn start() -> Option<Server> {
        let Some(python) = std::env::var_os("CONCERT_PYTHON").map(PathBuf::from) else {
            eprintln!("skipped: CONCERT_PYTHON names no Python with moto; `cargo xtask test` sets it");
            return None;
        };
        let mut command = Command::new(python);
        command.args(["-c", SERVER]).stderr(Stdio::null());
        let mut process = Process::start(&mut command).expect("Python starts");
        let Some(port) = process.line("") else {
            panic!("moto did not start: `cargo xtask setup` installs it");
        };
        let address = format!("127.0.0.1:{port}");
        let mut stream = TcpStream::connect(&address).expect("answers");
        let request = format!("PUT /{BUCKET} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("is answered");
        assert!(answer.contains(" 200 "), "{answer}");
        Some(Server {
            _process: process,
            endpoint: format!("http://{address}"),
        })
    }

    fn scenario(&self, name: &str) -> Process {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command
            .args(["--exact", "s3::inside", "--ignored", "--nocapture"])
            .env(SCENARIO, name)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "concert")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1")
            .env_remove("AWS_ENDPOINT_URL_S3")
            .env_remove("CONCERT_S3_DIR");
        Process::start(&mut command).expect("starts")
    }
}

#[test]
fn a_bucket_holds_a_lake() {
    let Some(server) = Server::start() else { return };
    server.scenario("all").succeeds("reads, writes and keeps house");

    let writers = [server.scenario("rounds"), server.scenario("rounds")];
    for writer in writers {
        writer.succeeds("two writers at once");
    }
    server.scenario("count").succeeds("nothing of the two is lost");

    let mut killed = server.scenario("hold");
    assert!(killed.line("HOLDS").is_some());
    server.scenario("refused").succeeds("a second writer is told");
    killed.signal("KILL");
    server.scenario("take over").succeeds("after a kill");

    // One that only slept through the end of its lease wakes up, and must not publish over the next.
    let mut asleep = server.scenario("hold");
    assert!(asleep.line("HOLDS").is_some());
    asleep.signal("STOP");
    server.scenario("take over").succeeds("after a sleep");
    asleep.signal("CONT");
    asleep.go_on();
    asleep.succeeds("the late one is told that it lost the lease");
    server
        .scenario("count")
        .succeeds("nothing of the late one is published");
}

fn open() -> Lake {
    Lake::open_with(LOCATION, None, Some(SHORT_TTL)).expect("opens")
}

#[tokio::test]
#[ignore = "is started by the test above, with AWS's settings"]
async fn inside() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        eprintln!("skipped: only the test of buckets starts this, with {SCENARIO}");
        return;
    };
    match scenario.as_str() {
        "all" => all().await,
        "rounds" => rounds().await,
        "count" => count().await,
        "hold" => hold().await,
        "refused" => {
            let error = open().writer(NO_WAIT).await.expect_err("is held");
            assert!(matches!(error, Error::LeaseHeld { .. }), "{error}");
            assert!(error.to_string().contains("s3://tour"), "{error}");
        }
        "take over" => {
            let lake = open();
            let before = lake.snapshot().expect("reads").expect("published");
            let writer = lake.writer(PATIENCE).await.expect("taken over");
            let published = writer.snapshot(LAYER);
            assert_eq!(published.id, before.id);
            assert_ne!(published.tables, before.tables, "what was not published is taken back");
            let rows = read(&lake, &published).await.expect("reads");
            assert_eq!(rows, read(&lake, &before).await.expect("reads"));
        }
        other => panic!("no scenario {other}"),
    }
}

async fn all() {
    let (store, path) = concert_lake::store("s3://tour/files").expect("opens");
    let file = path.join("a file.csv");
    store.put(&file, "a,b".into()).await.expect("writes");
    let back = store.get(&file).await.expect("reads").bytes().await.expect("reads");
    assert_eq!(&back[..], b"a,b");

    let lake = open();
    assert_eq!(lake.location(), "s3://tour/some%20where/lake");
    assert_eq!(lake.snapshot().expect("reads"), None);
    let one = publish(&lake, &content([("a", "1")])).await.expect("publishes");
    let mut all = content([("a", "1"), ("b", "1")]);
    publish(&lake, &content([("b", "1")])).await.expect("publishes");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    let rows = customers(&content([("b", "2"), ("c", "2")]));
    let frame = SessionContext::new().read_batch(rows).expect("a frame");
    let merged = writer.merge(LAYER, TABLE, frame).await.expect("merges");
    assert_eq!((merged.inserted, merged.updated, merged.files_rewritten), (1, 1, 1));
    commit(&mut writer).expect("publishes");
    drop(writer);
    all.extend(content([("b", "2"), ("c", "2")]));

    let options = OptimizeOptions {
        full: false,
        wait: NO_WAIT,
    };
    let optimized = lake.optimize(&options).await.expect("optimises");
    assert_eq!((optimized.files_before, optimized.files_after), (2, 1));
    let options = VacuumOptions {
        keep: 3,
        dry_run: false,
        wait: NO_WAIT,
    };
    // The file of the first `b` is named by the second snapshot; those that were compacted by the first two.
    let vacuumed = lake.vacuum(&options).await.expect("removes");
    assert_eq!((vacuumed.files, vacuumed.snapshots_kept), (1, 3));
    let other = open();
    let snapshot = other.snapshot().expect("reads").expect("published");
    assert_eq!(read(&other, &snapshot).await.expect("reads"), all);
    let first = other.snapshot_at(&one.id).expect("kept");
    assert_eq!(read(&other, &first).await.expect("reads"), content([("a", "1")]));
}

/// Adds one row in each of some publications.
async fn rounds() {
    let lake = open();
    for round in 0..ROUNDS {
        let mut writer = lake.writer(PATIENCE).await.expect("the other one is done at some time");
        let id = format!("{} {round}", std::process::id());
        let rows = customers(&content([(id, "x")]));
        writer.append(LAYER, TABLE, vec![rows]).await.expect("writes");
        commit(&mut writer).expect("publishes");
    }
}

async fn count() {
    let lake = open();
    let snapshot = lake.snapshot().expect("reads").expect("published");
    let rows: Content = read(&lake, &snapshot).await.expect("reads");
    // Three from before, and each writer's own.
    assert_eq!(rows.len(), 3 + 2 * ROUNDS, "{rows:?}");
}

/// Writes without publishing, and says so; told to go on, it tries to publish, and must be refused.
async fn hold() {
    let lake = open();
    let mut writer = lake.writer(PATIENCE).await.expect("free");
    let rows = customers(&content([("late", "x")]));
    writer.append(LAYER, TABLE, vec![rows]).await.expect("writes");
    println!("HOLDS");
    let told = tokio::task::spawn_blocking(|| std::io::stdin().lines().next());
    told.await.expect("reads");
    let error = commit(&mut writer).expect_err("is too late");
    assert!(matches!(error, Error::LeaseLost { .. }), "{error}");
}
