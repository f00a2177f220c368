//! Conditions as SQL: trees of them, existence, and those on the numbers of an answer.

use super::{
    expression::ColumnRef,
    metric::{MetricUse, Wants, candidates, gives_way, metric_sql},
    period::period_conditions,
    scope::{Place, Scope, Stop, day_of, time_for},
    values::{Operand, condition},
    world::World,
};
use crate::{
    catalogue::{Dimension, TimePart},
    query::{
        Exists, Filter, FilterClause, HavingClause, MetricFilter, Operator, QueryError, QueryErrorCode, QueryMetric,
        Than, Usual, Value,
    },
    table::ColumnType,
};

/// Deeper trees of conditions are refused, so that no query can exhaust the stack.
const MAX_DEPTH: usize = 16;
/// The most conditions of one tree.
const MAX_CONDITIONS: usize = 200;

/// Refuses trees that are too large, empty lists, and names that are not there or not to be seen.
pub(super) fn check_filters(world: &World<'_>, clauses: &[FilterClause], path: &str) -> Result<(), QueryError> {
    let mut count = 0;
    for (index, clause) in clauses.iter().enumerate() {
        check_filter(world, clause, &format!("{path}[{index}]"), 0, &mut count)?;
    }
    Ok(())
}

fn too_large(path: &str) -> QueryError {
    QueryError::new(
        QueryErrorCode::BadQuery,
        path,
        format!("Conditions go at most {MAX_DEPTH} deep, and there are at most {MAX_CONDITIONS} of them."),
    )
}

fn empty(path: &str) -> QueryError {
    QueryError::new(QueryErrorCode::BadQuery, path, "The list of conditions is empty.")
        .suggest("Name at least one, or leave it out.")
}

fn check_filter(
    world: &World<'_>,
    clause: &FilterClause,
    path: &str,
    depth: usize,
    count: &mut usize,
) -> Result<(), QueryError> {
    *count += 1;
    if depth > MAX_DEPTH || *count > MAX_CONDITIONS {
        return Err(too_large(path));
    }
    match clause {
        FilterClause::Is(filter) => {
            let at = format!("{path}.dimension");
            let dimension = world.dimension(&filter.dimension, &at)?;
            if dimension.column.is_none() && dimension.part.is_none() && dimension.days_since.is_none() {
                return Err(QueryError::new(
                    QueryErrorCode::WrongType,
                    at,
                    format!("{} has no value of its own to compare.", dimension.label),
                )
                .suggest(format!("Filter by {}.", dimension.shows.join(", "))));
            }
            world.check_dimension(dimension, &at)?;
            check_part_values(dimension, filter, path)
        }
        FilterClause::Any { any: parts } | FilterClause::All { all: parts } => {
            if parts.is_empty() {
                return Err(empty(path));
            }
            let name = if matches!(clause, FilterClause::Any { .. }) {
                "any"
            } else {
                "all"
            };
            for (index, part) in parts.iter().enumerate() {
                check_filter(world, part, &format!("{path}.{name}[{index}]"), depth + 1, count)?;
            }
            Ok(())
        }
        FilterClause::Not { not } => check_filter(world, not, &format!("{path}.not"), depth + 1, count),
        FilterClause::Exists { exists } => {
            let at = format!("{path}.exists");
            let dimension = world.dimension(&exists.dimension, &format!("{at}.dimension"))?;
            if dimension.column.is_none() && dimension.key.is_none() {
                return Err(QueryError::new(
                    QueryErrorCode::BadExists,
                    format!("{at}.dimension"),
                    format!("{} names no things that could have anything.", dimension.label),
                ));
            }
            world.check_dimension(dimension, &format!("{at}.dimension"))?;
            world.metric(&exists.of, &format!("{at}.of"))?;
            if !exists.per.is_empty() && exists.having.is_empty() {
                return Err(QueryError::new(
                    QueryErrorCode::BadExists,
                    format!("{at}.per"),
                    "Without a condition on a metric there is nothing to hold for each of these.",
                )
                .suggest("Add having, or leave out per."));
            }
            for (index, name) in exists.per.iter().enumerate() {
                let at = format!("{at}.per[{index}]");
                world.check_dimension(world.dimension(name, &at)?, &at)?;
            }
            for (index, clause) in exists.filters.iter().enumerate() {
                check_filter(world, clause, &format!("{at}.filters[{index}]"), depth + 1, count)?;
            }
            check_having(&exists.having, &format!("{at}.having"))
        }
        FilterClause::Than { than } => check_than(world, than, &format!("{path}.than")),
    }
}

fn check_than(world: &World<'_>, than: &Than, path: &str) -> Result<(), QueryError> {
    let at = format!("{path}.dimension");
    let dimension = world.dimension(&than.dimension, &at)?;
    world.check_dimension(dimension, &at)?;
    let wrong = |at: String, message: String, action: &str| {
        Err(QueryError::new(QueryErrorCode::WrongType, at, message).suggest(action))
    };
    if dimension.column.is_none() || !dimension.column_type.is_number() {
        return wrong(
            at,
            format!("{} is no number that could be averaged.", dimension.label),
            "Name a dimension that holds numbers.",
        );
    }
    if !matches!(
        than.op,
        Operator::Equal
            | Operator::NotEqual
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual
    ) {
        return wrong(
            format!("{path}.op"),
            "A number is greater or less than a statistic, or the same.".to_owned(),
            "Use one of: =, !=, >, >=, <, <=.",
        );
    }
    Ok(())
}

/// Refuses trees that are too large and empty lists.
pub(super) fn check_having(clauses: &[HavingClause], path: &str) -> Result<(), QueryError> {
    fn check(clause: &HavingClause, path: &str, depth: usize, count: &mut usize) -> Result<(), QueryError> {
        *count += 1;
        if depth > MAX_DEPTH || *count > MAX_CONDITIONS {
            return Err(too_large(path));
        }
        match clause {
            HavingClause::Is(_) => Ok(()),
            HavingClause::Not { not } => check(not, &format!("{path}.not"), depth + 1, count),
            HavingClause::Any { any: parts } | HavingClause::All { all: parts } => {
                if parts.is_empty() {
                    return Err(empty(path));
                }
                let name = if matches!(clause, HavingClause::Any { .. }) {
                    "any"
                } else {
                    "all"
                };
                for (index, part) in parts.iter().enumerate() {
                    check(part, &format!("{path}.{name}[{index}]"), depth + 1, count)?;
                }
                Ok(())
            }
        }
    }
    let mut count = 0;
    for (index, clause) in clauses.iter().enumerate() {
        check(clause, &format!("{path}[{index}]"), 0, &mut count)?;
    }
    Ok(())
}

fn check_part_values(dimension: &Dimension, filter: &Filter, at: &str) -> Result<(), QueryError> {
    let (least, most) = match dimension.part {
        Some(TimePart::QuarterOfYear) => (1, 4),
        Some(TimePart::MonthOfYear) => (1, 12),
        Some(TimePart::Weekday) => (1, 7),
        Some(TimePart::Hour) => (0, 23),
        Some(TimePart::Year) | None => return Ok(()),
    };
    for (index, value) in filter.values.iter().enumerate() {
        if let Value::Integer(number) = value
            && !(least..=most).contains(number)
        {
            return Err(QueryError::new(
                QueryErrorCode::WrongType,
                format!("{at}.values[{index}]"),
                format!("{} is a number from {least} to {most}, not {number}.", dimension.label),
            ));
        }
    }
    Ok(())
}

/// A tree of conditions over the rows of a scope.
pub(super) fn filter_sql(scope: &mut Scope<'_, '_>, clause: &FilterClause, path: &str) -> Result<String, Stop> {
    match clause {
        FilterClause::Is(filter) => single_sql(scope, filter, path),
        FilterClause::Any { any } => {
            let parts = list_sql(scope, any, &format!("{path}.any"))?;
            Ok(format!("({})", parts.join(" OR ")))
        }
        FilterClause::All { all } => {
            let parts = list_sql(scope, all, &format!("{path}.all"))?;
            Ok(format!("({})", parts.join(" AND ")))
        }
        FilterClause::Not { not } => Ok(format!("NOT ({})", filter_sql(scope, not, &format!("{path}.not"))?)),
        FilterClause::Exists { exists } => exists_sql(scope, exists, &format!("{path}.exists")),
        FilterClause::Than { than } => than_sql(scope, than, &format!("{path}.than")),
    }
}

/// A number of the rows against a statistic of it over all rows of its own table that the viewer may see.
fn than_sql(scope: &mut Scope<'_, '_>, than: &Than, path: &str) -> Result<String, Stop> {
    let world = scope.world;
    let dimension = world.dimension(&than.dimension, &format!("{path}.dimension"))?;
    let column = dimension.column.as_deref().and_then(ColumnRef::parse);
    let sql = match scope.place(dimension)? {
        Some(Place::Column(_)) => scope.dimension_sql(dimension)?,
        _ => None,
    };
    let (Some(column), Some(sql)) = (column, sql) else {
        return Err(Stop::Error(QueryError::new(
            QueryErrorCode::NoJoin,
            format!("{path}.dimension"),
            format!(
                "Nothing in the data connects {} with what is asked for.",
                dimension.label.to_lowercase()
            ),
        )));
    };
    let mut inner = Scope::new(world, &column.table, None);
    let own = inner.column(&column, &[])?;
    let value = match than.statistic {
        Usual::Minimum => format!("MIN({own})"),
        Usual::Maximum => format!("MAX({own})"),
        Usual::Average => format!("AVG(CAST({own} AS DOUBLE PRECISION))"),
    };
    let from = inner.from()?.replace('\n', " ");
    scope.take_tables(&mut inner);
    let op = match than.op {
        Operator::NotEqual => "<>",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        _ => "=",
    };
    Ok(format!("{sql} {op} (SELECT {value} {from})"))
}

pub(super) fn list_sql(scope: &mut Scope<'_, '_>, clauses: &[FilterClause], path: &str) -> Result<Vec<String>, Stop> {
    let mut parts = Vec::with_capacity(clauses.len());
    for (index, clause) in clauses.iter().enumerate() {
        parts.push(filter_sql(scope, clause, &format!("{path}[{index}]"))?);
    }
    Ok(parts)
}

fn dimension_condition(
    world: &World<'_>,
    dimension: &Dimension,
    filter: &Filter,
    sql: &str,
    path: &str,
) -> Result<String, QueryError> {
    let day = format!("CAST({sql} AS DATE)");
    let operand = Operand {
        sql: if dimension.column_type == ColumnType::Timestamp {
            &day
        } else {
            sql
        },
        holds: day_of(dimension.column_type),
        hint: &dimension.name,
        label: &dimension.label,
        path,
    };
    condition(&operand, filter.op, &filter.values, &mut world.parameters.borrow_mut())
}

fn single_sql(scope: &mut Scope<'_, '_>, filter: &Filter, path: &str) -> Result<String, Stop> {
    let world = scope.world;
    let dimension = world.dimension(&filter.dimension, &format!("{path}.dimension"))?;
    let place = if scope.is_grouped(dimension) {
        None
    } else {
        scope.place(dimension)?
    };
    if let Some(Place::Many { column, above, down }) = place {
        let inner = dimension_condition(world, dimension, filter, &column.to_string(), path)?;
        let (select, key) = scope.keys(&column, &above, &down, false, Some(&inner))?;
        let outer = scope.column(&key, &[])?;
        let alias = scope.derive("meets", &select, |alias| format!("{alias}.k = {outer}"));
        return Ok(format!("{alias}.k IS NOT NULL"));
    }
    match scope.dimension_sql(dimension)? {
        Some(sql) => {
            // The day of an instant is that of its place.
            let sql = match (
                dimension.column_type,
                dimension.column.as_deref().and_then(ColumnRef::parse),
            ) {
                (ColumnType::Timestamp, Some(column)) => scope.local(&column, sql, &dimension.via)?,
                _ => sql,
            };
            Ok(dimension_condition(world, dimension, filter, &sql, path)?)
        }
        None => Err(Stop::Error(QueryError::new(
            QueryErrorCode::NoJoin,
            format!("{path}.dimension"),
            format!(
                "Nothing in the data connects {} with what is asked for.",
                dimension.label.to_lowercase()
            ),
        ))),
    }
}

/// What tells apart the things that a dimension names: its key, else its column.
fn key_of(scope: &mut Scope<'_, '_>, dimension: &Dimension, path: &str) -> Result<String, Stop> {
    let key = dimension.key.as_deref().or(dimension.column.as_deref());
    let Some(key) = key.and_then(ColumnRef::parse) else {
        return Err(Stop::Error(QueryError::new(
            QueryErrorCode::BadExists,
            path,
            format!("{} names no things that could have anything.", dimension.label),
        )));
    };
    if scope.base != key.table && scope.world.graph.routes(&scope.base, &key.table).is_empty() {
        return Err(Stop::Error(QueryError::new(
            QueryErrorCode::NoJoin,
            path,
            format!(
                "Nothing in the data connects {} with what is asked for.",
                dimension.label.to_lowercase()
            ),
        )));
    }
    scope.column(&key, &dimension.via)
}

/// Whether rows of another kind belong to the same thing: a join to the keys of all things that have such rows.
fn exists_sql(scope: &mut Scope<'_, '_>, exists: &Exists, path: &str) -> Result<String, Stop> {
    let world = scope.world;
    let dimension = world.dimension(&exists.dimension, &format!("{path}.dimension"))?;
    let outer = key_of(scope, dimension, &format!("{path}.dimension"))?;
    let mut per = Vec::new();
    for (index, name) in exists.per.iter().enumerate() {
        per.push(world.dimension(name, &format!("{path}.per[{index}]"))?);
    }
    let mut wanted = vec![dimension];
    wanted.extend(&per);
    let wants = Wants {
        dimensions: &wanted,
        filters: &exists.filters,
        time: None,
        needs_time: exists.period.is_some(),
        period: exists.period.as_ref(),
    };
    let of = first(world, &exists.of, &wants, None, &format!("{path}.of"))?;
    let mut inner = Scope::new(world, &of.base, None);
    inner.time = time_for(world, &of.base, None)?;
    inner.currency = of
        .source
        .currency
        .as_deref()
        .or_else(|| world.currency?.column.as_deref())
        .and_then(ColumnRef::parse)
        .filter(|column| world.graph.reaches(&of.base, &column.table));
    let key = key_of(&mut inner, dimension, &format!("{path}.dimension"))?;
    let mut groups = vec![key.clone()];
    for dimension in &per {
        let sql = match (
            dimension.key.as_deref().and_then(ColumnRef::parse),
            dimension.column.is_some(),
        ) {
            (Some(key), _) => inner.column(&key, &dimension.via)?,
            _ => inner.dimension_sql(dimension)?.ok_or_else(|| {
                QueryError::new(
                    QueryErrorCode::NoJoin,
                    format!("{path}.per"),
                    format!(
                        "Nothing in the data connects {} with what is looked for.",
                        dimension.label.to_lowercase()
                    ),
                )
            })?,
        };
        groups.push(sql);
    }
    let mut conditions = vec![format!("{key} IS NOT NULL")];
    conditions.extend(list_sql(&mut inner, &exists.filters, &format!("{path}.filters"))?);
    if let Some(period) = &exists.period {
        let days = period.resolve(world.context.today).map_err(|mut error| {
            error.path = format!("{path}.period");
            error
        })?;
        conditions.extend(period_conditions(&mut inner, Some(period), days)?);
    }
    let mut own = own_conditions(&mut inner, &of, &wanted, &exists.filters)?;
    // Rows in which the metric has no value are none of its rows.
    for column in of.columns() {
        let known = format!("{} IS NOT NULL", inner.column(column, &[])?);
        if !own.contains(&known) {
            own.push(known);
        }
    }
    conditions.extend(own);
    let select = if exists.having.is_empty() {
        let from = inner.from()?.replace('\n', " ");
        format!("SELECT DISTINCT {key} AS k {from} WHERE {}", conditions.join(" AND "))
    } else {
        let mut having = Vec::new();
        for (index, clause) in exists.having.iter().enumerate() {
            having.push(exists_having(
                &mut inner,
                clause,
                &of,
                &wants,
                &format!("{path}.having[{index}]"),
            )?);
        }
        let from = inner.from()?.replace('\n', " ");
        let grouped = format!(
            "SELECT {key} AS k {from} WHERE {} GROUP BY {} HAVING {}",
            conditions.join(" AND "),
            groups.join(", "),
            having.join(" AND ")
        );
        if per.is_empty() {
            grouped
        } else {
            format!("SELECT DISTINCT k FROM ({grouped}) AS each_one")
        }
    };
    scope.take_tables(&mut inner);
    let alias = scope.derive("found", &select, |alias| format!("{alias}.k = {outer}"));
    Ok(format!("{alias}.k IS NOT NULL"))
}

/// The first source of a metric that can be used, of the rows of `base` where it is named.
fn first<'a>(
    world: &World<'a>,
    name: &str,
    wants: &Wants<'_, 'a>,
    base: Option<&str>,
    path: &str,
) -> Result<MetricUse<'a>, QueryError> {
    let metric = QueryMetric::from(name);
    let found = candidates(world, &metric, wants, path)?;
    let label = world.metric(name, path)?.label.to_lowercase();
    found
        .into_iter()
        .find(|used| base.is_none_or(|base| used.base == base))
        .ok_or_else(|| {
            QueryError::new(
                QueryErrorCode::BadExists,
                path,
                format!("The {label} is of other rows than those that are looked for."),
            )
            .suggest("Look for the rows of that metric instead.")
        })
}

/// Conditions of a metric alone: the catalogue's, unless the query speaks of their columns, those that the query gives
/// it, and for a ratio that both of its sides are known.
pub(super) fn own_conditions(
    scope: &mut Scope<'_, '_>,
    used: &MetricUse<'_>,
    dimensions: &[&Dimension],
    filters: &[FilterClause],
) -> Result<Vec<String>, Stop> {
    let world = scope.world;
    let mut conditions = Vec::new();
    for filter in &used.source.filters {
        if gives_way(filter, dimensions, filters.iter().chain(&used.filters), world) {
            continue;
        }
        let Some(column) = ColumnRef::parse(&filter.dimension) else {
            continue;
        };
        let holds = world.column_type(&column).unwrap_or(ColumnType::Text);
        let sql = scope.column(&column, &[])?;
        let day = format!("CAST({sql} AS DATE)");
        let operand = Operand {
            sql: if holds == ColumnType::Timestamp { &day } else { &sql },
            holds: day_of(holds),
            hint: &column.column,
            label: &filter.dimension,
            path: &format!("the catalogue's metric {}", used.metric.name),
        };
        conditions.push(condition(
            &operand,
            filter.op,
            &filter.values,
            &mut world.parameters.borrow_mut(),
        )?);
    }
    conditions.extend(list_sql(scope, &used.filters, &format!("{}.filters", used.path))?);
    if used.over.is_some() {
        for column in used.columns() {
            let known = format!("{} IS NOT NULL", scope.column(column, &[])?);
            if !conditions.contains(&known) {
                conditions.push(known);
            }
        }
    }
    Ok(conditions)
}

/// A metric's expression and that of its denominator, over the rows of a scope.
pub(super) fn written(scope: &mut Scope<'_, '_>, used: &MetricUse<'_>) -> Result<(String, Option<String>), Stop> {
    let of = used.of.written(&mut |column| scope.column(column, &[]))?;
    let over = match &used.over {
        Some(over) => Some(over.written(&mut |column| scope.column(column, &[]))?),
        None => None,
    };
    Ok((of, over))
}

fn exists_having(
    scope: &mut Scope<'_, '_>,
    clause: &HavingClause,
    of: &MetricUse<'_>,
    wants: &Wants<'_, '_>,
    path: &str,
) -> Result<String, Stop> {
    let each = |scope: &mut Scope<'_, '_>, parts: &[HavingClause], name: &str| -> Result<Vec<String>, Stop> {
        let mut written = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            written.push(exists_having(
                scope,
                part,
                of,
                wants,
                &format!("{path}.{name}[{index}]"),
            )?);
        }
        Ok(written)
    };
    match clause {
        HavingClause::Is(filter) => {
            let world = scope.world;
            let wants = Wants {
                dimensions: wants.dimensions,
                filters: wants.filters,
                time: wants.time,
                needs_time: wants.needs_time,
                period: wants.period,
            };
            let used = first(world, &filter.metric, &wants, Some(&of.base), &format!("{path}.metric"))?;
            let conditions = own_conditions(scope, &used, wants.dimensions, wants.filters)?;
            let (of, over) = written(scope, &used)?;
            let sql = metric_sql(&used, &of, over.as_deref(), &conditions, false);
            Ok(number_condition(
                world,
                filter,
                &sql,
                used.holds,
                &used.metric.label,
                path,
            )?)
        }
        HavingClause::Any { any } => Ok(format!("({})", each(scope, any, "any")?.join(" OR "))),
        HavingClause::All { all } => Ok(format!("({})", each(scope, all, "all")?.join(" AND "))),
        HavingClause::Not { not } => Ok(format!(
            "NOT ({})",
            exists_having(scope, not, of, wants, &format!("{path}.not"))?
        )),
    }
}

/// A condition on a number of the answer.
pub(super) fn number_condition(
    world: &World<'_>,
    filter: &MetricFilter,
    sql: &str,
    holds: ColumnType,
    label: &str,
    path: &str,
) -> Result<String, QueryError> {
    if matches!(filter.op, Operator::Contains | Operator::StartsWith) {
        return Err(QueryError::new(
            QueryErrorCode::WrongType,
            format!("{path}.op"),
            format!("{label} is a number; only text can contain or begin with something."),
        ));
    }
    let operand = Operand {
        sql,
        holds,
        hint: &filter.metric,
        label,
        path,
    };
    condition(&operand, filter.op, &filter.values, &mut world.parameters.borrow_mut())
}

/// A tree of conditions on numbers; `single` writes one of them.
pub(super) fn having_sql(
    clause: &HavingClause,
    path: &str,
    single: &mut impl FnMut(&MetricFilter, &str) -> Result<String, QueryError>,
) -> Result<String, QueryError> {
    let mut each = |parts: &[HavingClause], name: &str| -> Result<Vec<String>, QueryError> {
        let mut written = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            written.push(having_sql(part, &format!("{path}.{name}[{index}]"), &mut *single)?);
        }
        Ok(written)
    };
    match clause {
        HavingClause::Is(filter) => single(filter, path),
        HavingClause::Any { any } => Ok(format!("({})", each(any, "any")?.join(" OR "))),
        HavingClause::All { all } => Ok(format!("({})", each(all, "all")?.join(" AND "))),
        HavingClause::Not { not } => Ok(format!("NOT ({})", having_sql(not, &format!("{path}.not"), single)?)),
    }
}
