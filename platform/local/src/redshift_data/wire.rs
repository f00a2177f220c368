//! Values and columns in the service's JSON, and in its CSV.

use concert_redshift::{ColumnInfo, Value as Cell};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A timestamp as JSON 1.1 writes it: seconds since 1970, with milliseconds.
pub(super) fn seconds(time: Timestamp) -> Value {
    #[allow(clippy::cast_precision_loss)]
    let seconds = time.as_millisecond() as f64 / 1000.0;
    json!(seconds)
}

pub(super) fn field(cell: Cell) -> Value {
    match cell {
        Cell::Null => json!({"isNull": true}),
        Cell::Boolean(value) => json!({"booleanValue": value}),
        Cell::Long(value) => json!({"longValue": value}),
        // JSON has no NaN and no infinity; AWS's clients read these words.
        Cell::Double(value) if value.is_nan() => json!({"doubleValue": "NaN"}),
        Cell::Double(value) if value.is_infinite() => {
            json!({"doubleValue": if value > 0.0 { "Infinity" } else { "-Infinity" }})
        }
        Cell::Double(value) => json!({"doubleValue": value}),
        Cell::Text(value) => json!({"stringValue": value}),
    }
}

pub(super) fn wire_bytes(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => text.len() + 18,
        _ => 24,
    }
}

/// A row of CSV as RFC 4180 has it. NULL is nothing; an empty text is two quotes.
pub(super) fn csv_row(row: Vec<Cell>, out: &mut String) {
    for (at, cell) in row.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match cell {
            Cell::Null => {}
            Cell::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
            Cell::Long(value) => out.push_str(&value.to_string()),
            Cell::Double(value) => out.push_str(&value.to_string()),
            Cell::Text(text) => csv_field(&text, out),
        }
    }
    out.push_str("\r\n");
}

pub(super) fn csv_field(text: &str, out: &mut String) {
    if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}

pub(super) fn column_metadata(column: &ColumnInfo) -> Value {
    let mut metadata = json!({
        "isCaseSensitive": column.is_case_sensitive(),
        "isCurrency": false,
        "isSigned": column.is_signed(),
        "label": column.label,
        "length": 0,
        "name": column.name,
        "nullable": i32::from(column.nullable),
        "precision": column.precision,
        "scale": column.scale,
        "schemaName": "",
        "tableName": "",
        "typeName": column.type_name,
    });
    if let (Some(schema), Some(table)) = (&column.schema, &column.table) {
        metadata["schemaName"] = json!(schema);
        metadata["tableName"] = json!(table);
    }
    if let Some(default) = &column.default {
        metadata["columnDefault"] = json!(default);
    }
    metadata
}

pub(super) fn paged(name: &str, page: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = Map::new();
    answer.insert(name.to_owned(), Value::Array(page));
    if let Some(next) = next {
        answer.insert("NextToken".to_owned(), json!(next));
    }
    Value::Object(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_tells_null_from_an_empty_text() {
        let mut out = String::new();
        csv_row(
            vec![
                Cell::Null,
                Cell::Text(String::new()),
                Cell::Text("a \"b\", c".to_owned()),
                Cell::Long(-1),
                Cell::Boolean(true),
                Cell::Double(0.5),
            ],
            &mut out,
        );
        assert_eq!(out, ",\"\",\"a \"\"b\"\", c\",-1,true,0.5\r\n");
    }
}
