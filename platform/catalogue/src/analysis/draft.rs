//! The draft of a catalogue: every entry with what speaks for it and what is in doubt, ready to be written.

use super::{
    columns::{self, Role},
    entries::{self, Thing},
    hierarchies,
    keys::{self, Key},
    noun_of,
    references::{self, Fork, Reference},
    words::Phrases,
};
use crate::{
    names,
    profile::{Evidence, TableProfile},
    thesaurus::{has, thesaurus},
};
use concert_contract::table::ColumnType;
use std::collections::{BTreeMap, BTreeSet};

/// A catalogue with comments. Strings of the model's enums are written as the catalogue has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    pub schema: String,
    /// What a person should look at, for the head of the file.
    pub notes: Vec<String>,
    pub fillers: Vec<String>,
    pub tables: Vec<TableEntry>,
    pub joins: Vec<JoinEntry>,
    /// References that are no joins, with the reason.
    pub left_out: Vec<String>,
    pub metrics: Vec<MetricEntry>,
    pub dimensions: Vec<DimensionEntry>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableEntry {
    pub name: String,
    pub comments: Vec<String>,
    pub key: Vec<String>,
    pub time: Option<String>,
    pub rows: String,
    pub description: String,
    pub columns: Vec<(String, ColumnType)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinEntry {
    pub comments: Vec<String>,
    pub from: String,
    pub to: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceEntry {
    pub label: Option<String>,
    pub aggregate: &'static str,
    pub of: String,
    pub over: Option<String>,
    pub currency: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricEntry {
    pub comments: Vec<String>,
    pub name: String,
    pub label: String,
    pub description: String,
    pub synonyms: Vec<String>,
    pub noun: Option<[String; 2]>,
    pub ranks: BTreeMap<String, &'static str>,
    pub unit: &'static str,
    pub format: &'static str,
    pub sources: Vec<SourceEntry>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DimensionEntry {
    pub comments: Vec<String>,
    pub name: String,
    pub label: String,
    pub plural: String,
    pub description: Option<String>,
    pub synonyms: Vec<String>,
    pub phrase: Option<String>,
    pub column_type: &'static str,
    pub column: Option<String>,
    pub key: Option<String>,
    pub shows: Vec<String>,
    pub part: Option<&'static str>,
    pub grain: Option<&'static str>,
    pub of_metric: Option<String>,
    pub coordinate: Option<&'static str>,
    pub within: Option<String>,
    pub via: Vec<String>,
    pub indexed: bool,
    pub coded: bool,
    pub ranks: BTreeMap<String, &'static str>,
    pub aliases: BTreeMap<String, Vec<String>>,
}

/// What everything is, from what the values look like.
pub fn draft(schema: &str, tables: &[TableProfile], evidence: &Evidence) -> Draft {
    let mut keys: BTreeMap<String, Key> = tables
        .iter()
        .map(|table| (table.name.clone(), keys::choose(table, evidence)))
        .collect();
    let mut references = references::choose(tables, &keys, evidence);
    settle_keys(&mut keys, &mut references);
    let forks = references::forks(&references, tables);
    let things = things(tables, &keys, &references);

    let mut draft = Draft {
        schema: schema.to_owned(),
        ..Draft::default()
    };
    draft.tables = things.iter().map(table_entry).collect();
    joins(&mut draft, &references);
    notes(&mut draft, &things, &references, &forks);

    let mut metric_words = Phrases::default();
    let mut dimension_words = Phrases::default();
    entries::build(
        &mut draft,
        &things,
        &references,
        &forks,
        &mut metric_words,
        &mut dimension_words,
    );
    let nouns: Vec<String> = things.iter().flat_map(|thing| thing.noun.last().cloned()).collect();
    let fillers: BTreeSet<&String> = thesaurus().fillers(&nouns).collect();
    // A verb that is also a word for something means that.
    draft.fillers = fillers
        .into_iter()
        .filter(|filler| !metric_words.has(filler) && !dimension_words.has(filler))
        .cloned()
        .collect();
    let steps: Vec<(String, String)> = things
        .iter()
        .flat_map(|thing| {
            hierarchies::choose(thing.table, evidence)
                .into_iter()
                .map(|(finer, coarser)| (thing.place(&finer), thing.place(&coarser)))
        })
        .collect();
    entries::link_hierarchies(&mut draft, &things, &references, &steps);
    draft
}

/// A join leads to the key of a table. Where all others refer to another unique column, that one is the key; where they
/// refer to several, the key has it.
fn settle_keys(keys: &mut BTreeMap<String, Key>, references: &mut [Reference]) {
    for (table, key) in keys {
        let targets: BTreeSet<String> = references
            .iter()
            .filter(|r| r.is_joined() && r.to.table == *table)
            .map(|r| r.to.column.clone())
            .collect();
        let mut targets = targets.into_iter();
        match (targets.next(), targets.next()) {
            (Some(only), None) if key.columns != [only.clone()] => {
                key.why = format!(
                    "all its values differ, and other tables refer to it rather than to {}",
                    key.columns.join(", ")
                );
                key.columns = vec![only];
                key.is_unique = true;
            }
            (Some(_), Some(_)) => {
                for reference in references.iter_mut().filter(|r| r.is_joined() && r.to.table == *table) {
                    if key.columns != [reference.to.column.clone()] {
                        reference.left_out = Some(format!("the key of {table} is {}", key.columns.join(", ")));
                    }
                }
            }
            _ => {}
        }
    }
}

/// The tables in the order in which people think of them, each with the role of every column.
fn things<'a>(
    tables: &'a [TableProfile],
    keys: &'a BTreeMap<String, Key>,
    references: &'a [Reference],
) -> Vec<Thing<'a>> {
    let mut things: Vec<Thing<'a>> = tables
        .iter()
        .filter_map(|table| {
            let key = keys.get(&table.name)?;
            let noun = noun_of(&table.name);
            let own: Vec<&'a Reference> = references.iter().filter(|r| r.from.table == table.name).collect();
            let referring: Vec<&str> = own
                .iter()
                .filter(|r| r.score > 0)
                .map(|r| r.from.column.as_str())
                .collect();
            // A text that tells rows apart only together with others is no name of theirs: a language of a country.
            let mut excluded = referring.clone();
            if key.single().is_none() {
                excluded.extend(key.columns.iter().map(String::as_str));
            }
            let label = columns::label(table, &noun, &excluded);
            let time = columns::time(table);
            let roles = table
                .columns
                .iter()
                .map(|column| {
                    let is_reference = own.iter().any(|r| r.from.column == column.name && r.score > 0);
                    let role = if is_reference {
                        Role::Reference
                    } else if label.is_some_and(|label| label.name == column.name) {
                        Role::Label
                    } else if key.single() == Some(column.name.as_str()) {
                        Role::Key
                    } else if let Some(count) = columns::numbered(table, &column.name) {
                        Role::Skipped(format!(
                            "it is one of {count} numbered columns, which want to be rows of a table"
                        ))
                    } else {
                        columns::role(table, column)
                    };
                    (column, role)
                })
                .collect::<Vec<_>>();
            let is_link = is_link(table, &noun, key, &roles, &own);
            Some(Thing {
                table,
                key,
                one: noun.join(" "),
                many: names::plural_phrase(&noun),
                noun,
                label,
                time: time.map(|(column, _)| column),
                other_times: time.map_or(0, |(_, others)| others),
                roles,
                references: own,
                is_link,
            })
        })
        .collect();
    let nouns: Vec<Vec<String>> = things.iter().map(|thing| thing.noun.clone()).collect();
    // "order item" belongs to "order".
    let is_part = |thing: &Thing| {
        nouns
            .iter()
            .any(|noun| noun.len() < thing.noun.len() && thing.noun.starts_with(noun))
    };
    things.sort_by_key(|thing| {
        (
            thing.is_link,
            is_part(thing),
            std::cmp::Reverse(thing.table.row_count),
            thing.table.name.clone(),
        )
    });
    things
}

/// Whether a table only links others: all it has is references, and its name is made of theirs.
fn is_link(
    table: &TableProfile,
    noun: &[String],
    key: &Key,
    roles: &[(&crate::profile::ColumnProfile, Role)],
    own: &[&Reference],
) -> bool {
    let targets: Vec<Vec<String>> = own.iter().map(|r| noun_of(&r.to.table)).collect();
    let joined = own.iter().filter(|r| r.is_joined()).count();
    let named = targets
        .iter()
        .filter(|target| target.last().is_some_and(|last| has(noun, last)))
        .count();
    let only_references = roles
        .iter()
        .all(|(column, role)| *role == Role::Reference || *role == Role::Key || key.columns.contains(&column.name));
    joined >= 2 && named >= 2 && (only_references || table.columns.len() <= joined + 2)
}

fn table_entry(thing: &Thing<'_>) -> TableEntry {
    let mut comments = vec![format!("{} rows. The key: {}.", thing.table.row_count, thing.key.why)];
    match thing.time {
        Some(time) if thing.other_times > 0 => comments.push(format!(
            "Of {} columns with days, periods are about {}: its name speaks most of when it happened.",
            thing.other_times + 1,
            time.name
        )),
        _ => {}
    }
    comments.extend(thing.table.doubts.iter().map(|doubt| format!("In doubt: {doubt}.")));
    for column in &thing.table.columns {
        comments.extend(column.doubts.iter().map(|doubt| format!("{}: {doubt}.", column.name)));
    }
    for (column, role) in &thing.roles {
        if let Role::Skipped(why) = role {
            comments.push(format!("{} is no dimension: {why}.", column.name));
        }
    }
    TableEntry {
        name: thing.table.name.clone(),
        comments,
        key: thing.key.columns.clone(),
        time: thing.time.map(|time| time.name.clone()),
        rows: thing.many.clone(),
        description: format!("One row for each {}.", thing.one),
        columns: thing
            .table
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.column_type))
            .collect(),
    }
}

fn joins(draft: &mut Draft, references: &[Reference]) {
    // Of two joins between the same tables, the one that is meant first stands first.
    let (first, second): (Vec<&Reference>, Vec<&Reference>) =
        references.iter().filter(|r| r.is_joined()).partition(|r| !r.is_second);
    draft.joins = first
        .into_iter()
        .chain(second)
        .map(|reference| JoinEntry {
            comments: vec![format!("{}.", names::label(&reference.why))],
            from: reference.from.to_string(),
            to: reference.to.to_string(),
        })
        .collect();
    draft.left_out = references
        .iter()
        .filter_map(|reference| {
            let why = reference.left_out.as_ref()?;
            Some(format!(
                "{} looks like a reference to {} ({}), but is no join: {why}.",
                reference.from, reference.to, reference.why
            ))
        })
        .collect();
}

fn notes(draft: &mut Draft, things: &[Thing<'_>], references: &[Reference], forks: &[Fork]) {
    for thing in things {
        if !thing.key.is_unique {
            draft.notes.push(format!("{}: {}.", thing.table.name, thing.key.why));
        }
        let composite: Vec<&crate::profile::Declared> = thing
            .table
            .declared_references
            .iter()
            .filter(|declared| declared.columns.len() > 1)
            .collect();
        for declared in composite {
            draft.notes.push(format!(
                "{} refers to {} by {} columns together; a join has one, so this one is missing.",
                thing.table.name,
                declared.table,
                declared.columns.len()
            ));
        }
        let is_alone = !references
            .iter()
            .any(|r| r.is_joined() && (r.from.table == thing.table.name || r.to.table == thing.table.name));
        if is_alone && things.len() > 1 {
            draft
                .notes
                .push(format!("{} is joined to no other table.", thing.table.name));
        }
    }
    for fork in forks {
        let chain =
            |places: &[crate::profile::Place]| places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let others: Vec<String> = fork.others.iter().map(|other| chain(other)).collect();
        draft.notes.push(format!(
            "From {} to {} lead {} chains of joins. Where nothing is said, {} is meant, and not {}.",
            fork.from,
            fork.to,
            fork.others.len() + 1,
            chain(&fork.first),
            others.join("; ")
        ));
    }
}
