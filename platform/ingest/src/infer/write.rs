//! Writes a proposal as a mapping file: what is sure as entries, what is not as comments beside them.

use super::{
    ProposedColumn, Reading, Tried,
    place::{Entry, From, ProposedTable},
};
use crate::{
    input::Format,
    mapping::{Encoding, has_default},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// The whole file.
pub fn toml(
    file: &str,
    reading: &Reading,
    columns: &[ProposedColumn],
    tables: &BTreeMap<String, Tried>,
    doubts: &[String],
) -> String {
    let file = one_line(file);
    let mut text = format!(
        "# A proposal for {file}, made from {} of its records. Look through it before it is used:\n#\n\
         #     concert ingest {file} --mapping THIS.toml\n",
        reading.records
    );
    if !tables.is_empty() {
        let made: Vec<String> = tables
            .iter()
            .map(|(table, tried)| format!("{} of {table}", tried.records - tried.refused))
            .collect();
        let _ = write!(text, "#\n# It makes of them {}.\n", made.join(", "));
    }
    for doubt in doubts {
        let _ = write!(text, "#\n# {}\n", one_line(doubt));
    }
    text.push_str("#\n# What the file holds (type, share without a value, first values):\n#\n");
    for column in columns {
        text.push_str(&describe(column));
    }
    text.push('\n');
    text.push_str(&sections(reading));
    text
}

fn describe(column: &ProposedColumn) -> String {
    let mut line = format!("#   {}: {}", one_line(&column.path), column.kind);
    match column.nulls {
        Some(nulls) if nulls > 0.0 => {
            let _ = write!(line, ", {:.0} % null", (nulls * 100.0).max(1.0));
        }
        _ => {}
    }
    if column.all_different {
        line.push_str(", all different");
    }
    let samples: Vec<String> = column.samples.iter().map(|sample| format!("{sample:?}")).collect();
    if !samples.is_empty() {
        let _ = write!(line, "; {}", one_line(&samples.join(", ")));
    }
    if column.maps_to.is_empty() {
        for doubt in &column.doubts {
            let _ = write!(line, " ({})", one_line(doubt));
        }
    }
    line.push('\n');
    line
}

/// The part that is read: the source and the tables.
pub fn sections(reading: &Reading) -> String {
    let source = &reading.source;
    let mut text = "[source]\n".to_owned();
    let _ = writeln!(text, "format = \"{}\"", source.format.map_or("csv", Format::name));
    if source.delimiter != b',' {
        let _ = writeln!(
            text,
            "delimiter = {}",
            quoted(&String::from(char::from(source.delimiter)))
        );
    }
    if !source.header {
        text.push_str("header = false\n");
    }
    if let Some(columns) = &source.columns {
        let _ = writeln!(text, "columns = [{}]", list(columns.iter().map(String::as_str)));
    }
    if source.encoding == Encoding::Latin1 {
        text.push_str("encoding = \"latin-1\"\n");
    }
    if let Some(records) = &source.records {
        let escaped: Vec<String> = records.iter().map(|name| escaped(name)).collect();
        let _ = writeln!(text, "records = {}", quoted(&escaped.join(".")));
    }
    let no_value: BTreeSet<&str> = reading
        .columns
        .iter()
        .flat_map(|column| column.no_value.iter().copied())
        .collect();
    if !no_value.is_empty() {
        let _ = writeln!(text, "null = [{}]   # are these no values?", list(no_value.into_iter()));
    }
    for table in &reading.placement.tables {
        text.push_str(&section(table));
    }
    text
}

fn section(table: &ProposedTable) -> String {
    let out = if table.active { "" } else { "# " };
    let mut text = format!("\n{out}[{}]\n", table.table.name);
    for doubt in &table.doubts {
        let _ = writeln!(text, "# {}", one_line(doubt));
    }
    for name in &table.missing {
        let filled = table.entries.iter().any(|entry| entry.column == *name) || has_default(name);
        if !filled {
            let _ = writeln!(
                text,
                "# {name} = {{ column = \"…\" }}   # every row needs it, and no column looks like it"
            );
        }
    }
    for entry in &table.entries {
        let _ = writeln!(text, "{out}{}", one_line(&line(entry)));
    }
    text
}

fn line(entry: &Entry) -> String {
    let value = match &entry.from {
        From::Const(text) => format!("const = {}", quoted(text)),
        From::Key(paths) => format!("key = [{}]", list(paths.iter().map(String::as_str))),
        From::Column { path, options } => {
            let mut value = format!("column = {}", quoted(path));
            for (name, option) in options {
                let _ = write!(value, ", {name} = {}", inline(option));
            }
            value
        }
    };
    let mut line = format!("{} = {{ {value} }}", entry.column);
    let mut remarks: Vec<String> = Vec::new();
    // A literal on one line has no line ends in it; a comment ends with its line.
    remarks.extend(entry.doubt.as_deref().map(one_line));
    if entry.confidence < 0.75 && entry.doubt.is_none() && !matches!(entry.from, From::Key(_) | From::Const(_)) {
        remarks.push("is it?".to_owned());
    }
    if !remarks.is_empty() {
        let _ = write!(line, "   # {}", remarks.join("; "));
    }
    line
}

fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(table) => {
            let entries: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{} = {}", quoted(key), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        toml::Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(quoted).collect::<Vec<_>>().join(", ")
}

/// A text as TOML writes it on one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A name in a path, with the characters that mean something in one taken by their letter.
fn escaped(name: &str) -> String {
    name.chars()
        .flat_map(|c| {
            matches!(c, '.' | '[' | ']' | '\\')
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect()
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
