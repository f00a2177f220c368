//! Conditions on figures: "more than 20 concerts", "sold out", "revenue over a million".

use super::*;

impl Assembly<'_, '_> {
    pub(super) fn compares(&mut self) {
        let builder = self.builder;
        self.conditions();
        for (at, link) in builder.links.iter().enumerate() {
            let Some((op, values)) = link.readings.iter().find_map(|reading| match reading {
                Reading::Compare(op, values) => Some((*op, values.clone())),
                _ => None,
            }) else {
                continue;
            };
            // "at least one sold out show" was said of the things already.
            if self.used.get(at) == Some(&true) {
                continue;
            }
            let before = builder.before(at);
            // "not above 40"
            let not = before.filter(|index| builder.links.get(*index).and_then(Link::key) == Some(Key::Not));
            let op = match (not, negated_operator(op)) {
                (Some(not), Some(inverse)) => {
                    self.quietly(not);
                    self.draft.understood.push(Understood {
                        words: builder
                            .links
                            .get(not)
                            .map(|link| builder.words(link))
                            .unwrap_or_default(),
                        meaning: "the contrary".to_owned(),
                    });
                    inverse
                }
                (Some(_), None) => continue,
                (None, _) => op,
            };
            // "more than 10 % of the total"
            if says_percent(builder, link) && builder.word(link.end()) == Some("of") {
                let target = builder
                    .after(at)
                    .filter(|index| self.roles.get(*index) == Some(&Role::Target));
                if let Some(target) = target
                    && let Some(metric) = builder.links.get(target).and_then(Link::metric)
                {
                    if self.metrics.is_empty() {
                        self.metrics.push((metric, target));
                    }
                    let label = builder.metric(metric).map_or("", |metric| metric.label.as_str());
                    self.tell(target, format!("metric {label}"));
                }
                let grouped = !self.draft.query.dimensions.is_empty() || self.draft.query.grain.is_some();
                if grouped {
                    self.tell(at, "condition on the share of the total".to_owned());
                    self.draft.constructs.push(Construct::ShareIs { op, values });
                    self.draft.is_explicit = true;
                }
                continue;
            }
            let said_of = match before.and_then(|index| builder.links.get(index)).and_then(Link::key) {
                Some(Key::By) => before.and_then(|by| builder.before(by)),
                _ => before,
            };
            // "grew more than 20%", "fell by at least 1,000": the condition is one on the change.
            if let Some(Key::Grow(way)) = said_of.and_then(|index| builder.links.get(index)).and_then(Link::key) {
                if before != said_of
                    && let Some(by) = before
                {
                    self.quietly(by);
                }
                let percent = says_percent(builder, link);
                self.tell(at, "condition on the change".to_owned());
                self.change = Some(Construct::changed_by(way, op, &values, percent));
                continue;
            }
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
            let mean = self
                .mean_target
                .filter(|(at, _)| *at == target)
                .map(|(_, sibling)| sibling);
            let compared = mean.or(of.metric());
            if let Some(metric) = compared.and_then(|index| builder.metric(index)) {
                let is_half = builder.word(link.end().saturating_sub(1)) == Some("half");
                if builder.says_money(link) && metric.unit != Unit::Currency || is_half && metric.unit != Unit::Percent
                {
                    continue;
                }
                let values = if metric.unit == Unit::Percent {
                    values.into_iter().map(percent).collect()
                } else {
                    values
                };
                let single = builder
                    .catalogue
                    .dimensions
                    .iter()
                    .find(|d| d.of_metric.as_deref() == Some(metric.name.as_str()));
                let grouped = !self.draft.query.dimensions.is_empty() || self.draft.query.grain.is_some();
                // "number of venues with attendance above 10k": the attendance is that of each venue.
                let counts_things = !grouped
                    && self.metrics.iter().any(|(metric, _)| {
                        Some(*metric) != builder.counted().map(|(index, _)| index)
                            && builder.metric(*metric).is_some_and(|metric| {
                                metric.noun.is_some()
                                    && metric
                                        .sources
                                        .iter()
                                        .all(|source| source.aggregate == Aggregate::CountDistinct)
                            })
                    });
                let of_rows = grouped && self.holds_for_rows(at, of);
                if of_rows && single.is_none() {
                    let having = MetricFilter {
                        metric: metric.name.clone(),
                        op,
                        values,
                    };
                    if let Some(clause) = self.row_condition(having) {
                        self.draft.query.filters.push(clause);
                        self.tell(at, "condition on each".to_owned());
                        self.tell(target, format!("metric {}", metric.label));
                        self.draft.is_explicit = true;
                        self.draft.has_scope = true;
                    }
                    continue;
                }
                match single {
                    Some(single) if (!grouped || of_rows) && !counts_things => {
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
                        if let Some(index) = compared
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
    pub(super) fn holds_for_rows(&self, at: usize, target: &Link) -> bool {
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
    pub(super) fn conditions(&mut self) {
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
            if self.counts_rows_with(at, metric_filter(builder, index, condition)) {
                // "how many artists had at least one sold out show"
                if let Some((number, true)) = self.number_of_rows() {
                    self.tell(number, "one of them".to_owned());
                }
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
                only_single && only_counted && self.draft.query.grain.is_none() && builder.is_available(index)
            }) else {
                continue;
            };
            // "concerts that did not sell out"
            let op = if negated {
                negated_operator(condition.op)
            } else {
                Some(condition.op)
            };
            let Some(op) = op else { continue };
            if negated && let Some(not) = builder.before(at) {
                self.tell(not, "the contrary".to_owned());
            }
            self.metrics.clear();
            self.metrics.push((index, at));
            self.draft.query.having.push(HavingClause::Is(MetricFilter {
                metric: metric.name.clone(),
                op,
                values: condition.values.clone(),
            }));
            self.draft.is_explicit = true;
            self.tell(at, format!("condition on {}", metric.label.to_lowercase()));
        }
    }

    /// "how many shows sold out", "sold out shows by city", "which artists sold out most often": rows that meet a
    /// condition are counted. True where it was so.
    fn counts_rows_with(&mut self, at: usize, having: Option<MetricFilter>) -> bool {
        let builder = self.builder;
        let (Some(having), Some((counted, _))) = (having, builder.counted()) else {
            return false;
        };
        let negated = matches!(builder.key_before(at), Some(Key::Not | Key::Never));
        let is_listed = self.draft.query.dimensions.iter().any(|name| {
            builder
                .entity()
                .and_then(|index| builder.dimension(index))
                .is_some_and(|entity| entity.name == *name)
        });
        let says_count = builder.has_key(|key| matches!(key, Key::Count | Key::Often))
            || builder.links.iter().any(|link| builder.ranks_often(link));
        let names_entity = builder.links.iter().any(|link| builder.entity_noun(link));
        let of_figure = !self.metrics.is_empty()
            && (self.draft.query.dimensions.is_empty() || names_entity)
            && !self.metrics.iter().any(|(metric, _)| *metric == counted);
        let is_counted = of_figure || self.metrics.iter().all(|(metric, _)| *metric == counted);
        let grouped = !self.draft.query.dimensions.is_empty() || self.draft.query.grain.is_some();
        let counts = says_count && (grouped || !self.metrics.is_empty() || builder.follows)
            || grouped && !self.metrics.is_empty()
            || of_figure;
        if negated || is_listed || !is_counted || !counts {
            return false;
        }
        let Some(clause) = self.row_condition(having) else {
            return false;
        };
        self.draft.query.filters.push(clause);
        if self.metrics.is_empty() {
            // "how many were sold out", of what was asked for.
            self.draft.goes_on |= builder.follows && !builder.links.iter().any(|link| builder.entity_noun(link));
            self.metrics.push((counted, at));
            self.draft.has_metrics = true;
        }
        self.draft.is_explicit = true;
        self.draft.has_scope = true;
        self.tell(at, "condition on each".to_owned());
        true
    }

    /// A condition on a figure of each single row.
    pub(super) fn row_condition(&self, having: MetricFilter) -> Option<FilterClause> {
        let entity = self.builder.entity().and_then(|index| self.builder.dimension(index))?;
        let (_, counted) = self.builder.counted()?;
        let clause = crate::construct::exists(
            concert_contract::query::Exists {
                dimension: entity.name.clone(),
                of: counted.name.clone(),
                having: vec![having.into()],
                ..Default::default()
            },
            false,
        );
        // Not every figure is one of these rows: a list price is one of its tier.
        let trial = Query {
            metrics: vec![QueryMetric::from(&counted.name)],
            filters: vec![clause.clone()],
            ..Query::default()
        };
        self.builder.compiles(&trial).then_some(clause)
    }

    /// "venues that sold out a concert", "artists who never sold out": a condition on the single rows of things.
    pub(super) fn thing_with(
        &mut self,
        at: usize,
        metric: &Metric,
        condition: &concert_contract::catalogue::Condition,
    ) -> bool {
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
        // "at least two sold out shows": such shows are counted.
        if self.number_of_rows().is_some_and(|(_, is_one)| !is_one) {
            let Some(clause) = self.row_condition(having) else {
                return false;
            };
            self.draft.query.filters.push(clause);
            self.draft.is_explicit = true;
            self.draft.has_scope = true;
            return true;
        }
        // What it has, it has within the conditions of the question.
        let within: Vec<FilterClause> = self
            .draft
            .query
            .filters
            .iter()
            .filter(|clause| clause.single().is_some_and(|filter| filter.dimension != thing.name))
            .cloned()
            .collect();
        self.draft.query.filters.push(crate::construct::exists(
            concert_contract::query::Exists {
                dimension: thing.name.clone(),
                of,
                filters: within,
                per: vec![entity.name.clone()],
                having: vec![having.into()],
                period: self.draft.query.period.clone(),
            },
            false,
        ));
        // "at least one" says the same.
        if let Some((at, _)) = self.number_of_rows() {
            self.tell(at, "one of them".to_owned());
        }
        self.draft.is_explicit = true;
        self.draft.has_scope = true;
        true
    }

    /// The comparison with a number of rows, "at least two sold out shows", and whether it is with one of them.
    fn number_of_rows(&self) -> Option<(usize, bool)> {
        let builder = self.builder;
        (0..builder.links.len()).find_map(|at| {
            let counts_rows = builder
                .after(at)
                .filter(|next| builder.reading(*next, |r| matches!(r, Reading::Condition(..))))
                .and_then(|condition| builder.after(condition))
                .and_then(|noun| builder.links.get(noun))
                .is_some_and(|link| builder.entity_noun(link));
            let reading = builder
                .links
                .get(at)?
                .readings
                .iter()
                .find_map(|reading| match reading {
                    Reading::Compare(op, values) => Some((*op, values.as_slice())),
                    _ => None,
                })?;
            let is_one = matches!(
                reading,
                (Operator::GreaterOrEqual, [Value::Integer(1)]) | (Operator::Greater, [Value::Integer(0)])
            );
            // "sold out at least once"
            let says_once = builder
                .links
                .get(at)
                .and_then(|link| builder.word(link.end().saturating_sub(1)))
                == Some("once");
            let of_condition = says_once
                && builder
                    .before(at)
                    .is_some_and(|before| builder.reading(before, |r| matches!(r, Reading::Condition(..))));
            (counts_rows || of_condition).then_some((at, is_one))
        })
    }

    /// "how many concerts cost more than 50": a condition on a figure holds for single things, which are then listed.
    pub(super) fn hold_for_single_things(&mut self) {
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
        let says_count = builder.has_key(|key| key == Key::Count);
        if let (Some(things), Some((_, counted))) = (things, builder.counted()) {
            let having = std::mem::take(&mut query.having);
            if says_count {
                // The things are counted; the condition holds for what each of them has in the same scope.
                let clause = crate::construct::exists(
                    concert_contract::query::Exists {
                        dimension: things.name.clone(),
                        of: counted.name.clone(),
                        filters: query.filters.clone(),
                        having,
                        period: query.period.clone(),
                        ..Default::default()
                    },
                    false,
                );
                query.filters.push(clause);
                let own = builder
                    .catalogue
                    .metrics
                    .iter()
                    .position(|metric| metric.noun.as_ref().is_some_and(|[_, many]| *many == things.plural));
                query.metrics = own
                    .and_then(|own| builder.metric(own))
                    .map(|m| QueryMetric::from(&m.name))
                    .into_iter()
                    .collect();
                return;
            }
            query.having = having;
            query.dimensions.push(things.name.clone());
            query.metrics = metrics_of(&query.having);
            query.metrics.dedup();
            self.draft.has_groups = true;
            return;
        }
        if says_count
            && let Some((_, counted)) = builder.counted()
            && query.metrics.iter().all(|metric| metric.metric == counted.name)
        {
            let singles: Vec<MetricFilter> = query.having.iter().flat_map(HavingClause::singles).cloned().collect();
            let clauses: Option<Vec<FilterClause>> = singles.into_iter().map(|one| self.row_condition(one)).collect();
            if let Some(clauses) = clauses {
                self.draft.query.having.clear();
                self.draft.query.filters.extend(clauses);
                return;
            }
        }
        let query = &mut self.draft.query;
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
}

fn metric_filter(
    builder: &Builder<'_>,
    metric: usize,
    condition: &concert_contract::catalogue::Condition,
) -> Option<MetricFilter> {
    let of = builder.metric(metric).filter(|_| builder.is_available(metric))?;
    Some(MetricFilter {
        metric: of.name.clone(),
        op: condition.op,
        values: condition.values.clone(),
    })
}

/// A share that is written as a fraction, in percent.
fn percent(value: Value) -> Value {
    match value {
        Value::Number(share) if share > 0.0 && share < 1.0 => {
            let percent = share * 100.0;
            if percent.fract() == 0.0 {
                Value::Integer(percent as i64)
            } else {
                Value::Number(percent)
            }
        }
        other => other,
    }
}

/// Whether a number is one of percent.
fn says_percent(builder: &Builder<'_>, link: &Link) -> bool {
    builder
        .tokens
        .get(link.at..link.end())
        .unwrap_or_default()
        .iter()
        .any(|token| token.text.contains('%') || matches!(token.norm.as_str(), "percent" | "pct" | "cent"))
}

/// The comparison that holds where another one does not.
fn negated_operator(op: Operator) -> Option<Operator> {
    Some(match op {
        Operator::Greater => Operator::LessOrEqual,
        Operator::GreaterOrEqual => Operator::Less,
        Operator::Less => Operator::GreaterOrEqual,
        Operator::LessOrEqual => Operator::Greater,
        Operator::Equal => Operator::NotEqual,
        _ => return None,
    })
}
