//! The agent's loop: the model is asked, its frames are decoded as they come and streamed on, its tools are run, and
//! it is asked again with their results, until it finishes or a bound is reached.

use super::{
    Events, Gone, Turn, prompt,
    tools::{self, Outcome},
};
use crate::{
    Level,
    failure::Failure,
    limits::{
        OUTPUT_MAX_TOKENS, ROUNDS_MAX, SEND_MAX_MS, SILENCE_MAX_MS, TEXT_MAX_BYTES, TOOL_CALLS_MAX,
        TOOL_INPUT_MAX_BYTES,
    },
    upstream::{CallError, Context, MODEL, send_once},
};
use concert_aws::{
    bedrock::{
        BedrockError, ContentBlock, ConverseRequest, InferenceConfig, Message, Role, StreamEvent, SystemBlock, ToolUse,
        Usage, converse_stream, decode_event,
    },
    eventstream::Decoder,
    retry,
};
use concert_contract::chat::ChatEvent;
use futures::StreamExt;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a turn ended before its end.
pub enum Ended {
    /// The reader has left.
    Gone,
    Failed(Failure),
}

impl From<Gone> for Ended {
    fn from(Gone: Gone) -> Self {
        Ended::Gone
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Ended::Failed(failure)
    }
}

pub async fn run(context: &Context, turn: &Turn, mut events: Events) -> Result<(), Ended> {
    events
        .send(ChatEvent::Ack {
            turn: turn.id.clone(),
            conversation_id: turn.conversation_id.clone(),
        })
        .await?;
    let mut request = ConverseRequest {
        messages: vec![Message {
            role: Role::User,
            content: vec![ContentBlock::Text(turn.message.clone())],
        }],
        system: vec![SystemBlock::Text(prompt::system(context))],
        inference_config: Some(InferenceConfig {
            max_tokens: Some(OUTPUT_MAX_TOKENS),
            temperature: Some(0.0),
        }),
        tool_config: Some(tools::config(&context.edge.catalogue)),
        request_metadata: prompt::metadata(context, &turn.viewer),
    };
    let mut usage = Usage::default();
    let result = rounds(context, turn, &mut events, &mut request, &mut usage).await;
    if usage != Usage::default() && !matches!(result, Err(Ended::Gone)) {
        let Usage {
            input_tokens,
            output_tokens,
            ..
        } = usage;
        events
            .send(ChatEvent::Usage {
                input_tokens,
                output_tokens,
                cost: None,
            })
            .await?;
    }
    let last = result?;
    if let Some(event) = last {
        events.send(event).await?;
    }
    Ok(())
}

/// Asks and runs tools until the model is done. Gives the event that `finish` or `clarify` made.
async fn rounds(
    context: &Context,
    turn: &Turn,
    events: &mut Events,
    request: &mut ConverseRequest,
    usage: &mut Usage,
) -> Result<Option<ChatEvent>, Ended> {
    let mut text_bytes = 0;
    let mut calls = 0;
    for _ in 0..ROUNDS_MAX {
        let reply = ask(context, request, events, &mut text_bytes).await?;
        usage.input_tokens += reply.usage.input_tokens;
        usage.output_tokens += reply.usage.output_tokens;
        let asked: Vec<ToolUse> = reply
            .content
            .iter()
            .filter_map(|block| match block {
                ContentBlock::ToolUse(tool) => Some(tool.clone()),
                ContentBlock::Text(_) | ContentBlock::ToolResult(_) => None,
            })
            .collect();
        if asked.is_empty() {
            return Ok(None);
        }
        request.messages.push(Message {
            role: Role::Assistant,
            content: reply.content,
        });
        let mut results = Vec::with_capacity(asked.len());
        let mut last = None;
        for call in asked {
            calls += 1;
            if calls > TOOL_CALLS_MAX {
                return Err(no_end(format!("more than {TOOL_CALLS_MAX} tool calls")).into());
            }
            match tools::run(context, turn, &call).await {
                Outcome::Result { event, content } => {
                    events.send(ChatEvent::ToolResult(event)).await?;
                    results.push(ContentBlock::ToolResult(content));
                }
                Outcome::End(event) => last = Some(event),
            }
        }
        // Bedrock would want a result for `finish` as well, but nothing is asked after it.
        if last.is_some() {
            return Ok(last);
        }
        request.messages.push(Message {
            role: Role::User,
            content: results,
        });
    }
    Err(no_end(format!("more than {ROUNDS_MAX} rounds")).into())
}

fn no_end(reason: String) -> Failure {
    Failure::upstream_broken(MODEL, reason)
        .with_code("too_many_rounds", "The answer took too many steps and was stopped.")
        .with_action("Ask a simpler question.")
}

/// One answer of the model.
struct Reply {
    content: Vec<ContentBlock>,
    usage: Usage,
}

/// Asks the models in order of preference, each as often as retrying can help. As soon as the reader has seen
/// something of an answer, that answer is the only one.
async fn ask(
    context: &Context,
    request: &ConverseRequest,
    events: &mut Events,
    text_bytes: &mut usize,
) -> Result<Reply, Ended> {
    let models = &context.edge.settings.models;
    let mut failure = Failure::misconfigured("no model is configured");
    for model in models {
        let mut attempt = 1;
        loop {
            let mut shown = false;
            let error = match stream(context, model, request, events, text_bytes, &mut shown).await {
                Ok(reply) => return Ok(reply),
                Err(StreamError::Gone) => return Err(Ended::Gone),
                Err(StreamError::Limit(failure)) => return Err(failure.into()),
                Err(StreamError::Call(error)) => error,
            };
            context.log(Level::Warning, &format!("{model}, try {attempt}: {}", error.describe()));
            let can_retry = error.is_retryable();
            let retry_after_s = error.retry_after_s();
            failure = error.into_failure(MODEL);
            if shown {
                return Err(failure.into());
            }
            if !can_retry || attempt >= retry::MAX_ATTEMPTS {
                break;
            }
            context
                .host
                .sleep(retry::backoff_ms(attempt, context.random_u32(), retry_after_s))
                .await;
            attempt += 1;
        }
    }
    Err(failure.into())
}

enum StreamError {
    Gone,
    Limit(Failure),
    Call(CallError),
}

impl From<CallError> for StreamError {
    fn from(error: CallError) -> Self {
        StreamError::Call(error)
    }
}

impl From<Gone> for StreamError {
    fn from(Gone: Gone) -> Self {
        StreamError::Gone
    }
}

/// A content block, as far as it has come.
enum Block {
    Text(String),
    Tool { id: String, name: String, json: String },
}

/// One call, its frames decoded as they come. `shown` says whether the reader has seen anything of it.
async fn stream(
    context: &Context,
    model: &str,
    request: &ConverseRequest,
    events: &mut Events,
    text_bytes: &mut usize,
    shown: &mut bool,
) -> Result<Reply, StreamError> {
    let signed = converse_stream(&context.edge.settings.aws, model, request, context.host.now_ms())
        .map_err(|error| CallError::Request(error.to_string()))?;
    let mut body = send_once(context, signed, SEND_MAX_MS).await?.into_body();
    let mut decoder = Decoder::new();
    let mut blocks: BTreeMap<u32, Block> = BTreeMap::new();
    let mut content = Vec::new();
    let mut usage = Usage::default();
    let mut has_stopped = false;
    let broken = |reason: String| CallError::Broken(reason);
    loop {
        let piece = context
            .within(SILENCE_MAX_MS, body.next())
            .await
            .ok_or(CallError::Timeout { ms: SILENCE_MAX_MS })?;
        let Some(piece) = piece else { break };
        decoder.push(&piece.map_err(|error| broken(error.to_string()))?);
        while let Some(frame) = decoder.next_frame().map_err(|error| broken(error.to_string()))? {
            let event = decode_event(&frame).map_err(|error| match error {
                BedrockError::Exception(error) => CallError::Refused(error),
                other => broken(other.to_string()),
            })?;
            match event {
                StreamEvent::MessageStart | StreamEvent::Ignored => {}
                StreamEvent::Usage(counted) => usage = counted,
                StreamEvent::MessageStop { .. } => has_stopped = true,
                StreamEvent::ToolUseStart {
                    index,
                    tool_use_id,
                    name,
                } => {
                    blocks.insert(
                        index,
                        Block::Tool {
                            id: tool_use_id,
                            name,
                            json: String::new(),
                        },
                    );
                }
                StreamEvent::TextDelta { index, text } => {
                    if text.is_empty() {
                        continue;
                    }
                    *text_bytes += text.len();
                    if *text_bytes > TEXT_MAX_BYTES {
                        return Err(StreamError::Limit(no_end(format!(
                            "more than {TEXT_MAX_BYTES} bytes of text"
                        ))));
                    }
                    if let Block::Text(whole) = blocks.entry(index).or_insert_with(|| Block::Text(String::new())) {
                        whole.push_str(&text);
                    }
                    *shown = true;
                    events.send(ChatEvent::Text { delta: text }).await?;
                }
                StreamEvent::ToolInputDelta { index, json: piece } => match blocks.get_mut(&index) {
                    Some(Block::Tool { json, .. }) if json.len() + piece.len() <= TOOL_INPUT_MAX_BYTES => {
                        json.push_str(&piece);
                    }
                    Some(Block::Tool { name, .. }) => {
                        let reason = format!("the input of {name} is over {TOOL_INPUT_MAX_BYTES} bytes");
                        return Err(StreamError::Limit(no_end(reason)));
                    }
                    _ => return Err(broken(format!("input for block {index}, which is no tool call")).into()),
                },
                StreamEvent::BlockStop { index } => match blocks.remove(&index) {
                    Some(Block::Text(text)) if !text.trim().is_empty() => content.push(ContentBlock::Text(text)),
                    Some(Block::Tool { id, name, json }) => {
                        let input: Value = if json.trim().is_empty() {
                            Value::Object(serde_json::Map::new())
                        } else {
                            serde_json::from_str(&json)
                                .map_err(|error| broken(format!("the input of {name} is not JSON: {error}")))?
                        };
                        if !tools::is_ending(&name) {
                            *shown = true;
                            events
                                .send(ChatEvent::ToolCall {
                                    id: id.clone(),
                                    tool: name.clone(),
                                    input: input.clone(),
                                })
                                .await?;
                        }
                        content.push(ContentBlock::ToolUse(ToolUse {
                            tool_use_id: id,
                            name,
                            input,
                        }));
                    }
                    _ => {}
                },
            }
        }
    }
    decoder.finish().map_err(|error| broken(error.to_string()))?;
    if !has_stopped {
        return Err(broken("the stream ended between two frames, before messageStop".to_owned()).into());
    }
    Ok(Reply { content, usage })
}
