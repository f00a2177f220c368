//! Charts: [`plan`] turns a table into a drawing as a value, [`view`] puts it on the page with ECharts.

mod plan;
mod spread;
mod view;

pub use view::ChartView;

/// Whether the page has a drawing for this chart of this table. Where it has none, the table is shown.
pub fn can_draw(table: &concert_contract::table::Table, chart: &concert_contract::chart::Chart) -> bool {
    plan::draw(table, chart, &crate::numbers::Styles::default(), &plan::Look::default()).is_some()
}
