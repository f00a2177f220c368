//! Between reading and settling: the staged rows of a table are judged as a whole, together with what is there already,
//! and those that do not pass go to the quarantine with the text of their record. Who judges is given from outside.

use crate::{
    Error, Result,
    collect::{ORDINAL, Refusals, Refused, refused_schema, stage_schema},
    quarantine::Reading,
    rules::{KEY_SEPARATOR, RuleCount},
    stage::{StageWriter, StagedBatches, StagedFile, Staging},
};
use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use concert_lake::{
    Lake, Layer, Snapshot,
    schema::{MODEL, QUARANTINE, TableDef},
};
use datafusion::{
    catalog::{CatalogProvider as _, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider as _},
    datasource::file_format::options::ArrowReadOptions,
    error::DataFusionError,
    prelude::SessionContext,
};
use futures::{StreamExt as _, stream::BoxStream};
use std::{collections::BTreeMap, sync::Arc};

/// The schema of a judge's session that holds the rows of the load.
pub const STAGE: &str = "stage";

/// How many refused rows are held until their records are looked up.
const MAX_WAITING: usize = 1 << 18;

/// Says which rows of a load are to be put aside.
pub trait Judge: Send + Sync {
    /// Judges the staged rows of `table`. The session's schema `stage` has a table for each of the model's, with the
    /// columns of the model, `_source`, `_line` and the BIGINT `_ordinal`, which no two rows of a table share; `clean`
    /// has what is there already. A row is put aside for the first failure that names it.
    fn judge<'a>(
        &'a self,
        session: &'a SessionContext,
        table: &'static TableDef,
    ) -> BoxStream<'a, Result<Vec<Failure>>>;

    /// How many records broke which rule, of the tables that were judged to their end.
    fn counts(&self) -> Vec<RuleCount> {
        Vec::new()
    }
}

/// A staged row that is to be put aside, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The row's `_ordinal`.
    pub ordinal: i64,
    pub rule: String,
    /// The column that is to blame, where one is.
    pub column: Option<String>,
    /// What was found, in one sentence.
    pub message: String,
}

/// What a judge has found in a table.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The ordinals of the rows that are put aside, in order, each once.
    pub ordinals: Vec<i64>,
    /// Their entries for the quarantine.
    pub refused: StagedBatches,
}

/// A session over the staged rows of a load and the clean layer.
///
/// # Errors
/// [`Error::Lake`] when the tables cannot be opened.
pub async fn session(lake: &Lake, heads: &Snapshot, staging: &Staging, files: &[StagedFile]) -> Result<SessionContext> {
    let failed = |source: DataFusionError| Error::lake_query("open the staged rows", source);
    let session = lake.batch_session(Layer::Clean, heads).await?;
    let stage = MemorySchemaProvider::new();
    for table in &MODEL {
        let of_table = files.iter().filter_map(|file| file.tables.get(table.name));
        let paths: Vec<String> = of_table
            .filter_map(|staged| staging.path_of(&staged.rows))
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        let schema = stage_schema(table);
        let provider = if paths.is_empty() {
            Arc::new(MemTable::try_new(schema, vec![vec![]]).map_err(failed)?)
        } else {
            let options = ArrowReadOptions::default().schema(&schema);
            session.read_arrow(paths, options).await.map_err(failed)?.into_view()
        };
        stage.register_table(table.name.to_owned(), provider).map_err(failed)?;
    }
    // What refers to a record that was put aside just now refers to something.
    let paths: Vec<String> = files
        .iter()
        .filter_map(|file| staging.path_of(&file.refused))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    if !paths.is_empty() {
        let schema = refused_schema();
        let options = ArrowReadOptions::default().schema(&schema);
        let rows = session.read_arrow(paths, options).await.map_err(failed)?.into_view();
        stage.register_table(QUARANTINE.name.to_owned(), rows).map_err(failed)?;
    }
    let stage: Arc<dyn datafusion::catalog::SchemaProvider> = Arc::new(stage);
    match session.catalog(concert_lake::CATALOG) {
        Some(catalog) => catalog.register_schema(STAGE, stage).map_err(failed)?,
        None => {
            let catalog = MemoryCatalogProvider::new();
            catalog.register_schema(STAGE, stage).map_err(failed)?;
            session.register_catalog(concert_lake::CATALOG, Arc::new(catalog));
            None
        }
    };
    Ok(session)
}

/// Lets `judge` look at a table and stages what it refuses.
///
/// # Errors
/// Those of the judge, and of reading and writing staged rows.
pub async fn verdict(
    judge: &dyn Judge,
    session: &SessionContext,
    staging: &Staging,
    table: &'static TableDef,
    files: &[StagedFile],
) -> Result<Verdict> {
    let writer = staging.working(&format!("{}.refused", table.name), refused_schema());
    let mut putting = PuttingAside {
        staging,
        table,
        files,
        waiting: Vec::new(),
        ordinals: Vec::new(),
        writer,
    };
    let mut failures = judge.judge(session, table);
    while let Some(more) = failures.next().await {
        putting.waiting.extend(more?);
        if putting.waiting.len() >= MAX_WAITING {
            putting.look_up()?;
        }
    }
    putting.look_up()?;
    Ok(Verdict {
        ordinals: putting.ordinals,
        refused: putting.writer.finish()?,
    })
}

struct PuttingAside<'a> {
    staging: &'a Staging,
    table: &'static TableDef,
    files: &'a [StagedFile],
    waiting: Vec<Failure>,
    ordinals: Vec<i64>,
    writer: StageWriter,
}

/// A refused row with its place in its file.
struct Placed {
    failure: Failure,
    source: String,
    line: i64,
    /// How many rows the record gave this table before this one.
    element: usize,
    key: String,
}

impl PuttingAside<'_> {
    /// Finds the records of the rows that wait, and stages them.
    fn look_up(&mut self) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        // The sort keeps the order of a row's failures, of which the first counts.
        waiting.sort_by_key(|failure| failure.ordinal);
        waiting.dedup_by_key(|failure| failure.ordinal);
        waiting.retain(|failure| self.ordinals.binary_search(&failure.ordinal).is_err());
        let mut waiting = waiting.into_iter().peekable();
        let files = self.files;
        for file in files {
            if waiting.peek().is_none() {
                break;
            }
            let Some(staged) = file.tables.get(self.table.name) else {
                continue;
            };
            let placed = self.place(staged.rows.clone(), &mut waiting)?;
            if !placed.is_empty() {
                self.ordinals.extend(placed.iter().map(|placed| placed.failure.ordinal));
                self.stage(file, placed)?;
            }
        }
        self.ordinals.sort_unstable();
        Ok(())
    }

    /// The waiting failures that name a row of this file. Ordinals ascend, in the file and from file to file.
    fn place(
        &self,
        rows: StagedBatches,
        waiting: &mut std::iter::Peekable<std::vec::IntoIter<Failure>>,
    ) -> Result<Vec<Placed>> {
        let schema = stage_schema(self.table);
        let index = |name| schema.index_of(name).unwrap_or_default();
        let keys = self.table.key.iter().map(|name| index(name));
        let columns = [index("_source"), index("_line"), index(ORDINAL)]
            .into_iter()
            .chain(keys)
            .collect();
        let mut placed = Vec::new();
        let (mut last_line, mut element) = (None, 0);
        for batch in self.staging.read(&rows, Some(columns))? {
            let batch = batch?;
            let by_name = |name: &str| batch.schema().index_of(name).unwrap_or_default();
            let texts = |name: &str| batch.column(by_name(name)).as_string_opt::<i32>();
            let Some(sources) = texts("_source") else { continue };
            let keys: Vec<_> = self.table.key.iter().filter_map(|name| texts(name)).collect();
            let (lines, ordinals) = (integers(&batch, by_name("_line")), integers(&batch, by_name(ORDINAL)));
            for row in 0..batch.num_rows() {
                element = if last_line == Some(lines[row]) { element + 1 } else { 0 };
                last_line = Some(lines[row]);
                // A judge that names a row which is not there is not obeyed.
                while waiting.next_if(|failure| failure.ordinal < ordinals[row]).is_some() {}
                if let Some(failure) = waiting.next_if(|failure| failure.ordinal == ordinals[row]) {
                    placed.push(Placed {
                        failure,
                        source: sources.value(row).to_owned(),
                        line: lines[row],
                        element,
                        key: keys
                            .iter()
                            .map(|key| key.value(row))
                            .collect::<Vec<_>>()
                            .join(&KEY_SEPARATOR.to_string()),
                    });
                }
            }
        }
        Ok(placed)
    }

    fn stage(&mut self, file: &StagedFile, placed: Vec<Placed>) -> Result<()> {
        let mut refusals = Refusals::default();
        let none = BTreeMap::new();
        let names = file.tables.get(self.table.name).map_or(&none, |staged| &staged.names);
        let is_each = names.values().any(|name| name.contains("[*]"));
        let reading_id = file.reading.as_ref().map(Reading::id);
        let mut placed = placed.into_iter().peekable();
        for batch in self.staging.read(&file.raw, None)? {
            let batch = batch?;
            let lines = integers(&batch, 0);
            let Some(records) = batch.column(1).as_binary_opt::<i32>() else {
                continue;
            };
            for (row, line) in lines.iter().enumerate() {
                while let Some(placed) = placed.next_if(|placed| placed.line == *line) {
                    // The source's own name of the column is what a person can look for.
                    let column = placed.failure.column.as_ref().map(|column| match names.get(column) {
                        Some(name) => name.replace("[*]", &format!("[{}]", placed.element)),
                        None => column.clone(),
                    });
                    refusals.push(&Refused {
                        table: self.table.name,
                        source: &placed.source,
                        line: line.unsigned_abs(),
                        element: is_each.then_some(placed.element),
                        column: column.as_deref(),
                        rule: &placed.failure.rule,
                        message: &placed.failure.message,
                        key: Some(&placed.key),
                        file_sha256: Some(&file.sha256),
                        reading_id: reading_id.as_deref(),
                        original: &file.encoding.text(records.value(row)),
                    });
                }
            }
            if placed.peek().is_none() {
                break;
            }
            self.flush(&mut refusals)?;
        }
        self.flush(&mut refusals)
    }

    fn flush(&mut self, refusals: &mut Refusals) -> Result<()> {
        if let Some(batch) = refusals.finish()? {
            self.writer.write_numbered(&batch)?;
        }
        Ok(())
    }
}

fn integers(batch: &RecordBatch, column: usize) -> Vec<i64> {
    match batch.column(column).as_primitive_opt::<Int64Type>() {
        Some(values) => values.values().to_vec(),
        None => vec![0; batch.num_rows()],
    }
}
