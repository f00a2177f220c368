//! Metrics and dimensions of every table, named so that people can ask for them: here what things there are and how
//! many, in `measures` what can be summed up, in `dimensions` what it can be told by.

mod dimensions;
mod measures;

use super::{
    columns::Role,
    draft::{DimensionEntry, Draft, MetricEntry, SourceEntry},
    hierarchies,
    keys::Key,
    references::{Fork, Reference},
    words::Phrases,
};
use crate::{
    names,
    profile::{ColumnProfile, TableProfile},
    thesaurus::{has, thesaurus},
};
use concert_contract::table::ColumnType;
use std::collections::{BTreeMap, BTreeSet};

/// Different values of a kind are counted where there are at most so many.
const COUNTED_MAX_VALUES: u64 = 1_000;
/// And where they repeat: of what nearly every row has its own, the rows are counted.
const COUNTED_MOST_DISTINCT: f64 = 0.8;

/// A table, what its rows are, and what its columns are for.
#[derive(Debug)]
pub(in crate::analysis) struct Thing<'a> {
    pub table: &'a TableProfile,
    pub key: &'a Key,
    /// The words of what a row is, in the singular.
    pub noun: Vec<String>,
    pub one: String,
    pub many: String,
    pub label: Option<&'a ColumnProfile>,
    pub time: Option<&'a ColumnProfile>,
    pub other_times: usize,
    pub roles: Vec<(&'a ColumnProfile, Role)>,
    pub references: Vec<&'a Reference>,
    pub is_link: bool,
}

impl Thing<'_> {
    pub fn place(&self, column: &str) -> String {
        format!("{}.{column}", self.table.name)
    }

    fn is_person(&self) -> bool {
        self.noun
            .last()
            .is_some_and(|word| has(&thesaurus().things.person, word))
    }

    fn is_place(&self) -> bool {
        self.noun
            .last()
            .is_some_and(|word| has(&thesaurus().things.place, word))
    }

    fn currency(&self) -> Option<String> {
        self.roles
            .iter()
            .find(|(_, role)| *role == Role::Currency)
            .map(|(column, _)| self.place(&column.name))
    }

    /// Other words for what a row is, in one and in many.
    fn synonyms(&self) -> Vec<String> {
        let Some((head, lead)) = self.noun.split_last() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for other in thesaurus().synonyms(&self.one) {
            found.extend([other.to_owned(), names::plural_phrase(&names::words(other))]);
        }
        if !lead.is_empty() {
            for other in thesaurus().synonyms(head) {
                let phrase: Vec<String> = lead.iter().cloned().chain([other.to_owned()]).collect();
                found.extend([phrase.join(" "), names::plural_phrase(&phrase)]);
            }
            // "makers" of car_makers; "with" of affiliated_with is no noun.
            let is_noun = !matches!(
                head.as_str(),
                "with" | "in" | "of" | "by" | "to" | "from" | "for" | "at" | "on" | "a"
            );
            if is_noun {
                found.extend([head.clone(), names::plural(head)]);
            }
        }
        found.dedup();
        found
    }
}

struct Builder<'b, 'a> {
    draft: &'b mut Draft,
    things: &'b [Thing<'a>],
    references: &'b [Reference],
    forks: &'b [Fork],
    metric_words: &'b mut Phrases,
    dimension_words: &'b mut Phrases,
    names: BTreeSet<String>,
    /// Numbers of single rows; they stand behind what rows are told by.
    numbers: Vec<DimensionEntry>,
}

pub(in crate::analysis) fn build(
    draft: &mut Draft,
    things: &[Thing<'_>],
    references: &[Reference],
    forks: &[Fork],
    metric_words: &mut Phrases,
    dimension_words: &mut Phrases,
) {
    let mut builder = Builder {
        draft,
        things,
        references,
        forks,
        metric_words,
        dimension_words,
        names: BTreeSet::new(),
        numbers: Vec::new(),
    };
    builder.reserve();
    builder.counts();
    builder.measures();
    builder.entities();
    builder.kinds();
    builder.seconds();
    builder.parts_of_time();
    let numbers = std::mem::take(&mut builder.numbers);
    builder.draft.dimensions.extend(numbers);
    builder.details();
    builder.counted_kinds();
    builder.shown();
}

impl<'b, 'a> Builder<'b, 'a> {
    /// The words that are things' own go to nobody else.
    fn reserve(&mut self) {
        for thing in self.things.iter().filter(|thing| !thing.is_link) {
            for phrase in [&thing.one, &thing.many] {
                self.metric_words.own(phrase);
                self.dimension_words.own(phrase);
            }
        }
        let time = self.things.iter().any(|thing| thing.time.is_some());
        if time {
            for name in ["year", "quarter", "month", "weekday"] {
                self.names.insert(name.to_owned());
            }
        }
    }

    /// A name that nothing has: the first of these, or the last with a number.
    pub(super) fn name(&mut self, wanted: &[String]) -> String {
        let candidates: Vec<String> = wanted.iter().map(|name| names::identifier(name, "column")).collect();
        let free = candidates.iter().find(|name| !self.names.contains(*name)).cloned();
        let name = free.unwrap_or_else(|| {
            let last = candidates.last().map_or("column", String::as_str);
            (2..)
                .map(|n| format!("{last}_{n}"))
                .find(|name| !self.names.contains(name))
                .unwrap_or_default()
        });
        self.names.insert(name.clone());
        name
    }

    /// Joined references that lead to a table.
    pub(super) fn referring(&self, table: &str) -> Vec<&Reference> {
        self.references
            .iter()
            .filter(|r| r.is_joined() && r.to.table == table)
            .collect()
    }

    pub(super) fn thing(&self, table: &str) -> Option<&'b Thing<'a>> {
        self.things.iter().find(|thing| thing.table.name == table)
    }

    /// The joins to take to a table where several chains lead to it.
    pub(super) fn via(&self, table: &str) -> Vec<String> {
        self.forks
            .iter()
            .find(|fork| fork.to == table)
            .map(|fork| fork.first.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    fn counts(&mut self) {
        for thing in self.things {
            let plural = if thing.is_link {
                format!("{} records", thing.one)
            } else {
                thing.many.clone()
            };
            let singular = if thing.is_link {
                format!("{} record", thing.one)
            } else {
                thing.one.clone()
            };
            let mut wanted = vec![plural.clone()];
            if plural == singular {
                // The dimension has the word for one.
                wanted = vec![format!("{plural} count")];
            }
            wanted.push(format!("number of {plural}"));
            let name = self.name(&wanted);
            let mut sources = Vec::new();
            let mut comments = vec![format!("{} rows of {}.", thing.table.row_count, thing.table.name)];
            let counted = thing
                .key
                .single()
                .map(str::to_owned)
                .or_else(|| {
                    let full = thing.table.columns.iter().find(|c| c.filled == thing.table.row_count);
                    full.map(|column| column.name.clone())
                })
                .or_else(|| thing.table.columns.first().map(|column| column.name.clone()));
            if let Some(column) = counted {
                sources.push(SourceEntry {
                    aggregate: "count",
                    of: thing.place(&column),
                    ..SourceEntry::default()
                });
            }
            // By what only tables that refer to it know, those of them are counted that are referred to.
            let mut referring = self.referring(&thing.table.name);
            referring.retain(|r| !r.is_second);
            referring.sort_by_key(|r| {
                let from = self.thing(&r.from.table);
                // What only ties this to others says most of how they belong together.
                let ties = from.is_some_and(|t| {
                    t.key.columns.len() > 1
                        && t.key
                            .columns
                            .iter()
                            .all(|column| t.references.iter().any(|r| r.is_joined() && r.from.column == *column))
                });
                (
                    !from.is_some_and(|t| t.is_link),
                    !ties,
                    from.map_or(0, |t| t.table.row_count),
                    r.from.clone(),
                )
            });
            for reference in referring {
                let many = self
                    .thing(&reference.from.table)
                    .map_or(reference.from.table.clone(), |t| t.many.clone());
                sources.push(SourceEntry {
                    label: Some(format!("the {} of {many}", thing.many)),
                    aggregate: "count_distinct",
                    of: reference.from.to_string(),
                    ..SourceEntry::default()
                });
            }
            if let [first, _, ..] = sources.as_mut_slice() {
                first.label = Some(format!("the table of {}", thing.many));
                comments.push(
                    "By what only other tables know, those are counted that they refer to, each once.".to_owned(),
                );
            }
            let mut synonyms = thing.synonyms();
            synonyms.extend([
                format!("number of {}", thing.many),
                format!("{} count", thing.one),
                format!("total {}", thing.many),
            ]);
            let synonyms = self.metric_words.claim(synonyms);
            self.draft.metrics.push(MetricEntry {
                comments,
                label: thesaurus().label(&plural),
                description: format!("How many {plural} there are."),
                synonyms,
                noun: Some([singular, plural]),
                unit: "count",
                format: "integer",
                sources,
                name,
                ..MetricEntry::default()
            });
        }
    }

    /// How many different values of a kind there are: continents, genres.
    fn counted_kinds(&mut self) {
        for thing in self.things {
            for (column, role) in &thing.roles {
                let repeats = column.distinct as f64 <= COUNTED_MOST_DISTINCT * column.filled as f64;
                if *role != Role::Kind
                    || !column.is_text()
                    || !repeats
                    || !(2..=COUNTED_MAX_VALUES).contains(&column.distinct)
                {
                    continue;
                }
                let spoken = thesaurus().spoken(&column.name);
                let plural = names::plural_phrase(&spoken);
                let is_vague = matches!(
                    plural.as_str(),
                    "names" | "types" | "codes" | "values" | "statuses" | "kinds" | "positions" | "titles"
                );
                if is_vague || self.names.contains(&names::identifier(&plural, "x")) {
                    continue;
                }
                let singular = names::singular_phrase(&spoken);
                let claimed = self.metric_words.claim([plural.clone()]);
                if claimed.is_empty() {
                    continue;
                }
                let name = self.name(std::slice::from_ref(&plural));
                let synonyms = self.metric_words.claim([
                    format!("number of {plural}"),
                    format!("different {plural}"),
                    format!("distinct {plural}"),
                ]);
                self.draft.metrics.push(MetricEntry {
                    comments: vec![evidence_of(column)],
                    label: thesaurus().label(&plural),
                    description: format!("Different {plural} among the {}.", thing.many),
                    synonyms,
                    noun: Some([singular, plural]),
                    unit: "count",
                    format: "integer",
                    sources: vec![SourceEntry {
                        aggregate: "count_distinct",
                        of: thing.place(&column.name),
                        ..SourceEntry::default()
                    }],
                    name,
                    ..MetricEntry::default()
                });
            }
        }
    }
}

/// Says of each dimension which one is the next coarser.
pub(in crate::analysis) fn link_hierarchies(
    draft: &mut Draft,
    things: &[Thing<'_>],
    references: &[Reference],
    steps: &[(String, String)],
) {
    let by_column = |draft: &Draft, place: &str| {
        draft
            .dimensions
            .iter()
            .find(|d| d.column.as_deref() == Some(place) && d.part.is_none())
            .map(|d| d.name.clone())
    };
    let mut pairs: Vec<(String, String)> = steps
        .iter()
        .filter_map(|(finer, coarser)| Some((by_column(draft, finer)?, by_column(draft, coarser)?)))
        .collect();
    // A thing that refers to another one is within it, where their names stand on a ladder.
    for reference in references.iter().filter(|r| r.is_joined() && !r.is_second) {
        let thing = |table: &str| things.iter().find(|thing| thing.table.name == table);
        if let (Some(finer), Some(coarser)) = (thing(&reference.from.table), thing(&reference.to.table))
            && hierarchies::is_below(&finer.one, &coarser.one)
            && let (Some(a), Some(b)) = (finer.label, coarser.label)
            && let (Some(a), Some(b)) = (
                by_column(draft, &finer.place(&a.name)),
                by_column(draft, &coarser.place(&b.name)),
            )
        {
            pairs.push((a, b));
        }
    }
    for chain in hierarchies::chains(&pairs) {
        for step in chain.windows(2) {
            if let [finer, coarser] = step
                && let Some(dimension) = draft.dimensions.iter_mut().find(|d| d.name == *finer)
                && dimension.within.is_none()
            {
                dimension.within = Some(coarser.clone());
                dimension
                    .comments
                    .push(format!("Each value lies in one {}.", coarser.replace('_', " ")));
            }
        }
    }
}

/// Words that rank, with their directions.
fn ranked(words: Option<&[Vec<String>; 2]>) -> BTreeMap<String, &'static str> {
    let Some([most, least]) = words else {
        return BTreeMap::new();
    };
    let most = most.iter().map(|phrase| (phrase.clone(), "desc"));
    most.chain(least.iter().map(|phrase| (phrase.clone(), "asc"))).collect()
}

/// What the values look like, for a comment.
fn evidence_of(column: &ColumnProfile) -> String {
    const SHOWN_VALUES: usize = 4;
    const SHOWN_CHARS: usize = 30;
    let about = if column.is_exact { "" } else { "about " };
    let mut text = format!(
        "{}: {about}{} different values in {} rows",
        column.name, column.distinct, column.filled
    );
    if let Some((least, greatest)) = column.range() {
        text.push_str(&format!(", {least} to {greatest}"));
    } else if column.is_day() {
        if let (Some(least), Some(greatest)) = (column.least.as_str(), column.greatest.as_str()) {
            text.push_str(&format!(", {least} to {greatest}"));
        }
    } else if !column.top.is_empty() {
        let shown: Vec<String> = column
            .top
            .iter()
            .take(SHOWN_VALUES)
            .map(|(value, _)| value.chars().take(SHOWN_CHARS).collect())
            .collect();
        let more = if column.distinct > SHOWN_VALUES as u64 {
            ", …"
        } else {
            ""
        };
        text.push_str(&format!(": {}{more}", shown.join(", ")));
    }
    text.push('.');
    text
}

/// Other phrases for a column: the short form that it has, what that stands for, and words that mean nearly the same.
fn phrases_of(column: &str, base: &[String]) -> Vec<String> {
    let phrase = base.join(" ");
    let mut found: Vec<String> = Vec::new();
    let short = names::words(column).join(" ");
    let long = thesaurus().words(column).join(" ");
    found.extend([short, long]);
    found.extend(thesaurus().synonyms(&phrase).into_iter().map(str::to_owned));
    if let Some((head, lead)) = base.split_last() {
        if !lead.is_empty() {
            for other in thesaurus().synonyms(head) {
                found.push(format!("{} {other}", lead.join(" ")));
            }
        }
        for other in thesaurus().synonyms(&thesaurus().words(column).join(" ")) {
            found.push(other.to_owned());
        }
    }
    found.retain(|other| *other != phrase);
    let mut seen = BTreeSet::new();
    found.retain(|other| seen.insert(other.clone()));
    found
}

fn type_name(held: ColumnType) -> &'static str {
    match held {
        ColumnType::Text => "text",
        ColumnType::Integer => "integer",
        ColumnType::Decimal => "decimal",
        ColumnType::Float => "float",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
    }
}
