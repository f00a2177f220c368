//! Makes `concert_dw` out of the clean layer and publishes it: copies the model's tables, lists the values that the
//! catalogue's dimensions take, and says how far the data reaches. What is published is a function of the clean rows,
//! the catalogue and the day; publishing the same again changes nothing, not even the snapshot's id.
//!
//! Linking duplicates and marts are not here yet: a table is copied as it is, in the order of its key.

mod content;
mod error;
mod values;

pub use error::{Error, Result};
pub use values::collect as catalogue_values;

use crate::content::{day_column, fingerprint, instants, rows};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use concert_contract::catalogue::Catalogue;
use concert_lake::{
    Lake, Layer, Snapshot, Writer, new_id,
    schema::{CATALOGUE_VALUES, MODEL, PUBLICATION, TableDef},
};
use datafusion::prelude::SessionContext;
use jiff::{Timestamp, civil::Date};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Goes up when the way from clean to published changes, so that the next publication makes the tables anew.
const METHOD: u32 = 1;

/// The name under which a snapshot keeps the hash of its inputs; no table has it.
const INPUTS: &str = "(inputs)";

#[derive(Clone, Copy, Debug)]
pub struct PublishOptions {
    /// A day after this one is not complete, whatever the data says.
    pub today: Date,
    /// How long to wait for another writer.
    pub wait: Duration,
}

/// Publishes the clean layer as `concert_dw` and returns the snapshot that is current afterwards: the one from before
/// if nothing would change.
///
/// # Errors
/// [`Error::Lake`] when a table cannot be read or written, [`Error::Catalogue`] when the catalogue names a table or a
/// column that is not there. Nothing is published then.
pub async fn publish(lake: &Lake, catalogue: &Catalogue, options: &PublishOptions) -> Result<Snapshot> {
    let mut writer = lake.writer(options.wait).await?;
    let before = writer.snapshot(Layer::ConcertDw);
    let inputs = inputs(&writer.snapshot(Layer::Clean), catalogue, options.today)?;
    if before.fingerprints.get(INPUTS) == Some(&inputs) {
        return Ok(before);
    }
    let mut fingerprints = BTreeMap::from([(INPUTS.to_owned(), inputs)]);
    let mut changed = before.id.is_empty();

    for table in &MODEL {
        changed |= copy(&mut writer, table, &before, &mut fingerprints).await?;
    }

    let session = lake.session(&writer.heads(Layer::ConcertDw)).await?;
    let values = values::collect(&session, catalogue).await?;
    changed |= write_changed(&mut writer, &CATALOGUE_VALUES, values, &before, &mut fingerprints).await?;

    // The publication speaks of the tables as they are now, the values among them.
    let session = lake.session(&writer.heads(Layer::ConcertDw)).await?;
    let mut states = Vec::new();
    for table in Layer::ConcertDw
        .tables()
        .iter()
        .filter(|table| table.name != PUBLICATION.name)
    {
        states.push(state_of(&session, table, options.today).await?);
    }
    let content = format!("{METHOD} {states:?}");
    changed |= before.fingerprints.get(PUBLICATION.name) != Some(&content);
    if !changed {
        return Ok(before);
    }

    let now = Timestamp::now();
    let id = new_id(now);
    fingerprints.insert(PUBLICATION.name.to_owned(), content);
    writer
        .replace(
            Layer::ConcertDw,
            PUBLICATION.name,
            vec![publication(&states, &id, now)?],
        )
        .await?;
    Ok(writer.commit(Layer::ConcertDw, id, now, fingerprints)?)
}

/// Everything that a publication is a function of, in one hash. Other inputs may still give the same content.
fn inputs(clean: &Snapshot, catalogue: &Catalogue, today: Date) -> Result<String> {
    let catalogue = serde_json::to_string(catalogue).map_err(|source| Error::Json { source })?;
    let mut hash = Sha256::new();
    for part in [format!("{METHOD} {today} {:?}", clean.tables), catalogue] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    Ok(content::hex(&hash.finalize()))
}

/// Copies a clean table, without its lineage, if its rows are others than those that are published.
async fn copy(
    writer: &mut Writer,
    table: &TableDef,
    before: &Snapshot,
    fingerprints: &mut BTreeMap<String, String>,
) -> Result<bool> {
    let clean = writer.snapshot(Layer::Clean);
    let Some(version) = clean.tables.get(table.name) else {
        return Ok(false);
    };
    // The version tells at once that nothing happened; the hash tells that what happened changed nothing here, as
    // when only lineage moved.
    let seen = format!("{METHOD} clean@{version} ");
    if let Some(fingerprint) = before.fingerprints.get(table.name).filter(|f| f.starts_with(&seen)) {
        fingerprints.insert(table.name.to_owned(), fingerprint.clone());
        return Ok(false);
    }
    let session = writer.lake().layer_session(Layer::Clean, &clean).await?;
    let columns: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
    let sql = format!(
        "SELECT {} FROM {} ORDER BY {}",
        columns.join(", "),
        table.name,
        table.key.join(", ")
    );
    let batches = rows(&session, &sql).await?;
    let hash = fingerprint(&batches)?;
    fingerprints.insert(table.name.to_owned(), format!("{seen}{hash}"));
    if before.fingerprints.get(table.name).is_some_and(|f| f.ends_with(&hash)) {
        return Ok(false);
    }
    let schema = match Layer::ConcertDw.table(table.name) {
        Some(published) => published.arrow_schema(),
        None => return Ok(false),
    };
    let batches = batches
        .into_iter()
        .map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| Error::Arrow {
            table: table.name,
            source,
        })?;
    writer.replace(Layer::ConcertDw, table.name, batches).await?;
    Ok(true)
}

async fn write_changed(
    writer: &mut Writer,
    table: &TableDef,
    batch: RecordBatch,
    before: &Snapshot,
    fingerprints: &mut BTreeMap<String, String>,
) -> Result<bool> {
    let hash = format!("{METHOD} {}", fingerprint(std::slice::from_ref(&batch))?);
    let changed = before.fingerprints.get(table.name) != Some(&hash);
    if changed {
        writer.replace(Layer::ConcertDw, table.name, vec![batch]).await?;
    }
    fingerprints.insert(table.name.to_owned(), hash);
    Ok(changed)
}

/// One row of `publication`, without what differs from run to run.
#[derive(Debug)]
struct TableState {
    table: &'static str,
    rows: i64,
    /// Days since 1970-01-01.
    first_day: Option<i32>,
    last_complete_day: Option<i32>,
    filled_columns: Vec<&'static str>,
}

/// Counts a table's rows and values in one pass.
async fn state_of(session: &SessionContext, table: &'static TableDef, today: Date) -> Result<TableState> {
    let mut select = vec!["count(*)".to_owned()];
    if let Some(day) = table.day {
        select.push(format!("CAST(min({day}) AS DATE)"));
        // A concert's day is complete when a concert took place on it. Of what is recorded as it comes in, today is
        // still open.
        let complete = match table.column("status") {
            Some(_) => format!("status = 'completed' AND CAST({day} AS DATE) <= DATE '{today}'"),
            None => format!("CAST({day} AS DATE) < DATE '{today}'"),
        };
        select.push(format!("CAST(max(CASE WHEN {complete} THEN {day} END) AS DATE)"));
    }
    select.extend(table.columns().iter().map(|column| format!("count({})", column.name)));
    let sql = format!("SELECT {} FROM {}", select.join(", "), table.name);
    let batches = rows(session, &sql).await?;
    let count = |column: usize| batches.first().map_or(0, |batch| content::integer(batch, column, 0));
    let day = |column: usize| batches.first().and_then(|batch| day_column(batch, column, 0));
    let days = if table.day.is_some() { 2 } else { 0 };
    Ok(TableState {
        table: table.name,
        rows: count(0),
        first_day: if days > 0 { day(1) } else { None },
        last_complete_day: if days > 0 { day(2) } else { None },
        filled_columns: table
            .columns()
            .iter()
            .enumerate()
            .filter(|(index, _)| count(1 + days + index) > 0)
            .map(|(_, column)| column.name)
            .collect(),
    })
}

fn publication(states: &[TableState], id: &str, now: Timestamp) -> Result<RecordBatch> {
    let filled = states
        .iter()
        .map(|state| serde_json::to_string(&state.filled_columns))
        .collect::<Result<Vec<String>, _>>()
        .map_err(|source| Error::Json { source })?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![id; states.len()])),
        Arc::new(instants(now, states.len())),
        Arc::new(StringArray::from_iter_values(states.iter().map(|state| state.table))),
        Arc::new(Int64Array::from_iter_values(states.iter().map(|state| state.rows))),
        content::days(states.iter().map(|state| state.first_day)),
        content::days(states.iter().map(|state| state.last_complete_day)),
        Arc::new(StringArray::from(filled)),
    ];
    RecordBatch::try_new(PUBLICATION.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: PUBLICATION.name,
        source,
    })
}
