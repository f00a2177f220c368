//! Bedrock's runtime: Converse, InvokeModel and their streams, CountTokens and ApplyGuardrail. A model is the planner, a
//! script for tests, or whatever a server of OpenAI's chat API serves; what Bedrock refuses is refused before any of them
//! sees it ([`request`]), and what they say goes out within the same bounds ([`speech`]).

mod anthropic;
mod chat_server;
mod guardrail;
mod planner;
mod request;
mod script;
mod speech;
mod stream;
mod token;

pub use chat_server::ModelServer;
pub(crate) use chat_server::client;

use crate::{
    MODEL, REGION,
    error::{AwsError, Protocol, json_response},
    millis,
    service::{Answer, Call, Operation, Service, ServiceInfo},
};
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chat_server::Server;
use concert_contract::catalogue::Catalogue;
use concert_lake::{Lake, Snapshot};
use concert_planner::ValueIndex;
use concert_redshift::Warehouse;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use planner::Knowledge;
use request::{Abilities, Block, Conversation, ConverseRequest};
use script::Throttles;
use serde::Deserialize;
use serde_json::{Value, json};
use speech::{Broken, End, Piece, Pieces, Reply, Said, Speech};
use std::{sync::Arc, time::Instant};
use stream::ConverseFrames;
use tokio::sync::Mutex;

/// A publication while the values are read makes them read again.
const READ_TRIES: usize = 3;
/// What the model server's default model is called.
pub(crate) const SERVER_MODEL: &str = "local.server";
/// What stands before the server's own name of a model.
const SERVER_PREFIX: &str = "server:";
const INTERVENED: &str = "guardrail_intervened";

static INFO: ServiceInfo = ServiceInfo {
    name: "bedrock-runtime",
    signing_name: "bedrock",
    protocol: Protocol::RestJson,
    target_prefix: "",
    error_namespace: None,
    error_message: "message",
    body_max_bytes: 25_000_000,
    operations: &[
        Operation::rest(
            "ApplyGuardrail",
            "POST",
            "/guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply",
        ),
        Operation::rest("Converse", "POST", "/model/{modelId}/converse"),
        Operation::rest("ConverseStream", "POST", "/model/{modelId}/converse-stream"),
        Operation::rest("CountTokens", "POST", "/model/{modelId}/count-tokens"),
        Operation::rest("InvokeModel", "POST", "/model/{modelId}/invoke"),
        Operation::rest(
            "InvokeModelWithResponseStream",
            "POST",
            "/model/{modelId}/invoke-with-response-stream",
        ),
    ],
};

#[derive(Clone)]
pub(crate) struct Bedrock {
    inner: Arc<Inner>,
}

struct Inner {
    warehouse: Warehouse,
    catalogue: Catalogue,
    today: Option<Date>,
    server: Option<Server>,
    throttles: Throttles,
    /// What was read from the newest snapshot seen.
    knowledge: Mutex<Option<(Option<Snapshot>, Arc<Knowledge>)>>,
}

/// Who speaks.
enum Model<'a> {
    Planner,
    /// By the file's name.
    Script(String),
    /// By the server's own name of it; none: its default.
    Server(&'a Server, Option<String>),
}

impl Model<'_> {
    fn abilities(&self) -> Abilities {
        match self {
            Model::Planner => Abilities::TEXT,
            Model::Script(_) | Model::Server(..) => Abilities::ALL,
        }
    }

    /// Whether it counts its own tokens and keeps their bound.
    fn counts(&self) -> bool {
        matches!(self, Model::Server(..))
    }
}

/// What a model says, and what a guardrail found.
struct Spoken {
    speech: Speech,
    trace: Option<Value>,
    /// Set where a guardrail was asked for.
    intervened: Option<bool>,
}

impl Service for Bedrock {
    fn info(&self) -> &'static ServiceInfo {
        &INFO
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, AwsError>> {
        async move {
            let started = Instant::now();
            match call.operation {
                "Converse" => self.converse(&call, started).await.map(Answer::Json),
                "ConverseStream" => self.converse_stream(&call, started).await.map(Answer::Http),
                "InvokeModel" => self.invoke(&call, started).await.map(Answer::Http),
                "InvokeModelWithResponseStream" => self.invoke_stream(&call, started).await.map(Answer::Http),
                "CountTokens" => self.count_tokens(&call).map(Answer::Json),
                "ApplyGuardrail" => {
                    guardrail::find(call.label("guardrailIdentifier"), call.label("guardrailVersion"))?;
                    guardrail::apply(&call.parse()?).map(Answer::Json)
                }
                other => Err(AwsError::internal(format!("{other} is listed and not served"))),
            }
        }
        .boxed()
    }
}

impl Bedrock {
    /// # Errors
    /// The model server's address is none, said in words.
    pub fn new(
        warehouse: Warehouse,
        catalogue: Catalogue,
        today: Option<Date>,
        server: Option<&ModelServer>,
    ) -> Result<Bedrock, String> {
        Ok(Bedrock {
            inner: Arc::new(Inner {
                warehouse,
                catalogue,
                today,
                server: server.map(Server::new).transpose()?,
                throttles: Throttles::default(),
                knowledge: Mutex::new(None),
            }),
        })
    }

    async fn converse(&self, call: &Call, started: Instant) -> Result<Value, AwsError> {
        let model = self.model(call.label("modelId"))?;
        let conversation = ConverseRequest::parse(&call.body)?.check(model.abilities())?;
        let paths = conversation.response_paths.clone();
        let spoken = self.speak(&model, conversation, false).await?;
        let reply = spoken.speech.collect().await.map_err(broken)?;
        let content: Vec<Value> = reply
            .blocks
            .iter()
            .map(|said| match said {
                Said::Text(text) => json!({"text": text}),
                Said::Reasoning(text) => json!({"reasoningContent": {"reasoningText": {"text": text}}}),
                Said::Tool { id, name, input } => {
                    json!({"toolUse": {"toolUseId": id, "name": name, "input": input}})
                }
            })
            .collect();
        let mut answer = json!({
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": reply.end.reason(),
            "usage": stream::usage(&reply.end),
            "metrics": {"latencyMs": millis(started)},
        });
        if let Some(fields) = reply.end.asked_fields(&paths) {
            answer["additionalModelResponseFields"] = fields;
        }
        if let Some(trace) = spoken.trace {
            answer["trace"] = trace;
        }
        Ok(answer)
    }

    async fn converse_stream(&self, call: &Call, started: Instant) -> Result<Response<Body>, AwsError> {
        let model = self.model(call.label("modelId"))?;
        let conversation = ConverseRequest::parse(&call.body)?.check(model.abilities())?;
        let paths = conversation.response_paths.clone();
        let spoken = self.speak(&model, conversation, true).await?;
        let frames = ConverseFrames::new(started, paths, spoken.trace);
        Ok(stream::respond(spoken.speech, frames, call.request_id))
    }

    /// InvokeModel's body as a conversation.
    fn invoked(&self, call: &Call, model: &Model<'_>) -> Result<Conversation, AwsError> {
        let abilities = model.abilities();
        let mut request = anthropic::read(&call.body, abilities.further_fields)?;
        request.guardrail_config = anthropic::guardrail(|name| call.header(name).map(str::to_owned));
        request.check(abilities)
    }

    async fn invoke(&self, call: &Call, started: Instant) -> Result<Response<Body>, AwsError> {
        let name = call.label("modelId");
        let model = self.model(name)?;
        let conversation = self.invoked(call, &model)?;
        let spoken = self.speak(&model, conversation, false).await?;
        let action = spoken.intervened.map(|did| if did { "INTERVENED" } else { "NONE" });
        let reply = spoken.speech.collect().await.map_err(broken)?;
        let (input, output) = reply.end.usage();
        let answer = anthropic::answer(name, &reply, action);
        let mut response = json_response(StatusCode::OK, Protocol::RestJson, &answer);
        for (name, count) in [
            ("x-amzn-bedrock-input-token-count", input),
            ("x-amzn-bedrock-output-token-count", output),
            ("x-amzn-bedrock-invocation-latency", millis(started)),
        ] {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), HeaderValue::from(count));
        }
        Ok(response)
    }

    async fn invoke_stream(&self, call: &Call, started: Instant) -> Result<Response<Body>, AwsError> {
        let name = call.label("modelId");
        let model = self.model(name)?;
        let conversation = self.invoked(call, &model)?;
        let frames = anthropic::MessageFrames::new(name, started, conversation.input_tokens);
        let spoken = self.speak(&model, conversation, true).await?;
        let mut response = stream::respond(spoken.speech, frames, call.request_id);
        response.headers_mut().insert(
            HeaderName::from_static("x-amzn-bedrock-content-type"),
            HeaderValue::from_static("application/json"),
        );
        Ok(response)
    }

    fn count_tokens(&self, call: &Call) -> Result<Value, AwsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        enum Input {
            Converse(Box<ConverseRequest>),
            InvokeModel { body: String },
        }
        #[derive(Deserialize)]
        struct Request {
            input: Input,
        }
        let model = self.model(call.label("modelId"))?;
        if model.counts() {
            // The chat API has no operation that counts.
            return Err(AwsError::validation(
                "The provided model doesn't support counting tokens.",
            ));
        }
        let request = match call.parse::<Request>()?.input {
            Input::Converse(request) => *request,
            Input::InvokeModel { body } => {
                let body = STANDARD.decode(body).map_err(|error| {
                    AwsError::serialization(format!("input.invokeModel.body is no base64: {error}"))
                })?;
                anthropic::read(&body, model.abilities().further_fields)?
            }
        };
        Ok(json!({"inputTokens": request.check(model.abilities())?.input_tokens}))
    }

    /// The model of a name, or of the end of an ARN of this region.
    fn model(&self, id: &str) -> Result<Model<'_>, AwsError> {
        if let Some(file) = id.strip_prefix(script::PREFIX) {
            return Ok(Model::Script(file.to_owned()));
        }
        let (name, is_arn) = match id.strip_prefix("arn:aws:bedrock:") {
            Some(rest) => match rest.strip_prefix(REGION).and_then(|rest| rest.rsplit_once('/')) {
                Some((head, name)) if head.starts_with(':') => (name, true),
                _ => ("", false),
            },
            None => (id, false),
        };
        let is = |wanted: &str| {
            name.strip_prefix(wanted)
                .is_some_and(|version| matches!(version, "" | "-v1:0"))
        };
        if is(MODEL) {
            return Ok(Model::Planner);
        }
        let own = name.strip_prefix(SERVER_PREFIX);
        if own.is_some_and(|own| !own.is_empty()) || is(SERVER_MODEL) {
            return match &self.inner.server {
                Some(server) => Ok(Model::Server(server, own.map(str::to_owned))),
                None => Err(not_found(format!(
                    "No model server is configured for \"{id}\". Start this endpoint with --model-server URL, where a server \
                     of OpenAI's chat API listens."
                ))),
            };
        }
        let served = format!(
            "Served here are \"{MODEL}\", \"{SERVER_MODEL}\" and \"{SERVER_PREFIX}NAME\" with --model-server, and \
             \"{}FILE\" for tests.",
            script::PREFIX
        );
        Err(if is_arn {
            not_found(format!(
                "Could not resolve the foundation model from the provided model identifier: \"{id}\". {served}"
            ))
        } else {
            AwsError::validation(format!("The provided model identifier is invalid: \"{id}\". {served}"))
        })
    }

    /// Lets the model speak, under the guardrail that the conversation names.
    async fn speak(
        &self,
        model: &Model<'_>,
        mut conversation: Conversation,
        is_streamed: bool,
    ) -> Result<Spoken, AwsError> {
        let Some(guard) = guardrail::of(conversation.guardrail.as_ref())? else {
            let pieces = self.begin(model, &conversation, is_streamed).await?;
            return Ok(Spoken {
                speech: Speech::new(pieces, &conversation, model.counts()),
                trace: None,
                intervened: None,
            });
        };
        let mut given = String::new();
        for block in conversation
            .turns
            .last_mut()
            .into_iter()
            .flat_map(|turn| &mut turn.blocks)
        {
            if let Block::Text(text) = block {
                given.push_str(text);
                given.push('\n');
                *text = guardrail::assess(text, guardrail::Source::Input).masked;
            }
        }
        let input = guardrail::assess(given.trim_end(), guardrail::Source::Input);
        if input.is_blocked() {
            let reply = Reply {
                blocks: vec![Said::Text(guard.blocked_input().to_owned())],
                end: End {
                    reason: Some(INTERVENED),
                    // The model was not asked.
                    usage: Some((0, 0)),
                    ..End::default()
                },
            };
            return Ok(Spoken {
                speech: Speech::again(reply),
                trace: guard.trace(&input, &[]),
                intervened: Some(true),
            });
        }
        // A text is judged as a whole: what is streamed waits for that.
        let pieces = self.begin(model, &conversation, is_streamed).await?;
        let mut reply = Speech::new(pieces, &conversation, model.counts())
            .collect()
            .await
            .map_err(broken)?;
        let mut outputs = Vec::new();
        for said in &mut reply.blocks {
            if let Said::Text(text) = said {
                let found = guardrail::assess(text, guardrail::Source::Output);
                text.clone_from(&found.masked);
                outputs.push(found);
            }
        }
        let intervened = outputs.iter().any(guardrail::Assessment::intervened);
        if intervened {
            reply.end.reason = Some(INTERVENED);
        }
        Ok(Spoken {
            trace: guard.trace(&input, &outputs),
            speech: Speech::again(reply),
            intervened: Some(intervened),
        })
    }

    async fn begin(
        &self,
        model: &Model<'_>,
        conversation: &Conversation,
        is_streamed: bool,
    ) -> Result<Pieces, AwsError> {
        match model {
            Model::Planner => self.plan(conversation).await,
            Model::Script(file) => script::begin(file, conversation, &self.inner.throttles).await,
            Model::Server(server, name) => server.begin(name.as_deref(), conversation, is_streamed).await,
        }
    }

    async fn plan(&self, conversation: &Conversation) -> Result<Pieces, AwsError> {
        let today = self.today(conversation)?;
        self.check_catalogue(conversation)?;
        let bedrock = self.clone();
        let given = conversation.clone();
        let reply = async move {
            let knowledge = bedrock
                .knowledge()
                .await
                .map_err(|error| format!("The published data cannot be read: {error}"))?;
            Ok::<_, String>(planner::reply(&given, &bedrock.inner.catalogue, &knowledge, today))
        };
        if conversation.choice != request::Choice::Auto {
            // What cannot be chosen is refused before the answer begins.
            let blocks = planner::choose(reply.await.map_err(AwsError::internal)?, &conversation.choice)?;
            return Ok(futures::stream::iter(blocks.into_iter().map(piece).map(Ok)).boxed());
        }
        Ok(futures::stream::once(reply)
            .flat_map(|reply| {
                let pieces = match reply {
                    Ok(blocks) => blocks.into_iter().map(piece).map(Ok).collect(),
                    Err(error) => vec![Err(Broken::model(error))],
                };
                futures::stream::iter(pieces)
            })
            .boxed())
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

fn piece(said: Said) -> Piece {
    match said {
        Said::Text(text) => Piece::Text(text),
        Said::Reasoning(text) => Piece::Reasoning(text),
        Said::Tool { id, name, input } => Piece::Tool { id, name, input },
    }
}

fn not_found(message: String) -> AwsError {
    AwsError::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

/// What breaks off a stream refuses a whole answer.
fn broken(broken: Broken) -> AwsError {
    let Broken::Exception { name, message } = broken else {
        return AwsError::new(
            StatusCode::FAILED_DEPENDENCY,
            "ModelErrorException",
            "The model broke off its answer.",
        );
    };
    match name {
        "throttlingException" => AwsError::throttled(Protocol::RestJson),
        "validationException" => AwsError::validation(message),
        "serviceUnavailableException" => {
            AwsError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message)
        }
        "internalServerException" => AwsError::internal(message),
        _ => AwsError::new(StatusCode::FAILED_DEPENDENCY, "ModelErrorException", message),
    }
}
