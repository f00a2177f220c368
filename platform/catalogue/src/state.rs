//! What the tables behind a catalogue hold, in the contract's own terms: rows, filled columns, days, currencies.

use crate::{
    error::Result,
    profile::{Ask, count, quoted},
};
use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use concert_contract::{
    api::{DataState, TableState},
    catalogue::{Catalogue, CatalogueValue},
    table::Cell,
};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// The state of the tables that a catalogue names; it is the same for the same rows.
///
/// # Errors
/// A statement that the engine refuses.
pub async fn data_state(asker: &impl Ask, catalogue: &Catalogue) -> Result<DataState> {
    let mut state = DataState {
        snapshot_id: catalogue.version.clone(),
        ..DataState::default()
    };
    for (name, table) in &catalogue.tables {
        let columns: Vec<&String> = table.columns.keys().collect();
        let time = table.time.as_deref().map(quoted);
        let mut items = vec!["COUNT(*) AS c".to_owned()];
        items.extend(match &time {
            Some(time) => ["MIN", "MAX"]
                .map(|of| format!("CAST({of}({time}) AS DATE) AS {of}_day"))
                .to_vec(),
            None => ["NULL AS a", "NULL AS b"].map(str::to_owned).to_vec(),
        });
        items.extend(
            columns
                .iter()
                .enumerate()
                .map(|(at, column)| format!("COUNT({}) AS c{at}", quoted(column))),
        );
        let sql = format!("SELECT {} FROM {}", items.join(", "), asker.table(name));
        let rows = asker.ask(name, &sql).await?;
        let row = rows.into_iter().next().unwrap_or_default();
        let day = |at: usize| {
            row.get(at)
                .and_then(Cell::as_str)
                .and_then(|text| text.parse::<Date>().ok())
        };
        state.tables.push(TableState {
            table_name: name.clone(),
            row_count: count(row.first()),
            first_day: day(1),
            last_complete_day: day(2),
            filled_columns: columns
                .iter()
                .enumerate()
                .filter(|(at, _)| count(row.get(at + 3)) > 0)
                .map(|(_, column)| (*column).clone())
                .collect(),
        });
    }
    state.last_complete_day = state.tables.iter().filter_map(|table| table.last_complete_day).max();
    state.currencies = currencies(asker, catalogue).await?;
    Ok(state)
}

/// The currencies of all money, the most frequent first.
async fn currencies(asker: &impl Ask, catalogue: &Catalogue) -> Result<Vec<String>> {
    let mut columns: Vec<&str> = catalogue
        .metrics
        .iter()
        .flat_map(|metric| &metric.sources)
        .filter_map(|source| source.currency.as_deref())
        .collect();
    columns.sort_unstable();
    columns.dedup();
    let mut weights: BTreeMap<String, u64> = BTreeMap::new();
    for (table, column) in columns.iter().filter_map(|column| column.split_once('.')) {
        let sql = format!(
            "SELECT {c}, COUNT(*) FROM {t} WHERE {c} IS NOT NULL GROUP BY 1",
            c = quoted(column),
            t = asker.table(table)
        );
        for row in asker.ask(table, &sql).await? {
            if let Some(code) = row.first().and_then(Cell::as_str) {
                *weights.entry(code.to_owned()).or_default() += count(row.get(1));
            }
        }
    }
    let mut currencies: Vec<(String, u64)> = weights.into_iter().collect();
    currencies.sort_by(|(a, a_weight), (b, b_weight)| b_weight.cmp(a_weight).then_with(|| a.cmp(b)));
    Ok(currencies.into_iter().map(|(code, _)| code).collect())
}

/// The rows of `catalogue_values` (dimension, value, label, weight, sounds_like). A row that is none is left out.
pub fn values_of(batch: &RecordBatch) -> Vec<CatalogueValue> {
    let text = |column: usize, row: usize| {
        let array = batch.columns().get(column)?.as_string_opt::<i32>()?;
        (!array.is_null(row)).then(|| array.value(row).to_owned())
    };
    let weight = |row: usize| {
        let array = batch.columns().get(3)?.as_primitive_opt::<Int64Type>()?;
        (!array.is_null(row)).then(|| array.value(row))
    };
    (0..batch.num_rows())
        .filter_map(|row| {
            Some(CatalogueValue {
                dimension: text(0, row)?,
                value: text(1, row)?,
                label: text(2, row)?,
                weight: weight(row)?,
                sounds_like: text(4, row),
            })
        })
        .collect()
}
