//! Proposes a mapping for a file that nobody has described yet: what its columns hold, which table they may fill, and
//! what is in doubt. It proposes and never decides: everything that a person has to judge stands in a comment.

use crate::{
    Error, Result,
    files::{DataFile, Row, Rows},
    input::{Format, Input},
    mapping::{Source, has_default},
    path,
};
use concert_lake::schema::{Kind, MODEL, TableDef};
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write as _, path::Path};

/// How many records are looked at.
const SAMPLE_RECORDS: u64 = 1000;

/// How many columns are described, and how many values of each are shown.
const MAX_COLUMNS: usize = 200;
const SHOWN_VALUES: usize = 3;
const SHOWN_CHARS: usize = 40;

/// How much a source's name must be like the model's, from 0 to 1.
const LIKENESS: f64 = 0.72;

/// Texts that often stand for "no value".
const NO_VALUE: [&str; 8] = ["NA", "N/A", "n/a", "null", "NULL", "None", "-", "?"];

/// The ways in which days are written, the unambiguous first.
const DATES: [&str; 7] = [
    "%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%b-%Y",
];

#[derive(Default)]
struct Column {
    name: String,
    filled: u64,
    no_value: BTreeSet<&'static str>,
    different: BTreeSet<String>,
    shown: Vec<String>,
    not_integer: bool,
    not_number: bool,
    not_instant: bool,
    dates: Vec<&'static str>,
}

impl Column {
    fn new(name: String) -> Column {
        Column {
            name,
            dates: DATES.to_vec(),
            ..Column::default()
        }
    }

    fn see(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(no_value) = NO_VALUE.iter().find(|no_value| **no_value == text) {
            self.no_value.insert(no_value);
            return;
        }
        self.filled += 1;
        if self.different.insert(text.to_owned()) && self.shown.len() < SHOWN_VALUES {
            self.shown.push(text.chars().take(SHOWN_CHARS).collect());
        }
        self.not_integer |= text.parse::<i64>().is_err();
        self.not_number |= text.parse::<f64>().is_err();
        self.not_instant |= text.len() <= 10 || text.parse::<jiff::civil::DateTime>().is_err();
        self.dates
            .retain(|pattern| jiff::civil::Date::strptime(pattern, text).is_ok());
    }

    fn is_date(&self) -> bool {
        self.filled > 0
            && (!self.dates.is_empty() && (self.not_integer || self.dates == ["%Y%m%d"]) || !self.not_instant)
    }

    fn kind(&self) -> &'static str {
        match self {
            _ if self.filled == 0 => "empty",
            _ if self.is_date() && !self.not_instant => "date and time",
            _ if self.is_date() => "date",
            _ if !self.not_integer => "whole number",
            _ if !self.not_number => "number",
            _ => "text",
        }
    }

    /// Whether a column of the model could hold this.
    fn fits(&self, kind: Kind) -> bool {
        self.filled == 0
            || match kind {
                Kind::Text | Kind::Binary => true,
                Kind::Integer | Kind::BigInt => !self.not_integer,
                Kind::Double | Kind::Money => !self.not_number,
                Kind::Date | Kind::Timestamp => self.is_date(),
            }
    }
}

/// A mapping for `file` as text: TOML with its doubts as comments. It reads at most the first 1,000 records.
///
/// # Errors
/// Those of opening and reading a file.
pub fn infer(file: &Path) -> Result<String> {
    let file = DataFile::new(file.to_owned());
    let input = Input::open(&file.path)?;
    let format = input.format(&file.path)?;
    let mut source = Source {
        format: Some(format),
        ..Source::default()
    };
    let mut doubts = Vec::new();
    if format == Format::Csv {
        let line = input.start.split(|b| *b == b'\n').next().unwrap_or_default();
        let count = |delimiter: u8| line.iter().filter(|b| **b == delimiter).count();
        source.delimiter = [b'\t', b'|', b';', b',']
            .into_iter()
            .max_by_key(|delimiter| count(*delimiter))
            .unwrap_or(b',');
    }
    drop(input);
    if format == Format::Json {
        source.records = records_of(&file, &source, &mut doubts)?;
    }
    let (columns, records) = look(&file, &source)?;
    if records == SAMPLE_RECORDS {
        doubts.push(format!("Only the first {SAMPLE_RECORDS} records were looked at."));
    }
    if format == Format::Csv && columns.iter().any(|column| column.name.parse::<f64>().is_ok()) {
        doubts.push("The first line looks like data. If it is, write header = false and columns = [\"…\"].".to_owned());
    }
    Ok(propose(&file.name, &source, &columns, records, &doubts))
}

/// The longest list of objects in the first document, which is most likely what it is about.
fn records_of(file: &DataFile, source: &Source, doubts: &mut Vec<String>) -> Result<Option<Vec<String>>> {
    let mut rows = Rows::open(file, source)?;
    let found = match rows.next_row()? {
        Some(Row::Fields { .. }) => rows.value(),
        Some(Row::Broken { .. }) => {
            doubts.push("The first document is too large to look for its list of records: say records.".to_owned());
            None
        }
        None => None,
    };
    let mut best = (0, Vec::new());
    if let Some(value) = &found {
        longest(value, &mut Vec::new(), &mut best);
    }
    // A list inside of each record of a list is no list of records.
    Ok((rows.next_row()?.is_none() && !best.1.is_empty()).then_some(best.1))
}

fn longest(value: &Value, at: &mut Vec<String>, best: &mut (usize, Vec<String>)) {
    let Value::Object(object) = value else { return };
    for (key, inner) in object {
        at.push(key.clone());
        match inner {
            Value::Array(list) if list.len() > best.0 && list.iter().all(Value::is_object) => {
                *best = (list.len(), at.clone());
            }
            inner => longest(inner, at, best),
        }
        at.pop();
    }
}

fn look(file: &DataFile, source: &Source) -> Result<(Vec<Column>, u64)> {
    let mut rows = Rows::open(file, source)?;
    let mut columns: Vec<Column> = Vec::new();
    if rows.format == Format::Csv {
        columns.extend(rows.columns.iter().cloned().map(Column::new));
    }
    let mut records = 0;
    while records < SAMPLE_RECORDS
        && let Some(row) = rows.next_row()?
    {
        records += 1;
        if matches!(row, Row::Broken { .. }) {
            continue;
        }
        let Some(value) = rows.value() else {
            for (index, column) in columns.iter_mut().enumerate() {
                column.see(rows.field(index));
            }
            continue;
        };
        path::collect(&value, MAX_COLUMNS, &mut |path, value| {
            let at = columns.iter().position(|column| column.name == path);
            let at = match at {
                Some(at) => at,
                None if columns.len() < MAX_COLUMNS && !path.is_empty() => {
                    columns.push(Column::new(path.to_owned()));
                    columns.len() - 1
                }
                None => return,
            };
            match value {
                Value::Null => {}
                Value::String(text) => columns[at].see(text),
                other => columns[at].see(&other.to_string()),
            }
        });
    }
    if columns.is_empty() {
        return Err(Error::Header {
            file: file.name.clone(),
            line: 1,
            message: "no record in it can be read".to_owned(),
            mend: "Look into the file".to_owned(),
        });
    }
    Ok((columns, records))
}

/// A table that the file may fill.
struct Candidate<'a> {
    table: &'static TableDef,
    found: Vec<(usize, &'a Column)>,
    /// Columns that every row needs and for which there is nothing.
    required: Vec<usize>,
}

impl<'a> Candidate<'a> {
    fn new(table: &'static TableDef, columns: &'a [Column]) -> Candidate<'a> {
        let found = matches(table, columns);
        let required = table
            .columns()
            .iter()
            .enumerate()
            .filter(|(index, column)| {
                column.required && !has_default(column.name) && !found.iter().any(|(at, _)| at == index)
            })
            .map(|(index, _)| index)
            .collect();
        Candidate { table, found, required }
    }
}

/// Which source column each column of a table may come from.
fn matches<'a>(table: &TableDef, columns: &'a [Column]) -> Vec<(usize, &'a Column)> {
    let mut found = Vec::new();
    for (index, wanted) in table.columns().iter().enumerate() {
        let best = columns
            .iter()
            .filter(|column| !column.name.contains("[*]") && column.fits(wanted.kind))
            .map(|column| (likeness(table.name, wanted.name, &column.name), column))
            .filter(|(likeness, _)| *likeness >= LIKENESS)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, column)) = best {
            found.push((index, column));
        }
    }
    found
}

fn likeness(table: &str, wanted: &str, name: &str) -> f64 {
    let plain = |text: &str| -> String { text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect() };
    let single = table.trim_end_matches('s');
    let name = plain(name);
    [
        wanted.to_owned(),
        format!("{single}_{wanted}"),
        format!("{single}.{wanted}"),
    ]
    .iter()
    .map(|wanted| strsim::normalized_damerau_levenshtein(&plain(wanted), &name))
    .fold(0.0, f64::max)
}

fn propose(file: &str, source: &Source, columns: &[Column], records: u64, doubts: &[String]) -> String {
    let mut text = format!(
        "# A proposal for {}, made from {records} of its records. Look through it before it is used:\n#\n\
         #     concert ingest {} --mapping THIS.toml\n",
        one_line(file),
        one_line(file)
    );
    for doubt in doubts {
        let _ = write!(text, "#\n# {doubt}\n");
    }
    text.push_str("#\n# What the file holds:\n#\n");
    for column in columns {
        let filled = match column.filled * 100 / records.max(1) {
            _ if column.name.contains("[*]") => format!("{} values", column.filled),
            share => format!("{share} % filled"),
        };
        let all = if column.filled > 1 && column.different.len() as u64 == column.filled {
            ", all different"
        } else {
            ""
        };
        let shown: Vec<String> = column.shown.iter().map(|value| format!("{value:?}")).collect();
        let _ = writeln!(
            text,
            "#   {}: {}, {filled}{all}; {}",
            one_line(&column.name),
            column.kind(),
            shown.join(", ")
        );
    }
    text.push_str("\n[source]\n");
    let _ = writeln!(text, "format = \"{}\"", source.format.map_or("csv", Format::name));
    if source.delimiter != b',' {
        let _ = writeln!(
            text,
            "delimiter = {}",
            quoted(&String::from(char::from(source.delimiter)))
        );
    }
    let no_value: BTreeSet<&str> = columns
        .iter()
        .flat_map(|column| column.no_value.iter().copied())
        .collect();
    if !no_value.is_empty() {
        let quoted: Vec<String> = no_value.iter().map(|text| quoted(text)).collect();
        let _ = writeln!(text, "null = [{}]   # are these no values?", quoted.join(", "));
    }
    if let Some(records) = &source.records {
        let _ = writeln!(text, "records = {}", quoted(&records.join(".")));
    }
    let mut best: Vec<Candidate> = MODEL
        .iter()
        .map(|table| Candidate::new(table, columns))
        .filter(|candidate| !candidate.found.is_empty())
        .collect();
    best.sort_by_key(|candidate| (candidate.required.len(), std::cmp::Reverse(candidate.found.len())));
    if best.is_empty() {
        text.push_str("\n# No column has a name like one of the model's. Begin with a section such as [concerts].\n");
    }
    for (rank, candidate) in best.iter().enumerate() {
        let Candidate { table, found, required } = candidate;
        // The table that fits best is proposed whatever it lacks; of the others, those that are whole.
        let out = if rank == 0 || required.is_empty() { "" } else { "# " };
        let _ = writeln!(text, "\n{out}[{}]", table.name);
        for index in required {
            let name = table.columns()[*index].name;
            let _ = writeln!(
                text,
                "# {name} = {{ column = \"…\" }}   # every row needs it, and no column looks like it"
            );
        }
        for (index, column) in found {
            let wanted = &table.columns()[*index];
            let mut value = format!("column = {}", quoted(&column.name));
            let mut doubt = "";
            if wanted.kind == Kind::Date && column.not_instant && column.filled > 0 {
                if let Some(pattern) = column.dates.first().filter(|pattern| **pattern != DATES[0]) {
                    let _ = write!(value, ", date = {}", quoted(pattern));
                }
                if column.dates.contains(&"%m/%d/%Y") && column.dates.contains(&"%d/%m/%Y") {
                    doubt = "   # the day may stand first: then date = \"%d/%m/%Y\"";
                }
            }
            let _ = writeln!(text, "{out}{} = {{ {value} }}{doubt}", wanted.name);
        }
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mapping;

    fn proposal(name: &str, content: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("writes");
        infer(&path).expect("infers")
    }

    #[test]
    fn a_csv_file_is_described_and_its_table_is_proposed() {
        let text = proposal(
            "halls.txt",
            "venue id;Venue Name;city;Capacity;opened\nv1;A;Ulm;100;31/12/1999\nv2;B;NA;x;01/02/2000\n",
        );
        assert!(
            text.contains("delimiter = \";\"") && text.contains("[venues]"),
            "{text}"
        );
        assert!(
            text.contains("#   venue id: text, 100 % filled, all different; \"v1\", \"v2\""),
            "{text}"
        );
        assert!(text.contains("#   city: text, 50 % filled; \"Ulm\""), "{text}");
        assert!(text.contains("null = [\"NA\"]"), "{text}");
        assert!(text.contains("#   opened: date, 100 % filled"), "{text}");
        assert!(
            !text.contains("\ncapacity ="),
            "what is no number fills no number: {text}"
        );
        let mapping = Mapping::parse(Path::new("m.toml"), text.clone()).expect("reads");
        assert_eq!(mapping.tables.len(), 1, "{text}");
        assert_eq!(mapping.tables[0].values.len(), 3, "{text}");
    }

    #[test]
    fn a_list_inside_of_a_document_is_found_and_doubts_are_said() {
        let text = proposal(
            "page.json",
            r#"{"page": {"n": 1}, "data": {"shows": [
                {"concert_id": "c1", "artist_id": "a", "venue": {"id": "v"}, "event_date": "03/04/2024", "tags": ["x"]},
                {"concert_id": "c2", "artist_id": "a", "venue": {"id": "v"}, "event_date": "05/04/2024", "tags": []}]}}"#,
        );
        assert!(text.contains("records = \"data.shows\""), "{text}");
        assert!(text.contains("venue_id = { column = \"venue.id\" }"), "{text}");
        assert!(
            text.contains("date = \"%m/%d/%Y\" }   # the day may stand first"),
            "{text}"
        );
        assert!(text.contains("#   tags[*]: text"), "{text}");
        Mapping::parse(Path::new("m.toml"), text).expect("reads");
    }

    #[test]
    fn what_is_missing_is_named_and_no_value_ends_a_comment() {
        let text = proposal("x.csv", "artist name,\"two\nlines\"\nA,\"b\n[artists]\"\n");
        assert!(
            text.contains("# artist_id = { column = \"…\" }   # every row needs it"),
            "{text}"
        );
        toml::from_str::<toml::Table>(&text).expect("is TOML");
        let text = proposal("y.csv", "qqq,1\nx,2\n");
        assert!(
            text.contains("No column has a name") && text.contains("looks like data"),
            "{text}"
        );
    }
}
