//! The AWS wire APIs on this machine: Redshift Data over [`concert_redshift`], Bedrock's runtime with the planner, a
//! script or a model server for a model, and SageMaker's runtime before model servers. One listener tells the services
//! apart as AWS's own clients address them.
//!
//! Every request's Signature Version 4 is checked against the configured key and refused in AWS's words. Whatever
//! talks to this endpoint talks to AWS by another address, so AWS's clients are how it is tested. The private module
//! `service` says how a further service is added.

mod bedrock;
mod body;
mod dynamodb;
mod error;
mod fault;
mod foreign;
mod memory;
mod quotas;
mod redshift_data;
mod redshift_service;
mod sagemaker;
mod server;
mod service;
mod sigv4;
mod state;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
};
use bedrock::Bedrock;
use body::Bodies;
use concert_contract::catalogue::Catalogue;
use concert_lake::Lake;
use concert_redshift::Warehouse;
use dynamodb::DynamoDb;
use error::{AwsError, Protocol, REQUEST_ID};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::{Timestamp, civil::Date};
use memory::AgentCoreMemory;
use quotas::Quotas;
use redshift_data::RedshiftData;
use sagemaker::SageMaker;
use serde_json::json;
use service::{Answer, Call, Service, Services, Target, query_pairs};
use sigv4::{Credentials, Received};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use uuid::Uuid;

/// The only region.
pub const REGION: &str = "us-east-1";
/// The only workgroup of Redshift Serverless.
pub const WORKGROUP: &str = "concert";
/// The model that is always there.
pub const MODEL: &str = "local.planner";
pub use bedrock::ModelServer;
pub use dynamodb::TABLE;
pub use memory::MEMORY;
pub use sagemaker::ENDPOINTS;

/// An order of faults is small.
const ORDER_MAX_BYTES: usize = 64 << 10;

/// What the endpoint serves and to whom. Further fields may come: begin with [`LocalAwsOptions::new`].
pub struct LocalAwsOptions {
    pub lake: Lake,
    /// What the planner plans over.
    pub catalogue: Catalogue,
    pub access_key: String,
    pub secret_key: String,
    /// Set: the key is a temporary one, and requests must carry this token. None: requests must carry none.
    pub session_token: Option<String>,
    /// The day that questions without `requestMetadata.today` are read on; none: the machine's, in UTC.
    pub today: Option<Date>,
    /// The folder that keeps the services' own state; none: it ends with the process.
    pub home: Option<PathBuf>,
    /// Refuse calls beyond AWS's own per-second quotas.
    pub aws_quotas: bool,
    /// What serves the models `local.server` and `server:NAME`; none: they are refused.
    pub model_server: Option<ModelServer>,
    /// The address of the model server behind each SageMaker endpoint.
    pub endpoints: BTreeMap<String, String>,
}

impl LocalAwsOptions {
    /// All else as `concert aws --in-memory` has it without options.
    pub fn new(lake: Lake, catalogue: Catalogue) -> LocalAwsOptions {
        LocalAwsOptions {
            lake,
            catalogue,
            access_key: "concert".to_owned(),
            secret_key: "concert-local-secret".to_owned(),
            session_token: None,
            today: None,
            home: None,
            aws_quotas: false,
            model_server: None,
            endpoints: BTreeMap::new(),
        }
    }
}

/// Why the endpoint cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The text says what and how to mend it.
    #[error("{0}")]
    State(String),
    /// An address or a name that was given is none.
    #[error("{0}")]
    Setting(String),
}

/// The endpoint. Cloning shares everything.
#[derive(Clone)]
pub struct LocalAws {
    inner: Arc<Inner>,
}

struct Inner {
    credentials: Credentials,
    services: Services,
    sagemaker: Arc<SageMaker>,
    has_model_server: bool,
    faults: fault::Orders,
    quotas: Option<Quotas>,
    bodies: Bodies,
}

impl LocalAws {
    /// # Errors
    /// State that is kept in the home cannot be opened.
    pub fn new(options: LocalAwsOptions) -> Result<LocalAws, StartError> {
        let warehouse = Warehouse::new(options.lake);
        let bedrock = Bedrock::new(
            warehouse.clone(),
            options.catalogue,
            options.today,
            options.model_server.as_ref(),
        )
        .map_err(StartError::Setting)?;
        let sagemaker = Arc::new(SageMaker::new(&options.endpoints).map_err(StartError::Setting)?);
        let store = state::open(options.home.as_deref())?;
        let services = Services::new(vec![
            Arc::new(RedshiftData::new(warehouse)),
            Arc::new(bedrock),
            Arc::clone(&sagemaker) as Arc<dyn Service>,
            Arc::new(DynamoDb::new(store.clone())?),
            Arc::new(AgentCoreMemory::new(store)),
        ]);
        Ok(LocalAws {
            inner: Arc::new(Inner {
                credentials: Credentials {
                    access_key: options.access_key,
                    secret_key: options.secret_key,
                    session_token: options.session_token,
                    region: REGION.to_owned(),
                },
                services,
                sagemaker,
                has_model_server: options.model_server.is_some(),
                faults: fault::Orders::default(),
                quotas: options.aws_quotas.then(Quotas::default),
                bodies: Bodies::default(),
            }),
        })
    }

    /// Every path in one service. `PUT /_concert/fault` is answered only where the caller's address is known, which
    /// [`LocalAws::serve`] sees to.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// None at present: what fails is one connection.
    pub async fn serve(&self, listener: TcpListener) -> std::io::Result<()> {
        server::serve(listener, self.router()).await
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

async fn route(aws: &LocalAws, request: Request<Body>, request_id: Uuid) -> Response<Body> {
    let started = Instant::now();
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/_concert/health") => {
            let mut models = vec![MODEL];
            models.extend(aws.inner.has_model_server.then_some(bedrock::SERVER_MODEL));
            let body = json!({
                "state": "up",
                "region": REGION,
                "workgroup": WORKGROUP,
                "models": models,
                "services": aws.inner.services.operations(),
                "endpoints": aws.inner.sagemaker.health().await,
            });
            return error::json_response(StatusCode::OK, Protocol::RestJson, &body);
        }
        (&Method::PUT, "/_concert/fault") => return order_fault(aws, request).await,
        _ => {}
    }
    let scope = sigv4::scope_service(request.headers(), request.uri());
    let target = match aws.inner.services.target(&request, scope.as_deref()) {
        Ok(target) => target,
        Err(unknown) => {
            tracing::info!(%request_id, message = unknown.error.message, "not served");
            return match unknown.info {
                Some(info) => unknown.error.response(info),
                None => foreign::response(&unknown.error, request.headers(), scope.as_deref(), request_id),
            };
        }
    };
    let info = target.service.info();
    let operation = target.operation.name;
    let response = answer(aws, request, target, request_id).await.unwrap_or_else(|error| {
        tracing::debug!(%request_id, operation, code = error.code, message = error.message, "refused");
        error.response(info)
    });
    tracing::info!(
        %request_id,
        service = info.name,
        operation,
        status = response.status().as_u16(),
        ms = started.elapsed().as_millis(),
        "answered"
    );
    response
}

async fn answer(
    aws: &LocalAws,
    request: Request<Body>,
    target: Target,
    request_id: Uuid,
) -> Result<Response<Body>, AwsError> {
    let info = target.service.info();
    let operation = target.operation.name;
    let (parts, body) = request.into_parts();
    let held = aws.inner.bodies.read(&parts.headers, body, info.body_max_bytes).await?;
    let received = Received {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        body: &held.bytes,
    };
    sigv4::verify(
        &received,
        info.signing_name,
        info.protocol,
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
    faults.extend(aws.inner.faults.take(operation));
    fault::before(&faults, info.protocol).await?;
    if let Some(quotas) = &aws.inner.quotas
        && !quotas.admit(info.name, operation, Instant::now())
    {
        return Err(AwsError::throttled(info.protocol));
    }
    let call = Call {
        operation,
        labels: target.labels,
        query: query_pairs(parts.uri.query()),
        headers: parts.headers,
        body: held.bytes.clone(),
        request_id,
    };
    let response = match target.service.call(call).await? {
        Answer::Json(value) => error::json_response(StatusCode::OK, info.protocol, &value),
        Answer::Http(response) => response,
    };
    Ok(fault::after(&faults, response))
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
        let (parts, body) = request.into_parts();
        let held = aws.inner.bodies.read(&parts.headers, body, ORDER_MAX_BYTES).await?;
        let order = error::parse_object(&held.bytes)?;
        aws.inner.faults.put(order).map_err(AwsError::validation)
    };
    match ordered.await {
        Ok(()) => error::json_response(StatusCode::OK, Protocol::RestJson, &json!({})),
        Err(error) => error.plain_response(Protocol::RestJson),
    }
}

/// Milliseconds since `started`, as AWS's metrics count them.
fn millis(started: Instant) -> u64 {
    millis_of(started.elapsed())
}

fn millis_of(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
