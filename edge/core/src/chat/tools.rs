//! The agent's tools: what each takes, and what running it gives to the reader and to the model. A wrong input is a
//! result too, with what is wrong and which names are near, so that the model can mend it.

use super::Turn;
use crate::{
    Level, catalogue, data,
    failure::Failure,
    limits::{EVENT_MAX_BYTES, MODEL_MAX_CELL_CHARS, MODEL_MAX_ROWS, MODEL_RESULT_MAX_BYTES, SUGGEST_DEFAULT_ROWS},
    query::{self, compiled, refused},
    sql,
    upstream::Context,
};
use concert_aws::bedrock::{
    InputSchema, Tool, ToolConfig, ToolResult as ModelResult, ToolResultContent, ToolSpec, ToolStatus, ToolUse,
};
use concert_contract::{
    catalogue::Catalogue,
    chart::{self, ChartKind},
    chat::{ChatEvent, Suggestion, ToolResult, Understood},
    compile::query_schema,
    insight::{self, InsightContext},
    query::Query,
    table::{Cell, Table},
};
use serde::Deserialize;
use serde_json::{Value, json};

const QUERY_DATA: &str = "query_data";
const RUN_SQL: &str = "run_sql";
const LOOK_UP: &str = "look_up";
const CLARIFY: &str = "clarify";
const FINISH: &str = "finish";

/// What the reader of an answer can take in.
const FOLLOW_UPS_MAX: usize = 5;
/// Words and choices of one answer.
const WORDS_MAX: usize = 50;

/// What running a tool gives.
pub enum Outcome {
    /// To the reader, and to the model.
    Result {
        event: Box<ToolResult>,
        content: ModelResult,
    },
    /// The turn is over with this event.
    End(ChatEvent),
}

/// Whether the turn ends with this tool; the reader sees its event and not its call.
pub fn is_ending(name: &str) -> bool {
    matches!(name, CLARIFY | FINISH)
}

/// The tools as Bedrock is told of them.
pub fn config(catalogue: &Catalogue) -> ToolConfig {
    let spec = |name: &str, description: &str, schema: Value| {
        Tool::ToolSpec(ToolSpec {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            input_schema: InputSchema::Json(schema),
        })
    };
    let query = query_schema(catalogue);
    let choice = json!({
        "type": "object",
        "properties": {"label": {"type": "string"}, "query": query.clone()},
        "required": ["label", "query"],
    });
    let indexed: Vec<&str> = catalogue
        .dimensions
        .iter()
        .filter(|dimension| dimension.indexed)
        .map(|d| d.name.as_str())
        .collect();
    ToolConfig {
        tools: vec![
            spec(
                QUERY_DATA,
                "Runs a query over the data and shows its table and chart to the user.",
                json!({
                    "type": "object",
                    "properties": {
                        "query": query.clone(),
                        "title": {"type": "string", "description": "A title for the result, without a full stop."},
                        "chart": {"enum": ["number", "bar", "column", "line", "stacked_bar", "scatter", "heatmap"]},
                    },
                    "required": ["query"],
                }),
            ),
            spec(
                RUN_SQL,
                "Runs one SELECT in Redshift's dialect and shows its table to the user. Only for what query_data cannot say. Tables, columns and functions outside of the catalogue are refused.",
                json!({
                    "type": "object",
                    "properties": {
                        "sql": {"type": "string", "description": format!(
                            "One query without comments over these tables of the schema {}: {}.",
                            catalogue.schema,
                            tables(catalogue)
                        )},
                        "title": {"type": "string", "description": "A title for the result, without a full stop."},
                    },
                    "required": ["sql"],
                }),
            ),
            spec(
                LOOK_UP,
                "Finds the values of a dimension that are nearest to a text.",
                json!({
                    "type": "object",
                    "properties": {"dimension": {"enum": indexed}, "text": {"type": "string"}},
                    "required": ["dimension", "text"],
                }),
            ),
            spec(
                CLARIFY,
                "Asks the user which of several readings is meant. Ends the turn.",
                json!({
                    "type": "object",
                    "properties": {
                        "question": {"type": "string"},
                        "choices": {"type": "array", "items": choice, "minItems": 2, "maxItems": 4},
                    },
                    "required": ["question", "choices"],
                }),
            ),
            spec(
                FINISH,
                "Ends the turn. To be called last.",
                json!({
                    "type": "object",
                    "properties": {
                        "understood": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"words": {"type": "string"}, "meaning": {"type": "string"}},
                                "required": ["words", "meaning"],
                            },
                        },
                        "not_understood": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Words of the question that the answer does not take into account.",
                        },
                        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
                        "follow_ups": {"type": "array", "items": query, "maxItems": 3},
                    },
                    "required": ["understood", "not_understood", "confidence", "follow_ups"],
                }),
            ),
        ],
    }
}

/// The tables and their columns, as a model writes SQL by them.
fn tables(catalogue: &Catalogue) -> String {
    let table = |(name, table): (&String, &concert_contract::catalogue::TableDef)| {
        let columns: Vec<&str> = table.columns.keys().map(String::as_str).collect();
        format!("{name} ({})", columns.join(", "))
    };
    catalogue.tables.iter().map(table).collect::<Vec<_>>().join("; ")
}

pub async fn run(context: &Context, turn: &Turn, call: &ToolUse) -> Outcome {
    let started_ms = context.host.now_ms();
    let result = match call.name.as_str() {
        QUERY_DATA => query_data(context, turn, call).await,
        RUN_SQL => run_sql(context, turn, call).await,
        LOOK_UP => look_up(context, turn, call).await,
        CLARIFY => match clarify(context, turn, call).await {
            Ok(event) => return Outcome::End(event),
            Err(failure) => Err(failure),
        },
        FINISH => return Outcome::End(finish(context, turn, call).await),
        other => Err(
            Failure::validation("unknown_tool", format!("There is no tool {other:?}.")).with_action(format!(
                "The tools are {QUERY_DATA}, {RUN_SQL}, {LOOK_UP}, {CLARIFY} and {FINISH}."
            )),
        ),
    };
    let ms = Some(context.host.now_ms().saturating_sub(started_ms));
    let base = ToolResult {
        id: call.tool_use_id.clone(),
        tool: call.name.clone(),
        ms,
        ..ToolResult::default()
    };
    match result {
        Ok((event, content)) => Outcome::Result {
            event: Box::new(ToolResult {
                id: base.id,
                tool: base.tool,
                ms,
                ..event
            }),
            content: model_result(call, content, ToolStatus::Success),
        },
        Err(failure) => {
            context.log(
                Level::Warning,
                &format!("{}: {} {:?}", call.name, failure.code, failure.internal),
            );
            let envelope = failure.envelope(context.host.now_ms(), &context.correlation_id);
            // The model is told what the person is told, and no more.
            let content = json!({
                "error_code": envelope.error_code,
                "error_message": envelope.error_message,
                "suggested_action": envelope.suggested_action,
            });
            Outcome::Result {
                event: Box::new(ToolResult {
                    error: Some(envelope),
                    ..base
                }),
                content: model_result(call, content, ToolStatus::Error),
            }
        }
    }
}

/// What a call that ended the turn is said to have given.
pub fn done(call: &ToolUse) -> ModelResult {
    model_result(call, json!({"done": true}), ToolStatus::Success)
}

fn model_result(call: &ToolUse, content: Value, status: ToolStatus) -> ModelResult {
    ModelResult {
        tool_use_id: call.tool_use_id.clone(),
        content: vec![ToolResultContent::Json(content)],
        status: Some(status),
    }
}

#[derive(Deserialize)]
struct QueryData {
    query: Value,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    chart: Option<ChartKind>,
}

async fn query_data(context: &Context, turn: &Turn, call: &ToolUse) -> Result<(ToolResult, Value), Failure> {
    let input: QueryData = input(call)?;
    let mut query = Query::from_json(&input.query.to_string()).map_err(|error| refused(&error))?;
    let cursor = query.cursor.take();
    let answered = query::run(context, &turn.viewer, &query, cursor.as_deref()).await?;
    let catalogue = &*context.edge.catalogue;
    let table = answered.table;
    let mut chart = chart::choose(&query, catalogue, &table);
    if let (Some(chart), Some(wanted)) = (&mut chart, input.chart)
        && let Some(at) = chart.alternatives.iter().position(|kind| *kind == wanted)
    {
        chart.alternatives[at] = std::mem::replace(&mut chart.kind, wanted);
    }
    let insight = InsightContext {
        today: context.today(),
        notes: &answered.notes,
    };
    let summary = insight::summarise(&query, catalogue, &table, &insight);
    let title = input
        .title
        .filter(|title| !title.trim().is_empty())
        .unwrap_or_else(|| insight::title(&query, catalogue));
    let content = json!({
        "title": title.as_str(),
        "summary": summary.as_str(),
        "table": for_model(&table),
        "as_of": answered.as_of.as_deref(),
    });
    let mut event = ToolResult {
        title: Some(title),
        query: Some(query),
        sql: Some(answered.sql),
        table: Some(table),
        chart,
        summary: Some(summary),
        as_of: answered.as_of,
        next_cursor: answered.next_cursor,
        ..ToolResult::default()
    };
    if let (Some(rows), Some(query)) = (shorten(&mut event), &event.query) {
        let offset = answered.offset + rows;
        event.next_cursor = Some(query::cursor(
            context,
            &turn.viewer,
            query,
            &answered.snapshot_id,
            offset,
        )?);
    }
    Ok((event, content))
}

#[derive(Deserialize)]
struct RunSql {
    sql: String,
    #[serde(default)]
    title: Option<String>,
}

async fn run_sql(context: &Context, turn: &Turn, call: &ToolUse) -> Result<(ToolResult, Value), Failure> {
    let input: RunSql = input(call)?;
    let answered = sql::run(context, &turn.viewer, &input.sql).await?;
    let content = json!({"table": for_model(&answered.table)});
    let mut event = ToolResult {
        title: input.title.filter(|title| !title.trim().is_empty()),
        sql: Some(answered.sql),
        table: Some(answered.table),
        ..ToolResult::default()
    };
    shorten(&mut event);
    Ok((event, content))
}

/// Takes rows from an event until it can be stored in one item. Gives the number of rows that are left, if any went.
fn shorten(event: &mut ToolResult) -> Option<u64> {
    let mut left = None;
    while serde_json::to_string(&*event).is_ok_and(|json| json.len() > EVENT_MAX_BYTES) {
        let table = event.table.as_mut().filter(|table| !table.rows.is_empty())?;
        table.rows.truncate(table.rows.len() / 2);
        table.row_count = table.rows.len() as u64;
        table.truncated = true;
        left = Some(table.row_count);
    }
    left
}

/// As much of a table as a model needs.
fn for_model(table: &Table) -> Table {
    let rows: Vec<Vec<Cell>> = table
        .rows
        .iter()
        .take(MODEL_MAX_ROWS)
        .map(|row| {
            row.iter()
                .map(|cell| match cell {
                    Cell::Text(text) if text.chars().count() > MODEL_MAX_CELL_CHARS => {
                        Cell::Text(text.chars().take(MODEL_MAX_CELL_CHARS).collect::<String>() + "…")
                    }
                    other => other.clone(),
                })
                .collect()
        })
        .collect();
    let mut told = Table {
        columns: table.columns.clone(),
        row_count: rows.len() as u64,
        truncated: table.truncated || table.rows.len() > rows.len(),
        rows,
    };
    while serde_json::to_string(&told).is_ok_and(|json| json.len() > MODEL_RESULT_MAX_BYTES) && !told.rows.is_empty() {
        told.rows.truncate(told.rows.len() / 2);
        told.row_count = told.rows.len() as u64;
        told.truncated = true;
    }
    told
}

#[derive(Deserialize)]
struct LookUp {
    dimension: String,
    text: String,
}

async fn look_up(context: &Context, turn: &Turn, call: &ToolUse) -> Result<(ToolResult, Value), Failure> {
    let input: LookUp = input(call)?;
    let found = catalogue::find(
        context,
        &turn.viewer,
        &input.text,
        Some(&input.dimension),
        SUGGEST_DEFAULT_ROWS,
    )
    .await?;
    let labels: Vec<&str> = found.iter().map(|found| found.label.as_str()).collect();
    let summary = if labels.is_empty() {
        format!("Nothing is like {:?}.", input.text)
    } else {
        labels.join(", ")
    };
    Ok((
        ToolResult {
            summary: Some(summary),
            ..ToolResult::default()
        },
        json!({"values": found}),
    ))
}

#[derive(Deserialize)]
struct ClarifyInput {
    question: String,
    choices: Vec<Suggestion>,
}

async fn clarify(context: &Context, turn: &Turn, call: &ToolUse) -> Result<ChatEvent, Failure> {
    let input: ClarifyInput = input(call)?;
    let data = data::data(context).await?;
    let choices: Vec<Suggestion> = input
        .choices
        .into_iter()
        .take(WORDS_MAX)
        .filter(|choice| compiled(context, &turn.viewer, &data, &choice.query, 0).is_ok())
        .collect();
    Ok(ChatEvent::Clarify {
        question: input.question,
        choices,
    })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Heard {
    Whole(Understood),
    Words(String),
}

/// What a model says of its own answer is taken as far as it can be read: the answer itself has been given.
async fn finish(context: &Context, turn: &Turn, call: &ToolUse) -> ChatEvent {
    let field = |name: &str| call.input.get(name).cloned().unwrap_or(Value::Null);
    let understood: Vec<Understood> = list::<Heard>(field("understood"))
        .into_iter()
        .map(|heard| match heard {
            Heard::Whole(understood) => understood,
            Heard::Words(words) => Understood {
                meaning: words.clone(),
                words,
            },
        })
        .collect();
    let not_understood = list(field("not_understood"));
    let confidence = field("confidence").as_f64().unwrap_or(0.0).clamp(0.0, 1.0);
    // Without the data's state nothing is offered that might not be answered.
    let follow_ups = match data::data(context).await {
        Ok(data) => list::<FollowUp>(field("follow_ups"))
            .into_iter()
            .filter_map(|follow_up| {
                let (label, query) = match follow_up {
                    FollowUp::Named(suggestion) => (Some(suggestion.label), suggestion.query),
                    FollowUp::Query(query) => (None, query),
                };
                compiled(context, &turn.viewer, &data, &query, 0).ok()?;
                let label = label.unwrap_or_else(|| insight::title(&query, &*context.edge.catalogue));
                Some(Suggestion { label, query })
            })
            .take(FOLLOW_UPS_MAX)
            .collect(),
        Err(failure) => {
            context.log(
                Level::Warning,
                &format!("follow-ups: {} {:?}", failure.code, failure.internal),
            );
            Vec::new()
        }
    };
    ChatEvent::FollowUps {
        understood,
        not_understood,
        confidence,
        follow_ups,
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FollowUp {
    Named(Suggestion),
    Query(Query),
}

/// The entries that are of the right shape.
fn list<T: for<'de> Deserialize<'de>>(value: Value) -> Vec<T> {
    let Value::Array(entries) = value else {
        return Vec::new();
    };
    entries
        .into_iter()
        .take(WORDS_MAX)
        .filter_map(|entry| serde_json::from_value(entry).ok())
        .collect()
}

fn input<T: for<'de> Deserialize<'de>>(call: &ToolUse) -> Result<T, Failure> {
    T::deserialize(&call.input).map_err(|error| {
        Failure::validation(
            "bad_tool_input",
            format!("The input of {} is wrong: {error}.", call.name),
        )
        .with_action("Send the input in the form of the tool's schema.")
    })
}
