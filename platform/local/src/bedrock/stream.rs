//! A reply as the frames of ConverseStream.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use serde_json::{Value, json};

use super::model::{Block, Reply, Usage};

/// As much of a tool's input as one delta carries.
const INPUT_DELTA_CHARS: usize = 32;

/// One frame. `kind` is `event` or `exception`, `name` what the service's model calls it.
fn frame(kind: &'static str, name: &'static str, payload: &Value) -> Bytes {
    let text = |value: &'static str| HeaderValue::String(value.into());
    let message = Message::new(payload.to_string())
        .add_header(Header::new(
            if kind == "event" {
                ":event-type"
            } else {
                ":exception-type"
            },
            text(name),
        ))
        .add_header(Header::new(":content-type", text("application/json")))
        .add_header(Header::new(":message-type", text(kind)));
    let mut bytes = Vec::new();
    match write_message_to(&message, &mut bytes) {
        Ok(()) => bytes.into(),
        // Only a payload of 4 GB cannot be written; a stream that lacks a frame ends before messageStop.
        Err(error) => {
            tracing::error!(%error, name, "a frame could not be written");
            Bytes::new()
        }
    }
}

pub(crate) fn event(name: &'static str, payload: &Value) -> Bytes {
    frame("event", name, payload)
}

pub(crate) fn exception(name: &'static str, message: &str) -> Bytes {
    frame("exception", name, &json!({"message": message}))
}

pub(crate) fn start() -> Bytes {
    event("messageStart", &json!({"role": "assistant"}))
}

/// Everything after the start: blocks as deltas, the reason to stop, the usage.
pub(crate) fn frames(reply: &Reply, usage: Usage, latency_ms: u64) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let delta = |index: usize, delta: Value| {
        event(
            "contentBlockDelta",
            &json!({"contentBlockIndex": index, "delta": delta}),
        )
    };
    for (index, block) in reply.blocks.iter().enumerate() {
        match block {
            // A block of text has no start of its own.
            Block::Text(text) => {
                frames.extend(
                    text.split_inclusive(' ')
                        .map(|word| delta(index, json!({"text": word}))),
                );
            }
            Block::ToolUse { id, name, input } => {
                let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                frames.push(event(
                    "contentBlockStart",
                    &json!({"contentBlockIndex": index, "start": start}),
                ));
                let chars: Vec<char> = input.to_string().chars().collect();
                frames.extend(
                    chars
                        .chunks(INPUT_DELTA_CHARS)
                        .map(|part| delta(index, json!({"toolUse": {"input": part.iter().collect::<String>()}}))),
                );
            }
        }
        frames.push(event("contentBlockStop", &json!({"contentBlockIndex": index})));
    }
    frames.push(event("messageStop", &json!({"stopReason": reply.stop_reason})));
    frames.push(event(
        "metadata",
        &json!({"usage": usage, "metrics": {"latencyMs": latency_ms}}),
    ));
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_eventstream::frame::read_message_from;

    #[test]
    fn frames_carry_the_reply() {
        let input = json!({"query": {"metrics": ["concerts"]}, "title": "Concerts — é"});
        let reply = Reply {
            blocks: vec![
                Block::Text("Two words".to_owned()),
                Block::ToolUse {
                    id: "t1".to_owned(),
                    name: "query_data".to_owned(),
                    input: input.clone(),
                },
            ],
            stop_reason: "tool_use",
        };
        let usage = Usage {
            input_tokens: 3,
            output_tokens: 4,
            total_tokens: 7,
        };
        let mut events = Vec::new();
        let mut json_text = String::new();
        for bytes in frames(&reply, usage, 5) {
            let message = read_message_from(&mut bytes.clone()).expect("a frame");
            let payload: Value = serde_json::from_slice(message.payload()).expect("json");
            if let Some(part) = payload["delta"]["toolUse"]["input"].as_str() {
                json_text.push_str(part);
                continue;
            }
            let name = message.headers()[0]
                .value()
                .as_string()
                .expect("a text")
                .as_str()
                .to_owned();
            events.push(format!("{name} {payload}"));
        }
        assert_eq!(serde_json::from_str::<Value>(&json_text).expect("json"), input);
        assert_eq!(
            events,
            [
                r#"contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Two "}}"#,
                r#"contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"words"}}"#,
                r#"contentBlockStop {"contentBlockIndex":0}"#,
                r#"contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t1","name":"query_data"}}}"#,
                r#"contentBlockStop {"contentBlockIndex":1}"#,
                r#"messageStop {"stopReason":"tool_use"}"#,
                r#"metadata {"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7},"metrics":{"latencyMs":5}}"#,
            ]
        );
        let refused = read_message_from(&mut exception("throttlingException", "slow down")).expect("a frame");
        assert_eq!(refused.headers()[0].name().as_str(), ":exception-type");
    }
}
