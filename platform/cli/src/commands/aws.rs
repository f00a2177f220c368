//! `concert aws`: the AWS-compatible endpoint alone, for wrangler, spin and anyone's own AWS client.

use super::{built_in_catalogue, open_lake};
use crate::output::write_line;
use anyhow::{Context, Result};
use clap::Args;
use concert_lake::Lake;
use concert_local::{LocalAws, LocalAwsOptions, ModelServer};
use jiff::civil::Date;
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpStream};

/// What the local endpoint accepts unless told otherwise. Nothing here is a secret: it is bound to this machine.
pub const ACCESS_KEY: &str = "concert";
pub const SECRET_KEY: &str = "concert-local-secret";
/// Sent to the model server as a bearer token.
const MODEL_SERVER_KEY: &str = "CONCERT_MODEL_SERVER_KEY";

#[derive(Args)]
pub struct Options {
    /// 0 takes a free port
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// Keep no data: begin with empty tables in a folder that is removed at the end
    #[arg(long)]
    in_memory: bool,
    #[command(flatten)]
    shared: Shared,
}

/// What `up` and `aws` have in common.
#[derive(Args, Clone)]
pub struct Shared {
    /// The address to listen on; anything but loopback lets others on the network in
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// The access key that requests must be signed with
    #[arg(long, default_value = ACCESS_KEY)]
    pub access_key: String,
    #[arg(long, default_value = SECRET_KEY)]
    pub secret_key: String,
    /// Treat the key as a temporary one that goes with this token
    #[arg(long, value_name = "TOKEN")]
    pub session_token: Option<String>,
    /// Refuse requests beyond AWS's own per-second quotas
    #[arg(long)]
    pub aws_quotas: bool,
    /// A server of OpenAI's chat API (llama.cpp, Ollama, vLLM) as the model `local.server`, or `server:NAME` by its own names
    #[arg(long, env = "CONCERT_MODEL_SERVER", hide_env = true, value_name = "URL")]
    pub model_server: Option<String>,
    /// What the model server is asked for as `local.server` [default: the first model that it lists]
    #[arg(
        long,
        env = "CONCERT_MODEL_SERVER_MODEL",
        hide_env = true,
        value_name = "NAME",
        requires = "model_server"
    )]
    pub model_server_model: Option<String>,
    /// The model server behind a SageMaker endpoint, such as ticket-sales=http://127.0.0.1:8081
    #[arg(long = "endpoint", value_name = "NAME=URL", value_parser = endpoint)]
    pub endpoints: Vec<(String, String)>,
    /// The day that relative dates are read from [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    pub today: Option<Date>,
}

/// Reads `NAME=URL`.
fn endpoint(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && !url.is_empty() => Ok((name.to_owned(), url.to_owned())),
        _ => Err("write NAME=URL, such as ticket-sales=http://127.0.0.1:8081".to_owned()),
    }
}

pub async fn run(home: &Path, options: Options) -> Result<()> {
    let scratch = options
        .in_memory
        .then(tempfile::tempdir)
        .transpose()
        .context("cannot make a temporary folder")?;
    let lake = match &scratch {
        // What is kept in memory has nothing to do with the lake that settings name.
        Some(folder) => Lake::open(folder.path())?,
        None => open_lake(home)?,
    };
    let listener = bind(&options.shared.host, options.port).await?;
    let url = url_of(&listener)?;
    let state = (!options.in_memory).then(|| home.to_owned());
    let server = tokio::spawn(serve(listener, lake, state, &options.shared)?);
    write_line(&format!("AWS endpoint at {url}"))?;
    eprintln!(
        "region us-east-1, access key {}, secret key {}; Ctrl+C stops it",
        options.shared.access_key, options.shared.secret_key
    );
    tokio::select! {
        result = server => result?,
        () = stop_signal() => Ok(()),
    }
}

/// Binds, and says what a host other than loopback exposes.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind((host, port))
        .await
        .with_context(|| format!("cannot listen on {host}:{port}; is another one running? Port 0 takes a free one"))?;
    if !listener.local_addr()?.ip().is_loopback() {
        eprintln!("listening on {host}: everyone who reaches this machine can read the data behind it");
    }
    Ok(listener)
}

pub fn url_of(listener: &TcpListener) -> Result<String> {
    let address = listener.local_addr()?;
    // An unspecified address is where one listens, not where one connects to.
    Ok(if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", address.port())
    } else {
        format!("http://{address}")
    })
}

/// The endpoint, which keeps its state in `home` if there is one.
///
/// # Errors
/// That state cannot be opened.
pub fn serve(
    listener: TcpListener,
    lake: Lake,
    home: Option<PathBuf>,
    shared: &Shared,
) -> Result<impl Future<Output = Result<()>> + Send + 'static> {
    let aws = LocalAws::new(LocalAwsOptions {
        access_key: shared.access_key.clone(),
        secret_key: shared.secret_key.clone(),
        session_token: shared.session_token.clone(),
        today: shared.today,
        home,
        aws_quotas: shared.aws_quotas,
        model_server: shared.model_server.clone().map(|url| ModelServer {
            url,
            // Not an option: what stands on a command line can be read by everyone on the machine.
            key: std::env::var(MODEL_SERVER_KEY).ok().filter(|key| !key.is_empty()),
            model: shared.model_server_model.clone(),
        }),
        endpoints: shared.endpoints.iter().cloned().collect(),
        ..LocalAwsOptions::new(lake, built_in_catalogue()?)
    })?;
    Ok(async move { aws.serve(listener).await.context("the AWS endpoint stopped") })
}

/// Small pieces of an answer leave when they are written: a streamed word must not wait for the one before to be
/// acknowledged. Where that cannot be set the answer is only slower.
pub fn send_at_once(stream: &mut TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// Ctrl+C, or the signal that a supervisor sends.
pub async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
