//! Models that say what a file tells them, for tests: `script:FILE`. The file is JSON; docs/local-aws.md describes it.
//!
//! A script keeps nothing between calls: which of its turns comes next is read from the conversation, by how often the
//! assistant has spoken. Only `throttle` counts, since it is about calls and not about turns.

use super::{
    request::Conversation,
    speech::{Broken, End, Piece, Pieces},
};
use crate::error::AwsError;
use futures::StreamExt as _;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// What stands before the file in a model's id.
pub(crate) const PREFIX: &str = "script:";

const FILE_MAX_BYTES: u64 = 1 << 20;
/// No test waits longer.
const PAUSE_MAX: Duration = Duration::from_secs(120);
/// Files that throttles are counted for; beyond these the count begins anew.
const COUNTED_MAX: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    turns: Vec<Vec<Step>>,
    /// After the last turn comes the first.
    #[serde(default)]
    repeat: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Text(String),
    Reasoning(String),
    Tool(ToolStep),
    /// So many calls of this turn are refused before it is said.
    Throttle(u32),
    PauseMs(u64),
    Error(ErrorStep),
    /// The connection ends.
    Cut(bool),
    Stop(String),
    Usage(UsageStep),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolStep {
    name: String,
    #[serde(default)]
    input: Map<String, Value>,
    id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorStep {
    /// `ModelErrorException`; it must be one that Converse knows.
    code: String,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageStep {
    input: u64,
    output: u64,
}

/// Converse's errors: the code, its status, and what an event stream calls it.
const ERRORS: &[(&str, u16, &str)] = &[
    ("AccessDeniedException", 403, "validationException"),
    ("InternalServerException", 500, "internalServerException"),
    ("ModelErrorException", 424, "modelStreamErrorException"),
    ("ModelNotReadyException", 429, "serviceUnavailableException"),
    ("ModelStreamErrorException", 424, "modelStreamErrorException"),
    ("ModelTimeoutException", 408, "modelStreamErrorException"),
    ("ResourceNotFoundException", 404, "validationException"),
    ("ServiceUnavailableException", 503, "serviceUnavailableException"),
    ("ThrottlingException", 429, "throttlingException"),
    ("ValidationException", 400, "validationException"),
];

const STOPS: &[&str] = &[
    "end_turn",
    "tool_use",
    "max_tokens",
    "stop_sequence",
    "guardrail_intervened",
    "content_filtered",
    "malformed_model_output",
    "malformed_tool_use",
    "model_context_window_exceeded",
];

/// What scripts have refused so far, by file and turn.
#[derive(Default)]
pub(crate) struct Throttles(Mutex<HashMap<u64, u32>>);

impl Throttles {
    /// Counts one call; says whether it is still one to refuse.
    fn refuses(&self, key: u64, times: u32) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTED_MAX {
            counts.clear();
        }
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(1);
        *count <= times
    }
}

/// What the file has the model say to this conversation.
///
/// # Errors
/// There is no such file, it is no script, it has no such turn, or the turn begins with a refusal.
pub(crate) async fn begin(file: &str, conversation: &Conversation, throttles: &Throttles) -> Result<Pieces, AwsError> {
    let (script, text) = read(Path::new(file)).await?;
    let spoken = conversation.turns.iter().filter(|turn| !turn.is_user).count();
    let turn = match script.turns.len() {
        0 => None,
        count if script.repeat => script.turns.get(spoken % count),
        _ => script.turns.get(spoken),
    };
    let Some(turn) = turn else {
        return Err(error(
            "ModelErrorException",
            format!(
                "The script {file} has {} turns, and this conversation asks for number {}. Add one, or set \"repeat\": \
                 true.",
                script.turns.len(),
                spoken + 1
            ),
        ));
    };
    let mut steps = turn.iter().peekable();
    let mut before = Duration::ZERO;
    // Whatever comes before the first word decides how the request itself is answered.
    while let Some(step) = steps.peek() {
        match step {
            Step::Throttle(times) => {
                if throttles.refuses(key(file, &text, spoken), *times) {
                    tokio::time::sleep(before).await;
                    return Err(error(
                        "ThrottlingException",
                        "Too many requests, please wait before trying again.",
                    ));
                }
            }
            Step::PauseMs(ms) => before += Duration::from_millis(*ms).min(PAUSE_MAX),
            Step::Error(step) => {
                tokio::time::sleep(before).await;
                return Err(error(&step.code, said(step)));
            }
            _ => break,
        }
        steps.next();
    }
    let mut pieces: Vec<Result<Piece, Broken>> = vec![Ok(Piece::Pause(before))];
    let mut end = End::default();
    for step in steps {
        pieces.push(match step {
            Step::Text(text) => Ok(Piece::Text(text.clone())),
            Step::Reasoning(text) => Ok(Piece::Reasoning(text.clone())),
            Step::Tool(tool) => Ok(Piece::Tool {
                id: tool
                    .id
                    .clone()
                    .unwrap_or_else(|| format!("tooluse_{}", Uuid::new_v4().simple())),
                name: tool.name.clone(),
                input: Value::Object(tool.input.clone()),
            }),
            Step::PauseMs(ms) => Ok(Piece::Pause(Duration::from_millis(*ms).min(PAUSE_MAX))),
            Step::Error(step) => Err(Broken::Exception {
                name: ERRORS
                    .iter()
                    .find(|(code, ..)| *code == step.code)
                    .map_or("internalServerException", |(_, _, name)| name),
                message: said(step),
            }),
            Step::Cut(true) => Err(Broken::Cut),
            Step::Cut(false) | Step::Throttle(_) => continue,
            Step::Stop(reason) => {
                end.reason = STOPS.iter().copied().find(|stop| stop == reason);
                continue;
            }
            Step::Usage(usage) => {
                end.usage = Some((usage.input, usage.output));
                continue;
            }
        });
    }
    pieces.push(Ok(Piece::End(end)));
    Ok(futures::stream::iter(pieces).boxed())
}

fn said(step: &ErrorStep) -> String {
    step.message
        .clone()
        .unwrap_or_else(|| "The script asks for this error.".to_owned())
}

fn error(code: &str, message: impl Into<String>) -> AwsError {
    let status = ERRORS
        .iter()
        .find(|(name, ..)| *name == code)
        .and_then(|(_, status, _)| StatusCode::from_u16(*status).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    AwsError::new(status, code, message)
}

/// A changed file is another script, whose calls are counted anew.
fn key(file: &str, text: &str, turn: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (file, text, turn).hash(&mut hasher);
    hasher.finish()
}

async fn read(path: &Path) -> Result<(Script, String), AwsError> {
    let place = path.display();
    let missing = |why: String| error("ResourceNotFoundException", format!("The script {place} {why}."));
    let size = tokio::fs::metadata(path)
        .await
        .map_err(|error| missing(format!("cannot be read: {error}")))?
        .len();
    if size > FILE_MAX_BYTES {
        return Err(missing(format!(
            "has {size} bytes; a script has at most {FILE_MAX_BYTES}"
        )));
    }
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| missing(format!("cannot be read: {error}")))?;
    let script: Script = serde_json::from_str(&text)
        // The text of the file stays out of the message: the file may be another one than was meant.
        .map_err(|error| AwsError::validation(format!("The script {place} is none: {}.", place_of(&error))))?;
    check(&script).map_err(|what| AwsError::validation(format!("The script {place} is wrong: {what}.")))?;
    Ok((script, text))
}

fn place_of(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Syntax | serde_json::error::Category::Eof => "it is no JSON",
        _ => "a member is unknown, missing or of another type",
    };
    format!("{kind}, at line {} column {}", error.line(), error.column())
}

fn check(script: &Script) -> Result<(), String> {
    for (i, turn) in script.turns.iter().enumerate() {
        for step in turn {
            match step {
                Step::Error(step) if !ERRORS.iter().any(|(code, ..)| *code == step.code) => {
                    let known: Vec<&str> = ERRORS.iter().map(|(code, ..)| *code).collect();
                    return Err(format!(
                        "turn {} has the error code \"{}\"; known are {}",
                        i + 1,
                        step.code,
                        known.join(", ")
                    ));
                }
                Step::Stop(reason) if !STOPS.contains(&reason.as_str()) => {
                    return Err(format!(
                        "turn {} stops by \"{reason}\"; known are {}",
                        i + 1,
                        STOPS.join(", ")
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedrock::{
        request::{Abilities, ConverseRequest},
        speech::{Said, Speech},
    };
    use serde_json::json;

    fn conversation(spoken: usize) -> Conversation {
        let mut messages = vec![json!({"role": "user", "content": [{"text": "hello"}]})];
        for _ in 0..spoken {
            messages.push(json!({"role": "assistant", "content": [{"text": "x"}]}));
            messages.push(json!({"role": "user", "content": [{"text": "and"}]}));
        }
        let body = json!({ "messages": messages }).to_string();
        ConverseRequest::parse(body.as_bytes())
            .and_then(|request| request.check(Abilities::ALL))
            .unwrap_or_else(|error| panic!("{}", error.message))
    }

    async fn ask(script: &Value, spoken: usize, throttles: &Throttles) -> Result<Vec<Said>, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), script.to_string()).expect("writes");
        let conversation = conversation(spoken);
        let pieces = begin(&file.path().display().to_string(), &conversation, throttles)
            .await
            .map_err(|error| format!("{}: {}", error.code, error.message))?;
        let reply = Speech::new(pieces, &conversation, false).collect().await;
        reply.map(|reply| reply.blocks).map_err(|broken| format!("{broken:?}"))
    }

    #[tokio::test]
    async fn a_turn_is_said_by_its_place_in_the_conversation() {
        let script =
            json!({"turns": [[{"text": "first"}], [{"pause_ms": 1}, {"text": "second"}, {"tool": {"name": "t"}}]]});
        let throttles = Throttles::default();
        let said = |spoken| ask(&script, spoken, &throttles);
        assert_eq!(said(0).await, Ok(vec![Said::Text("first".to_owned())]));
        assert_eq!(said(1).await.map(|blocks| blocks.len()), Ok(2));
        let error = said(2).await.expect_err("there is none");
        assert!(error.contains("has 2 turns") && error.contains("number 3"), "{error}");
        let mut round = script.clone();
        round["repeat"] = json!(true);
        assert_eq!(
            ask(&round, 2, &throttles).await,
            Ok(vec![Said::Text("first".to_owned())])
        );
    }

    #[tokio::test]
    async fn what_is_no_script_is_refused_without_telling_the_file() {
        let throttles = Throttles::default();
        for (script, part) in [
            (json!("root:x:0:0"), "line 1"),
            (json!({"turns": [[{"explode": 1}]]}), "line 1 column"),
            (
                json!({"turns": [[{"error": {"code": "Boom"}}]]}),
                "known are AccessDeniedException",
            ),
            (json!({"turns": [[{"stop": "tired"}]]}), "known are end_turn"),
            (json!({"turns": []}), "has 0 turns"),
        ] {
            let error = ask(&script, 0, &throttles).await.expect_err("refused");
            assert!(error.contains(part) && !error.contains("root"), "{error}");
        }
        let missing = begin("no/such.json", &conversation(0), &throttles).await.err();
        assert_eq!(
            missing.map(|error| error.code).as_deref(),
            Some("ResourceNotFoundException")
        );
    }

    #[tokio::test]
    async fn throttles_end_after_their_count_and_errors_stay() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let script = json!({"turns": [
            [{"throttle": 2}, {"text": "at last"}],
            [{"error": {"code": "ModelErrorException", "message": "no"}}],
            [{"text": "half"}, {"error": {"code": "ThrottlingException"}}],
        ]});
        std::fs::write(file.path(), script.to_string()).expect("writes");
        let throttles = Throttles::default();
        let name = file.path().display().to_string();
        let codes = async |spoken| {
            begin(&name, &conversation(spoken), &throttles)
                .await
                .err()
                .map(|error| (error.code, error.status.as_u16()))
        };
        let throttled = Some(("ThrottlingException".to_owned(), 429));
        assert_eq!(codes(0).await, throttled);
        assert_eq!(codes(0).await, throttled);
        assert_eq!(codes(0).await, None);
        assert_eq!(codes(1).await, Some(("ModelErrorException".to_owned(), 424)));
        assert_eq!(codes(2).await, None, "it fails later, in the stream");
    }
}
