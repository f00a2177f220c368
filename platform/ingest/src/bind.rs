//! A table's mapping, bound to the columns of one file: turns a row of text into typed cells, or says why it cannot.

use crate::{
    Error, Result,
    files::Rows,
    lookup::Lookup,
    mapping::{Mapping, Missing, TableMapping, Value},
    number::NumberFormat,
    rules::KEY_SEPARATOR,
    value::{Cell, Fault, TimeFormat, moment, parse, shown},
};
use concert_lake::schema::{ColumnDef, TableDef};
use regex::Regex;
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// How many bytes of the hash make a key: 128 bits, so that two keys never meet.
const KEY_BYTES: usize = 16;

/// How databases dump NULL into delimited text (Redshift, PostgreSQL, MySQL). No source means it as a value, so that no
/// mapping has to name it.
const DUMPED_NULL: &str = "\\N";

#[derive(Debug)]
pub struct BoundTable {
    pub table: &'static TableDef,
    values: Vec<BoundValue>,
    /// Where `event_date` and `starts_at` stand, if a time beside the day has a place to go.
    split: Option<(usize, usize)>,
    /// A field that is taken from every element of a list: then each of them is a row.
    each: Option<usize>,
}

#[derive(Debug)]
struct BoundValue {
    index: usize,
    column: &'static ColumnDef,
    /// The source's column names, for the quarantine.
    names: String,
    from: From,
    null: Vec<String>,
    format: TimeFormat,
}

#[derive(Debug)]
enum From {
    Const(String),
    Key { fields: Vec<usize>, prefix: String },
    Column(Box<FromColumn>),
}

#[derive(Debug)]
struct FromColumn {
    fields: Vec<usize>,
    lookup: Option<(Arc<Lookup>, usize)>,
    missing: Option<Missing>,
    pattern: Option<Regex>,
    number: Option<NumberFormat>,
    map: BTreeMap<String, String>,
    default: Option<String>,
    prefix: String,
}

/// What a row says about a table.
pub enum Part<'a> {
    Cells(Vec<Option<Cell<'a>>>),
    /// Nothing: the column that the table is about has no value in this row.
    Absent,
    Faulty {
        column: String,
        fault: Fault,
    },
}

impl BoundTable {
    /// Finds the columns that `mapping` asks for.
    ///
    /// # Errors
    /// [`crate::Error::MissingColumn`] names the file, the column, and where in the mapping it is asked for.
    pub fn new(
        mapping: &TableMapping,
        file: Option<&Mapping>,
        rows: &mut Rows,
        lookups: &HashMap<String, Arc<Lookup>>,
    ) -> Result<BoundTable> {
        let table = mapping.table;
        let mut values = Vec::with_capacity(mapping.values.len());
        for (index, value) in &mapping.values {
            let column = &table.columns()[*index];
            let wanted_by = || match file {
                Some(file) => {
                    format!(
                        ", which {} asks for ({}.{})",
                        file.place(table.name, column.name),
                        table.name,
                        column.name
                    )
                }
                None => String::new(),
            };
            let mut find = |names: &[String]| {
                names
                    .iter()
                    .map(|name| rows.column(name, wanted_by))
                    .collect::<Result<Vec<usize>>>()
            };
            let mut null = mapping.source.null.clone();
            let mut format = TimeFormat::Iso;
            let (names, from) = match value {
                Value::Const(text) => (String::new(), From::Const(text.clone())),
                Value::Key { columns, prefix } => (
                    columns.join(", "),
                    From::Key {
                        fields: find(columns)?,
                        prefix: prefix.clone(),
                    },
                ),
                Value::Column(value) => {
                    null.extend_from_slice(&value.null);
                    format = value.format.clone();
                    let lookup = match &value.lookup {
                        Some((name, take)) => match lookups.get(name) {
                            Some(lookup) => Some((Arc::clone(lookup), lookup.column(take, wanted_by)?)),
                            None => None,
                        },
                        None => None,
                    };
                    let from = FromColumn {
                        fields: find(&value.columns)?,
                        lookup,
                        missing: value.missing,
                        pattern: value.pattern.clone(),
                        number: value.number.clone(),
                        map: value.map.clone(),
                        default: value.default.clone(),
                        prefix: value.prefix.clone(),
                    };
                    (value.columns.join(", "), From::Column(Box::new(from)))
                }
            };
            values.push(BoundValue {
                index: *index,
                column,
                names,
                from,
                null,
                format,
            });
        }
        // What the table is about comes first: a row that says nothing about it cannot be at fault in the rest.
        values.sort_by_key(|value| (Some(value.column.name) != table.subject, value.index));
        let given = |name| values.iter().any(|value| value.column.name == name);
        let split = match (table.column_index("event_date"), table.column_index("starts_at")) {
            (Some(day), Some(start)) if !given("starts_at") => Some((day, start)),
            _ => None,
        };
        let mut each: Option<usize> = None;
        for field in values.iter().flat_map(BoundValue::fields) {
            if !rows.is_each(*field) {
                continue;
            }
            match each {
                Some(first) if !rows.share_list(first, *field) => {
                    return Err(Error::Header {
                        file: rows.file.name.clone(),
                        line: 1,
                        message: format!("the columns of {} take their rows from two lists", table.name),
                        mend: "Write [*] behind one list only in a table's section".to_owned(),
                    });
                }
                _ => each = Some(*field),
            }
        }
        Ok(BoundTable {
            table,
            values,
            split,
            each,
        })
    }

    /// How many rows the current record of `rows` holds for this table.
    pub fn repeats(&self, rows: &Rows) -> usize {
        self.each.map_or(1, |field| rows.elements(field))
    }

    /// The key of the current row of `rows`, its parts joined by [`KEY_SEPARATOR`]; none where a part does not read. It is
    /// sought for rows that are put aside, so that what refers to them finds them.
    pub fn key(&self, rows: &Rows) -> Option<String> {
        let mut key = String::new();
        for (at, name) in self.table.key.iter().enumerate() {
            let value = self.values.iter().find(|value| value.column.name == *name)?;
            let text = value.text(rows).ok()??;
            match parse(&text, value.column, &value.format).ok()?? {
                Cell::Text(text) => {
                    if at > 0 {
                        key.push(KEY_SEPARATOR);
                    }
                    key.push_str(&text);
                }
                _ => return None,
            }
        }
        Some(key)
    }

    /// What the source calls the columns that a column of the model is made from.
    pub fn source_names(&self) -> BTreeMap<String, String> {
        let named = self.values.iter().filter(|value| !value.names.is_empty());
        named
            .map(|value| (value.column.name.to_owned(), value.names.clone()))
            .collect()
    }

    /// Whether a record can hold several rows for this table.
    pub fn is_each(&self) -> bool {
        self.each.is_some()
    }

    /// Reads the current row of `rows`.
    pub fn read<'a>(&'a self, rows: &'a Rows) -> Part<'a> {
        let mut cells: Vec<Option<Cell<'a>>> = vec![None; self.table.columns().len()];
        for value in &self.values {
            let faulty = |fault: Fault| Part::Faulty {
                column: value.names.clone(),
                fault: Fault {
                    rule: fault.rule,
                    message: format!("{}: {}", value.column.name, fault.message),
                },
            };
            let text = match value.text(rows) {
                Ok(text) => text,
                Err(fault) => return faulty(fault),
            };
            let parsed = match &text {
                Some(Cow::Borrowed(text)) => parse(text, value.column, &value.format),
                Some(Cow::Owned(text)) => {
                    parse(text, value.column, &value.format).map(|cell| cell.map(Cell::into_owned))
                }
                None => Ok(None),
            };
            let cell = match parsed {
                Ok(cell) => cell,
                Err(fault) => return faulty(fault),
            };
            if cell.is_none() && Some(value.column.name) == self.table.subject {
                return Part::Absent;
            }
            // Without its key a row is nobody's. What else must have a value is said by the rules.
            if cell.is_none() && self.table.key.contains(&value.column.name) {
                return faulty(Fault::new("key", "there is no value, and every row is known by it"));
            }
            if let (Some((day, start)), Some(text)) = (self.split, &text)
                && value.index == day
                && let Ok(moment) = moment(text, &value.format)
                && let Some(instant) = moment.instant()
            {
                cells[start] = Some(Cell::Timestamp(instant.as_microsecond()));
            }
            cells[value.index] = cell;
        }
        Part::Cells(cells)
    }
}

impl BoundValue {
    /// The fields of a row that the value is made from.
    fn fields(&self) -> &[usize] {
        match &self.from {
            From::Const(_) => &[],
            From::Key { fields, .. } => fields,
            From::Column(value) => &value.fields,
        }
    }

    fn is_null(&self, text: &str) -> bool {
        text.is_empty() || text == DUMPED_NULL || self.null.iter().any(|null| null == text)
    }

    fn text<'a>(&'a self, rows: &'a Rows) -> Result<Option<Cow<'a, str>>, Fault> {
        if let Some(what) = self.fields().iter().find_map(|field| rows.nested(*field)) {
            return Err(Fault::new("mapping.nested", format!("what stands there is {what}")));
        }
        let value = match &self.from {
            From::Const(text) => return Ok(Some(Cow::Borrowed(text))),
            From::Key { fields, prefix } => {
                let parts = fields.iter().map(|field| rows.field(*field));
                let parts: Vec<&str> = parts.map(|text| if self.is_null(text) { "" } else { text }).collect();
                return Ok(parts
                    .iter()
                    .any(|text| !text.is_empty())
                    .then(|| Cow::Owned(key(prefix, &parts))));
            }
            From::Column(value) => value,
        };
        let found = self.found(value, rows)?;
        let found = match found {
            Some(text) => Some(text),
            None => value.default.as_deref().map(Cow::Borrowed),
        };
        Ok(found.map(|text| {
            if value.prefix.is_empty() {
                text
            } else {
                Cow::Owned(format!("{}{text}", value.prefix))
            }
        }))
    }

    fn found<'a>(&'a self, value: &'a FromColumn, rows: &'a Rows) -> Result<Option<Cow<'a, str>>, Fault> {
        let fields = || value.fields.iter().map(|field| rows.field(*field));
        let single = rows.field(value.fields[0]);
        if self.is_null(single) && fields().all(|text| self.is_null(text)) {
            return Ok(None);
        }
        let unknown = |rule, what: &str| match value.missing {
            Some(Missing::Null) => Ok(None),
            Some(Missing::Quarantine) | None => {
                let text = fields().collect::<Vec<_>>().join(", ");
                Err(Fault::new(rule, format!("{} {what}", shown(&text))))
            }
        };
        if value.fields.len() == 1
            && !value.map.is_empty()
            && let Some(mapped) = value.map.get(single)
        {
            return Ok((!self.is_null(mapped)).then_some(Cow::Borrowed(mapped.as_str())));
        }
        let text = match &value.lookup {
            Some((lookup, column)) => match lookup.get(fields(), *column) {
                Some(Some(text)) => text,
                Some(None) => return Ok(None),
                None => return unknown("mapping.lookup", &format!("is not in {}", lookup.file())),
            },
            // A map says what it holds; that the rest passes as it is can be forbidden.
            None if !value.map.is_empty() && value.missing.is_some() && value.pattern.is_none() => {
                return unknown("mapping.map", "is not in the map");
            }
            None => single,
        };
        let text = match &value.pattern {
            None => Cow::Borrowed(text),
            Some(pattern) => match pattern.captures(text) {
                Some(groups) => {
                    let group = groups
                        .get(1)
                        .or_else(|| groups.get(0))
                        .map(|m| m.as_str().trim())
                        .unwrap_or_default();
                    if self.is_null(group) {
                        return Ok(None);
                    }
                    Cow::Owned(group.to_owned())
                }
                None => return unknown("mapping.pattern", "does not fit the pattern"),
            },
        };
        match &value.number {
            None => Ok(Some(text)),
            Some(number) => Ok(Some(match text {
                Cow::Borrowed(text) => number.plain(text)?,
                Cow::Owned(text) => Cow::Owned(number.plain(&text)?.into_owned()),
            })),
        }
    }
}

/// A stable id: the same values give the same id in every run and on every machine.
fn key(prefix: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    format!("{prefix}{}", hex::encode(&hash.finalize()[..KEY_BYTES]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stable_and_tell_parts_apart() {
        assert_eq!(
            key("v-", &["Wilson Center", "Washington", "USA"]),
            "v-dab25c41594e28f0a23b64746c41528a"
        );
        assert_ne!(key("", &["ab", "c"]), key("", &["a", "bc"]));
    }
}
