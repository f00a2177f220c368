//! What each column is for: a name, a kind, a measure, a time, or nothing that is asked about.

use super::keys::{is_id_name, is_id_word};
use crate::{
    profile::{ColumnProfile, TableProfile},
    thesaurus::{has, thesaurus},
};
use concert_contract::table::ColumnType;

/// Up to this many different values a text is grouped by, whatever share of the rows that is.
const KINDS_ALWAYS: u64 = 1_000;
/// Beyond, each value must stand in so many rows on average.
const KINDS_MIN_ROWS: u64 = 2;
const KINDS_MAX: u64 = 100_000;
const KINDS_LONGEST_CHARS: f64 = 60.0;
/// A longer text is no name of a thing.
const LABEL_LONGEST_CHARS: f64 = 80.0;
/// The share of rows in which a name must differ for the column to be one.
const LABEL_LEAST_DISTINCT: f64 = 0.5;
/// Whole numbers between these may be years.
const YEARS: (f64, f64) = (1000.0, 2200.0);

/// How a measure is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// Added up; the word alone means the sum.
    Added,
    /// Added up or averaged; the word alone means the average.
    Both,
    /// Averaged only.
    Averaged,
}

/// What a column is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    Key,
    /// Holds the key of another table.
    Reference,
    /// Names the thing that a row is.
    Label,
    Time,
    Measure {
        sums: Sums,
        is_money: bool,
        is_percent: bool,
        doubt: Option<String>,
    },
    /// Grouped by: a text of few values, yes or no, a code.
    Kind,
    Year,
    /// A number that orders or tells apart, and is not summed up.
    Ordinal,
    Currency,
    /// A coordinate.
    Place,
    /// Nothing to ask by; says why.
    Skipped(String),
}

/// ISO 4217 codes that are common, for columns that hold nothing else.
const CURRENCIES: &str = "USD EUR GBP JPY CNY CHF CAD AUD NZD SEK NOK DKK PLN CZK HUF RON BGN TRY RUB UAH INR BRL MXN \
    ARS CLP COP PEN ZAR NGN KES EGP MAD AED SAR ILS THB VND IDR MYR SGD HKD TWD KRW PHP PKR DEM FRF ITL ESP NLG ATS BEF \
    FIM IEP PTE GRD";

/// The role of a column that is neither key, nor reference, nor label of its table.
pub fn role(table: &TableProfile, column: &ColumnProfile) -> Role {
    if column.filled == 0 {
        return Role::Skipped("it is empty".to_owned());
    }
    let words = thesaurus().words(&column.name);
    match column.column_type {
        ColumnType::Boolean => Role::Kind,
        ColumnType::Date | ColumnType::Timestamp => Role::Time,
        ColumnType::Text => text_role(table, column, &words),
        ColumnType::Integer | ColumnType::Decimal | ColumnType::Float => number_role(column, &words),
    }
}

fn text_role(table: &TableProfile, column: &ColumnProfile, words: &[String]) -> Role {
    let is_currency = !column.top.is_empty()
        && column
            .top
            .iter()
            .all(|(value, _)| CURRENCIES.split_whitespace().any(|code| code == value));
    if is_currency && (words.iter().any(|word| word == "currency") || words.last().is_some_and(|word| word == "code")) {
        return Role::Currency;
    }
    let thesaurus = thesaurus();
    let few = column.distinct <= KINDS_ALWAYS
        || (column.distinct <= KINDS_MAX && column.distinct * KINDS_MIN_ROWS <= table.row_count);
    if words.last().is_some_and(|word| has(&thesaurus.free_text.names, word)) {
        return Role::Skipped("its name says that it is read, not grouped by".to_owned());
    }
    if column.average_length > KINDS_LONGEST_CHARS {
        return Role::Skipped(format!(
            "its texts have {:.0} characters on average",
            column.average_length
        ));
    }
    if !few {
        return Role::Skipped(format!(
            "{} different values in {} rows are too many to group by",
            column.distinct, table.row_count
        ));
    }
    Role::Kind
}

fn number_role(column: &ColumnProfile, words: &[String]) -> Role {
    let numbers = &thesaurus().numbers;
    let (Some(last), Some(first)) = (words.last(), words.first()) else {
        return Role::Ordinal;
    };
    // "number_of_rooms" and "num_employees" count; "room_number" tells apart.
    let counts = words.len() > 1 && (first == "number" || first == "count" || first == "total")
        || last == "count"
        || last == "total";
    let any = |list: &[String]| words.iter().any(|word| has(list, word));
    if any(&numbers.place) {
        return Role::Place;
    }
    let is_whole = column.column_type == ColumnType::Integer;
    let range = column.range();
    let looks_like_years = is_whole && range.is_some_and(|(least, greatest)| least >= YEARS.0 && greatest <= YEARS.1);
    if (looks_like_years && any(&numbers.year)) || (is_whole && last == "year" && !counts) {
        return Role::Year;
    }
    let is_code = !counts && (is_id_word(last) || has(&numbers.code, last) || is_id_name(words));
    if is_code {
        return if is_whole {
            Role::Ordinal
        } else {
            Role::Skipped("its name says that it tells things apart".to_owned())
        };
    }
    if is_whole && !counts && (has(&numbers.ordinal, last) || last == "year") {
        return Role::Ordinal;
    }
    let is_amount = counts
        || any(&numbers.money)
        || any(&numbers.added)
        || any(&numbers.average)
        || any(&numbers.both)
        || any(&thesaurus().sales.quantities);
    if !is_amount && is_flag(column) {
        return Role::Kind;
    }
    let is_money = any(&numbers.money) && !counts;
    let named_percent = words
        .iter()
        .any(|word| matches!(word.as_str(), "percent" | "percentage"));
    let is_percent = column.is_percent || named_percent;
    // The last word says most: "price total" is added up, "total price per unit" is not.
    let (sums, doubt) = if counts {
        (Sums::Added, None)
    } else if is_percent || words.iter().any(|word| word == "per") || has(&numbers.average, last) {
        (Sums::Averaged, None)
    } else if has(&numbers.both, last) {
        (Sums::Both, None)
    } else if words
        .iter()
        .any(|word| word == "unit" || word == "average" || word == "mean")
        || any(&numbers.average) && !is_money
    {
        (Sums::Averaged, None)
    } else if any(&numbers.both) {
        (Sums::Both, None)
    } else {
        let known =
            is_money || any(&numbers.added) || any(&thesaurus().sales.amounts) || any(&thesaurus().sales.quantities);
        let between_0_and_1 = column.column_type != ColumnType::Integer
            && range.is_some_and(|(least, greatest)| least >= 0.0 && greatest <= 1.0);
        if known {
            (Sums::Added, None)
        } else if between_0_and_1 {
            (
                Sums::Averaged,
                Some("averaged, since all its values are between 0 and 1".to_owned()),
            )
        } else if range.is_some_and(|(least, _)| least < 0.0) {
            (
                Sums::Averaged,
                Some("averaged, since some values are below zero: is it ever added up?".to_owned()),
            )
        } else {
            (
                Sums::Added,
                Some("added up, since nothing in its name says otherwise: does a sum of it mean anything?".to_owned()),
            )
        }
    };
    Role::Measure {
        sums,
        is_money,
        is_percent,
        doubt,
    }
}

/// Whether a whole number is only ever 0 and 1: yes and no, unless its name speaks of an amount.
pub fn is_flag(column: &ColumnProfile) -> bool {
    column.column_type == ColumnType::Integer
        && column.distinct == 2
        && column
            .range()
            .is_some_and(|(least, greatest)| least == 0.0 && greatest == 1.0)
}

/// Of how many columns that differ only in a number at their end (`track_1` to `track_40`) this one is; none for a few.
pub fn numbered(table: &TableProfile, column: &str) -> Option<usize> {
    const FEW: usize = 5;
    let base = |name: &str| {
        let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
        (base.len() < name.len()).then(|| base.to_owned())
    };
    let own = base(column)?;
    let count = table
        .columns
        .iter()
        .filter(|other| base(&other.name).is_some_and(|other| other == own))
        .count();
    (count > FEW).then_some(count)
}

/// The column that names what a row is, and how sure that is by its name: the place in the list of names.
pub fn label<'a>(table: &'a TableProfile, noun: &[String], excluded: &[&str]) -> Option<&'a ColumnProfile> {
    let names = &thesaurus().labels.names;
    let is_person = noun.last().is_some_and(|word| has(&thesaurus().things.person, word));
    let is_given_name = |words: &[String]| {
        words
            .iter()
            .any(|word| matches!(word.as_str(), "first" | "given" | "middle"))
    };
    let rank = |column: &ColumnProfile| {
        let words = thesaurus().words(&column.name);
        // "singer_name" of singers, and a column called like the table.
        let own: Vec<String> = words.iter().filter(|word| !noun.contains(word)).cloned().collect();
        let phrase = if own.is_empty() { noun.join(" ") } else { own.join(" ") };
        if own.is_empty() {
            return Some(0);
        }
        let at = names.iter().position(|name| *name == phrase).map(|at| at + 1);
        match at {
            // What people are called, before what they are.
            Some(at) if is_person && own.last().is_some_and(|word| word == "title" || word == "description") => {
                Some(at + names.len())
            }
            Some(at) => Some(at),
            // "company_name" of customers: some name is better than none.
            None => words
                .last()
                .is_some_and(|word| matches!(word.as_str(), "name" | "title"))
                .then_some(2 * names.len() + usize::from(is_given_name(&words))),
        }
    };
    let fits = |column: &&ColumnProfile| {
        column.column_type == ColumnType::Text
            && !excluded.contains(&column.name.as_str())
            && column.filled > 0
            && column.average_length <= LABEL_LONGEST_CHARS
            && column.distinct as f64 >= LABEL_LEAST_DISTINCT * column.filled as f64
    };
    table
        .columns
        .iter()
        .filter(fits)
        .filter_map(|column| Some((rank(column)?, column)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, column)| column)
}

/// The column that a period is about: the one whose name speaks of when it happened.
pub fn time(table: &TableProfile) -> Option<(&ColumnProfile, usize)> {
    let times = &thesaurus().time;
    let mut found: Vec<(bool, bool, bool, usize, &ColumnProfile)> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.is_day() && column.filled > 0)
        .filter_map(|(at, column)| {
            let words = thesaurus().words(&column.name);
            let any = |list: &[String]| words.iter().any(|word| has(list, word));
            if any(&times.never) {
                return None;
            }
            // One that is mostly empty is about something that may not have happened.
            let is_sparse = column.filled * 2 < table.row_count;
            Some((is_sparse, any(&times.lower), !any(&times.best), at, column))
        })
        .collect();
    found.sort_by_key(|(sparse, lower, other, at, _)| (*sparse, *lower, *other, *at));
    let others = found.len().saturating_sub(1);
    found.first().map(|(_, _, _, _, column)| (*column, others))
}
