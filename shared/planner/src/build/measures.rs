//! What is made of a figure: shares, statistics of single values, windows over time, and places in a ranking.

use super::*;
use concert_contract::query::{Comparison, Statistic, Window};

/// Stretches of a moving average whose length nobody said.
const AVERAGED_STRETCHES: u32 = 3;

impl Assembly<'_, '_> {
    pub(super) fn shares(&mut self) {
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
        // "what proportion of seats were taken": the figure is a share already.
        let is_share = |metric: usize| {
            builder
                .metric(metric)
                .is_some_and(|metric| metric.unit == Unit::Percent)
        };
        if let Some((_, figure)) = self.metrics.first().filter(|(metric, _)| is_share(*metric))
            && builder.after(at) == Some(*figure)
        {
            self.tell(at, "the figure is one".to_owned());
            return;
        }
        if self.draft.query.dimensions.is_empty() {
            match self.part_of_whole(at) {
                Some(dimension) => self.draft.constructs.push(Construct::Focus(dimension)),
                None if self.draft.query.grain.is_some() => {}
                None => return,
            }
        }
        self.take(at, "share of the total", Construct::Compare(Comparison::ShareOfTotal));
        self.mark(|key| key == Key::Share);
    }

    /// Which of the values named is the part whose share is asked for: "Chicago's share of revenue", "the share of
    /// tickets that is sold online".
    pub(super) fn part_of_whole(&self, share: usize) -> Option<String> {
        let builder = self.builder;
        let of = |at: usize| {
            let link = builder.links.get(at)?;
            let named = |name: &str| {
                let index = builder
                    .catalogue
                    .dimensions
                    .iter()
                    .position(|dimension| dimension.name == name);
                let part = index
                    .and_then(|index| builder.dimension(index))
                    .and_then(|dimension| dimension.part);
                link.readings.iter().any(|reading| match reading {
                    Reading::Value { dimension, .. } | Reading::Part { dimension, .. } => Some(*dimension) == index,
                    Reading::Time(Time::Weekdays(_)) => part == Some(TimePart::Weekday),
                    Reading::Time(Time::Months(_)) => part == Some(TimePart::MonthOfYear),
                    Reading::Time(Time::Quarters(_)) => part == Some(TimePart::QuarterOfYear),
                    _ => false,
                })
            };
            let conditions = self.draft.query.conditions();
            conditions
                .iter()
                .map(|filter| filter.dimension.clone())
                .find(|name| named(name))
        };
        // "what place does Austin take among arenas": who takes it comes first.
        let asks_place = builder.links.get(share).and_then(Link::key) == Some(Key::Rank);
        let behind = || {
            if asks_place {
                (share..builder.links.len()).find_map(of)
            } else {
                (share..builder.links.len()).rev().find_map(of)
            }
        };
        let ahead = if asks_place {
            (0..share).find_map(of)
        } else {
            (0..share).rev().find_map(of)
        };
        ahead.or_else(behind)
    }

    /// "min and max attendance", "average, minimum and maximum revenue": several statistics of one amount.
    pub(super) fn statistics_list(&mut self) {
        let builder = self.builder;
        let of = |at: usize| {
            let link = builder.links.get(at)?;
            match link.key()? {
                Key::Median => Some(Statistic::Median),
                Key::Average => Some(Statistic::Average),
                Key::RankBy(direction) if link.length == 1 => match (direction, builder.word(link.at)?) {
                    (Direction::Descending, "max" | "maximum" | "highest" | "largest" | "peak") => {
                        Some(Statistic::Maximum)
                    }
                    (Direction::Ascending, "min" | "minimum" | "lowest" | "smallest") => Some(Statistic::Minimum),
                    _ => None,
                },
                _ => None,
            }
        };
        let amount = self.metrics.iter().find(|(metric, _)| {
            builder.metric(*metric).is_some_and(|metric| {
                metric
                    .sources
                    .iter()
                    .all(|source| source.aggregate == Aggregate::Sum && source.over.is_none())
            })
        });
        let Some((_, figure)) = amount.copied() else { return };
        let mut at = figure;
        let mut found = Vec::new();
        while let Some(before) = builder.before(at) {
            match of(before) {
                Some(statistic) => found.push((before, statistic)),
                None if builder.links.get(before).and_then(Link::key) == Some(Key::And) => {}
                None => break,
            }
            at = before;
        }
        if found.len() < 2 || self.metrics.len() > 1 {
            return;
        }
        found.reverse();
        for (at, _) in &found {
            self.tell(*at, "a statistic of single values".to_owned());
        }
        self.listed = found.iter().map(|(at, _)| *at).collect();
        self.draft.constructs.push(Construct::Statistics(
            found.into_iter().map(|(_, statistic)| statistic).collect(),
        ));
    }

    pub(super) fn statistics(&mut self) {
        let builder = self.builder;
        if !self.listed.is_empty() {
            return;
        }
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
            // "median attendance per show": of the amounts, and not of their average.
            if let Some((first, _)) = self.metrics.first_mut()
                && let Some(sum) = builder
                    .metric(*first)
                    .and_then(|average| crate::construct::sum_of(builder.catalogue, average))
            {
                *first = sum;
            }
            self.take(at, "a statistic of single values", Construct::Statistic(statistic));
        }
        if let Some((at, statistic)) = self.averaged.take() {
            self.take(at, "the mean of single values", Construct::Statistic(statistic));
        }
    }

    /// "90th percentile": the number in its first word.
    pub(super) fn percent_before(&self, at: usize) -> Option<f64> {
        let link = self.builder.links.get(at)?;
        let digits = |token: usize| {
            let word = self.builder.word(token)?;
            let digits: String = word.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            digits.parse::<f64>().ok().filter(|rank| (0.0..=100.0).contains(rank))
        };
        (link.at..link.end()).find_map(digits)
    }

    /// "the maximum attendance at each venue": one figure of each group, and no ranking of groups.
    pub(super) fn is_extreme(&self, at: usize) -> bool {
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

    pub(super) fn windows(&mut self) {
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

    pub(super) fn places(&mut self) {
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
                    let part = self.part_of_whole(at);
                    // "where does …", which asks for a place in the ranking and not for cities.
                    if let Some(name) = &part {
                        let asked: Vec<String> = self
                            .group_links
                            .iter()
                            .filter(|group| builder.is_question_word(**group))
                            .filter_map(|group| builder.dimension(builder.links.get(*group)?.dimension()?))
                            .map(|dimension| dimension.name.clone())
                            .filter(|asked| asked != name)
                            .collect();
                        self.draft.query.dimensions.retain(|name| !asked.contains(name));
                        // "which rank does Austin hold"
                        for (held, link) in builder.links.iter().enumerate() {
                            let is_verb = builder
                                .word(link.at)
                                .is_some_and(|word| matches!(word, "hold" | "holds" | "held"));
                            if is_verb && self.roles.get(held) == Some(&Role::None) {
                                self.tell(held, "its place".to_owned());
                            }
                        }
                    }
                    let kinds = self.draft.groups_are_kinds;
                    if kinds
                        && part
                            .as_ref()
                            .is_some_and(|name| self.draft.query.dimensions != [name.clone()])
                    {
                        self.draft.query.dimensions.clear();
                    }
                    let part = part.filter(|name| {
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
}
