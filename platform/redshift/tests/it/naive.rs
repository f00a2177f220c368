//! What a query means, said a second time and as plainly as can be: loops over rows, no joins, no SQL. It shares with
//! the compiler only the types of the model and the reading of arithmetic.

use concert_contract::{
    api::DataState,
    catalogue::{Aggregate, Catalogue, Dimension, Metric, MetricSource, Role, TimePart, Unit},
    compile::{ColumnRef, Expression},
    query::{
        Added, Comparison, Days, Direction, Exists, Filter, FilterClause, Grain, HavingClause, MetricFilter, Operator,
        Period, Query, QueryMetric, Statistic, Than, Usual, Value, Window,
    },
    table::ColumnType,
};
use jiff::{
    ToSpan,
    civil::{Date, DateTime},
};
use std::{cmp::Ordering, collections::BTreeMap};

#[derive(Clone, Debug, PartialEq)]
pub enum V {
    Null,
    Bool(bool),
    Num(f64),
    /// Days are `YYYY-MM-DD`, instants `YYYY-MM-DDTHH:MM:SSZ`.
    Text(String),
}

impl V {
    fn num(&self) -> Option<f64> {
        match self {
            V::Num(x) => Some(*x),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        *self == V::Null
    }

    /// Ascending, unknown last.
    pub fn order(&self, other: &V) -> Ordering {
        match (self, other) {
            (V::Null, V::Null) => Ordering::Equal,
            (V::Null, _) => Ordering::Greater,
            (_, V::Null) => Ordering::Less,
            (V::Num(a), V::Num(b)) => a.total_cmp(b),
            (V::Text(a), V::Text(b)) => a.cmp(b),
            (V::Bool(a), V::Bool(b)) => a.cmp(b),
            (a, b) => format!("{a:?}").cmp(&format!("{b:?}")),
        }
    }
}

pub type Row = Vec<V>;

#[derive(Clone, Debug, Default)]
pub struct Tab {
    pub columns: Vec<(String, ColumnType)>,
    pub rows: Vec<Row>,
}

impl Tab {
    pub fn at(&self, column: &str) -> usize {
        self.columns
            .iter()
            .position(|(name, _)| name == column)
            .unwrap_or_else(|| panic!("no column {column}"))
    }
}

pub type Db = BTreeMap<String, Tab>;

/// The rows of the answer by column, in order.
pub struct Answer {
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    /// Whether the order is promised.
    pub is_ordered: bool,
}

pub struct Naive<'a> {
    pub catalogue: &'a Catalogue,
    pub state: &'a DataState,
    pub today: Date,
    pub role: Option<&'a Role>,
    /// Sentences that say which source of a metric was taken.
    pub notes: &'a [String],
    db: Db,
}

/// A row of a table, with one value of each dimension that has many.
#[derive(Clone)]
struct Item {
    row: Row,
    many: BTreeMap<String, V>,
}

struct Asked<'a> {
    name: String,
    metric: &'a Metric,
    source: &'a MetricSource,
    statistic: Option<Statistic>,
    filters: Vec<FilterClause>,
    window: Option<Window>,
    base: String,
    of: Expression,
    over: Option<Expression>,
}

impl Asked<'_> {
    fn is_count(&self) -> bool {
        match self.statistic {
            Some(s) => s == Statistic::Distinct,
            None => self.over.is_none() && matches!(self.source.aggregate, Aggregate::Count | Aggregate::CountDistinct),
        }
    }

    fn is_money(&self) -> bool {
        self.metric.unit == Unit::Currency && self.statistic != Some(Statistic::Distinct)
    }

    fn columns(&self) -> Vec<ColumnRef> {
        let mut columns: Vec<ColumnRef> = self.of.columns().into_iter().cloned().collect();
        columns.extend(self.over.iter().flat_map(Expression::columns).cloned());
        columns
    }
}

/// What stands in one column of the groups.
enum GroupOf<'a> {
    Grain(Grain),
    Dimension(&'a Dimension),
    Key(ColumnRef, Vec<String>),
    Currency,
}

/// How rows of a table are looked at: its time, the column of its currency, the days that count.
struct Look {
    base: String,
    time: Option<(ColumnRef, Vec<String>)>,
    currency: Option<ColumnRef>,
    days: Days,
    grouped_many: Vec<String>,
}

struct Group {
    values: Vec<V>,
    metrics: Vec<V>,
}

fn key(values: &[V]) -> String {
    format!("{values:?}")
}

impl<'a> Naive<'a> {
    pub fn new(
        catalogue: &'a Catalogue,
        db: &Db,
        state: &'a DataState,
        today: Date,
        role: Option<&'a Role>,
        notes: &'a [String],
    ) -> Naive<'a> {
        let mut naive = Naive {
            catalogue,
            state,
            today,
            role,
            notes,
            db: db.clone(),
        };
        // A rule looks at all rows, whoever asks.
        let mut visible = db.clone();
        for rule in role.iter().flat_map(|role| &role.rows) {
            let kept: Vec<Row> = db[&rule.table]
                .rows
                .iter()
                .filter(|row| {
                    rule.filters.iter().all(|filter| {
                        let column = ColumnRef::parse(&filter.dimension).expect("a column");
                        let value = naive.up(&rule.table, row, &column, &[]);
                        let holds = naive.type_of(&column);
                        compare(&value, filter.op, &filter.values, holds) == Some(true)
                    })
                })
                .cloned()
                .collect();
            let table = visible.get_mut(&rule.table).expect("a table");
            table.rows.retain(|row| kept.contains(row));
        }
        naive.db = visible;
        naive
    }

    fn type_of(&self, column: &ColumnRef) -> ColumnType {
        self.catalogue.tables[&column.table].columns[&column.column]
    }

    // Joins

    fn paths(&self, from: &str, to: &str, so_far: &[usize], found: &mut Vec<Vec<usize>>) {
        if from == to {
            found.push(so_far.to_vec());
            return;
        }
        if so_far.len() > 6 {
            return;
        }
        for (index, join) in self.catalogue.joins.iter().enumerate() {
            let (left, right) = (col(&join.from), col(&join.to));
            if left.table == from {
                let mut longer = so_far.to_vec();
                longer.push(index);
                self.paths(&right.table, to, &longer, found);
            }
        }
    }

    fn path(&self, from: &str, to: &str, via: &[String]) -> Option<Vec<usize>> {
        let mut all = Vec::new();
        self.paths(from, to, &[], &mut all);
        for wanted in via {
            let takes = |path: &Vec<usize>| path.iter().any(|i| self.catalogue.joins[*i].from == *wanted);
            if all.iter().any(takes) {
                all.retain(takes);
            }
        }
        all.into_iter().min_by_key(Vec::len)
    }

    /// The row that a row belongs to at the end of a path.
    fn follow(&self, from: &str, row: &Row, path: &[usize]) -> Option<Row> {
        let mut at = from.to_owned();
        let mut row = row.clone();
        for index in path {
            let join = &self.catalogue.joins[*index];
            let (left, right) = (col(&join.from), col(&join.to));
            let value = row[self.db[&at].at(&left.column)].clone();
            if value.is_null() {
                return None;
            }
            let table = &self.db[&right.table];
            let key = table.at(&right.column);
            row = table.rows.iter().find(|other| other[key] == value)?.clone();
            at = right.table;
        }
        Some(row)
    }

    fn up(&self, base: &str, row: &Row, column: &ColumnRef, via: &[String]) -> V {
        let Some(path) = self.path(base, &column.table, via) else {
            return V::Null;
        };
        self.follow(base, row, &path)
            .map_or(V::Null, |row| row[self.db[&column.table].at(&column.column)].clone())
    }

    fn steps(&self, base: &str) -> Vec<(String, usize)> {
        let mut tables: Vec<(String, usize)> = self
            .catalogue
            .tables
            .keys()
            .filter_map(|table| Some((table.clone(), self.path(base, table, &[])?.len())))
            .collect();
        tables.sort_by_key(|(_, steps)| *steps);
        tables
    }

    /// The values of a dimension in rows that belong to what this row belongs to.
    fn below(&self, base: &str, row: &Row, dimension: &Dimension) -> Vec<V> {
        let column = col(dimension.column.as_deref().expect("a column"));
        let (above, _) = self
            .steps(base)
            .into_iter()
            .find(|(table, _)| self.path(&column.table, table, &[]).is_some())
            .expect("a table above both");
        let down = self.path(&column.table, &above, &dimension.via).expect("a path");
        let link = &self.catalogue.joins[*down.last().expect("a join")];
        let (left, right) = (col(&link.from), col(&link.to));
        let own = self.up(base, row, &right, &[]);
        if own.is_null() {
            return Vec::new();
        }
        let table = &self.db[&column.table];
        let at = table.at(&column.column);
        let near = &down[..down.len() - 1];
        table
            .rows
            .iter()
            .filter(|other| {
                self.follow(&column.table, other, near)
                    .is_some_and(|end| end[self.db[&left.table].at(&left.column)] == own)
            })
            .map(|other| other[at].clone())
            .collect()
    }

    // Values of a row

    fn look(&self, base: &str, query: &Query, asked: &[Asked<'a>], days: Days) -> Look {
        let time = match &query.time {
            Some(name) => {
                let dimension = self.catalogue.dimension(name).expect("a dimension");
                Some((
                    col(dimension.column.as_deref().expect("a column")),
                    dimension.via.clone(),
                ))
            }
            None => self.own_time(base),
        };
        let currency = asked
            .iter()
            .filter(|used| used.base == base)
            .find_map(|used| used.source.currency.clone())
            .or_else(|| self.catalogue.currency_dimension()?.column.clone())
            .map(|text| col(&text))
            .filter(|column| self.path(base, &column.table, &[]).is_some());
        Look {
            base: base.to_owned(),
            time,
            currency,
            days,
            grouped_many: query
                .dimensions
                .iter()
                .filter(|name| self.catalogue.dimension(name).is_some_and(|d| d.many))
                .cloned()
                .collect(),
        }
    }

    fn own_time(&self, base: &str) -> Option<(ColumnRef, Vec<String>)> {
        self.steps(base).into_iter().find_map(|(table, _)| {
            let column = self.catalogue.tables[&table].time.clone()?;
            Some((ColumnRef { table, column }, Vec::new()))
        })
    }

    fn time(&self, look: &Look, item: &Item) -> Option<DateTime> {
        let (column, via) = look.time.as_ref()?;
        match self.up(&look.base, &item.row, column, via) {
            V::Text(text) => Some(self.local(look, item, column, instant(&text))),
            _ => None,
        }
    }

    /// An instant by the clock of its place.
    fn local(&self, look: &Look, item: &Item, column: &ColumnRef, at: DateTime) -> DateTime {
        let table = &self.catalogue.tables[&column.table];
        let is_instant = table.time.as_ref() == Some(&column.column) && self.type_of(column) == ColumnType::Timestamp;
        let Some(zone) = table.zone.as_deref().filter(|_| is_instant).map(col) else {
            return at;
        };
        match self.up(&look.base, &item.row, &zone, &[]) {
            V::Text(name) => {
                let zone = jiff::tz::TimeZone::get(&name).expect("a zone");
                let instant = at.to_zoned(jiff::tz::TimeZone::UTC).expect("UTC").timestamp();
                instant.to_zoned(zone).datetime()
            }
            _ => at,
        }
    }

    fn is_reached(&self, base: &str, dimension: &Dimension) -> bool {
        match &dimension.column {
            Some(column) => self.path(base, &col(column).table, &dimension.via).is_some(),
            None => true,
        }
    }

    fn value(&self, look: &Look, item: &Item, dimension: &Dimension) -> V {
        let is_currency = self
            .catalogue
            .currency_dimension()
            .is_some_and(|currency| currency.name == dimension.name);
        if is_currency {
            return look
                .currency
                .as_ref()
                .map_or(V::Null, |column| self.up(&look.base, &item.row, column, &[]));
        }
        if let Some(value) = item.many.get(&dimension.name) {
            return value.clone();
        }
        if let Some(part) = dimension.part {
            return self.time(look, item).map_or(V::Null, |time| {
                V::Num(f64::from(match part {
                    TimePart::Year => i32::from(time.year()),
                    TimePart::QuarterOfYear => (i32::from(time.month()) - 1) / 3 + 1,
                    TimePart::MonthOfYear => i32::from(time.month()),
                    TimePart::Weekday => i32::from(time.weekday().to_monday_one_offset()),
                    TimePart::Hour => i32::from(time.hour()),
                }))
            });
        }
        if let Some(since) = &dimension.days_since {
            let from = self.up(&look.base, &item.row, &col(since), &dimension.via);
            return match (from, self.time(look, item)) {
                (V::Text(from), Some(time)) => {
                    let days = instant(&from).date().until(time.date()).expect("days").get_days();
                    V::Num(f64::from(days))
                }
                _ => V::Null,
            };
        }
        let column = col(dimension.column.as_deref().expect("a column"));
        self.up(&look.base, &item.row, &column, &dimension.via)
    }

    fn group_value(&self, look: &Look, item: &Item, group: &GroupOf<'_>) -> V {
        match group {
            GroupOf::Dimension(dimension) => {
                if self.is_reached(&look.base, dimension) || dimension.many {
                    self.value(look, item, dimension)
                } else {
                    V::Null
                }
            }
            GroupOf::Key(column, via) => self.up(&look.base, &item.row, column, via),
            GroupOf::Currency => look
                .currency
                .as_ref()
                .map_or(V::Null, |column| self.up(&look.base, &item.row, column, &[])),
            GroupOf::Grain(grain) => self.time(look, item).map_or(V::Null, |time| {
                let first = grain.start_of(time.date()).expect("a day");
                match grain {
                    Grain::Year => V::Num(f64::from(first.year())),
                    _ => V::Text(first.to_string()),
                }
            }),
        }
    }

    // Conditions: true, false, or unknown

    fn clause(&self, look: &Look, item: &Item, clause: &FilterClause) -> Option<bool> {
        match clause {
            FilterClause::Is(filter) => self.single(look, item, filter),
            FilterClause::Any { any } => any
                .iter()
                .map(|part| self.clause(look, item, part))
                .fold(Some(false), or),
            FilterClause::All { all } => all
                .iter()
                .map(|part| self.clause(look, item, part))
                .fold(Some(true), and),
            FilterClause::Not { not } => self.clause(look, item, not).map(|b| !b),
            FilterClause::Exists { exists } => Some(self.exists(look, item, exists)),
            FilterClause::Than { than } => self.than(look, item, than),
        }
    }

    fn than(&self, look: &Look, item: &Item, than: &Than) -> Option<bool> {
        let dimension = self.catalogue.dimension(&than.dimension).expect("a dimension");
        let column = col(dimension.column.as_deref().expect("a column"));
        let table = &self.db[&column.table];
        let at = table.at(&column.column);
        let all: Vec<f64> = table.rows.iter().filter_map(|row| row[at].num()).collect();
        let own = self.value(look, item, dimension).num()?;
        if all.is_empty() {
            return None;
        }
        let other = match than.statistic {
            Usual::Minimum => all.iter().copied().fold(f64::INFINITY, f64::min),
            Usual::Maximum => all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Usual::Average => all.iter().sum::<f64>() / all.len() as f64,
        };
        Some(match than.op {
            Operator::NotEqual => own != other,
            Operator::Greater => own > other,
            Operator::GreaterOrEqual => own >= other,
            Operator::Less => own < other,
            Operator::LessOrEqual => own <= other,
            _ => own == other,
        })
    }

    fn single(&self, look: &Look, item: &Item, filter: &Filter) -> Option<bool> {
        let dimension = self.catalogue.dimension(&filter.dimension).expect("a dimension");
        let is_many = !self.is_reached(&look.base, dimension) && !item.many.contains_key(&dimension.name);
        if is_many {
            return Some(
                self.below(&look.base, &item.row, dimension)
                    .iter()
                    .any(|value| compare(value, filter.op, &filter.values, dimension.column_type) == Some(true)),
            );
        }
        let mut value = self.value(look, item, dimension);
        if let (V::Text(text), ColumnType::Timestamp, Some(column)) = (&value, dimension.column_type, &dimension.column)
        {
            value = V::Text(self.local(look, item, &col(column), instant(text)).to_string());
        }
        compare(&value, filter.op, &filter.values, dimension.column_type)
    }

    fn exists(&self, look: &Look, item: &Item, exists: &Exists) -> bool {
        let dimension = self.catalogue.dimension(&exists.dimension).expect("a dimension");
        let key_column = col(dimension
            .key
            .as_deref()
            .or(dimension.column.as_deref())
            .expect("a column"));
        let own = self.up(&look.base, &item.row, &key_column, &dimension.via);
        if own.is_null() {
            return false;
        }
        let of = self.asked(&QueryMetric::from(&exists.of));
        let days = exists
            .period
            .as_ref()
            .map(|period| period.resolve(self.today).expect("a period"))
            .unwrap_or_default();
        let inner = Look {
            base: of.base.clone(),
            time: self.own_time(&of.base),
            currency: of
                .source
                .currency
                .clone()
                .or_else(|| self.catalogue.currency_dimension()?.column.clone())
                .map(|text| col(&text))
                .filter(|column| self.path(&of.base, &column.table, &[]).is_some()),
            days,
            grouped_many: Vec::new(),
        };
        let mut wanted = vec![dimension];
        wanted.extend(
            exists
                .per
                .iter()
                .map(|name| self.catalogue.dimension(name).expect("a dimension")),
        );
        let items: Vec<Item> = self
            .items(&inner, &exists.filters, exists.period.as_ref())
            .into_iter()
            .filter(|item| self.up(&inner.base, &item.row, &key_column, &dimension.via) == own)
            .filter(|item| self.meets_own(&inner, item, &of, &wanted, &exists.filters))
            .filter(|item| {
                of.columns()
                    .iter()
                    .all(|column| !self.up(&inner.base, &item.row, column, &[]).is_null())
            })
            .collect();
        if exists.having.is_empty() {
            return !items.is_empty();
        }
        let mut groups: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for item in items {
            let values: Vec<V> = exists
                .per
                .iter()
                .map(|name| {
                    let per = self.catalogue.dimension(name).expect("a dimension");
                    match &per.key {
                        Some(key) => self.up(&inner.base, &item.row, &col(key), &per.via),
                        None => self.value(&inner, &item, per),
                    }
                })
                .collect();
            groups.entry(key(&values)).or_default().push(item);
        }
        groups.values().any(|items| {
            exists.having.iter().all(|clause| {
                having(clause, &|filter: &MetricFilter| {
                    let used = self.asked(&QueryMetric::from(&filter.metric));
                    let counted: Vec<&Item> = items
                        .iter()
                        .filter(|item| self.meets_own(&inner, item, &used, &wanted, &exists.filters))
                        .collect();
                    let value = self.aggregate(&inner, &counted, &used);
                    compare(&value, filter.op, &filter.values, ColumnType::Float)
                }) == Some(true)
            })
        })
    }

    /// The rows of a table that meet the conditions of the query, one for each combination of values of its
    /// many-valued dimensions.
    fn items(&self, look: &Look, filters: &[FilterClause], period: Option<&Period>) -> Vec<Item> {
        let mut items: Vec<Item> = self.db[&look.base]
            .rows
            .iter()
            .map(|row| Item {
                row: row.clone(),
                many: BTreeMap::new(),
            })
            .collect();
        for name in &look.grouped_many {
            let dimension = self.catalogue.dimension(name).expect("a dimension");
            if self.is_reached(&look.base, dimension) {
                continue;
            }
            let mut expanded = Vec::new();
            for item in items {
                let mut values: Vec<V> = Vec::new();
                for value in self.below(&look.base, &item.row, dimension) {
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                if values.is_empty() {
                    values.push(V::Null);
                }
                for value in values {
                    let mut one = item.clone();
                    one.many.insert(name.clone(), value);
                    expanded.push(one);
                }
            }
            items = expanded;
        }
        items
            .into_iter()
            .filter(|item| {
                filters
                    .iter()
                    .all(|clause| self.clause(look, item, clause) == Some(true))
            })
            .filter(|item| self.in_period(look, item, period))
            .collect()
    }

    fn in_period(&self, look: &Look, item: &Item, period: Option<&Period>) -> bool {
        let Days { from, to } = look.days;
        let since = matches!(period, Some(Period::Since { .. }));
        if from.is_none() && to.is_none() && !since {
            return true;
        }
        let Some(time) = self.time(look, item) else {
            return false;
        };
        let day = time.date();
        if from.is_some_and(|from| day < from) || to.is_some_and(|to| day > to) {
            return false;
        }
        let Some(Period::Since {
            dimension,
            unit,
            offset,
            count,
        }) = period
        else {
            return true;
        };
        let anchor = self.catalogue.dimension(dimension).expect("a dimension");
        let V::Text(text) = self.value(look, item, anchor) else {
            return false;
        };
        let start = instant(&text).date();
        let first = unit.add(start, i64::from(*offset)).expect("a day");
        let end = unit.add(start, i64::from(*offset) + i64::from(*count)).expect("a day");
        first <= day && day < end
    }

    // Metrics

    fn asked(&self, metric: &QueryMetric) -> Asked<'a> {
        let of_catalogue = self.catalogue.metric(&metric.metric).expect("a metric");
        let source = if of_catalogue.sources.len() == 1 {
            &of_catalogue.sources[0]
        } else {
            let told = |source: &&MetricSource| {
                let label = source.label.as_deref().unwrap_or_default();
                self.notes.iter().any(|note| {
                    note.contains(&of_catalogue.label.to_lowercase()) && note.ends_with(&format!("come from {label}."))
                })
            };
            of_catalogue.sources.iter().find(told).expect("the source is told")
        };
        let of = Expression::parse(&source.of).expect("arithmetic");
        let over = source
            .over
            .as_deref()
            .map(|text| Expression::parse(text).expect("arithmetic"));
        let mut columns: Vec<ColumnRef> = of.columns().into_iter().cloned().collect();
        columns.extend(over.iter().flat_map(Expression::columns).cloned());
        columns.extend(source.filters.iter().map(|filter| col(&filter.dimension)));
        let base = columns
            .iter()
            .find(|one| {
                columns
                    .iter()
                    .all(|other| self.path(&one.table, &other.table, &[]).is_some())
            })
            .expect("a table")
            .table
            .clone();
        Asked {
            name: metric.name(),
            metric: of_catalogue,
            source,
            statistic: metric.aggregate,
            filters: metric.filters.clone(),
            window: metric.window,
            base,
            of,
            over,
        }
    }

    /// Whether a row meets the conditions of a metric itself.
    fn meets_own(
        &self,
        look: &Look,
        item: &Item,
        used: &Asked<'_>,
        dimensions: &[&Dimension],
        filters: &[FilterClause],
    ) -> bool {
        let catalogues = used.source.filters.iter().all(|filter| {
            let spoken_of = dimensions
                .iter()
                .copied()
                .chain(
                    filters
                        .iter()
                        .chain(&used.filters)
                        .flat_map(FilterClause::singles)
                        .filter_map(|single| self.catalogue.dimension(&single.dimension)),
                )
                .any(|dimension| dimension.column.as_deref() == Some(filter.dimension.as_str()));
            let column = col(&filter.dimension);
            let value = self.up(&look.base, &item.row, &column, &[]);
            spoken_of || compare(&value, filter.op, &filter.values, self.type_of(&column)) == Some(true)
        });
        let own = used
            .filters
            .iter()
            .all(|clause| self.clause(look, item, clause) == Some(true));
        let known = used.over.is_none()
            || used
                .columns()
                .iter()
                .all(|column| !self.up(&look.base, &item.row, column, &[]).is_null());
        catalogues && own && known
    }

    fn number(&self, base: &str, row: &Row, expression: &Expression) -> V {
        let two = |left: &Expression, right: &Expression, f: &dyn Fn(f64, f64) -> V| match (
            self.number(base, row, left),
            self.number(base, row, right),
        ) {
            (V::Num(a), V::Num(b)) => f(a, b),
            _ => V::Null,
        };
        match expression {
            Expression::Column(column) => self.up(base, row, column, &[]),
            Expression::Number(text) => V::Num(text.parse().expect("a number")),
            Expression::Negative(inner) => match self.number(base, row, inner) {
                V::Num(x) => V::Num(-x),
                other => other,
            },
            Expression::Binary(left, '+', right) => two(left, right, &|a, b| V::Num(a + b)),
            Expression::Binary(left, '-', right) => two(left, right, &|a, b| V::Num(a - b)),
            Expression::Binary(left, '*', right) => two(left, right, &|a, b| V::Num(a * b)),
            Expression::Binary(left, _, right) => {
                two(left, right, &|a, b| if b == 0.0 { V::Null } else { V::Num(a / b) })
            }
        }
    }

    fn aggregate(&self, look: &Look, items: &[&Item], used: &Asked<'_>) -> V {
        let all = |expression: &Expression| -> Vec<V> {
            items
                .iter()
                .map(|item| self.number(&look.base, &item.row, expression))
                .filter(|value| !value.is_null())
                .collect()
        };
        let values = all(&used.of);
        let numbers: Vec<f64> = values.iter().filter_map(V::num).collect();
        let sum = |numbers: &[f64]| (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>());
        let or_null = |value: Option<f64>| value.map_or(V::Null, V::Num);
        let rounded = |value: Option<f64>| {
            or_null(value.map(|x| {
                if used.is_money() {
                    (x * 100.0).round() / 100.0
                } else {
                    x
                }
            }))
        };
        let mean = || sum(&numbers).map(|total| total / numbers.len() as f64);
        let distinct = || {
            let mut seen: Vec<&V> = Vec::new();
            for value in &values {
                if !seen.contains(&value) {
                    seen.push(value);
                }
            }
            V::Num(seen.len() as f64)
        };
        let least = || numbers.iter().copied().min_by(f64::total_cmp);
        let most = || numbers.iter().copied().max_by(f64::total_cmp);
        let at = |rank: f64| {
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            let place = rank / 100.0 * (sorted.len() as f64 - 1.0);
            let low = sorted.get(place.floor() as usize)?;
            let high = sorted.get(place.ceil() as usize)?;
            Some(low + (high - low) * place.fract())
        };
        match used.statistic {
            Some(Statistic::Average) => return rounded(mean()),
            Some(Statistic::Minimum) => return or_null(least()),
            Some(Statistic::Maximum) => return or_null(most()),
            Some(Statistic::Median) => return rounded(at(50.0)),
            Some(Statistic::Percentile(rank)) => return rounded(at(rank)),
            Some(Statistic::Distinct) => return distinct(),
            None => {}
        }
        if let Some(over) = &used.over {
            let below: Vec<f64> = all(over).iter().filter_map(V::num).collect();
            let factor = if used.metric.unit == Unit::Percent { 100.0 } else { 1.0 };
            return match (sum(&numbers), sum(&below)) {
                (Some(a), Some(b)) if b != 0.0 => rounded(Some(factor * a / b)),
                _ => V::Null,
            };
        }
        match used.source.aggregate {
            Aggregate::Count => V::Num(values.len() as f64),
            Aggregate::CountDistinct => distinct(),
            Aggregate::Sum => or_null(sum(&numbers)),
            Aggregate::Average => rounded(mean()),
            Aggregate::Minimum => or_null(least()),
            Aggregate::Maximum => or_null(most()),
        }
    }

    // Groups

    fn core(
        &self,
        query: &Query,
        asked: &[Asked<'a>],
        groups: &[(Option<String>, GroupOf<'a>)],
        days: &BTreeMap<String, Days>,
        taken: Option<&str>,
    ) -> BTreeMap<String, Group> {
        let dimensions: Vec<&Dimension> = query
            .dimensions
            .iter()
            .map(|name| self.catalogue.dimension(name).expect("a dimension"))
            .collect();
        let is_total = groups.is_empty();
        let mut found: BTreeMap<String, Group> = BTreeMap::new();
        if is_total {
            found.insert(
                key(&[]),
                Group {
                    values: Vec::new(),
                    metrics: vec![V::Null; asked.len()],
                },
            );
        }
        for (index, used) in asked.iter().enumerate() {
            let look = self.look(&used.base, query, asked, days[&used.base]);
            let mut by_group: BTreeMap<String, (Vec<V>, Vec<Item>)> = BTreeMap::new();
            if is_total {
                by_group.insert(key(&[]), (Vec::new(), Vec::new()));
            }
            for item in self.items(&look, &query.filters, query.period.as_ref()) {
                if !self.meets_own(&look, &item, used, &dimensions, &query.filters) {
                    continue;
                }
                if let Some(code) = taken.filter(|_| used.is_money()) {
                    let own = look
                        .currency
                        .as_ref()
                        .map_or(V::Null, |column| self.up(&look.base, &item.row, column, &[]));
                    if own != V::Text(code.to_owned()) {
                        continue;
                    }
                }
                let values: Vec<V> = groups
                    .iter()
                    .map(|(_, group)| self.group_value(&look, &item, group))
                    .collect();
                by_group
                    .entry(key(&values))
                    .or_insert_with(|| (values, Vec::new()))
                    .1
                    .push(item);
            }
            for (name, (values, items)) in by_group {
                let items: Vec<&Item> = items.iter().collect();
                let value = self.aggregate(&look, &items, used);
                found
                    .entry(name)
                    .or_insert_with(|| Group {
                        values,
                        metrics: vec![V::Null; asked.len()],
                    })
                    .metrics[index] = value;
            }
        }
        for group in found.values_mut() {
            for (value, used) in group.metrics.iter_mut().zip(asked) {
                if value.is_null() && used.is_count() {
                    *value = V::Num(0.0);
                }
            }
        }
        found
    }

    /// The answer. `None` for what the plain evaluation does not cover: an empty taken currency.
    pub fn answer(&self, query: &Query) -> Answer {
        let mut asked: Vec<Asked<'a>> = query.metrics.iter().map(|metric| self.asked(metric)).collect();
        let added = query.added_columns();
        if let Some(of) = &query.of {
            asked.push(self.asked(&QueryMetric::from(of)));
        }
        for clause in &query.having {
            for filter in clause.singles() {
                let known = asked.iter().any(|used| used.name == filter.metric)
                    || added.iter().any(|column| column.name == filter.metric);
                if !known {
                    asked.push(self.asked(&QueryMetric::from(&filter.metric)));
                }
            }
        }
        let pinned = |name: &str| {
            query.conditions().iter().any(|filter| {
                filter.dimension == name
                    && (filter.op == Operator::Equal || (filter.op == Operator::In && filter.values.len() == 1))
            })
        };

        // Money
        let currency = self.catalogue.currency_dimension();
        let is_pinned = currency.is_some_and(|d| pinned(&d.name));
        let is_money = query.of.is_none() && asked.iter().any(Asked::is_money);
        let mixes = is_money && self.state.currencies.len() > 1 && !is_pinned;
        let by_currency = currency.is_some_and(|d| query.dimensions.contains(&d.name));
        let adds_currency = mixes && query.dimensions.is_empty() && query.grain.is_none();
        let takes_currency = mixes && !by_currency && !adds_currency;

        // Groups
        let mut groups: Vec<(Option<String>, GroupOf<'a>)> = Vec::new();
        if let Some(grain) = query.grain {
            groups.push((Some(grain.name().to_owned()), GroupOf::Grain(grain)));
        }
        let mut keys = Vec::new();
        for name in &query.dimensions {
            let dimension = self.catalogue.dimension(name).expect("a dimension");
            let has = |groups: &[(Option<String>, GroupOf<'a>)], name: &str| {
                groups.iter().any(|(taken, _)| taken.as_deref() == Some(name))
            };
            let of = |dimension: &'a Dimension| {
                if currency.is_some_and(|c| c.name == dimension.name) {
                    GroupOf::Currency
                } else {
                    GroupOf::Dimension(dimension)
                }
            };
            let has_value = dimension.column.is_some() || dimension.part.is_some() || dimension.days_since.is_some();
            if has_value && !has(&groups, name) {
                groups.push((Some(name.clone()), of(dimension)));
            }
            for shown in &dimension.shows {
                let shown = self.catalogue.dimension(shown).expect("a dimension");
                let column = col(shown.column.as_deref().expect("a column"));
                let is_there = self.state.is_filled(&column.table, &column.column)
                    || self.state.table(&column.table).is_some_and(|t| t.row_count > 0)
                        && self.catalogue.tables[&column.table].key.contains(&column.column);
                if is_there && !self.hides(&column) && !pinned(&shown.name) && !has(&groups, &shown.name) {
                    groups.push((Some(shown.name.clone()), of(shown)));
                }
            }
            if let Some(text) = &dimension.key {
                keys.push((None, GroupOf::Key(col(text), dimension.via.clone())));
            }
        }
        if adds_currency {
            groups.push((Some(currency.expect("a currency").name.clone()), GroupOf::Currency));
        }
        groups.extend(keys);
        if query.of.is_some() {
            for by in &query.order {
                let is_shown =
                    groups.iter().any(|(name, _)| name.as_ref() == Some(&by.by)) || query.dimensions.contains(&by.by);
                if let (false, Some(dimension)) = (is_shown, self.catalogue.dimension(&by.by)) {
                    groups.push((None, GroupOf::Dimension(dimension)));
                }
            }
            if !query.distinct {
                let base = &asked[0].base;
                for column in &self.catalogue.tables[base].key {
                    let column = col(&format!("{base}.{column}"));
                    groups.push((None, GroupOf::Key(column, Vec::new())));
                }
            }
        }

        // Days
        let resolved = query
            .period
            .as_ref()
            .map(|period| period.resolve(self.today).expect("a period"))
            .unwrap_or_default();
        let mut days: BTreeMap<String, Days> = BTreeMap::new();
        let mut told = resolved;
        for used in &asked {
            let mut own = resolved;
            let complete = query.time.is_none()
                && (query.period.is_some() || query.grain.is_some())
                && asked
                    .iter()
                    .any(|other| other.base == used.base && other.metric.complete_days);
            let last = self
                .state
                .table(&used.base)
                .and_then(|table| table.last_complete_day)
                .or(self.state.last_complete_day);
            if let (true, Some(last)) = (complete, last) {
                let begins_later = own.from.is_some_and(|from| from > last);
                if own.to.is_none_or(|to| to > last) && !begins_later {
                    own.to = Some(last);
                }
            }
            if own.to != resolved.to {
                told.to = own.to;
            }
            days.insert(used.base.clone(), own);
        }

        let taken = if takes_currency {
            self.taken(query, &asked, &days)
        } else {
            None
        };
        // With no currency to take, no amount counts.
        let taken = if takes_currency {
            Some(taken.unwrap_or_default())
        } else {
            None
        };
        let core = self.core(query, &asked, &groups, &days, taken.as_deref());

        // Rows with everything that is measured beside them
        let grain_at = groups.iter().position(|(_, group)| matches!(group, GroupOf::Grain(_)));
        let earlier = |comparison: Comparison| -> BTreeMap<String, Group> {
            let (unit, count) = shift(comparison, query, told);
            let moved: BTreeMap<String, Days> = days
                .iter()
                .map(|(base, days)| (base.clone(), earlier_days(*days, unit, count)))
                .collect();
            let before = self.core(query, &asked, &groups, &moved, taken.as_deref());
            let mut labelled = BTreeMap::new();
            for mut group in before.into_values() {
                if let Some(at) = grain_at {
                    let Some(later) = later(&group.values[at], unit, count) else {
                        continue;
                    };
                    group.values[at] = later;
                }
                labelled.insert(key(&group.values), group);
            }
            labelled
        };
        let lookups: Vec<(Comparison, BTreeMap<String, Group>)> = query
            .compare
            .iter()
            .filter(|c| matches!(c, Comparison::PreviousPeriod | Comparison::SamePeriodLastYear))
            .map(|c| (*c, earlier(*c)))
            .collect();
        let members: Vec<&Group> = core.values().collect();
        let together = |a: &Group, b: &Group, apart: bool| {
            groups.iter().enumerate().all(|(at, (name, group))| {
                let same = a.values[at] == b.values[at];
                match group {
                    GroupOf::Grain(_) => query.dimensions.is_empty() || same,
                    GroupOf::Currency => {
                        !mixes || (!adds_currency && query.dimensions.len() == 1 && query.grain.is_none()) || same
                    }
                    GroupOf::Dimension(_) | GroupOf::Key(..) => {
                        let _ = name;
                        true
                    }
                }
            }) && (!apart || {
                let unknown = |group: &Group| {
                    groups.iter().enumerate().any(|(at, (name, of))| {
                        matches!(of, GroupOf::Dimension(_))
                            && name.as_ref().is_some_and(|name| query.dimensions.contains(name))
                            && group.values[at].is_null()
                    })
                };
                unknown(a) == unknown(b)
            })
        };
        let mut columns: Vec<String> = groups.iter().filter_map(|(name, _)| name.clone()).collect();
        let shown_groups = columns.len();
        columns.extend(query.metric_names());
        columns.extend(added.iter().map(|column| column.name.clone()));
        let mut rows: Vec<(Row, &Group)> = Vec::new();
        for group in &members {
            let mut row: Row = groups
                .iter()
                .zip(&group.values)
                .filter(|((name, _), _)| name.is_some())
                .map(|(_, value)| value.clone())
                .collect();
            for (index, used) in asked.iter().enumerate().take(query.metrics.len()) {
                row.push(match used.window {
                    None => group.metrics[index].clone(),
                    Some(window) => self.windowed(window, used, index, group, &members, &groups, grain_at),
                });
            }
            for column in &added {
                let used = &asked[column.metric];
                let now = group.metrics[column.metric].clone();
                let before = |comparison: Comparison| {
                    let found = lookups.iter().find(|(c, _)| *c == comparison).expect("looked up");
                    match found.1.get(&key(&group.values)) {
                        // What has no stretch of time has none before it.
                        Some(_) if grain_at.is_some_and(|at| group.values[at].is_null()) => absent(used),
                        Some(earlier) => earlier.metrics[column.metric].clone(),
                        None => absent(used),
                    }
                };
                let change = |comparison| match (now.num(), before(comparison).num()) {
                    (Some(now), Some(before)) => V::Num(now - before),
                    _ => V::Null,
                };
                let percent = |comparison| match (now.num(), before(comparison).num()) {
                    (Some(now), Some(before)) if before != 0.0 => V::Num(100.0 * (now - before) / before.abs()),
                    _ => V::Null,
                };
                let of_peers = |apart: bool| -> Vec<f64> {
                    members
                        .iter()
                        .filter(|other| together(group, other, apart))
                        .filter_map(|other| other.metrics[column.metric].num())
                        .collect()
                };
                let peers = || {
                    let all = of_peers(true);
                    let own = now.num();
                    let count = all.len() as f64 - if own.is_some() { 1.0 } else { 0.0 };
                    (count > 0.0).then(|| (all.iter().sum::<f64>() - own.unwrap_or(0.0)) / count)
                };
                let money = |value: Option<f64>| {
                    value.map_or(V::Null, |x| {
                        V::Num(if used.is_money() {
                            (x * 100.0).round() / 100.0
                        } else {
                            x
                        })
                    })
                };
                row.push(match column.added {
                    Added::Before => before(Comparison::PreviousPeriod),
                    Added::Change => change(Comparison::PreviousPeriod),
                    Added::ChangePercent => percent(Comparison::PreviousPeriod),
                    Added::LastYear => before(Comparison::SamePeriodLastYear),
                    Added::LastYearChange => change(Comparison::SamePeriodLastYear),
                    Added::LastYearChangePercent => percent(Comparison::SamePeriodLastYear),
                    Added::Share => {
                        let total: f64 = of_peers(false).iter().sum();
                        match now.num() {
                            Some(now) if total != 0.0 => V::Num(100.0 * now / total),
                            _ => V::Null,
                        }
                    }
                    Added::Rank => match now.num() {
                        Some(now) => V::Num(1.0 + of_peers(true).iter().filter(|x| **x > now).count() as f64),
                        None => V::Null,
                    },
                    Added::Peers => money(peers()),
                    Added::PeersDifference => money(peers().and_then(|peers| Some(now.num()? - peers))),
                });
            }
            rows.push((row, group));
        }

        // Which rows are shown
        let is_ranking = query.limit.is_some() || !query.having.is_empty() || query.top.is_some();
        let position = |name: &str| columns.iter().position(|column| column == name);
        rows.retain(|(row, group)| {
            let known = !is_ranking
                || query.dimensions.iter().all(|name| {
                    let is_dimension = groups
                        .iter()
                        .any(|(n, of)| n.as_ref() == Some(name) && matches!(of, GroupOf::Dimension(_)));
                    let is_kept = query.of.is_some() && !query.order.iter().any(|order| order.by == *name);
                    !is_dimension || is_kept || position(name).is_none_or(|at| !row[at].is_null())
                });
            // What a list is ordered by without being shown has to be known as well.
            let known = known
                && (!is_ranking
                    || groups.iter().zip(&group.values).all(|((name, of), value)| {
                        !(name.is_none() && matches!(of, GroupOf::Dimension(_)) && value.is_null())
                    }));
            let numbers = query.having.iter().all(|clause| {
                having(clause, &|filter: &MetricFilter| {
                    let value = match position(&filter.metric) {
                        Some(at) => row[at].clone(),
                        None => {
                            let index = asked.iter().position(|used| used.name == filter.metric).expect("asked");
                            group.metrics[index].clone()
                        }
                    };
                    compare(&value, filter.op, &filter.values, ColumnType::Float)
                }) == Some(true)
            });
            let focus = query.focus.iter().all(|clause| {
                focused(clause, &|filter: &Filter| {
                    let at = position(&filter.dimension).expect("a column");
                    let holds = self
                        .catalogue
                        .dimension(&filter.dimension)
                        .expect("a dimension")
                        .column_type;
                    compare(&row[at], filter.op, &filter.values, holds)
                }) == Some(true)
            });
            known && numbers && focus
        });

        // Order
        let by_key = |a: &Group, b: &Group| {
            a.values
                .iter()
                .zip(&b.values)
                .map(|(x, y)| x.order(y))
                .find(|order| *order != Ordering::Equal)
                .unwrap_or(Ordering::Equal)
        };
        let by_column = |a: &Row, b: &Row, at: usize, direction: Direction| {
            let order = a[at].order(&b[at]);
            // Unknown stands last in either direction.
            if direction == Direction::Descending && !a[at].is_null() && !b[at].is_null() {
                order.reverse()
            } else {
                order
            }
        };
        if let Some(top) = &query.top {
            let at = position(top.by.as_deref().unwrap_or(&asked[0].name)).expect("a column");
            rows.sort_by(|(a, x), (b, y)| by_column(a, b, at, top.direction).then_with(|| by_key(x, y)));
            let mut counts: BTreeMap<String, u32> = BTreeMap::new();
            rows.retain(|(_, group)| {
                let per: Vec<V> = groups
                    .iter()
                    .zip(&group.values)
                    .filter(|((name, of), _)| match of {
                        GroupOf::Key(column, via) => top.per.iter().any(|per| {
                            let per = self.catalogue.dimension(per);
                            per.is_some_and(|d| d.key.as_deref() == Some(&column.to_string()) && d.via == *via)
                        }),
                        _ => name.as_ref().is_some_and(|name| top.per.contains(name)),
                    })
                    .map(|(_, value)| value.clone())
                    .collect();
                let count = counts.entry(key(&per)).or_insert(0);
                *count += 1;
                *count <= top.n
            });
        }
        let mut order: Vec<(usize, Direction)> = Vec::new();
        // What a list is ordered by without being shown comes first among its hidden groups.
        let hidden = |name: &str| {
            groups.iter().position(|(shown, of)| {
                shown.is_none() && matches!(of, GroupOf::Dimension(dimension) if dimension.name == name)
            })
        };
        const HIDDEN: usize = 1_000;
        for by in &query.order {
            if let Some(at) = hidden(&by.by) {
                order.push((HIDDEN + at, by.direction));
                continue;
            }
            match position(&by.by) {
                Some(at) => order.push((at, by.direction)),
                None => {
                    let dimension = self.catalogue.dimension(&by.by).expect("a dimension");
                    order.extend(
                        dimension
                            .shows
                            .iter()
                            .filter_map(|name| Some((position(name)?, by.direction))),
                    );
                }
            }
        }
        let mut is_ordered = true;
        if query.order.is_empty() {
            let in_time: Vec<usize> = groups
                .iter()
                .filter(|_| query.of.is_none())
                .filter(|(_, of)| match of {
                    GroupOf::Grain(_) => true,
                    GroupOf::Dimension(d) => d.part.is_some() || d.days_since.is_some(),
                    _ => false,
                })
                .filter_map(|(name, _)| position(name.as_deref()?))
                .collect();
            order.extend(in_time.iter().map(|at| (*at, Direction::Ascending)));
            if let Some(top) = &query.top {
                order.extend(
                    top.per
                        .iter()
                        .filter_map(|name| Some((position(name)?, Direction::Ascending))),
                );
                let by = top.by.as_deref().unwrap_or(&asked[0].name);
                order.push((position(by).expect("a column"), top.direction));
            } else if in_time.is_empty() && !groups.is_empty() && query.of.is_none() {
                order.push((shown_groups, Direction::Descending));
            }
            // Amounts in several currencies come by the number of rows behind them, which is not told.
            is_ordered = !(mixes && (by_currency || adds_currency));
        }
        rows.sort_by(|(a, x), (b, y)| {
            order
                .iter()
                .map(|(at, direction)| match at.checked_sub(HIDDEN) {
                    Some(at) => by_column(&x.values, &y.values, at, *direction),
                    None => by_column(a, b, *at, *direction),
                })
                .find(|order| *order != Ordering::Equal)
                .unwrap_or_else(|| by_key(x, y))
        });
        let mut rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
        if let Some(limit) = query.limit {
            rows.truncate(limit as usize);
        }
        Answer {
            columns,
            rows,
            is_ordered,
        }
    }

    fn hides(&self, column: &ColumnRef) -> bool {
        self.role.is_some_and(|role| {
            role.hidden
                .iter()
                .any(|entry| *entry == column.table || *entry == column.to_string())
        })
    }

    /// The currency of most of the rows that the first amount is made of.
    fn taken(&self, query: &Query, asked: &[Asked<'a>], days: &BTreeMap<String, Days>) -> Option<String> {
        let used = asked.iter().find(|used| used.is_money())?;
        let mut look = self.look(&used.base, query, asked, days[&used.base]);
        look.grouped_many.clear();
        let dimensions: Vec<&Dimension> = query
            .dimensions
            .iter()
            .map(|name| self.catalogue.dimension(name).expect("a dimension"))
            .collect();
        let column = look.currency.clone()?;
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for item in self.items(&look, &query.filters, query.period.as_ref()) {
            let known = used
                .columns()
                .iter()
                .all(|column| !self.up(&look.base, &item.row, column, &[]).is_null());
            if known
                && self.meets_own(&look, &item, used, &dimensions, &query.filters)
                && let V::Text(code) = self.up(&look.base, &item.row, &column, &[])
            {
                *counts.entry(code).or_insert(0) += 1;
            }
        }
        counts
            .into_iter()
            .max_by(|(a, x), (b, y)| x.cmp(y).then_with(|| b.cmp(a)))
            .map(|(code, _)| code)
    }

    #[allow(clippy::too_many_arguments, reason = "a test's helper")]
    fn windowed(
        &self,
        window: Window,
        used: &Asked<'_>,
        index: usize,
        group: &Group,
        members: &[&Group],
        groups: &[(Option<String>, GroupOf<'a>)],
        grain_at: Option<usize>,
    ) -> V {
        let at = grain_at.expect("a grain");
        let grain = groups.iter().find_map(|(_, of)| match of {
            GroupOf::Grain(grain) => Some(*grain),
            _ => None,
        });
        let grain = grain.expect("a grain");
        let same = |other: &&&Group| {
            group
                .values
                .iter()
                .zip(&other.values)
                .enumerate()
                .all(|(i, (a, b))| i == at || a == b)
        };
        let mut values: Vec<f64> = Vec::new();
        match window {
            Window::RunningTotal => {
                for other in members.iter().filter(same) {
                    if other.values[at].order(&group.values[at]) != Ordering::Greater {
                        values.extend(other.metrics[index].num());
                    }
                }
                if values.is_empty() {
                    V::Null
                } else {
                    V::Num(values.iter().sum())
                }
            }
            Window::MovingAverage(count) => {
                if group.values[at].is_null() {
                    return V::Null;
                }
                for step in 0..i64::from(count) {
                    for other in members.iter().filter(same) {
                        if later(&other.values[at], grain, step).as_ref() == Some(&group.values[at]) {
                            values.extend(other.metrics[index].num());
                        }
                    }
                }
                if values.is_empty() {
                    return V::Null;
                }
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                V::Num(if used.is_money() {
                    (mean * 100.0).round() / 100.0
                } else {
                    mean
                })
            }
        }
    }
}

fn absent(used: &Asked<'_>) -> V {
    if used.is_count() { V::Num(0.0) } else { V::Null }
}

fn col(text: &str) -> ColumnRef {
    ColumnRef::parse(text).unwrap_or_else(|| panic!("{text} is no column"))
}

fn instant(text: &str) -> DateTime {
    text.trim_end_matches('Z')
        .parse::<DateTime>()
        .unwrap_or_else(|_| text.parse::<Date>().expect("a day").at(0, 0, 0, 0))
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn having(clause: &HavingClause, single: &dyn Fn(&MetricFilter) -> Option<bool>) -> Option<bool> {
    match clause {
        HavingClause::Is(filter) => single(filter),
        HavingClause::Any { any } => any.iter().map(|part| having(part, single)).fold(Some(false), or),
        HavingClause::All { all } => all.iter().map(|part| having(part, single)).fold(Some(true), and),
        HavingClause::Not { not } => having(not, single).map(|b| !b),
    }
}

fn focused(clause: &FilterClause, single: &dyn Fn(&Filter) -> Option<bool>) -> Option<bool> {
    match clause {
        FilterClause::Is(filter) => single(filter),
        FilterClause::Any { any } => any.iter().map(|part| focused(part, single)).fold(Some(false), or),
        FilterClause::All { all } => all.iter().map(|part| focused(part, single)).fold(Some(true), and),
        FilterClause::Not { not } => focused(not, single).map(|b| !b),
        FilterClause::Exists { .. } | FilterClause::Than { .. } => unreachable!("a focus has none"),
    }
}

fn compare(value: &V, op: Operator, values: &[Value], holds: ColumnType) -> Option<bool> {
    match op {
        Operator::IsNull => return Some(value.is_null()),
        Operator::IsNotNull => return Some(!value.is_null()),
        _ => {}
    }
    let value = match value {
        V::Null => return None,
        // An instant is compared by its day.
        V::Text(text) if holds == ColumnType::Timestamp => V::Text(text[..10].to_owned()),
        other => other.clone(),
    };
    let order = |other: &Value| match (&value, other) {
        (V::Num(a), Value::Integer(b)) => a.total_cmp(&(*b as f64)),
        (V::Num(a), Value::Number(b)) => a.total_cmp(b),
        (V::Text(a), Value::Text(b)) => a.as_str().cmp(b),
        (V::Bool(a), Value::Boolean(b)) => a.cmp(b),
        (a, b) => panic!("{a:?} is compared with {b:?}"),
    };
    let first = || order(&values[0]);
    let text = |wanted: &Value| match (&value, wanted) {
        (V::Text(a), Value::Text(b)) => (a.to_lowercase(), b.to_lowercase()),
        (a, b) => panic!("{a:?} contains {b:?}"),
    };
    Some(match op {
        Operator::Equal => first().is_eq(),
        Operator::NotEqual => first().is_ne(),
        Operator::In => values.iter().any(|v| order(v).is_eq()),
        Operator::NotIn => values.iter().all(|v| order(v).is_ne()),
        Operator::Between => first().is_ge() && order(&values[1]).is_le(),
        Operator::Greater => first().is_gt(),
        Operator::GreaterOrEqual => first().is_ge(),
        Operator::Less => first().is_lt(),
        Operator::LessOrEqual => first().is_le(),
        Operator::Contains => {
            let (a, b) = text(&values[0]);
            a.contains(&b)
        }
        Operator::StartsWith => {
            let (a, b) = text(&values[0]);
            a.starts_with(&b)
        }
        Operator::IsNull | Operator::IsNotNull => unreachable!("answered above"),
    })
}

/// How far back a comparison looks.
fn shift(comparison: Comparison, query: &Query, days: Days) -> (Grain, i64) {
    match (comparison, query.grain) {
        (Comparison::PreviousPeriod, Some(grain)) => (grain, 1),
        (_, Some(Grain::Week)) => (Grain::Week, 52),
        (_, Some(_)) | (Comparison::SamePeriodLastYear, None) => (Grain::Year, 1),
        (_, None) => match query.period.as_ref().expect("a period") {
            Period::Relative { unit, count, .. } => (*unit, i64::from(*count)),
            Period::Between { from, to } => {
                let (from, to) = (from.expect("a day"), to.or(days.to).expect("a day"));
                let after = to.tomorrow().expect("a day");
                if from.day() == 1 && from.month() == 1 && after.day() == 1 && after.month() == 1 {
                    return (Grain::Year, i64::from(after.year() - from.year()));
                }
                if from.day() == 1 && after.day() == 1 {
                    let months = |d: Date| i64::from(d.year()) * 12 + i64::from(d.month());
                    return (Grain::Month, months(after) - months(from));
                }
                (Grain::Day, i64::from(from.until(after).expect("days").get_days()))
            }
            Period::Since { .. } => unreachable!("refused"),
        },
    }
}

/// The end moves as the day after it does; where the earlier month is too short for that day, it is taken whole.
fn earlier_days(days: Days, unit: Grain, count: i64) -> Days {
    let back = |day: Date| unit.add(day, -count).expect("a day");
    Days {
        from: days.from.map(back),
        to: days.to.map(|to| {
            let after = to.checked_add(1.day()).expect("a day");
            let moved = back(after);
            if matches!(unit, Grain::Month | Grain::Quarter | Grain::Year) && moved.day() < after.day() {
                moved
            } else {
                moved.checked_sub(1.day()).expect("a day")
            }
        }),
    }
}

/// The label of the stretch `count` units later; none where it has none of its own.
fn later(label: &V, unit: Grain, count: i64) -> Option<V> {
    match label {
        V::Num(year) => Some(V::Num(year + count as f64)),
        V::Text(text) => {
            let day: Date = text.parse().expect("a day");
            let moved = unit.add(day, count).expect("a day");
            (unit.add(moved, -count) == Some(day)).then(|| V::Text(moved.to_string()))
        }
        _ => None,
    }
}
