//! The agent's loop: the model is asked, its frames are decoded as they come and streamed on, its tools are run, and
//! it is asked again with their results, until it finishes or a bound is reached.

use super::{
    Turn,
    budget::Account,
    past, prompt,
    recorder::{Gone, Notes},
    tools::{self, Outcome},
};
use crate::{
    Level,
    failure::Failure,
    limits::{
        OUTPUT_MAX_TOKENS, ROUNDS_MAX, SEND_MAX_MS, SILENCE_MAX_MS, TEXT_MAX_BYTES, TOOL_CALLS_MAX,
        TOOL_INPUT_MAX_BYTES, TOOLS_AT_ONCE_MAX,
    },
    memory,
    upstream::{CallError, Context, MODEL, send_once},
};
use concert_aws::{
    Service,
    bedrock::{
        BedrockError, ContentBlock, ConverseRequest, GuardrailConfig, InferenceConfig, Message, Role, StopReason,
        StreamEvent, SystemBlock, ToolUse, Usage, converse_stream, decode_event,
    },
    eventstream::Decoder,
    retry,
};
use concert_contract::chat::ChatEvent;
use futures::{StreamExt, join, stream};
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

/// Answers the turn's question. `said` is what model and tools have said to each other in this turn before, where it is
/// continued.
pub async fn run(context: &Context, turn: &Turn, notes: &Notes, said: Vec<Message>) -> Result<(), Ended> {
    let (past, preferences, account) = join!(
        past::past(context, turn),
        memory::preferences(context, &turn.viewer, &turn.head.question),
        Account::open(context, turn),
    );
    let (past, mut account) = (past?, account?);
    let settings = &context.edge.settings;
    let catalogue = prompt::catalogue(context, &turn.viewer)?;
    let mut system = vec![SystemBlock::Text(prompt::system(context, &catalogue))];
    system.extend(prompt::preferences(&preferences).map(SystemBlock::Text));
    system.extend(past.summary.map(SystemBlock::Text));
    let mut messages = past.messages;
    past::push(
        &mut messages,
        Message {
            role: Role::User,
            content: vec![ContentBlock::Text(turn.head.question.clone())],
        },
    );
    for message in said {
        past::push(&mut messages, message);
    }
    let mut request = ConverseRequest {
        messages,
        system,
        inference_config: Some(InferenceConfig {
            max_tokens: Some(OUTPUT_MAX_TOKENS),
            temperature: Some(0.0),
        }),
        tool_config: Some(tools::config(&catalogue)),
        guardrail_config: settings.guardrail.as_ref().map(|guardrail| GuardrailConfig {
            guardrail_identifier: guardrail.id.clone(),
            guardrail_version: guardrail.version.clone(),
        }),
        request_metadata: prompt::metadata(context, &turn.viewer),
    };
    let result = rounds(context, turn, notes, &mut request, &mut account).await;
    if let Some(usage) = account.usage()
        && !matches!(result, Err(Ended::Gone))
    {
        notes.event(usage)?;
    }
    if let Some(event) = result? {
        notes.event(event)?;
    }
    Ok(())
}

/// Asks and runs tools until the model is done. Gives the event that `finish` or `clarify` made.
async fn rounds(
    context: &Context,
    turn: &Turn,
    notes: &Notes,
    request: &mut ConverseRequest,
    account: &mut Account,
) -> Result<Option<ChatEvent>, Ended> {
    let mut text_bytes = 0;
    let mut calls = 0;
    for _ in 0..ROUNDS_MAX {
        account.check(context)?;
        let reply = ask(context, request, notes, &mut text_bytes).await?;
        let asked: Vec<ToolUse> = reply
            .content
            .iter()
            .filter_map(|block| match block {
                ContentBlock::ToolUse(tool) => Some(tool.clone()),
                ContentBlock::Text(_) | ContentBlock::ToolResult(_) => None,
            })
            .collect();
        let mut said = Vec::new();
        if !reply.content.is_empty() {
            said.push(Message {
                role: Role::Assistant,
                content: reply.content,
            });
        }
        if asked.is_empty() {
            account.add(context, &reply.model, reply.usage).await?;
            notes.messages(said)?;
            return Ok(None);
        }
        calls += asked.len();
        if calls > TOOL_CALLS_MAX {
            account.add(context, &reply.model, reply.usage).await?;
            return Err(no_end(format!("more than {TOOL_CALLS_MAX} tool calls")).into());
        }
        let (counted, results) = join!(
            account.add(context, &reply.model, reply.usage),
            run_tools(context, turn, notes, &asked)
        );
        counted?;
        let (content, last) = results?;
        said.push(Message {
            role: Role::User,
            content,
        });
        notes.messages(said.clone())?;
        if last.is_some() {
            return Ok(last);
        }
        request.messages.extend(said);
    }
    Err(no_end(format!("more than {ROUNDS_MAX} rounds")).into())
}

/// Runs the calls of one round at the same time. Gives their results in the order of the calls, and the event that ends
/// the turn. A call that ends it has a made result too: Bedrock refuses a conversation with a call that has none.
async fn run_tools(
    context: &Context,
    turn: &Turn,
    notes: &Notes,
    asked: &[ToolUse],
) -> Result<(Vec<ContentBlock>, Option<ChatEvent>), Ended> {
    let mut last = None;
    let mut content: Vec<Option<ContentBlock>> = vec![None; asked.len()];
    let mut running = stream::iter(asked.iter().enumerate())
        .map(|(at, call)| async move { (at, call, tools::run(context, turn, call).await) })
        .buffer_unordered(TOOLS_AT_ONCE_MAX);
    while let Some((at, call, outcome)) = running.next().await {
        let result = match outcome {
            Outcome::Result { event, content } => {
                context.log(
                    Level::Info,
                    &format!(
                        "turn {}: {} {} in {} ms",
                        turn.id(),
                        call.name,
                        event.error.as_ref().map_or("ran", |error| error.error_code.as_str()),
                        event.ms.unwrap_or(0)
                    ),
                );
                notes.event(ChatEvent::ToolResult(event))?;
                content
            }
            Outcome::End(event) => {
                last = Some(event);
                tools::done(call)
            }
        };
        content[at] = Some(ContentBlock::ToolResult(result));
    }
    Ok((content.into_iter().flatten().collect(), last))
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
    model: String,
}

/// Asks the models in order of preference, each as often as retrying can help. As soon as the reader has seen
/// something of an answer, that answer is the only one.
async fn ask(
    context: &Context,
    request: &ConverseRequest,
    notes: &Notes,
    text_bytes: &mut usize,
) -> Result<Reply, Ended> {
    let models = &context.edge.settings.models;
    let mut failure = Failure::misconfigured("no model is configured");
    for model in models {
        let mut attempt = 1;
        loop {
            let mut shown = false;
            let error = match read_stream(context, model, request, notes, text_bytes, &mut shown).await {
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
async fn read_stream(
    context: &Context,
    model: &str,
    request: &ConverseRequest,
    notes: &Notes,
    text_bytes: &mut usize,
    shown: &mut bool,
) -> Result<Reply, StreamError> {
    let signed = converse_stream(&context.edge.settings.aws, model, request, context.host.now_ms())
        .map_err(|error| CallError::Request(error.to_string()))?;
    let mut body = send_once(context, Service::BedrockRuntime, signed, SEND_MAX_MS)
        .await?
        .into_body();
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
                StreamEvent::MessageStop { reason } => {
                    has_stopped = true;
                    if reason == StopReason::GuardrailIntervened {
                        context.log(Level::Warning, &format!("{model}: the guardrail intervened"));
                    }
                }
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
                    notes.event(ChatEvent::Text { delta: text })?;
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
                            notes.event(ChatEvent::ToolCall {
                                id: id.clone(),
                                tool: name.clone(),
                                input: input.clone(),
                            })?;
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
    Ok(Reply {
        content,
        usage,
        model: model.to_owned(),
    })
}
