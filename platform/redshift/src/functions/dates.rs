//! Dates and times: DATEADD, DATEDIFF, DATE_PART, DATE_TRUNC, LAST_DAY, NEXT_DAY, MONTHS_BETWEEN and their like.

use super::{
    calendar::{self, Civil, DAY, Part},
    simple::{Args, Kind, MICROSECONDS, Simple, gives_bigint, gives_float, micros_utc, own, simple},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, Int32Array, Int64Array, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, TimestampMicrosecondType},
};
use datafusion::common::{Result, ScalarValue, exec_err};
use jiff::{Timestamp, tz::TimeZone};
use std::{collections::HashMap, sync::Arc};

pub(super) fn all() -> Vec<Simple> {
    use Kind::{Int, Moment, Text};
    vec![
        simple("dateadd", &[Text, Int, Moment], like_third, date_add),
        simple("datediff", &[Text, Moment, Moment], gives_bigint, date_diff),
        simple("pgdate_part", &[Text, Moment], gives_float, |args| {
            let part = part("DATE_PART", args)?;
            let moments = args.moments(1)?;
            let values: Float64Array = moments
                .iter()
                .map(|at| at.map(|at| calendar::date_part(part, at)))
                .collect();
            Ok(Arc::new(values))
        }),
        simple("extract_part", &[Text, Moment], extracted, extract),
        simple("date_trunc", &[Text, Moment], like_second, |args| {
            let part = part("DATE_TRUNC", args)?;
            moved(args, 1, |at| Ok(calendar::truncate(part, at)))
        }),
        simple(
            "add_months",
            &[Moment, Int],
            |types, _| Ok(timestamp_like(types.first())),
            |args| {
                let months = args.ints(1)?;
                let moments = args.moments(0)?;
                let values: Result<TimestampMicrosecondArray> = moments
                    .iter()
                    .zip(&months)
                    .map(|pair| match pair {
                        (Some(at), Some(months)) => calendar::add_months(at, months, true).map(Some),
                        _ => Ok(None),
                    })
                    .collect();
                zoned(values?, &args.returned)
            },
        ),
        simple("months_between", &[Moment, Moment], gives_float, |args| {
            let (one, two) = (args.moments(0)?, args.moments(1)?);
            let values: Float64Array = one
                .iter()
                .zip(&two)
                .map(|pair| match pair {
                    (Some(one), Some(two)) => Some(months_between(one, two)),
                    _ => None,
                })
                .collect();
            Ok(Arc::new(values))
        }),
        simple("last_day", &[Moment], gives_date, |args| {
            dated(args, |at| {
                let Civil { year, month, .. } = calendar::civil(at.div_euclid(DAY));
                calendar::days(year, month, calendar::days_in_month(year, month))
            })
        }),
        simple("next_day", &[Moment, Text], gives_date, next_day),
        simple(
            "timezone",
            &[Text, Moment],
            |types, _| {
                Ok(match types.get(1) {
                    Some(DataType::Timestamp(_, Some(_))) => MICROSECONDS,
                    _ => micros_utc(),
                })
            },
            at_time_zone,
        ),
        simple(
            "convert_timezone",
            &[Text, Kind::Any, Kind::Any],
            |_, _| Ok(MICROSECONDS),
            convert_timezone,
        )
        .required(2),
        simple("trunc_moment", &[Moment], gives_date, |args| {
            dated(args, |at| at.div_euclid(DAY))
        }),
    ]
}

fn gives_date(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Date32)
}

/// A timestamp, with a zone if the argument has one.
fn timestamp_like(argument: Option<&DataType>) -> DataType {
    match argument {
        Some(DataType::Timestamp(_, Some(_))) => micros_utc(),
        _ => MICROSECONDS,
    }
}

fn like_second(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(timestamp_like(types.get(1)))
}

fn like_third(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(timestamp_like(types.get(2)))
}

/// EXTRACT gives an integer of dates and timestamps and a double of timestamps with a zone.
fn extracted(types: &[DataType], literals: &[Option<&ScalarValue>]) -> Result<DataType> {
    let epoch = matches!(
        literals.first(),
        Some(Some(ScalarValue::Utf8(Some(part)))) if part == "epoch"
    );
    Ok(match types.get(1) {
        Some(DataType::Timestamp(_, Some(_))) => DataType::Float64,
        // Seconds since 1970 leave four bytes in 2038.
        _ if epoch => DataType::Int64,
        _ => DataType::Int32,
    })
}

/// The part of a date, which is a literal: the rewriting of the statement made it one.
fn part(function: &str, args: &Args) -> Result<Part> {
    let texts = args.texts(0)?;
    if texts.is_empty() {
        return Ok(Part::Day);
    }
    match Part::named(texts.value(0)) {
        Some(part) => Ok(part),
        None => exec_err!("{function} does not know the part {}", texts.value(0)),
    }
}

/// The array with the zone that the result is to have.
fn zoned(array: TimestampMicrosecondArray, returned: &DataType) -> Result<ArrayRef> {
    Ok(match returned {
        DataType::Timestamp(_, zone) => Arc::new(array.with_timezone_opt(zone.clone())),
        _ => Arc::new(array),
    })
}

fn moved(args: &Args, at: usize, f: impl Fn(i64) -> Result<i64>) -> Result<ArrayRef> {
    zoned(
        args.moments(at)?.try_unary::<_, TimestampMicrosecondType, _>(f)?,
        &args.returned,
    )
}

fn dated(args: &Args, f: impl Fn(i64) -> i64) -> Result<ArrayRef> {
    let days: Result<Date32Array> = args
        .moments(0)?
        .iter()
        .map(|at| at.map(|at| day32(f(at))).transpose())
        .collect();
    Ok(Arc::new(days?))
}

fn day32(days: i64) -> Result<i32> {
    match i32::try_from(days) {
        Ok(days) => Ok(days),
        Err(_) => exec_err!("date out of range"),
    }
}

fn date_add(args: &Args) -> Result<ArrayRef> {
    let part = part("DATEADD", args)?;
    let counts = args.ints(1)?;
    let moments = args.moments(2)?;
    let values: Result<TimestampMicrosecondArray> = counts
        .iter()
        .zip(&moments)
        .map(|pair| match pair {
            (Some(count), Some(at)) => calendar::add(part, count, at).map(Some),
            _ => Ok(None),
        })
        .collect();
    zoned(values?, &args.returned)
}

/// DATEDIFF counts the boundaries between two moments: from 31 December to 1 January is one year.
fn date_diff(args: &Args) -> Result<ArrayRef> {
    let part = part("DATEDIFF", args)?;
    let (from, to) = (args.moments(1)?, args.moments(2)?);
    let values: Int64Array = from
        .iter()
        .zip(&to)
        .map(|pair| match pair {
            (Some(from), Some(to)) => Some(calendar::boundary(part, to) - calendar::boundary(part, from)),
            _ => None,
        })
        .collect();
    Ok(Arc::new(values))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn extract(args: &Args) -> Result<ArrayRef> {
    let part = part("EXTRACT", args)?;
    let moments = args.moments(1)?;
    let values = moments.iter().map(|at| at.map(|at| calendar::extract(part, at)));
    Ok(match &args.returned {
        DataType::Float64 => Arc::new(values.map(|x| x.map(|x| x as f64)).collect::<Float64Array>()),
        DataType::Int64 => Arc::new(values.collect::<Int64Array>()),
        // All but the epoch are small.
        _ => Arc::new(values.map(|x| x.map(|x| x as i32)).collect::<Int32Array>()),
    })
}

/// Whole months where both are the same day of the month, or both the last one; else a month has 31 days.
#[allow(clippy::cast_precision_loss)]
fn months_between(one: i64, two: i64) -> f64 {
    let (a, b) = (
        calendar::civil(one.div_euclid(DAY)),
        calendar::civil(two.div_euclid(DAY)),
    );
    let months = ((a.year - b.year) * 12 + a.month - b.month) as f64;
    let is_last = |c: Civil| c.day == calendar::days_in_month(c.year, c.month);
    if a.day == b.day || is_last(a) && is_last(b) {
        return months;
    }
    let micros = (a.day - b.day) * DAY + one.rem_euclid(DAY) - two.rem_euclid(DAY);
    months + micros as f64 / (31 * DAY) as f64
}

/// The first such day of the week after a date.
fn next_day(args: &Args) -> Result<ArrayRef> {
    const NAMES: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    let names = args.texts(1)?;
    let values: Result<Date32Array> = args
        .moments(0)?
        .iter()
        .zip(&names)
        .map(|pair| {
            let (Some(at), Some(name)) = pair else { return Ok(None) };
            let wanted = name.trim().to_lowercase();
            let known = NAMES
                .iter()
                .position(|day| wanted.len() >= 2 && day.starts_with(&wanted));
            let Some(wanted) = known.and_then(|at| i64::try_from(at).ok()) else {
                return exec_err!("\"{name}\" is no day of the week");
            };
            let day = at.div_euclid(DAY);
            let ahead = (wanted - calendar::weekday(day) + 6).rem_euclid(7) + 1;
            day32(day + ahead).map(Some)
        })
        .collect();
    Ok(Arc::new(values?))
}

/// The zones that were met so far.
#[derive(Default)]
pub(super) struct Zones(HashMap<String, TimeZone>);

impl Zones {
    fn zone(&mut self, name: &str) -> Result<TimeZone> {
        if let Some(zone) = self.0.get(name) {
            return Ok(zone.clone());
        }
        let Some(zone) = crate::moment::zone(name) else {
            return exec_err!("time zone \"{name}\" not recognized");
        };
        self.0.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }

    /// The instant at which clocks in a zone show this.
    fn instant(&mut self, clock: i64, zone: &str) -> Result<i64> {
        let zone = self.zone(zone)?;
        let instant = Timestamp::from_microsecond(clock)
            .ok()
            .and_then(|clock| clock.to_zoned(TimeZone::UTC).datetime().to_zoned(zone).ok());
        match instant {
            Some(instant) => Ok(instant.timestamp().as_microsecond()),
            None => exec_err!("timestamp out of range"),
        }
    }

    /// What clocks in a zone show at an instant.
    fn clock(&mut self, instant: i64, zone: &str) -> Result<i64> {
        let zone = self.zone(zone)?;
        let clock = Timestamp::from_microsecond(instant)
            .ok()
            .and_then(|at| at.to_zoned(zone).datetime().to_zoned(TimeZone::UTC).ok());
        match clock {
            Some(clock) => Ok(clock.timestamp().as_microsecond()),
            None => exec_err!("timestamp out of range"),
        }
    }
}

/// `ts AT TIME ZONE z`: a timestamp is a clock in that zone and becomes an instant; an instant becomes such a clock.
fn at_time_zone(args: &Args) -> Result<ArrayRef> {
    let names = args.texts(0)?;
    let moments = args.moments(1)?;
    let is_instant = matches!(args.column(1)?.data_type(), DataType::Timestamp(_, Some(_)));
    let mut zones = Zones::default();
    let values: Result<TimestampMicrosecondArray> = names
        .iter()
        .zip(&moments)
        .map(|pair| match pair {
            (Some(name), Some(at)) if is_instant => zones.clock(at, name).map(Some),
            (Some(name), Some(at)) => zones.instant(at, name).map(Some),
            _ => Ok(None),
        })
        .collect();
    zoned(values?, &args.returned)
}

/// `CONVERT_TIMEZONE([from,] to, timestamp)`: the clock of one zone as that of another. The zones are texts of each row,
/// so that a day can be told where its venue is.
fn convert_timezone(args: &Args) -> Result<ArrayRef> {
    let (from, to, times) = match args.len() {
        2 => (None, args.texts(0)?, args.column(1)?),
        _ => (Some(args.texts(0)?), args.texts(1)?, args.column(2)?),
    };
    let times = match times.data_type() {
        DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..) => super::simple::moments(times)?,
        DataType::LargeUtf8 | DataType::Utf8View => super::simple::moments(&cast(times, &DataType::Utf8)?)?,
        DataType::Null => cast(times, &MICROSECONDS)?
            .as_primitive::<TimestampMicrosecondType>()
            .clone(),
        other => {
            return Err(own(crate::RedshiftError::Data(format!(
                "CONVERT_TIMEZONE takes a timestamp, not a value of type {other}"
            ))));
        }
    };
    let mut zones = Zones::default();
    let values: Result<TimestampMicrosecondArray> = (0..args.rows)
        .map(|row| {
            if to.is_null(row) || times.is_null(row) || from.as_ref().is_some_and(|from| from.is_null(row)) {
                return Ok(None);
            }
            let from = from.as_ref().map_or("UTC", |from| from.value(row));
            let instant = zones.instant(times.value(row), from)?;
            zones.clock(instant, to.value(row)).map(Some)
        })
        .collect();
    Ok(Arc::new(values?))
}
