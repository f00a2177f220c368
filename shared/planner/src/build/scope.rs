//! What narrows a question: values, and times of every kind.

use super::*;

impl Assembly<'_, '_> {
    pub(super) fn scope(&mut self) {
        let builder = self.builder;
        let mut filters: Vec<Filter> = Vec::new();
        // "Seattle rather than Chicago" says twice which of them.
        let mut replaced: Vec<String> = Vec::new();
        // Which link gave which condition, and which of them are joined by "or".
        let mut positions: Vec<(usize, usize)> = Vec::new();
        let mut either: Vec<(usize, usize)> = Vec::new();
        let mut last_negated: Option<(usize, usize)> = None;
        for (at, link) in builder.links.iter().enumerate() {
            let not = builder
                .before(at)
                .filter(|index| builder.links.get(*index).and_then(Link::key) == Some(Key::Not));
            // "with Chicago left aside"
            let not = not.or_else(|| {
                // "stadium shows left out"
                let noun = builder.after(at).filter(|noun| {
                    builder.touches(at, *noun) && builder.links.get(*noun).is_some_and(|link| builder.entity_noun(link))
                });
                let last = noun.unwrap_or(at);
                builder.after(last).filter(|index| {
                    link.is_value()
                        && builder.links.get(*index).and_then(Link::key) == Some(Key::NotBehind)
                        && (builder.touches(last, *index) || builder.adjacent(last, *index))
                })
            });
            // "leaving VIP aside" says it twice.
            if not.is_some()
                && let Some(aside) = builder
                    .after(at)
                    .filter(|index| builder.links.get(*index).and_then(Link::key) == Some(Key::NotBehind))
            {
                self.tell(aside, "left out".to_owned());
            }
            if let Some(not) = not.filter(|not| self.used.get(*not) != Some(&true)) {
                self.tell(not, "left out".to_owned());
            }
            let in_region = self.region.as_ref().is_some_and(|region| region.holds(at));
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
                let is_replaced = not.is_some_and(|index| {
                    builder
                        .links
                        .get(index)
                        .and_then(|link| builder.word(link.at))
                        .is_some_and(|word| matches!(word, "rather" | "instead"))
                });
                let negated = not.is_some() || chained;
                if is_replaced {
                    replaced.push(of.name.clone());
                }
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
                let or = builder.before(at).filter(|index| {
                    builder
                        .links
                        .get(*index)
                        .is_some_and(|link| link.key() == Some(Key::And) && builder.word(link.at) == Some("or"))
                });
                let other = or
                    .and_then(|or| builder.before(or))
                    .and_then(|index| positions.iter().find(|(link, _)| *link == index))
                    .map(|(_, position)| *position);
                let position = merge_filter(&mut filters, filter);
                positions.push((at, position));
                if let Some(other) = other.filter(|other| *other != position) {
                    either.push((other, position));
                }
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
                    } else {
                        self.not_periods.push((at, period.clone()));
                    }
                    continue;
                }
                Time::NoSuchDay | Time::TwoDays => {
                    self.quietly(at);
                    let lack = if *time == Time::NoSuchDay {
                        Lack::NoSuchDay
                    } else {
                        Lack::TwoDays
                    };
                    self.draft.beyond = Some((builder.words(link), lack));
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
        for name in replaced {
            let says_which = filters
                .iter()
                .any(|filter| filter.dimension == name && filter.op == Operator::In);
            if says_which
                && let Some(at) = filters
                    .iter()
                    .position(|filter| filter.dimension == name && filter.op == Operator::NotIn)
            {
                // Places in the list stay what they are.
                if either.is_empty() {
                    filters.remove(at);
                }
            }
        }
        let mut clauses: Vec<Option<FilterClause>> = filters.into_iter().map(|filter| Some(filter.into())).collect();
        for (first, second) in either {
            let one = clauses.get_mut(first).and_then(Option::take);
            let other = clauses.get_mut(second).and_then(Option::take);
            let any: Vec<FilterClause> = match one {
                Some(FilterClause::Any { any }) => any.into_iter().chain(other).collect(),
                one => one.into_iter().chain(other).collect(),
            };
            if let Some(slot) = clauses.get_mut(second) {
                *slot = Some(FilterClause::Any { any });
            }
        }
        self.draft.query.filters = clauses.into_iter().flatten().collect();
        self.periods();
    }

    /// Which value a link means, and the filters of what else it could mean.
    pub(super) fn choose_value(&mut self, at: usize, link: &Link) -> Option<(usize, Reading, Vec<Filter>)> {
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

    /// "customers in Texas": where they are, where the data says so of them, and not where they went. Where it does not,
    /// the other is a guess.
    pub(super) fn place_of_counted(&mut self) {
        let builder = self.builder;
        let [(metric, at)] = self.metrics.as_slice() else {
            return;
        };
        let Some(counted) = builder.metric(*metric).filter(|metric| {
            metric.noun.is_some() && metric.sources.iter().all(|s| s.aggregate == Aggregate::CountDistinct)
        }) else {
            return;
        };
        let preposition = Some(at + 1).filter(|next| {
            builder.touches(*at, *next)
                && builder
                    .links
                    .get(*next)
                    .is_some_and(|link| matches!(builder.word(link.at), Some("in" | "from" | "of")))
        });
        let Some(place) = preposition
            .and_then(|preposition| builder.after(preposition))
            .and_then(|place| builder.links.get(place))
        else {
            return;
        };
        // The table that the key of what is counted leads to.
        let own = builder.catalogue.joins.iter().find_map(|join| {
            let leads = counted.sources.iter().any(|source| source.of == join.from);
            leads.then(|| join.to.split('.').next().map(str::to_owned)).flatten()
        });
        let Some(own) = own else { return };
        for filter in self.draft.query.filters.iter_mut().filter_map(FilterClause::single_mut) {
            let Some(of) = builder.catalogue.dimension(&filter.dimension) else {
                continue;
            };
            let is_said = place.readings.iter().any(|reading| match reading {
                Reading::Value { dimension, .. } => builder
                    .dimension(*dimension)
                    .is_some_and(|d| d.name == filter.dimension),
                _ => false,
            });
            let Some((table, column)) = of.column.as_deref().and_then(|column| column.split_once('.')) else {
                continue;
            };
            if !is_said || table == own {
                continue;
            }
            let wanted = format!("{own}.{column}");
            let theirs = builder.catalogue.dimensions.iter().find(|dimension| {
                dimension.column.as_deref() == Some(wanted.as_str())
                    && filled_dimension(dimension, builder.catalogue, builder.state)
            });
            let may_be = builder
                .catalogue
                .dimensions
                .iter()
                .any(|dimension| dimension.column.as_deref() == Some(wanted.as_str()));
            match theirs {
                Some(theirs) => filter.dimension.clone_from(&theirs.name),
                None => self.draft.guesses += usize::from(may_be),
            }
        }
    }

    /// One period filters; several whole years are compared; anything else with two is not understood.
    pub(super) fn periods(&mut self) {
        let periods = std::mem::take(&mut self.periods);
        match periods.as_slice() {
            [] => {}
            [(at, period)] if self.period_to_compare(*at, period) => {}
            [(at, period)] if self.period_against_before(*at, period) => {}
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
                } else if let Some(whole) = touching_periods(several, self.builder.today) {
                    self.draft.query.period = Some(whole);
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

    pub(super) fn is_one_year(&self) -> bool {
        self.draft.query.period.as_ref().is_some_and(|period| {
            let days = period.resolve(self.builder.today).unwrap_or_default();
            matches!((days.from, days.to), (Some(from), Some(to)) if from.year() == to.year())
        })
    }
}

/// One stretch of time for several that follow each other without a gap: "Q1 and Q2 2025".
fn touching_periods(periods: &[(usize, Period)], today: Date) -> Option<Period> {
    let mut days: Vec<(Date, Date)> = periods
        .iter()
        .map(|(_, period)| {
            let days = period.resolve(today).ok()?;
            Some((days.from?, days.to?))
        })
        .collect::<Option<_>>()?;
    days.sort_unstable();
    let follow = days
        .iter()
        .zip(days.iter().skip(1))
        .all(|(before, next)| before.1.tomorrow().ok() == Some(next.0));
    let (first, last) = (days.first()?, days.last()?);
    follow.then_some(Period::Between {
        from: Some(first.0),
        to: Some(last.1),
    })
}
