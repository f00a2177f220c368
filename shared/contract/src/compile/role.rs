//! The part of a catalogue that a role may speak of.

use super::{
    expression::{ColumnRef, Expression},
    world::{dimension_hidden, hidden},
};
use crate::{
    catalogue::Catalogue,
    query::{QueryError, QueryErrorCode},
};

impl Catalogue {
    /// The catalogue without the metrics and dimensions that are made of what the role may not see: what it is told,
    /// what a planner may plan with, what a model's tool names. The compiler takes the whole catalogue and the role, since
    /// rules on rows may look at what is hidden.
    ///
    /// # Errors
    /// `not_allowed` for a role that a catalogue with roles does not have.
    pub fn seen_by(&self, role: Option<&str>) -> Result<Catalogue, QueryError> {
        let mut seen = self.clone();
        let Some(name) = role.filter(|_| !self.roles.is_empty()) else {
            return Ok(seen);
        };
        let role = self.roles.get(name).ok_or_else(|| {
            QueryError::new(
                QueryErrorCode::NotAllowed,
                "",
                format!("The role {name:?} may see nothing of this data."),
            )
            .suggest("Ask whoever keeps the catalogue to add the role.")
        })?;
        for metric in &mut seen.metrics {
            metric.sources.retain(|source| {
                std::iter::once(&source.of)
                    .chain(&source.over)
                    .filter_map(|text| Expression::parse(text).ok())
                    .all(|expression| !expression.columns().into_iter().any(|column| hidden(role, column)))
            });
        }
        seen.metrics.retain(|metric| !metric.sources.is_empty());
        seen.dimensions.retain(|dimension| !dimension_hidden(role, dimension));
        let names: Vec<String> = seen.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
        for dimension in &mut seen.dimensions {
            dimension.shows.retain(|shown| names.contains(shown));
            if dimension
                .of_metric
                .as_ref()
                .is_some_and(|of| !seen.metrics.iter().any(|metric| metric.name == *of))
            {
                dimension.of_metric = None;
            }
        }
        for (name, table) in &mut seen.tables {
            table.columns.retain(|column, _| {
                let column = ColumnRef {
                    table: name.clone(),
                    column: column.clone(),
                };
                !hidden(role, &column)
            });
        }
        Ok(seen)
    }
}
