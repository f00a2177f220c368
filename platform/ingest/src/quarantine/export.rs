//! Writes entries to a file that a person can mend in a spreadsheet or an editor: what is wrong with each, its original
//! text whole, and for records of CSV and JSON Lines the fields under the source's own header.

use super::{COLUMNS, Entry, Filter, entry, failed, reading, reading::Reading, session, stream, text};
use crate::{Error, MAX_ORIGINAL_BYTES, Result, input::Format, records::Splitter, rules::literal};
use arrow::array::AsArray as _;
use concert_lake::{Lake, schema::OPEN_QUARANTINE};
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeSet, HashMap},
    io::Write,
};

/// What stands before the source's own columns.
pub const META: [&str; 9] = [
    "_quarantine_id",
    "_table",
    "_source",
    "_line",
    "_element",
    "_column",
    "_rule",
    "_message",
    "_original",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Csv,
    JsonLines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    pub records: u64,
}

/// Writes the open entries that `filter` means, one after the other.
///
/// # Errors
/// [`Error::Lake`] when they cannot be read, [`Error::Export`] when `out` does not take them.
pub async fn export(
    lake: &Lake,
    filter: &Filter,
    format: ExportFormat,
    out: &mut (dyn Write + Send),
) -> Result<Exported> {
    let session = session(lake).await?;
    let condition = filter.condition();
    let readings = reading::readings(&session).await?;
    let mut labels: Vec<String> = Vec::new();
    if format == ExportFormat::Csv {
        let sql = format!("SELECT DISTINCT reading_id FROM ({OPEN_QUARANTINE}) WHERE {condition} ORDER BY reading_id");
        let mut rows = stream(&session, &sql).await?;
        let mut seen = BTreeSet::new();
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(failed)?;
            let ids = (0..batch.num_rows()).filter_map(|row| text(&batch, 0, row));
            for reading in ids.filter_map(|id| readings.get(&id)) {
                labels.extend(
                    labels_of(&reading.columns)
                        .into_iter()
                        .filter(|label| seen.insert(label.clone())),
                );
            }
        }
    }
    let written = |e: std::io::Error| Error::Export { source: e };
    let mut csv = csv::WriterBuilder::new().from_writer(Vec::new());
    if format == ExportFormat::Csv {
        let header = META.iter().copied().chain(labels.iter().map(String::as_str));
        csv.write_record(header).map_err(|e| written(e.into()))?;
    }
    let limit = filter.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    let sql = format!(
        "SELECT {COLUMNS} FROM ({OPEN_QUARANTINE}) WHERE {condition} ORDER BY source, line, table_name, element{limit}"
    );
    let mut records = 0;
    let mut rows = stream(&session, &sql).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(failed)?;
        for row in 0..batch.num_rows() {
            let mut entry = entry(&batch, row);
            if entry.original.len() + 4 > MAX_ORIGINAL_BYTES
                && let Some(whole) = whole(&session, &entry).await?
            {
                entry.original = whole;
            }
            let reading = entry.reading_id.as_ref().and_then(|id| readings.get(id));
            let fields = reading.and_then(|reading| fields_of(reading, &entry.original));
            match format {
                ExportFormat::Csv => {
                    let of: HashMap<String, String> = match (reading, fields) {
                        (Some(reading), Some(fields)) => labels_of(&reading.columns).into_iter().zip(fields).collect(),
                        _ => HashMap::new(),
                    };
                    let own = meta(&entry);
                    let others = labels.iter().map(|label| of.get(label).map_or("", String::as_str));
                    csv.write_record(own.iter().map(String::as_str).chain(others))
                        .map_err(|e| written(e.into()))?;
                }
                ExportFormat::JsonLines => {
                    let line = object(&entry, reading, fields);
                    serde_json::to_writer(&mut *out, &line).map_err(|e| written(e.into()))?;
                    out.write_all(b"\n").map_err(written)?;
                }
            }
            records += 1;
        }
        csv.flush().map_err(written)?;
        drain(&mut csv, out)?;
    }
    csv.flush().map_err(written)?;
    drain(&mut csv, out)?;
    out.flush().map_err(written)?;
    Ok(Exported { records })
}

/// Hands on what the writer has gathered, so that no more than a batch is held.
fn drain(csv: &mut csv::Writer<Vec<u8>>, out: &mut (dyn Write + Send)) -> Result<()> {
    let full = std::mem::replace(csv, csv::WriterBuilder::new().from_writer(Vec::new()));
    let bytes = full.into_inner().map_err(|e| Error::Export {
        source: std::io::Error::other(e.to_string()),
    })?;
    out.write_all(&bytes).map_err(|e| Error::Export { source: e })
}

fn meta(entry: &Entry) -> [String; 9] {
    [
        entry.quarantine_id.clone(),
        entry.table.clone(),
        entry.source.clone(),
        entry.line.to_string(),
        entry.element.map(|element| element.to_string()).unwrap_or_default(),
        entry.column.clone().unwrap_or_default(),
        entry.rule.clone(),
        entry.message.clone(),
        entry.original.clone(),
    ]
}

fn object(entry: &Entry, reading: Option<&Reading>, fields: Option<Vec<String>>) -> Value {
    let mut object = Map::new();
    for (name, value) in META.iter().zip(meta(entry)) {
        object.insert((*name).to_owned(), Value::String(value));
    }
    object.insert("_line".to_owned(), entry.line.into());
    object.insert("_element".to_owned(), entry.element.map_or(Value::Null, Value::from));
    object.insert(
        "_column".to_owned(),
        entry.column.clone().map_or(Value::Null, Value::String),
    );
    if let (Some(reading), Some(fields)) = (reading, fields) {
        for (label, field) in labels_of(&reading.columns).into_iter().zip(fields) {
            object.insert(label, Value::String(field));
        }
    }
    Value::Object(object)
}

/// The record as it was received, where the quarantine keeps only its beginning.
async fn whole(session: &SessionContext, entry: &Entry) -> Result<Option<String>> {
    let Some(sha256) = &entry.file_sha256 else {
        return Ok(None);
    };
    let sql = format!(
        "SELECT record FROM raw_records WHERE file_sha256 = {} AND line = {} LIMIT 1",
        literal(sha256),
        entry.line
    );
    let mut rows = stream(session, &sql).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(failed)?;
        if let (Some(records), true) = (batch.column(0).as_binary_opt::<i32>(), batch.num_rows() > 0) {
            // The beginning that is kept was decoded as the file is; what is whole in UTF-8 can be exported whole.
            return Ok(String::from_utf8(records.value(0).to_vec()).ok());
        }
    }
    Ok(None)
}

/// The names under which a source's columns are exported: its own, told apart where two are the same or one is ours.
pub fn labels_of(columns: &[String]) -> Vec<String> {
    let mut seen: BTreeSet<String> = META.iter().map(|name| (*name).to_owned()).collect();
    columns
        .iter()
        .map(|column| {
            let mut label = column.clone();
            let mut number = 2;
            while !seen.insert(label.clone()) {
                label = format!("{column} ({number})");
                number += 1;
            }
            label
        })
        .collect()
}

/// The fields of a record of CSV; none where it has not as many as there are columns.
pub fn fields_of(reading: &Reading, original: &str) -> Option<Vec<String>> {
    if reading.format != Format::Csv.name() {
        return None;
    }
    let delimiter = *reading.delimiter.as_bytes().first()?;
    let mut splitter = Splitter::new(delimiter);
    splitter.split(original);
    (splitter.len() == reading.columns.len())
        .then(|| (0..splitter.len()).map(|at| splitter.field(at).to_owned()).collect())
}

/// The record that these fields make, written as its file is.
pub fn record_of(reading: &Reading, fields: &[String]) -> String {
    let delimiter = reading.delimiter.chars().next().unwrap_or(',');
    let quoted: Vec<String> = fields
        .iter()
        .map(|field| {
            let plain = !field.contains([delimiter, '"', '\n', '\r']) && !field.is_empty();
            if plain || (field.is_empty() && fields.len() > 1) {
                field.clone()
            } else {
                format!("\"{}\"", field.replace('"', "\"\""))
            }
        })
        .collect();
    quoted.join(&delimiter.to_string())
}
