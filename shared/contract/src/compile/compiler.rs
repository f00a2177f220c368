//! From a query to what its statement is made of: the checked names, each metric's source, the groups, the currency
//! rule and the days. [`super::parts`] writes the SELECTs, [`super::layers`] what stands around them.

use super::{
    Compiled, MAX_PARTS, MIXED_CURRENCY,
    clause::{check_filters, check_having},
    expression::{ColumnRef, is_name},
    metric::{MetricUse, Wants, candidates},
    period::{Shift, cut},
    reserved::RESERVED,
    world::{World, nearest},
};
use crate::{
    catalogue::{Catalogue, Dimension, Unit},
    query::{
        Added, AddedColumn, Comparison, Days, Filter, FilterClause, Grain, HavingClause, Operator, Period, Query,
        QueryError, QueryErrorCode, QueryMetric, Value, Window,
    },
    table::{Column, ColumnType},
};
use std::collections::BTreeMap;

/// The longest moving average, in stretches.
const MAX_WINDOW: u32 = 400;
/// The farthest that a period which begins anew for each row may reach, in its units.
const MAX_SINCE: i64 = 40_000;

pub(super) struct Compiler<'a> {
    pub world: &'a World<'a>,
    pub query: &'a Query,
    /// The query's dimensions, in order.
    pub dimensions: Vec<&'a Dimension>,
    /// The dimension that the query's times mean, where it names one.
    pub time: Option<&'a Dimension>,
    /// The query's metrics, then those that only a condition names.
    pub metrics: Vec<MetricUse<'a>>,
    pub groups: Vec<Group<'a>>,
    pub currency: CurrencyRule,
    pub notes: Vec<String>,
    /// The days of each table that is aggregated.
    pub days: BTreeMap<String, Days>,
    /// The days of all of them, as the answer tells them.
    pub all_days: Days,
    pub shifts: Vec<(Comparison, Shift)>,
    pub added: Vec<AddedColumn>,
}

/// A column by which rows are grouped.
pub(super) struct Group<'a> {
    /// The name of the column in the result; none for a key that only tells apart.
    pub name: Option<String>,
    pub what: GroupBy<'a>,
    pub holds: ColumnType,
}

pub(super) enum GroupBy<'a> {
    /// What tells apart things of the same name.
    Key(ColumnRef, &'a Dimension),
    /// What tells the rows of a list apart.
    Row(ColumnRef),
    Dimension(&'a Dimension),
    Grain(Grain),
    Currency,
}

/// How money in several currencies is kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CurrencyRule {
    /// No money is asked for, or all of it is in one currency.
    None,
    /// A row for each currency; `true` if the column was not asked for.
    Group(bool),
    /// Only the currency that most of the rows have.
    MostFrequent,
}

impl<'a> Compiler<'a> {
    pub fn new(world: &'a World<'a>, query: &'a Query) -> Result<Self, QueryError> {
        query.check_version()?;
        check_sizes(query)?;
        check_filters(world, &query.filters, "filters")?;
        check_filters(world, &query.focus, "focus")?;
        check_having(&query.having, "having")?;
        let dimensions = named_dimensions(world, query)?;
        check_focus(world, query, &dimensions)?;
        let time = match &query.time {
            Some(name) => {
                let dimension = world.dimension(name, "time")?;
                world.check_dimension(dimension, "time")?;
                Some(dimension)
            }
            None => None,
        };
        check_since(query)?;
        let mut compiler = Compiler {
            world,
            query,
            dimensions,
            time,
            metrics: Vec::new(),
            groups: Vec::new(),
            currency: CurrencyRule::None,
            notes: Vec::new(),
            days: BTreeMap::new(),
            all_days: Days::default(),
            shifts: Vec::new(),
            added: query.added_columns(),
        };
        compiler.choose_metrics()?;
        compiler.check_names()?;
        compiler.currency = compiler.currency_rule();
        compiler.groups = compiler.make_groups()?;
        compiler.find_days()?;
        compiler.check_constructs()?;
        Ok(compiler)
    }

    pub fn compile(mut self) -> Result<Compiled, QueryError> {
        let order = self.order()?;
        let sql = if self.is_layered() {
            self.layered(&order)?
        } else {
            self.plain(&order)?
        };
        let (columns, currency) = self.columns();
        Ok(Compiled {
            sql,
            columns,
            notes: self.notes,
            tables: self.world.tables.borrow().iter().cloned().collect(),
            days: self.all_days,
            max_rows: self.world.context.max_rows,
            currency,
            parameters: self.world.parameters.take().into_list(),
        })
    }

    /// The query's metrics, without those that only a condition names.
    pub fn shown(&self) -> usize {
        self.query.metrics.len()
    }

    /// Whether the answer needs more than one SELECT around its parts.
    fn is_layered(&self) -> bool {
        let of_added = |clause: &HavingClause| {
            clause.singles().iter().any(|filter| {
                self.added.iter().any(|added| added.name == filter.metric) || self.is_windowed(&filter.metric)
            })
        };
        !self.query.compare.is_empty()
            || self.query.top.is_some()
            || !self.query.focus.is_empty()
            || self.query.metrics.iter().any(|metric| metric.window.is_some())
            || self.query.having.iter().any(of_added)
    }

    fn is_windowed(&self, name: &str) -> bool {
        self.query
            .metrics
            .iter()
            .any(|metric| metric.window.is_some() && metric.name() == name)
    }

    // Metrics

    fn choose_metrics(&mut self) -> Result<(), QueryError> {
        let mut wanted: Vec<(QueryMetric, String)> = Vec::new();
        for (index, asked) in self.query.metrics.iter().enumerate() {
            let path = format!("metrics[{index}]");
            let metric = self.world.metric(&asked.metric, &path)?;
            check_filters(self.world, &asked.filters, &format!("{path}.filters"))?;
            if wanted.iter().any(|(other, _)| other.name() == asked.name()) {
                return Err(QueryError::new(
                    QueryErrorCode::BadQuery,
                    path,
                    format!("{} stands there twice.", metric.label),
                )
                .suggest("Give one of them a name of its own (as), or leave it out."));
            }
            wanted.push((asked.clone(), path));
        }
        // Of a list no metric is shown, but the rows are those of one.
        if let Some(of) = &self.query.of {
            wanted.push((QueryMetric::from(of), "of".to_owned()));
        }
        for (index, clause) in self.query.having.iter().enumerate() {
            for filter in clause.singles() {
                let name = &filter.metric;
                if self.added.iter().any(|added| added.name == *name)
                    || wanted.iter().any(|(other, _)| other.name() == *name)
                {
                    continue;
                }
                let path = format!("having[{index}].metric");
                if self.world.catalogue.metric(name).is_none() {
                    let mut names: Vec<String> = self.query.metric_names();
                    names.extend(self.added.iter().map(|added| added.name.clone()));
                    names.extend(self.world.catalogue.metrics.iter().map(|metric| metric.name.clone()));
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    return Err(QueryError::new(
                        QueryErrorCode::UnknownMetric,
                        path,
                        format!("There is no metric {name:?}."),
                    )
                    .suggest(nearest(name, &names)));
                }
                wanted.push((QueryMetric::from(name), path));
            }
        }
        let mut candidates_of = Vec::new();
        for (asked, path) in &wanted {
            let wants = Wants {
                dimensions: &self.dimensions,
                filters: &self.query.filters,
                time: self.time,
                needs_time: self.query.grain.is_some() || self.time.is_some(),
                period: self.query.period.as_ref(),
            };
            let metric = self.world.metric(&asked.metric, path)?;
            candidates_of.push((metric, candidates(self.world, asked, &wants, path)?));
        }
        // One family of figures for the whole query: the first label that every metric with a choice can take.
        let several: Vec<_> = candidates_of
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
        for (metric, sources) in candidates_of {
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
                let name = metric.label.to_lowercase();
                match told.iter_mut().find(|(source, _)| *source == label.as_str()) {
                    Some((_, metrics)) if metrics.contains(&name) => {}
                    Some((_, metrics)) => metrics.push(name),
                    None => told.push((label, vec![name])),
                }
            }
            self.metrics.push(chosen);
        }
        for (source, metrics) in told {
            self.notes
                .push(format!("Figures for {} come from {source}.", metrics.join(" and ")));
        }
        let many: Vec<String> = self
            .dimensions
            .iter()
            .filter(|dimension| dimension.many)
            .map(|dimension| dimension.plural.clone())
            .collect();
        if !many.is_empty() {
            self.notes.push(format!(
                "What has several {} counts for each of them; the rows do not add up to a total.",
                many.join(" or ")
            ));
        }
        Ok(())
    }

    /// Names of columns must be names, and different.
    fn check_names(&self) -> Result<(), QueryError> {
        let mut taken: Vec<String> = self.dimensions.iter().map(|d| d.name.clone()).collect();
        taken.extend(self.query.grain.map(|grain| grain.name().to_owned()));
        for dimension in &self.dimensions {
            taken.extend(dimension.shows.iter().cloned());
        }
        let own = self.query.metrics.iter().enumerate().map(|(index, metric)| {
            let field = if metric.name.is_some() { ".as" } else { "" };
            (format!("metrics[{index}]{field}"), metric.name())
        });
        let added = self
            .added
            .iter()
            .map(|added| ("compare".to_owned(), added.name.clone()));
        for (path, name) in own.chain(added) {
            if !is_name(&name) || RESERVED.contains(&name.as_str()) || name.len() > 100 {
                return Err(QueryError::new(
                    QueryErrorCode::BadQuery,
                    path,
                    format!("{name:?} cannot be a name: use lower-case letters, digits and _, and no word of SQL."),
                ));
            }
            if taken.contains(&name) {
                return Err(QueryError::new(
                    QueryErrorCode::BadQuery,
                    path,
                    format!("The answer would have two columns {name:?}."),
                )
                .suggest("Give the metric another name (as)."));
            }
            taken.push(name);
        }
        Ok(())
    }

    // Days

    fn find_days(&mut self) -> Result<(), QueryError> {
        let asked = match &self.query.period {
            Some(period) => period.resolve(self.world.context.today)?,
            None => Days::default(),
        };
        self.all_days = asked;
        // A course over time has the end that a period would have: days to come are no gaps in it.
        let is_bounded = self.query.period.is_some() || self.query.grain.is_some();
        for used in &self.metrics {
            if self.days.contains_key(&used.base) {
                continue;
            }
            if !is_bounded {
                self.days.insert(used.base.clone(), Days::default());
                continue;
            }
            // Where another time is meant, the table's own end says nothing of it.
            let complete = self.time.is_none()
                && self
                    .metrics
                    .iter()
                    .any(|other| other.base == used.base && other.metric.complete_days);
            let (days, note) = cut(self.world, &used.base, asked, complete);
            if let Some(note) = note
                && !self.notes.contains(&note)
            {
                self.notes.push(note);
            }
            if days.to != asked.to {
                self.all_days.to = days.to;
            }
            self.days.insert(used.base.clone(), days);
        }
        for comparison in &self.query.compare {
            if let Some(shift) = Shift::of(*comparison, self.query, self.all_days)? {
                self.shifts.push((*comparison, shift));
                if shift.grain.is_none()
                    && let Some(Days {
                        from: Some(from),
                        to: Some(to),
                    }) = shift.days(self.all_days)
                {
                    self.notes.push(format!(
                        "Compared with {} to {}.",
                        crate::format::date(from),
                        crate::format::date(to)
                    ));
                }
            }
        }
        Ok(())
    }

    // What comparisons, windows and tops need

    fn check_constructs(&self) -> Result<(), QueryError> {
        let query = self.query;
        let has_rows = !self.dimensions.is_empty() || query.grain.is_some();
        for (index, comparison) in query.compare.iter().enumerate() {
            let path = format!("compare[{index}]");
            let bad = |message: String, action: &str| {
                Err(QueryError::new(QueryErrorCode::BadCompare, path.clone(), message).suggest(action))
            };
            match comparison {
                Comparison::PreviousPeriod | Comparison::SamePeriodLastYear => {
                    if let Some(dimension) = self.dimensions.iter().find(|dimension| self.is_date_of_rows(dimension)) {
                        return bad(
                            format!(
                                "Rows of one {} have nothing earlier to be compared with.",
                                dimension.label.to_lowercase()
                            ),
                            "Use the grain instead.",
                        );
                    }
                }
                Comparison::ShareOfTotal => {
                    if let Some(used) = self.compared().find(|used| !used.is_additive()) {
                        return bad(
                            format!(
                                "{} cannot be added up, so that nothing is a share of it.",
                                used.metric.label
                            ),
                            "Ask for the share of a sum or a count.",
                        );
                    }
                    if let Some(dimension) = self.dimensions.iter().find(|dimension| dimension.many) {
                        return bad(
                            format!(
                                "What has several {} counts for each; there is no total.",
                                dimension.plural
                            ),
                            "Ask by another dimension.",
                        );
                    }
                }
                Comparison::Rank | Comparison::AverageOfPeers => {}
            }
            if !has_rows && !matches!(comparison, Comparison::PreviousPeriod | Comparison::SamePeriodLastYear) {
                return bad(
                    "One row has nothing beside it to be compared with.".to_owned(),
                    "Add a dimension or a grain.",
                );
            }
        }
        for (index, metric) in query.metrics.iter().enumerate() {
            let Some(window) = metric.window else { continue };
            let path = format!("metrics[{index}].window");
            let bad = |message: String, action: &str| {
                Err(QueryError::new(QueryErrorCode::BadWindow, path.clone(), message).suggest(action))
            };
            if query.grain.is_none() {
                return bad("A window needs stretches of time.".to_owned(), "Add a grain.");
            }
            match window {
                Window::RunningTotal => {
                    if let Some(used) = self.metrics.get(index).filter(|used| !used.is_additive()) {
                        return bad(
                            format!("{} cannot be added up.", used.metric.label),
                            "Ask for a moving average, or for a sum or a count.",
                        );
                    }
                }
                Window::MovingAverage(count) if !(1..=MAX_WINDOW).contains(&count) => {
                    return bad(
                        format!("A moving average is over 1 to {MAX_WINDOW} stretches, not {count}."),
                        "Change the number.",
                    );
                }
                Window::MovingAverage(_) => {}
            }
        }
        if let Some(top) = &query.top {
            let bad = |path: &str, message: String, action: String| {
                Err(QueryError::new(QueryErrorCode::BadTop, path, message).suggest(action))
            };
            if top.n == 0 {
                return bad(
                    "top.n",
                    "A top of 0 leaves no rows.".to_owned(),
                    "Make it at least 1.".to_owned(),
                );
            }
            let numbers = self.number_names();
            if let Some(by) = &top.by
                && !numbers.contains(by)
            {
                let names: Vec<&str> = numbers.iter().map(String::as_str).collect();
                return bad(
                    "top.by",
                    format!("The answer has no number {by:?}."),
                    nearest(by, &names),
                );
            }
            let mut names: Vec<&str> = query.dimensions.iter().map(String::as_str).collect();
            names.extend(query.grain.map(Grain::name));
            if names.is_empty() {
                return bad(
                    "top",
                    "Without dimensions there is one row.".to_owned(),
                    "Add a dimension, or leave out top.".to_owned(),
                );
            }
            for (index, per) in top.per.iter().enumerate() {
                if !names.contains(&per.as_str()) {
                    return bad(
                        &format!("top.per[{index}]"),
                        format!("{per:?} is no dimension of the query."),
                        nearest(per, &names),
                    );
                }
            }
            if names.iter().all(|name| top.per.iter().any(|per| per == name)) {
                return bad(
                    "top.per",
                    "Each group has one row only.".to_owned(),
                    "Add the dimension whose first rows are wanted.".to_owned(),
                );
            }
        }
        Ok(())
    }

    /// Whether its values are days or years of the rows' time, which an earlier period does not share.
    fn is_date_of_rows(&self, dimension: &Dimension) -> bool {
        use crate::catalogue::TimePart;
        dimension.part == Some(TimePart::Year)
            || (matches!(dimension.column_type, ColumnType::Date | ColumnType::Timestamp)
                && self.metrics.iter().any(|used| {
                    super::scope::time_for(self.world, &used.base, self.time)
                        .ok()
                        .flatten()
                        .is_some_and(|time| Some(time.column.to_string()) == dimension.column)
                }))
    }

    /// The metrics that comparisons add columns to.
    fn compared(&self) -> impl Iterator<Item = &MetricUse<'a>> {
        self.query
            .metrics
            .iter()
            .zip(&self.metrics)
            .filter(|(asked, _)| asked.window.is_none())
            .map(|(_, used)| used)
    }

    pub fn number_names(&self) -> Vec<String> {
        let mut names = self.query.metric_names();
        names.extend(self.added.iter().map(|added| added.name.clone()));
        names
    }

    // Money

    fn currency_rule(&self) -> CurrencyRule {
        if self.query.of.is_some() {
            return CurrencyRule::None;
        }
        let money = self.metrics.iter().any(MetricUse::is_money);
        if !money || self.world.context.state.currencies.len() < 2 || self.pinned_currency().is_some() {
            return CurrencyRule::None;
        }
        let is_currency = |d: &&'a Dimension| self.world.is_currency(d);
        if self.dimensions.iter().any(is_currency) {
            CurrencyRule::Group(false)
        } else if self.dimensions.is_empty() && self.query.grain.is_none() {
            CurrencyRule::Group(true)
        } else {
            CurrencyRule::MostFrequent
        }
    }

    /// The one currency that a filter leaves.
    fn pinned_currency(&self) -> Option<&'a str> {
        let dimension = self.world.currency?;
        self.query
            .conditions()
            .into_iter()
            .find_map(|filter| match (filter.op, filter.values.as_slice()) {
                (Operator::Equal | Operator::In, [Value::Text(code)]) if filter.dimension == dimension.name => {
                    Some(code.as_str())
                }
                _ => None,
            })
    }

    /// The currency of the rows of `base`: of its money where it has any, else of the currency dimension.
    pub fn currency_column(&self, base: &str) -> Option<ColumnRef> {
        let of_money = self
            .metrics
            .iter()
            .filter(|m| m.base == base)
            .find_map(|m| m.source.currency.as_deref());
        let column = of_money.or_else(|| self.world.currency?.column.as_deref());
        ColumnRef::parse(column?).filter(|column| self.world.graph.reaches(base, &column.table))
    }

    // Groups

    fn make_groups(&self) -> Result<Vec<Group<'a>>, QueryError> {
        let catalogue: &'a Catalogue = self.world.catalogue;
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
        let has_name = |groups: &[Group<'a>], name: &str| groups.iter().any(|g| g.name.as_deref() == Some(name));
        for (index, dimension) in self.dimensions.iter().enumerate() {
            if has_name(&groups, &dimension.name) && !self.dimensions.iter().any(|d| d.shows.contains(&dimension.name))
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
                if has_name(&groups, &dimension.name) {
                    return;
                }
                let what = if self.world.is_currency(dimension) {
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
            if dimension.column.is_some() || dimension.part.is_some() || dimension.days_since.is_some() {
                add(dimension);
            }
            for shown in &dimension.shows {
                let Some(shown) = catalogue.dimension(shown) else {
                    continue;
                };
                let has_values = shown
                    .column
                    .as_deref()
                    .and_then(ColumnRef::parse)
                    .is_some_and(|column| self.world.is_filled(&column) && !self.world.is_hidden(&column));
                // What a filter has already said would be the same in every row.
                if has_values && !self.pinned(shown) {
                    add(shown);
                }
            }
            if let Some(key) = dimension.key.as_deref().and_then(ColumnRef::parse) {
                keys.push(Group {
                    name: None,
                    holds: self.world.column_type(&key).unwrap_or(ColumnType::Text),
                    what: GroupBy::Key(key, dimension),
                });
            }
        }
        if matches!(self.currency, CurrencyRule::Group(true) | CurrencyRule::MostFrequent) {
            let name = self
                .world
                .currency
                .map_or("currency", |dimension| dimension.name.as_str());
            groups.push(Group {
                name: Some(name.to_owned()),
                what: GroupBy::Currency,
                holds: ColumnType::Text,
            });
        }
        groups.extend(keys);
        groups.extend(self.groups_of_list()?);
        Ok(groups)
    }

    /// What a list is grouped by without showing it: the key of its rows, and what it is ordered by.
    fn groups_of_list(&self) -> Result<Vec<Group<'a>>, QueryError> {
        let mut groups = Vec::new();
        let (Some(_), Some(listed)) = (&self.query.of, self.metrics.first()) else {
            return Ok(groups);
        };
        for (index, by) in self.query.order.iter().enumerate() {
            let is_shown = self
                .dimensions
                .iter()
                .any(|dimension| dimension.name == by.by || dimension.shows.contains(&by.by));
            if is_shown || self.world.catalogue.dimension(&by.by).is_none() {
                continue;
            }
            let path = format!("order[{index}].by");
            let dimension = self.world.dimension(&by.by, &path)?;
            self.world.check_dimension(dimension, &path)?;
            let has_time = super::scope::time_for(self.world, &listed.base, self.time)?.is_some();
            let place = super::scope::place(self.world, &listed.base, dimension, has_time)?;
            if dimension.column.is_none() && dimension.part.is_none() && dimension.days_since.is_none()
                || matches!(place, None | Some(super::scope::Place::Many { .. }))
            {
                return Err(QueryError::new(
                    QueryErrorCode::BadOrder,
                    path,
                    format!(
                        "{} is nothing that each of the listed rows has one of.",
                        dimension.label
                    ),
                )
                .suggest("Order by a dimension of the rows themselves, or of what they belong to."));
            }
            groups.push(Group {
                name: None,
                what: GroupBy::Dimension(dimension),
                holds: dimension.column_type,
            });
        }
        if !self.query.distinct
            && let Some(table) = self.world.catalogue.tables.get(&listed.base)
        {
            for column in &table.key {
                let column = ColumnRef {
                    table: listed.base.clone(),
                    column: column.clone(),
                };
                groups.push(Group {
                    name: None,
                    holds: self.world.column_type(&column).unwrap_or(ColumnType::Text),
                    what: GroupBy::Row(column),
                });
            }
        }
        Ok(groups)
    }

    fn pinned(&self, dimension: &Dimension) -> bool {
        self.query.conditions().into_iter().any(|filter| {
            filter.dimension == dimension.name
                && (filter.op == Operator::Equal || (filter.op == Operator::In && filter.values.len() == 1))
        })
    }

    /// The name of a group's column: its own, or one for a key.
    pub fn group_names(&self) -> Vec<String> {
        self.groups
            .iter()
            .enumerate()
            .map(|(index, group)| group.name.clone().unwrap_or_else(|| format!("key_{}", index + 1)))
            .collect()
    }

    /// Whether this is the one currency that is taken: told beside each row, and no group of its own.
    pub fn is_taken_currency(&self, group: &Group<'_>) -> bool {
        matches!(group.what, GroupBy::Currency) && self.currency == CurrencyRule::MostFrequent
    }

    pub fn is_ranking(&self) -> bool {
        self.query.limit.is_some() || !self.query.having.is_empty() || self.query.top.is_some()
    }

    /// Whether a row without this group's value is no answer to a ranking: that is so for what was asked by name, not
    /// for what is only shown beside it.
    pub fn is_asked(&self, group: &Group<'_>) -> bool {
        match &group.what {
            // A listed row is one whatever it lacks, unless its place in the list hangs on it.
            GroupBy::Dimension(dimension) if self.query.of.is_some() => {
                self.query.order.iter().any(|order| order.by == dimension.name)
            }
            GroupBy::Dimension(dimension) => self.query.dimensions.contains(&dimension.name),
            GroupBy::Key(..) | GroupBy::Row(_) | GroupBy::Grain(_) | GroupBy::Currency => false,
        }
    }

    // Columns

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
        for (used, asked) in self.metrics.iter().zip(&self.query.metrics) {
            columns.push(Column {
                name: used.name.clone(),
                column_type: windowed_type(used, asked.window),
                unit: self.unit(used),
            });
        }
        for added in &self.added {
            let Some(used) = self.metrics.get(added.metric) else {
                continue;
            };
            columns.push(Column {
                name: added.name.clone(),
                column_type: added_type(used, added.added),
                unit: match added.added {
                    Added::ChangePercent | Added::LastYearChangePercent | Added::Share => Some("percent".to_owned()),
                    Added::Rank => None,
                    _ => self.unit(used),
                },
            });
        }
        (columns, currency)
    }

    fn unit(&self, used: &MetricUse<'_>) -> Option<String> {
        if used.is_count() {
            return Some("count".to_owned());
        }
        match used.metric.unit {
            Unit::Count => Some("count".to_owned()),
            Unit::Percent => Some("percent".to_owned()),
            Unit::None => None,
            Unit::Currency if self.currency != CurrencyRule::None => Some(MIXED_CURRENCY.to_owned()),
            Unit::Currency => self
                .pinned_currency()
                .map(str::to_owned)
                .or_else(|| self.world.context.state.currencies.first().cloned()),
        }
    }
}

/// What a metric over a window holds.
pub(super) fn windowed_type(used: &MetricUse<'_>, window: Option<Window>) -> ColumnType {
    match window {
        Some(Window::MovingAverage(_)) if used.is_money() => ColumnType::Decimal,
        Some(Window::MovingAverage(_)) => ColumnType::Float,
        Some(Window::RunningTotal) | None => used.holds,
    }
}

/// What a column that a comparison adds holds.
pub(super) fn added_type(used: &MetricUse<'_>, added: Added) -> ColumnType {
    match added {
        Added::Before | Added::Change | Added::LastYear | Added::LastYearChange => used.holds,
        Added::ChangePercent | Added::LastYearChangePercent | Added::Share => ColumnType::Float,
        Added::Rank => ColumnType::Integer,
        Added::Peers | Added::PeersDifference if used.is_money() => ColumnType::Decimal,
        Added::Peers | Added::PeersDifference => ColumnType::Float,
    }
}

fn check_sizes(query: &Query) -> Result<(), QueryError> {
    let parts = [
        ("metrics", query.metrics.len()),
        ("dimensions", query.dimensions.len()),
        ("filters", query.filters.len()),
        ("focus", query.focus.len()),
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
    check_listing(query)?;
    for (index, comparison) in query.compare.iter().enumerate() {
        if query.compare.iter().take(index).any(|other| other == comparison) {
            return Err(QueryError::new(
                QueryErrorCode::BadCompare,
                format!("compare[{index}]"),
                "The comparison stands there twice.",
            )
            .suggest("Leave one out."));
        }
    }
    if query.limit == Some(0) {
        return Err(
            QueryError::new(QueryErrorCode::BadLimit, "limit", "A limit of 0 leaves no rows.")
                .suggest("Leave it out, or make it at least 1."),
        );
    }
    Ok(())
}

/// A query measures or lists, and a list has no figures to compare or to rank.
fn check_listing(query: &Query) -> Result<(), QueryError> {
    let bad = |path: &str, message: &str, action: &str| {
        Err(QueryError::new(QueryErrorCode::BadQuery, path, message).suggest(action))
    };
    if query.of.is_none() {
        if query.metrics.is_empty() {
            return bad(
                "metrics",
                "A query needs at least one metric.",
                "Name one, or say with of whose rows are to be listed.",
            );
        }
        if query.distinct {
            return bad(
                "distinct",
                "Only rows that are listed can be told apart.",
                "Leave it out.",
            );
        }
        return Ok(());
    }
    if !query.metrics.is_empty() {
        return bad(
            "of",
            "A query with metrics measures, and one with of lists rows.",
            "Leave out one of them.",
        );
    }
    if query.dimensions.is_empty() {
        return bad(
            "dimensions",
            "A list of rows needs something to show.",
            "Name a dimension.",
        );
    }
    let figures = [
        ("grain", query.grain.is_some()),
        ("compare", !query.compare.is_empty()),
        ("having", !query.having.is_empty()),
        ("focus", !query.focus.is_empty()),
        ("top", query.top.is_some()),
    ];
    match figures.iter().find(|(_, is_there)| *is_there) {
        Some((path, _)) => bad(
            path,
            "Rows that are listed have no figures for this.",
            "Ask for a metric, or leave it out.",
        ),
        None => Ok(()),
    }
}

fn check_since(query: &Query) -> Result<(), QueryError> {
    fn check(period: Option<&Period>, path: &str) -> Result<(), QueryError> {
        if let Some(Period::Since { offset, count, .. }) = period
            && (i64::from(*offset).abs() > MAX_SINCE || i64::from(*count) > MAX_SINCE)
        {
            return Err(QueryError::new(
                QueryErrorCode::BadPeriod,
                path,
                format!("A period reaches at most {MAX_SINCE} units from its day."),
            ));
        }
        Ok(())
    }
    fn walk(clause: &FilterClause) -> Result<(), QueryError> {
        match clause {
            FilterClause::Is(_) | FilterClause::Than { .. } => Ok(()),
            FilterClause::Any { any: parts } | FilterClause::All { all: parts } => parts.iter().try_for_each(walk),
            FilterClause::Not { not } => walk(not),
            FilterClause::Exists { exists } => {
                check(exists.period.as_ref(), "exists.period")?;
                exists.filters.iter().try_for_each(walk)
            }
        }
    }
    check(query.period.as_ref(), "period")?;
    query.filters.iter().try_for_each(walk)?;
    query
        .metrics
        .iter()
        .flat_map(|metric| &metric.filters)
        .try_for_each(walk)
}

fn named_dimensions<'a>(world: &World<'a>, query: &Query) -> Result<Vec<&'a Dimension>, QueryError> {
    let mut dimensions: Vec<&Dimension> = Vec::new();
    for (index, name) in query.dimensions.iter().enumerate() {
        let path = format!("dimensions[{index}]");
        let dimension = world.dimension(name, &path)?;
        if dimensions.iter().any(|other| other.name == dimension.name) {
            return Err(QueryError::new(
                QueryErrorCode::BadQuery,
                path,
                format!("{} stands there twice.", dimension.label),
            ));
        }
        world.check_dimension(dimension, &path)?;
        dimensions.push(dimension);
    }
    Ok(dimensions)
}

/// A focus chooses rows of the answer, so it can only speak of what stands in them.
fn check_focus(world: &World<'_>, query: &Query, dimensions: &[&Dimension]) -> Result<(), QueryError> {
    fn has_exists(clause: &FilterClause) -> bool {
        match clause {
            FilterClause::Is(_) => false,
            FilterClause::Any { any: parts } | FilterClause::All { all: parts } => parts.iter().any(has_exists),
            FilterClause::Not { not } => has_exists(not),
            FilterClause::Exists { .. } | FilterClause::Than { .. } => true,
        }
    }
    for (index, clause) in query.focus.iter().enumerate() {
        if has_exists(clause) {
            return Err(QueryError::new(
                QueryErrorCode::BadQuery,
                format!("focus[{index}]"),
                "A focus is on values of the answer's own dimensions.",
            )
            .suggest("Put exists among the filters."));
        }
        for filter in clause.singles() {
            let filter: &Filter = filter;
            let dimension = world.dimension(&filter.dimension, &format!("focus[{index}].dimension"))?;
            let is_shown = dimensions
                .iter()
                .any(|d| d.name == dimension.name || d.shows.contains(&dimension.name));
            if !is_shown {
                let names: Vec<&str> = query.dimensions.iter().map(String::as_str).collect();
                return Err(QueryError::new(
                    QueryErrorCode::BadQuery,
                    format!("focus[{index}].dimension"),
                    format!("{} is no dimension of the query.", dimension.label),
                )
                .suggest(if names.is_empty() {
                    "Add it to the dimensions, or put the condition among the filters.".to_owned()
                } else {
                    format!("Use one of: {}.", names.join(", "))
                }));
            }
        }
    }
    Ok(())
}
