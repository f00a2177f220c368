//! The SELECTs that aggregate. Metrics of one table over the same days share one; those of different tables stand in a
//! UNION ALL that is brought together by its groups, which keeps groups that are NULL and multiplies nothing.
//!
//! A group is in the answer if some metric has a row in it. So the answer to several metrics is what the answers to
//! each of them alone give when they are put side by side.

use super::{
    clause::{having_sql, list_sql, number_condition, own_conditions, written},
    compiler::{Compiler, CurrencyRule, Group, GroupBy},
    expression::ColumnRef,
    metric::{MetricUse, metric_sql},
    order::{OrderBy, direction_sql},
    period::{Shift, period_conditions},
    scope::{Scope, Stop, time_for},
};
use crate::{
    catalogue::{Dimension, Rollup},
    query::{Days, MetricFilter, QueryError},
    table::ColumnType,
};

/// Metrics that one SELECT can aggregate.
struct Part {
    base: String,
    /// Indices into the compiler's metrics.
    uses: Vec<usize>,
    sorted_by: Option<String>,
}

/// The pieces of one SELECT.
struct Select {
    groups: Vec<String>,
    /// One for each metric of the query; NULL for those of other parts.
    metrics: Vec<String>,
    from: String,
    conditions: Vec<String>,
}

impl<'a> Compiler<'a> {
    fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (index, used) in self.metrics.iter().enumerate() {
            let sorted_by = used.sorted_by();
            match parts
                .iter_mut()
                .find(|part| part.base == used.base && part.sorted_by == sorted_by)
            {
                Some(part) => part.uses.push(index),
                None => parts.push(Part {
                    base: used.base.clone(),
                    uses: vec![index],
                    sorted_by,
                }),
            }
        }
        parts
    }

    /// The whole statement, where nothing stands around its parts.
    pub fn plain(&mut self, order: &[OrderBy]) -> Result<String, QueryError> {
        let parts = self.parts();
        match parts.as_slice() {
            [part] => self.plain_one(part, order),
            parts => self.plain_several(parts, order),
        }
    }

    /// Every group and metric as a column of its own, for what stands around it; over the days before, if `shift` says.
    pub fn core(&self, shift: Option<Shift>) -> Result<String, QueryError> {
        let parts = self.parts();
        match parts.as_slice() {
            [part] => {
                let select = self.select(part, shift, false)?;
                Ok(self.unnamed(&select))
            }
            parts => {
                let (items, from, group_by) = self.union(parts, shift)?;
                let mut sql = format!("SELECT\n  {}\n{from}", items.join(",\n  "));
                push_list(&mut sql, "GROUP BY", &group_by, ", ");
                Ok(sql)
            }
        }
    }

    fn plain_one(&mut self, part: &Part, order: &[OrderBy]) -> Result<String, QueryError> {
        // A count of the rows of a roll-up is no count of rows.
        let by_rows = order.iter().any(|by| matches!(by, OrderBy::Rows));
        let mut select = self.select(part, None, by_rows)?;
        if self.is_ranking() {
            for (group, sql) in self.groups.iter().zip(&select.groups) {
                if self.is_asked(group) {
                    select.conditions.push(format!("{sql} IS NOT NULL"));
                }
            }
        }
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
        for (used, sql) in self.metrics.iter().zip(&select.metrics).take(self.shown()) {
            items.push(aliased(sql, &used.name));
        }
        let having = self.having(&select.metrics)?;
        let mut sql = format!("SELECT\n  {}\n{}", items.join(",\n  "), select.from);
        push_list(&mut sql, "WHERE", &select.conditions, "\n  AND ");
        push_list(&mut sql, "GROUP BY", &group_by, ", ");
        push_list(&mut sql, "HAVING", &having, "\n  AND ");
        let order: Vec<String> = order
            .iter()
            .map(|by| match by {
                OrderBy::Name(name, direction) => format!("{name} {}", direction_sql(*direction)),
                OrderBy::Key(index, direction) => {
                    format!(
                        "{} {}",
                        select.groups.get(*index).map_or("1", String::as_str),
                        direction_sql(*direction)
                    )
                }
                OrderBy::Rows => "COUNT(*) DESC".to_owned(),
            })
            .collect();
        self.finish(&mut sql, &order);
        Ok(sql)
    }

    fn plain_several(&mut self, parts: &[Part], order: &[OrderBy]) -> Result<String, QueryError> {
        let names = self.group_names();
        let (items, from, group_by) = self.union(parts, None)?;
        // Of what only tells apart or was named in a condition alone, nothing is shown.
        let mut shown: Vec<String> = items
            .iter()
            .take(names.len())
            .zip(&self.groups)
            .filter(|(_, group)| group.name.is_some())
            .map(|(item, _)| item.clone())
            .collect();
        shown.extend(items.iter().skip(names.len()).take(self.shown()).cloned());
        let mut sql = format!("SELECT\n  {}\n{from}", shown.join(",\n  "));
        let mut kept = Vec::new();
        if self.is_ranking() {
            kept.extend(
                self.groups
                    .iter()
                    .zip(&names)
                    .filter(|(group, _)| self.is_asked(group))
                    .map(|(_, name)| format!("parts.{name} IS NOT NULL")),
            );
        }
        push_list(&mut sql, "WHERE", &kept, "\n  AND ");
        push_list(&mut sql, "GROUP BY", &group_by, ", ");
        let outer: Vec<String> = self.metrics.iter().map(outer_metric).collect();
        let having = self.having(&outer)?;
        push_list(&mut sql, "HAVING", &having, "\n  AND ");
        let order: Vec<String> = order
            .iter()
            .filter_map(|by| match by {
                OrderBy::Name(name, direction) => Some(format!("{name} {}", direction_sql(*direction))),
                OrderBy::Key(index, direction) => names
                    .get(*index)
                    .map(|name| format!("parts.{name} {}", direction_sql(*direction))),
                OrderBy::Rows => None,
            })
            .collect();
        self.finish(&mut sql, &order);
        Ok(sql)
    }

    /// The items, the FROM and the GROUP BY of a SELECT that brings parts together.
    fn union(&self, parts: &[Part], shift: Option<Shift>) -> Result<(Vec<String>, String, Vec<String>), QueryError> {
        let mut written = Vec::new();
        for part in parts {
            let select = self.select(part, shift, false)?;
            written.push(format!("  {}", self.unnamed(&select).replace('\n', "\n  ")));
        }
        let mut items = Vec::new();
        let mut group_by = Vec::new();
        for (group, name) in self.groups.iter().zip(self.group_names()) {
            if self.is_taken_currency(group) {
                items.push(format!("MAX(parts.{name}) AS {name}"));
            } else {
                group_by.push(format!("parts.{name}"));
                items.push(format!("parts.{name} AS {name}"));
            }
        }
        for used in &self.metrics {
            items.push(aliased(&outer_metric(used), &used.name));
        }
        let from = format!("FROM (\n{}\n) AS parts", written.join("\n  UNION ALL\n"));
        Ok((items, from, group_by))
    }

    /// A SELECT of every group and metric under its name.
    fn unnamed(&self, select: &Select) -> String {
        let mut items: Vec<String> = select
            .groups
            .iter()
            .zip(self.group_names())
            .map(|(sql, name)| aliased(sql, &name))
            .collect();
        items.extend(
            self.metrics
                .iter()
                .zip(&select.metrics)
                .map(|(used, sql)| aliased(sql, &used.name)),
        );
        let mut sql = format!("SELECT\n  {}\n{}", items.join(",\n  "), select.from);
        push_list(&mut sql, "WHERE", &select.conditions, "\n  AND ");
        // Ordinals: a group may be a bare NULL where the table does not have it.
        let ordinals: Vec<String> = (1usize..)
            .zip(&self.groups)
            .filter(|(_, group)| !self.is_taken_currency(group))
            .map(|(at, _)| at.to_string())
            .collect();
        push_list(&mut sql, "GROUP BY", &ordinals, ", ");
        sql
    }

    pub fn finish(&self, sql: &mut String, order: &[String]) {
        push_list(sql, "ORDER BY", order, ", ");
        let context = self.world.context;
        let page = u64::from(context.max_rows) + 1;
        let rows = match self.query.limit {
            Some(limit) => page.min(u64::from(limit).saturating_sub(context.offset)),
            None => page,
        };
        sql.push_str(&format!("\nLIMIT {rows}"));
        if context.offset > 0 {
            sql.push_str(&format!(" OFFSET {}", context.offset));
        }
    }

    /// The conditions on numbers, each metric written as `metrics` has it.
    fn having(&self, metrics: &[String]) -> Result<Vec<String>, QueryError> {
        let mut single = |filter: &MetricFilter, path: &str| -> Result<String, QueryError> {
            let found = self
                .metrics
                .iter()
                .zip(metrics)
                .find(|(used, _)| used.name == filter.metric);
            let Some((used, sql)) = found else {
                return Ok("TRUE".to_owned());
            };
            number_condition(self.world, filter, sql, used.holds, &used.metric.label, path)
        };
        self.query
            .having
            .iter()
            .enumerate()
            .map(|(index, clause)| having_sql(clause, &format!("having[{index}]"), &mut single))
            .collect()
    }

    /// The SELECT of a part: over the smallest roll-up that answers it, else over the table itself.
    fn select(&self, part: &Part, shift: Option<Shift>, exact: bool) -> Result<Select, QueryError> {
        let mut rollups = if exact { Vec::new() } else { self.rollups(part) };
        rollups.sort_by_key(|rollup| {
            self.world
                .context
                .state
                .table(&rollup.table)
                .map(|table| table.row_count)
        });
        for rollup in rollups {
            let mark = self.world.parameters.borrow().len();
            match self.select_over(part, shift, Some(rollup)) {
                Ok(select) => return Ok(select),
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::NotHere) => self.world.parameters.borrow_mut().truncate(mark),
            }
        }
        match self.select_over(part, shift, None) {
            Ok(select) => Ok(select),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::NotHere) => Err(QueryError::new(
                crate::query::QueryErrorCode::BadCatalogue,
                "",
                format!("The table {} lacks a column that a join names.", part.base),
            )),
        }
    }

    /// The published roll-ups that hold every metric of a part.
    fn rollups(&self, part: &Part) -> Vec<&'a Rollup> {
        let world = self.world;
        let holds = |rollup: &Rollup, used: &MetricUse<'_>| {
            used.statistic.is_none()
                && used.over.is_none()
                && used.source.filters.is_empty()
                && rollup.metrics.get(&used.metric.name).is_some_and(|column| {
                    let column = ColumnRef {
                        table: rollup.table.clone(),
                        column: column.clone(),
                    };
                    !world.is_hidden(&column)
                })
                // A metric may have several sources; the roll-up is of the first over its table.
                && used
                    .metric
                    .sources
                    .iter()
                    .find(|source| source.over.is_none() && super::base_of(world, source).as_deref() == Some(&rollup.of))
                    .is_some_and(|source| std::ptr::eq(source, used.source))
        };
        world
            .catalogue
            .rollups
            .iter()
            .filter(|rollup| rollup.of == part.base)
            .filter(|rollup| {
                world
                    .context
                    .state
                    .table(&rollup.table)
                    .is_some_and(|table| table.row_count > 0)
            })
            .filter(|rollup| {
                part.uses
                    .iter()
                    .filter_map(|index| self.metrics.get(*index))
                    .all(|used| holds(rollup, used))
            })
            .collect()
    }

    fn select_over(&self, part: &Part, shift: Option<Shift>, rollup: Option<&'a Rollup>) -> Result<Select, Stop> {
        let mut scope = self.scope(&part.base, rollup)?;
        let taken = self.taken_currency()?;
        let mut groups = Vec::new();
        for group in &self.groups {
            let sql = self.group_sql(group, &mut scope)?;
            groups.push(sql);
        }
        let mut conditions = list_sql(&mut scope, &self.query.filters, "filters")?;
        let mut days = self.days.get(&part.base).copied().unwrap_or_default();
        if let Some(shift) = shift {
            days = shift.days(days).ok_or_else(|| {
                QueryError::new(
                    crate::query::QueryErrorCode::BadPeriod,
                    "period",
                    "The earlier period reaches beyond the calendar.",
                )
            })?;
        }
        let is_bounded = self.query.period.is_some() || self.query.grain.is_some();
        if is_bounded {
            conditions.extend(period_conditions(&mut scope, self.query.period.as_ref(), days)?);
        }

        // A condition that all metrics of this SELECT share goes into WHERE, the others into their own CASE. A row that
        // no metric counts is not read.
        let mut of_metrics: Vec<Vec<String>> = Vec::new();
        for used in part.uses.iter().filter_map(|index| self.metrics.get(*index)) {
            let mut own = own_conditions(&mut scope, used, &self.dimensions, &self.query.filters)?;
            if let Some(taken) = taken.as_deref().filter(|_| used.is_money())
                && let Some(column) = scope.currency.clone()
            {
                let currency = scope.column(&column, &[])?;
                let alias = scope.derive("taken", taken, |alias| format!("{alias}.currency = {currency}"));
                own.push(format!("{alias}.currency IS NOT NULL"));
            }
            of_metrics.push(own);
        }
        let shared: Vec<String> = match of_metrics.split_first() {
            Some((first, others)) => first
                .iter()
                .filter(|c| others.iter().all(|o| o.contains(c)))
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        for own in &mut of_metrics {
            own.retain(|condition| !shared.contains(condition));
        }
        conditions.extend(shared);
        if !of_metrics.is_empty() && of_metrics.iter().all(|own| !own.is_empty()) {
            let any: Vec<String> = of_metrics
                .iter()
                .map(|own| match own.as_slice() {
                    [one] => one.clone(),
                    several => format!("({})", several.join(" AND ")),
                })
                .collect();
            let mut distinct: Vec<String> = Vec::new();
            for one in any {
                if !distinct.contains(&one) {
                    distinct.push(one);
                }
            }
            conditions.push(match distinct.as_slice() {
                [one] => one.clone(),
                several => format!("({})", several.join(" OR ")),
            });
        }
        let mut metrics: Vec<String> = self.metrics.iter().map(|used| null_of(used.holds)).collect();
        for (index, own) in part.uses.iter().zip(&of_metrics) {
            let Some(used) = self.metrics.get(*index) else { continue };
            let sql = match scope.rolled_up(&used.metric.name) {
                Some(column) => metric_sql(used, &column, None, own, true),
                None => {
                    let (of, over) = written(&mut scope, used)?;
                    metric_sql(used, &of, over.as_deref(), own, false)
                }
            };
            if let Some(slot) = metrics.get_mut(*index) {
                *slot = sql;
            }
        }
        // The taken currency is the same in every row; rows of other metrics have none.
        for (group, sql) in self.groups.iter().zip(groups.iter_mut()) {
            if self.is_taken_currency(group) {
                let is_money = part
                    .uses
                    .iter()
                    .filter_map(|index| self.metrics.get(*index))
                    .any(MetricUse::is_money);
                *sql = match (taken.as_deref(), scope.currency.clone()) {
                    (Some(taken), Some(column)) if is_money => {
                        let currency = scope.column(&column, &[])?;
                        let alias = scope.derive("taken", taken, |alias| format!("{alias}.currency = {currency}"));
                        format!("MAX({alias}.currency)")
                    }
                    _ => format!("MAX({})", null_of(ColumnType::Text)),
                };
            }
        }
        let from = scope.from()?;
        scope.keep_tables();
        Ok(Select {
            groups,
            metrics,
            from,
            conditions,
        })
    }

    fn scope(&self, base: &str, rollup: Option<&'a Rollup>) -> Result<Scope<'a, 'a>, QueryError> {
        let mut scope = Scope::new(self.world, base, rollup);
        scope.time = time_for(self.world, base, self.time)?;
        scope.currency = self.currency_column(base);
        Ok(scope)
    }

    fn group_sql(&self, group: &Group<'a>, scope: &mut Scope<'_, 'a>) -> Result<String, Stop> {
        let sql = match &group.what {
            GroupBy::Key(column, dimension) => Some(scope.column(column, &dimension.via)?),
            GroupBy::Row(column) => Some(scope.column(column, &[])?),
            GroupBy::Dimension(dimension) => scope.dimension_sql(dimension)?,
            GroupBy::Currency if self.is_taken_currency(group) => None,
            GroupBy::Currency => match scope.currency.clone() {
                Some(column) => Some(scope.column(&column, &[])?),
                None => None,
            },
            GroupBy::Grain(grain) => scope.grain_sql(*grain)?,
        };
        Ok(sql.unwrap_or_else(|| null_of(group.holds)))
    }

    /// The currency that most of the rows of the first amount have, as a SELECT; over the query's own days, so that an
    /// earlier period is told in the same one.
    fn taken_currency(&self) -> Result<Option<String>, Stop> {
        if self.currency != CurrencyRule::MostFrequent {
            return Ok(None);
        }
        let Some(used) = self.metrics.iter().find(|used| used.is_money()) else {
            return Ok(None);
        };
        let mut scope = self.scope(&used.base, None)?;
        let Some(column) = scope.currency.clone() else {
            return Ok(None);
        };
        let currency = scope.column(&column, &[])?;
        let mut conditions = list_sql(&mut scope, &self.query.filters, "filters")?;
        if self.query.period.is_some() || self.query.grain.is_some() {
            let days: Days = self.days.get(&used.base).copied().unwrap_or_default();
            conditions.extend(period_conditions(&mut scope, self.query.period.as_ref(), days)?);
        }
        let dimensions: &[&Dimension] = &self.dimensions;
        conditions.extend(own_conditions(&mut scope, used, dimensions, &self.query.filters)?);
        let columns: Vec<ColumnRef> = used.columns().cloned().collect();
        for column in &columns {
            let known = format!("{} IS NOT NULL", scope.column(column, &[])?);
            if !conditions.contains(&known) {
                conditions.push(known);
            }
        }
        conditions.push(format!("{currency} IS NOT NULL"));
        let from = scope.from()?;
        scope.keep_tables();
        Ok(Some(format!(
            "SELECT {currency} AS currency {} WHERE {} GROUP BY {currency} ORDER BY COUNT(*) DESC, {currency} LIMIT 1",
            from.replace('\n', " "),
            conditions.join(" AND ")
        )))
    }
}

/// A metric of several parts, of which at most one has it.
fn outer_metric(used: &MetricUse<'_>) -> String {
    let name = &used.name;
    if used.is_count() {
        format!("COALESCE(MAX(parts.{name}), 0)")
    } else {
        format!("MAX(parts.{name})")
    }
}

pub(super) fn null_of(holds: ColumnType) -> String {
    format!("CAST(NULL AS {})", sql_type(holds))
}

pub(super) fn sql_type(holds: ColumnType) -> &'static str {
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

pub(super) fn aliased(sql: &str, name: &str) -> String {
    format!("{sql} AS {name}")
}

pub(super) fn push_list(sql: &mut String, keyword: &str, items: &[String], between: &str) {
    if !items.is_empty() {
        sql.push_str(&format!("\n{keyword} {}", items.join(between)));
    }
}
