//! Rows with Redshift's types: what the Data API sends and what the product's tables are made of.

use crate::catalog::{Column, Name};
use crate::error::RedshiftError;
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::{CastOptions, cast_with_options},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Schema,
        TimeUnit, TimestampMicrosecondType,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use concert_contract::table::{self, Cell, ColumnType, Decimal, Table};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;

/// The length that is reported for a varchar of unknown length: Redshift's largest.
const VARCHAR_MAX: i32 = 65_535;

/// Every name that [`ColumnInfo::type_name`] can have.
const TYPE_NAMES: [&str; 14] = [
    "int2",
    "int4",
    "int8",
    "numeric",
    "float4",
    "float8",
    "bool",
    "bpchar",
    "varchar",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "super",
];

/// One of a few names; an alias, since serde would take a reference for one into the text that it reads.
type TypeName = &'static str;

/// What the Data API's `ColumnMetadata` says of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// As the statement names it; what a result's column is called.
    pub label: String,
    /// The column of the table, where it is one; else the label.
    pub name: String,
    /// Redshift's name of the type: `int2`, `int4`, `int8`, `numeric`, `float4`, `float8`, `bool`, `varchar`, `date`,
    /// `timestamp`, `timestamptz`, `bpchar`, `time`, `super`.
    #[serde(deserialize_with = "known_type")]
    pub type_name: TypeName,
    /// Digits of a number, characters of a text.
    pub precision: i32,
    pub scale: i32,
    /// False only where a column of a table is declared so.
    pub nullable: bool,
    pub schema: Option<String>,
    pub table: Option<String>,
    /// As SQL, for a column of a table that has one.
    #[serde(default)]
    pub default: Option<String>,
}

fn known_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(TYPE_NAMES.into_iter().find(|known| *known == name).unwrap_or("varchar"))
}

impl ColumnInfo {
    /// A column of a table, as it was declared.
    pub(crate) fn declared(column: &Column, name: &Name) -> ColumnInfo {
        let (precision, scale) = column.sql_type.precision_and_scale();
        ColumnInfo {
            label: column.name.clone(),
            name: column.name.clone(),
            type_name: column.sql_type.short_name(),
            precision,
            scale,
            nullable: !column.not_null,
            schema: Some(name.schema.clone()),
            table: Some(name.name.clone()),
            default: column.default.clone(),
        }
    }

    pub(crate) fn of(field: &Field, schema: Option<String>, table: Option<String>) -> ColumnInfo {
        let (type_name, precision, scale) = match canonical(field.data_type()) {
            DataType::Int16 => ("int2", 5, 0),
            DataType::Int32 => ("int4", 10, 0),
            DataType::Int64 => ("int8", 19, 0),
            DataType::Float32 => ("float4", 8, 8),
            DataType::Float64 => ("float8", 17, 17),
            DataType::Decimal128(precision, scale) => ("numeric", i32::from(precision), i32::from(scale)),
            DataType::Boolean => ("bool", 1, 0),
            DataType::Date32 => ("date", 13, 0),
            DataType::Timestamp(_, None) => ("timestamp", 29, 6),
            DataType::Timestamp(_, Some(_)) => ("timestamptz", 35, 6),
            DataType::Time32(_) | DataType::Time64(_) => ("time", 15, 6),
            _ => ("varchar", VARCHAR_MAX, 0),
        };
        ColumnInfo {
            label: field.name().clone(),
            name: field.name().clone(),
            type_name,
            precision,
            scale,
            nullable: field.is_nullable(),
            schema,
            table,
            default: None,
        }
    }

    /// Whether its numbers have a sign.
    pub fn is_signed(&self) -> bool {
        matches!(
            self.type_name,
            "int2" | "int4" | "int8" | "numeric" | "float4" | "float8"
        )
    }

    pub fn is_case_sensitive(&self) -> bool {
        matches!(self.type_name, "varchar" | "bpchar")
    }

    pub fn column_type(&self) -> ColumnType {
        match self.type_name {
            "int2" | "int4" | "int8" => ColumnType::Integer,
            "numeric" => ColumnType::Decimal,
            "float4" | "float8" => ColumnType::Float,
            "bool" => ColumnType::Boolean,
            "date" => ColumnType::Date,
            "timestamp" | "timestamptz" => ColumnType::Timestamp,
            _ => ColumnType::Text,
        }
    }
}

/// A value as the Data API's `Field` carries it: NUMERIC, dates and timestamps are text in Redshift's writing.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Long(i64),
    Double(f64),
    Text(String),
}

/// A statement's whole result.
#[derive(Clone, Debug)]
pub struct QueryResult {
    pub columns: Vec<ColumnInfo>,
    batches: Vec<RecordBatch>,
    row_count: usize,
}

/// The types that a result is brought to, so that reading a value knows few of them.
fn canonical(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Int16,
        DataType::UInt16 | DataType::Int32 => DataType::Int32,
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        DataType::Float64 => DataType::Float64,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *scale >= 0 =>
        {
            DataType::Decimal128((*precision).min(38), (*scale).min(38))
        }
        DataType::Boolean => DataType::Boolean,
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
        _ => DataType::Utf8,
    }
}

/// One batch in canonical types.
pub(crate) fn normalise(batch: &RecordBatch, columns: &[ColumnInfo]) -> Result<RecordBatch, RedshiftError> {
    let mut arrays = Vec::with_capacity(batch.num_columns());
    for (array, column) in batch.columns().iter().zip(columns) {
        let target = canonical(array.data_type());
        let array: ArrayRef = if array.data_type() == &target {
            Arc::clone(array)
        } else if is_nested(array.data_type()) {
            written(array).map_err(|error| value_error(column, &error))?
        } else {
            let options = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            cast_with_options(array, &target, &options).map_err(|error| value_error(column, &error))?
        };
        arrays.push(array);
    }
    let fields: Vec<Field> = arrays
        .iter()
        .enumerate()
        .map(|(i, array)| Field::new(i.to_string(), array.data_type().clone(), true))
        .collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| RedshiftError::Statement(error.into()))
}

/// Values in Redshift's writing.
pub(crate) fn texts(array: &ArrayRef) -> Result<ArrayRef, RedshiftError> {
    let canonical_type = canonical(array.data_type());
    if matches!(array.data_type(), DataType::Time64(_)) {
        return written(array).map_err(|error| RedshiftError::Statement(error.into()));
    }
    let array = arrow::compute::cast(array, &canonical_type).map_err(|error| RedshiftError::Statement(error.into()))?;
    let texts = (0..array.len()).map(|row| match value(&array, row) {
        Value::Null => None,
        Value::Boolean(value) => Some(value.to_string()),
        Value::Long(value) => Some(value.to_string()),
        Value::Double(value) => Some(value.to_string()),
        Value::Text(text) => Some(text),
    });
    Ok(Arc::new(texts.collect::<arrow::array::StringArray>()))
}

/// Lists, structs, intervals and the like, which Arrow does not cast to text.
fn is_nested(data_type: &DataType) -> bool {
    data_type.is_nested()
        || matches!(
            data_type,
            DataType::Interval(_) | DataType::Duration(_) | DataType::Time64(_)
        )
}

fn written(array: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let texts: Vec<Option<String>> = (0..array.len())
        .map(|row| (!array.is_null(row)).then(|| formatter.value(row).to_string()))
        .collect();
    Ok(Arc::new(arrow::array::StringArray::from(texts)))
}

fn value_error(column: &ColumnInfo, error: &arrow::error::ArrowError) -> RedshiftError {
    RedshiftError::Value {
        column: column.label.clone(),
        type_name: column.type_name,
        message: error.to_string(),
    }
}

impl QueryResult {
    pub(crate) fn new(columns: Vec<ColumnInfo>, batches: Vec<RecordBatch>) -> QueryResult {
        let row_count = batches.iter().map(RecordBatch::num_rows).sum();
        QueryResult {
            columns,
            batches,
            row_count,
        }
    }

    /// A result of texts: what SHOW and EXPLAIN answer with.
    pub(crate) fn texts(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Result<QueryResult, RedshiftError> {
        let fields: Vec<Field> = names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect();
        let columns = fields.iter().map(|field| ColumnInfo::of(field, None, None)).collect();
        let arrays = (0..names.len())
            .map(|i| {
                let texts = rows.iter().map(|row| row.get(i).cloned().flatten());
                Arc::new(texts.collect::<arrow::array::StringArray>()) as ArrayRef
            })
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| RedshiftError::Statement(error.into()))?;
        Ok(QueryResult::new(columns, vec![batch]))
    }

    pub(crate) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// What the rows take in memory.
    pub fn size_bytes(&self) -> usize {
        self.batches.iter().map(RecordBatch::get_array_memory_size).sum()
    }

    /// The rows from `offset` on.
    pub fn rows(&self, offset: usize) -> impl Iterator<Item = Vec<Value>> + '_ {
        self.cells(offset)
            .map(|(batch, row)| batch.columns().iter().map(|array| value(array, row)).collect())
    }

    fn cells(&self, offset: usize) -> impl Iterator<Item = (&RecordBatch, usize)> + '_ {
        let mut before = 0;
        self.batches
            .iter()
            .filter_map(move |batch| {
                let skip = offset.saturating_sub(before);
                before += batch.num_rows();
                (skip < batch.num_rows()).then_some((batch, skip))
            })
            .flat_map(|(batch, skip)| (skip..batch.num_rows()).map(move |row| (batch, row)))
    }

    /// The product's table: at most `max_rows` rows, `truncated` if there are more. `units` are taken by position;
    /// a column without one has none.
    ///
    /// # Errors
    /// A date or instant outside the years -9999 to 9999.
    pub fn to_table(&self, units: &[Option<String>], max_rows: usize) -> Result<Table, RedshiftError> {
        let columns = self.columns.iter().enumerate();
        let columns: Vec<table::Column> = columns
            .map(|(i, column)| table::Column {
                name: column.label.clone(),
                column_type: column.column_type(),
                unit: units.get(i).cloned().flatten(),
            })
            .collect();
        let mut rows = Vec::with_capacity(self.row_count.min(max_rows));
        for (batch, row) in self.cells(0).take(max_rows) {
            let cells = batch.columns().iter().zip(&self.columns);
            rows.push(
                cells
                    .map(|(array, column)| cell(array, row, column))
                    .collect::<Result<_, _>>()?,
            );
        }
        Ok(Table {
            columns,
            row_count: rows.len() as u64,
            rows,
            truncated: self.row_count > max_rows,
        })
    }
}

fn decimal(array: &ArrayRef, row: usize, scale: i8) -> Decimal {
    Decimal {
        mantissa: array.as_primitive::<Decimal128Type>().value(row),
        scale: u8::try_from(scale).unwrap_or_default(),
    }
}

fn date(days: i32) -> Option<Date> {
    Date::constant(1970, 1, 1)
        .checked_add(jiff::Span::new().try_days(days).ok()?)
        .ok()
}

fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Int16 => Value::Long(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Long(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Long(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Value::Double(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => Value::Text(decimal(array, row, *scale).to_string()),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            Value::Text(date(days).map_or_else(|| format!("{days} days"), |date| date.to_string()))
        }
        DataType::Timestamp(_, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Value::Text(match Timestamp::from_microsecond(micros) {
                Ok(instant) => {
                    let civil = instant.to_zoned(TimeZone::UTC).datetime();
                    let suffix = if zone.is_some() { "+00" } else { "" };
                    format!("{} {}{suffix}", civil.date(), civil.time())
                }
                Err(_) => format!("{micros} us"),
            })
        }
        _ => Value::Text(array.as_string::<i32>().value(row).to_owned()),
    }
}

fn cell(array: &ArrayRef, row: usize, column: &ColumnInfo) -> Result<Cell, RedshiftError> {
    if array.is_null(row) {
        return Ok(Cell::Null);
    }
    let out_of_range = || RedshiftError::Value {
        column: column.label.clone(),
        type_name: column.type_name,
        message: "it is outside the years -9999 to 9999".to_owned(),
    };
    Ok(match array.data_type() {
        DataType::Decimal128(_, scale) => Cell::Decimal(decimal(array, row, *scale)),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            Cell::Text(date(days).ok_or_else(out_of_range)?.to_string())
        }
        DataType::Timestamp(..) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Cell::Text(
                Timestamp::from_microsecond(micros)
                    .map_err(|_| out_of_range())?
                    .to_string(),
            )
        }
        _ => match value(array, row) {
            Value::Null => Cell::Null,
            Value::Boolean(value) => Cell::Boolean(value),
            Value::Long(value) => Cell::Integer(value),
            Value::Double(value) => Cell::Float(value),
            Value::Text(value) => Cell::Text(value),
        },
    })
}
