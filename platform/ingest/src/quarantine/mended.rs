//! Reads an export that a person has mended: which records are others now, and what they are.

use super::{
    Entry,
    export::{META, fields_of, labels_of, record_of},
    reading::Reading,
};
use crate::{Error, Result};
use serde_json::Value;
use std::{collections::HashMap, path::Path};

/// The records of a mended export, by their entry.
pub struct Mended {
    rows: HashMap<String, HashMap<String, String>>,
}

impl Mended {
    /// Reads an export as CSV or JSON Lines, whichever it is.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Header`] where it is no export, or a row of it does not read.
    pub fn read(path: &Path) -> Result<Mended> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read the mended records", path, e))?;
        Mended::parse(&path.display().to_string(), &text)
    }

    pub fn parse(name: &str, text: &str) -> Result<Mended> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let rows = if text.trim_start().starts_with('{') {
            json_lines(name, text)?
        } else {
            csv_rows(name, text)?
        };
        Ok(Mended { rows })
    }

    pub fn has(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// What the record is now; none if it is as it was. The whole text counts before its fields.
    pub fn text_of(&self, entry: &Entry, reading: Option<&Reading>) -> Option<String> {
        let row = self.rows.get(&entry.quarantine_id)?;
        if let Some(original) = row.get("_original")
            && !same_text(original, &entry.original)
        {
            return Some(original.clone());
        }
        let reading = reading?;
        let before = fields_of(reading, &entry.original);
        let labels = labels_of(&reading.columns);
        let now: Vec<String> = labels
            .iter()
            .enumerate()
            .map(|(at, label)| {
                let unchanged = || before.as_ref().and_then(|before| before.get(at).cloned());
                row.get(label).cloned().or_else(unchanged).unwrap_or_default()
            })
            .collect();
        let is_changed = match &before {
            Some(before) => before.iter().zip(&now).any(|(before, now)| !same_text(now, before)),
            // A record that could not be cut into fields has none until a person fills them in.
            None => now.iter().any(|field| !field.is_empty()),
        };
        is_changed.then(|| record_of(reading, &now))
    }
}

/// Spreadsheets write line ends their own way.
fn same_text(one: &str, other: &str) -> bool {
    one == other || one.replace("\r\n", "\n") == other.replace("\r\n", "\n")
}

fn wrong(name: &str, line: u64, message: impl Into<String>) -> Error {
    Error::Header {
        file: name.to_owned(),
        line,
        message: message.into(),
        mend: "Export the records with concert quarantine export, and mend that file".to_owned(),
    }
}

fn csv_rows(name: &str, text: &str) -> Result<HashMap<String, HashMap<String, String>>> {
    let first = text.lines().next().unwrap_or_default();
    // Some spreadsheets save with a semicolon or a tab.
    let delimiter = [b';', b'\t']
        .into_iter()
        .find(|delimiter| first.contains(&format!("{}{}", META[0], char::from(*delimiter))))
        .unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| wrong(name, 1, e.to_string()))?.clone();
    let Some(id_at) = header.iter().position(|column| column == META[0]) else {
        return Err(wrong(name, 1, format!("there is no column {}", META[0])));
    };
    let mut rows = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| wrong(name, e.position().map_or(1, csv::Position::line), e.to_string()))?;
        let id = record.get(id_at).unwrap_or_default();
        if id.is_empty() {
            continue;
        }
        let fields = header
            .iter()
            .zip(record.iter())
            .map(|(column, field)| (column.to_owned(), field.to_owned()));
        rows.insert(id.to_owned(), fields.collect());
    }
    Ok(rows)
}

fn json_lines(name: &str, text: &str) -> Result<HashMap<String, HashMap<String, String>>> {
    let mut rows = HashMap::new();
    for (at, line) in text.split('\n').enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = at as u64 + 1;
        let value: Value =
            serde_json::from_str(line).map_err(|e| wrong(name, place, format!("this is no JSON: {e}")))?;
        let Value::Object(object) = value else {
            return Err(wrong(name, place, "this is no object"));
        };
        let Some(id) = object.get(META[0]).and_then(Value::as_str) else {
            return Err(wrong(name, place, format!("there is no {}", META[0])));
        };
        let text_of = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        let fields = object
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), text_of(value)?)));
        rows.insert(id.to_owned(), fields.collect());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Encoding;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn reading(columns: &[&str]) -> Reading {
        Reading {
            format: "csv".to_owned(),
            records: None,
            delimiter: ";".to_owned(),
            encoding: Encoding::Utf8,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            mapping_sha256: None,
            lookups: BTreeMap::new(),
        }
    }

    fn entry(original: &str) -> Entry {
        Entry {
            quarantine_id: "q1".to_owned(),
            original: original.to_owned(),
            ..Entry::default()
        }
    }

    #[test]
    fn the_text_counts_before_the_fields_and_what_is_as_it_was_is_left_alone() {
        let reading = reading(&["id", "name", "_rule"]);
        for (row, wanted) in [
            ("q1,a;b;c,a,b,c", None),
            ("q1,x;y;z,a,b,c", Some("x;y;z")),
            ("q1,a;b;c,a,B 2,c", Some("a;B 2;c")),
            ("q1,a;b;c,a,B;2,c", Some("a;\"B;2\";c")),
            ("q1,a;b;c,a", None),
        ] {
            let mended =
                Mended::parse("m.csv", &format!("_quarantine_id,_original,id,name,_rule (2)\n{row}\n")).expect("reads");
            assert_eq!(
                mended.text_of(&entry("a;b;c"), Some(&reading)).as_deref(),
                wanted,
                "{row}"
            );
        }
        let mended = Mended::parse("m.csv", "\u{feff}_quarantine_id;name\nq1;new\n").expect("a spreadsheet's");
        assert_eq!(
            mended.text_of(&entry("a;b;c"), Some(&reading)).as_deref(),
            Some("a;new;c")
        );
        assert!(Mended::parse("m.csv", "a,b\n1,2\n").is_err());
        assert!(Mended::parse("m.jsonl", "{\"a\": 1}\n").is_err());
    }

    proptest! {
        #[test]
        fn any_record_comes_back_as_it_was(original in "[a-c;\"\n\r\t ]{0,24}|.{0,40}", id in "[a-f0-9]{4}") {
            let entry = Entry { quarantine_id: id.clone(), original: original.clone(), ..Entry::default() };
            let mut csv = csv::WriterBuilder::new().from_writer(Vec::new());
            csv.write_record(["_quarantine_id", "_original"]).expect("writes");
            csv.write_record([&id, &original]).expect("writes");
            let text = String::from_utf8(csv.into_inner().expect("flushes")).expect("text");
            let mended = Mended::parse("m.csv", &text).expect("reads");
            prop_assert_eq!(mended.text_of(&entry, None), None);
            let line = serde_json::json!({"_quarantine_id": id, "_original": original}).to_string();
            let mended = Mended::parse("m.jsonl", &line).expect("reads");
            prop_assert_eq!(mended.text_of(&entry, None), None);
        }

        #[test]
        fn fields_make_the_record_that_they_were_cut_from(fields in proptest::collection::vec("[a-c;\" \n]{0,6}", 1..5)) {
            let names: Vec<String> = (0..fields.len()).map(|at| format!("c{at}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let reading = reading(&names);
            let record = record_of(&reading, &fields);
            prop_assert_eq!(fields_of(&reading, &record), Some(fields));
        }
    }
}
