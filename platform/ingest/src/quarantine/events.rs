//! What happens to entries of the quarantine when files are loaded: a record that came again and was clean closes its
//! entry, and a record that is refused again opens a closed one.

use super::{failed, number, stream, text};
use crate::{
    Error, Result,
    collect::ORDINAL,
    rules::KEY_SEPARATOR,
    stage::{Run, StagedBatches, Staging},
};
use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::Int64Type,
};
use concert_lake::schema::{QUARANTINE_EVENTS, QUARANTINE_STATES, TableDef};
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

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

/// The staged rows of a table that passed: all but those of these ordinals, which are sorted.
pub struct Passed<'a> {
    pub table: &'static TableDef,
    pub staged: Vec<StagedBatches>,
    pub refused: &'a [i64],
}

/// Entries of earlier loads, by what a mended record is known by.
#[derive(Default)]
struct Waiting {
    by_key: HashMap<String, Vec<String>>,
    by_line: HashMap<(String, u64), Vec<String>>,
}

/// What the records of a load mean for the entries that are there. `refused` are the records that this load put aside.
///
/// # Errors
/// [`Error::Lake`], and those of reading staged rows.
pub async fn events_of_load(
    session: &SessionContext,
    staging: &Staging,
    passed: &[Passed<'_>],
    refused: &[StagedBatches],
) -> Result<Vec<Event>> {
    let mut again = HashSet::new();
    let mut places: HashSet<Place> = HashSet::new();
    for staged in refused {
        for batch in staging.read(staged, None)? {
            let batch = batch?;
            let columns: Option<Vec<usize>> = ["quarantine_id", "table_name", "source", "line", "element"]
                .iter()
                .map(|name| batch.schema().index_of(name).ok())
                .collect();
            let Some(columns) = columns else { continue };
            for row in 0..batch.num_rows() {
                again.extend(text(&batch, columns[0], row));
                places.insert((
                    text(&batch, columns[1], row).unwrap_or_default(),
                    text(&batch, columns[2], row).unwrap_or_default(),
                    number(&batch, columns[3], row).unwrap_or_default(),
                    number(&batch, columns[4], row),
                ));
            }
        }
    }
    let mut events = Vec::new();
    let mut waiting: HashMap<String, Waiting> = HashMap::new();
    let sql = format!(
        "SELECT quarantine_id, table_name, source, line, element, record_key, is_open FROM ({QUARANTINE_STATES})"
    );
    let mut rows = stream(session, &sql).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(failed)?;
        let open = batch.column(6).as_boolean_opt();
        for row in 0..batch.num_rows() {
            let id = text(&batch, 0, row).unwrap_or_default();
            let is_open = open.is_some_and(|open| open.is_valid(row) && open.value(row));
            match (is_open, again.contains(&id)) {
                (false, true) => events.push(Event {
                    quarantine_id: id,
                    kind: EventKind::Reopened,
                }),
                (true, false) if places.contains(&place(&batch, row)) => events.push(Event {
                    quarantine_id: id,
                    kind: EventKind::Superseded,
                }),
                (true, false) => {
                    let of_table = waiting.entry(text(&batch, 1, row).unwrap_or_default()).or_default();
                    if let Some(key) = text(&batch, 5, row) {
                        of_table.by_key.entry(key).or_default().push(id.clone());
                    }
                    // Of several rows in one record, the line does not tell which is which.
                    if let (Some(source), Some(line), None) =
                        (text(&batch, 2, row), number(&batch, 3, row), number(&batch, 4, row))
                    {
                        of_table.by_line.entry((source, line)).or_default().push(id);
                    }
                }
                _ => {}
            }
        }
    }
    let mut mended = HashSet::new();
    for passed in passed {
        let Some(waiting) = waiting.get(passed.table.name) else {
            continue;
        };
        for staged in &passed.staged {
            for batch in staging.read(staged, None)? {
                find(&batch?, passed, waiting, &mut mended);
            }
        }
    }
    let mut mended: Vec<String> = mended.into_iter().collect();
    mended.sort();
    events.extend(mended.into_iter().map(|quarantine_id| Event {
        quarantine_id,
        kind: EventKind::Mended,
    }));
    Ok(events)
}

/// Where a record stands: table, source, line and element.
type Place = (String, String, u64, Option<u64>);

fn place(batch: &RecordBatch, row: usize) -> Place {
    (
        text(batch, 1, row).unwrap_or_default(),
        text(batch, 2, row).unwrap_or_default(),
        number(batch, 3, row).unwrap_or_default(),
        number(batch, 4, row),
    )
}

fn find(batch: &RecordBatch, passed: &Passed<'_>, waiting: &Waiting, mended: &mut HashSet<String>) {
    let texts = |name: &str| {
        batch
            .column_by_name(name)
            .and_then(|texts| texts.as_string_opt::<i32>())
    };
    let numbers = |name: &str| {
        batch
            .column_by_name(name)
            .and_then(|numbers| numbers.as_primitive_opt::<Int64Type>())
    };
    let keys: Option<Vec<_>> = passed.table.key.iter().map(|name| texts(name)).collect();
    let (Some(keys), Some(sources), Some(lines), Some(ordinals)) =
        (keys, texts("_source"), numbers("_line"), numbers(ORDINAL))
    else {
        return;
    };
    let mut key = String::new();
    for row in 0..batch.num_rows() {
        if passed.refused.binary_search(&ordinals.value(row)).is_ok() {
            continue;
        }
        key.clear();
        for (at, part) in keys.iter().enumerate() {
            if at > 0 {
                key.push(KEY_SEPARATOR);
            }
            key.push_str(part.value(row));
        }
        mended.extend(waiting.by_key.get(&key).into_iter().flatten().cloned());
        if !waiting.by_line.is_empty() {
            let line = (sources.value(row).to_owned(), lines.value(row).unsigned_abs());
            mended.extend(waiting.by_line.get(&line).into_iter().flatten().cloned());
        }
    }
}
