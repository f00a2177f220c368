//! Dates and times as people write them: what a literal, a text that is cast, and COPY with `auto` accept, and the
//! patterns of DATEFORMAT and TIMEFORMAT.

use crate::error::RedshiftError;
use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

fn wrong(kind: &str, text: &str) -> RedshiftError {
    RedshiftError::Data(format!("invalid input syntax for type {kind}: \"{text}\""))
}

/// Days since 1970.
pub(crate) fn days(date: Date) -> i32 {
    let since = date.since(Date::constant(1970, 1, 1));
    since.map_or(0, |span| span.get_days())
}

/// Microseconds since 1970.
pub(crate) fn micros(at: DateTime) -> Result<i64, RedshiftError> {
    at.to_zoned(TimeZone::UTC)
        .map(|zoned| zoned.timestamp().as_microsecond())
        .map_err(|_| RedshiftError::Data(format!("timestamp out of range: \"{at}\"")))
}

/// A day: `2008-01-31`, `20080131`, `31-Jan-2008`, `Jan 31, 2008`, `1/31/2008`; a time after it is left out.
pub(crate) fn date(text: &str) -> Result<Date, RedshiftError> {
    read(text).map(|read| read.at.date()).ok_or_else(|| wrong("date", text))
}

/// A day with or without a time.
pub(crate) fn timestamp(text: &str) -> Result<DateTime, RedshiftError> {
    read(text).map(|read| read.at).ok_or_else(|| wrong("timestamp", text))
}

/// An instant in microseconds since 1970; without a zone the clock is UTC's.
pub(crate) fn timestamptz(text: &str) -> Result<i64, RedshiftError> {
    let read = read(text).ok_or_else(|| wrong("timestamp with time zone", text))?;
    let zone = read.zone.unwrap_or(TimeZone::UTC);
    match read.at.to_zoned(zone) {
        Ok(zoned) => Ok(zoned.timestamp().as_microsecond()),
        Err(_) => Err(wrong("timestamp with time zone", text)),
    }
}

/// Microseconds since midnight.
pub(crate) fn time(text: &str) -> Result<i64, RedshiftError> {
    let time = clock(text.trim())
        .map(|(time, _)| time)
        .ok_or_else(|| wrong("time", text))?;
    Ok(since_midnight(time))
}

fn since_midnight(time: Time) -> i64 {
    let seconds = i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1_000
}

struct Read {
    at: DateTime,
    zone: Option<TimeZone>,
}

fn read(text: &str) -> Option<Read> {
    let text = text.trim();
    let (day, rest) = day(text)?;
    let rest = rest.trim_start_matches(['T', 't']).trim();
    if rest.is_empty() {
        return Some(Read {
            at: day.to_datetime(Time::midnight()),
            zone: None,
        });
    }
    let (time, zone) = clock(rest)?;
    Some(Read {
        at: day.to_datetime(time),
        zone,
    })
}

/// The day at the beginning of a text, and what follows it.
fn day(text: &str) -> Option<(Date, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let first = digits(text);
    if first == 8 {
        let (head, rest) = text.split_at(8);
        let date = made(
            head[..4].parse().ok()?,
            head[4..6].parse().ok()?,
            head[6..].parse().ok()?,
        )?;
        return Some((date, rest));
    }
    if first == 0 {
        // Jan 31, 2008
        let (month, rest) = month_name(text)?;
        let rest = rest.trim_start_matches([' ', '-', '.']);
        let (day, rest) = rest.split_at(digits(rest));
        let rest = rest.trim_start_matches([' ', ',', '-']);
        let (year, rest) = rest.split_at(digits(rest));
        return Some((made(full_year(year)?, month, day.parse().ok()?)?, rest));
    }
    let (one, rest) = text.split_at(first);
    let separator = rest.chars().next().filter(|c| matches!(c, '-' | '/' | '.' | ' '))?;
    let rest = &rest[1..];
    if let Some((month, rest)) = month_name(rest) {
        // 31-Jan-2008
        let rest = rest.strip_prefix(separator)?;
        let (year, rest) = rest.split_at(digits(rest));
        return Some((made(full_year(year)?, month, one.parse().ok()?)?, rest));
    }
    let (two, rest) = rest.split_at(digits(rest));
    let rest = rest.strip_prefix(separator)?;
    let (three, rest) = rest.split_at(digits(rest));
    let date = if one.len() == 4 {
        made(one.parse().ok()?, two.parse().ok()?, three.parse().ok()?)?
    } else {
        // Month first, as DateStyle is "ISO, MDY"; a first number that is no month is a day.
        let (one, two): (i8, i8) = (one.parse().ok()?, two.parse().ok()?);
        let year = full_year(three)?;
        if one > 12 {
            made(year, two, one)?
        } else {
            made(year, one, two)?
        }
    };
    Some((date, rest))
}

fn made(year: i16, month: i8, day: i8) -> Option<Date> {
    Date::new(year, month, day).ok()
}

/// Two digits are of 1970 to 2069, as in Redshift.
fn full_year(digits: &str) -> Option<i16> {
    let year: i16 = digits.parse().ok()?;
    Some(match (digits.len(), year) {
        (2, 70..) => 1900 + year,
        (2, _) => 2000 + year,
        (4, _) => year,
        _ => return None,
    })
}

fn month_name(text: &str) -> Option<(i8, &str)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let name = text.get(..letters)?.to_ascii_lowercase();
    let short = name.get(..3)?;
    let at = MONTHS.iter().position(|month| *month == short)?;
    Some((i8::try_from(at + 1).ok()?, &text[letters..]))
}

/// `20:30`, `20:30:00.5`, `8:30 PM`, each with or without a zone after it.
fn clock(text: &str) -> Option<(Time, Option<TimeZone>)> {
    let end = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
        .count();
    let (clock, rest) = text.split_at(end);
    let mut parts = clock.split(':');
    let mut hour: i8 = parts.next().filter(|part| !part.is_empty())?.parse().ok()?;
    let minute: i8 = parts.next()?.parse().ok()?;
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(second) => {
            let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
            (whole.parse::<i8>().ok()?, fraction_nanos(fraction)?)
        }
    };
    if parts.next().is_some() {
        return None;
    }
    let mut rest = rest.trim();
    if let Some(half) = rest.get(..2).map(str::to_ascii_lowercase)
        && (half == "am" || half == "pm")
    {
        hour = twelve(hour, half == "pm")?;
        rest = rest[2..].trim();
    }
    let time = Time::new(hour, minute, second, nanos).ok()?;
    if rest.is_empty() {
        return Some((time, None));
    }
    Some((time, Some(zone(rest)?)))
}

fn twelve(hour: i8, afternoon: bool) -> Option<i8> {
    match (hour, afternoon) {
        (12, false) => Some(0),
        (1..=11, false) | (12, true) => Some(hour),
        (1..=11, true) => Some(hour + 12),
        // Twenty-four hours and PM beside them: the hours win.
        (13..=23, true) => Some(hour),
        _ => None,
    }
}

fn fraction_nanos(digits: &str) -> Option<i32> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Redshift keeps microseconds.
    let kept: String = digits.chars().chain("000000".chars()).take(6).collect();
    kept.parse::<i32>().ok().map(|micros| micros * 1_000)
}

pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    let name = name.trim();
    if name.eq_ignore_ascii_case("z") || name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("gmt") {
        return Some(TimeZone::UTC);
    }
    if let Some(sign) = name.chars().next().filter(|c| matches!(c, '+' | '-')) {
        let digits: String = name[1..].chars().filter(char::is_ascii_digit).collect();
        let (hours, minutes): (i32, i32) = match digits.len() {
            1 | 2 => (digits.parse().ok()?, 0),
            4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
            _ => return None,
        };
        let seconds = (hours * 3_600 + minutes * 60) * if sign == '-' { -1 } else { 1 };
        return jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed);
    }
    TimeZone::get(name).ok()
}

/// How COPY reads dates and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Every writing that is known.
    Auto,
    /// `YYYY-MM-DD HH24:MI:SS` and the like.
    Pattern(String),
    /// Seconds, or milliseconds, since 1970.
    EpochSeconds,
    EpochMillis,
}

impl Format {
    pub fn of(text: &str) -> Format {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Format::Auto,
            "epochsecs" => Format::EpochSeconds,
            "epochmillisecs" => Format::EpochMillis,
            _ => Format::Pattern(text.to_owned()),
        }
    }

    /// The clock's reading, and the zone where the text names one.
    fn read(&self, text: &str) -> Option<(DateTime, Option<TimeZone>)> {
        match self {
            Format::Auto => read(text).map(|read| (read.at, read.zone)),
            Format::Pattern(pattern) => by_pattern(pattern, text).map(|at| (at, None)),
            Format::EpochSeconds | Format::EpochMillis => {
                let value: f64 = text.trim().parse().ok()?;
                let micros = value * if *self == Format::EpochSeconds { 1e6 } else { 1e3 };
                #[allow(clippy::cast_possible_truncation)]
                let at = Timestamp::from_microsecond(micros.round() as i64).ok()?;
                Some((at.to_zoned(TimeZone::UTC).datetime(), None))
            }
        }
    }

    /// Days since 1970.
    pub fn date(&self, text: &str) -> Option<i32> {
        self.read(text).map(|(at, _)| days(at.date()))
    }

    /// Microseconds since 1970 on the clock that the text shows.
    pub fn timestamp(&self, text: &str) -> Option<i64> {
        self.read(text).and_then(|(at, _)| micros(at).ok())
    }

    /// The instant in microseconds since 1970.
    pub fn timestamptz(&self, text: &str) -> Option<i64> {
        let (at, zone) = self.read(text)?;
        let zoned = at.to_zoned(zone.unwrap_or(TimeZone::UTC)).ok()?;
        Some(zoned.timestamp().as_microsecond())
    }
}

/// Reads by one of Redshift's patterns. HH takes 24 hours too, as COPY does: the sample data of Redshift's own
/// documentation is loaded so.
fn by_pattern(pattern: &str, text: &str) -> Option<DateTime> {
    let mut rest = text.trim();
    let mut pattern = pattern.trim();
    let (mut year, mut month, mut day) = (1970_i16, 1_i8, 1_i8);
    let (mut hour, mut minute, mut second, mut nanos) = (0_i8, 0_i8, 0_i8, 0_i32);
    let mut afternoon = None;
    fn number<'a>(rest: &mut &'a str, most: usize) -> Option<&'a str> {
        let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, after) = rest.split_at(count);
        *rest = after;
        (count > 0).then_some(digits)
    }
    while let Some(next) = pattern.chars().next() {
        let is = |part: &str| {
            pattern
                .get(..part.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(part))
        };
        let taken = if is("YYYY") {
            year = full_year(number(&mut rest, 4)?)?;
            4
        } else if is("YY") {
            year = full_year(number(&mut rest, 2)?)?;
            2
        } else if is("MONTH") {
            (month, rest) = month_name(rest)?;
            5
        } else if is("MON") {
            (month, rest) = month_name(rest)?;
            3
        } else if is("MM") {
            month = number(&mut rest, 2)?.parse().ok()?;
            2
        } else if is("DD") {
            day = number(&mut rest, 2)?.parse().ok()?;
            2
        } else if is("HH24") || is("HH12") {
            hour = number(&mut rest, 2)?.parse().ok()?;
            4
        } else if is("HH") {
            hour = number(&mut rest, 2)?.parse().ok()?;
            2
        } else if is("MI") {
            minute = number(&mut rest, 2)?.parse().ok()?;
            2
        } else if is("SS") {
            second = number(&mut rest, 2)?.parse().ok()?;
            // A fraction may follow without a sign of it in the pattern.
            if !pattern[2..].starts_with('.')
                && let Some(after) = rest.strip_prefix('.')
            {
                rest = after;
                nanos = fraction_nanos(number(&mut rest, 9)?)?;
            }
            2
        } else if is("US") || is("MS") {
            nanos = fraction_nanos(number(&mut rest, 6)?)?;
            2
        } else if is("AM") || is("PM") {
            afternoon = Some(rest.get(..2)?.eq_ignore_ascii_case("pm"));
            rest = &rest[2..];
            2
        } else if next.is_whitespace() {
            rest = rest.trim_start();
            next.len_utf8()
        } else if next == 'T' || !next.is_alphanumeric() {
            // Any separator stands for any other, as DATEFORMAT allows.
            let found = rest.chars().next()?;
            if found.is_ascii_digit() {
                return None;
            }
            rest = &rest[found.len_utf8()..];
            next.len_utf8()
        } else {
            return None;
        };
        pattern = &pattern[taken..];
        if rest.is_empty() {
            // A day alone is midnight, where a pattern goes on to a time.
            break;
        }
    }
    if let Some(afternoon) = afternoon {
        hour = twelve(hour, afternoon)?;
    }
    if !rest.trim().is_empty() {
        return None;
    }
    let time = Time::new(hour, minute, second, nanos).ok()?;
    Some(Date::new(year, month, day).ok()?.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_read_in_many_writings() {
        for (text, expected) in [
            ("2008-01-31", "2008-01-31T00:00:00"),
            ("20080131", "2008-01-31T00:00:00"),
            ("31-Jan-2008", "2008-01-31T00:00:00"),
            ("Jan 31, 2008", "2008-01-31T00:00:00"),
            ("January 31 2008 8:30 PM", "2008-01-31T20:30:00"),
            ("1/31/2008 02:15:09.5", "2008-01-31T02:15:09.5"),
            ("31/1/08", "2008-01-31T00:00:00"),
            ("2008-01-31T20:30:00Z", "2008-01-31T20:30:00"),
            ("2008-01-31 20:30:00+02", "2008-01-31T20:30:00"),
        ] {
            let at = timestamp(text).expect(text);
            assert_eq!(at.to_string(), expected, "{text}");
        }
        for text in [
            "",
            "soon",
            "2008-13-01",
            "2008-02-30",
            "2008-01-31 25:00",
            "2008-01-31 x",
        ] {
            assert!(timestamp(text).is_err(), "{text}");
        }
        assert_eq!(timestamptz("1970-01-01 02:00:00+02").expect("reads"), 0);
    }

    #[test]
    fn patterns_read_what_they_describe() {
        for (pattern, text, expected) in [
            (
                "YYYY-MM-DD HH:MI:SS",
                "2008-01-25 14:30:00",
                Some("2008-01-25T14:30:00"),
            ),
            ("MM/DD/YYYY HH:MI:SS", "2/18/2008 02:36:48", Some("2008-02-18T02:36:48")),
            ("MM.DD.YYYY HH24:MI", "03.31.2003 18:45", Some("2003-03-31T18:45:00")),
            ("DD-MON-YY", "05-MAR-99", Some("1999-03-05T00:00:00")),
            (
                "YYYY-MM-DD HH12:MI AM",
                "2008-01-25 12:05 AM",
                Some("2008-01-25T00:05:00"),
            ),
            ("YYYY-MM-DD", "2008/01/25", Some("2008-01-25T00:00:00")),
            ("YYYY-MM-DD", "25.01.2008", None),
            ("YYYY-MM-DD", "2008-01-25 10:00", None),
        ] {
            let read = by_pattern(pattern, text).map(|at| at.to_string());
            assert_eq!(read.as_deref(), expected, "{pattern} of {text}");
        }
        assert_eq!(Format::of("epochmillisecs").timestamp("1000"), Some(1_000_000));
    }
}
