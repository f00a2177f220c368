//! Reading a catalogue from TOML, and every check that can be made without data. All that is wrong is said at once,
//! each with the entry it is about and, where it can be told, its line.

use super::expression::{ColumnRef, Expression, is_name};
use crate::{
    catalogue::{Catalogue, Unit},
    query::Operator,
    table::ColumnType,
};
use std::{collections::BTreeMap, fmt};

/// Words that SQL keeps for itself; as a column name they would need quotes.
pub(super) const RESERVED: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "column",
    "create",
    "cross",
    "current",
    "default",
    "delete",
    "desc",
    "distinct",
    "do",
    "drop",
    "else",
    "end",
    "except",
    "false",
    "for",
    "foreign",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "in",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "primary",
    "references",
    "right",
    "select",
    "set",
    "some",
    "table",
    "tag",
    "then",
    "to",
    "top",
    "true",
    "union",
    "unique",
    "update",
    "user",
    "using",
    "values",
    "when",
    "where",
    "with",
];

/// One thing that is wrong with a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueProblem {
    /// `metric revenue`, `join 3`; empty where the text itself is no TOML.
    pub entry: String,
    /// From 1.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for CatalogueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
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
    /// All problems at once, each with its entry and line.
    pub fn from_toml(text: &str) -> Result<Catalogue, CatalogueError> {
        let catalogue: Catalogue = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map(|span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
            CatalogueError {
                problems: vec![CatalogueProblem {
                    entry: String::new(),
                    line,
                    message: error.message().to_owned(),
                }],
            }
        })?;
        let problems = Check {
            catalogue: &catalogue,
            text,
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

struct Check<'a> {
    catalogue: &'a Catalogue,
    text: &'a str,
    problems: Vec<CatalogueProblem>,
}

impl Check<'_> {
    fn run(mut self) -> Vec<CatalogueProblem> {
        let catalogue = self.catalogue;
        if !is_name(&catalogue.schema) {
            self.add(
                "schema",
                None,
                format!(
                    "{:?} is not a name: use lower-case letters, digits and _",
                    catalogue.schema
                ),
            );
        }
        for (name, table) in &catalogue.tables {
            let entry = format!("table {name}");
            let line = self.line_of(&format!("[tables.{name}]"), 0);
            self.name(&entry, line, name);
            if table.key.is_empty() {
                self.add(
                    &entry,
                    line,
                    "it has no key: name the columns that identify a row".to_owned(),
                );
            }
            for column in table.key.iter().chain(&table.time) {
                self.column(&entry, line, &format!("{name}.{column}"));
            }
            if let Some(time) = &table.time
                && let Some(held) = table.columns.get(time)
                && !matches!(held, ColumnType::Date | ColumnType::Timestamp)
            {
                self.add(&entry, line, format!("its time {time} must be a date or a timestamp"));
            }
            for column in table.columns.keys().filter(|column| !is_name(column)) {
                self.add(
                    &entry,
                    line,
                    format!("column {column:?} is not a name: use lower-case letters, digits and _"),
                );
            }
        }
        for (index, join) in catalogue.joins.iter().enumerate() {
            let entry = format!("join {}", index + 1);
            let line = self.line_of("[[joins]]", index);
            self.column(&entry, line, &join.from);
            self.column(&entry, line, &join.to);
        }
        if catalogue.metrics.is_empty() {
            self.add(
                "metrics",
                None,
                "there are none: a catalogue needs at least one metric".to_owned(),
            );
        }
        let mut names = BTreeMap::new();
        for (index, metric) in catalogue.metrics.iter().enumerate() {
            let entry = format!("metric {}", metric.name);
            let line = self.line_of("[[metrics]]", index);
            self.name(&entry, line, &metric.name);
            if let Some(first) = names.insert(metric.name.as_str(), entry.clone()) {
                self.add(&entry, line, format!("the name is taken by {first}"));
            }
            self.metric(index, &entry, line);
        }
        let mut names = BTreeMap::new();
        for (index, dimension) in catalogue.dimensions.iter().enumerate() {
            let entry = format!("dimension {}", dimension.name);
            let line = self.line_of("[[dimensions]]", index);
            self.name(&entry, line, &dimension.name);
            if let Some(first) = names.insert(dimension.name.as_str(), entry.clone()) {
                self.add(&entry, line, format!("the name is taken by {first}"));
            }
            if catalogue.metric(&dimension.name).is_some() {
                self.add(&entry, line, "a metric has the same name".to_owned());
            }
            self.dimension(index, &entry, line);
        }
        self.problems
    }

    fn metric(&mut self, index: usize, entry: &str, line: Option<usize>) {
        let catalogue = self.catalogue;
        let Some(metric) = catalogue.metrics.get(index) else {
            return;
        };
        if metric.sources.is_empty() {
            self.add(entry, line, "it has no sources: say what it is made of".to_owned());
        }
        for source in &metric.sources {
            let mut columns = Vec::new();
            for text in std::iter::once(&source.of).chain(&source.over) {
                match Expression::parse(text) {
                    Ok(expression) => {
                        let found: Vec<ColumnRef> = expression.columns().into_iter().cloned().collect();
                        if found.is_empty() {
                            self.add(entry, line, format!("{text:?} names no column"));
                        }
                        columns.extend(found);
                    }
                    Err(message) => self.add(entry, line, message),
                }
            }
            for column in &columns {
                self.column(entry, line, &column.to_string());
            }
            for filter in &source.filters {
                self.column(entry, line, &filter.dimension);
                columns.extend(ColumnRef::parse(&filter.dimension));
                let wanted = values_wanted(filter.op);
                if !wanted.contains(&filter.values.len()) {
                    self.add(
                        entry,
                        line,
                        format!(
                            "the condition on {} has {} values",
                            filter.dimension,
                            filter.values.len()
                        ),
                    );
                }
            }
            if let Some(currency) = &source.currency {
                self.column(entry, line, currency);
            } else if metric.unit == Unit::Currency {
                self.add(
                    entry,
                    line,
                    "money needs the column of its currency: currency = \"table.column\"".to_owned(),
                );
            }
            if source.over.is_some() && source.aggregate != crate::catalogue::Aggregate::Sum {
                self.add(
                    entry,
                    line,
                    "a ratio (over) is made of sums: aggregate = \"sum\"".to_owned(),
                );
            }
            if super::graph::Graph::new(catalogue).base_table(&columns).is_none() && !columns.is_empty() {
                self.add(
                    entry,
                    line,
                    format!("no joins lead from one table to all the columns of {:?}", source.of),
                );
            }
        }
    }

    fn dimension(&mut self, index: usize, entry: &str, line: Option<usize>) {
        let catalogue = self.catalogue;
        let Some(dimension) = catalogue.dimensions.get(index) else {
            return;
        };
        for column in dimension.column.iter().chain(&dimension.key) {
            self.column(entry, line, column);
        }
        match (&dimension.column, dimension.part, dimension.shows.is_empty()) {
            (Some(_), Some(_), _) => self.add(
                entry,
                line,
                "it has both a column and a part of time: keep one".to_owned(),
            ),
            (None, None, true) => {
                self.add(
                    entry,
                    line,
                    "it needs a column, a part of time, or other dimensions to show".to_owned(),
                );
            }
            (None, None, false) if dimension.key.is_none() => {
                self.add(entry, line, "it needs a key: what tells its rows apart".to_owned());
            }
            _ => {}
        }
        for shown in &dimension.shows {
            match catalogue.dimension(shown) {
                None => self.add(
                    entry,
                    line,
                    format!("it shows the dimension {shown:?}, which is not here"),
                ),
                Some(other) if other.column.is_none() => {
                    self.add(
                        entry,
                        line,
                        format!("it shows {shown:?}, which has no column of its own"),
                    );
                }
                Some(_) => {}
            }
        }
        if let Some(metric) = dimension
            .of_metric
            .as_deref()
            .filter(|name| catalogue.metric(name).is_none())
        {
            self.add(
                entry,
                line,
                format!("it is of the metric {metric:?}, which is not here"),
            );
        }
        if dimension.indexed && dimension.column.is_none() {
            self.add(
                entry,
                line,
                "only a dimension with a column has values to look up".to_owned(),
            );
        }
        if let Some(column) = dimension.column.as_deref().and_then(ColumnRef::parse)
            && let Some(held) = catalogue.column_type(&column)
            && held != dimension.column_type
        {
            self.add(
                entry,
                line,
                format!("its type is {:?}, that of {column} is {held:?}", dimension.column_type),
            );
        }
    }

    fn name(&mut self, entry: &str, line: Option<usize>, name: &str) {
        if !is_name(name) || RESERVED.contains(&name) {
            self.add(
                entry,
                line,
                format!("{name:?} cannot be a name: use lower-case letters, digits and _, and no word of SQL"),
            );
        }
    }

    fn column(&mut self, entry: &str, line: Option<usize>, text: &str) {
        let Some(column) = ColumnRef::parse(text) else {
            return self.add(entry, line, format!("{text:?} is not written table.column"));
        };
        match self.catalogue.tables.get(&column.table) {
            None => self.add(entry, line, format!("the table of {text} is not in the catalogue")),
            Some(table) if !table.columns.is_empty() && !table.columns.contains_key(&column.column) => {
                self.add(
                    entry,
                    line,
                    format!("the table {} lists no column {}", column.table, column.column),
                );
            }
            Some(_) => {}
        }
    }

    fn add(&mut self, entry: &str, line: Option<usize>, message: String) {
        self.problems.push(CatalogueProblem {
            entry: entry.to_owned(),
            line,
            message,
        });
    }

    /// The line of the `index`-th occurrence of a header.
    fn line_of(&self, header: &str, index: usize) -> Option<usize> {
        self.text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim() == header)
            .nth(index)
            .map(|(at, _)| at + 1)
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
