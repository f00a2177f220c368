//! Putting links together: each gets its role in the question, and the roles make a `Query`.

mod beyond;
mod compared;
mod conditions;
mod finish;
mod groups;
mod look;
mod measures;
mod onward;
mod rank;
mod roles;
mod scope;
mod sets;
mod settle;

use crate::{
    construct::Construct,
    link::{Link, Match, Reading},
    text::Token,
    times::Time,
    words::{Key, Lack},
};
use concert_contract::query::Statistic;
use concert_contract::{
    api::DataState,
    catalogue::{Aggregate, Catalogue, Dimension, Metric, TimePart, Unit},
    chart::ChartKind,
    chat::Understood,
    compile::{CompileContext, compile, filled_dimension},
    query::{
        Direction, Filter, FilterClause, Grain, HavingClause, MetricFilter, Operator, Order, Period, Query,
        QueryMetric, Value,
    },
};
use jiff::civil::Date;
use sets::Region;

/// Rows of a ranking whose length nobody said.
const RANKED_ROWS: u32 = 10;
/// The longest ranking that is asked for at once.
const MOST_RANKED_ROWS: f64 = 1000.0;
/// A name that is this many times as common as another one of the same words is the one that is meant.
const COMMON: i64 = 4;
/// How much "from" lowers the confidence where it may speak of an origin: below one half.
const ORIGIN_GUESSES: usize = 4;
/// From how many years of data a course of time is told by year.
const YEARS_FOR_YEARLY: i16 = 2;

/// A question as far as it could be put together.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub query: Query,
    pub understood: Vec<Understood>,
    /// Indexes of tokens that no link covers or whose link found no place.
    pub unknown: Vec<usize>,
    /// Those of them that no link covers: nothing in the catalogue, the data or the language.
    pub unlinked: Vec<usize>,
    /// Something of the catalogue was named: a metric, a dimension, a ranking.
    pub is_explicit: bool,
    /// A value or a time was named.
    pub has_scope: bool,
    /// Groups were named.
    pub has_groups: bool,
    pub has_metrics: bool,
    /// Goes on from the turn before.
    pub goes_on: bool,
    /// Asks for what no query gives: the words, and what is lacking.
    pub beyond: Option<(String, Lack)>,
    /// Words that are known but found no place, so that the query would answer another question.
    pub misplaced: Vec<usize>,
    /// Words that were taken by their spelling, by part of a name, or for want of anything better.
    pub guesses: usize,
    /// Filters that the same words could mean as well.
    pub alternatives: Vec<(usize, Filter)>,
    /// Whether nothing tells one of the alternatives from what was taken.
    pub is_close: bool,
    /// Changes of the query, in the order in which they are made.
    pub constructs: Vec<Construct>,
    /// The grain that a construct needs where the query has none.
    pub needs_grain: Option<Grain>,
    /// Metrics beside those of the turn before.
    pub adds: Vec<String>,
    /// A ranking that names neither what is ranked nor by what: "the worst ones", "show 5".
    pub bare_rank: Option<(Option<Direction>, Option<u32>)>,
    /// Its groups stand for the kind of thing that a value has, and were not named.
    pub groups_are_kinds: bool,
    /// Groups were named by their own words.
    pub names_groups: bool,
    /// "all cities".
    pub says_all: bool,
    /// What is named stands beside what the turn before was about: "vs Austin".
    pub is_beside: bool,
    /// What is named comes to what the turn before was about.
    pub is_more: bool,
    /// "in each city".
    pub says_each: bool,
    /// Something was said of how the answer is to be drawn.
    pub says_chart: bool,
    /// How the answer is to be drawn.
    pub chart: Option<ChartKind>,
}

/// What a noun does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    None,
    Metric,
    Group,
    /// Says what kind of thing is meant, which is known anyway.
    Context,
    /// A comparison is with it.
    Target,
    /// The answer is ordered by it.
    Order,
}

struct Rank {
    link: usize,
    direction: Direction,
    metric: Option<usize>,
    in_time: bool,
}

pub(crate) struct Builder<'a> {
    pub catalogue: &'a Catalogue,
    pub state: &'a DataState,
    pub today: Date,
    pub tokens: &'a [Token],
    pub links: Vec<Link>,
    /// Whether there is a turn before that the question may go on from.
    pub follows: bool,
}

impl<'a> Builder<'a> {
    pub fn build(mut self) -> Draft {
        self.settle();
        self.ratios();
        let roles = self.roles();
        Assembly {
            used: vec![false; self.links.len()],
            draft: Draft::default(),
            roles,
            builder: &self,
            group_links: Vec::new(),
            metrics: Vec::new(),
            periods: Vec::new(),
            region: self.absence(),
            averaged: None,
            mean_target: None,
            of_means: false,
            change: None,
            listed: Vec::new(),
            not_periods: Vec::new(),
        }
        .assemble()
    }
}

struct Assembly<'b, 'a> {
    builder: &'b Builder<'a>,
    roles: Vec<Role>,
    used: Vec<bool>,
    draft: Draft,
    /// Links that group, in order.
    group_links: Vec<usize>,
    /// Metrics by index, with their links.
    metrics: Vec<(usize, usize)>,
    periods: Vec<(usize, Period)>,
    /// What is said not to have happened.
    region: Option<Region>,
    /// Times in which something did not happen.
    not_periods: Vec<(usize, Period)>,
    /// Links that name one of several statistics, and rank nothing.
    listed: Vec<usize>,
    /// By how much a figure has to have changed.
    change: Option<Construct>,
    /// A mean of single values that no metric of the catalogue is.
    averaged: Option<(usize, Statistic)>,
    /// The figure of a condition that is said of its average, and the metric that this is.
    mean_target: Option<(usize, usize)>,
    /// Whether a condition is one on the average of things, and not on each of their rows.
    of_means: bool,
}

impl Assembly<'_, '_> {
    fn assemble(mut self) -> Draft {
        self.scope();
        self.nouns();
        self.one_thing();
        self.place_of_counted();
        self.statistics_list();
        self.averages();
        self.kinds();
        self.grains();
        self.compares();
        self.rank();
        self.finish();
        self.leftovers();
        self.draft
    }

    /// Everything that is asked beyond figures, groups and conditions.
    fn constructs(&mut self) {
        self.baselines();
        self.growth();
        self.more_than();
        self.shares();
        self.statistics();
        self.windows();
        self.places();
        self.peers();
        self.absent();
        self.sets();
        self.tops();
        self.additions();
    }

    fn tell(&mut self, at: usize, meaning: String) {
        if let Some(used) = self.used.get_mut(at) {
            *used = true;
        }
        if let Some(link) = self.builder.links.get(at) {
            self.draft.guesses += usize::from(link.is_guess);
            self.draft.understood.push(Understood {
                words: self.builder.words(link),
                meaning,
            });
        }
    }

    fn quietly(&mut self, at: usize) {
        if let Some(used) = self.used.get_mut(at) {
            *used = true;
        }
    }

    fn take(&mut self, at: usize, meaning: &str, construct: Construct) {
        self.tell(at, meaning.to_owned());
        self.draft.is_explicit = true;
        self.draft.constructs.push(construct);
    }

    fn mark(&mut self, wanted: impl Fn(Key) -> bool) {
        let found: Vec<usize> = self.builder.keys(wanted).collect();
        for at in found {
            if self.used.get(at) != Some(&true) {
                self.tell(at, "compared".to_owned());
            }
        }
    }

    fn additions(&mut self) {
        let builder = self.builder;
        let Some(at) = builder.keys(|key| key == Key::Add).next() else {
            return;
        };
        let added: Vec<String> = self
            .metrics
            .iter()
            .filter_map(|(index, _)| builder.metric(*index))
            .map(|m| m.name.clone())
            .collect();
        self.tell(at, "one more figure".to_owned());
        self.draft.goes_on = true;
        self.draft.adds = added;
    }
}

fn value_filter(dimension: &Dimension, value: &str, negated: bool) -> Filter {
    let value = match dimension.column_type {
        concert_contract::table::ColumnType::Integer => value
            .parse()
            .map_or_else(|_| Value::Text(value.to_owned()), Value::Integer),
        _ => Value::Text(value.to_owned()),
    };
    let op = if negated { Operator::NotIn } else { Operator::In };
    Filter {
        dimension: dimension.name.clone(),
        op,
        values: vec![value],
    }
}

/// Adds a filter, together with one of the same dimension and sense where there is one; returns its place.
fn merge_filter(filters: &mut Vec<Filter>, filter: Filter) -> usize {
    let same = filters.iter().position(|other| {
        other.dimension == filter.dimension
            && other.op == filter.op
            && matches!(filter.op, Operator::In | Operator::NotIn)
    });
    match same.and_then(|at| filters.get_mut(at).map(|other| (at, other))) {
        Some((at, other)) => {
            for value in filter.values {
                if !other.values.contains(&value) {
                    other.values.push(value);
                }
            }
            at
        }
        None => {
            filters.push(filter);
            filters.len() - 1
        }
    }
}

/// The metrics that conditions name.
fn metrics_of(having: &[HavingClause]) -> Vec<QueryMetric> {
    having
        .iter()
        .flat_map(HavingClause::singles)
        .map(|condition| QueryMetric::from(&condition.metric))
        .collect()
}

/// The year that a period is, whole.
fn whole_year(period: &Period, today: Date) -> Option<i64> {
    let days = period.resolve(today).ok()?;
    let (from, to) = (days.from?, days.to?);
    (from == from.first_of_year() && to == from.last_of_year()).then(|| i64::from(from.year()))
}
