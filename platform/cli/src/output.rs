//! What the commands print: for a person, or one JSON document.

use anyhow::Context as _;
use concert_contract::table::{Cell, ColumnType, Table};
use serde::Serialize;
use std::io::{ErrorKind, Write as _};

/// The command failed and has said why in what it printed: only the exit status is left to set.
#[derive(Debug)]
pub struct AlreadySaid;

impl std::fmt::Display for AlreadySaid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("see above")
    }
}

impl std::error::Error for AlreadySaid {}

pub struct Output {
    pub json: bool,
}

impl Output {
    /// Prints `value` as JSON, or what `human` makes of it. A reader that stops early, such as `head`, is no failure.
    pub fn print<T: Serialize>(&self, value: &T, human: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        if self.json {
            write_line(&serde_json::to_string_pretty(value)?)
        } else {
            write_line(human(value).trim_end())
        }
    }

    /// Says on standard error what failed, with its causes; with `--json` also as a document.
    pub fn failure(&self, error: &anyhow::Error) {
        if error.is::<AlreadySaid>() {
            return;
        }
        let mut message = String::new();
        for cause in error.chain() {
            let cause = cause.to_string();
            // Libraries often repeat their cause in their own text.
            if !message.contains(&cause) {
                if !message.is_empty() {
                    message.push_str(": ");
                }
                message.push_str(&cause);
            }
        }
        eprintln!("concert: {message}");
        if self.json {
            // It has been said on standard error already.
            let _ = write_line(&serde_json::json!({ "error": message }).to_string());
        }
    }
}

/// One line on standard output, at once.
pub fn write_line(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// A table for a terminal: numbers to the right, a line under the header.
pub fn text_table(table: &Table) -> String {
    let number: Vec<bool> = table
        .columns
        .iter()
        .map(|column| column.column_type.is_number())
        .collect();
    let cells: Vec<Vec<String>> = std::iter::once(table.columns.iter().map(|column| column.name.clone()).collect())
        .chain(table.rows.iter().map(|row| {
            row.iter()
                .zip(&table.columns)
                .map(|(cell, column)| plain(cell, column.column_type))
                .collect()
        }))
        .collect();
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|i| cells.iter().map(|row| row[i].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (i, row) in cells.iter().enumerate() {
        let line: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(j, cell)| {
                let pad = " ".repeat(widths[j] - cell.chars().count());
                if number[j] {
                    format!("{pad}{cell}")
                } else {
                    format!("{cell}{pad}")
                }
            })
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
        if i == 0 {
            text.push_str(
                &widths
                    .iter()
                    .map(|width| "─".repeat(*width))
                    .collect::<Vec<_>>()
                    .join("  "),
            );
            text.push('\n');
        }
    }
    if table.truncated {
        text.push_str(&format!("the first {} rows; there are more\n", table.row_count));
    }
    text
}

fn plain(cell: &Cell, column_type: ColumnType) -> String {
    match cell {
        Cell::Null => "–".to_owned(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Decimal(value) => value.to_string(),
        Cell::Float(value) if column_type == ColumnType::Float => format!("{value:.4}"),
        Cell::Float(value) => value.to_string(),
        Cell::Text(value) => plain_text(value),
    }
}

/// Text of the data as a terminal may show it: a terminal obeys control characters, and data must not speak to it.
pub fn plain_text(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
