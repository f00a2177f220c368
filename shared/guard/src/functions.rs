//! Which functions, types, operators and words a query may use. The functions stand in `functions.txt`.

use sqlparser::ast::{BinaryOperator, DataType, DateTimeField, ObjectNamePart, UnaryOperator};
use std::{collections::HashMap, sync::LazyLock};

/// What is special about a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Aggregate,
    Window,
    /// Its first argument may be a bare part of a date.
    DatePart,
    /// Makes a text of a given length.
    Growing,
    /// Its second argument is a pattern.
    Pattern,
    Scalar,
}

static FUNCTIONS: LazyLock<HashMap<&'static str, Kind>> = LazyLock::new(|| {
    let mut functions = HashMap::new();
    let mut kind = Kind::Scalar;
    for line in include_str!("functions.txt").lines() {
        match line.trim() {
            "" => {}
            line if line.starts_with('#') => {}
            "[aggregate]" => kind = Kind::Aggregate,
            "[window]" => kind = Kind::Window,
            "[date_part]" => kind = Kind::DatePart,
            "[growing]" => kind = Kind::Growing,
            "[pattern]" => kind = Kind::Pattern,
            "[scalar]" => kind = Kind::Scalar,
            line => functions.extend(line.split(' ').map(|name| (name, kind))),
        }
    }
    functions
});

/// `name` in lower case.
pub(crate) fn function(name: &str) -> Option<Kind> {
    FUNCTIONS.get(name).copied()
}

pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.keys().copied()
}

/// Whether a function that is not on the list tells of, or changes, the session or the system.
pub(crate) fn is_system(name: &str) -> bool {
    const BEGINNINGS: [&str; 14] = [
        "pg_",
        "has_",
        "current_",
        "inet_",
        "lo_",
        "txid_",
        "aws_",
        "stl_",
        "stv_",
        "svv_",
        "svl_",
        "dblink",
        "set_",
        "get_current",
    ];
    const NAMES: [&str; 21] = [
        "version",
        "user",
        "session_user",
        "system_user",
        "user_is_member_of",
        "role_is_member_of",
        "slice_num",
        "nextval",
        "currval",
        "setval",
        "lastval",
        "sleep",
        "load_file",
        "query_to_xml",
        "table_to_xml",
        "database_to_xml",
        "explain_model",
        "reboot_cluster",
        "last_user_query_id",
        "change_query_priority",
        "change_session_priority",
    ];
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) || NAMES.contains(&name)
}

/// Words that stand for a value without brackets.
pub(crate) fn is_value_word(word: &str) -> bool {
    matches!(
        word,
        "current_date" | "current_timestamp" | "current_time" | "localtime" | "localtimestamp" | "sysdate"
    )
}

/// Words that stand for something of the session without brackets.
pub(crate) fn is_session_word(word: &str) -> bool {
    matches!(
        word,
        "current_user"
            | "session_user"
            | "system_user"
            | "user"
            | "current_role"
            | "current_schema"
            | "current_schemas"
            | "current_catalog"
            | "current_database"
            | "current_user_id"
            | "current_aws_account"
            | "current_namespace"
            | "current_setting"
            | "current_session_arn"
            | "current_principal"
    )
}

/// Parts of dates and their abbreviations, as Redshift's documentation lists them.
pub(crate) fn is_date_part(word: &str) -> bool {
    matches!(
        word,
        "millennium"
            | "millennia"
            | "mil"
            | "mils"
            | "century"
            | "centuries"
            | "c"
            | "cent"
            | "cents"
            | "decade"
            | "decades"
            | "dec"
            | "decs"
            | "year"
            | "years"
            | "y"
            | "yr"
            | "yrs"
            | "isoyear"
            | "yy"
            | "yyyy"
            | "quarter"
            | "quarters"
            | "qtr"
            | "qtrs"
            | "q"
            | "qq"
            | "month"
            | "months"
            | "mon"
            | "mons"
            | "mm"
            | "week"
            | "weeks"
            | "w"
            | "wk"
            | "ww"
            | "isoweek"
            | "dayofweek"
            | "dow"
            | "dw"
            | "weekday"
            | "isodow"
            | "dayofyear"
            | "doy"
            | "dy"
            | "yearday"
            | "day"
            | "days"
            | "d"
            | "dd"
            | "hour"
            | "hours"
            | "h"
            | "hr"
            | "hrs"
            | "hh"
            | "minute"
            | "minutes"
            | "m"
            | "min"
            | "mins"
            | "mi"
            | "n"
            | "second"
            | "seconds"
            | "s"
            | "sec"
            | "secs"
            | "ss"
            | "millisecond"
            | "milliseconds"
            | "ms"
            | "msec"
            | "msecs"
            | "msecond"
            | "mseconds"
            | "millisec"
            | "microsecond"
            | "microseconds"
            | "microsec"
            | "microsecs"
            | "usecond"
            | "useconds"
            | "us"
            | "usec"
            | "usecs"
            | "nanosecond"
            | "nanoseconds"
            | "ns"
            | "epoch"
            | "timezone"
            | "timezone_hour"
            | "timezone_minute"
            | "julian"
            | "date"
            | "time"
    )
}

pub(crate) fn is_field(field: &DateTimeField) -> bool {
    match field {
        DateTimeField::Custom(word) => is_date_part(&word.value.to_ascii_lowercase()),
        DateTimeField::Week(weekday) => weekday.is_none(),
        DateTimeField::NoDateTime | DateTimeField::TimezoneRegion | DateTimeField::TimezoneAbbr => false,
        _ => true,
    }
}

pub(crate) fn is_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Character(_)
        | DataType::Char(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Varchar(_)
        | DataType::Nvarchar(_)
        | DataType::Text
        | DataType::Numeric(_)
        | DataType::Decimal(_)
        | DataType::Dec(_)
        | DataType::Float(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real
        | DataType::Double(_)
        | DataType::DoublePrecision
        | DataType::TinyInt(_)
        | DataType::SmallInt(_)
        | DataType::Int2(_)
        | DataType::Int(_)
        | DataType::Int4(_)
        | DataType::Int8(_)
        | DataType::Integer(_)
        | DataType::BigInt(_)
        | DataType::Bool
        | DataType::Boolean
        | DataType::Date
        | DataType::Time(..)
        | DataType::Timestamp(..)
        | DataType::Datetime(_)
        | DataType::Interval { .. }
        | DataType::String(_)
        | DataType::Varbinary(_) => true,
        DataType::Custom(name, parameters) => match name.0.as_slice() {
            [ObjectNamePart::Identifier(word)] => {
                parameters
                    .iter()
                    .all(|parameter| parameter.bytes().all(|byte| byte.is_ascii_digit()))
                    && matches!(
                        word.value.to_ascii_lowercase().as_str(),
                        "bpchar"
                            | "super"
                            | "varbyte"
                            | "hllsketch"
                            | "geometry"
                            | "geography"
                            | "timetz"
                            | "timestamptz"
                            | "string"
                            | "number"
                            | "nchar"
                    )
            }
            _ => false,
        },
        _ => false,
    }
}

pub(crate) fn is_binary_operator(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat
            | BinaryOperator::Gt
            | BinaryOperator::Lt
            | BinaryOperator::GtEq
            | BinaryOperator::LtEq
            | BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::And
            | BinaryOperator::Or
            | BinaryOperator::BitwiseOr
            | BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseXor
            | BinaryOperator::PGExp
            | BinaryOperator::PGBitwiseShiftLeft
            | BinaryOperator::PGBitwiseShiftRight
            | BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
            | BinaryOperator::Overlaps
    )
}

pub(crate) fn is_unary_operator(operator: UnaryOperator) -> bool {
    matches!(
        operator,
        UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not | UnaryOperator::BitwiseNot
    )
}
