//! Putting links together: each gets its role in the question, and the roles make a `Query`.

mod constructs;

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
    chat::Understood,
    compile::{CompileContext, compile, filled_dimension},
    query::{
        Direction, Filter, FilterClause, Grain, HavingClause, MetricFilter, Operator, Order, Period, Query,
        QueryMetric, Value,
    },
};
use constructs::Region;
use jiff::civil::Date;

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
    pub bare_rank: Option<(Direction, Option<u32>)>,
    /// Its groups stand for the kind of thing that a value has, and were not named.
    pub groups_are_kinds: bool,
    /// Groups were named by their own words.
    pub names_groups: bool,
    /// "all cities".
    pub says_all: bool,
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
}

impl<'a> Builder<'a> {
    pub fn build(mut self) -> Draft {
        self.settle();
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
        }
        .assemble()
    }

    /// Leaves each link the readings that its neighbours allow.
    fn settle(&mut self) {
        for at in 0..self.links.len() {
            let Some(link) = self.links.get(at) else { continue };
            let has_time = link.readings.iter().any(|reading| matches!(reading, Reading::Time(_)));
            let has_compare = link
                .readings
                .iter()
                .any(|reading| matches!(reading, Reading::Compare(..)));
            if has_time && has_compare {
                // "between 1950 and 2000 seats" compares, "between 1950 and 2000" is a time.
                let compares = self.after(at).is_some_and(|next| self.is_countable(next));
                if let Some(link) = self.links.get_mut(at) {
                    link.readings.retain(|reading| match reading {
                        Reading::Time(_) => !compares,
                        Reading::Compare(..) => compares,
                        _ => true,
                    });
                }
            }
            let is_ranked = self
                .key_before(at)
                .is_some_and(|key| matches!(key, Key::RankThings(_) | Key::InTime(_) | Key::Next));
            if let Some(link) = self.links.get_mut(at)
                && link.readings.len() > 1
                && link
                    .readings
                    .iter()
                    .any(|reading| matches!(reading, Reading::Number(_)))
            {
                link.readings
                    .retain(|reading| matches!(reading, Reading::Number(_)) == is_ranked);
            }
            self.settle_name(at);
            // "show 5" orders, "the show on Friday" is a concert.
            let orders =
                at == 0 && self.links.len() == 2 && self.reading(1, |reading| matches!(reading, Reading::Number(_)));
            if orders && let Some(link) = self.links.get_mut(at) {
                let says_list = |reading: &Reading| matches!(reading, Reading::Key(Key::List));
                if link.readings.iter().any(says_list) {
                    link.readings.retain(says_list);
                }
            }
            // "by Fugazi" names an artist, it does not group.
            let names = self.links.get(at).is_some_and(|link| link.key() == Some(Key::By))
                && self
                    .after(at)
                    .and_then(|next| self.links.get(next))
                    .is_some_and(|next| next.is_value() && next.dimension().is_none() && next.metric().is_none());
            if names && let Some(link) = self.links.get_mut(at) {
                link.readings = vec![Reading::Key(Key::Preposition)];
            }
        }
    }

    /// A word that is a name and a word of the language as well: which of the two.
    fn settle_name(&mut self, at: usize) {
        let Some(link) = self.links.get(at) else { return };
        let is_value = |r: &Reading| matches!(r, Reading::Value { .. } | Reading::Part { .. });
        let values = link.readings.iter().filter(|r| is_value(r)).count();
        if values == 0 || values == link.readings.len() {
            return;
        }
        // Linking has let it pass as a name only where it is written as one.
        let of_question = matches!(
            self.key_before(at),
            Some(Key::By | Key::SortBy | Key::Which | Key::Count)
        );
        let is_name = link.length > 1 || !of_question;
        if let Some(link) = self.links.get_mut(at) {
            link.readings.retain(|reading| is_value(reading) == is_name);
        }
    }

    /// The index of the next link that says something.
    fn after(&self, at: usize) -> Option<usize> {
        (at + 1..self.links.len()).find(|index| !self.is_light(*index))
    }

    fn before(&self, at: usize) -> Option<usize> {
        (0..at).rev().find(|index| !self.is_light(*index))
    }

    fn is_light(&self, at: usize) -> bool {
        self.links
            .get(at)
            .is_some_and(|link| matches!(link.key(), Some(Key::Filler | Key::Preposition)))
    }

    fn key_before(&self, at: usize) -> Option<Key> {
        self.links.get(self.before(at)?)?.key()
    }

    fn key_after(&self, at: usize) -> Option<Key> {
        self.links.get(self.after(at)?)?.key()
    }

    fn reading(&self, at: usize, wanted: impl Fn(&Reading) -> bool) -> bool {
        self.links.get(at).is_some_and(|link| link.readings.iter().any(wanted))
    }

    fn is_noun(&self, at: usize) -> bool {
        self.reading(at, |r| matches!(r, Reading::Metric(_) | Reading::Dimension(_)))
    }

    fn is_compare(&self, at: usize) -> bool {
        self.reading(at, |r| matches!(r, Reading::Compare(..)))
    }

    fn dimension(&self, index: usize) -> Option<&'a Dimension> {
        self.catalogue.dimensions.get(index)
    }

    fn metric(&self, index: usize) -> Option<&'a Metric> {
        self.catalogue.metrics.get(index)
    }

    /// A noun that a number can be compared with.
    fn is_countable(&self, at: usize) -> bool {
        self.links
            .get(at)
            .is_some_and(|link| link.metric().is_some() || self.numeric_dimension(link).is_some())
    }

    fn numeric_dimension(&self, link: &Link) -> Option<usize> {
        let index = link.dimension()?;
        let dimension = self.dimension(index)?;
        (dimension.column.is_some() && dimension.column_type.is_number()).then_some(index)
    }

    fn is_entity(&self, index: usize) -> bool {
        self.dimension(index)
            .is_some_and(|d| d.column.is_none() && d.part.is_none())
    }

    fn entity(&self) -> Option<usize> {
        (0..self.catalogue.dimensions.len()).find(|index| self.is_entity(*index))
    }

    fn dimension_of_part(&self, part: TimePart) -> Option<usize> {
        self.catalogue
            .dimensions
            .iter()
            .position(|dimension| dimension.part == Some(part))
    }

    /// Whether the data can tell a metric at all.
    fn is_available(&self, index: usize) -> bool {
        self.is_available_by(index, None)
    }

    /// Whether the data can tell a metric by a dimension.
    fn is_available_by(&self, index: usize, dimension: Option<&Dimension>) -> bool {
        self.metric(index).is_some_and(|metric| {
            let query = Query {
                metrics: vec![QueryMetric::from(&metric.name)],
                dimensions: dimension.map(|dimension| dimension.name.clone()).into_iter().collect(),
                ..Query::default()
            };
            compile(
                &query,
                self.catalogue,
                &CompileContext {
                    today: self.today,
                    state: self.state,
                    role: None,
                    max_rows: 1,
                    offset: 0,
                },
            )
            .is_ok()
        })
    }

    /// Whether one metric is money and the other one counts things.
    fn prices(&self, money: usize, counted: usize) -> bool {
        self.metric(money).is_some_and(|metric| metric.unit == Unit::Currency)
            && self
                .metric(counted)
                .is_some_and(|metric| metric.unit == Unit::Count && metric.noun.is_some())
    }

    /// What is counted unless something else is named.
    fn counted(&self) -> Option<(usize, &'a Metric)> {
        self.catalogue
            .metrics
            .iter()
            .enumerate()
            .find(|(_, metric)| metric.noun.is_some())
    }

    /// The metric of rows that nobody named one for: of single things an amount, of groups the first.
    fn default_metric(&self, for_entity: bool) -> usize {
        let entity = self.entity().and_then(|index| self.dimension(index));
        let amount = |index: &usize| {
            self.metric(*index).is_some_and(|m| m.noun.is_none()) && self.is_available_by(*index, entity)
        };
        let any = (0..self.catalogue.metrics.len())
            .find(|index| self.is_available(*index))
            .unwrap_or(0);
        if for_entity {
            (0..self.catalogue.metrics.len()).find(amount).unwrap_or(any)
        } else {
            any
        }
    }

    fn is_question_word(&self, at: usize) -> bool {
        let link = self.links.get(at);
        link.and_then(|l| self.tokens.get(l.at))
            .is_some_and(|t| matches!(t.norm.as_str(), "who" | "where" | "when"))
    }

    fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role::None; self.links.len()];
        for at in 0..self.links.len() {
            if self.is_compare(at)
                && let Some(target) = self.compare_target(at, &roles)
                && let Some(role) = roles.get_mut(target)
            {
                *role = Role::Target;
            }
        }
        for at in 0..self.links.len() {
            if let Some(role) = self.said_twice(at, &roles)
                && let Some(slot) = roles.get_mut(at)
            {
                *slot = role;
                continue;
            }
            // "concerts where …", "artists who …": the word refers to the noun before it.
            let refers = self.is_question_word(at) && (0..at).any(|earlier| self.is_noun(earlier));
            if self.is_noun(at) && !refers && roles.get(at) == Some(&Role::None) {
                let role = self.role(at, &roles);
                if let Some(slot) = roles.get_mut(at) {
                    *slot = role;
                }
            }
        }
        roles
    }

    /// "drew more than 3,000 people", "customers who bought tickets": a figure that is named by its verb as well, or by
    /// the object of what is counted.
    fn said_twice(&self, at: usize, roles: &[Role]) -> Option<Role> {
        let link = self.links.get(at)?;
        let metric = link.metric().filter(|_| roles.get(at) == Some(&Role::None))?;
        let compared = self
            .after(at)
            .filter(|next| self.is_compare(*next))
            .and_then(|next| self.after(next));
        let is_target = compared.is_some_and(|target| {
            roles.get(target) == Some(&Role::Target) && self.links.get(target).and_then(Link::metric) == Some(metric)
        });
        if is_target {
            return Some(Role::Context);
        }
        // "how many customers bought tickets"
        let counted = (0..at).find(|index| self.links.get(*index).and_then(Link::key) == Some(Key::Count))?;
        let subject = self
            .after(counted)
            .filter(|subject| self.before(at) == Some(*subject))?;
        let of_subject = self.metric(self.links.get(subject)?.metric()?)?;
        let is_distinct = of_subject
            .sources
            .iter()
            .all(|s| s.aggregate == Aggregate::CountDistinct);
        let is_object = self.metric(metric).is_some_and(|metric| metric.noun.is_some()) && !self.touches(subject, at);
        (is_distinct && is_object).then_some(Role::Context)
    }

    /// The noun that a comparison is with: the next one, else the one before.
    fn compare_target(&self, at: usize, roles: &[Role]) -> Option<usize> {
        let free = |index: &usize| roles.get(*index) == Some(&Role::None) && self.is_countable(*index);
        let next = self.after(at).filter(free);
        let before = || {
            let mut index = self.before(at)?;
            while matches!(self.links.get(index)?.key(), Some(Key::With | Key::RankBy(_))) {
                index = self.before(index)?;
            }
            // "venues over 1000" says nothing of what is over: only a figure can be.
            let link = self.links.get(index)?;
            let is_figure =
                self.numeric_dimension(link).is_some() || (link.metric().is_some() && link.dimension().is_none());
            is_figure.then_some(index).filter(free)
        };
        next.or_else(before)
    }

    fn role(&self, at: usize, roles: &[Role]) -> Role {
        let Some(link) = self.links.get(at) else {
            return Role::None;
        };
        let (metric, dimension) = (link.metric(), link.dimension());
        let before = self.before(at);
        let role_before = before.and_then(|index| roles.get(index)).copied().unwrap_or(Role::None);
        let has_group = roles.contains(&Role::Group)
            || self
                .links
                .iter()
                .take(at)
                .any(|l| matches!(l.key(), Some(Key::Grain(_))));
        let is_every = before.is_some_and(|index| self.is_grouping_every(index));
        let has_metric = roles.contains(&Role::Metric);
        let ranks_before = self.links.iter().take(at).any(|l| {
            matches!(
                l.key(),
                Some(Key::RankThings(_) | Key::RankBy(_) | Key::List | Key::Which)
            )
        });
        let or_group = if dimension.is_some() { Role::Group } else { Role::Metric };
        let or_metric = if metric.is_some() { Role::Metric } else { Role::Group };
        if dimension.is_some() && self.names_neighbour(at) {
            return Role::Context;
        }
        // "the total capacity" asks for a figure; a number of things groups only where that is said.
        let is_number = metric.is_none() && self.numeric_dimension(link).is_some();
        let key = before.and_then(|index| self.links.get(index)).and_then(Link::key);
        if is_number
            && !matches!(
                key,
                Some(Key::By | Key::SortBy | Key::RankBy(_) | Key::Which | Key::And | Key::List)
            )
            && !self.orders(link)
        {
            return Role::None;
        }
        let after_rank =
            before.is_some_and(|index| self.reading(index, |r| matches!(r, Reading::Rank(..) | Reading::RankOf(..))));
        if after_rank && self.orders(link) && roles.contains(&Role::Group) {
            return Role::Order;
        }
        match key {
            Some(Key::Every) if is_every => return or_group,
            Some(Key::By | Key::RankBy(_)) if self.orders(link) => return Role::Order,
            Some(Key::Versus) if metric.is_some() && dimension.is_none() => return Role::Metric,
            Some(Key::Versus) if before.is_some_and(|index| self.before(index).is_some()) => return Role::None,
            // "top 10 venues by concerts" ranks, "top genre per city" and "top artists by city" group.
            Some(Key::By) if metric.is_some() && has_group && ranks_before && !has_metric && self.ranks_by(at) => {
                return Role::Metric;
            }
            Some(Key::By) => return or_group,
            Some(Key::SortBy) if self.is_grouped_before(at, dimension) => return Role::Order,
            Some(Key::SortBy) => return if metric.is_some() { Role::Metric } else { Role::Order },
            Some(Key::Count | Key::Often) => return or_metric,
            Some(Key::RankBy(_)) => return or_metric,
            Some(Key::Which) if before.is_some_and(|index| !self.is_gapless(index, at)) => {}
            Some(Key::RankThings(_) | Key::InTime(_) | Key::Next | Key::Which) => return or_group,
            Some(Key::Grain(_)) => return or_metric,
            Some(Key::And) => {
                let earlier = before.and_then(|index| self.before(index));
                match earlier.and_then(|index| roles.get(index)) {
                    Some(Role::Group) if dimension.is_some() => return Role::Group,
                    Some(Role::Metric) if metric.is_some() => return Role::Metric,
                    _ => {}
                }
                if earlier.is_some_and(|index| matches!(self.links.get(index).and_then(Link::key), Some(Key::Grain(_))))
                {
                    return or_group;
                }
            }
            _ => {}
        }
        if before.is_some_and(|index| self.reading(index, |r| matches!(r, Reading::Rank(..) | Reading::Number(_)))) {
            return or_group;
        }
        if metric.is_none() || dimension.is_none() {
            return if metric.is_some() { Role::Metric } else { Role::Group };
        }
        // From here on the word is both: "concerts" are counted, or listed one by one.
        match self.key_after(at) {
            Some(Key::By) => {
                let by = self.after(at).and_then(|index| self.after(index));
                let by_figure = by
                    .and_then(|index| self.links.get(index))
                    .is_some_and(|l| l.metric().is_some() && l.dimension().is_none());
                return if by_figure { Role::Group } else { Role::Metric };
            }
            Some(Key::SortBy) => return Role::Group,
            Some(Key::With) if self.figure_follows(at) => return Role::Group,
            _ => {}
        }
        if self.after(at).is_some_and(|index| self.is_compare(index)) {
            // "artists with shows in more than 10 cities": the shows are those of the artists.
            let is_entity = dimension.is_some_and(|index| self.is_entity(index));
            return if is_entity && roles.contains(&Role::Group) && key == Some(Key::With) {
                Role::Context
            } else {
                Role::Group
            };
        }
        let listed = before.is_some_and(|index| {
            matches!(
                self.links.get(index).and_then(Link::key),
                Some(Key::List | Key::Every | Key::Only)
            )
        });
        if listed && role_before == Role::None {
            return Role::Group;
        }
        let is_entity = dimension.is_some_and(|index| self.is_entity(index));
        let others = roles
            .iter()
            .enumerate()
            .any(|(index, role)| index != at && *role == Role::Metric)
            || (0..self.links.len()).any(|index| {
                index != at
                    && self
                        .links
                        .get(index)
                        .is_some_and(|l| l.metric().is_some() && l.dimension().is_none())
            });
        let ranked = self
            .links
            .iter()
            .any(|l| l.readings.iter().any(|r| matches!(r, Reading::Rank(..))));
        match (is_entity, others, ranked) {
            // "concerts, attendance and revenue": one of several figures; "concert revenue" is one figure.
            (true, true, _) if self.is_one_of_several(at) => Role::Metric,
            (true, true, _) => Role::Context,
            (_, false, true) => Role::Group,
            (true, false, false) => Role::Metric,
            (false, _, _) => Role::Group,
        }
    }

    /// Whether a noun in the plural stands right before another figure, in a list that "and" closes.
    fn is_one_of_several(&self, at: usize) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        let is_plural = self
            .tokens
            .get(link.end().saturating_sub(1))
            .is_some_and(Token::is_plural);
        let is_figure = |index: usize| self.links.get(index).is_some_and(|link| link.metric().is_some());
        let lists = self.links.iter().enumerate().skip(at + 1).any(|(and, link)| {
            link.key() == Some(Key::And)
                && self.after(and).is_some_and(is_figure)
                && self.before(and).is_some_and(is_figure)
        });
        let first =
            (0..at).all(|index| self.is_light(index) || self.links.get(index).and_then(Link::key) == Some(Key::List));
        is_plural
            && lists
            && first
            && self
                .after(at)
                .is_some_and(|next| is_figure(next) && self.touches(at, next))
    }

    /// "every city" and "in all cities" group; "all concerts" are listed.
    fn is_grouping_every(&self, at: usize) -> bool {
        self.links.get(at).is_some_and(|link| {
            link.key() == Some(Key::Every)
                && (self.word(link.at) == Some("every")
                    || self.word(link.end().saturating_sub(1)) == Some("every")
                    || link.length > 1 && self.word(link.at) != Some("all"))
        })
    }

    /// Whether "by" before a noun leads to what ranks: a figure, or things in the plural, which are counted.
    fn ranks_by(&self, at: usize) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        let says_by = self
            .before(at)
            .and_then(|index| self.links.get(index))
            .is_some_and(|by| self.word(by.at) == Some("by"));
        let is_plural = self
            .tokens
            .get(link.end().saturating_sub(1))
            .is_some_and(Token::is_plural);
        says_by && (link.dimension().is_none() || is_plural)
    }

    /// Whether a ranking is by this number of the things themselves: "largest arenas by capacity".
    fn orders(&self, link: &Link) -> bool {
        link.metric().is_none() && self.numeric_dimension(link).is_some() && self.links.iter().any(Link::ranks)
    }

    /// Whether the same dimension was named before.
    fn is_grouped_before(&self, at: usize, dimension: Option<usize>) -> bool {
        dimension.is_some() && self.links.iter().take(at).any(|link| link.dimension() == dimension)
    }

    /// Whether links cover every word between two of them.
    fn is_gapless(&self, first: usize, second: usize) -> bool {
        let ends = self.links.iter().skip(first).take(second - first);
        let starts = self.links.iter().skip(first + 1).take(second - first);
        ends.zip(starts).all(|(before, next)| before.end() == next.at)
    }

    /// Whether a noun only names the kind of the value beside it: "the city of Boston", "rock genre".
    fn names_neighbour(&self, at: usize) -> bool {
        let Some(dimension) = self.links.get(at).and_then(Link::dimension) else {
            return false;
        };
        let names = |index: Option<usize>| {
            index.is_some_and(|index| {
                self.reading(index, |r| match r {
                    Reading::Value { dimension: of, .. } | Reading::Part { dimension: of, .. } => *of == dimension,
                    _ => false,
                })
            })
        };
        let grouped = matches!(self.key_before(at), Some(Key::By | Key::Which | Key::Count));
        !grouped
            && (names(self.after(at).filter(|next| self.adjacent(at, *next)))
                || names(self.before(at).filter(|b| self.adjacent(*b, at))))
    }

    /// Whether nothing but "of" and "the" stands between two links.
    fn adjacent(&self, first: usize, second: usize) -> bool {
        let (Some(a), Some(b)) = (self.links.get(first), self.links.get(second)) else {
            return false;
        };
        self.tokens.get(a.end()..b.at).is_some_and(|between| {
            between
                .iter()
                .all(|t| matches!(t.norm.as_str(), "of" | "the" | "called" | "named"))
        })
    }

    /// Whether a figure or a ranking comes later in the question.
    fn figure_follows(&self, at: usize) -> bool {
        (at + 1..self.links.len()).any(|index| {
            self.is_compare(index)
                || self.is_countable(index)
                || self.reading(index, |r| matches!(r, Reading::Rank(..)))
                || matches!(self.links.get(index).and_then(Link::key), Some(Key::RankBy(_)))
        })
    }

    /// "top customers": things that are only counted, and have no names to be listed by.
    fn ranks_uncounted(&self, at: usize) -> bool {
        self.after(at)
            .and_then(|next| self.links.get(next))
            .is_some_and(|link| {
                link.dimension().is_none()
                    && link
                        .metric()
                        .and_then(|index| self.metric(index))
                        .is_some_and(|metric| metric.noun.is_some())
            })
    }

    /// "artists from Texas" may be those who come from there, and not those who played there.
    fn may_be_origin(&self, at: usize, dimension: &Dimension) -> bool {
        let Some(from) = at.checked_sub(1).filter(|from| {
            self.links
                .get(*from)
                .is_some_and(|link| self.word(link.at) == Some("from"))
        }) else {
            return false;
        };
        let table = |column: &Option<String>| column.as_deref().and_then(|c| c.split('.').next()).map(str::to_owned);
        let of = table(&dimension.column);
        from.checked_sub(1)
            .and_then(|thing| self.links.get(thing)?.dimension())
            .and_then(|index| self.dimension(index))
            .is_some_and(|thing| thing.key.is_some() && thing.column.is_some() && table(&thing.key) != of)
    }

    /// Whether a number is written with the sign of a currency.
    fn says_money(&self, link: &Link) -> bool {
        self.tokens
            .get(link.at..link.end())
            .is_some_and(|tokens| tokens.iter().any(|token| token.text.contains(['$', '€', '£', '¥'])))
    }

    fn is_scope(&self, link: &Link) -> bool {
        link.is_value() || link.readings.iter().any(|reading| matches!(reading, Reading::Time(_)))
    }

    /// "the highest attendance in each country": a ranking before, within what follows.
    fn is_best_within(&self, at: usize) -> bool {
        let says_each = self.links.get(at).is_some_and(|link| {
            (link.at..link.end()).any(|token| matches!(self.word(token), Some("each" | "every" | "per")))
        });
        let ranked = self.links.iter().take(at).any(Link::ranks);
        says_each && ranked
    }

    /// Whether both sides of a comparison name something: two values, two times or two figures.
    fn has_two_sides(&self, at: usize) -> bool {
        if self.before(at).is_none() {
            return true;
        }
        let names = |link: &Link| self.is_scope(link);
        let figures = [self.before(at), self.after(at)].into_iter().all(|side| {
            side.and_then(|index| self.links.get(index))
                .is_some_and(|link| link.metric().is_some())
        });
        figures
            || self.links.iter().take(at).any(names) && self.links.iter().skip(at + 1).any(names)
            || self.links.iter().skip(at + 1).filter(|link| names(link)).count() > 1
    }

    /// Whether no word stands between two links.
    fn touches(&self, first: usize, second: usize) -> bool {
        let ends = self.links.get(first).map(Link::end);
        ends.is_some() && ends == self.links.get(second).map(|link| link.at)
    }

    fn word(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).map(|token| token.norm.as_str())
    }

    /// "did not play in Boston", "haven't played": not the place is negated but what happened there.
    fn negates_verb(&self, at: usize) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        let is_verb = |word: Option<&str>| {
            matches!(
                word,
                Some("do" | "does" | "did" | "have" | "has" | "had" | "can" | "could" | "will")
            )
        };
        let written = self.word(link.at).is_some_and(|word| {
            matches!(
                word,
                "dont" | "doesnt" | "didnt" | "havent" | "hasnt" | "hadnt" | "without"
            )
        });
        written && self.word(link.at) != Some("without") || is_verb(link.at.checked_sub(1).and_then(|at| self.word(at)))
    }

    /// Whether only words without a meaning stand before or after a link.
    fn is_at_an_end(&self, at: usize) -> bool {
        let is_light = |index: usize| {
            self.links
                .get(index)
                .is_some_and(|link| matches!(link.key(), Some(Key::Filler | Key::List | Key::GoOn | Key::And)))
        };
        (0..at).all(is_light) || (at + 1..self.links.len()).all(is_light)
    }

    /// "artists who played in every city", "in all countries": what follows is no group but a condition.
    fn holds_for_each(&self, at: usize) -> bool {
        let things_before = (0..at).any(|index| self.links.get(index).is_some_and(|link| link.dimension().is_some()));
        let thing_after = self
            .after(at)
            .and_then(|next| self.links.get(next))
            .is_some_and(|link| link.dimension().is_some() || matches!(link.key(), Some(Key::Grain(_))));
        let relative = (0..at).any(|index| {
            self.links
                .get(index)
                .and_then(|link| self.word(link.at))
                .is_some_and(|word| matches!(word, "who" | "that" | "which"))
        });
        things_before && thing_after && relative
    }

    /// "how many years": counting what no metric counts.
    fn counts_nothing(&self, at: usize) -> bool {
        self.after(at)
            .and_then(|next| self.links.get(next))
            .is_some_and(|link| {
                link.metric().is_none() && (link.dimension().is_some() || matches!(link.key(), Some(Key::Grain(_))))
            })
    }

    /// "revenue per seat", "revenue per ticket": a figure over another figure.
    fn is_ratio(&self, at: usize) -> bool {
        let says_per = self.links.get(at).and_then(|link| self.word(link.at)) == Some("per");
        says_per
            && self
                .after(at)
                .and_then(|next| self.links.get(next))
                .is_some_and(|link| {
                    self.numeric_dimension(link).is_some() || (link.metric().is_some() && link.dimension().is_none())
                })
    }

    fn words(&self, link: &Link) -> String {
        self.tokens
            .get(link.at..link.end())
            .map(|tokens| {
                tokens
                    .iter()
                    .map(|token| token.text.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .unwrap_or_default()
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
    /// A mean of single values that no metric of the catalogue is.
    averaged: Option<(usize, Statistic)>,
}

impl Assembly<'_, '_> {
    fn assemble(mut self) -> Draft {
        self.scope();
        self.nouns();
        self.averages();
        self.kinds();
        self.grains();
        self.compares();
        self.rank();
        self.finish();
        self.leftovers();
        self.draft
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

    // Filters and periods

    fn scope(&mut self) {
        let builder = self.builder;
        let mut filters: Vec<Filter> = Vec::new();
        let mut last_negated: Option<(usize, usize)> = None;
        for (at, link) in builder.links.iter().enumerate() {
            let not = builder
                .before(at)
                .filter(|index| builder.links.get(*index).and_then(Link::key) == Some(Key::Not));
            if let Some(not) = not.filter(|not| self.used.get(*not) != Some(&true)) {
                self.tell(not, "left out".to_owned());
            }
            let in_region = self.region.as_ref().is_some_and(|region| at > region.from);
            if let Some((dimension, reading, rivals)) = self.choose_value(at, link) {
                let Some(of) = builder.dimension(dimension) else {
                    continue;
                };
                if let (true, Reading::Value { value, .. }) = (in_region, &reading) {
                    if let Some(region) = &mut self.region {
                        merge_filter(&mut region.filters, value_filter(of, value, false));
                    }
                    self.tell(at, format!("{} is {value}", of.label));
                    continue;
                }
                // "not in Boston or Chicago" leaves out both.
                let chained = last_negated.is_some_and(|(negated, of)| {
                    of == dimension
                        && builder.before(at).is_some_and(|and| {
                            builder.links.get(and).and_then(Link::key) == Some(Key::And)
                                && builder.before(and) == Some(negated)
                                || and == negated
                        })
                });
                let negated = not.is_some() || chained;
                last_negated = negated.then_some((at, dimension));
                let (filter, told) = match &reading {
                    Reading::Value { value, how, .. } => {
                        if !matches!(how, Match::Exact | Match::Alias) {
                            self.draft.guesses += usize::from(*how == Match::Partial);
                        }
                        (value_filter(of, value, negated), value.clone())
                    }
                    Reading::Part { text, .. } => {
                        self.draft.guesses += 1;
                        if negated {
                            continue;
                        }
                        let values = vec![Value::Text(text.clone())];
                        (
                            Filter {
                                dimension: of.name.clone(),
                                op: Operator::Contains,
                                values,
                            },
                            format!("anything with {text}"),
                        )
                    }
                    _ => continue,
                };
                let position = merge_filter(&mut filters, filter);
                for rival in rivals {
                    self.draft.alternatives.push((position, rival));
                }
                if builder.may_be_origin(at, of) {
                    self.draft.guesses += ORIGIN_GUESSES;
                }
                let is = if negated { "is not" } else { "is" };
                self.tell(at, format!("{} {is} {told}", of.label));
                self.draft.has_scope = true;
                continue;
            }
            let Some(time) = link.readings.iter().find_map(|reading| match reading {
                Reading::Time(time) => Some(time),
                _ => None,
            }) else {
                continue;
            };
            let part = match time {
                Time::Period(period) => {
                    if let Some(region) = self.region.as_mut().filter(|_| in_region) {
                        region.period = Some(period.clone());
                        self.tell(at, format!("period {}", concert_contract::insight::period_text(period)));
                    } else if not.is_none() {
                        self.periods.push((at, period.clone()));
                    }
                    continue;
                }
                Time::NoSuchDay => {
                    self.quietly(at);
                    self.draft.beyond = Some((builder.words(link), Lack::NoSuchDay));
                    continue;
                }
                Time::Months(_) => TimePart::MonthOfYear,
                Time::Weekdays(_) => TimePart::Weekday,
                Time::Quarters(_) => TimePart::QuarterOfYear,
            };
            let (Time::Months(numbers) | Time::Weekdays(numbers) | Time::Quarters(numbers)) = time else {
                continue;
            };
            let Some(of) = builder
                .dimension_of_part(part)
                .and_then(|index| builder.dimension(index))
            else {
                continue;
            };
            let op = if not.is_some() { Operator::NotIn } else { Operator::In };
            let values: Vec<Value> = numbers.iter().map(|number| Value::Integer(*number)).collect();
            let filter = Filter {
                dimension: of.name.clone(),
                op,
                values,
            };
            match self.region.as_mut().filter(|_| in_region) {
                Some(region) => merge_filter(
                    &mut region.filters,
                    Filter {
                        op: Operator::In,
                        ..filter
                    },
                ),
                None => merge_filter(&mut filters, filter),
            };
            self.tell(at, of.label.clone());
            self.draft.has_scope = true;
        }
        self.draft.query.filters = filters.into_iter().map(Into::into).collect();
        self.periods();
    }

    /// Which value a link means, and the filters of what else it could mean.
    fn choose_value(&mut self, at: usize, link: &Link) -> Option<(usize, Reading, Vec<Filter>)> {
        let builder = self.builder;
        let preposition = at
            .checked_sub(1)
            .and_then(|index| builder.links.get(index))
            .into_iter()
            .chain(at.checked_sub(2).and_then(|index| builder.links.get(index)))
            .find(|l| l.key() == Some(Key::Preposition))
            .map(|l| builder.words(l).to_lowercase());
        let named = [builder.before(at), builder.after(at)]
            .into_iter()
            .flatten()
            .find_map(|index| {
                let near = builder.adjacent(index.min(at), index.max(at));
                builder.links.get(index).and_then(Link::dimension).filter(|_| near)
            });
        let score = |dimension: usize, how: Match, weight: i64| {
            let phrase = builder
                .dimension(dimension)
                .and_then(|d| d.phrase.as_deref())
                .unwrap_or_default();
            let fits = preposition
                .as_deref()
                .is_some_and(|p| phrase.split(' ').next() == Some(p));
            (
                named == Some(dimension),
                matches!(how, Match::Exact | Match::Alias),
                fits,
                how == Match::Partial,
                weight,
            )
        };
        let mut choices: Vec<_> = link
            .readings
            .iter()
            .filter_map(|reading| match reading {
                Reading::Value {
                    dimension, how, weight, ..
                } => Some((score(*dimension, *how, *weight), *dimension, reading)),
                Reading::Part { dimension, .. } => Some((score(*dimension, Match::Partial, 0), *dimension, reading)),
                _ => None,
            })
            .collect();
        choices.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let (best, others) = choices.split_first()?;
        let is_name = |reading: &Reading| matches!(reading, Reading::Value { how: Match::Exact, .. });
        let close = others.iter().any(|(score, dimension, reading)| {
            // Nothing in the sentence tells them apart, and neither is much more common.
            *dimension != best.1
                && (score.0, score.1, score.2) == (best.0.0, best.0.1, best.0.2)
                && is_name(reading)
                && is_name(best.2)
                && score.4.saturating_mul(COMMON) >= best.0.4
        });
        self.draft.is_close |= close;
        let rivals = others
            .iter()
            .filter(|(score, dimension, _)| score.1 == best.0.1 && *dimension != best.1)
            .filter_map(|(_, dimension, reading)| match reading {
                Reading::Value { value, .. } => Some(value_filter(builder.dimension(*dimension)?, value, false)),
                _ => None,
            })
            .collect();
        Some((best.1, best.2.clone(), rivals))
    }

    /// One period filters; several whole years are compared; anything else with two is not understood.
    fn periods(&mut self) {
        let periods = std::mem::take(&mut self.periods);
        match periods.as_slice() {
            [] => {}
            [(at, period)] if self.period_to_compare(*at, period) => {}
            several if self.two_periods(several) => {}
            [(at, period)] => {
                self.draft.query.period = Some(period.clone());
                self.tell(
                    *at,
                    format!("period {}", concert_contract::insight::period_text(period)),
                );
                self.draft.has_scope = true;
            }
            several => {
                let years: Option<Vec<i64>> = several
                    .iter()
                    .map(|(_, period)| whole_year(period, self.builder.today))
                    .collect();
                let year = self
                    .builder
                    .dimension_of_part(TimePart::Year)
                    .and_then(|index| self.builder.dimension(index));
                if let (Some(years), Some(year)) = (years, year) {
                    let mut distinct = years;
                    distinct.sort_unstable();
                    distinct.dedup();
                    let values = distinct.into_iter().map(Value::Integer).collect();
                    self.draft.query.filters.push(FilterClause::Is(Filter {
                        dimension: year.name.clone(),
                        op: Operator::In,
                        values,
                    }));
                    let versus = self.builder.links.iter().any(|link| link.key() == Some(Key::Versus));
                    if versus {
                        self.draft.query.grain = Some(Grain::Year);
                    }
                    for (at, period) in several {
                        self.tell(
                            *at,
                            format!("period {}", concert_contract::insight::period_text(period)),
                        );
                    }
                    self.draft.has_scope = true;
                } else if let Some((at, period)) = several.first() {
                    self.draft.query.period = Some(period.clone());
                    self.tell(
                        *at,
                        format!("period {}", concert_contract::insight::period_text(period)),
                    );
                    self.draft.has_scope = true;
                }
            }
        }
    }

    fn is_one_year(&self) -> bool {
        self.draft.query.period.as_ref().is_some_and(|period| {
            let days = period.resolve(self.builder.today).unwrap_or_default();
            matches!((days.from, days.to), (Some(from), Some(to)) if from.year() == to.year())
        })
    }

    // Nouns

    fn nouns(&mut self) {
        let builder = self.builder;
        let roles = self.roles.clone();
        for (at, link) in builder.links.iter().enumerate() {
            match roles.get(at) {
                Some(Role::Metric) => {
                    let Some(index) = link.metric() else { continue };
                    if let Some(region) = self.region.as_mut().filter(|region| at > region.from) {
                        region.of = region.of.or(Some(index));
                        let label = builder.metric(index).map_or("", |m| m.label.as_str());
                        self.tell(at, label.to_owned());
                        continue;
                    }
                    if !self.metrics.iter().any(|(metric, _)| *metric == index) {
                        self.metrics.push((index, at));
                    }
                    let label = builder.metric(index).map_or("", |m| m.label.as_str());
                    self.tell(at, format!("metric {label}"));
                    self.draft.is_explicit = true;
                    self.draft.has_metrics = true;
                }
                Some(Role::Group) => {
                    let Some(index) = link.dimension() else { continue };
                    if self
                        .region
                        .as_ref()
                        .is_some_and(|region| at > region.from && builder.is_entity(index))
                    {
                        self.quietly(at);
                        continue;
                    }
                    self.group(at, index);
                    self.draft.is_explicit |= !builder.is_question_word(at);
                }
                Some(Role::Order) => {
                    let Some(dimension) = link.dimension().and_then(|index| builder.dimension(index)) else {
                        continue;
                    };
                    if builder.orders(link) {
                        self.draft.query.dimensions.push(dimension.name.clone());
                    }
                    let direction = self.sorted().unwrap_or(Direction::Ascending);
                    self.draft.query.order.push(Order {
                        by: dimension.name.clone(),
                        direction,
                    });
                    self.tell(at, format!("ordered by {}", dimension.label.to_lowercase()));
                }
                Some(Role::Context) => {
                    let label = link
                        .dimension()
                        .and_then(|i| builder.dimension(i))
                        .map_or("", |d| d.label.as_str());
                    self.tell(at, label.to_owned());
                    self.draft.is_explicit = true;
                }
                Some(Role::Target | Role::None) | None => {}
            }
        }
        // "who", "where" and "when" are answered by the thing itself, where it is listed.
        if self.draft.query.dimensions.len() > 1 {
            let asked: Vec<usize> = self
                .group_links
                .iter()
                .copied()
                .filter(|at| builder.is_question_word(*at))
                .collect();
            for at in asked {
                let Some(name) = builder
                    .links
                    .get(at)
                    .and_then(Link::dimension)
                    .and_then(|i| builder.dimension(i))
                else {
                    continue;
                };
                let elsewhere = self.group_links.iter().any(|other| {
                    *other != at
                        && builder.links.get(*other).and_then(Link::dimension)
                            == builder.links.get(at).and_then(Link::dimension)
                });
                if self.draft.query.dimensions.len() > 1 && !elsewhere {
                    self.draft.query.dimensions.retain(|dimension| *dimension != name.name);
                    self.group_links.retain(|other| *other != at);
                }
            }
        }
    }

    /// "which theaters", "clubs in Seattle": values in the plural stand for the things that have them.
    fn kinds(&mut self) {
        let builder = self.builder;
        let listed = builder.links.iter().any(|link| {
            matches!(link.key(), Some(Key::Which | Key::List | Key::RankThings(_)))
                || link.readings.iter().any(|reading| matches!(reading, Reading::Rank(..)))
        });
        if !self.group_links.is_empty() || (!listed && !self.metrics.is_empty()) || self.roles.contains(&Role::Context)
        {
            return;
        }
        let thing = builder.links.iter().enumerate().find_map(|(at, link)| {
            let is_plural = builder.tokens.get(link.at..link.end())?.last()?.is_plural();
            let (of, value) = link.readings.iter().find_map(|reading| match reading {
                Reading::Value { dimension, value, .. } if is_plural => Some((builder.dimension(*dimension)?, value)),
                _ => None,
            })?;
            // "Texas" is no plural of TX.
            if of.coded {
                return None;
            }
            let table = of.column.as_deref()?.split('.').next()?;
            let thing = builder.catalogue.dimensions.iter().find(|d| {
                let keyed = d.key.as_deref().and_then(|key| key.split('.').next()) == Some(table);
                keyed && d.column.is_some() && d.name != of.name
            })?;
            // A name that ends in s is no plural.
            (!value.to_lowercase().ends_with('s')).then_some((at, thing.name.clone()))
        });
        if let Some((at, name)) = thing {
            self.draft.query.dimensions.insert(0, name);
            self.group_links.push(at);
            self.draft.has_groups = true;
            self.draft.is_explicit = true;
            self.draft.groups_are_kinds = true;
        }
    }

    /// "how many concerts cost more than 50": a condition on a figure holds for single things, which are then listed.
    fn hold_for_single_things(&mut self) {
        let builder = self.builder;
        let query = &mut self.draft.query;
        if query.having.is_empty() || !query.dimensions.is_empty() || query.grain.is_some() {
            return;
        }
        // "how many artists have more than 20 concerts": the artists are those that the condition holds for.
        let counted = builder.counted().map(|(index, _)| index);
        let noun = self.metrics.iter().find_map(|(metric, at)| {
            let is_counted = Some(*metric) == counted || self.roles.get(*at) == Some(&Role::Target);
            let of = builder.metric(*metric)?;
            let is_distinct = of.sources.iter().all(|s| s.aggregate == Aggregate::CountDistinct);
            (!is_counted && is_distinct).then_some((*at, of.noun.as_ref()?))
        });
        let things = noun.and_then(|(_, [_, many])| builder.catalogue.dimensions.iter().find(|d| d.plural == *many));
        if let (Some((at, _)), None) = (noun, things) {
            let words = builder.links.get(at).map(|link| builder.words(link));
            self.draft.beyond = words.map(|words| (words, Lack::Listing));
            return;
        }
        if let Some(things) = things {
            query.dimensions.push(things.name.clone());
            query.metrics = metrics_of(&query.having);
            query.metrics.dedup();
            self.draft.has_groups = true;
            return;
        }
        if let Some(entity) = builder.entity().and_then(|index| builder.dimension(index)) {
            query.dimensions.push(entity.name.clone());
            self.draft.has_groups = true;
            // Of single things a count says nothing; the figure of the condition does.
            let counted = builder.counted().map(|(_, metric)| metric.name.clone());
            if query
                .metrics
                .iter()
                .map(|metric| Some(&metric.metric))
                .eq([counted.as_ref()])
            {
                query.metrics = metrics_of(&query.having);
                query.metrics.dedup();
            }
        }
    }

    /// A single thing shows its own place, so that grouping by it as well says nothing new.
    fn shown_anyway(&mut self) {
        let builder = self.builder;
        let shown: Vec<String> = self
            .draft
            .query
            .dimensions
            .iter()
            .filter_map(|name| builder.catalogue.dimension(name))
            .filter(|dimension| dimension.column.is_none() && dimension.part.is_none())
            .flat_map(|dimension| dimension.shows.clone())
            .collect();
        self.draft.query.dimensions.retain(|name| !shown.contains(name));
    }

    fn group(&mut self, at: usize, index: usize) {
        let Some(dimension) = self.builder.dimension(index) else {
            return;
        };
        // A year is a stretch of time before it is a number.
        if let Some(grain) = dimension.grain {
            self.draft.query.grain = Some(grain);
        } else if !self.draft.query.dimensions.contains(&dimension.name) {
            self.draft.query.dimensions.push(dimension.name.clone());
        }
        self.group_links.push(at);
        self.draft.has_groups = true;
        self.draft.names_groups |= !self.builder.is_question_word(at);
        self.draft.says_all |= self.builder.key_before(at) == Some(Key::Every);
        self.tell(at, format!("by {}", dimension.label.to_lowercase()));
    }

    fn grains(&mut self) {
        let builder = self.builder;
        for (at, link) in builder.links.iter().enumerate() {
            match link.key() {
                // "how many years" asks for a count that no metric gives.
                Some(Key::Grain(_)) if builder.key_before(at) == Some(Key::Count) => {}
                Some(Key::Grain(grain)) => {
                    let before = builder.before(at);
                    let averaged = builder.links.iter().any(|link| link.key() == Some(Key::Moving));
                    let after_word = matches!(
                        builder.key_before(at),
                        Some(Key::Which | Key::RankThings(_) | Key::RankBy(_) | Key::InTime(_))
                    ) || before.is_some_and(|index| {
                        builder.reading(index, |r| matches!(r, Reading::Rank(..) | Reading::Number(_)))
                    });
                    let asked = after_word && !averaged;
                    let part = match grain {
                        Grain::Month => Some(TimePart::MonthOfYear),
                        Grain::Quarter => Some(TimePart::QuarterOfYear),
                        Grain::Year | Grain::Week | Grain::Day => None,
                    };
                    let of_year = part
                        .filter(|_| asked && !self.is_one_year() && !builder.tokens.iter().any(|t| t.norm == "ever"))
                        .and_then(|part| builder.dimension_of_part(part));
                    match of_year {
                        Some(index) => self.group(at, index),
                        None => {
                            self.draft.query.grain = Some(grain);
                            self.group_links.push(at);
                            self.draft.has_groups = true;
                            self.draft.names_groups = true;
                            self.tell(at, format!("by {}", grain.name()));
                        }
                    }
                }
                Some(Key::Trend) => {
                    let grain = self.trend_grain();
                    self.draft.query.grain = Some(grain);
                    self.draft.has_groups = true;
                    self.draft.names_groups = true;
                    self.tell(at, format!("by {}", grain.name()));
                }
                _ => {}
            }
        }
        // "Boston versus Chicago" is a row for each.
        if let Some(at) = builder.links.iter().position(|link| link.key() == Some(Key::Versus)) {
            let several: Vec<String> = self
                .draft
                .query
                .conditions()
                .into_iter()
                .filter(|f| f.op == Operator::In && f.values.len() > 1)
                .map(|f| f.dimension.clone())
                .filter(|name| {
                    self.draft.query.grain.is_none()
                        || self.builder.catalogue.dimension(name).is_some_and(|d| d.part.is_none())
                })
                .collect();
            if !several.is_empty() || self.draft.query.grain.is_some() || self.metrics.len() > 1 {
                self.tell(at, "side by side".to_owned());
            }
            for name in several {
                if !self.draft.query.dimensions.contains(&name) {
                    self.draft.query.dimensions.push(name);
                    self.draft.has_groups = true;
                }
            }
        }
    }

    /// Years for a long course of time, months for a short one.
    fn trend_grain(&self) -> Grain {
        let builder = self.builder;
        let days = self
            .draft
            .query
            .period
            .as_ref()
            .and_then(|period| period.resolve(builder.today).ok())
            .unwrap_or_default();
        let of_data = builder
            .state
            .tables
            .iter()
            .filter_map(|t| Some((t.first_day?, t.last_complete_day?)));
        let (first, last) = of_data.fold((None::<Date>, None::<Date>), |(first, last), (from, to)| {
            (
                Some(first.map_or(from, |f| f.min(from))),
                Some(last.map_or(to, |l| l.max(to))),
            )
        });
        let from = days.from.or(first);
        let to = days.to.or(last);
        match (from, to) {
            (Some(from), Some(to)) if to.year() - from.year() < YEARS_FOR_YEARLY => Grain::Month,
            _ => Grain::Year,
        }
    }

    // Conditions on figures

    fn compares(&mut self) {
        let builder = self.builder;
        self.conditions();
        for (at, link) in builder.links.iter().enumerate() {
            let Some((op, values)) = link.readings.iter().find_map(|reading| match reading {
                Reading::Compare(op, values) => Some((*op, values.clone())),
                _ => None,
            }) else {
                continue;
            };
            let near = [builder.after(at), builder.before(at)];
            let target = near
                .into_iter()
                .flatten()
                .find(|index| self.roles.get(*index) == Some(&Role::Target))
                .or_else(|| {
                    // "more than 5 and less than 10 concerts"
                    let and = builder
                        .after(at)
                        .filter(|index| builder.links.get(*index).and_then(Link::key) == Some(Key::And))?;
                    let next = builder.after(and).filter(|index| builder.is_compare(*index))?;
                    builder
                        .after(next)
                        .filter(|index| self.roles.get(*index) == Some(&Role::Target))
                })
                .or_else(|| {
                    // With a "with" between: "a capacity of more than 500", "attendance was over 1000".
                    (0..at)
                        .rev()
                        .find(|index| self.roles.get(*index) == Some(&Role::Target))
                });
            let Some(target) = target else {
                // "more than five times"
                if let Some(often) = near
                    .into_iter()
                    .flatten()
                    .find(|i| builder.links.get(*i).and_then(Link::key) == Some(Key::Often))
                    && let Some((index, metric)) = builder.counted()
                    && self.draft.has_groups
                {
                    self.draft.query.having.push(HavingClause::Is(MetricFilter {
                        metric: metric.name.clone(),
                        op,
                        values,
                    }));
                    if self.metrics.is_empty() {
                        self.metrics.push((index, often));
                    }
                    self.tell(at, format!("condition on {}", metric.label.to_lowercase()));
                    self.tell(often, format!("metric {}", metric.label));
                    continue;
                }
                // "revenue by artist over 1000": the figure that is asked for.
                if let Some((metric, _)) = self.metrics.first().copied()
                    && self.draft.has_groups
                    && let Some(metric) = builder.metric(metric)
                    && (metric.unit == Unit::Currency || !builder.says_money(link))
                {
                    self.draft.query.having.push(HavingClause::Is(MetricFilter {
                        metric: metric.name.clone(),
                        op,
                        values,
                    }));
                    self.tell(at, format!("condition on {}", metric.label.to_lowercase()));
                }
                continue;
            };
            let Some(of) = builder.links.get(target) else { continue };
            if let Some(metric) = of.metric().and_then(|index| builder.metric(index)) {
                if builder.says_money(link) && metric.unit != Unit::Currency {
                    continue;
                }
                let single = builder
                    .catalogue
                    .dimensions
                    .iter()
                    .find(|d| d.of_metric.as_deref() == Some(metric.name.as_str()));
                let grouped = !self.draft.query.dimensions.is_empty() || self.draft.query.grain.is_some();
                let of_rows = grouped && self.holds_for_rows(at, of);
                if of_rows && single.is_none() {
                    continue;
                }
                match single {
                    Some(single) if !grouped || of_rows => {
                        self.draft.query.filters.push(FilterClause::Is(Filter {
                            dimension: single.name.clone(),
                            op,
                            values,
                        }));
                        self.draft.has_scope = true;
                    }
                    _ => {
                        self.draft.query.having.push(HavingClause::Is(MetricFilter {
                            metric: metric.name.clone(),
                            op,
                            values,
                        }));
                        if let Some(index) = of.metric()
                            && self.metrics.is_empty()
                        {
                            self.metrics.push((index, target));
                        }
                    }
                }
                self.tell(at, "condition".to_owned());
                self.tell(target, format!("metric {}", metric.label));
                self.draft.is_explicit = true;
            } else if let Some(dimension) = builder.numeric_dimension(of).and_then(|index| builder.dimension(index)) {
                self.draft.query.filters.push(FilterClause::Is(Filter {
                    dimension: dimension.name.clone(),
                    op,
                    values,
                }));
                self.tell(at, "condition".to_owned());
                self.tell(target, dimension.label.clone());
                self.draft.has_scope = true;
                self.draft.is_explicit = true;
            }
        }
    }

    /// "concerts with revenue over a million by year": the condition is one on each concert, not on each year.
    fn holds_for_rows(&self, at: usize, target: &Link) -> bool {
        let builder = self.builder;
        let counted = builder.counted().map(|(index, _)| index);
        let is_entity = |link: &Link| {
            link.dimension().is_some_and(|index| builder.is_entity(index))
                || (link.metric().is_some() && link.metric() == counted)
        };
        // A number of different things is never one of a single row.
        let counts = target
            .metric()
            .and_then(|index| builder.metric(index))
            .is_some_and(|metric| {
                metric
                    .sources
                    .iter()
                    .all(|s| matches!(s.aggregate, Aggregate::Count | Aggregate::CountDistinct))
            });
        let names_entity = builder
            .links
            .iter()
            .zip(&self.roles)
            .take(at)
            .any(|(link, role)| *role != Role::Target && is_entity(link));
        let grouped_by_it = self.draft.query.dimensions.iter().any(|name| {
            builder
                .entity()
                .and_then(|i| builder.dimension(i))
                .is_some_and(|d| d.name == *name)
        });
        !grouped_by_it && !counts && names_entity
    }

    /// "sold out": said of single things, which are then listed; of anything else it has no place.
    fn conditions(&mut self) {
        let builder = self.builder;
        for (at, link) in builder.links.iter().enumerate() {
            let Some((index, condition)) = link.readings.iter().find_map(|reading| match reading {
                Reading::Condition(index, condition) => Some((*index, condition)),
                _ => None,
            }) else {
                continue;
            };
            if let Some(metric) = builder.metric(index)
                && builder.is_available(index)
                && self.thing_with(at, metric, condition)
            {
                self.tell(at, format!("condition on {}", metric.label.to_lowercase()));
                continue;
            }
            let only_single = self.draft.query.dimensions.iter().all(|name| {
                builder
                    .entity()
                    .and_then(|i| builder.dimension(i))
                    .is_some_and(|d| d.name == *name)
            });
            let counted = builder.counted().map(|(index, _)| index);
            let only_counted = self.metrics.iter().all(|(metric, _)| Some(*metric) == counted);
            let negated = matches!(builder.key_before(at), Some(Key::Not));
            let Some(metric) = builder.metric(index).filter(|_| {
                only_single
                    && only_counted
                    && !negated
                    && self.draft.query.grain.is_none()
                    && builder.is_available(index)
            }) else {
                continue;
            };
            self.metrics.clear();
            self.metrics.push((index, at));
            self.draft.query.having.push(HavingClause::Is(MetricFilter {
                metric: metric.name.clone(),
                op: condition.op,
                values: condition.values.clone(),
            }));
            self.draft.is_explicit = true;
            self.tell(at, format!("condition on {}", metric.label.to_lowercase()));
        }
    }

    /// "venues that sold out a concert", "artists who never sold out": a condition on the single rows of things.
    fn thing_with(&mut self, at: usize, metric: &Metric, condition: &concert_contract::catalogue::Condition) -> bool {
        let builder = self.builder;
        let having = MetricFilter {
            metric: metric.name.clone(),
            op: condition.op,
            values: condition.values.clone(),
        };
        if let Some(region) = self.region.as_mut().filter(|region| at > region.from) {
            region.having.push(having);
            return true;
        }
        let thing = match self.draft.query.dimensions.as_slice() {
            [name] => builder
                .catalogue
                .dimension(name)
                .filter(|d| d.column.is_some() && d.key.is_some()),
            _ => None,
        };
        let counted = builder.counted().map(|(index, metric)| (index, metric.name.clone()));
        let negated = matches!(builder.key_before(at), Some(Key::Not));
        let (Some(thing), Some((index, of)), Some(entity), false, None) = (
            thing,
            counted,
            builder.entity().and_then(|index| builder.dimension(index)),
            negated,
            self.draft.query.grain,
        ) else {
            return false;
        };
        let is_plain = self.metrics.iter().all(|(metric, _)| *metric == index);
        let ranks = builder.links.iter().any(Link::ranks);
        if !is_plain || ranks {
            return false;
        }
        self.draft.query.filters.push(crate::construct::exists(
            concert_contract::query::Exists {
                dimension: thing.name.clone(),
                of,
                per: vec![entity.name.clone()],
                having: vec![having.into()],
                ..Default::default()
            },
            false,
        ));
        self.draft.is_explicit = true;
        self.draft.has_scope = true;
        true
    }

    // Rankings

    fn sorted(&mut self) -> Option<Direction> {
        let at = self
            .builder
            .links
            .iter()
            .position(|link| matches!(link.key(), Some(Key::Sorted(_))))?;
        let Some(Key::Sorted(direction)) = self.builder.links.get(at)?.key() else {
            return None;
        };
        self.tell(at, "in this order".to_owned());
        Some(direction)
    }

    fn rank(&mut self) {
        let builder = self.builder;
        let ranks: Vec<Rank> = builder
            .links
            .iter()
            .enumerate()
            .filter_map(|(link, l)| {
                l.readings.iter().find_map(|reading| match reading {
                    Reading::Rank(metric, direction) => Some(Rank {
                        link,
                        direction: *direction,
                        metric: Some(*metric),
                        in_time: false,
                    }),
                    Reading::Key(Key::RankThings(direction) | Key::RankBy(direction)) => Some(Rank {
                        link,
                        direction: *direction,
                        metric: None,
                        in_time: false,
                    }),
                    Reading::Key(Key::InTime(direction)) => Some(Rank {
                        link,
                        direction: *direction,
                        metric: None,
                        in_time: true,
                    }),
                    Reading::Key(Key::Next) => Some(Rank {
                        link,
                        direction: Direction::Ascending,
                        metric: None,
                        in_time: true,
                    }),
                    _ => None,
                })
            })
            .collect();
        let limit = self.limit(&ranks);
        let sort = builder.links.iter().position(|link| link.key() == Some(Key::SortBy));
        // "top 10 concerts, best attended": a ranking with a metric says more than one without.
        let primary = ranks.iter().find(|rank| rank.metric.is_some()).or(ranks.first());
        let Some(rank) = primary else {
            if let Some((at, rows)) = limit {
                if self.metrics.is_empty() && self.group_links.is_empty() {
                    self.draft.bare_rank = Some((Direction::Descending, Some(rows)));
                }
                self.draft.query.limit = Some(rows);
                self.tell(at, format!("{rows} rows"));
                if let Some((metric, _)) = self.metrics.first().copied() {
                    self.order_by(metric, Direction::Descending);
                }
            }
            if sort.is_some()
                && self.draft.query.order.is_empty()
                && let Some((metric, _)) = self.metrics.last().copied()
            {
                let direction = self.sorted().unwrap_or(Direction::Descending);
                self.order_by(metric, direction);
            }
            // "by city in ascending order": by the figure that is asked for.
            if sort.is_none()
                && self.draft.query.order.is_empty()
                && self.draft.has_groups
                && let Some((metric, _)) = self.metrics.last().copied()
                && let Some(direction) = self.sorted()
            {
                self.order_by(metric, direction);
            }
            return;
        };
        if self.metrics.is_empty() && self.group_links.is_empty() && rank.metric.is_none() && !rank.in_time {
            self.draft.bare_rank = Some((rank.direction, limit.map(|(_, rows)| rows)));
        }
        self.draft.is_explicit = true;
        let entity = builder.entity();
        let entity_name = entity
            .and_then(|index| builder.dimension(index))
            .map(|d| d.name.clone());
        let is_entity = |name: &String| Some(name) == entity_name.as_ref();
        if rank.in_time {
            let Some(name) = self.draft.query.dimensions.iter().find(|name| is_entity(name)).cloned() else {
                return;
            };
            self.draft.query.order.push(Order {
                by: name.clone(),
                direction: rank.direction,
            });
            let rows = limit.map_or_else(|| self.rows_of(rank.link), |(_, rows)| rows);
            self.draft.query.limit = Some(rows);
            // The next concert is the first that is to come, the latest is the latest that has been.
            if builder.links.get(rank.link).and_then(Link::key) == Some(Key::Next) && self.draft.query.period.is_none()
            {
                self.draft.query.period = Some(Period::Between {
                    from: Some(builder.today),
                    to: None,
                });
            }
            if rank.direction == Direction::Descending && self.draft.query.period.is_none() {
                self.draft.query.period = Some(Period::Between {
                    from: None,
                    to: Some(builder.today),
                });
            }
            self.tell(
                rank.link,
                format!(
                    "{} by time",
                    if rank.direction == Direction::Ascending {
                        "first"
                    } else {
                        "last"
                    }
                ),
            );
            if let Some((at, rows)) = limit {
                self.tell(at, format!("{rows} rows"));
            }
            return;
        }
        if let Some(order) = self.draft.query.order.first_mut() {
            order.direction = rank.direction;
            let rows = limit.map_or_else(|| self.rows_of(rank.link), |(_, rows)| rows);
            self.draft.query.limit = Some(rows);
            self.tell(rank.link, format!("the first {rows}"));
            if let Some((at, rows)) = limit {
                self.tell(at, format!("{rows} rows"));
            }
            return;
        }
        if self.rank_by_own_number(rank, limit) {
            return;
        }
        let one_word = builder.links.get(rank.link).is_some_and(|link| link.length == 1);
        // "sells the most tickets": the figure that follows is what it sells most of.
        let one_word = one_word
            || builder
                .after(rank.link)
                .is_some_and(|next| self.roles.get(next) == Some(&Role::Metric) && builder.touches(rank.link, next));
        let named = self.metrics.first().map(|(metric, _)| *metric);
        let of_having = !self.draft.query.having.is_empty() && !self.draft.has_metrics;
        let grouped = self.draft.has_groups;
        let metric = match (rank.metric, named) {
            // "the cheapest tickets": money and what is counted are two figures, and the word says which.
            (Some(own), Some(named)) if one_word && !grouped && builder.prices(own, named) => {
                self.metrics.retain(|(other, _)| *other != named);
                own
            }
            (Some(_), Some(named)) if one_word && !of_having => named,
            (Some(metric), _) => metric,
            (None, Some(named)) => named,
            (None, None) => {
                self.draft.guesses += 1;
                let by_amount = builder
                    .links
                    .get(rank.link)
                    .is_some_and(|link| matches!(link.key(), Some(Key::RankThings(_))));
                // "the best artists" are those of the largest amounts, "plays most" counts.
                builder.default_metric(by_amount || !grouped || self.draft.query.dimensions.iter().any(is_entity))
            }
        };
        if !grouped {
            // "the highest attendance" is that of one concert.
            let counts_entity = builder
                .metric(metric)
                .is_some_and(|m| m.noun.is_some() && m.unit == Unit::Count);
            match entity {
                Some(index) if !counts_entity => {
                    if let Some(dimension) = builder.dimension(index) {
                        self.draft.query.dimensions.push(dimension.name.clone());
                        self.draft.has_groups = true;
                    }
                }
                _ => return,
            }
        }
        if of_having {
            self.metrics.retain(|(other, _)| *other == metric);
        }
        if !self.metrics.iter().any(|(other, _)| *other == metric) {
            self.metrics.insert(0, (metric, rank.link));
        }
        self.order_by(metric, rank.direction);
        let rows = limit.map_or_else(|| if grouped { self.rows_of(rank.link) } else { 1 }, |(_, rows)| rows);
        if self.draft.query.having.is_empty() || limit.is_some() {
            self.draft.query.limit = Some(rows);
        }
        let label = builder.metric(metric).map_or(String::new(), |m| m.label.to_lowercase());
        let way = if rank.direction == Direction::Descending {
            "highest"
        } else {
            "lowest"
        };
        let count = if rows == 1 { String::new() } else { format!("{rows} ") };
        self.tell(rank.link, format!("the {count}{way} by {label}"));
        if let Some((at, rows)) = limit {
            self.tell(at, format!("{rows} rows"));
        }
        // "top 10 … with the most …" says one thing twice.
        for other in &ranks {
            if other.link != rank.link && other.direction == rank.direction && !other.in_time {
                self.quietly(other.link);
            }
        }
    }

    /// "the largest venues": by what they hold themselves, where the data has it and no other figure is named.
    fn rank_by_own_number(&mut self, rank: &Rank, limit: Option<(usize, u32)>) -> bool {
        let builder = self.builder;
        let [thing] = self.draft.query.dimensions.as_slice() else {
            return false;
        };
        if !self.metrics.is_empty() || !self.draft.query.having.is_empty() || self.draft.query.grain.is_some() {
            return false;
        }
        let table = builder
            .catalogue
            .dimension(thing)
            .and_then(|dimension| dimension.key.as_deref()?.split('.').next());
        let own = builder.links.get(rank.link).and_then(|link| {
            link.readings.iter().find_map(|reading| match reading {
                Reading::RankOf(index, direction) => builder.dimension(*index).map(|d| (d, *direction)),
                _ => None,
            })
        });
        let Some((dimension, direction)) = own.filter(|(dimension, _)| {
            let of = dimension.column.as_deref().and_then(|column| column.split('.').next());
            of.is_some() && of == table && filled_dimension(dimension, builder.catalogue, builder.state)
        }) else {
            return false;
        };
        self.draft.query.dimensions.push(dimension.name.clone());
        self.draft.query.order.push(Order {
            by: dimension.name.clone(),
            direction,
        });
        let rows = limit.map_or_else(|| self.rows_of(rank.link), |(_, rows)| rows);
        self.draft.query.limit = Some(rows);
        self.tell(
            rank.link,
            format!("the first {rows} by {}", dimension.label.to_lowercase()),
        );
        if let Some((at, rows)) = limit {
            self.tell(at, format!("{rows} rows"));
        }
        true
    }

    fn order_by(&mut self, metric: usize, direction: Direction) {
        if let Some(metric) = self.builder.metric(metric) {
            self.draft.query.order.insert(
                0,
                Order {
                    by: metric.name.clone(),
                    direction,
                },
            );
        }
    }

    /// The number that says how many rows, beside a ranking or a listed noun.
    fn limit(&self, ranks: &[Rank]) -> Option<(usize, u32)> {
        let builder = self.builder;
        builder.links.iter().enumerate().find_map(|(at, link)| {
            let number = link.readings.iter().find_map(|reading| match reading {
                Reading::Number(number) => Some(*number),
                _ => None,
            })?;
            let is_ranked = |index: Option<usize>| index.is_some_and(|i| ranks.iter().any(|rank| rank.link == i));
            // "show 5", and nothing else: of what was asked before.
            let is_alone = builder.after(at).is_none()
                && builder.before(at).is_none_or(|index| {
                    matches!(
                        builder.links.get(index).and_then(Link::key),
                        Some(Key::List | Key::Only)
                    )
                });
            let is_listed = |index: Option<usize>| {
                index.is_some_and(|i| self.group_links.contains(&i))
                    && matches!(builder.key_before(at), Some(Key::List | Key::Which))
            };
            // "for each genre, the 5 artists with the most concerts"
            let is_counted =
                !ranks.is_empty() && builder.after(at).is_some_and(|next| self.group_links.contains(&next));
            let fits = is_alone
                || is_counted
                || is_ranked(builder.before(at))
                || is_ranked(builder.after(at))
                || is_listed(builder.after(at));
            let rows = number.fract() == 0.0 && (1.0..=MOST_RANKED_ROWS).contains(&number);
            (fits && rows).then_some((at, number as u32))
        })
    }

    /// One row for "the largest venue", ten for "the largest venues".
    fn rows_of(&self, rank: usize) -> u32 {
        let builder = self.builder;
        let noun = self
            .group_links
            .iter()
            .copied()
            .min_by_key(|at| at.abs_diff(rank))
            .and_then(|at| builder.links.get(at));
        let singular = noun.is_some_and(|link| {
            let tokens = builder.tokens.get(link.at..link.end()).unwrap_or_default();
            let grouped = link
                .at
                .checked_sub(1)
                .and_then(|at| builder.tokens.get(at))
                .is_some_and(|t| matches!(t.norm.as_str(), "by" | "per" | "each" | "every"));
            !grouped
                && !tokens.iter().any(Token::is_plural)
                && tokens
                    .last()
                    .is_some_and(|token| !matches!(token.norm.as_str(), "who" | "where" | "when"))
        });
        if singular { 1 } else { RANKED_ROWS }
    }

    // The rest

    fn finish(&mut self) {
        let builder = self.builder;
        let entity = builder
            .entity()
            .and_then(|index| builder.dimension(index))
            .map(|d| d.name.clone());
        let lists_entity = self
            .draft
            .query
            .dimensions
            .iter()
            .any(|name| Some(name) == entity.as_ref());
        if let Some(at) = builder.links.iter().position(|link| link.key() == Some(Key::Often)) {
            let counted = builder.counted();
            if let Some((index, _)) = counted.filter(|_| self.metrics.is_empty()) {
                self.metrics.push((index, at));
                let label = builder.metric(index).map_or("", |m| m.label.as_str());
                self.tell(at, format!("metric {label}"));
                self.draft.is_explicit = true;
                self.draft.has_metrics = true;
            }
        }
        if self.metrics.is_empty() {
            self.metrics.push((builder.default_metric(lists_entity), 0));
        }
        self.constructs();
        self.draft.query.metrics = self
            .metrics
            .iter()
            .filter_map(|(index, _)| builder.metric(*index))
            .map(|metric| QueryMetric::from(&metric.name))
            .collect();
        // Things listed without a ranking come in their own order, which is that of time.
        if lists_entity
            && self.draft.query.order.is_empty()
            && self.draft.query.having.is_empty()
            && let Some(name) = entity
        {
            self.draft.query.order.push(Order {
                by: name,
                direction: Direction::Ascending,
            });
        }
        self.hold_for_single_things();
        self.shown_anyway();
        self.draft.goes_on |= builder.links.iter().any(|link| link.key() == Some(Key::GoOn))
            || builder.links.first().is_some_and(|link| link.key() == Some(Key::And));
        self.change();
        self.draft.beyond = self.draft.beyond.take().or_else(|| self.beyond());
    }

    /// "how did revenue change" asks for its course, unless groups are named.
    fn change(&mut self) {
        let Some(at) = self.position(Key::Change) else { return };
        let ranks = self.builder.links.iter().any(Link::ranks);
        if ranks {
            return;
        }
        if !self.draft.has_groups {
            self.draft.query.grain = Some(self.trend_grain());
            self.draft.has_groups = true;
        }
        let grain = self.draft.query.grain.map_or("group", Grain::name);
        self.tell(at, format!("by {grain}"));
    }

    /// "average" before a figure: nothing new where that is an average anyway, else the average that the catalogue has
    /// of the same amounts, else the mean of single values.
    fn averages(&mut self) {
        let builder = self.builder;
        for (at, link) in builder.links.iter().enumerate() {
            if link.key() != Some(Key::Average) {
                continue;
            }
            let behind = builder
                .after(at)
                .filter(|next| builder.links.get(*next).is_some_and(|l| l.metric().is_some()));
            // "cheapest genre on average"
            let ranked = builder
                .links
                .iter()
                .position(|l| l.readings.iter().any(|r| matches!(r, Reading::Rank(..))));
            let Some(figure_at) = behind.or(ranked) else { continue };
            let index = builder.links.get(figure_at).and_then(|link| {
                link.readings.iter().find_map(|reading| match reading {
                    Reading::Metric(index) | Reading::Rank(index, _) => Some(*index),
                    _ => None,
                })
            });
            let Some((index, metric)) = index.and_then(|index| Some((index, builder.metric(index)?))) else {
                continue;
            };
            if metric
                .sources
                .iter()
                .all(|s| s.over.is_some() || s.aggregate == Aggregate::Average)
            {
                self.tell(at, format!("{} is one", metric.label));
                continue;
            }
            let amounts = |metric: &Metric| metric.sources.iter().map(|s| s.of.clone()).collect::<Vec<_>>();
            let sums = metric
                .sources
                .iter()
                .all(|s| s.aggregate == Aggregate::Sum && s.over.is_none());
            let sibling = builder.catalogue.metrics.iter().position(|other| {
                other.sources.iter().all(|s| s.aggregate == Aggregate::Average)
                    && amounts(other).first() == amounts(metric).first()
            });
            match sibling.filter(|_| sums) {
                Some(sibling) => {
                    for (named, _) in self.metrics.iter_mut().filter(|(named, _)| *named == index) {
                        *named = sibling;
                    }
                    let label = builder.metric(sibling).map_or("", |m| m.label.as_str());
                    self.tell(at, format!("metric {label}"));
                }
                None if sums && behind.is_some() => self.averaged = Some((at, Statistic::Average)),
                None => {}
            }
        }
    }

    fn position(&self, key: Key) -> Option<usize> {
        self.builder.links.iter().position(|link| link.key() == Some(key))
    }

    /// The words that ask for what no query gives, and what that is.
    fn beyond(&self) -> Option<(String, Lack)> {
        let builder = self.builder;
        let told = |at: usize, lack: Lack| builder.links.get(at).map(|link| (builder.words(link), lack));
        let query = &self.draft.query;
        for (at, link) in builder.links.iter().enumerate() {
            let lack = match link.key() {
                Some(key) if key.lack().is_some() => key.lack().filter(|_| self.used.get(at) != Some(&true)),
                Some(Key::Rank) if self.used.get(at) != Some(&true) => Some(Lack::Place),
                Some(Key::Will)
                    if self
                        .metrics
                        .iter()
                        .any(|(metric, _)| builder.metric(*metric).is_some_and(|m| m.complete_days)) =>
                {
                    Some(Lack::Forecast)
                }
                Some(Key::Change) if self.used.get(at) != Some(&true) => Some(Lack::Difference),
                Some(Key::Not) if self.used.get(at) != Some(&true) => Some(Lack::Absence),
                // "venues without any concerts": nothing names the value that is left out.
                Some(Key::Not)
                    if self.used.get(at) != Some(&true)
                        && builder.after(at).is_some_and(|next| builder.is_noun(next)) =>
                {
                    Some(Lack::Absence)
                }
                // "artists who did not play in Boston" are not those who played elsewhere.
                Some(Key::Not) if builder.negates_verb(at) && self.groups_things() && !self.says_absence() => {
                    Some(Lack::Absence)
                }
                // "artists who only played in Boston"
                Some(Key::Only) if !builder.is_at_an_end(at) && self.groups_things() && !self.says_absence() => {
                    Some(Lack::All)
                }
                // "artists who played in every city"
                Some(Key::Every) if builder.holds_for_each(at) => Some(Lack::All),
                Some(Key::Count) if builder.counts_nothing(at) => Some(Lack::Counting),
                Some(Key::Average) if self.used.get(at) != Some(&true) => Some(Lack::Statistic),
                Some(Key::By) if builder.is_ratio(at) => Some(Lack::Ratio),
                Some(Key::By) if query.limit.is_some() && !self.has_top() && builder.is_best_within(at) => {
                    Some(Lack::EachGroup)
                }
                Some(Key::RankThings(_)) if builder.ranks_uncounted(at) => Some(Lack::Listing),
                Some(Key::Versus) if self.used.get(at) != Some(&true) && !builder.has_two_sides(at) => {
                    Some(Lack::Difference)
                }
                _ => None,
            };
            if let Some(lack) = lack {
                return told(at, lack);
            }
        }
        // "in Chicago but not in Boston" is about two sets, not about one row.
        let contradicts = query.conditions().iter().any(|filter| {
            filter.op == Operator::NotIn
                && query
                    .conditions()
                    .iter()
                    .any(|other| other.dimension == filter.dimension && other.op == Operator::In)
        });
        if contradicts && let Some(at) = self.position(Key::Not) {
            return told(at, Lack::Absence);
        }
        // "in March and April 2025" with one month on its own would be none of both.
        let is_short = query
            .period
            .as_ref()
            .and_then(|period| period.resolve(builder.today).ok())
            .and_then(|days| Some((days.from?, days.to?)))
            .is_some_and(|(from, to)| from.first_of_month() == to.first_of_month());
        let of_year = |name: &str| {
            builder
                .catalogue
                .dimension(name)
                .is_some_and(|d| matches!(d.part, Some(TimePart::MonthOfYear | TimePart::QuarterOfYear)))
        };
        if is_short && query.conditions().iter().any(|filter| of_year(&filter.dimension)) {
            let month = builder.links.iter().position(|link| {
                link.readings
                    .iter()
                    .any(|reading| matches!(reading, Reading::Time(Time::Months(_) | Time::Quarters(_))))
            });
            if let Some(at) = month {
                return told(at, Lack::Periods);
            }
        }
        // "in London in 1990 and in Paris in 1991" is not both cities in both years.
        let scopes: Vec<bool> = builder
            .links
            .iter()
            .filter(|link| builder.is_scope(link))
            .map(Link::is_value)
            .collect();
        if let Some(at) = self.position(Key::And)
            && scopes.len() > 3
            && scopes.windows(2).all(|pair| pair.first() != pair.get(1))
        {
            return told(at, Lack::Periods);
        }
        // "top 3 venues in each state"
        let groups =
            query.dimensions.iter().filter(|name| !self.orders_by(name)).count() + usize::from(query.grain.is_some());
        if query.limit.is_some() && groups > 1 && !self.has_top() {
            let by = (0..builder.links.len()).rev().find(|at| {
                self.group_links.contains(at) && matches!(builder.key_before(*at), Some(Key::By | Key::Every))
                    || matches!(builder.links.get(*at).and_then(Link::key), Some(Key::Grain(_)))
            });
            if let Some(at) = by {
                return told(at, Lack::EachGroup);
            }
        }
        None
    }

    fn has_top(&self) -> bool {
        self.draft
            .constructs
            .iter()
            .any(|construct| matches!(construct, Construct::Top { .. }))
    }

    fn says_absence(&self) -> bool {
        self.draft.query.filters.iter().any(|clause| clause.single().is_none())
    }

    fn orders_by(&self, name: &str) -> bool {
        self.draft.query.order.iter().any(|order| order.by == name)
    }

    /// Whether things are listed that many rows belong to, such as artists, and not single rows.
    fn groups_things(&self) -> bool {
        self.draft.query.dimensions.iter().any(|name| {
            self.builder
                .catalogue
                .dimension(name)
                .is_some_and(|dimension| dimension.column.is_some())
        })
    }

    /// Every word that was not used is said back.
    fn leftovers(&mut self) {
        let builder = self.builder;
        let mut known = vec![false; builder.tokens.len()];
        for (at, link) in builder.links.iter().enumerate() {
            // Words of the sentence itself say nothing that could be lost.
            let silent = matches!(
                link.key(),
                Some(
                    Key::By
                        | Key::SortBy
                        | Key::Which
                        | Key::List
                        | Key::Count
                        | Key::And
                        | Key::With
                        | Key::GoOn
                        | Key::Only
                        | Key::Every
                        | Key::Will
                        | Key::Preposition
                        | Key::Filler
                )
            );
            let silent = silent || builder.is_question_word(at);
            if silent || self.used.get(at) == Some(&true) {
                for slot in known.iter_mut().take(link.end()).skip(link.at) {
                    *slot = true;
                }
            }
        }
        for (at, link) in builder.links.iter().enumerate() {
            if (link.at..link.end()).any(|token| known.get(token) == Some(&false)) && self.used.get(at) != Some(&true) {
                self.draft.misplaced.extend(link.at..link.end());
            }
        }
        for link in builder
            .links
            .iter()
            .filter(|link| link.length > 1 && link.key() == Some(Key::Filler))
        {
            self.draft.understood.push(Understood {
                words: builder.words(link),
                meaning: "as it is".to_owned(),
            });
        }
        let is_linked = |at: &usize| builder.links.iter().any(|link| (link.at..link.end()).contains(at));
        self.draft.unlinked = (0..builder.tokens.len()).filter(|at| !is_linked(at)).collect();
        self.draft.unknown = known
            .iter()
            .enumerate()
            .filter(|(_, known)| !**known)
            .map(|(at, _)| at)
            .collect();
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
