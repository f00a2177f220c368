//! Comparisons: with the time before, between two periods, growth, and one side against another.

use super::*;
use crate::construct::pair;
use concert_contract::query::Comparison;

impl Builder<'_> {
    /// Words that set two figures side by side, and not only two names.
    pub(super) fn asks_for_change(&self) -> bool {
        self.has_key(|key| {
            matches!(
                key,
                Key::Grow(_) | Key::Than | Key::Baseline(_) | Key::YearEarlier | Key::Over(_) | Key::Change
            )
        }) || self.keys(|key| key == Key::Versus).any(|at| !self.is_bare_versus(at))
    }

    /// Words beside "the year before" by which it is compared with, and not asked for by itself.
    pub(super) fn asks_for_change_beside_baselines(&self) -> bool {
        self.has_key(|key| {
            matches!(
                key,
                Key::Grow(_) | Key::Than | Key::Versus | Key::Over(_) | Key::Change | Key::More(_)
            )
        })
    }

    /// "A vs B" and "compare A and B" name two equal sides.
    pub(super) fn is_bare_versus(&self, at: usize) -> bool {
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
    pub(super) fn is_compared(&self) -> bool {
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
        // "monthly revenue 2025 vs 2024": each month beside that of the year before.
        let is_course =
            whole_years && versus && builder.has_key(|key| matches!(key, Key::Grain(unit) if unit < Grain::Year));
        let sides_of_time = versus && !whole_years;
        let told = |period: &Period| format!("period {}", concert_contract::insight::period_text(period));
        // "year to date vs last year": the same days of the year before.
        let to_date = periods.iter().position(|(at, _)| {
            builder.links.get(*at).is_some_and(|link| {
                (link.at..link.end()).any(|token| matches!(builder.word(token), Some("ytd" | "date")))
            })
        });
        if let (Some(main), true) = (to_date, whole_years && (versus || builder.asks_for_change())) {
            let (main_at, main, other_at) = if main == 0 {
                (first_at, first, second_at)
            } else {
                (second_at, second, first_at)
            };
            self.draft.query.period = Some(main.clone());
            self.tell(*main_at, told(main));
            self.take(
                *other_at,
                "the same time last year",
                Construct::Compare(Comparison::SamePeriodLastYear),
            );
            self.mark(|key| matches!(key, Key::Versus | Key::Than));
            self.draft.has_scope = true;
            return true;
        }
        if !builder.asks_for_change() && !sides_of_time && !is_course {
            return false;
        }
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
            (Some((main, Comparison::PreviousPeriod)), _) if whole_years => (main, Construct::Against(Grain::Year)),
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
        // "up on last year", "grown from last month"
        let is_base = builder
            .links
            .get(at)
            .and_then(|link| builder.word(link.at))
            .is_some_and(|word| matches!(word, "on" | "from" | "over"))
            && builder
                .links
                .get(at)
                .and_then(|link| builder.word(link.at + 1))
                .is_some_and(|word| word != "the");
        let Some(key_at) = builder.before(at).filter(|index| {
            builder
                .links
                .get(*index)
                .and_then(Link::key)
                .is_some_and(|key| match key {
                    // "compare last month to …" begins with what is asked for.
                    Key::Versus => builder.before(*index).is_some() || !builder.is_bare_versus(*index),
                    Key::Than => true,
                    Key::Grow(_) => {
                        is_base
                            || builder.links.get(at).and_then(|l| builder.word(l.at.checked_sub(1)?)) == Some("from")
                    }
                    _ => false,
                })
        }) else {
            return false;
        };
        self.tell(key_at, "compared".to_owned());
        self.take(at, "compared with the time before", Construct::Against(*unit));
        true
    }

    /// "against 2024", as a whole question: what the period of the turn before is compared with.
    pub(super) fn period_against_before(&mut self, at: usize, period: &Period) -> bool {
        let builder = self.builder;
        let versus = builder
            .before(at)
            .filter(|index| builder.links.get(*index).and_then(Link::key) == Some(Key::Versus));
        let names_more = (0..builder.links.len()).any(|index| {
            builder.is_noun(index)
                || builder
                    .links
                    .get(index)
                    .is_some_and(|link| link.is_value() || link.ranks())
        });
        let Some(versus) = versus.filter(|_| builder.follows && !names_more) else {
            return false;
        };
        self.tell(versus, "compared".to_owned());
        self.take(
            at,
            "what it is compared with",
            Construct::AgainstPeriod(period.clone(), builder.today),
        );
        self.draft.goes_on = true;
        true
    }

    pub(super) fn baselines(&mut self) {
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
    pub(super) fn growth(&mut self) {
        let builder = self.builder;
        // "why did it drop in March": asked of the figure before.
        let asks_why = builder.has_key(|key| key == Key::Beyond(Lack::Reason));
        if asks_why && builder.follows && !self.draft.has_metrics {
            self.mark(|key| matches!(key, Key::Grow(_) | Key::Change));
            return;
        }
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
        if !things
            && !self.is_compared()
            && self.draft.query.grain.is_none()
            && matches!(self.draft.query.period, None | Some(Period::Between { to: None, .. }))
        {
            self.draft.query.grain = Some(self.trend_grain());
            self.draft.has_groups = true;
        }
        if !self.is_compared() {
            self.draft.constructs.push(Construct::AgainstBefore);
        }
        self.tell(at, "against the time before".to_owned());
        self.draft.is_explicit = true;
        self.mark(|key| matches!(key, Key::Grow(_) | Key::Change | Key::Than));
        if let Some(change) = self.change.take() {
            self.draft.constructs.push(change);
            return;
        }
        let by_time = self.draft.query.grain.is_some();
        if !things && !by_time {
            return;
        }
        let fast = builder.keys(|key| matches!(key, Key::Fast(_))).next();
        let ranked = builder
            .keys(|key| matches!(key, Key::RankBy(_) | Key::RankThings(_)))
            .chain((0..builder.links.len()).filter(|at| builder.reading(*at, |r| matches!(r, Reading::Rank(..)))))
            .next();
        // "which month grew the most", and not "revenue by month and the fastest growing".
        if let Some(rank_at) = fast.or(ranked).filter(|_| !by_time || !things) {
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
        if by_time {
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
            (link.at..link.end()).any(|token| {
                builder
                    .tokens
                    .get(token)
                    .is_some_and(|token| NOUNS.contains(&token.text.to_lowercase().as_str()))
            }) && !matches!(builder.key_before(at), Some(Key::Which))
        });
        if !is_noun {
            self.draft.constructs.push(Construct::Changed(way));
        }
    }

    /// "from 2023 to 2024": the growth is that of the second year.
    pub(super) fn one_of_two_years(&mut self) {
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
    pub(super) fn more_than(&mut self) {
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
            if self.metrics.is_empty() {
                self.draft.guesses += 1;
                self.metrics.push((builder.default_metric(true), at));
            }
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

    pub(super) fn peers(&mut self) {
        let builder = self.builder;
        if let Some(at) = builder.keys(|key| matches!(key, Key::BesideAverage(_))).next()
            && let Some(Key::BesideAverage(direction)) = builder.links.get(at).and_then(Link::key)
            && !self.metrics.is_empty()
            && !self.draft.query.dimensions.is_empty()
        {
            self.take(
                at,
                "against the average of the others",
                Construct::BesideAverage(direction),
            );
            return;
        }
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
}
