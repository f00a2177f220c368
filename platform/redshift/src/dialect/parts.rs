//! The parts of a date and their many names ("date parts for date or timestamp functions").

use super::build::{as_text, text};
use crate::error::RedshiftError;
use datafusion::sql::sqlparser::ast::Expr;

/// The one name that the functions and the parser both know a part by.
pub(super) fn date_part(name: &str) -> Option<&'static str> {
    Some(match name.to_lowercase().as_str() {
        "millennium" | "millennia" | "mil" | "mils" => "millennium",
        "century" | "centuries" | "c" | "cent" | "cents" => "century",
        "decade" | "decades" | "dec" | "decs" => "decade",
        "year" | "years" | "y" | "yr" | "yrs" => "year",
        "quarter" | "quarters" | "qtr" | "qtrs" => "quarter",
        "month" | "months" | "mon" | "mons" => "month",
        "week" | "weeks" | "w" => "week",
        "day" | "days" | "d" => "day",
        "dayofweek" | "dow" | "dw" | "weekday" => "dow",
        "dayofyear" | "doy" | "dy" | "yearday" => "doy",
        "hour" | "hours" | "h" | "hr" | "hrs" => "hour",
        "minute" | "minutes" | "m" | "min" | "mins" => "minute",
        "second" | "seconds" | "s" | "sec" | "secs" => "second",
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisec"
        | "millisecs" | "millisecon" => "millisecond",
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsec"
        | "microsecs" => "microsecond",
        "epoch" => "epoch",
        "timezone" => "timezone",
        "timezone_hour" => "timezone_hour",
        "timezone_minute" => "timezone_minute",
        _ => return None,
    })
}

/// Redshift takes the part bare or quoted, under many names: `year`, `'yr'`, `mon`, `dow`.
pub(super) fn part_to_text(part: &mut Expr) -> Result<(), RedshiftError> {
    let name = match &*part {
        Expr::Identifier(ident) => Some(ident.value.as_str()),
        other => as_text(other),
    };
    match name.and_then(date_part) {
        Some(known) => {
            *part = text(known);
            Ok(())
        }
        None => Err(RedshiftError::NotSupported(format!(
            "{part} is no part of a date: use year, quarter, month, week, day, dow, doy, hour, minute, second or epoch"
        ))),
    }
}
