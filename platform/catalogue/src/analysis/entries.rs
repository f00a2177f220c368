//! Metrics and dimensions of every table, named so that people can ask for them.

use super::{
    columns::{Role, Sums},
    draft::{DimensionEntry, Draft, MetricEntry, SourceEntry},
    hierarchies,
    keys::Key,
    references::{Fork, Reference},
    words::{Phrases, is_of_question},
};
use crate::{
    names,
    profile::{ColumnProfile, TableProfile},
    thesaurus::{has, thesaurus},
};
use concert_contract::table::ColumnType;
use std::collections::{BTreeMap, BTreeSet};

/// A dimension with more values than this has no index: nobody names them.
const INDEX_MAX_VALUES: u64 = 100_000;
const INDEX_LONGEST_CHARS: f64 = 80.0;
/// Different values of a kind are counted where there are at most so many.
const COUNTED_MAX_VALUES: u64 = 1_000;
/// And where they repeat: of what nearly every row has its own, the rows are counted.
const COUNTED_MOST_DISTINCT: f64 = 0.8;
/// Other words for a measure that are offered with "average" and "total" as well.
const MAX_SYNONYMS_JOINED: usize = 3;
/// A whole number with at most so many different values, each in so many rows on average, is grouped by.
const GROUPED_MAX_NUMBERS: u64 = 30;
const KIND_MIN_ROWS: u64 = 3;
/// What stands beside a row that has no name.
const MAX_SHOWN: usize = 4;
/// Kinds of a second table of the same joins that get dimensions of their own.
const MAX_SECOND_KINDS: usize = 4;

/// A table, what its rows are, and what its columns are for.
#[derive(Debug)]
pub(super) struct Thing<'a> {
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
            // "makers" of car_makers.
            found.extend([head.clone(), names::plural(head)]);
        }
        found.dedup();
        found
    }
}

/// A measure with the words it goes by.
struct Measure<'a> {
    thing: usize,
    column: &'a ColumnProfile,
    sums: Sums,
    is_money: bool,
    is_percent: bool,
    doubt: Option<String>,
    /// `total` left off: "amount" of total_amount.
    base: Vec<String>,
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

pub(super) fn build(
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
    fn name(&mut self, wanted: &[String]) -> String {
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
    fn referring(&self, table: &str) -> Vec<&Reference> {
        self.references
            .iter()
            .filter(|r| r.is_joined() && r.to.table == table)
            .collect()
    }

    fn thing(&self, table: &str) -> Option<&'b Thing<'a>> {
        self.things.iter().find(|thing| thing.table.name == table)
    }

    /// The joins to take to a table where several chains lead to it.
    fn via(&self, table: &str) -> Vec<String> {
        self.forks
            .iter()
            .find(|fork| fork.to == table)
            .map(|fork| fork.first.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    // How many there are

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
                (
                    !from.is_some_and(|t| t.is_link),
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
                first.label = Some(format!("all {}", thing.many));
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

    // What can be summed up

    fn measures(&mut self) {
        let mut measures: Vec<Measure<'a>> = Vec::new();
        for (at, thing) in self.things.iter().enumerate() {
            for (column, role) in &thing.roles {
                let Role::Measure {
                    sums,
                    is_money,
                    is_percent,
                    doubt,
                } = role
                else {
                    continue;
                };
                let spoken = thesaurus().spoken(&column.name);
                let stripped: Vec<String> = match spoken.split_first() {
                    Some((first, rest))
                        if !rest.is_empty() && matches!(first.as_str(), "total" | "average" | "mean") =>
                    {
                        rest.to_vec()
                    }
                    _ => spoken,
                };
                // "singer_age" of singers is the age.
                let base = match stripped.strip_prefix(thing.noun.as_slice()) {
                    Some(rest) if !rest.is_empty() => rest.to_vec(),
                    _ => stripped,
                };
                measures.push(Measure {
                    thing: at,
                    column,
                    sums: *sums,
                    is_money: *is_money,
                    is_percent: *is_percent,
                    doubt: doubt.clone(),
                    base,
                });
            }
        }
        // Of several tables that have a figure of one name, the word alone means the one that the others belong to.
        let mut order: Vec<usize> = (0..measures.len()).collect();
        order.sort_by_key(|at| {
            let table = measures
                .get(*at)
                .and_then(|m| self.things.get(m.thing))
                .map_or("", |t| t.table.name.as_str());
            let is_belonged_to = measures.iter().enumerate().any(|(other, measure)| {
                other != *at
                    && measures.get(*at).is_some_and(|own| own.base == measure.base)
                    && self
                        .things
                        .get(measure.thing)
                        .is_some_and(|thing| thing.references.iter().any(|r| r.is_joined() && r.to.table == table))
            });
            (!is_belonged_to, *at)
        });
        for at in order {
            let is_shared = |measure: &Measure<'_>| {
                measures.iter().any(|other| {
                    other.base == measure.base
                        && (other.thing, &other.column.name) != (measure.thing, &measure.column.name)
                })
            };
            if let Some(measure) = measures.get(at) {
                let shared = is_shared(measure);
                if shared {
                    self.merged(&measures, at);
                }
                self.measure(measure, shared);
            }
        }
        self.revenue();
    }

    fn measure(&mut self, measure: &Measure<'a>, shared: bool) {
        let Some(thing) = self.things.get(measure.thing) else {
            return;
        };
        let base = measure.base.join(" ");
        let full = format!("{} {base}", thing.one);
        // The name says whose it is only where that is needed.
        let said = if shared || is_of_question(&base) {
            full.clone()
        } else {
            base.clone()
        };
        let of = thing.place(&measure.column.name);
        let currency = thing.currency().filter(|_| measure.is_money);
        let unit = match (&currency, measure.is_percent) {
            (Some(_), _) => "currency",
            (None, true) => "percent",
            (None, false) => "none",
        };
        let is_whole = measure.column.column_type == ColumnType::Integer;
        let format_sum = if measure.is_money {
            "money"
        } else if is_whole {
            "integer"
        } else {
            "decimal"
        };
        let format_average = if measure.is_money { "money" } else { "decimal" };
        let mut comments = vec![evidence_of(measure.column)];
        if measure.is_money && currency.is_none() {
            comments.push("An amount of money; no column says in which currency.".to_owned());
        }
        comments.extend(measure.doubt.iter().map(|doubt| format!("In doubt: {doubt}")));

        let synonyms = phrases_of(&measure.column.name, &measure.base);
        let mut bare: Vec<String> = vec![base.clone(), names::plural_phrase(&measure.base)];
        bare.extend(synonyms.iter().cloned());
        bare.extend(synonyms.iter().map(|s| names::plural_phrase(&names::words(s))));
        bare.extend([full.clone(), format!("{base} of {}", thing.many)]);
        let with = |word: &str| -> Vec<String> {
            std::iter::once(&base)
                .chain(synonyms.iter().take(MAX_SYNONYMS_JOINED))
                .map(|phrase| format!("{word} {phrase}"))
                .chain((word == "average" || word == "total").then(|| format!("{word} {full}")))
                .collect()
        };
        let mut of_sales = Vec::new();
        if measure.is_money && measure.sums == Sums::Added && self.is_sales(thing, &measure.base) {
            for word in &thesaurus().sales.words {
                of_sales.extend([word.clone(), format!("total {word}")]);
            }
        }
        let source = |aggregate: &'static str| SourceEntry {
            aggregate,
            of: of.clone(),
            currency: currency.clone(),
            ..SourceEntry::default()
        };
        let mut first_name = None;
        let average_first = measure.sums == Sums::Both;
        let ranks = thesaurus().ranks(&measure.base);
        let mut entries: Vec<MetricEntry> = Vec::new();
        if measure.sums != Sums::Added || !of_sales.is_empty() || measure.column.column_type.is_number() {
            let name = self.name(&[format!("average {said}"), format!("average {full}")]);
            let mut wanted = with("average");
            wanted.extend(with("mean"));
            wanted.extend(with("avg"));
            if measure.sums != Sums::Added {
                wanted.extend(bare.iter().cloned());
            }
            self.metric_words.own(&name);
            let synonyms = self.metric_words.claim(wanted);
            let is_first = measure.sums != Sums::Added;
            if is_first {
                first_name = Some(name.clone());
            }
            entries.push(MetricEntry {
                comments: comments.clone(),
                label: thesaurus().label(&format!("average {said}")),
                description: format!("The mean {base} of the {} for which it is known.", thing.many),
                synonyms,
                ranks: if is_first { ranked(ranks) } else { BTreeMap::new() },
                unit,
                format: format_average,
                sources: vec![source("average")],
                name,
                ..MetricEntry::default()
            });
        }
        if measure.sums != Sums::Averaged {
            let wanted = if average_first {
                [format!("total {said}"), format!("total {full}")]
            } else {
                [said.clone(), full.clone()]
            };
            let name = self.name(&wanted);
            let mut wanted = Vec::new();
            if measure.sums == Sums::Added {
                wanted.extend(bare.iter().cloned());
                wanted.extend(of_sales);
            }
            wanted.extend(with("total"));
            wanted.extend(with("sum of"));
            self.metric_words.own(&name);
            let synonyms = self.metric_words.claim(wanted);
            if measure.sums == Sums::Added {
                first_name = Some(name.clone());
            }
            let entry = MetricEntry {
                comments: comments.clone(),
                label: thesaurus().label(&if average_first {
                    format!("total {said}")
                } else {
                    said.clone()
                }),
                description: format!("The {base} of all {} added up.", thing.many),
                synonyms,
                ranks: if measure.sums == Sums::Added {
                    ranked(ranks)
                } else {
                    BTreeMap::new()
                },
                unit,
                format: format_sum,
                sources: vec![source("sum")],
                name,
                ..MetricEntry::default()
            };
            // The one that the word alone means stands first.
            if average_first {
                entries.push(entry);
            } else {
                entries.insert(0, entry);
            }
        }
        self.draft.metrics.extend(entries);
        // A number of few values is also grouped by, and needs its own words for that: cars by cylinders.
        let is_kind = is_whole
            && measure.column.distinct <= GROUPED_MAX_NUMBERS
            && measure.column.distinct * KIND_MIN_ROWS <= measure.column.filled;
        self.number_dimension(thing, measure, &said, &full, first_name.filter(|_| !is_kind));
    }

    /// A figure that several joined tables have, each in its own detail: the population of countries and of cities.
    /// Where a question goes into the finer detail, the figure comes from there.
    fn merged(&mut self, measures: &[Measure<'a>], at: usize) {
        let Some(own) = measures.get(at) else { return };
        let Some(thing) = self.things.get(own.thing) else {
            return;
        };
        // Only from the coarsest, which is met first, to those that refer to it.
        let finer: Vec<(&Thing<'a>, &Measure<'a>)> = measures
            .iter()
            .filter(|other| {
                other.base == own.base
                    && other.thing != own.thing
                    && other.sums == own.sums
                    && other.is_money == own.is_money
            })
            .filter_map(|other| Some((self.things.get(other.thing)?, other)))
            .filter(|(other, _)| {
                other
                    .references
                    .iter()
                    .any(|r| r.is_joined() && r.to.table == thing.table.name)
            })
            .collect();
        let base = own.base.join(" ");
        if finer.is_empty() || is_of_question(&base) || self.metric_words.has(&base) {
            return;
        }
        let (aggregate, said) = match own.sums {
            Sums::Added => ("sum", base.clone()),
            Sums::Averaged | Sums::Both => ("average", format!("average {base}")),
        };
        let source = |of: &Thing<'a>, measure: &Measure<'a>| SourceEntry {
            label: Some(of.many.clone()),
            aggregate,
            of: of.place(&measure.column.name),
            currency: of.currency().filter(|_| measure.is_money),
            ..SourceEntry::default()
        };
        let mut sources = vec![source(thing, own)];
        sources.extend(finer.iter().map(|(thing, measure)| source(thing, measure)));
        // Money of which only some knows the currency is not one figure.
        let has_currency = sources.iter().all(|source| source.currency.is_some());
        if !has_currency && sources.iter().any(|source| source.currency.is_some()) {
            return;
        }
        let tables: Vec<&str> = finer.iter().map(|(thing, _)| thing.many.as_str()).collect();
        let name = self.name(&[said.clone()]);
        self.metric_words.own(&name);
        let mut wanted = vec![base.clone(), names::plural_phrase(&own.base)];
        wanted.extend(phrases_of(&own.column.name, &own.base));
        for word in if aggregate == "sum" {
            ["total", "sum of"]
        } else {
            ["average", "mean"]
        } {
            wanted.push(format!("{word} {base}"));
        }
        let synonyms = self.metric_words.claim(wanted);
        let is_whole = own.column.column_type == ColumnType::Integer && aggregate == "sum";
        self.draft.metrics.push(MetricEntry {
            comments: vec![format!(
                "{} have it as well as {}. A question that goes into {} is answered from there.",
                thesaurus().label(&tables.join(" and ")),
                thing.many,
                tables.join(" or ")
            )],
            label: thesaurus().label(&said),
            description: format!("The {base} of {}, or of {}.", thing.many, tables.join(" or ")),
            synonyms,
            ranks: ranked(thesaurus().ranks(&own.base)),
            unit: if has_currency {
                "currency"
            } else if own.is_percent {
                "percent"
            } else {
                "none"
            },
            format: if own.is_money {
                "money"
            } else if is_whole {
                "integer"
            } else {
                "decimal"
            },
            sources,
            name,
            ..MetricEntry::default()
        });
    }

    /// What a single row has of a measure, to filter and to rank by.
    fn number_dimension(
        &mut self,
        thing: &Thing<'a>,
        measure: &Measure<'a>,
        said: &str,
        full: &str,
        of_metric: Option<String>,
    ) {
        let base = measure.base.join(" ");
        let mut wanted = vec![full.to_owned(), format!("{base} of one {}", thing.one)];
        if !is_of_question(said) {
            wanted.insert(0, said.to_owned());
        }
        let name = self.name(&wanted);
        let ranks = ranked(thesaurus().ranks(&measure.base).filter(|_| of_metric.is_none()));
        let synonyms = if of_metric.is_some() {
            Vec::new()
        } else {
            let mut wanted = vec![base.clone(), full.to_owned()];
            wanted.extend(phrases_of(&measure.column.name, &measure.base));
            self.dimension_words.own(&name);
            self.dimension_words.claim(wanted)
        };
        self.numbers.push(DimensionEntry {
            comments: vec![format!("What one {} has, to filter and to rank by.", thing.one)],
            label: thesaurus().label(&format!("{base} of one {}", thing.one)),
            plural: format!("{} of single {}", names::plural_phrase(&measure.base), thing.many),
            synonyms,
            column_type: type_name(measure.column.column_type),
            column: Some(thing.place(&measure.column.name)),
            of_metric,
            via: self.via(&thing.table.name),
            ranks,
            name,
            ..DimensionEntry::default()
        });
    }

    /// Whether amounts of a table are what was sold for.
    fn is_sales(&self, thing: &Thing<'_>, base: &[String]) -> bool {
        let sales = &thesaurus().sales;
        thing.noun.iter().any(|word| has(&sales.tables, word)) && base.iter().any(|word| has(&sales.amounts, word))
    }

    /// Quantity times price, where a table has both, or its product has the price, and no amount of its own.
    fn revenue(&mut self) {
        let sales = &thesaurus().sales;
        for thing in self.things {
            let find = |thing: &Thing<'a>, list: &[String], sums: &[Sums]| {
                thing.roles.iter().find_map(|(column, role)| match role {
                    Role::Measure {
                        sums: own, is_money, ..
                    } if sums.contains(own) && thesaurus().words(&column.name).iter().any(|word| has(list, word)) => {
                        Some((*column, *is_money))
                    }
                    _ => None,
                })
            };
            let Some((quantity, _)) = find(thing, &sales.quantities, &[Sums::Added]) else {
                continue;
            };
            let own_amount = thing.roles.iter().any(|(_, role)| {
                matches!(
                    role,
                    Role::Measure {
                        sums: Sums::Added,
                        is_money: true,
                        ..
                    }
                )
            });
            if own_amount {
                continue;
            }
            let (price, priced, why) = match find(thing, &sales.prices, &[Sums::Averaged, Sums::Both]) {
                Some((price, _)) => (
                    price,
                    thing,
                    format!("{} has a quantity and a price, and no amount", thing.table.name),
                ),
                None => {
                    let mut parents = thing
                        .references
                        .iter()
                        .filter(|r| r.is_joined() && !r.is_second)
                        .filter_map(|r| self.thing(&r.to.table))
                        .filter_map(|parent| {
                            Some((find(parent, &sales.prices, &[Sums::Averaged, Sums::Both])?.0, parent))
                        });
                    match (parents.next(), parents.next()) {
                        (Some((price, parent)), None) => (
                            price,
                            parent,
                            format!(
                                "{} has a quantity, and {} the price. It is taken at today's price, whatever it was then",
                                thing.table.name, parent.table.name
                            ),
                        ),
                        _ => continue,
                    }
                }
            };
            let product = format!("{} * {}", thing.place(&quantity.name), priced.place(&price.name));
            let currency = thing.currency().or_else(|| priced.currency());
            let unit = if currency.is_some() { "currency" } else { "none" };
            let name = self.name(&["revenue".to_owned(), format!("{} revenue", thing.one)]);
            let mut wanted: Vec<String> = Vec::new();
            for word in &sales.words {
                wanted.extend([
                    word.clone(),
                    format!("total {word}"),
                    format!("{word} of {}", thing.many),
                ]);
            }
            wanted.extend([
                format!("{} value", thing.one),
                "amount spent".to_owned(),
                "spend".to_owned(),
                "spent".to_owned(),
            ]);
            self.metric_words.own(&name);
            let synonyms = self.metric_words.claim(wanted);
            let ranks = ranked(thesaurus().ranks(&["revenue".to_owned()]));
            let mut comments = vec![format!("{why}.")];
            let discounted = thing
                .table
                .columns
                .iter()
                .any(|c| thesaurus().words(&c.name).iter().any(|w| w == "discount"));
            if discounted {
                comments.push("In doubt: the column of discounts is not taken off.".to_owned());
            }
            self.draft.metrics.push(MetricEntry {
                comments: comments.clone(),
                label: "Revenue".to_owned(),
                description: format!("Quantity times price over all {}.", thing.many),
                synonyms,
                ranks,
                unit,
                format: "money",
                sources: vec![SourceEntry {
                    aggregate: "sum",
                    of: product.clone(),
                    currency: currency.clone(),
                    ..SourceEntry::default()
                }],
                name,
                ..MetricEntry::default()
            });
            if std::ptr::eq(thing, priced) {
                let name = self.name(&["revenue per unit".to_owned()]);
                let synonyms = self.metric_words.claim(
                    [
                        "average selling price",
                        "revenue per piece",
                        "revenue per item",
                        "average price per unit",
                    ]
                    .map(str::to_owned),
                );
                self.draft.metrics.push(MetricEntry {
                    comments: vec!["Weighted by quantity, unlike the mean of the prices.".to_owned()],
                    label: "Revenue per unit".to_owned(),
                    description: "Revenue over the quantity sold.".to_owned(),
                    synonyms,
                    unit,
                    format: "money",
                    sources: vec![SourceEntry {
                        aggregate: "sum",
                        of: product,
                        over: Some(thing.place(&quantity.name)),
                        currency,
                        ..SourceEntry::default()
                    }],
                    name,
                    ..MetricEntry::default()
                });
            }
        }
    }

    // What it can be told by

    fn entities(&mut self) {
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
    fn kinds(&mut self) {
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
            Role::Reference if base.len() > 1 && base.last().is_some_and(|word| super::keys::is_id_word(word)) => {
                base.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default()
            }
            // "official" of is_official.
            Role::Kind
                if column.column_type == ColumnType::Boolean
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
        let aliases = if *role == Role::Kind && column.is_text() {
            codes_of(&base, column)
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
        let is_coded = !aliases.is_empty()
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
            name,
            ..DimensionEntry::default()
        });
    }

    /// Of two columns that lead to one table, the second one has dimensions of its own, by way of its join.
    fn seconds(&mut self) {
        for reference in self.references.iter().filter(|r| r.is_joined()) {
            let pair = |other: &Reference| {
                other.is_joined() && other.from.table == reference.from.table && other.to.table == reference.to.table
            };
            if self.references.iter().filter(|other| pair(other)).count() < 2 {
                continue;
            }
            let Some(target) = self.things.iter().find(|thing| thing.table.name == reference.to.table) else {
                continue;
            };
            // The words that tell this column from the other one: "destination" of destination_airport_id.
            let mut role = thesaurus().spoken(&reference.from.column);
            while role.len() > 1 && role.last().is_some_and(|word| super::keys::is_id_word(word)) {
                role.pop();
            }
            let role = match role.strip_suffix(target.noun.as_slice()) {
                Some(rest) if !rest.is_empty() => rest.to_vec(),
                _ => role,
            };
            let role = role.join(" ");
            let mut made: Vec<(Vec<String>, &ColumnProfile, Option<String>)> = Vec::new();
            let key = target.place(&reference.to.column);
            match target.label {
                Some(label) => made.push((target.noun.clone(), label, Some(key))),
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

    fn parts_of_time(&mut self) {
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

    /// What stands beside each row that has no name: its day, and the names of what it refers to. Beside a family
    /// name stands the given name.
    fn shown(&mut self) {
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

/// Says of each dimension which one is the next coarser.
pub(super) fn link_hierarchies(
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
        draft.hierarchies.push(super::HierarchyEntry { dimensions: chain });
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
