//! A model behind any server that speaks OpenAI's chat API (llama.cpp, Ollama, vLLM): Converse's conversation is
//! translated there, and what the server says back, whole or streamed, with tools.
//!
//! `serde_json` values are used on this wire on purpose: the servers differ in what they leave out, and a member that
//! one of them adds must not break the others.

use super::{
    request::{Block, Choice, Conversation, Turn},
    speech::{Broken, END_TURN, End, MAX_TOKENS, Piece, Pieces, TOOL_USE},
};
use crate::error::AwsError;
use bytes::{Buf as _, Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http::StatusCode;
use reqwest::{Client, Url};
use serde_json::{Map, Value, json};
use std::{collections::VecDeque, time::Duration};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Where the server is.
#[derive(Clone, Debug)]
pub struct ModelServer {
    /// With or without `/v1` at its end: `http://127.0.0.1:11434`.
    pub url: String,
    /// Sent as a bearer token.
    pub key: Option<String>,
    /// What `local.server` means; none: the first model that the server lists.
    pub model: Option<String>,
}

/// Models load while the first request waits.
const ANSWER_MAX: Duration = Duration::from_secs(300);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A stream that brings nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(120);
const ANSWER_MAX_BYTES: usize = 16 << 20;
const LINE_MAX_BYTES: usize = 4 << 20;
const ERROR_MAX_CHARS: usize = 500;
/// OpenAI's own bound; the rest is kept here (see `speech`).
const STOPS_MAX: usize = 4;
/// What the translation itself sets.
const OWN_FIELDS: &[&str] = &[
    "model",
    "messages",
    "tools",
    "tool_choice",
    "stream",
    "stream_options",
    "n",
];

pub(crate) struct Server {
    client: Client,
    base: Url,
    key: Option<String>,
    /// What `local.server` means, once it is known.
    default_model: OnceCell<String>,
}

impl Server {
    /// # Errors
    /// The address is none, said in words.
    pub fn new(options: &ModelServer) -> Result<Server, String> {
        let mut base: Url = options
            .url
            .parse()
            .map_err(|error| format!("the model server's address {:?} is none: {error}", options.url))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(format!(
                "the model server's address {:?} must be http://HOST:PORT or https://HOST",
                options.url
            ));
        }
        let path = base.path().trim_end_matches('/');
        let path = if path.ends_with("/v1") {
            path.to_owned()
        } else {
            format!("{path}/v1")
        };
        base.set_path(&path);
        Ok(Server {
            client: client(&base).map_err(|error| format!("no client for the model server: {error}"))?,
            base,
            key: options.key.clone(),
            default_model: OnceCell::new_with(options.model.clone()),
        })
    }

    /// What the server says to a conversation. `name` is the server's own name of the model; none: its default.
    ///
    /// # Errors
    /// It cannot be reached, it refuses, or its answer is no chat completion.
    pub async fn begin(
        &self,
        name: Option<&str>,
        conversation: &Conversation,
        is_streamed: bool,
    ) -> Result<Pieces, AwsError> {
        let model = match name {
            Some(name) => name,
            None => self.default_model.get_or_try_init(|| self.first_model()).await?,
        };
        let body = request(model, conversation, is_streamed)?;
        let mut request = self.client.post(self.url("chat/completions")).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let response = tokio::time::timeout(ANSWER_MAX, request.send())
            .await
            .map_err(|_| timeout())?
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let is_event_stream = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/event-stream"));
        if status.is_success() && is_streamed && is_event_stream {
            return Ok(pieces(Box::pin(response.bytes_stream())));
        }
        let text = tokio::time::timeout(ANSWER_MAX, whole(response))
            .await
            .map_err(|_| timeout())??;
        if !status.is_success() {
            return Err(refused(status.as_u16(), model, &text));
        }
        let answer: Value = serde_json::from_slice(&text)
            .map_err(|error| model_error(format!("The model server's answer is no JSON: {error}")))?;
        // A server that does not stream is still heard.
        Ok(futures::stream::iter(said(&answer)?.into_iter().map(Ok)).boxed())
    }

    async fn first_model(&self) -> Result<String, AwsError> {
        let mut request = self.client.get(self.url("models"));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let response = tokio::time::timeout(ANSWER_MAX, request.send())
            .await
            .map_err(|_| timeout())?
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = whole(response).await?;
        if !status.is_success() {
            return Err(refused(status.as_u16(), "models", &text));
        }
        let list: Value = serde_json::from_slice(&text).unwrap_or_default();
        list.pointer("/data/0/id")
            .or_else(|| list.pointer("/models/0/name"))
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| {
                AwsError::new(
                    StatusCode::NOT_FOUND,
                    "ResourceNotFoundException",
                    format!(
                        "The model server at {} lists no model. Load one, or name it: server:NAME.",
                        self.base
                    ),
                )
            })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path()));
        url
    }

    fn unreachable(&self, error: &reqwest::Error) -> AwsError {
        tracing::warn!(%error, "the model server cannot be reached");
        AwsError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailableException",
            format!(
                "The model server at {} does not answer. Start it, or start this endpoint with another --model-server.",
                self.base
            ),
        )
    }
}

/// A proxy is for what is elsewhere.
pub(crate) fn client(url: &Url) -> reqwest::Result<Client> {
    let builder = Client::builder().connect_timeout(CONNECT_MAX);
    let is_loopback = url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    if is_loopback { builder.no_proxy() } else { builder }.build()
}

fn model_error(message: impl Into<String>) -> AwsError {
    AwsError::new(StatusCode::FAILED_DEPENDENCY, "ModelErrorException", message)
}

fn timeout() -> AwsError {
    AwsError::new(
        StatusCode::REQUEST_TIMEOUT,
        "ModelTimeoutException",
        format!("The model server said nothing for {} s.", ANSWER_MAX.as_secs()),
    )
}

/// What the server refuses, as Bedrock would have.
fn refused(status: u16, model: &str, body: &[u8]) -> AwsError {
    let text = String::from_utf8_lossy(body);
    let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
    let message = ["/error/message", "/error", "/message", "/detail"]
        .iter()
        .find_map(|path| parsed.pointer(path)?.as_str())
        .unwrap_or(&text);
    let message: String = message.chars().take(ERROR_MAX_CHARS).collect();
    let message = format!("The model server answered {status} for \"{model}\": {message}");
    match status {
        400 | 413 | 422 => AwsError::validation(message),
        401 | 403 => AwsError::new(StatusCode::FORBIDDEN, "AccessDeniedException", message),
        404 => AwsError::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message),
        429 => AwsError::new(StatusCode::TOO_MANY_REQUESTS, "ThrottlingException", message),
        503 => AwsError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message),
        _ => model_error(message).with("originalStatusCode", status),
    }
}

/// A body within its bound.
async fn whole(response: reqwest::Response) -> Result<Bytes, AwsError> {
    let mut bytes = BytesMut::new();
    let mut body = response.bytes_stream();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| model_error(format!("The model server's answer broke off: {error}")))?;
        if bytes.len() + part.len() > ANSWER_MAX_BYTES {
            return Err(model_error(format!(
                "The model server's answer is larger than {ANSWER_MAX_BYTES} bytes."
            )));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

fn request(model: &str, conversation: &Conversation, is_streamed: bool) -> Result<Value, AwsError> {
    let mut body = Map::new();
    for (name, value) in &conversation.further_fields {
        if OWN_FIELDS.contains(&name.as_str()) {
            return Err(super::request::malformed(&format!(
                "#: extraneous key [{name}] is not permitted"
            )));
        }
        body.insert(name.clone(), value.clone());
    }
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages(conversation)?.into());
    body.insert("stream".to_owned(), is_streamed.into());
    if is_streamed {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if let Some(tokens) = conversation.max_tokens {
        body.insert("max_tokens".to_owned(), tokens.into());
    }
    if let Some(temperature) = conversation.temperature {
        body.insert("temperature".to_owned(), temperature.into());
    }
    if let Some(top_p) = conversation.top_p {
        body.insert("top_p".to_owned(), top_p.into());
    }
    if !conversation.stop_sequences.is_empty() {
        let stops: Vec<&String> = conversation.stop_sequences.iter().take(STOPS_MAX).collect();
        body.insert("stop".to_owned(), json!(stops));
    }
    if !conversation.tools.is_empty() {
        let tools: Vec<Value> = conversation
            .tools
            .iter()
            .map(|tool| {
                let mut function = json!({"name": tool.name, "parameters": tool.schema});
                if let Some(description) = &tool.description {
                    function["description"] = description.as_str().into();
                }
                json!({"type": "function", "function": function})
            })
            .collect();
        body.insert("tools".to_owned(), tools.into());
        let choice = match &conversation.choice {
            Choice::Auto => json!("auto"),
            Choice::Any => json!("required"),
            Choice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        };
        body.insert("tool_choice".to_owned(), choice);
    }
    Ok(Value::Object(body))
}

fn messages(conversation: &Conversation) -> Result<Vec<Value>, AwsError> {
    let mut messages = Vec::new();
    if !conversation.system.is_empty() {
        messages.push(json!({"role": "system", "content": conversation.system.join("\n\n")}));
    }
    for turn in &conversation.turns {
        if turn.is_user {
            user(turn, &mut messages)?;
        } else {
            messages.push(assistant(turn));
        }
    }
    Ok(messages)
}

fn assistant(turn: &Turn) -> Value {
    let mut text = Vec::new();
    let mut calls = Vec::new();
    for block in &turn.blocks {
        match block {
            Block::Text(said) => text.push(said.as_str()),
            Block::ToolUse { id, name, input } => calls.push(json!({
                "id": id,
                "type": "function",
                "function": {"name": name, "arguments": input.to_string()},
            })),
            Block::Image { .. } | Block::Document { .. } | Block::ToolResult { .. } => {}
        }
    }
    let mut message = json!({"role": "assistant", "content": text.join("\n\n")});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

/// Results come as messages of their own, before what the user says beside them.
fn user(turn: &Turn, messages: &mut Vec<Value>) -> Result<(), AwsError> {
    let mut parts: Vec<Value> = Vec::new();
    for block in &turn.blocks {
        match block {
            Block::Text(text) => parts.push(json!({"type": "text", "text": text})),
            Block::Image { format, data } => parts.push(image(format, data)),
            Block::Document { name, format, bytes } => {
                parts.push(json!({"type": "text", "text": document(name, format, bytes)?}));
            }
            Block::ToolResult { id, is_error, content } => {
                let mut text = Vec::new();
                for part in content {
                    if let Some(said) = part.get("text").and_then(Value::as_str) {
                        text.push(said.to_owned());
                    } else if let Some(json) = part.get("json") {
                        text.push(json.to_string());
                    } else {
                        return Err(super::request::unsupported(part, "a toolResult's content"));
                    }
                }
                let text = text.join("\n");
                // The chat API has no mark for a call that failed.
                let text = if *is_error { format!("Error: {text}") } else { text };
                messages.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
            }
            Block::ToolUse { .. } => {}
        }
    }
    let is_text = |part: &Value| part["type"] == "text";
    if parts.iter().all(is_text) {
        let text: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        if !text.is_empty() {
            messages.push(json!({"role": "user", "content": text.join("\n\n")}));
        }
    } else {
        messages.push(json!({"role": "user", "content": parts}));
    }
    Ok(())
}

fn image(format: &str, data: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": format!("data:image/{format};base64,{data}")}})
}

/// The chat API takes no files, so that what is text goes as text.
fn document(name: &str, format: &str, bytes: &[u8]) -> Result<String, AwsError> {
    if !matches!(format, "txt" | "md" | "csv" | "html") {
        return Err(AwsError::validation(format!(
            "This model doesn't support documents in the format {format}. Send txt, md, csv or html, and try again."
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| {
        AwsError::validation(format!(
            "The document \"{name}\" is no UTF-8 text. Convert it and try again."
        ))
    })?;
    Ok(format!("<document name=\"{name}\">\n{text}\n</document>"))
}

/// A whole completion.
fn said(answer: &Value) -> Result<Vec<Piece>, AwsError> {
    let Some(choice) = answer.pointer("/choices/0") else {
        return Err(model_error(
            "The model server's answer is no chat completion: it has no choices.",
        ));
    };
    let message = &choice["message"];
    let mut pieces = Vec::new();
    if let Some(text) = reasoning(message) {
        pieces.push(Piece::Reasoning(text));
    }
    if let Some(text) = message["content"].as_str().filter(|text| !text.is_empty()) {
        pieces.push(Piece::Text(text.to_owned()));
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let name = call["function"]["name"].as_str().unwrap_or_default();
        pieces.push(Piece::ToolStart {
            id: call_id(call["id"].as_str()),
            name: name.to_owned(),
        });
        pieces.push(Piece::ToolInput(arguments(&call["function"]["arguments"])));
    }
    let used_tool = pieces.iter().any(|piece| matches!(piece, Piece::ToolStart { .. }));
    pieces.push(Piece::End(end(answer, choice["finish_reason"].as_str(), used_tool)));
    Ok(pieces)
}

fn reasoning(message: &Value) -> Option<String> {
    ["reasoning_content", "reasoning"]
        .iter()
        .find_map(|name| message[*name].as_str())
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// A text by the API; some servers give the object itself.
fn arguments(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Some servers leave ids out, or give such as Converse does not take back.
fn call_id(given: Option<&str>) -> String {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    match given {
        Some(id) if (1..=64).contains(&id.len()) && id.bytes().all(valid) => id.to_owned(),
        _ => format!("tooluse_{}", Uuid::new_v4().simple()),
    }
}

fn end(answer: &Value, finish: Option<&str>, used_tool: bool) -> End {
    let reason = match finish {
        Some("length") => MAX_TOKENS,
        Some("content_filter") => "content_filtered",
        // Some servers stop for a tool and say that they just stopped.
        _ if used_tool => TOOL_USE,
        _ => END_TURN,
    };
    let count = |name: &str| answer["usage"][name].as_u64();
    let mut fields = answer.as_object().cloned().unwrap_or_default();
    fields.retain(|name, _| !matches!(name.as_str(), "choices" | "usage"));
    End {
        reason: Some(reason),
        usage: count("prompt_tokens").zip(count("completion_tokens")),
        fields,
        stop_sequence: None,
    }
}

/// The pieces of a streamed completion.
fn pieces(body: impl Stream<Item = reqwest::Result<Bytes>> + Send + Unpin + 'static) -> Pieces {
    let reader = Reader {
        body,
        buffer: BytesMut::new(),
        chunks: Chunks::default(),
        ready: VecDeque::new(),
        over: false,
    };
    futures::stream::unfold(reader, |mut reader| async move {
        let next = reader.next().await?;
        Some((next, reader))
    })
    .boxed()
}

struct Reader<S> {
    body: S,
    buffer: BytesMut,
    chunks: Chunks,
    ready: VecDeque<Piece>,
    over: bool,
}

impl<S: Stream<Item = reqwest::Result<Bytes>> + Unpin> Reader<S> {
    async fn next(&mut self) -> Option<Result<Piece, Broken>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            if self.over {
                return None;
            }
            if let Err(broken) = self.more().await {
                self.over = true;
                return Some(Err(broken));
            }
        }
    }

    /// Takes one line of the stream, or waits for more of it.
    async fn more(&mut self) -> Result<(), Broken> {
        if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(at);
            self.buffer.advance(1);
            return self.line(&line);
        }
        if self.buffer.len() > LINE_MAX_BYTES {
            return Err(Broken::model("A line of the model server's stream is too long."));
        }
        match tokio::time::timeout(SILENCE_MAX, self.body.next()).await {
            Ok(Some(Ok(part))) => self.buffer.extend_from_slice(&part),
            Ok(None) if self.chunks.finish.is_some() => self.end(),
            Ok(None) => return Err(Broken::model("The model server's stream ended before its end.")),
            Ok(Some(Err(error))) => {
                return Err(Broken::model(format!("The model server's stream broke off: {error}")));
            }
            Err(_) => {
                return Err(Broken::model(format!(
                    "The model server said nothing for {} s.",
                    SILENCE_MAX.as_secs()
                )));
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Comments keep the connection open; other fields of an event are not used on this wire.
        let Some(data) = line.strip_prefix(b"data:") else {
            return Ok(());
        };
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.end();
            return Ok(());
        }
        let chunk: Value = serde_json::from_slice(data)
            .map_err(|error| Broken::model(format!("The model server's stream is no JSON: {error}")))?;
        self.chunks.feed(chunk, &mut self.ready)
    }

    fn end(&mut self) {
        self.over = true;
        self.chunks.end(&mut self.ready);
    }
}

/// What has been heard of a stream. The parts of the first call go on as they come; those of further calls wait for the
/// end, since a server may send parallel calls in turns and Converse's blocks come one after the other.
#[derive(Default)]
struct Chunks {
    calls: Vec<Call>,
    finish: Option<String>,
    last: Value,
}

struct Call {
    index: u64,
    /// As the server gave it.
    given_id: Option<String>,
    name: String,
    arguments: String,
}

impl Chunks {
    fn feed(&mut self, chunk: Value, out: &mut VecDeque<Piece>) -> Result<(), Broken> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            let message = error["message"]
                .as_str()
                .or(error.as_str())
                .unwrap_or("no reason is given");
            let message: String = message.chars().take(ERROR_MAX_CHARS).collect();
            return Err(Broken::model(format!("The model server failed: {message}")));
        }
        if let Some(choice) = chunk.pointer("/choices/0") {
            let delta = &choice["delta"];
            if let Some(text) = reasoning(delta) {
                out.push_back(Piece::Reasoning(text));
            }
            if let Some(text) = delta["content"].as_str().filter(|text| !text.is_empty()) {
                out.push_back(Piece::Text(text.to_owned()));
            }
            for (i, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
                self.call(call["index"].as_u64().unwrap_or(i as u64), call, out)?;
            }
            if let Some(finish) = choice["finish_reason"].as_str() {
                self.finish = Some(finish.to_owned());
            }
        }
        // Usage comes in a chunk of its own, after the one that ends.
        let had = self.last.get_mut("usage").map(Value::take);
        self.last = chunk;
        if let Some(had) = had.filter(Value::is_object)
            && !self.last["usage"].is_object()
        {
            self.last["usage"] = had;
        }
        Ok(())
    }

    fn call(&mut self, index: u64, part: &Value, out: &mut VecDeque<Piece>) -> Result<(), Broken> {
        let text = arguments(&part["function"]["arguments"]);
        let name = part["function"]["name"].as_str().filter(|name| !name.is_empty());
        let id = part["id"].as_str().filter(|id| !id.is_empty());
        let known = self.calls.iter().rposition(|call| call.index == index);
        let is_same = |call: &Call| match (name, id, &call.given_id) {
            (None, ..) => true,
            // Some servers repeat name and id in every part, and some give several whole calls one index.
            (Some(_), Some(id), Some(given)) => id == given,
            (Some(_), ..) => serde_json::from_str::<Value>(&call.arguments).is_err(),
        };
        let at = match known.filter(|at| is_same(&self.calls[*at])) {
            Some(at) => at,
            None => {
                let Some(name) = name else {
                    return Err(Broken::model(
                        "The model server sent a part of a call that it has not begun.",
                    ));
                };
                self.calls.push(Call {
                    index,
                    given_id: id.map(str::to_owned),
                    name: name.to_owned(),
                    arguments: String::new(),
                });
                if self.calls.len() == 1 {
                    out.push_back(Piece::ToolStart {
                        id: call_id(id),
                        name: name.to_owned(),
                    });
                }
                self.calls.len() - 1
            }
        };
        self.calls[at].arguments.push_str(&text);
        if self.calls.iter().map(|call| call.arguments.len()).sum::<usize>() > ANSWER_MAX_BYTES {
            return Err(Broken::model("The model server's calls are too long."));
        }
        if at == 0 && !text.is_empty() {
            out.push_back(Piece::ToolInput(text));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut VecDeque<Piece>) {
        let used_tool = !self.calls.is_empty();
        for call in self.calls.drain(..).skip(1) {
            out.push_back(Piece::ToolStart {
                id: call_id(call.given_id.as_deref()),
                name: call.name,
            });
            out.push_back(Piece::ToolInput(call.arguments));
        }
        out.push_back(Piece::End(end(&self.last, self.finish.as_deref(), used_tool)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedrock::{
        request::{Abilities, ConverseRequest},
        speech::{Reply, Said, Speech},
    };

    fn conversation(body: Value) -> Conversation {
        ConverseRequest::parse(body.to_string().as_bytes())
            .and_then(|request| request.check(Abilities::ALL))
            .unwrap_or_else(|error| panic!("{}", error.message))
    }

    fn hello() -> Conversation {
        conversation(json!({"messages": [{"role": "user", "content": [{"text": "hello"}]}]}))
    }

    #[test]
    fn a_conversation_is_translated_with_its_tools() {
        let given = conversation(json!({
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "look"}, {"image": {"format": "png", "source": {"bytes": "iVBORw=="}}}]},
                {"role": "assistant", "content": [
                    {"text": "I look."},
                    {"toolUse": {"toolUseId": "a", "name": "x", "input": {"q": 1}}},
                    {"toolUse": {"toolUseId": "b", "name": "y", "input": {}}},
                ]},
                {"role": "user", "content": [
                    {"toolResult": {"toolUseId": "a", "content": [{"json": {"n": 2}}]}},
                    {"toolResult": {"toolUseId": "b", "content": [{"text": "no"}], "status": "error"}},
                    {"text": "go on"},
                ]},
            ],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.25, "stopSequences": ["1", "2", "3", "4", "5"]},
            "toolConfig": {
                "tools": [
                    {"toolSpec": {"name": "x", "description": "d", "inputSchema": {"json": {"type": "object"}}}},
                    {"toolSpec": {"name": "y", "inputSchema": {"json": {"type": "object"}}}},
                ],
                "toolChoice": {"tool": {"name": "x"}},
            },
            "additionalModelRequestFields": {"top_k": 3},
        }));
        let body = request("m", &given, true).unwrap_or_else(|error| panic!("{}", error.message));
        let expected = json!({
            "top_k": 3,
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                ]},
                {"role": "assistant", "content": "I look.", "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "x", "arguments": "{\"q\":1}"}},
                    {"id": "b", "type": "function", "function": {"name": "y", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "a", "content": "{\"n\":2}"},
                {"role": "tool", "tool_call_id": "b", "content": "Error: no"},
                {"role": "user", "content": "go on"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.25,
            "stop": ["1", "2", "3", "4"],
            "tools": [
                {"type": "function", "function": {"name": "x", "parameters": {"type": "object"}, "description": "d"}},
                {"type": "function", "function": {"name": "y", "parameters": {"type": "object"}}},
            ],
            "tool_choice": {"type": "function", "function": {"name": "x"}},
        });
        assert_eq!(body, expected);
        let mut own = hello();
        own.further_fields.insert("stream".to_owned(), json!(false));
        assert!(request("m", &own, true).is_err_and(|error| error.message.contains("[stream]")));
    }

    /// A stream of events, cut into parts of so many bytes.
    async fn heard(events: &str, part_bytes: usize) -> Result<Reply, Broken> {
        let parts: Vec<reqwest::Result<Bytes>> = events
            .as_bytes()
            .chunks(part_bytes)
            .map(|part| Ok(Bytes::copy_from_slice(part)))
            .collect();
        let pieces = pieces(futures::stream::iter(parts));
        Speech::new(pieces, &hello(), true).collect().await
    }

    fn events(chunks: &[Value]) -> String {
        let mut text = String::from(": keep-alive\n\n");
        for chunk in chunks {
            text.push_str(&format!("data: {chunk}\r\n\r\n"));
        }
        text.push_str("data: [DONE]\n\n");
        text
    }

    fn delta(delta: Value, finish: Option<&str>) -> Value {
        json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": null})
    }

    fn part(index: u64, id: Option<&str>, name: Option<&str>, text: &str) -> Value {
        json!({"index": index, "id": id, "function": {"name": name, "arguments": text}})
    }

    #[tokio::test]
    async fn a_stream_is_heard_however_it_is_cut() {
        let usage = json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}});
        let events = events(&[
            delta(json!({"role": "assistant", "content": ""}), None),
            delta(json!({"reasoning_content": "hm"}), None),
            delta(json!({"content": "Zürich "}), None),
            delta(json!({"content": "first"}), None),
            delta(json!({"tool_calls": [part(0, Some("c1"), Some("x"), "")]}), None),
            delta(json!({"tool_calls": [part(0, None, None, "{\"a\":")]}), None),
            delta(json!({"tool_calls": [part(1, Some("c2"), Some("y"), "{")]}), None),
            delta(
                json!({"tool_calls": [part(0, None, None, "1}"), part(1, None, None, "}")]}),
                None,
            ),
            delta(json!({}), Some("tool_calls")),
            usage,
        ]);
        for part_bytes in [1, 3, 7, 4096] {
            let reply = heard(&events, part_bytes).await.expect("a reply");
            let call = |id: &str, name: &str, input: Value| Said::Tool {
                id: id.to_owned(),
                name: name.to_owned(),
                input,
            };
            assert_eq!(
                reply.blocks,
                [
                    Said::Reasoning("hm".to_owned()),
                    Said::Text("Zürich first".to_owned()),
                    call("c1", "x", json!({"a": 1})),
                    call("c2", "y", json!({})),
                ]
            );
            assert_eq!((reply.end.reason(), reply.end.usage()), (TOOL_USE, (7, 5)));
        }
    }

    #[tokio::test]
    async fn servers_that_differ_are_understood() {
        // Whole calls with one index, input as an object, no ids, "stop" after a call, no usage.
        let whole =
            |name: &str| json!({"tool_calls": [{"index": 0, "function": {"name": name, "arguments": {"a": 1}}}]});
        let reply = heard(&events(&[delta(whole("x"), None), delta(whole("y"), Some("stop"))]), 9)
            .await
            .expect("a reply");
        assert_eq!((reply.blocks.len(), reply.end.reason()), (2, TOOL_USE));
        assert!(reply.end.usage().1 > 0, "counted here");
        // Name and id in every part.
        let repeated = |text: &str| json!({"tool_calls": [part(0, Some("c"), Some("x"), text)]});
        let reply = heard(
            &events(&[delta(repeated("{\"a\""), None), delta(repeated(":1}"), None)]),
            9,
        )
        .await
        .expect("a reply");
        assert_eq!(reply.blocks.len(), 1);
        // The connection closes without [DONE], after a finish.
        let text = format!("data: {}\n\n", delta(json!({"content": "hi"}), Some("length")));
        let reply = heard(&text, 5).await.expect("a reply");
        assert_eq!(
            (reply.blocks, reply.end.reason),
            (vec![Said::Text("hi".to_owned())], Some(MAX_TOKENS))
        );
    }

    #[tokio::test]
    async fn a_stream_that_breaks_is_an_error() {
        for (text, part) in [
            (
                format!("data: {}\n\n", delta(json!({"content": "hi"}), None)),
                "ended before its end",
            ),
            (
                "data: {\"error\": {\"message\": \"out of memory\"}}\n\n".to_owned(),
                "out of memory",
            ),
            ("data: nothing\n\n".to_owned(), "no JSON"),
            (
                events(&[delta(json!({"tool_calls": [part(0, None, None, "{}")]}), None)]),
                "not begun",
            ),
            (
                events(&[delta(
                    json!({"tool_calls": [part(0, None, Some("x"), "{")]}),
                    Some("tool_calls"),
                )]),
                "no JSON object",
            ),
        ] {
            let broken = heard(&text, 11).await.expect_err(&text);
            assert!(format!("{broken:?}").contains(part), "{broken:?}");
        }
    }

    #[test]
    fn whole_answers_and_refusals_are_translated() {
        let answer = json!({"model": "m", "choices": [{"finish_reason": "tool_calls", "message": {
            "content": null,
            "tool_calls": [{"id": "c 1", "function": {"name": "x", "arguments": "{}"}}],
        }}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
        let pieces = said(&answer).unwrap_or_else(|error| panic!("{}", error.message));
        let Piece::ToolStart { id, .. } = &pieces[0] else {
            panic!("{pieces:?}")
        };
        assert!(id.starts_with("tooluse_"), "Converse would not take {id} back");
        let Some(Piece::End(end)) = pieces.last() else {
            panic!("{pieces:?}")
        };
        assert_eq!(end.asked_fields(&["/model".to_owned()]), Some(json!({"model": "m"})));
        assert!(said(&json!({"object": "list"})).is_err());
        for (status, code) in [
            (400, "ValidationException"),
            (404, "ResourceNotFoundException"),
            (429, "ThrottlingException"),
            (500, "ModelErrorException"),
            (503, "ServiceUnavailableException"),
        ] {
            let error = refused(status, "m", br#"{"error": {"message": "why"}}"#);
            assert_eq!(error.code, code);
            assert!(error.message.ends_with("why"), "{}", error.message);
        }
    }
}
