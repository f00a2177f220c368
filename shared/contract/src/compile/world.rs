//! What every part of a compilation reads: the catalogue, the state of the data, the viewer's role, and the parameters
//! that the statement collects.

use super::{CompileContext, expression::ColumnRef, graph::Graph, values::Parameters};
use crate::{
    api::DataState,
    catalogue::{Catalogue, Dimension, Metric, Role},
    query::{QueryError, QueryErrorCode},
    table::ColumnType,
};
use std::{cell::RefCell, collections::BTreeSet};

pub(super) struct World<'a> {
    pub catalogue: &'a Catalogue,
    pub context: &'a CompileContext<'a>,
    pub graph: Graph,
    /// The dimension that splits money; finding it looks at every metric.
    pub currency: Option<&'a Dimension>,
    /// None sees everything.
    pub role: Option<&'a Role>,
    pub parameters: RefCell<Parameters>,
    pub tables: RefCell<BTreeSet<String>>,
}

impl<'a> World<'a> {
    /// # Errors
    /// `not_allowed` for a role that a catalogue with roles does not have.
    pub fn new(catalogue: &'a Catalogue, context: &'a CompileContext<'a>) -> Result<World<'a>, QueryError> {
        let role = match context.role {
            Some(name) if !catalogue.roles.is_empty() => Some(catalogue.roles.get(name).ok_or_else(|| {
                QueryError::new(
                    QueryErrorCode::NotAllowed,
                    "",
                    format!("The role {name:?} may see nothing of this data."),
                )
                .suggest("Ask whoever keeps the catalogue to add the role.")
            })?),
            _ => None,
        };
        Ok(World {
            catalogue,
            context,
            graph: Graph::new(catalogue),
            currency: catalogue.currency_dimension(),
            role,
            parameters: RefCell::default(),
            tables: RefCell::default(),
        })
    }

    pub fn metric(&self, name: &str, path: &str) -> Result<&'a Metric, QueryError> {
        self.catalogue.metric(name).ok_or_else(|| {
            let names: Vec<&str> = self.catalogue.metrics.iter().map(|m| m.name.as_str()).collect();
            QueryError::new(
                QueryErrorCode::UnknownMetric,
                path,
                format!("There is no metric {name:?}."),
            )
            .suggest(nearest(name, &names))
        })
    }

    pub fn dimension(&self, name: &str, path: &str) -> Result<&'a Dimension, QueryError> {
        self.catalogue.dimension(name).ok_or_else(|| {
            let names: Vec<&str> = self.catalogue.dimensions.iter().map(|d| d.name.as_str()).collect();
            QueryError::new(
                QueryErrorCode::UnknownDimension,
                path,
                format!("There is no dimension {name:?}."),
            )
            .suggest(nearest(name, &names))
        })
    }

    /// Refuses a dimension that the data does not hold or the role may not see.
    pub fn check_dimension(&self, dimension: &Dimension, path: &str) -> Result<(), QueryError> {
        if self.is_dimension_hidden(dimension) {
            return Err(QueryError::new(
                QueryErrorCode::NotAllowed,
                path,
                format!("Your role may not see {}.", dimension.label.to_lowercase()),
            )
            .suggest("Ask by another dimension."));
        }
        let columns = dimension.column.iter().chain(&dimension.days_since);
        for column in columns.filter_map(|column| ColumnRef::parse(column)) {
            if !filled(self.context.state, self.catalogue, &column) {
                return Err(QueryError::new(
                    QueryErrorCode::NotInData,
                    path,
                    format!("No {} is recorded in the data at hand.", dimension.label.to_lowercase()),
                )
                .suggest("Ask by another dimension, or bring in data that has it."));
            }
        }
        Ok(())
    }

    pub fn is_dimension_hidden(&self, dimension: &Dimension) -> bool {
        self.role.is_some_and(|role| dimension_hidden(role, dimension))
    }

    pub fn is_hidden(&self, column: &ColumnRef) -> bool {
        self.role.is_some_and(|role| hidden(role, column))
    }

    pub fn is_filled(&self, column: &ColumnRef) -> bool {
        filled(self.context.state, self.catalogue, column)
    }

    pub fn column_type(&self, column: &ColumnRef) -> Option<ColumnType> {
        self.catalogue.column_type(column)
    }

    pub fn is_currency(&self, dimension: &Dimension) -> bool {
        self.currency.is_some_and(|currency| currency.name == dimension.name)
    }
}

pub(super) fn hidden(role: &Role, column: &ColumnRef) -> bool {
    let text = column.to_string();
    role.hidden.iter().any(|entry| *entry == column.table || *entry == text)
}

/// Whether a role sees nothing of a dimension: its values, or what tells them apart where it has no column of its own.
pub(super) fn dimension_hidden(role: &Role, dimension: &Dimension) -> bool {
    let own = dimension.column.iter().chain(&dimension.days_since);
    let key = dimension.key.iter().filter(|_| dimension.column.is_none());
    own.chain(key)
        .filter_map(|column| ColumnRef::parse(column))
        .any(|column| hidden(role, &column))
}

/// Whether a column has any value in the published data. A key always has.
pub(super) fn filled(state: &DataState, catalogue: &Catalogue, column: &ColumnRef) -> bool {
    let is_key = catalogue
        .tables
        .get(&column.table)
        .is_some_and(|table| table.key.contains(&column.column));
    let any_rows = state.table(&column.table).is_some_and(|table| table.row_count > 0);
    any_rows && (is_key || state.is_filled(&column.table, &column.column))
}

/// The names that `name` may have meant, else all of them.
pub(super) fn nearest(name: &str, names: &[&str]) -> String {
    let mut told: Vec<&str> = Vec::new();
    for name in names {
        if !told.contains(name) {
            told.push(name);
        }
    }
    let names = told;
    match close(name, &names).as_slice() {
        [] => format!("Use one of: {}.", names.join(", ")),
        close => format!("Did you mean {}?", close.join(" or ")),
    }
}

/// Up to three names that are spelt like `name`, the most alike first.
pub(super) fn close<'n>(name: &str, names: &[&'n str]) -> Vec<&'n str> {
    const MOST_NAMED: usize = 3;
    const LEAST_SIMILAR: f64 = 0.75;
    let asked = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .iter()
        .map(|known| (strsim::jaro_winkler(&asked, known), *known))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored
        .iter()
        .take_while(|(score, _)| *score >= LEAST_SIMILAR)
        .map(|(_, known)| *known)
        .take(MOST_NAMED)
        .collect()
}
