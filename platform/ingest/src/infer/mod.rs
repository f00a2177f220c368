//! Proposes a mapping for a file that nobody has described yet: how the file is written, what its columns hold, which
//! tables they may fill, and what is in doubt. It proposes and never decides: everything that a person has to judge
//! stands in a comment, and what the proposal makes of the first records was tried before it is given.

mod place;
mod profile;
mod sniff;
mod vocabulary;
mod write;

use crate::{
    Error, Mapping, Result,
    bind::{BoundTable, Part},
    disk::Disk,
    files::{DataFile, Row, Rows},
    input::{Format, Input},
    mapping::{Encoding, Source},
    path,
    source::{self, STANDARD_INPUT},
    stage::Scratch,
};
use place::{About, Placement, place};
use profile::Profile;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    io::Read as _,
    path::Path,
};

/// How many records are looked at, and how many of them to choose between several ways to the records.
const SAMPLE_RECORDS: u64 = 5_000;
const TRIED_RECORDS: u64 = 100;

/// How much of a file is looked at for its encoding, its delimiter and the ways to its records, in bytes.
const START_BYTES: u64 = 4 << 20;

/// How many columns are described, and how many elements of a list are looked into.
const MAX_COLUMNS: usize = 400;
const MAX_ELEMENTS: usize = 20;

/// A table that loses more of its records than this is no proposal.
const MAX_REFUSED: f64 = 0.5;

/// A mapping for a file, and what it was made from.
#[derive(Clone, Debug, Serialize)]
pub struct Proposal {
    /// The mapping as a file: TOML, with the doubts as comments.
    pub mapping: String,
    pub format: &'static str,
    /// How many records were looked at.
    pub records: u64,
    pub columns: Vec<ProposedColumn>,
    /// What became of the records that were looked at, by table.
    pub tables: BTreeMap<String, Tried>,
    /// What speaks of the file as a whole.
    pub doubts: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ProposedColumn {
    /// As a mapping writes it.
    pub path: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub samples: Vec<String>,
    /// The share of records without a value, from 0 to 1; none of lists.
    pub nulls: Option<f64>,
    pub all_different: bool,
    /// `table.column` for each place that the proposal uses it in.
    pub maps_to: Vec<String>,
    /// How sure the proposal is of that, from 0 to 1.
    pub confidence: Option<f64>,
    pub doubts: Vec<String>,
}

/// What the proposed mapping makes of the records that were looked at. Rules beyond the types are not judged here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tried {
    pub records: u64,
    pub refused: u64,
    /// The first reason.
    pub reason: Option<String>,
}

/// How the file is read, and what is said about that.
struct Reading {
    source: Source,
    columns: Vec<Profile>,
    records: u64,
    /// The columns have no names of their own.
    nameless: bool,
    placement: Placement,
}

/// Looks at the first records of a file (`-` is standard input) and proposes a mapping for it. What it proposes loads the file as it is; where
/// no table of the model fits, the mapping is all comments and [`Proposal::doubts`] says so.
///
/// # Errors
/// Those of opening and reading a file.
pub fn infer(file: &Path) -> Result<Proposal> {
    if file.as_os_str() != STANDARD_INPUT {
        return infer_file(DataFile::new(file.to_owned()));
    }
    let disk = Disk::default();
    let scratch = Scratch::new(&std::env::temp_dir().join("concert-staging"), &disk)?;
    infer_file(source::standard_input(scratch.path(), &disk)?)
}

fn infer_file(file: DataFile) -> Result<Proposal> {
    let (format, start, whole) = start_of(&file)?;
    let mut doubts = Vec::new();
    let mut source = Source {
        format: Some(format),
        ..Source::default()
    };
    if matches!(format, Format::Csv | Format::Xml) && sniff::encoding(&start, whole) == Encoding::Latin1 {
        source.encoding = Encoding::Latin1;
        doubts.push("The text is no UTF-8; it is read as Latin-1. Look whether its letters are right.".to_owned());
    }
    let mut nameless = false;
    if format == Format::Csv {
        let dialect = sniff::dialect(&start, whole);
        source.delimiter = dialect.delimiter;
        source.header = dialect.header;
        nameless = !dialect.header;
        if nameless {
            source.columns = Some((1..=dialect.columns).map(|number| format!("column_{number}")).collect());
            doubts.push("The file has no header: columns are numbered. Give them names.".to_owned());
        }
        doubts.extend(dialect.doubts.into_iter().map(|doubt| format!("{}.", capital(&doubt))));
    }
    let stem = stem_of(&file.name);
    let ways = ways(format, &start);
    let mut best: Option<Reading> = None;
    let tries_several = ways.len() > 1;
    for records in ways {
        let source = Source {
            records,
            ..source.clone()
        };
        let limit = if tries_several { TRIED_RECORDS } else { SAMPLE_RECORDS };
        let Some(reading) = read(&file, source, nameless, &stem, limit)? else {
            continue;
        };
        let score = |reading: &Reading| reading.placement.score + 0.2 * (1.0 + reading.records as f64).ln();
        if best.as_ref().is_none_or(|known| score(&reading) > score(known)) {
            best = Some(reading);
        }
    }
    if tries_several && let Some(tried) = &best {
        best = read(&file, tried.source.clone(), nameless, &stem, SAMPLE_RECORDS)?;
    }
    let Some(mut reading) = best else {
        return Err(Error::Header {
            file: file.name.clone(),
            line: 1,
            message: "no record in it can be read".to_owned(),
            mend: "Look into the file".to_owned(),
        });
    };
    if reading.records == SAMPLE_RECORDS {
        doubts.push(format!("Only the first {SAMPLE_RECORDS} records were looked at."));
    }
    doubts.extend(twice(&reading.columns));
    let tables = try_out(&file, &mut reading, &mut doubts)?;
    if !reading.placement.tables.iter().any(|table| table.active) {
        doubts.push(
            "No table of the model fits: nothing is loaded by this as it is. Take the # away where you know better."
                .to_owned(),
        );
    }
    let columns = described(&reading);
    Ok(Proposal {
        mapping: write::toml(&file.name, &reading, &columns, &tables, &doubts),
        format: format.name(),
        records: reading.records,
        columns,
        tables,
        doubts,
    })
}

/// What the file is, and its beginning, unpacked; whether that is all of it.
fn start_of(file: &DataFile) -> Result<(Format, Vec<u8>, bool)> {
    let input = Input::open(&file.path)?;
    let format = input.format(&file.path)?;
    let mut start = Vec::new();
    if format != Format::Parquet {
        input
            .text
            .take(START_BYTES)
            .read_to_end(&mut start)
            .map_err(|e| Error::io("read", &file.path, e))?;
    }
    let whole = (start.len() as u64) < START_BYTES;
    Ok((format, start, whole))
}

/// The ways that may lead to the records.
fn ways(format: Format, start: &[u8]) -> Vec<Option<Vec<String>>> {
    match format {
        Format::Json => {
            let (lists, is_object) = sniff::json_lists(start);
            match is_object {
                true => std::iter::once(None).chain(lists.into_iter().map(Some)).collect(),
                false => vec![None],
            }
        }
        Format::Xml => std::iter::once(None)
            .chain(sniff::xml_lists(start).into_iter().map(Some))
            .collect(),
        Format::Csv | Format::JsonLines | Format::Parquet => vec![None],
    }
}

/// Reads the first records one way; none if there are none.
fn read(file: &DataFile, source: Source, nameless: bool, stem: &str, limit: u64) -> Result<Option<Reading>> {
    let mut rows = Rows::open(file, &source)?;
    let mut columns: Vec<Profile> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    if rows.format == Format::Csv {
        columns.extend(rows.columns.iter().cloned().map(Profile::new));
    }
    let mut records = 0;
    let mut tried = 0;
    while tried < limit {
        let row = match rows.next_row() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            // A wrong way to the records ends so; the right one is said when the file is loaded.
            Err(Error::Document { .. }) if records == 0 => return Ok(None),
            Err(error) => return Err(error),
        };
        tried += 1;
        if matches!(row, Row::Broken { .. }) {
            continue;
        }
        records += 1;
        let Some(value) = rows.value() else {
            for (index, column) in columns.iter_mut().enumerate() {
                column.see(rows.field(index));
            }
            continue;
        };
        path::collect(&value, MAX_ELEMENTS, &mut |path, value| {
            let index = match at.get(path) {
                Some(index) => *index,
                None if columns.len() < MAX_COLUMNS && !path.is_empty() => {
                    columns.push(Profile::new(path.to_owned()));
                    at.insert(path.to_owned(), columns.len() - 1);
                    columns.len() - 1
                }
                None => return,
            };
            match value {
                Value::Null => {}
                Value::String(text) => columns[index].see(text),
                other => columns[index].see(&other.to_string()),
            }
        });
    }
    if columns.is_empty() || records == 0 {
        return Ok(None);
    }
    let mut words = vocabulary::words(stem);
    if let Some(last) = source.records.as_ref().and_then(|names| names.last()) {
        words.extend(vocabulary::words(last));
        // The list says `items`, what is around it says of what.
        words.extend(
            source
                .records
                .iter()
                .flatten()
                .rev()
                .nth(1)
                .map(|name| vocabulary::words(name))
                .unwrap_or_default(),
        );
    }
    let placement = place(&About {
        columns: &columns,
        nameless,
        words: &words,
        stem,
    });
    Ok(Some(Reading {
        source,
        columns,
        records,
        nameless,
        placement,
    }))
}

/// The name of a file without its endings.
fn stem_of(name: &str) -> String {
    let stem = name.split('.').next().unwrap_or_default();
    if stem.is_empty() {
        "unknown".to_owned()
    } else {
        stem.to_owned()
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Whether a name is one that the vocabulary knows: a header has such names.
fn is_known_name(name: &str) -> bool {
    let joined = vocabulary::words(name).concat();
    !joined.is_empty()
        && vocabulary::PHRASES
            .iter()
            .flat_map(|(_, _, phrases)| phrases.iter())
            .any(|phrase| vocabulary::words(phrase).concat() == joined)
}

fn twice(columns: &[Profile]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    for column in columns {
        *seen.entry(column.path.as_str()).or_insert(0) += 1;
    }
    seen.into_iter()
        .filter(|(_, times)| *times > 1)
        .map(|(name, times)| format!("{times} columns have the name {name:?}: a mapping cannot tell them apart."))
        .collect()
}

/// Reads the first records by the proposal. A table that cannot be bound, or that loses most of them, becomes a comment.
fn try_out(file: &DataFile, reading: &mut Reading, doubts: &mut Vec<String>) -> Result<BTreeMap<String, Tried>> {
    loop {
        let active: Vec<usize> = (0..reading.placement.tables.len())
            .filter(|at| reading.placement.tables[*at].active)
            .collect();
        if active.is_empty() {
            return Ok(BTreeMap::new());
        }
        let text = write::sections(reading);
        let mapping = Mapping::parse(Path::new("proposal.toml"), text)?;
        let mut rows = Rows::open(file, &reading.source)?;
        let mut bound = Vec::new();
        let mut unbound = None;
        for at in &active {
            let name = reading.placement.tables[*at].table.name;
            let Some(table) = mapping.tables.iter().find(|table| table.table.name == name) else {
                continue;
            };
            match BoundTable::new(table, Some(&mapping), &mut rows, &HashMap::new()) {
                Ok(table) => bound.push((*at, table, Tried::default())),
                Err(error) => unbound = Some((*at, error.to_string())),
            }
        }
        if let Some((at, message)) = unbound {
            let table = &mut reading.placement.tables[at];
            table.active = false;
            table.doubts.push(message);
            continue;
        }
        let mut records = 0;
        while records < SAMPLE_RECORDS
            && let Some(row) = rows.next_row()?
        {
            records += 1;
            if matches!(row, Row::Broken { .. }) {
                continue;
            }
            for (_, table, tried) in &mut bound {
                for element in 0..table.repeats(&rows) {
                    rows.select(element);
                    match table.read(&rows) {
                        Part::Absent => {}
                        Part::Cells(_) => tried.records += 1,
                        Part::Faulty { fault, .. } => {
                            tried.records += 1;
                            tried.refused += 1;
                            tried.reason.get_or_insert(fault.message);
                        }
                    }
                }
            }
        }
        let mut outcome = BTreeMap::new();
        let mut given_up = false;
        for (at, bound, tried) in bound {
            let table = &mut reading.placement.tables[at];
            if tried.refused as f64 > MAX_REFUSED * tried.records as f64 {
                table.active = false;
                given_up = true;
                table.doubts.push(format!(
                    "{} of {} records would be put aside: {}",
                    tried.refused,
                    tried.records,
                    tried.reason.as_deref().unwrap_or_default()
                ));
            } else if let Some(reason) = &tried.reason {
                doubts.push(format!(
                    "{} of {} records of {} would be put aside, the first since {reason}.",
                    tried.refused, tried.records, bound.table.name
                ));
            }
            outcome.insert(bound.table.name.to_owned(), tried);
        }
        if !given_up {
            return Ok(outcome);
        }
        doubts.retain(|doubt| !doubt.contains("would be put aside, the first"));
    }
}

fn described(reading: &Reading) -> Vec<ProposedColumn> {
    reading
        .columns
        .iter()
        .map(|profile| {
            let is_list = profile.path.contains("[*]");
            let plain = profile.path.replace("[*]", "[0]");
            let mut maps_to = Vec::new();
            let mut confidence: Option<f64> = None;
            let mut doubts = Vec::new();
            for table in &reading.placement.tables {
                for entry in &table.entries {
                    let uses = match &entry.from {
                        place::From::Column { path, .. } => path.replace("[*]", "[0]") == plain,
                        place::From::Key(paths) => paths.iter().any(|path| path.replace("[*]", "[0]") == plain),
                        place::From::Const(_) => false,
                    };
                    if !uses {
                        continue;
                    }
                    if table.active {
                        maps_to.push(format!("{}.{}", table.table.name, entry.column));
                        if matches!(entry.from, place::From::Column { .. }) || confidence.is_none() {
                            confidence = Some(confidence.map_or(entry.confidence, |known| known.max(entry.confidence)));
                        }
                    }
                    if let Some(doubt) = &entry.doubt
                        && !doubts.contains(doubt)
                    {
                        doubts.push(doubt.clone());
                    }
                }
            }
            for table in reading.placement.tables.iter().filter(|table| !table.active) {
                let mentions = table
                    .doubts
                    .iter()
                    .filter(|doubt| doubt.starts_with(&format!("{} ", profile.path)));
                doubts.extend(mentions.cloned());
            }
            if maps_to.is_empty() && profile.filled > 0 && doubts.is_empty() {
                let near = if reading.nameless {
                    Vec::new()
                } else {
                    place::near(&profile.path)
                };
                if !near.is_empty() {
                    doubts.push(format!("it has no place; its name is near {}", near.join(" and ")));
                }
            }
            if profile.day_is_ambiguous() && maps_to.is_empty() {
                doubts.push("the day and the month cannot be told apart".to_owned());
            }
            ProposedColumn {
                path: profile.path.clone(),
                kind: profile.shape().name(),
                samples: profile.samples.clone(),
                nulls: (!is_list)
                    .then(|| 1.0 - (profile.filled.min(reading.records) as f64 / reading.records.max(1) as f64)),
                all_different: profile.all_different(),
                maps_to,
                confidence: confidence.map(|confidence| (confidence * 100.0).round() / 100.0),
                doubts,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
