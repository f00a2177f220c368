//! Which chart suits a result. The page draws it; nothing here knows a chart library.

use crate::{
    catalogue::{Catalogue, TimePart, Unit},
    query::Query,
    table::{Cell, Column, ColumnType, Table},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    Scatter,
    Heatmap,
}

/// A chart of a [`crate::table::Table`], by column names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    pub kind: ChartKind,
    /// The column of the categories or of time; none for a single number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The columns of numbers.
    pub y: Vec<String>,
    /// The column that splits the rows into lines or stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Other kinds that suit the same result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<ChartKind>,
}

/// Past this many lines or stacks a chart is a tangle; the table says it better.
const MAX_SERIES: usize = 6;
/// Past this many bars a chart has no room for their names.
const MAX_BARS: usize = 50;

/// The chart that suits a result, or none where a table says it better: no rows, money in several currencies, more
/// groups than a chart can hold apart.
pub fn choose(query: &Query, catalogue: &Catalogue, table: &Table) -> Option<Chart> {
    let metrics: Vec<&Column> = table
        .columns
        .iter()
        .filter(|column| query.has_metric(&column.name) && column.column_type.is_number())
        .collect();
    let groups: Vec<&Column> = table
        .columns
        .iter()
        .filter(|column| !query.has_metric(&column.name))
        .collect();
    let first = metrics.first()?;
    let known = |name: &str| {
        table.column_index(name).is_some_and(|at| {
            table
                .rows
                .iter()
                .any(|row| row.get(at).is_some_and(|cell| !cell.is_null()))
        })
    };
    if !known(&first.name) {
        return None;
    }
    // Metrics share an axis only where they share a unit and a size.
    let y: Vec<String> = metrics
        .iter()
        .filter(|column| {
            column.unit == first.unit && known(&column.name) && comparable(table, &first.name, &column.name)
        })
        .map(|column| column.name.clone())
        .collect();
    let one =
        |kind: ChartKind, x: Option<String>, y: Vec<String>, series: Option<String>, alternatives: &[ChartKind]| {
            Some(Chart {
                kind,
                x,
                y,
                series,
                alternatives: alternatives.to_vec(),
            })
        };
    if groups.is_empty() {
        return one(
            ChartKind::Number,
            None,
            metrics.iter().map(|c| c.name.clone()).collect(),
            None,
            &[],
        );
    }
    if table.rows.len() < 2 {
        return None;
    }
    let is_money = catalogue
        .metric(&first.name)
        .is_some_and(|metric| metric.unit == Unit::Currency);
    if is_money && first.unit.is_none() {
        return None;
    }
    let in_time =
        |column: &Column| query.grain.is_some_and(|grain| grain.name() == column.name) || is_year(catalogue, column);
    let in_order = |column: &Column| {
        catalogue
            .dimension(&column.name)
            .is_some_and(|d| d.part.is_some() && d.part != Some(TimePart::Year))
    };
    let distinct = |column: &Column| {
        let at = table.column_index(&column.name);
        let mut seen: Vec<&Cell> = Vec::new();
        for cell in table.rows.iter().filter_map(|row| row.get(at?)) {
            if !seen.contains(&cell) {
                seen.push(cell);
                if seen.len() > MAX_BARS {
                    break;
                }
            }
        }
        seen.len()
    };
    // A ranking of years is about which is first, not about the course of time.
    let ranked = query.order.first().is_some_and(|order| query.has_metric(&order.by));
    if let Some(time) = groups.iter().find(|column| in_time(column)).filter(|_| !ranked) {
        let others: Vec<&&Column> = groups.iter().filter(|column| column.name != time.name).collect();
        let x = Some(time.name.clone());
        return match others.as_slice() {
            [] => one(ChartKind::Line, x, y, None, &[ChartKind::Column]),
            [series] if distinct(series) <= MAX_SERIES => one(
                ChartKind::Line,
                x,
                vec![first.name.clone()],
                Some(series.name.clone()),
                &[ChartKind::StackedBar],
            ),
            _ => None,
        };
    }
    if let Some(part) = groups.iter().find(|column| in_order(column)) {
        let others: Vec<&&Column> = groups.iter().filter(|column| column.name != part.name).collect();
        let x = Some(part.name.clone());
        return match others.as_slice() {
            [] => one(ChartKind::Column, x, y, None, &[ChartKind::Bar]),
            [series] if in_order(series) || distinct(series) > MAX_SERIES => one(
                ChartKind::Heatmap,
                x,
                vec![first.name.clone()],
                Some(series.name.clone()),
                &[],
            ),
            [series] => one(
                ChartKind::StackedBar,
                x,
                vec![first.name.clone()],
                Some(series.name.clone()),
                &[ChartKind::Heatmap],
            ),
            _ => None,
        };
    }
    if table.rows.len() > MAX_BARS {
        return None;
    }
    // Of the columns that name a row, the one that tells the most rows apart stands beside its bar.
    let name = groups
        .iter()
        .rev()
        .max_by_key(|column| (column.column_type == ColumnType::Text, distinct(column)))?;
    let asked = query
        .dimensions
        .first()
        .filter(|asked| groups.iter().any(|column| column.name == **asked));
    let x = asked.unwrap_or(&name.name).clone();
    match query.dimensions.as_slice() {
        [_, series] if groups.len() == 2 && distinct(groups.get(1)?) <= MAX_SERIES => one(
            ChartKind::StackedBar,
            Some(x),
            vec![first.name.clone()],
            Some(series.clone()),
            &[],
        ),
        [_] | [] => {
            let alternatives = if metrics.len() > 1 {
                &[ChartKind::Scatter][..]
            } else {
                &[ChartKind::Column][..]
            };
            one(ChartKind::Bar, Some(x), y, None, alternatives)
        }
        _ => None,
    }
}

fn is_year(catalogue: &Catalogue, column: &Column) -> bool {
    catalogue
        .dimension(&column.name)
        .is_some_and(|dimension| dimension.part == Some(TimePart::Year))
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
