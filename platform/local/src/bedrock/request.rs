//! What Converse takes, and what Bedrock refuses before a model sees it.

use super::token::tokens;
use crate::error::{AwsError, parse_object};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const METADATA_MAX_ENTRIES: usize = 16;
const METADATA_MAX_CHARS: usize = 256;
const STOP_SEQUENCES_MAX: usize = 2_500;
const RESPONSE_PATHS_MAX: usize = 10;
const RESPONSE_PATH_MAX_CHARS: usize = 256;
/// Bedrock's bounds for one message.
const IMAGES_MAX: usize = 20;
const DOCUMENTS_MAX: usize = 5;
const IMAGE_MAX_BYTES: usize = 3_932_160;
const DOCUMENT_MAX_BYTES: usize = 4_718_592;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ConverseRequest {
    pub messages: Vec<Message>,
    pub system: Vec<Map<String, Value>>,
    pub inference_config: InferenceConfig,
    pub tool_config: Option<ToolConfig>,
    pub guardrail_config: Option<GuardrailConfig>,
    pub request_metadata: Option<BTreeMap<String, String>>,
    pub additional_model_request_fields: Option<Value>,
    pub additional_model_response_field_paths: Vec<String>,
    pub prompt_variables: Option<Map<String, Value>>,
    pub performance_config: Option<PerformanceConfig>,
    pub service_tier: Option<ServiceTier>,
    pub output_config: Option<Value>,
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

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct GuardrailConfig {
    pub guardrail_identifier: Option<String>,
    pub guardrail_version: Option<String>,
    pub trace: Option<String>,
    pub stream_processing_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PerformanceConfig {
    pub latency: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceTier {
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// What a model can be given beside text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    pub images: bool,
    pub documents: bool,
    /// `additionalModelRequestFields`.
    pub further_fields: bool,
}

impl Abilities {
    pub const TEXT: Abilities = Abilities {
        images: false,
        documents: false,
        further_fields: false,
    };
    pub const ALL: Abilities = Abilities {
        images: true,
        documents: true,
        further_fields: true,
    };
}

/// A request that kept the rules.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub system: Vec<String>,
    pub turns: Vec<Turn>,
    /// What the model may ask for.
    pub tools: Vec<Tool>,
    pub choice: Choice,
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub stop_sequences: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    pub further_fields: Map<String, Value>,
    /// JSON pointers into the model's own answer.
    pub response_paths: Vec<String>,
    pub guardrail: Option<GuardrailConfig>,
    /// By the rule of [`tokens`].
    pub input_tokens: u64,
}

impl Conversation {
    pub fn has_tool(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == name)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// A JSON schema of an object.
    pub schema: Value,
}

/// Whether the model must ask for a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Auto,
    Any,
    Tool(String),
}

/// A message; user and assistant alternate, the user begins and ends.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub is_user: bool,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
pub(crate) enum Block {
    Text(String),
    Image {
        format: String,
        /// As it came, in base64.
        data: String,
    },
    Document {
        name: String,
        format: String,
        bytes: Vec<u8>,
    },
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

fn one_of(value: Option<&str>, place: &str, allowed: &[&str]) -> Result<(), AwsError> {
    match value {
        Some(value) if !allowed.contains(&value) => Err(constraint(
            value,
            place,
            &format!("Member must satisfy enum value set: [{}]", allowed.join(", ")),
        )),
        _ => Ok(()),
    }
}

impl ConverseRequest {
    pub fn parse(body: &[u8]) -> Result<ConverseRequest, AwsError> {
        parse_object(body)
    }

    /// # Errors
    /// What Bedrock refuses, in its words: roles that do not alternate, blank text, a toolUse without its result in
    /// the next message, tool blocks without toolConfig, bad names, and what this model cannot take.
    pub fn check(self, abilities: Abilities) -> Result<Conversation, AwsError> {
        self.check_inference()?;
        self.check_metadata()?;
        self.check_settings()?;
        let further_fields = self.further_fields(abilities)?;
        let (tools, choice) = match &self.tool_config {
            Some(config) => (Some(tools(config)?), choice(config)?),
            None => (None, Choice::Auto),
        };
        if let (Choice::Tool(wanted), Some(tools)) = (&choice, &tools)
            && !tools.iter().any(|tool| tool.name == *wanted)
        {
            return Err(AwsError::validation(format!(
                "The tool {wanted} of toolConfig.toolChoice is not in toolConfig.tools."
            )));
        }
        let mut input_tokens = 0;
        let mut system = Vec::new();
        for (i, block) in self.system.iter().enumerate() {
            match block.get("text").and_then(Value::as_str) {
                Some(text) if text.trim().is_empty() => {
                    return Err(AwsError::validation(format!(
                        "The text field in the SystemContentBlock object at system.{i} is blank. Add text to the text \
                         field, and try again."
                    )));
                }
                Some(text) => {
                    input_tokens += tokens(text);
                    system.push(text.to_owned());
                }
                None if block.contains_key("cachePoint") => {}
                None => return Err(unsupported(block, &format!("system.{i}"))),
            }
        }
        if let Some(config) = &self.tool_config {
            for tool in &config.tools {
                input_tokens += tokens(&Value::Object(tool.clone()).to_string());
            }
        }
        let turns = self
            .messages
            .iter()
            .enumerate()
            .map(|(i, message)| turn(i, message, abilities))
            .collect::<Result<Vec<Turn>, AwsError>>()?;
        check_order(&turns)?;
        check_tool_blocks(&turns, tools.is_some())?;
        input_tokens += turns
            .iter()
            .flat_map(|turn| &turn.blocks)
            .map(block_tokens)
            .sum::<u64>();
        Ok(Conversation {
            system,
            turns,
            tools: tools.unwrap_or_default(),
            choice,
            max_tokens: self.inference_config.max_tokens.map(i64::unsigned_abs),
            temperature: self.inference_config.temperature,
            top_p: self.inference_config.top_p,
            stop_sequences: self.inference_config.stop_sequences,
            metadata: self.request_metadata.unwrap_or_default(),
            further_fields,
            response_paths: self.additional_model_response_field_paths,
            guardrail: self
                .guardrail_config
                .filter(|config| config.guardrail_identifier.is_some()),
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
        let Some(metadata) = &self.request_metadata else {
            return Ok(());
        };
        if metadata.is_empty() {
            let rule = "Member must have length greater than or equal to 1";
            return Err(constraint("{}", "requestMetadata", rule));
        }
        if metadata.len() > METADATA_MAX_ENTRIES {
            let rule = format!("Member must have length less than or equal to {METADATA_MAX_ENTRIES}");
            return Err(constraint(
                &format!("{} entries", metadata.len()),
                "requestMetadata",
                &rule,
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c);
        let fits = |text: &str| text.chars().count() <= METADATA_MAX_CHARS && text.chars().all(allowed);
        for (key, value) in metadata {
            if key.is_empty() || !fits(key) || !fits(value) {
                let rule = "Member must satisfy regular expression pattern: [a-zA-Z0-9\\s:_@$#=/+,-.]{0,256}";
                return Err(constraint(value, &format!("requestMetadata.{key}"), rule));
            }
        }
        Ok(())
    }

    fn check_settings(&self) -> Result<(), AwsError> {
        if self.prompt_variables.is_some() {
            return Err(AwsError::validation(
                "The promptVariables field goes with a prompt's ARN in modelId. Remove promptVariables and try again.",
            ));
        }
        if self.output_config.is_some() {
            return Err(AwsError::validation(
                "This model doesn't support the outputConfig field. Remove outputConfig and try again.",
            ));
        }
        let latency = self
            .performance_config
            .as_ref()
            .and_then(|config| config.latency.as_deref());
        one_of(latency, "performanceConfig.latency", &["standard", "optimized"])?;
        let tier = self.service_tier.as_ref().and_then(|tier| tier.kind.as_deref());
        one_of(tier, "serviceTier.type", &["priority", "default", "flex", "reserved"])?;
        if let Some(guardrail) = &self.guardrail_config {
            let trace = guardrail.trace.as_deref();
            one_of(trace, "guardrailConfig.trace", &["enabled", "disabled", "enabled_full"])?;
            let mode = guardrail.stream_processing_mode.as_deref();
            one_of(mode, "guardrailConfig.streamProcessingMode", &["sync", "async"])?;
            if guardrail.guardrail_identifier.is_some() != guardrail.guardrail_version.is_some() {
                return Err(AwsError::validation(
                    "guardrailConfig needs both guardrailIdentifier and guardrailVersion.",
                ));
            }
        }
        if self.additional_model_response_field_paths.len() > RESPONSE_PATHS_MAX {
            let rule = format!("Member must have length less than or equal to {RESPONSE_PATHS_MAX}");
            return Err(constraint(
                &format!("{} paths", self.additional_model_response_field_paths.len()),
                "additionalModelResponseFieldPaths",
                &rule,
            ));
        }
        for (i, path) in self.additional_model_response_field_paths.iter().enumerate() {
            if !path.starts_with('/') || path.chars().count() > RESPONSE_PATH_MAX_CHARS {
                return Err(AwsError::validation(format!(
                    "additionalModelResponseFieldPaths.{i} is \"{path}\", which is no JSON pointer of at most \
                     {RESPONSE_PATH_MAX_CHARS} characters: write /name."
                )));
            }
        }
        Ok(())
    }

    fn further_fields(&self, abilities: Abilities) -> Result<Map<String, Value>, AwsError> {
        let fields = match &self.additional_model_request_fields {
            None | Some(Value::Null) => return Ok(Map::new()),
            Some(Value::Object(fields)) => fields,
            Some(_) => {
                return Err(AwsError::validation(
                    "The value of additionalModelRequestFields must be a json object.",
                ));
            }
        };
        match fields.keys().next() {
            Some(key) if !abilities.further_fields => {
                Err(malformed(&format!("#: extraneous key [{key}] is not permitted")))
            }
            _ => Ok(fields.clone()),
        }
    }
}

/// How Bedrock refuses a body that the model's own schema does not take.
pub(crate) fn malformed(what: &str) -> AwsError {
    AwsError::validation(format!(
        "Malformed input request: {what}, please reformat your input and try again."
    ))
}

fn block_tokens(block: &Block) -> u64 {
    match block {
        Block::Text(text) => tokens(text),
        // As large as they are on the way: no rule for what a model makes of them would be truer.
        Block::Image { data, .. } => tokens(data),
        Block::Document { bytes, .. } => tokens(&String::from_utf8_lossy(bytes)),
        Block::ToolUse { input, .. } => tokens(&input.to_string()),
        Block::ToolResult { content, .. } => content
            .iter()
            .map(|part| tokens(&Value::Object(part.clone()).to_string()))
            .sum(),
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn tools(config: &ToolConfig) -> Result<Vec<Tool>, AwsError> {
    if config.tools.is_empty() {
        return Err(constraint(
            "[]",
            "toolConfig.tools",
            "Member must have length greater than or equal to 1",
        ));
    }
    let mut tools: Vec<Tool> = Vec::new();
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
        let description = spec.get("description").and_then(Value::as_str);
        if description.is_some_and(str::is_empty) {
            let place = format!("toolConfig.tools.{}.member.toolSpec.description", i + 1);
            return Err(constraint(
                "",
                &place,
                "Member must have length greater than or equal to 1",
            ));
        }
        let schema = spec.get("inputSchema").and_then(|schema| schema.get("json"));
        let Some(schema) = schema.filter(|schema| schema.get("type").and_then(Value::as_str) == Some("object")) else {
            return Err(AwsError::validation(format!(
                "The value at toolConfig.tools.{i}.toolSpec.inputSchema.json.type must be one of the following: object."
            )));
        };
        if tools.iter().any(|other| other.name == name) {
            return Err(AwsError::validation(format!(
                "The tool name {name} at toolConfig.tools.{i} is used more than once. Tool names must be unique."
            )));
        }
        tools.push(Tool {
            name: name.to_owned(),
            description: description.map(str::to_owned),
            schema: schema.clone(),
        });
    }
    Ok(tools)
}

fn choice(config: &ToolConfig) -> Result<Choice, AwsError> {
    let Some(choice) = &config.tool_choice else {
        return Ok(Choice::Auto);
    };
    let mut members = choice.iter();
    match (members.next(), members.next()) {
        (Some((kind, _)), None) if kind == "auto" => Ok(Choice::Auto),
        (Some((kind, _)), None) if kind == "any" => Ok(Choice::Any),
        (Some((kind, tool)), None) if kind == "tool" => {
            let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
            Ok(Choice::Tool(name.to_owned()))
        }
        _ => Err(AwsError::validation(
            "toolConfig.toolChoice must have exactly one of the members auto, any and tool.",
        )),
    }
}

/// What this model cannot take.
pub(crate) fn unsupported(block: &Map<String, Value>, place: &str) -> AwsError {
    match block.keys().next() {
        Some(kind) => AwsError::validation(format!(
            "This model doesn't support the {kind} field at {place}. Remove {kind} and try again."
        )),
        None => AwsError::validation(format!("The object at {place} is empty. Give it exactly one member.")),
    }
}

fn turn(i: usize, message: &Message, abilities: Abilities) -> Result<Turn, AwsError> {
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
    let mut blocks = Vec::new();
    for (j, content) in message.content.iter().enumerate() {
        // Points of caching change no answer, and what a model thought before is its own.
        if content.contains_key("cachePoint") || (!is_user && content.contains_key("reasoningContent")) {
            continue;
        }
        blocks.push(block(&format!("messages.{i}.content.{j}"), content, abilities)?);
    }
    let count = |wanted: fn(&Block) -> bool| blocks.iter().filter(|block| wanted(block)).count();
    let images = count(|block| matches!(block, Block::Image { .. }));
    let documents = count(|block| matches!(block, Block::Document { .. }));
    if images > IMAGES_MAX || documents > DOCUMENTS_MAX {
        return Err(AwsError::validation(format!(
            "The Message object at messages.{i} holds {images} images and {documents} documents. At most {IMAGES_MAX} \
             images and {DOCUMENTS_MAX} documents are allowed."
        )));
    }
    if !is_user && images + documents > 0 {
        return Err(AwsError::validation(format!(
            "The Message object at messages.{i} has the role assistant. Images and documents belong in a user message."
        )));
    }
    if documents > 0 && count(|block| matches!(block, Block::Text(_))) == 0 {
        return Err(AwsError::validation(format!(
            "The Message object at messages.{i} holds a document but no text. Add a text block and try again."
        )));
    }
    Ok(Turn { is_user, blocks })
}

fn block(place: &str, content: &Map<String, Value>, abilities: Abilities) -> Result<Block, AwsError> {
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
    if let Some(image) = content.get("image").filter(|_| abilities.images) {
        return image_block(place, image);
    }
    if let Some(document) = content.get("document").filter(|_| abilities.documents) {
        return document_block(place, document);
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
        return tool_result(place, result, abilities);
    }
    Err(unsupported(content, place))
}

fn tool_result(place: &str, result: &Value, abilities: Abilities) -> Result<Block, AwsError> {
    let id = result
        .get("toolUseId")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
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
    let content: Vec<Map<String, Value>> = parts.into_iter().filter_map(|part| part.as_object().cloned()).collect();
    for (k, part) in content.iter().enumerate() {
        let place = format!("{place}.toolResult.content.{k}");
        match part.keys().next().map(String::as_str) {
            Some("text") | Some("json") => {}
            Some("image") if abilities.images => {
                image_block(&place, &part["image"])?;
            }
            Some("document") if abilities.documents => {
                document_block(&place, &part["document"])?;
            }
            _ => return Err(unsupported(part, &place)),
        }
    }
    Ok(Block::ToolResult { id, is_error, content })
}

/// What a block's `source` holds, in base64 and decoded.
fn source(place: &str, kind: &str, value: &Value, max_bytes: usize) -> Result<(String, Vec<u8>), AwsError> {
    let source = value.get("source");
    let Some(data) = source.and_then(|source| source.get("bytes")).and_then(Value::as_str) else {
        return Err(AwsError::validation(format!(
            "The source of the {kind} at {place} must have bytes: objects in S3 are not read here."
        )));
    };
    let bytes = STANDARD
        .decode(data)
        .map_err(|error| AwsError::serialization(format!("{place}.{kind}.source.bytes is no base64: {error}")))?;
    if bytes.is_empty() || bytes.len() > max_bytes {
        return Err(AwsError::validation(format!(
            "The {kind} at {place} has {} bytes. It must have between 1 and {max_bytes}.",
            bytes.len()
        )));
    }
    Ok((data.to_owned(), bytes))
}

fn image_block(place: &str, image: &Value) -> Result<Block, AwsError> {
    let format = image.get("format").and_then(Value::as_str).unwrap_or_default();
    one_of(
        Some(format),
        &format!("{place}.image.format"),
        &["png", "jpeg", "gif", "webp"],
    )?;
    let (data, _) = source(place, "image", image, IMAGE_MAX_BYTES)?;
    Ok(Block::Image {
        format: format.to_owned(),
        data,
    })
}

fn document_block(place: &str, document: &Value) -> Result<Block, AwsError> {
    let format = document.get("format").and_then(Value::as_str).unwrap_or("txt");
    let formats = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
    one_of(Some(format), &format!("{place}.document.format"), &formats)?;
    let name = document.get("name").and_then(Value::as_str).unwrap_or_default();
    let allowed = |c: char| c.is_alphanumeric() || " -()[]".contains(c);
    if name.is_empty() || !name.chars().all(allowed) || name.contains("  ") {
        return Err(AwsError::validation(format!(
            "The document file name at {place} can only contain alphanumeric characters, whitespace characters, hyphens, \
             parentheses, and square brackets, and no two whitespace characters in a row."
        )));
    }
    let text = document
        .get("source")
        .and_then(|source| source.get("text"))
        .and_then(Value::as_str);
    let bytes = match text {
        Some(text) => text.as_bytes().to_vec(),
        None => source(place, "document", document, DOCUMENT_MAX_BYTES)?.1,
    };
    Ok(Block::Document {
        name: name.to_owned(),
        format: format.to_owned(),
        bytes,
    })
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
                Block::Text(_) | Block::Image { .. } | Block::Document { .. } => continue,
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
            .and_then(|request| request.check(Abilities::TEXT))
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
                "both guardrailIdentifier and guardrailVersion",
            ),
            (
                json!({"messages": [user()], "requestMetadata": {}}),
                "greater than or equal to 1",
            ),
            (
                json!({"messages": [user()], "additionalModelRequestFields": {"top_k": 3}}),
                "extraneous key [top_k] is not permitted",
            ),
            (
                json!({"messages": [user()], "additionalModelResponseFieldPaths": ["stop"]}),
                "no JSON pointer",
            ),
            (
                json!({"messages": [user()], "performanceConfig": {"latency": "fast"}}),
                "[standard, optimized]",
            ),
            (
                json!({"messages": [user()], "toolConfig": {"tools": config()["tools"], "toolChoice": {"tool": {"name": "x"}}}}),
                "is not in toolConfig.tools",
            ),
            (
                json!({"messages": [user()], "toolConfig": {"tools": config()["tools"], "toolChoice": {"auto": {}, "any": {}}}}),
                "exactly one of the members",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"document": {"name": "a", "format": "txt"}}]}]}),
                "doesn't support the document field at messages.0.content.0",
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
        assert!(conversation.has_tool("query_data"));
        assert!(conversation.input_tokens > 5);
    }

    #[test]
    fn images_and_documents_are_taken_where_the_model_can() {
        let given = |content: Value| {
            let body = json!({"messages": [{"role": "user", "content": content}]}).to_string();
            ConverseRequest::parse(body.as_bytes())
                .and_then(|request| request.check(Abilities::ALL))
                .map_err(|error| error.message)
        };
        let image = |format: &str, bytes: &str| json!({"image": {"format": format, "source": {"bytes": bytes}}});
        let document = |name: &str| json!({"document": {"name": name, "format": "csv", "source": {"bytes": "YSxi"}}});
        let text = json!({"text": "look"});
        assert!(given(json!([image("png", "iVBORw=="), document("my table"), text])).is_ok());
        for (content, part) in [
            (json!([image("bmp", "iVBORw==")]), "[png, jpeg, gif, webp]"),
            (json!([image("png", "?")]), "no base64"),
            (json!([image("png", "")]), "between 1 and"),
            (
                json!([{"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a/b"}}}}]),
                "must have bytes",
            ),
            (json!([document("a/b"), text]), "can only contain"),
            (json!([document("a")]), "but no text"),
            (json!([{"video": {}}]), "doesn't support the video field"),
            (json!(vec![image("png", "iVBORw=="); 21]), "At most 20 images"),
        ] {
            let error = given(content.clone()).expect_err(&content.to_string());
            assert!(error.contains(part), "{content}: {error}");
        }
    }
}
