//! The rest of a query: figures that nobody named, averages, the order of lists, and the words that were not used.

use super::*;

impl Assembly<'_, '_> {
    pub(super) fn finish(&mut self) {
        let builder = self.builder;
        let entity = builder
            .entity()
            .and_then(|index| builder.dimension(index))
            .map(|d| d.name.clone());
        self.own_number();
        self.list_what_is_coming();
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
        if self.metrics.is_empty() && !self.overview() {
            // A comparison is one of some figure, and nobody said which.
            let compares = builder.has_key(|key| {
                matches!(
                    key,
                    Key::Versus | Key::Peers | Key::Rank | Key::Share | Key::Grow(_) | Key::Over(_)
                )
            });
            self.draft.guesses += usize::from(compares);
            let fitting = self.metric_of_scope().filter(|_| !lists_entity);
            let usual = fitting.unwrap_or_else(|| builder.default_metric(lists_entity));
            // Not every figure can be told of what is asked for: concerts have no sales channel.
            let told = if self.can_tell(usual) {
                usual
            } else {
                (0..builder.catalogue.metrics.len())
                    .find(|index| self.can_tell(*index))
                    .unwrap_or(usual)
            };
            self.metrics.push((told, 0));
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
        if let Some(at) = self.position(Key::ByName)
            && let Some(first) = self.draft.query.dimensions.first().cloned()
        {
            self.tell(at, "by name".to_owned());
            self.draft.query.order = vec![Order {
                by: first,
                direction: Direction::Ascending,
            }];
        }
        self.hold_for_single_things();
        // "artists whose shows are more than 80% full on average": of the artists.
        if self.of_means || self.mean_target.is_some() {
            let rows = builder
                .entity()
                .and_then(|index| builder.dimension(index))
                .map(|d| d.name.clone());
            if self.draft.query.dimensions.len() > 1 {
                self.draft.query.dimensions.retain(|name| Some(name) != rows.as_ref());
                self.draft.query.order.retain(|order| Some(&order.by) != rows.as_ref());
            }
        }
        self.shown_anyway();
        self.draft.goes_on |= builder.links.iter().any(|link| link.key() == Some(Key::GoOn))
            || builder.links.first().is_some_and(|link| link.key() == Some(Key::And));
        self.drawn();
        self.onward();
        self.change();
        self.draft.beyond = self.draft.beyond.take().or_else(|| self.beyond());
    }

    /// "capacity of The Meridian", "how many people can it hold": a number of things themselves, where the catalogue has
    /// its average as a figure, which is the number itself for a single thing.
    fn own_number(&mut self) {
        let builder = self.builder;
        let people_only = self.metrics.iter().all(|(metric, at)| {
            builder.key_before(*at) == Some(Key::Count)
                && builder
                    .metric(*metric)
                    .is_some_and(|metric| metric.unit == Unit::Count && metric.noun.is_none())
        });
        let plain = !self.draft.has_groups && self.draft.query.having.is_empty() && people_only;
        let asked = (0..builder.links.len()).find_map(|at| {
            let link = builder.links.get(at)?;
            let free = self.roles.get(at) == Some(&Role::None) && self.used.get(at) != Some(&true);
            let dimension = builder.dimension(builder.numeric_dimension(link).filter(|_| free)?)?;
            let column = dimension.column.as_ref()?;
            // "how many seats" adds them up; of a single thing both are the same.
            let wanted = if builder.key_before(at) == Some(Key::Count) {
                Aggregate::Sum
            } else {
                Aggregate::Average
            };
            let of = |aggregate: Aggregate| {
                builder.catalogue.metrics.iter().position(|metric| {
                    metric
                        .sources
                        .iter()
                        .all(|source| source.aggregate == aggregate && source.over.is_none() && source.of == *column)
                })
            };
            Some((at, of(wanted).or_else(|| of(Aggregate::Average))?))
        });
        if let Some((at, metric)) = asked.filter(|_| plain && self.draft.has_scope) {
            self.metrics = vec![(metric, at)];
            let label = builder.metric(metric).map_or("", |metric| metric.label.as_str());
            self.tell(at, format!("metric {label}"));
            self.draft.is_explicit = true;
            self.draft.has_metrics = true;
        }
    }

    /// "upcoming concerts in Chicago", "what's on tomorrow": who asks for them wants to see which, and not how many.
    fn list_what_is_coming(&mut self) {
        let builder = self.builder;
        let counted = builder.counted().map(|(index, _)| index);
        let names_none = self.metrics.is_empty() && !self.draft.is_explicit;
        let names_counted = !self.metrics.is_empty() && self.metrics.iter().all(|(metric, _)| Some(*metric) == counted);
        let query = &self.draft.query;
        let grouped = !query.dimensions.is_empty() || query.grain.is_some() || !query.having.is_empty();
        let says_count = builder.has_key(|key| {
            matches!(
                key,
                Key::Count | Key::Often | Key::Overview | Key::Versus | Key::Share | Key::Over(_) | Key::Grow(_)
            )
        });
        let is_coming = query
            .period
            .as_ref()
            .and_then(|period| period.resolve(builder.today).ok())
            .filter(|days| days.from.is_some_and(|from| from >= builder.today));
        let is_coming = is_coming.is_some();
        // "scheduled" and its like say it of the rows themselves.
        let says_coming = builder
            .tokens
            .iter()
            .any(|token| token.norm == "upcoming" || token.norm == "scheduled")
            && !builder.has_key(|key| key == Key::Not);
        let asks_what = matches!(builder.links.first().and_then(Link::key), Some(Key::Which));
        let fits = names_counted && (says_coming || is_coming && asks_what) || names_none && asks_what && is_coming;
        let Some(entity) = builder.entity().and_then(|index| builder.dimension(index)) else {
            return;
        };
        if grouped || says_count || !fits {
            return;
        }
        self.metrics.clear();
        self.draft.query.dimensions.push(entity.name.clone());
        self.draft.has_groups = true;
    }

    /// "how did Nova Tide do last year", "an overview of 2025", "compare Chicago and Austin": the main figures side by
    /// side, which are what is counted and the amounts. True where it was asked for.
    fn overview(&mut self) -> bool {
        const MOST_FIGURES: usize = 4;
        const DOES: [&str; 21] = [
            "do",
            "doing",
            "done",
            "perform",
            "performing",
            "performed",
            "fare",
            "faring",
            "fared",
            "go",
            "going",
            "went",
            "look",
            "looking",
            "looked",
            "stack",
            "sell",
            "sold",
            "selling",
            "business",
            "things",
        ];
        let builder = self.builder;
        let word = |wanted: &[&str]| {
            builder
                .tokens
                .iter()
                .position(|token| wanted.contains(&token.norm.as_str()))
        };
        let asks_amount = builder
            .tokens
            .windows(2)
            .any(|pair| matches!(pair, [how, much] if how.norm == "how" && matches!(much.norm.as_str(), "many" | "much" | "often" | "big" | "full")));
        let says_how = !asks_amount
            && word(&["how", "hows"]).is_some_and(|how| {
                builder
                    .tokens
                    .iter()
                    .skip(how + 1)
                    .skip_while(|token| {
                        matches!(
                            token.norm.as_str(),
                            "do" | "did" | "does" | "is" | "are" | "was" | "were" | "has" | "have"
                        )
                    })
                    .any(|token| DOES.contains(&token.norm.as_str()))
            })
            && word(&["you"]).is_none();
        let compares = builder.asks_for_change() && !self.draft.has_groups && self.draft.has_scope;
        let asked = builder.keys(|key| key == Key::Overview).next();
        let sides = builder.keys(|key| key == Key::Versus).next().filter(|_| {
            self.draft
                .query
                .conditions()
                .iter()
                .any(|filter| filter.op == Operator::In && filter.values.len() > 1)
        });
        let lists = self.draft.names_groups && asked.is_none();
        let ranks = builder.links.iter().any(Link::ranks);
        if !(says_how || asked.is_some() || sides.is_some() || compares)
            || lists
            || ranks
            || !self.draft.query.having.is_empty()
        {
            return false;
        }
        self.draft.guesses += usize::from(asked.is_none() && !says_how);
        // "how are we doing": this year.
        if says_how && !self.draft.has_scope && !self.draft.has_groups && !builder.follows {
            self.draft.query.period = Some(Period::Relative {
                unit: Grain::Year,
                offset: 0,
                count: 1,
            });
            self.draft.guesses += 1;
            self.draft.is_explicit = true;
        }
        let counted = builder
            .counted()
            .map(|(index, _)| index)
            .filter(|index| self.can_tell(*index));
        let amounts = (0..builder.catalogue.metrics.len()).filter(|index| {
            builder.metric(*index).is_some_and(|metric| {
                metric.noun.is_none()
                    && metric.complete_days
                    && metric
                        .sources
                        .iter()
                        .all(|source| source.aggregate == Aggregate::Sum && source.over.is_none())
            }) && self.can_tell(*index)
        });
        let figures: Vec<usize> = counted.into_iter().chain(amounts).take(MOST_FIGURES).collect();
        if figures.is_empty() {
            return false;
        }
        self.metrics = figures.into_iter().map(|index| (index, 0)).collect();
        // "how's business"
        for (at, link) in builder.links.iter().enumerate() {
            if builder
                .word(link.at)
                .is_some_and(|word| matches!(word, "business" | "things"))
            {
                self.tell(at, "the main figures".to_owned());
            }
        }
        if let Some(at) = asked {
            self.tell(at, "the main figures".to_owned());
            self.draft.is_explicit = true;
            self.draft.has_metrics = true;
        }
        true
    }

    /// What a question without a figure is about: money where it says "how much", and what is kept where its conditions
    /// are, such as purchases by phone.
    fn metric_of_scope(&self) -> Option<usize> {
        let builder = self.builder;
        let amount = |index: usize| {
            builder.metric(index).is_some_and(|metric| {
                metric
                    .sources
                    .iter()
                    .any(|source| source.aggregate == Aggregate::Sum && source.over.is_none())
            }) && self.can_tell(index)
        };
        let mut all = 0..builder.catalogue.metrics.len();
        let says_much = builder
            .tokens
            .windows(2)
            .any(|pair| matches!(pair, [how, much] if how.norm == "how" && much.norm == "much"));
        if says_much {
            return all.find(|index| {
                amount(*index)
                    && builder
                        .metric(*index)
                        .is_some_and(|metric| metric.unit == Unit::Currency)
            });
        }
        let table = |column: &str| column.split('.').next().unwrap_or_default().to_owned();
        let own = builder.counted()?.1.sources.first().map(|source| table(&source.of))?;
        let conditions = self.draft.query.conditions();
        let fact = conditions.iter().find_map(|filter| {
            let of = table(builder.catalogue.dimension(&filter.dimension)?.column.as_deref()?);
            let has_time = builder.catalogue.tables.get(&of)?.time.is_some();
            (has_time && of != own).then_some(of)
        })?;
        all.find(|index| {
            amount(*index)
                && builder.metric(*index).is_some_and(|metric| {
                    metric
                        .sources
                        .iter()
                        .any(|source| source.of.contains(&format!("{fact}.")))
                })
        })
    }

    /// Whether the data can tell a metric in the scope of the question.
    pub(super) fn can_tell(&self, index: usize) -> bool {
        let builder = self.builder;
        let Some(metric) = builder.metric(index) else {
            return false;
        };
        let query = Query {
            metrics: vec![QueryMetric::from(&metric.name)],
            order: Vec::new(),
            ..self.draft.query.clone()
        };
        builder.compiles(&query)
    }

    /// "how did revenue change" asks for its course, unless groups are named.
    pub(super) fn change(&mut self) {
        let Some(at) = self.position(Key::Change) else { return };
        let ranks = self.builder.links.iter().any(Link::ranks);
        if ranks {
            return;
        }
        // "revenue change by city 2025"
        let says_change = self
            .builder
            .links
            .get(at)
            .and_then(|link| self.builder.word(link.at))
            .is_some_and(|word| !matches!(word, "vary" | "varied"));
        let word = self.builder.links.get(at).and_then(|link| self.builder.word(link.at));
        if matches!(word, Some("difference" | "gap" | "delta"))
            && self.draft.query.period.is_some()
            && self.draft.query.grain.is_none()
        {
            self.one_of_two_years();
            self.draft.constructs.push(Construct::AgainstBefore);
            self.tell(at, "against the time before".to_owned());
            return;
        }
        let of_sides = self
            .draft
            .query
            .conditions()
            .iter()
            .any(|filter| filter.op == Operator::In && filter.values.len() > 1);
        if matches!(word, Some("difference" | "gap" | "delta")) && !of_sides {
            return;
        }
        if says_change && !self.draft.query.dimensions.is_empty() && self.draft.query.grain.is_none() {
            self.draft.constructs.push(Construct::AgainstBefore);
            self.tell(at, "against the time before".to_owned());
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
    pub(super) fn averages(&mut self) {
        let builder = self.builder;
        let per_row = (0..builder.links.len())
            .find(|at| self.roles.get(*at) == Some(&Role::Context) && builder.is_noun(*at) && builder.is_per_row(*at));
        let says_other = builder.has_key(|key| matches!(key, Key::Median | Key::Percentile));
        for (at, link) in builder.links.iter().enumerate() {
            let is_per_row = Some(at) == per_row && !says_other && !builder.has_key(|key| key == Key::Average);
            if !is_per_row && (link.key() != Some(Key::Average) || self.listed.contains(&at)) {
                continue;
            }
            let behind = builder
                .after(at)
                .and_then(|next| {
                    if builder.is_compare(next) {
                        builder.after(next)
                    } else {
                        Some(next)
                    }
                })
                .filter(|next| builder.links.get(*next).is_some_and(|l| l.metric().is_some()))
                .filter(|next| self.roles.get(*next) != Some(&Role::Context));
            // "cheapest genre on average"
            let ranked = builder
                .links
                .iter()
                .position(|l| l.readings.iter().any(|r| matches!(r, Reading::Rank(..))));
            // "how full are shows on average", unless it is an average over stretches of time or groups.
            let grouped = !self.draft.query.dimensions.is_empty()
                || builder.has_key(|key| matches!(key, Key::Grain(_) | Key::Trend));
            let is_rate = |index: usize| {
                builder.metric(index).is_some_and(|metric| {
                    metric
                        .sources
                        .iter()
                        .all(|s| s.over.is_some() || s.aggregate == Aggregate::Average)
                })
            };
            let ahead = self
                .metrics
                .iter()
                .rev()
                .find(|(metric, named)| *named < at && (!grouped || is_rate(*metric) || is_per_row))
                .map(|(_, named)| *named);
            let behind = behind.filter(|_| !is_per_row);
            // "venues more than 85 percent full on average": the figure of the condition.
            let compared = (0..builder.links.len())
                .rev()
                .find(|index| {
                    self.roles.get(*index) == Some(&Role::Target)
                        && builder.links.get(*index).and_then(Link::metric).is_some_and(is_rate)
                })
                .filter(|_| !is_per_row);
            // "clubs with more than 500 people on average"
            let amount = (0..builder.links.len()).rev().find_map(|index| {
                let metric = builder.metric(builder.links.get(index)?.metric()?)?;
                let sums = metric
                    .sources
                    .iter()
                    .all(|source| source.aggregate == Aggregate::Sum && source.over.is_none());
                let sibling = crate::construct::average_of(builder.catalogue, metric)?;
                (self.roles.get(index) == Some(&Role::Target) && sums && !is_per_row).then_some((index, sibling))
            });
            let is_free = behind.is_none() && ahead.is_none() && ranked.is_none();
            if let Some((target, sibling)) = amount.filter(|_| is_free && compared.is_none()) {
                self.mean_target = Some((target, sibling));
                self.tell(at, "of each".to_owned());
                continue;
            }
            self.of_means |= is_free && compared.is_some();
            let Some(figure_at) = behind.or(ranked.filter(|_| !is_per_row)).or(ahead).or(compared) else {
                continue;
            };
            let index = builder.links.get(figure_at).and_then(|link| {
                link.readings.iter().find_map(|reading| match reading {
                    Reading::Metric(index) | Reading::Rank(index, _) => Some(*index),
                    _ => None,
                })
            });
            let Some((index, metric)) = index.and_then(|index| Some((index, builder.metric(index)?))) else {
                continue;
            };
            if is_rate(index) {
                self.tell(at, format!("{} is one", metric.label));
                continue;
            }
            let sums = metric
                .sources
                .iter()
                .all(|s| s.aggregate == Aggregate::Sum && s.over.is_none());
            let sibling = crate::construct::average_of(builder.catalogue, metric);
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

    pub(super) fn position(&self, key: Key) -> Option<usize> {
        self.builder.links.iter().position(|link| link.key() == Some(key))
    }

    pub(super) fn has_top(&self) -> bool {
        self.draft
            .constructs
            .iter()
            .any(|construct| matches!(construct, Construct::Top { .. }))
    }

    pub(super) fn says_absence(&self) -> bool {
        self.draft.query.filters.iter().any(|clause| clause.single().is_none())
    }

    pub(super) fn orders_by(&self, name: &str) -> bool {
        self.draft.query.order.iter().any(|order| order.by == name)
    }

    /// Whether things are listed that many rows belong to, such as artists, and not single rows.
    pub(super) fn groups_things(&self) -> bool {
        self.draft.query.dimensions.iter().any(|name| {
            self.builder
                .catalogue
                .dimension(name)
                .is_some_and(|dimension| dimension.column.is_some())
        })
    }

    /// Every word that was not used is said back.
    pub(super) fn leftovers(&mut self) {
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
                        | Key::Overview
                        | Key::AllTime
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
        // What was corrected is said, even where it only shapes the sentence.
        for (at, link) in builder.links.iter().enumerate() {
            let corrected: Vec<&str> = builder
                .tokens
                .get(link.at..link.end())
                .unwrap_or_default()
                .iter()
                .filter(|token| token.is_corrected)
                .map(|token| token.norm.as_str())
                .collect();
            if !corrected.is_empty() && self.used.get(at) != Some(&true) {
                self.draft.guesses += 1;
                self.draft.understood.push(Understood {
                    words: builder.words(link),
                    meaning: format!("read as “{}”", corrected.join(" ")),
                });
            }
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
