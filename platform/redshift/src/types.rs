//! Redshift's column types: how they are declared, what they are called, which Arrow type holds them, and what a value
//! must be to be stored in one.

use crate::{error::RedshiftError, moment};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, StringBuilder, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{
        DataType, Date32Type, Decimal128Type, DecimalType, Float64Type, Int16Type, Int32Type, Int64Type, TimeUnit,
        TimestampMicrosecondType,
    },
};
use datafusion::sql::sqlparser::ast::{self, CharacterLength, ExactNumberInfo, TimezoneInfo};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The longest CHAR and VARCHAR, in bytes.
pub(crate) const CHAR_MAX: u32 = 4_096;
pub(crate) const VARCHAR_MAX: u32 = 65_535;
/// What TEXT, and VARCHAR without a length, stand for.
const VARCHAR_DEFAULT: u32 = 256;
const DECIMAL_DEFAULT: (u8, i8) = (18, 0);

/// A type that a column of a table can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SqlType {
    SmallInt,
    Integer,
    BigInt,
    Decimal(u8, i8),
    Real,
    Double,
    Boolean,
    /// The length is in bytes, as for [`SqlType::Varchar`].
    Char(u32),
    Varchar(u32),
    Date,
    Timestamp,
    TimestampTz,
    Time,
    /// Semi-structured data, kept as the text of its JSON.
    Super,
}

impl SqlType {
    /// Reads a type as it is declared.
    ///
    /// # Errors
    /// A type that Redshift does not have, or that is not kept here; a length or precision out of range.
    pub fn declared(data_type: &ast::DataType) -> Result<SqlType, RedshiftError> {
        use ast::DataType as Ast;
        Ok(match data_type {
            Ast::SmallInt(_) | Ast::Int2(_) => SqlType::SmallInt,
            Ast::Integer(_) | Ast::Int(_) | Ast::Int4(_) => SqlType::Integer,
            Ast::BigInt(_) | Ast::Int8(_) => SqlType::BigInt,
            Ast::Numeric(info) | Ast::Decimal(info) | Ast::Dec(info) => decimal(info)?,
            Ast::Real | Ast::Float4 => SqlType::Real,
            Ast::Float(ExactNumberInfo::Precision(bits)) if *bits <= 24 => SqlType::Real,
            Ast::Float(_) | Ast::Float8 | Ast::Double(_) | Ast::DoublePrecision => SqlType::Double,
            Ast::Boolean | Ast::Bool => SqlType::Boolean,
            Ast::Char(length) | Ast::Character(length) => SqlType::Char(length_of(length, 1, CHAR_MAX, "character")?),
            Ast::Varchar(length) | Ast::CharacterVarying(length) | Ast::CharVarying(length) | Ast::Nvarchar(length) => {
                SqlType::Varchar(length_of(length, VARCHAR_DEFAULT, VARCHAR_MAX, "character varying")?)
            }
            Ast::Text => SqlType::Varchar(VARCHAR_DEFAULT),
            Ast::Date => SqlType::Date,
            Ast::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => SqlType::TimestampTz,
            Ast::Timestamp(..) | Ast::Datetime(_) => SqlType::Timestamp,
            Ast::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => SqlType::Time,
            Ast::Custom(name, arguments) => custom(name, arguments)?,
            other => return Err(unknown(&other.to_string())),
        })
    }

    /// The type that keeps a query's column: what CREATE TABLE AS makes of it.
    pub fn of_arrow(data_type: &DataType) -> SqlType {
        match data_type {
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => SqlType::SmallInt,
            DataType::UInt16 | DataType::Int32 => SqlType::Integer,
            DataType::UInt32 | DataType::Int64 | DataType::UInt64 => SqlType::BigInt,
            DataType::Float16 | DataType::Float32 => SqlType::Real,
            DataType::Float64 => SqlType::Double,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) if *s >= 0 => {
                SqlType::Decimal((*p).min(38), (*s).min(37))
            }
            DataType::Decimal256(p, s) if *s >= 0 => SqlType::Decimal((*p).min(38), (*s).min(37)),
            DataType::Boolean => SqlType::Boolean,
            DataType::Date32 | DataType::Date64 => SqlType::Date,
            DataType::Timestamp(_, None) => SqlType::Timestamp,
            DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
            DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
            _ => SqlType::Varchar(VARCHAR_MAX),
        }
    }

    pub fn arrow(self) -> DataType {
        match self {
            SqlType::SmallInt => DataType::Int16,
            SqlType::Integer => DataType::Int32,
            SqlType::BigInt => DataType::Int64,
            SqlType::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            SqlType::Real => DataType::Float32,
            SqlType::Double => DataType::Float64,
            SqlType::Boolean => DataType::Boolean,
            SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Super => DataType::Utf8,
            SqlType::Date => DataType::Date32,
            SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            SqlType::Time => DataType::Time64(TimeUnit::Microsecond),
        }
    }

    /// The short name that the Data API gives: `int4`, `varchar`.
    pub fn short_name(self) -> &'static str {
        match self {
            SqlType::SmallInt => "int2",
            SqlType::Integer => "int4",
            SqlType::BigInt => "int8",
            SqlType::Decimal(..) => "numeric",
            SqlType::Real => "float4",
            SqlType::Double => "float8",
            SqlType::Boolean => "bool",
            SqlType::Char(_) => "bpchar",
            SqlType::Varchar(_) => "varchar",
            SqlType::Date => "date",
            SqlType::Timestamp => "timestamp",
            SqlType::TimestampTz => "timestamptz",
            SqlType::Time => "time",
            SqlType::Super => "super",
        }
    }

    /// The name without lengths, as `information_schema` writes it: `character varying`.
    pub fn long_name(self) -> &'static str {
        match self {
            SqlType::SmallInt => "smallint",
            SqlType::Integer => "integer",
            SqlType::BigInt => "bigint",
            SqlType::Decimal(..) => "numeric",
            SqlType::Real => "real",
            SqlType::Double => "double precision",
            SqlType::Boolean => "boolean",
            SqlType::Char(_) => "character",
            SqlType::Varchar(_) => "character varying",
            SqlType::Date => "date",
            SqlType::Timestamp => "timestamp without time zone",
            SqlType::TimestampTz => "timestamp with time zone",
            SqlType::Time => "time without time zone",
            SqlType::Super => "super",
        }
    }

    /// Precision and scale as the Data API's `ColumnMetadata` has them.
    pub fn precision_and_scale(self) -> (i32, i32) {
        match self {
            SqlType::SmallInt => (5, 0),
            SqlType::Integer => (10, 0),
            SqlType::BigInt => (19, 0),
            SqlType::Decimal(precision, scale) => (i32::from(precision), i32::from(scale)),
            SqlType::Real => (8, 8),
            SqlType::Double => (17, 17),
            SqlType::Boolean => (1, 0),
            SqlType::Char(length) | SqlType::Varchar(length) => (i32::try_from(length).unwrap_or(i32::MAX), 0),
            SqlType::Date => (13, 0),
            SqlType::Timestamp => (29, 6),
            SqlType::TimestampTz => (35, 6),
            SqlType::Time => (15, 6),
            SqlType::Super => (0, 0),
        }
    }

    pub fn character_length(self) -> Option<u32> {
        match self {
            SqlType::Char(length) | SqlType::Varchar(length) => Some(length),
            _ => None,
        }
    }

    /// Whether a column may be widened to this type by ALTER COLUMN TYPE: only text gets longer.
    pub fn can_become(self, wider: SqlType) -> bool {
        matches!((self, wider), (SqlType::Varchar(_), SqlType::Varchar(_)))
    }

    /// Brings a column of any type to this one, as an assignment does.
    ///
    /// # Errors
    /// In Redshift's words: a text too long or of no such value, a number out of range.
    pub fn assign(self, array: &ArrayRef) -> Result<ArrayRef, RedshiftError> {
        if array.data_type().is_null() {
            return Ok(new_null_array(&self.arrow(), array.len()));
        }
        match self {
            SqlType::Char(length) => self.assign_text(array, length, true),
            SqlType::Varchar(length) => self.assign_text(array, length, false),
            SqlType::Super => cast(array, &DataType::Utf8).map_err(RedshiftError::Statement),
            _ => match array.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => self.read_all(array),
                same if *same == self.arrow() => Ok(Arc::clone(array)),
                _ => self.convert(array),
            },
        }
    }

    fn assign_text(self, array: &ArrayRef, most: u32, blanks_do_not_count: bool) -> Result<ArrayRef, RedshiftError> {
        let texts = match array.data_type() {
            DataType::Boolean | DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_) => {
                crate::result::texts(array)?
            }
            _ => cast(array, &DataType::Utf8).map_err(RedshiftError::Statement)?,
        };
        let texts = texts.as_string::<i32>();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let fits = texts.iter().flatten().all(|text| text.len() <= most);
        if fits && !blanks_do_not_count {
            return Ok(Arc::new(texts.clone()));
        }
        let mut out = StringBuilder::new();
        for text in texts {
            let Some(text) = text else {
                out.append_null();
                continue;
            };
            let mut text = if blanks_do_not_count {
                text.trim_end_matches(' ')
            } else {
                text
            };
            if text.len() > most {
                // Blanks beyond the length are cut without a word, as the standard has it.
                text = text.trim_end_matches(' ');
                if text.len() > most {
                    return Err(RedshiftError::Data(format!("value too long for type {self}")));
                }
            }
            out.append_value(text);
        }
        Ok(Arc::new(out.finish()))
    }

    fn read_all(self, array: &ArrayRef) -> Result<ArrayRef, RedshiftError> {
        let texts = cast(array, &DataType::Utf8).map_err(RedshiftError::Statement)?;
        let texts: &StringArray = texts.as_string();
        self.parse(texts.iter())
    }

    /// A column of this type from texts in Redshift's writing.
    pub fn parse<'a>(self, texts: impl Iterator<Item = Option<&'a str>>) -> Result<ArrayRef, RedshiftError> {
        fn each<'a, A: arrow::datatypes::ArrowPrimitiveType>(
            texts: impl Iterator<Item = Option<&'a str>>,
            read: impl Fn(&str) -> Result<A::Native, RedshiftError>,
        ) -> Result<arrow::array::PrimitiveArray<A>, RedshiftError> {
            texts.map(|text| text.map(&read).transpose()).collect()
        }
        Ok(match self {
            SqlType::SmallInt => Arc::new(each::<Int16Type>(texts, |t| integer(t, "smallint", 2))?),
            SqlType::Integer => Arc::new(each::<Int32Type>(texts, |t| integer(t, "integer", 4))?),
            SqlType::BigInt => Arc::new(each::<Int64Type>(texts, |t| integer(t, "bigint", 8))?),
            SqlType::Decimal(precision, scale) => Arc::new(
                each::<Decimal128Type>(texts, |t| parse_decimal(t, precision, scale))?
                    .with_precision_and_scale(precision, scale)
                    .map_err(|error| RedshiftError::Statement(error.into()))?,
            ),
            SqlType::Real => Arc::new(each::<arrow::datatypes::Float32Type>(texts, |t| {
                #[allow(clippy::cast_possible_truncation)]
                float(t, "real").map(|value| value as f32)
            })?),
            SqlType::Double => Arc::new(each::<Float64Type>(texts, |t| float(t, "double precision"))?),
            SqlType::Boolean => {
                let values: Result<BooleanArray, RedshiftError> =
                    texts.map(|text| text.map(boolean).transpose()).collect();
                Arc::new(values?)
            }
            SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Super => {
                let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
                return self.assign(&texts);
            }
            SqlType::Date => Arc::new(each::<Date32Type>(texts, |t| moment::date(t).map(moment::days))?),
            SqlType::Timestamp => Arc::new(each::<TimestampMicrosecondType>(texts, |t| {
                moment::timestamp(t).and_then(moment::micros)
            })?),
            SqlType::TimestampTz => Arc::new(
                each::<TimestampMicrosecondType>(texts, moment::timestamptz)?.with_timezone(Arc::<str>::from("UTC")),
            ),
            SqlType::Time => Arc::new(each::<arrow::datatypes::Time64MicrosecondType>(texts, moment::time)?),
        })
    }

    fn convert(self, array: &ArrayRef) -> Result<ArrayRef, RedshiftError> {
        let from = array.data_type();
        let out_of_range = || match self {
            SqlType::SmallInt => RedshiftError::Data("Value out of range for 2 bytes.".to_owned()),
            SqlType::Integer => RedshiftError::Data("Value out of range for 4 bytes.".to_owned()),
            SqlType::BigInt => RedshiftError::Data("Value out of range for 8 bytes.".to_owned()),
            SqlType::Decimal(..) => RedshiftError::Data("Numeric data overflow (result precision)".to_owned()),
            _ => RedshiftError::Data(format!("value out of range for type {self}")),
        };
        let number = from.is_numeric();
        let allowed = match self {
            SqlType::SmallInt | SqlType::Integer | SqlType::BigInt => number || *from == DataType::Boolean,
            SqlType::Decimal(..) | SqlType::Real | SqlType::Double => number,
            SqlType::Boolean => from.is_integer(),
            SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz => {
                matches!(from, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
            }
            SqlType::Time => matches!(
                from,
                DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_)
            ),
            _ => true,
        };
        if !allowed {
            return Err(RedshiftError::Data(format!(
                "column is of type {self} but expression is of type {}",
                SqlType::of_arrow(from).long_name()
            )));
        }
        let mut array = Arc::clone(array);
        if matches!(self, SqlType::SmallInt | SqlType::Integer | SqlType::BigInt) {
            // Assignments round; Arrow's casts cut.
            if from.is_floating() {
                let rounded = cast(&array, &DataType::Float64).map_err(RedshiftError::Statement)?;
                let rounded = rounded.as_primitive::<Float64Type>();
                array = Arc::new(rounded.unary::<_, Float64Type>(f64::round_ties_even));
            } else if let DataType::Decimal128(..) = from {
                array = cast(&array, &DataType::Decimal128(38, 0)).map_err(|_| out_of_range())?;
            }
        }
        cast(&array, &self.arrow()).map_err(|_| out_of_range())
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Decimal(precision, scale) => write!(f, "numeric({precision},{scale})"),
            SqlType::Char(length) => write!(f, "character({length})"),
            SqlType::Varchar(length) => write!(f, "character varying({length})"),
            other => f.write_str(other.long_name()),
        }
    }
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, datafusion::error::DataFusionError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    Ok(cast_with_options(array, to, &options)?)
}

fn unknown(name: &str) -> RedshiftError {
    RedshiftError::NotSupported(format!("type \"{}\" does not exist", name.to_lowercase()))
}

fn custom(name: &ast::ObjectName, arguments: &[String]) -> Result<SqlType, RedshiftError> {
    let length = |most: u32, fallback: u32| match arguments.first() {
        None => Ok(fallback),
        Some(text) => match text.parse::<u32>() {
            Ok(length) if (1..=most).contains(&length) => Ok(length),
            _ => Err(RedshiftError::NotSupported(format!(
                "length for type {name} must be between 1 and {most}"
            ))),
        },
    };
    match name.to_string().to_lowercase().as_str() {
        "super" => Ok(SqlType::Super),
        "bpchar" => Ok(SqlType::Char(length(CHAR_MAX, VARCHAR_DEFAULT)?)),
        "nchar" => Ok(SqlType::Char(length(CHAR_MAX, 1)?)),
        "timestamptz" => Ok(SqlType::TimestampTz),
        other => Err(unknown(other)),
    }
}

fn decimal(info: &ExactNumberInfo) -> Result<SqlType, RedshiftError> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(SqlType::Decimal(DECIMAL_DEFAULT.0, DECIMAL_DEFAULT.1)),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=38), Ok(s)) if (0..=37).contains(&s) && i64::from(p) >= i64::from(s) => Ok(SqlType::Decimal(p, s)),
        (Ok(1..=38), _) => Err(RedshiftError::NotSupported(format!(
            "NUMERIC scale {scale} must be between 0 and precision {precision}"
        ))),
        _ => Err(RedshiftError::NotSupported(format!(
            "NUMERIC precision {precision} must be between 1 and 38"
        ))),
    }
}

fn length_of(length: &Option<CharacterLength>, fallback: u32, most: u32, name: &str) -> Result<u32, RedshiftError> {
    match length {
        None => Ok(fallback),
        Some(CharacterLength::Max) => Ok(most),
        Some(CharacterLength::IntegerLength { length, .. }) => match u32::try_from(*length) {
            Ok(0) => Err(RedshiftError::NotSupported(format!(
                "length for type {name} must be at least 1"
            ))),
            Ok(length) if length <= most => Ok(length),
            _ => Err(RedshiftError::NotSupported(format!(
                "length for type {name} cannot exceed {most}"
            ))),
        },
    }
}

fn invalid(name: &str, text: &str) -> RedshiftError {
    RedshiftError::Data(format!("invalid input syntax for type {name}: \"{text}\""))
}

pub(crate) fn integer<T: TryFrom<i64>>(text: &str, name: &str, bytes: u8) -> Result<T, RedshiftError> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix('+').unwrap_or(trimmed);
    let out_of_range = || RedshiftError::Data(format!("Value out of range for {bytes} bytes."));
    match digits.parse::<i64>() {
        Ok(value) => T::try_from(value).map_err(|_| out_of_range()),
        Err(error)
            if matches!(
                error.kind(),
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow
            ) =>
        {
            Err(out_of_range())
        }
        Err(_) => Err(invalid(name, text)),
    }
}

fn float(text: &str, name: &str) -> Result<f64, RedshiftError> {
    text.trim().parse().map_err(|_| invalid(name, text))
}

pub(crate) fn boolean(text: &str) -> Result<bool, RedshiftError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" | "on" => Ok(true),
        "f" | "false" | "n" | "no" | "0" | "off" => Ok(false),
        _ => Err(invalid("boolean", text)),
    }
}

/// A decimal in any usual writing (`-1.5`, `.5`, `2e3`), rounded half away from zero to the scale.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Result<i128, RedshiftError> {
    let wrong = || invalid("numeric", text);
    let overflow = || RedshiftError::Data("Numeric data overflow (result precision)".to_owned());
    let trimmed = text.trim();
    let (negative, unsigned) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    // The digits that count are those before the point moved right by exponent and scale.
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX) + i64::from(exponent) + i64::from(scale);
    let mut value: i128 = 0;
    let mut round_up = false;
    for (at, digit) in (0_i64..).zip(whole.bytes().chain(fraction.bytes())) {
        if at < point {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(i128::from(digit - b'0')))
                .ok_or_else(overflow)?;
        } else {
            round_up = at == point && digit >= b'5';
            break;
        }
    }
    let given = i64::try_from(whole.len() + fraction.len()).unwrap_or(i64::MAX);
    if value != 0 {
        for _ in given..point {
            value = value.checked_mul(10).ok_or_else(overflow)?;
        }
    }
    value += i128::from(round_up);
    if negative {
        value = -value;
    }
    Decimal128Type::validate_decimal_precision(value, precision, scale).map_err(|_| overflow())?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_in_every_writing() {
        for (text, precision, scale, expected) in [
            ("1.5", 10, 2, Some(150)),
            ("-1.005", 10, 2, Some(-101)),
            (".5", 3, 1, Some(5)),
            ("2e3", 10, 0, Some(2000)),
            ("12345e-3", 10, 2, Some(1235)),
            ("0e999999", 10, 2, Some(0)),
            ("999.995", 5, 2, None),
            ("1e40", 38, 0, None),
            ("", 5, 2, None),
            (".", 5, 2, None),
            ("1.2.3", 5, 2, None),
            ("--1", 5, 2, None),
            ("+7", 5, 2, Some(700)),
        ] {
            assert_eq!(parse_decimal(text, precision, scale).ok(), expected, "{text}");
        }
    }

    #[test]
    fn texts_that_are_too_long_are_refused_unless_only_blanks_are() {
        let texts = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
        let stored = SqlType::Varchar(3).assign(&texts("abc   ")).expect("fits");
        assert_eq!(stored.as_string::<i32>().value(0), "abc");
        let error = SqlType::Varchar(3).assign(&texts("abcd")).expect_err("too long");
        assert_eq!(error.to_string(), "value too long for type character varying(3)");
        // Lengths are bytes.
        assert!(SqlType::Char(3).assign(&texts("éé")).is_err());
        let stored = SqlType::Char(5).assign(&texts("a  ")).expect("fits");
        assert_eq!(stored.as_string::<i32>().value(0), "a");
    }
}
