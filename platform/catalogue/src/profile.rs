//! What the values of each column look like: how many, how many different, the least and the greatest, the most
//! frequent. The questions are plain SQL that Redshift and the engine here both answer, asked through [`Ask`].

use crate::error::Result;
use arrow::datatypes::{DataType, Schema};
use concert_contract::table::{Cell, ColumnType};
use std::{collections::BTreeMap, fmt};

/// Up to this many rows different values are counted exactly; beyond, to about one in a hundred.
const EXACT_MAX_ROWS: u64 = 2_000_000;
/// The most frequent values that are kept of a column.
const TOP_VALUES: u64 = 40;
/// Of a column with more different values than this, no frequent ones are sought: it names things or tells them apart.
const TOP_MAX_DISTINCT: u64 = 100_000;
/// Columns that one statement looks at.
const COLUMNS_AT_ONCE: usize = 12;

/// Something that answers SQL over the tables of one schema.
pub trait Ask {
    /// The rows of one query; `table` is for the error.
    fn ask(&self, table: &str, sql: &str) -> impl Future<Output = Result<Vec<Vec<Cell>>>> + Send;

    /// A table as it is written in SQL.
    fn table(&self, name: &str) -> String;

    /// SQL for about how many different values a column has, where counting them exactly takes too long.
    fn about_distinct(&self, column: &str) -> String;
}

/// `table.column`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub table: String,
    pub column: String,
}

impl Place {
    pub fn new(table: &str, column: &str) -> Place {
        Place {
            table: table.to_owned(),
            column: column.to_owned(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

/// A column before its values have been looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnShape {
    pub name: String,
    pub column_type: ColumnType,
    /// Its numbers are written with %.
    pub is_percent: bool,
    pub doubts: Vec<String>,
}

/// A reference that the database declares: these columns hold the key of that table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    pub columns: Vec<String>,
    pub table: String,
    pub to: Vec<String>,
}

/// A table before its values have been looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct TableShape {
    pub name: String,
    pub columns: Vec<ColumnShape>,
    pub doubts: Vec<String>,
    /// What the database says of it. Redshift does not enforce either, so both are checked.
    pub declared_key: Option<Vec<String>>,
    pub declared_references: Vec<Declared>,
}

impl TableShape {
    pub fn new(name: &str) -> TableShape {
        TableShape {
            name: name.to_owned(),
            columns: Vec::new(),
            doubts: Vec::new(),
            declared_key: None,
            declared_references: Vec::new(),
        }
    }

    pub(crate) fn take_columns(&mut self, schema: &Schema, kind: impl Fn(&DataType) -> ColumnType) {
        self.columns = schema
            .fields()
            .iter()
            .map(|field| ColumnShape {
                name: field.name().clone(),
                column_type: kind(field.data_type()),
                is_percent: false,
                doubts: Vec::new(),
            })
            .collect();
    }
}

pub(crate) fn column_type_of(held: &DataType) -> ColumnType {
    match held {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnType::Integer,
        DataType::Decimal128(_, 0) => ColumnType::Integer,
        DataType::Decimal128(..) => ColumnType::Decimal,
        DataType::Float32 | DataType::Float64 => ColumnType::Float,
        DataType::Boolean => ColumnType::Boolean,
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(..) => ColumnType::Timestamp,
        _ => ColumnType::Text,
    }
}

/// What the values of a column look like.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnProfile {
    pub name: String,
    pub column_type: ColumnType,
    pub is_percent: bool,
    pub doubts: Vec<String>,
    /// Rows with a value.
    pub filled: u64,
    pub distinct: u64,
    /// Whether `distinct` was counted, and not estimated.
    pub is_exact: bool,
    /// NULL where nothing is filled, and for booleans.
    pub least: Cell,
    pub greatest: Cell,
    /// Of texts, in characters.
    pub average_length: f64,
    /// The most frequent values of a text or a whole number with how many rows have each, the most frequent first.
    pub top: Vec<(String, u64)>,
}

impl ColumnProfile {
    pub fn is_text(&self) -> bool {
        self.column_type == ColumnType::Text
    }

    pub fn is_day(&self) -> bool {
        matches!(self.column_type, ColumnType::Date | ColumnType::Timestamp)
    }

    /// The least and the greatest number.
    pub fn range(&self) -> Option<(f64, f64)> {
        Some((self.least.as_f64()?, self.greatest.as_f64()?))
    }
}

/// What a table holds.
#[derive(Clone, Debug, PartialEq)]
pub struct TableProfile {
    pub name: String,
    pub row_count: u64,
    pub columns: Vec<ColumnProfile>,
    pub doubts: Vec<String>,
    pub declared_key: Option<Vec<String>>,
    pub declared_references: Vec<Declared>,
}

impl TableProfile {
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether every row has its own value in a column, as far as the counts tell.
    pub fn may_be_unique(&self, column: &ColumnProfile) -> bool {
        // An estimate of a column of different values may come out a few percent low.
        const LEAST_ESTIMATED: f64 = 0.9;
        self.row_count > 0
            && column.filled == self.row_count
            && if column.is_exact {
                column.distinct == self.row_count
            } else {
                column.distinct as f64 >= LEAST_ESTIMATED * self.row_count as f64
            }
    }
}

/// What was asked of the values beyond single columns. Nothing is known of what was not asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Whether the rows of a table differ in these columns.
    pub unique: BTreeMap<(String, Vec<String>), bool>,
    /// Which share of the different values of one column is among those of another, from 0 to 1.
    pub contained: BTreeMap<(Place, Place), f64>,
    /// Within a table: of which share of the values of the first column all rows have the same value of the second,
    /// from 0 to 1.
    pub determines: BTreeMap<(String, String, String), f64>,
}

/// Looks at every column of a table.
///
/// # Errors
/// A statement that the engine refuses.
pub async fn profile(asker: &impl Ask, shape: &TableShape) -> Result<TableProfile> {
    let table = asker.table(&shape.name);
    let rows = asker.ask(&shape.name, &format!("SELECT COUNT(*) FROM {table}")).await?;
    let row_count = rows.first().map_or(0, |row| count(row.first()));
    let mut columns = Vec::with_capacity(shape.columns.len());
    for chunk in shape.columns.chunks(COLUMNS_AT_ONCE) {
        let is_exact = row_count <= EXACT_MAX_ROWS;
        let items: Vec<String> = chunk
            .iter()
            .flat_map(|column| {
                let name = quoted(&column.name);
                let distinct = if is_exact {
                    format!("COUNT(DISTINCT {name})")
                } else {
                    asker.about_distinct(&name)
                };
                let (least, greatest) = match column.column_type {
                    ColumnType::Boolean => ("NULL".to_owned(), "NULL".to_owned()),
                    _ => (format!("MIN({name})"), format!("MAX({name})")),
                };
                let length = match column.column_type {
                    ColumnType::Text => format!("AVG(CAST(LENGTH({name}) AS DOUBLE PRECISION))"),
                    _ => "0".to_owned(),
                };
                [format!("COUNT({name})"), distinct, least, greatest, length]
            })
            .enumerate()
            .map(|(at, item)| format!("{item} AS c{at}"))
            .collect();
        let sql = format!("SELECT {} FROM {table}", items.join(", "));
        let rows = asker.ask(&shape.name, &sql).await?;
        let row = rows.into_iter().next().unwrap_or_default();
        for (column, cells) in chunk.iter().zip(row.chunks(items.len() / chunk.len().max(1))) {
            columns.push(ColumnProfile {
                name: column.name.clone(),
                column_type: column.column_type,
                is_percent: column.is_percent,
                doubts: column.doubts.clone(),
                filled: count(cells.first()),
                distinct: count(cells.get(1)),
                is_exact,
                least: cells.get(2).cloned().unwrap_or(Cell::Null),
                greatest: cells.get(3).cloned().unwrap_or(Cell::Null),
                average_length: cells.get(4).and_then(Cell::as_f64).unwrap_or(0.0),
                top: Vec::new(),
            });
        }
    }
    for column in &mut columns {
        if matches!(column.column_type, ColumnType::Text | ColumnType::Integer)
            && (1..=TOP_MAX_DISTINCT).contains(&column.distinct)
        {
            let name = quoted(&column.name);
            let sql = format!(
                "SELECT CAST({name} AS VARCHAR) AS value, COUNT(*) AS weight FROM {table} WHERE {name} IS NOT NULL \
                 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP_VALUES}"
            );
            column.top = asker
                .ask(&shape.name, &sql)
                .await?
                .into_iter()
                .filter_map(|row| Some((row.first()?.as_str()?.to_owned(), count(row.get(1)))))
                .collect();
        }
    }
    Ok(TableProfile {
        name: shape.name.clone(),
        row_count,
        columns,
        doubts: shape.doubts.clone(),
        declared_key: shape.declared_key.clone(),
        declared_references: shape.declared_references.clone(),
    })
}

impl Evidence {
    /// Whether the rows of a table differ in these columns; asked at most once.
    pub(crate) async fn ask_unique(
        &mut self,
        asker: &impl Ask,
        table: &TableProfile,
        columns: &[String],
    ) -> Result<bool> {
        let question = (table.name.clone(), columns.to_vec());
        if let Some(known) = self.unique.get(&question) {
            return Ok(*known);
        }
        let list: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        let list = list.join(", ");
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT {list} FROM {} GROUP BY {list}) AS groups",
            asker.table(&table.name)
        );
        let rows = asker.ask(&table.name, &sql).await?;
        let unique = rows.first().map_or(0, |row| count(row.first())) == table.row_count && table.row_count > 0;
        self.unique.insert(question, unique);
        Ok(unique)
    }

    /// Which share of the different values of `from` is among those of `to`.
    pub(crate) async fn ask_contained(&mut self, asker: &impl Ask, from: &Place, to: &Place) -> Result<f64> {
        let question = (from.clone(), to.clone());
        if let Some(known) = self.contained.get(&question) {
            return Ok(*known);
        }
        let sql = format!(
            "SELECT COUNT(*), COUNT(one.value) FROM (SELECT DISTINCT {a} AS value FROM {many} WHERE {a} IS NOT NULL) \
             AS many LEFT JOIN (SELECT DISTINCT {b} AS value FROM {other} WHERE {b} IS NOT NULL) AS one \
             ON many.value = one.value",
            a = quoted(&from.column),
            b = quoted(&to.column),
            many = asker.table(&from.table),
            other = asker.table(&to.table),
        );
        let rows = asker.ask(&from.table, &sql).await?;
        let row = rows.first();
        let all = row.map_or(0, |row| count(row.first()));
        let found = row.map_or(0, |row| count(row.get(1)));
        let share = if all == 0 { 0.0 } else { found as f64 / all as f64 };
        self.contained.insert(question, share);
        Ok(share)
    }

    /// Of which share of the values of `from` all rows have the same value of `to`. Rows without either do not count.
    pub(crate) async fn ask_determines(&mut self, asker: &impl Ask, table: &str, from: &str, to: &str) -> Result<()> {
        let question = (table.to_owned(), from.to_owned(), to.to_owned());
        if self.determines.contains_key(&question) {
            return Ok(());
        }
        let sql = format!(
            "SELECT COUNT(*), COUNT(CASE WHEN different = 1 THEN 1 END) FROM (SELECT COUNT(DISTINCT {b}) AS different \
             FROM {t} WHERE {a} IS NOT NULL AND {b} IS NOT NULL GROUP BY {a}) AS groups",
            a = quoted(from),
            b = quoted(to),
            t = asker.table(table),
        );
        let rows = asker.ask(table, &sql).await?;
        let row = rows.first();
        let all = row.map_or(0, |row| count(row.first()));
        let same = row.map_or(0, |row| count(row.get(1)));
        let share = if all == 0 { 0.0 } else { same as f64 / all as f64 };
        self.determines.insert(question, share);
        Ok(())
    }
}

pub(crate) fn count(cell: Option<&Cell>) -> u64 {
    match cell {
        Some(Cell::Integer(count)) => u64::try_from(*count).unwrap_or(0),
        Some(Cell::Decimal(decimal)) => u64::try_from(decimal.mantissa).unwrap_or(0),
        _ => 0,
    }
}

/// A name in quotes, so that no name can be read as SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
