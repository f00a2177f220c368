//! The published data's state and the values of the catalogue, read from the warehouse and remembered: `publication`
//! at most once a minute, the values once per snapshot.

use crate::{
    Inner, Level,
    failure::Failure,
    flight::Boarded,
    limits::{PUBLICATION_MAX_AGE_MS, VALUES_MAX_ROWS},
    lock,
    statement::{StatementError, coerce, select},
    upstream::{Context, WAREHOUSE},
    values::Values,
};
use concert_contract::{
    api::{CatalogueAnswer, DataState, PUBLICATION_SQL, VALUES_SQL, values_from_table},
    catalogue::CatalogueValue,
    table::{ColumnType, Table},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Tables of a warehouse in which one snapshot has a few dozen rows.
const PUBLICATION_MAX_ROWS: usize = 1_000;

/// One snapshot, as the edge knows it.
#[derive(Debug)]
pub struct Data {
    pub state: DataState,
    pub values: Values,
    /// What can be asked of this snapshot, by role.
    offers: Mutex<BTreeMap<String, Arc<CatalogueAnswer>>>,
}

impl Data {
    fn new(state: DataState, values: Values) -> Data {
        Data {
            state,
            values,
            offers: Mutex::default(),
        }
    }

    /// What a role can ask of this snapshot.
    ///
    /// # Errors
    /// The role may see nothing.
    pub fn offer(&self, edge: &Inner, role: &str) -> Result<Arc<CatalogueAnswer>, Failure> {
        // Without roles everybody is offered the same.
        let name = if edge.catalogue.roles.is_empty() { "" } else { role };
        if let Some(known) = lock(&self.offers).get(name) {
            return Ok(known.clone());
        }
        let seen = edge.seen_by(role)?;
        let is_seen = |value: &&CatalogueValue| seen.dimension(&value.dimension).is_some();
        let offer = if self.values.all().iter().all(|value| is_seen(&value)) {
            CatalogueAnswer::build(&seen, &self.state, self.values.all())
        } else {
            let values: Vec<CatalogueValue> = self.values.all().iter().filter(is_seen).cloned().collect();
            CatalogueAnswer::build(&seen, &self.state, &values)
        };
        let offer = Arc::new(offer);
        lock(&self.offers).insert(name.to_owned(), offer.clone());
        Ok(offer)
    }
}

#[derive(Debug)]
pub struct Remembered {
    data: Arc<Data>,
    read_at_ms: u64,
}

/// What was read within the last minute, else what is there now.
pub async fn data(context: &Context) -> Result<Arc<Data>, Failure> {
    let now_ms = context.host.now_ms();
    if let Some(known) = &*lock(&context.edge.data)
        && now_ms.saturating_sub(known.read_at_ms) < PUBLICATION_MAX_AGE_MS
        // Nothing is published yet: whoever waits for the first data should not wait a minute more.
        && !known.data.state.snapshot_id.is_empty()
    {
        return Ok(known.data.clone());
    }
    fresh(context).await
}

/// What is there now. Requests that ask at the same time read it once.
pub async fn fresh(context: &Context) -> Result<Arc<Data>, Failure> {
    if !context.host.requests_may_meet() {
        return read(context).await;
    }
    loop {
        match context.edge.data_flights.board([0; 32]) {
            Boarded::Lead(lead) => {
                let data = read(context).await;
                lead.land(&data);
                return data;
            }
            Boarded::Follow(follower) => {
                if let Ok(data) = follower.await {
                    return data;
                }
            }
        }
    }
}

async fn read(context: &Context) -> Result<Arc<Data>, Failure> {
    let read_at_ms = context.host.now_ms();
    let publication = match select(context, PUBLICATION_SQL, &[], PUBLICATION_MAX_ROWS).await {
        Ok(rows) => integers(rows.into_table()),
        Err(StatementError::Failed(reason)) if is_missing_table(&reason) => {
            context.log(Level::Warning, &format!("nothing is published: {reason}"));
            return Ok(remember(
                context,
                Data::new(DataState::default(), Values::default()),
                read_at_ms,
            ));
        }
        Err(error) => return Err(error.into_failure()),
    };
    let currency = context
        .edge
        .catalogue
        .currency_dimension()
        .map(|dimension| dimension.name.as_str());
    let state = DataState::from_tables(&publication, &[], currency)
        .map_err(|error| Failure::upstream_broken(WAREHOUSE, error.to_string()))?;
    let known = lock(&context.edge.data)
        .as_ref()
        .map(|known| known.data.clone())
        .filter(|known| known.state.snapshot_id == state.snapshot_id);
    if let Some(known) = known {
        *lock(&context.edge.data) = Some(Remembered {
            data: known.clone(),
            read_at_ms,
        });
        return Ok(known);
    }
    let values = select(context, VALUES_SQL, &[], VALUES_MAX_ROWS)
        .await
        .map_err(StatementError::into_failure)?;
    let values = values_from_table(&integers(values.into_table()))
        .map_err(|error| Failure::upstream_broken(WAREHOUSE, error.to_string()))?;
    let state = DataState::from_tables(&publication, &values, currency)
        .map_err(|error| Failure::upstream_broken(WAREHOUSE, error.to_string()))?;
    let values = Values::new(values, &context.edge.catalogue);
    Ok(remember(context, Data::new(state, values), read_at_ms))
}

fn remember(context: &Context, data: Data, read_at_ms: u64) -> Arc<Data> {
    let data = Arc::new(data);
    *lock(&context.edge.data) = Some(Remembered {
        data: data.clone(),
        read_at_ms,
    });
    data
}

/// Counts can come as NUMERIC.
fn integers(mut table: Table) -> Table {
    for row in &mut table.rows {
        for cell in row {
            *cell = coerce(
                std::mem::replace(cell, concert_contract::table::Cell::Null),
                ColumnType::Integer,
            );
        }
    }
    table
}

/// An empty warehouse is a state, not a fault.
fn is_missing_table(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    reason.contains("does not exist") || reason.contains("not found")
}
