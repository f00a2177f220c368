//! The AWS wire APIs on this machine: Redshift Data over [`concert_redshift`], and Bedrock's Converse with the planner
//! for a model. One listener tells the services apart as AWS's own clients address them.
//!
//! Every request's Signature Version 4 is checked against the configured key and refused in AWS's words. Whatever
//! talks to this endpoint talks to AWS by another address, so AWS's clients are how it is tested.

mod bedrock;
mod error;
mod fault;
mod redshift_data;
mod sigv4;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    serve::ListenerExt as _,
};
use bedrock::Bedrock;
use concert_contract::catalogue::Catalogue;
use concert_lake::Lake;
use concert_redshift::Warehouse;
use error::{AwsError, Protocol, REQUEST_ID};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::{Timestamp, civil::Date};
use redshift_data::RedshiftData;
use serde_json::json;
use sigv4::{Credentials, Received};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use uuid::Uuid;

/// The only region.
pub const REGION: &str = "us-east-1";
/// The only workgroup of Redshift Serverless.
pub const WORKGROUP: &str = "concert";
/// The model that Converse serves.
pub const MODEL: &str = "local.planner";

/// Conversations and statements are far smaller; AWS's own limits are of this order.
const BODY_MAX_BYTES: usize = 10 << 20;

pub struct LocalAwsOptions {
    pub lake: Lake,
    /// What the planner plans over.
    pub catalogue: Catalogue,
    pub access_key: String,
    pub secret_key: String,
    /// The day that questions without `requestMetadata.today` are read on; none: the machine's, in UTC.
    pub today: Option<Date>,
}

/// The endpoint. Cloning shares everything.
#[derive(Clone)]
pub struct LocalAws {
    inner: Arc<Inner>,
}

struct Inner {
    credentials: Credentials,
    redshift: RedshiftData,
    bedrock: Bedrock,
    faults: fault::Orders,
}

impl LocalAws {
    pub fn new(options: LocalAwsOptions) -> LocalAws {
        let warehouse = Warehouse::new(options.lake);
        LocalAws {
            inner: Arc::new(Inner {
                credentials: Credentials {
                    access_key: options.access_key,
                    secret_key: options.secret_key,
                    region: REGION.to_owned(),
                },
                redshift: RedshiftData::new(warehouse.clone()),
                bedrock: Bedrock::new(warehouse, options.catalogue, options.today),
                faults: fault::Orders::default(),
            }),
        }
    }

    /// Every path in one service. `PUT /_concert/fault` is answered only where the caller's address is known, which
    /// [`LocalAws::serve`] sees to.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// As `axum::serve`.
    pub async fn serve(&self, listener: TcpListener) -> std::io::Result<()> {
        // Small frames leave when they are written; a model's words must not wait for acknowledgements.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(
            listener,
            self.router().into_make_service_with_connect_info::<SocketAddr>(),
        )
        .await
    }
}

async fn handle(State(aws): State<LocalAws>, request: Request<Body>) -> Response<Body> {
    let request_id = Uuid::new_v4();
    let mut response = route(&aws, request, request_id).await;
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// What a request asks for, by its path and headers alone.
enum Target {
    Redshift { operation: String },
    Bedrock { operation: &'static str, model_id: String },
}

impl Target {
    fn service(&self) -> &'static str {
        match self {
            Target::Redshift { .. } => "redshift-data",
            Target::Bedrock { .. } => "bedrock",
        }
    }

    fn operation(&self) -> &str {
        match self {
            Target::Redshift { operation } => operation,
            Target::Bedrock { operation, .. } => operation,
        }
    }
}

const SERVED: &str = "Served here are Redshift Data (BatchExecuteStatement excepted) and Bedrock's Converse and \
                      ConverseStream";

fn target(request: &Request<Body>) -> Result<(Target, Protocol), (AwsError, Protocol)> {
    if let Some(target) = request.headers().get("x-amz-target") {
        let target = target.to_str().unwrap_or_default();
        if let Some(operation) = target.strip_prefix("RedshiftData.")
            && request.method() == Method::POST
        {
            return Ok((
                Target::Redshift {
                    operation: operation.to_owned(),
                },
                Protocol::Json11,
            ));
        }
        let message = format!("{target:?} is not an operation that is served here. {SERVED}.");
        return Err((
            AwsError::new(StatusCode::BAD_REQUEST, "UnknownOperationException", message),
            Protocol::Json11,
        ));
    }
    let path = request.uri().path();
    if let Some((model_id, operation)) = path.strip_prefix("/model/").and_then(|rest| rest.rsplit_once('/'))
        && request.method() == Method::POST
    {
        let operation = match operation {
            "converse" => Some("Converse"),
            "converse-stream" => Some("ConverseStream"),
            _ => None,
        };
        if let Some(operation) = operation {
            let model_id = percent_encoding::percent_decode_str(model_id)
                .decode_utf8_lossy()
                .into_owned();
            return Ok((Target::Bedrock { operation, model_id }, Protocol::RestJson));
        }
    }
    let message = format!(
        "{} {path} is not an operation that is served here. {SERVED}.",
        request.method()
    );
    Err((
        AwsError::new(StatusCode::NOT_FOUND, "UnknownOperationException", message),
        Protocol::RestJson,
    ))
}

async fn route(aws: &LocalAws, request: Request<Body>, request_id: Uuid) -> Response<Body> {
    let started = std::time::Instant::now();
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/_concert/health") => {
            let body = json!({"state": "up", "region": REGION, "workgroup": WORKGROUP, "models": [MODEL]});
            return error::json_response(StatusCode::OK, Protocol::RestJson, &body);
        }
        (&Method::PUT, "/_concert/fault") => return order_fault(aws, request).await,
        _ => {}
    }
    let (target, protocol) = match target(&request) {
        Ok(known) => known,
        Err((error, protocol)) => return error.response(protocol),
    };
    let response = answer(aws, request, &target, protocol, request_id).await;
    let response = response.unwrap_or_else(|error| {
        tracing::debug!(%request_id, operation = target.operation(), code = error.code, message = error.message, "refused");
        error.response(protocol)
    });
    tracing::info!(
        %request_id,
        service = target.service(),
        operation = target.operation(),
        status = response.status().as_u16(),
        ms = started.elapsed().as_millis(),
        "answered"
    );
    response
}

async fn answer(
    aws: &LocalAws,
    request: Request<Body>,
    target: &Target,
    protocol: Protocol,
    request_id: Uuid,
) -> Result<Response<Body>, AwsError> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let received = Received {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        body: &body,
    };
    sigv4::verify(
        &received,
        target.service(),
        protocol,
        &aws.inner.credentials,
        Timestamp::now(),
    )?;

    let mut faults = match parts
        .headers
        .get(fault::HEADER)
        .map(|value| value.to_str().unwrap_or("?"))
    {
        Some(text) => fault::parse(text).map_err(AwsError::validation)?,
        None => Vec::new(),
    };
    faults.extend(aws.inner.faults.take(target.operation()));
    fault::before(&faults, protocol).await?;
    let response = match target {
        Target::Redshift { operation } => {
            let answer = aws.inner.redshift.call(operation, &body).await?;
            error::json_response(StatusCode::OK, protocol, &answer)
        }
        Target::Bedrock { operation, model_id } => {
            aws.inner.bedrock.call(operation, model_id, &body, request_id).await?
        }
    };
    Ok(fault::after(&faults, response))
}

async fn read_body(body: Body) -> Result<bytes::Bytes, AwsError> {
    match Limited::new(body, BODY_MAX_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(AwsError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            format!("The request's body is larger than {BODY_MAX_BYTES} bytes."),
        )),
        Err(error) => Err(AwsError::serialization(format!(
            "The request's body could not be read: {error}"
        ))),
    }
}

/// Only from this machine: the faults of one caller are felt by all.
async fn order_fault(aws: &LocalAws, request: Request<Body>) -> Response<Body> {
    let local = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .is_some_and(|ConnectInfo(address)| address.ip().is_loopback());
    let ordered = async {
        if !local {
            return Err(AwsError::new(
                StatusCode::FORBIDDEN,
                "AccessDeniedException",
                "Faults can be ordered only from the machine that this endpoint runs on.",
            ));
        }
        let body = read_body(request.into_body()).await?;
        let order = error::parse_object(&body)?;
        aws.inner.faults.put(order).map_err(AwsError::validation)
    };
    match ordered.await {
        Ok(()) => error::json_response(StatusCode::OK, Protocol::RestJson, &json!({})),
        Err(error) => error.response(Protocol::RestJson),
    }
}
