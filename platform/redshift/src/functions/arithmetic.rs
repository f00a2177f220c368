//! `+ - * / %` by Redshift's types ("Computations with numeric values"): what each pair of types gives, with which
//! precision and scale, and an error where a value does not fit.

use crate::types::SqlType;
use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Array, Datum, Decimal128Array, IntervalMonthDayNanoArray, Scalar,
        TimestampMicrosecondArray,
    },
    compute::{cast, kernels::numeric},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int32Type,
        IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, i256,
    },
    error::ArrowError,
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
    },
};
use std::sync::Arc;

use super::{
    calendar::DAY,
    simple::{MICROSECONDS, micros_utc, moments},
};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const PRECISION_MAX: i16 = 38;
/// One more than the largest number of 38 digits.
const TOO_LARGE: i128 = 10_i128.pow(38);

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Arithmetic {
    op: Operator,
    name: &'static str,
    signature: Signature,
}

impl Arithmetic {
    pub fn new(op: Operator, name: &'static str) -> Arithmetic {
        Arithmetic {
            op,
            name,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// The types that the two sides are brought to, and the result's.
    fn types(&self, left: &DataType, right: &DataType) -> Result<(DataType, DataType, DataType)> {
        match typed(self.op, left, right) {
            Some(types) => Ok(types),
            None => plan_err!(
                "operator does not exist: {} {} {}",
                type_name(left),
                self.op,
                type_name(right)
            ),
        }
    }
}

/// `((a + b) - c) * d` as one call: `arithmetic('+-*', a, b, c, d)`. The engine names an expression by all that is in it
/// at every level, which makes deep trees of functions slow to plan; a long sum is no tree this way.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Chain {
    signature: Signature,
}

/// The name of [`Chain`].
pub(crate) const CHAIN: &str = "arithmetic";

impl Chain {
    pub fn new() -> Chain {
        Chain {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

fn operator(symbol: char) -> Option<Operator> {
    Some(match symbol {
        '+' => Operator::Plus,
        '-' => Operator::Minus,
        '*' => Operator::Multiply,
        '/' => Operator::Divide,
        '%' => Operator::Modulo,
        _ => return None,
    })
}

fn symbols(literal: Option<&ScalarValue>) -> Result<Vec<Arithmetic>> {
    let text = match literal {
        Some(ScalarValue::Utf8(Some(text))) => text.as_str(),
        _ => "",
    };
    let found: Option<Vec<Arithmetic>> = text
        .chars()
        .map(|symbol| operator(symbol).map(|op| Arithmetic::new(op, CHAIN)))
        .collect();
    match found {
        Some(found) if !found.is_empty() => Ok(found),
        _ => plan_err!("{CHAIN} takes operators and values"),
    }
}

/// Each step's types: of what came before, of the value that is added to it, and of what comes out.
fn steps(ops: &[Arithmetic], types: &[DataType]) -> Result<Vec<(DataType, DataType, DataType)>> {
    let Some((first, rest)) = types.split_first().filter(|(_, rest)| rest.len() == ops.len()) else {
        return plan_err!("{CHAIN} takes one value more than operators");
    };
    let mut before = first.clone();
    let mut steps = Vec::with_capacity(ops.len());
    for (op, value) in ops.iter().zip(rest) {
        let step = op.types(&before, value)?;
        before = step.2.clone();
        steps.push(step);
    }
    Ok(steps)
}

impl ScalarUDFImpl for Chain {
    fn name(&self) -> &str {
        CHAIN
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [Expr::Literal(ops, _), first, rest @ ..] = args else {
            return plan_err!("{CHAIN} takes operators and values");
        };
        let mut name = first.schema_name().to_string();
        for (op, value) in symbols(Some(ops))?.iter().zip(rest) {
            name = format!("{name} {} {}", op.op, value.schema_name());
        }
        Ok(format!("({name})"))
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the type of {CHAIN} depends on its operators")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let ops = symbols(args.scalar_arguments.first().copied().flatten())?;
        let values = args.arg_fields.iter().skip(1);
        let types: Vec<DataType> = values.map(|field| field.data_type().clone()).collect();
        match steps(&ops, &types)?.pop() {
            Some((_, _, returned)) => Ok(Arc::new(Field::new(CHAIN, returned, true))),
            None => plan_err!("{CHAIN} takes operators and values"),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // Which operators there are is not known here: each value is brought to its type when it is computed with.
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(ops), first, rest @ ..] = args.args.as_slice() else {
            return exec_err!("{CHAIN} takes operators and values");
        };
        let ops = symbols(Some(ops))?;
        let types: Vec<DataType> = args.args[1..].iter().map(ColumnarValue::data_type).collect();
        let mut value = first.clone();
        for ((op, right), (of_left, of_right, returned)) in ops.iter().zip(rest).zip(steps(&ops, &types)?) {
            let left = brought(&value, &of_left)?;
            value = op.apply(&left, &brought(right, &of_right)?, args.number_rows, &returned)?;
        }
        Ok(value)
    }
}

fn brought(value: &ColumnarValue, to: &DataType) -> Result<ColumnarValue> {
    if value.data_type() == *to {
        Ok(value.clone())
    } else {
        value.cast_to(to, None)
    }
}

fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Null => "unknown",
        other => SqlType::of_arrow(other).long_name(),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// INT2 is cast as DECIMAL(5,0), INT4 as DECIMAL(10,0), INT8 as DECIMAL(19,0).
fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => (5, 0),
        DataType::UInt16 | DataType::Int32 => (10, 0),
        DataType::UInt32 | DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => (*precision, *scale),
        DataType::Decimal256(_, scale) => (38, *scale),
        _ => return None,
    })
}

fn integer(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Int16,
        DataType::UInt16 | DataType::Int32 => DataType::Int32,
        _ => DataType::Int64,
    }
}

fn typed(op: Operator, left: &DataType, right: &DataType) -> Option<(DataType, DataType, DataType)> {
    use DataType::{Date32, Float32, Float64, Interval, Null, Timestamp};
    let same = |one: DataType| Some((one.clone(), one.clone(), one));
    let additive = matches!(op, Operator::Plus | Operator::Minus);
    match (left, right) {
        (Null, Null) => same(DataType::Int32),
        // An unknown literal is read as what stands beside it.
        (Null, Interval(_)) if additive => same(INTERVAL),
        (Null, other) => typed(
            op,
            if other.is_temporal() && op == Operator::Plus {
                &DataType::Int32
            } else {
                other
            },
            other,
        ),
        (other, Null) if other.is_temporal() => typed(op, other, &DataType::Int32),
        (other, Null) => typed(op, other, other),
        (text, Timestamp(..)) if is_text(text) && op == Operator::Minus => typed(op, &MICROSECONDS, right),
        (Timestamp(..), text) if is_text(text) && op == Operator::Minus => typed(op, left, &MICROSECONDS),
        (text, Date32) if is_text(text) && op == Operator::Minus => typed(op, &Date32, right),
        (Date32, text) if is_text(text) && op == Operator::Minus => typed(op, left, &Date32),
        (text, other) if is_text(text) && other.is_numeric() => typed(op, other, other),
        (other, text) if is_text(text) && other.is_numeric() => typed(op, other, other),
        (text, Interval(_)) if is_text(text) && additive => Some((MICROSECONDS, INTERVAL, MICROSECONDS)),
        (Date32, days) if additive && days.is_integer() => Some((Date32, DataType::Int64, Date32)),
        (days, Date32) if op == Operator::Plus && days.is_integer() => Some((DataType::Int64, Date32, Date32)),
        (Timestamp(_, zone), days) if additive && days.is_integer() => {
            let at = if zone.is_some() { micros_utc() } else { MICROSECONDS };
            Some((at.clone(), DataType::Int64, at))
        }
        (Date32, Date32) if op == Operator::Minus => Some((Date32, Date32, DataType::Int32)),
        (Date32 | Timestamp(..), Date32 | Timestamp(..)) if op == Operator::Minus => {
            Some((MICROSECONDS, MICROSECONDS, INTERVAL))
        }
        (Date32, Interval(_)) if additive => Some((MICROSECONDS, INTERVAL, MICROSECONDS)),
        (Timestamp(_, zone), Interval(_)) if additive => {
            let at = if zone.is_some() { micros_utc() } else { MICROSECONDS };
            Some((at.clone(), INTERVAL, at))
        }
        (Interval(_), Date32 | Timestamp(..)) if op == Operator::Plus => {
            let (at, interval, result) = typed(op, right, left)?;
            Some((interval, at, result))
        }
        (Interval(_), Interval(_)) if additive => same(INTERVAL),
        (Interval(_), number) if matches!(op, Operator::Multiply | Operator::Divide) && number.is_numeric() => {
            Some((INTERVAL, Float64, INTERVAL))
        }
        (number, Interval(_)) if op == Operator::Multiply && number.is_numeric() => Some((Float64, INTERVAL, INTERVAL)),
        (Float32, Float32) => same(Float32),
        (l, r) if l.is_floating() && r.is_numeric() || r.is_floating() && l.is_numeric() => same(Float64),
        (l, r) if l.is_integer() && r.is_integer() => same(integer(l).max_width(&integer(r))),
        (l, r) => {
            let ((p1, s1), (p2, s2)) = (as_decimal(l)?, as_decimal(r)?);
            let (precision, scale) = decimal_result(op, (p1, s1), (p2, s2));
            Some((
                DataType::Decimal128(p1, s1),
                DataType::Decimal128(p2, s2),
                DataType::Decimal128(precision, scale),
            ))
        }
    }
}

trait MaxWidth {
    fn max_width(self, other: &DataType) -> DataType;
}

impl MaxWidth for DataType {
    fn max_width(self, other: &DataType) -> DataType {
        if other.primitive_width() > self.primitive_width() {
            other.clone()
        } else {
            self
        }
    }
}

/// "Precision and scale of computed DECIMAL results", and "Notes on division operations" for what is above 38.
pub(super) fn decimal_result(op: Operator, (p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> (u8, i8) {
    let (p1, s1, p2, s2) = (i16::from(p1), i16::from(s1), i16::from(p2), i16::from(s2));
    let (precision, scale) = match op {
        Operator::Multiply => (p1 + p2 + 1, s1 + s2),
        Operator::Divide => {
            let scale = 4.max(s1 + p2 - s2 + 1);
            let precision = p1 - s1 + s2 + scale;
            if precision > PRECISION_MAX {
                (PRECISION_MAX, (PRECISION_MAX + scale - precision).max(4))
            } else {
                (precision, scale)
            }
        }
        // The remainder has no more whole digits than the smaller of the two.
        Operator::Modulo => {
            let scale = s1.max(s2);
            ((p1 - s1).min(p2 - s2) + scale, scale)
        }
        _ => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + 1 + scale, scale)
        }
    };
    let precision = precision.clamp(1, PRECISION_MAX);
    // Both are small by now.
    (
        u8::try_from(precision).unwrap_or(38),
        i8::try_from(scale.min(precision)).unwrap_or(37),
    )
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [left, right] => Ok(format!("{left} {} {right}", self.op)),
            _ => plan_err!("{} takes two sides", self.op),
        }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [left, right] => Ok(format!("({} {} {})", left.schema_name(), self.op, right.schema_name())),
            _ => plan_err!("{} takes two sides", self.op),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [left, right] => Ok(self.types(left, right)?.2),
            _ => plan_err!("{} takes two sides", self.op),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [left, right] => {
                let (left, right, _) = self.types(left, right)?;
                Ok(vec![left, right])
            }
            _ => plan_err!("{} takes two sides", self.op),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return exec_err!("{} takes two sides", self.op);
        };
        self.apply(left, right, args.number_rows, args.return_field.data_type())
    }
}

fn datum(value: &ColumnarValue) -> Result<Box<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Box::new(Arc::clone(array)),
        ColumnarValue::Scalar(scalar) => Box::new(Scalar::new(scalar.to_array()?)),
    })
}

impl Arithmetic {
    /// Two sides that have the types that [`Arithmetic::types`] asks for.
    fn apply(
        &self,
        left: &ColumnarValue,
        right: &ColumnarValue,
        rows: usize,
        returned: &DataType,
    ) -> Result<ColumnarValue> {
        let constant = matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { rows };
        let result = match returned {
            DataType::Decimal128(precision, scale) => self.decimal(left, right, rows, (*precision, *scale))?,
            DataType::Interval(_) | DataType::Date32 | DataType::Timestamp(..) => {
                self.temporal(&left.to_array(rows)?, &right.to_array(rows)?, returned)?
            }
            DataType::Int32 if matches!(left.data_type(), DataType::Date32) => {
                let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
                let (left, right) = (left.as_primitive::<Date32Type>(), right.as_primitive::<Date32Type>());
                Arc::new(arrow::compute::binary::<_, _, _, Int32Type>(left, right, |a, b| {
                    a.wrapping_sub(b)
                })?)
            }
            _ => self.native(left, right)?,
        };
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
        } else {
            ColumnarValue::Array(result)
        })
    }

    fn kernel(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self.op {
            Operator::Plus => numeric::add(left, right),
            Operator::Minus => numeric::sub(left, right),
            Operator::Multiply => numeric::mul(left, right),
            Operator::Divide => numeric::div(left, right),
            _ => numeric::rem(left, right),
        }
    }

    /// Integers and floats: Arrow's checked kernels.
    fn native(&self, left: &ColumnarValue, right: &ColumnarValue) -> Result<ArrayRef> {
        let data_type = left.data_type();
        if data_type.is_floating() && matches!(self.op, Operator::Divide | Operator::Modulo) && has_zero(right)? {
            return exec_err!("Divide by zero");
        }
        match self.kernel(datum(left)?.as_ref(), datum(right)?.as_ref()) {
            Ok(result) => Ok(result),
            Err(ArrowError::DivideByZero) => exec_err!("Divide by zero"),
            Err(ArrowError::ArithmeticOverflow(_)) => {
                exec_err!(
                    "Value out of range for {} bytes.",
                    data_type.primitive_width().unwrap_or(8)
                )
            }
            Err(other) => Err(other.into()),
        }
    }

    fn decimal(&self, left: &ColumnarValue, right: &ColumnarValue, rows: usize, result: (u8, i8)) -> Result<ArrayRef> {
        let (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) = (left.data_type(), right.data_type()) else {
            return exec_err!("decimals are computed with decimals");
        };
        let what = match self.op {
            Operator::Plus => "addition",
            Operator::Minus => "subtraction",
            Operator::Multiply => "multiplication",
            Operator::Divide => "division",
            _ => "modulo",
        };
        if self.op == Operator::Divide || s1 + s2 > 37 && self.op == Operator::Multiply {
            let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
            let (left, right) = (
                left.as_primitive::<Decimal128Type>(),
                right.as_primitive::<Decimal128Type>(),
            );
            // The units of the result: for a quotient those of the left side are moved by what the scales differ.
            let exponent = if self.op == Operator::Divide {
                i32::from(result.1) + i32::from(s2) - i32::from(s1)
            } else {
                i32::from(result.1) - i32::from(s1) - i32::from(s2)
            };
            let divide = self.op == Operator::Divide;
            let values: Result<Decimal128Array> = left
                .iter()
                .zip(right)
                .map(|pair| match pair {
                    (Some(_), Some(0)) if divide => exec_err!("Divide by zero"),
                    (Some(a), Some(b)) => match exact(a, b, exponent, divide) {
                        Some(value) => Ok(Some(value)),
                        None => exec_err!("Numeric data overflow ({what})"),
                    },
                    _ => Ok(None),
                })
                .collect();
            return Ok(Arc::new(values?.with_precision_and_scale(result.0, result.1)?));
        }
        let array = match self.kernel(datum(left)?.as_ref(), datum(right)?.as_ref()) {
            Ok(array) => array,
            Err(ArrowError::DivideByZero) => return exec_err!("Divide by zero"),
            Err(ArrowError::ArithmeticOverflow(_)) => return exec_err!("Numeric data overflow ({what})"),
            Err(other) => return Err(other.into()),
        };
        let array = array.as_primitive::<Decimal128Type>();
        // Only what was cut to 38 digits can have more.
        let may_overflow = match self.op {
            Operator::Multiply => i16::from(p1) + i16::from(p2) + 1 > PRECISION_MAX,
            _ => result.0 == 38,
        };
        if may_overflow
            && array
                .iter()
                .flatten()
                .any(|value| value.unsigned_abs() >= TOO_LARGE.unsigned_abs())
        {
            return exec_err!("Numeric data overflow ({what})");
        }
        Ok(Arc::new(array.clone().with_precision_and_scale(result.0, result.1)?))
    }

    fn temporal(&self, left: &ArrayRef, right: &ArrayRef, returned: &DataType) -> Result<ArrayRef> {
        let minus = self.op == Operator::Minus;
        match (left.data_type(), right.data_type()) {
            (DataType::Date32, DataType::Int64) => days_later(left, right, if minus { -1 } else { 1 }),
            (DataType::Int64, DataType::Date32) => days_later(right, left, 1),
            (DataType::Timestamp(..), DataType::Int64) => {
                let days = cast(right, &DataType::Int64)?;
                let days = days.as_primitive::<arrow::datatypes::Int64Type>();
                let sign = if minus { -1 } else { 1 };
                let values: Result<TimestampMicrosecondArray> = moments(left)?
                    .iter()
                    .zip(days)
                    .map(|pair| match pair {
                        (Some(at), Some(days)) => {
                            match days.checked_mul(sign * DAY).and_then(|later| at.checked_add(later)) {
                                Some(at) => Ok(Some(at)),
                                None => exec_err!("timestamp out of range"),
                            }
                        }
                        _ => Ok(None),
                    })
                    .collect();
                Ok(cast(&(Arc::new(values?) as ArrayRef), returned)?)
            }
            (DataType::Timestamp(..), DataType::Timestamp(..)) => {
                let (left, right) = (moments(left)?, moments(right)?);
                let values: IntervalMonthDayNanoArray = left
                    .iter()
                    .zip(&right)
                    .map(|pair| match pair {
                        (Some(a), Some(b)) => {
                            let micros = a.checked_sub(b)?;
                            let days = i32::try_from(micros / DAY).ok()?;
                            Some(IntervalMonthDayNano::new(0, days, micros % DAY * 1_000))
                        }
                        _ => None,
                    })
                    .collect();
                Ok(Arc::new(values))
            }
            (DataType::Interval(_), DataType::Float64) | (DataType::Float64, DataType::Interval(_)) => {
                let (intervals, factors) = if left.data_type() == &DataType::Float64 {
                    (right, left)
                } else {
                    (left, right)
                };
                let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
                let factors = factors.as_primitive::<Float64Type>();
                let divide = self.op == Operator::Divide;
                let values: Result<IntervalMonthDayNanoArray> = intervals
                    .iter()
                    .zip(factors)
                    .map(|pair| match pair {
                        (Some(_), Some(0.0)) if divide => exec_err!("Divide by zero"),
                        (Some(interval), Some(factor)) => {
                            Ok(Some(scaled(interval, if divide { 1.0 / factor } else { factor })))
                        }
                        _ => Ok(None),
                    })
                    .collect();
                Ok(Arc::new(values?))
            }
            _ => {
                let result = match self.kernel(left, right) {
                    Ok(result) => result,
                    Err(ArrowError::ArithmeticOverflow(_) | ArrowError::ComputeError(_)) => {
                        return exec_err!("timestamp out of range");
                    }
                    Err(other) => return Err(other.into()),
                };
                Ok(if result.data_type() == returned {
                    result
                } else {
                    cast(&result, returned)?
                })
            }
        }
    }
}

fn has_zero(value: &ColumnarValue) -> Result<bool> {
    let array = value.to_array(1)?;
    Ok(match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().flatten().any(|x| x == 0.0),
        _ => array.as_primitive::<Float64Type>().iter().flatten().any(|x| x == 0.0),
    })
}

/// `a * 10^exponent / b` or `a * b * 10^exponent`, cut towards zero; `None` beyond 38 digits.
fn exact(a: i128, b: i128, exponent: i32, divide: bool) -> Option<i128> {
    // Most values are small enough for the machine's own numbers.
    if divide
        && let Some(power) = u32::try_from(exponent).ok().and_then(|e| 10_i128.checked_pow(e))
        && let Some(numerator) = a.checked_mul(power)
    {
        return Some(numerator / b).filter(|value| value.unsigned_abs() < TOO_LARGE.unsigned_abs());
    }
    let power = i256::from_i128(10).checked_pow(exponent.unsigned_abs())?;
    let (a, b) = (i256::from_i128(a), i256::from_i128(b));
    let value = match (divide, exponent >= 0) {
        (true, true) => a.checked_mul(power)?.checked_div(b)?,
        (true, false) => a.checked_div(b.checked_mul(power)?)?,
        (false, true) => a.checked_mul(b)?.checked_mul(power)?,
        (false, false) => a.checked_mul(b)?.checked_div(power)?,
    };
    value
        .to_i128()
        .filter(|value| value.unsigned_abs() < TOO_LARGE.unsigned_abs())
}

fn days_later(dates: &ArrayRef, days: &ArrayRef, sign: i64) -> Result<ArrayRef> {
    let days = days.as_primitive::<arrow::datatypes::Int64Type>();
    let values: Result<Date32Array> = dates
        .as_primitive::<Date32Type>()
        .iter()
        .zip(days)
        .map(|pair| match pair {
            (Some(date), Some(days)) => {
                let moved = days
                    .checked_mul(sign)
                    .and_then(|days| days.checked_add(i64::from(date)));
                match moved.and_then(|moved| i32::try_from(moved).ok()) {
                    Some(moved) => Ok(Some(moved)),
                    None => exec_err!("date out of range"),
                }
            }
            _ => Ok(None),
        })
        .collect();
    Ok(Arc::new(values?))
}

/// A fraction of a month is of 30 days, a fraction of a day of 24 hours, as in PostgreSQL.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn scaled(interval: IntervalMonthDayNano, factor: f64) -> IntervalMonthDayNano {
    let months = f64::from(interval.months) * factor;
    let days = f64::from(interval.days) * factor + months.fract() * 30.0;
    let nanos = interval.nanoseconds as f64 * factor + days.fract() * (DAY * 1_000) as f64;
    // Intervals keep microseconds.
    IntervalMonthDayNano::new(
        months.trunc() as i32,
        days.trunc() as i32,
        (nanos / 1e3).round() as i64 * 1_000,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_scale_follow_the_documented_formulas() {
        for (op, left, right, expected) in [
            // "Precision and scale of computed DECIMAL results": PRICEPAID / COMMISSION.
            (Operator::Divide, (8, 2), (8, 2), (17, 9)),
            (Operator::Plus, (8, 2), (8, 2), (9, 2)),
            (Operator::Minus, (10, 0), (8, 4), (15, 4)),
            (Operator::Multiply, (8, 2), (5, 0), (14, 2)),
            (Operator::Multiply, (38, 2), (21, 0), (38, 2)),
            // "If the calculated precision is greater than the maximum precision".
            (Operator::Divide, (19, 0), (19, 0), (38, 19)),
            (Operator::Divide, (38, 2), (38, 2), (38, 4)),
            (Operator::Divide, (19, 2), (38, 19), (38, 4)),
        ] {
            assert_eq!(decimal_result(op, left, right), expected, "{left:?} {op} {right:?}");
        }
    }
}
