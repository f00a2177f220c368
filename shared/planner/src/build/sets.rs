//! Sets of things: what is absent, what is both, what is nothing else, and the first of each group.

use super::*;
use crate::construct::exists;
use concert_contract::query::Exists;

/// Rows in each group of a ranking whose length nobody said.
const RANKED_ROWS_PER_GROUP: u32 = 3;

/// What is said not to have happened, or to have: everything behind the word.
#[derive(Debug, Default)]
pub(super) struct Region {
    /// The link of "never", "no", "without".
    pub(super) from: usize,
    /// The dimension whose things are meant.
    pub(super) things: usize,
    pub(super) filters: Vec<Filter>,
    pub(super) period: Option<Period>,
    pub(super) having: Vec<MetricFilter>,
    pub(super) of: Option<usize>,
    /// The link of who did not: "cities where Nova Tide has not played".
    pub(super) subject: Option<usize>,
}

impl Region {
    /// Whether a link is a part of what did not happen.
    pub(super) fn holds(&self, at: usize) -> bool {
        at > self.from || self.subject == Some(at)
    }
}

impl Builder<'_> {
    /// The things that a word about absence is said of: the last ones named before it.
    pub(super) fn things_before(&self, at: usize) -> Option<usize> {
        (0..at).rev().find_map(|index| {
            let link = self.links.get(index)?;
            let of_noun = || {
                let [_, many] = self.metric(link.metric()?)?.noun.as_ref()?;
                self.catalogue
                    .dimensions
                    .iter()
                    .position(|dimension| dimension.plural == *many)
            };
            let index = link.dimension().or_else(of_noun)?;
            let dimension = self.dimension(index)?;
            // Of what has no column of its own, such as a single concert, nothing can be absent.
            dimension.column.as_ref()?;
            (!dimension.column_type.is_number()).then_some(index)
        })
    }

    /// The region of a question that speaks of what is not there.
    pub(super) fn absence(&self) -> Option<Region> {
        let from = self.links.iter().enumerate().position(|(at, link)| match link.key() {
            Some(Key::Never) => true,
            Some(Key::Not) => {
                let names_noun = self.after(at).is_some_and(|next| {
                    self.links
                        .get(next)
                        .is_some_and(|link| link.metric().is_some() && self.entity_noun(link))
                });
                let without_value = self.word(link.at) == Some("without");
                self.negates_verb(at) || names_noun || without_value && self.entity_follows(at)
            }
            _ => false,
        })?;
        let things = self.things_before(from)?;
        Some(Region {
            from,
            things,
            subject: self.subject_of(from),
            ..Region::default()
        })
    }

    /// Who has not: the name right before the negated verb, unless a preposition says that it is a place.
    fn subject_of(&self, negation: usize) -> Option<usize> {
        const AUXILIARIES: [&str; 8] = ["has", "have", "had", "did", "does", "do", "hasnt", "was"];
        let mut end = self.links.get(negation)?.at;
        while end > 0 && self.word(end - 1).is_some_and(|word| AUXILIARIES.contains(&word)) {
            end -= 1;
        }
        let subject = self
            .links
            .iter()
            .position(|link| link.end() == end && link.is_value())?;
        let lead = self
            .links
            .get(subject)
            .and_then(|link| self.word(link.at.checked_sub(1)?));
        let is_place = matches!(
            lead,
            Some("in" | "at" | "from" | "near" | "of" | "for" | "by" | "on" | "to" | "and" | "or")
        );
        (!is_place).then_some(subject)
    }

    /// Whether a noun stands for single rows: concerts.
    pub(super) fn entity_noun(&self, link: &Link) -> bool {
        let counted = self.counted().map(|(index, _)| index);
        link.dimension().is_some_and(|index| self.is_entity(index)) || link.metric() == counted && counted.is_some()
    }

    pub(super) fn entity_follows(&self, at: usize) -> bool {
        self.links.iter().skip(at + 1).any(|link| self.entity_noun(link))
    }
}

impl Assembly<'_, '_> {
    /// "venues that never sold out", "artists who have not played this year".
    pub(super) fn absent(&mut self) {
        let builder = self.builder;
        let Some(region) = self.region.take() else { return };
        let Some(things) = builder.dimension(region.things) else {
            return;
        };
        let counted = builder.counted().map(|(_, metric)| metric.name.clone());
        let of = region
            .of
            .and_then(|index| builder.metric(index))
            .map(|metric| metric.name.clone());
        let says_what = builder.after(region.from).is_some() || region.subject.is_some();
        let Some(of) = of.or(counted).filter(|_| says_what) else {
            return;
        };
        let per = if region.having.is_empty() {
            Vec::new()
        } else {
            builder
                .entity()
                .and_then(|index| builder.dimension(index))
                .map(|d| d.name.clone())
                .into_iter()
                .collect()
        };
        // "venues with jazz but no rock": both are said of the venue, and not of single concerts.
        if self.draft.query.having.is_empty() {
            for clause in &mut self.draft.query.filters {
                let parallel = clause.single().filter(|filter| {
                    filter.dimension != things.name
                        && filter.op == Operator::In
                        && region.filters.iter().any(|other| other.dimension == filter.dimension)
                });
                if parallel.is_some() {
                    *clause = exists(
                        Exists {
                            dimension: things.name.clone(),
                            of: of.clone(),
                            filters: vec![clause.clone()],
                            period: self.draft.query.period.clone().or_else(|| region.period.clone()),
                            ..Exists::default()
                        },
                        false,
                    );
                }
            }
        } else if self.draft.query.period.is_none() {
            self.draft.query.period.clone_from(&region.period);
        }
        self.draft.query.filters.push(exists(
            Exists {
                dimension: things.name.clone(),
                of,
                filters: region.filters.into_iter().map(Into::into).collect(),
                per,
                having: region.having.into_iter().map(Into::into).collect(),
                period: region.period,
            },
            true,
        ));
        self.tell(region.from, "what is not there".to_owned());
        self.draft.is_explicit = true;
        self.draft.has_scope = true;
        // Those that have none at all are among them: they are listed by themselves, not by their rows.
        let own = builder
            .catalogue
            .metrics
            .iter()
            .position(|metric| metric.noun.as_ref().is_some_and(|[_, many]| *many == things.plural));
        let is_default = self
            .metrics
            .iter()
            .all(|(metric, _)| Some(*metric) == builder.counted().map(|(i, _)| i));
        if let Some(own) = own.filter(|own| is_default && builder.is_available(*own)) {
            self.metrics = vec![(own, region.from)];
        }
    }

    /// "both A and B", "A but not B", "only A", "also A": sets of things, and not rows that meet all at once.
    pub(super) fn sets(&mut self) {
        let builder = self.builder;
        let Some(things) = self
            .draft
            .query
            .dimensions
            .iter()
            .filter_map(|name| builder.catalogue.dimension(name))
            .find(|dimension| dimension.column.is_some() && !dimension.column_type.is_number())
            .cloned()
        else {
            return;
        };
        let Some((_, counted)) = builder.counted() else { return };
        let period = self.draft.query.period.clone();
        let has = |filter: Filter, is_absent: bool| {
            exists(
                Exists {
                    dimension: things.name.clone(),
                    of: counted.name.clone(),
                    filters: vec![filter.into()],
                    period: period.clone(),
                    ..Exists::default()
                },
                is_absent,
            )
        };
        // "played in 2024 but not in 2025"
        if !self.not_periods.is_empty() && self.draft.query.grain.is_none() {
            let filters = std::mem::take(&mut self.draft.query.filters);
            let during = |period: &Option<Period>, is_absent: bool| {
                exists(
                    Exists {
                        dimension: things.name.clone(),
                        of: counted.name.clone(),
                        filters: filters.clone(),
                        period: period.clone(),
                        ..Exists::default()
                    },
                    is_absent,
                )
            };
            let mut clauses: Vec<FilterClause> = Vec::new();
            if period.is_some() || !filters.is_empty() {
                clauses.push(during(&period, false));
            }
            for (at, period) in std::mem::take(&mut self.not_periods) {
                clauses.push(during(&Some(period), true));
                self.tell(at, "not then".to_owned());
            }
            self.draft.query.period = None;
            self.draft.query.filters = clauses;
            self.draft.has_scope = true;
            return;
        }
        let of_others = |filter: &Filter| filter.dimension != things.name;
        let position = |wanted: Key| builder.keys(move |key| key == wanted).next();
        let filters: Vec<Filter> = self.draft.query.conditions().into_iter().cloned().collect();
        let mut replaced: Vec<(Filter, Vec<FilterClause>)> = Vec::new();
        let mut used: Vec<(usize, &str)> = Vec::new();
        if let Some(at) = position(Key::Both) {
            for filter in filters
                .iter()
                .filter(|f| f.op == Operator::In && f.values.len() > 1 && of_others(f))
            {
                let each = filter.values.iter().map(|value| {
                    let one = Filter {
                        values: vec![value.clone()],
                        op: Operator::Equal,
                        dimension: filter.dimension.clone(),
                    };
                    has(one, false)
                });
                replaced.push((filter.clone(), each.collect()));
                used.push((at, "each of them"));
            }
        }
        let only = builder.keys(|key| key == Key::Only).find(|at| {
            // "artists who only played …"; "theaters only, by city" is a condition like any other.
            !builder.is_at_an_end(*at) && self.group_links.iter().any(|group| group < at)
        });
        let only = only.or_else(|| {
            builder.keys(|key| key == Key::Beyond(Lack::All)).find(|at| {
                let link = builder.links.get(*at);
                link.is_some_and(|link| matches!(builder.word(link.at), Some("exclusively" | "solely")))
            })
        });
        if let Some(at) = only {
            for filter in filters.iter().filter(|f| f.op == Operator::In && of_others(f)) {
                let elsewhere = Filter {
                    op: Operator::NotIn,
                    ..filter.clone()
                };
                replaced.push((filter.clone(), vec![filter.clone().into(), has(elsewhere, true)]));
                used.push((at, "nothing else"));
            }
        }
        if let Some(at) = position(Key::Also) {
            for filter in filters.iter().filter(|f| f.op == Operator::In && of_others(f)) {
                // "Chicago and also Austin": each of them.
                let each = filter.values.iter().map(|value| {
                    let one = Filter {
                        values: vec![value.clone()],
                        op: Operator::Equal,
                        dimension: filter.dimension.clone(),
                    };
                    has(one, false)
                });
                let clauses = if filter.values.len() > 1 {
                    each.collect()
                } else {
                    vec![has(filter.clone(), false)]
                };
                replaced.push((filter.clone(), clauses));
                used.push((at, "also"));
            }
        }
        // "in Chicago but not in Boston"
        for filter in filters.iter().filter(|f| f.op == Operator::NotIn && of_others(f)) {
            let inside = filters
                .iter()
                .find(|other| other.dimension == filter.dimension && other.op == Operator::In);
            if let (Some(inside), Some(at)) = (inside, position(Key::Not)) {
                let outside = Filter {
                    op: Operator::In,
                    ..filter.clone()
                };
                replaced.push((inside.clone(), vec![has(inside.clone(), false)]));
                replaced.push((filter.clone(), vec![has(outside, true)]));
                used.push((at, "but not"));
            }
        }
        for (filter, clauses) in replaced {
            self.draft
                .query
                .filters
                .retain(|clause| clause.single() != Some(&filter));
            self.draft.query.filters.extend(clauses);
        }
        for (at, meaning) in used {
            self.tell(at, meaning.to_owned());
        }
    }

    /// "top 3 artists in each city", "the best venue of every state", "highest grossing artist by year".
    pub(super) fn tops(&mut self) {
        let builder = self.builder;
        let query = &self.draft.query;
        let (Some(limit), Some(order)) = (query.limit, query.order.first().cloned()) else {
            return;
        };
        let ranks_by_metric = self
            .metrics
            .iter()
            .any(|(metric, _)| builder.metric(*metric).is_some_and(|metric| metric.name == order.by));
        let groups: Vec<String> = query
            .dimensions
            .iter()
            .filter(|name| !self.orders_by(name))
            .cloned()
            .collect();
        let grain = query.grain.map(|grain| grain.name().to_owned());
        if !ranks_by_metric || groups.len() + usize::from(grain.is_some()) < 2 {
            return;
        }
        let rank_at = builder.links.iter().position(Link::ranks);
        let Some(rank_at) = rank_at else { return };
        let name_of = |at: usize| {
            let link = builder.links.get(at)?;
            match link.key() {
                Some(Key::Grain(grain)) => Some(grain.name().to_owned()),
                _ => builder
                    .dimension(link.dimension()?)
                    .map(|dimension| match dimension.grain {
                        Some(grain) => grain.name().to_owned(),
                        None => dimension.name.clone(),
                    }),
            }
        };
        let is_per = |at: usize| {
            matches!(builder.key_before(at), Some(Key::By | Key::Every))
                || matches!(builder.links.get(at).and_then(Link::key), Some(Key::Grain(_)))
        };
        let mut per: Vec<String> = self
            .group_links
            .iter()
            .copied()
            .filter(|at| is_per(*at))
            .filter_map(name_of)
            .collect();
        per.sort_unstable();
        per.dedup();
        per.retain(|name| groups.contains(name) || Some(name) == grain.as_ref());
        // What is ranked is what stands nearest to the ranking word; where every group was introduced alike, so it
        // is told apart.
        if per.len() == groups.len() + usize::from(grain.is_some()) {
            // "month with the highest revenue each year": what no "each" leads to.
            let is_led = |at: usize| matches!(builder.key_before(at), Some(Key::By | Key::Every));
            let ranked = self
                .group_links
                .iter()
                .copied()
                .min_by_key(|at| (is_led(*at), at.abs_diff(rank_at)))
                .and_then(name_of);
            per.retain(|name| Some(name) != ranked.as_ref());
        }
        if per.is_empty() {
            return;
        }
        let said = builder
            .links
            .iter()
            .any(|link| link.readings.iter().any(|r| matches!(r, Reading::Number(_))));
        let n = match (limit, said) {
            (RANKED_ROWS, false) => RANKED_ROWS_PER_GROUP,
            (limit, _) => limit,
        };
        for at in self.group_links.clone() {
            if name_of(at).is_some_and(|name| per.contains(&name))
                && let Some(by) = builder.before(at)
                && matches!(builder.links.get(by).and_then(Link::key), Some(Key::By | Key::Every))
            {
                self.quietly(by);
            }
        }
        self.draft.constructs.push(Construct::Top {
            n,
            per,
            direction: order.direction,
        });
    }
}
