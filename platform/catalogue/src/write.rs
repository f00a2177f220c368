//! A draft as TOML, with what speaks for each entry as comments. The same draft gives the same text.

use crate::analysis::{DimensionEntry, Draft, MetricEntry, TableEntry};
use concert_contract::table::ColumnType;
use std::{collections::BTreeMap, fmt::Write as _};

/// Comments are wrapped at this width.
const WIDTH: usize = 110;

/// The catalogue as TOML. `source` says what it was made from.
pub fn to_toml(draft: &Draft, source: &str) -> String {
    let mut out = Writer::default();
    out.comment(&format!(
        "A catalogue of {} that was inferred from {source}. It is a proposal: look through it before people rely on \
         it. The comments say what speaks for each entry, and what is in doubt.",
        draft.schema
    ));
    for note in &draft.notes {
        out.comment(&format!("To look at: {note}"));
    }
    out.blank();
    out.text("version", &format!("{}-inferred-1", draft.schema));
    out.text("schema", &draft.schema);
    if !draft.fillers.is_empty() {
        out.comment("Words that go without saying.");
        out.list("fillers", &draft.fillers);
    }
    for table in &draft.tables {
        write_table(&mut out, table);
    }
    if !draft.joins.is_empty() || !draft.left_out.is_empty() {
        out.blank();
        out.comment("Joins, each from many rows to one.");
    }
    for join in &draft.joins {
        out.blank();
        out.comments(&join.comments);
        out.line("[[joins]]");
        out.text("from", &join.from);
        out.text("to", &join.to);
    }
    if !draft.left_out.is_empty() {
        out.blank();
        out.comments(&draft.left_out);
    }
    out.blank();
    out.comment("What can be counted and summed up.");
    for metric in &draft.metrics {
        write_metric(&mut out, metric);
    }
    out.blank();
    out.comment("What it can be told by.");
    for dimension in &draft.dimensions {
        write_dimension(&mut out, dimension);
    }
    out.0
}

fn write_table(out: &mut Writer, table: &TableEntry) {
    out.blank();
    out.comments(&table.comments);
    out.line(&format!("[tables.{}]", table.name));
    out.list("key", &table.key);
    out.optional("time", table.time.as_deref());
    out.text("rows", &table.rows);
    out.text("description", &table.description);
    out.line(&format!("[tables.{}.columns]", table.name));
    for (name, held) in &table.columns {
        out.text(name, type_name(*held));
    }
}

fn write_metric(out: &mut Writer, metric: &MetricEntry) {
    out.blank();
    out.comments(&metric.comments);
    out.line("[[metrics]]");
    out.text("name", &metric.name);
    out.text("label", &metric.label);
    out.text("description", &metric.description);
    if !metric.synonyms.is_empty() {
        out.list("synonyms", &metric.synonyms);
    }
    if let Some(noun) = &metric.noun {
        out.list("noun", noun);
    }
    out.ranks(&metric.ranks);
    out.text("unit", metric.unit);
    out.text("format", metric.format);
    for source in &metric.sources {
        out.line("[[metrics.sources]]");
        out.optional("label", source.label.as_deref());
        out.text("aggregate", source.aggregate);
        out.text("of", &source.of);
        out.optional("over", source.over.as_deref());
        out.optional("currency", source.currency.as_deref());
    }
}

fn write_dimension(out: &mut Writer, dimension: &DimensionEntry) {
    out.blank();
    out.comments(&dimension.comments);
    out.line("[[dimensions]]");
    out.text("name", &dimension.name);
    out.text("label", &dimension.label);
    out.text("plural", &dimension.plural);
    out.optional("description", dimension.description.as_deref());
    if !dimension.synonyms.is_empty() {
        out.list("synonyms", &dimension.synonyms);
    }
    out.optional("phrase", dimension.phrase.as_deref());
    out.text("type", dimension.column_type);
    out.optional("column", dimension.column.as_deref());
    out.optional("key", dimension.key.as_deref());
    if !dimension.shows.is_empty() {
        out.list("shows", &dimension.shows);
    }
    out.optional("part", dimension.part);
    out.optional("grain", dimension.grain);
    out.optional("of_metric", dimension.of_metric.as_deref());
    out.optional("coordinate", dimension.coordinate);
    out.optional("within", dimension.within.as_deref());
    if !dimension.via.is_empty() {
        out.list("via", &dimension.via);
    }
    if dimension.indexed {
        out.line("indexed = true");
    }
    if dimension.coded {
        out.line("coded = true");
    }
    out.ranks(&dimension.ranks);
    if !dimension.aliases.is_empty() {
        out.line("[dimensions.aliases]");
        for (value, others) in &dimension.aliases {
            let others: Vec<String> = others.iter().map(|other| quoted(other)).collect();
            out.line(&format!("{} = [{}]", quoted(value), others.join(", ")));
        }
    }
}

fn type_name(held: ColumnType) -> &'static str {
    match held {
        ColumnType::Text => "text",
        ColumnType::Integer => "integer",
        ColumnType::Decimal => "decimal",
        ColumnType::Float => "float",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
    }
}

#[derive(Default)]
struct Writer(String);

impl Writer {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn blank(&mut self) {
        self.0.push('\n');
    }

    fn comments(&mut self, comments: &[String]) {
        for comment in comments {
            self.comment(comment);
        }
    }

    /// A comment ends with its line, so nothing of the data may end it.
    fn comment(&mut self, text: &str) {
        let mut line = String::from("#");
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        for word in plain.split_whitespace() {
            if line.chars().count() + word.chars().count() >= WIDTH && line.len() > 1 {
                self.line(&line);
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }

    fn text(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{name} = {}", quoted(value));
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn list(&mut self, name: &str, values: &[String]) {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        let _ = writeln!(self.0, "{name} = [{}]", values.join(", "));
    }

    fn ranks(&mut self, ranks: &BTreeMap<String, &'static str>) {
        if !ranks.is_empty() {
            let ranks: Vec<String> = ranks
                .iter()
                .map(|(phrase, direction)| format!("{} = {}", quoted(phrase), quoted(direction)))
                .collect();
            let _ = writeln!(self.0, "ranks = {{ {} }}", ranks.join(", "));
        }
    }
}

/// A basic string of TOML, which is JSON's but for one character. It also does as a key.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
