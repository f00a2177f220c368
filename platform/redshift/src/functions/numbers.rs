//! Functions of numbers: rounding with Redshift's types, roots and logarithms with its errors, and numbers as text.

use super::simple::{Args, Kind, Simple, finite, float, gives_bigint, gives_float, gives_text, simple};
use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringArray},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float64Type},
};
use datafusion::common::{Result, ScalarValue, exec_err};
use std::sync::Arc;

pub(super) fn all() -> Vec<Simple> {
    use Kind::{Float, Int, Literal, Number, Text};
    vec![
        simple("round", &[Number, Literal], rounded_type, |args| {
            rounded(args, Rounding::HalfAway)
        })
        .required(1),
        simple("trunc", &[Kind::Any, Literal], truncated_type, truncated).required(1),
        simple("ceil", &[Number], rounded_type, |args| rounded(args, Rounding::Up)),
        simple("floor", &[Number], rounded_type, |args| rounded(args, Rounding::Down)),
        simple("sign", &[Number], signed_type, sign),
        simple("sqrt", &[Float], gives_float, |args| {
            float(args, |x| {
                if x < 0.0 {
                    return exec_err!("cannot take square root of a negative number");
                }
                Ok(x.sqrt())
            })
        }),
        simple("cbrt", &[Float], gives_float, |args| float(args, |x| Ok(x.cbrt()))),
        simple("exp", &[Float], gives_float, |args| float(args, |x| finite(x.exp()))),
        simple("ln", &[Float], gives_float, |args| {
            float(args, |x| logarithm(x).map(f64::ln))
        }),
        simple("log", &[Float, Float], gives_float, log).required(1),
        simple("power", &[Float, Float], gives_float, |args| {
            float2(args, |base, exponent| {
                if base == 0.0 && exponent < 0.0 {
                    return exec_err!("zero raised to a negative power is undefined");
                }
                if base < 0.0 && exponent.fract() != 0.0 {
                    return exec_err!("a negative number raised to a non-integer power yields a complex result");
                }
                finite(base.powf(exponent))
            })
        }),
        simple("degrees", &[Float], gives_float, |args| {
            float(args, |x| Ok(x.to_degrees()))
        }),
        simple("radians", &[Float], gives_float, |args| {
            float(args, |x| Ok(x.to_radians()))
        }),
        simple("sin", &[Float], gives_float, |args| float(args, |x| Ok(x.sin()))),
        simple("cos", &[Float], gives_float, |args| float(args, |x| Ok(x.cos()))),
        simple("tan", &[Float], gives_float, |args| float(args, |x| Ok(x.tan()))),
        simple("cot", &[Float], gives_float, |args| float(args, |x| Ok(1.0 / x.tan()))),
        simple("asin", &[Float], gives_float, |args| {
            float(args, |x| bounded(x).map(f64::asin))
        }),
        simple("acos", &[Float], gives_float, |args| {
            float(args, |x| bounded(x).map(f64::acos))
        }),
        simple("atan", &[Float], gives_float, |args| float(args, |x| Ok(x.atan()))),
        simple("atan2", &[Float, Float], gives_float, |args| {
            float2(args, |y, x| Ok(y.atan2(x)))
        }),
        simple("to_hex", &[Int], gives_text, |args| {
            let texts: StringArray = args.ints(0)?.iter().map(|x| x.map(|x| format!("{x:x}"))).collect();
            Ok(Arc::new(texts))
        }),
        simple("strtol", &[Text, Int], gives_bigint, strtol),
    ]
}

fn float2(args: &Args, f: impl Fn(f64, f64) -> Result<f64>) -> Result<ArrayRef> {
    let (one, two) = (args.floats(0)?, args.floats(1)?);
    let values: Result<Float64Array> = one
        .iter()
        .zip(&two)
        .map(|pair| match pair {
            (Some(one), Some(two)) => f(one, two).map(Some),
            _ => Ok(None),
        })
        .collect();
    Ok(Arc::new(values?))
}

fn logarithm(x: f64) -> Result<f64> {
    if x == 0.0 {
        exec_err!("cannot take logarithm of zero")
    } else if x < 0.0 {
        exec_err!("cannot take logarithm of a negative number")
    } else {
        Ok(x)
    }
}

fn bounded(x: f64) -> Result<f64> {
    if (-1.0..=1.0).contains(&x) {
        Ok(x)
    } else {
        exec_err!("input is out of range")
    }
}

/// `LOG(x)` is of base 10; `LOG(base, x)` of another.
fn log(args: &Args) -> Result<ArrayRef> {
    if args.len() == 1 {
        return float(args, |x| logarithm(x).map(f64::log10));
    }
    float2(args, |base, x| Ok(logarithm(x)?.ln() / logarithm(base)?.ln()))
}

/// The number of places that a literal asks for.
fn places(literals: &[Option<&ScalarValue>]) -> Option<i64> {
    match literals.get(1).copied().flatten()? {
        ScalarValue::Int16(Some(n)) => Some(i64::from(*n)),
        ScalarValue::Int32(Some(n)) => Some(i64::from(*n)),
        ScalarValue::Int64(Some(n)) => Some(*n),
        _ => None,
    }
}

/// A decimal keeps as many places as are asked for, at most those that it has; other numbers keep their type.
fn rounded_type(types: &[DataType], literals: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(match types.first() {
        Some(DataType::Decimal128(precision, scale)) => {
            let kept = match (types.len(), places(literals)) {
                (1, _) => 0,
                (_, Some(places)) => i8::try_from(places.clamp(0, i64::from(*scale))).unwrap_or(0),
                // A number of places of each row: all are kept.
                (_, None) => *scale,
            };
            // Rounding up can need one more digit.
            let whole = i16::from(*precision) - i16::from(*scale) + i16::from(kept < *scale);
            let precision = (whole + i16::from(kept)).clamp(1, 38);
            DataType::Decimal128(u8::try_from(precision).unwrap_or(38), kept)
        }
        Some(DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal256(..)) | None => DataType::Float64,
        Some(same) => same.clone(),
    })
}

/// TRUNC of a timestamp is its date.
fn truncated_type(types: &[DataType], literals: &[Option<&ScalarValue>]) -> Result<DataType> {
    match types.first() {
        Some(DataType::Timestamp(..) | DataType::Date32) => Ok(DataType::Date32),
        Some(DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null) => Ok(DataType::Float64),
        Some(number) if number.is_numeric() => rounded_type(types, literals),
        _ => datafusion::common::plan_err!("function trunc({}) does not exist", types.len()),
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    HalfAway,
    Up,
    Down,
    TowardsZero,
}

fn truncated(args: &Args) -> Result<ArrayRef> {
    if args.returned == DataType::Date32 {
        let days = args.moments(0)?;
        let days: Result<arrow::array::Date32Array> = days
            .iter()
            .map(|at| {
                at.map(|at| i32::try_from(at.div_euclid(super::calendar::DAY)))
                    .transpose()
                    .or_else(|_| exec_err!("date out of range"))
            })
            .collect();
        return Ok(Arc::new(days?));
    }
    rounded(args, Rounding::TowardsZero)
}

fn rounded(args: &Args, rounding: Rounding) -> Result<ArrayRef> {
    let column = args.column(0)?;
    let places = if args.len() > 1 { Some(args.ints(1)?) } else { None };
    let place = |row: usize| match &places {
        None => Some(0),
        Some(places) if places.is_null(row) => None,
        Some(places) => Some(places.value(row)),
    };
    if let DataType::Decimal128(_, scale) = column.data_type() {
        let DataType::Decimal128(precision, kept) = args.returned else {
            return exec_err!("a decimal rounds to a decimal");
        };
        let values = column.as_primitive::<Decimal128Type>();
        let values: Result<Decimal128Array> = (0..values.len())
            .map(|row| {
                let (false, Some(place)) = (values.is_null(row), place(row)) else {
                    return Ok(None);
                };
                // Digits beyond the place become zeros; then those that the type has no room for go.
                let drop = i64::from(*scale).saturating_sub(place).clamp(0, 39);
                let units = round_units(values.value(row), drop, rounding);
                let narrower = 10_i128.pow(u32::try_from(*scale - kept).unwrap_or(0));
                match units.map(|units| units / narrower) {
                    Some(units) => Ok(Some(units)),
                    None => exec_err!("Numeric data overflow (result precision)"),
                }
            })
            .collect();
        return Ok(Arc::new(values?.with_precision_and_scale(precision, kept)?));
    }
    if column.data_type().is_integer() {
        let values = args.ints(0)?;
        let rounded: Result<Int64Array> = (0..values.len())
            .map(|row| {
                let (false, Some(place)) = (values.is_null(row), place(row)) else {
                    return Ok(None);
                };
                let units = round_units(
                    i128::from(values.value(row)),
                    place.saturating_neg().clamp(0, 39),
                    rounding,
                );
                match units.and_then(|units| i64::try_from(units).ok()) {
                    Some(value) => Ok(Some(value)),
                    None => exec_err!("Value out of range for 8 bytes."),
                }
            })
            .collect();
        return Ok(cast(&(Arc::new(rounded?) as ArrayRef), &args.returned)?);
    }
    let values = args.floats(0)?;
    let rounded: Float64Array = (0..values.len())
        .map(|row| {
            if values.is_null(row) {
                return None;
            }
            Some(round_float(values.value(row), place(row)?, rounding))
        })
        .collect();
    Ok(cast(&(Arc::new(rounded) as ArrayRef), &args.returned)?)
}

/// A number of units with its last `drop` digits rounded away and zeros in their place.
fn round_units(units: i128, drop: i64, rounding: Rounding) -> Option<i128> {
    let Some(power) = u32::try_from(drop).ok().and_then(|drop| 10_i128.checked_pow(drop)) else {
        return Some(0);
    };
    let (whole, rest) = (units / power, units % power);
    let whole = match rounding {
        Rounding::HalfAway if rest.unsigned_abs() * 2 >= power.unsigned_abs() => whole + rest.signum(),
        Rounding::Up if rest > 0 => whole + 1,
        Rounding::Down if rest < 0 => whole - 1,
        _ => whole,
    };
    whole.checked_mul(power)
}

fn round_float(x: f64, places: i64, rounding: Rounding) -> f64 {
    let round = |x: f64| match rounding {
        Rounding::HalfAway => x.round(),
        Rounding::Up => x.ceil(),
        Rounding::Down => x.floor(),
        Rounding::TowardsZero => x.trunc(),
    };
    if places == 0 {
        return round(x);
    }
    let places = i32::try_from(places.clamp(-400, 400)).unwrap_or(0);
    let power = 10_f64.powi(places.abs());
    let rounded = if places > 0 {
        round(x * power) / power
    } else {
        round(x / power) * power
    };
    // A double has no more than 17 digits: there was nothing to round.
    if rounded.is_finite() { rounded } else { x }
}

/// "If the input is DECIMAL the output is DECIMAL(1,0)".
fn signed_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(match types.first() {
        Some(DataType::Decimal128(..)) => DataType::Decimal128(1, 0),
        Some(integer) if integer.is_integer() => integer.clone(),
        _ => DataType::Float64,
    })
}

fn sign(args: &Args) -> Result<ArrayRef> {
    let column = args.column(0)?;
    if column.data_type().is_floating() {
        let values = args.floats(0)?;
        let signs = values.unary::<_, Float64Type>(|x| if x == 0.0 { 0.0 } else { x.signum() });
        return Ok(Arc::new(signs));
    }
    let units: Int64Array = match column.data_type() {
        DataType::Decimal128(..) => column
            .as_primitive::<Decimal128Type>()
            .iter()
            .map(|x| x.map(|x| i64::try_from(x.signum()).unwrap_or(0)))
            .collect(),
        _ => args.ints(0)?.iter().map(|x| x.map(i64::signum)).collect(),
    };
    Ok(cast(&(Arc::new(units) as ArrayRef), &args.returned)?)
}

/// STRTOL reads what C's function reads, and refuses what it would leave over.
fn strtol(args: &Args) -> Result<ArrayRef> {
    let (texts, bases) = (args.texts(0)?, args.ints(1)?);
    let values: Result<Int64Array> = texts
        .iter()
        .zip(&bases)
        .map(|pair| {
            let (Some(text), Some(base)) = pair else {
                return Ok(None);
            };
            let Some(base) = u32::try_from(base).ok().filter(|base| (2..=36).contains(base)) else {
                return exec_err!("the base of STRTOL must be between 2 and 36, not {base}");
            };
            let trimmed = text.trim();
            let (negative, digits) = match trimmed.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
            };
            let digits = match digits.get(..2) {
                Some("0x" | "0X") if base == 16 => &digits[2..],
                _ => digits,
            };
            let value = i128::from_str_radix(digits, base)
                .ok()
                .filter(|_| !digits.starts_with(['+', '-']));
            match value.and_then(|value| i64::try_from(if negative { -value } else { value }).ok()) {
                Some(value) => Ok(Some(value)),
                None => exec_err!("The input {text} is not valid to be converted to base {base}"),
            }
        })
        .collect();
    Ok(Arc::new(values?))
}
