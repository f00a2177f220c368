//! Which constructs a question asks for: each is found by its words, checked against what else was said, and either
//! taken or left, in which case the question is refused with the reason.

use super::*;
use crate::construct::{Construct, exists, pair};
use concert_contract::query::{Comparison, Exists, Statistic, Window};

/// Rows in each group of a ranking whose length nobody said.
const RANKED_ROWS_PER_GROUP: u32 = 3;
/// Stretches of a moving average whose length nobody said.
const AVERAGED_STRETCHES: u32 = 3;

/// What is said not to have happened, or to have: everything behind the word.
#[derive(Debug, Default)]
pub(super) struct Region {
    /// The link of "never", "no", "without".
    pub from: usize,
    /// The dimension whose things are meant.
    pub things: usize,
    pub filters: Vec<Filter>,
    pub period: Option<Period>,
    pub having: Vec<MetricFilter>,
    pub of: Option<usize>,
}

impl Builder<'_> {
    fn keys(&self, wanted: impl Fn(Key) -> bool) -> impl Iterator<Item = usize> {
        self.links
            .iter()
            .enumerate()
            .filter(move |(_, link)| link.key().is_some_and(&wanted))
            .map(|(at, _)| at)
    }

    fn has_key(&self, wanted: impl Fn(Key) -> bool) -> bool {
        self.keys(wanted).next().is_some()
    }

    /// The things that a word about absence is said of: the last ones named before it.
    fn things_before(&self, at: usize) -> Option<usize> {
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
            ..Region::default()
        })
    }

    /// Whether a noun stands for single rows: concerts.
    fn entity_noun(&self, link: &Link) -> bool {
        let counted = self.counted().map(|(index, _)| index);
        link.dimension().is_some_and(|index| self.is_entity(index)) || link.metric() == counted && counted.is_some()
    }

    fn entity_follows(&self, at: usize) -> bool {
        self.links.iter().skip(at + 1).any(|link| self.entity_noun(link))
    }

    /// Words that set two figures side by side, and not only two names.
    fn asks_for_change(&self) -> bool {
        self.has_key(|key| {
            matches!(
                key,
                Key::Grow(_) | Key::Than | Key::Baseline(_) | Key::YearEarlier | Key::Over(_) | Key::Change
            )
        }) || self.keys(|key| key == Key::Versus).any(|at| !self.is_bare_versus(at))
    }

    /// Words beside "the year before" by which it is compared with, and not asked for by itself.
    fn asks_for_change_beside_baselines(&self) -> bool {
        self.has_key(|key| {
            matches!(
                key,
                Key::Grow(_) | Key::Than | Key::Versus | Key::Over(_) | Key::Change | Key::More(_)
            )
        })
    }

    /// "A vs B" and "compare A and B" name two equal sides.
    fn is_bare_versus(&self, at: usize) -> bool {
        self.links.get(at).is_some_and(|link| {
            link.length == 1
                && matches!(
                    self.word(link.at),
                    Some("vs" | "versus" | "v" | "compare" | "compared" | "comparing")
                )
        })
    }
}

impl Assembly<'_, '_> {
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

    fn is_compared(&self) -> bool {
        self.draft.constructs.iter().any(|construct| {
            matches!(
                construct,
                Construct::Compare(Comparison::PreviousPeriod | Comparison::SamePeriodLastYear)
                    | Construct::Against(_)
                    | Construct::AgainstBefore
            )
        })
    }

    /// Two periods of which one is what the other is compared with. True where they were.
    pub(super) fn two_periods(&mut self, periods: &[(usize, Period)]) -> bool {
        let builder = self.builder;
        let [(first_at, first), (second_at, second)] = periods else {
            return false;
        };
        let whole_years = whole_year(first, builder.today).is_some() && whole_year(second, builder.today).is_some();
        let versus = builder.has_key(|key| key == Key::Versus);
        let sides_of_time = versus && !whole_years;
        if !builder.asks_for_change() && !sides_of_time {
            return false;
        }
        let told = |period: &Period| format!("period {}", concert_contract::insight::period_text(period));
        // "Q2 2025 compared to the previous quarter": the one before that one, not before today.
        let relative = match second {
            Period::Relative {
                unit,
                offset: -1,
                count: 1,
            } if builder
                .before(*second_at)
                .and_then(|at| builder.links.get(at)?.key())
                .is_some_and(|key| matches!(key, Key::Versus | Key::Than)) =>
            {
                Some(*unit)
            }
            _ => None,
        };
        let (main, construct) = match (pair(first, second, builder.today), relative) {
            (Some((main, comparison)), _) => (main, Construct::Compare(comparison)),
            (None, Some(unit)) => (first.clone(), Construct::Against(unit)),
            (None, None) => return false,
        };
        self.draft.query.period = Some(main);
        self.tell(*first_at, told(first));
        self.take(*second_at, &told(second), construct);
        self.mark(|key| matches!(key, Key::Versus | Key::Than));
        self.draft.has_scope = true;
        true
    }

    /// "compared with last year", "than last month": a period that is only compared with.
    pub(super) fn period_to_compare(&mut self, at: usize, period: &Period) -> bool {
        let builder = self.builder;
        let Period::Relative {
            unit,
            offset: -1,
            count: 1,
        } = period
        else {
            return false;
        };
        let Some(key_at) = builder.before(at).filter(|index| {
            builder
                .links
                .get(*index)
                .and_then(Link::key)
                .is_some_and(|key| matches!(key, Key::Versus | Key::Than))
        }) else {
            return false;
        };
        self.tell(key_at, "compared".to_owned());
        self.take(at, "compared with the time before", Construct::Against(*unit));
        true
    }

    /// Everything that is asked beyond figures, groups and conditions.
    pub(super) fn constructs(&mut self) {
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

    fn baselines(&mut self) {
        let builder = self.builder;
        let found: Vec<(usize, Construct)> = builder
            .links
            .iter()
            .enumerate()
            .filter_map(|(at, link)| match link.key()? {
                Key::Baseline(Some(unit)) => Some((at, Construct::Against(unit))),
                Key::Baseline(None) => Some((at, Construct::AgainstBefore)),
                Key::YearEarlier => Some((at, Construct::Compare(Comparison::SamePeriodLastYear))),
                _ => None,
            })
            .collect();
        let is_comparison = builder.asks_for_change_beside_baselines();
        for (at, construct) in found {
            let shifted = match construct {
                // "and the year before": the same question, a year earlier.
                Construct::Against(unit) if !is_comparison => Construct::Earlier(unit),
                other => other,
            };
            self.draft.goes_on |= matches!(shifted, Construct::Earlier(_));
            self.take(at, "the time before", shifted);
        }
        if self.is_compared() {
            self.mark(|key| matches!(key, Key::Versus));
        }
    }

    /// "grew", "fell", "year over year".
    fn growth(&mut self) {
        let builder = self.builder;
        if let Some(at) = builder.keys(|key| matches!(key, Key::Over(_))).next()
            && let Some(Key::Over(grain)) = builder.links.get(at).and_then(Link::key)
        {
            let query = &mut self.draft.query;
            let finer = query.grain.is_some_and(|of| of < grain);
            if query.grain.is_none() {
                query.grain = Some(grain);
                self.draft.has_groups = true;
            }
            let comparison = if finer && grain == Grain::Year {
                Comparison::SamePeriodLastYear
            } else {
                Comparison::PreviousPeriod
            };
            self.take(
                at,
                "each stretch against the one before",
                Construct::Compare(comparison),
            );
            self.mark(|key| matches!(key, Key::Grow(_) | Key::Change));
            return;
        }
        let Some(at) = builder.keys(|key| matches!(key, Key::Grow(_))).next() else {
            if self.is_compared() {
                self.mark(|key| key == Key::Change);
            }
            return;
        };
        let Some(Key::Grow(way)) = builder.links.get(at).and_then(Link::key) else {
            return;
        };
        self.one_of_two_years();
        // "how has revenue grown": its course, with the change of each stretch.
        let things = !self.draft.query.dimensions.is_empty();
        if !things && self.draft.query.grain.is_none() && self.draft.query.period.is_none() {
            self.draft.query.grain = Some(self.trend_grain());
            self.draft.has_groups = true;
        }
        if !self.is_compared() {
            self.draft.constructs.push(Construct::AgainstBefore);
        }
        self.tell(at, "against the time before".to_owned());
        self.draft.is_explicit = true;
        self.mark(|key| matches!(key, Key::Grow(_) | Key::Change | Key::Than));
        if !things || self.draft.query.grain.is_some() {
            return;
        }
        let fast = builder.keys(|key| matches!(key, Key::Fast(_))).next();
        let ranked = builder
            .keys(|key| matches!(key, Key::RankBy(_) | Key::RankThings(_)))
            .chain((0..builder.links.len()).filter(|at| builder.reading(*at, |r| matches!(r, Reading::Rank(..)))))
            .next();
        if let Some(rank_at) = fast.or(ranked) {
            let rank_way = match builder.links.get(rank_at).and_then(Link::key) {
                Some(Key::Fast(way) | Key::RankBy(way) | Key::RankThings(way)) => way,
                _ => Direction::Descending,
            };
            // Who fell the most is who changed the least.
            let direction = if way == rank_way {
                Direction::Descending
            } else {
                Direction::Ascending
            };
            let rows = self.draft.query.limit.unwrap_or_else(|| self.rows_of(rank_at));
            self.tell(rank_at, "in order of the change".to_owned());
            self.draft.query.order.clear();
            self.draft.query.limit = None;
            self.draft.constructs.push(Construct::ByChange {
                direction,
                percent: fast.is_some(),
                rows: Some(rows),
            });
            return;
        }
        const NOUNS: [&str; 8] = [
            "growth",
            "increase",
            "decrease",
            "decline",
            "rise",
            "drop",
            "improvement",
            "gain",
        ];
        let is_noun = builder.links.get(at).is_some_and(|link| {
            (link.at..link.end()).any(|token| builder.word(token).is_some_and(|word| NOUNS.contains(&word)))
                && !matches!(builder.key_before(at), Some(Key::Which))
        });
        if !is_noun {
            self.draft.constructs.push(Construct::Changed(way));
        }
    }

    /// "from 2023 to 2024": the growth is that of the second year.
    fn one_of_two_years(&mut self) {
        if let Some(Period::Between {
            from: Some(from),
            to: Some(to),
        }) = &self.draft.query.period
            && *from == from.first_of_year()
            && *to == to.last_of_year()
            && to.year() == from.year() + 1
            && self.draft.query.grain.is_none()
        {
            self.draft.query.period = Some(Period::Between {
                from: Some(to.first_of_year()),
                to: Some(*to),
            });
        }
    }

    /// "more concerts in 2025 than in 2024", "which have the better attendance rate".
    fn more_than(&mut self) {
        let builder = self.builder;
        let Some(at) = builder.keys(|key| matches!(key, Key::More(_))).next() else {
            return;
        };
        let Some(Key::More(way)) = builder.links.get(at).and_then(Link::key) else {
            return;
        };
        if self.is_compared() {
            self.tell(at, "compared with the time before".to_owned());
            self.mark(|key| matches!(key, Key::Than | Key::More(_)));
            if !self.draft.query.dimensions.is_empty() && self.draft.query.grain.is_none() {
                self.draft.constructs.push(Construct::Changed(way));
            }
            return;
        }
        // "do arenas make more than theaters": a row for each, the first of which answers.
        let sides = self
            .draft
            .query
            .conditions()
            .into_iter()
            .find(|filter| filter.op == Operator::In && filter.values.len() > 1)
            .map(|filter| filter.dimension.clone());
        if let Some(dimension) = sides {
            if !self.draft.query.dimensions.contains(&dimension) {
                self.draft.query.dimensions = vec![dimension];
                self.draft.has_groups = true;
            }
            self.take(
                at,
                "side by side",
                Construct::First {
                    rows: None,
                    direction: way,
                },
            );
            self.mark(|key| matches!(key, Key::Than | Key::More(_) | Key::Versus));
        }
    }

    fn shares(&mut self) {
        let builder = self.builder;
        let Some(at) = builder.keys(|key| key == Key::Share).next() else {
            return;
        };
        if self.metrics.is_empty()
            || builder
                .links
                .iter()
                .any(|l| l.readings.iter().any(|r| matches!(r, Reading::Condition(..))))
        {
            return;
        }
        if self.draft.query.dimensions.is_empty() && self.draft.query.grain.is_none() {
            let Some(dimension) = self.part_of_whole(at) else {
                return;
            };
            self.draft.constructs.push(Construct::Focus(dimension));
        }
        self.take(at, "share of the total", Construct::Compare(Comparison::ShareOfTotal));
        self.mark(|key| key == Key::Share);
    }

    /// Which of the values named is the part whose share is asked for: "Chicago's share of revenue", "the share of
    /// tickets that is sold online".
    fn part_of_whole(&self, share: usize) -> Option<String> {
        let builder = self.builder;
        let of = |at: usize| {
            let link = builder.links.get(at)?;
            let named = |name: &str| {
                let index = builder
                    .catalogue
                    .dimensions
                    .iter()
                    .position(|dimension| dimension.name == name);
                link.readings.iter().any(|reading| match reading {
                    Reading::Value { dimension, .. } | Reading::Part { dimension, .. } => Some(*dimension) == index,
                    _ => false,
                })
            };
            let conditions = self.draft.query.conditions();
            conditions
                .iter()
                .map(|filter| filter.dimension.clone())
                .find(|name| named(name))
        };
        (0..share)
            .rev()
            .find_map(of)
            .or_else(|| (share..builder.links.len()).rev().find_map(of))
    }

    fn statistics(&mut self) {
        let builder = self.builder;
        for at in 0..builder.links.len() {
            let Some(key) = builder.links.get(at).and_then(Link::key) else {
                continue;
            };
            let statistic = match key {
                Key::Median => Statistic::Median,
                Key::Percentile => match self.percent_before(at) {
                    Some(rank) => Statistic::Percentile(rank),
                    None => continue,
                },
                Key::RankBy(direction) if self.is_extreme(at) => match direction {
                    Direction::Descending => Statistic::Maximum,
                    Direction::Ascending => Statistic::Minimum,
                },
                _ => continue,
            };
            if self.metrics.is_empty() {
                continue;
            }
            if matches!(key, Key::RankBy(_)) {
                self.draft.query.order.clear();
                self.draft.query.limit = None;
            }
            self.take(at, "a statistic of single values", Construct::Statistic(statistic));
        }
        if let Some((at, statistic)) = self.averaged.take() {
            self.take(at, "the mean of single values", Construct::Statistic(statistic));
        }
    }

    /// "90th percentile": the number in its first word.
    fn percent_before(&self, at: usize) -> Option<f64> {
        let link = self.builder.links.get(at)?;
        let digits = |token: usize| {
            let word = self.builder.word(token)?;
            let digits: String = word.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            digits.parse::<f64>().ok().filter(|rank| (0.0..=100.0).contains(rank))
        };
        (link.at..link.end()).find_map(digits)
    }

    /// "the maximum attendance at each venue": one figure of each group, and no ranking of groups.
    fn is_extreme(&self, at: usize) -> bool {
        let builder = self.builder;
        const WORDS: [&str; 9] = [
            "maximum", "max", "minimum", "min", "highest", "lowest", "largest", "smallest", "greatest",
        ];
        let says_extreme = builder
            .links
            .get(at)
            .and_then(|link| builder.word(link.at))
            .is_some_and(|w| WORDS.contains(&w));
        let is_amount = builder
            .after(at)
            .and_then(|next| builder.links.get(next)?.metric())
            .is_some_and(|index| {
                builder.metric(index).is_some_and(|metric| {
                    metric
                        .sources
                        .iter()
                        .all(|source| source.aggregate == Aggregate::Sum && source.over.is_none())
                })
            });
        if !says_extreme || !is_amount {
            return false;
        }
        let figure_follows = builder
            .after(at)
            .is_some_and(|next| self.roles.get(next) == Some(&Role::Metric) && builder.touches(at, next));
        let group_behind = self.group_links.iter().all(|group| {
            *group > at
                && (matches!(builder.key_before(*group), Some(Key::By | Key::Every))
                    || matches!(builder.links.get(*group).and_then(Link::key), Some(Key::Grain(_))))
        });
        let asks_which = builder
            .keys(|key| matches!(key, Key::Which | Key::Grow(_)))
            .any(|which| {
                let link = builder.links.get(which);
                link.is_none_or(|link| builder.word(link.at) != Some("what"))
            });
        figure_follows && group_behind && !self.group_links.is_empty() && !asks_which
    }

    fn windows(&mut self) {
        let builder = self.builder;
        for at in 0..builder.links.len() {
            let window = match builder.links.get(at).and_then(Link::key) {
                Some(Key::Running) => Window::RunningTotal,
                Some(Key::Moving) => {
                    let stretches = builder.links.iter().enumerate().find_map(|(number_at, link)| {
                        let count = link.readings.iter().find_map(|reading| match reading {
                            Reading::Number(number) => Some(*number),
                            _ => None,
                        })?;
                        let near =
                            number_at.abs_diff(at) <= 2 && count.fract() == 0.0 && (2.0..=366.0).contains(&count);
                        near.then_some((number_at, count as u32))
                    });
                    if let Some((number_at, count)) = stretches {
                        self.tell(number_at, format!("{count} stretches"));
                    }
                    Window::MovingAverage(stretches.map_or(AVERAGED_STRETCHES, |(_, count)| count))
                }
                _ => continue,
            };
            self.draft.needs_grain = self.draft.query.grain.is_none().then(|| self.trend_grain());
            self.take(at, "over stretches of time", Construct::Window(window));
            self.mark(|key| matches!(key, Key::Trend));
        }
    }

    fn places(&mut self) {
        let builder = self.builder;
        for at in 0..builder.links.len() {
            let key = match builder.links.get(at).map(|link| (link.key(), builder.word(link.at))) {
                // "how does Austin rank by attendance"
                Some((Some(Key::SortBy), Some("rank" | "ranks"))) if self.part_of_whole(at).is_some() => {
                    Some(Key::Rank)
                }
                Some((key, _)) => key,
                None => None,
            };
            match key {
                Some(Key::Place(place)) => {
                    let order = self.draft.query.order.first();
                    let fits = order.is_some_and(|order| {
                        order.direction == Direction::Descending
                            && self.metrics.iter().any(|(metric, _)| {
                                builder.metric(*metric).is_some_and(|metric| metric.name == order.by)
                            })
                    });
                    if fits && !self.draft.query.dimensions.is_empty() {
                        self.take(at, &format!("place {place}"), Construct::Place(place));
                    }
                }
                Some(Key::Rank) => {
                    let part = self.part_of_whole(at).filter(|name| {
                        self.draft.query.dimensions.is_empty() || self.draft.query.dimensions == [name.clone()]
                    });
                    if let Some(dimension) = part.filter(|_| !self.metrics.is_empty()) {
                        self.draft.constructs.push(Construct::Focus(dimension));
                        self.take(at, "its place among all", Construct::Compare(Comparison::Rank));
                        self.draft.query.order.clear();
                        self.draft.query.limit = None;
                    } else if let Some((metric, _)) = self.metrics.first().copied()
                        && self.draft.has_groups
                    {
                        if self.draft.query.order.is_empty() {
                            self.order_by(metric, Direction::Descending);
                        }
                        self.tell(at, "in order".to_owned());
                    }
                }
                _ => {}
            }
        }
    }

    fn peers(&mut self) {
        let builder = self.builder;
        let Some(at) = builder.keys(|key| key == Key::Peers).next() else {
            return;
        };
        let versus = builder.has_key(|key| matches!(key, Key::Versus | Key::Than));
        if !versus || self.metrics.is_empty() || self.is_compared() {
            return;
        }
        let part = self.part_of_whole(at);
        let fits = |name: &String| self.draft.query.dimensions.is_empty() || self.draft.query.dimensions.contains(name);
        match part.filter(fits) {
            Some(dimension) => self.draft.constructs.push(Construct::Focus(dimension)),
            None if self.draft.query.dimensions.is_empty() => return,
            None => {}
        }
        self.take(
            at,
            "against the average of the others",
            Construct::Compare(Comparison::AverageOfPeers),
        );
        self.mark(|key| matches!(key, Key::Peers | Key::Versus | Key::Than | Key::Average));
    }

    // What exists

    /// "venues that never sold out", "artists who have not played this year".
    fn absent(&mut self) {
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
        let (Some(of), Some(_)) = (of.or(counted), builder.after(region.from)) else {
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
    fn sets(&mut self) {
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
        let has = |filter: Filter, is_absent: bool| {
            exists(
                Exists {
                    dimension: things.name.clone(),
                    of: counted.name.clone(),
                    filters: vec![filter.into()],
                    ..Exists::default()
                },
                is_absent,
            )
        };
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
        let only = builder
            .keys(|key| key == Key::Only)
            .find(|at| !builder.is_at_an_end(*at));
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
                replaced.push((filter.clone(), vec![has(filter.clone(), false)]));
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

    // The first of each group

    /// "top 3 artists in each city", "the best venue of every state", "highest grossing artist by year".
    fn tops(&mut self) {
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
        per.dedup();
        per.retain(|name| groups.contains(name) || Some(name) == grain.as_ref());
        // What is ranked is what stands nearest to the ranking word; where every group was introduced alike, so it
        // is told apart.
        if per.len() == groups.len() + usize::from(grain.is_some()) {
            let ranked = self
                .group_links
                .iter()
                .copied()
                .min_by_key(|at| at.abs_diff(rank_at))
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

    // Going on

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
