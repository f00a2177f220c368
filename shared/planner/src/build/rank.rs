//! Order and length: rankings by a figure, by time and by what things have themselves.

use super::*;

impl Assembly<'_, '_> {
    pub(super) fn sorted(&mut self) -> Option<Direction> {
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

    pub(super) fn rank(&mut self) {
        let builder = self.builder;
        let ranks: Vec<Rank> = builder
            .links
            .iter()
            .enumerate()
            .filter(|(link, _)| !self.listed.contains(link))
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
                    self.draft.bare_rank = Some((None, Some(rows)));
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
            // "which was the best", "the best one"
            let is_one = builder
                .tokens
                .iter()
                .any(|token| matches!(token.norm.as_str(), "was" | "is" | "one" | "had"));
            let rows = limit.map(|(_, rows)| rows).or(is_one.then_some(1));
            self.draft.bare_rank = Some((Some(rank.direction), rows));
        }
        // "which one was the biggest": by the figure of the turn before.
        let points_back = builder.follows
            && builder.links.get(rank.link).is_some_and(|link| {
                link.length == 1
                    && builder
                        .word(link.at)
                        .is_some_and(|word| matches!(word, "biggest" | "largest" | "smallest" | "greatest"))
            })
            && builder
                .tokens
                .iter()
                .any(|token| matches!(token.norm.as_str(), "one" | "ones" | "it" | "that" | "was" | "is"));
        // "and the smallest?"
        let is_whole = builder.follows
            && builder.links.get(rank.link).is_some_and(|link| link.length == 1)
            && (0..builder.links.len()).all(|at| {
                at == rank.link
                    || builder.is_light(at)
                    || matches!(
                        builder.links.get(at).and_then(Link::key),
                        Some(Key::And | Key::GoOn | Key::Only)
                    )
            });
        let points_back = points_back || is_whole && rank.metric.is_some();
        if points_back && self.metrics.is_empty() && self.group_links.is_empty() && !rank.in_time {
            let is_many = builder.tokens.iter().any(|token| token.norm == "ones");
            let rows = limit.map(|(_, rows)| rows).or((!is_many).then_some(1));
            self.draft.bare_rank = Some((Some(rank.direction), rows));
            self.draft.goes_on = true;
        }
        self.draft.is_explicit = true;
        let entity = builder.entity();
        let entity_name = entity
            .and_then(|index| builder.dimension(index))
            .map(|d| d.name.clone());
        let is_entity = |name: &String| Some(name) == entity_name.as_ref();
        if rank.in_time {
            // "the last sold out show": the noun was counted, and is listed now. "the last one": of what was asked for.
            let lists = self.draft.query.dimensions.iter().any(is_entity);
            let is_bare = builder.follows && !self.draft.has_groups && self.metrics.is_empty();
            if is_bare {
                self.draft.goes_on = true;
                self.draft.names_groups = true;
                self.draft.query.limit = Some(1);
            }
            let names_entity = builder
                .links
                .iter()
                .skip(rank.link)
                .any(|link| builder.entity_noun(link));
            if !lists
                && (is_bare || names_entity)
                && let Some(entity) = &entity_name
            {
                self.draft.query.dimensions.push(entity.clone());
                self.draft.has_groups = true;
                let counted = builder.counted().map(|(index, _)| index);
                self.metrics.retain(|(metric, _)| Some(*metric) != counted);
            }
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
            if rank.direction == Direction::Descending && self.draft.query.period.is_none() && !is_bare {
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
        // "average price at the venues with the most concerts": the figure behind the word is what ranks.
        let behind = builder
            .after(rank.link)
            .filter(|next| builder.touches(rank.link, *next));
        let named = self
            .metrics
            .iter()
            .find(|(_, at)| Some(*at) == behind && *at > 0)
            .or(self.metrics.first())
            .map(|(metric, _)| *metric);
        let of_having = !self.draft.query.having.is_empty() && !self.draft.has_metrics;
        let grouped = self.draft.has_groups;
        let metric = match (rank.metric, named) {
            // "the cheapest tickets": money and what is counted are two figures, and the word says which.
            (Some(own), Some(named)) if one_word && !grouped && builder.prices(own, named) => {
                self.metrics.retain(|(other, _)| *other != named);
                own
            }
            // "the most popular day for concerts": the concerts are those that it is the most popular for.
            (Some(own), Some(named))
                if !one_word
                    && Some(named) == builder.counted().map(|(index, _)| index)
                    && self.metrics.iter().all(|(_, at)| {
                        *at > rank.link
                            && at
                                .checked_sub(1)
                                .and_then(|before| builder.links.get(before))
                                .is_some_and(|link| link.key() == Some(Key::Preposition))
                    }) =>
            {
                self.metrics.clear();
                own
            }
            (Some(_), Some(named)) if one_word && !of_having => named,
            (Some(metric), _) => metric,
            (None, Some(named)) => named,
            (None, None) => {
                self.draft.guesses += 1;
                let by_amount = builder.links.get(rank.link).is_some_and(|link| {
                    matches!(link.key(), Some(Key::RankThings(_)))
                        || builder.word(link.at).is_some_and(|word| {
                            matches!(
                                word,
                                "strongest" | "weakest" | "highest" | "lowest" | "peak" | "greatest"
                            )
                        })
                });
                // "the best artists" are those of the largest amounts, "plays most" counts.
                builder.default_metric(by_amount || !grouped || self.draft.query.dimensions.iter().any(is_entity))
            }
        };
        // "the most popular channel": attendance cannot be told of channels, and tickets can.
        let metric = if rank.metric == Some(metric) && grouped && !self.can_tell(metric) {
            let counts = |index: &usize| {
                builder
                    .metric(*index)
                    .is_some_and(|other| other.unit == Unit::Count && other.complete_days)
                    && self.can_tell(*index)
            };
            (0..builder.catalogue.metrics.len()).find(counts).unwrap_or(metric)
        } else {
            metric
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
    pub(super) fn rank_by_own_number(&mut self, rank: &Rank, limit: Option<(usize, u32)>) -> bool {
        let builder = self.builder;
        let [thing] = self.draft.query.dimensions.as_slice() else {
            return false;
        };
        // "revenue of the smallest clubs" shows the figure; "largest clubs by revenue" is in its order.
        let shown = self.metrics.iter().all(|(_, at)| {
            *at < rank.link
                && builder
                    .links
                    .iter()
                    .take(rank.link)
                    .skip(at + 1)
                    .any(|link| link.key() == Some(Key::Preposition))
        });
        if !shown || !self.draft.query.having.is_empty() || self.draft.query.grain.is_some() {
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

    pub(super) fn order_by(&mut self, metric: usize, direction: Direction) {
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
    pub(super) fn limit(&self, ranks: &[Rank]) -> Option<(usize, u32)> {
        let builder = self.builder;
        builder.links.iter().enumerate().find_map(|(at, link)| {
            let number = link.readings.iter().find_map(|reading| match reading {
                Reading::Number(number) => Some(*number),
                _ => None,
            })?;
            let is_share = builder
                .tokens
                .get(link.at..link.end())
                .unwrap_or_default()
                .iter()
                .any(|token| token.text.contains('%') || matches!(token.norm.as_str(), "percent" | "pct"));
            if is_share {
                return None;
            }
            let is_ranked = |index: Option<usize>| index.is_some_and(|i| ranks.iter().any(|rank| rank.link == i));
            // "show 5", and nothing else: of what was asked before.
            let is_alone = builder.after(at).is_none()
                && builder.before(at).is_none_or(|index| {
                    matches!(
                        builder.links.get(index).and_then(Link::key),
                        Some(Key::List | Key::Only | Key::GoOn)
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
    pub(super) fn rows_of(&self, rank: usize) -> u32 {
        let builder = self.builder;
        // "the first jazz show": the noun behind it, past the names that narrow it.
        let behind = (rank + 1..builder.links.len())
            .take_while(|at| {
                builder.is_noun(*at)
                    || builder.links.get(*at).is_some_and(|link| {
                        link.is_value()
                            || builder.is_light_link(link)
                            || link
                                .readings
                                .iter()
                                .any(|reading| matches!(reading, Reading::Condition(..)))
                    })
            })
            .find(|at| builder.is_noun(*at) && self.roles.get(*at) != Some(&Role::Order))
            .filter(|_| {
                matches!(
                    builder.links.get(rank).and_then(Link::key),
                    Some(Key::InTime(_) | Key::Next)
                )
            });
        // "when did Who last play": one time is asked for.
        let when = matches!(builder.links.get(rank).and_then(Link::key), Some(Key::InTime(_)))
            && builder.tokens.iter().any(|token| token.norm == "when")
            && behind.is_none();
        if when {
            return 1;
        }
        if builder.follows && self.draft.query.limit == Some(1) && behind.is_none() {
            return 1;
        }
        if let Some(link) = behind.and_then(|at| builder.links.get(at)) {
            let is_plural = builder
                .tokens
                .get(link.at..link.end())
                .unwrap_or_default()
                .iter()
                .any(Token::is_plural);
            return if is_plural { RANKED_ROWS } else { 1 };
        }
        // "the lowest price among theaters" is one of them.
        let is_among = self.group_links.iter().any(|group| {
            let mut first = *group;
            while let Some(before) = first.checked_sub(1)
                && builder.links.get(before).is_some_and(Link::is_value)
            {
                first = before;
            }
            builder
                .links
                .get(first)
                .and_then(|link| builder.word(link.at.checked_sub(1)?))
                .is_some_and(|word| matches!(word, "among" | "amongst"))
        });
        let of_figure = builder
            .links
            .get(rank)
            .is_some_and(|link| matches!(link.key(), Some(Key::RankBy(_))));
        if is_among && of_figure {
            return 1;
        }
        // "which of the clubs has the highest …"
        let verb = builder.links.get(rank).and_then(|link| {
            let the = link.at.checked_sub(1).filter(|at| builder.word(*at) == Some("the"));
            builder.word(the.unwrap_or(link.at).checked_sub(1)?)
        });
        if matches!(verb, Some("has" | "is" | "was")) {
            return 1;
        }
        let noun = self
            .group_links
            .iter()
            .copied()
            .min_by_key(|at| {
                let is_led = matches!(builder.key_before(*at), Some(Key::By | Key::Every));
                (is_led, at.abs_diff(rank))
            })
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
}
