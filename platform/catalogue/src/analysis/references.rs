//! Which column holds the key of which table: by the names of both, and by whether the values of the one are among
//! those of the other. What is left is a graph without cycles.

use super::{keys::Key, noun_of};
use crate::{
    names,
    profile::{ColumnProfile, Evidence, Place, TableProfile},
    thesaurus::{has, thesaurus},
};
use concert_contract::table::ColumnType;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The share of different values that must be among the keys.
const LEAST_CONTAINED: f64 = 0.99;
/// How well names must fit for values to be compared at all.
const LEAST_NAMED: u8 = 3;
/// A score by which the name alone is enough for a table without rows.
const NAMED_FOR_TABLE: u8 = 5;
/// Without a fitting name, so many different values must be among the keys.
const UNNAMED_MIN_TEXTS: u64 = 10;
const UNNAMED_MIN_NUMBERS: u64 = 100;
const LONGEST_CHARS: f64 = 64.0;
/// A shorter word has too little in common with the name of a table.
const LEAST_ROOT: usize = 4;

/// A column that may hold the key of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub from: Place,
    pub to: Place,
    /// How well the names fit, from 0 to 6.
    pub score: u8,
    why: String,
}

/// A column that holds the key of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub from: Place,
    pub to: Place,
    pub score: u8,
    pub why: String,
    /// Another column of the same table leads to the same table, and is the one that is meant where nothing is said.
    pub is_second: bool,
    /// Why no join is made of it; none where one is.
    pub left_out: Option<String>,
}

impl Reference {
    pub fn is_joined(&self) -> bool {
        self.left_out.is_none()
    }
}

/// Pairs of columns whose values are worth comparing. `keys` are by table.
pub fn candidates(tables: &[TableProfile], keys: &BTreeMap<String, Key>) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for many in tables {
        for column in &many.columns {
            if !matches!(column.column_type, ColumnType::Text | ColumnType::Integer)
                || column.average_length > LONGEST_CHARS
            {
                continue;
            }
            for one in tables {
                candidates.extend(targets(one, keys).filter_map(|target| candidate(many, column, one, target, keys)));
            }
        }
    }
    candidates
}

/// The columns of a table that another may refer to: its key, and what is unique beside it.
fn targets<'a>(table: &'a TableProfile, keys: &'a BTreeMap<String, Key>) -> impl Iterator<Item = &'a ColumnProfile> {
    let key = keys.get(&table.name).and_then(Key::single);
    table.columns.iter().filter(move |column| {
        Some(column.name.as_str()) == key
            || (column.is_exact
                && column.average_length <= LONGEST_CHARS
                && matches!(column.column_type, ColumnType::Text)
                && table.may_be_unique(column))
            || (table.row_count == 0
                && column.name
                    == keys
                        .get(&table.name)
                        .map_or("", |key| key.columns.first().map_or("", |c| c)))
    })
}

fn candidate(
    many: &TableProfile,
    column: &ColumnProfile,
    one: &TableProfile,
    target: &ColumnProfile,
    keys: &BTreeMap<String, Key>,
) -> Option<Candidate> {
    let is_same_table = many.name == one.name;
    if column.column_type != target.column_type || (is_same_table && column.name == target.name) {
        return None;
    }
    let own_key = keys.get(&many.name).and_then(Key::single) == Some(column.name.as_str());
    let is_key = keys.get(&one.name).and_then(Key::single) == Some(target.name.as_str());
    let declared = many.declared_references.iter().any(|declared| {
        declared.table == one.name && declared.columns == [column.name.clone()] && declared.to == [target.name.clone()]
    });
    let (score, why) = if declared {
        (6, "the database declares it".to_owned())
    } else {
        by_name(column, one, target, is_same_table)
    };
    let (score, why) = match halves(many, column, one, target, own_key && is_key && !is_same_table) {
        Some(why) if score < LEAST_NAMED => (NAMED_FOR_TABLE, why),
        _ => (score, why),
    };
    if own_key && (score < NAMED_FOR_TABLE || many.row_count > one.row_count || is_same_table) {
        return None;
    }
    // What is unique beside the key is a name; only a column that is called like the table, or like it, means that.
    if !is_key && score < LEAST_NAMED + 1 {
        return None;
    }
    if score >= LEAST_NAMED {
        return Some(Candidate {
            from: Place::new(&many.name, &column.name),
            to: Place::new(&one.name, &target.name),
            score,
            why,
        });
    }
    // Names say nothing: small whole numbers are among each other by chance, so the values must be many or long.
    let fits = !is_same_table
        && is_key
        && column.distinct <= target.distinct
        && match column.column_type {
            ColumnType::Text => {
                let lengths = column.average_length / target.average_length.max(1.0);
                column.distinct >= UNNAMED_MIN_TEXTS && column.average_length >= 3.0 && (0.7..1.4).contains(&lengths)
            }
            _ => {
                let is_id = super::keys::is_id_name(&thesaurus().words(&column.name));
                let is_sparse = target
                    .range()
                    .is_some_and(|(least, greatest)| greatest - least + 1.0 > 2.0 * target.distinct as f64);
                is_id && is_sparse && column.distinct >= UNNAMED_MIN_NUMBERS
            }
        };
    fits.then(|| Candidate {
        from: Place::new(&many.name, &column.name),
        to: Place::new(&one.name, &target.name),
        score: 1,
        why: "the names say nothing, but all values are found".to_owned(),
    })
}

/// Whether two tables are halves of one: both are about the same thing, and have as many rows with the same range of
/// keys. The one without names refers to the other.
fn halves(
    many: &TableProfile,
    column: &ColumnProfile,
    one: &TableProfile,
    target: &ColumnProfile,
    are_keys: bool,
) -> Option<String> {
    const LEAST_ROWS: u64 = 10;
    if !are_keys
        || many.row_count != one.row_count
        || many.row_count < LEAST_ROWS
        || (&column.least, &column.greatest) != (&target.least, &target.greatest)
    {
        return None;
    }
    let (own, other) = (noun_of(&many.name), noun_of(&one.name));
    let shared = own.iter().find(|word| other.contains(word))?;
    let texts = |table: &TableProfile| table.columns.iter().filter(|column| column.is_text()).count();
    (texts(one) > texts(many)).then(|| format!("both are of a {shared}, with as many rows and the same keys"))
}

/// How well the name of a column fits the table and the column that it may refer to.
fn by_name(column: &ColumnProfile, one: &TableProfile, target: &ColumnProfile, is_same_table: bool) -> (u8, String) {
    let thesaurus = thesaurus();
    let words = thesaurus.words(&column.name);
    let target_words = thesaurus.words(&target.name);
    let noun = noun_of(&one.name);
    let Some(head) = noun.last() else {
        return (0, String::new());
    };
    // What the column is an id of: "home team" of home_team_id.
    let mut stem: Vec<String> = words.clone();
    let mut ended: Option<String> = None;
    while let Some(last) = stem.last()
        && stem.len() > 1
        && (super::keys::is_id_word(last) || target_words.contains(last) && last != head)
    {
        ended = stem.pop();
    }
    let stem: Vec<String> = match stem.split_last() {
        Some((last, rest)) => rest.iter().cloned().chain([names::singular(last)]).collect(),
        None => return (0, String::new()),
    };
    // "airport_code" means the code rather than the id, where the table has both.
    let other_ending = ended.as_ref().is_some_and(|ended| {
        !target_words.contains(ended) && !matches!(target_words.as_slice(), [only] if only == "id")
    });
    let penalty = u8::from(other_ending);
    if words == target_words && words.len() > 1 && !is_same_table {
        return (
            if words.contains(head) || target_is_named(&target_words, &noun) {
                6
            } else {
                4
            },
            "both have the same name".to_owned(),
        );
    }
    if stem == noun && !is_same_table {
        return (6 - penalty, format!("named for {}", one.name));
    }
    if stem.concat() == noun.concat() && !is_same_table {
        return (6 - penalty, format!("named for {}", one.name));
    }
    // "door_price" and "doorprice".
    if words != target_words && words.concat() == target_words.concat() && words.concat().len() > 4 && !is_same_table {
        return (4, "both have the same name".to_owned());
    }
    // "isbn" of loans and of books.
    if let [only] = words.as_slice()
        && words == target_words
        && !is_same_table
        && matches!(
            only.as_str(),
            "isbn" | "ssn" | "sku" | "iata" | "icao" | "uid" | "uuid" | "guid"
        )
    {
        return (4, "both have the same name".to_owned());
    }
    // Without separators: "countrycode", "customerid".
    if let [only] = words.as_slice() {
        let bare = ["id", "code", "key", "no"]
            .iter()
            .find_map(|ending| only.strip_suffix(ending));
        if bare == Some(noun.concat().as_str()) && !is_same_table {
            return (5, format!("named for {}", one.name));
        }
        if words == target_words && only.len() > 4 && bare.is_some() && !is_same_table {
            return (4, "both have the same name".to_owned());
        }
    }
    if stem.ends_with(&noun) && stem.len() > noun.len() {
        return (4 - penalty.min(1), format!("ends in the name of {}", one.name));
    }
    if noun.len() > 1 && stem.len() < noun.len() && noun.ends_with(&stem) && !is_same_table {
        return (4 - penalty, format!("named for {}", one.name));
    }
    if let Some(last) = stem.last()
        && !is_same_table
        && stem.len() == 1
        && thesaurus.alike(last, head)
    {
        return (3, format!("{last} is another word for {head}"));
    }
    // "ship_via" is one of the shippers.
    if !is_same_table
        && stem
            .iter()
            .any(|word| word.len() >= LEAST_ROOT && head.strip_prefix(word.as_str()).is_some_and(is_agent_ending))
    {
        return (3, format!("{} speaks of {head}", stem.join(" ")));
    }
    if stem.iter().any(|word| has(thesaurus.role(word), head)) || is_same_table && is_parent(&stem) {
        return (3, format!("a {} is one of {}", stem.join(" "), one.name));
    }
    (0, String::new())
}

/// What makes of a verb the one who does it: ship, shipper.
fn is_agent_ending(ending: &str) -> bool {
    matches!(ending, "r" | "er" | "or" | "per" | "ner" | "ter")
}

fn is_parent(stem: &[String]) -> bool {
    stem.iter()
        .any(|word| matches!(word.as_str(), "parent" | "previous" | "replaced" | "superior"))
}

/// Whether a target column is named for its own table: `country_code` of countries.
fn target_is_named(target: &[String], noun: &[String]) -> bool {
    target.len() > noun.len() && target.starts_with(noun)
}

/// The references that names and values bear out, the joins first decided.
pub fn choose(tables: &[TableProfile], keys: &BTreeMap<String, Key>, evidence: &Evidence) -> Vec<Reference> {
    let mut best: BTreeMap<Place, (Candidate, f64)> = BTreeMap::new();
    let mut near: BTreeMap<Place, (Candidate, f64)> = BTreeMap::new();
    let rows = |table: &str| tables.iter().find(|t| t.name == table).map_or(0, |t| t.row_count);
    for candidate in candidates(tables, keys) {
        let filled = tables
            .iter()
            .find(|table| table.name == candidate.from.table)
            .and_then(|table| table.column(&candidate.from.column))
            .map_or(0, |column| column.filled);
        let share = match evidence.contained.get(&(candidate.from.clone(), candidate.to.clone())) {
            // Nothing to compare: the name has to do.
            _ if filled == 0 && candidate.score >= NAMED_FOR_TABLE => 1.0,
            Some(share) => *share,
            None => continue,
        };
        let wanted = if candidate.score >= LEAST_NAMED {
            LEAST_CONTAINED
        } else {
            1.0
        };
        let list = if share >= wanted { &mut best } else { &mut near };
        let better = list.get(&candidate.from).is_none_or(|(other, other_share)| {
            let is_key = |c: &Candidate| keys.get(&c.to.table).and_then(Key::single) == Some(c.to.column.as_str());
            (
                candidate.score,
                is_key(&candidate),
                share,
                std::cmp::Reverse(rows(&candidate.to.table)),
            )
                .partial_cmp(&(
                    other.score,
                    is_key(other),
                    *other_share,
                    std::cmp::Reverse(rows(&other.to.table)),
                ))
                == Some(std::cmp::Ordering::Greater)
        });
        if better {
            list.insert(candidate.from.clone(), (candidate, share));
        }
    }
    let mut references: Vec<Reference> = best
        .into_values()
        .map(|(candidate, share)| {
            let why = if share >= 1.0 {
                format!("{}; every value is found there", candidate.why)
            } else {
                format!(
                    "{}; {:.1} % of its values are found there",
                    candidate.why,
                    share * 100.0
                )
            };
            Reference {
                from: candidate.from,
                to: candidate.to,
                score: candidate.score,
                why,
                is_second: false,
                left_out: None,
            }
        })
        .collect();
    let found: BTreeSet<Place> = references.iter().map(|reference| reference.from.clone()).collect();
    decide(&mut references, tables);
    for (place, (candidate, share)) in near {
        if !found.contains(&place) && candidate.score > LEAST_NAMED {
            references.push(Reference {
                from: candidate.from,
                to: candidate.to,
                score: 0,
                why: candidate.why,
                is_second: false,
                left_out: Some(format!(
                    "only {:.1} % of its different values are found there, fewer than {:.0} %",
                    share * 100.0,
                    LEAST_CONTAINED * 100.0
                )),
            });
        }
    }
    references
}

/// Leaves out what would make a cycle or join a table to itself, and tells which of two joins between the same tables
/// is the first.
fn decide(references: &mut [Reference], tables: &[TableProfile]) {
    let position = |place: &Place| {
        let table = tables.iter().position(|table| table.name == place.table).unwrap_or(0);
        let column = tables
            .get(table)
            .and_then(|t| t.columns.iter().position(|column| column.name == place.column))
            .unwrap_or(0);
        (table, column)
    };
    let rows = |table: &str| tables.iter().find(|t| t.name == table).map_or(0, |t| t.row_count);
    let leads = |reference: &Reference| {
        let words = thesaurus().words(&reference.from.column);
        thesaurus().leading.words.iter().position(|lead| words.contains(lead))
    };
    let mut order: Vec<usize> = (0..references.len()).collect();
    order.sort_by_key(|at| {
        references.get(*at).map(|reference| {
            (
                std::cmp::Reverse(reference.score),
                leads(reference).unwrap_or(usize::MAX),
                // From the many to the few, where both directions are named.
                rows(&reference.from.table) < rows(&reference.to.table),
                position(&reference.from),
            )
        })
    });
    let mut joins: Vec<(String, String)> = Vec::new();
    for at in order {
        let Some(reference) = references.get_mut(at) else {
            continue;
        };
        let (from, to) = (&reference.from.table, &reference.to.table);
        reference.left_out = if from == to {
            Some("a table is not joined to itself".to_owned())
        } else if reaches(&joins, to, from) {
            Some(format!(
                "{to} leads to {from} already: joins must not go round in a circle"
            ))
        } else {
            reference.is_second = joins.iter().any(|(a, b)| a == from && b == to);
            joins.push((from.clone(), to.clone()));
            None
        };
    }
}

fn reaches(joins: &[(String, String)], from: &str, to: &str) -> bool {
    let mut queue = VecDeque::from([from]);
    let mut seen = BTreeSet::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            return true;
        }
        for (a, b) in joins {
            if a == at && seen.insert(b) {
                queue.push_back(b);
            }
        }
    }
    false
}

/// A table to which several chains of joins lead from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    pub from: String,
    pub to: String,
    /// The chain that is meant where nothing is said, by the columns that its joins begin with.
    pub first: Vec<Place>,
    pub others: Vec<Vec<Place>>,
}

/// The forks of the graph: for every table that is reached by several chains, where they part nearest to it.
pub fn forks(references: &[Reference], tables: &[TableProfile]) -> Vec<Fork> {
    const MOST_CHAINS: usize = 16;
    let joins: Vec<&Reference> = references.iter().filter(|r| r.is_joined()).collect();
    let mut forks: Vec<Fork> = Vec::new();
    for to in tables {
        let mut nearest: Option<(usize, Fork)> = None;
        for from in tables.iter().filter(|from| from.name != to.name) {
            let mut chains: Vec<Vec<&Reference>> = Vec::new();
            chains_between(&joins, &from.name, &to.name, &mut Vec::new(), &mut chains, MOST_CHAINS);
            if chains.len() < 2 {
                continue;
            }
            chains.sort_by_key(|chain| (chain.len(), chain.iter().filter(|join| join.is_second).count()));
            let length = chains.iter().map(Vec::len).sum();
            let mut places = chains
                .iter()
                .map(|chain| chain.iter().map(|join| join.from.clone()).collect::<Vec<Place>>());
            let Some(first) = places.next() else { continue };
            if nearest.as_ref().is_none_or(|(other, _)| length < *other) {
                let fork = Fork {
                    from: from.name.clone(),
                    to: to.name.clone(),
                    first,
                    others: places.collect(),
                };
                nearest = Some((length, fork));
            }
        }
        forks.extend(nearest.map(|(_, fork)| fork));
    }
    forks
}

fn chains_between<'a>(
    joins: &[&'a Reference],
    from: &str,
    to: &str,
    so_far: &mut Vec<&'a Reference>,
    found: &mut Vec<Vec<&'a Reference>>,
    most: usize,
) {
    if found.len() >= most {
        return;
    }
    if from == to {
        found.push(so_far.clone());
        return;
    }
    for join in joins.iter().filter(|join| join.from.table == from) {
        so_far.push(join);
        chains_between(joins, &join.to.table, to, so_far, found, most);
        so_far.pop();
    }
}
