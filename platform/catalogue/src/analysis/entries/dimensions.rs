//! What things can be told by: their names, their kinds, days and parts of time, places, and what a second join leads
//! to.

use super::{Builder, Thing, evidence_of, phrases_of, ranked, type_name};
use crate::{
    analysis::{
        columns::{Role, is_flag, numbered},
        draft::{DimensionEntry, Draft},
        keys,
        references::Reference,
    },
    names,
    profile::ColumnProfile,
    thesaurus::{has, thesaurus},
};
use concert_contract::table::ColumnType;
use std::collections::BTreeMap;

/// A dimension with more values than this has no index: nobody names them.
const INDEX_MAX_VALUES: u64 = 100_000;
const INDEX_LONGEST_CHARS: f64 = 80.0;
/// A longer key is not said aloud.
const CODE_LONGEST_CHARS: f64 = 8.0;
/// What stands beside a row that has no name.
const MAX_SHOWN: usize = 4;
/// Kinds of a second table of the same joins that get dimensions of their own.
const MAX_SECOND_KINDS: usize = 4;

impl<'b, 'a> Builder<'b, 'a> {
    pub(super) fn entities(&mut self) {
        let (mut has_who, mut has_where) = (false, false);
        let mut has_nameless = false;
        for thing in self.things.iter().filter(|thing| !thing.is_link) {
            let Some(key) = thing.key.single().or(thing.label.map(|label| label.name.as_str())) else {
                continue;
            };
            let is_fact =
                thing.label.is_none() && !thing.references.is_empty() && !has_nameless && thing.key.single().is_some();
            let mut names = vec![thing.one.clone(), format!("{} name", thing.one)];
            if names::is_reserved(&thing.one) {
                // "order" is a word of SQL.
                names.insert(0, format!("single {}", thing.one));
            }
            let name = self.name(&names);
            self.dimension_words.own(&name);
            let mut wanted = thing.synonyms();
            wanted.insert(0, thing.one.clone());
            let mut question = Vec::new();
            if thing.is_person() && !has_who {
                has_who = true;
                question.push("who".to_owned());
            }
            if thing.is_place() && !has_where {
                has_where = true;
                question.push("where".to_owned());
            }
            if is_fact && thing.time.is_some() {
                question.push("when".to_owned());
            }
            wanted.extend(question);
            if let Some(label) = thing.label {
                let own = thesaurus().spoken(&label.name).join(" ");
                wanted.extend([format!("{} name", thing.one), format!("name of {}", thing.one)]);
                if own != "name" {
                    wanted.push(own);
                }
            }
            let synonyms = self.dimension_words.claim(wanted);
            let mut comments = Vec::new();
            let shown = match (thing.label, is_fact) {
                (Some(label), _) => {
                    let beside = if label.distinct < label.filled {
                        format!(
                            ", of which {} are different, so that the key tells them apart",
                            label.distinct
                        )
                    } else {
                        String::new()
                    };
                    comments.push(format!("{} names each of them{beside}.", label.name));
                    Some(label)
                }
                (None, true) => {
                    has_nameless = true;
                    comments.push("Its rows have no name, so each is told by what stands beside it.".to_owned());
                    None
                }
                (None, false) => thing.table.column(key),
            };
            let indexed = shown.is_some_and(|column| {
                column.is_text() && column.distinct <= INDEX_MAX_VALUES && column.average_length <= INDEX_LONGEST_CHARS
            });
            let phrase = self.phrase_of(&thing.noun);
            self.draft.dimensions.push(DimensionEntry {
                comments,
                label: thesaurus().label(&thing.one),
                plural: thing.many.clone(),
                description: Some(format!("Each {} by itself.", thing.one)),
                synonyms,
                phrase,
                column_type: shown.map_or("text", |column| type_name(column.column_type)),
                column: shown.map(|column| thing.place(&column.name)),
                key: Some(thing.place(key)).filter(|_| shown.is_none_or(|column| column.name != key)),
                via: self.via(&thing.table.name),
                indexed,
                name,
                ..DimensionEntry::default()
            });
        }
    }

    /// Columns that are asked for and not grouped by: keys, addresses, texts. They stand behind everything else.
    pub(super) fn details(&mut self) {
        for thing in self.things {
            for (column, role) in &thing.roles {
                let is_key = *role == Role::Key;
                let is_detail = is_key || matches!(role, Role::Skipped(_)) && column.filled > 0;
                let place = thing.place(&column.name);
                let is_known = self
                    .draft
                    .dimensions
                    .iter()
                    .any(|d| d.column.as_deref() == Some(&place));
                if !is_detail || is_known || numbered(thing.table, &column.name).is_some() {
                    continue;
                }
                let spoken = thesaurus().spoken(&column.name);
                let base = match spoken.strip_prefix(thing.noun.as_slice()) {
                    Some(rest) if !rest.is_empty() => rest.to_vec(),
                    _ => spoken,
                };
                let said = base.join(" ");
                let full = format!("{} {said}", thing.one);
                let wanted = if is_key {
                    vec![full.clone()]
                } else {
                    vec![said.clone(), full.clone()]
                };
                let name = self.name(&wanted);
                self.dimension_words.own(&name);
                let mut wanted = vec![said.clone(), full.clone(), format!("{said} of {}", thing.many)];
                wanted.extend(phrases_of(&column.name, &base));
                let synonyms = self.dimension_words.claim(wanted);
                self.draft.dimensions.push(DimensionEntry {
                    comments: vec![format!("What a {} is listed with; nothing is told by it.", thing.one)],
                    label: thesaurus().label(if is_key { &full } else { &said }),
                    plural: names::plural_phrase(&names::words(if is_key { &full } else { &said })),
                    synonyms,
                    column_type: type_name(column.column_type),
                    column: Some(place),
                    via: self.via(&thing.table.name),
                    // Codes are names as well: flights from APG.
                    indexed: is_key
                        && column.is_text()
                        && column.average_length <= CODE_LONGEST_CHARS
                        && column.distinct <= INDEX_MAX_VALUES,
                    name,
                    ..DimensionEntry::default()
                });
            }
        }
    }

    fn phrase_of(&self, words: &[String]) -> Option<String> {
        let things = &thesaurus().things;
        // The head of a state is no place.
        let last = words.last().filter(|_| !words.iter().any(|word| word == "of"))?;
        if has(&things.at, last) {
            Some("at {}".to_owned())
        } else if has(&things.place, last) {
            Some("in {}".to_owned())
        } else if has(&things.person, last) {
            Some("by {}".to_owned())
        } else {
            None
        }
    }

    /// Columns that rows are grouped by, and days.
    pub(super) fn kinds(&mut self) {
        for thing in self.things {
            for (column, role) in &thing.roles {
                match role {
                    Role::Kind | Role::Year | Role::Ordinal | Role::Currency => self.kind(thing, column, role),
                    Role::Reference => {
                        let joined = thing
                            .references
                            .iter()
                            .any(|r| r.from.column == column.name && r.is_joined());
                        if !joined {
                            self.kind(thing, column, role);
                        }
                    }
                    Role::Time => self.day(thing, column),
                    Role::Place => self.place(thing, column),
                    Role::Key | Role::Label | Role::Measure { .. } | Role::Skipped(_) => {}
                }
            }
        }
    }

    fn kind(&mut self, thing: &Thing<'a>, column: &'a ColumnProfile, role: &Role) {
        let spoken = thesaurus().spoken(&column.name);
        let base = match spoken.strip_prefix(thing.noun.as_slice()) {
            Some(rest) if !rest.is_empty() && rest.len() < spoken.len() => rest.to_vec(),
            _ => spoken,
        };
        let base = match role {
            // "manager" of manager_id.
            Role::Reference if base.len() > 1 && base.last().is_some_and(|word| keys::is_id_word(word)) => {
                base.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default()
            }
            // "official" of is_official.
            Role::Kind
                if (column.column_type == ColumnType::Boolean || is_flag(column))
                    && base.len() > 1
                    && base.first().is_some_and(|w| matches!(w.as_str(), "is" | "has" | "was")) =>
            {
                base.split_first().map(|(_, rest)| rest.to_vec()).unwrap_or_default()
            }
            _ => base,
        };
        let said = base.join(" ");
        let full = format!("{} {said}", thing.one);
        // "name" and "type" alone say nothing about whose they are.
        let is_vague = matches!(
            said.as_str(),
            "name"
                | "type"
                | "kind"
                | "code"
                | "number"
                | "id"
                | "description"
                | "title"
                | "value"
                | "position"
                | "rank"
        );
        let wanted = if is_vague {
            vec![full.clone()]
        } else {
            vec![said.clone(), full.clone()]
        };
        let name = self.name(&wanted);
        self.dimension_words.own(&name);
        let mut wanted = vec![said.clone(), full.clone()];
        wanted.push(format!("{said} of {}", thing.many));
        wanted.extend(phrases_of(&column.name, &base));
        let plural = if column.column_type == ColumnType::Boolean {
            format!("{said} or not")
        } else {
            names::plural_phrase(&base)
        };
        let synonyms = self.dimension_words.claim(wanted);
        let label = if is_vague || name != names::identifier(&said, "x") {
            full
        } else {
            said
        };
        let is_flag = *role == Role::Kind && is_flag(column);
        let aliases = if *role == Role::Kind && column.is_text() {
            codes_of(&base, column)
        } else if is_flag {
            BTreeMap::from([
                ("0".to_owned(), vec!["no".to_owned()]),
                ("1".to_owned(), vec!["yes".to_owned()]),
            ])
        } else {
            BTreeMap::new()
        };
        let mut comments = vec![evidence_of(column)];
        if *role == Role::Reference {
            comments.push("It refers to another table, but is no join; see above.".to_owned());
        }
        if *role == Role::Ordinal {
            comments.push("A number that tells apart or orders, so it is not summed up.".to_owned());
        }
        let is_coded = is_flag
            || !aliases.is_empty()
                && column.average_length <= 3.0
                && column.top.iter().all(|(value, _)| aliases.contains_key(value));
        self.draft.dimensions.push(DimensionEntry {
            comments,
            label: thesaurus().label(&label),
            plural: if plural == name {
                format!("different {plural}")
            } else {
                plural
            },
            synonyms,
            phrase: self.phrase_of(&base),
            column_type: type_name(column.column_type),
            column: Some(thing.place(&column.name)),
            via: self.via(&thing.table.name),
            indexed: column.is_text()
                && column.distinct <= INDEX_MAX_VALUES
                && column.average_length <= INDEX_LONGEST_CHARS,
            coded: is_coded,
            aliases,
            // A person is not the oldest by the year of a song.
            ranks: if *role == Role::Year && !thing.is_person() {
                ranked(thesaurus().ranks(&base))
            } else {
                BTreeMap::new()
            },
            name,
            ..DimensionEntry::default()
        });
    }

    /// A coordinate, so that points can be drawn on a map.
    fn place(&mut self, thing: &Thing<'a>, column: &'a ColumnProfile) {
        let words = thesaurus().words(&column.name);
        let coordinate = match (
            words.iter().any(|w| w == "latitude"),
            words.iter().any(|w| w == "longitude"),
        ) {
            (true, false) => "latitude",
            (false, true) => "longitude",
            _ => return,
        };
        let full = format!("{} {coordinate}", thing.one);
        let name = self.name(&[coordinate.to_owned(), full.clone()]);
        self.dimension_words.own(&name);
        let synonyms = self.dimension_words.claim([full]);
        self.numbers.push(DimensionEntry {
            comments: vec![evidence_of(column)],
            label: thesaurus().label(coordinate),
            plural: format!("{coordinate}s"),
            synonyms,
            column_type: type_name(column.column_type),
            column: Some(thing.place(&column.name)),
            coordinate: Some(coordinate),
            via: self.via(&thing.table.name),
            name,
            ..DimensionEntry::default()
        });
    }

    fn day(&mut self, thing: &Thing<'a>, column: &'a ColumnProfile) {
        let spoken = thesaurus().spoken(&column.name);
        let said = spoken.join(" ");
        let full = format!("{} {said}", thing.one);
        let name = self.name(&[said.clone(), full.clone()]);
        self.dimension_words.own(&name);
        let synonyms = self.dimension_words.claim([said.clone(), full]);
        self.draft.dimensions.push(DimensionEntry {
            comments: vec![evidence_of(column)],
            label: thesaurus().label(&said),
            plural: names::plural_phrase(&spoken),
            synonyms,
            phrase: Some("on {}".to_owned()),
            column_type: type_name(column.column_type),
            column: Some(thing.place(&column.name)),
            via: self.via(&thing.table.name),
            ranks: ranked(thesaurus().ranks_of_day(&thesaurus().words(&column.name))),
            name,
            ..DimensionEntry::default()
        });
    }

    /// Of two columns that lead to one table, the second one has dimensions of its own, by way of its join.
    pub(super) fn seconds(&mut self) {
        for reference in self.references.iter().filter(|r| r.is_joined()) {
            let pair = |other: &Reference| {
                other.is_joined() && other.from.table == reference.from.table && other.to.table == reference.to.table
            };
            let is_only = self.references.iter().filter(|other| pair(other)).count() < 2;
            let Some(target) = self.things.iter().find(|thing| thing.table.name == reference.to.table) else {
                continue;
            };
            // The words that tell this column from the other one: "destination" of destination_airport_id.
            let mut role = thesaurus().spoken(&reference.from.column);
            while role.len() > 1 && role.last().is_some_and(|word| keys::is_id_word(word)) {
                role.pop();
            }
            // A column named for the table says nothing more; the "head" of a department does.
            let is_named = role
                .iter()
                .any(|word| target.noun.contains(word) || target.noun.iter().any(|noun| thesaurus().alike(word, noun)));
            if is_only && (is_named || role.is_empty() || target.label.is_none()) {
                continue;
            }
            let role = match role.strip_suffix(target.noun.as_slice()) {
                Some(rest) if !rest.is_empty() => rest.to_vec(),
                _ => role,
            };
            let role = role.join(" ");
            let mut made: Vec<(Vec<String>, &ColumnProfile, Option<String>)> = Vec::new();
            let key = target.place(&reference.to.column);
            match target.label {
                Some(label) => {
                    made.push((target.noun.clone(), label, Some(key)));
                    let code = target
                        .table
                        .column(&reference.to.column)
                        .filter(|code| !is_only && code.is_text() && code.name != label.name);
                    made.extend(code.map(|code| (thesaurus().spoken(&code.name), code, None)));
                }
                None => made.extend(
                    target
                        .table
                        .column(&reference.to.column)
                        .map(|c| (target.noun.clone(), c, None)),
                ),
            }
            made.extend(
                target
                    .roles
                    .iter()
                    .filter(|_| !is_only)
                    .filter(|(column, role)| *role == Role::Kind && column.is_text())
                    .take(MAX_SECOND_KINDS)
                    .map(|(column, _)| (thesaurus().spoken(&column.name), *column, None)),
            );
            for (words, column, key) in made {
                let what = words.join(" ");
                let said = if role.ends_with(&what) {
                    role.clone()
                } else {
                    format!("{role} {what}")
                };
                let name = self.name(&[said.clone(), format!("{} {said}", reference.from.table)]);
                self.dimension_words.own(&name);
                let mut wanted = vec![said.clone()];
                if words == target.noun {
                    wanted.push(role.clone());
                }
                let synonyms = self.dimension_words.claim(wanted);
                self.draft.dimensions.push(DimensionEntry {
                    comments: vec![format!("{} by way of {}.", thesaurus().label(&what), reference.from)],
                    label: thesaurus().label(&said),
                    plural: names::plural_phrase(&names::words(&said)),
                    synonyms,
                    phrase: self.phrase_of(&words).map(|_| format!("with {role} {{}}")),
                    column_type: type_name(column.column_type),
                    column: Some(target.place(&column.name)),
                    key: key.filter(|key| *key != target.place(&column.name)),
                    via: vec![reference.from.to_string()],
                    indexed: false,
                    name,
                    ..DimensionEntry::default()
                });
            }
        }
    }

    pub(super) fn parts_of_time(&mut self) {
        if !self.things.iter().any(|thing| thing.time.is_some()) {
            return;
        }
        let part = |name: &str, label: &str, plural: &str, synonyms: &[&str], phrase: &str, part: &'static str| {
            DimensionEntry {
                name: name.to_owned(),
                label: label.to_owned(),
                plural: plural.to_owned(),
                synonyms: synonyms.iter().map(|s| (*s).to_owned()).collect(),
                phrase: Some(phrase.to_owned()),
                column_type: "integer",
                part: Some(part),
                ..DimensionEntry::default()
            }
        };
        let mut parts = vec![
            part(
                "year",
                "Year",
                "years",
                &["yearly", "annually", "annual"],
                "in {}",
                "year",
            ),
            part(
                "quarter",
                "Quarter of the year",
                "quarters of the year",
                &["quarter of year"],
                "in {}",
                "quarter_of_year",
            ),
            part(
                "month",
                "Month of the year",
                "months of the year",
                &["month of year", "calendar month", "calendar months"],
                "in {}",
                "month_of_year",
            ),
            part(
                "weekday",
                "Weekday",
                "weekdays",
                &[
                    "day of the week",
                    "days of the week",
                    "day of week",
                    "week day",
                    "week days",
                ],
                "on a {}",
                "weekday",
            ),
        ];
        if let Some(year) = parts.first_mut() {
            year.grain = Some("year");
        }
        self.draft.dimensions.extend(parts);
    }

    /// What stands beside each row that has no name: its day, and the names of what it refers to. Beside a family
    /// name stands the given name.
    pub(super) fn shown(&mut self) {
        let column_name = |draft: &Draft, place: &str| {
            draft
                .dimensions
                .iter()
                .find(|d| d.column.as_deref() == Some(place) && (d.via.is_empty() || d.key.is_none()))
                .map(|d| d.name.clone())
        };
        for thing in self.things.iter().filter(|thing| !thing.is_link) {
            let label = thing.label.map(|label| thing.place(&label.name));
            let nameless = self.draft.dimensions.iter().position(|d| {
                d.column.is_none()
                    && d.part.is_none()
                    && d.key
                        .as_deref()
                        .is_some_and(|key| key.split('.').next() == Some(thing.table.name.as_str()))
            });
            let mut shows: Vec<String> = Vec::new();
            if nameless.is_some() {
                if let Some(time) = thing.time {
                    shows.extend(column_name(self.draft, &thing.place(&time.name)));
                }
                for reference in thing.references.iter().filter(|r| r.is_joined() && !r.is_second) {
                    if let Some(label) = self
                        .thing(&reference.to.table)
                        .and_then(|t| Some(t.place(&t.label?.name)))
                    {
                        shows.extend(column_name(self.draft, &label));
                    }
                }
                for (column, role) in &thing.roles {
                    if shows.len() < MAX_SHOWN && matches!(role, Role::Kind | Role::Measure { .. }) {
                        shows.extend(column_name(self.draft, &thing.place(&column.name)));
                    }
                }
                shows.truncate(MAX_SHOWN);
            } else if thing.label.is_some_and(|label| {
                thesaurus()
                    .words(&label.name)
                    .iter()
                    .any(|word| matches!(word.as_str(), "last" | "family" | "surname"))
            }) {
                let first = thing.roles.iter().find(|(column, role)| {
                    *role == Role::Kind
                        && thesaurus()
                            .words(&column.name)
                            .iter()
                            .any(|word| matches!(word.as_str(), "first" | "given" | "forename"))
                });
                if let Some((first, _)) = first {
                    shows.extend(column_name(self.draft, &thing.place(&first.name)));
                }
            }
            let at = nameless.or_else(|| {
                self.draft
                    .dimensions
                    .iter()
                    .position(|d| label.is_some() && d.column == label && d.description.is_some())
            });
            let key = thing.key.single().map(|key| thing.place(key));
            if let Some(dimension) = at.and_then(|at| self.draft.dimensions.get_mut(at)) {
                shows.retain(|name| *name != dimension.name);
                dimension.shows = shows;
                if dimension.column.is_none() && dimension.shows.is_empty() {
                    // Nothing stands beside it: it is told by its key.
                    dimension.column = key;
                    dimension.key = None;
                    dimension.column_type = thing
                        .key
                        .single()
                        .and_then(|key| thing.table.column(key))
                        .map_or("text", |column| type_name(column.column_type));
                }
            }
        }
    }
}

/// What the codes of a column stand for, as far as the column has them.
fn codes_of(words: &[String], column: &ColumnProfile) -> BTreeMap<String, Vec<String>> {
    let Some(codes) = thesaurus().codes(words) else {
        return BTreeMap::new();
    };
    codes
        .iter()
        .filter(|(value, _)| column.top.iter().any(|(other, _)| other == *value))
        .map(|(value, others)| {
            // What is a value itself is no other word for one.
            let others = others
                .iter()
                .filter(|other| !column.top.iter().any(|(value, _)| value.to_lowercase() == **other))
                .cloned()
                .collect();
            (value.clone(), others)
        })
        .filter(|(_, others): &(String, Vec<String>)| !others.is_empty())
        .collect()
}
