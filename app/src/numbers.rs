//! Numbers and dates as the page writes them: exact in tables and at the pointer, short on charts. What each format
//! looks like is [`concert_contract::format`]'s; here stands which one a column takes.

use concert_contract::{
    api::CatalogueAnswer,
    format::{self, Style},
    table::{Cell, Column},
};

pub use concert_contract::format::{date, integer};

/// A column of currency codes has this name: where money of several currencies stands in one table, each row says
/// which one it is in.
const CURRENCY_COLUMN: &str = "currency";

/// How the columns of a table are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Styles {
    columns: Vec<(Style, Option<String>)>,
    currency: Option<usize>,
}

impl Styles {
    pub fn of(columns: &[Column], catalogue: &CatalogueAnswer) -> Styles {
        let style = |column: &Column| (Style::of_answer(column, catalogue), column.unit.clone());
        Styles {
            columns: columns.iter().map(style).collect(),
            currency: columns.iter().position(|column| column.name == CURRENCY_COLUMN),
        }
    }

    fn at(&self, column: usize) -> (Style, Option<&str>) {
        self.columns
            .get(column)
            .map_or((Style::Text, None), |(style, unit)| (*style, unit.as_deref()))
    }

    fn write(&self, row: &[Cell], column: usize, how: fn(&Cell, Style, Option<&str>) -> String) -> String {
        let (style, unit) = self.at(column);
        let of_row = || {
            self.currency
                .and_then(|currency| row.get(currency))
                .and_then(Cell::as_str)
        };
        row.get(column)
            .map(|cell| how(cell, style, unit.or_else(of_row)))
            .unwrap_or_default()
    }

    /// In full: `$1,840,250.00`.
    pub fn exact(&self, row: &[Cell], column: usize) -> String {
        self.write(row, column, format::exact)
    }

    /// A value of this column that stands in no row.
    pub fn alone(&self, cell: &Cell, column: usize) -> String {
        let (style, unit) = self.at(column);
        format::exact(cell, style, unit)
    }

    /// Where there is little room: `$1.84 M`.
    pub fn short(&self, row: &[Cell], column: usize) -> String {
        self.write(row, column, format::short)
    }

    /// On an axis, whose unit stands in the card's header: `250`, `2,500`, `20 k`, `1.5 M`.
    pub fn tick(&self, value: f64, column: usize) -> String {
        if self.at(column).0 == Style::Percent {
            return format!("{}{}%", format::decimal(value, 0), format::THIN_SPACE);
        }
        let (scale, unit) = match value.abs() {
            size if size >= 1e9 => (1e9, "bn"),
            size if size >= 1e6 => (1e6, "M"),
            size if size >= 1e4 => (1e3, "k"),
            _ => (1.0, ""),
        };
        let scaled = value / scale;
        let decimals = (0..3)
            .find(|digits| (scaled * 10f64.powi(*digits)).fract().abs() < 1e-9)
            .unwrap_or(2);
        let number = format::decimal(scaled, decimals as usize);
        if unit.is_empty() {
            number
        } else {
            format!("{number}{}{unit}", format::THIN_SPACE)
        }
    }

    /// Whether its cells are figures, which stand right-aligned; a year or a month is none.
    pub fn is_figure(&self, column: usize) -> bool {
        matches!(
            self.at(column).0,
            Style::Integer | Style::Decimal | Style::Money | Style::Percent
        )
    }
}

/// A name of the wire as words: `average_price` → "Average price".
pub fn words(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::table::{ColumnType, Decimal};

    #[test]
    fn money_takes_the_currency_of_its_row() {
        let column = |name: &str, column_type, unit: Option<&str>| Column {
            name: name.into(),
            column_type,
            unit: unit.map(str::to_owned),
        };
        let catalogue: CatalogueAnswer = serde_json::from_value(serde_json::json!({
            "version": "1", "dimensions": [], "questions": [],
            "metrics": [{"name": "revenue", "label": "Revenue", "unit": "currency", "format": "money"}],
            "data": {"snapshot_id": "", "as_of": null, "last_complete_day": null, "tables": []},
        }))
        .unwrap();
        let columns = [
            column("currency", ColumnType::Text, None),
            column("revenue", ColumnType::Decimal, None),
        ];
        let styles = Styles::of(&columns, &catalogue);
        let row = [
            Cell::Text("GBP".into()),
            Cell::Decimal(Decimal {
                mantissa: 600,
                scale: 2,
            }),
        ];
        assert_eq!(styles.exact(&row, 1), "£6.00");
        assert!(styles.is_figure(1) && !styles.is_figure(0));
        assert_eq!(styles.exact(&row, 9), "");
        let ticks = [0.0, 2500.0, 20_000.0, 12_500.0, 1_500_000.0, 0.25].map(|value| styles.tick(value, 1));
        assert_eq!(
            ticks,
            ["0", "2,500", "20\u{2009}k", "12.5\u{2009}k", "1.5\u{2009}M", "0.25"]
        );
    }

    #[test]
    fn a_wire_name_reads_as_words() {
        assert_eq!(words("average_price"), "Average price");
        assert_eq!(words(""), "");
    }
}
