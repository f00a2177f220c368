//! Which chart suits a result. The page draws it; nothing here knows a chart library.

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
