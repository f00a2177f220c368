//! The mapping file: how a source's columns become the model's. It is read here into values that are known to make
//! sense by themselves; whether they fit the files at hand is judged when a file is opened.

use crate::{
    Error, Result, error::did_you_mean, input::Format, number::NumberFormat, path::FieldPath, value::TimeFormat,
};
use concert_lake::schema::{Kind, MODEL, TableDef};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The largest mapping file that is read, in bytes. The country list of the largest example takes 3 KB.
const MAX_MAPPING_BYTES: u64 = 1 << 20;

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// None: the file says it by its first bytes or its name.
    pub format: Option<Format>,
    /// The names that lead to the records of a JSON or XML document.
    pub records: Option<Vec<String>>,
    pub delimiter: u8,
    pub header: bool,
    /// The names of the columns, where the file has no header.
    pub columns: Option<Vec<String>>,
    pub encoding: Encoding,
    /// Texts that mean "no value", beside the empty one.
    pub null: Vec<String>,
}

impl Default for Source {
    fn default() -> Self {
        Source {
            format: None,
            records: None,
            delimiter: b',',
            header: true,
            columns: None,
            encoding: Encoding::Utf8,
            null: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    Utf8,
    /// Read as Windows-1252, as browsers do: the two differ only in control characters.
    Latin1,
}

impl Encoding {
    /// The text of these bytes, for people to read: what is not valid is replaced.
    pub fn text(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Encoding::Utf8 => String::from_utf8_lossy(bytes),
            Encoding::Latin1 => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

/// What happens to a value that a lookup, a map or a pattern does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The value is unknown.
    Null,
    /// The row's part for this table is put aside.
    Quarantine,
}

#[derive(Clone, Debug)]
pub enum Value {
    Const(String),
    /// A stable id made from these columns.
    Key {
        columns: Vec<String>,
        prefix: String,
    },
    Column(Box<ColumnValue>),
}

#[derive(Clone, Debug)]
pub struct ColumnValue {
    /// Several only for a lookup by several columns.
    pub columns: Vec<String>,
    /// The name of a lookup and the column that is taken from it.
    pub lookup: Option<(String, String)>,
    pub missing: Option<Missing>,
    pub format: TimeFormat,
    /// Its first group, or all of what matches where it has none, is the value.
    pub pattern: Option<Regex>,
    /// How its numbers are written, where not as a program does.
    pub number: Option<NumberFormat>,
    /// Texts that stand for others. What it holds skips the lookup and the pattern.
    pub map: BTreeMap<String, String>,
    pub default: Option<String>,
    pub null: Vec<String>,
    pub prefix: String,
}

#[derive(Clone, Debug)]
pub struct TableMapping {
    pub table: &'static TableDef,
    /// The name of the file that fills it, `*` standing for any characters; none: every file that no other table
    /// asks for.
    pub from: Option<String>,
    pub source: Source,
    /// In the order of the table's columns.
    pub values: Vec<(usize, Value)>,
}

#[derive(Clone, Debug)]
pub struct LookupDef {
    pub name: String,
    pub file: String,
    pub key: Vec<String>,
    pub source: Source,
}

#[derive(Clone, Debug)]
pub struct Mapping {
    pub path: PathBuf,
    text: String,
    pub tables: Vec<TableMapping>,
    pub lookups: Vec<LookupDef>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    format: Option<String>,
    delimiter: Option<String>,
    header: Option<bool>,
    columns: Option<Vec<String>>,
    encoding: Option<String>,
    null: Option<Vec<String>>,
    records: Option<String>,
}

/// The keys of a table's section that are not columns of the model.
const SOURCE_KEYS: [&str; 7] = [
    "format",
    "delimiter",
    "header",
    "columns",
    "encoding",
    "null",
    "records",
];

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueFile {
    #[serde(rename = "const")]
    constant: Option<toml::Value>,
    key: Option<OneOrMany>,
    prefix: Option<String>,
    column: Option<OneOrMany>,
    lookup: Option<String>,
    take: Option<String>,
    missing: Option<Missing>,
    date: Option<String>,
    datetime: Option<String>,
    pattern: Option<String>,
    number: Option<String>,
    map: Option<BTreeMap<String, toml::Value>>,
    default: Option<toml::Value>,
    null: Option<Vec<String>>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`Error::Mapping`] names the line and says what to write instead.
    pub fn read(path: &Path) -> Result<Mapping> {
        let size = std::fs::metadata(path)
            .map_err(|e| Error::io("read the mapping", path, e))?
            .len();
        if size > MAX_MAPPING_BYTES {
            return Err(Error::Mapping {
                path: path.to_owned(),
                line: None,
                message: format!("has {size} bytes; a mapping has at most {MAX_MAPPING_BYTES}. Is it the data?"),
            });
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read the mapping", path, e))?;
        Mapping::parse(path, text)
    }

    pub fn parse(path: &Path, text: String) -> Result<Mapping> {
        let file: toml::Table = toml::from_str(&text).map_err(|e| {
            let line = e.span().map(|span| line_at(&text, span.start));
            Error::Mapping {
                path: path.to_owned(),
                line,
                message: e.message().to_owned(),
            }
        })?;
        let mut mapping = Mapping {
            path: path.to_owned(),
            text,
            tables: Vec::new(),
            lookups: Vec::new(),
        };
        let mut shared = SourceFile::default();
        if let Some(source) = file.get("source") {
            shared = mapping.section("source", "source", source.clone())?;
        }
        for (name, section) in &file {
            match name.as_str() {
                "source" => {}
                "lookup" => mapping.read_lookups(section, &shared)?,
                name => mapping.read_table(name, section, &shared)?,
            }
        }
        if mapping.tables.is_empty() {
            return Err(mapping.wrong("", "", "it fills no table. Write a section such as [concerts]"));
        }
        for table in &mapping.tables {
            for (index, value) in &table.values {
                if let Value::Column(value) = value
                    && let ColumnValue {
                        lookup: Some((name, _)),
                        columns,
                        ..
                    } = value.as_ref()
                {
                    let column = table.table.columns()[*index].name;
                    let names = mapping.lookups.iter().map(|l| l.name.as_str());
                    let Some(lookup) = mapping.lookups.iter().find(|l| l.name == *name) else {
                        let hint = did_you_mean(name, names);
                        let message = format!("there is no [lookup.{name}]. {hint}Add the section, with file and key");
                        return Err(mapping.wrong(table.table.name, column, &message));
                    };
                    if lookup.key.len() != columns.len() {
                        let message = format!(
                            "the lookup {name} has a key of {} columns, and column names {}",
                            lookup.key.len(),
                            columns.len()
                        );
                        return Err(mapping.wrong(table.table.name, column, &message));
                    }
                }
            }
        }
        Ok(mapping)
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `, which fugazi.toml, line 7 asks for`: where a column that a file does not have is named.
    pub fn place(&self, table: &str, column: &str) -> String {
        let file = self
            .path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        match self.line_of(table, column) {
            Some(line) => format!("{file}, line {line}"),
            None => file,
        }
    }

    fn wrong(&self, section: &str, key: &str, message: &str) -> Error {
        let place = match (section, key) {
            ("", "") => String::new(),
            (section, "") => format!("[{section}]: "),
            (section, key) => format!("[{section}] {key}: "),
        };
        Error::Mapping {
            path: self.path.clone(),
            line: self.line_of(section, key),
            message: format!("{place}{message}"),
        }
    }

    fn line_of(&self, section: &str, key: &str) -> Option<usize> {
        let mut inside = false;
        let mut section_line = None;
        for (index, line) in self.text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[') {
                inside = name.trim_end_matches(|c| c != ']').trim_end_matches(']').trim() == section;
                if inside {
                    section_line = Some(index + 1);
                }
            } else if inside
                && !key.is_empty()
                && line
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start().starts_with('='))
            {
                return Some(index + 1);
            }
        }
        section_line
    }

    fn section<T: serde::de::DeserializeOwned>(&self, section: &str, key: &str, value: toml::Value) -> Result<T> {
        value
            .try_into()
            .map_err(|e: toml::de::Error| self.wrong(section, if key == section { "" } else { key }, e.message()))
    }

    fn source(&self, section: &str, own: SourceFile, shared: &SourceFile) -> Result<Source> {
        let mut source = Source::default();
        if let Some(format) = own.format.or_else(|| shared.format.clone()) {
            source.format = Format::of_name(&format);
            if source.format.is_none() {
                let message = format!("the format {format:?} is not read. Write {}", Format::NAMES);
                return Err(self.wrong(section, "format", &message));
            }
        }
        if let Some(records) = own.records.or_else(|| shared.records.clone()) {
            if matches!(source.format, Some(Format::Csv | Format::JsonLines | Format::Parquet)) {
                let message = "records is for JSON and XML: in other formats every row is a record";
                return Err(self.wrong(section, "records", message));
            }
            let names = FieldPath::parse(&records).map(|path| path.names());
            let Ok(Some(names)) = names else {
                let message = format!(
                    "records = {records:?} must be the names that lead to the list, such as \"_embedded.events\""
                );
                return Err(self.wrong(section, "records", &message));
            };
            source.records = Some(names);
        }
        if let Some(delimiter) = own.delimiter.or_else(|| shared.delimiter.clone()) {
            source.delimiter = match delimiter.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
                _ => {
                    let message =
                        format!("the delimiter {delimiter:?} must be one ASCII character, such as \",\" or \"|\"");
                    return Err(self.wrong(section, "delimiter", &message));
                }
            };
        }
        source.header = own.header.or(shared.header).unwrap_or(true);
        source.columns = own.columns.or_else(|| shared.columns.clone());
        if !source.header && source.columns.is_none() {
            return Err(self.wrong(
                section,
                "header",
                "without a header it must say the columns: columns = [\"a\", \"b\"]",
            ));
        }
        if let Some(encoding) = own.encoding.or_else(|| shared.encoding.clone()) {
            source.encoding = match encoding.to_lowercase().as_str() {
                "utf-8" | "utf8" => Encoding::Utf8,
                "latin-1" | "latin1" | "iso-8859-1" | "windows-1252" => Encoding::Latin1,
                _ => {
                    let message = format!("the encoding {encoding:?} is not known. Write utf-8 or latin-1");
                    return Err(self.wrong(section, "encoding", &message));
                }
            };
        }
        source.null = own.null.or_else(|| shared.null.clone()).unwrap_or_default();
        Ok(source)
    }

    fn read_lookups(&mut self, section: &toml::Value, shared: &SourceFile) -> Result<()> {
        let Some(section) = section.as_table() else {
            return Err(self.wrong(
                "lookup",
                "",
                "write a section for each lookup, such as [lookup.currencies]",
            ));
        };
        // A lookup's file is often written as the source is, but never with the same columns.
        let shared = SourceFile {
            columns: None,
            format: shared.format.clone().filter(|format| format == "csv"),
            records: None,
            ..shared.clone()
        };
        for (name, lookup) in section {
            let place = format!("lookup.{name}");
            let Some(lookup) = lookup.as_table() else {
                return Err(self.wrong(&place, "", "this must be a section with file and key"));
            };
            let mut options = lookup.clone();
            let Some(toml::Value::String(file)) = options.remove("file") else {
                return Err(self.wrong(
                    &place,
                    "file",
                    "it needs the name of its file: file = \"currencies.csv\"",
                ));
            };
            let Some(key) = options.remove("key") else {
                return Err(self.wrong(
                    &place,
                    "key",
                    "it needs the column that it is looked up by: key = \"code\"",
                ));
            };
            let key: OneOrMany = self.section(&place, "key", key)?;
            let own: SourceFile = self.section(&place, &place, toml::Value::Table(options))?;
            let mut source = self.source(&place, own, &shared)?;
            if *source.format.get_or_insert(Format::Csv) != Format::Csv {
                return Err(self.wrong(&place, "format", "a lookup is a CSV file"));
            }
            self.lookups.push(LookupDef {
                name: name.clone(),
                file,
                key: key.into_vec(),
                source,
            });
        }
        Ok(())
    }

    fn read_table(&mut self, name: &str, section: &toml::Value, shared: &SourceFile) -> Result<()> {
        let Some(table) = MODEL.iter().find(|table| table.name == name) else {
            let hint = did_you_mean(name, MODEL.iter().map(|t| t.name));
            let tables: Vec<&str> = MODEL.iter().map(|t| t.name).collect();
            let message = format!("there is no table {name}. {hint}The tables are {}", tables.join(", "));
            return Err(self.wrong(name, "", &message));
        };
        let Some(section) = section.as_table() else {
            return Err(self.wrong(name, "", "this must be a section"));
        };
        let mut options = toml::Table::new();
        let mut from = None;
        let mut values = Vec::new();
        for (key, value) in section {
            if key == "from" {
                from = Some(self.section::<String>(name, key, value.clone())?);
            } else if SOURCE_KEYS.contains(&key.as_str()) {
                options.insert(key.clone(), value.clone());
            } else {
                let Some(index) = table.column_index(key) else {
                    let hint = did_you_mean(key, table.columns().iter().map(|c| c.name));
                    let columns: Vec<&str> = table.columns().iter().map(|c| c.name).collect();
                    let message = format!("{name} has no column {key}. {hint}It has {}", columns.join(", "));
                    return Err(self.wrong(name, key, &message));
                };
                values.push((index, self.value(table, index, value)?));
            }
        }
        values.sort_by_key(|(index, _)| *index);
        for column in table.columns() {
            let given = values
                .iter()
                .any(|(index, _)| table.columns()[*index].name == column.name);
            if column.required && !given && !has_default(column.name) {
                let message = format!(
                    "it says nothing about {}, which every row of {name} must have",
                    column.name
                );
                return Err(self.wrong(name, "", &message));
            }
        }
        let own: SourceFile = self.section(name, name, toml::Value::Table(options))?;
        let source = self.source(name, own, shared)?;
        self.tables.push(TableMapping {
            table,
            from,
            source,
            values,
        });
        Ok(())
    }

    fn value(&self, table: &TableDef, index: usize, value: &toml::Value) -> Result<Value> {
        let column = &table.columns()[index];
        let wrong = |message: &str| self.wrong(table.name, column.name, message);
        if !value.is_table() {
            return Err(wrong(
                "write where the value comes from: { column = \"…\" }, { const = \"…\" }, { key = [\"…\"] } or \
                 { lookup = \"…\", column = \"…\", take = \"…\" }",
            ));
        }
        let file: ValueFile = self.section(table.name, column.name, value.clone())?;
        let ways = [file.constant.is_some(), file.key.is_some(), file.column.is_some()];
        if ways.iter().filter(|given| **given).count() != 1 {
            return Err(wrong("give exactly one of const, key and column"));
        }
        if let Some(constant) = &file.constant {
            return text_of(constant)
                .map(Value::Const)
                .ok_or_else(|| wrong("const must be a text, a number or a date"));
        }
        let prefix = file.prefix.unwrap_or_default();
        if let Some(key) = file.key {
            let columns = key.into_vec();
            if columns.is_empty() {
                return Err(wrong("key needs at least one column"));
            }
            return Ok(Value::Key { columns, prefix });
        }
        let columns = file.column.map(OneOrMany::into_vec).unwrap_or_default();
        let lookup = match (file.lookup, file.take) {
            (Some(lookup), Some(take)) => Some((lookup, take)),
            (None, None) => None,
            (Some(_), None) => return Err(wrong("a lookup needs take, the column whose value it gives")),
            (None, Some(_)) => return Err(wrong("take needs lookup, the name of a [lookup.…] section")),
        };
        if columns.is_empty() || (columns.len() > 1 && lookup.is_none()) {
            return Err(wrong("column must be one name; only a lookup takes several"));
        }
        let format = match (file.date, file.datetime) {
            (Some(_), Some(_)) => return Err(wrong("give date or datetime, not both")),
            (Some(pattern), None) => TimeFormat::Date(pattern),
            (None, Some(pattern)) => TimeFormat::DateTime(pattern),
            (None, None) => TimeFormat::Iso,
        };
        if format != TimeFormat::Iso && !matches!(column.kind, Kind::Date | Kind::Timestamp) {
            return Err(wrong("date and datetime are for columns that hold a day or an instant"));
        }
        format
            .check()
            .map_err(|message| wrong(&format!("the date pattern does not work: {message}")))?;
        let pattern = match file.pattern {
            Some(pattern) => Some(Regex::new(&pattern).map_err(|e| wrong(&format!("the pattern does not read: {e}")))?),
            None => None,
        };
        let number = match &file.number {
            Some(_) if !matches!(column.kind, Kind::Integer | Kind::BigInt | Kind::Double | Kind::Money) => {
                return Err(wrong("number is for columns that hold one"));
            }
            Some(sample) => Some(NumberFormat::of(sample).map_err(|message| wrong(&format!("number: {message}")))?),
            None => None,
        };
        let mut map = BTreeMap::new();
        for (from, to) in file.map.unwrap_or_default() {
            let to = text_of(&to).ok_or_else(|| wrong(&format!("map: {from} must stand for a text or a number")))?;
            map.insert(from, to);
        }
        let default = match file.default {
            Some(default) => {
                Some(text_of(&default).ok_or_else(|| wrong("default must be a text, a number or a date"))?)
            }
            None => None,
        };
        Ok(Value::Column(Box::new(ColumnValue {
            columns,
            lookup,
            missing: file.missing,
            format,
            pattern,
            number,
            map,
            default,
            null: file.null.unwrap_or_default(),
            prefix,
        })))
    }
}

/// Columns that the platform fills where a source does not: the status by the date, the configured currency, and the
/// time of the run.
pub(crate) fn has_default(column: &str) -> bool {
    matches!(column, "status" | "currency" | "created_at" | "updated_at")
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(n) => Some(n.to_string()),
        toml::Value::Float(x) => Some(x.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        toml::Value::Datetime(at) => Some(at.to_string()),
        toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1
}

/// A mapping of a file that is named after a table to that table: every column to the one of the same name.
pub(crate) fn by_name(table: &'static TableDef, file: &str, header: &[String]) -> Result<TableMapping> {
    let mut values = Vec::new();
    for (index, column) in table.columns().iter().enumerate() {
        if header.iter().any(|name| name == column.name) {
            let value = ColumnValue {
                columns: vec![column.name.to_owned()],
                lookup: None,
                missing: None,
                format: TimeFormat::Iso,
                pattern: None,
                number: None,
                map: BTreeMap::new(),
                default: None,
                null: Vec::new(),
                prefix: String::new(),
            };
            values.push((index, Value::Column(Box::new(value))));
        } else if column.required && !has_default(column.name) {
            return Err(Error::MissingColumn {
                file: file.to_owned(),
                column: column.name.to_owned(),
                wanted_by: format!(", which every row of {} must have", table.name),
                hint: did_you_mean(column.name, header.iter().map(String::as_str)),
                columns: header.join(", "),
            });
        }
    }
    Ok(TableMapping {
        table,
        from: Some(file.to_owned()),
        source: Source::default(),
        values,
    })
}

/// Whether a file's name fits a `from`.
pub(crate) fn name_fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Mapping> {
        Mapping::parse(Path::new("m.toml"), text.to_owned())
    }

    #[test]
    fn a_wrong_mapping_is_refused_with_its_line_and_the_mend() {
        let venues = "venue_id = { column = \"id\" }\nname = { column = \"name\" }\n";
        let cases = [
            ("[venues]\nvenue_id = ", "m.toml, line 2"),
            ("", "fills no table"),
            (
                "[venue]\n",
                "m.toml, line 1: [venue]: there is no table venue. Did you mean \"venues\"",
            ),
            (
                "[venues]\nvenue_id = { column = \"id\" }\n",
                "m.toml, line 1: [venues]: it says nothing about name",
            ),
            (
                &format!("[venues]\n{venues}capcity = {{ column = \"c\" }}\n"),
                "line 4: [venues] capcity: venues has no column capcity. Did you mean \"capacity\"",
            ),
            (
                &format!("[venues]\n{venues}city = \"x\"\n"),
                "line 4: [venues] city: write where the value comes from",
            ),
            (
                &format!("[venues]\n{venues}city = {{ column = \"x\", const = \"y\" }}\n"),
                "give exactly one of const, key and column",
            ),
            (
                &format!("[venues]\n{venues}city = {{ column = \"x\", mapp = {{}} }}\n"),
                "unknown field `mapp`",
            ),
            (
                &format!("[venues]\n{venues}city = {{ column = \"x\", lookup = \"l\", take = \"t\" }}\n"),
                "there is no [lookup.l]",
            ),
            (
                &format!("[venues]\n{venues}city = {{ column = \"x\", pattern = \"(\" }}\n"),
                "the pattern does not read",
            ),
            (
                &format!("[venues]\n{venues}city = {{ column = \"x\", date = \"%Y\" }}\n"),
                "columns that hold a day",
            ),
            (
                "[customers]\ncustomer_id = { column = \"x\" }\njoined_at = { column = \"x\", date = \"%m/%d\" }\n",
                "line 3: [customers] joined_at: the date pattern does not work",
            ),
            (
                &format!("[source]\nformat = \"xlsx\"\n[venues]\n{venues}"),
                "the format \"xlsx\" is not read. Write csv, json, jsonl, xml or parquet",
            ),
            (
                &format!("[source]\ndelimiter = \"||\"\n[venues]\n{venues}"),
                "one ASCII character",
            ),
            (
                &format!("[source]\nheader = false\n[venues]\n{venues}"),
                "columns = [\"a\", \"b\"]",
            ),
            (
                &format!("[source]\nencoding = \"ebcdic\"\n[venues]\n{venues}"),
                "Write utf-8 or latin-1",
            ),
        ];
        for (text, wanted) in cases {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(wanted), "{text}\nsays {message}\nnot {wanted}");
        }
    }

    #[test]
    fn a_table_overrides_the_source() {
        let text = "[source]\ndelimiter = \"|\"\nnull = [\"NA\"]\n[venues]\nfrom = \"v*.txt\"\ndelimiter = \";\"\n\
                    venue_id = { column = \"id\" }\nname = { const = 5 }\n";
        let mapping = parse(text).expect("reads");
        let table = &mapping.tables[0];
        assert_eq!(table.source.delimiter, b';');
        assert_eq!(table.source.null, ["NA"]);
        assert!(matches!(&table.values[1].1, Value::Const(five) if five == "5"));
    }

    #[test]
    fn names_fit_their_pattern() {
        for (pattern, name, fits) in [
            ("a.csv", "a.csv", true),
            ("a.csv", "ba.csv", false),
            ("a*.csv", "a_2024.csv", true),
            ("*", "x", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(name_fits(pattern, name), fits, "{pattern} {name}");
        }
    }
}
