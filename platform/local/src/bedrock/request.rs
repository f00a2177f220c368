//! What Converse takes, and what Bedrock refuses before a model sees it.

use crate::error::{AwsError, parse_object};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const METADATA_MAX_ENTRIES: usize = 16;
const METADATA_MAX_CHARS: usize = 256;
const STOP_SEQUENCES_MAX: usize = 2_500;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ConverseRequest {
    pub messages: Vec<Message>,
    pub system: Vec<Map<String, Value>>,
    pub inference_config: InferenceConfig,
    pub tool_config: Option<ToolConfig>,
    pub guardrail_config: Option<Value>,
    pub request_metadata: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub role: String,
    pub content: Vec<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct InferenceConfig {
    pub max_tokens: Option<i64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub stop_sequences: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ToolConfig {
    pub tools: Vec<Map<String, Value>>,
    pub tool_choice: Option<Map<String, Value>>,
}

/// A request that kept the rules.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub turns: Vec<Turn>,
    /// Names of the tools that the model may ask for.
    pub tools: BTreeSet<String>,
    pub max_tokens: Option<u64>,
    pub stop_sequences: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    /// By the rule of [`super::model::tokens`].
    pub input_tokens: u64,
}

/// A message; user and assistant alternate, the user begins and ends.
#[derive(Debug)]
pub(crate) struct Turn {
    pub is_user: bool,
    pub blocks: Vec<Block>,
}

#[derive(Debug)]
pub(crate) enum Block {
    Text(String),
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    ToolResult {
        id: String,
        is_error: bool,
        content: Vec<Map<String, Value>>,
    },
}

fn constraint(value: &str, place: &str, rule: &str) -> AwsError {
    AwsError::validation(format!(
        "1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: {rule}"
    ))
}

impl ConverseRequest {
    pub fn parse(body: &[u8]) -> Result<ConverseRequest, AwsError> {
        parse_object(body)
    }

    /// # Errors
    /// What Bedrock refuses, in its words: roles that do not alternate, blank text, a toolUse without its result in
    /// the next message, tool blocks without toolConfig, bad names.
    pub fn check(self) -> Result<Conversation, AwsError> {
        self.check_inference()?;
        self.check_metadata()?;
        if self.guardrail_config.is_some() {
            return Err(AwsError::validation(
                "The guardrail identifier or version provided in the request does not exist.",
            ));
        }
        let tools = self.tool_config.as_ref().map(tools).transpose()?;
        let mut input_tokens = 0;
        for (i, block) in self.system.iter().enumerate() {
            match block.get("text").and_then(Value::as_str) {
                Some(text) if text.trim().is_empty() => {
                    return Err(AwsError::validation(format!(
                        "The text field in the SystemContentBlock object at system.{i} is blank. Add text to the text \
                         field, and try again."
                    )));
                }
                Some(text) => input_tokens += super::model::tokens(text),
                None if block.contains_key("cachePoint") => {}
                None => return Err(unsupported(block, &format!("system.{i}"))),
            }
        }
        if let Some(config) = &self.tool_config {
            for tool in &config.tools {
                input_tokens += super::model::tokens(&Value::Object(tool.clone()).to_string());
            }
        }
        let turns = self
            .messages
            .iter()
            .enumerate()
            .map(|(i, message)| turn(i, message))
            .collect::<Result<Vec<Turn>, AwsError>>()?;
        check_order(&turns)?;
        check_tool_blocks(&turns, tools.is_some())?;
        for block in turns.iter().flat_map(|turn| &turn.blocks) {
            input_tokens += match block {
                Block::Text(text) => super::model::tokens(text),
                Block::ToolUse { input, .. } => super::model::tokens(&input.to_string()),
                Block::ToolResult { content, .. } => content
                    .iter()
                    .map(|part| super::model::tokens(&Value::Object(part.clone()).to_string()))
                    .sum(),
            };
        }
        Ok(Conversation {
            turns,
            tools: tools.unwrap_or_default(),
            max_tokens: self.inference_config.max_tokens.map(i64::unsigned_abs),
            stop_sequences: self.inference_config.stop_sequences,
            metadata: self.request_metadata,
            input_tokens,
        })
    }

    fn check_inference(&self) -> Result<(), AwsError> {
        let config = &self.inference_config;
        if let Some(tokens) = config.max_tokens
            && tokens < 1
        {
            let rule = "Member must have value greater than or equal to 1";
            return Err(constraint(&tokens.to_string(), "inferenceConfig.maxTokens", rule));
        }
        for (name, value) in [("temperature", config.temperature), ("topP", config.top_p)] {
            if let Some(value) = value
                && !(0.0..=1.0).contains(&value)
            {
                let rule = "Member must have value between 0 and 1";
                return Err(constraint(&value.to_string(), &format!("inferenceConfig.{name}"), rule));
            }
        }
        if config.stop_sequences.len() > STOP_SEQUENCES_MAX || config.stop_sequences.iter().any(String::is_empty) {
            return Err(AwsError::validation(format!(
                "inferenceConfig.stopSequences takes at most {STOP_SEQUENCES_MAX} sequences of at least one character."
            )));
        }
        Ok(())
    }

    fn check_metadata(&self) -> Result<(), AwsError> {
        if self.request_metadata.len() > METADATA_MAX_ENTRIES {
            let rule = format!("Member must have length less than or equal to {METADATA_MAX_ENTRIES}");
            return Err(constraint(
                &format!("{} entries", self.request_metadata.len()),
                "requestMetadata",
                &rule,
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c);
        let fits = |text: &str| text.chars().count() <= METADATA_MAX_CHARS && text.chars().all(allowed);
        for (key, value) in &self.request_metadata {
            if key.is_empty() || !fits(key) || !fits(value) {
                let rule = "Member must satisfy regular expression pattern: [a-zA-Z0-9\\s:_@$#=/+,-.]{0,256}";
                return Err(constraint(value, &format!("requestMetadata.{key}"), rule));
            }
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn tools(config: &ToolConfig) -> Result<BTreeSet<String>, AwsError> {
    if config.tools.is_empty() {
        return Err(constraint(
            "[]",
            "toolConfig.tools",
            "Member must have length greater than or equal to 1",
        ));
    }
    let mut names = BTreeSet::new();
    for (i, tool) in config.tools.iter().enumerate() {
        if tool.contains_key("cachePoint") {
            continue;
        }
        let Some(spec) = tool.get("toolSpec").and_then(Value::as_object) else {
            return Err(unsupported(tool, &format!("toolConfig.tools.{i}")));
        };
        let name = spec.get("name").and_then(Value::as_str).unwrap_or_default();
        if !is_name(name) {
            let place = format!("toolConfig.tools.{}.member.toolSpec.name", i + 1);
            return Err(constraint(
                name,
                &place,
                "Member must have length between 1 and 64 and satisfy regular expression pattern: [a-zA-Z0-9_-]+",
            ));
        }
        let schema = spec.get("inputSchema").and_then(|schema| schema.get("json"));
        if schema.and_then(|schema| schema.get("type")).and_then(Value::as_str) != Some("object") {
            return Err(AwsError::validation(format!(
                "The value at toolConfig.tools.{i}.toolSpec.inputSchema.json.type must be one of the following: object."
            )));
        }
        if !names.insert(name.to_owned()) {
            return Err(AwsError::validation(format!(
                "The tool name {name} at toolConfig.tools.{i} is used more than once. Tool names must be unique."
            )));
        }
    }
    if let Some(choice) = &config.tool_choice
        && let Some(wanted) = choice
            .get("tool")
            .and_then(|tool| tool.get("name"))
            .and_then(Value::as_str)
        && !names.contains(wanted)
    {
        return Err(AwsError::validation(format!(
            "The tool {wanted} of toolConfig.toolChoice is not in toolConfig.tools."
        )));
    }
    Ok(names)
}

fn unsupported(block: &Map<String, Value>, place: &str) -> AwsError {
    match block.keys().next() {
        Some(kind) => AwsError::validation(format!(
            "This model doesn't support the {kind} field at {place}. Remove {kind} and try again."
        )),
        None => AwsError::validation(format!("The object at {place} is empty. Give it exactly one member.")),
    }
}

fn turn(i: usize, message: &Message) -> Result<Turn, AwsError> {
    let is_user = match message.role.as_str() {
        "user" => true,
        "assistant" => false,
        other => {
            return Err(constraint(
                other,
                &format!("messages.{}.member.role", i + 1),
                "Member must satisfy enum value set: [user, assistant]",
            ));
        }
    };
    if message.content.is_empty() {
        return Err(AwsError::validation(format!(
            "The content field in the Message object at messages.{i} is empty. Add a ContentBlock object to the content \
             field and try again."
        )));
    }
    let blocks = message
        .content
        .iter()
        .enumerate()
        .filter(|(_, block)| !block.contains_key("cachePoint"))
        .map(|(j, content)| block(&format!("messages.{i}.content.{j}"), content))
        .collect::<Result<_, _>>()?;
    Ok(Turn { is_user, blocks })
}

fn block(place: &str, content: &Map<String, Value>) -> Result<Block, AwsError> {
    let text_of = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if content.len() != 1 {
        return Err(AwsError::validation(format!(
            "The ContentBlock object at {place} must have exactly one member."
        )));
    }
    if let Some(text) = content.get("text") {
        return match text.as_str() {
            Some(text) if text.trim().is_empty() => Err(AwsError::validation(format!(
                "The text field in the ContentBlock object at {place} is blank. Add text to the text field, and try again."
            ))),
            Some(text) => Ok(Block::Text(text.to_owned())),
            None => Err(AwsError::serialization(format!("{place}.text is no text"))),
        };
    }
    if let Some(tool) = content.get("toolUse") {
        let (id, name) = (text_of(tool, "toolUseId"), text_of(tool, "name"));
        check_id(&id, &format!("{place}.toolUse.toolUseId"))?;
        if !is_name(&name) {
            let rule =
                "Member must have length between 1 and 64 and satisfy regular expression pattern: [a-zA-Z0-9_-]+";
            return Err(constraint(&name, &format!("{place}.toolUse.name"), rule));
        }
        return match tool.get("input") {
            Some(input) if input.is_object() => Ok(Block::ToolUse {
                id,
                name,
                input: input.clone(),
            }),
            _ => Err(AwsError::validation(format!(
                "The format of the value at {place}.toolUse.input is invalid. Provide a json object for the field and \
                 try again."
            ))),
        };
    }
    if let Some(result) = content.get("toolResult") {
        let id = text_of(result, "toolUseId");
        check_id(&id, &format!("{place}.toolResult.toolUseId"))?;
        let is_error = match result.get("status").map(|status| status.as_str()) {
            None | Some(Some("success")) => false,
            Some(Some("error")) => true,
            Some(other) => {
                let rule = "Member must satisfy enum value set: [success, error]";
                return Err(constraint(
                    other.unwrap_or_default(),
                    &format!("{place}.toolResult.status"),
                    rule,
                ));
            }
        };
        let parts = result
            .get("content")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        if is_error && parts.is_empty() {
            return Err(AwsError::validation(format!(
                "The content field at {place}.toolResult cannot be empty when status value is error."
            )));
        }
        let content = parts.into_iter().filter_map(|part| part.as_object().cloned()).collect();
        return Ok(Block::ToolResult { id, is_error, content });
    }
    Err(unsupported(content, place))
}

fn check_id(id: &str, place: &str) -> Result<(), AwsError> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    if (1..=64).contains(&id.len()) && id.bytes().all(valid) {
        return Ok(());
    }
    let rule = "Member must have length between 1 and 64 and satisfy regular expression pattern: [a-zA-Z0-9_.:-]+";
    Err(constraint(id, place, rule))
}

fn check_order(turns: &[Turn]) -> Result<(), AwsError> {
    let (Some(first), Some(last)) = (turns.first(), turns.last()) else {
        return Err(AwsError::validation(
            "A conversation must start with a user message. Try again with a conversation that starts with a user \
             message.",
        ));
    };
    if !first.is_user {
        return Err(AwsError::validation(
            "A conversation must start with a user message. Try again with a conversation that starts with a user \
             message.",
        ));
    }
    if turns.windows(2).any(|pair| pair[0].is_user == pair[1].is_user) {
        return Err(AwsError::validation(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates \
             between user and assistant roles and try again.",
        ));
    }
    if !last.is_user {
        return Err(AwsError::validation(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    Ok(())
}

/// Each toolUse has its result in the next message, and each result its toolUse in the one before.
fn check_tool_blocks(turns: &[Turn], has_config: bool) -> Result<(), AwsError> {
    let mut asked: Vec<&str> = Vec::new();
    for (i, turn) in turns.iter().enumerate() {
        let mut uses: Vec<&str> = Vec::new();
        let mut results: Vec<&str> = Vec::new();
        for (j, block) in turn.blocks.iter().enumerate() {
            let (list, id, belongs, kind, role) = match block {
                Block::Text(_) => continue,
                Block::ToolUse { id, .. } => (&mut uses, id, !turn.is_user, "toolUse", "assistant"),
                Block::ToolResult { id, .. } => (&mut results, id, turn.is_user, "toolResult", "user"),
            };
            if !has_config {
                return Err(AwsError::validation(
                    "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
                ));
            }
            if !belongs {
                return Err(AwsError::validation(format!(
                    "The {kind} block at messages.{i}.content.{j} stands in a message of the wrong role. Put it in a \
                     message with the role {role} and try again."
                )));
            }
            if list.contains(&id.as_str()) {
                return Err(AwsError::validation(format!(
                    "The {kind} blocks at messages.{i}.content contain duplicate Ids: {id}"
                )));
            }
            list.push(id);
        }
        let missing: Vec<&str> = asked.iter().copied().filter(|id| !results.contains(id)).collect();
        if !missing.is_empty() {
            return Err(AwsError::validation(format!(
                "Expected toolResult blocks at messages.{i}.content for the following Ids: {}",
                missing.join(", ")
            )));
        }
        if results.len() > asked.len() {
            return Err(AwsError::validation(format!(
                "The number of toolResult blocks at messages.{i}.content exceeds the number of toolUse blocks of previous \
                 turn."
            )));
        }
        asked = uses;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(body: Value) -> Result<Conversation, String> {
        ConverseRequest::parse(body.to_string().as_bytes())
            .and_then(ConverseRequest::check)
            .map_err(|error| format!("{}: {}", error.code, error.message))
    }

    fn text(role: &str, text: &str) -> Value {
        json!({"role": role, "content": [{"text": text}]})
    }

    fn config() -> Value {
        json!({"tools": [{"toolSpec": {"name": "query_data", "inputSchema": {"json": {"type": "object"}}}}]})
    }

    fn asks(id: &str) -> Value {
        json!({"role": "assistant", "content": [{"toolUse": {"toolUseId": id, "name": "query_data", "input": {}}}]})
    }

    fn answers(id: &str) -> Value {
        json!({"role": "user", "content": [{"toolResult": {"toolUseId": id, "content": [{"json": {}}]}}]})
    }

    #[test]
    fn what_bedrock_refuses_is_refused_in_its_words() {
        let user = || text("user", "hello");
        for (body, part) in [
            (json!({"messages": []}), "must start with a user message"),
            (
                json!({"messages": [text("assistant", "hello")]}),
                "must start with a user message",
            ),
            (
                json!({"messages": [user(), user()]}),
                "must alternate between user and assistant roles",
            ),
            (
                json!({"messages": [user(), text("assistant", "x")]}),
                "must end with a user message",
            ),
            (
                json!({"messages": [text("user", " \n")]}),
                "text field in the ContentBlock object at messages.0.content.0 is blank",
            ),
            (
                json!({"messages": [{"role": "user", "content": []}]}),
                "content field in the Message object at messages.0 is empty",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"image": {}}]}]}),
                "doesn't support the image field",
            ),
            (json!({"messages": [text("robot", "x")]}), "enum value set"),
            (
                json!({"messages": [user(), asks("a"), answers("a")]}),
                "toolConfig field must be defined",
            ),
            (
                json!({"messages": [user(), asks("a"), text("user", "x")], "toolConfig": config()}),
                "Expected toolResult blocks at messages.2.content for the following Ids: a",
            ),
            (
                json!({"messages": [user(), asks("a"), answers("b")], "toolConfig": config()}),
                "Expected toolResult blocks at messages.2.content for the following Ids: a",
            ),
            (
                json!({"messages": [answers("a")], "toolConfig": config()}),
                "exceeds the number of toolUse blocks",
            ),
            (
                json!({"messages": [user()], "toolConfig": {"tools": [{"toolSpec": {"name": "a b", "inputSchema": {"json": {"type": "object"}}}}]}}),
                "toolConfig.tools.1.member.toolSpec.name",
            ),
            (
                json!({"messages": [user()], "toolConfig": {"tools": []}}),
                "greater than or equal to 1",
            ),
            (
                json!({"messages": [user()], "toolConfig": {"tools": [{"toolSpec": {"name": "a", "inputSchema": {"json": {}}}}]}}),
                "inputSchema.json.type",
            ),
            (
                json!({"messages": [user()], "inferenceConfig": {"maxTokens": 0}}),
                "inferenceConfig.maxTokens",
            ),
            (
                json!({"messages": [user()], "inferenceConfig": {"temperature": 2}}),
                "inferenceConfig.temperature",
            ),
            (
                json!({"messages": [user()], "requestMetadata": {"a": "é"}}),
                "requestMetadata.a",
            ),
            (
                json!({"messages": [user()], "system": [{"text": ""}]}),
                "SystemContentBlock object at system.0 is blank",
            ),
            (
                json!({"messages": [user()], "guardrailConfig": {"guardrailIdentifier": "x"}}),
                "guardrail identifier",
            ),
            (json!({"messages": "hello"}), "SerializationException"),
        ] {
            let error = check(body.clone()).expect_err(&body.to_string());
            assert!(error.contains(part), "{body}\n{error}");
        }
    }

    #[test]
    fn a_conversation_that_keeps_the_rules_is_taken() {
        let body = json!({
            "messages": [text("user", "how many concerts"), asks("a"), answers("a")],
            "toolConfig": config(),
            "inferenceConfig": {"maxTokens": 100, "temperature": 0.0},
            "requestMetadata": {"today": "2026-01-01", "role": "guest"},
        });
        let conversation = check(body).expect("accepted");
        assert_eq!(conversation.turns.len(), 3);
        assert!(conversation.tools.contains("query_data"));
        assert!(conversation.input_tokens > 5);
    }
}
