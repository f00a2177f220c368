//! What happens to entries of the quarantine when files are loaded: a record that came again and was clean closes its
//! entry, and a record that is refused again opens a closed one.

use super::{failed, stream, text};
use crate::{
    Error, Result,
    collect::{ORDINAL, refused_schema, stage_schema},
    rules::{key_of, literal},
    stage::{Run, StagedBatches, Staging},
};
use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::SchemaRef,
};
use concert_lake::{
    Staged, TableWriter,
    schema::{OPEN_QUARANTINE, QUARANTINE_EVENTS, QUARANTINE_STATES, TableDef},
};
use datafusion::{
    catalog::{MemTable, MemorySchemaProvider, SchemaProvider},
    datasource::file_format::options::ArrowReadOptions,
    prelude::SessionContext,
};
use futures::StreamExt as _;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It passed when it was judged again.
    Replayed,
    /// The record came again and was clean.
    Mended,
    /// Read anew, the record says nothing about the table.
    Absent,
    /// The record came again and breaks another rule now, which has an entry of its own.
    Superseded,
    /// The record came again and was refused again.
    Reopened,
}

impl EventKind {
    fn name(self) -> &'static str {
        match self {
            EventKind::Replayed => "replayed",
            EventKind::Mended => "mended",
            EventKind::Absent => "absent",
            EventKind::Superseded => "superseded",
            EventKind::Reopened => "reopened",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub quarantine_id: String,
    pub kind: EventKind,
}

/// The rows of events, as they are stored.
///
/// # Errors
/// [`Error::Arrow`].
pub fn rows(events: &[Event], run: &Run) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            events.iter().map(|event| &event.quarantine_id),
        )),
        Arc::new(StringArray::from_iter_values(
            events.iter().map(|event| event.kind.name()),
        )),
        Arc::new(StringArray::from_iter_values(events.iter().map(|_| &run.id))),
        Arc::new(TimestampMicrosecondArray::from(vec![run.arrived_at; events.len()]).with_timezone("UTC")),
    ];
    RecordBatch::try_new(QUARANTINE_EVENTS.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: QUARANTINE_EVENTS.name,
        source,
    })
}

/// The staged rows of a table that passed: all but those of these ordinals.
pub struct Passed<'a> {
    pub table: &'static TableDef,
    pub staged: Vec<StagedBatches>,
    pub refused: &'a [i64],
}

/// The schema that holds what came with the load.
const LOAD: &str = "load";

/// Writes what the records of a load mean for the entries that are there: none if they mean nothing. `refused` are the
/// records that this load put aside. All of it is joined by the engine, which goes through temporary files where
/// millions of entries do not fit into memory.
///
/// # Errors
/// [`Error::Lake`], and those of reading staged rows.
pub async fn events_of_load(
    session: &SessionContext,
    staging: &Staging,
    passed: &[Passed<'_>],
    refused: &[StagedBatches],
    mut to: TableWriter,
    run: &Run,
) -> Result<Option<Staged>> {
    let schema = Arc::new(MemorySchemaProvider::new());
    if let Some(catalog) = session.catalog(concert_lake::CATALOG) {
        catalog
            .register_schema(LOAD, Arc::clone(&schema) as Arc<dyn SchemaProvider>)
            .map_err(failed)?;
    }
    register(session, &schema, staging, REFUSED, refused, refused_schema()).await?;
    for passed in passed {
        let name = passed.table.name;
        register(
            session,
            &schema,
            staging,
            name,
            &passed.staged,
            stage_schema(passed.table),
        )
        .await?;
        let ordinals: ArrayRef = Arc::new(Int64Array::from(passed.refused.to_vec()));
        let ordinals = RecordBatch::try_from_iter([(ORDINAL, ordinals)]).map_err(|source| Error::Arrow {
            table: QUARANTINE_EVENTS.name,
            source,
        })?;
        let ordinals = MemTable::try_new(ordinals.schema(), vec![vec![ordinals]]).map_err(failed)?;
        schema
            .register_table(format!("{name}_refused"), Arc::new(ordinals))
            .map_err(failed)?;
    }

    let mut statements = Vec::new();
    if refused.iter().any(|staged| staged.rows > 0) {
        statements.push(came_again());
    }
    let open = format!("SELECT DISTINCT table_name FROM ({OPEN_QUARANTINE})");
    let mut names = stream(session, &open).await?;
    while let Some(batch) = names.next().await {
        let batch = batch.map_err(failed)?;
        for name in (0..batch.num_rows()).filter_map(|row| text(&batch, 0, row)) {
            let of_table = passed.iter().filter(|passed| passed.table.name == name);
            statements.extend(of_table.map(|passed| mended(passed.table)));
        }
    }
    for sql in statements {
        let mut found = stream(session, &sql).await?;
        while let Some(batch) = found.next().await {
            let written = match batch.map_err(failed).and_then(|batch| event_rows(&batch, run)) {
                Ok(rows) => to.write(&rows).await.map_err(Error::from),
                Err(e) => Err(e),
            };
            if let Err(e) = written {
                to.abort().await;
                return Err(e);
            }
        }
    }
    if to.rows() == 0 {
        to.abort().await;
        return Ok(None);
    }
    Ok(Some(to.finish().await?))
}

/// The name of the records that this load put aside.
const REFUSED: &str = "refused";

/// Registers staged files as one table.
async fn register(
    session: &SessionContext,
    schema: &MemorySchemaProvider,
    staging: &Staging,
    name: &str,
    staged: &[StagedBatches],
    columns: SchemaRef,
) -> Result<()> {
    let paths: Vec<String> = staged
        .iter()
        .filter_map(|staged| staging.path_of(staged))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let provider = if paths.is_empty() {
        Arc::new(MemTable::try_new(columns, vec![vec![]]).map_err(failed)?)
    } else {
        let options = ArrowReadOptions::default().schema(&columns);
        session.read_arrow(paths, options).await.map_err(failed)?.into_view()
    };
    schema.register_table(name.to_owned(), provider).map_err(failed)?;
    Ok(())
}

/// Entries whose record was put aside again: a closed one is open once more; an open one is closed where the same
/// record breaks another rule now.
fn came_again() -> String {
    format!(
        "SELECT s.quarantine_id, CASE WHEN s.is_open THEN '{superseded}' ELSE '{reopened}' END AS event \
         FROM ({QUARANTINE_STATES}) s {AGAIN} {PLACES} \
         WHERE (NOT s.is_open AND again.quarantine_id IS NOT NULL) \
         OR (s.is_open AND again.quarantine_id IS NULL AND places.table_name IS NOT NULL)",
        superseded = EventKind::Superseded.name(),
        reopened = EventKind::Reopened.name(),
    )
}

/// Beside an entry `s`, whether its record was put aside by this load, for the same reason or for any.
const AGAIN: &str = "LEFT JOIN (SELECT DISTINCT quarantine_id FROM load.refused) again \
                     ON again.quarantine_id = s.quarantine_id";
const PLACES: &str = "LEFT JOIN (SELECT DISTINCT table_name, source, line, coalesce(element, -1) AS element \
                      FROM load.refused) places \
                      ON places.table_name = s.table_name AND places.source = s.source AND places.line = s.line \
                      AND places.element = coalesce(s.element, -1)";

/// Open entries of a table whose record came again and passed: a row of the same key, or of the same line of a file of
/// the same name. Of several rows in one record, the line does not tell which is which.
fn mended(table: &TableDef) -> String {
    let name = table.name;
    let waiting = format!(
        "SELECT s.quarantine_id, s.record_key, s.source, s.line FROM ({QUARANTINE_STATES}) s {AGAIN} {PLACES} \
         WHERE s.is_open AND s.table_name = {of} AND again.quarantine_id IS NULL AND places.table_name IS NULL",
        of = literal(name),
    );
    let passed = format!(
        "SELECT {key} AS key, rows._source, rows._line FROM load.{name} rows \
         LEFT ANTI JOIN load.{name}_refused refused ON refused.{ORDINAL} = rows.{ORDINAL}",
        key = key_of(table, "rows"),
    );
    format!(
        "SELECT DISTINCT quarantine_id, '{event}' AS event FROM (\
         SELECT w.quarantine_id FROM ({waiting}) w LEFT SEMI JOIN ({passed}) p ON p.key = w.record_key \
         UNION ALL \
         SELECT w.quarantine_id FROM ({waiting} AND s.element IS NULL) w \
         LEFT SEMI JOIN ({passed}) p ON p._source = w.source AND p._line = w.line) found",
        event = EventKind::Mended.name(),
    )
}

/// Events as they are stored, of ids and kinds.
fn event_rows(found: &RecordBatch, run: &Run) -> Result<RecordBatch> {
    let rows = found.num_rows();
    let [ids, at] = run.columns(rows);
    let columns: Vec<ArrayRef> = vec![Arc::clone(found.column(0)), Arc::clone(found.column(1)), ids, at];
    RecordBatch::try_new(QUARANTINE_EVENTS.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: QUARANTINE_EVENTS.name,
        source,
    })
}
