//! The table `publication`: what each published table holds and how far its days reach.

use crate::{
    Error, METHOD, Result,
    content::{self, day_column, rows, side_by_side},
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use concert_lake::{
    Layer,
    schema::{PUBLICATION, TableDef},
};
use datafusion::prelude::SessionContext;
use futures::FutureExt as _;
use jiff::{Timestamp, civil::Date};
use std::sync::Arc;

/// The state of every published table, `publication` itself aside.
#[derive(Debug)]
pub struct Publication {
    tables: Vec<TableState>,
}

/// One row, without what differs from run to run.
#[derive(Debug)]
struct TableState {
    table: &'static str,
    rows: i64,
    /// Days since 1970-01-01.
    first_day: Option<i32>,
    last_complete_day: Option<i32>,
    filled_columns: Vec<&'static str>,
}

impl Publication {
    pub async fn of(session: &SessionContext, today: Date) -> Result<Publication> {
        let others = Layer::ConcertDw.tables().iter();
        let works = others
            .filter(|table| table.name != PUBLICATION.name)
            .map(|table| state_of(session.clone(), table, today).boxed())
            .collect();
        Ok(Publication {
            tables: side_by_side(works).await?,
        })
    }

    /// How many rows a table has.
    pub fn rows(&self, table: &str) -> u64 {
        let state = self.tables.iter().find(|state| state.table == table);
        state.map_or(0, |state| u64::try_from(state.rows).unwrap_or(0))
    }

    /// The same for the same state.
    pub fn fingerprint(&self) -> String {
        format!("{METHOD} {:?}", self.tables)
    }

    pub fn batch(&self, id: &str, now: Timestamp) -> Result<RecordBatch> {
        let tables = &self.tables;
        let filled = tables
            .iter()
            .map(|state| serde_json::to_string(&state.filled_columns))
            .collect::<Result<Vec<String>, _>>()
            .map_err(|source| Error::Json { source })?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![id; tables.len()])),
            Arc::new(content::instants(now, tables.len())),
            Arc::new(StringArray::from_iter_values(tables.iter().map(|state| state.table))),
            Arc::new(Int64Array::from_iter_values(tables.iter().map(|state| state.rows))),
            content::days(tables.iter().map(|state| state.first_day)),
            content::days(tables.iter().map(|state| state.last_complete_day)),
            Arc::new(StringArray::from(filled)),
        ];
        RecordBatch::try_new(PUBLICATION.arrow_schema(), columns).map_err(|source| Error::Arrow {
            table: PUBLICATION.name,
            source,
        })
    }
}

/// Counts a table's rows and values in one pass.
async fn state_of(session: SessionContext, table: &'static TableDef, today: Date) -> Result<TableState> {
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
    let batches = rows(&session, &sql).await?;
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
