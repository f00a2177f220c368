//! Lists the values that the catalogue's indexed dimensions take, each with how many rows of the fact refer to it, and
//! the currencies that money comes in. It works on any catalogue: everything is found through its joins and metrics.

use crate::{
    Error, Result,
    content::{integer, side_by_side, text},
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use concert_contract::catalogue::{Catalogue, Dimension, Join};
use concert_lake::{CURRENCY_DIMENSION, schema::CATALOGUE_VALUES};
use datafusion::prelude::SessionContext;
use futures::FutureExt as _;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

/// How many values of one dimension are listed, the heaviest first. The edge holds them all in memory, and a
/// dimension with more (a ticket number) is none that people name.
const MAX_VALUES_PER_DIMENSION: usize = 100_000;

struct Value {
    dimension: String,
    value: String,
    label: String,
    weight: i64,
}

/// The batch of `catalogue_values`, ordered by dimension, then the heaviest first.
pub async fn collect(session: &SessionContext, catalogue: &Catalogue) -> Result<RecordBatch> {
    let money = money_columns(catalogue);
    let mut works = Vec::new();
    let mut has_currency = false;
    for dimension in catalogue.dimensions.iter().filter(|dimension| dimension.indexed) {
        let Some(column) = &dimension.column else { continue };
        works.push(if money.contains_key(column.as_str()) {
            has_currency |= dimension.name == CURRENCY_DIMENSION;
            currencies(session.clone(), dimension.name.clone(), weighed(&money)?).boxed()
        } else {
            values_of(session.clone(), Listing::of(catalogue, dimension, column)?).boxed()
        });
    }
    if !has_currency {
        works.push(currencies(session.clone(), CURRENCY_DIMENSION.to_owned(), weighed(&money)?).boxed());
    }
    let mut values: Vec<Value> = side_by_side(works).await?.into_iter().flatten().collect();
    values.sort_by(|a, b| {
        a.dimension
            .cmp(&b.dimension)
            .then(b.weight.cmp(&a.weight))
            .then_with(|| a.value.cmp(&b.value))
    });
    let strings =
        |of: fn(&Value) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(values.iter().map(of))) };
    let columns: Vec<ArrayRef> = vec![
        strings(|v| &v.dimension),
        strings(|v| &v.value),
        strings(|v| &v.label),
        Arc::new(Int64Array::from_iter_values(values.iter().map(|value| value.weight))),
        Arc::new(StringArray::from(vec![None::<&str>; values.len()])),
    ];
    RecordBatch::try_new(CATALOGUE_VALUES.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: CATALOGUE_VALUES.name,
        source,
    })
}

/// A dimension whose values are listed, and the query that does it.
struct Listing {
    dimension: String,
    sql: String,
    /// Whether something stands beside the values.
    shown: bool,
}

impl Listing {
    fn of(catalogue: &Catalogue, dimension: &Dimension, column: &str) -> Result<Listing> {
        let place = || format!("dimension {}", dimension.name);
        let (table, name) = split(column, place)?;
        let value = format!("CAST({}.{} AS VARCHAR)", quoted(table), quoted(name));
        let (shown, label) = shown(catalogue, dimension, table)?;
        let labels = if shown {
            format!("min({label}) AS label, count(DISTINCT {label}) AS labels")
        } else {
            "'' AS label, 1 AS labels".to_owned()
        };
        let path = path_from_fact(catalogue, table).filter(|(_, joins)| !joins.is_empty());
        let sql = match path {
            Some((fact, joins)) => {
                let mut from = quoted(&fact);
                for join in joins {
                    let (many, many_column) = split(&join.from, || "joins".to_owned())?;
                    let (one, one_column) = split(&join.to, || "joins".to_owned())?;
                    from.push_str(&format!(
                        " JOIN {} ON {}.{} = {}.{}",
                        quoted(one),
                        quoted(many),
                        quoted(many_column),
                        quoted(one),
                        quoted(one_column)
                    ));
                }
                format!(
                    "SELECT known.value, coalesce(referred.weight, 0) AS weight, known.label, known.labels FROM \
                     (SELECT {value} AS value, {labels} FROM {} WHERE {value} <> '' GROUP BY 1) AS known \
                     LEFT JOIN (SELECT {value} AS value, count(*) AS weight FROM {from} GROUP BY 1) AS referred \
                     ON known.value = referred.value \
                     ORDER BY 2 DESC, 1 LIMIT {MAX_VALUES_PER_DIMENSION}",
                    quoted(table),
                )
            }
            // The table is what is counted, or nothing that is counted leads to it: each of its own rows is one.
            None => format!(
                "SELECT {value} AS value, count(*) AS weight, {labels} FROM {} WHERE {value} <> '' GROUP BY 1 \
                 ORDER BY 2 DESC, 1 LIMIT {MAX_VALUES_PER_DIMENSION}",
                quoted(table),
            ),
        };
        Ok(Listing {
            dimension: dimension.name.clone(),
            sql,
            shown,
        })
    }
}

async fn values_of(session: SessionContext, listing: Listing) -> Result<Vec<Value>> {
    let Listing { dimension, sql, shown } = listing;
    let place = || format!("dimension {dimension}");
    let mut values = Vec::new();
    for batch in catalogue_rows(&session, &sql, place).await? {
        for row in 0..batch.num_rows() {
            let Some(value) = text(&batch, 0, row) else { continue };
            // What stands beside the name helps only where it is one thing: "Paradise, Boston" would be wrong of a
            // name that two cities have.
            let beside =
                text(&batch, 2, row).filter(|beside| shown && integer(&batch, 3, row) == 1 && !beside.is_empty());
            let label = beside.map_or_else(|| value.clone(), |beside| format!("{value}, {beside}"));
            values.push(Value {
                dimension: dimension.clone(),
                value,
                label,
                weight: integer(&batch, 1, row),
            });
        }
    }
    Ok(values)
}

/// The SQL of what stands beside a value of `dimension`, as far as it is in the same table, and whether there is any.
fn shown(catalogue: &Catalogue, dimension: &Dimension, table: &str) -> Result<(bool, String)> {
    let mut columns = Vec::new();
    for name in &dimension.shows {
        let Some(other) = catalogue.dimension(name) else {
            return Err(Error::Catalogue {
                place: format!("dimension {}", dimension.name),
                message: format!("shows {name}, which is no dimension"),
            });
        };
        let Some(column) = &other.column else { continue };
        let (other_table, column) = split(column, || format!("dimension {name}"))?;
        if other_table == table {
            columns.push(format!("CAST({}.{} AS VARCHAR)", quoted(table), quoted(column)));
        }
    }
    if columns.is_empty() {
        Ok((false, "''".to_owned()))
    } else {
        Ok((true, format!("concat_ws(', ', {})", columns.join(", "))))
    }
}

/// The first metric's table from which joins lead to `table`, and those joins in order.
fn path_from_fact<'a>(catalogue: &'a Catalogue, table: &str) -> Option<(String, Vec<&'a Join>)> {
    let mut tried = BTreeSet::new();
    for source in catalogue.metrics.iter().flat_map(|metric| &metric.sources) {
        for (fact, _) in columns_in(&source.of) {
            if tried.insert(fact.to_owned())
                && let Some(joins) = path(catalogue, fact, table)
            {
                return Some((fact.to_owned(), joins));
            }
        }
    }
    None
}

/// The shortest way over the joins, each from many rows to one, so that no row is counted twice.
fn path<'a>(catalogue: &'a Catalogue, from: &str, to: &str) -> Option<Vec<&'a Join>> {
    let mut reached: HashMap<String, Vec<&Join>> = HashMap::from([(from.to_owned(), Vec::new())]);
    let mut queue = VecDeque::from([from.to_owned()]);
    while let Some(at) = queue.pop_front() {
        let so_far = reached.get(&at).cloned().unwrap_or_default();
        if at == to {
            return Some(so_far);
        }
        for join in &catalogue.joins {
            let (Some((many, _)), Some((one, _))) = (join.from.split_once('.'), join.to.split_once('.')) else {
                continue;
            };
            if many == at && !reached.contains_key(one) {
                reached.insert(one.to_owned(), so_far.iter().copied().chain([join]).collect());
                queue.push_back(one.to_owned());
            }
        }
    }
    None
}

/// Every column that holds a currency, with the amounts beside it: `table.column` to columns of the same table.
fn money_columns(catalogue: &Catalogue) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut money: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in catalogue.metrics.iter().flat_map(|metric| &metric.sources) {
        let Some(currency) = &source.currency else { continue };
        let table = currency.split_once('.').map(|(table, _)| table);
        let amounts = columns_in(&source.of)
            .into_iter()
            .filter(|(amount, _)| Some(*amount) == table);
        money
            .entry(currency)
            .or_default()
            .extend(amounts.map(|(_, column)| column));
    }
    money
}

/// The queries that weigh currencies, one for each column that holds some: its name and the query.
fn weighed(money: &BTreeMap<&str, BTreeSet<&str>>) -> Result<Vec<(String, String)>> {
    let mut queries = Vec::new();
    for (currency, amounts) in money {
        let (table, column) = split(currency, || format!("currency {currency}"))?;
        let known: Vec<String> = amounts
            .iter()
            .map(|amount| format!("{} IS NOT NULL", quoted(amount)))
            .collect();
        let sql = format!(
            "SELECT CAST({0} AS VARCHAR), count(CASE WHEN {1} THEN 1 END) FROM {2} WHERE {0} IS NOT NULL GROUP BY 1",
            quoted(column),
            if known.is_empty() {
                "TRUE".to_owned()
            } else {
                known.join(" AND ")
            },
            quoted(table),
        );
        queries.push(((*currency).to_owned(), sql));
    }
    Ok(queries)
}

/// Every currency, weighted by how many rows have an amount in it: a currency that stands beside no amount says
/// nothing about the money at hand.
async fn currencies(session: SessionContext, dimension: String, queries: Vec<(String, String)>) -> Result<Vec<Value>> {
    let mut weights: BTreeMap<String, i64> = BTreeMap::new();
    for (currency, sql) in queries {
        for batch in catalogue_rows(&session, &sql, || format!("currency {currency}")).await? {
            for row in 0..batch.num_rows() {
                if let Some(code) = text(&batch, 0, row) {
                    *weights.entry(code).or_default() += integer(&batch, 1, row);
                }
            }
        }
    }
    Ok(weights
        .into_iter()
        .map(|(code, weight)| Value {
            dimension: dimension.clone(),
            label: code.clone(),
            value: code,
            weight,
        })
        .collect())
}

/// Runs a query that the catalogue gave the names for; what fails is most likely a name that is not there.
async fn catalogue_rows(session: &SessionContext, sql: &str, place: impl Fn() -> String) -> Result<Vec<RecordBatch>> {
    let frame = session.sql(sql).await.map_err(|e| Error::Catalogue {
        place: place(),
        message: e.strip_backtrace(),
    })?;
    frame.collect().await.map_err(|source| Error::query(sql, source))
}

/// The `table.column` in an arithmetic expression.
fn columns_in(expression: &str) -> Vec<(&str, &str)> {
    expression
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()))
        .filter_map(|word| word.split_once('.'))
        .collect()
}

fn split(column: &str, place: impl Fn() -> String) -> Result<(&str, &str)> {
    column.split_once('.').ok_or_else(|| Error::Catalogue {
        place: place(),
        message: format!("{column:?} must be written table.column"),
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_in_expressions() {
        assert_eq!(columns_in("a.b * (c_1.d - 2.5) / 3"), [("a", "b"), ("c_1", "d")]);
        assert!(columns_in("12.5").is_empty());
    }
}
