//! Reads rules from TOML. Every fault of a rule is found here, before a record is read, and says the line and the
//! column that it stands on and, where a name is wrong, the nearest right one.

use super::{Bound, Check, Message, Operand, Part, Rule, Severity, expression::Expression, operand, references, sql};
use crate::{Error, Result, error::did_you_mean};
use concert_lake::schema::{ColumnDef, Kind, MODEL, TableDef};
use regex::Regex;
use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The largest file of rules that is read, in bytes, and how many rules may be in force. The built-in file has 80.
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_RULES: usize = 1_000;

/// The longest name of a rule, in characters.
const MAX_NAME_CHARS: usize = 100;

const KINDS: [&str; 9] = [
    "required",
    "range",
    "one_of",
    "matches",
    "references",
    "unique",
    "order",
    "fresh_days",
    "check",
];
const OTHER_KEYS: [&str; 7] = [
    "name",
    "table",
    "column",
    "severity",
    "message",
    "enabled",
    "tolerance_days",
];

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
struct Field {
    file: usize,
    span: Range<usize>,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(String),
    Bool(bool),
    Date(String),
    List(Vec<Field>),
    Table(Vec<(String, Field)>),
}

impl Value {
    fn what(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Number(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// A rule as its files write it: later files change single keys of it.
struct Draft {
    name: String,
    place: Field,
    fields: Vec<(String, Field)>,
}

impl Draft {
    fn get(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, field)| field)
    }

    fn change(&mut self, other: Draft) {
        if other.fields.iter().any(|(key, _)| KINDS.contains(&key.as_str())) {
            self.fields
                .retain(|(key, _)| !KINDS.contains(&key.as_str()) && key != "message" && key != "tolerance_days");
        }
        for (key, field) in other.fields {
            self.fields.retain(|(known, _)| *known != key);
            self.fields.push((key, field));
        }
        self.place = other.place;
    }
}

/// The text of a file of rules.
pub fn read(path: &Path) -> Result<String> {
    let size = std::fs::metadata(path)
        .map_err(|e| Error::io("read the rules", path, e))?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(Error::Rules {
            path: path.to_owned(),
            place: None,
            message: format!("has {size} bytes; a file of rules has at most {MAX_FILE_BYTES}. Is it the data?"),
        });
    }
    std::fs::read_to_string(path).map_err(|e| Error::io("read the rules", path, e))
}

pub fn parse(files: &[(&Path, &str)]) -> Result<Vec<Rule>> {
    let reader = Reader {
        files: files.iter().map(|(path, text)| File { path, text }).collect(),
    };
    let mut drafts: Vec<Draft> = Vec::new();
    for file in 0..reader.files.len() {
        let first_of_file = drafts.len();
        for draft in reader.drafts(file)? {
            match drafts.iter().position(|known| known.name == draft.name) {
                Some(at) if at >= first_of_file => {
                    return Err(reader.wrong(&draft.place, format!("there are two rules named {}", draft.name)));
                }
                Some(at) => drafts[at].change(draft),
                None => {
                    if file > 0 && draft.get("table").is_none() {
                        let hint = did_you_mean(&draft.name, drafts.iter().map(|known| known.name.as_str()));
                        let message = format!(
                            "there is no rule {} to change. {hint}A new rule needs table and one of {}",
                            draft.name,
                            KINDS.join(", ")
                        );
                        return Err(reader.wrong(&draft.place, message));
                    }
                    drafts.push(draft);
                }
            }
        }
    }
    if drafts.len() > MAX_RULES {
        let last = &drafts[MAX_RULES].place;
        return Err(reader.wrong(last, format!("there are more than {MAX_RULES} rules")));
    }
    let mut rules = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        if let Some(rule) = reader.rule(draft)? {
            rules.push(rule);
        }
    }
    Ok(rules)
}

struct Reader<'a> {
    files: Vec<File<'a>>,
}

impl Reader<'_> {
    fn error(&self, file: usize, at: usize, message: String) -> Error {
        let (path, text) = self
            .files
            .get(file)
            .map_or((PathBuf::new(), ""), |file| (file.path.to_owned(), file.text));
        Error::Rules {
            path,
            place: Some(place_of(text, at)),
            message,
        }
    }

    fn wrong(&self, field: &Field, message: impl Into<String>) -> Error {
        self.error(field.file, field.span.start, message.into())
    }

    fn drafts(&self, file: usize) -> Result<Vec<Draft>> {
        let text = self.files[file].text;
        let root = DeTable::parse(text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start);
            self.error(file, at, e.message().to_owned())
        })?;
        let mut drafts = Vec::new();
        for (key, value) in root.get_ref() {
            if key.get_ref() != "rule" {
                let hint = did_you_mean(key.get_ref(), ["rule"]);
                let message = format!("{} is no key here. {hint}A rule begins with [[rule]]", key.get_ref());
                return Err(self.error(file, key.span().start, message));
            }
            let Some(list) = value.get_ref().as_array() else {
                return Err(self.error(file, key.span().start, "a rule begins with [[rule]]".to_owned()));
            };
            for rule in list {
                let Some(table) = rule.get_ref().as_table() else {
                    return Err(self.error(file, rule.span().start, "a rule begins with [[rule]]".to_owned()));
                };
                drafts.push(self.draft(file, rule.span(), table)?);
            }
        }
        Ok(drafts)
    }

    fn draft(&self, file: usize, span: Range<usize>, table: &DeTable<'_>) -> Result<Draft> {
        let mut fields = Vec::new();
        let mut name = None;
        for (key, value) in table {
            let known = key.get_ref().as_ref();
            if !KINDS.contains(&known) && !OTHER_KEYS.contains(&known) {
                let keys = || OTHER_KEYS.iter().chain(&KINDS).copied();
                let message = format!(
                    "a rule has no key {known}. {}Its keys are {}",
                    did_you_mean(known, keys()),
                    keys().collect::<Vec<_>>().join(", ")
                );
                return Err(self.error(file, key.span().start, message));
            }
            let field = field_of(file, value);
            if known == "name" {
                name = Some(field);
            } else {
                fields.push((known.to_owned(), field));
            }
        }
        let Some(place) = name else {
            return Err(self.error(
                file,
                span.start,
                "a rule needs a name: name = \"concerts.my_rule\"".to_owned(),
            ));
        };
        let name = self.text(&place, "name")?.to_owned();
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || !name.chars().all(fits) {
            let message = format!(
                "the name of a rule has letters, digits, points, - and _, at most {MAX_NAME_CHARS}: concerts.my_rule"
            );
            return Err(self.wrong(&place, message));
        }
        Ok(Draft { name, place, fields })
    }

    fn text<'f>(&self, field: &'f Field, key: &str) -> Result<&'f str> {
        match &field.value {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong(field, format!("{key} must be a text, and this is {}", other.what()))),
        }
    }

    fn bool(&self, field: &Field, key: &str) -> Result<bool> {
        match &field.value {
            Value::Bool(value) => Ok(*value),
            other => Err(self.wrong(field, format!("{key} is true or false, and this is {}", other.what()))),
        }
    }

    fn days(&self, field: &Field, key: &str) -> Result<u32> {
        let wanted = format!("{key} must be a whole number of days, such as 2");
        match &field.value {
            // More than a century is a slip of the pen.
            Value::Number(text) => match text.parse::<u32>() {
                Ok(days) if days <= 36_525 => Ok(days),
                _ => Err(self.wrong(field, wanted)),
            },
            _ => Err(self.wrong(field, wanted)),
        }
    }

    fn list<'f>(&self, field: &'f Field, key: &str, wanted: &str) -> Result<&'f [Field]> {
        match &field.value {
            Value::List(list) if !list.is_empty() => Ok(list),
            _ => Err(self.wrong(field, format!("{key} must be a list such as {wanted}"))),
        }
    }

    /// None if the rule is switched off; it is looked through all the same.
    fn rule(&self, draft: &Draft) -> Result<Option<Rule>> {
        let enabled = match draft.get("enabled") {
            Some(field) => self.bool(field, "enabled")?,
            None => true,
        };
        let severity = match draft.get("severity") {
            None => Severity::Error,
            Some(field) => match self.text(field, "severity")? {
                "error" => Severity::Error,
                "warning" => Severity::Warning,
                other => {
                    let hint = did_you_mean(other, ["error", "warning"]);
                    return Err(self.wrong(
                        field,
                        format!("severity is \"error\" or \"warning\", not {other:?}. {hint}"),
                    ));
                }
            },
        };
        let Some(field) = draft.get("table") else {
            return Err(self.wrong(
                &draft.place,
                "a rule needs the table that it judges: table = \"concerts\"",
            ));
        };
        let name = self.text(field, "table")?;
        let Some(table) = MODEL.iter().find(|table| table.name == name) else {
            let names: Vec<&str> = MODEL.iter().map(|table| table.name).collect();
            let hint = did_you_mean(name, names.iter().copied());
            let message = format!("there is no table {name}. {hint}The tables are {}", names.join(", "));
            return Err(self.wrong(field, message));
        };
        let column = match draft.get("column") {
            Some(field) => Some(self.column(table, field, "column")?),
            None => None,
        };
        let kinds: Vec<&(String, Field)> = draft
            .fields
            .iter()
            .filter(|(key, _)| KINDS.contains(&key.as_str()))
            .collect();
        let [(kind, field)] = kinds.as_slice() else {
            let message = format!("give exactly one of {}", KINDS.join(", "));
            return Err(self.wrong(kinds.get(1).map_or(&draft.place, |(_, field)| field), message));
        };
        let tolerance = match draft.get("tolerance_days") {
            Some(field) if kind != "order" => {
                return Err(self.wrong(
                    field,
                    "tolerance_days belongs to order; in a check write it into the expression",
                ));
            }
            Some(field) => self.days(field, "tolerance_days")?,
            None => 0,
        };
        let (check, blamed) = self.check(draft, table, column, kind, field, tolerance)?;
        if let (Check::Fresh { .. }, Severity::Error) = (&check, severity) {
            let message = "freshness speaks of a table, and no record of it is at fault: write severity = \"warning\"";
            return Err(self.wrong(draft.get("severity").unwrap_or(field), message));
        }
        let message = match draft.get("message") {
            Some(field) => Some(self.message(table, field)?),
            None => None,
        };
        let rule = Rule {
            name: Arc::from(draft.name.as_str()),
            table,
            severity,
            column: column.or(blamed),
            check,
            message,
        };
        if let Err(message) = sql::try_out(&rule) {
            return Err(self.wrong(field, format!("{}: {message}", rule.name)));
        }
        Ok(enabled.then_some(rule))
    }

    fn column(&self, table: &'static TableDef, field: &Field, key: &str) -> Result<&'static ColumnDef> {
        let found = self.operand(table, field, key)?;
        if found.table.name != table.name {
            return Err(self.wrong(field, format!("{key} must be a column of {} itself", table.name)));
        }
        Ok(found.column)
    }

    fn operand(&self, table: &'static TableDef, field: &Field, key: &str) -> Result<Operand> {
        operand(table, self.text(field, key)?).map_err(|message| self.wrong(field, message))
    }

    /// The check and the column that it blames, where the rule names none.
    fn check(
        &self,
        draft: &Draft,
        table: &'static TableDef,
        column: Option<&'static ColumnDef>,
        kind: &str,
        field: &Field,
        tolerance_days: u32,
    ) -> Result<(Check, Option<&'static ColumnDef>)> {
        let wants_column =
            || column.ok_or_else(|| self.wrong(&draft.place, format!("{kind} needs the column: column = \"…\"")));
        let of_kind = |wanted: &[Kind], what: &str| {
            let column = wants_column()?;
            if wanted.contains(&column.kind) {
                Ok(column)
            } else {
                Err(self.wrong(field, format!("{kind} is for {what}, and {} is none", column.name)))
            }
        };
        let check = match kind {
            "required" => {
                wants_column()?;
                if !self.bool(field, "required")? {
                    return Err(self.wrong(field, "required is true; a rule is switched off with enabled = false"));
                }
                Check::Required
            }
            "range" => {
                let column = of_kind(
                    &[
                        Kind::Integer,
                        Kind::BigInt,
                        Kind::Double,
                        Kind::Money,
                        Kind::Date,
                        Kind::Timestamp,
                    ],
                    "numbers and days",
                )?;
                self.range(column, field)?
            }
            "one_of" => {
                of_kind(&[Kind::Text], "texts")?;
                let list = self.list(field, "one_of", "[\"arena\", \"club\"]")?;
                let texts = list
                    .iter()
                    .map(|item| self.text(item, "an element of one_of").map(str::to_owned));
                Check::OneOf(texts.collect::<Result<_>>()?)
            }
            "matches" => {
                of_kind(&[Kind::Text], "texts")?;
                let pattern = self.text(field, "matches")?;
                Regex::new(pattern).map_err(|e| self.wrong(field, format!("the pattern does not read: {e}")))?;
                Check::Matches(pattern.to_owned())
            }
            "references" => {
                let column = wants_column()?;
                let name = self.text(field, "references")?;
                match references(table).find(|(known, _)| known.name == column.name) {
                    Some((_, other)) if other.name == name => Check::References(other),
                    Some((_, other)) => {
                        let message = format!("{} leads to {}, not to {name}", column.name, other.name);
                        return Err(self.wrong(field, message));
                    }
                    None => {
                        let known: Vec<&str> = references(table).map(|(column, _)| column.name).collect();
                        let message = if known.is_empty() {
                            format!("{} refers to no other table", table.name)
                        } else {
                            format!("{} refers to no other table: {} does", column.name, known.join(" and "))
                        };
                        return Err(self.wrong(field, message));
                    }
                }
            }
            "unique" => {
                let list = self.list(field, "unique", "[\"spotify_id\"]")?;
                let columns = list.iter().map(|item| self.column(table, item, "an element of unique"));
                let columns: Vec<&ColumnDef> = columns.collect::<Result<_>>()?;
                if table
                    .key
                    .iter()
                    .all(|key| columns.iter().any(|column| column.name == *key))
                {
                    let message = format!(
                        "{} is the key of {}: rows of one key are merged, so that it is unique already",
                        table.key.join(", "),
                        table.name
                    );
                    return Err(self.wrong(field, message));
                }
                let first = columns.first().copied();
                return Ok((Check::Unique(columns), first));
            }
            "order" => {
                let list = self.list(field, "order", "[\"announced_at\", \"event_date\"]")?;
                let [first, second] = list else {
                    return Err(self.wrong(field, "order has two columns: the first is not after the second"));
                };
                let first = self.operand(table, first, "an element of order")?;
                let second = self.operand(table, second, "an element of order")?;
                let is_day = |operand: Operand| matches!(operand.column.kind, Kind::Date | Kind::Timestamp);
                if !is_day(first) || !is_day(second) {
                    return Err(self.wrong(field, "order compares days and instants; compare numbers with check"));
                }
                let own = [first, second]
                    .into_iter()
                    .find(|operand| operand.table.name == table.name);
                let Some(own) = own else {
                    return Err(self.wrong(field, format!("one of the two must be a column of {}", table.name)));
                };
                let check = Check::Order {
                    first,
                    second,
                    tolerance_days,
                };
                return Ok((check, Some(own.column)));
            }
            "fresh_days" => {
                of_kind(&[Kind::Date, Kind::Timestamp], "days and instants")?;
                Check::Fresh {
                    max_age_days: self.days(field, "fresh_days")?,
                }
            }
            _ => {
                let text = self.text(field, "check")?;
                let expression = Expression::parse(table, text)
                    .map_err(|wrong| self.error(field.file, self.inside(field, text, wrong.at), wrong.message))?;
                let own = expression
                    .operands
                    .iter()
                    .find(|operand| operand.table.name == table.name);
                let Some(own) = own.map(|operand| operand.column) else {
                    return Err(self.wrong(
                        field,
                        format!("the expression reads no column of {} itself", table.name),
                    ));
                };
                return Ok((Check::Expression(expression), Some(own)));
            }
        };
        Ok((check, None))
    }

    fn range(&self, column: &ColumnDef, field: &Field) -> Result<Check> {
        let wanted = "range is written { min = 0, max = 100 }, or { above = 0 } and { below = 100 } without the bound";
        let Value::Table(entries) = &field.value else {
            return Err(self.wrong(field, wanted));
        };
        let (mut low, mut high) = (None, None);
        for (key, value) in entries {
            let (side, open) = match key.as_str() {
                "min" => (&mut low, false),
                "above" => (&mut low, true),
                "max" => (&mut high, false),
                "below" => (&mut high, true),
                other => {
                    let hint = did_you_mean(other, ["min", "max", "above", "below"]);
                    return Err(self.wrong(value, format!("range has no {other}. {hint}{wanted}")));
                }
            };
            if side.is_some() {
                return Err(self.wrong(value, "this end of the range is given twice"));
            }
            let is_day = matches!(column.kind, Kind::Date | Kind::Timestamp);
            let (literal, shown) = match &value.value {
                Value::Number(number) if !is_day => (number.clone(), number.clone()),
                Value::Date(date) if is_day => (format!("DATE '{date}'"), date.clone()),
                other => {
                    let needs = if is_day {
                        "a date such as 1900-01-01"
                    } else {
                        "a number"
                    };
                    let message = format!("{} is compared with {needs}, and this is {}", column.name, other.what());
                    return Err(self.wrong(value, message));
                }
            };
            *side = Some(Bound { literal, shown, open });
        }
        if low.is_none() && high.is_none() {
            return Err(self.wrong(field, wanted));
        }
        Ok(Check::Range { low, high })
    }

    fn message(&self, table: &'static TableDef, field: &Field) -> Result<Message> {
        let text = self.text(field, "message")?;
        if text.trim().is_empty() {
            return Err(self.wrong(field, "message is empty; leave it out for the usual one"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, after)) = behind.split_once('}') else {
                return Err(self.wrong(field, "a brace is opened and not closed: write {column}"));
            };
            let found = operand(table, name).map_err(|message| self.wrong(field, format!("message: {message}")))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value(found));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Message { parts })
    }

    /// Where in the file that place of a text stands: exactly where the text is written as it is, else its beginning.
    fn inside(&self, field: &Field, text: &str, at: Option<(u64, u64)>) -> usize {
        let start = field.span.start;
        let Some((line, column)) = at else { return start };
        let file = self.files.get(field.file).map_or("", |file| file.text);
        let written = file.get(field.span.clone()).unwrap_or_default();
        let quote = ["\"\"\"", "'''", "\"", "'"]
            .into_iter()
            .find(|quote| written.starts_with(quote));
        let Some(quote) = quote else { return start };
        let mut begin = quote.len();
        if quote.len() == 3 {
            let behind = &written[begin..];
            // A line end right behind the opening quotes is no part of the text.
            begin += if behind.starts_with("\r\n") {
                2
            } else {
                usize::from(behind.starts_with('\n'))
            };
        }
        if !written[begin..].starts_with(text) {
            return start;
        }
        let line = usize::try_from(line).unwrap_or(1).saturating_sub(1);
        let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
        let line_start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let in_line = text[line_start..].char_indices().nth(column);
        start + begin + line_start + in_line.map_or(text.len() - line_start, |(offset, _)| offset)
    }
}

fn field_of(file: usize, value: &Spanned<DeValue<'_>>) -> Field {
    let inner = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Number(number.to_string()),
            Err(_) => Value::Text(number.as_str().to_owned()),
        },
        // NaN and infinity are no bounds.
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(x) if x.is_finite() => Value::Number(number.as_str().to_owned()),
            _ => Value::Text(number.as_str().to_owned()),
        },
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(at) => match (&at.date, &at.time) {
            (Some(date), None) => Value::Date(date.to_string()),
            _ => Value::Text(at.to_string()),
        },
        DeValue::Array(list) => Value::List(list.iter().map(|item| field_of(file, item)).collect()),
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), field_of(file, value)))
                .collect(),
        ),
    };
    Field {
        file,
        span: value.span(),
        value: inner,
    }
}

/// Line and column, in characters, both from 1.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}
