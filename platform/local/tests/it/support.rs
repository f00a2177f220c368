//! A server over a small published data set, and requests signed by AWS's own signer.

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use concert_contract::{catalogue::Catalogue, money::Currency};
use concert_ingest::IngestOptions;
use concert_lake::Lake;
use concert_local::{LocalAws, LocalAwsOptions};
use concert_refine::PublishOptions;
use jiff::civil::date;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Request, StatusCode};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::{sync::OnceCell, task::JoinHandle};

pub const ACCESS_KEY: &str = "test-key";
pub const SECRET_KEY: &str = "test-secret";

/// What a request is signed with.
#[derive(Clone, Copy)]
pub struct Signer {
    pub access_key: &'static str,
    pub secret_key: &'static str,
    pub region: &'static str,
    pub service: &'static str,
    pub time: SystemTime,
}

impl Default for Signer {
    fn default() -> Self {
        Signer {
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
            region: "us-east-1",
            service: "redshift-data",
            time: SystemTime::now(),
        }
    }
}

impl Signer {
    pub fn bedrock() -> Signer {
        Signer {
            service: "bedrock",
            ..Signer::default()
        }
    }

    fn sign(&self, mut request: Request) -> Request {
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let identity = Credentials::new(self.access_key, self.secret_key, None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.time)
            .settings(SigningSettings::default())
            .build()
            .expect("parameters")
            .into();
        let host = format!(
            "{}:{}",
            request.url().host_str().expect("a host"),
            request.url().port_or_known_default().expect("a port")
        );
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
        let headers: Vec<(&str, &str)> = headers.chain([("host", host.as_str())]).collect();
        let url = request.url().to_string();
        let signable = SignableRequest::new(
            request.method().as_str(),
            &url,
            headers.into_iter(),
            SignableBody::Bytes(body),
        )
        .expect("a request");
        let (instructions, _) = sign(signable, &params).expect("a signature").into_parts();
        let (headers, _) = instructions.into_parts();
        for header in headers {
            request
                .headers_mut()
                .insert(header.name(), header.value().parse().expect("a value"));
        }
        request
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
    headers: reqwest::header::HeaderMap,
}

impl Answer {
    /// An error's text: some services' models write it with a capital.
    pub fn message(&self) -> &str {
        let text = |name: &str| self.body[name].as_str();
        text("message")
            .or_else(|| text("Message"))
            .unwrap_or_else(|| panic!("no message in {}", self.body))
    }

    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text").to_owned())
            .unwrap_or_default()
    }
}

pub struct Server {
    pub client: Client,
    base: String,
    home: tempfile::TempDir,
    lake: Lake,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Over the data that the wire tests use.
    pub async fn start() -> Server {
        let home = tempfile::tempdir().expect("a folder");
        copy(published().await, home.path());
        let lake = Lake::open(home.path()).expect("a lake");
        let aws = LocalAws::new(LocalAwsOptions {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            today: Some(date(2002, 1, 1)),
            ..LocalAwsOptions::new(lake.clone(), catalogue())
        })
        .expect("starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move { aws.serve(listener).await.expect("serves") });
        let client = Client::builder().no_proxy().build().expect("a client");
        Server {
            client,
            base,
            home,
            lake,
            task,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Ingests files by their tables' names and publishes.
    pub async fn publish(&self, files: &[(&str, &str)]) {
        let folder = self.home.path().join("more");
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.join(name), text).expect("writes");
        }
        publish(&self.lake, folder).await;
    }

    pub fn redshift_request(&self, signer: &Signer, target: &str, body: Vec<u8>) -> Request {
        let request = self
            .client
            .post(self.url("/"))
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.1")
            .body(body);
        signer.sign(request.build().expect("a request"))
    }

    pub async fn redshift(&self, signer: &Signer, target: &str, body: Vec<u8>) -> Answer {
        self.send(self.redshift_request(signer, target, body)).await
    }

    pub async fn bedrock(&self, signer: &Signer, model: &str, operation: &str, body: Vec<u8>) -> Answer {
        let model = utf8_percent_encode(model, NON_ALPHANUMERIC);
        let url = self.url(&format!("/model/{model}/{operation}"));
        let request = self
            .client
            .request(Method::POST, url)
            .header("content-type", "application/json")
            .body(body);
        self.send(signer.sign(request.build().expect("a request"))).await
    }

    pub async fn send(&self, request: Request) -> Answer {
        let response = self.client.execute(request).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"));
        Answer { status, body, headers }
    }

    pub async fn count(&self, signer: &Signer, table: &str) -> i64 {
        let sql = format!("select count(*) from concert_dw.{table}");
        let execute = json!({"WorkgroupName": "concert", "Database": "dev", "Sql": sql, "WaitTimeSeconds": 30});
        let executed = self
            .redshift(
                signer,
                "RedshiftData.ExecuteStatement",
                execute.to_string().into_bytes(),
            )
            .await;
        assert_eq!(executed.body["Status"], "FINISHED", "{}", executed.body);
        let id = json!({"Id": executed.body["Id"]}).to_string().into_bytes();
        let result = self.redshift(signer, "RedshiftData.GetStatementResult", id).await;
        result.body["Records"][0][0]["longValue"]
            .as_i64()
            .unwrap_or_else(|| panic!("no number in {}", result.body))
    }
}

/// A home with the data published, made once for all tests: each takes a copy.
async fn published() -> &'static Path {
    static HOME: OnceCell<PathBuf> = OnceCell::const_new();
    HOME.get_or_init(|| async {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("concert-local-home");
        let _ = std::fs::remove_dir_all(&home);
        let lake = Lake::open(&home).expect("a lake");
        publish(
            &lake,
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire/data"),
        )
        .await;
        home
    })
    .await
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
    {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copies");
        }
    }
}

fn catalogue() -> Catalogue {
    Catalogue::from_toml(concert_contract::catalogue::CONCERT_DW).expect("the built-in catalogue")
}

async fn publish(lake: &Lake, files: PathBuf) {
    let (today, wait) = (date(2002, 1, 1), Duration::from_secs(30));
    let options = IngestOptions {
        files: vec![files],
        mapping: None,
        today,
        currency: Currency::USD,
        wait,
        progress: None,
    };
    concert_ingest::ingest(lake, &options).await.expect("ingests");
    concert_refine::publish(lake, &catalogue(), &PublishOptions { today, wait })
        .await
        .expect("publishes");
}
