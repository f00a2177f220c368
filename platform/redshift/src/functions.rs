//! Functions that Redshift has and DataFusion does not, or has otherwise: DATEADD and DATEDIFF, and AVG, which in
//! Redshift gives a BIGINT for integers (cut, not rounded) and keeps a decimal's scale.

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    functions_aggregate::average::avg_udaf,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, GroupsAccumulator, ScalarFunctionArgs,
        ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        simplify::{ExprSimplifyResult, SimplifyContext},
        utils::format_state_name,
    },
    prelude::SessionContext,
};
use jiff::civil::DateTime;
use std::sync::Arc;

const MICROSECONDS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The name of [`Typed`].
pub(crate) const TYPED: &str = "typed";

pub(crate) fn register(context: &SessionContext) {
    context.register_udf(ScalarUDF::from(DateAdd {
        signature: Signature::user_defined(Volatility::Immutable),
    }));
    context.register_udf(ScalarUDF::from(Typed {
        signature: Signature::any(2, Volatility::Immutable),
    }));
    context.register_udf(ScalarUDF::from(DateDiff {
        signature: Signature::user_defined(Volatility::Immutable),
    }));
    context.register_udf(crate::zone::convert_timezone());
    context.register_udaf(AggregateUDF::from(Average {
        signature: Signature::user_defined(Volatility::Immutable),
    }));
}

fn date_time(microseconds: i64) -> Result<DateTime> {
    match jiff::Timestamp::from_microsecond(microseconds) {
        Ok(instant) => Ok(instant.to_zoned(jiff::tz::TimeZone::UTC).datetime()),
        Err(_) => exec_err!("timestamp out of range"),
    }
}

fn microseconds(value: DateTime) -> Result<i64> {
    match value.to_zoned(jiff::tz::TimeZone::UTC) {
        Ok(zoned) => Ok(zoned.timestamp().as_microsecond()),
        Err(_) => exec_err!("timestamp out of range"),
    }
}

/// The part of a date, which is a literal: the rewriting of the statement made it one.
fn part<'a>(function: &str, args: &'a ScalarFunctionArgs) -> Result<&'a str> {
    match args.args.first() {
        Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(part)) | ScalarValue::Utf8View(Some(part)))) => Ok(part),
        _ => exec_err!("{function} takes a part of a date as its first argument"),
    }
}

fn arrays(args: &ScalarFunctionArgs, types: [&DataType; 2]) -> Result<(ArrayRef, ArrayRef)> {
    let array = |index: usize| -> Result<ArrayRef> {
        match args.args.get(index) {
            Some(value) => Ok(cast(&value.to_array(args.number_rows)?, types[index - 1])?),
            None => exec_err!("two arguments are missing"),
        }
    };
    Ok((array(1)?, array(2)?))
}

fn three(name: &str, types: &[DataType], last_two: [DataType; 2]) -> Result<Vec<DataType>> {
    match types {
        [part, ..] if types.len() == 3 => {
            let [second, third] = last_two;
            Ok(vec![part.clone(), second, third])
        }
        _ => plan_err!("{name} takes a part of a date and two more arguments"),
    }
}

/// `DATEADD(part, count, date)` gives a timestamp, as Redshift does for dates too.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateAdd {
    signature: Signature,
}

impl ScalarUDFImpl for DateAdd {
    fn name(&self) -> &str {
        "dateadd"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(MICROSECONDS)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        three("DATEADD", types, [DataType::Int64, MICROSECONDS])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let part = part("DATEADD", &args)?;
        let (counts, dates) = arrays(&args, [&DataType::Int64, &MICROSECONDS])?;
        let counts = counts.as_primitive::<Int64Type>();
        let dates = dates.as_primitive::<TimestampMicrosecondType>();
        let moved: Result<TimestampMicrosecondArray> = counts
            .iter()
            .zip(dates)
            .map(|pair| match pair {
                (Some(count), Some(date)) => add(part, count, date_time(date)?).and_then(microseconds).map(Some),
                _ => Ok(None),
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(moved?)))
    }
}

/// The last day of a shorter month stands for the days that it lacks.
fn add(part: &str, count: i64, date: DateTime) -> Result<DateTime> {
    let span = jiff::Span::new();
    let span = match part {
        "year" => span.try_years(count),
        "quarter" => span.try_months(count.saturating_mul(3)),
        "month" => span.try_months(count),
        "week" => span.try_weeks(count),
        "day" | "dow" | "doy" => span.try_days(count),
        "hour" => span.try_hours(count),
        "minute" => span.try_minutes(count),
        "second" | "epoch" => span.try_seconds(count),
        "millisecond" => span.try_milliseconds(count),
        "microsecond" => span.try_microseconds(count),
        _ => return exec_err!("DATEADD does not know the part {part}"),
    };
    match span.and_then(|span| date.checked_add(span)) {
        Ok(moved) => Ok(moved),
        Err(_) => exec_err!("DATEADD of {count} {part}s to {date} is out of range"),
    }
}

/// `typed(x, 'float8')` is x. It exists until the plan is optimised, to keep a cast's type in an expression's name.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Typed {
    signature: Signature,
}

impl ScalarUDFImpl for Typed {
    fn name(&self) -> &str {
        TYPED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [first, _] => Ok(first.clone()),
            _ => plan_err!("{TYPED} takes two arguments"),
        }
    }

    fn simplify(&self, mut args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(if args.len() == 2 {
            ExprSimplifyResult::Simplified(args.swap_remove(0))
        } else {
            ExprSimplifyResult::Original(args)
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.into_iter().next() {
            Some(value) => Ok(value),
            None => exec_err!("{TYPED} takes two arguments"),
        }
    }
}

/// `DATEDIFF(part, from, to)` counts the boundaries between two dates: from 31 December to 1 January is one year.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateDiff {
    signature: Signature,
}

impl ScalarUDFImpl for DateDiff {
    fn name(&self) -> &str {
        "datediff"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        three("DATEDIFF", types, [MICROSECONDS, MICROSECONDS])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let part = part("DATEDIFF", &args)?;
        let (from, to) = arrays(&args, [&MICROSECONDS, &MICROSECONDS])?;
        let from = from.as_primitive::<TimestampMicrosecondType>();
        let to = to.as_primitive::<TimestampMicrosecondType>();
        let counts: Result<Int64Array> = from
            .iter()
            .zip(to)
            .map(|pair| match pair {
                (Some(from), Some(to)) => Ok(Some(
                    boundary(part, date_time(to)?)? - boundary(part, date_time(from)?)?,
                )),
                _ => Ok(None),
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(counts?)))
    }
}

/// How many whole parts lie before a date, counted from a fixed day.
fn boundary(part: &str, date: DateTime) -> Result<i64> {
    let year = i64::from(date.year());
    let month = i64::from(date.month()) - 1;
    let micros = microseconds(date)?;
    Ok(match part {
        "year" => year,
        "quarter" => year * 4 + month / 3,
        "month" => year * 12 + month,
        // 1970-01-04 was a Sunday, with which Redshift's weeks begin here.
        "week" => (micros.div_euclid(86_400_000_000) + 4).div_euclid(7),
        "day" | "dow" | "doy" => micros.div_euclid(86_400_000_000),
        "hour" => micros.div_euclid(3_600_000_000),
        "minute" => micros.div_euclid(60_000_000),
        "second" | "epoch" => micros.div_euclid(1_000_000),
        "millisecond" => micros.div_euclid(1_000),
        "microsecond" => micros,
        _ => return exec_err!("DATEDIFF does not know the part {part}"),
    })
}

/// AVG by Redshift's types; floats go to the engine's own.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Average {
    signature: Signature,
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &str {
        "avg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [exact] if exact.is_integer() || matches!(exact, DataType::Decimal128(..)) => Ok(vec![exact.clone()]),
            [other] if other.is_floating() || other.is_null() || other.is_decimal() => Ok(vec![DataType::Float64]),
            [other] => plan_err!("function avg({other}) does not exist: cast the argument to a number"),
            _ => plan_err!("AVG takes one argument"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types {
            [exact] if exact.is_integer() => DataType::Int64,
            [DataType::Decimal128(precision, scale)] => {
                DataType::Decimal128(if *precision <= 19 { 19 } else { 38 }, *scale)
            }
            _ => DataType::Float64,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_type() {
            DataType::Float64 => avg_udaf().accumulator(args),
            _ if args.is_distinct => {
                exec_err!("AVG(DISTINCT) of exact numbers is not there: cast the argument to DOUBLE PRECISION")
            }
            exact => Ok(Box::new(ExactAverage {
                sum: 0,
                count: 0,
                result: exact.clone(),
            })),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if args.return_field.data_type() == &DataType::Float64 {
            return avg_udaf().state_fields(args);
        }
        Ok(vec![
            Field::new(format_state_name(args.name, "sum"), DataType::Decimal128(38, 0), true).into(),
            Field::new(format_state_name(args.name, "count"), DataType::Int64, true).into(),
        ])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        args.return_type() == &DataType::Float64 && avg_udaf().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        avg_udaf().create_groups_accumulator(args)
    }
}

#[derive(Debug)]
struct ExactAverage {
    /// In units of the argument's scale.
    sum: i128,
    count: i64,
    result: DataType,
}

impl ExactAverage {
    fn add(&mut self, values: &[ArrayRef], sign: i128) -> Result<()> {
        let Some(array) = values.first() else { return Ok(()) };
        let units: Vec<Option<i128>> = match array.data_type() {
            DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().iter().collect(),
            _ => {
                let integers = cast(array, &DataType::Int64)?;
                integers
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|value| value.map(i128::from))
                    .collect()
            }
        };
        for value in units.into_iter().flatten() {
            self.sum = match self.sum.checked_add(sign * value) {
                Some(sum) => sum,
                None => return exec_err!("numeric data overflow in AVG"),
            };
            self.count += if sign < 0 { -1 } else { 1 };
        }
        Ok(())
    }
}

impl Accumulator for ExactAverage {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let average = (self.count > 0).then(|| self.sum / i128::from(self.count));
        match &self.result {
            DataType::Decimal128(precision, scale) => Ok(ScalarValue::Decimal128(average, *precision, *scale)),
            _ => match average.map(i64::try_from).transpose() {
                Ok(average) => Ok(ScalarValue::Int64(average)),
                Err(_) => exec_err!("numeric data overflow in AVG"),
            },
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Decimal128(Some(self.sum), 38, 0),
            ScalarValue::Int64(Some(self.count)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums, counts] = states else {
            return exec_err!("AVG has two parts of its state");
        };
        let sums: &Decimal128Array = sums.as_primitive();
        let counts: &Int64Array = counts.as_primitive();
        for (sum, count) in sums.iter().zip(counts) {
            self.sum = match self.sum.checked_add(sum.unwrap_or(0)) {
                Some(sum) => sum,
                None => return exec_err!("numeric data overflow in AVG"),
            };
            self.count += count.unwrap_or(0);
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
