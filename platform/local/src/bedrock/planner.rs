//! The planner as a model: what it says to a conversation. It keeps nothing between calls; the question and the
//! queries before it are read from the conversation itself.

use super::{
    request::{Block as Given, Choice, Conversation, Turn},
    speech::Said,
};
use crate::error::AwsError;
use concert_contract::{api::DataState, catalogue::Catalogue, query::Query};
use concert_planner::{Plan, PlanContext, Planner, ValueIndex};
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const QUERY_DATA: &str = "query_data";
const CLARIFY: &str = "clarify";
const FINISH: &str = "finish";

/// What the planner knows of the published data.
pub(crate) struct Knowledge {
    pub state: DataState,
    pub values: ValueIndex,
}

/// What the model says next.
pub(crate) fn reply(
    conversation: &Conversation,
    catalogue: &Catalogue,
    knowledge: &Knowledge,
    today: Date,
) -> Vec<Said> {
    let speaker = Speaker {
        conversation,
        catalogue,
        knowledge,
        today,
    };
    speaker.blocks()
}

/// Holds a reply to `toolChoice`. The planner asks for what its rules find; it cannot be made to ask for something else.
///
/// # Errors
/// The call that is wanted is not in the reply.
pub(crate) fn choose(blocks: Vec<Said>, choice: &Choice) -> Result<Vec<Said>, AwsError> {
    let refused = |member: &str| {
        AwsError::validation(format!(
            "This model doesn't support the toolConfig.toolChoice.{member} field in this conversation: its rules ask for \
             no such tool here. Use auto and try again."
        ))
    };
    match choice {
        Choice::Auto => Ok(blocks),
        Choice::Any if blocks.iter().any(|said| matches!(said, Said::Tool { .. })) => Ok(blocks),
        Choice::Any => Err(refused("any")),
        Choice::Tool(wanted) => {
            let is_wanted = |said: &Said| matches!(said, Said::Tool { name, .. } if name == wanted);
            let kept: Vec<Said> = blocks.into_iter().filter(is_wanted).collect();
            if kept.is_empty() {
                Err(refused("tool"))
            } else {
                Ok(kept)
            }
        }
    }
}

struct Speaker<'a> {
    conversation: &'a Conversation,
    catalogue: &'a Catalogue,
    knowledge: &'a Knowledge,
    today: Date,
}

impl Speaker<'_> {
    fn blocks(&self) -> Vec<Said> {
        let turns = &self.conversation.turns;
        let Some((last, before)) = turns.split_last() else {
            return Vec::new();
        };
        let results = results(last, before.last());
        if results.iter().any(|result| !matches!(result.tool, FINISH | CLARIFY)) {
            return self.tell(&results, before);
        }
        match question(last) {
            Some(question) => self.answer(&question, before),
            // Only the result of `finish` or `clarify` came back: the turn is over.
            None => Vec::new(),
        }
    }

    fn plan(&self, question: &str, before: &[Turn]) -> Plan {
        let previous = previous_query(before);
        let context = PlanContext {
            today: self.today,
            state: &self.knowledge.state,
            previous: previous.as_ref(),
        };
        Planner::new(self.catalogue, &self.knowledge.values).plan(question, &context)
    }

    /// A new question: ask for data, ask back, or say what cannot be answered.
    fn answer(&self, question: &str, before: &[Turn]) -> Vec<Said> {
        if asks_who(question) {
            let text = "I am the built-in planner. I turn a question in plain words into a query by rules, with no \
                        language model behind me, and every number I give comes from that query. Ask me about the data \
                        that is loaded here.";
            return self.close(
                text.to_owned(),
                &Plan {
                    confidence: 1.0,
                    ..Plan::default()
                },
            );
        }
        let plan = self.plan(question, before);
        if let Some(clarify) = &plan.clarify {
            if self.has(CLARIFY) {
                return vec![tool(
                    CLARIFY,
                    json!({"question": clarify.question, "choices": clarify.choices}),
                )];
            }
            let mut text = clarify.question.clone();
            for choice in &clarify.choices {
                text.push_str(&format!("\n- {}", choice.label));
            }
            return self.close(text, &plan);
        }
        match &plan.query {
            Some(query) if self.has(QUERY_DATA) => {
                vec![tool(QUERY_DATA, json!({"query": query, "title": plan.title}))]
            }
            Some(_) => {
                let text = format!("I can only answer through the tool {QUERY_DATA}, which was not offered.");
                self.close(text, &plan)
            }
            None => {
                let text = match &plan.message {
                    Some(message) if !message.trim().is_empty() => message.clone(),
                    _ => "I did not understand the question. Ask for a number, such as how many concerts there were \
                          in a year."
                        .to_owned(),
                };
                self.close(text, &plan)
            }
        }
    }

    /// Results came back: say what they say.
    fn tell(&self, results: &[Answered<'_>], before: &[Turn]) -> Vec<Said> {
        let mut sentences = Vec::new();
        for result in results.iter().filter(|result| !matches!(result.tool, FINISH | CLARIFY)) {
            let said = said(result.content);
            sentences.push(match (result.is_error, said) {
                (false, Some(said)) => said,
                (false, None) => "The query ran; its result has no summary to tell.".to_owned(),
                (true, Some(said)) => format!("The data could not be read: {said}"),
                (true, None) => "The data could not be read. Try again in a moment.".to_owned(),
            });
        }
        let failed = results.iter().any(|result| result.is_error);
        // The same question gives the same plan, so what was understood need not be remembered.
        let asked = before.iter().rposition(|turn| turn.is_user && question(turn).is_some());
        let mut plan = match asked.and_then(|at| question(&before[at]).map(|text| (at, text))) {
            Some((at, text)) => self.plan(&text, &before[..at]),
            None => Plan::default(),
        };
        if failed {
            plan.confidence = 0.0;
            plan.follow_ups.clear();
        }
        self.close(sentences.join("\n\n"), &plan)
    }

    /// Text, and `finish` where it is offered.
    fn close(&self, text: String, plan: &Plan) -> Vec<Said> {
        let mut blocks = vec![Said::Text(text)];
        if self.has(FINISH) {
            blocks.push(tool(
                FINISH,
                json!({
                    "understood": plan.understood,
                    "not_understood": plan.not_understood,
                    "confidence": plan.confidence,
                    "follow_ups": plan.follow_ups,
                }),
            ));
        }
        blocks
    }

    fn has(&self, tool: &str) -> bool {
        self.conversation.has_tool(tool)
    }
}

fn tool(name: &str, input: Value) -> Said {
    Said::Tool {
        id: format!("tooluse_{}", Uuid::new_v4().simple()),
        name: name.to_owned(),
        input,
    }
}

/// A tool's result beside the name that its toolUse gave.
struct Answered<'a> {
    tool: &'a str,
    is_error: bool,
    content: &'a [Map<String, Value>],
}

fn results<'a>(last: &'a Turn, asked: Option<&'a Turn>) -> Vec<Answered<'a>> {
    let name_of = |wanted: &str| {
        asked
            .into_iter()
            .flat_map(|turn| &turn.blocks)
            .find_map(|block| match block {
                Given::ToolUse { id, name, .. } if id == wanted => Some(name.as_str()),
                _ => None,
            })
    };
    last.blocks
        .iter()
        .filter_map(|block| match block {
            Given::ToolResult { id, is_error, content } => Some(Answered {
                tool: name_of(id).unwrap_or_default(),
                is_error: *is_error,
                content,
            }),
            _ => None,
        })
        .collect()
}

/// The text of a user's message; none if it has only results.
fn question(turn: &Turn) -> Option<String> {
    let texts: Vec<&str> = turn
        .blocks
        .iter()
        .filter_map(|block| match block {
            Given::Text(text) if turn.is_user => Some(text.as_str()),
            _ => None,
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// The last query that was asked for, for a question that goes on from it.
fn previous_query(before: &[Turn]) -> Option<Query> {
    before
        .iter()
        .rev()
        .flat_map(|turn| turn.blocks.iter().rev())
        .find_map(|block| match block {
            Given::ToolUse { name, input, .. } if name == QUERY_DATA => {
                serde_json::from_value(input.get("query")?.clone()).ok()
            }
            _ => None,
        })
}

/// The sentence in a tool's result: its `summary`, or what its error says and how to mend it, or its plain text.
fn said(content: &[Map<String, Value>]) -> Option<String> {
    content.iter().find_map(|part| {
        if let Some(json) = part.get("json") {
            return sentence(json);
        }
        let text = part.get("text")?.as_str()?.trim();
        match serde_json::from_str::<Value>(text) {
            Ok(json @ Value::Object(_)) => sentence(&json),
            _ => (!text.is_empty()).then(|| text.to_owned()),
        }
    })
}

fn sentence(json: &Value) -> Option<String> {
    let text = |value: &Value, name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if let Some(summary) = text(json, "summary") {
        return Some(summary);
    }
    // The envelope itself, or under `error`.
    let error = json.get("error").unwrap_or(json);
    let message = text(error, "error_message")
        .or_else(|| text(error, "message"))
        .or_else(|| error.as_str().map(str::to_owned))?;
    Some(match text(error, "suggested_action") {
        Some(action) => format!("{message} {action}"),
        None => message,
    })
}

/// Whether the question is about the one who answers it.
fn asks_who(question: &str) -> bool {
    let words: Vec<String> = question
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let text = words.join(" ");
    [
        "who are you",
        "what are you",
        "who is this",
        "what model are you",
        "which model are you",
        "what model is this",
        "which model is this",
        "are you an ai",
        "are you a bot",
        "are you human",
        "are you a human",
        "are you chatgpt",
        "are you claude",
        "what is your name",
    ]
    .contains(&text.as_str())
}
