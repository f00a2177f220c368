//! The statement itself. A [`Compiler`] checks the query against the catalogue and the data, chooses each metric's
//! source, and writes one SELECT for each table that is aggregated.

use super::{
    CompileContext, Compiled, MAX_PARTS, MIXED_CURRENCY, base_table,
    expression::{ColumnRef, Expression},
    path,
    values::{Operand, Parameters, condition},
};
use crate::{
    api::DataState,
    catalogue::{Aggregate, Catalogue, Dimension, Format, Join, Metric, MetricSource, TimePart, Unit},
    query::{Days, Direction, Filter, Grain, Operator, Query, QueryError, QueryErrorCode, Value},
    table::{Column, ColumnType},
};
use jiff::ToSpan;
use std::collections::BTreeSet;

pub(super) struct Compiler<'a> {
    query: &'a Query,
    catalogue: &'a Catalogue,
    context: &'a CompileContext<'a>,
    /// The query's dimensions, in order.
    dimensions: Vec<&'a Dimension>,
    filters: Vec<(&'a Dimension, &'a Filter)>,
    /// The query's metrics, then those that only a condition names.
    metrics: Vec<MetricUse<'a>>,
    groups: Vec<Group<'a>>,
    currency: CurrencyRule,
    parameters: Parameters,
    notes: Vec<String>,
    tables: BTreeSet<String>,
    days: Days,
}

/// A metric with the source that was chosen for this query.
struct MetricUse<'a> {
    metric: &'a Metric,
    source: &'a MetricSource,
    of: Expression,
    over: Option<Expression>,
    base: String,
    holds: ColumnType,
}

/// A column by which rows are grouped.
struct Group<'a> {
    /// The name of the column in the result; none for a key that only tells apart.
    name: Option<String>,
    what: GroupBy<'a>,
    holds: ColumnType,
}

#[derive(Clone)]
enum GroupBy<'a> {
    Column(ColumnRef),
    Dimension(&'a Dimension),
    Grain(Grain),
    Currency,
}

/// How money in several currencies is kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CurrencyRule {
    /// No money is asked for, or all of it is in one currency.
    None,
    /// A row for each currency; `true` if the column was not asked for.
    Group(bool),
    /// Only the currency that most of the rows have.
    MostFrequent,
}

/// The parts of one SELECT.
struct Select {
    groups: Vec<String>,
    metrics: Vec<String>,
    from: String,
    conditions: Vec<String>,
    having: Vec<String>,
}

impl<'a> Compiler<'a> {
    pub fn new(
        query: &'a Query,
        catalogue: &'a Catalogue,
        context: &'a CompileContext<'a>,
    ) -> Result<Self, QueryError> {
        query.check_version()?;
        check_sizes(query)?;
        check_plain(query)?;
        let dimensions = named_dimensions(query, catalogue)?;
        let mut filters = Vec::new();
        for (index, clause) in query.filters.iter().enumerate() {
            let filter = clause.single().ok_or_else(|| not_yet(&format!("filters[{index}]")))?;
            let dimension = find_dimension(catalogue, &filter.dimension, &format!("filters[{index}].dimension"))?;
            if dimension.column.is_none() && dimension.part.is_none() {
                return Err(QueryError::new(
                    QueryErrorCode::WrongType,
                    format!("filters[{index}].dimension"),
                    format!("{} has no value of its own to compare.", dimension.label),
                )
                .suggest(format!("Filter by {}.", dimension.shows.join(", "))));
            }
            filters.push((dimension, filter));
        }
        let mut compiler = Compiler {
            query,
            catalogue,
            context,
            dimensions,
            filters,
            metrics: Vec::new(),
            groups: Vec::new(),
            currency: CurrencyRule::None,
            parameters: Parameters::default(),
            notes: Vec::new(),
            tables: BTreeSet::new(),
            days: Days::default(),
        };
        compiler.check_filled()?;
        compiler.choose_metrics()?;
        compiler.currency = compiler.currency_rule();
        compiler.groups = compiler.make_groups()?;
        Ok(compiler)
    }

    pub fn compile(mut self) -> Result<Compiled, QueryError> {
        self.days = match &self.query.period {
            Some(period) => period.resolve(self.context.today)?,
            None => Days::default(),
        };
        let mut bases: Vec<String> = Vec::new();
        for metric in &self.metrics {
            if !bases.contains(&metric.base) {
                bases.push(metric.base.clone());
            }
        }
        let order = self.order()?;
        let sql = match bases.as_slice() {
            [base] => self.one(base, &order)?,
            _ => self.several(&bases, &order)?,
        };
        let (columns, currency) = self.columns();
        Ok(Compiled {
            sql,
            columns,
            notes: self.notes,
            tables: self.tables.into_iter().collect(),
            days: self.days,
            max_rows: self.context.max_rows,
            currency,
            parameters: self.parameters.into_list(),
        })
    }

    // What the query asks for, against the catalogue and the data.

    /// A dimension whose column is empty cannot group or filter anything; saying so beats one row of NULL.
    fn check_filled(&self) -> Result<(), QueryError> {
        let grouped = self
            .dimensions
            .iter()
            .enumerate()
            .map(|(i, d)| (format!("dimensions[{i}]"), *d));
        let filtered = self
            .filters
            .iter()
            .enumerate()
            .map(|(i, (d, _))| (format!("filters[{i}].dimension"), *d));
        for (path, dimension) in grouped.chain(filtered) {
            if let Some(column) = dimension.column.as_deref().and_then(ColumnRef::parse)
                && !filled(self.context.state, self.catalogue, &column)
            {
                return Err(QueryError::new(
                    QueryErrorCode::NotInData,
                    path,
                    format!("No {} is recorded in the data at hand.", dimension.label.to_lowercase()),
                )
                .suggest("Ask by another dimension, or bring in data that has it."));
            }
        }
        Ok(())
    }

    fn choose_metrics(&mut self) -> Result<(), QueryError> {
        let mut wanted: Vec<(&'a Metric, String)> = Vec::new();
        for (index, asked) in self.query.metrics.iter().enumerate() {
            let path = format!("metrics[{index}]");
            let metric = find_metric(self.catalogue, &asked.metric, &path)?;
            if wanted.iter().any(|(other, _)| other.name == metric.name) {
                return Err(QueryError::new(
                    QueryErrorCode::BadQuery,
                    path,
                    format!("{} stands there twice.", metric.label),
                ));
            }
            wanted.push((metric, path));
        }
        for (index, clause) in self.query.having.iter().enumerate() {
            let filter = clause.single().ok_or_else(|| not_yet(&format!("having[{index}]")))?;
            let path = format!("having[{index}].metric");
            let metric = find_metric(self.catalogue, &filter.metric, &path)?;
            if !wanted.iter().any(|(other, _)| other.name == metric.name) {
                wanted.push((metric, path));
            }
        }
        let mut candidates = Vec::new();
        for (metric, path) in &wanted {
            candidates.push((*metric, self.candidates(metric, path)?));
        }
        // One family of figures for the whole query: the first label that every metric with a choice can take.
        let several: Vec<_> = candidates
            .iter()
            .filter(|(metric, _)| metric.sources.len() > 1)
            .collect();
        let family = several.first().and_then(|(_, sources)| {
            sources.iter().map(|source| &source.source.label).find(|label| {
                label.is_some()
                    && several
                        .iter()
                        .all(|(_, s)| s.iter().any(|source| source.source.label == **label))
            })
        });
        let family = family.cloned();
        let mut told: Vec<(&str, Vec<String>)> = Vec::new();
        for (metric, sources) in candidates {
            let at = sources
                .iter()
                .position(|s| family.as_ref().is_some_and(|f| s.source.label == *f))
                .unwrap_or(0);
            let Some(chosen) = sources.into_iter().nth(at) else {
                continue;
            };
            if metric.sources.len() > 1
                && let Some(label) = &chosen.source.label
            {
                match told.iter_mut().find(|(source, _)| *source == label.as_str()) {
                    Some((_, metrics)) => metrics.push(metric.label.to_lowercase()),
                    None => told.push((label, vec![metric.label.to_lowercase()])),
                }
            }
            self.metrics.push(chosen);
        }
        for (source, metrics) in told {
            self.notes
                .push(format!("Figures for {} come from {source}.", metrics.join(" and ")));
        }
        Ok(())
    }

    /// The sources of a metric that this query can use, the best first; at least one.
    fn candidates(&self, metric: &'a Metric, at: &str) -> Result<Vec<MetricUse<'a>>, QueryError> {
        let mut usable = Vec::new();
        let mut by_way_of_filters = Vec::new();
        let mut unreachable: Option<&Dimension> = None;
        let mut any_filled = false;
        for source in &metric.sources {
            let chosen = self.metric_use(metric, source)?;
            let filled = source_columns(&chosen).all(|column| filled(self.context.state, self.catalogue, column));
            if !filled {
                continue;
            }
            any_filled = true;
            if let Some(dimension) = self.dimensions.iter().find(|d| !self.reaches(&chosen.base, d)) {
                unreachable = Some(dimension);
            } else if self.query.grain.is_some() && self.time_column(&chosen.base).is_none() {
                continue;
            } else if self.filters.iter().all(|(d, _)| self.reaches(&chosen.base, d)) {
                usable.push(chosen);
            } else if let Some((dimension, _)) = self
                .filters
                .iter()
                .find(|(d, _)| !self.reaches(&chosen.base, d) && self.reaches_down(&chosen.base, d).is_none())
            {
                unreachable = Some(dimension);
            } else {
                by_way_of_filters.push(chosen);
            }
        }
        if usable.is_empty() {
            usable = by_way_of_filters;
        }
        if !usable.is_empty() {
            return Ok(usable);
        }
        let label = metric.label.to_lowercase();
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
            None if self.context.state.tables.is_empty() => {
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

    fn metric_use(&self, metric: &'a Metric, source: &'a MetricSource) -> Result<MetricUse<'a>, QueryError> {
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
        let base = base_table(self.catalogue, &columns)
            .ok_or_else(|| bad(format!("Metric {}: no joins connect its columns.", metric.name)))?;
        let holds = self.result_type(metric, source, &of);
        Ok(MetricUse {
            metric,
            source,
            of,
            over,
            base,
            holds,
        })
    }

    fn result_type(&self, metric: &Metric, source: &MetricSource, of: &Expression) -> ColumnType {
        let money = metric.unit == Unit::Currency;
        match source.aggregate {
            Aggregate::Count | Aggregate::CountDistinct => ColumnType::Integer,
            _ if source.over.is_some() || source.aggregate == Aggregate::Average => {
                if money {
                    ColumnType::Decimal
                } else {
                    ColumnType::Float
                }
            }
            _ if of.divides() => ColumnType::Float,
            Aggregate::Sum | Aggregate::Minimum | Aggregate::Maximum | Aggregate::Average => {
                let types: Vec<_> = of
                    .columns()
                    .into_iter()
                    .filter_map(|c| self.catalogue.column_type(c))
                    .collect();
                if types.contains(&ColumnType::Float) {
                    ColumnType::Float
                } else if money || types.contains(&ColumnType::Decimal) {
                    ColumnType::Decimal
                } else {
                    ColumnType::Integer
                }
            }
        }
    }

    /// Whether a dimension can group the rows of `base` without multiplying them.
    fn reaches(&self, base: &str, dimension: &Dimension) -> bool {
        let own = dimension
            .column
            .iter()
            .chain(&dimension.key)
            .filter_map(|c| ColumnRef::parse(c));
        if dimension.part.is_some() {
            return self.time_column(base).is_some();
        }
        let mut own = own.peekable();
        own.peek().is_some() && own.all(|column| path(self.catalogue, base, &column.table).is_some())
    }

    /// The joins from the table of a dimension to `base`, where many of its rows belong to one of `base`.
    fn reaches_down(&self, base: &str, dimension: &Dimension) -> Option<Vec<&'a Join>> {
        let column = ColumnRef::parse(dimension.column.as_deref()?)?;
        path(self.catalogue, &column.table, base).filter(|joins| !joins.is_empty())
    }

    /// The time of the rows of a table: its own, or that of the nearest table it belongs to.
    fn time_column(&self, base: &str) -> Option<(ColumnRef, ColumnType)> {
        let mut nearest: Option<(usize, ColumnRef)> = None;
        for (name, table) in &self.catalogue.tables {
            let Some(time) = &table.time else { continue };
            let Some(joins) = path(self.catalogue, base, name) else {
                continue;
            };
            if nearest.as_ref().is_none_or(|(steps, _)| joins.len() < *steps) {
                nearest = Some((
                    joins.len(),
                    ColumnRef {
                        table: name.clone(),
                        column: time.clone(),
                    },
                ));
            }
        }
        let (_, column) = nearest?;
        let holds = self.catalogue.column_type(&column).unwrap_or(ColumnType::Date);
        Some((column, holds))
    }

    // Money

    fn currency_rule(&self) -> CurrencyRule {
        let money = self.metrics.iter().any(|m| m.metric.unit == Unit::Currency);
        if !money || self.context.state.currencies.len() < 2 || self.pinned_currency().is_some() {
            return CurrencyRule::None;
        }
        let dimension = self.catalogue.currency_dimension().map(|d| d.name.as_str());
        if self.dimensions.iter().any(|d| Some(d.name.as_str()) == dimension) {
            CurrencyRule::Group(false)
        } else if self.dimensions.is_empty() && self.query.grain.is_none() {
            CurrencyRule::Group(true)
        } else {
            CurrencyRule::MostFrequent
        }
    }

    /// The one currency that a filter leaves.
    fn pinned_currency(&self) -> Option<&'a str> {
        let dimension = self.catalogue.currency_dimension()?;
        self.filters
            .iter()
            .find_map(|(d, filter)| match (filter.op, filter.values.as_slice()) {
                (Operator::Equal | Operator::In, [Value::Text(code)]) if d.name == dimension.name => {
                    Some(code.as_str())
                }
                _ => None,
            })
    }

    /// The currency of the rows of `base`: of its money where it has any, else of the currency dimension.
    fn currency_column(&self, base: &str) -> Option<ColumnRef> {
        let of_money = self
            .metrics
            .iter()
            .filter(|m| m.base == base)
            .find_map(|m| m.source.currency.as_deref());
        let column = of_money.or_else(|| self.catalogue.currency_dimension()?.column.as_deref());
        ColumnRef::parse(column?).filter(|column| path(self.catalogue, base, &column.table).is_some())
    }

    // Groups

    fn make_groups(&self) -> Result<Vec<Group<'a>>, QueryError> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut keys: Vec<Group<'a>> = Vec::new();
        if let Some(grain) = self.query.grain {
            let holds = if grain == Grain::Year {
                ColumnType::Integer
            } else {
                ColumnType::Date
            };
            groups.push(Group {
                name: Some(grain.name().to_owned()),
                what: GroupBy::Grain(grain),
                holds,
            });
        }
        let currency = self.catalogue.currency_dimension().map(|d| d.name.as_str());
        for (index, dimension) in self.dimensions.iter().enumerate() {
            if groups
                .iter()
                .any(|g| g.name.as_deref() == Some(dimension.name.as_str()))
                && !self.dimensions.iter().any(|d| d.shows.contains(&dimension.name))
            {
                return Err(QueryError::new(
                    QueryErrorCode::BadQuery,
                    format!("dimensions[{index}]"),
                    format!(
                        "{} and the grain of the query would give two columns of one name.",
                        dimension.label
                    ),
                )
                .suggest("Keep the grain, or the dimension."));
            }
            let mut add = |dimension: &'a Dimension| {
                if groups
                    .iter()
                    .any(|g| g.name.as_deref() == Some(dimension.name.as_str()))
                {
                    return;
                }
                let what = if Some(dimension.name.as_str()) == currency {
                    GroupBy::Currency
                } else {
                    GroupBy::Dimension(dimension)
                };
                groups.push(Group {
                    name: Some(dimension.name.clone()),
                    what,
                    holds: dimension.column_type,
                });
            };
            if dimension.column.is_some() || dimension.part.is_some() {
                add(dimension);
            }
            for shown in &dimension.shows {
                let Some(shown) = self.catalogue.dimension(shown) else {
                    continue;
                };
                let has_values = shown
                    .column
                    .as_deref()
                    .and_then(ColumnRef::parse)
                    .is_some_and(|column| filled(self.context.state, self.catalogue, &column));
                // What a filter has already said would be the same in every row.
                if has_values && !self.pinned(shown) {
                    add(shown);
                }
            }
            if let Some(key) = dimension.key.as_deref().and_then(ColumnRef::parse) {
                keys.push(Group {
                    name: None,
                    what: GroupBy::Column(key),
                    holds: ColumnType::Text,
                });
            }
        }
        if self.currency == CurrencyRule::Group(true) || self.currency == CurrencyRule::MostFrequent {
            let name = currency.unwrap_or("currency").to_owned();
            groups.push(Group {
                name: Some(name),
                what: GroupBy::Currency,
                holds: ColumnType::Text,
            });
        }
        groups.extend(keys);
        Ok(groups)
    }

    fn pinned(&self, dimension: &Dimension) -> bool {
        self.filters.iter().any(|(d, filter)| {
            d.name == dimension.name
                && (filter.op == Operator::Equal || (filter.op == Operator::In && filter.values.len() == 1))
        })
    }

    /// A group as an expression over the rows of `base`.
    fn group_sql(&self, group: &Group<'_>, base: &str) -> Option<String> {
        match &group.what {
            GroupBy::Column(column) => Some(column.to_string()),
            GroupBy::Dimension(dimension) => self.dimension_sql(dimension, base),
            // Where one currency is taken, it is the same in every row, and other tables' rows have none.
            GroupBy::Currency if self.currency == CurrencyRule::MostFrequent => {
                let has_money = self
                    .metrics
                    .iter()
                    .any(|m| m.base == base && m.metric.unit == Unit::Currency);
                self.currency_column(base)
                    .filter(|_| has_money)
                    .map(|column| format!("MAX({column})"))
            }
            GroupBy::Currency => self.currency_column(base).map(|column| column.to_string()),
            GroupBy::Grain(grain) => {
                let (time, holds) = self.time_column(base)?;
                Some(match (grain, holds) {
                    (Grain::Year, _) => part_sql(TimePart::Year, &time),
                    (Grain::Day, ColumnType::Date) => time.to_string(),
                    (Grain::Day, _) => format!("CAST({time} AS DATE)"),
                    _ => format!("CAST(DATE_TRUNC('{}', {time}) AS DATE)", grain.name()),
                })
            }
        }
    }

    fn dimension_sql(&self, dimension: &Dimension, base: &str) -> Option<String> {
        if self
            .catalogue
            .currency_dimension()
            .is_some_and(|d| d.name == dimension.name)
        {
            return self.currency_column(base).map(|column| column.to_string());
        }
        match (&dimension.column, dimension.part) {
            (Some(column), _) => Some(column.clone()),
            (None, Some(part)) => self.time_column(base).map(|(time, _)| part_sql(part, &time)),
            (None, None) => None,
        }
    }

    // The statement

    fn one(&mut self, base: &str, order: &[OrderBy]) -> Result<String, QueryError> {
        let names: Vec<String> = self.metrics.iter().map(|m| m.metric.name.clone()).collect();
        let select = self.select(base, &names, true)?;
        let shown = self.query.metrics.len();
        let mut items: Vec<String> = Vec::new();
        let mut group_by: Vec<String> = Vec::new();
        for (group, sql) in self.groups.iter().zip(&select.groups) {
            match &group.name {
                Some(name) => {
                    items.push(aliased(sql, name));
                    if !self.is_taken_currency(group) {
                        group_by.push(items.len().to_string());
                    }
                }
                None => group_by.push(sql.clone()),
            }
        }
        for (name, sql) in names.iter().zip(&select.metrics).take(shown) {
            items.push(aliased(sql, name));
        }
        let mut sql = format!("SELECT\n  {}\n{}", items.join(",\n  "), select.from);
        push_list(&mut sql, "WHERE", &select.conditions, "\n  AND ");
        push_list(&mut sql, "GROUP BY", &group_by, ", ");
        push_list(&mut sql, "HAVING", &select.having, "\n  AND ");
        let order: Vec<String> = order
            .iter()
            .map(|by| match by {
                OrderBy::Name(name, direction) => format!("{name} {}", direction_sql(*direction)),
                OrderBy::Key(index) => {
                    format!(
                        "{} {}",
                        select.groups.get(*index).map_or("1", String::as_str),
                        direction_sql(Direction::Ascending)
                    )
                }
                OrderBy::Rows => "COUNT(*) DESC".to_owned(),
            })
            .collect();
        self.finish(&mut sql, &order);
        Ok(sql)
    }

    /// Metrics of several tables: each table by itself, then brought together by their groups. A full join would lose
    /// the rows whose group is NULL; a union does not.
    fn several(&mut self, bases: &[String], order: &[OrderBy]) -> Result<String, QueryError> {
        let names: Vec<String> = self.metrics.iter().map(|m| m.metric.name.clone()).collect();
        let group_names: Vec<String> = self
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| group.name.clone().unwrap_or_else(|| format!("key_{}", index + 1)))
            .collect();
        let mut parts = Vec::new();
        for base in bases {
            let select = self.select(base, &names, false)?;
            let mut items: Vec<String> = select
                .groups
                .iter()
                .zip(&group_names)
                .map(|(sql, name)| aliased(sql, name))
                .collect();
            items.extend(names.iter().zip(&select.metrics).map(|(name, sql)| aliased(sql, name)));
            let mut sql = format!(
                "  SELECT\n    {}\n  {}",
                items.join(",\n    "),
                select.from.replace('\n', "\n  ")
            );
            push_list(&mut sql, "  WHERE", &select.conditions, "\n    AND ");
            // Ordinals: a group may be a bare NULL where the table does not have it.
            let ordinals: Vec<String> = (1..)
                .zip(&self.groups)
                .filter(|(_, group)| !self.is_taken_currency(group))
                .map(|(n, _): (usize, _)| n.to_string())
                .collect();
            push_list(&mut sql, "  GROUP BY", &ordinals, ", ");
            parts.push(sql);
        }
        let mut items = Vec::new();
        let mut group_by = Vec::new();
        for (group, name) in self.groups.iter().zip(&group_names) {
            if self.is_taken_currency(group) {
                items.push(format!("MAX(parts.{name}) AS {name}"));
                continue;
            }
            group_by.push(format!("parts.{name}"));
            if group.name.is_some() {
                items.push(format!("parts.{name} AS {name}"));
            }
        }
        let outer: Vec<String> = self
            .metrics
            .iter()
            .map(|used| {
                let name = &used.metric.name;
                match used.source.aggregate {
                    Aggregate::Count | Aggregate::CountDistinct => format!("COALESCE(MAX(parts.{name}), 0)"),
                    _ => format!("MAX(parts.{name})"),
                }
            })
            .collect();
        for (name, sql) in names.iter().zip(&outer).take(self.query.metrics.len()) {
            items.push(aliased(sql, name));
        }
        let mut sql = format!(
            "SELECT\n  {}\nFROM (\n{}\n) AS parts",
            items.join(",\n  "),
            parts.join("\n  UNION ALL\n")
        );
        let mut kept = Vec::new();
        if self.is_ranking() {
            kept.extend(
                self.groups
                    .iter()
                    .zip(&group_names)
                    .filter(|(group, _)| self.dropped_when_null(group))
                    .map(|(_, name)| format!("parts.{name} IS NOT NULL")),
            );
        }
        push_list(&mut sql, "WHERE", &kept, "\n  AND ");
        push_list(&mut sql, "GROUP BY", &group_by, ", ");
        let having = self.having(&outer)?;
        push_list(&mut sql, "HAVING", &having, "\n  AND ");
        let order: Vec<String> = order
            .iter()
            .filter_map(|by| match by {
                OrderBy::Name(name, direction) => Some(format!("{name} {}", direction_sql(*direction))),
                OrderBy::Key(index) => group_names
                    .get(*index)
                    .map(|name| format!("parts.{name} {}", direction_sql(Direction::Ascending))),
                OrderBy::Rows => None,
            })
            .collect();
        self.finish(&mut sql, &order);
        Ok(sql)
    }

    fn finish(&self, sql: &mut String, order: &[String]) {
        push_list(sql, "ORDER BY", order, ", ");
        let page = u64::from(self.context.max_rows) + 1;
        let rows = match self.query.limit {
            Some(limit) => page.min(u64::from(limit).saturating_sub(self.context.offset)),
            None => page,
        };
        sql.push_str(&format!("\nLIMIT {rows}"));
        if self.context.offset > 0 {
            sql.push_str(&format!(" OFFSET {}", self.context.offset));
        }
    }

    /// The parts of the SELECT over one table. Metrics of other tables are NULL in it.
    fn select(&mut self, base: &str, names: &[String], alone: bool) -> Result<Select, QueryError> {
        let mut needed: Vec<String> = Vec::new();
        let mut groups = Vec::new();
        for group in &self.groups {
            let sql = self.group_sql(group, base);
            if sql.is_some() {
                self.group_tables(group, base, &mut needed);
            }
            groups.push(sql.unwrap_or_else(|| format!("CAST(NULL AS {})", sql_type(group.holds))));
        }
        let own: Vec<usize> = (0..self.metrics.len())
            .filter(|i| self.metrics.get(*i).is_some_and(|m| m.base == base))
            .collect();
        let mut conditions = self.conditions(base, &mut needed)?;

        // A condition that all metrics of this table share goes into WHERE, the others into their own CASE.
        let mut of_metrics: Vec<Vec<String>> = Vec::new();
        for index in &own {
            of_metrics.push(self.metric_conditions(*index, &mut needed)?);
        }
        let shared: Vec<String> = match of_metrics.split_first() {
            Some((first, others)) => first
                .iter()
                .filter(|c| others.iter().all(|o| o.contains(c)))
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        let currency = match self.currency {
            CurrencyRule::MostFrequent if own.iter().any(|i| self.is_money(*i)) => self.currency_column(base),
            _ => None,
        };
        if let Some(column) = &currency {
            needed.push(column.table.clone());
        }
        let mut own_sql = Vec::new();
        for (index, own_conditions) in own.iter().zip(&of_metrics) {
            let rest: Vec<String> = own_conditions.iter().filter(|c| !shared.contains(c)).cloned().collect();
            if let Some(used) = self.metrics.get(*index) {
                own_sql.push((*index, metric_sql(used, &rest)));
                needed.extend(source_columns(used).map(|column| column.table.clone()));
            }
        }
        conditions.extend(shared);
        if alone && self.is_ranking() {
            for (group, sql) in self.groups.iter().zip(&groups) {
                if self.dropped_when_null(group) {
                    conditions.push(format!("{sql} IS NOT NULL"));
                }
            }
        }
        let from = self.from(base, &needed)?;
        if let Some(column) = currency {
            let mut inner = conditions.clone();
            for index in own.iter().filter(|i| self.is_money(**i)) {
                if let Some(used) = self.metrics.get(*index) {
                    inner.extend(
                        source_columns(used)
                            .map(|c| format!("{c} IS NOT NULL"))
                            .filter(|c| !conditions.contains(c)),
                    );
                }
            }
            inner.push(format!("{column} IS NOT NULL"));
            conditions.push(format!(
                "{column} = (\n    SELECT {column} {}\n    WHERE {}\n    GROUP BY {column} ORDER BY COUNT(*) DESC, {column} LIMIT 1\n  )",
                from.replace('\n', "\n    "),
                inner.join(" AND ")
            ));
        }
        let mut metrics = Vec::new();
        for (index, _) in names.iter().enumerate() {
            let own = own_sql.iter().find(|(i, _)| *i == index).map(|(_, sql)| sql.clone());
            let holds = self.metrics.get(index).map_or(ColumnType::Integer, |m| m.holds);
            metrics.push(own.unwrap_or_else(|| format!("CAST(NULL AS {})", sql_type(holds))));
        }
        let having = if alone { self.having(&metrics)? } else { Vec::new() };
        Ok(Select {
            groups,
            metrics,
            from,
            conditions,
            having,
        })
    }

    fn group_tables(&self, group: &Group<'_>, base: &str, needed: &mut Vec<String>) {
        match &group.what {
            GroupBy::Column(column) => needed.push(column.table.clone()),
            GroupBy::Dimension(dimension) => self.dimension_tables(dimension, base, needed),
            GroupBy::Currency => needed.extend(self.currency_column(base).map(|c| c.table)),
            GroupBy::Grain(_) => needed.extend(self.time_column(base).map(|(c, _)| c.table)),
        }
    }

    fn dimension_tables(&self, dimension: &Dimension, base: &str, needed: &mut Vec<String>) {
        if self
            .catalogue
            .currency_dimension()
            .is_some_and(|d| d.name == dimension.name)
        {
            needed.extend(self.currency_column(base).map(|c| c.table));
        } else if dimension.part.is_some() {
            needed.extend(self.time_column(base).map(|(c, _)| c.table));
        } else {
            needed.extend(dimension.column.as_deref().and_then(ColumnRef::parse).map(|c| c.table));
        }
    }

    /// What the query's filters and period ask of the rows of `base`.
    fn conditions(&mut self, base: &str, needed: &mut Vec<String>) -> Result<Vec<String>, QueryError> {
        let mut conditions = Vec::new();
        for (index, (dimension, filter)) in self.filters.clone().into_iter().enumerate() {
            let at = format!("filters[{index}]");
            check_part_values(dimension, filter, &at)?;
            let operand = |sql: &str, parameters: &mut Parameters| {
                let operand = Operand {
                    sql,
                    holds: dimension.column_type,
                    hint: &dimension.name,
                    label: &dimension.label,
                    path: &at,
                };
                condition(&operand, filter.op, &filter.values, parameters)
            };
            if self.reaches(base, dimension) {
                let Some(sql) = self.dimension_sql(dimension, base) else {
                    continue;
                };
                self.dimension_tables(dimension, base, needed);
                conditions.push(operand(&sql, &mut self.parameters)?);
            } else if let (Some(joins), Some(column)) = (
                self.reaches_down(base, dimension),
                dimension.column.as_deref().and_then(ColumnRef::parse),
            ) && let Some((last, before)) = joins.split_last()
                && let (Some(from), Some(to)) = (ColumnRef::parse(&last.from), ColumnRef::parse(&last.to))
            {
                let inner = operand(&column.to_string(), &mut self.parameters)?;
                let mut tables: Vec<String> = before
                    .iter()
                    .filter_map(|j| ColumnRef::parse(&j.to))
                    .map(|c| c.table)
                    .collect();
                tables.push(from.table.clone());
                let source = self.from(&column.table, &tables)?.replace('\n', " ");
                conditions.push(format!("{to} IN (SELECT {from} {source} WHERE {inner})"));
                needed.push(to.table);
            } else {
                return Err(QueryError::new(
                    QueryErrorCode::NoJoin,
                    format!("{at}.dimension"),
                    format!(
                        "Nothing in the data connects {} with what is asked for.",
                        dimension.label.to_lowercase()
                    ),
                ));
            }
        }
        conditions.extend(self.period_conditions(base, needed)?);
        Ok(conditions)
    }

    fn period_conditions(&mut self, base: &str, needed: &mut Vec<String>) -> Result<Vec<String>, QueryError> {
        // A course over time has the end that a period would have: days to come are no gaps in it.
        if self.query.period.is_none() && self.query.grain.is_none() {
            return Ok(Vec::new());
        }
        let Some((time, holds)) = self.time_column(base) else {
            return Err(
                QueryError::new(QueryErrorCode::BadPeriod, "period", "What is asked for has no time.")
                    .suggest("Leave out the period."),
            );
        };
        needed.push(time.table.clone());
        let days = self.cut(base);
        let mut conditions = Vec::new();
        if let Some(from) = days.from {
            conditions.push(format!("{time} >= {}", self.parameters.date("from_day", from)));
        }
        if let Some(to) = days.to {
            if holds == ColumnType::Timestamp {
                let Ok(next) = to.checked_add(1.day()) else {
                    return Ok(conditions);
                };
                conditions.push(format!("{time} < {}", self.parameters.date("before_day", next)));
            } else {
                conditions.push(format!("{time} <= {}", self.parameters.date("to_day", to)));
            }
        }
        Ok(conditions)
    }

    /// The period, for metrics of complete days cut where the data's complete days end.
    fn cut(&mut self, base: &str) -> Days {
        let mut days = self.days;
        let complete = self.metrics.iter().any(|m| m.base == base && m.metric.complete_days);
        let own = self.context.state.table(base).and_then(|table| table.last_complete_day);
        let Some(last) = own.or(self.context.state.last_complete_day).filter(|_| complete) else {
            return days;
        };
        // "Since March" runs to the end of what is known; it says nothing of days to come.
        let Some(to) = days.to else {
            if days.from.is_none_or(|from| from <= last) {
                days.to = Some(last);
                self.days.to = days.to;
            }
            return days;
        };
        if to <= last {
            return days;
        }
        let until = crate::format::date(last);
        // A period that lies wholly after the data is left as it is: its answer is that there is none.
        let note = if days.from.is_some_and(|from| from > last) {
            format!("The data ends on {until}, before this period.")
        } else {
            days.to = Some(last);
            format!("The data is complete up to {until}; what comes after is left out.")
        };
        // "up to today" goes no further than the data by itself.
        let is_open = days.from.is_none() && to <= self.context.today;
        if !is_open && !self.notes.contains(&note) {
            self.notes.push(note);
        }
        self.days.to = days.to;
        days
    }

    /// A metric's own conditions. One on a column that the query itself filters or groups by gives way to the query:
    /// whoever asks for cancelled concerts is told of them.
    fn metric_conditions(&mut self, index: usize, needed: &mut Vec<String>) -> Result<Vec<String>, QueryError> {
        let mut conditions = Vec::new();
        let Some(used) = self.metrics.get(index) else {
            return Ok(conditions);
        };
        for filter in &used.source.filters {
            let spoken_of = self.dimensions.iter().chain(self.filters.iter().map(|(d, _)| d));
            if spoken_of
                .clone()
                .any(|d| d.column.as_deref() == Some(filter.dimension.as_str()))
            {
                continue;
            }
            let Some(column) = ColumnRef::parse(&filter.dimension) else {
                continue;
            };
            let holds = self.catalogue.column_type(&column).unwrap_or(ColumnType::Text);
            let operand = Operand {
                sql: &filter.dimension,
                holds,
                hint: &column.column,
                label: &filter.dimension,
                path: &format!("the catalogue's metric {}", used.metric.name),
            };
            conditions.push(condition(&operand, filter.op, &filter.values, &mut self.parameters)?);
            needed.push(column.table);
        }
        // A ratio is of rows that have both of its sides.
        if let Some(over) = &used.over {
            for column in used.of.columns().into_iter().chain(over.columns()) {
                let known = format!("{column} IS NOT NULL");
                if !conditions.contains(&known) {
                    conditions.push(known);
                }
            }
        }
        Ok(conditions)
    }

    fn having(&mut self, metrics: &[String]) -> Result<Vec<String>, QueryError> {
        let mut having = Vec::new();
        for (index, clause) in self.query.having.iter().enumerate() {
            let filter = clause.single().ok_or_else(|| not_yet(&format!("having[{index}]")))?;
            let Some(at) = self.metrics.iter().position(|m| m.metric.name == filter.metric) else {
                continue;
            };
            let (Some(used), Some(sql)) = (self.metrics.get(at), metrics.get(at)) else {
                continue;
            };
            if filter.op == Operator::Contains {
                return Err(QueryError::new(
                    QueryErrorCode::WrongType,
                    format!("having[{index}].op"),
                    format!("{} is a number; only text can contain something.", used.metric.label),
                ));
            }
            let operand = Operand {
                sql,
                holds: used.holds,
                hint: &used.metric.name,
                label: &used.metric.label,
                path: &format!("having[{index}]"),
            };
            having.push(condition(&operand, filter.op, &filter.values, &mut self.parameters)?);
        }
        Ok(having)
    }

    /// FROM and the joins that reach `needed`.
    fn from(&mut self, base: &str, needed: &[String]) -> Result<String, QueryError> {
        let mut joins: Vec<&Join> = Vec::new();
        for table in needed {
            let route = path(self.catalogue, base, table).ok_or_else(|| {
                QueryError::new(
                    QueryErrorCode::NoJoin,
                    "",
                    format!("Nothing in the data leads from {base} to {table}."),
                )
            })?;
            for join in route {
                if !joins.contains(&join) {
                    joins.push(join);
                }
            }
        }
        let schema = &self.catalogue.schema;
        let mut sql = format!("FROM {schema}.{base} AS {base}");
        self.tables.insert(base.to_owned());
        let mut joined = BTreeSet::from([base.to_owned()]);
        for join in joins {
            let Some(to) = ColumnRef::parse(&join.to) else { continue };
            if joined.insert(to.table.clone()) {
                sql.push_str(&format!(
                    "\nLEFT JOIN {schema}.{0} AS {0} ON {to} = {1}",
                    to.table, join.from
                ));
                self.tables.insert(to.table);
            }
        }
        Ok(sql)
    }

    fn is_money(&self, index: usize) -> bool {
        self.metrics.get(index).is_some_and(|m| m.metric.unit == Unit::Currency)
    }

    /// Whether this is the one currency that is taken: told beside each row, and no group of its own.
    fn is_taken_currency(&self, group: &Group<'_>) -> bool {
        matches!(group.what, GroupBy::Currency) && self.currency == CurrencyRule::MostFrequent
    }

    fn is_ranking(&self) -> bool {
        self.query.limit.is_some() || !self.query.having.is_empty()
    }

    /// Whether a row without this group's value is no answer to a ranking: that is so for what was asked by name, not
    /// for what is only shown beside it.
    fn dropped_when_null(&self, group: &Group<'_>) -> bool {
        match &group.what {
            GroupBy::Dimension(dimension) => self.query.dimensions.contains(&dimension.name),
            GroupBy::Column(_) | GroupBy::Grain(_) | GroupBy::Currency => false,
        }
    }

    // Order and columns

    fn order(&self) -> Result<Vec<OrderBy>, QueryError> {
        let mut order: Vec<OrderBy> = Vec::new();
        let mut add = |name: &str, direction: Direction| {
            if !order
                .iter()
                .any(|by| matches!(by, OrderBy::Name(taken, _) if taken == name))
            {
                order.push(OrderBy::Name(name.to_owned(), direction));
            }
        };
        for (index, by) in self.query.order.iter().enumerate() {
            let known = self.query.has_metric(&by.by)
                || self.query.grain.is_some_and(|grain| grain.name() == by.by)
                || self.groups.iter().any(|g| g.name.as_deref() == Some(by.by.as_str()));
            if known {
                add(&by.by, by.direction);
                continue;
            }
            match self.dimensions.iter().find(|d| d.name == by.by) {
                Some(dimension) => dimension
                    .shows
                    .iter()
                    .filter(|name| self.groups.iter().any(|g| g.name.as_ref() == Some(name)))
                    .for_each(|name| add(name, by.direction)),
                None => {
                    let mut names = self.query.metric_names();
                    names.extend(self.groups.iter().filter_map(|g| g.name.clone()));
                    return Err(QueryError::new(
                        QueryErrorCode::BadOrder,
                        format!("order[{index}].by"),
                        format!("The answer has no column {:?} to be ordered by.", by.by),
                    )
                    .suggest(format!("Order by one of: {}.", names.join(", "))));
                }
            }
        }
        if self.query.order.is_empty() {
            let in_time: Vec<&str> = self
                .groups
                .iter()
                .filter(|group| match &group.what {
                    GroupBy::Grain(_) => true,
                    GroupBy::Dimension(d) => d.part.is_some(),
                    GroupBy::Column(_) | GroupBy::Currency => false,
                })
                .filter_map(|group| group.name.as_deref())
                .collect();
            for name in &in_time {
                add(name, Direction::Ascending);
            }
            // Amounts in different currencies have no order among them.
            if self.currency == CurrencyRule::Group(true)
                || (self.currency == CurrencyRule::Group(false) && self.dimensions.len() == 1 && in_time.is_empty())
            {
                order.push(OrderBy::Rows);
            } else if in_time.is_empty()
                && !self.groups.is_empty()
                && let Some(metric) = self.query.metrics.first()
            {
                add(&metric.name(), Direction::Descending);
            }
        }
        for (index, group) in self.groups.iter().enumerate() {
            match &group.name {
                Some(_) if self.is_taken_currency(group) => {}
                Some(name)
                    if order
                        .iter()
                        .any(|by| matches!(by, OrderBy::Name(taken, _) if taken == name)) => {}
                Some(name) => order.push(OrderBy::Name(name.clone(), Direction::Ascending)),
                None => order.push(OrderBy::Key(index)),
            }
        }
        Ok(order)
    }

    fn columns(&self) -> (Vec<Column>, Option<(usize, bool)>) {
        let mut columns: Vec<Column> = self
            .groups
            .iter()
            .filter_map(|group| {
                Some(Column {
                    name: group.name.clone()?,
                    column_type: group.holds,
                    unit: None,
                })
            })
            .collect();
        let currency = match self.currency {
            CurrencyRule::None | CurrencyRule::Group(false) => None,
            CurrencyRule::Group(true) => columns.len().checked_sub(1).map(|index| (index, false)),
            CurrencyRule::MostFrequent => columns.len().checked_sub(1).map(|index| (index, true)),
        };
        for used in self.metrics.iter().take(self.query.metrics.len()) {
            let unit = match used.metric.unit {
                Unit::Count => Some("count".to_owned()),
                Unit::Percent => Some("percent".to_owned()),
                Unit::None => None,
                Unit::Currency if self.currency != CurrencyRule::None => Some(MIXED_CURRENCY.to_owned()),
                Unit::Currency => self
                    .pinned_currency()
                    .map(str::to_owned)
                    .or_else(|| self.context.state.currencies.first().cloned()),
            };
            columns.push(Column {
                name: used.metric.name.clone(),
                column_type: used.holds,
                unit,
            });
        }
        (columns, currency)
    }
}

enum OrderBy {
    /// A column of the result.
    Name(String, Direction),
    /// A group that is not shown, by its index.
    Key(usize),
    /// The number of rows behind, most first.
    Rows,
}

fn check_sizes(query: &Query) -> Result<(), QueryError> {
    let parts = [
        ("metrics", query.metrics.len()),
        ("dimensions", query.dimensions.len()),
        ("filters", query.filters.len()),
        ("having", query.having.len()),
        ("order", query.order.len()),
    ];
    for (path, count) in parts {
        if count > MAX_PARTS {
            return Err(QueryError::new(
                QueryErrorCode::BadQuery,
                path,
                format!("There are {count}; at most {MAX_PARTS} are taken."),
            ));
        }
    }
    if query.metrics.is_empty() {
        return Err(QueryError::new(
            QueryErrorCode::BadQuery,
            "metrics",
            "A query needs at least one metric.",
        ));
    }
    if query.limit == Some(0) {
        return Err(
            QueryError::new(QueryErrorCode::BadLimit, "limit", "A limit of 0 leaves no rows.")
                .suggest("Leave it out, or make it at least 1."),
        );
    }
    Ok(())
}

fn not_yet(path: &str) -> QueryError {
    QueryError::new(QueryErrorCode::BadQuery, path, "This cannot be compiled yet.")
}

/// The parts of the model that are read but not compiled yet.
fn check_plain(query: &Query) -> Result<(), QueryError> {
    let plain = [
        ("metrics", query.metrics.iter().all(crate::query::QueryMetric::is_plain)),
        ("focus", query.focus.is_empty()),
        ("time", query.time.is_none()),
        ("compare", query.compare.is_empty()),
        ("top", query.top.is_none()),
        (
            "period",
            !matches!(query.period, Some(crate::query::Period::Since { .. })),
        ),
    ];
    match plain.iter().find(|(_, plain)| !plain) {
        Some((path, _)) => Err(not_yet(path)),
        None => Ok(()),
    }
}

fn named_dimensions<'a>(query: &Query, catalogue: &'a Catalogue) -> Result<Vec<&'a Dimension>, QueryError> {
    let mut dimensions: Vec<&Dimension> = Vec::new();
    for (index, name) in query.dimensions.iter().enumerate() {
        let path = format!("dimensions[{index}]");
        let dimension = find_dimension(catalogue, name, &path)?;
        if dimensions.iter().any(|other| other.name == dimension.name) {
            return Err(QueryError::new(
                QueryErrorCode::BadQuery,
                path,
                format!("{} stands there twice.", dimension.label),
            ));
        }
        dimensions.push(dimension);
    }
    Ok(dimensions)
}

fn find_metric<'a>(catalogue: &'a Catalogue, name: &str, path: &str) -> Result<&'a Metric, QueryError> {
    catalogue.metric(name).ok_or_else(|| {
        let names: Vec<&str> = catalogue.metrics.iter().map(|metric| metric.name.as_str()).collect();
        QueryError::new(
            QueryErrorCode::UnknownMetric,
            path,
            format!("There is no metric {name:?}."),
        )
        .suggest(nearest(name, &names))
    })
}

fn find_dimension<'a>(catalogue: &'a Catalogue, name: &str, path: &str) -> Result<&'a Dimension, QueryError> {
    catalogue.dimension(name).ok_or_else(|| {
        let names: Vec<&str> = catalogue
            .dimensions
            .iter()
            .map(|dimension| dimension.name.as_str())
            .collect();
        QueryError::new(
            QueryErrorCode::UnknownDimension,
            path,
            format!("There is no dimension {name:?}."),
        )
        .suggest(nearest(name, &names))
    })
}

/// The names that `name` may have meant, else all of them.
fn nearest(name: &str, names: &[&str]) -> String {
    const MOST_NAMED: usize = 3;
    const LEAST_SIMILAR: f64 = 0.75;
    let asked = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .iter()
        .map(|known| (strsim::jaro_winkler(&asked, known), *known))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let close: Vec<&str> = scored
        .iter()
        .take_while(|(score, _)| *score >= LEAST_SIMILAR)
        .map(|(_, known)| *known)
        .take(MOST_NAMED)
        .collect();
    match close.as_slice() {
        [] => format!("Use one of: {}.", names.join(", ")),
        close => format!("Did you mean {}?", close.join(" or ")),
    }
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

fn source_columns<'m>(used: &'m MetricUse<'_>) -> impl Iterator<Item = &'m ColumnRef> {
    used.of
        .columns()
        .into_iter()
        .chain(used.over.iter().flat_map(Expression::columns))
}

/// Whether a column has any value in the published data. A key always has.
pub(super) fn filled(state: &DataState, catalogue: &Catalogue, column: &ColumnRef) -> bool {
    let is_key = catalogue
        .tables
        .get(&column.table)
        .is_some_and(|table| table.key.contains(&column.column));
    let any_rows = state.table(&column.table).is_some_and(|table| table.row_count > 0);
    any_rows && (is_key || state.is_filled(&column.table, &column.column))
}

fn metric_sql(used: &MetricUse<'_>, conditions: &[String]) -> String {
    let when = |sql: String| match conditions {
        [] => sql,
        _ => format!("CASE WHEN {} THEN {sql} END", conditions.join(" AND ")),
    };
    let of = when(used.of.to_string());
    let money = used.metric.unit == Unit::Currency;
    let rounded = |sql: String| {
        if money {
            format!("CAST(ROUND({sql}, 2) AS DECIMAL(14, 2))")
        } else {
            sql
        }
    };
    if let Some(over) = &used.over {
        let factor = if used.metric.format == Format::Percent {
            "100.0 * "
        } else {
            ""
        };
        let over = when(over.to_string());
        return rounded(format!(
            "{factor}CAST(SUM({of}) AS DOUBLE PRECISION) / NULLIF(SUM({over}), 0)"
        ));
    }
    match used.source.aggregate {
        Aggregate::Count => format!("COUNT({of})"),
        Aggregate::CountDistinct => format!("COUNT(DISTINCT {of})"),
        Aggregate::Sum => format!("SUM({of})"),
        // Redshift's AVG of whole numbers is a whole number.
        Aggregate::Average => rounded(format!("AVG(CAST({of} AS DOUBLE PRECISION))")),
        Aggregate::Minimum => format!("MIN({of})"),
        Aggregate::Maximum => format!("MAX({of})"),
    }
}

fn part_sql(part: TimePart, time: &ColumnRef) -> String {
    match part {
        TimePart::Year => format!("CAST(EXTRACT(year FROM {time}) AS INTEGER)"),
        TimePart::QuarterOfYear => format!("CAST(EXTRACT(quarter FROM {time}) AS INTEGER)"),
        TimePart::MonthOfYear => format!("CAST(EXTRACT(month FROM {time}) AS INTEGER)"),
        TimePart::Hour => format!("CAST(EXTRACT(hour FROM {time}) AS INTEGER)"),
        // EXTRACT counts from Sunday as 0; a week here begins on Monday as 1.
        TimePart::Weekday => format!("((CAST(EXTRACT(dow FROM {time}) AS INTEGER) + 6) % 7 + 1)"),
    }
}

fn sql_type(holds: ColumnType) -> &'static str {
    match holds {
        ColumnType::Text => "VARCHAR",
        ColumnType::Integer => "BIGINT",
        ColumnType::Decimal => "DECIMAL(38, 2)",
        ColumnType::Float => "DOUBLE PRECISION",
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Date => "DATE",
        ColumnType::Timestamp => "TIMESTAMP",
    }
}

fn aliased(sql: &str, name: &str) -> String {
    format!("{sql} AS {name}")
}

fn direction_sql(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "ASC NULLS LAST",
        Direction::Descending => "DESC NULLS LAST",
    }
}

fn push_list(sql: &mut String, keyword: &str, items: &[String], between: &str) {
    if !items.is_empty() {
        sql.push_str(&format!("\n{keyword} {}", items.join(between)));
    }
}
