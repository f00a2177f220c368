//! Random queries over a world: every construct of the model, over names of the catalogue and values that occur.

use crate::{
    naive::V,
    worlds::{Dice, World},
};
use concert_contract::{
    catalogue::Dimension,
    compile::ColumnRef,
    query::{
        Comparison, Direction, Exists, Filter, FilterClause, Grain, HavingClause, MetricFilter, Operator, Order,
        Period, Query, QueryMetric, Statistic, Than, Top, Usual, Value, Window,
    },
    table::ColumnType,
};

const GRAINS: [Grain; 5] = Grain::ALL;

fn grain(dice: &mut Dice) -> Grain {
    *dice.pick(&GRAINS)
}

fn metric_name(world: &World, dice: &mut Dice) -> String {
    dice.pick(&world.catalogue.metrics).name.clone()
}

/// A metric that has one source, so that its rows are known wherever it stands.
fn plain_metric(world: &World, dice: &mut Dice) -> String {
    loop {
        let metric = dice.pick(&world.catalogue.metrics);
        if metric.sources.len() == 1 {
            return metric.name.clone();
        }
    }
}

fn dimension<'w>(world: &'w World, dice: &mut Dice) -> &'w Dimension {
    dice.pick(&world.catalogue.dimensions)
}

fn value_of(world: &World, dice: &mut Dice, dimension: &Dimension) -> Value {
    if dimension.part.is_some() || dimension.days_since.is_some() {
        return Value::Integer(i64::try_from(dice.below(5)).expect("small"));
    }
    let column = ColumnRef::parse(dimension.column.as_deref().expect("a column")).expect("a column");
    let table = &world.db[&column.table];
    let at = table.at(&column.column);
    let row = (!table.rows.is_empty()).then(|| dice.pick(&table.rows));
    match (row.map(|row| &row[at]), dimension.column_type) {
        (Some(V::Text(text)), ColumnType::Date | ColumnType::Timestamp) => Value::Text(text[..10].to_owned()),
        (Some(V::Text(text)), _) => Value::Text(text.clone()),
        (Some(V::Num(x)), ColumnType::Integer) => Value::Integer(*x as i64),
        (Some(V::Num(x)), _) => Value::Number(*x),
        (Some(V::Bool(b)), _) => Value::Boolean(*b),
        (_, ColumnType::Text) => Value::Text("nowhere".to_owned()),
        (_, ColumnType::Date | ColumnType::Timestamp) => Value::Text("2024-03-01".to_owned()),
        (_, ColumnType::Boolean) => Value::Boolean(true),
        _ => Value::Integer(3),
    }
}

fn part_of(dice: &mut Dice, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let from = dice.below(chars.len().max(1));
    let to = from + dice.below(3);
    let part: String = chars.iter().skip(from).take(to + 1 - from).collect();
    if dice.one_in(2) { part.to_uppercase() } else { part }
}

fn filter(world: &World, dice: &mut Dice, dimension: &Dimension) -> Filter {
    let values = |dice: &mut Dice, count: usize| -> Vec<Value> {
        (0..count).map(|_| value_of(world, dice, dimension)).collect()
    };
    let of_part = dimension.part.is_some() || dimension.days_since.is_some();
    let fixed = |value: Value| match value {
        // 0 is no month.
        Value::Integer(n) if of_part && n < 1 => Value::Integer(1),
        other => other,
    };
    let (op, values) = match dice.below(13) {
        0 | 1 => (Operator::Equal, values(dice, 1)),
        2 => (Operator::NotEqual, values(dice, 1)),
        3 => (Operator::In, values(dice, 2)),
        4 => (Operator::NotIn, values(dice, 2)),
        5 => (Operator::IsNull, Vec::new()),
        6 => (Operator::IsNotNull, Vec::new()),
        7 => (Operator::Between, values(dice, 2)),
        8 if dimension.column_type == ColumnType::Text => (Operator::Contains, values(dice, 1)),
        9 if dimension.column_type == ColumnType::Text => (Operator::StartsWith, values(dice, 1)),
        10 => (Operator::Greater, values(dice, 1)),
        11 => (Operator::GreaterOrEqual, values(dice, 1)),
        12 => (Operator::Less, values(dice, 1)),
        _ => (Operator::LessOrEqual, values(dice, 1)),
    };
    let values = values
        .into_iter()
        .map(fixed)
        .map(|value| match (op, value) {
            (Operator::Contains | Operator::StartsWith, Value::Text(text)) => {
                let part = part_of(dice, &text);
                Value::Text(if part.is_empty() { "l".to_owned() } else { part })
            }
            (_, value) => value,
        })
        .collect();
    Filter {
        dimension: dimension.name.clone(),
        op,
        values,
    }
}

fn clause(world: &World, dice: &mut Dice, depth: usize, may_exist: bool) -> FilterClause {
    let parts = |dice: &mut Dice| {
        (0..1 + dice.below(2))
            .map(|_| clause(world, dice, depth + 1, may_exist))
            .collect::<Vec<_>>()
    };
    let numbers: Vec<&Dimension> = world
        .catalogue
        .dimensions
        .iter()
        .filter(|dimension| dimension.column.is_some() && dimension.column_type.is_number())
        .collect();
    if !numbers.is_empty() && dice.one_in(8) {
        return FilterClause::Than {
            than: Than {
                dimension: dice.pick(&numbers).name.clone(),
                op: *dice.pick(&[
                    Operator::Greater,
                    Operator::GreaterOrEqual,
                    Operator::Less,
                    Operator::LessOrEqual,
                    Operator::NotEqual,
                ]),
                statistic: *dice.pick(&[Usual::Average, Usual::Minimum, Usual::Maximum]),
            },
        };
    }
    match dice.below(if depth > 1 { 5 } else { 10 }) {
        5 => FilterClause::Any { any: parts(dice) },
        6 => FilterClause::All { all: parts(dice) },
        7 => FilterClause::Not {
            not: Box::new(clause(world, dice, depth + 1, may_exist)),
        },
        8 | 9 if may_exist => FilterClause::Exists {
            exists: Box::new(exists(world, dice, depth + 1)),
        },
        _ => loop {
            let dimension = dimension(world, dice);
            if dimension.column.is_some() || dimension.part.is_some() || dimension.days_since.is_some() {
                return FilterClause::Is(filter(world, dice, dimension));
            }
        },
    }
}

fn exists(world: &World, dice: &mut Dice, depth: usize) -> Exists {
    let entities: Vec<&Dimension> = world
        .catalogue
        .dimensions
        .iter()
        .filter(|d| d.key.is_some() || (d.column.is_some() && !d.many))
        .collect();
    let mut exists = Exists {
        dimension: dice.pick(&entities).name.clone(),
        of: plain_metric(world, dice),
        ..Exists::default()
    };
    if dice.one_in(2) {
        exists.filters.push(clause(world, dice, depth + 1, depth < 2));
    }
    if dice.one_in(2) {
        let metric = if dice.one_in(2) {
            exists.of.clone()
        } else {
            plain_metric(world, dice)
        };
        exists.having.push(HavingClause::Is(MetricFilter {
            metric,
            ..number_filter(dice)
        }));
        if dice.one_in(2) {
            exists.per.push(dice.pick(&entities).name.clone());
        }
    }
    if dice.one_in(4) {
        exists.period = Some(period(world, dice));
    }
    exists
}

fn number_filter(dice: &mut Dice) -> MetricFilter {
    let odd = |dice: &mut Dice| Value::Number(dice.below(400) as f64 / 10.0 + 0.0371);
    let (op, values) = match dice.below(6) {
        0 => (Operator::Greater, vec![odd(dice)]),
        1 => (Operator::Less, vec![odd(dice)]),
        2 => (Operator::GreaterOrEqual, vec![Value::Integer(1 + dice.below(6) as i64)]),
        3 => (
            Operator::Between,
            vec![Value::Integer(1), Value::Integer(9 + dice.below(300) as i64)],
        ),
        4 => (Operator::IsNotNull, Vec::new()),
        _ => (
            Operator::In,
            vec![Value::Integer(1), Value::Integer(2), Value::Integer(5)],
        ),
    };
    MetricFilter {
        metric: String::new(),
        op,
        values,
    }
}

fn having(dice: &mut Dice, names: &[String], depth: usize) -> HavingClause {
    let parts = |dice: &mut Dice| {
        (0..1 + dice.below(2))
            .map(|_| having(dice, names, depth + 1))
            .collect::<Vec<_>>()
    };
    match dice.below(if depth > 0 { 4 } else { 7 }) {
        4 => HavingClause::Any { any: parts(dice) },
        5 => HavingClause::All { all: parts(dice) },
        6 => HavingClause::Not {
            not: Box::new(having(dice, names, depth + 1)),
        },
        _ => HavingClause::Is(MetricFilter {
            metric: dice.pick(names).clone(),
            ..number_filter(dice)
        }),
    }
}

fn period(world: &World, dice: &mut Dice) -> Period {
    let days: Vec<Dimension> = world
        .catalogue
        .dimensions
        .iter()
        .filter(|d| matches!(d.column_type, ColumnType::Date | ColumnType::Timestamp) && d.column.is_some())
        .cloned()
        .collect();
    match dice.below(8) {
        0 => Period::Since {
            dimension: dice.pick(&days).name.clone(),
            unit: grain(dice),
            offset: dice.below(3) as i32 - 1,
            count: 1 + dice.below(20) as u32,
        },
        1 | 2 => Period::Relative {
            unit: *dice.pick(&[Grain::Year, Grain::Quarter, Grain::Month]),
            offset: -(dice.below(4) as i32),
            count: 1 + dice.below(3) as u32,
        },
        3 => Period::Between {
            from: Some("2024-01-01".parse().expect("a day")),
            to: Some("2024-12-31".parse().expect("a day")),
        },
        4 => Period::Between {
            from: Some("2024-02-01".parse().expect("a day")),
            to: Some("2024-03-31".parse().expect("a day")),
        },
        5 => Period::Between {
            from: Some("2024-02-10".parse().expect("a day")),
            to: None,
        },
        6 => Period::Between {
            from: None,
            to: Some("2024-03-31".parse().expect("a day")),
        },
        _ => Period::Between {
            from: Some("2024-01-29".parse().expect("a day")),
            to: Some("2024-03-30".parse().expect("a day")),
        },
    }
}

fn metric(world: &World, dice: &mut Dice, index: usize, has_grain: bool) -> QueryMetric {
    let mut metric = QueryMetric::from(metric_name(world, dice));
    if dice.one_in(4) {
        metric.filters.push(clause(world, dice, 1, true));
        metric.name = Some(format!("own_{index}"));
    }
    if dice.one_in(5) {
        metric.aggregate = Some(*dice.pick(&[
            Statistic::Average,
            Statistic::Minimum,
            Statistic::Maximum,
            Statistic::Median,
            Statistic::Distinct,
            Statistic::Percentile(90.0),
            Statistic::Percentile(12.5),
        ]));
    }
    if has_grain && dice.one_in(3) {
        metric.window = Some(if dice.one_in(2) {
            Window::RunningTotal
        } else {
            Window::MovingAverage(1 + dice.below(4) as u32)
        });
    }
    metric
}

pub fn query(world: &World, dice: &mut Dice) -> Query {
    if dice.one_in(5) {
        return list(world, dice);
    }
    let mut query = Query::default();
    if dice.one_in(2) {
        query.grain = Some(grain(dice));
    }
    for index in 0..1 + dice.below(3) {
        let metric = metric(world, dice, index, query.grain.is_some());
        if !query.has_metric(&metric.name()) {
            query.metrics.push(metric);
        }
    }
    for _ in 0..dice.below(3) {
        let name = dimension(world, dice).name.clone();
        if !query.dimensions.contains(&name) {
            query.dimensions.push(name);
        }
    }
    for _ in 0..dice.below(3) {
        query.filters.push(clause(world, dice, 0, true));
    }
    if dice.one_in(2) {
        query.period = Some(period(world, dice));
    }
    if dice.one_in(8) {
        query.time = Some(dimension(world, dice).name.clone());
    }
    for comparison in [
        Comparison::PreviousPeriod,
        Comparison::SamePeriodLastYear,
        Comparison::ShareOfTotal,
        Comparison::Rank,
        Comparison::AverageOfPeers,
    ] {
        if dice.one_in(7) {
            query.compare.push(comparison);
        }
    }
    let mut numbers = query.metric_names();
    numbers.extend(query.added_columns().into_iter().map(|column| column.name));
    if dice.one_in(4) {
        let mut names = numbers.clone();
        if dice.one_in(3) {
            names.push(plain_metric(world, dice));
        }
        query.having.push(having(dice, &names, 0));
    }
    if !query.dimensions.is_empty() && dice.one_in(6) {
        let name = dice.pick(&query.dimensions).clone();
        let dimension = world.catalogue.dimension(&name).expect("a dimension");
        if dimension.column.is_some() || dimension.part.is_some() || dimension.days_since.is_some() {
            query.focus.push(FilterClause::Is(filter(world, dice, dimension)));
        }
    }
    if !query.dimensions.is_empty() && dice.one_in(5) {
        let mut groups = query.dimensions.clone();
        groups.extend(query.grain.map(|grain| grain.name().to_owned()));
        query.top = Some(Top {
            n: 1 + dice.below(3) as u32,
            by: dice.one_in(2).then(|| dice.pick(&numbers).clone()),
            per: if dice.one_in(2) {
                vec![dice.pick(&groups).clone()]
            } else {
                Vec::new()
            },
            direction: if dice.one_in(3) {
                Direction::Ascending
            } else {
                Direction::Descending
            },
        });
    }
    if dice.one_in(3) {
        let mut by = numbers;
        by.extend(query.dimensions.iter().cloned());
        by.extend(query.grain.map(|grain| grain.name().to_owned()));
        query.order.push(Order {
            by: dice.pick(&by).clone(),
            direction: if dice.one_in(2) {
                Direction::Ascending
            } else {
                Direction::Descending
            },
        });
    }
    if dice.one_in(5) {
        query.limit = Some(1 + dice.below(4) as u32);
    }
    query
}

/// Rows that are listed: some columns, conditions, an order by what may not be shown.
fn list(world: &World, dice: &mut Dice) -> Query {
    let mut query = Query {
        of: Some(plain_metric(world, dice)),
        distinct: dice.one_in(3),
        ..Query::default()
    };
    for _ in 0..1 + dice.below(3) {
        let name = dimension(world, dice).name.clone();
        if !query.dimensions.contains(&name) {
            query.dimensions.push(name);
        }
    }
    for _ in 0..dice.below(3) {
        query.filters.push(clause(world, dice, 0, true));
    }
    if dice.one_in(3) {
        query.period = Some(period(world, dice));
    }
    if dice.one_in(2) {
        query.order.push(Order {
            by: dimension(world, dice).name.clone(),
            direction: if dice.one_in(2) {
                Direction::Ascending
            } else {
                Direction::Descending
            },
        });
    }
    if dice.one_in(3) {
        query.limit = Some(1 + dice.below(4) as u32);
    }
    query
}

/// Queries with one thing less, to find the smallest that still fails.
pub fn simpler(query: &Query) -> Vec<Query> {
    let mut found = Vec::new();
    let mut add = |change: &dyn Fn(&mut Query)| {
        let mut other = query.clone();
        change(&mut other);
        if other != *query {
            found.push(other);
        }
    };
    for at in 0..query.metrics.len() {
        if query.metrics.len() > 1 {
            add(&|q| {
                q.metrics.remove(at);
            });
        }
        add(&|q| q.metrics[at].filters.clear());
        add(&|q| q.metrics[at].window = None);
        add(&|q| q.metrics[at].aggregate = None);
        add(&|q| q.metrics[at].name = None);
    }
    for at in 0..query.dimensions.len() {
        add(&|q| {
            q.dimensions.remove(at);
        });
    }
    for at in 0..query.filters.len() {
        add(&|q| {
            q.filters.remove(at);
        });
        let parts: Vec<FilterClause> = match &query.filters[at] {
            FilterClause::Any { any: parts } | FilterClause::All { all: parts } => parts.clone(),
            FilterClause::Not { not } => vec![(**not).clone()],
            FilterClause::Exists { exists } => {
                let mut less = Vec::new();
                for change in 0..4 {
                    let mut one = (**exists).clone();
                    match change {
                        0 => one.filters.clear(),
                        1 => {
                            one.having.clear();
                            one.per.clear();
                        }
                        2 => one.per.clear(),
                        _ => one.period = None,
                    }
                    less.push(FilterClause::Exists { exists: Box::new(one) });
                }
                less
            }
            FilterClause::Is(_) | FilterClause::Than { .. } => Vec::new(),
        };
        for part in parts {
            add(&|q| q.filters[at] = part.clone());
        }
    }
    for at in 0..query.compare.len() {
        add(&|q| {
            q.compare.remove(at);
        });
    }
    add(&|q| q.having.clear());
    add(&|q| q.focus.clear());
    add(&|q| q.top = None);
    add(&|q| q.order.clear());
    add(&|q| q.limit = None);
    add(&|q| q.period = None);
    add(&|q| q.time = None);
    add(&|q| q.grain = None);
    found
}
