//! Which of a metric's sources a query can use, and how a metric is written over the rows of its table.

use super::{
    expression::{ColumnRef, Expression},
    scope::{Place, place, time_for},
    world::World,
};
use crate::{
    catalogue::{Aggregate, Dimension, Format, Metric, MetricSource, StatisticKind, TimePart, Unit},
    query::{Filter, FilterClause, Period, QueryError, QueryErrorCode, QueryMetric, Statistic},
    table::ColumnType,
};

/// A metric with the source that was chosen for this query.
pub(super) struct MetricUse<'a> {
    pub metric: &'a Metric,
    pub source: &'a MetricSource,
    pub of: Expression,
    pub over: Option<Expression>,
    pub base: String,
    pub holds: ColumnType,
    /// The name of its column.
    pub name: String,
    pub filters: Vec<FilterClause>,
    pub statistic: Option<Statistic>,
    /// Where it stands in the query.
    pub path: String,
}

impl MetricUse<'_> {
    pub fn columns(&self) -> impl Iterator<Item = &ColumnRef> {
        self.of
            .columns()
            .into_iter()
            .chain(self.over.iter().flat_map(Expression::columns))
    }

    pub fn is_money(&self) -> bool {
        self.metric.unit == Unit::Currency && self.statistic != Some(Statistic::Distinct)
    }

    /// Whether it is 0, not unknown, where there are no rows.
    pub fn is_count(&self) -> bool {
        match self.statistic {
            Some(statistic) => statistic == Statistic::Distinct,
            None => {
                self.source.over.is_none()
                    && matches!(self.source.aggregate, Aggregate::Count | Aggregate::CountDistinct)
            }
        }
    }

    /// Whether the values of groups may be added up.
    pub fn is_additive(&self) -> bool {
        self.statistic.is_none()
            && self.metric.additive.unwrap_or(
                self.source.over.is_none() && matches!(self.source.aggregate, Aggregate::Count | Aggregate::Sum),
            )
    }

    /// What its rows are sorted by, where it is taken from sorted rows: Redshift sorts once for each SELECT.
    pub fn sorted_by(&self) -> Option<String> {
        matches!(self.statistic, Some(Statistic::Median | Statistic::Percentile(_)))
            .then(|| format!("{} {:?}", self.of, self.filters))
    }

    fn is_percent(&self) -> bool {
        self.metric.format == Format::Percent
    }
}

/// What a source must be able to do for a query.
pub(super) struct Wants<'q, 'a> {
    pub dimensions: &'q [&'a Dimension],
    pub filters: &'q [FilterClause],
    pub time: Option<&'a Dimension>,
    pub needs_time: bool,
    pub period: Option<&'q Period>,
}

/// The sources of a metric that a query can use, the best first; at least one.
///
/// # Errors
/// Why none can be: nothing connects them, nothing is recorded, the role may not see them.
pub(super) fn candidates<'a>(
    world: &World<'a>,
    asked: &QueryMetric,
    wants: &Wants<'_, 'a>,
    at: &str,
) -> Result<Vec<MetricUse<'a>>, QueryError> {
    let metric = world.metric(&asked.metric, at)?;
    check_statistic(metric, asked.aggregate, at)?;
    let mut usable = Vec::new();
    let mut by_way_of_filters = Vec::new();
    let mut unreachable: Option<&Dimension> = None;
    let mut no_instant: Option<&Dimension> = None;
    let mut ambiguous: Option<QueryError> = None;
    let (mut any_filled, mut any_hidden) = (false, false);
    for source in &metric.sources {
        let chosen = metric_use(world, metric, source, asked, at)?;
        if chosen.columns().any(|column| world.is_hidden(column)) {
            any_hidden = true;
            continue;
        }
        if !chosen.columns().all(|column| world.is_filled(column)) {
            continue;
        }
        any_filled = true;
        match fit(world, &chosen, wants) {
            Ok(Fit::Whole) => usable.push(chosen),
            Ok(Fit::ByWayOfFilters) => by_way_of_filters.push(chosen),
            Ok(Fit::NoTime) => {}
            Ok(Fit::NoInstant(dimension)) => no_instant = Some(dimension),
            Ok(Fit::Unreachable(dimension)) => unreachable = Some(dimension),
            Err(error) if error.code == QueryErrorCode::AmbiguousJoin => ambiguous = Some(error),
            Err(error) => return Err(error),
        }
    }
    if usable.is_empty() {
        usable = by_way_of_filters;
    }
    if !usable.is_empty() {
        return Ok(usable);
    }
    let label = metric.label.to_lowercase();
    if let Some(mut error) = ambiguous {
        at.clone_into(&mut error.path);
        return Err(error);
    }
    if let Some(dimension) = no_instant {
        return Err(QueryError::new(
            QueryErrorCode::WrongType,
            "",
            format!(
                "{} needs an instant, and what is asked for has days only.",
                dimension.label
            ),
        )
        .suggest("Ask by a part of the calendar."));
    }
    Err(match unreachable {
        Some(dimension) => QueryError::new(
            QueryErrorCode::NoJoin,
            at,
            format!(
                "The {label} cannot be told by {}: nothing in the data connects them.",
                dimension.label.to_lowercase()
            ),
        )
        .suggest(format!(
            "Leave out {} or ask for another metric.",
            dimension.label.to_lowercase()
        )),
        None if any_filled => QueryError::new(QueryErrorCode::NoJoin, at, format!("The {label} has no time.")),
        None if any_hidden => QueryError::new(
            QueryErrorCode::NotAllowed,
            at,
            format!("Your role may not see the {label}."),
        )
        .suggest("Ask for another metric."),
        None if world.context.state.tables.is_empty() => {
            QueryError::new(QueryErrorCode::NotInData, at, "No data has been published yet.")
                .suggest("Bring in a file first.")
        }
        None => QueryError::new(
            QueryErrorCode::NotInData,
            at,
            format!(
                "There {} no {label} in the data at hand.",
                if metric.noun.is_some() { "are" } else { "is" }
            ),
        )
        .suggest("Ask for another metric, or bring in data that has it."),
    })
}

enum Fit<'a> {
    Whole,
    /// Some filter is of rows that belong to its rows.
    ByWayOfFilters,
    NoTime,
    /// The hour of the day is asked for, and its rows know only the day.
    NoInstant(&'a Dimension),
    Unreachable(&'a Dimension),
}

fn fit<'a>(world: &World<'a>, chosen: &MetricUse<'a>, wants: &Wants<'_, 'a>) -> Result<Fit<'a>, QueryError> {
    let base = &chosen.base;
    let time = time_for(world, base, wants.time)?;
    let has_time = time.is_some();
    let has_days_only = time.is_some_and(|time| time.holds != ColumnType::Timestamp);
    let needs_instant = |dimension: &Dimension| has_days_only && dimension.part == Some(TimePart::Hour);
    for dimension in wants.dimensions {
        if needs_instant(dimension) {
            return Ok(Fit::NoInstant(dimension));
        }
        match place(world, base, dimension, has_time)? {
            Some(Place::Many { .. }) if !dimension.many => return Ok(Fit::Unreachable(dimension)),
            None => return Ok(Fit::Unreachable(dimension)),
            Some(_) => {}
        }
    }
    if wants.needs_time && !has_time {
        return Ok(match wants.time {
            Some(dimension) => Fit::Unreachable(dimension),
            None => Fit::NoTime,
        });
    }
    if let Some(Period::Since { dimension, .. }) = wants.period {
        let anchor = world.dimension(dimension, "period.dimension")?;
        if !has_time {
            return Ok(Fit::NoTime);
        }
        if !matches!(place(world, base, anchor, has_time)?, Some(Place::Column(_))) {
            return Ok(Fit::Unreachable(anchor));
        }
    }
    let mut by_way = false;
    for clause in wants.filters.iter().chain(&chosen.filters) {
        for filter in clause.singles() {
            let dimension = world.dimension(&filter.dimension, "filters")?;
            if needs_instant(dimension) {
                return Ok(Fit::NoInstant(dimension));
            }
            match place(world, base, dimension, has_time)? {
                None => return Ok(Fit::Unreachable(dimension)),
                Some(Place::Many { .. }) => by_way = true,
                Some(_) => {}
            }
        }
    }
    Ok(if by_way { Fit::ByWayOfFilters } else { Fit::Whole })
}

fn metric_use<'a>(
    world: &World<'a>,
    metric: &'a Metric,
    source: &'a MetricSource,
    asked: &QueryMetric,
    at: &str,
) -> Result<MetricUse<'a>, QueryError> {
    let bad = |message: String| QueryError::new(QueryErrorCode::BadCatalogue, "", message);
    let parse = |text: &str| Expression::parse(text).map_err(|e| bad(format!("Metric {}: {e}.", metric.name)));
    let of = parse(&source.of)?;
    let over = source.over.as_deref().map(parse).transpose()?;
    let mut columns: Vec<ColumnRef> = of.columns().into_iter().cloned().collect();
    columns.extend(over.iter().flat_map(Expression::columns).cloned());
    columns.extend(
        source
            .filters
            .iter()
            .filter_map(|filter| ColumnRef::parse(&filter.dimension)),
    );
    let base = world
        .graph
        .base_table(&columns)
        .ok_or_else(|| bad(format!("Metric {}: no joins connect its columns.", metric.name)))?;
    let holds = result_type(world, metric, source, &of, asked.aggregate);
    Ok(MetricUse {
        metric,
        source,
        of,
        over,
        base,
        holds,
        name: asked.name(),
        filters: asked.filters.clone(),
        statistic: asked.aggregate,
        path: at.to_owned(),
    })
}

fn result_type(
    world: &World<'_>,
    metric: &Metric,
    source: &MetricSource,
    of: &Expression,
    statistic: Option<Statistic>,
) -> ColumnType {
    let money = metric.unit == Unit::Currency;
    let mean = if money { ColumnType::Decimal } else { ColumnType::Float };
    let of_rows = || {
        if of.divides() {
            return mean;
        }
        let types: Vec<_> = of.columns().into_iter().filter_map(|c| world.column_type(c)).collect();
        if types.contains(&ColumnType::Float) {
            mean
        } else if money || types.contains(&ColumnType::Decimal) || of.has_fractions() {
            ColumnType::Decimal
        } else {
            ColumnType::Integer
        }
    };
    match statistic {
        Some(Statistic::Distinct) => return ColumnType::Integer,
        Some(Statistic::Average | Statistic::Median | Statistic::Percentile(_)) => return mean,
        Some(Statistic::Minimum | Statistic::Maximum) => return of_rows(),
        None => {}
    }
    match source.aggregate {
        Aggregate::Count | Aggregate::CountDistinct => ColumnType::Integer,
        _ if source.over.is_some() || source.aggregate == Aggregate::Average => mean,
        Aggregate::Sum | Aggregate::Minimum | Aggregate::Maximum | Aggregate::Average => of_rows(),
    }
}

fn kind(statistic: Statistic) -> StatisticKind {
    match statistic {
        Statistic::Average => StatisticKind::Average,
        Statistic::Minimum => StatisticKind::Minimum,
        Statistic::Maximum => StatisticKind::Maximum,
        Statistic::Median => StatisticKind::Median,
        Statistic::Percentile(_) => StatisticKind::Percentile,
        Statistic::Distinct => StatisticKind::Distinct,
    }
}

/// The statistics that mean something for a metric: none for a ratio or a count, whose rows have no figure each.
fn allowed(metric: &Metric) -> Vec<StatisticKind> {
    if let Some(allowed) = &metric.statistics {
        return allowed.clone();
    }
    let has_figures = metric
        .sources
        .iter()
        .all(|s| s.over.is_none() && !matches!(s.aggregate, Aggregate::Count | Aggregate::CountDistinct));
    if has_figures {
        vec![
            StatisticKind::Average,
            StatisticKind::Minimum,
            StatisticKind::Maximum,
            StatisticKind::Median,
            StatisticKind::Percentile,
            StatisticKind::Distinct,
        ]
    } else {
        Vec::new()
    }
}

fn check_statistic(metric: &Metric, statistic: Option<Statistic>, at: &str) -> Result<(), QueryError> {
    let Some(statistic) = statistic else { return Ok(()) };
    let path = format!("{at}.aggregate");
    if let Statistic::Percentile(rank) = statistic
        && !(0.0..=100.0).contains(&rank)
    {
        return Err(QueryError::new(
            QueryErrorCode::BadAggregate,
            path,
            format!("A percentile is from 0 to 100, not {rank}."),
        ));
    }
    let allowed = allowed(metric);
    if allowed.contains(&kind(statistic)) {
        return Ok(());
    }
    let name = |kind: &StatisticKind| {
        serde_json::to_string(kind)
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned()
    };
    let error = QueryError::new(
        QueryErrorCode::BadAggregate,
        path,
        format!("{} has no {}.", metric.label, name(&kind(statistic))),
    );
    Err(if allowed.is_empty() {
        error.suggest("Leave out the aggregate.")
    } else {
        let names: Vec<String> = allowed.iter().map(name).collect();
        error.suggest(format!("Use one of: {}.", names.join(", ")))
    })
}

/// A metric over rows, of which only those count that meet `conditions`. `of` and `over` are its expressions, or `of` is
/// the column of a roll-up that holds its part.
pub(super) fn metric_sql(
    used: &MetricUse<'_>,
    of: &str,
    over: Option<&str>,
    conditions: &[String],
    is_rolled_up: bool,
) -> String {
    let when = |sql: &str| match conditions {
        [] => sql.to_owned(),
        _ => format!("CASE WHEN {} THEN {sql} END", conditions.join(" AND ")),
    };
    let of = when(of);
    let rounded = |sql: String| {
        if used.is_money() {
            format!("CAST(ROUND({sql}, 2) AS DECIMAL(14, 2))")
        } else {
            sql
        }
    };
    if is_rolled_up {
        return if used.is_count() {
            format!("COALESCE(SUM({of}), 0)")
        } else {
            format!("SUM({of})")
        };
    }
    if let Some(statistic) = used.statistic {
        // Rows of a ratio or of a fraction have double precision already.
        let exact = |sql: String| {
            if used.holds == ColumnType::Decimal {
                rounded(sql)
            } else {
                sql
            }
        };
        return match statistic {
            Statistic::Average => rounded(format!("AVG(CAST({of} AS DOUBLE PRECISION))")),
            Statistic::Minimum => exact(format!("MIN({of})")),
            Statistic::Maximum => exact(format!("MAX({of})")),
            Statistic::Median => percentile(0.5, &of, rounded),
            Statistic::Percentile(rank) => percentile(rank / 100.0, &of, rounded),
            Statistic::Distinct => format!("COUNT(DISTINCT {of})"),
        };
    }
    if let Some(over) = over {
        let factor = if used.is_percent() { "100.0 * " } else { "" };
        let over = when(over);
        return rounded(format!(
            "{factor}CAST(SUM({of}) AS DOUBLE PRECISION) / NULLIF(SUM({over}), 0)"
        ));
    }
    match used.source.aggregate {
        Aggregate::Count => format!("COUNT({of})"),
        Aggregate::CountDistinct => format!("COUNT(DISTINCT {of})"),
        Aggregate::Sum if used.of.divides() => rounded(format!("SUM({of})")),
        Aggregate::Sum => format!("SUM({of})"),
        // Redshift's AVG of whole numbers is a whole number.
        Aggregate::Average => rounded(format!("AVG(CAST({of} AS DOUBLE PRECISION))")),
        Aggregate::Minimum => format!("MIN({of})"),
        Aggregate::Maximum => format!("MAX({of})"),
    }
}

fn percentile(rank: f64, of: &str, rounded: impl Fn(String) -> String) -> String {
    rounded(format!(
        "PERCENTILE_CONT({rank}) WITHIN GROUP (ORDER BY CAST({of} AS DOUBLE PRECISION))"
    ))
}

/// Whether the query itself speaks of the column of a metric's own condition, which then gives way: whoever asks for
/// cancelled concerts is told of them.
pub(super) fn gives_way<'f>(
    own: &Filter,
    dimensions: &[&Dimension],
    filters: impl Iterator<Item = &'f FilterClause>,
    world: &World<'_>,
) -> bool {
    let is_column = |dimension: &Dimension| dimension.column.as_deref() == Some(own.dimension.as_str());
    dimensions.iter().any(|dimension| is_column(dimension))
        || filters
            .flat_map(FilterClause::singles)
            .filter_map(|filter| world.catalogue.dimension(&filter.dimension))
            .any(is_column)
}
