//! Aggregates that put their input in order: LISTAGG, PERCENTILE_CONT, PERCENTILE_DISC and MEDIAN. Their order stands
//! among the arguments (`listagg(x, ', ', 'desc nulls first', k)`), so that they work in groups and in windows.

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray,
        new_empty_array,
    },
    compute::{SortColumn, SortOptions, cast, concat, filter, is_not_null, lexsort_to_indices, take},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, FieldRef, Float64Type, Int64Type, Schema, TimeUnit,
        TimestampMicrosecondType,
    },
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        Accumulator, AggregateUDFImpl, ColumnarValue, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};
use std::{collections::HashSet, sync::Arc};

use crate::types::SqlType;

/// "If the result set size is larger than the maximum VARCHAR size".
const LISTAGG_MAX_BYTES: usize = 65_535;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    /// `(value, delimiter, order, keys ...)`
    List,
    /// `(fraction, order, key)`
    Continuous,
    Discrete,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sorted {
    what: What,
    signature: Signature,
}

impl Sorted {
    fn new(what: What) -> Sorted {
        Sorted {
            what,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    pub fn listagg() -> Sorted {
        Sorted::new(What::List)
    }

    pub fn percentile_cont() -> Sorted {
        Sorted::new(What::Continuous)
    }

    pub fn percentile_disc() -> Sorted {
        Sorted::new(What::Discrete)
    }

    /// Which of the arguments are kept for each row.
    fn kept(&self, count: usize) -> Vec<usize> {
        match self.what {
            What::List => std::iter::once(0).chain(3..count).collect(),
            _ => vec![2],
        }
    }
}

fn no_such(name: &str, types: &[DataType]) -> String {
    let names: Vec<&str> = types.iter().map(|one| SqlType::of_arrow(one).long_name()).collect();
    format!("function {name}({}) does not exist", names.join(", "))
}

/// A fraction's scale: the result of an interpolation has at least as many places.
fn fraction_scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}

fn continuous(fraction: &DataType, key: &DataType) -> Option<DataType> {
    let (precision, scale) = match key {
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        DataType::Float64 | DataType::Date32 | DataType::Timestamp(..) => return Some(key.clone()),
        _ => return None,
    };
    let wider = scale.max(fraction_scale(fraction));
    let whole = i16::from(precision) - i16::from(scale);
    let precision = (whole + i16::from(wider)).clamp(1, 38);
    Some(DataType::Decimal128(u8::try_from(precision).unwrap_or(38), wider))
}

impl AggregateUDFImpl for Sorted {
    fn name(&self) -> &str {
        match self.what {
            What::List => "listagg",
            What::Continuous => "percentile_cont",
            What::Discrete => "percentile_disc",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match (self.what, types) {
            (What::List, [_, _, order, keys @ ..]) => {
                let mut coerced = vec![DataType::Utf8, DataType::Utf8, order.clone()];
                coerced.extend_from_slice(keys);
                Ok(coerced)
            }
            (What::Continuous | What::Discrete, [fraction, order, key]) if fraction.is_numeric() => {
                let key = match key {
                    DataType::Float16 | DataType::Float32 => DataType::Float64,
                    DataType::Null => DataType::Float64,
                    DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
                    DataType::Int8 | DataType::UInt8 => DataType::Int16,
                    DataType::UInt16 => DataType::Int32,
                    DataType::UInt32 | DataType::UInt64 => DataType::Int64,
                    other => other.clone(),
                };
                if self.what == What::Continuous && continuous(fraction, &key).is_none() {
                    return plan_err!("{}", no_such(self.name(), &[key]));
                }
                Ok(vec![fraction.clone(), order.clone(), key])
            }
            _ => plan_err!("{}", no_such(self.name(), types)),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.what, types) {
            (What::List, _) => Ok(DataType::Utf8),
            (What::Discrete, [_, _, key]) => Ok(key.clone()),
            (What::Continuous, [fraction, _, key]) => match continuous(fraction, key) {
                Some(returned) => Ok(returned),
                None => plan_err!("{}", no_such(self.name(), types)),
            },
            _ => plan_err!("{}", no_such(self.name(), types)),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let constant = |at: usize| -> Result<ScalarValue> {
            let Some(expr) = args.exprs.get(at) else {
                return exec_err!("an argument of {} is missing", self.name());
            };
            let options = RecordBatchOptions::new().with_row_count(Some(1));
            let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
            match expr.evaluate(&batch) {
                Ok(ColumnarValue::Scalar(value)) => Ok(value),
                Ok(ColumnarValue::Array(array)) => ScalarValue::try_from_array(&array, 0),
                Err(_) => exec_err!("argument {} of {} must be a constant", at + 1, self.name()),
            }
        };
        let order = match constant(if self.what == What::List { 2 } else { 1 })? {
            ScalarValue::Utf8(Some(order)) => order,
            _ => String::new(),
        };
        let kept = self.kept(args.exprs.len());
        let columns = kept
            .iter()
            .map(|at| match args.expr_fields.get(*at) {
                Some(field) => Ok((field.data_type().clone(), Vec::new())),
                None => exec_err!("an argument of {} is missing", self.name()),
            })
            .collect::<Result<_>>()?;
        let first = constant(if self.what == What::List { 1 } else { 0 })?;
        let (delimiter, fraction) = match self.what {
            What::List => (first.to_string(), (0, 0)),
            _ => (String::new(), read_fraction(&first)?),
        };
        Ok(Box::new(SortedAccumulator {
            what: self.what,
            kept,
            columns,
            order: Order::read(&order),
            delimiter,
            fraction,
            returned: args.return_type().clone(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let kept = self.kept(args.input_fields.len());
        Ok(kept
            .iter()
            .filter_map(|at| args.input_fields.get(*at))
            .enumerate()
            .map(|(i, field)| {
                let items = Field::new_list_field(field.data_type().clone(), true);
                Field::new_list(format_state_name(args.name, &format!("column{i}")), items, true).into()
            })
            .collect())
    }
}

/// A fraction between 0 and 1 as units and their scale.
fn read_fraction(value: &ScalarValue) -> Result<(i128, u32)> {
    let (units, scale) = match value {
        ScalarValue::Decimal128(Some(units), _, scale) => (*units, u32::try_from(*scale).unwrap_or(0)),
        ScalarValue::Int16(Some(n)) => (i128::from(*n), 0),
        ScalarValue::Int32(Some(n)) => (i128::from(*n), 0),
        ScalarValue::Int64(Some(n)) => (i128::from(*n), 0),
        #[allow(clippy::cast_possible_truncation)]
        ScalarValue::Float64(Some(x)) => ((x * 1e12).round() as i128, 12),
        _ => return exec_err!("the percentile must be a constant between 0 and 1"),
    };
    if units < 0 || units > 10_i128.pow(scale) {
        return exec_err!("percentile value must be between 0 and 1");
    }
    Ok((units, scale))
}

#[derive(Debug)]
struct Order {
    distinct: bool,
    keys: Vec<SortOptions>,
}

impl Order {
    fn read(text: &str) -> Order {
        let mut order = Order {
            distinct: false,
            keys: Vec::new(),
        };
        for part in text.split(',').filter(|part| !part.is_empty()) {
            if part == "distinct" {
                order.distinct = true;
            } else {
                order.keys.push(SortOptions {
                    descending: part.starts_with("desc"),
                    nulls_first: part.ends_with("first"),
                });
            }
        }
        order
    }
}

#[derive(Debug)]
struct SortedAccumulator {
    what: What,
    kept: Vec<usize>,
    /// The rows so far, as they came.
    columns: Vec<(DataType, Vec<ArrayRef>)>,
    order: Order,
    delimiter: String,
    fraction: (i128, u32),
    returned: DataType,
}

impl SortedAccumulator {
    fn whole(&self, at: usize) -> Result<ArrayRef> {
        let Some((data_type, parts)) = self.columns.get(at) else {
            return exec_err!("a column of the state is missing");
        };
        if parts.is_empty() {
            return Ok(new_empty_array(data_type));
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(concat(&parts)?)
    }

    fn list(&self) -> Result<ScalarValue> {
        let mut values = self.whole(0)?;
        if self.columns.len() > 1 {
            let keys = (1..self.columns.len())
                .map(|at| {
                    Ok(SortColumn {
                        values: self.whole(at)?,
                        options: self.order.keys.get(at - 1).copied(),
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            values = take(&values, &lexsort_to_indices(&keys, None)?, None)?;
        }
        let mut seen = HashSet::new();
        let mut out: Option<String> = None;
        for value in values.as_string::<i32>().iter().flatten() {
            if self.order.distinct && !seen.insert(value) {
                continue;
            }
            match &mut out {
                Some(out) => {
                    out.push_str(&self.delimiter);
                    out.push_str(value);
                }
                None => out = Some(value.to_owned()),
            }
            if out.as_ref().is_some_and(|out| out.len() > LISTAGG_MAX_BYTES) {
                return exec_err!("Result size exceeds LISTAGG limit");
            }
        }
        Ok(ScalarValue::Utf8(out))
    }

    /// The values that are not NULL, in order.
    fn sorted(&self) -> Result<ArrayRef> {
        let values = self.whole(0)?;
        let options = self.order.keys.first().copied();
        let indices = lexsort_to_indices(
            &[SortColumn {
                values: Arc::clone(&values),
                options,
            }],
            None,
        )?;
        Ok(take(&values, &indices, None)?)
    }

    fn discrete(&self) -> Result<ScalarValue> {
        let values = self.sorted()?;
        if values.is_empty() {
            return ScalarValue::try_from(&self.returned);
        }
        let (units, scale) = self.fraction;
        let count = i128::try_from(values.len()).unwrap_or(i128::MAX);
        // The first value whose share of rows up to it reaches the fraction.
        let one = 10_i128.pow(scale);
        let rank = (units * count + one - 1) / one;
        let at = usize::try_from(rank.max(1) - 1).unwrap_or(0);
        ScalarValue::try_from_array(&values, at.min(values.len() - 1))
    }

    #[allow(clippy::cast_precision_loss)]
    fn interpolated(&self) -> Result<ScalarValue> {
        let values = self.sorted()?;
        if values.is_empty() {
            return ScalarValue::try_from(&self.returned);
        }
        let (units, scale) = self.fraction;
        let one = 10_i128.pow(scale);
        let position = units * i128::try_from(values.len() - 1).unwrap_or(0);
        let low = usize::try_from(position / one).unwrap_or(0);
        let high = (low + 1).min(values.len() - 1);
        let rest = position % one;
        match &self.returned {
            DataType::Float64 => {
                let values = values.as_primitive::<Float64Type>();
                let (low, high) = (values.value(low), values.value(high));
                let share = rest as f64 / one as f64;
                Ok(ScalarValue::Float64(Some(low + (high - low) * share)))
            }
            DataType::Decimal128(precision, kept) => {
                let (values, from) = match values.data_type() {
                    DataType::Decimal128(_, from) => (Arc::clone(&values), *from),
                    _ => {
                        let integers = cast(&values, &DataType::Int64)?;
                        let units = integers.as_primitive::<Int64Type>();
                        let units: arrow::array::Decimal128Array = units.iter().map(|x| x.map(i128::from)).collect();
                        (Arc::new(units) as ArrayRef, 0)
                    }
                };
                let values = values.as_primitive::<Decimal128Type>();
                let (low, high) = (values.value(low), values.value(high));
                // In units of the key's scale and the fraction's, then rounded to the result's.
                let exact = low
                    .checked_mul(one)
                    .zip(high.checked_sub(low).and_then(|gap| gap.checked_mul(rest)))
                    .and_then(|(low, gap)| low.checked_add(gap));
                let drop = i32::from(from) + i32::try_from(scale).unwrap_or(0) - i32::from(*kept);
                let value = exact.and_then(|exact| {
                    let power = 10_i128.checked_pow(drop.unsigned_abs())?;
                    if drop >= 0 {
                        let (whole, rest) = (exact / power, exact % power);
                        Some(if rest.unsigned_abs() * 2 >= power.unsigned_abs() {
                            whole + rest.signum()
                        } else {
                            whole
                        })
                    } else {
                        exact.checked_mul(power)
                    }
                });
                match value {
                    Some(value) => Ok(ScalarValue::Decimal128(Some(value), *precision, *kept)),
                    None => exec_err!("Numeric data overflow (result precision)"),
                }
            }
            returned => {
                let at = |at: usize| -> i128 {
                    match values.data_type() {
                        DataType::Date32 => i128::from(values.as_primitive::<Date32Type>().value(at)),
                        _ => i128::from(values.as_primitive::<TimestampMicrosecondType>().value(at)),
                    }
                };
                let value = at(low) + (at(high) - at(low)) * rest / one;
                let array: ArrayRef = match returned {
                    DataType::Date32 => Arc::new(Date32Array::from(vec![i32::try_from(value).unwrap_or_default()])),
                    DataType::Timestamp(_, zone) => Arc::new(
                        TimestampMicrosecondArray::from(vec![i64::try_from(value).unwrap_or_default()])
                            .with_timezone_opt(zone.clone()),
                    ),
                    other => return exec_err!("there is nothing between two values of type {other}"),
                };
                ScalarValue::try_from_array(&array, 0)
            }
        }
    }
}

impl Accumulator for SortedAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(subject) = self.kept.first().and_then(|at| values.get(*at)) else {
            return Ok(());
        };
        // NULLs take no part.
        let known = (subject.null_count() > 0).then(|| is_not_null(subject)).transpose()?;
        for (at, (_, parts)) in self.kept.iter().zip(&mut self.columns) {
            let Some(array) = values.get(*at) else { continue };
            let array = match &known {
                Some(known) => filter(array, known)?,
                None => Arc::clone(array),
            };
            if !array.is_empty() {
                parts.push(array);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.what {
            What::List => self.list(),
            What::Continuous => self.interpolated(),
            What::Discrete => self.discrete(),
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        (0..self.columns.len())
            .map(|at| {
                let whole = self.whole(at)?;
                let offsets = arrow::buffer::OffsetBuffer::from_lengths([whole.len()]);
                let items = Arc::new(Field::new_list_field(whole.data_type().clone(), true));
                let list = arrow::array::ListArray::try_new(items, offsets, whole, None)?;
                Ok(ScalarValue::List(Arc::new(list)))
            })
            .collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (lists, (_, parts)) in states.iter().zip(&mut self.columns) {
            for list in lists.as_list::<i32>().iter().flatten() {
                if !list.is_empty() {
                    parts.push(list);
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        let arrays = self.columns.iter().flat_map(|(_, parts)| parts);
        size_of_val(self) + arrays.map(|array| array.get_array_memory_size()).sum::<usize>()
    }
}
