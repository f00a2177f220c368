//! `Query` + catalogue to one Redshift SELECT with named parameters.
//!
//! Every metric is aggregated over its own table, joined only from many to one, so that no join can count a row twice;
//! metrics of different tables are aggregated apart and brought together by their groups. The statement is plain
//! enough for Redshift and for DataFusion: no dialect functions beyond EXTRACT, DATE_TRUNC and STRPOS.
//!
//! Rows whose dimension is NULL are kept in a breakdown, so that its rows add up to the whole, and dropped from a
//! ranking (a limit, or a condition on a metric), where "no city" is not an answer to "which city".

mod check;
mod clause;
mod compiler;
mod expression;
mod graph;
mod layers;
mod metric;
mod offer;
mod order;
mod parts;
mod period;
mod reserved;
mod role;
mod schema;
mod scope;
mod values;
mod world;

pub use check::{CatalogueError, CatalogueProblem};
pub use expression::{ColumnRef, Expression};
pub use offer::suggest;
pub use schema::query_schema;

use crate::{
    api::{DataState, Parameter},
    catalogue::{Catalogue, Dimension, MetricSource},
    query::{Days, Query, QueryError},
    table::{Cell, Column, Table},
};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// The most values one filter may name, and the most metrics, dimensions or filters of one query. They keep a
/// statement far under Redshift's 100 KB.
pub const MAX_VALUES: usize = 500;
pub const MAX_PARTS: usize = 20;
/// The longest text value of a filter, in bytes: Redshift cuts a longer one at the width of its cast.
pub const MAX_TEXT_BYTES: usize = 1024;

/// What a compilation depends on beside the query and the catalogue.
#[derive(Clone, Debug)]
pub struct CompileContext<'a> {
    /// Resolves relative periods.
    pub today: Date,
    /// Decides between the sources of a metric, and how money is grouped.
    pub state: &'a DataState,
    /// Who asks, as the catalogue's roles are named. None sees everything.
    pub role: Option<&'a str>,
    /// Rows of one page. The statement reads one more, by which [`Compiled::page`] tells that there are more.
    pub max_rows: u32,
    /// Rows of earlier pages.
    pub offset: u64,
}

/// A statement, and what its result means.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    pub sql: String,
    pub parameters: Vec<Parameter>,
    /// The columns of the result, in order.
    pub columns: Vec<Column>,
    /// What a reader must know about the numbers, as sentences: which source was taken, where a period was cut.
    pub notes: Vec<String>,
    /// The catalogue's tables that it reads, sorted.
    pub tables: Vec<String>,
    /// The days that the period came to, after a cut at the last complete day.
    pub days: Days,
    max_rows: u32,
    /// Index of a currency column that nobody asked for, and whether one currency was taken out of several.
    currency: Option<(usize, bool)>,
}

/// One page of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub table: Table,
    /// [`Compiled::notes`], and what only the rows tell, such as the currency that was taken.
    pub notes: Vec<String>,
}

/// Compiles a query.
///
/// # Errors
/// What is wrong, where in the query, and how to mend it.
pub fn compile(query: &Query, catalogue: &Catalogue, context: &CompileContext<'_>) -> Result<Compiled, QueryError> {
    let world = world::World::new(catalogue, context)?;
    compiler::Compiler::new(&world, query)?.compile()
}

impl Compiled {
    /// Makes a page of the rows that the statement returned: puts the columns' names, types and units to them, cuts
    /// the row too many, and takes a currency column that nobody asked for into the unit where it is the same in
    /// every row.
    pub fn page(&self, mut rows: Vec<Vec<Cell>>) -> Page {
        let most = usize::try_from(self.max_rows).unwrap_or(usize::MAX);
        let truncated = rows.len() > most;
        rows.truncate(most);
        let mut columns = self.columns.clone();
        let mut notes = self.notes.clone();
        if let Some((index, taken)) = self.currency {
            let codes: BTreeSet<String> = rows
                .iter()
                .filter_map(|row| row.get(index)?.as_str())
                .map(str::to_owned)
                .collect();
            if let (Some(code), 1) = (codes.first(), codes.len()) {
                if taken {
                    notes.push(format!(
                        "Only amounts in {code} are counted, the most frequent currency here."
                    ));
                }
                for column in &mut columns {
                    if column.unit.as_deref() == Some(MIXED_CURRENCY) {
                        column.unit = Some(code.clone());
                    }
                }
                columns.remove(index);
                for row in &mut rows {
                    if index < row.len() {
                        row.remove(index);
                    }
                }
            } else if codes.len() > 1 {
                notes.push("Amounts in different currencies are not added up.".to_owned());
            }
        }
        for column in &mut columns {
            if column.unit.as_deref() == Some(MIXED_CURRENCY) {
                column.unit = None;
            }
        }
        let row_count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Page {
            table: Table {
                columns,
                rows,
                row_count,
                truncated,
            },
            notes,
        }
    }

    /// The columns as a dry run shows them.
    pub fn public_columns(&self) -> Vec<Column> {
        let mut columns = self.columns.clone();
        for column in &mut columns {
            if column.unit.as_deref() == Some(MIXED_CURRENCY) {
                column.unit = None;
            }
        }
        columns
    }
}

/// Stands for "the currency that the row's currency column names", until the rows are seen.
const MIXED_CURRENCY: &str = "currency";

/// The table whose rows a metric's source aggregates.
fn base_of(world: &world::World<'_>, source: &MetricSource) -> Option<String> {
    let mut columns: Vec<ColumnRef> = Vec::new();
    for text in std::iter::once(&source.of).chain(&source.over) {
        columns.extend(Expression::parse(text).ok()?.columns().into_iter().cloned());
    }
    columns.extend(source.filters.iter().filter_map(|f| ColumnRef::parse(&f.dimension)));
    world.graph.base_table(&columns)
}

/// Whether the published data says anything of a dimension.
pub fn filled_dimension(dimension: &Dimension, catalogue: &Catalogue, state: &DataState) -> bool {
    let column = dimension
        .column
        .as_deref()
        .or(dimension.key.as_deref())
        .and_then(ColumnRef::parse);
    column.map_or_else(
        || state.tables.iter().any(|table| table.row_count > 0),
        |column| world::filled(state, catalogue, &column),
    )
}
