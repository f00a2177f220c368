//! A catalogue as things and what they have: which table a word stands for, which columns it has, and which tables lead
//! to which. All of it is read from the catalogue's own words, and made once for each planner.

use crate::text::{stem, tokens};
use concert_contract::{
    catalogue::{Aggregate, Catalogue, Dimension, Metric},
    compile::ColumnRef,
    query::Direction,
    table::ColumnType,
};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A table whose rows people speak of.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub table: String,
    /// The metric that counts its rows.
    pub count: String,
    /// The dimension that names its rows, by index.
    pub entity: Option<usize>,
    /// The attribute that names its rows.
    pub label: Option<usize>,
    pub key: Vec<String>,
    /// Whether its rows do little more than tie others together: which physician belongs to which department.
    pub is_tie: bool,
    pub time: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Day,
    /// A number that is a year.
    Year,
    Truth,
}

/// A column that a dimension stands for.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub thing: usize,
    /// The dimension, by index.
    pub dimension: usize,
    pub column: String,
    pub kind: Kind,
    /// Whether it leads to another thing than the shortest chain would: a `via`.
    pub is_roundabout: bool,
    /// The thing whose column it is; another one than `thing` where it is roundabout.
    pub home: usize,
    /// The joins that lead there, where they are named.
    pub via: Vec<String>,
}

/// What a phrase can stand for here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sense {
    Thing(usize),
    Attribute(usize),
    /// One word of an attribute's name, where no name is that word alone.
    PartOfAttribute(usize),
    /// A metric that is more than a count or a statistic of one column.
    Metric(usize),
    /// Ranks by an attribute.
    Rank(usize, Direction),
    /// Ranks by a metric.
    RankByMetric(usize, Direction),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    pub(super) things: Vec<Thing>,
    pub(super) attributes: Vec<Attribute>,
    /// Whether every table that others belong to is one of things that can be counted and listed. Where it is not, the
    /// catalogue is one of figures about a few tables, its questions ask for those, and nothing more is read of it.
    pub(crate) is_complete: bool,
    /// The thing that "who" asks for.
    pub(super) person: Option<usize>,
    phrases: HashMap<String, Vec<(Vec<String>, Sense)>>,
    /// The length of the shortest chain of joins from one thing up to another.
    up: BTreeMap<(usize, usize), usize>,
}

/// Words of question and of counting, which name nothing by themselves.
const WORDS_OF_COUNTS: [&str; 9] = [
    "number",
    "count",
    "total",
    "different",
    "distinct",
    "average",
    "mean",
    "maximum",
    "minimum",
];
/// Words that many columns have in their names.
const VAGUE: [&str; 26] = [
    "name", "id", "date", "number", "code", "type", "amount", "total", "time", "key", "value", "of", "in", "no", "is",
    "has", "to", "the", "level", "count", "year", "day", "record", "units", "unit", "per",
];

impl Schema {
    pub(crate) fn new(catalogue: &Catalogue) -> Schema {
        let mut schema = Schema::default();
        for (table, definition) in &catalogue.tables {
            let Some(count) = counts_rows(catalogue, table) else {
                continue;
            };
            let thing = schema.things.len();
            let of_table = |place: &Option<String>| place.as_deref().and_then(table_of) == Some(table.as_str());
            let entity = catalogue
                .dimensions
                .iter()
                .position(|d| of_table(&d.key) && d.part.is_none() && (d.column.is_none() || of_table(&d.column)))
                .or_else(|| {
                    let [key] = definition.key.as_slice() else { return None };
                    let place = format!("{table}.{key}");
                    catalogue
                        .dimensions
                        .iter()
                        .position(|d| d.column.as_deref() == Some(&place) && d.via.is_empty())
                });
            schema.things.push(Thing {
                table: table.clone(),
                count: count.name.clone(),
                entity,
                label: None,
                key: definition.key.clone(),
                is_tie: definition.key.len() > 1 && definition.columns.len() <= definition.key.len() + 1,
                time: definition.time.clone(),
            });
            let mut nouns: Vec<String> = vec![table.replace('_', " ")];
            nouns.extend(definition.rows.clone());
            nouns.extend(count.noun.iter().flatten().cloned());
            nouns.extend(count.synonyms.iter().filter(|phrase| is_plain(phrase)).cloned());
            if let Some(entity) = entity.and_then(|at| catalogue.dimensions.get(at)) {
                if schema.person.is_none() && entity.synonyms.iter().any(|word| word == "who") {
                    schema.person = Some(thing);
                }
                nouns.extend([entity.label.clone(), entity.plural.clone()]);
            }
            for noun in nouns {
                // "with" of affiliated_with is a word of the language.
                if !super::lex::is_word(&noun.to_lowercase()) {
                    schema.add(&noun, Sense::Thing(thing));
                }
            }
        }
        schema.is_complete = !schema.things.is_empty()
            && catalogue
                .joins
                .iter()
                .all(|join| table_of(&join.to).is_none_or(|table| schema.thing_of(table).is_some()));
        if !schema.is_complete {
            return schema;
        }
        schema.joins(catalogue);
        schema.read_attributes(catalogue);
        schema.read_metrics(catalogue);
        schema.share_phrases();
        schema.add_parts();
        schema
    }

    fn thing_of(&self, table: &str) -> Option<usize> {
        self.things.iter().position(|thing| thing.table == table)
    }

    fn joins(&mut self, catalogue: &Catalogue) {
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for join in &catalogue.joins {
            let end = |place: &str| table_of(place).and_then(|table| self.thing_of(table));
            if let (Some(from), Some(to)) = (end(&join.from), end(&join.to)) {
                edges.push((from, to));
            }
        }
        for start in 0..self.things.len() {
            let mut queue = VecDeque::from([(start, 0)]);
            while let Some((at, steps)) = queue.pop_front() {
                if self.up.contains_key(&(start, at)) {
                    continue;
                }
                self.up.insert((start, at), steps);
                queue.extend(
                    edges
                        .iter()
                        .filter(|(from, _)| *from == at)
                        .map(|(_, to)| (*to, steps + 1)),
                );
            }
        }
    }

    fn read_attributes(&mut self, catalogue: &Catalogue) {
        for (index, dimension) in catalogue.dimensions.iter().enumerate() {
            if dimension.part.is_some() || dimension.days_since.is_some() {
                continue;
            }
            let Some(place) = dimension.column.as_deref().and_then(ColumnRef::parse) else {
                continue;
            };
            // The first dimension of a column is the column itself, whatever joins lead to it. Another one is reached by
            // a certain join, and belongs to the rows that have the join: the destination airport of a flight.
            let Some(own) = self.thing_of(&place.table) else {
                continue;
            };
            let is_of = |other: &Attribute| other.thing == own && other.column == place.column && !other.is_roundabout;
            let known = self.attributes.iter().position(is_of);
            let first_join = known.and_then(|known| {
                let other = self
                    .attributes
                    .get(known)
                    .and_then(|a| catalogue.dimensions.get(a.dimension))?;
                let join = dimension.via.iter().find(|join| !other.via.contains(join))?;
                table_of(join).and_then(|table| self.thing_of(table))
            });
            let (thing, known) = match first_join {
                Some(from) => (from, None),
                None => (own, known),
            };
            let first = first_join;
            let at = known.unwrap_or(self.attributes.len());
            let is_entity = self.things.get(thing).is_some_and(|thing| thing.entity == Some(index));
            if known.is_none() {
                self.attributes.push(Attribute {
                    thing,
                    dimension: index,
                    column: place.column.clone(),
                    kind: kind_of(dimension, &place.column),
                    is_roundabout: first_join.is_some(),
                    home: own,
                    via: dimension.via.clone(),
                });
            }
            if is_entity && let Some(thing) = self.things.get_mut(thing) {
                thing.label = Some(at);
            }
            let mut phrases: Vec<String> = dimension.synonyms.clone();
            if first.is_none() {
                phrases.push(place.column.replace('_', " "));
            }
            if !is_entity {
                phrases.extend([
                    dimension.name.replace('_', " "),
                    dimension.label.clone(),
                    dimension.plural.clone(),
                ]);
            }
            for phrase in phrases {
                if !matches!(phrase.as_str(), "who" | "where" | "when") {
                    self.name_attribute(&phrase, at, thing);
                }
            }
            for (phrase, direction) in &dimension.ranks {
                self.add(phrase, Sense::Rank(at, *direction));
            }
        }
    }

    /// Gives an attribute a phrase, and the same without the name of its thing in front: "pet type" and "type".
    fn name_attribute(&mut self, phrase: &str, attribute: usize, thing: usize) {
        let stems = stems(phrase);
        // "number of flights" counts flights, though each may have a number.
        if let [number, of, rest @ ..] = stems.as_slice()
            && number == "number"
            && of == "of"
            && rest
                .first()
                .and_then(|first| self.phrases.get(first))
                .is_some_and(|known| {
                    known
                        .iter()
                        .any(|(stems, sense)| stems == rest && matches!(sense, Sense::Thing(_)))
                })
        {
            return;
        }
        let of_thing = |words: &[String]| {
            self.phrases
                .get(words.first().map_or("", String::as_str))
                .is_some_and(|known| {
                    known
                        .iter()
                        .any(|(stems, sense)| stems == words && *sense == Sense::Thing(thing))
                })
        };
        // "stadium names" and "names of the stadiums" name the thing as well: the words for both are read by themselves.
        for length in 1..stems.len() {
            let (front, rest) = stems.split_at(length);
            if of_thing(front) {
                let rest = rest.to_vec();
                self.add_stems(rest, Sense::Attribute(attribute));
                return;
            }
            if let [of, thing @ ..] = rest
                && of == "of"
                && of_thing(thing)
            {
                let front = front.to_vec();
                self.add_stems(front, Sense::Attribute(attribute));
                return;
            }
        }
        self.add_stems(stems, Sense::Attribute(attribute));
    }

    fn read_metrics(&mut self, catalogue: &Catalogue) {
        for (index, metric) in catalogue.metrics.iter().enumerate() {
            let Some(source) = metric.sources.first() else { continue };
            if metric.noun.is_some() {
                continue;
            }
            let of = ColumnRef::parse(&source.of).filter(|_| source.over.is_none());
            let attribute = of.and_then(|of| {
                let thing = self.thing_of(&of.table)?;
                self.attributes
                    .iter()
                    .position(|a| a.thing == thing && a.column == of.column && !a.is_roundabout)
            });
            let Some(attribute) = attribute else {
                let own = [metric.name.replace('_', " "), metric.label.clone()];
                for phrase in own.iter().chain(&metric.synonyms) {
                    self.add(phrase, Sense::Metric(index));
                }
                for (phrase, direction) in &metric.ranks {
                    self.add(phrase, Sense::RankByMetric(index, *direction));
                }
                continue;
            };
            let thing = self.attributes.get(attribute).map_or(0, |a| a.thing);
            for phrase in metric.synonyms.iter().chain([&metric.label]) {
                let words: Vec<&str> = phrase.split(' ').collect();
                let bare = strip_statistic(&words);
                // The least salary of a job is no salary.
                let own = self.attributes.get(attribute).map_or("", |a| a.column.as_str());
                let is_statistic = own.split('_').next().is_some_and(|word| {
                    matches!(
                        word,
                        "min" | "max" | "avg" | "minimum" | "maximum" | "average" | "total" | "mean"
                    )
                });
                if is_statistic {
                    continue;
                }
                self.name_attribute(&bare.join(" "), attribute, thing);
            }
            for (phrase, direction) in &metric.ranks {
                self.add(phrase, Sense::Rank(attribute, *direction));
            }
        }
    }

    /// Columns of one name go by the same words, whichever of them the catalogue has given the words to.
    fn share_phrases(&mut self) {
        let mut shared: Vec<(Vec<String>, usize)> = Vec::new();
        for (phrase, sense) in self.phrases.values().flatten() {
            let Sense::Attribute(attribute) = sense else { continue };
            let Some(own) = self.attributes.get(*attribute).filter(|a| !a.is_roundabout) else {
                continue;
            };
            // The words of a thing's name are its own.
            let names_thing = phrase.iter().any(|word| {
                self.phrases.get(word).is_some_and(|known| {
                    known
                        .iter()
                        .any(|(stems, sense)| stems.len() == 1 && matches!(sense, Sense::Thing(_)))
                })
            });
            if names_thing {
                continue;
            }
            for (other, of) in self.attributes.iter().enumerate() {
                if other != *attribute && !of.is_roundabout && of.column == own.column {
                    shared.push((phrase.clone(), other));
                }
            }
        }
        for (phrase, attribute) in shared {
            self.add_stems(phrase, Sense::Attribute(attribute));
        }
    }

    /// The single words of longer names, where they are no names themselves: "fine" of the fine amount.
    fn add_parts(&mut self) {
        let mut parts: Vec<(String, usize)> = Vec::new();
        for (phrase, sense) in self.phrases.values().flatten() {
            let Sense::Attribute(attribute) = sense else { continue };
            if phrase.len() < 2 {
                continue;
            }
            for word in phrase {
                let is_name = self.phrases.get(word).is_some_and(|known| {
                    known
                        .iter()
                        .any(|(stems, sense)| stems.len() == 1 && !matches!(sense, Sense::PartOfAttribute(_)))
                });
                if !is_name && !VAGUE.contains(&word.as_str()) && word.len() > 2 {
                    parts.push((word.clone(), *attribute));
                }
            }
        }
        for (word, attribute) in parts {
            self.add_stems(vec![word], Sense::PartOfAttribute(attribute));
        }
        // "air date" of the original air date.
        let ends: Vec<(Vec<String>, usize)> = self
            .phrases
            .values()
            .flatten()
            .filter_map(|(phrase, sense)| match (phrase.as_slice(), sense) {
                ([_, .., first, last], Sense::Attribute(attribute)) if first != "of" && last != "of" => {
                    Some((vec![first.clone(), last.clone()], *attribute))
                }
                _ => None,
            })
            .collect();
        for (phrase, attribute) in ends {
            self.add_stems(phrase, Sense::PartOfAttribute(attribute));
        }
    }

    fn add(&mut self, phrase: &str, sense: Sense) {
        self.add_stems(stems(phrase), sense);
    }

    fn add_stems(&mut self, stems: Vec<String>, sense: Sense) {
        let Some(first) = stems.first().cloned() else { return };
        let known = self.phrases.entry(first).or_default();
        if !known.iter().any(|(other, meant)| *other == stems && *meant == sense) {
            known.push((stems, sense));
        }
    }

    /// The phrases that stand at the beginning of `words`, and how many words each takes.
    pub(super) fn find<'a>(&'a self, words: &'a [crate::text::Token]) -> impl Iterator<Item = (&'a Sense, usize)> {
        words
            .first()
            .and_then(|first| self.phrases.get(&first.stem))
            .into_iter()
            .flatten()
            .filter_map(move |(stems, sense)| {
                let fits = stems.len() <= words.len() && stems.iter().zip(words).all(|(stem, word)| *stem == word.stem);
                fits.then_some((sense, stems.len()))
            })
    }

    /// Every phrase of one word, with what it stands for.
    pub(super) fn single_words(&self) -> impl Iterator<Item = (&str, &Sense)> {
        self.phrases
            .values()
            .flatten()
            .filter_map(|(stems, sense)| match stems.as_slice() {
                [word] => Some((word.as_str(), sense)),
                _ => None,
            })
    }

    pub(super) fn attribute_of(&self, dimension: usize) -> Option<usize> {
        self.attributes.iter().position(|a| a.dimension == dimension)
    }

    /// The attribute of the same name that is reached as another one is: of the destination, where that is spoken of.
    pub(super) fn beside(&self, spoken_of: usize, attribute: usize) -> Option<usize> {
        let of = self.attributes.get(spoken_of).filter(|of| of.is_roundabout)?;
        let wanted = self.attributes.get(attribute).filter(|a| a.home == of.home)?;
        self.attributes
            .iter()
            .position(|a| a.is_roundabout && a.via == of.via && a.home == wanted.home && a.column == wanted.column)
    }

    /// How many joins lead from a thing up to another one that it belongs to; 0 to itself.
    pub(super) fn steps_up(&self, from: usize, to: usize) -> Option<usize> {
        self.up.get(&(from, to)).copied()
    }

    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        self.steps_up(from, to).is_some()
    }

    /// The thing whose rows belong to both: one that ties them together, else the nearest. The departments of physicians
    /// are those that they belong to before those that they head.
    pub(super) fn connector(&self, one: usize, other: usize) -> Option<usize> {
        (0..self.things.len())
            .filter_map(|at| {
                let (up, down) = (self.steps_up(at, one)?, self.steps_up(at, other)?);
                let ties = up == 1 && down == 1 && self.things.get(at).is_some_and(|thing| thing.is_tie);
                Some((!ties, up + down, at))
            })
            .min()
            .map(|(_, _, at)| at)
    }

    /// How far two things are from each other, through whatever connects them.
    pub(super) fn distance(&self, one: usize, other: usize) -> Option<usize> {
        let by = self.connector(one, other)?;
        Some(self.steps_up(by, one)? + self.steps_up(by, other)?)
    }

    /// The things whose rows belong directly to this one.
    pub(super) fn referring(&self, to: usize) -> Vec<usize> {
        (0..self.things.len())
            .filter(|from| self.steps_up(*from, to) == Some(1))
            .collect()
    }

    /// The attribute of a thing that tells when, the table's own first.
    pub(super) fn time_of(&self, thing: usize) -> Option<usize> {
        let own = self.things.get(thing)?.time.as_deref();
        let of_thing = |wanted: &dyn Fn(&Attribute) -> bool| {
            self.attributes
                .iter()
                .position(|a| a.thing == thing && !a.is_roundabout && wanted(a))
        };
        of_thing(&|a| Some(a.column.as_str()) == own)
            .or_else(|| of_thing(&|a| a.kind == Kind::Year))
            .or_else(|| of_thing(&|a| a.kind == Kind::Day))
    }
}

/// The metric that counts the rows of a table, without conditions.
fn counts_rows<'a>(catalogue: &'a Catalogue, table: &str) -> Option<&'a Metric> {
    catalogue.metrics.iter().find(|metric| {
        metric.sources.first().is_some_and(|source| {
            source.aggregate == Aggregate::Count && source.over.is_none() && table_of(&source.of) == Some(table)
        })
    })
}

fn is_plain(phrase: &str) -> bool {
    !phrase.split(' ').any(|word| WORDS_OF_COUNTS.contains(&word))
}

fn strip_statistic<'w, 'a>(words: &'w [&'a str]) -> &'w [&'a str] {
    match words {
        ["sum" | "number", "of", rest @ ..] if !rest.is_empty() => rest,
        [
            "average" | "mean" | "avg" | "total" | "maximum" | "max" | "minimum" | "min" | "Average" | "Total"
            | "Maximum" | "Minimum",
            rest @ ..,
        ] if !rest.is_empty() => rest,
        other => other,
    }
}

fn kind_of(dimension: &Dimension, column: &str) -> Kind {
    match dimension.column_type {
        ColumnType::Date | ColumnType::Timestamp => Kind::Day,
        ColumnType::Boolean => Kind::Truth,
        ColumnType::Integer if is_flag(dimension) => Kind::Truth,
        ColumnType::Integer => {
            const YEARS: [&str; 10] = [
                "year",
                "yr",
                "founded",
                "established",
                "opened",
                "born",
                "died",
                "vintage",
                "built",
                "released",
            ];
            let said = column.split('_').chain(dimension.name.split('_'));
            if said.into_iter().any(|word| YEARS.contains(&word)) && !is_duration(column) {
                Kind::Year
            } else {
                Kind::Number
            }
        }
        kind if kind.is_number() => Kind::Number,
        _ => Kind::Text,
    }
}

/// Whether a whole number stands for yes and no.
pub(super) fn is_flag(dimension: &Dimension) -> bool {
    dimension.coded && dimension.aliases.keys().map(String::as_str).eq(["0", "1"])
}

/// "years of service" and "year_of_work" hold how long, not when.
fn is_duration(column: &str) -> bool {
    let words: Vec<&str> = column.split('_').collect();
    words.contains(&"years")
        || words
            .iter()
            .any(|word| matches!(*word, "work" | "experience" | "service" | "age"))
}

fn table_of(place: &str) -> Option<&str> {
    place.split_once('.').map(|(table, _)| table)
}

fn stems(phrase: &str) -> Vec<String> {
    tokens(phrase).into_iter().map(|token| stem(&token.norm)).collect()
}
