//! Which chart suits a result. The page draws it; nothing here knows a chart library.

use crate::{
    catalogue::{Catalogue, Coordinate, TimePart},
    format::Style,
    query::{Added, Comparison, Grain, Query},
    table::{Cell, Column, ColumnType, Table},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChartKind {
    /// One figure, set large; nothing to draw.
    Number,
    /// Horizontal bars, one for each row, sorted by value.
    Bar,
    /// Vertical bars in the order of the x axis: weekdays, months of the year.
    Column,
    Line,
    StackedBar,
    /// One point for each row: `x` and the first of `y` are numbers.
    Scatter,
    Heatmap,
    /// How many rows have a number of which size: the first of `y`; there is no `x`.
    Histogram,
    /// Points by longitude (`x`) and latitude (the first of `y`), as large as the second of `y`.
    Map,
}

/// A chart of a [`crate::table::Table`], by column names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Chart {
    pub kind: ChartKind,
    /// The column of the categories or of time; none for a single number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The columns of numbers.
    pub y: Vec<String>,
    /// The column that splits the rows into lines or stacks, or names the points of a map or scatter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Other kinds that suit the same result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<ChartKind>,
    /// How the numbers and names on the axes are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_format: Option<AxisFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y_format: Option<AxisFormat>,
}

impl Chart {
    /// Draws it as another kind, where that suits the result; the kind that was chosen becomes an alternative.
    pub fn prefer(&mut self, kind: ChartKind) {
        if let Some(slot) = self.alternatives.iter_mut().find(|other| **other == kind) {
            *slot = std::mem::replace(&mut self.kind, kind);
        }
    }
}

/// How an axis is written: `{"kind": "money", "unit": "USD"}`, `{"kind": "time", "unit": "month"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AxisFormat {
    pub kind: AxisKind,
    /// The currency of money, the stretch of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AxisKind {
    Category,
    Time,
    Weekday,
    Month,
    Quarter,
    Year,
    /// Whole numbers.
    Count,
    Decimal,
    Money,
    Percent,
}

/// Past this many lines or stacks a chart is a tangle; the table says it better.
const MAX_SERIES: usize = 6;
/// Past this many bars a chart has no room for their names.
const MAX_BARS: usize = 50;
/// Fewer points than this say nothing of how two numbers go together, or of how a number is spread.
const LEAST_POINTS: usize = 12;

/// The chart that suits a result, or none where a table says it better: no rows, money in several currencies, more
/// groups than a chart can hold apart.
pub fn choose(query: &Query, catalogue: &Catalogue, table: &Table) -> Option<Chart> {
    let chooser = Chooser::new(query, catalogue, table)?;
    let mut chart = chooser.choose()?;
    chart.x_format = chart.x.as_deref().and_then(|name| chooser.axis(name));
    chart.y_format = chart.y.first().and_then(|name| chooser.axis(name));
    if chart.kind == ChartKind::Histogram {
        // Along the bottom are sizes of the number, upwards how many rows there are of each.
        chart.x_format = chart.y_format.take();
        chart.y_format = Some(AxisFormat {
            kind: AxisKind::Count,
            unit: None,
        });
    }
    Some(chart)
}

struct Chooser<'a> {
    query: &'a Query,
    catalogue: &'a Catalogue,
    table: &'a Table,
    metrics: Vec<&'a Column>,
    groups: Vec<&'a Column>,
    first: &'a Column,
}

impl<'a> Chooser<'a> {
    fn new(query: &'a Query, catalogue: &'a Catalogue, table: &'a Table) -> Option<Chooser<'a>> {
        let added: Vec<String> = query.added_columns().into_iter().map(|column| column.name).collect();
        let is_metric = |column: &&Column| query.has_metric(&column.name) && column.column_type.is_number();
        let metrics: Vec<&Column> = table.columns.iter().filter(is_metric).collect();
        let groups = table
            .columns
            .iter()
            .filter(|column| !query.has_metric(&column.name) && !added.contains(&column.name))
            .collect();
        let first = metrics.first().copied()?;
        let chooser = Chooser {
            query,
            catalogue,
            table,
            metrics,
            groups,
            first,
        };
        chooser.is_known(&first.name).then_some(chooser)
    }

    fn choose(&self) -> Option<Chart> {
        if self.groups.is_empty() {
            let y = self.metrics.iter().map(|column| column.name.clone()).collect();
            return Some(chart(ChartKind::Number, None, y, None, &[]));
        }
        if self.table.rows.len() < 2 || self.is_mixed_money() {
            return None;
        }
        if let Some(map) = self.map() {
            return Some(map);
        }
        // A ranking of years is about which is first, not about the course of time.
        let time = self
            .groups
            .iter()
            .find(|column| self.is_time(column))
            .filter(|_| !self.is_ranked());
        if let Some(time) = time {
            return self.over_time(time);
        }
        if let Some(part) = self.groups.iter().find(|column| self.is_part_of_time(column)) {
            return self.over_parts(part);
        }
        self.relation().or_else(|| self.spread()).or_else(|| self.bars())
    }

    /// Money in several currencies has no axis.
    fn is_mixed_money(&self) -> bool {
        Style::of(self.first, self.catalogue) == Style::Money && self.first.unit.is_none()
    }

    fn is_known(&self, name: &str) -> bool {
        self.table.column_index(name).is_some_and(|at| {
            self.table
                .rows
                .iter()
                .any(|row| row.get(at).is_some_and(|cell| !cell.is_null()))
        })
    }

    fn is_ranked(&self) -> bool {
        self.query
            .order
            .first()
            .is_some_and(|order| self.query.has_metric(&order.by))
    }

    fn is_time(&self, column: &Column) -> bool {
        self.query.grain.is_some_and(|grain| grain.name() == column.name) || self.part(column) == Some(TimePart::Year)
    }

    fn is_part_of_time(&self, column: &Column) -> bool {
        self.part(column).is_some_and(|part| part != TimePart::Year)
    }

    fn part(&self, column: &Column) -> Option<TimePart> {
        self.catalogue.dimension(&column.name)?.part
    }

    /// How many different values a column has, as far as that matters for a chart.
    fn distinct(&self, column: &Column) -> usize {
        let mut seen: Vec<&Cell> = Vec::new();
        let Some(at) = self.table.column_index(&column.name) else {
            return 0;
        };
        for cell in self.table.rows.iter().filter_map(|row| row.get(at)) {
            if !seen.contains(&cell) {
                seen.push(cell);
                if seen.len() > MAX_BARS {
                    break;
                }
            }
        }
        seen.len()
    }

    /// The columns that share an axis with the first metric: the other metrics of its unit and size, and what it is
    /// compared with.
    fn measures(&self) -> Vec<String> {
        let mut y = Vec::new();
        for metric in &self.metrics {
            let fits = metric.unit == self.first.unit
                && self.is_known(&metric.name)
                && comparable(self.table, &self.first.name, &metric.name);
            if fits {
                y.push(metric.name.clone());
            }
        }
        if self.metrics.len() == 1 {
            y.extend(self.compared_with());
        }
        y
    }

    fn compared_with(&self) -> Option<String> {
        let added = self.query.compare.iter().find_map(|comparison| match comparison {
            Comparison::PreviousPeriod => Some(Added::Before),
            Comparison::SamePeriodLastYear => Some(Added::LastYear),
            Comparison::AverageOfPeers => Some(Added::Peers),
            Comparison::ShareOfTotal | Comparison::Rank => None,
        })?;
        let name = format!("{}{}", self.first.name, added.suffix());
        self.is_known(&name).then_some(name)
    }

    fn others(&self, than: &Column) -> Vec<&'a Column> {
        self.groups
            .iter()
            .copied()
            .filter(|column| column.name != than.name)
            .collect()
    }

    fn over_time(&self, time: &Column) -> Option<Chart> {
        let x = Some(time.name.clone());
        match self.others(time).as_slice() {
            [] => Some(chart(ChartKind::Line, x, self.measures(), None, &[ChartKind::Column])),
            [series] if self.distinct(series) <= MAX_SERIES => {
                let y = vec![self.first.name.clone()];
                let series = Some(series.name.clone());
                Some(chart(ChartKind::Line, x, y, series, &[ChartKind::StackedBar]))
            }
            _ => None,
        }
    }

    fn over_parts(&self, part: &Column) -> Option<Chart> {
        let x = Some(part.name.clone());
        let y = vec![self.first.name.clone()];
        match self.others(part).as_slice() {
            [] => Some(chart(ChartKind::Column, x, self.measures(), None, &[ChartKind::Bar])),
            [series] if self.is_part_of_time(series) || self.distinct(series) > MAX_SERIES => {
                Some(chart(ChartKind::Heatmap, x, y, Some(series.name.clone()), &[]))
            }
            [series] => {
                let series = Some(series.name.clone());
                Some(chart(ChartKind::StackedBar, x, y, series, &[ChartKind::Heatmap]))
            }
            _ => None,
        }
    }

    /// Rows that have a place on the Earth.
    fn map(&self) -> Option<Chart> {
        let column = |coordinate: Coordinate| {
            let found = self.groups.iter().find(|column| {
                let dimension = self.catalogue.dimension(&column.name);
                dimension.is_some_and(|dimension| dimension.coordinate == Some(coordinate))
            })?;
            self.is_known(&found.name).then(|| found.name.clone())
        };
        let (latitude, longitude) = (column(Coordinate::Latitude)?, column(Coordinate::Longitude)?);
        let name = self.groups.iter().find(|column| column.column_type == ColumnType::Text);
        let y = vec![latitude, self.first.name.clone()];
        let series = name.map(|column| column.name.clone());
        Some(chart(ChartKind::Map, Some(longitude), y, series, &[]))
    }

    /// Two numbers of each row, where they are too different to share an axis.
    fn relation(&self) -> Option<Chart> {
        if self.table.rows.len() < LEAST_POINTS || self.query.limit.is_some() {
            return None;
        }
        let name = self.groups.iter().find(|column| column.column_type == ColumnType::Text);
        let series = name.map(|column| column.name.clone());
        let own = self
            .groups
            .iter()
            .find(|column| column.column_type.is_number() && self.is_known(&column.name));
        if let (Some(own), [metric]) = (own, self.metrics.as_slice()) {
            let y = vec![metric.name.clone()];
            return Some(chart(
                ChartKind::Scatter,
                Some(own.name.clone()),
                y,
                series,
                &[ChartKind::Bar],
            ));
        }
        let [one, other] = self.metrics.as_slice() else {
            return None;
        };
        let apart = one.unit != other.unit || !comparable(self.table, &one.name, &other.name);
        (apart && !self.is_ranked() && self.is_known(&other.name)).then(|| {
            let y = vec![other.name.clone()];
            chart(ChartKind::Scatter, Some(one.name.clone()), y, series, &[ChartKind::Bar])
        })
    }

    /// One number of more rows than there is room for bars: how it is spread.
    fn spread(&self) -> Option<Chart> {
        let is_whole = !self.table.truncated && self.query.limit.is_none();
        let many = self.table.rows.len() > MAX_BARS;
        (many && is_whole && self.query.dimensions.len() == 1)
            .then(|| chart(ChartKind::Histogram, None, vec![self.first.name.clone()], None, &[]))
    }

    fn bars(&self) -> Option<Chart> {
        if self.table.rows.len() > MAX_BARS {
            return None;
        }
        // Of the columns that name a row, the one that tells the most rows apart stands beside its bar.
        let name = self
            .groups
            .iter()
            .rev()
            .max_by_key(|column| (column.column_type == ColumnType::Text, self.distinct(column)))?;
        let asked = self
            .query
            .dimensions
            .first()
            .filter(|asked| self.groups.iter().any(|column| column.name == **asked));
        let x = Some(asked.unwrap_or(&name.name).clone());
        match self.query.dimensions.as_slice() {
            [_, series] if self.groups.len() == 2 && self.distinct(self.groups.get(1)?) <= MAX_SERIES => {
                let y = vec![self.first.name.clone()];
                Some(chart(ChartKind::StackedBar, x, y, Some(series.clone()), &[]))
            }
            [_] | [] => {
                let other = if self.metrics.len() > 1 {
                    ChartKind::Scatter
                } else {
                    ChartKind::Column
                };
                Some(chart(ChartKind::Bar, x, self.measures(), None, &[other]))
            }
            _ => None,
        }
    }

    /// How the numbers or names of a column are written along an axis.
    fn axis(&self, name: &str) -> Option<AxisFormat> {
        let column = self.table.columns.get(self.table.column_index(name)?)?;
        let grain = |grain: Grain| Some(grain.name().to_owned());
        let (kind, unit) = match Style::of(column, self.catalogue) {
            Style::Money => (AxisKind::Money, column.unit.clone()),
            Style::Percent => (AxisKind::Percent, None),
            Style::Integer => (AxisKind::Count, None),
            Style::Decimal => (AxisKind::Decimal, None),
            Style::Year => (AxisKind::Year, None),
            Style::Quarter => (AxisKind::Quarter, None),
            Style::Month => (AxisKind::Month, None),
            Style::Weekday => (AxisKind::Weekday, None),
            Style::Stretch(stretch) => (AxisKind::Time, grain(stretch)),
            Style::Date | Style::Timestamp => (AxisKind::Time, grain(Grain::Day)),
            _ => (AxisKind::Category, None),
        };
        Some(AxisFormat { kind, unit })
    }
}

fn chart(
    kind: ChartKind,
    x: Option<String>,
    y: Vec<String>,
    series: Option<String>,
    alternatives: &[ChartKind],
) -> Chart {
    Chart {
        kind,
        x,
        y,
        series,
        alternatives: alternatives.to_vec(),
        x_format: None,
        y_format: None,
    }
}

/// Whether two columns are of a size to be read on one axis: the larger at most fifty times the smaller.
fn comparable(table: &Table, one: &str, other: &str) -> bool {
    const MOST_APART: f64 = 50.0;
    let largest = |name: &str| {
        let at = table.column_index(name)?;
        table
            .rows
            .iter()
            .filter_map(|row| row.get(at)?.as_f64())
            .map(f64::abs)
            .reduce(f64::max)
    };
    match (largest(one), largest(other)) {
        (Some(a), Some(b)) => a.max(b) <= MOST_APART * a.min(b),
        _ => false,
    }
}
