//! Folds the rows of one load into the rows that are there: what is new is added, what differs is merged into the row
//! of the same id, what is the same is left alone.
//!
//! A later value wins over an earlier one, and no value never wins over a value, whichever comes later. So loading a
//! file twice changes nothing, and two sources that each know half of a row make a whole one.

use arrow::{
    array::{
        Array, ArrayRef, AsArray as _, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
    },
    compute::{concat_batches, filter_record_batch, interleave, take, take_record_batch},
    datatypes::{Date32Type, TimestampMicrosecondType},
    error::ArrowError,
    row::{Row, RowConverter, SortField},
};
use concert_contract::money::Currency;
use concert_lake::schema::TableDef;
use std::{collections::HashMap, sync::Arc};

/// What a row gets where its source says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Days since 1970-01-01: a concert before this day is over.
    pub today: i32,
    pub currency: Currency,
    /// The run's time, in microseconds since 1970-01-01.
    pub now: i64,
}

/// The rows to write, and what became of the records that came in.
#[derive(Debug)]
pub struct Merged {
    pub write: Write,
    pub clean: u64,
    pub merged: u64,
    pub unchanged: u64,
}

#[derive(Debug)]
pub enum Write {
    Nothing,
    Append(RecordBatch),
    /// All rows of the table.
    Replace(Vec<RecordBatch>),
}

/// The records of one id.
struct Group {
    old: Option<usize>,
    first: usize,
    last: usize,
    records: u64,
}

/// Merges `new`, in the order in which the records came, into `old`. Both have the table's stored schema.
pub fn merge(
    table: &TableDef,
    old: &[RecordBatch],
    new: RecordBatch,
    defaults: Defaults,
) -> Result<Merged, ArrowError> {
    let schema = table.arrow_schema();
    check_size(old, &new)?;
    let old = concat_batches(&schema, old)?;
    let (groups, group_of) = group(table, &old, &new)?;

    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    // Which columns of a group were given by this load; only kept for the columns that are filled by default.
    let mut given: HashMap<&str, Vec<bool>> = HashMap::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let (old, new) = (old.column(index), new.column(index));
        let picks = match table.columns().get(index) {
            Some(column) => {
                let mut picks: Vec<(usize, usize)> = groups
                    .iter()
                    .map(|g| g.old.map_or((1, g.first), |row| (0, row)))
                    .collect();
                for (row, group) in group_of.iter().enumerate() {
                    if new.is_valid(row) {
                        picks[*group] = (1, row);
                    }
                }
                if matches!(column.name, "status" | "updated_at") {
                    given.insert(
                        column.name,
                        picks
                            .iter()
                            .map(|(side, row)| *side == 1 && new.is_valid(*row))
                            .collect(),
                    );
                }
                picks
            }
            // Lineage names the last record.
            None => groups.iter().map(|g| (1, g.last)).collect(),
        };
        let picked = interleave(&[old.as_ref(), new.as_ref()], &picks)?;
        let filled: ArrayRef = match field.name().as_str() {
            "currency" => fill_text(&picked, defaults.currency.code()),
            "created_at" => fill_instant(&picked, defaults.now, |_| false),
            _ => picked,
        };
        columns.push(filled);
    }
    if let (Some(status), Some(day)) = (table.column_index("status"), table.column_index("event_date")) {
        let given = given.get("status").map(Vec::as_slice).unwrap_or_default();
        columns[status] = statuses(&columns[status], &columns[day], given, defaults.today);
    }

    let changed = changed(table, &old, &columns, &groups)?;
    if let Some(index) = table.column_index("updated_at") {
        let given = given.get("updated_at").map(Vec::as_slice).unwrap_or_default();
        columns[index] = fill_instant(&columns[index], defaults.now, |group| changed[group] && !given[group]);
    }
    let rows = RecordBatch::try_new(schema, columns)?;

    let mut outcome = Merged {
        write: Write::Nothing,
        clean: 0,
        merged: 0,
        unchanged: 0,
    };
    let mut fresh: Vec<u64> = Vec::new();
    let mut differing: Vec<u64> = Vec::new();
    let mut kept = vec![true; old.num_rows()];
    for (index, group) in groups.iter().enumerate() {
        match group.old {
            None => {
                outcome.clean += 1;
                outcome.merged += group.records - 1;
                fresh.push(index as u64);
            }
            Some(row) if changed[index] => {
                outcome.merged += group.records;
                differing.push(index as u64);
                kept[row] = false;
            }
            Some(_) => outcome.unchanged += group.records,
        }
    }
    let fresh = take_record_batch(&rows, &UInt64Array::from(fresh))?;
    if !differing.is_empty() {
        let differing = take_record_batch(&rows, &UInt64Array::from(differing))?;
        let kept = filter_record_batch(&old, &BooleanArray::from(kept))?;
        outcome.write = Write::Replace(vec![kept, differing, fresh]);
    } else if fresh.num_rows() > 0 {
        outcome.write = Write::Append(fresh);
    }
    Ok(outcome)
}

fn converter(arrays: &[ArrayRef]) -> Result<RowConverter, ArrowError> {
    RowConverter::new(
        arrays
            .iter()
            .map(|array| SortField::new(array.data_type().clone()))
            .collect(),
    )
}

/// Arrow's text columns end at 2 GiB, and some of its kernels panic there.
fn check_size(old: &[RecordBatch], new: &RecordBatch) -> Result<(), ArrowError> {
    for column in 0..new.num_columns() {
        let text = |batch: &RecordBatch| {
            batch
                .column(column)
                .as_string_opt::<i32>()
                .map_or(0, |t| t.value_data().len())
        };
        let bytes = old.iter().map(text).sum::<usize>() + text(new);
        if i32::try_from(bytes).is_err() {
            return Err(ArrowError::OffsetOverflowError(bytes));
        }
    }
    Ok(())
}

/// Puts the records of `new` together by key, in the order of each key's first record.
fn group(table: &TableDef, old: &RecordBatch, new: &RecordBatch) -> Result<(Vec<Group>, Vec<usize>), ArrowError> {
    let key = |batch: &RecordBatch| -> Vec<ArrayRef> {
        table
            .key
            .iter()
            .filter_map(|name| table.column_index(name))
            .map(|i| Arc::clone(batch.column(i)))
            .collect()
    };
    let (old_key, new_key) = (key(old), key(new));
    let converter = converter(&new_key)?;
    let old_rows = converter.convert_columns(&old_key)?;
    let new_rows = converter.convert_columns(&new_key)?;
    let known: HashMap<Row<'_>, usize> = old_rows.iter().enumerate().map(|(index, row)| (row, index)).collect();
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of = Vec::with_capacity(new.num_rows());
    let mut seen: HashMap<Row<'_>, usize> = HashMap::with_capacity(new.num_rows());
    for (index, row) in new_rows.iter().enumerate() {
        let group = *seen.entry(row).or_insert_with(|| {
            groups.push(Group {
                old: known.get(&row).copied(),
                first: index,
                last: index,
                records: 0,
            });
            groups.len() - 1
        });
        groups[group].last = index;
        groups[group].records += 1;
        group_of.push(group);
    }
    Ok((groups, group_of))
}

/// Which groups differ from the row that is there.
fn changed(
    table: &TableDef,
    old: &RecordBatch,
    merged: &[ArrayRef],
    groups: &[Group],
) -> Result<Vec<bool>, ArrowError> {
    let with_old: Vec<(u64, u64)> = groups
        .iter()
        .enumerate()
        .filter_map(|(g, group)| Some((g as u64, group.old? as u64)))
        .collect();
    let mut changed = vec![false; groups.len()];
    if with_old.is_empty() {
        return Ok(changed);
    }
    let group_index = UInt64Array::from_iter_values(with_old.iter().map(|(group, _)| *group));
    let old_index = UInt64Array::from_iter_values(with_old.iter().map(|(_, row)| *row));
    let model = 0..table.columns().len();
    let after = model
        .clone()
        .map(|i| take(&merged[i], &group_index, None))
        .collect::<Result<Vec<_>, _>>()?;
    let before = model
        .map(|i| take(old.column(i), &old_index, None))
        .collect::<Result<Vec<_>, _>>()?;
    let converter = converter(&after)?;
    let (after, before) = (converter.convert_columns(&after)?, converter.convert_columns(&before)?);
    for (row, (group, _)) in with_old.iter().enumerate() {
        changed[usize::try_from(*group).unwrap_or_default()] = after.row(row) != before.row(row);
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
