//! Reading a catalogue from TOML, and every check that can be made without data. All that is wrong is said at once,
//! each with the entry it is about and its place in the text.

use super::{
    expression::{ColumnRef, Expression, is_name},
    graph::Graph,
    reserved::RESERVED,
    values::{Operand, Parameters, condition},
    world::close,
};
use crate::{
    catalogue::{Aggregate, Catalogue, Dimension, MetricSource, Rollup, TimePart, Unit},
    query::{Filter, Operator},
    table::ColumnType,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// One thing that is wrong with a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueProblem {
    /// `metric revenue`, `join 3`; empty where the text itself is no TOML.
    pub entry: String,
    /// From 1.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    pub message: String,
}

impl fmt::Display for CatalogueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}")?;
            if let Some(column) = self.column {
                write!(f, ", column {column}")?;
            }
            f.write_str(": ")?;
        }
        if !self.entry.is_empty() {
            write!(f, "{}: ", self.entry)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a catalogue, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    pub problems: Vec<CatalogueProblem>,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the catalogue cannot be used")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CatalogueError {}

impl Catalogue {
    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// All problems at once, each with its entry, line and column.
    pub fn from_toml(text: &str) -> Result<Catalogue, CatalogueError> {
        let catalogue: Catalogue = toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| place_of(text, span.start));
            CatalogueError {
                problems: vec![CatalogueProblem {
                    entry: String::new(),
                    line: place.map(|(line, _)| line),
                    column: place.map(|(_, column)| column),
                    message: error.message().to_owned(),
                }],
            }
        })?;
        let problems = Check {
            catalogue: &catalogue,
            graph: Graph::new(&catalogue),
            text,
            entry: String::new(),
            begin: None,
            problems: Vec::new(),
        }
        .run();
        if problems.is_empty() {
            Ok(catalogue)
        } else {
            Err(CatalogueError { problems })
        }
    }

    /// What a column holds, where the table lists its columns.
    pub(crate) fn column_type(&self, column: &ColumnRef) -> Option<ColumnType> {
        self.tables.get(&column.table)?.columns.get(&column.column).copied()
    }
}

/// Line and column, from 1, of a byte of a text.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

struct Check<'a> {
    catalogue: &'a Catalogue,
    graph: Graph,
    text: &'a str,
    /// What is being checked, and where in the text it begins.
    entry: String,
    begin: Option<usize>,
    problems: Vec<CatalogueProblem>,
}

impl<'a> Check<'a> {
    fn run(mut self) -> Vec<CatalogueProblem> {
        let catalogue = self.catalogue;
        self.at("schema", "schema", 0);
        if !is_name(&catalogue.schema) {
            self.add(
                &catalogue.schema,
                format!(
                    "{:?} is not a name: use lower-case letters, digits and _",
                    catalogue.schema
                ),
            );
        }
        self.tables();
        self.joins();
        if catalogue.metrics.is_empty() {
            self.at("metrics", "[[metrics]]", 0);
            self.add("", "there are none: a catalogue needs at least one metric".to_owned());
        }
        let mut names = BTreeMap::new();
        for (index, metric) in catalogue.metrics.iter().enumerate() {
            self.at(&format!("metric {}", metric.name), "[[metrics]]", index);
            self.name(&metric.name);
            if let Some(first) = names.insert(metric.name.as_str(), self.entry.clone()) {
                self.add(&metric.name, format!("the name is taken by {first}"));
            }
            if metric.sources.is_empty() {
                self.add("", "it has no sources: say what it is made of".to_owned());
            }
            for source in &metric.sources {
                self.source(source, metric.unit);
            }
        }
        let mut names = BTreeMap::new();
        for (index, dimension) in catalogue.dimensions.iter().enumerate() {
            self.at(&format!("dimension {}", dimension.name), "[[dimensions]]", index);
            self.name(&dimension.name);
            if let Some(first) = names.insert(dimension.name.as_str(), self.entry.clone()) {
                self.add(&dimension.name, format!("the name is taken by {first}"));
            }
            if catalogue.metric(&dimension.name).is_some() {
                self.add(&dimension.name, "a metric has the same name".to_owned());
            }
            self.dimension(dimension);
        }
        for (index, rollup) in catalogue.rollups.iter().enumerate() {
            self.at(&format!("roll-up {}", rollup.table), "[[rollup]]", index);
            self.rollup(rollup);
        }
        self.roles();
        self.problems
    }

    fn tables(&mut self) {
        let catalogue = self.catalogue;
        for (name, table) in &catalogue.tables {
            self.at(&format!("table {name}"), &format!("[tables.{name}]"), 0);
            self.name(name);
            if table.key.is_empty() {
                self.add("", "it has no key: name the columns that identify a row".to_owned());
            }
            for column in table.key.iter().chain(&table.time) {
                self.column(&format!("{name}.{column}"), column);
            }
            if let Some(time) = &table.time
                && let Some(held) = table.columns.get(time)
                && !matches!(held, ColumnType::Date | ColumnType::Timestamp)
            {
                self.add(time, format!("its time {time} must be a date or a timestamp"));
            }
            if let Some(zone) = &table.zone
                && let Some(column) = self.column(zone, zone)
            {
                if self
                    .catalogue
                    .column_type(&column)
                    .is_some_and(|held| held != ColumnType::Text)
                {
                    self.add(zone, format!("a time zone is text, and {column} is not"));
                }
                if !self.graph.reaches(name, &column.table) {
                    self.add(zone, format!("no joins lead from {name} to {column}"));
                }
            }
            for column in table.columns.keys().filter(|column| !is_name(column)) {
                self.add(
                    column,
                    format!("column {column:?} is not a name: use lower-case letters, digits and _"),
                );
            }
        }
    }

    fn joins(&mut self) {
        let catalogue = self.catalogue;
        for (index, join) in catalogue.joins.iter().enumerate() {
            self.at(&format!("join {}", index + 1), "[[joins]]", index);
            let from = self.column(&join.from, &join.from);
            let to = self.column(&join.to, &join.to);
            let (Some(from), Some(to)) = (from, to) else { continue };
            if let (Some(left), Some(right)) = (catalogue.column_type(&from), catalogue.column_type(&to))
                && left != right
            {
                self.add(
                    &join.from,
                    format!("{from} is {} and {to} is {}", type_name(left), type_name(right)),
                );
            }
            let key = catalogue.tables.get(&to.table).map(|table| table.key.as_slice());
            if key.is_some_and(|key| !key.is_empty() && key != [to.column.clone()]) {
                self.add(
                    &join.to,
                    format!(
                        "{to} is not the key of {}, so that a row could belong to several",
                        to.table
                    ),
                );
            }
        }
        if let Some(circle) = self.graph.circle() {
            let at = catalogue.joins.iter().position(|join| {
                circle
                    .first()
                    .is_some_and(|table| join.from.starts_with(&format!("{table}.")))
            });
            self.at("joins", "[[joins]]", at.unwrap_or(0));
            self.add(
                "",
                format!(
                    "the joins lead in a circle, {}: a join leads from many rows to one",
                    circle.join(" to ")
                ),
            );
        }
    }

    fn source(&mut self, source: &'a MetricSource, unit: Unit) {
        let catalogue = self.catalogue;
        let mut columns = Vec::new();
        for text in std::iter::once(&source.of).chain(&source.over) {
            match Expression::parse(text) {
                Ok(expression) => {
                    let found: Vec<ColumnRef> = expression.columns().into_iter().cloned().collect();
                    if found.is_empty() {
                        self.add(text, format!("{text:?} names no column"));
                    }
                    let counts = matches!(source.aggregate, Aggregate::Count | Aggregate::CountDistinct);
                    let alone = matches!(expression, Expression::Column(_));
                    for column in &found {
                        if let Some(held) = catalogue.column_type(column)
                            && !held.is_number()
                            && !(counts && alone)
                        {
                            self.add(
                                text,
                                format!("{column} is {}, and arithmetic needs numbers", type_name(held)),
                            );
                        }
                    }
                    columns.extend(found);
                }
                Err(message) => self.add(text, message),
            }
        }
        for column in &columns {
            self.column(&column.to_string(), &column.to_string());
        }
        for filter in &source.filters {
            columns.extend(self.condition(filter));
        }
        if let Some(currency) = &source.currency {
            if let Some(column) = self.column(currency, currency)
                && let Some(held) = catalogue.column_type(&column)
                && held != ColumnType::Text
            {
                self.add(
                    currency,
                    format!("a currency is text, and {column} is {}", type_name(held)),
                );
            }
        } else if unit == Unit::Currency {
            self.add(
                &source.of,
                "money needs the column of its currency: currency = \"table.column\"".to_owned(),
            );
        }
        if source.over.is_some() && source.aggregate != Aggregate::Sum {
            self.add(
                &source.of,
                "a ratio (over) is made of sums: aggregate = \"sum\"".to_owned(),
            );
        }
        let Some(base) = self.graph.base_table(&columns) else {
            if !columns.is_empty() {
                self.add(
                    &source.of,
                    format!("no joins lead from one table to all the columns of {:?}", source.of),
                );
            }
            return;
        };
        for column in columns
            .iter()
            .chain(&source.currency.as_deref().and_then(ColumnRef::parse))
        {
            self.unambiguous(&base, column, &[]);
        }
    }

    /// Says where several chains of joins lead to a column, and none is chosen.
    fn unambiguous(&mut self, base: &str, column: &ColumnRef, via: &[String]) {
        if let Err(error) = self.graph.route(base, &column.table, via, &column.table) {
            self.add(&column.to_string(), error.message.trim_end_matches('.').to_owned());
        }
    }

    /// A condition on a column, which it returns.
    fn condition(&mut self, filter: &Filter) -> Option<ColumnRef> {
        let column = self.column(&filter.dimension, &filter.dimension)?;
        let wanted = values_wanted(filter.op);
        if !wanted.contains(&filter.values.len()) {
            self.add(
                &filter.dimension,
                format!(
                    "the condition on {} has {} values",
                    filter.dimension,
                    filter.values.len()
                ),
            );
            return Some(column);
        }
        if let Some(holds) = self.catalogue.column_type(&column) {
            let operand = Operand {
                sql: "",
                holds: super::scope::day_of(holds),
                hint: "value",
                label: &filter.dimension,
                path: "",
            };
            if let Err(error) = condition(&operand, filter.op, &filter.values, &mut Parameters::default()) {
                self.add(&filter.dimension, error.message.trim_end_matches('.').to_owned());
            }
        }
        Some(column)
    }

    fn dimension(&mut self, dimension: &'a Dimension) {
        let catalogue = self.catalogue;
        for column in dimension
            .column
            .iter()
            .chain(&dimension.key)
            .chain(&dimension.days_since)
        {
            self.column(column, column);
        }
        let kinds = [
            dimension.column.is_some(),
            dimension.part.is_some(),
            dimension.days_since.is_some(),
        ];
        let kinds = kinds.iter().filter(|kind| **kind).count();
        if kinds > 1 {
            self.add(
                "",
                "it has more than one of column, part and days_since: keep one".to_owned(),
            );
        } else if kinds == 0 && dimension.shows.is_empty() {
            self.add(
                "",
                "it needs a column, a part of time, or other dimensions to show".to_owned(),
            );
        } else if kinds == 0 && dimension.key.is_none() {
            self.add("", "it needs a key: what tells its rows apart".to_owned());
        }
        for shown in &dimension.shows {
            match catalogue.dimension(shown) {
                None => self.unknown(
                    shown,
                    format!("it shows the dimension {shown:?}, which is not here"),
                    &dimension_names(catalogue),
                ),
                Some(other) if other.column.is_none() => {
                    self.add(shown, format!("it shows {shown:?}, which has no column of its own"));
                }
                Some(_) => {}
            }
        }
        if let Some(metric) = dimension
            .of_metric
            .as_deref()
            .filter(|name| catalogue.metric(name).is_none())
        {
            let names: Vec<&str> = catalogue.metrics.iter().map(|m| m.name.as_str()).collect();
            self.unknown(
                metric,
                format!("it is of the metric {metric:?}, which is not here"),
                &names,
            );
        }
        if dimension.indexed && dimension.column.is_none() {
            self.add("", "only a dimension with a column has values to look up".to_owned());
        }
        if dimension.many && dimension.column.is_none() {
            self.add("many", "only a dimension with a column can have many values".to_owned());
        }
        if let Some(column) = dimension.column.as_deref().and_then(ColumnRef::parse)
            && let Some(held) = catalogue.column_type(&column)
            && held != dimension.column_type
        {
            self.add(
                &column.to_string(),
                format!(
                    "its type is {}, that of {column} is {}",
                    type_name(dimension.column_type),
                    type_name(held)
                ),
            );
        }
        if let Some(column) = dimension.days_since.as_deref().and_then(ColumnRef::parse)
            && let Some(held) = catalogue.column_type(&column)
            && !matches!(held, ColumnType::Date | ColumnType::Timestamp)
        {
            self.add(
                &column.to_string(),
                format!("{column} is {}, not a day", type_name(held)),
            );
        }
        let is_number = dimension.part.is_some() || dimension.days_since.is_some();
        if is_number && dimension.column_type != ColumnType::Integer {
            self.add(
                "",
                format!(
                    "its values are whole numbers: type = \"integer\", not {}",
                    type_name(dimension.column_type)
                ),
            );
        }
        if dimension.part == Some(TimePart::Hour)
            && !catalogue.tables.values().any(|table| {
                table
                    .time
                    .as_ref()
                    .is_some_and(|time| table.columns.get(time) == Some(&ColumnType::Timestamp))
            })
        {
            self.add("hour", "no table has a time with hours".to_owned());
        }
        for via in &dimension.via {
            if !catalogue.joins.iter().any(|join| join.from == *via) {
                let names: Vec<&str> = catalogue.joins.iter().map(|join| join.from.as_str()).collect();
                self.unknown(via, format!("no join is from {via}"), &names);
            }
        }
        self.hierarchy(dimension);
    }

    fn hierarchy(&mut self, dimension: &'a Dimension) {
        let mut seen = BTreeSet::from([dimension.name.as_str()]);
        let mut at = dimension;
        while let Some(within) = &at.within {
            let Some(next) = self.catalogue.dimension(within) else {
                if std::ptr::eq(at, dimension) {
                    let names = dimension_names(self.catalogue);
                    self.unknown(within, format!("it lies within {within:?}, which is not here"), &names);
                }
                return;
            };
            if !seen.insert(within) {
                if *within == dimension.name {
                    self.add(within, format!("it lies within itself, by way of {within:?}"));
                }
                return;
            }
            at = next;
        }
    }

    fn rollup(&mut self, rollup: &'a Rollup) {
        let catalogue = self.catalogue;
        let tables: Vec<&str> = catalogue.tables.keys().map(String::as_str).collect();
        let (Some(own), Some(of)) = (catalogue.tables.get(&rollup.table), catalogue.tables.get(&rollup.of)) else {
            for table in [&rollup.table, &rollup.of] {
                if !catalogue.tables.contains_key(table) {
                    self.unknown(table, format!("the table {table:?} is not in the catalogue"), &tables);
                }
            }
            return;
        };
        for (from, to) in &rollup.dimensions {
            let left = self.column(&format!("{}.{from}", rollup.of), from);
            let right = self.column(&format!("{}.{to}", rollup.table), to);
            if let (Some(left), Some(right)) = (left, right)
                && let (Some(a), Some(b)) = (catalogue.column_type(&left), catalogue.column_type(&right))
                && a != b
            {
                self.add(
                    to,
                    format!("{left} is {} and {right} is {}", type_name(a), type_name(b)),
                );
            }
        }
        if let Some(time) = &rollup.time {
            if let Some(column) = self.column(&format!("{}.{time}", rollup.table), time)
                && let Some(held) = catalogue.column_type(&column)
                && held != ColumnType::Date
            {
                self.add(time, format!("{column} is {}; a roll-up is by day", type_name(held)));
            }
            if of.time.is_none() {
                self.add(time, format!("{} has no time that {time} could stand for", rollup.of));
            }
        }
        // A key that lacks a column has rows together that the roll-up claims to tell apart.
        let kept: BTreeSet<&String> = rollup.dimensions.values().chain(&rollup.time).collect();
        for column in &kept {
            if !own.key.contains(column) {
                self.add(
                    column,
                    format!(
                        "{column} is not in the key of {}, so that its rows do not tell it",
                        rollup.table
                    ),
                );
            }
        }
        for column in own.key.iter().filter(|column| !kept.contains(column)) {
            self.add(
                &rollup.table,
                format!(
                    "the key of {} has {column}, which no dimension of the roll-up is",
                    rollup.table
                ),
            );
        }
        for (name, column) in &rollup.metrics {
            let held = self
                .column(&format!("{}.{column}", rollup.table), column)
                .and_then(|column| catalogue.column_type(&column));
            if let Some(held) = held
                && !held.is_number()
            {
                self.add(column, format!("{column} is {}; a metric is a number", type_name(held)));
            }
            let Some(metric) = catalogue.metric(name) else {
                let names: Vec<&str> = catalogue.metrics.iter().map(|m| m.name.as_str()).collect();
                self.unknown(name, format!("there is no metric {name:?}"), &names);
                continue;
            };
            let source = metric.sources.iter().find(|source| {
                let columns: Vec<ColumnRef> = Expression::parse(&source.of)
                    .map(|expression| expression.columns().into_iter().cloned().collect())
                    .unwrap_or_default();
                self.graph.base_table(&columns).as_deref() == Some(rollup.of.as_str())
            });
            let Some(source) = source else {
                self.add(name, format!("the metric {name} is not made of {}", rollup.of));
                continue;
            };
            if source.over.is_some() || !matches!(source.aggregate, Aggregate::Sum | Aggregate::Count) {
                self.add(
                    name,
                    format!("the metric {name} is no sum or count; the parts of it cannot be added up"),
                );
            } else if !source.filters.is_empty() {
                self.add(
                    name,
                    format!("the metric {name} has conditions of its own, which a roll-up's rows do not tell"),
                );
            }
            let currency = source.currency.as_deref().and_then(ColumnRef::parse);
            if let Some(currency) = currency
                && currency.table == rollup.of
                && !rollup.dimensions.contains_key(&currency.column)
            {
                self.add(
                    name,
                    format!("the metric {name} is money; the roll-up must keep {currency}"),
                );
            }
        }
        if rollup.metrics.is_empty() {
            self.add(&rollup.table, "it holds no metrics".to_owned());
        }
    }

    fn roles(&mut self) {
        let catalogue = self.catalogue;
        let tables: Vec<&str> = catalogue.tables.keys().map(String::as_str).collect();
        for (name, role) in &catalogue.roles {
            self.at(&format!("role {name}"), &format!("[roles.{name}]"), 0);
            for hidden in &role.hidden {
                if hidden.contains('.') {
                    self.column(hidden, hidden);
                } else if !catalogue.tables.contains_key(hidden) {
                    self.unknown(hidden, format!("the table {hidden:?} is not in the catalogue"), &tables);
                }
            }
            for (index, rule) in role.rows.iter().enumerate() {
                self.at(&format!("role {name}"), &format!("[[roles.{name}.rows]]"), index);
                match catalogue.tables.get(&rule.table) {
                    None => {
                        self.unknown(
                            &rule.table,
                            format!("the table {:?} is not in the catalogue", rule.table),
                            &tables,
                        );
                        continue;
                    }
                    Some(table) if table.columns.is_empty() => self.add(
                        &rule.table,
                        format!(
                            "the table {} must list its columns, for its rows to be restricted",
                            rule.table
                        ),
                    ),
                    Some(_) => {}
                }
                if rule.filters.is_empty() {
                    self.add(
                        &rule.table,
                        "the rule has no conditions, so that it restricts nothing".to_owned(),
                    );
                }
                for filter in &rule.filters {
                    let Some(column) = self.condition(filter) else { continue };
                    match self.graph.route(&rule.table, &column.table, &[], &column.table) {
                        Ok(Some(_)) => {}
                        Ok(None) => self.add(
                            &filter.dimension,
                            format!("no joins lead from {} to {column}", rule.table),
                        ),
                        Err(error) => self.add(&filter.dimension, error.message.trim_end_matches('.').to_owned()),
                    }
                }
            }
        }
    }

    fn name(&mut self, name: &str) {
        if !is_name(name) || RESERVED.contains(&name) {
            self.add(
                name,
                format!("{name:?} cannot be a name: use lower-case letters, digits and _, and no word of SQL"),
            );
        }
    }

    /// A column by its name `table.column`, which stands in the text as `written`.
    fn column(&mut self, text: &str, written: &str) -> Option<ColumnRef> {
        let catalogue = self.catalogue;
        let Some(column) = ColumnRef::parse(text) else {
            self.add(written, format!("{text:?} is not written table.column"));
            return None;
        };
        match catalogue.tables.get(&column.table) {
            None => {
                let names: Vec<&str> = catalogue.tables.keys().map(String::as_str).collect();
                let message = format!("the table of {text} is not in the catalogue");
                self.unknown_near(written, &column.table, message, &names);
                None
            }
            Some(table) if !table.columns.is_empty() && !table.columns.contains_key(&column.column) => {
                let names: Vec<&str> = table.columns.keys().map(String::as_str).collect();
                let message = format!("the table {} lists no column {}", column.table, column.column);
                self.unknown_near(written, &column.column, message, &names);
                None
            }
            Some(_) => Some(column),
        }
    }

    fn unknown(&mut self, name: &str, message: String, known: &[&str]) {
        self.unknown_near(name, name, message, known);
    }

    fn unknown_near(&mut self, written: &str, name: &str, message: String, known: &[&str]) {
        let message = match close(name, known).as_slice() {
            [] => message,
            close => format!("{message}; did you mean {}?", close.join(" or ")),
        };
        self.add(written, message);
    }

    /// Goes on to the `index`-th entry that begins with a header.
    fn at(&mut self, entry: &str, header: &str, index: usize) {
        entry.clone_into(&mut self.entry);
        let mut begin = 0;
        let mut count = 0;
        self.begin = None;
        for line in self.text.split_inclusive('\n') {
            let trimmed = line.trim();
            let is_header = trimmed == header || (!header.starts_with('[') && trimmed.starts_with(header));
            if is_header {
                if count == index {
                    self.begin = Some(begin);
                    return;
                }
                count += 1;
            }
            begin += line.len();
        }
    }

    /// A problem, at the first place in the entry where `near` stands, else where the entry begins.
    fn add(&mut self, near: &str, message: String) {
        let place = self.begin.map(|begin| {
            let rest = self.text.get(begin..).unwrap_or("");
            // The entry ends where the next one of its kind, or another, begins.
            let header_end = rest.find('\n').map_or(rest.len(), |at| at + 1);
            let header = rest.lines().next().unwrap_or("").trim();
            let inner = header.trim_matches(['[', ']']);
            let mut end = header_end;
            for line in rest.get(header_end..).unwrap_or("").split_inclusive('\n') {
                let trimmed = line.trim();
                let is_inner = trimmed.trim_start_matches('[').starts_with(&format!("{inner}."));
                if trimmed.starts_with('[') && trimmed.ends_with(']') && !is_inner {
                    break;
                }
                end += line.len();
            }
            let entry = rest.get(..end).unwrap_or(rest);
            let body = entry.get(header_end..).unwrap_or("");
            let found = [format!("\"{near}\""), near.to_owned()]
                .into_iter()
                .filter(|_| !near.is_empty())
                .find_map(|needle| {
                    let at = body.find(&needle)?;
                    let inside = usize::from(needle.starts_with('"') && needle.len() > near.len());
                    Some(header_end + at + inside)
                });
            place_of(self.text, begin + found.unwrap_or(0))
        });
        let problem = CatalogueProblem {
            entry: self.entry.clone(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            message,
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

fn dimension_names(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.dimensions.iter().map(|d| d.name.as_str()).collect()
}

fn type_name(holds: ColumnType) -> &'static str {
    match holds {
        ColumnType::Text => "text",
        ColumnType::Integer => "integer",
        ColumnType::Decimal => "decimal",
        ColumnType::Float => "float",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
    }
}

/// How many values an operator compares with.
pub(super) fn values_wanted(op: Operator) -> std::ops::RangeInclusive<usize> {
    match op {
        Operator::Equal
        | Operator::NotEqual
        | Operator::StartsWith
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Contains => 1..=1,
        Operator::In | Operator::NotIn => 1..=super::MAX_VALUES,
        Operator::Between => 2..=2,
        Operator::IsNull | Operator::IsNotNull => 0..=0,
    }
}
