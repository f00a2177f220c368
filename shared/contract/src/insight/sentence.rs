//! The sentence with the number that matters: which one that is follows from the shape of the result. What it says of
//! comparisons stands in [`super::compared`].

use super::{
    InsightContext, Words,
    text::{article, escape, join_and, lower, named, short_number, upper},
    title::{
        asked_label, bound_text, clause_phrase, having_phrase, label_of, number_label, period_phrase, plural_of,
        values_text,
    },
};
use crate::{
    catalogue::{Aggregate, Catalogue, Dimension, Metric, TimePart, Unit},
    format::{self, Style},
    query::{
        Added, Days, Direction, FilterClause, Grain, HavingClause, MetricFilter, Query, QueryMetric, Top, Value, Window,
    },
    table::{Cell, Column, ColumnType, Table},
};
use jiff::civil::Date;
use std::cmp::Ordering;

/// The sentence with the number that matters, and the caveats after it, as Markdown: key facts are bold, and what
/// comes from the data is escaped.
pub fn summarise(query: &Query, catalogue: &Catalogue, table: &Table, context: &InsightContext<'_>) -> String {
    let teller = Teller::new(query, catalogue, table, context);
    let mut sentences = match &query.of {
        Some(of) => vec![listed(of, query, catalogue, table)],
        None => teller.map_or_else(Vec::new, |teller| teller.tell()),
    };
    if table.truncated {
        sentences.push(format!(
            "These are the first {} rows; there are more.",
            format::integer(rows_i64(table))
        ));
    }
    sentences.extend(context.notes.iter().cloned());
    sentences.join(" ")
}

/// "There are **12 students** with a cat: Smith, Kim, Jones, Kumar, Gompers and 7 more."
fn listed(of: &str, query: &Query, catalogue: &Catalogue, table: &Table) -> String {
    const MOST_NAMED: usize = 5;
    let (one, many) = match catalogue.metric(of).and_then(|metric| metric.noun.as_ref()) {
        Some([one, many]) => (one.as_str(), many.as_str()),
        None => ("row", "rows"),
    };
    let scope: String = query
        .filters
        .iter()
        .map(|clause| format!(" {}", escape(&clause_phrase(clause, catalogue))))
        .collect();
    let cell = |cell: &Cell| match cell {
        Cell::Null => "unknown".to_owned(),
        Cell::Text(text) => escape(text),
        Cell::Integer(number) => format::integer(*number),
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    // What is shown says what the rows are where they are no longer told apart.
    let (one, many) = match query.dimensions.as_slice() {
        [name] if query.distinct => (lower(&label_of(name, catalogue)), plural_of(name, catalogue)),
        _ => (one.to_owned(), many.to_owned()),
    };
    match table.rows.as_slice() {
        [] => format!("There are no {many}{scope}."),
        [row] => format!(
            "There is **1 {one}**{scope}: **{}**.",
            row.iter().map(cell).collect::<Vec<_>>().join(", ")
        ),
        rows => {
            let mut named: Vec<String> = rows
                .iter()
                .take(MOST_NAMED)
                .filter_map(|row| row.first().map(cell))
                .collect();
            if rows.len() > MOST_NAMED {
                named.push(format!("{} more", rows.len() - MOST_NAMED));
            }
            let more = if table.truncated { "more than " } else { "" };
            format!(
                "There are {more}**{} {many}**{scope}: {}.",
                format::integer(rows_i64(table)),
                join_and(named, "and")
            )
        }
    }
}

fn rows_i64(table: &Table) -> i64 {
    i64::try_from(table.rows.len()).unwrap_or(i64::MAX)
}

pub(super) struct Teller<'a> {
    pub(super) query: &'a Query,
    pub(super) catalogue: &'a Catalogue,
    pub(super) table: &'a Table,
    /// The metric that is told, under the name of what was made of it.
    pub(super) metric: Metric,
    asked: &'a QueryMetric,
    /// The metric's column; rows are told by the first metric.
    pub(super) at: usize,
    /// Where the groups stand in a row.
    pub(super) groups: Vec<usize>,
    /// The column of a number of the things themselves that they are ranked by: the capacity of venues.
    own: Option<usize>,
    pub(super) scope: String,
    is_future: bool,
    today: Date,
}

impl<'a> Teller<'a> {
    fn new(
        query: &'a Query,
        catalogue: &'a Catalogue,
        table: &'a Table,
        context: &InsightContext<'_>,
    ) -> Option<Teller<'a>> {
        let ranked_by = query
            .order
            .iter()
            .map(|order| &order.by)
            .find_map(|by| query.metrics.iter().find(|metric| metric.name() == *by));
        let asked = ranked_by.or(query.metrics.first())?;
        let mut metric = catalogue.metric(&asked.metric)?.clone();
        metric.label = asked_label(asked, query, catalogue);
        if asked.aggregate.is_some() {
            // "The median is 40 concerts" and "the busiest" are words of the metric itself.
            metric.noun = None;
            metric.superlative = None;
        }
        let at = table.column_index(&asked.name())?;
        let added: Vec<String> = query.added_columns().into_iter().map(|column| column.name).collect();
        let own = query.order.first().and_then(|order| {
            let dimension = catalogue.dimension(&order.by)?;
            let is_number = dimension.column.is_some() && dimension.column_type.is_number();
            table.column_index(&order.by).filter(|_| is_number)
        });
        let groups = (0..table.columns.len())
            .filter(|at| Some(*at) != own)
            .filter(|at| {
                table
                    .columns
                    .get(*at)
                    .is_some_and(|column| !query.has_metric(&column.name) && !added.contains(&column.name))
            })
            .collect();
        let mut parts: Vec<String> = query
            .filters
            .iter()
            .map(|clause| clause_phrase(clause, catalogue))
            .collect();
        parts.extend(
            query
                .period
                .as_ref()
                .map(period_phrase)
                .filter(|phrase| !phrase.is_empty()),
        );
        let scope = if parts.is_empty() {
            String::new()
        } else {
            format!(" {}", escape(&parts.join(" ")))
        };
        let days = query
            .period
            .as_ref()
            .and_then(|period| period.resolve(context.today).ok())
            .unwrap_or_default();
        let is_future = matches!(days, Days { from: Some(from), .. } if from > context.today);
        Some(Teller {
            query,
            catalogue,
            table,
            metric,
            asked,
            at,
            groups,
            own,
            scope,
            is_future,
            today: context.today,
        })
    }

    fn tell(&self) -> Vec<String> {
        let is_known = |row: &Vec<Cell>| row.get(self.at).is_some_and(|cell| !cell.is_null());
        let ranked = self
            .query
            .order
            .first()
            .is_some_and(|order| self.query.has_metric(&order.by));
        let all = !self.table.truncated && self.query.grain.is_none() && self.query.limit.is_none();
        if let Some(entity) = self.entity()
            && !ranked
            && self.query.having.is_empty()
            && !self.table.rows.is_empty()
        {
            return vec![self.listing(entity)];
        }
        if let Some(own) = self.own
            && let Some(told) = self.by_own_number(own)
        {
            return vec![told];
        }
        if !self.table.rows.iter().any(is_known) {
            return vec![self.nothing()];
        }
        if let Some(told) = self.compared() {
            return told;
        }
        if let Some(told) = self.query.top.as_ref().and_then(|top| self.tops(top)) {
            return vec![told];
        }
        if !ranked && let Some(told) = self.things_that_exist() {
            return vec![told];
        }
        if self.asked.window == Some(Window::RunningTotal)
            && let Some(told) = self.running_total()
        {
            return vec![told];
        }
        if self.groups.is_empty() {
            return vec![self.total()];
        }
        if self.query.dimensions.is_empty() && self.query.grain.is_none() {
            return vec![self.by_currency()];
        }
        if !self.query.having.is_empty() && all {
            return vec![self.those_that()];
        }
        if self.groups.len() == 1 && self.is_time(0) && !ranked {
            return self.course();
        }
        self.ranking()
    }

    /// "**Civic Arena** has the highest capacity: **20,000**, ahead of …".
    fn by_own_number(&self, own: usize) -> Option<String> {
        let mut known = self
            .table
            .rows
            .iter()
            .filter(|row| row.get(own).is_some_and(|cell| !cell.is_null()));
        let best = known.next()?;
        let ascending = self.query.order.first()?.direction == Direction::Ascending;
        let label = lower(&label_of(&self.query.order.first()?.by, self.catalogue));
        let (most, gap) = if ascending {
            ("lowest", "followed by")
        } else {
            ("highest", "ahead of")
        };
        let then = known.next().map_or(String::new(), |row| {
            format!(", {gap} **{}** with {}", self.row_name(row), self.figure(own, row))
        });
        Some(format!(
            "**{}** has the {most} {label}{}: **{}**{then}.",
            self.row_name(best),
            self.scope,
            self.figure(own, best)
        ))
    }

    /// "By revenue, **Nova Tide** leads in **Austin** ($1.2M), **Who** in **Boston** ($800K), and so on for 4 more."
    fn tops(&self, top: &Top) -> Option<String> {
        const MOST_NAMED: usize = 3;
        let per: Vec<usize> = top
            .per
            .iter()
            .filter_map(|name| self.table.column_index(name))
            .collect();
        if per.is_empty() {
            return None;
        }
        let mut firsts: Vec<(Vec<&Cell>, &Vec<Cell>)> = Vec::new();
        for row in &self.table.rows {
            let group: Vec<&Cell> = per.iter().filter_map(|at| row.get(*at)).collect();
            if !firsts.iter().any(|(seen, _)| *seen == group) {
                firsts.push((group, row));
            }
        }
        let others: Vec<usize> = self.groups.iter().copied().filter(|at| !per.contains(at)).collect();
        let leads = if top.direction == Direction::Descending {
            " leads"
        } else {
            " comes last"
        };
        let told: Vec<String> = firsts
            .iter()
            .take(MOST_NAMED)
            .enumerate()
            .map(|(at, (_, row))| {
                let name = self.names(&others, row);
                // The verb stands once, with the first of them.
                let verb = if at == 0 { leads } else { "" };
                format!(
                    "**{name}**{verb} {} ({})",
                    self.told_columns(&per, row),
                    self.figure(self.at, row)
                )
            })
            .collect();
        let rest = firsts.len().saturating_sub(MOST_NAMED);
        let and_so_on = if rest > 0 {
            format!(", and so on for {rest} more")
        } else {
            String::new()
        };
        Some(format!(
            "By {}{}, {}{and_so_on}.",
            lower(&self.metric.label),
            self.scope,
            told.join(", ")
        ))
    }

    /// "There are **12 venues** without concerts in Austin: …", where that is what was asked.
    fn things_that_exist(&self) -> Option<String> {
        const MOST_NAMED: usize = 5;
        let ([name], None) = (self.query.dimensions.as_slice(), self.query.grain) else {
            return None;
        };
        let is_of = |clause: &FilterClause| match clause {
            FilterClause::Exists { exists } => exists.dimension == *name,
            FilterClause::Not { not } => {
                matches!(not.as_ref(), FilterClause::Exists { exists } if exists.dimension == *name)
            }
            _ => false,
        };
        if !self.query.filters.iter().any(is_of) {
            return None;
        }
        let rows = &self.table.rows;
        let mut named: Vec<String> = rows.iter().take(MOST_NAMED).map(|row| self.name_in_list(row)).collect();
        if rows.len() > MOST_NAMED {
            named.push(format!("{} more", rows.len() - MOST_NAMED));
        }
        let (verb, noun) = match rows.len() {
            1 => ("is", lower(&label_of(name, self.catalogue))),
            _ => ("are", plural_of(name, self.catalogue)),
        };
        let more = if self.table.truncated { "more than " } else { "" };
        Some(format!(
            "There {verb} {more}**{} {noun}**{}: {}.",
            format::integer(rows_i64(self.table)),
            self.scope,
            join_and(named, "and")
        ))
    }

    /// "Revenue came to **$1.2M** by **Dec 2025**."
    fn running_total(&self) -> Option<String> {
        if self.groups.len() != 1 || !self.is_time(0) {
            return None;
        }
        let is_known = |row: &&Vec<Cell>| row.get(self.at).is_some_and(|cell| !cell.is_null());
        let last = self.table.rows.iter().rfind(is_known)?;
        let label = &self.catalogue.metric(&self.asked.metric)?.label;
        Some(format!(
            "{label}{} came to **{}** by **{}**.",
            self.scope,
            self.figure(self.at, last),
            self.row_name(last)
        ))
    }

    /// The dimension that stands for single things, where the rows are those.
    fn entity(&self) -> Option<&'a Dimension> {
        match self.query.dimensions.as_slice() {
            [name] if self.query.grain.is_none() => self
                .catalogue
                .dimension(name)
                .filter(|d| d.column.is_none() && d.part.is_none()),
            _ => None,
        }
    }

    /// Single things in their own order: how many, and from when to when.
    fn listing(&self, entity: &Dimension) -> String {
        let rows = &self.table.rows;
        let direction = self.query.order.first().map(|order| order.direction);
        let which = if direction == Some(Direction::Descending) {
            "last"
        } else {
            "first"
        };
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return self.nothing();
        };
        let figure = |row: &[Cell]| match row.get(self.at) {
            Some(cell) if !cell.is_null() => format!(", with {}", self.of(row)),
            _ => String::new(),
        };
        let one = lower(&entity.label);
        match (rows.len(), self.query.limit) {
            (1, Some(_)) => format!(
                "The {which} {one}{} was {}{}.",
                self.scope,
                self.told_row(first),
                figure(first)
            ),
            (1, None) => format!(
                "There was **1 {one}**{}: {}{}.",
                self.scope,
                self.told_row(first),
                figure(first)
            ),
            (count, limit) => {
                let date = self.groups.iter().copied().find(|at| {
                    self.table
                        .columns
                        .get(*at)
                        .is_some_and(|column| column.column_type == ColumnType::Date)
                });
                let day = |row: &[Cell]| {
                    let at = date?;
                    let (column, cell) = (self.table.columns.get(at)?, row.get(at)?);
                    Some(self.cell_text(column, cell))
                };
                let span = match (day(first), day(last)) {
                    // The latest come first, a stretch of time is told from its beginning.
                    (Some(to), Some(from)) if from != to && direction == Some(Direction::Descending) => {
                        format!(", from **{from}** to **{to}**")
                    }
                    (Some(from), Some(to)) if from != to => format!(", from **{from}** to **{to}**"),
                    _ => String::new(),
                };
                let count = format::integer(i64::try_from(count).unwrap_or(i64::MAX));
                match limit {
                    Some(_) => format!(
                        "These are the {which} **{count} {}**{}{span}.",
                        entity.plural, self.scope
                    ),
                    None if self.table.truncated => {
                        format!(
                            "There were more than **{count} {}**{}{span}.",
                            entity.plural, self.scope
                        )
                    }
                    None => format!("There were **{count} {}**{}{span}.", entity.plural, self.scope),
                }
            }
        }
    }

    pub(super) fn nothing(&self) -> String {
        let what = self
            .metric
            .noun
            .as_ref()
            .map_or_else(|| lower(&self.metric.label), |[_, many]| many.clone());
        let having = self.conditions();
        if !having.is_empty() {
            let plural = self
                .query
                .dimensions
                .first()
                .map_or("rows".to_owned(), |name| plural_of(name, self.catalogue));
            return format!("No {plural} had {}{}.", having.join(" and "), self.scope);
        }
        match self.scope.trim() {
            "" => format!(
                "There {} no {what} in the data.",
                if self.metric.noun.is_some() { "are" } else { "is" }
            ),
            scope => format!(
                "No {what} match{}: {scope}.",
                if self.metric.noun.is_some() { "" } else { "es" }
            ),
        }
    }

    fn total(&self) -> String {
        let Some(row) = self.table.rows.first() else {
            return self.nothing();
        };
        let mut facts = Vec::new();
        for asked in &self.query.metrics {
            let (Some(metric), Some(at)) = (
                self.catalogue.metric(&asked.metric),
                self.table.column_index(&asked.name()),
            ) else {
                continue;
            };
            let Some(cell) = row.get(at) else { continue };
            facts.push((metric, cell, self.figure(at, row)));
        }
        let count = |metric: &Metric, cell: &Cell, figure: &str| match &metric.noun {
            Some([one, many]) => {
                format!(
                    "**{} {}**",
                    if cell.as_f64() == Some(0.0) { "no" } else { figure },
                    if cell.as_f64() == Some(1.0) { one } else { many }
                )
            }
            None => format!("{} of **{figure}**", named(metric)),
        };
        if let ([_], Some(_)) = (facts.as_slice(), self.asked.aggregate) {
            return format!(
                "{}{} was **{}**.",
                self.metric.label,
                self.scope,
                self.figure(self.at, row)
            );
        }
        match facts.as_slice() {
            [(metric, cell, figure)] if metric.noun.is_some() => {
                let singular = cell.as_f64() == Some(1.0);
                let verb = match (self.is_future, singular) {
                    (true, true) => "There is",
                    (true, false) => "There are",
                    (false, true) => "There was",
                    (false, false) => "There were",
                };
                format!("{verb} {}{}.", count(metric, cell, figure), self.scope)
            }
            [(metric, _, figure)] => {
                format!(
                    "{}{} {} **{figure}**.",
                    metric.label,
                    self.scope,
                    if self.is_future { "is" } else { "was" }
                )
            }
            several => {
                let told = several
                    .iter()
                    .map(|(metric, cell, figure)| count(metric, cell, figure))
                    .collect();
                format!(
                    "There {} {}{}.",
                    if self.is_future { "are" } else { "were" },
                    join_and(told, "and"),
                    self.scope
                )
            }
        }
    }

    /// A total that was kept apart by currency.
    fn by_currency(&self) -> String {
        const MOST_NAMED: usize = 3;
        let mut told: Vec<String> = self
            .table
            .rows
            .iter()
            .take(MOST_NAMED)
            .map(|row| format!("**{}**", self.figure(self.at, row)))
            .collect();
        let others = self.table.rows.len().saturating_sub(MOST_NAMED);
        match others {
            0 => {}
            1 => told.push("an amount in one more currency".to_owned()),
            _ => told.push(format!("amounts in {others} more currencies")),
        }
        format!("{}{} was {}.", self.metric.label, self.scope, join_and(told, "and"))
    }

    /// "more than 20 concerts", "an attendance rate of at least 100 %", "revenue of more than $5,000".
    fn conditions(&self) -> Vec<String> {
        self.query.having.iter().map(|having| self.condition(having)).collect()
    }

    fn condition(&self, having: &HavingClause) -> String {
        let filter: &MetricFilter = match having {
            HavingClause::Is(filter) => filter,
            other => return having_phrase(other, self.query, self.catalogue),
        };
        let metric = self.catalogue.metric(&filter.metric);
        let column = self
            .table
            .column_index(&filter.metric)
            .and_then(|at| self.table.columns.get(at));
        let style = column.map_or(Style::Decimal, |column| Style::of(column, self.catalogue));
        let show = |value: &Value| bound_text(value, style == Style::Percent);
        let values = values_text(filter.op, &filter.values, show);
        match metric {
            Some(Metric {
                noun: Some([_, many]), ..
            }) => format!("{values} {many}"),
            Some(metric) => format!("{} of {values}", named(metric)),
            None => {
                let label = number_label(&filter.metric, self.query, self.catalogue);
                format!(
                    "{} of {values}",
                    article(&lower(&label.unwrap_or_else(|| filter.metric.clone())))
                )
            }
        }
    }

    /// "**3 cities** had more than 20 concerts: …".
    fn those_that(&self) -> String {
        const MOST_NAMED: usize = 5;
        let rows = &self.table.rows;
        let dimension = self.query.dimensions.first();
        let noun = match (dimension, rows.len()) {
            (Some(name), 1) => lower(&label_of(name, self.catalogue)),
            (Some(name), _) => plural_of(name, self.catalogue),
            (None, 1) => "row".to_owned(),
            (None, _) => "rows".to_owned(),
        };
        let conditions = self.conditions();
        let mut named: Vec<String> = rows
            .iter()
            .take(MOST_NAMED)
            .map(|row| format!("**{}** ({})", self.row_name(row), self.figure(self.at, row)))
            .collect();
        if rows.len() > MOST_NAMED {
            named.push(format!("{} more", rows.len() - MOST_NAMED));
        }
        format!(
            "**{} {noun}** had {}{}: {}.",
            format::integer(rows_i64(self.table)),
            conditions.join(" and "),
            self.scope,
            join_and(named, "and")
        )
    }

    /// A course of time: its peak, where it began and where it ended. A stretch that is not over yet ends nothing.
    pub(super) fn course(&self) -> Vec<String> {
        let is_known = |row: &&Vec<Cell>| row.get(self.at).is_some_and(|cell| !cell.is_null());
        let known: Vec<&Vec<Cell>> = self.table.rows.iter().filter(is_known).collect();
        let value = |row: &Vec<Cell>| row.get(self.at).and_then(Cell::as_f64).unwrap_or(f64::NEG_INFINITY);
        let Some(peak) = known
            .iter()
            .copied()
            .reduce(|a, b| if value(b) > value(a) { b } else { a })
        else {
            return vec![self.nothing()];
        };
        let label = &self.metric.label;
        if known.len() == 1 {
            return vec![format!(
                "{label}{} was {} in **{}**.",
                self.scope,
                self.bold(peak),
                self.row_name(peak)
            )];
        }
        let counted = self.metric.noun.is_some();
        let mut sentences = vec![format!(
            "{label}{} peaked in **{}** {} {}.",
            self.scope,
            self.row_name(peak),
            if counted { "with" } else { "at" },
            self.bold(peak)
        )];
        sentences.extend(self.standing_out(peak, &known));
        let mut over: Vec<&Vec<Cell>> = known.iter().copied().filter(|row| !self.is_open(row)).collect();
        // Nobody knows whether the data begins with the stretch, so that the first may be a part of one.
        if over.len() > 2 && self.may_begin_late() {
            over.remove(0);
        }
        if let (Some(first), Some(last)) = (over.first(), over.last())
            && over.len() > 1
        {
            let (from, to) = (self.figure(self.at, first), self.figure(self.at, last));
            let way = match value(last).total_cmp(&value(first)) {
                Ordering::Greater => format!("rose, from {from} to {to}"),
                Ordering::Less => format!("fell, from {from} to {to}"),
                Ordering::Equal => format!("came back to {to}"),
            };
            let it = if counted { "they" } else { "it" };
            sentences.push(format!(
                "Between {} and {} {it} {way}.",
                self.row_name(first),
                self.row_name(last)
            ));
        }
        if let Some(running) = known.iter().find(|row| self.is_running(row)) {
            let ahead = if known.iter().any(|row| self.is_ahead(row)) {
                ", and what comes after it is only what is planned so far"
            } else {
                ""
            };
            sentences.push(format!("{} is not over yet{ahead}.", upper(&self.row_name(running))));
        }
        let unknown = self.table.rows.len() - known.len();
        if unknown > 0 {
            let grain = self.query.grain.map_or("row", Grain::name);
            let (s, verb) = if unknown == 1 { ("", "has") } else { ("s", "have") };
            sentences.push(format!("{unknown} {grain}{s} {verb} no known value."));
        }
        sentences
    }

    pub(super) fn ranking(&self) -> Vec<String> {
        let ascending = self
            .query
            .order
            .first()
            .is_some_and(|o| o.by == self.metric.name && o.direction == Direction::Ascending);
        let known: Vec<&Vec<Cell>> = self
            .table
            .rows
            .iter()
            .filter(|row| row.get(self.at).is_some_and(|cell| !cell.is_null()))
            .collect();
        let value = |row: &Vec<Cell>| row.get(self.at).and_then(Cell::as_f64).unwrap_or(0.0);
        // Rows without a name are part of the whole, but no leader.
        let named: Vec<&Vec<Cell>> = known.iter().copied().filter(|row| !self.is_nameless(row)).collect();
        let candidates = if named.is_empty() { &known } else { &named };
        let Some(best) = candidates.iter().copied().reduce(|a, b| {
            let better = if ascending {
                value(b) < value(a)
            } else {
                value(b) > value(a)
            };
            if better { b } else { a }
        }) else {
            return vec![self.nothing()];
        };
        let second = candidates
            .iter()
            .copied()
            .find(|row| !std::ptr::eq(*row, best) && self.is_next(row, best, candidates, ascending));
        let mut sentences = Vec::new();
        let entity = self.entity();
        if let Some(entity) = entity {
            sentences.push(format!(
                "The {} {}{} was {}, with {}.",
                self.superlative(ascending),
                lower(&entity.label),
                self.scope,
                self.told_row(best),
                self.of(best)
            ));
        } else if let ([_], Some(1)) = (candidates.as_slice(), self.query.limit) {
            let most = match (&self.metric.noun, ascending) {
                (Some([_, many]), false) => format!("the most {many}"),
                (Some([_, many]), true) => format!("the fewest {many}"),
                (None, false) => format!("the highest {}", lower(&self.metric.label)),
                (None, true) => format!("the lowest {}", lower(&self.metric.label)),
            };
            let figure = self.figure(self.at, best);
            sentences.push(format!(
                "**{}** had {most}{}: **{figure}**.",
                self.row_name(best),
                self.scope
            ));
        } else if candidates.len() == 1 {
            sentences.push(format!(
                "Only **{}** has a known value{}: {}.",
                self.row_name(best),
                self.scope,
                self.bold(best)
            ));
        } else {
            let leads = if ascending {
                "has the lowest figure,"
            } else {
                "leads with"
            };
            let then = second.map_or(String::new(), |row| {
                let gap = if ascending { "followed by" } else { "ahead of" };
                format!(", {gap} **{}** with {}", self.row_name(row), self.figure(self.at, row))
            });
            sentences.push(format!(
                "**{}** {leads} {}{}{then}.",
                self.row_name(best),
                self.of(best),
                self.scope
            ));
        }
        if !ascending {
            sentences.extend(self.standing_out(best, candidates));
        }
        let is_sum =
            self.asked.aggregate.is_none()
                && self.metric.sources.iter().all(|source| {
                    source.over.is_none() && matches!(source.aggregate, Aggregate::Sum | Aggregate::Count)
                });
        let one_unit = self.metric.unit != Unit::Currency || self.column().is_some_and(|column| column.unit.is_some());
        if is_sum && one_unit && !self.table.truncated && known.len() > 2 {
            let sum: f64 = known.iter().map(|row| value(row)).sum();
            let figure = self.computed(sum);
            let rows = format::integer(rows_i64(self.table));
            let share = 100.0 * value(best) / sum;
            let part = if !ascending && entity.is_none() && (0.0..100.0).contains(&share) {
                format!("; **{}** has {} of it", self.row_name(best), format::percent(share))
            } else {
                String::new()
            };
            sentences.push(format!(
                "Together the {rows} {} come to {figure}{part}.",
                self.rows_noun()
            ));
        }
        sentences
    }

    fn is_next(&self, row: &Vec<Cell>, best: &Vec<Cell>, rows: &[&Vec<Cell>], ascending: bool) -> bool {
        let value = |row: &Vec<Cell>| row.get(self.at).and_then(Cell::as_f64).unwrap_or(0.0);
        rows.iter().filter(|other| !std::ptr::eq(**other, best)).all(|other| {
            if ascending {
                value(row) <= value(other)
            } else {
                value(row) >= value(other)
            }
        })
    }

    /// Says so where a row lies far outside of what is usual among the others: a modified z-score over 3.5, after
    /// Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (1993).
    fn standing_out(&self, row: &[Cell], rows: &[&Vec<Cell>]) -> Option<String> {
        const LEAST_ROWS: usize = 8;
        const FAR: f64 = 3.5;
        let of = |row: &[Cell]| row.get(self.at).and_then(Cell::as_f64);
        let mut values: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
        if values.len() < LEAST_ROWS || self.query.limit.is_some() {
            return None;
        }
        let middle = median(&mut values)?;
        let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
        let spread = median(&mut distances)?;
        let score = 0.6745 * (of(row)? - middle) / spread;
        // Without any spread among most rows, no distance can be called usual.
        (score.is_finite() && score > FAR).then(|| format!("That stands out: the median is {}.", self.computed(middle)))
    }

    /// A number in the metric's unit that stands in no row.
    pub(super) fn computed(&self, number: f64) -> String {
        let style = self
            .column()
            .map_or(Style::Integer, |column| Style::of(column, self.catalogue));
        match style {
            // Half a ticket is said of small numbers, where it is a difference.
            Style::Integer | Style::Decimal if number.abs() < 100.0 && number.fract() != 0.0 => {
                format::decimal(number, 1)
            }
            Style::Integer | Style::Decimal => short_number(number),
            _ => format::short(
                &Cell::Float(number),
                style,
                self.column().and_then(|column| column.unit.as_deref()),
            ),
        }
    }

    /// The column that a comparison added for the metric that is told.
    pub(super) fn added(&self, added: Added) -> Option<usize> {
        let name = format!("{}{}", self.asked.name(), added.suffix());
        self.table.column_index(&name)
    }

    pub(super) fn rows_noun(&self) -> String {
        match (self.query.dimensions.as_slice(), self.query.grain) {
            ([name], None) => plural_of(name, self.catalogue),
            ([], Some(grain)) => format!("{}s", grain.name()),
            _ => "rows".to_owned(),
        }
    }

    fn superlative(&self, ascending: bool) -> String {
        match (&self.metric.superlative, ascending) {
            (Some([most, _]), false) => most.clone(),
            (Some([_, least]), true) => least.clone(),
            (None, false) => format!("highest {}", lower(&self.metric.label)),
            (None, true) => format!("lowest {}", lower(&self.metric.label)),
        }
    }

    /// "**67 concerts**", "an attendance of **1,840**".
    fn of(&self, row: &[Cell]) -> String {
        let figure = self.figure(self.at, row);
        match &self.metric.noun {
            Some([one, many]) => {
                let single = row.get(self.at).and_then(Cell::as_f64) == Some(1.0);
                format!("**{figure} {}**", if single { one } else { many })
            }
            None => format!("{} of **{figure}**", self.named()),
        }
    }

    /// "an attendance", "an average price", but "revenue": an amount of money takes no article.
    pub(super) fn named(&self) -> String {
        named(&self.metric)
    }

    fn bold(&self, row: &[Cell]) -> String {
        match &self.metric.noun {
            Some(_) => self.of(row),
            None => format!("**{}**", self.figure(self.at, row)),
        }
    }

    pub(super) fn column(&self) -> Option<&Column> {
        self.table.columns.get(self.at)
    }

    /// A metric's number in its unit; money in the currency of its column or its row.
    pub(super) fn figure(&self, at: usize, row: &[Cell]) -> String {
        let (Some(column), Some(cell)) = (self.table.columns.get(at), row.get(at)) else {
            return String::new();
        };
        let style = Style::of(column, self.catalogue);
        let unit = match style {
            Style::Money => column.unit.as_deref().or_else(|| {
                let currency = self.catalogue.currency_dimension()?;
                row.get(self.table.column_index(&currency.name)?)?.as_str()
            }),
            _ => None,
        };
        match (style, cell) {
            // A sentence has room for whole counts up to the millions.
            (Style::Integer, cell) => cell
                .as_f64()
                .map_or_else(|| format::exact(cell, style, unit), short_number),
            _ => format::short(cell, style, unit),
        }
    }

    pub(super) fn is_nameless(&self, row: &[Cell]) -> bool {
        self.groups.iter().all(|at| row.get(*at).is_none_or(Cell::is_null))
            || self
                .groups
                .first()
                .is_some_and(|at| row.get(*at).is_none_or(Cell::is_null))
    }

    pub(super) fn is_time(&self, group: usize) -> bool {
        let Some(column) = self.groups.get(group).and_then(|at| self.table.columns.get(*at)) else {
            return false;
        };
        self.query.grain.is_some_and(|grain| grain.name() == column.name)
            || self
                .catalogue
                .dimension(&column.name)
                .is_some_and(|d| d.part == Some(TimePart::Year))
    }

    /// The first and the last day of a row's stretch of time.
    fn stretch(&self, row: &[Cell]) -> Option<(Date, Date)> {
        let cell = self.groups.first().and_then(|at| row.get(*at))?;
        let (grain, first) = match cell {
            Cell::Integer(year) => (Grain::Year, Date::new(i16::try_from(*year).ok()?, 1, 1).ok()?),
            Cell::Text(text) => (self.query.grain?, text.parse::<Date>().ok()?),
            _ => return None,
        };
        Some((first, grain.add(first, 1)?.yesterday().ok()?))
    }

    /// Whether a row's stretch of time holds today, and so has only part of its figure.
    fn is_running(&self, row: &[Cell]) -> bool {
        self.stretch(row)
            .is_some_and(|(first, last)| first < last && first <= self.today && self.today <= last)
    }

    /// Whether a row's stretch of time has not begun.
    fn is_ahead(&self, row: &[Cell]) -> bool {
        self.stretch(row).is_some_and(|(first, _)| first > self.today)
    }

    /// Whether a row's stretch of time is not over, or reaches past what was asked for, so that its figure is no end
    /// of a course.
    fn is_open(&self, row: &[Cell]) -> bool {
        let days = self.days();
        self.stretch(row).is_some_and(|(first, last)| {
            self.is_running(row)
                || first > self.today
                || days.from.is_some_and(|from| first < from)
                || days.to.is_some_and(|to| to < last)
        })
    }

    /// Whether the first row is where the data begins, and not where the question does.
    fn may_begin_late(&self) -> bool {
        let is_coarse = self
            .query
            .grain
            .is_none_or(|grain| !matches!(grain, Grain::Day | Grain::Week));
        let has_years = self.query.conditions().iter().any(|filter| {
            self.catalogue
                .dimension(&filter.dimension)
                .is_some_and(|d| d.part == Some(TimePart::Year))
        });
        is_coarse && !has_years && self.days().from.is_none()
    }

    fn days(&self) -> Days {
        self.query
            .period
            .as_ref()
            .and_then(|period| period.resolve(self.today).ok())
            .unwrap_or_default()
    }

    /// What a row is called: its groups, without those that are only shown beside and the same in every row.
    pub(super) fn row_name(&self, row: &[Cell]) -> String {
        self.names(&self.groups, row)
    }

    /// A row among others that commas part: "**The Foundry** (Chicago)".
    fn name_in_list(&self, row: &[Cell]) -> String {
        let Some((first, beside)) = self.groups.split_first() else {
            return String::new();
        };
        let name = self.names(&[*first], row);
        match self.names(beside, row) {
            beside if beside.is_empty() => format!("**{name}**"),
            beside => format!("**{name}** ({beside})"),
        }
    }

    fn names(&self, columns: &[usize], row: &[Cell]) -> String {
        let names: Vec<String> = columns
            .iter()
            .filter_map(|at| {
                let (column, cell) = (self.table.columns.get(*at)?, row.get(*at)?);
                if self
                    .catalogue
                    .currency_dimension()
                    .is_some_and(|d| d.name == column.name)
                    && !self.query.dimensions.contains(&column.name)
                {
                    return None;
                }
                if cell.is_null() && !self.query.dimensions.contains(&column.name) {
                    return None;
                }
                let text = match cell {
                    Cell::Null => "unknown".to_owned(),
                    cell => self.cell_text(column, cell),
                };
                Some(escape(&text))
            })
            .collect();
        names.join(", ")
    }

    fn cell_text(&self, column: &Column, cell: &Cell) -> String {
        let name = cell
            .as_str()
            .and_then(|value| self.catalogue.value_name(&column.name, value));
        name.unwrap_or_else(|| format::exact(cell, Style::of(column, self.catalogue), None))
    }

    /// A row whose dimension has no name of its own: "at **Fort Reno** in **Washington** on **7 Aug 1999**".
    fn told_row(&self, row: &[Cell]) -> String {
        self.told_columns(&self.groups, row)
    }

    fn told_columns(&self, columns: &[usize], row: &[Cell]) -> String {
        let mut told: Vec<(bool, String)> = Vec::new();
        for at in columns {
            let (Some(column), Some(cell)) = (self.table.columns.get(*at), row.get(*at)) else {
                continue;
            };
            if cell.is_null() {
                continue;
            }
            let dimension: Option<&Dimension> = self.catalogue.dimension(&column.name);
            let text = format!("**{}**", escape(&self.cell_text(column, cell)));
            let phrase = dimension.and_then(|d| d.phrase.as_deref()).unwrap_or("{}");
            let is_date = column.column_type == ColumnType::Date;
            told.push((is_date, phrase.replace("{}", &text)));
        }
        // A date reads best at the end.
        told.sort_by_key(|(is_date, _)| *is_date);
        told.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    }
}

/// The middle value; the mean of the two middle ones of an even number. None of no values.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((values.get(half.checked_sub(1)?)? + upper) / 2.0)
}
