//! A table as CSV, by RFC 4180: what is shown, with exact values instead of shortened ones.

use concert_contract::table::{Cell, Table};

/// Comma-separated, CRLF after each line, a header with the columns' names; NULL is an empty field.
pub fn to_csv(table: &Table) -> String {
    let mut out = String::new();
    line(&mut out, table.columns.iter().map(|column| column.name.clone()));
    for row in &table.rows {
        line(&mut out, row.iter().map(exact));
    }
    out
}

/// A cell as its exact text: no unit, no grouping of digits.
pub fn exact(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Decimal(value) => value.to_string(),
        Cell::Text(value) => value.clone(),
    }
}

fn line(out: &mut String, fields: impl Iterator<Item = String>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&field);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::table::{Column, ColumnType, Decimal};

    #[test]
    fn quotes_only_where_needed_and_keeps_the_scale() {
        let column = |name: &str, column_type| Column {
            name: name.into(),
            column_type,
            unit: None,
        };
        let table = Table {
            columns: vec![
                column("venue", ColumnType::Text),
                column("price, door", ColumnType::Decimal),
            ],
            rows: vec![
                vec![
                    Cell::Text("Joe's \"Pit\"\nBerlin".into()),
                    Cell::Decimal(Decimal {
                        mantissa: 500,
                        scale: 2,
                    }),
                ],
                vec![Cell::Null, Cell::Integer(-3)],
            ],
            row_count: 2,
            truncated: false,
        };
        assert_eq!(
            to_csv(&table),
            "venue,\"price, door\"\r\n\"Joe's \"\"Pit\"\"\nBerlin\",5.00\r\n,-3\r\n"
        );
    }
}
