//! SUM and AVG by Redshift's types: SUM of small integers is a BIGINT, of BIGINT a NUMERIC(38,0), of a decimal one of 38
//! digits; AVG of integers is a BIGINT that is cut, and of a decimal keeps its scale. Doubles go to the engine's own.

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, Int64Array, PrimitiveArray},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Field, FieldRef, Int16Type, Int32Type, Int64Type},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    functions_aggregate::{average::avg_udaf, sum::sum_udaf},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};
use std::{collections::HashSet, sync::Arc};

use crate::types::SqlType;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Sum,
    Average,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Exact {
    what: What,
    signature: Signature,
}

impl Exact {
    pub fn sum() -> Exact {
        Exact {
            what: What::Sum,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    pub fn average() -> Exact {
        Exact {
            what: What::Average,
            ..Exact::sum()
        }
    }

    /// The engine's own, for doubles.
    fn of_floats(&self) -> Arc<AggregateUDF> {
        match self.what {
            What::Sum => sum_udaf(),
            What::Average => avg_udaf(),
        }
    }
}

fn is_float(data_type: &DataType) -> bool {
    data_type == &DataType::Float64
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        match self.what {
            What::Sum => "sum",
            What::Average => "avg",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Decimal128(..)] => Ok(types.to_vec()),
            [integer] if integer.is_integer() => Ok(vec![DataType::Int64]),
            [DataType::Decimal32(p, s) | DataType::Decimal64(p, s)] => Ok(vec![DataType::Decimal128(*p, *s)]),
            [other] if other.is_floating() || other.is_null() || other.is_decimal() => Ok(vec![DataType::Float64]),
            [other] => plan_err!(
                "function {}({}) does not exist: cast the argument to a number",
                self.name(),
                SqlType::of_arrow(other).long_name()
            ),
            _ => plan_err!("{} takes one argument", self.name()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (self.what, types) {
            (What::Sum, [DataType::Int64]) => DataType::Decimal128(38, 0),
            (_, [integer]) if integer.is_integer() => DataType::Int64,
            (_, [DataType::Decimal128(_, scale)]) => DataType::Decimal128(38, *scale),
            _ => DataType::Float64,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let exact = args.return_type().clone();
        if is_float(&exact) {
            return self.of_floats().accumulator(args);
        }
        let distinct = args.is_distinct.then(HashSet::new);
        Ok(Box::new(ExactAccumulator {
            sum: 0,
            count: 0,
            distinct,
            what: self.what,
            result: exact,
        }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if is_float(args.return_type()) {
            return self.of_floats().create_sliding_accumulator(args);
        }
        self.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if is_float(args.return_field.data_type()) {
            return self.of_floats().state_fields(args);
        }
        let sum = DataType::Decimal128(38, 0);
        if args.is_distinct {
            let items = Field::new_list_field(sum, true);
            return Ok(vec![
                Field::new_list(format_state_name(args.name, "values"), items, true).into(),
            ]);
        }
        Ok(vec![
            Field::new(format_state_name(args.name, "sum"), sum, true).into(),
            Field::new(format_state_name(args.name, "count"), DataType::Int64, true).into(),
        ])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        if is_float(args.return_type()) {
            return self.of_floats().groups_accumulator_supported(args);
        }
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if is_float(args.return_type()) {
            return self.of_floats().create_groups_accumulator(args);
        }
        Ok(Box::new(ExactGroups {
            sums: Vec::new(),
            counts: Vec::new(),
            what: self.what,
            result: args.return_type().clone(),
        }))
    }
}

/// The values of a column in units of its scale, each with its row.
fn each(array: &ArrayRef, mut f: impl FnMut(usize, i128) -> Result<()>) -> Result<()> {
    fn walk<T: ArrowPrimitiveType>(
        array: &PrimitiveArray<T>,
        f: &mut impl FnMut(usize, i128) -> Result<()>,
    ) -> Result<()>
    where
        i128: From<T::Native>,
    {
        if array.null_count() == 0 {
            for (row, value) in array.values().iter().enumerate() {
                f(row, i128::from(*value))?;
            }
        } else {
            for (row, value) in array.iter().enumerate() {
                if let Some(value) = value {
                    f(row, i128::from(value))?;
                }
            }
        }
        Ok(())
    }
    match array.data_type() {
        DataType::Decimal128(..) => walk(array.as_primitive::<Decimal128Type>(), &mut f),
        DataType::Int64 => walk(array.as_primitive::<Int64Type>(), &mut f),
        DataType::Int32 => walk(array.as_primitive::<Int32Type>(), &mut f),
        DataType::Int16 => walk(array.as_primitive::<Int16Type>(), &mut f),
        _ => walk(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>(), &mut f),
    }
}

fn plus(sum: i128, value: i128) -> Result<i128> {
    match sum.checked_add(value) {
        Some(sum) => Ok(sum),
        None => exec_err!("Numeric data overflow (addition)"),
    }
}

/// The result in units of its scale.
fn finish(what: What, result: &DataType, sum: i128, count: i64) -> Result<Option<i128>> {
    if count <= 0 {
        return Ok(None);
    }
    let value = match what {
        What::Sum => sum,
        What::Average => sum / i128::from(count),
    };
    let fits = match result {
        DataType::Int64 => i64::try_from(value).is_ok(),
        _ => value.unsigned_abs() < 10_u128.pow(38),
    };
    if fits {
        Ok(Some(value))
    } else if result == &DataType::Int64 {
        exec_err!("Value out of range for 8 bytes.")
    } else {
        exec_err!("Numeric data overflow (addition)")
    }
}

#[derive(Debug)]
struct ExactAccumulator {
    /// In units of the argument's scale.
    sum: i128,
    count: i64,
    distinct: Option<HashSet<i128>>,
    what: What,
    result: DataType,
}

impl ExactAccumulator {
    fn add(&mut self, value: i128) -> Result<()> {
        if let Some(seen) = &mut self.distinct
            && !seen.insert(value)
        {
            return Ok(());
        }
        self.sum = plus(self.sum, value)?;
        self.count += 1;
        Ok(())
    }
}

impl Accumulator for ExactAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values.first() {
            Some(array) => each(array, |_, value| self.add(value)),
            None => Ok(()),
        }
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(array) = values.first() else { return Ok(()) };
        each(array, |_, value| {
            self.sum = plus(self.sum, -value)?;
            self.count -= 1;
            Ok(())
        })
    }

    fn supports_retract_batch(&self) -> bool {
        self.distinct.is_none()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = finish(self.what, &self.result, self.sum, self.count)?;
        Ok(match &self.result {
            DataType::Decimal128(precision, scale) => ScalarValue::Decimal128(value, *precision, *scale),
            _ => ScalarValue::Int64(value.and_then(|value| i64::try_from(value).ok())),
        })
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = |value| ScalarValue::Decimal128(Some(value), 38, 0);
        Ok(match &self.distinct {
            Some(seen) => {
                let values: Vec<ScalarValue> = seen.iter().map(|value| sum(*value)).collect();
                vec![ScalarValue::List(ScalarValue::new_list_nullable(
                    &values,
                    &DataType::Decimal128(38, 0),
                ))]
            }
            None => vec![sum(self.sum), ScalarValue::Int64(Some(self.count))],
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        match states {
            [lists] => {
                for list in lists.as_list::<i32>().iter().flatten() {
                    each(&list, |_, value| self.add(value))?;
                }
                Ok(())
            }
            [sums, counts] => {
                let sums: &Decimal128Array = sums.as_primitive();
                let counts: &Int64Array = counts.as_primitive();
                for (sum, count) in sums.iter().zip(counts) {
                    self.sum = plus(self.sum, sum.unwrap_or(0))?;
                    self.count += count.unwrap_or(0);
                }
                Ok(())
            }
            _ => exec_err!("the state of {:?} has one or two parts", self.what),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + self
                .distinct
                .as_ref()
                .map_or(0, |seen| seen.capacity() * size_of::<i128>())
    }
}

/// All groups of a GROUP BY at once.
struct ExactGroups {
    sums: Vec<i128>,
    counts: Vec<i64>,
    what: What,
    result: DataType,
}

impl ExactGroups {
    fn take(&mut self, emit_to: EmitTo) -> (Vec<i128>, Vec<i64>) {
        (
            emit_to.take_needed(&mut self.sums),
            emit_to.take_needed(&mut self.counts),
        )
    }

    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.counts.resize(groups, 0);
    }
}

fn is_kept(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl GroupsAccumulator for ExactGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        let Some(array) = values.first() else { return Ok(()) };
        let (sums, counts) = (&mut self.sums, &mut self.counts);
        each(array, |row, value| {
            if is_kept(filter, row) {
                let group = groups[row];
                sums[group] = plus(sums[group], value)?;
                counts[group] += 1;
            }
            Ok(())
        })
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, counts) = self.take(emit_to);
        let values = sums
            .into_iter()
            .zip(counts)
            .map(|(sum, count)| finish(self.what, &self.result, sum, count))
            .collect::<Result<Vec<Option<i128>>>>()?;
        Ok(match &self.result {
            DataType::Decimal128(precision, scale) => {
                Arc::new(Decimal128Array::from(values).with_precision_and_scale(*precision, *scale)?)
            }
            _ => Arc::new(
                values
                    .into_iter()
                    .map(|value| value.and_then(|value| i64::try_from(value).ok()))
                    .collect::<Int64Array>(),
            ),
        })
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, counts) = self.take(emit_to);
        Ok(vec![
            Arc::new(Decimal128Array::from(sums).with_precision_and_scale(38, 0)?),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.resize(total);
        let [sums, counts] = states else {
            return exec_err!("the state of {:?} has two parts", self.what);
        };
        let sums: &Decimal128Array = sums.as_primitive();
        let counts: &Int64Array = counts.as_primitive();
        for (row, group) in groups.iter().enumerate() {
            self.sums[*group] = plus(self.sums[*group], sums.value(row))?;
            self.counts[*group] += counts.value(row);
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let Some(array) = values.first() else {
            return Ok(Vec::new());
        };
        let mut sums = vec![0_i128; array.len()];
        let mut counts = vec![0_i64; array.len()];
        each(array, |row, value| {
            if is_kept(filter, row) {
                sums[row] = value;
                counts[row] = 1;
            }
            Ok(())
        })?;
        Ok(vec![
            Arc::new(Decimal128Array::from(sums).with_precision_and_scale(38, 0)?),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<i64>()
    }
}
