//! Figures and groups: nouns by their roles, kinds of things, and stretches of time.

use super::*;

impl Builder<'_> {
    /// "least visited stadium", "the arena with the lowest revenue": a value in the singular that stands for the thing
    /// that is ranked.
    fn is_ranked_kind(&self, at: usize) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        if !link.is_value() {
            return false;
        }
        let is_word = self
            .tokens
            .get(link.at..link.end())
            .is_some_and(|tokens| tokens.iter().all(|token| !token.is_capital()));
        let follows_rank = self
            .before(at)
            .filter(|before| self.touches(*before, at))
            .and_then(|before| self.links.get(before))
            .is_some_and(|link| {
                matches!(link.key(), Some(Key::RankThings(_)))
                    || link.readings.iter().any(|reading| matches!(reading, Reading::Rank(..)))
            });
        // "highest earning arena"
        let figure = self
            .before(at)
            .filter(|figure| self.touches(*figure, at))
            .filter(|figure| self.links.get(*figure).is_some_and(|link| link.metric().is_some()));
        let follows_rank = follows_rank
            || figure
                .and_then(|figure| self.before(figure).filter(|rank| self.touches(*rank, figure)))
                .and_then(|rank| self.links.get(rank))
                .is_some_and(Link::ranks);
        let lead = link.at.checked_sub(1).and_then(|before| self.word(before));
        let is_led = match lead {
            Some("the") => self.key_after(at) == Some(Key::With),
            Some("which" | "what") => self
                .word(link.end())
                .is_some_and(|word| matches!(word, "with" | "had" | "has" | "have" | "was" | "is" | "were" | "that")),
            _ => false,
        };
        let is_described = is_led && self.links.iter().skip(at).any(Link::ranks);
        // "most rock concerts": of the noun behind it.
        let describes = self
            .after(at)
            .is_some_and(|next| self.touches(at, next) && self.is_noun(next));
        is_word && !describes && (follows_rank || is_described)
    }
}

impl Assembly<'_, '_> {
    pub(super) fn nouns(&mut self) {
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
                    // "venues rather than cities", "by venue instead of by city"
                    let lead = match builder.key_before(at) {
                        Some(Key::By) => builder.before(at).and_then(|by| builder.before(by)),
                        _ => builder.before(at),
                    };
                    let replaced = lead.filter(|lead| {
                        builder.links.get(*lead).is_some_and(|link| {
                            link.key() == Some(Key::Not)
                                && (matches!(builder.word(link.at), Some("rather" | "instead"))
// "venue types, not artists"
|| builder.follows && self.draft.has_groups)
                        })
                    });
                    if let Some(lead) = replaced {
                        self.tell(lead, "in its place".to_owned());
                        self.tell(at, "no longer".to_owned());
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
                    // "what do customers earn": they pay, and earn nothing here.
                    let earns = link.dimension().is_none()
                        && builder
                            .after(at)
                            .filter(|next| builder.touches(at, *next))
                            .and_then(|next| builder.word(builder.links.get(next)?.at))
                            .is_some_and(|word| matches!(word, "earn" | "earns" | "earned"));
                    if earns {
                        continue;
                    }
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

    /// Two words for figures of which nothing says that both are asked for name one thing: "ticket revenue", "revenue
    /// that people made". Which of them it is shows in how they stand to each other.
    pub(super) fn one_thing(&mut self) {
        let builder = self.builder;
        let mut at = 1;
        while at < self.metrics.len() {
            let (Some(&(_, first)), Some(&(_, second))) = (self.metrics.get(at - 1), self.metrics.get(at)) else {
                break;
            };
            match builder.is_one_thing(first, second) {
                Some(keeps_first) => {
                    let dropped = if keeps_first { at } else { at - 1 };
                    let (_, link) = self.metrics.remove(dropped);
                    if let Some(words) = builder.links.get(link).map(|link| builder.words(link))
                        && let Some(told) = self.draft.understood.iter_mut().find(|told| told.words == words)
                    {
                        "said of the figure".clone_into(&mut told.meaning);
                    }
                    let ranked = builder
                        .before(second)
                        .is_some_and(|index| builder.links.get(index).is_some_and(Link::ranks));
                    self.draft.guesses += usize::from(!builder.touches(first, second) && !ranked);
                }
                None => at += 1,
            }
        }
    }

    /// "which theaters", "clubs in Seattle": values in the plural stand for the things that have them.
    pub(super) fn kinds(&mut self) {
        let builder = self.builder;
        let listed = builder.links.iter().any(|link| {
            matches!(link.key(), Some(Key::Which | Key::List | Key::RankThings(_)))
                || link.readings.iter().any(|reading| matches!(reading, Reading::Rank(..)))
        });
        // "the lowest revenue among arenas"
        let among = builder.links.iter().any(|link| {
            link.is_value()
                && link
                    .at
                    .checked_sub(1)
                    .and_then(|at| builder.word(at))
                    .is_some_and(|word| matches!(word, "among" | "amongst"))
        });
        let listed = listed
            || among && builder.links.iter().any(Link::ranks)
            || (0..builder.links.len()).any(|at| builder.is_ranked_kind(at));
        let asks_for_part = builder.has_key(|key| key == Key::Share);
        // "compare arenas with clubs": the kinds themselves, side by side.
        let sides = builder.has_key(|key| key == Key::Versus)
            && self
                .draft
                .query
                .conditions()
                .iter()
                .any(|filter| filter.op == Operator::In && filter.values.len() > 1);
        if asks_for_part
            || sides
            || !self.group_links.is_empty()
            || (!listed && !self.metrics.is_empty())
            || self.roles.contains(&Role::Context)
        {
            return;
        }
        let thing = builder.links.iter().enumerate().find_map(|(at, link)| {
            let is_plural = builder.tokens.get(link.at..link.end())?.last()?.is_plural();
            let (of, value) = link.readings.iter().find_map(|reading| match reading {
                Reading::Value { dimension, value, .. } if is_plural || builder.is_ranked_kind(at) => {
                    Some((builder.dimension(*dimension)?, value))
                }
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
        // "how many arenas do we have": the venues are counted.
        let counted = thing
            .as_ref()
            .filter(|(at, _)| self.metrics.is_empty() && builder.key_before(*at) == Some(Key::Count));
        if let Some((at, name)) = counted
            && let Some(things) = builder.catalogue.dimension(name)
            && let Some(own) = builder
                .catalogue
                .metrics
                .iter()
                .position(|metric| metric.noun.as_ref().is_some_and(|[_, many]| *many == things.plural))
        {
            self.metrics.push((own, *at));
            self.draft.has_metrics = true;
            self.draft.is_explicit = true;
            return;
        }
        if let Some((at, name)) = thing {
            self.draft.query.dimensions.insert(0, name);
            self.group_links.push(at);
            self.draft.has_groups = true;
            self.draft.is_explicit = true;
            self.draft.groups_are_kinds = true;
        }
    }

    /// A single thing shows its own place, so that grouping by it as well says nothing new.
    pub(super) fn shown_anyway(&mut self) {
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
        let ranked_within: Vec<String> = self
            .draft
            .constructs
            .iter()
            .flat_map(|construct| match construct {
                Construct::Top { per, .. } => per.clone(),
                _ => Vec::new(),
            })
            .collect();
        self.draft
            .query
            .dimensions
            .retain(|name| !shown.contains(name) || ranked_within.contains(name));
    }

    pub(super) fn group(&mut self, at: usize, index: usize) {
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

    pub(super) fn grains(&mut self) {
        let builder = self.builder;
        // "which months had revenue below 100,000": months of the calendar, and not all Januaries together.
        let compares = (0..builder.links.len()).any(|at| builder.is_compare(at));
        let by_year =
            self.draft.query.grain == Some(Grain::Year) || builder.has_key(|key| key == Key::Grain(Grain::Year));
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
                        .filter(|_| {
                            asked
                                && !compares
                                && !by_year
                                && !self.is_one_year()
                                && !builder.tokens.iter().any(|t| t.norm == "ever")
                        })
                        .and_then(|part| builder.dimension_of_part(part));
                    match of_year {
                        Some(index) => self.group(at, index),
                        None => {
                            let year = builder
                                .dimension_of_part(TimePart::Year)
                                .and_then(|index| builder.dimension(index));
                            match (self.draft.query.grain, year) {
                                // "the best month of every year": months, each within its year.
                                (Some(Grain::Year), Some(year)) if grain < Grain::Year => {
                                    self.draft.query.grain = Some(grain);
                                    self.within(&year.name);
                                }
                                (Some(finer), Some(year)) if grain == Grain::Year && finer < Grain::Year => {
                                    self.within(&year.name);
                                }
                                _ => self.draft.query.grain = Some(grain),
                            }
                            self.group_links.push(at);
                            self.draft.has_groups = true;
                            self.draft.names_groups = true;
                            self.tell(at, format!("by {}", grain.name()));
                        }
                    }
                }
                // "monthly trend": the stretch is said.
                Some(Key::Trend) if builder.has_key(|key| matches!(key, Key::Grain(_))) => {
                    self.tell(at, "over time".to_owned());
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
                let others: Vec<usize> = builder
                    .keys(|key| key == Key::Versus)
                    .filter(|other| *other != at)
                    .collect();
                for other in others {
                    self.quietly(other);
                }
            }
            for name in several {
                if !self.draft.query.dimensions.contains(&name) {
                    self.draft.query.dimensions.push(name);
                    self.draft.has_groups = true;
                }
            }
        }
    }

    fn within(&mut self, dimension: &str) {
        if !self.draft.query.dimensions.iter().any(|name| name == dimension) {
            self.draft.query.dimensions.push(dimension.to_owned());
        }
    }

    /// Years for a long course of time, months for a short one.
    pub(super) fn trend_grain(&self) -> Grain {
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
}
