//! Which column is coarser than which: every city is in one state, every state in one country.

use super::noun_of;
use crate::{
    names,
    profile::{ColumnProfile, Evidence, TableProfile},
    thesaurus::thesaurus,
};
use concert_contract::table::ColumnType;

/// Names on a ladder are believed where nearly all values agree: two states have a Springfield.
const LEAST_NAMED: f64 = 0.9;
/// Without names every value must agree, and each must have had the chance not to: this many values, each in so many
/// rows, and so many of them to each coarser one.
const UNNAMED_MIN_VALUES: u64 = 12;
const UNNAMED_MIN_ROWS: u64 = 3;
const UNNAMED_MIN_FINER: u64 = 2;
const LONGEST_CHARS: f64 = 64.0;
/// Columns of one table that are compared with each other.
const MAX_COLUMNS: usize = 12;

/// Whether one name stands below another on a ladder: city below country. The last word of a name counts, so that a
/// `home_city` is a city and a `city_population` is none.
pub fn is_below(finer: &str, coarser: &str) -> bool {
    let thesaurus = thesaurus();
    let head = |name: &str| {
        let mut words = thesaurus.words(name);
        while words.len() > 1
            && words
                .last()
                .is_some_and(|word| matches!(word.as_str(), "name" | "code" | "id"))
        {
            words.pop();
        }
        // The head of a state is no state.
        let is_of = words.iter().any(|word| word == "of");
        words.pop().filter(|_| !is_of).map(|word| names::singular(&word))
    };
    let (Some(finer), Some(coarser)) = (head(finer), head(coarser)) else {
        return false;
    };
    let place = |steps: &[String], word: &str| steps.iter().position(|step| step == word);
    thesaurus
        .ladders
        .steps
        .iter()
        .any(|steps| matches!((place(steps, &finer), place(steps, &coarser)), (Some(a), Some(b)) if a < b))
}

fn may_step(column: &ColumnProfile) -> bool {
    column.column_type == ColumnType::Text && column.distinct >= 2 && column.average_length <= LONGEST_CHARS
}

/// What a column stands for: the name of a thing stands for the thing.
fn stands_for(table: &TableProfile, column: &str) -> String {
    match thesaurus().words(column).as_slice() {
        [only] if matches!(only.as_str(), "name" | "title" | "code" | "label") => noun_of(&table.name).join("_"),
        _ => column.to_owned(),
    }
}

fn is_step(table: &TableProfile, finer: &str, coarser: &str) -> bool {
    is_below(&stands_for(table, finer), &stands_for(table, coarser))
}

/// Pairs of columns of a table, the finer first, that are worth asking about.
pub fn candidates(table: &TableProfile) -> Vec<(String, String)> {
    let columns: Vec<&ColumnProfile> = table.columns.iter().filter(|c| may_step(c)).take(MAX_COLUMNS).collect();
    let mut pairs = Vec::new();
    for finer in &columns {
        for coarser in &columns {
            if finer.name == coarser.name || finer.distinct < coarser.distinct {
                continue;
            }
            if is_step(table, &finer.name, &coarser.name) || is_likely(table, finer, coarser) {
                pairs.push((finer.name.clone(), coarser.name.clone()));
            }
        }
    }
    pairs
}

fn is_likely(table: &TableProfile, finer: &ColumnProfile, coarser: &ColumnProfile) -> bool {
    finer.distinct >= UNNAMED_MIN_VALUES
        && table.row_count >= UNNAMED_MIN_ROWS * finer.distinct
        && finer.distinct >= UNNAMED_MIN_FINER * coarser.distinct
}

/// The pairs of a table that the values bear out.
pub fn choose(table: &TableProfile, evidence: &Evidence) -> Vec<(String, String)> {
    candidates(table)
        .into_iter()
        .filter(|(finer, coarser)| {
            let wanted = if is_step(table, finer, coarser) {
                LEAST_NAMED
            } else {
                1.0
            };
            evidence
                .determines
                .get(&(table.name.clone(), finer.clone(), coarser.clone()))
                .is_some_and(|share| *share >= wanted)
        })
        .collect()
}

/// Chains of steps, from the finest: a b, b c → a b c. Of two ways the longer one is kept.
pub fn chains(steps: &[(String, String)]) -> Vec<Vec<String>> {
    let mut chains: Vec<Vec<String>> = Vec::new();
    let starts: Vec<&String> = steps
        .iter()
        .map(|(finer, _)| finer)
        .filter(|finer| !steps.iter().any(|(_, coarser)| coarser == *finer))
        .collect();
    for start in starts {
        let chain = longest(start, steps, &mut vec![start.clone()]);
        if chain.len() > 1 && !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    chains
}

fn longest(at: &str, steps: &[(String, String)], so_far: &mut Vec<String>) -> Vec<String> {
    let mut best = so_far.clone();
    for (finer, coarser) in steps {
        if finer == at && !so_far.contains(coarser) {
            so_far.push(coarser.clone());
            let chain = longest(coarser, steps, so_far);
            if chain.len() > best.len() {
                best = chain;
            }
            so_far.pop();
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_make_the_longest_chains() {
        let steps = [
            ("city", "country"),
            ("city", "state"),
            ("state", "country"),
            ("genre", "category"),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()));
        let chains = chains(&steps);
        assert_eq!(
            chains.iter().map(|chain| chain.join(" ")).collect::<Vec<_>>(),
            ["city state country", "genre category"]
        );
        assert!(is_below("home_city", "country_name") && !is_below("country", "city"));
    }
}
