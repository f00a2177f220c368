//! Frames as bytes: CSV, JSON Lines, or row groups of Parquet. Encoding needs no file, so that every thread encodes
//! what it made.

use crate::{
    Format, GenerateError,
    frame::{Column, Frame, Kind, Table, Values},
};
use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::{
    arrow::{
        ArrowSchemaConverter,
        arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves},
    },
    basic::Compression,
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::{ColumnPath, TypePtr},
};
use std::{io::Write, sync::Arc};

const MONEY_PRECISION: u8 = 14;
const MONEY_SCALE: i8 = 2;

/// A part of a file.
pub enum Piece {
    Bytes(Vec<u8>),
    RowGroup(Vec<ArrowColumnChunk>),
}

/// How one table is written.
pub struct Encoder {
    table: &'static Table,
    body: Body,
}

enum Body {
    Csv,
    Json,
    Parquet(Box<Shape>),
}

struct Shape {
    schema: SchemaRef,
    root: TypePtr,
    properties: Arc<WriterProperties>,
    columns: ArrowRowGroupWriterFactory,
}

impl Encoder {
    /// With `as_text` all columns are text, since damaged values fit no type.
    ///
    /// # Errors
    /// [`GenerateError::Encode`]; of these tables, none.
    pub fn new(table: &'static Table, format: Format, as_text: bool) -> Result<Encoder, GenerateError> {
        let body = match format {
            Format::Csv => Body::Csv,
            Format::Json => Body::Json,
            Format::Parquet => Body::Parquet(Box::new(shape(table, as_text).map_err(|e| failed(table, e))?)),
        };
        Ok(Encoder { table, body })
    }

    /// What a file begins with.
    pub fn header(&self) -> Vec<u8> {
        match self.body {
            Body::Csv => {
                let names: Vec<&str> = self.table.columns.iter().map(|(name, _)| *name).collect();
                format!("{}\n", names.join(",")).into_bytes()
            }
            Body::Json | Body::Parquet(_) => Vec::new(),
        }
    }

    /// # Errors
    /// [`GenerateError::Encode`].
    pub fn encode(&self, frame: &Frame) -> Result<Piece, GenerateError> {
        match &self.body {
            Body::Csv => Ok(Piece::Bytes(csv(frame))),
            Body::Json => Ok(Piece::Bytes(json(frame))),
            Body::Parquet(shape) => row_group(shape, frame).map_err(|e| failed(self.table, e)),
        }
    }

    /// The file of row groups, where the table is written as one.
    ///
    /// # Errors
    /// [`GenerateError::Encode`].
    pub fn file<W: Write + Send>(&self, writer: W) -> Result<File<W>, GenerateError> {
        match &self.body {
            Body::Csv | Body::Json => Ok(File::Plain(writer)),
            Body::Parquet(shape) => {
                SerializedFileWriter::new(writer, Arc::clone(&shape.root), Arc::clone(&shape.properties))
                    .map(|writer| File::Parquet(Box::new(writer)))
                    .map_err(|e| failed(self.table, e))
            }
        }
    }
}

/// A file that pieces are put into.
pub enum File<W: Write + Send> {
    Plain(W),
    Parquet(Box<SerializedFileWriter<W>>),
}

impl<W: Write + Send> File<W> {
    /// # Errors
    /// Those of the writer.
    pub fn put(&mut self, piece: Piece) -> std::io::Result<()> {
        match (self, piece) {
            (File::Plain(writer), Piece::Bytes(bytes)) => writer.write_all(&bytes),
            (File::Parquet(writer), Piece::RowGroup(chunks)) => (|| {
                let mut group = writer.next_row_group()?;
                for chunk in chunks {
                    chunk.append_to_row_group(&mut group)?;
                }
                group.close().map(|_| ())
            })()
            .map_err(io_error),
            _ => Err(std::io::Error::other("a piece of another format")),
        }
    }

    /// Ends the file and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> std::io::Result<W> {
        match self {
            File::Plain(writer) => Ok(writer),
            File::Parquet(writer) => writer.into_inner().map_err(io_error),
        }
    }
}

/// The writer's own error, which Parquet wraps.
fn io_error(error: ParquetError) -> std::io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(inner) => *inner,
            Err(inner) => std::io::Error::other(inner),
        },
        other => std::io::Error::other(other),
    }
}

fn failed(table: &Table, source: ParquetError) -> GenerateError {
    GenerateError::Encode {
        table: table.name,
        source,
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Integer => DataType::Int32,
        Kind::Double(_) => DataType::Float64,
        Kind::Money => DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE),
        Kind::Date => DataType::Date32,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

fn shape(table: &'static Table, as_text: bool) -> Result<Shape, ParquetError> {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|(name, kind)| Field::new(*name, if as_text { DataType::Utf8 } else { data_type(*kind) }, true))
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        // The library's own name holds its version; the same version of this one writes the same bytes.
        .set_created_by(concat!("concert-generate ", env!("CARGO_PKG_VERSION")).to_owned());
    for (name, kind) in table.columns {
        // A dictionary of values that hardly repeat costs time and no byte is saved.
        let unique = name.ends_with("_id") && !matches!(*name, "artist_id" | "venue_id" | "concert_id");
        if unique || *kind == Kind::Time {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(*name), false);
        }
    }
    let properties = Arc::new(properties.build());
    let root = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
    let writer = SerializedFileWriter::new(Vec::new(), Arc::clone(&root), Arc::clone(&properties))?;
    Ok(Shape {
        columns: ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema)),
        schema,
        root,
        properties,
    })
}

fn row_group(shape: &Shape, frame: &Frame) -> Result<Piece, ParquetError> {
    let writers = shape.columns.create_column_writers(0)?;
    let mut chunks = Vec::with_capacity(writers.len());
    for ((mut writer, column), field) in writers.into_iter().zip(&frame.columns).zip(shape.schema.fields()) {
        for leaf in compute_leaves(field, &array(column)?)? {
            writer.write(&leaf)?;
        }
        chunks.push(writer.close()?);
    }
    Ok(Piece::RowGroup(chunks))
}

fn array(column: &Column) -> Result<ArrayRef, ArrowError> {
    let nulls = (!column.valid.is_empty()).then(|| NullBuffer::from(column.valid.as_slice()));
    Ok(match &column.values {
        Values::Text(texts) => {
            let mut offsets = Vec::with_capacity(texts.ends.len() + 1);
            offsets.push(0);
            offsets.extend_from_slice(&texts.ends);
            let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
            Arc::new(StringArray::try_new(offsets, texts.bytes.clone().into(), nulls)?)
        }
        Values::Integer(values) => Arc::new(Int32Array::try_new(values.clone().into(), nulls)?),
        Values::Double(values, _) => Arc::new(Float64Array::try_new(values.clone().into(), nulls)?),
        Values::Money(cents) => {
            let values: Vec<i128> = cents.iter().copied().map(i128::from).collect();
            Arc::new(
                Decimal128Array::try_new(values.into(), nulls)?
                    .with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE)?,
            )
        }
        Values::Date(days) => Arc::new(Date32Array::try_new(days.clone().into(), nulls)?),
        Values::Time(seconds) => {
            let values: Vec<i64> = seconds.iter().map(|second| second * 1_000_000).collect();
            Arc::new(TimestampMicrosecondArray::try_new(values.into(), nulls)?.with_timezone("UTC"))
        }
    })
}

/// As RFC 4180 says, with the line ends of this system's tools.
fn csv(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.rows() * 96);
    for row in 0..frame.rows() {
        for (index, column) in frame.columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            match &column.values {
                Values::Text(texts) if column.is_valid(row) => push_csv(&mut out, texts.get(row)),
                _ => column.write(row, &mut out),
            }
        }
        out.push(b'\n');
    }
    out
}

pub fn push_csv(out: &mut Vec<u8>, text: &[u8]) {
    if !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// One object for each line. A missing value is null, so that every line shows all columns.
fn json(frame: &Frame) -> Vec<u8> {
    let names: Vec<String> = frame
        .table
        .columns
        .iter()
        .zip(0..)
        .map(|((name, _), index)| format!("{}\"{name}\":", if index == 0 { '{' } else { ',' }))
        .collect();
    let mut out = Vec::with_capacity(frame.rows() * 256);
    for row in 0..frame.rows() {
        for (column, name) in frame.columns.iter().zip(&names) {
            out.extend_from_slice(name.as_bytes());
            match &column.values {
                _ if !column.is_valid(row) => out.extend_from_slice(b"null"),
                Values::Text(texts) => push_json(&mut out, texts.get(row)),
                Values::Date(_) | Values::Time(_) => {
                    out.push(b'"');
                    column.write(row, &mut out);
                    out.push(b'"');
                }
                Values::Integer(_) | Values::Double(..) | Values::Money(_) => column.write(row, &mut out),
            }
        }
        out.extend_from_slice(b"}\n");
    }
    out
}

fn push_json(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Table = Table {
        name: "things",
        columns: &[
            ("thing_id", Kind::Text),
            ("name", Kind::Text),
            ("price", Kind::Money),
            ("day", Kind::Date),
        ],
        key_columns: 1,
    };

    fn frame() -> Frame {
        let mut frame = Frame::new(&TABLE);
        for (index, name) in [Some("a, \"b\""), None, Some("\u{e9}\n\\")].into_iter().enumerate() {
            frame.columns[0].numbered("thing-", index as u64 + 1, 2);
            frame.columns[1].maybe_text(name);
            frame.columns[2].long(name.map(|_| -1_250));
            frame.columns[3].integer(name.map(|_| 20_000));
        }
        frame
    }

    #[test]
    fn csv_quotes_what_must_be_quoted() {
        let text = String::from_utf8(csv(&frame())).unwrap();
        assert_eq!(
            text,
            "thing-01,\"a, \"\"b\"\"\",-12.50,2024-10-04\nthing-02,,,\nthing-03,\"\u{e9}\n\\\",-12.50,2024-10-04\n"
        );
    }

    #[test]
    fn json_lines_are_json() {
        let text = String::from_utf8(json(&frame())).unwrap();
        let first = r#"{"thing_id":"thing-01","name":"a, \"b\"","price":-12.50,"day":"2024-10-04"}"#;
        assert_eq!(text.lines().next(), Some(first));
        assert_eq!(
            text.lines().nth(1),
            Some(r#"{"thing_id":"thing-02","name":null,"price":null,"day":null}"#)
        );
        assert!(text.ends_with("\"name\":\"\u{e9}\\u000a\\\\\",\"price\":-12.50,\"day\":\"2024-10-04\"}\n"));
    }
}
