//! One SELECT over the rows of one table: which tables it joins and under which names, and how columns, dimensions and
//! times are written in it.
//!
//! A roll-up may stand in for the table. Then columns that it does not keep cannot be written, which is no error but
//! [`Stop::NotHere`]: the next roll-up, or the table itself, is tried.

use super::{
    expression::ColumnRef,
    graph::Route,
    values::{Operand, condition},
    world::World,
};
use crate::{
    catalogue::{Dimension, Rollup, RowRule, TimePart},
    query::{Grain, QueryError, QueryErrorCode},
    table::ColumnType,
};
use std::collections::BTreeSet;

/// Why something cannot be written in a scope.
pub(super) enum Stop {
    /// The roll-up does not keep it.
    NotHere,
    Error(QueryError),
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        Stop::Error(error)
    }
}

/// Where the values of a dimension are, as seen from the rows of a table.
pub(super) enum Place {
    /// In the rows themselves, or in rows that they belong to.
    Column(ColumnRef),
    /// A part of the rows' time.
    Part(TimePart),
    /// Days from this column to the rows' time.
    DaysSince(ColumnRef),
    /// In rows that belong to those of a table above: the chain from the column's table up to it.
    Many {
        column: ColumnRef,
        above: String,
        down: Route,
    },
}

/// The time of a table's rows.
#[derive(Clone)]
pub(super) struct TimeColumn {
    pub column: ColumnRef,
    pub holds: ColumnType,
    pub via: Vec<String>,
}

struct Joined {
    route: Route,
    alias: String,
    sql: String,
}

pub(super) struct Scope<'w, 'a> {
    pub world: &'w World<'a>,
    pub base: String,
    pub rollup: Option<&'a Rollup>,
    /// The column of the rows' currency: that of their money, else that of the currency dimension.
    pub currency: Option<ColumnRef>,
    pub time: Option<TimeColumn>,
    joined: Vec<Joined>,
    /// Joins to derived tables: their alias and text.
    derived: Vec<(String, String)>,
    /// Dimensions with many values that this SELECT groups by, and the expressions of their values.
    grouped: Vec<(String, String)>,
    tables: BTreeSet<String>,
}

/// The time of the rows of a table: its own, or that of the nearest table it belongs to.
pub(super) fn time_of(world: &World<'_>, base: &str) -> Option<TimeColumn> {
    let above = world.graph.above(base);
    let (table, time) = above
        .iter()
        .find_map(|(table, _)| Some((*table, world.catalogue.tables.get(*table)?.time.as_ref()?)))?;
    let column = ColumnRef {
        table: table.to_owned(),
        column: time.clone(),
    };
    let holds = world.column_type(&column).unwrap_or(ColumnType::Date);
    Some(TimeColumn {
        column,
        holds,
        via: Vec::new(),
    })
}

/// The time that a query means, seen from a table: the dimension that it names, else the table's own.
///
/// # Errors
/// `wrong_type` for a dimension that is no day or instant.
pub(super) fn time_for(
    world: &World<'_>,
    base: &str,
    dimension: Option<&Dimension>,
) -> Result<Option<TimeColumn>, QueryError> {
    let Some(dimension) = dimension else {
        return Ok(time_of(world, base));
    };
    let column = match dimension.column.as_deref().and_then(ColumnRef::parse) {
        Some(column) if matches!(dimension.column_type, ColumnType::Date | ColumnType::Timestamp) => column,
        _ => {
            return Err(QueryError::new(
                QueryErrorCode::WrongType,
                "time",
                format!("{} is neither a day nor an instant.", dimension.label),
            )
            .suggest("Name a dimension that is one, or leave it out."));
        }
    };
    let route = world.graph.route(base, &column.table, &dimension.via, &column.table)?;
    Ok(route.map(|_| TimeColumn {
        column,
        holds: dimension.column_type,
        via: dimension.via.clone(),
    }))
}

/// Where the values of `dimension` are, from the rows of `base`; `None` if nothing leads there.
///
/// # Errors
/// `ambiguous_join`.
pub(super) fn place(
    world: &World<'_>,
    base: &str,
    dimension: &Dimension,
    has_time: bool,
) -> Result<Option<Place>, QueryError> {
    if let Some(part) = dimension.part {
        return Ok(has_time.then_some(Place::Part(part)));
    }
    if let Some(since) = dimension.days_since.as_deref().and_then(ColumnRef::parse) {
        let route = world.graph.route(base, &since.table, &dimension.via, &since.table)?;
        return Ok((has_time && route.is_some()).then_some(Place::DaysSince(since)));
    }
    // What is told apart by a key alone shows other dimensions.
    let Some(column) = dimension
        .column
        .as_deref()
        .or(dimension.key.as_deref())
        .and_then(ColumnRef::parse)
    else {
        return Ok(None);
    };
    let up = world.graph.route(base, &column.table, &dimension.via, &column.table)?;
    if up.is_some() {
        let key = dimension.key.as_deref().and_then(ColumnRef::parse);
        let key_is_there = match &key {
            Some(key) => world
                .graph
                .route(base, &key.table, &dimension.via, &key.table)?
                .is_some(),
            None => true,
        };
        return Ok(key_is_there.then_some(Place::Column(column)));
    }
    if dimension.column.is_none() {
        return Ok(None);
    }
    // From the nearest table above whose rows the dimension's rows belong to.
    let mut nearest: Vec<(usize, String)> = Vec::new();
    for (table, steps) in world.graph.above(base) {
        if nearest.first().is_some_and(|(least, _)| *least < steps) {
            break;
        }
        if world.graph.reaches(&column.table, table) {
            nearest.push((steps, table.to_owned()));
        }
    }
    match nearest.as_slice() {
        [] => Ok(None),
        [(_, above)] => {
            let down = world
                .graph
                .route(&column.table, above, &dimension.via, above)?
                .unwrap_or_default();
            Ok(Some(Place::Many {
                column,
                above: above.clone(),
                down,
            }))
        }
        several => Err(QueryError::new(
            QueryErrorCode::AmbiguousJoin,
            "",
            format!(
                "{} can be told of {base} by way of {}.",
                dimension.label,
                several
                    .iter()
                    .map(|(_, table)| table.as_str())
                    .collect::<Vec<_>>()
                    .join(" or of ")
            ),
        )
        .suggest("Ask with exists, which names what the two have in common.")),
    }
}

impl<'w, 'a> Scope<'w, 'a> {
    pub fn new(world: &'w World<'a>, base: &str, rollup: Option<&'a Rollup>) -> Scope<'w, 'a> {
        Scope {
            world,
            base: base.to_owned(),
            rollup,
            currency: None,
            time: None,
            joined: Vec::new(),
            derived: Vec::new(),
            grouped: Vec::new(),
            tables: BTreeSet::new(),
        }
    }

    fn base_alias(&self) -> String {
        self.rollup
            .map_or_else(|| self.base.clone(), |rollup| rollup.table.clone())
    }

    /// A column of the base table, or what stands for it in the roll-up.
    fn own(&self, column: &str) -> Result<String, Stop> {
        let Some(rollup) = self.rollup else {
            return Ok(format!("{}.{column}", self.base));
        };
        match rollup.dimensions.get(column) {
            Some(kept) => Ok(format!("{}.{kept}", rollup.table)),
            None => Err(Stop::NotHere),
        }
    }

    /// The column that holds a metric's part in the roll-up.
    pub fn rolled_up(&self, metric: &str) -> Option<String> {
        let rollup = self.rollup?;
        Some(format!("{}.{}", rollup.table, rollup.metrics.get(metric)?))
    }

    /// A column of the base table or of one that its rows belong to, which is joined.
    pub fn column(&mut self, column: &ColumnRef, via: &[String]) -> Result<String, Stop> {
        if column.table == self.base {
            return self.own(&column.column);
        }
        let route = self
            .world
            .graph
            .route(&self.base, &column.table, via, &column.table)?
            .ok_or_else(|| {
                QueryError::new(
                    QueryErrorCode::NoJoin,
                    "",
                    format!("Nothing in the data leads from {} to {}.", self.base, column.table),
                )
            })?;
        let alias = self.join(&route)?;
        Ok(format!("{alias}.{}", column.column))
    }

    fn join(&mut self, route: &Route) -> Result<String, Stop> {
        let mut alias = self.base_alias();
        for length in 1..=route.len() {
            let prefix = route.get(..length).unwrap_or_default();
            if let Some(known) = self.joined.iter().find(|joined| joined.route == prefix) {
                alias = known.alias.clone();
                continue;
            }
            let Some(link) = prefix.last().and_then(|index| self.world.graph.link(*index)) else {
                continue;
            };
            let left = if length == 1 {
                self.own(&link.from.column)?
            } else {
                format!("{alias}.{}", link.from.column)
            };
            let table = link.to.table.clone();
            let next = self.free_alias(&table);
            let reference = self.reference(&table, &next, None)?;
            self.joined.push(Joined {
                route: prefix.to_vec(),
                sql: format!("LEFT JOIN {reference} ON {next}.{} = {left}", link.to.column),
                alias: next.clone(),
            });
            alias = next;
        }
        Ok(alias)
    }

    fn free_alias(&self, wanted: &str) -> String {
        let is_taken = |name: &str| {
            name == self.base_alias()
                || self.joined.iter().any(|joined| joined.alias == name)
                || self.derived.iter().any(|(alias, _)| alias == name)
        };
        let mut name = wanted.to_owned();
        let mut count = 1;
        while is_taken(&name) {
            count += 1;
            name = format!("{wanted}_{count}");
        }
        name
    }

    /// `schema.table AS alias`, or a SELECT of the rows and columns that the role may see. A roll-up shows what its
    /// table's rule lets pass, and what its own does.
    fn reference(&mut self, table: &str, alias: &str, rollup: Option<&'a Rollup>) -> Result<String, Stop> {
        let schema = &self.world.catalogue.schema;
        let read = rollup.map_or(table, |rollup| rollup.table.as_str());
        self.tables.insert(read.to_owned());
        let role = self.world.role;
        let rules = |of: &str| -> Vec<&RowRule> {
            role.iter()
                .flat_map(|role| &role.rows)
                .filter(|rule| rule.table == of)
                .collect()
        };
        let mut conditions = Vec::new();
        let mut inner = Scope::new(self.world, table, None);
        inner.rollup = rollup;
        for rule in rules(table) {
            inner.rule(rule, &mut conditions)?;
        }
        let mut own = Scope::new(self.world, read, None);
        if read != table {
            for rule in rules(read) {
                own.rule(rule, &mut conditions)?;
            }
        }
        if conditions.is_empty() {
            return Ok(format!("{schema}.{read} AS {alias}"));
        }
        let columns: Vec<String> = self
            .world
            .catalogue
            .tables
            .get(read)
            .map(|definition| {
                definition
                    .columns
                    .keys()
                    .filter(|column| {
                        let column = ColumnRef {
                            table: read.to_owned(),
                            column: (*column).clone(),
                        };
                        !self.world.is_hidden(&column)
                            || self.joins_by(&column)
                            || definition.key.contains(&column.column)
                    })
                    .map(|column| format!("{read}.{column}"))
                    .collect()
            })
            .unwrap_or_default();
        let columns = if columns.is_empty() {
            format!("{read}.*")
        } else {
            columns.join(", ")
        };
        let joins: Vec<&str> = inner
            .joined
            .iter()
            .chain(&own.joined)
            .map(|joined| joined.sql.as_str())
            .collect();
        let mut from = format!("{schema}.{read} AS {read}");
        for join in joins {
            from.push(' ');
            from.push_str(join);
        }
        self.tables.append(&mut inner.tables);
        self.tables.append(&mut own.tables);
        Ok(format!(
            "(SELECT {columns} FROM {from} WHERE {}) AS {alias}",
            conditions.join(" AND ")
        ))
    }

    /// Whether a join uses a column: it must be there even where nobody may look at it.
    fn joins_by(&self, column: &ColumnRef) -> bool {
        let catalogue = self.world.catalogue;
        let text = column.to_string();
        catalogue.joins.iter().any(|join| join.from == text || join.to == text)
    }

    /// A role's condition. What it looks at is not restricted in turn.
    fn rule(&mut self, rule: &RowRule, conditions: &mut Vec<String>) -> Result<(), Stop> {
        for filter in &rule.filters {
            let Some(column) = ColumnRef::parse(&filter.dimension) else {
                continue;
            };
            let sql = if column.table == self.base {
                self.own(&column.column)?
            } else {
                let route = self
                    .world
                    .graph
                    .route(&self.base, &column.table, &[], &column.table)?
                    .ok_or_else(|| {
                        QueryError::new(
                            QueryErrorCode::BadCatalogue,
                            "",
                            format!("A role's rule on {} names {column}, which no join reaches.", rule.table),
                        )
                    })?;
                let alias = self.join_unrestricted(&route)?;
                format!("{alias}.{}", column.column)
            };
            let holds = self.world.column_type(&column).unwrap_or(ColumnType::Text);
            let sql = if holds == ColumnType::Timestamp {
                format!("CAST({sql} AS DATE)")
            } else {
                sql
            };
            let operand = Operand {
                sql: &sql,
                holds: day_of(holds),
                hint: &format!("role_{}", column.column),
                label: &filter.dimension,
                path: "the catalogue's role",
            };
            let mut parameters = self.world.parameters.borrow_mut();
            conditions.push(condition(&operand, filter.op, &filter.values, &mut parameters)?);
        }
        Ok(())
    }

    fn join_unrestricted(&mut self, route: &Route) -> Result<String, Stop> {
        let schema = &self.world.catalogue.schema;
        let mut alias = self.base_alias();
        for length in 1..=route.len() {
            let prefix = route.get(..length).unwrap_or_default();
            if let Some(known) = self.joined.iter().find(|joined| joined.route == prefix) {
                alias = known.alias.clone();
                continue;
            }
            let Some(link) = prefix.last().and_then(|index| self.world.graph.link(*index)) else {
                continue;
            };
            let left = if length == 1 {
                self.own(&link.from.column)?
            } else {
                format!("{alias}.{}", link.from.column)
            };
            let table = &link.to.table;
            let next = self.free_alias(table);
            self.tables.insert(table.clone());
            self.joined.push(Joined {
                route: prefix.to_vec(),
                sql: format!(
                    "LEFT JOIN {schema}.{table} AS {next} ON {next}.{} = {left}",
                    link.to.column
                ),
                alias: next.clone(),
            });
            alias = next;
        }
        Ok(alias)
    }

    /// Joins a derived table once; returns its alias.
    pub fn derive(&mut self, hint: &str, select: &str, on: impl Fn(&str) -> String) -> String {
        let begin = format!("LEFT JOIN ({select}) AS ");
        let same = |(alias, sql): &&(String, String)| sql.strip_prefix(&begin) == Some(&on_text(alias, &on));
        if let Some((alias, _)) = self.derived.iter().find(same) {
            return alias.clone();
        }
        let alias = self.free_alias(hint);
        self.derived
            .push((alias.clone(), format!("{begin}{}", on_text(&alias, &on))));
        alias
    }

    /// The time of the rows, and what it holds.
    pub fn time_sql(&mut self) -> Result<Option<(String, ColumnType)>, Stop> {
        let Some(time) = self.time.clone() else {
            return Ok(None);
        };
        // A roll-up has days already, and they are those of the place.
        if let Some(rollup) = self.rollup
            && time.column.table == self.base
        {
            let own = self.world.catalogue.tables.get(&self.base);
            let is_own = own.is_some_and(|table| table.time.as_ref() == Some(&time.column.column));
            return match &rollup.time {
                Some(day) if is_own => Ok(Some((format!("{}.{day}", rollup.table), ColumnType::Date))),
                _ => Err(Stop::NotHere),
            };
        }
        let sql = self.column(&time.column, &time.via)?;
        Ok(Some((self.local(&time.column, sql, &time.via)?, time.holds)))
    }

    /// The time as it is stored, for bounds that a sort key can use; none where that is how it is told anyhow.
    pub fn stored_time_sql(&mut self) -> Result<Option<String>, Stop> {
        let Some(time) = self.time.clone() else {
            return Ok(None);
        };
        let is_rolled_up = self.rollup.is_some() && time.column.table == self.base;
        if is_rolled_up || self.zone_of(&time.column).is_none() {
            return Ok(None);
        }
        self.column(&time.column, &time.via).map(Some)
    }

    /// The column of the zone in which a time is told.
    fn zone_of(&self, column: &ColumnRef) -> Option<ColumnRef> {
        let table = self.world.catalogue.tables.get(&column.table)?;
        let is_time = table.time.as_ref() == Some(&column.column)
            && self.world.column_type(column) == Some(ColumnType::Timestamp);
        let zone = ColumnRef::parse(table.zone.as_deref().filter(|_| is_time)?)?;
        self.world.is_filled(&zone).then_some(zone)
    }

    /// An instant by the clock of its place.
    pub fn local(&mut self, column: &ColumnRef, sql: String, via: &[String]) -> Result<String, Stop> {
        match self.zone_of(column) {
            Some(zone) => {
                let zone = self.column(&zone, via)?;
                Ok(format!("CONVERT_TIMEZONE('UTC', COALESCE({zone}, 'UTC'), {sql})"))
            }
            None => Ok(sql),
        }
    }

    /// The stretch of a grain that a row lies in: its first day, or the number of its year.
    pub fn grain_sql(&mut self, grain: Grain) -> Result<Option<String>, Stop> {
        let Some((time, holds)) = self.time_sql()? else {
            return Ok(None);
        };
        Ok(Some(match (grain, holds) {
            (Grain::Year, _) => part_sql(TimePart::Year, &time),
            (Grain::Day, ColumnType::Date) => time,
            (Grain::Day, _) => format!("CAST({time} AS DATE)"),
            _ => format!("CAST(DATE_TRUNC('{}', {time}) AS DATE)", grain.name()),
        }))
    }

    /// A dimension's value of a row, to group by. `None` if the rows have none.
    pub fn dimension_sql(&mut self, dimension: &Dimension) -> Result<Option<String>, Stop> {
        if self.world.is_currency(dimension) {
            return match self.currency.clone() {
                Some(column) => self.column(&column, &dimension.via).map(Some),
                None => Ok(None),
            };
        }
        if let Some((_, sql)) = self.grouped.iter().find(|(name, _)| *name == dimension.name) {
            return Ok(Some(sql.clone()));
        }
        match place(self.world, &self.base, dimension, self.time.is_some())? {
            None => Ok(None),
            Some(Place::Column(column)) => self.column(&column, &dimension.via).map(Some),
            Some(Place::Part(part)) => {
                let Some((time, holds)) = self.time_sql()? else {
                    return Ok(None);
                };
                if part == TimePart::Hour && holds != ColumnType::Timestamp {
                    if self.rollup.is_some() {
                        return Err(Stop::NotHere);
                    }
                    return Err(Stop::Error(
                        QueryError::new(
                            QueryErrorCode::WrongType,
                            "",
                            format!(
                                "{} needs an instant, and what is asked for has days only.",
                                dimension.label
                            ),
                        )
                        .suggest("Ask by a part of the calendar."),
                    ));
                }
                Ok(Some(part_sql(part, &time)))
            }
            Some(Place::DaysSince(since)) => {
                let from = self.column(&since, &dimension.via)?;
                let Some((time, _)) = self.time_sql()? else {
                    return Ok(None);
                };
                Ok(Some(format!(
                    "DATEDIFF(day, CAST({from} AS DATE), CAST({time} AS DATE))"
                )))
            }
            Some(Place::Many { column, above, down }) if dimension.many => {
                let (select, key) = self.keys(&column, &above, &down, true, None)?;
                let outer = self.column(&key, &[])?;
                let alias = self.derive(&format!("{}_values", dimension.name), &select, |alias| {
                    format!("{alias}.k = {outer}")
                });
                let sql = format!("{alias}.v");
                self.grouped.push((dimension.name.clone(), sql.clone()));
                Ok(Some(sql))
            }
            Some(Place::Many { .. }) => Ok(None),
        }
    }

    pub fn place(&self, dimension: &Dimension) -> Result<Option<Place>, Stop> {
        if self.world.is_currency(dimension) {
            return Ok(self.currency.clone().map(Place::Column));
        }
        Ok(place(self.world, &self.base, dimension, self.time.is_some())?)
    }

    pub fn is_grouped(&self, dimension: &Dimension) -> bool {
        self.grouped.iter().any(|(name, _)| *name == dimension.name)
    }

    /// `SELECT DISTINCT` of the keys of the table `above` that rows below it belong to, which meet `condition`; with
    /// the values of `column` beside them where asked. Also the column of `above` that the keys are of.
    pub fn keys(
        &mut self,
        column: &ColumnRef,
        above: &str,
        down: &Route,
        with_values: bool,
        condition: Option<&str>,
    ) -> Result<(String, ColumnRef), Stop> {
        let Some((last, before)) = down.split_last() else {
            return Err(Stop::Error(QueryError::new(
                QueryErrorCode::NoJoin,
                "",
                format!("Nothing in the data leads from {column} to {above}."),
            )));
        };
        let Some(link) = self.world.graph.link(*last) else {
            return Err(Stop::NotHere);
        };
        let mut below = Scope::new(self.world, &column.table, None);
        let near = below.join(&before.to_vec())?;
        let key = format!("{near}.{}", link.from.column);
        let value = below.own(&column.column)?;
        let values = if with_values {
            format!(", {value} AS v")
        } else {
            String::new()
        };
        let from = below.from()?;
        let mut conditions = vec![format!("{key} IS NOT NULL")];
        conditions.extend(condition.map(str::to_owned));
        let select = format!(
            "SELECT DISTINCT {key} AS k{values} {} WHERE {}",
            from.replace('\n', " "),
            conditions.join(" AND ")
        );
        self.tables.append(&mut below.tables);
        Ok((select, link.to.clone()))
    }

    /// FROM and the joins that were needed, in their order.
    pub fn from(&mut self) -> Result<String, Stop> {
        let base = self.base.clone();
        let alias = self.base_alias();
        let reference = self.reference(&base, &alias, self.rollup)?;
        let mut sql = format!("FROM {reference}");
        for joined in &self.joined {
            sql.push('\n');
            sql.push_str(&joined.sql);
        }
        for (_, join) in &self.derived {
            sql.push('\n');
            sql.push_str(join);
        }
        Ok(sql)
    }

    /// Counts the tables that it reads among those of the statement.
    pub fn keep_tables(&mut self) {
        self.world.tables.borrow_mut().append(&mut self.tables);
    }

    pub fn take_tables(&mut self, other: &mut Scope<'_, '_>) {
        self.tables.append(&mut other.tables);
    }
}

fn on_text(alias: &str, on: &impl Fn(&str) -> String) -> String {
    format!("{alias} ON {}", on(alias))
}

/// An instant is compared by its day.
pub(super) fn day_of(holds: ColumnType) -> ColumnType {
    match holds {
        ColumnType::Timestamp => ColumnType::Date,
        other => other,
    }
}

pub(super) fn part_sql(part: TimePart, time: &str) -> String {
    match part {
        TimePart::Year => format!("CAST(EXTRACT(year FROM {time}) AS INTEGER)"),
        TimePart::QuarterOfYear => format!("CAST(EXTRACT(quarter FROM {time}) AS INTEGER)"),
        TimePart::MonthOfYear => format!("CAST(EXTRACT(month FROM {time}) AS INTEGER)"),
        TimePart::Hour => format!("CAST(EXTRACT(hour FROM {time}) AS INTEGER)"),
        // EXTRACT counts from Sunday as 0; a week here begins on Monday as 1.
        TimePart::Weekday => format!("((CAST(EXTRACT(dow FROM {time}) AS INTEGER) + 6) % 7 + 1)"),
    }
}
