//! Collects what a load reads: typed rows per table, records put aside, and the records as received.

use crate::{
    Error, Result, TableCounts,
    value::{Cell, Fault},
};
use arrow::{
    array::{
        ArrayRef, AsArray as _, BinaryBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder,
        Int64Array, Int64Builder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
        TimestampMicrosecondBuilder,
    },
    error::ArrowError,
};
use concert_lake::{
    Layer, Writer,
    schema::{Kind, MONEY_PRECISION, MONEY_SCALE, QUARANTINE, RAW_RECORDS, RUNS, TableDef},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// How much of a record the quarantine keeps, in bytes. The whole of it is in the raw layer.
pub const MAX_ORIGINAL_BYTES: usize = 64 << 10;

/// How much text one load brings into one table, in bytes. The rows of a load are held in memory until they are merged,
/// and an Arrow text column ends at 2 GiB.
pub const MAX_TEXT_PER_LOAD_BYTES: usize = 1 << 30;

/// Records are written out when this many bytes of them are waiting.
const FLUSH_BYTES: usize = 64 << 20;

/// Who reads, in every row's lineage.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    /// Microseconds since 1970-01-01, UTC.
    pub arrived_at: i64,
}

impl Run {
    fn columns(&self, rows: usize) -> [ArrayRef; 2] {
        let ids: StringArray = std::iter::repeat_n(Some(self.id.as_str()), rows).collect();
        let at = TimestampMicrosecondArray::from(vec![self.arrived_at; rows]).with_timezone("UTC");
        [Arc::new(ids), Arc::new(at)]
    }
}

/// The typed rows of one table, in the order in which they came.
pub struct TableRows {
    table: &'static TableDef,
    columns: Vec<ColumnBuilder>,
    sources: StringBuilder,
    lines: Int64Builder,
    rows: usize,
    text_bytes: usize,
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
            text_bytes: 0,
        }
    }

    /// Whether one load has brought as much as one table takes at once.
    pub fn is_full(&self) -> bool {
        self.text_bytes >= MAX_TEXT_PER_LOAD_BYTES
    }

    pub fn push(&mut self, cells: Vec<Option<Cell>>, source: &str, line: u64) {
        self.text_bytes += source.len();
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if let Some(Cell::Text(text)) = &cell {
                self.text_bytes += text.len();
            }
            column.push(cell);
        }
        self.sources.append_value(source);
        self.lines.append_value(i64::try_from(line).unwrap_or(i64::MAX));
        self.rows += 1;
    }

    /// All rows as one batch of the table's stored schema.
    pub fn finish(mut self, run: &Run) -> Result<RecordBatch> {
        let failed = |source| Error::Arrow {
            table: self.table.name,
            source,
        };
        let mut columns = Vec::with_capacity(self.columns.len() + 4);
        for column in &mut self.columns {
            columns.push(column.finish().map_err(failed)?);
        }
        columns.push(Arc::new(self.sources.finish()));
        columns.push(Arc::new(self.lines.finish()));
        columns.extend(run.columns(self.rows));
        RecordBatch::try_new(self.table.arrow_schema(), columns).map_err(failed)
    }
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
    fn push(&mut self, cell: Option<Cell>) {
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

/// Records that were put aside. The same record of the same file is kept once, however often it comes.
pub struct Quarantine {
    run: Run,
    known: HashSet<String>,
    ids: StringBuilder,
    texts: [StringBuilder; 6],
    lines: Int64Builder,
    rows: usize,
    waiting_bytes: usize,
    /// Whether anything was added to the table.
    pub written: bool,
}

/// A record that is put aside.
pub struct Refused<'a> {
    pub table: &'a str,
    pub source: &'a str,
    pub line: u64,
    /// Which of several rows in one record it is.
    pub element: Option<usize>,
    pub column: Option<&'a str>,
    pub fault: &'a Fault,
    pub original: &'a str,
}

impl Quarantine {
    /// # Errors
    /// [`Error::Lake`] when the quarantine cannot be read.
    pub async fn open(writer: &Writer, run: &Run) -> Result<Quarantine> {
        let mut known = HashSet::new();
        for batch in writer.read(Layer::Clean, QUARANTINE.name).await? {
            if let Some(ids) = batch
                .column_by_name("quarantine_id")
                .and_then(|ids| ids.as_string_opt::<i32>())
            {
                known.extend(ids.iter().flatten().map(str::to_owned));
            }
        }
        Ok(Quarantine {
            run: run.clone(),
            known,
            ids: StringBuilder::new(),
            texts: Default::default(),
            lines: Int64Builder::new(),
            rows: 0,
            waiting_bytes: 0,
            written: false,
        })
    }

    pub fn push(&mut self, refused: &Refused<'_>) {
        let Refused {
            table,
            source,
            line,
            element,
            column,
            fault,
            original,
        } = refused;
        let mut end = original.len().min(MAX_ORIGINAL_BYTES);
        while !original.is_char_boundary(end) {
            end -= 1;
        }
        let original = &original[..end];
        let mut hash = Sha256::new();
        for part in [*table, *source, &line.to_string(), fault.rule, original] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        if let Some(element) = element {
            hash.update(element.to_be_bytes());
        }
        let id = hex::encode(&hash.finalize()[..16]);
        if !self.known.insert(id.clone()) {
            return;
        }
        self.ids.append_value(id);
        let texts = [
            Some(*table),
            Some(*source),
            *column,
            Some(fault.rule),
            Some(&*fault.message),
            Some(original),
        ];
        for (builder, text) in self.texts.iter_mut().zip(texts) {
            builder.append_option(text);
        }
        self.lines.append_value(i64::try_from(*line).unwrap_or(i64::MAX));
        self.rows += 1;
        self.waiting_bytes += original.len() + fault.message.len();
    }

    pub fn is_full(&self) -> bool {
        self.waiting_bytes >= FLUSH_BYTES
    }

    /// Writes what is waiting.
    ///
    /// # Errors
    /// [`Error::Lake`].
    pub async fn flush(&mut self, writer: &mut Writer) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let [table, source, column, rule, message, original] = &mut self.texts;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.ids.finish()),
            Arc::new(table.finish()),
            Arc::new(source.finish()),
            Arc::new(self.lines.finish()),
            Arc::new(column.finish()),
            Arc::new(rule.finish()),
            Arc::new(message.finish()),
            Arc::new(original.finish()),
        ];
        columns.extend(self.run.columns(self.rows));
        let batch = RecordBatch::try_new(QUARANTINE.arrow_schema(), columns).map_err(|source| Error::Arrow {
            table: QUARANTINE.name,
            source,
        })?;
        writer.append(Layer::Clean, QUARANTINE.name, vec![batch]).await?;
        (self.rows, self.waiting_bytes, self.written) = (0, 0, true);
        Ok(())
    }
}

/// Records as received.
#[derive(Default)]
pub struct RawRecords {
    hashes: StringBuilder,
    lines: Int64Builder,
    records: BinaryBuilder,
    rows: usize,
    waiting_bytes: usize,
}

impl RawRecords {
    pub fn push(&mut self, file_sha256: &str, line: u64, record: &[u8]) {
        self.hashes.append_value(file_sha256);
        self.lines.append_value(i64::try_from(line).unwrap_or(i64::MAX));
        self.records.append_value(record);
        self.rows += 1;
        self.waiting_bytes += record.len();
    }

    pub fn is_full(&self) -> bool {
        self.waiting_bytes >= FLUSH_BYTES
    }

    /// Writes what is waiting.
    ///
    /// # Errors
    /// [`Error::Lake`].
    pub async fn flush(&mut self, writer: &mut Writer) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.hashes.finish()),
            Arc::new(self.lines.finish()),
            Arc::new(self.records.finish()),
        ];
        let batch = RecordBatch::try_new(RAW_RECORDS.arrow_schema(), columns).map_err(|source| Error::Arrow {
            table: RAW_RECORDS.name,
            source,
        })?;
        writer.append(Layer::Clean, RAW_RECORDS.name, vec![batch]).await?;
        (self.rows, self.waiting_bytes) = (0, 0);
        Ok(())
    }
}

/// Files as received, one row each.
pub struct RawFile {
    pub sha256: String,
    pub source: String,
    pub bytes: u64,
    pub records: u64,
}

/// The batch of `raw_files` for these files.
///
/// # Errors
/// [`Error::Arrow`].
pub fn raw_files(files: &[RawFile], run: &Run) -> Result<RecordBatch> {
    let text = |of: fn(&RawFile) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(files.iter().map(of))) };
    let number = |of: fn(&RawFile) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            files.iter().map(|file| i64::try_from(of(file)).unwrap_or(i64::MAX)),
        ))
    };
    let mut columns = vec![
        text(|f| &f.sha256),
        text(|f| &f.source),
        number(|f| f.bytes),
        number(|f| f.records),
    ];
    columns.extend(run.columns(files.len()));
    RecordBatch::try_new(concert_lake::schema::RAW_FILES.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: "raw_files",
        source,
    })
}

/// The batch of `runs` for what became of each table's records.
///
/// # Errors
/// [`Error::Arrow`].
pub fn runs(tables: &BTreeMap<String, TableCounts>, run: &Run) -> Result<RecordBatch> {
    let number = |of: fn(&TableCounts) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            tables
                .values()
                .map(|counts| i64::try_from(of(counts)).unwrap_or(i64::MAX)),
        ))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(tables.keys())),
        number(|c| c.records_in),
        number(|c| c.clean),
        number(|c| c.merged),
        number(|c| c.quarantined),
        number(|c| c.unchanged),
    ];
    columns.extend(run.columns(tables.len()));
    RecordBatch::try_new(RUNS.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: RUNS.name,
        source,
    })
}
