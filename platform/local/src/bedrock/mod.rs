//! Bedrock's runtime: Converse and ConverseStream for one model, the planner.

mod model;
mod request;
mod stream;

use crate::{
    MODEL, REGION,
    error::{AwsError, Protocol, json_response},
    service::{Answer, Call, Operation, Service, ServiceInfo},
};
use axum::body::Body;
use bytes::Bytes;
use concert_contract::catalogue::Catalogue;
use concert_lake::{Lake, Snapshot};
use concert_planner::ValueIndex;
use concert_redshift::Warehouse;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Response, StatusCode};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use model::{Knowledge, Reply, Usage};
use request::{Conversation, ConverseRequest};
use serde_json::json;
use std::{convert::Infallible, sync::Arc, time::Instant};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

/// Frames that may wait for a slow reader.
const FRAMES_WAITING: usize = 64;
/// A publication while the values are read makes them read again.
const READ_TRIES: usize = 3;

#[derive(Clone)]
pub(crate) struct Bedrock {
    inner: Arc<Inner>,
}

struct Inner {
    warehouse: Warehouse,
    catalogue: Catalogue,
    today: Option<Date>,
    /// What was read from the newest snapshot seen.
    knowledge: Mutex<Option<(Option<Snapshot>, Arc<Knowledge>)>>,
}

static INFO: ServiceInfo = ServiceInfo {
    name: "bedrock-runtime",
    signing_name: "bedrock",
    protocol: Protocol::RestJson,
    target_prefix: "",
    error_namespace: None,
    error_message: "message",
    body_max_bytes: 25_000_000,
    operations: &[
        Operation::rest("Converse", "POST", "/model/{modelId}/converse"),
        Operation::rest("ConverseStream", "POST", "/model/{modelId}/converse-stream"),
    ],
};

impl Service for Bedrock {
    fn info(&self) -> &'static ServiceInfo {
        &INFO
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, AwsError>> {
        async move {
            let model = call.label("modelId");
            self.speak(call.operation, model, &call.body, call.request_id)
                .await
                .map(Answer::Http)
        }
        .boxed()
    }
}

impl Bedrock {
    pub fn new(warehouse: Warehouse, catalogue: Catalogue, today: Option<Date>) -> Bedrock {
        Bedrock {
            inner: Arc::new(Inner {
                warehouse,
                catalogue,
                today,
                knowledge: Mutex::new(None),
            }),
        }
    }

    async fn speak(
        &self,
        operation: &str,
        model_id: &str,
        body: &[u8],
        request_id: Uuid,
    ) -> Result<Response<Body>, AwsError> {
        let started = Instant::now();
        if !is_planner(model_id) {
            return Err(AwsError::validation(format!(
                "The provided model identifier is invalid: \"{model_id}\". The model that is served here is \"{MODEL}\"."
            )));
        }
        let conversation = ConverseRequest::parse(body)?.check()?;
        let today = self.today(&conversation)?;
        self.check_catalogue(&conversation)?;
        if operation == "ConverseStream" {
            return Ok(self.stream(conversation, today, started, request_id));
        }
        let reply = self.reply(&conversation, today).await.map_err(AwsError::internal)?;
        let usage = usage(&conversation, &reply);
        let body = json!({
            "output": {"message": {"role": "assistant", "content": reply.content()}},
            "stopReason": reply.stop_reason,
            "usage": usage,
            "metrics": {"latencyMs": millis(started)},
        });
        Ok(json_response(StatusCode::OK, Protocol::RestJson, &body))
    }

    /// Answers at once and speaks as it goes: what fails from here on is an exception in the stream.
    fn stream(&self, conversation: Conversation, today: Date, started: Instant, request_id: Uuid) -> Response<Body> {
        let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(FRAMES_WAITING);
        let bedrock = self.clone();
        tokio::spawn(async move {
            if sender.send(Ok(stream::start())).await.is_err() {
                return;
            }
            let frames = match bedrock.reply(&conversation, today).await {
                Ok(reply) => stream::frames(&reply, usage(&conversation, &reply), millis(started)),
                Err(error) => {
                    tracing::error!(%request_id, error, "the model failed");
                    vec![stream::exception("modelStreamErrorException", &error)]
                }
            };
            for frame in frames {
                // The reader has left: there is nobody to speak to.
                if sender.send(Ok(frame)).await.is_err() {
                    return;
                }
            }
        });
        let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver)));
        response.headers_mut().insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/vnd.amazon.eventstream"),
        );
        response
    }

    async fn reply(&self, conversation: &Conversation, today: Date) -> Result<Reply, String> {
        let knowledge = self
            .knowledge()
            .await
            .map_err(|error| format!("The published data cannot be read: {error}"))?;
        Ok(model::reply(conversation, &self.inner.catalogue, &knowledge, today))
    }

    fn today(&self, conversation: &Conversation) -> Result<Date, AwsError> {
        match conversation.metadata.get("today") {
            Some(text) => text.parse().map_err(|_| {
                AwsError::validation(format!(
                    "requestMetadata.today is \"{text}\", which is no date: write YYYY-MM-DD."
                ))
            }),
            None => Ok(self
                .inner
                .today
                .unwrap_or_else(|| Timestamp::now().to_zoned(TimeZone::UTC).date())),
        }
    }

    /// A query by the names of another catalogue than the caller's would be of no use to it.
    fn check_catalogue(&self, conversation: &Conversation) -> Result<(), AwsError> {
        // Metadata cannot hold every character of a version.
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let own = &self.inner.catalogue.version;
        match conversation.metadata.get("catalogue") {
            Some(named) if plain(named) != plain(own) => Err(AwsError::validation(format!(
                "requestMetadata.catalogue is \"{named}\", but {MODEL} was started with the catalogue \"{own}\". Start \
                 both with the same one."
            ))),
            _ => Ok(()),
        }
    }

    /// The state and the values of the newest snapshot, read once for each.
    async fn knowledge(&self) -> Result<Arc<Knowledge>, concert_lake::Error> {
        let lake = self.inner.warehouse.lake();
        let mut cached = self.inner.knowledge.lock().await;
        let mut snapshot = lake.snapshot()?;
        if let Some((known, knowledge)) = cached.as_ref()
            && *known == snapshot
        {
            return Ok(Arc::clone(knowledge));
        }
        let mut knowledge = read(lake).await?;
        for _ in 1..READ_TRIES {
            let after = lake.snapshot()?;
            if after == snapshot {
                break;
            }
            snapshot = after;
            knowledge = read(lake).await?;
        }
        let knowledge = Arc::new(knowledge);
        *cached = Some((snapshot, Arc::clone(&knowledge)));
        Ok(knowledge)
    }
}

async fn read(lake: &Lake) -> Result<Knowledge, concert_lake::Error> {
    Ok(Knowledge {
        state: lake.data_state().await?,
        values: ValueIndex::new(lake.catalogue_values().await?),
    })
}

/// `local.planner`, with or without its version, alone or as the end of an ARN of this region.
fn is_planner(model_id: &str) -> bool {
    let name = match model_id.strip_prefix("arn:aws:bedrock:") {
        Some(rest) => match rest.strip_prefix(REGION).and_then(|rest| rest.rsplit_once('/')) {
            Some((head, name)) if head.starts_with(':') => name,
            _ => return false,
        },
        None => model_id,
    };
    name.strip_prefix(MODEL)
        .is_some_and(|version| matches!(version, "" | "-v1:0"))
}

fn usage(conversation: &Conversation, reply: &Reply) -> Usage {
    let output_tokens = reply.output_tokens();
    Usage {
        input_tokens: conversation.input_tokens,
        output_tokens,
        total_tokens: conversation.input_tokens + output_tokens,
    }
}

fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::is_planner;

    #[test]
    fn the_model_is_known_by_its_names_only() {
        for name in [
            "local.planner",
            "local.planner-v1:0",
            "arn:aws:bedrock:us-east-1::foundation-model/local.planner",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/local.planner-v1:0",
        ] {
            assert!(is_planner(name), "{name}");
        }
        for name in [
            "",
            "local.planner2",
            "arn:aws:bedrock:eu-west-1::foundation-model/local.planner",
            "anthropic.claude",
        ] {
            assert!(!is_planner(name), "{name}");
        }
    }
}
