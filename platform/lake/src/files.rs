//! Writing a table's files: rows go in batch by batch and leave as Parquet, so that nobody holds a table in memory.
//! What was written is nothing until a [`crate::Writer`] commits it.

use crate::{
    Error, Result, Writer,
    schema::{Kind, Layer, TableDef},
};
use arrow::{
    array::{RecordBatch, RecordBatchOptions, new_null_array},
    compute::cast,
    datatypes::{Schema, SchemaRef},
};
use deltalake::{
    DeltaTable,
    datafile::writer::{DeltaWriter, WriterConfig},
    kernel::{Action, Add, MetadataExt as _, StructType, engine::arrow_conversion::TryIntoKernel as _},
    parquet::{
        basic::{Compression, ZstdLevel},
        file::properties::{EnabledStatistics, WriterProperties},
        schema::types::ColumnPath,
    },
    table::config::TablePropertiesExt as _,
};
use std::{num::NonZeroU64, sync::Arc};

/// Rows of a row group, the unit that a scan skips by its smallest and largest values. Many small ones skip more and
/// compress less; writing holds one of them in memory for each open table.
const ROW_GROUP_ROWS: usize = 128 << 10;

/// The same bound where rows are large: raw records may have 64 KiB and more each.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A file is closed when it has grown to this. Larger ones would be read by fewer threads and rewritten for less.
pub(crate) const FILE_BYTES: NonZeroU64 = NonZeroU64::MIN.saturating_add((128 << 20) - 1);

/// Rows that are handed to the encoder at once.
const BATCH_ROWS: usize = 8 << 10;

/// The weakest zstd. The measurements are in docs/lake.md: against snappy it makes smaller files that are read as
/// fast, and stronger levels cost time at each publication for a few percent.
const ZSTD_LEVEL: i32 = 1;

/// Files of one table that are written and not committed. Dropping it leaves them to `concert lake vacuum`.
#[derive(Debug)]
#[must_use = "rows are in the table once they are committed"]
pub struct Staged {
    pub(crate) layer: Layer,
    pub(crate) def: &'static TableDef,
    pub(crate) adds: Vec<Add>,
    rows: u64,
}

impl Staged {
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn files(&self) -> usize {
        self.adds.len()
    }

    pub fn bytes(&self) -> u64 {
        self.adds.iter().map(|add| u64::try_from(add.size).unwrap_or(0)).sum()
    }
}

/// Takes rows of one table and writes them to files of it. Several can be open at once, for several tables or for one.
/// Memory is bounded: what is not written yet is one row group of at most 128 Ki rows and 64 MiB.
pub struct TableWriter {
    layer: Layer,
    def: &'static TableDef,
    schema: SchemaRef,
    inner: DeltaWriter,
    rows: u64,
}

impl std::fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "TableWriter({}.{}, {} rows)",
            self.layer.name(),
            self.def.name,
            self.rows
        )
    }
}

impl Writer {
    /// Begins to write rows of a table. It needs no `&mut self`, so that several can be open while this writer goes on.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`].
    pub fn stage(&self, layer: Layer, table: &str) -> Result<TableWriter> {
        let (def, handle) = self.table(layer, table)?;
        TableWriter::open(layer, def, &handle)
    }
}

impl TableWriter {
    pub(crate) fn open(layer: Layer, def: &'static TableDef, table: &DeltaTable) -> Result<TableWriter> {
        let failed = |e| Error::table("write", layer, def.name, e);
        let state = table.snapshot().map_err(failed)?;
        let schema = stored_schema(def, &state.snapshot().arrow_schema());
        let config = WriterConfig::new(
            Arc::clone(&schema),
            state.metadata().partition_columns().to_vec(),
            Some(properties(def)),
            Some(FILE_BYTES),
            Some(BATCH_ROWS),
            state.table_config().num_indexed_cols(),
            None,
        );
        Ok(TableWriter {
            layer,
            def,
            schema,
            inner: DeltaWriter::new(table.log_store().object_store(None), config),
            rows: 0,
        })
    }

    /// Writes rows. Columns are found by name: one that the table has and the rows have not is null, one of another
    /// type is cast. Columns that the table does not know are an error.
    ///
    /// # Errors
    /// [`Error::Row`] for columns that do not fit; [`Error::NoSpace`], [`Error::ReadOnly`] and [`Error::Table`] when
    /// the files cannot be written.
    pub async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let rows = conform(self.def.name, rows, &self.schema)?;
        self.rows += rows.num_rows() as u64;
        self.inner
            .write(&rows)
            .await
            .map_err(|e| Error::table("write", self.layer, self.def.name, e))
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the last file.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub async fn finish(self) -> Result<Staged> {
        let (layer, def) = (self.layer, self.def);
        let adds = self
            .inner
            .close()
            .await
            .map_err(|e| Error::table("write", layer, def.name, e))?;
        Ok(Staged {
            layer,
            def,
            adds,
            rows: self.rows,
        })
    }

    /// Gives up what was begun. Dropping does the same for a folder; a bucket keeps the parts of an unfinished file,
    /// and its owner pays for them, until its rules remove them.
    pub async fn abort(self) {
        // Nothing names the files, so what cannot be removed now is left to vacuum.
        let _ = self.inner.abort().await;
    }
}

/// The table's columns as they are stored, followed by those that the model has gained since.
pub(crate) fn stored_schema(def: &TableDef, stored: &Schema) -> SchemaRef {
    let model = def.arrow_schema();
    let gained = model
        .fields()
        .iter()
        .filter(|field| stored.column_with_name(field.name()).is_none());
    Arc::new(Schema::new(
        stored.fields().iter().chain(gained).cloned().collect::<Vec<_>>(),
    ))
}

/// The action that adds the columns which the model has gained since the table was made; none if it has them all.
pub(crate) fn evolve(layer: Layer, def: &TableDef, table: &DeltaTable) -> Result<Option<Action>> {
    let failed = |e| Error::table("add a column to", layer, def.name, e);
    let state = table.snapshot().map_err(failed)?;
    let stored = state.snapshot().arrow_schema();
    let schema = stored_schema(def, &stored);
    if schema.fields().len() == stored.fields().len() {
        return Ok(None);
    }
    let schema: StructType = schema.as_ref().try_into_kernel().map_err(|source| Error::Arrow {
        what: format!("schema of {}", def.name),
        source,
    })?;
    let metadata = state
        .metadata()
        .clone()
        .with_schema(&schema)
        .map_err(|e| failed(e.into()))?;
    Ok(Some(Action::Metadata(metadata)))
}

/// The rows with exactly the table's columns.
fn conform(table: &str, rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if rows.schema_ref() == schema {
        return Ok(rows.clone());
    }
    let wrong = |message: String| Error::Row {
        table: table.to_owned(),
        message,
    };
    if let Some(unknown) = rows
        .schema_ref()
        .fields()
        .iter()
        .find(|field| schema.column_with_name(field.name()).is_none())
    {
        return Err(wrong(format!("the table has no column {}", unknown.name())));
    }
    let columns = schema
        .fields()
        .iter()
        .map(|field| match rows.column_by_name(field.name()) {
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => cast(column, field.data_type()).map_err(|e| wrong(format!("column {}: {e}", field.name()))),
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|e| wrong(e.to_string()))
}

/// How a table is written: for scans that read a few columns of many rows.
fn properties(def: &TableDef) -> WriterProperties {
    let compression = ZstdLevel::try_new(ZSTD_LEVEL).map_or(Compression::SNAPPY, Compression::ZSTD);
    let mut properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        // By page too: within a row group of a sorted table a scan then reads only the pages that it needs.
        .set_statistics_enabled(EnabledStatistics::Page);
    for column in def.columns() {
        let path = ColumnPath::from(column.name);
        // Every value is another one: a dictionary of them is begun, and thrown away when it is full.
        if def.key == [column.name] {
            properties = properties.set_column_dictionary_enabled(path, false);
        } else if column.kind == Kind::Binary {
            // Nobody looks for a range of raw bytes.
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    properties.build()
}
