//! Tables that are written as text: CSV and its kin, and JSON with one record to a line. The first reading finds the
//! columns and what they hold, every later one gives typed batches; no more than one batch is in memory at a time.

use super::kind::{self, Kind, Number, Seen};
use crate::{
    error::{Error, Result},
    names,
};
use arrow::{
    array::{
        ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
        RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use datafusion::{
    catalog::{MemTable, TableProvider, streaming::StreamingTable},
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchReceiverStreamBuilder, streaming::PartitionStream},
};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Files up to this size are held in memory; larger ones are read anew by each statement.
pub const IN_MEMORY_MAX_BYTES: u64 = 64 << 20;
const BATCH_ROWS: usize = 8192;
/// The most columns of one table; a line with more is not a table's.
const MAX_COLUMNS: usize = 2_000;
/// The longest record of JSON.
const MAX_RECORD_BYTES: u64 = 16 << 20;
const MAX_PRECISION: u8 = 18;

/// How the records stand in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The delimiter; none: the one that the first line has most of.
    Delimited(Option<u8>),
    JsonLines,
}

/// One column of a text table.
#[derive(Clone, Debug)]
pub struct TextColumn {
    /// As the file has it.
    pub source: String,
    /// As SQL has it.
    pub name: String,
    pub kind: Kind,
    pub is_percent: bool,
    pub doubts: Vec<String>,
}

/// A table whose files have been read once.
#[derive(Clone, Debug)]
pub struct TextTable {
    files: Vec<PathBuf>,
    form: Form,
    pub columns: Vec<TextColumn>,
    /// Records with more or fewer fields than the header.
    pub uneven: u64,
}

impl TextTable {
    /// Reads the files once. `names` gives the columns' names in SQL for those in the files.
    ///
    /// # Errors
    /// A file that cannot be read, that has no header, or that is no JSON; the file and the line are named.
    pub fn read(files: Vec<PathBuf>, form: Form, names: impl Fn(&[String]) -> Vec<String>) -> Result<TextTable> {
        let mut sources: Vec<String> = Vec::new();
        let mut seen: Vec<Seen> = Vec::new();
        let mut uneven = 0;
        for file in &files {
            each_record(file, form, &mut sources, &mut |fields, is_even| {
                uneven += u64::from(!is_even);
                if seen.len() < fields.len() {
                    seen.resize_with(fields.len(), Seen::default);
                }
                for (seen, field) in seen.iter_mut().zip(fields) {
                    seen.see(field);
                }
                ControlFlow::Continue(())
            })?;
        }
        if sources.is_empty() {
            let file = files.first().cloned().unwrap_or_default();
            return Err(Error::file(&file, "it is empty: the first line must name the columns"));
        }
        seen.resize_with(sources.len(), Seen::default);
        let names = names(&sources);
        let columns = sources
            .into_iter()
            .zip(names)
            .zip(seen)
            .map(|((source, name), seen)| {
                let kind = seen.kind(names_a_day(&source));
                TextColumn {
                    source,
                    name,
                    kind,
                    is_percent: seen.is_percent(),
                    doubts: seen.doubts(kind),
                }
            })
            .collect();
        Ok(TextTable {
            files,
            form,
            columns,
            uneven,
        })
    }

    fn schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| Field::new(&column.name, data_type(column.kind), true))
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// The table for the engine: in memory where its files are no larger than that, else read anew by each statement.
    ///
    /// # Errors
    /// The files changed since they were read first.
    pub fn provider(self, in_memory_max_bytes: u64) -> Result<Arc<dyn TableProvider>> {
        let file = self.files.first().cloned().unwrap_or_default();
        let failed = |error: DataFusionError| Error::file(&file, error.strip_backtrace());
        let size: u64 = self
            .files
            .iter()
            .map(|file| std::fs::metadata(file).map_or(0, |metadata| metadata.len()))
            .sum();
        let schema = self.schema();
        if size > in_memory_max_bytes {
            let partition = Partition {
                schema: Arc::clone(&schema),
                table: Arc::new(self),
            };
            let table = StreamingTable::try_new(schema, vec![Arc::new(partition)]).map_err(failed)?;
            return Ok(Arc::new(table));
        }
        let mut batches = Vec::new();
        self.batches(&schema, &mut |batch| {
            batches.push(batch);
            ControlFlow::Continue(())
        })?;
        Ok(Arc::new(MemTable::try_new(schema, vec![batches]).map_err(failed)?))
    }

    fn batches(&self, schema: &SchemaRef, take: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>) -> Result<()> {
        let mut builders: Vec<Builder> = self.columns.iter().map(|column| Builder::new(column.kind)).collect();
        let mut rows = 0;
        let mut failure = None;
        let mut sources: Vec<String> = self.columns.iter().map(|column| column.source.clone()).collect();
        for file in &self.files {
            each_record(file, self.form, &mut sources, &mut |fields, _| {
                for (at, builder) in builders.iter_mut().enumerate() {
                    builder.push(fields.get(at).map_or("", |field| field));
                }
                rows += 1;
                if rows < BATCH_ROWS {
                    return ControlFlow::Continue(());
                }
                rows = 0;
                match batch(schema, &mut builders) {
                    Ok(batch) => take(batch),
                    Err(message) => {
                        failure = Some(message);
                        ControlFlow::Break(())
                    }
                }
            })?;
        }
        if rows > 0 && failure.is_none() {
            match batch(schema, &mut builders) {
                Ok(batch) => {
                    let _ = take(batch);
                }
                Err(message) => failure = Some(message),
            }
        }
        match failure {
            Some(message) => Err(Error::file(self.files.first().map_or(Path::new(""), |f| f), message)),
            None => Ok(()),
        }
    }
}

fn names_a_day(name: &str) -> bool {
    names::words(name)
        .iter()
        .any(|word| matches!(word.as_str(), "date" | "day" | "dt" | "dob" | "on" | "ymd"))
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Integer => DataType::Int64,
        Kind::Decimal(scale) => DataType::Decimal128(MAX_PRECISION, i8::try_from(scale).unwrap_or(0)),
        Kind::Float => DataType::Float64,
        Kind::Boolean => DataType::Boolean,
        Kind::Date(_) => DataType::Date32,
        Kind::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Decimal(u8, Decimal128Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
    Date(&'static str, Date32Builder),
    Timestamp(Option<&'static str>, TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Builder {
        match kind {
            Kind::Text => Builder::Text(StringBuilder::new()),
            Kind::Integer => Builder::Integer(Int64Builder::new()),
            Kind::Decimal(scale) => Builder::Decimal(
                scale,
                Decimal128Builder::new().with_data_type(data_type(Kind::Decimal(scale))),
            ),
            Kind::Float => Builder::Float(Float64Builder::new()),
            Kind::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Kind::Date(pattern) => Builder::Date(pattern, Date32Builder::new()),
            Kind::Timestamp(pattern) => Builder::Timestamp(pattern, TimestampMicrosecondBuilder::new()),
        }
    }

    fn push(&mut self, text: &str) {
        let text = kind::value(text);
        match self {
            Builder::Text(builder) => builder.append_option(text),
            Builder::Integer(builder) => {
                builder.append_option(text.and_then(Number::parse).and_then(|n| n.integer()));
            }
            Builder::Decimal(scale, builder) => {
                builder.append_option(text.and_then(Number::parse).and_then(|n| n.decimal(*scale)));
            }
            Builder::Float(builder) => builder.append_option(text.and_then(Number::parse).and_then(|n| n.float())),
            Builder::Boolean(builder) => builder.append_option(text.and_then(kind::truth)),
            Builder::Date(pattern, builder) => {
                builder.append_option(text.and_then(|text| kind::date(text, pattern)));
            }
            Builder::Timestamp(pattern, builder) => {
                builder.append_option(text.and_then(|text| kind::timestamp(text, *pattern)));
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        let builder: &mut dyn ArrayBuilder = match self {
            Builder::Text(builder) => builder,
            Builder::Integer(builder) => builder,
            Builder::Decimal(_, builder) => builder,
            Builder::Float(builder) => builder,
            Builder::Boolean(builder) => builder,
            Builder::Date(_, builder) => builder,
            Builder::Timestamp(_, builder) => builder,
        };
        builder.finish()
    }
}

fn batch(schema: &SchemaRef, builders: &mut [Builder]) -> std::result::Result<RecordBatch, String> {
    let arrays = builders.iter_mut().map(Builder::finish).collect();
    RecordBatch::try_new(Arc::clone(schema), arrays).map_err(|error| error.to_string())
}

/// A large text table for the engine.
#[derive(Debug)]
struct Partition {
    schema: SchemaRef,
    table: Arc<TextTable>,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        const BATCHES_AHEAD: usize = 2;
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), BATCHES_AHEAD);
        let (sender, table, schema) = (stream.tx(), Arc::clone(&self.table), Arc::clone(&self.schema));
        stream.spawn_blocking(move || {
            table
                .batches(&schema, &mut |batch| match sender.blocking_send(Ok(batch)) {
                    Ok(()) => ControlFlow::Continue(()),
                    // The statement has ended.
                    Err(_) => ControlFlow::Break(()),
                })
                .map_err(|error| DataFusionError::External(Box::new(error)))
        });
        stream.build()
    }
}

type Take<'a> = &'a mut dyn FnMut(&[Cow<'_, str>], bool) -> ControlFlow<()>;

/// Gives the fields of each record in the order of `sources`, which grows by the columns that are met first here, and
/// whether the record has as many fields as it should.
fn each_record(file: &Path, form: Form, sources: &mut Vec<String>, take: Take<'_>) -> Result<()> {
    match form {
        Form::Delimited(delimiter) => delimited(file, delimiter, sources, take),
        Form::JsonLines => json_lines(file, sources, take),
    }
}

fn delimited(file: &Path, delimiter: Option<u8>, sources: &mut Vec<String>, take: Take<'_>) -> Result<()> {
    let mut input = BufReader::new(File::open(file).map_err(|e| Error::io(file, e))?);
    skip_mark(&mut input, file)?;
    let delimiter = match delimiter {
        Some(delimiter) => delimiter,
        None => most_used(&mut input, file)?,
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let mut read = |record: &mut csv::ByteRecord| {
        reader
            .read_byte_record(record)
            .map_err(|error| Error::file(file, error.to_string()))
    };
    if !read(&mut record)? {
        return Ok(());
    }
    if record.len() > MAX_COLUMNS {
        return Err(Error::file(
            file,
            format!("its first line has {} columns, the most is {MAX_COLUMNS}", record.len()),
        ));
    }
    let header: Vec<String> = record
        .iter()
        .enumerate()
        .map(|(at, name)| match text(name).trim() {
            "" => format!("column_{}", at + 1),
            name => name.to_owned(),
        })
        .collect();
    // Part files of one table may have their columns in another order, or more of them.
    let mut places = Vec::with_capacity(header.len());
    for (at, name) in header.iter().enumerate() {
        let nth = header.iter().take(at).filter(|other| *other == name).count();
        let known = sources.iter().enumerate().filter(|(_, known)| *known == name).nth(nth);
        places.push(match known {
            Some((place, _)) => place,
            None => {
                sources.push(name.clone());
                sources.len() - 1
            }
        });
    }
    let mut fields: Vec<Cow<'_, str>>;
    while read(&mut record)? {
        // A blank last line.
        if record.len() == 1 && record.get(0).is_some_and(<[u8]>::is_empty) && header.len() > 1 {
            continue;
        }
        fields = vec![Cow::Borrowed(""); sources.len()];
        for (place, field) in places.iter().zip(record.iter()) {
            if let Some(slot) = fields.get_mut(*place) {
                *slot = text(field);
            }
        }
        if take(&fields, record.len() == header.len()).is_break() {
            break;
        }
    }
    Ok(())
}

/// UTF-8, or else one byte a letter, as old exports are.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// The byte order mark that some programs write first.
fn skip_mark(input: &mut (impl Read + Seek), file: &Path) -> Result<()> {
    const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
    let mut start = Vec::new();
    input
        .by_ref()
        .take(MARK.len() as u64)
        .read_to_end(&mut start)
        .map_err(|e| Error::io(file, e))?;
    let skip = if start == MARK { MARK.len() as u64 } else { 0 };
    input.seek(SeekFrom::Start(skip)).map_err(|e| Error::io(file, e))?;
    Ok(())
}

/// The delimiter that the first line has most of.
fn most_used(input: &mut BufReader<File>, file: &Path) -> Result<u8> {
    let buffer = input.fill_buf().map_err(|e| Error::io(file, e))?;
    let line = buffer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| line.iter().filter(|byte| **byte == delimiter).count();
    Ok([b'\t', b'|', b';', b',']
        .into_iter()
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(b','))
}

fn json_lines(file: &Path, sources: &mut Vec<String>, take: Take<'_>) -> Result<()> {
    let mut input = BufReader::new(File::open(file).map_err(|e| Error::io(file, e))?);
    skip_mark(&mut input, file)?;
    let mut places: HashMap<String, usize> = sources
        .iter()
        .cloned()
        .enumerate()
        .map(|(at, name)| (name, at))
        .collect();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let length = input
            .by_ref()
            .take(MAX_RECORD_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io(file, e))?;
        if length == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let record: Value = serde_json::from_slice(&line)
            .map_err(|error| Error::file(file, format!("line {number} is no JSON: {error}")))?;
        let Value::Object(_) = record else {
            return Err(Error::file(
                file,
                format!("line {number} is no record: write {{…}} on each line"),
            ));
        };
        let mut fields: Vec<Cow<'_, str>> = vec![Cow::Borrowed(""); sources.len()];
        let mut path = String::new();
        flatten(&record, &mut path, &mut |path, value| {
            let place = match places.get(path) {
                Some(place) => *place,
                None if sources.len() < MAX_COLUMNS => {
                    places.insert(path.to_owned(), sources.len());
                    sources.push(path.to_owned());
                    sources.len() - 1
                }
                None => return,
            };
            if fields.len() <= place {
                fields.resize(place + 1, Cow::Borrowed(""));
            }
            if let Some(slot) = fields.get_mut(place) {
                *slot = Cow::Owned(value);
            }
        });
        if take(&fields, true).is_break() {
            break;
        }
    }
    Ok(())
}

/// The values of a record by their paths: `{"a": {"b": 1}}` has `a_b`. A list is kept as its JSON.
fn flatten(value: &Value, path: &mut String, take: &mut dyn FnMut(&str, String)) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                let length = path.len();
                if !path.is_empty() {
                    path.push('_');
                }
                path.push_str(key);
                flatten(inner, path, take);
                path.truncate(length);
            }
        }
        Value::Null => take(path, String::new()),
        Value::String(text) => take(path, text.clone()),
        other => take(path, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Int64Type;
    use datafusion::prelude::SessionContext;

    #[tokio::test]
    async fn a_large_table_is_read_anew_by_each_statement() {
        const ROWS: usize = 3 * BATCH_ROWS + 7;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("n.csv");
        let lines: String = (0..ROWS).map(|n| format!("{n},{}\n", n % 3)).collect();
        std::fs::write(&file, format!("n,m\n{lines}")).expect("writes");
        let form = Form::Delimited(None);
        let table = TextTable::read(vec![file], form, <[String]>::to_vec).expect("reads");
        let context = SessionContext::new();
        let provider = table.provider(0).expect("a table");
        context.register_table("t", provider).expect("registers");
        for (sql, expected) in [
            ("select count(*) from t", ROWS as i64),
            ("select sum(n) from t where m = 0", (0..ROWS as i64).step_by(3).sum()),
            // It ends before the file does.
            ("select count(*) from (select n from t limit 5) as few", 5),
        ] {
            let batches = context.sql(sql).await.expect("plans").collect().await.expect("runs");
            let column = batches.first().expect("a batch").column(0);
            assert_eq!(
                arrow::array::AsArray::as_primitive::<Int64Type>(column).value(0),
                expected,
                "{sql}"
            );
        }
    }
}
