//! The columns that comparisons add to an answer, by name: what the compiler makes, sentences and charts read.

use super::{Comparison, Query};

/// What a column that a comparison added says of its metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Added {
    /// The metric in the period, or the stretch of the grain, before.
    Before,
    /// The metric less `Before`, in the metric's unit.
    Change,
    /// `Change` in percent of `Before`.
    ChangePercent,
    /// The metric a year earlier.
    LastYear,
    LastYearChange,
    LastYearChangePercent,
    /// Percent of the sum over the rows.
    Share,
    /// 1 for the most.
    Rank,
    /// The mean of the other rows.
    Peers,
    /// The metric less `Peers`.
    PeersDifference,
}

impl Added {
    pub const ALL: [Added; 10] = [
        Added::Before,
        Added::Change,
        Added::ChangePercent,
        Added::LastYear,
        Added::LastYearChange,
        Added::LastYearChangePercent,
        Added::Share,
        Added::Rank,
        Added::Peers,
        Added::PeersDifference,
    ];

    /// What follows the metric's column in the column's name: `_before`.
    pub fn suffix(self) -> &'static str {
        match self {
            Added::Before => "_before",
            Added::Change => "_change",
            Added::ChangePercent => "_change_percent",
            Added::LastYear => "_last_year",
            Added::LastYearChange => "_last_year_change",
            Added::LastYearChangePercent => "_last_year_change_percent",
            Added::Share => "_share",
            Added::Rank => "_rank",
            Added::Peers => "_peers",
            Added::PeersDifference => "_peers_difference",
        }
    }

    /// Whether it is in the metric's own unit, and not a percentage or a place.
    pub fn has_unit_of_metric(self) -> bool {
        !matches!(
            self,
            Added::ChangePercent | Added::LastYearChangePercent | Added::Share | Added::Rank
        )
    }
}

impl Comparison {
    /// The columns that it adds for each metric, in their order.
    pub fn adds(self) -> &'static [Added] {
        match self {
            Comparison::PreviousPeriod => &[Added::Before, Added::Change, Added::ChangePercent],
            Comparison::SamePeriodLastYear => &[Added::LastYear, Added::LastYearChange, Added::LastYearChangePercent],
            Comparison::ShareOfTotal => &[Added::Share],
            Comparison::Rank => &[Added::Rank],
            Comparison::AverageOfPeers => &[Added::Peers, Added::PeersDifference],
        }
    }
}

/// A column that a comparison adds to the answer of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedColumn {
    pub name: String,
    /// Where its metric stands in [`Query::metrics`].
    pub metric: usize,
    pub added: Added,
}

impl Query {
    /// Every column that its comparisons add, metric by metric. A metric over a window gets none.
    pub fn added_columns(&self) -> Vec<AddedColumn> {
        let mut columns = Vec::new();
        for (at, metric) in self.metrics.iter().enumerate() {
            if metric.window.is_some() {
                continue;
            }
            let name = metric.name();
            for added in self.compare.iter().flat_map(|comparison| comparison.adds()) {
                columns.push(AddedColumn {
                    name: format!("{name}{}", added.suffix()),
                    metric: at,
                    added: *added,
                });
            }
        }
        columns
    }
}
