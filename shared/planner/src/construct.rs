//! What a question asks beyond figures, groups and conditions: comparisons, shares, places, the first of each group,
//! statistics and windows. Each is a change of a `Query`, so that a question that goes on from the one before makes
//! the same changes to that one.

use concert_contract::catalogue::Catalogue;
use concert_contract::query::{
    Added, Comparison, Direction, FilterClause, Grain, HavingClause, MetricFilter, Operator, Order, Period, Query,
    QueryMetric, Statistic, Top, Value, Window,
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Construct {
    Compare(Comparison),
    /// Against the stretch of time before, or the same one a year earlier where the course is finer than a year.
    Against(Grain),
    /// Against the period before, of whatever length.
    AgainstBefore,
    /// The conditions on a dimension choose what is shown and no longer what is counted.
    Focus(String),
    Statistic(Statistic),
    Window(Window),
    /// The row of this rank alone.
    Place(u32),
    /// The rows whose figure changed the most, or the least, come first.
    ByChange {
        direction: Direction,
        percent: bool,
        rows: Option<u32>,
    },
    /// Only rows whose figure changed this way.
    Changed(Direction),
    /// Only rows whose figure changed by so much.
    ChangedBy {
        op: Operator,
        values: Vec<Value>,
        percent: bool,
    },
    /// Only rows whose share of the total is so.
    ShareIs {
        op: Operator,
        values: Vec<Value>,
    },
    /// Only rows above, or below, the average of the others.
    BesideAverage(Direction),
    /// Several statistics of the first figure, side by side.
    Statistics(Vec<Statistic>),
    /// The first rows in each group.
    Top {
        n: u32,
        per: Vec<String>,
        direction: Direction,
    },
    /// The stretch of time before.
    Earlier(Grain),
    /// A stretch of time that the one of the turn before is compared with, read on the given day.
    AgainstPeriod(Period, jiff::civil::Date),
    /// One more figure beside the others.
    Add(String),
    /// The first rows by the figure that is there.
    First {
        rows: Option<u32>,
        direction: Direction,
    },
    /// No condition on this dimension any more.
    All(String),
    /// In this order, by what the rows are ordered by.
    Sort(Direction),
    SortBy(String, Direction),
    Reverse,
    /// Only rows whose figure is so.
    Condition {
        op: Operator,
        values: Vec<Value>,
    },
    /// The average of the amounts instead of their sum.
    Averaged,
    /// The share of the total that what is named has.
    ShareOfAll,
    /// Everything but what is named.
    Elsewhere,
    /// No conditions.
    Clear,
    /// No period.
    AllTime,
    /// By what lies within the things that are there: the venues of a city.
    Drill,
    /// What changed the most against the time before.
    Why,
}

impl Construct {
    /// A condition on a change as it is said: what "fell by more than 20" changed by less than -20.
    pub fn changed_by(way: Direction, op: Operator, values: &[Value], percent: bool) -> Construct {
        let fell = way == Direction::Ascending;
        let values = values
            .iter()
            .map(|value| match value {
                Value::Integer(number) if fell => Value::Integer(number.saturating_neg()),
                Value::Number(number) if fell => Value::Number(-number),
                other => other.clone(),
            })
            .collect();
        let op = match op {
            Operator::Greater if fell => Operator::Less,
            Operator::GreaterOrEqual if fell => Operator::LessOrEqual,
            Operator::Less if fell => Operator::Greater,
            Operator::LessOrEqual if fell => Operator::GreaterOrEqual,
            other => other,
        };
        Construct::ChangedBy { op, values, percent }
    }

    pub fn apply(&self, query: &mut Query, catalogue: &Catalogue) {
        match self {
            Construct::Sort(direction) => match query.order.first_mut() {
                Some(order) => order.direction = *direction,
                None => {
                    let by = ranked_by(query);
                    query.order = vec![Order {
                        by,
                        direction: *direction,
                    }];
                }
            },
            Construct::SortBy(name, direction) => {
                if !query.has_metric(name) {
                    query.metrics.push(QueryMetric::from(name));
                }
                query.order = vec![Order {
                    by: name.clone(),
                    direction: *direction,
                }];
            }
            Construct::Reverse => {
                let by = ranked_by(query);
                match query.order.first_mut() {
                    Some(order) => {
                        order.direction = match order.direction {
                            Direction::Ascending => Direction::Descending,
                            Direction::Descending => Direction::Ascending,
                        }
                    }
                    None => {
                        query.order = vec![Order {
                            by,
                            direction: Direction::Ascending,
                        }];
                    }
                }
            }
            Construct::Condition { op, values } => {
                let metric = ranked_by(query);
                query
                    .having
                    .retain(|clause| clause.single().is_none_or(|single| single.metric != metric));
                query.having.push(HavingClause::Is(MetricFilter {
                    metric,
                    op: *op,
                    values: values.clone(),
                }));
            }
            Construct::Averaged => {
                if let Some(metric) = query.metrics.first_mut() {
                    let sibling = catalogue
                        .metric(&metric.metric)
                        .and_then(|of| average_of(catalogue, of))
                        .and_then(|index| catalogue.metrics.get(index));
                    rename(&mut query.order, metric, |metric| match sibling {
                        Some(sibling) => metric.metric.clone_from(&sibling.name),
                        None => metric.aggregate = Some(Statistic::Average),
                    });
                }
            }
            Construct::ShareOfAll => {
                // Of a single figure: of what its last condition names, among all of its kind.
                let last = query
                    .conditions()
                    .iter()
                    .rev()
                    .find(|filter| matches!(filter.op, Operator::Equal | Operator::In))
                    .map(|filter| filter.dimension.clone());
                if let Some(dimension) = last.filter(|_| query.dimensions.is_empty()) {
                    Construct::Focus(dimension).apply(query, catalogue);
                }
                compare(query, Comparison::ShareOfTotal);
            }
            Construct::Elsewhere => {
                let last = query
                    .filters
                    .iter_mut()
                    .rev()
                    .filter_map(FilterClause::single_mut)
                    .find(|filter| matches!(filter.op, Operator::Equal | Operator::In));
                if let Some(filter) = last {
                    filter.op = Operator::NotIn;
                }
            }
            Construct::Clear => {
                query.filters.clear();
                query.focus.clear();
                query.having.clear();
            }
            Construct::AllTime => query.period = None,
            Construct::Drill => drill(query, catalogue),
            Construct::Why => {
                need_time(query);
                compare(query, Comparison::PreviousPeriod);
                query.grain = None;
                if query.dimensions.is_empty()
                    && let Some(dimension) = telling_dimension(query, catalogue)
                {
                    query.dimensions.push(dimension);
                }
                let by = changed(query, false);
                query.order = vec![Order {
                    by,
                    direction: Direction::Ascending,
                }];
                query.limit = None;
                query.top = None;
                query.having.clear();
            }
            Construct::Compare(comparison) => compare(query, *comparison),
            Construct::Against(unit) => {
                let finer = query.grain.is_some_and(|grain| grain < *unit);
                if query.period.is_none() && query.grain.is_none_or(|grain| grain < *unit) {
                    query.period = Some(Period::Relative {
                        unit: *unit,
                        offset: 0,
                        count: 1,
                    });
                }
                let is_year_apart = *unit == Grain::Year && (finer || !is_whole(query.period.as_ref(), Grain::Year));
                compare(
                    query,
                    if is_year_apart && query.grain != Some(Grain::Year) {
                        Comparison::SamePeriodLastYear
                    } else {
                        Comparison::PreviousPeriod
                    },
                );
            }
            Construct::AgainstPeriod(other, today) => {
                let Some(period) = query.period.clone() else { return };
                if let Some((main, comparison)) = pair(&period, other, *today) {
                    query.period = Some(main);
                    compare(query, comparison);
                } else if let (Some(year), Some(years)) = (year_of(catalogue), two_years(&period, other, *today)) {
                    // Years that do not touch stand side by side.
                    query.period = None;
                    query.compare.clear();
                    query.filters.push(
                        concert_contract::query::Filter {
                            dimension: year.clone(),
                            op: Operator::In,
                            values: years.map(Value::Integer).to_vec(),
                        }
                        .into(),
                    );
                    if !query.dimensions.contains(&year) {
                        query.dimensions.push(year);
                    }
                }
            }
            Construct::AgainstBefore => {
                need_time(query);
                compare(query, Comparison::PreviousPeriod);
            }
            Construct::Focus(dimension) => {
                let (focus, filters) = std::mem::take(&mut query.filters)
                    .into_iter()
                    .partition(|clause| clause.single().is_some_and(|filter| filter.dimension == *dimension));
                query.filters = filters;
                query.focus = focus;
                if !query.dimensions.contains(dimension) {
                    query.dimensions.push(dimension.clone());
                }
            }
            Construct::Statistic(statistic) => {
                if let Some(metric) = query.metrics.first_mut() {
                    rename(&mut query.order, metric, |metric| metric.aggregate = Some(*statistic));
                }
            }
            Construct::Window(window) => {
                if let Some(metric) = query.metrics.first_mut() {
                    rename(&mut query.order, metric, |metric| metric.window = Some(*window));
                }
            }
            Construct::Place(place) => {
                compare(query, Comparison::Rank);
                query.limit = None;
                let by = ranked_by(query);
                query.order.clear();
                query.having.push(HavingClause::Is(MetricFilter {
                    metric: format!("{by}{}", Added::Rank.suffix()),
                    op: Operator::Equal,
                    values: vec![Value::Integer(i64::from(*place))],
                }));
            }
            Construct::ByChange {
                direction,
                percent,
                rows,
            } => {
                let by = changed(query, *percent);
                query.order = vec![Order {
                    by,
                    direction: *direction,
                }];
                query.limit = *rows;
            }
            Construct::Changed(direction) => {
                let metric = changed(query, false);
                let op = match direction {
                    Direction::Descending => Operator::Greater,
                    Direction::Ascending => Operator::Less,
                };
                query.having.push(HavingClause::Is(MetricFilter {
                    metric,
                    op,
                    values: vec![Value::Integer(0)],
                }));
            }
            Construct::ChangedBy { op, values, percent } => {
                let metric = changed(query, *percent);
                query.having.push(HavingClause::Is(MetricFilter {
                    metric,
                    op: *op,
                    values: values.clone(),
                }));
            }
            Construct::ShareIs { op, values } => {
                compare(query, Comparison::ShareOfTotal);
                let metric = query.metrics.first().map(QueryMetric::name).unwrap_or_default();
                query.having.push(HavingClause::Is(MetricFilter {
                    metric: format!("{metric}{}", Added::Share.suffix()),
                    op: *op,
                    values: values.clone(),
                }));
            }
            Construct::BesideAverage(direction) => {
                compare(query, Comparison::AverageOfPeers);
                let metric = query.metrics.first().map(QueryMetric::name).unwrap_or_default();
                query.having.push(HavingClause::Is(MetricFilter {
                    metric: format!("{metric}{}", Added::PeersDifference.suffix()),
                    op: match direction {
                        Direction::Descending => Operator::Greater,
                        Direction::Ascending => Operator::Less,
                    },
                    values: vec![Value::Integer(0)],
                }));
            }
            Construct::Statistics(statistics) => {
                if let Some(metric) = query.metrics.first().cloned() {
                    query.metrics = statistics
                        .iter()
                        .map(|statistic| QueryMetric {
                            aggregate: Some(*statistic),
                            ..metric.clone()
                        })
                        .collect();
                    query.order.clear();
                    query.limit = None;
                }
            }
            Construct::Top { n, per, direction } => {
                let by = ranked_by(query);
                query.limit = None;
                query.order.clear();
                query.top = Some(Top {
                    n: *n,
                    by: Some(by),
                    per: per.clone(),
                    direction: *direction,
                });
            }
            Construct::Earlier(unit) => {
                query.period = match query.period.take() {
                    Some(Period::Relative {
                        unit: of,
                        offset,
                        count,
                    }) if of == *unit => Some(Period::Relative {
                        unit: of,
                        offset: offset.saturating_sub(1),
                        count,
                    }),
                    Some(Period::Between { from, to }) => Some(Period::Between {
                        from: from.and_then(|day| unit.add(day, -1)),
                        to: to.and_then(|day| unit.add(day, -1)),
                    }),
                    Some(other) => Some(other),
                    None => Some(Period::Relative {
                        unit: *unit,
                        offset: -1,
                        count: 1,
                    }),
                };
            }
            Construct::Add(name) => {
                if !query.has_metric(name) {
                    query.metrics.push(QueryMetric::from(name));
                }
            }
            Construct::First { rows, direction } => {
                let by = ranked_by(query);
                query.limit = rows.or(query.limit);
                query.order = vec![Order {
                    by,
                    direction: *direction,
                }];
            }
            Construct::All(dimension) => {
                query
                    .filters
                    .retain(|clause| clause.single().is_none_or(|filter| filter.dimension != *dimension));
            }
        }
    }
}

fn compare(query: &mut Query, comparison: Comparison) {
    if !query.compare.contains(&comparison) {
        query.compare.push(comparison);
    }
}

/// From the things of a dimension that one condition names to what lies within them, else to shorter stretches of time.
fn drill(query: &mut Query, catalogue: &Catalogue) {
    let fixed = |name: &str| {
        query
            .conditions()
            .iter()
            .any(|filter| filter.dimension == name && (filter.op == Operator::Equal || filter.values.len() == 1))
    };
    let within = |name: &str| {
        catalogue
            .dimensions
            .iter()
            .find(|dimension| dimension.within.as_deref() == Some(name))
            .map(|dimension| dimension.name.clone())
    };
    let named = query
        .dimensions
        .iter()
        .position(|name| fixed(name))
        .or(match query.dimensions.len() {
            1 => Some(0),
            _ => None,
        });
    match named.and_then(|at| Some((at, within(query.dimensions.get(at)?)?))) {
        Some((at, finer)) => {
            if let Some(slot) = query.dimensions.get_mut(at) {
                *slot = finer;
            }
        }
        None => {
            query.grain = match query.grain {
                Some(Grain::Year) => Some(Grain::Quarter),
                Some(Grain::Quarter) => Some(Grain::Month),
                Some(Grain::Month) => Some(Grain::Week),
                Some(Grain::Week | Grain::Day) => Some(Grain::Day),
                None => None,
            };
        }
    }
}

/// The first dimension of named things that no condition holds fast.
fn telling_dimension(query: &Query, catalogue: &Catalogue) -> Option<String> {
    let fixed: Vec<String> = query
        .conditions()
        .iter()
        .map(|filter| filter.dimension.clone())
        .collect();
    // By state, all of one city is the same.
    let mut around: Vec<String> = Vec::new();
    for name in &fixed {
        let mut at = catalogue.dimension(name);
        while let Some(outer) = at.and_then(|dimension| dimension.within.clone()) {
            at = catalogue.dimension(&outer);
            if around.contains(&outer) {
                break;
            }
            around.push(outer);
        }
    }
    let money = catalogue.currency_dimension().map(|dimension| dimension.name.clone());
    catalogue
        .dimensions
        .iter()
        .filter(|dimension| dimension.indexed && dimension.key.is_none() && Some(&dimension.name) != money.as_ref())
        .map(|dimension| dimension.name.clone())
        .find(|name| !fixed.contains(name) && !around.contains(name))
}

/// A change needs two stretches of time: of the course that is asked for, else this year and the one before.
fn need_time(query: &mut Query) {
    if query.period.is_none() && query.grain.is_none() {
        query.period = Some(Period::Relative {
            unit: Grain::Year,
            offset: 0,
            count: 1,
        });
    }
}

fn is_whole(period: Option<&Period>, unit: Grain) -> bool {
    match period {
        Some(Period::Relative { unit: of, .. }) => *of == unit,
        Some(Period::Between {
            from: Some(from),
            to: Some(to),
        }) => {
            unit.start_of(*from) == Some(*from)
                && unit.add(*from, 1).and_then(|next| next.yesterday().ok()) == Some(*to)
        }
        _ => false,
    }
}

/// The column of the change of the first metric, adding a comparison where there is none.
fn changed(query: &mut Query, percent: bool) -> String {
    let by_year = query.compare.contains(&Comparison::SamePeriodLastYear);
    if !by_year && !query.compare.contains(&Comparison::PreviousPeriod) {
        need_time(query);
        compare(query, Comparison::PreviousPeriod);
    }
    let added = match (by_year, percent) {
        (true, false) => Added::LastYearChange,
        (true, true) => Added::LastYearChangePercent,
        (false, false) => Added::Change,
        (false, true) => Added::ChangePercent,
    };
    let metric = query.metrics.first().map(QueryMetric::name).unwrap_or_default();
    format!("{metric}{}", added.suffix())
}

/// The metric that the rows are ranked by, or the first.
fn ranked_by(query: &Query) -> String {
    let ordered = query
        .order
        .first()
        .map(|order| &order.by)
        .filter(|by| query.has_metric(by));
    ordered
        .cloned()
        .unwrap_or_else(|| query.metrics.first().map(QueryMetric::name).unwrap_or_default())
}

/// Changes a metric, and the orders that name it.
fn rename(orders: &mut [Order], metric: &mut QueryMetric, change: impl FnOnce(&mut QueryMetric)) {
    let before = metric.name();
    change(metric);
    for order in orders.iter_mut().filter(|order| order.by == before) {
        order.by = metric.name();
    }
}

/// Which of two periods is asked for, and what the other one is to it. None where they are no neighbours.
pub(crate) fn pair(first: &Period, second: &Period, today: jiff::civil::Date) -> Option<(Period, Comparison)> {
    let days = |period: &Period| {
        let days = period.resolve(today).ok()?;
        Some((days.from?, days.to?))
    };
    let (a, b) = (days(first)?, days(second)?);
    let (main, later, earlier) = if a.0 >= b.0 { (first, a, b) } else { (second, b, a) };
    // Two stretches of one unit, one right after the other.
    for unit in [Grain::Year, Grain::Quarter, Grain::Month, Grain::Week, Grain::Day] {
        let end = |from| unit.add(from, 1).and_then(|next| next.yesterday().ok());
        let whole = |days: (jiff::civil::Date, jiff::civil::Date)| {
            unit.start_of(days.0) == Some(days.0) && end(days.0) == Some(days.1)
        };
        if whole(later) && whole(earlier) && unit.add(earlier.0, 1) == Some(later.0) {
            return Some((main.clone(), Comparison::PreviousPeriod));
        }
    }
    let year_before = |day| Grain::Year.add(day, -1);
    if year_before(later.0) == Some(earlier.0) && year_before(later.1).is_some_and(|to| to == earlier.1) {
        return Some((main.clone(), Comparison::SamePeriodLastYear));
    }
    let length = |days: (jiff::civil::Date, jiff::civil::Date)| (days.1 - days.0).get_days();
    (earlier.1.tomorrow().ok() == Some(later.0) && length(later) == length(earlier))
        .then(|| (main.clone(), Comparison::PreviousPeriod))
}

/// Two whole years in order.
pub(crate) fn two_years(first: &Period, second: &Period, today: jiff::civil::Date) -> Option<[i64; 2]> {
    let year = |period: &Period| {
        let days = period.resolve(today).ok()?;
        let (from, to) = (days.from?, days.to?);
        let is_whole = from == from.first_of_year() && to == from.last_of_year();
        is_whole.then_some(i64::from(from.year()))
    };
    let mut years = [year(first)?, year(second)?];
    years.sort_unstable();
    Some(years)
}

fn year_of(catalogue: &Catalogue) -> Option<String> {
    let is_year = |dimension: &&concert_contract::catalogue::Dimension| {
        dimension.part == Some(concert_contract::catalogue::TimePart::Year)
    };
    catalogue
        .dimensions
        .iter()
        .find(is_year)
        .map(|dimension| dimension.name.clone())
}

/// The conditions that say that a thing has rows, or has none.
pub(crate) fn exists(exists: concert_contract::query::Exists, is_absent: bool) -> FilterClause {
    let clause = FilterClause::Exists {
        exists: Box::new(exists),
    };
    if is_absent {
        FilterClause::Not { not: Box::new(clause) }
    } else {
        clause
    }
}

/// The metric of a catalogue that is the average of the same amounts as a sum.
pub(crate) fn average_of(catalogue: &Catalogue, sum: &concert_contract::catalogue::Metric) -> Option<usize> {
    let amounts = |metric: &concert_contract::catalogue::Metric| metric.sources.first().map(|source| source.of.clone());
    catalogue.metrics.iter().position(|other| {
        other
            .sources
            .iter()
            .all(|source| source.aggregate == concert_contract::catalogue::Aggregate::Average)
            && amounts(other) == amounts(sum)
    })
}

/// The sum of the amounts that a metric of a catalogue is the average of.
pub(crate) fn sum_of(catalogue: &Catalogue, average: &concert_contract::catalogue::Metric) -> Option<usize> {
    use concert_contract::catalogue::Aggregate;
    let is_average = average
        .sources
        .iter()
        .all(|source| source.aggregate == Aggregate::Average && source.over.is_none());
    let of = average.sources.first().map(|source| &source.of)?;
    catalogue
        .metrics
        .iter()
        .position(|other| {
            other
                .sources
                .first()
                .is_some_and(|source| source.aggregate == Aggregate::Sum && source.over.is_none() && source.of == *of)
        })
        .filter(|_| is_average)
}
