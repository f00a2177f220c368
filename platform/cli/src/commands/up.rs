//! `concert up`: page, edge and AWS-compatible endpoint on one machine.
//!
//! The edge gets the same settings that it would get in the cloud, with the endpoint's address in
//! `CONCERT_AWS_ENDPOINT`; nothing tells it that it runs on a laptop.

use super::{
    aws::{self, Shared},
    ingest::{WRITER_WAIT, currency, progress, summary},
    open_lake, rules, take_in,
};
use crate::{home, output::write_line, page};
use anyhow::{Context, Result, bail};
use axum::serve::ListenerExt as _;
use clap::Args;
use concert_contract::{
    api::{HealthAnswer, HealthState},
    money::Currency,
};
use concert_ingest::IngestOptions;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the parts may take until all of them answer.
const HEALTHY_TIMEOUT: Duration = Duration::from_secs(60);
const HEALTH_PAUSE: Duration = Duration::from_millis(50);

/// Bytes of the key that signs cookies and cursors.
const COOKIE_KEY_BYTES: usize = 32;

#[derive(Args)]
pub struct Options {
    /// Where the page and its API listen; 0 takes a free port
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the AWS-compatible endpoint listens; 0 takes a free port
    #[arg(long, default_value_t = 4566)]
    aws_port: u16,
    /// Take these files in first: files, or one folder whose files are named after the tables
    #[arg(long, value_name = "FILES", num_args = 1..)]
    data: Vec<PathBuf>,
    /// How the columns of --data become the tables' columns
    #[arg(long, value_name = "M.toml", requires = "data")]
    mapping: Option<PathBuf>,
    /// The currency of money that does not say its own
    #[arg(long, env = "CONCERT_CURRENCY", hide_env = true, default_value = "USD", value_parser = currency)]
    currency: Currency,
    /// The folder of the built page
    #[arg(long, env = "CONCERT_PAGE", hide_env = true, value_name = "DIR")]
    page: Option<PathBuf>,
    #[command(flatten)]
    shared: Shared,
}

pub async fn run(home: &Path, options: Options) -> Result<()> {
    let lake = open_lake(home)?;
    if !options.data.is_empty() {
        let report = take_in(
            &lake,
            IngestOptions {
                files: options.data,
                mapping: options.mapping,
                today: home::today(options.shared.today),
                currency: options.currency,
                wait: WRITER_WAIT,
                progress: Some(progress()),
            },
            &rules(None)?,
        )
        .await?;
        eprintln!("{}", summary(&report));
    }

    let aws_listener = aws::bind(&options.shared.host, options.aws_port).await?;
    let aws_url = aws::url_of(&aws_listener)?;
    let aws = tokio::spawn(aws::serve(aws_listener, lake, Some(home.to_owned()), &options.shared)?);

    let page = match &options.page {
        Some(folder) => page::router(folder)?,
        None => page::absent(),
    };
    let settings = settings(home, &aws_url, &options.shared)?;
    let edge =
        concert_edge_native::native_router(|name| settings.get(name).cloned()).context("cannot start the edge")?;
    let listener = aws::bind(&options.shared.host, options.port).await?;
    let url = aws::url_of(&listener)?;
    // With the address of each client, for those who are not on this machine.
    let service = edge
        .fallback_service(page)
        .into_make_service_with_connect_info::<std::net::SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener.tap_io(aws::send_at_once), service).await });

    healthy(&url).await?;
    write_line(&format!("AWS endpoint at {aws_url}"))?;
    write_line(&format!("Concert is ready at {url}"))?;
    tokio::select! {
        result = aws => result?,
        result = server => result?.context("the page's server stopped"),
        () = aws::stop_signal() => Ok(()),
    }
}

/// What the edge reads, by the names that it reads everywhere. A setting of the person's own environment wins, but for
/// credentials and the endpoint: the local edge never uses a person's AWS keys.
fn settings(home: &Path, aws_url: &str, shared: &Shared) -> Result<BTreeMap<String, String>> {
    let mut settings: BTreeMap<String, String> = std::env::vars()
        .filter(|(name, value)| name.starts_with("CONCERT_") && !value.is_empty())
        .collect();
    for (name, value) in [
        ("CONCERT_REGION", "us-east-1"),
        ("CONCERT_WORKGROUP", "concert"),
        ("CONCERT_DATABASE", "dev"),
        (
            "CONCERT_MODELS",
            if shared.model_server.is_some() {
                "local.server"
            } else {
                "local.planner"
            },
        ),
        ("CONCERT_TABLE", "concert"),
        ("CONCERT_MEMORY_ID", "concert-localmem01"),
        // Where the local memory's own strategies keep what they find.
        (
            "CONCERT_MEMORY_NAMESPACES",
            "/strategies/preferences-localprefs/actors/{actorId},/strategies/facts-localfacts/actors/{actorId}",
        ),
    ] {
        settings.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    settings.insert("CONCERT_AWS_ENDPOINT".to_owned(), aws_url.to_owned());
    settings.insert("AWS_ACCESS_KEY_ID".to_owned(), shared.access_key.clone());
    settings.insert("AWS_SECRET_ACCESS_KEY".to_owned(), shared.secret_key.clone());
    if let Some(token) = &shared.session_token {
        settings.insert("AWS_SESSION_TOKEN".to_owned(), token.clone());
    }
    if let Some(today) = shared.today {
        settings.insert("CONCERT_TODAY".to_owned(), today.to_string());
    }
    if !settings.contains_key("CONCERT_COOKIE_KEY") {
        settings.insert("CONCERT_COOKIE_KEY".to_owned(), cookie_key(home)?);
    }
    Ok(settings)
}

/// The key that signs guests' cookies: made once and kept in the home, so that a restart forgets nobody.
fn cookie_key(home: &Path) -> Result<String> {
    let path = home.join("cookie.key");
    match std::fs::read_to_string(&path) {
        Ok(key) if key.trim().len() == COOKIE_KEY_BYTES * 2 => return Ok(key.trim().to_owned()),
        Ok(_) => bail!(
            "{} is not a key of {COOKIE_KEY_BYTES} bytes in hex; remove it to get a new one",
            path.display()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let mut bytes = [0; COOKIE_KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness on this machine: {error}"))?;
    let key: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    write_private(&path, &key).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(key)
}

/// A new file that only its owner can read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Waits until the edge answers that it and what it depends on are up.
async fn healthy(url: &str) -> Result<()> {
    let client = reqwest::Client::builder().timeout(HEALTHY_TIMEOUT).no_proxy().build()?;
    let deadline = tokio::time::Instant::now() + HEALTHY_TIMEOUT;
    loop {
        let last = match health(&client, url).await {
            Ok(answer) if answer.state == HealthState::Up => return Ok(()),
            Ok(answer) => down(&answer),
            Err(error) => format!("{error:#}"),
        };
        if tokio::time::Instant::now() > deadline {
            bail!("not healthy after {} s: {last}", HEALTHY_TIMEOUT.as_secs());
        }
        tokio::time::sleep(HEALTH_PAUSE).await;
    }
}

async fn health(client: &reqwest::Client, url: &str) -> Result<HealthAnswer> {
    Ok(client.get(format!("{url}/api/health")).send().await?.json().await?)
}

/// What of it is not up, in words.
fn down(answer: &HealthAnswer) -> String {
    let parts = answer.dependencies.iter().filter(|part| part.state != HealthState::Up);
    let words = parts.map(|part| format!("{}: {}", part.name, part.message.as_deref().unwrap_or("not up")));
    words.collect::<Vec<_>>().join("; ")
}
