//! What tells the rows of a table apart: one column by its name and its values, or the fewest columns together.

use super::noun_of;
use crate::{
    profile::{ColumnProfile, Evidence, TableProfile},
    thesaurus::{has, thesaurus},
};
use concert_contract::table::ColumnType;

/// The most columns of a key that is found, rather than declared.
const MAX_COLUMNS: usize = 4;
/// Columns from which keys of several are put together, and how many such keys are tried.
const MAX_PARTS: usize = 8;
const MAX_TRIED: usize = 60;
/// A longer text is no key.
const LONGEST_CHARS: f64 = 64.0;

/// What tells the rows of a table apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub columns: Vec<String>,
    /// False where nothing tells them apart, and these are only the likeliest.
    pub is_unique: bool,
    pub why: String,
}

impl Key {
    /// The only column of a key that holds.
    pub fn single(&self) -> Option<&str> {
        match self.columns.as_slice() {
            [only] if self.is_unique => Some(only),
            _ => None,
        }
    }
}

/// Words that end the name of a column that tells things apart.
pub fn is_id_word(word: &str) -> bool {
    matches!(
        word,
        "id" | "key"
            | "code"
            | "number"
            | "uid"
            | "uuid"
            | "guid"
            | "pk"
            | "ids"
            | "isbn"
            | "ssn"
            | "sku"
            | "iata"
            | "icao"
    )
}

/// Whether a column's name says that it tells things apart.
pub fn is_id_name(words: &[String]) -> bool {
    words.last().is_some_and(|word| is_id_word(word))
        // Without separators: "customerid".
        || matches!(words, [only] if only.len() > 4 && only.ends_with("id") && !only.ends_with("aid") && !only.ends_with("oid"))
}

/// How much the name of a column says that it is the key of its table.
fn name_score(table: &[String], column: &str, is_first: bool) -> u8 {
    let words = thesaurus().words(column);
    let squashed = words.concat();
    let noun = table.concat();
    match words.as_slice() {
        [only] if only == "id" => return 6,
        // What people or wares are known by elsewhere is no better a key than an id of one's own.
        [only] if matches!(only.as_str(), "ssn" | "number" | "sku" | "iata" | "icao") => return 3,
        [only] if is_id_word(only) => return 5,
        _ => {}
    }
    if let Some((last, rest)) = words.split_last()
        && is_id_word(last)
    {
        if rest == table {
            return 6;
        }
        if rest.last().is_some() && rest.last() == table.last() {
            return 5;
        }
    }
    if squashed.strip_suffix("id").or_else(|| squashed.strip_suffix("code")) == Some(noun.as_str()) {
        return 6;
    }
    if words == table {
        return 3;
    }
    match (is_id_name(&words), is_first) {
        (true, true) => 4,
        (false, true) => 1,
        _ => 0,
    }
}

/// Whether a name speaks of a part of a key: an id, or a place among others.
fn is_likely_part(column: &str) -> bool {
    let words = thesaurus().words(column);
    is_id_name(&words) || words.last().is_some_and(|word| has(&thesaurus().numbers.ordinal, word))
}

fn may_be_part(column: &ColumnProfile, table: &TableProfile) -> bool {
    let held = match column.column_type {
        ColumnType::Text => column.average_length <= LONGEST_CHARS,
        ColumnType::Integer => {
            let words = thesaurus().words(&column.name);
            let numbers = &thesaurus().numbers;
            is_id_name(&words)
                || words.last().is_some_and(|word| {
                    has(&numbers.code, word) || has(&numbers.ordinal, word) || has(&numbers.year, word)
                })
                // A whole number that a name does not speak of as an amount.
                || !words.iter().any(|word| {
                    has(&numbers.average, word) || has(&numbers.both, word) || has(&numbers.money, word) || has(&numbers.place, word)
                })
        }
        ColumnType::Date | ColumnType::Timestamp => true,
        ColumnType::Boolean | ColumnType::Decimal | ColumnType::Float => false,
    };
    held && column.filled == table.row_count
}

/// Keys to ask about, the likeliest first: asked until one holds.
pub fn candidates(table: &TableProfile) -> Vec<Vec<String>> {
    let noun = noun_of(&table.name);
    let mut candidates: Vec<Vec<String>> = table.declared_key.iter().cloned().collect();
    let mut singles: Vec<(u8, usize, &ColumnProfile)> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| {
            matches!(column.column_type, ColumnType::Text | ColumnType::Integer)
                && column.average_length <= LONGEST_CHARS
                && table.may_be_unique(column)
        })
        .map(|(at, column)| (name_score(&noun, &column.name, at == 0), at, column))
        .collect();
    singles.sort_by_key(|(score, at, _)| (std::cmp::Reverse(*score), *at));
    let named = |(score, _, _): &&(u8, usize, &ColumnProfile)| *score > 0;
    candidates.extend(
        singles
            .iter()
            .filter(named)
            .map(|(_, _, column)| vec![column.name.clone()]),
    );

    let mut parts: Vec<(bool, usize, &ColumnProfile)> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| may_be_part(column, table))
        .map(|(at, column)| (!is_likely_part(&column.name), at, column))
        .collect();
    parts.sort_by_key(|(is_other, at, _)| (*is_other, *at));
    parts.truncate(MAX_PARTS);
    let parts: Vec<&ColumnProfile> = parts.into_iter().map(|(_, _, column)| column).collect();
    let mut several = Vec::new();
    for size in 2..=MAX_COLUMNS.min(parts.len()) {
        combine(&parts, size, &mut Vec::new(), &mut |chosen| {
            let most = chosen
                .iter()
                .fold(1_u64, |product, column| product.saturating_mul(column.distinct.max(1)));
            if most >= table.row_count && several.len() < MAX_TRIED {
                several.push(chosen.iter().map(|column| column.name.clone()).collect());
            }
        });
    }
    // A unique column whose name says nothing may be so by chance; references together are likelier.
    let of_references = |columns: &Vec<String>| columns.iter().all(|column| is_likely_part(column));
    let (likely, unlikely): (Vec<Vec<String>>, Vec<Vec<String>>) = several.into_iter().partition(of_references);
    candidates.extend(likely);
    candidates.extend(
        singles
            .iter()
            .filter(|single| !named(single))
            .map(|(_, _, column)| vec![column.name.clone()]),
    );
    candidates.extend(unlikely);
    candidates
}

fn combine<'a>(
    parts: &[&'a ColumnProfile],
    size: usize,
    chosen: &mut Vec<&'a ColumnProfile>,
    take: &mut impl FnMut(&[&'a ColumnProfile]),
) {
    if chosen.len() == size {
        take(chosen);
        return;
    }
    for (at, part) in parts.iter().enumerate() {
        chosen.push(part);
        combine(parts.get(at + 1..).unwrap_or_default(), size, chosen, take);
        chosen.pop();
    }
}

/// The key of a table, by what is known of its values.
pub fn choose(table: &TableProfile, evidence: &Evidence) -> Key {
    for columns in candidates(table) {
        let counted = match columns.as_slice() {
            [only] => table
                .column(only)
                .filter(|column| column.is_exact)
                .map(|column| table.may_be_unique(column)),
            _ => None,
        };
        let asked = evidence.unique.get(&(table.name.clone(), columns.clone())).copied();
        if counted.or(asked) == Some(true) {
            let why = match columns.as_slice() {
                [_] => format!("all {} values differ and none is missing", table.row_count),
                several => format!(
                    "no single column tells the {} rows apart; these {} do",
                    table.row_count,
                    several.len()
                ),
            };
            return Key {
                columns,
                is_unique: true,
                why,
            };
        }
    }
    let named: Vec<String> = table
        .columns
        .iter()
        .filter(|column| is_id_name(&thesaurus().words(&column.name)))
        .map(|column| column.name.clone())
        .collect();
    if table.row_count == 0 {
        let first = table.columns.first().map(|column| column.name.clone());
        return Key {
            columns: named.into_iter().take(1).chain(first).take(1).collect(),
            is_unique: false,
            why: "the table is empty: this is a guess by the name".to_owned(),
        };
    }
    let columns = if named.is_empty() {
        table.columns.iter().map(|column| column.name.clone()).collect()
    } else {
        named
    };
    Key {
        columns,
        is_unique: false,
        why: format!(
            "nothing tells the {} rows apart: no column and no {MAX_COLUMNS} columns together. Look for rows that are \
             there twice",
            table.row_count
        ),
    }
}
