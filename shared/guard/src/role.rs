//! From the catalogue and a role to a [`Policy`]. What the catalogue does not hide is open; where it names roles, a role
//! that is not among them sees nothing.

use crate::policy::{Bounds, ColumnRule, Policy, Spread, TableRule};
use concert_contract::{
    catalogue::{Catalogue, Join, Role, Rollup, RowRule},
    query::{Filter, Operator, Value},
    table::ColumnType,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// No policy can be made, so nothing may be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("the catalogue has no role {role:?}; it has {known}")]
    NoSuchRole { role: String, known: String },
    #[error("role {role}, rows of {table}: {problem}. Mend [roles] in the catalogue")]
    BadRule {
        role: String,
        table: String,
        problem: String,
    },
}

impl Policy {
    /// What `role` may ask of the catalogue's tables, with the default bounds. Without a role, or where the catalogue
    /// has none, everything.
    ///
    /// # Errors
    /// The role is not there, or one of its rules cannot be written as SQL.
    pub fn of(catalogue: &Catalogue, role: Option<&str>) -> Result<Policy, PolicyError> {
        let mut policy = open(catalogue);
        let Some(name) = role.filter(|_| !catalogue.roles.is_empty()) else {
            return Ok(policy);
        };
        let role = catalogue.roles.get(name).ok_or_else(|| PolicyError::NoSuchRole {
            role: name.to_owned(),
            known: catalogue.roles.keys().cloned().collect::<Vec<_>>().join(", "),
        })?;
        for entry in &role.hidden {
            policy = match entry.split_once('.') {
                Some((table, column)) => policy.hide(table, column),
                None => policy.hide_table(entry),
            };
        }
        for rollup in &catalogue.rollups {
            policy = hide_sums(catalogue, role, rollup, policy);
        }
        let wrong = |table: &str, problem: String| PolicyError::BadRule {
            role: name.to_owned(),
            table: table.to_owned(),
            problem,
        };
        for rule in &role.rows {
            let condition = condition(catalogue, rule, &rule.table, &|column| Some(column.to_owned()))
                .map_err(|problem| wrong(&rule.table, problem))?;
            policy = policy.filter(&rule.table, &condition);
            // Sums over rows that the role does not see all: only where the sums can be told apart by the same rule.
            for rollup in catalogue.rollups.iter().filter(|rollup| rollup.of == rule.table) {
                let kept = |column: &str| {
                    let time = catalogue.tables.get(&rollup.of).and_then(|table| table.time.as_deref());
                    match &rollup.time {
                        Some(day) if time == Some(column) => Some(day.clone()),
                        _ => rollup.dimensions.get(column).cloned(),
                    }
                };
                policy = match condition_of_sums(catalogue, rule, &kept) {
                    Some(condition) => policy.filter(&rollup.table, &condition),
                    None => policy.hide_table(&rollup.table),
                };
            }
        }
        Ok(policy)
    }
}

/// Everything that the catalogue names.
fn open(catalogue: &Catalogue) -> Policy {
    let tables = catalogue
        .tables
        .iter()
        .map(|(name, table)| {
            let columns = table
                .columns
                .iter()
                .map(|(column, column_type)| ColumnRule {
                    name: column.to_ascii_lowercase(),
                    column_type: *column_type,
                    spread: spread(catalogue, name, column, *column_type),
                })
                .collect();
            let rule = TableRule {
                columns,
                is_of_things: table.time.is_none(),
                ..TableRule::default()
            };
            (name.to_ascii_lowercase(), rule)
        })
        .collect();
    Policy {
        schema: catalogue.schema.to_ascii_lowercase(),
        tables,
        hidden_tables: BTreeSet::new(),
        bounds: Bounds::default(),
    }
}

/// A key takes as many values as its table has rows; where that table has no time, its rows are things.
fn spread(catalogue: &Catalogue, table: &str, column: &str, column_type: ColumnType) -> Spread {
    let of_things = |table: &str| catalogue.tables.get(table).is_some_and(|table| table.time.is_none());
    let keyed = |table: &str| if of_things(table) { Spread::Things } else { Spread::Many };
    let parent = catalogue
        .joins
        .iter()
        .filter_map(|join| join.from.split_once('.').zip(join.to.split_once('.')))
        .find(|(from, _)| *from == (table, column))
        .map(|(_, (parent, _))| parent);
    if let Some(parent) = parent {
        return keyed(parent);
    }
    let is_key = catalogue
        .tables
        .get(table)
        .is_some_and(|table| table.key.iter().any(|key| key == column));
    // A dimension without a key of its own; tables that are no part of it call the same column by the same name.
    let is_kind = || {
        catalogue.dimensions.iter().any(|dimension| {
            dimension.key.is_none()
                && dimension.column_type == ColumnType::Text
                && dimension
                    .column
                    .as_deref()
                    .and_then(|path| path.split_once('.'))
                    .is_some_and(|(_, name)| name == column)
        })
    };
    match column_type {
        _ if is_key => keyed(table),
        ColumnType::Text if is_kind() => Spread::Kinds,
        ColumnType::Text | ColumnType::Boolean | ColumnType::Date => Spread::Few,
        _ => Spread::Many,
    }
}

/// A roll-up's columns that are made of what the role may not see.
fn hide_sums(catalogue: &Catalogue, role: &Role, rollup: &Rollup, mut policy: Policy) -> Policy {
    let is_hidden = |table: &str, column: &str| {
        role.hidden
            .iter()
            .any(|entry| entry == table || entry.split_once('.') == Some((table, column)))
    };
    if is_hidden(&rollup.of, "") {
        return policy.hide_table(&rollup.table);
    }
    for (column, own) in &rollup.dimensions {
        if is_hidden(&rollup.of, column) {
            policy = policy.hide(&rollup.table, own);
        }
    }
    for (metric, own) in &rollup.metrics {
        let sources = catalogue.metric(metric).into_iter().flat_map(|metric| &metric.sources);
        let mut columns = sources.flat_map(|source| {
            let filters = source.filters.iter().map(|filter| filter.dimension.as_str());
            columns_in(&source.of)
                .chain(source.over.iter().flat_map(|over| columns_in(over)))
                .chain(filters.filter_map(|column| column.split_once('.')))
        });
        if columns.any(|(table, column)| is_hidden(table, column)) {
            policy = policy.hide(&rollup.table, own);
        }
    }
    policy
}

/// The `table.column` of an arithmetic expression.
fn columns_in(expression: &str) -> impl Iterator<Item = (&str, &str)> {
    expression
        .split(|ch: char| !(ch.is_alphanumeric() || ch == '_' || ch == '.'))
        .filter(|word| !word.starts_with(|ch: char| ch.is_ascii_digit()))
        .filter_map(|word| word.split_once('.'))
}

/// A rule's condition over the columns of the roll-up of its table. None where the roll-up did not keep them.
fn condition_of_sums(catalogue: &Catalogue, rule: &RowRule, kept: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    condition(catalogue, rule, &rule.table, kept).ok()
}

/// A rule as a condition on the columns of `table`, whose columns are called what `named` says.
fn condition(
    catalogue: &Catalogue,
    rule: &RowRule,
    table: &str,
    named: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    if rule.filters.is_empty() {
        return Err("it has no filters".to_owned());
    }
    let written: Result<Vec<String>, String> = rule
        .filters
        .iter()
        .map(|filter| {
            let (of, column) = filter
                .dimension
                .split_once('.')
                .ok_or_else(|| format!("{:?} is not written table.column", filter.dimension))?;
            let holds = catalogue
                .tables
                .get(of)
                .and_then(|table| table.columns.get(column))
                .copied()
                .ok_or_else(|| format!("there is no column {}", filter.dimension))?;
            let missing = |column: &str| format!("the column {column} is not kept");
            if of == table {
                let column = named(column).ok_or_else(|| missing(column))?;
                return comparison(&column, holds, filter);
            }
            // Rows whose parents meet the condition, one IN for each step up.
            let mut steps = route(catalogue, table, of)?.into_iter().rev();
            let mut inner = comparison(column, holds, filter)?;
            let mut first = None;
            for join in &mut steps {
                let ends = join.from.split_once('.').zip(join.to.split_once('.'));
                let Some(((_, from), (parent, to))) = ends else {
                    return Err(format!("the join from {} is not written table.column", join.from));
                };
                inner = format!(
                    "IN (SELECT {to} FROM {}.{parent} WHERE {})",
                    catalogue.schema,
                    match first.replace(from) {
                        Some(column) => format!("{column} {inner}"),
                        None => inner,
                    }
                );
            }
            let column = first.ok_or("no join leads there")?;
            let column = named(column).ok_or_else(|| missing(column))?;
            Ok(format!("{column} {inner}"))
        })
        .collect();
    Ok(written?.join(" AND "))
}

/// The joins that lead from the rows of one table to the one row of another that each belongs to.
fn route<'c>(catalogue: &'c Catalogue, from: &str, to: &str) -> Result<Vec<&'c Join>, String> {
    let mut found: Vec<Vec<&Join>> = Vec::new();
    let mut open = VecDeque::from([(from.to_owned(), Vec::new())]);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    while let Some((table, way)) = open.pop_front() {
        if table == to {
            found.push(way);
            continue;
        }
        // Ways of the same length are all followed, so that two of them are seen.
        if *seen.entry(table.clone()).or_insert(way.len()) < way.len() {
            continue;
        }
        for join in &catalogue.joins {
            if let (Some((start, _)), Some((end, _))) = (join.from.split_once('.'), join.to.split_once('.'))
                && start == table
            {
                let mut way = way.clone();
                way.push(join);
                open.push_back((end.to_owned(), way));
            }
        }
    }
    let shortest = found
        .iter()
        .map(Vec::len)
        .min()
        .ok_or_else(|| format!("no join leads from {from} to {to}"))?;
    found.retain(|way| way.len() == shortest);
    match found.len() {
        1 => Ok(found.remove(0)),
        _ => Err(format!("several joins lead from {from} to {to}")),
    }
}

fn comparison(column: &str, holds: ColumnType, filter: &Filter) -> Result<String, String> {
    let column = if holds == ColumnType::Timestamp {
        format!("CAST({column} AS DATE)")
    } else {
        column.to_owned()
    };
    let values: Vec<String> = filter
        .values
        .iter()
        .map(|value| literal(value, holds))
        .collect::<Result<_, _>>()?;
    let list = values.join(", ");
    let binary = |operator: &str| match values.as_slice() {
        [value] => Ok(format!("{column} {operator} {value}")),
        _ => Err(format!("{operator} takes one value")),
    };
    let text = |sql: String| match holds {
        ColumnType::Text if values.len() == 1 => Ok(sql),
        _ => Err(format!("{column} is compared with one text")),
    };
    match filter.op {
        Operator::Equal => binary("="),
        Operator::NotEqual => binary("<>"),
        Operator::Greater => binary(">"),
        Operator::GreaterOrEqual => binary(">="),
        Operator::Less => binary("<"),
        Operator::LessOrEqual => binary("<="),
        Operator::In | Operator::NotIn if values.is_empty() => Err(format!("{column} is compared with no value")),
        Operator::In => Ok(format!("{column} IN ({list})")),
        Operator::NotIn => Ok(format!("{column} NOT IN ({list})")),
        Operator::Between => match values.as_slice() {
            [low, high] => Ok(format!("{column} BETWEEN {low} AND {high}")),
            _ => Err("between takes two values".to_owned()),
        },
        Operator::Contains => text(format!("STRPOS(LOWER({column}), LOWER({list})) > 0")),
        Operator::StartsWith => text(format!("STRPOS(LOWER({column}), LOWER({list})) = 1")),
        Operator::IsNull => Ok(format!("{column} IS NULL")),
        Operator::IsNotNull => Ok(format!("{column} IS NOT NULL")),
    }
}

fn literal(value: &Value, holds: ColumnType) -> Result<String, String> {
    match (value, holds) {
        (Value::Boolean(truth), ColumnType::Boolean) => Ok(truth.to_string().to_uppercase()),
        (Value::Integer(n), ColumnType::Integer | ColumnType::Decimal | ColumnType::Float) => Ok(n.to_string()),
        (Value::Number(x), ColumnType::Integer | ColumnType::Decimal | ColumnType::Float) if x.is_finite() => {
            Ok(x.to_string())
        }
        (Value::Text(text), ColumnType::Date | ColumnType::Timestamp) => {
            let is_day = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            is_day
                .then(|| format!("CAST('{text}' AS DATE)"))
                .ok_or_else(|| format!("{text:?} is no day written YYYY-MM-DD"))
        }
        // Engines differ in what a backslash means inside of quotes.
        (Value::Text(text), ColumnType::Text) if !text.contains('\0') => Ok(format!(
            "'{}'",
            text.replace('\'', "''").replace('\\', "' || CHR(92) || '")
        )),
        (value, _) => Err(format!("{value:?} is not what the column holds")),
    }
}
