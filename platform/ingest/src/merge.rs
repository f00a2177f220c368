//! Folds the records of one load into the rows that are there: what is new is added, what differs is merged into the row
//! of the same id, what is the same is left alone.
//!
//! A later value wins over an earlier one, and no value never wins over a value, whichever comes later. So loading a
//! file twice changes nothing, and two sources that each know half of a row make a whole one. The rule can be applied
//! piece by piece: records of one key are folded as they come, and what is folded is folded again.

use crate::{
    collect::{KEY_HASH, ORDINAL},
    stage::Run,
};
use arrow::{
    array::{
        Array, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
    },
    compute::{concat_batches, interleave, take, take_record_batch},
    datatypes::{DataType, Date32Type, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType},
    error::ArrowError,
    row::{Row, RowConverter, Rows, SortField},
};
use concert_contract::money::Currency;
use concert_lake::schema::TableDef;
use std::{collections::HashMap, sync::Arc};

/// How many records a folded row was made from.
const RECORDS: &str = "_records";

/// The columns of a stored row that say which run wrote it, behind all others.
const RUN_COLUMNS: usize = 2;

/// What a row gets where its source says nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Days since 1970-01-01: a concert before this day is over.
    pub today: i32,
    pub currency: Currency,
    pub run: Run,
}

/// The rows to write, and what became of the records that came in.
#[derive(Debug)]
pub struct Merged {
    /// Rows whose key was not there.
    pub fresh: RecordBatch,
    /// Rows that take the place of the ones with their key.
    pub changed: RecordBatch,
    pub clean: u64,
    pub merged: u64,
    pub unchanged: u64,
}

/// How many of a stored row's columns come from the record, and not from the run.
fn data_columns(table: &TableDef) -> usize {
    table.arrow_schema().fields().len() - RUN_COLUMNS
}

/// The columns of a folded row: those of a staged one, and the number of its records.
pub fn folded_schema(table: &TableDef) -> SchemaRef {
    let stored = table.arrow_schema();
    let mut fields = stored.fields()[..data_columns(table)].to_vec();
    for name in [KEY_HASH, ORDINAL, RECORDS] {
        fields.push(Arc::new(Field::new(name, DataType::Int64, true)));
    }
    Arc::new(Schema::new(fields))
}

/// A staged batch as one of folded rows, each of which is one record yet.
///
/// # Errors
/// [`ArrowError`] when the batch is not a staged one of this table.
pub fn unfolded(table: &TableDef, staged: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut columns = staged.columns().to_vec();
    columns.push(Arc::new(Int64Array::from_value(1, staged.num_rows())));
    RecordBatch::try_new(folded_schema(table), columns)
}

/// Folds the rows of each key into one, which stands where the first of them stood.
///
/// # Errors
/// [`ArrowError`] when the batch is none of folded rows.
pub fn fold(table: &TableDef, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let keys = key_rows(table, &batch)?;
    let mut group_of = Vec::with_capacity(batch.num_rows());
    let mut first_of = Vec::new();
    let mut seen: HashMap<Row<'_>, usize> = HashMap::with_capacity(batch.num_rows());
    for (row, key) in keys.iter().enumerate() {
        let group = *seen.entry(key).or_insert_with(|| {
            first_of.push(row);
            first_of.len() - 1
        });
        group_of.push(group);
    }
    if first_of.len() == batch.num_rows() {
        return Ok(batch);
    }
    let schema = batch.schema();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let picks: Vec<usize> = match field.name().as_str() {
            RECORDS => {
                let mut sums = vec![0; first_of.len()];
                for (group, records) in group_of.iter().zip(column.as_primitive::<Int64Type>().values()) {
                    sums[*group] += records;
                }
                columns.push(Arc::new(Int64Array::from(sums)));
                continue;
            }
            ORDINAL => first_of.clone(),
            _ => {
                let mut picks = first_of.clone();
                for (row, group) in group_of.iter().enumerate() {
                    if column.is_valid(row) {
                        picks[*group] = row;
                    }
                }
                picks
            }
        };
        let picks = UInt64Array::from_iter_values(picks.into_iter().map(|row| row as u64));
        columns.push(take(column, &picks, None)?);
    }
    RecordBatch::try_new(schema, columns)
}

/// Rows as they are stored, of staged or folded rows whose keys are not there.
///
/// # Errors
/// [`ArrowError`] when the batch is none of this table.
pub fn stored(table: &TableDef, batch: &RecordBatch, defaults: &Defaults) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns()[..data_columns(table)].to_vec();
    let given = given(table, &columns);
    let filled = filled(table, columns, &given, defaults);
    complete(table, filled, |_| false, &given, defaults)
}

/// Merges folded rows, no two of which have one key, into the rows of the same keys, which have the table's schema.
/// Other rows may be among `old`.
///
/// # Errors
/// [`ArrowError`] when a batch is none of this table.
pub fn merge(
    table: &TableDef,
    old: &[RecordBatch],
    new: &RecordBatch,
    defaults: &Defaults,
) -> Result<Merged, ArrowError> {
    let old = concat_batches(&table.arrow_schema(), old)?;
    let old_of = matches(table, &old, new)?;
    let records: Vec<u64> = match new.column_by_name(RECORDS) {
        Some(records) => records
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|records| records.unsigned_abs())
            .collect(),
        None => vec![1; new.num_rows()],
    };
    let columns = new.columns()[..data_columns(table)].to_vec();
    let given = given(table, &columns);
    let mut merged = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let picks: Vec<(usize, usize)> = old_of
            .iter()
            .enumerate()
            .map(|(row, old)| match old {
                Some(old) if column.is_null(row) => (0, *old),
                _ => (1, row),
            })
            .collect();
        merged.push(interleave(&[old.column(index).as_ref(), column.as_ref()], &picks)?);
    }
    let merged = filled(table, merged, &given, defaults);
    let changed = changed(table, &old, &merged, &old_of)?;
    let rows = complete(table, merged, |row| changed[row], &given, defaults)?;

    let (mut fresh, mut differing) = (Vec::new(), Vec::new());
    let mut counts = [0, 0, 0];
    for (row, old) in old_of.iter().enumerate() {
        let [clean, merged, unchanged] = &mut counts;
        match old {
            None => {
                *clean += 1;
                *merged += records[row] - 1;
                fresh.push(row as u64);
            }
            Some(_) if changed[row] => {
                *merged += records[row];
                differing.push(row as u64);
            }
            Some(_) => *unchanged += records[row],
        }
    }
    let [clean, merged, unchanged] = counts;
    Ok(Merged {
        fresh: take_record_batch(&rows, &UInt64Array::from(fresh))?,
        changed: take_record_batch(&rows, &UInt64Array::from(differing))?,
        clean,
        merged,
        unchanged,
    })
}

/// What a load itself said, of the columns that are filled where it says nothing.
#[derive(Default)]
struct Given {
    status: Vec<bool>,
    updated_at: Vec<bool>,
}

fn given(table: &TableDef, columns: &[ArrayRef]) -> Given {
    let of = |name| match table.column_index(name).and_then(|index| columns.get(index)) {
        Some(column) => (0..column.len()).map(|row| column.is_valid(row)).collect(),
        None => Vec::new(),
    };
    Given {
        status: of("status"),
        updated_at: of("updated_at"),
    }
}

/// Fills what no source says, except for the time of the last change.
fn filled(table: &TableDef, mut columns: Vec<ArrayRef>, given: &Given, defaults: &Defaults) -> Vec<ArrayRef> {
    if !holds_values(table) {
        return columns;
    }
    if let Some(index) = table.column_index("currency") {
        columns[index] = fill_text(&columns[index], defaults.currency.code());
    }
    if let Some(index) = table.column_index("created_at") {
        columns[index] = fill_instant(&columns[index], defaults.run.arrived_at, |_| false);
    }
    if let (Some(status), Some(day)) = (table.column_index("status"), table.column_index("event_date")) {
        columns[status] = statuses(&columns[status], &columns[day], &given.status, defaults.today);
    }
    columns
}

/// Adds the time of the last change and the run.
fn complete(
    table: &TableDef,
    mut columns: Vec<ArrayRef>,
    changed: impl Fn(usize) -> bool,
    given: &Given,
    defaults: &Defaults,
) -> Result<RecordBatch, ArrowError> {
    if let (Some(index), true) = (table.column_index("updated_at"), holds_values(table)) {
        columns[index] = fill_instant(&columns[index], defaults.run.arrived_at, |row| {
            changed(row) && !given.updated_at[row]
        });
    }
    let rows = columns.first().map_or(0, |column| column.len());
    columns.extend(defaults.run.columns(rows));
    RecordBatch::try_new(table.arrow_schema(), columns)
}

/// Whether the table is one of the model, and not the quarantine.
fn holds_values(table: &TableDef) -> bool {
    data_columns(table) > table.columns().len()
}

fn key_rows(table: &TableDef, batch: &RecordBatch) -> Result<Rows, ArrowError> {
    let key: Vec<ArrayRef> = table
        .key
        .iter()
        .filter_map(|name| table.column_index(name))
        .map(|i| Arc::clone(batch.column(i)))
        .collect();
    converter(&key)?.convert_columns(&key)
}

/// For each row of `new` the row of `old` that has its key.
fn matches(table: &TableDef, old: &RecordBatch, new: &RecordBatch) -> Result<Vec<Option<usize>>, ArrowError> {
    if old.num_rows() == 0 {
        return Ok(vec![None; new.num_rows()]);
    }
    // Converters of one kind of key write it alike.
    let (old_keys, new_keys) = (key_rows(table, old)?, key_rows(table, new)?);
    let wanted: HashMap<Row<'_>, usize> = new_keys.iter().enumerate().map(|(index, row)| (row, index)).collect();
    let mut found = vec![None; new.num_rows()];
    for (index, key) in old_keys.iter().enumerate() {
        if let Some(row) = wanted.get(&key) {
            found[*row] = Some(index);
        }
    }
    Ok(found)
}

fn converter(arrays: &[ArrayRef]) -> Result<RowConverter, ArrowError> {
    RowConverter::new(
        arrays
            .iter()
            .map(|array| SortField::new(array.data_type().clone()))
            .collect(),
    )
}

/// Which rows differ from the row that is there.
fn changed(
    table: &TableDef,
    old: &RecordBatch,
    merged: &[ArrayRef],
    old_of: &[Option<usize>],
) -> Result<Vec<bool>, ArrowError> {
    let mut changed = vec![false; old_of.len()];
    let with_old: Vec<(usize, usize)> = old_of
        .iter()
        .enumerate()
        .filter_map(|(row, old)| Some((row, (*old)?)))
        .collect();
    // What is put aside is never changed: its id is made of all that it holds.
    if with_old.is_empty() || !holds_values(table) {
        return Ok(changed);
    }
    let merged_index = UInt64Array::from_iter_values(with_old.iter().map(|(row, _)| *row as u64));
    let old_index = UInt64Array::from_iter_values(with_old.iter().map(|(_, old)| *old as u64));
    let model = 0..table.columns().len();
    let after = model
        .clone()
        .map(|i| take(&merged[i], &merged_index, None))
        .collect::<Result<Vec<_>, _>>()?;
    let before = model
        .map(|i| take(old.column(i), &old_index, None))
        .collect::<Result<Vec<_>, _>>()?;
    let converter = converter(&after)?;
    let (after, before) = (converter.convert_columns(&after)?, converter.convert_columns(&before)?);
    for (index, (row, _)) in with_old.iter().enumerate() {
        changed[*row] = after.row(index) != before.row(index);
    }
    Ok(changed)
}

fn fill_text(array: &ArrayRef, default: &str) -> ArrayRef {
    if array.null_count() == 0 {
        return Arc::clone(array);
    }
    let filled: StringArray = array
        .as_string::<i32>()
        .iter()
        .map(|text| Some(text.unwrap_or(default)))
        .collect();
    Arc::new(filled)
}

fn fill_instant(array: &ArrayRef, default: i64, overwrite: impl Fn(usize) -> bool) -> ArrayRef {
    let values = array.as_primitive::<TimestampMicrosecondType>();
    let filled: TimestampMicrosecondArray = values
        .iter()
        .enumerate()
        .map(|(row, value)| Some(value.filter(|_| !overwrite(row)).unwrap_or(default)))
        .collect();
    Arc::new(filled.with_timezone_opt(values.timezone().map(str::to_owned)))
}

/// The status where the source gives none: over if its day is before today, else scheduled. What was cancelled stays
/// cancelled until a source says otherwise.
fn statuses(status: &ArrayRef, day: &ArrayRef, given: &[bool], today: i32) -> ArrayRef {
    let (status, day) = (status.as_string::<i32>(), day.as_primitive::<Date32Type>());
    let by_date: StringArray = (0..status.len())
        .map(|row| {
            let said = status.is_valid(row).then(|| status.value(row));
            if given[row] || said == Some("cancelled") {
                return said;
            }
            Some(if day.is_valid(row) && day.value(row) < today {
                "completed"
            } else {
                "scheduled"
            })
        })
        .collect();
    Arc::new(by_date)
}
