//! Collects what is read of a file into Arrow batches: typed rows for each table, records that were put aside, and the
//! records as received. A batch holds one block of the file, so that memory does not grow with the file.

use crate::{
    Error, Result,
    bind::{BoundTable, Part},
    files::{Row, Rows},
    value::Cell,
};
use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, BinaryBuilder, Date32Builder, Decimal128Builder, Float64Builder,
        Int32Builder, Int64Array, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use concert_lake::schema::{Kind, MONEY_PRECISION, MONEY_SCALE, QUARANTINE, TableDef};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// How much of a record the quarantine keeps, in bytes. The whole of it is in the raw layer.
pub const MAX_ORIGINAL_BYTES: usize = 64 << 10;

/// A column of a staged row: the hash of its key, by which a load finds rows that may be the same.
pub const KEY_HASH: &str = "_key_hash";

/// A column of a staged row: its place in the load. It is larger for what came later, and no two rows of a table
/// share one.
pub const ORDINAL: &str = "_ordinal";

/// The columns of a staged row behind those of the model: `_source`, `_line`, then these two.
pub const STAGE_COLUMNS: usize = 4;

/// What a run stages of one table: the model's columns, then `_source`, `_line`, `_key_hash` and `_ordinal`.
pub fn stage_schema(table: &TableDef) -> SchemaRef {
    let model = table.columns().iter().map(|column| column.field());
    let lineage = [
        Field::new("_source", DataType::Utf8, true),
        Field::new("_line", DataType::Int64, true),
        Field::new(KEY_HASH, DataType::Int64, true),
        Field::new(ORDINAL, DataType::Int64, true),
    ];
    Arc::new(Schema::new(model.chain(lineage).collect::<Vec<_>>()))
}

/// What a run stages of the records as received.
pub fn raw_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("line", DataType::Int64, true),
        Field::new("record", DataType::Binary, true),
    ]))
}

/// What a run stages of the records that were put aside: the quarantine's columns without the run's, then the hash of
/// the id and the ordinal.
pub fn refused_schema() -> SchemaRef {
    let columns = QUARANTINE.columns();
    let own = columns[..columns.len() - 2].iter().map(|column| column.field());
    let added = [KEY_HASH, ORDINAL].map(|name| Field::new(name, DataType::Int64, true));
    Arc::new(Schema::new(own.chain(added).collect::<Vec<_>>()))
}

/// The hash of each row's key. Equal keys have equal hashes, on every machine: a run that goes on after a stop meets
/// the hashes of its first part.
pub fn key_hashes(table: &TableDef, batch: &RecordBatch) -> Int64Array {
    let mut hashes = vec![FNV_OFFSET; batch.num_rows()];
    for name in table.key {
        let Some(column) = batch.column_by_name(name) else {
            continue;
        };
        // Every key of the model is text. What is none would give all rows one hash, which costs time and nothing else.
        let Some(texts) = column.as_string_opt::<i32>() else {
            continue;
        };
        for (row, hash) in hashes.iter_mut().enumerate() {
            if texts.is_valid(row) {
                *hash = fnv(*hash, texts.value(row).as_bytes());
            }
            // Keeps ("ab", "c") and ("a", "bc") apart.
            *hash = fnv(*hash, &[0xFF]);
        }
    }
    hashes.into_iter().map(|hash| mixed(hash).cast_signed()).collect()
}

// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/), finished as MurmurHash3 is, so that all bits are good.
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01B3;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

fn mixed(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ (hash >> 33)
}

/// What was read of one block of a file.
pub struct Parsed {
    pub records: u64,
    /// In the order of the pass's tables.
    pub tables: Vec<ParsedTable>,
    pub raw: RecordBatch,
    /// In [`refused_schema`] without its ordinal.
    pub refused: Option<RecordBatch>,
}

pub struct ParsedTable {
    pub records_in: u64,
    pub quarantined: u64,
    /// In [`stage_schema`] without its ordinal.
    pub rows: Option<RecordBatch>,
}

/// Takes the records of one block, one after the other.
pub struct Collector<'a> {
    tables: &'a [BoundTable],
    source: String,
    collected: Vec<TableRows>,
    raw: RawRecords,
    refused: Refusals,
    records: u64,
}

impl<'a> Collector<'a> {
    pub fn new(tables: &'a [BoundTable], source: String) -> Collector<'a> {
        Collector {
            tables,
            source,
            collected: tables.iter().map(|table| TableRows::new(table.table)).collect(),
            raw: RawRecords::default(),
            refused: Refusals::default(),
            records: 0,
        }
    }

    /// How many bytes of records wait here.
    pub fn bytes(&self) -> usize {
        self.raw.bytes
    }

    /// Takes the record that `rows` has just read.
    pub fn take(&mut self, row: &Row, rows: &mut Rows) {
        self.records += 1;
        let line = match row {
            Row::Fields { line } | Row::Broken { line, .. } => *line,
        };
        self.raw.push(line, rows.raw());
        for index in 0..self.tables.len() {
            let repeats = match row {
                Row::Broken { .. } => 1,
                Row::Fields { .. } => self.tables[index].repeats(rows),
            };
            for element in 0..repeats {
                rows.select(element);
                self.take_part(index, row, line, element, rows);
            }
        }
    }

    /// Takes what a record, or one element of a list in it, says about one table.
    fn take_part(&mut self, index: usize, row: &Row, line: u64, element: usize, rows: &Rows) {
        let table = &self.tables[index];
        let collected = &mut self.collected[index];
        let (column, mut fault) = match row {
            Row::Broken { column, fault, .. } => (column.clone(), fault.clone()),
            Row::Fields { .. } => match table.read(rows) {
                Part::Absent => return,
                Part::Cells(cells) => {
                    collected.records_in += 1;
                    collected.push(cells, &self.source, line);
                    return;
                }
                Part::Faulty { column, fault } => ((!column.is_empty()).then_some(column), fault),
            },
        };
        let is_element = table.is_each() && matches!(row, Row::Fields { .. });
        let key = matches!(row, Row::Fields { .. }).then(|| table.key(rows)).flatten();
        if let Some(line) = rows.line_in_file() {
            fault.message.push_str(&format!("; the record begins on line {line}"));
        }
        collected.records_in += 1;
        collected.quarantined += 1;
        self.refused.push(&Refused {
            table: table.table.name,
            source: &self.source,
            line,
            element: is_element.then_some(element),
            column: column
                .map(|column| {
                    if is_element {
                        column.replace("[*]", &format!("[{element}]"))
                    } else {
                        column
                    }
                })
                .as_deref(),
            rule: fault.rule,
            message: &fault.message,
            key: key.as_deref(),
            file_sha256: None,
            reading_id: None,
            original: &rows.original(),
        });
    }

    /// Gives out what was taken, and begins anew.
    ///
    /// # Errors
    /// [`Error::Arrow`].
    pub fn finish(&mut self) -> Result<Parsed> {
        let mut tables = Vec::with_capacity(self.collected.len());
        for collected in &mut self.collected {
            tables.push(collected.finish()?);
        }
        Ok(Parsed {
            records: std::mem::take(&mut self.records),
            tables,
            raw: self.raw.finish()?,
            refused: self.refused.finish()?,
        })
    }
}

/// The typed rows of one table, in the order in which they came.
pub struct TableRows {
    table: &'static TableDef,
    columns: Vec<ColumnBuilder>,
    sources: StringBuilder,
    lines: Int64Builder,
    rows: usize,
    records_in: u64,
    quarantined: u64,
}

impl TableRows {
    pub fn new(table: &'static TableDef) -> TableRows {
        TableRows {
            table,
            columns: table
                .columns()
                .iter()
                .map(|column| ColumnBuilder::new(column.kind))
                .collect(),
            sources: StringBuilder::new(),
            lines: Int64Builder::new(),
            rows: 0,
            records_in: 0,
            quarantined: 0,
        }
    }

    pub fn push(&mut self, cells: Vec<Option<Cell<'_>>>, source: &str, line: u64) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.sources.append_value(source);
        self.lines.append_value(signed(line));
        self.rows += 1;
    }

    /// # Errors
    /// [`Error::Arrow`].
    pub fn finish(&mut self) -> Result<ParsedTable> {
        let failed = |source| Error::Arrow {
            table: self.table.name,
            source,
        };
        let mut rows = None;
        if self.rows > 0 {
            let mut columns = Vec::with_capacity(self.columns.len() + STAGE_COLUMNS);
            for column in &mut self.columns {
                columns.push(column.finish().map_err(failed)?);
            }
            columns.push(Arc::new(self.sources.finish()));
            columns.push(Arc::new(self.lines.finish()));
            rows = Some(with_hashes(self.table, &stage_schema(self.table), columns)?);
        }
        self.rows = 0;
        Ok(ParsedTable {
            records_in: std::mem::take(&mut self.records_in),
            quarantined: std::mem::take(&mut self.quarantined),
            rows,
        })
    }
}

/// A batch of `schema`'s columns, of which the last two come from here: the hashes are added, the ordinals are not.
fn with_hashes(table: &TableDef, schema: &Schema, mut columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let failed = |source| Error::Arrow {
        table: table.name,
        source,
    };
    let first = |count: usize| schema.project(&(0..count).collect::<Vec<_>>()).map(Arc::new);
    let count = columns.len();
    let batch = RecordBatch::try_new(first(count).map_err(failed)?, columns.clone()).map_err(failed)?;
    columns.push(Arc::new(key_hashes(table, &batch)));
    RecordBatch::try_new(first(count + 1).map_err(failed)?, columns).map_err(failed)
}

/// Adds the ordinals to a batch that was staged without them.
///
/// # Errors
/// [`ArrowError`] when the batch is not the one that the schema wants.
pub fn with_ordinals(batch: &RecordBatch, schema: SchemaRef, first: i64) -> Result<RecordBatch, ArrowError> {
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Int64Array::from_iter_values((first..).take(batch.num_rows()))));
    RecordBatch::try_new(schema, columns)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

enum ColumnBuilder {
    Text(StringBuilder),
    Integer(Int32Builder),
    BigInt(Int64Builder),
    Double(Float64Builder),
    Money(Decimal128Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl ColumnBuilder {
    fn new(kind: Kind) -> ColumnBuilder {
        match kind {
            Kind::Text | Kind::Binary => ColumnBuilder::Text(StringBuilder::new()),
            Kind::Integer => ColumnBuilder::Integer(Int32Builder::new()),
            Kind::BigInt => ColumnBuilder::BigInt(Int64Builder::new()),
            Kind::Double => ColumnBuilder::Double(Float64Builder::new()),
            Kind::Money => ColumnBuilder::Money(Decimal128Builder::new()),
            Kind::Date => ColumnBuilder::Date(Date32Builder::new()),
            Kind::Timestamp => ColumnBuilder::Timestamp(TimestampMicrosecondBuilder::new()),
        }
    }

    /// A cell has its column's kind, since [`crate::value::parse`] made it for that column.
    fn push(&mut self, cell: Option<Cell<'_>>) {
        match (self, cell) {
            (ColumnBuilder::Text(to), Some(Cell::Text(text))) => to.append_value(text),
            (ColumnBuilder::Integer(to), Some(Cell::Integer(value))) => to.append_value(value),
            (ColumnBuilder::BigInt(to), Some(Cell::BigInt(value))) => to.append_value(value),
            (ColumnBuilder::Double(to), Some(Cell::Double(value))) => to.append_value(value),
            (ColumnBuilder::Money(to), Some(Cell::Money(value))) => to.append_value(value),
            (ColumnBuilder::Date(to), Some(Cell::Date(value))) => to.append_value(value),
            (ColumnBuilder::Timestamp(to), Some(Cell::Timestamp(value))) => to.append_value(value),
            (ColumnBuilder::Text(to), _) => to.append_null(),
            (ColumnBuilder::Integer(to), _) => to.append_null(),
            (ColumnBuilder::BigInt(to), _) => to.append_null(),
            (ColumnBuilder::Double(to), _) => to.append_null(),
            (ColumnBuilder::Money(to), _) => to.append_null(),
            (ColumnBuilder::Date(to), _) => to.append_null(),
            (ColumnBuilder::Timestamp(to), _) => to.append_null(),
        }
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            ColumnBuilder::Text(from) => Arc::new(from.finish()),
            ColumnBuilder::Integer(from) => Arc::new(from.finish()),
            ColumnBuilder::BigInt(from) => Arc::new(from.finish()),
            ColumnBuilder::Double(from) => Arc::new(from.finish()),
            ColumnBuilder::Money(from) => {
                Arc::new(from.finish().with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE)?)
            }
            ColumnBuilder::Date(from) => Arc::new(from.finish()),
            ColumnBuilder::Timestamp(from) => Arc::new(from.finish().with_timezone("UTC")),
        })
    }
}

/// Records as received.
#[derive(Default)]
struct RawRecords {
    lines: Int64Builder,
    records: BinaryBuilder,
    bytes: usize,
}

impl RawRecords {
    fn push(&mut self, line: u64, record: &[u8]) {
        self.lines.append_value(signed(line));
        self.records.append_value(record);
        self.bytes += record.len();
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        self.bytes = 0;
        let columns: Vec<ArrayRef> = vec![Arc::new(self.lines.finish()), Arc::new(self.records.finish())];
        RecordBatch::try_new(raw_schema(), columns).map_err(|source| Error::Arrow {
            table: "raw_records",
            source,
        })
    }
}

/// A record that is put aside.
pub struct Refused<'a> {
    pub table: &'a str,
    pub source: &'a str,
    pub line: u64,
    /// Which of several rows in one record it is.
    pub element: Option<usize>,
    pub column: Option<&'a str>,
    /// Stable and short: `type.number`, `venues.name.required`.
    pub rule: &'a str,
    pub message: &'a str,
    /// The record's key in its table, where it could be read.
    pub key: Option<&'a str>,
    /// These two are known when the whole file was read.
    pub file_sha256: Option<&'a str>,
    pub reading_id: Option<&'a str>,
    pub original: &'a str,
}

/// Records that were put aside. The same record of the same file has the same id, however often it comes.
#[derive(Default)]
pub struct Refusals {
    ids: StringBuilder,
    texts: [StringBuilder; 9],
    lines: Int64Builder,
    elements: Int64Builder,
    rows: usize,
}

impl Refusals {
    pub fn push(&mut self, refused: &Refused<'_>) {
        let Refused {
            table,
            source,
            line,
            element,
            column,
            rule,
            message,
            key,
            file_sha256,
            reading_id,
            original,
        } = refused;
        let mut end = original.len().min(MAX_ORIGINAL_BYTES);
        while !original.is_char_boundary(end) {
            end -= 1;
        }
        let original = &original[..end];
        let mut hash = Sha256::new();
        for part in [*table, *source, &line.to_string(), *rule, original] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        if let Some(element) = element {
            hash.update(element.to_be_bytes());
        }
        self.ids.append_value(hex::encode(&hash.finalize()[..16]));
        let texts = [
            Some(*table),
            Some(*source),
            *column,
            Some(*rule),
            Some(*message),
            Some(original),
            *key,
            *file_sha256,
            *reading_id,
        ];
        for (builder, text) in self.texts.iter_mut().zip(texts) {
            builder.append_option(text);
        }
        self.lines.append_value(signed(*line));
        self.elements
            .append_option(element.map(|element| signed(element as u64)));
        self.rows += 1;
    }

    /// Those that wait here, in [`refused_schema`] without its ordinal; none if there are none.
    ///
    /// # Errors
    /// [`Error::Arrow`].
    pub fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.rows = 0;
        let [
            table,
            source,
            column,
            rule,
            message,
            original,
            key,
            file_sha256,
            reading_id,
        ] = &mut self.texts;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.ids.finish()),
            Arc::new(table.finish()),
            Arc::new(source.finish()),
            Arc::new(self.lines.finish()),
            Arc::new(column.finish()),
            Arc::new(rule.finish()),
            Arc::new(message.finish()),
            Arc::new(original.finish()),
            Arc::new(self.elements.finish()),
            Arc::new(key.finish()),
            Arc::new(file_sha256.finish()),
            Arc::new(reading_id.finish()),
        ];
        with_hashes(&QUARANTINE, &refused_schema(), columns).map(Some)
    }
}
