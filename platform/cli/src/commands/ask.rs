//! `concert ask`: plain words to an answer, in one process: planner, `Query`, SQL, the lake or a folder of files, and
//! the pure functions that make the sentence and choose the chart.

use crate::{
    home,
    output::{Output, text_table},
    source::{Asked, Source},
};
use anyhow::{Context, Result, bail};
use clap::Args;
use concert_contract::{
    chart::{self, Chart},
    chat::{Clarify, Suggestion, Understood},
    compile::{CompileContext, compile},
    insight::{self, InsightContext},
    query::Query,
    table::Table,
};
use concert_planner::{PlanContext, Planner, ValueIndex};
use jiff::civil::Date;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// As many rows as an answer shows; the answer says when there are more.
const MAX_ROWS: u32 = 1_000;

#[derive(Args)]
pub struct Options {
    /// The question, in English
    question: String,
    /// Go on from the last question asked with the same ID
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// The day that "this year" and "last month" are read from [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    today: Option<Date>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Serialize)]
struct Answer {
    text: String,
    sql: Option<String>,
    #[serde(flatten)]
    table: Table,
    chart: Option<Chart>,
    understood: Vec<Understood>,
    not_understood: Vec<String>,
    confidence: f64,
    clarify: Option<Clarify>,
    query: Option<Query>,
    follow_ups: Vec<Suggestion>,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let today = home::today(options.today);
    let source = Source::open(home, &options.asked, today).await?;
    let index = ValueIndex::new(source.values.clone());
    let memory = options
        .conversation
        .as_deref()
        .map(|id| conversation_file(home, id))
        .transpose()?;
    let previous: Option<Query> = memory.as_deref().map(last_query).transpose()?.flatten();

    let planner = Planner::new(&source.visible, &index);
    let plan = planner.plan(
        &options.question,
        &PlanContext {
            today,
            state: &source.state,
            previous: previous.as_ref(),
        },
    );
    let mut answer = Answer {
        text: plan.message.clone().unwrap_or_default(),
        sql: None,
        table: Table::default(),
        chart: None,
        understood: plan.understood,
        not_understood: plan.not_understood,
        confidence: plan.confidence,
        clarify: plan.clarify,
        query: plan.query.clone(),
        follow_ups: plan.follow_ups,
    };
    if let Some(query) = &plan.query {
        let context = CompileContext {
            today,
            state: &source.state,
            role: source.role.as_deref(),
            max_rows: MAX_ROWS,
            offset: 0,
        };
        let compiled = compile(query, &source.catalogue, &context)?;
        // The statement reads one row more than a page holds; `page` needs it to tell that there are more.
        let result = source.execute(&compiled.sql, &compiled.parameters).await?;
        let page = compiled.page(result.to_table(&[], MAX_ROWS as usize + 1)?.rows);
        answer.text = insight::summarise(
            query,
            &source.visible,
            &page.table,
            &InsightContext {
                today,
                notes: &page.notes,
            },
        );
        answer.chart = chart::choose(query, &source.visible, &page.table);
        if let (Some(chart), Some(kind)) = (&mut answer.chart, plan.chart) {
            chart.prefer(kind);
        }
        answer.sql = Some(compiled.sql);
        answer.table = page.table;
        if let Some(path) = &memory {
            std::fs::write(path, serde_json::to_vec_pretty(query)?)
                .with_context(|| format!("cannot keep the conversation in {}", path.display()))?;
        }
    }
    output.print(&answer, person)
}

fn person(answer: &Answer) -> String {
    // The sentence marks what matters in Markdown; a terminal shows it without the marks.
    let mut text = answer.text.replace("**", "");
    if let Some(clarify) = &answer.clarify {
        text.push_str(&format!("\n{}", clarify.question));
        for choice in &clarify.choices {
            text.push_str(&format!("\n  - {}", choice.label));
        }
    }
    if !answer.table.rows.is_empty() {
        text.push_str(&format!("\n\n{}", text_table(&answer.table)));
    }
    if !answer.not_understood.is_empty() {
        text.push_str(&format!("\nNot understood: {}", answer.not_understood.join(", ")));
    }
    if let Some(sql) = &answer.sql {
        text.push_str(&format!("\n{sql}"));
    }
    text
}

/// The file that remembers a conversation's last query.
fn conversation_file(home: &Path, id: &str) -> Result<PathBuf> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 64 || id.starts_with('.') || !id.chars().all(valid) {
        bail!("a conversation's ID has 1 to 64 letters, digits, '-', '_' or '.', and does not begin with '.'");
    }
    let folder = home.join("ask");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.join(format!("{id}.json")))
}

fn last_query(path: &Path) -> Result<Option<Query>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("{} is not a query; remove it to begin anew", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
