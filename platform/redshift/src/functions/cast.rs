//! CAST and `::` by Redshift's rules: numbers are rounded, texts are read in its writings and cut to the length of the
//! type, and what does not fit is an error in its words.

use super::simple::own;
use crate::types::SqlType;
use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray, StringBuilder},
    compute::cast as arrow_cast,
    datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type, TimeUnit},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        Cast, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use std::{borrow::Cow, sync::Arc};

/// The name of the function that casts: `cast_to(x, 'decimal:10:2')`.
pub(crate) const CAST: &str = "cast_to";

/// Where a field's metadata says which of Redshift's types a text has: `char:3`, `varchar:100`.
pub(crate) const TYPE_KEY: &str = "redshift.type";

/// A type as the cast's second argument.
pub(crate) fn encode_type(sql_type: SqlType) -> String {
    match sql_type {
        SqlType::Decimal(precision, scale) => format!("decimal:{precision}:{scale}"),
        SqlType::Char(length) => format!("char:{length}"),
        SqlType::Varchar(length) => format!("varchar:{length}"),
        other => other.short_name().to_owned(),
    }
}

pub(crate) fn decode_type(text: &str) -> Option<SqlType> {
    let mut parts = text.split(':');
    let name = parts.next()?;
    let mut number = || parts.next()?.parse::<u32>().ok();
    Some(match name {
        "int2" => SqlType::SmallInt,
        "int4" => SqlType::Integer,
        "int8" => SqlType::BigInt,
        "decimal" => SqlType::Decimal(u8::try_from(number()?).ok()?, i8::try_from(number()?).ok()?),
        "float4" => SqlType::Real,
        "float8" => SqlType::Double,
        "bool" => SqlType::Boolean,
        "char" => SqlType::Char(number()?),
        "varchar" => SqlType::Varchar(number()?),
        "date" => SqlType::Date,
        "timestamp" => SqlType::Timestamp,
        "timestamptz" => SqlType::TimestampTz,
        "time" => SqlType::Time,
        "super" => SqlType::Super,
        _ => return None,
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CastTo {
    signature: Signature,
}

impl CastTo {
    pub fn new() -> CastTo {
        CastTo {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

fn target(literal: Option<&ScalarValue>) -> Result<SqlType> {
    let text = match literal {
        Some(
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
        ) => decode_type(text),
        _ => None,
    };
    match text {
        Some(target) => Ok(target),
        None => plan_err!("{CAST} takes the name of a type"),
    }
}

impl ScalarUDFImpl for CastTo {
    fn name(&self) -> &str {
        CAST
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [inner, Expr::Literal(name, _)] => Ok(format!("{}::{}", inner.schema_name(), target(Some(name))?)),
            _ => plan_err!("{CAST} takes two arguments"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the type of a cast is its second argument")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let target = target(args.scalar_arguments.get(1).copied().flatten())?;
        let nullable = args.arg_fields.first().is_none_or(|field| field.is_nullable());
        let field = Field::new(CAST, target.arrow(), nullable);
        Ok(Arc::new(match target {
            SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Super => {
                field.with_metadata([(TYPE_KEY.to_owned(), encode_type(target))].into())
            }
            _ => field,
        }))
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let [inner, Expr::Literal(name, _)] = args.as_slice() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let target = target(Some(name))?;
        let from = info.get_data_type(inner)?;
        Ok(if is_exact(&from, target) {
            let inner = args.swap_remove(0);
            ExprSimplifyResult::Simplified(if from == target.arrow() {
                inner
            } else {
                Expr::Cast(Cast::new(Box::new(inner), target.arrow()))
            })
        } else {
            ExprSimplifyResult::Original(args)
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (Some(value), Some(ColumnarValue::Scalar(name))) = (args.args.first(), args.args.get(1)) else {
            return exec_err!("{CAST} takes the name of a type");
        };
        let target = target(Some(name))?;
        Ok(match value {
            ColumnarValue::Array(array) => ColumnarValue::Array(cast(array, target)?),
            ColumnarValue::Scalar(scalar) => {
                let array = cast(&scalar.to_array()?, target)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
            }
        })
    }
}

/// Whether the engine's own cast does the same to every value, and never fails: it is faster and better known to the
/// planner.
fn is_exact(from: &DataType, to: SqlType) -> bool {
    let digits = |from: &DataType| match from {
        DataType::Int8 | DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        _ => None,
    };
    match to {
        SqlType::SmallInt => matches!(from, DataType::Int16),
        SqlType::Integer => matches!(from, DataType::Int16 | DataType::Int32),
        SqlType::BigInt => matches!(from, DataType::Int16 | DataType::Int32 | DataType::Int64),
        SqlType::Double => {
            from.is_integer() || matches!(from, DataType::Float32 | DataType::Float64 | DataType::Decimal128(..))
        }
        SqlType::Real => matches!(from, DataType::Float32),
        SqlType::Decimal(precision, scale) => match from {
            DataType::Decimal128(p, s) => {
                *s <= scale && i16::from(*p) - i16::from(*s) <= i16::from(precision) - i16::from(scale)
            }
            other => digits(other).is_some_and(|digits| i16::from(precision) - i16::from(scale) >= digits),
        },
        SqlType::Boolean => matches!(from, DataType::Boolean),
        SqlType::Date => matches!(from, DataType::Date32),
        SqlType::Timestamp => matches!(
            from,
            DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, None)
        ),
        SqlType::TimestampTz | SqlType::Time | SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Super => false,
    }
}

/// One array as another type.
pub(super) fn cast(array: &ArrayRef, target: SqlType) -> Result<ArrayRef> {
    let array = match array.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => arrow_cast(array, &DataType::Utf8)?,
        _ => Arc::clone(array),
    };
    match target {
        SqlType::Char(length) | SqlType::Varchar(length) => {
            let texts = texts(&array)?;
            let texts = texts.as_string::<i32>();
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let char = matches!(target, SqlType::Char(_));
            let mut out = StringBuilder::with_capacity(texts.len(), 0);
            for text in texts {
                out.append_option(text.map(|text| {
                    let text = shortened(text, length);
                    // A CHAR's trailing blanks mean nothing; they are put back where it is shown.
                    if char { text.trim_end_matches(' ') } else { text }
                }));
            }
            Ok(Arc::new(out.finish()))
        }
        SqlType::Timestamp if matches!(array.data_type(), DataType::Timestamp(..)) => {
            // Keeps the clock of the session's zone, which is UTC.
            let utc = arrow_cast(&array, &super::simple::micros_utc())?;
            Ok(match array.data_type() {
                DataType::Timestamp(_, None) => arrow_cast(&array, &target.arrow())?,
                _ => arrow_cast(&utc, &target.arrow())?,
            })
        }
        _ => target.assign(&array).map_err(own),
    }
}

/// The beginning of a text that has at most so many bytes and no broken character.
fn shortened(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Values as texts in Redshift's writing.
pub(super) fn texts(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Utf8 => Arc::clone(array),
        DataType::Null => arrow_cast(array, &DataType::Utf8)?,
        DataType::Float64 => Arc::new(
            array
                .as_primitive::<Float64Type>()
                .iter()
                .map(|x| x.map(float_text))
                .collect::<StringArray>(),
        ),
        DataType::Float32 => Arc::new(
            array
                .as_primitive::<Float32Type>()
                .iter()
                .map(|x| x.map(|x| float_text(x.to_string().parse().unwrap_or(f64::from(x)))))
                .collect::<StringArray>(),
        ),
        DataType::Utf8View | DataType::LargeUtf8 => arrow_cast(array, &DataType::Utf8)?,
        _ => crate::result::texts(array).map_err(own)?,
    })
}

/// A double as `%.15g` and PostgreSQL write it: the shortest digits, with an exponent where it is far from one.
pub(super) fn float_text(x: f64) -> String {
    let special: Option<Cow<str>> = if x.is_nan() {
        Some("NaN".into())
    } else if x.is_infinite() {
        Some(if x > 0.0 { "Infinity" } else { "-Infinity" }.into())
    } else {
        None
    };
    if let Some(special) = special {
        return special.into_owned();
    }
    let size = x.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, number) = match exponent.strip_prefix('-') {
            Some(number) => ('-', number),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{number:0>2}");
    }
    x.to_string()
}
