//! The services that the settings name, each tried once with a time limit: is the address there, is the signature
//! accepted, does the warehouse answer, does each model. Nothing of it costs money.

use super::{Check, told};
use concert_aws::{
    Aws,
    bedrock::{ConverseRequest, converse},
    error::ServiceError,
    redshift::{self, DescribeStatement, ExecuteStatement, Operation, Status},
};
use concert_edge_native::Settings;
use std::time::{Duration, Instant};

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long `SELECT 1` may take in all: a workgroup that slept needs a while to wake.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a call waits for a statement to end, in seconds.
const STATEMENT_WAIT_S: u32 = 5;

/// What a service says when it does not accept who is asking.
const SIGNATURE_ERRORS: [&str; 9] = [
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "InvalidClientTokenId",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "ExpiredTokenException",
    "RequestExpired",
];

/// Any of these set means that services are meant to be used.
const CONFIGURED_BY: [&str; 3] = ["CONCERT_AWS_ENDPOINT", "CONCERT_WORKGROUP", "CONCERT_MODELS"];

/// Why a call did not give what it should.
enum Failure {
    Unreachable(String),
    Refused(ServiceError),
    Other(String),
}

/// Tries what is configured. Settings that are wrong were told before; what is missing for a whole configuration is told
/// here.
pub async fn all(setting: impl Fn(&str) -> Option<String>) -> Vec<Check> {
    let is_set = |name: &str| setting(name).is_some_and(|value| !value.trim().is_empty());
    if !CONFIGURED_BY.iter().any(|name| is_set(name)) {
        return vec![Check::ok("services", "none is configured; concert up brings its own")];
    }
    // The key that signs cookies is the edge's alone: calls do not need it.
    let read = Settings::read(|name| match name {
        "CONCERT_COOKIE_KEY" => Some("not needed to try services".to_owned()),
        name => setting(name),
    });
    let settings = match read {
        Ok(settings) => settings,
        Err(error) => {
            return vec![Check::error(
                "services",
                error.0.join("; "),
                "no service can be tried, and no edge starts with this",
                "set what is missing, or unset CONCERT_AWS_ENDPOINT, CONCERT_WORKGROUP and CONCERT_MODELS",
            )];
        }
    };
    let mut client = reqwest::Client::builder().timeout(CALL_TIMEOUT);
    if is_set("CONCERT_AWS_ENDPOINT") {
        client = client.no_proxy();
    }
    let client = match client.build() {
        Ok(client) => client,
        Err(error) => {
            return vec![Check::error(
                "services",
                told(&error),
                "no service can be tried",
                "look at this machine's certificates",
            )];
        }
    };
    let mut checks = Vec::new();
    let warehouse = select_1(&client, &settings).await;
    let origin = settings.aws.origin(concert_aws::service::Service::RedshiftData);
    if let Err(Failure::Unreachable(reason)) = &warehouse {
        checks.push(Check::error(
            "endpoint",
            format!("{origin} does not answer: {reason}"),
            "no question can be answered",
            "start concert aws or concert up, or mend CONCERT_AWS_ENDPOINT and CONCERT_REGION",
        ));
        return checks;
    }
    checks.push(Check::ok("endpoint", format!("{origin} answers")));
    if let Err(Failure::Refused(error)) = &warehouse
        && SIGNATURE_ERRORS.contains(&error.code.as_str())
    {
        checks.push(Check::error(
            "signature",
            format!("{}: {}", error.code, error.message),
            "every request is refused",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that is valid there, and this machine's clock",
        ));
        return checks;
    }
    checks.push(Check::ok("signature", "it is accepted"));
    checks.push(match warehouse {
        Ok(took) => Check::ok(
            "warehouse",
            format!(
                "workgroup {} answered SELECT 1 in {} ms",
                settings.workgroup,
                took.as_millis()
            ),
        ),
        Err(failure) => Check::error(
            "warehouse",
            format!(
                "workgroup {}, database {}: {}",
                settings.workgroup,
                settings.database,
                failure.words()
            ),
            "no question can be answered",
            "look at CONCERT_WORKGROUP and CONCERT_DATABASE, and at what this key may do there",
        ),
    });
    for model in &settings.models {
        checks.push(match answers(&client, &settings.aws, model).await {
            Ok(()) => Check::ok("model", format!("{model} answers")),
            Err(failure) => Check::error(
                "model",
                format!("{model}: {}", failure.words()),
                "the edge takes the next model of CONCERT_MODELS, or cannot answer in words",
                "look at the model's id, at the region, and at the access that was granted to it",
            ),
        });
    }
    checks
}

impl Failure {
    fn words(&self) -> String {
        match self {
            Failure::Unreachable(reason) | Failure::Other(reason) => reason.clone(),
            Failure::Refused(error) => format!("{}: {}", error.code, error.message),
        }
    }
}

async fn select_1(client: &reqwest::Client, settings: &Settings) -> Result<Duration, Failure> {
    let began = Instant::now();
    let statement = ExecuteStatement {
        sql: "SELECT 1".to_owned(),
        database: settings.database.clone(),
        workgroup_name: Some(settings.workgroup.clone()),
        wait_time_seconds: Some(STATEMENT_WAIT_S),
        ..ExecuteStatement::default()
    };
    let executed = call(client, &settings.aws, &statement).await?;
    let (mut status, mut reason) = (executed.status, None);
    while !status.is_some_and(Status::is_final) {
        if began.elapsed() > STATEMENT_TIMEOUT {
            return Err(Failure::Other(format!(
                "SELECT 1 did not end within {} s",
                STATEMENT_TIMEOUT.as_secs()
            )));
        }
        let described = call(
            client,
            &settings.aws,
            &DescribeStatement {
                id: executed.id.clone(),
                wait_time_seconds: Some(STATEMENT_WAIT_S),
            },
        )
        .await?;
        status = Some(described.status);
        reason = described.error;
    }
    match status {
        Some(Status::Finished) => Ok(began.elapsed()),
        _ => Err(Failure::Other(format!(
            "SELECT 1 failed: {}",
            reason.unwrap_or_else(|| "no reason was given".to_owned())
        ))),
    }
}

/// A conversation without a message: the service checks signature, permission and model, then refuses it as invalid,
/// and nothing is billed.
async fn answers(client: &reqwest::Client, aws: &Aws, model: &str) -> Result<(), Failure> {
    let request =
        converse(aws, model, &ConverseRequest::default(), now_ms()).map_err(|error| Failure::Other(told(&error)))?;
    match send(client, request).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused(error)) if error.code == "ValidationException" && !names(&error.message, model) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// A model that is not there is refused as invalid too, and then it is the model that the message speaks of.
fn names(message: &str, model: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("model identifier") || message.contains("model id") || message.contains(&model.to_lowercase())
}

async fn call<O: Operation>(client: &reqwest::Client, aws: &Aws, operation: &O) -> Result<O::Output, Failure> {
    let request = redshift::request(aws, operation, now_ms()).map_err(|error| Failure::Other(told(&error)))?;
    let body = send(client, request).await?;
    redshift::decode::<O>(&body).map_err(|error| Failure::Other(told(&error)))
}

async fn send<B: Into<reqwest::Body>>(
    client: &reqwest::Client,
    request: axum::http::Request<B>,
) -> Result<Vec<u8>, Failure> {
    let request = reqwest::Request::try_from(request).map_err(|error| Failure::Other(told(&error)))?;
    let failed = |error: reqwest::Error| {
        let words = told(&error.without_url());
        Failure::Unreachable(words)
    };
    let answer = client.execute(request).await.map_err(failed)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.map_err(failed)?;
    if status.is_success() {
        Ok(body.to_vec())
    } else {
        Err(Failure::Refused(ServiceError::decode(status.as_u16(), &headers, &body)))
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checks::State, commands::built_in_catalogue};
    use concert_lake::Lake;
    use concert_local::{LocalAws, LocalAwsOptions};
    use std::collections::BTreeMap;

    async fn local() -> (tempfile::TempDir, String) {
        let home = tempfile::tempdir().expect("a folder");
        let lake = Lake::open(home.path()).expect("opens");
        let aws = LocalAws::new(LocalAwsOptions {
            access_key: "key".to_owned(),
            secret_key: "secret".to_owned(),
            ..LocalAwsOptions::new(lake, built_in_catalogue().expect("reads"))
        })
        .expect("starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("has one"));
        tokio::spawn(async move { aws.serve(listener).await });
        (home, url)
    }

    /// `name state` of each check, with these settings over those that work.
    async fn tried(url: &str, changes: &[(&str, &str)]) -> Vec<String> {
        let mut settings = BTreeMap::from([
            ("CONCERT_AWS_ENDPOINT", url),
            ("CONCERT_WORKGROUP", "concert"),
            ("CONCERT_MODELS", "local.planner"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ]);
        settings.extend(changes.iter().copied());
        let checks = all(|name| settings.get(name).map(|value| (*value).to_owned())).await;
        for check in &checks {
            assert!(!check.found.contains("secret"), "{check:?}");
            assert_eq!(check.mend.is_some(), check.state != State::Ok, "{check:?}");
        }
        checks
            .iter()
            .map(|check| format!("{} {}", check.name, check.state.word()))
            .collect()
    }

    #[tokio::test]
    async fn each_service_is_tried() {
        /// Settings that are not the local ones, and what is then found.
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
        let (_home, url) = local().await;
        let up = ["endpoint ok", "signature ok", "warehouse ok", "model ok"];
        let cases: [Case<'_>; 7] = [
            (&[], &up),
            (
                &[("CONCERT_MODELS", "local.planner,no.such-model")],
                &["endpoint ok", "signature ok", "warehouse ok", "model ok", "model error"],
            ),
            (
                &[("AWS_SECRET_ACCESS_KEY", "wrong")],
                &["endpoint ok", "signature error"],
            ),
            (
                &[("CONCERT_WORKGROUP", "nobody")],
                &["endpoint ok", "signature ok", "warehouse error", "model ok"],
            ),
            // Port 9 discards, where anything listens at all.
            (&[("CONCERT_AWS_ENDPOINT", "http://127.0.0.1:9")], &["endpoint error"]),
            (&[("AWS_ACCESS_KEY_ID", "")], &["services error"]),
            (
                &[
                    ("CONCERT_AWS_ENDPOINT", ""),
                    ("CONCERT_WORKGROUP", ""),
                    ("CONCERT_MODELS", ""),
                ],
                &["services ok"],
            ),
        ];
        for (changes, expected) in cases {
            assert_eq!(tried(&url, changes).await, expected, "{changes:?}");
        }
    }
}
