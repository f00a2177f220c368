//! What can be summed up: sums and averages of columns, figures that several tables have, and revenue.

use super::{Builder, Thing, evidence_of, phrases_of, ranked, type_name};
use crate::{
    analysis::{
        columns::{Role, Sums},
        draft::{DimensionEntry, MetricEntry, SourceEntry},
        words::is_of_question,
    },
    names,
    profile::ColumnProfile,
    thesaurus::{has, thesaurus},
};
use concert_contract::table::ColumnType;
use std::collections::BTreeMap;

/// Other words for a measure that are offered with "average" and "total" as well.
const MAX_SYNONYMS_JOINED: usize = 3;
/// A whole number with at most so many different values, each in so many rows on average, is grouped by.
const GROUPED_MAX_NUMBERS: u64 = 30;
const KIND_MIN_ROWS: u64 = 3;

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

impl<'b, 'a> Builder<'b, 'a> {
    pub(super) fn measures(&mut self) {
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
        // The greatest and the least of single rows.
        for (word, short, aggregate) in [("maximum", "max", "maximum"), ("minimum", "min", "minimum")] {
            let name = self.name(&[format!("{word} {said}"), format!("{word} {full}")]);
            let mut wanted = with(word);
            wanted.extend(with(short));
            self.metric_words.own(&name);
            let synonyms = self.metric_words.claim(wanted);
            entries.push(MetricEntry {
                label: thesaurus().label(&format!("{word} {said}")),
                description: format!("The {word} {base} of a single {}.", thing.one),
                synonyms,
                unit,
                format: format_sum,
                sources: vec![source(aggregate)],
                name,
                ..MetricEntry::default()
            });
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
        let name = self.name(std::slice::from_ref(&said));
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
            // What lies in stock has not been sold.
            let is_stock = thesaurus()
                .words(&quantity.name)
                .iter()
                .any(|word| matches!(word.as_str(), "stock" | "inventory" | "hand" | "reorder" | "level"));
            if is_stock {
                continue;
            }
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
}
