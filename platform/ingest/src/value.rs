//! From the text of one field to a typed value. A value that does not fit ends in a [`Fault`], which names the rule
//! and says in one sentence what was found.

use concert_lake::{
    schema::{ColumnDef, Kind, MONEY_PRECISION, MONEY_SCALE, Reading},
    time,
};
use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    fmt::strtime,
    fmt::temporal::DateTimeParser,
    tz::{Offset, TimeZone},
};
use std::borrow::Cow;

/// The longest text that a warehouse column holds, in bytes (Redshift's VARCHAR).
pub const MAX_TEXT_BYTES: usize = 65_535;

/// The longest piece of a value that a message repeats, in characters.
const MAX_SHOWN_CHARS: usize = 60;

#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Text(Cow<'a, str>),
    Integer(i32),
    BigInt(i64),
    Double(f64),
    /// Hundredths of the major unit, as DECIMAL(14,2) stores it.
    Money(i128),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01, UTC.
    Timestamp(i64),
}

impl Cell<'_> {
    /// The same without a borrow.
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Cell::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Cell::Integer(value) => Cell::Integer(value),
            Cell::BigInt(value) => Cell::BigInt(value),
            Cell::Double(value) => Cell::Double(value),
            Cell::Money(value) => Cell::Money(value),
            Cell::Date(value) => Cell::Date(value),
            Cell::Timestamp(value) => Cell::Timestamp(value),
        }
    }
}

/// Why a value was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable and short: `type.number`, `type.date`.
    pub rule: &'static str,
    pub message: String,
}

impl Fault {
    pub fn new(rule: &'static str, message: impl Into<String>) -> Fault {
        Fault {
            rule,
            message: message.into(),
        }
    }
}

/// How the text of a day or an instant is written; without it, ISO 8601.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    Iso,
    /// A `strptime` pattern of a day.
    Date(String),
    /// A `strptime` pattern of a day and a time, perhaps with an offset.
    DateTime(String),
}

impl TimeFormat {
    /// Whether the pattern is one that gives back the day (and the time) that it was written with.
    pub fn check(&self) -> Result<(), String> {
        let sample = DateTime::constant(2013, 11, 22, 21, 34, 56, 0);
        let (pattern, wanted) = match self {
            TimeFormat::Iso => return Ok(()),
            TimeFormat::Date(pattern) => (
                pattern,
                Moment {
                    date: sample.date(),
                    at: None,
                    offset: None,
                },
            ),
            TimeFormat::DateTime(pattern) => (
                pattern,
                Moment {
                    date: sample.date(),
                    at: Some(sample),
                    offset: None,
                },
            ),
        };
        let zoned = sample.to_zoned(TimeZone::UTC).map_err(|e| e.to_string())?;
        let written = strtime::format(pattern, &zoned).map_err(|e| e.to_string())?;
        // Seconds are often left out.
        let minute = sample.with().second(0).build().ok();
        match moment(&written, self) {
            Ok(found) if found.date == wanted.date && (found.at == wanted.at || found.at == minute) => Ok(()),
            _ => Err(format!(
                "{written:?}, as it writes {sample}, does not read back: something of the day is missing"
            )),
        }
    }
}

/// A day with the time and the offset from UTC that were written with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    pub date: Date,
    pub at: Option<DateTime>,
    pub offset: Option<Offset>,
}

impl Moment {
    /// The instant, where the text says enough to know it.
    pub fn instant(&self) -> Option<Timestamp> {
        self.offset?.to_timestamp(self.at?).ok()
    }
}

/// Shortens a value for a message.
pub fn shown(text: &str) -> String {
    if text.chars().count() <= MAX_SHOWN_CHARS {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    format!("{:?}", format!("{start}…"))
}

/// Reads a day or an instant.
pub fn moment(text: &str, format: &TimeFormat) -> Result<Moment, Fault> {
    let fault = |wanted: &str| Fault::new("type.date", format!("{} is not {wanted}", shown(text)));
    match format {
        TimeFormat::Iso => {
            if let Some(moment) = plain_iso(text.as_bytes()) {
                return Ok(moment);
            }
            let wanted = "a date such as 2024-05-31";
            let pieces = DateTimeParser::new().parse_pieces(text).map_err(|_| fault(wanted))?;
            let at = pieces.time().map(|at| DateTime::from_parts(pieces.date(), at));
            Ok(Moment {
                date: pieces.date(),
                at,
                offset: pieces.to_numeric_offset(),
            })
        }
        TimeFormat::Date(pattern) => {
            let wanted = format!("a date written {pattern}");
            let date = strtime::parse(pattern, text)
                .and_then(|parts| parts.to_date())
                .map_err(|_| fault(&wanted))?;
            Ok(Moment {
                date,
                at: None,
                offset: None,
            })
        }
        TimeFormat::DateTime(pattern) => {
            let wanted = format!("a date and time written {pattern}");
            let parts = strtime::parse(pattern, text).map_err(|_| fault(&wanted))?;
            let at = parts.to_datetime().map_err(|_| fault(&wanted))?;
            Ok(Moment {
                date: at.date(),
                at: Some(at),
                offset: parts.offset(),
            })
        }
    }
}

/// Reads the spellings of ISO 8601 that nearly every file has, `2024-05-31` and `2024-05-31T20:00:00Z` (or with a space,
/// without the Z), several times faster than the full parser, which gets all others.
fn plain_iso(text: &[u8]) -> Option<Moment> {
    let digits = |from: usize, length: usize| {
        text[from..from + length].iter().try_fold(0i16, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + i16::from(byte - b'0'))
        })
    };
    if !matches!(text.len(), 10 | 19 | 20) || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let small = |from| digits(from, 2).and_then(|value| i8::try_from(value).ok());
    let date = Date::new(digits(0, 4)?, small(5)?, small(8)?).ok()?;
    if text.len() == 10 {
        return Some(Moment {
            date,
            at: None,
            offset: None,
        });
    }
    if !matches!(text[10], b'T' | b' ') || text[13] != b':' || text[16] != b':' {
        return None;
    }
    let time = Time::new(small(11)?, small(14)?, small(17)?, 0).ok()?;
    let offset = match text.get(19) {
        None => None,
        Some(b'Z') => Some(Offset::UTC),
        Some(_) => return None,
    };
    Some(Moment {
        date,
        at: Some(DateTime::from_parts(date, time)),
        offset,
    })
}

/// Reads `text`, which is not empty, as what the column holds. None where the text stands for "unknown". What the value
/// must be beyond its type is judged later, by [`crate::rules`].
pub fn parse<'a>(text: &'a str, column: &ColumnDef, format: &TimeFormat) -> Result<Option<Cell<'a>>, Fault> {
    let cell = match column.kind {
        Kind::Text | Kind::Binary => Cell::Text(text_of(text, column.reading)?),
        Kind::Integer => {
            let whole = integer(text)?;
            Cell::Integer(
                i32::try_from(whole).map_err(|_| Fault::new("type.range", format!("{} is too large", shown(text))))?,
            )
        }
        Kind::BigInt => Cell::BigInt(integer(text)?),
        Kind::Double => Cell::Double(
            text.parse::<f64>()
                .ok()
                .filter(|x| x.is_finite())
                .ok_or_else(|| Fault::new("type.number", format!("{} is not a number", shown(text))))?,
        ),
        Kind::Money => Cell::Money(money(text)?),
        Kind::Date => Cell::Date(time::days_since_epoch(moment(text, format)?.date)),
        Kind::Timestamp => {
            let moment = moment(text, format)?;
            // An instant without an offset is UTC, as everywhere in the model.
            let at = moment.at.unwrap_or_else(|| moment.date.at(0, 0, 0, 0));
            let offset = moment.offset.unwrap_or(Offset::UTC);
            let instant = offset
                .to_timestamp(at)
                .map_err(|_| Fault::new("type.date", format!("{} is outside of the calendar", shown(text))))?;
            Cell::Timestamp(instant.as_microsecond())
        }
    };
    let is_zero = match &cell {
        Cell::Integer(n) => *n == 0,
        Cell::BigInt(n) => *n == 0,
        Cell::Double(x) => *x == 0.0,
        _ => false,
    };
    Ok((column.reading != Reading::ZeroIsUnknown || !is_zero).then_some(cell))
}

fn text_of(text: &str, reading: Reading) -> Result<Cow<'_, str>, Fault> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Fault::new(
            "type.length",
            format!(
                "the text has {} bytes, more than the {MAX_TEXT_BYTES} that a column holds",
                text.len()
            ),
        ));
    }
    // Most files write codes and words as the model does.
    Ok(match reading {
        Reading::LowerCase if text.chars().any(char::is_uppercase) => Cow::Owned(text.to_lowercase()),
        Reading::UpperCase if text.bytes().any(|b| b.is_ascii_lowercase()) => Cow::Owned(text.to_ascii_uppercase()),
        _ => Cow::Borrowed(text),
    })
}

/// A whole number; `300.0` is one as well.
fn integer(text: &str) -> Result<i64, Fault> {
    let fault = || Fault::new("type.number", format!("{} is not a whole number", shown(text)));
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b == b'0') => whole,
        Some(_) => return Err(fault()),
        None => text,
    };
    whole.parse().map_err(|_| fault())
}

fn money(text: &str) -> Result<i128, Fault> {
    let fault = || {
        Fault::new(
            "type.number",
            format!("{} is not an amount of money such as 12.50", shown(text)),
        )
    };
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(fault());
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = usize::from(MONEY_SCALE.unsigned_abs());
    if fraction.len() > scale {
        // Rounding would be a silent change of somebody's books.
        return Err(Fault::new(
            "type.scale",
            format!("{} has more than {scale} digits after the point", shown(text)),
        ));
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > usize::from(MONEY_PRECISION) - scale {
        return Err(Fault::new("type.range", format!("{} is too large", shown(text))));
    }
    let zeros = scale - fraction.len();
    let digits = whole
        .bytes()
        .chain(fraction.bytes())
        .map(|byte| i128::from(byte - b'0'));
    let amount = digits
        .chain(std::iter::repeat_n(0, zeros))
        .fold(0, |sum, digit| sum * 10 + digit);
    Ok(if negative { -amount } else { amount })
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_lake::Layer;
    use proptest::prelude::*;

    fn column(table: &str, name: &str) -> &'static ColumnDef {
        Layer::ConcertDw
            .table(table)
            .expect("a table")
            .column(name)
            .expect("a column")
    }

    #[test]
    fn values_and_their_faults() {
        // table, column, text, the value or the rule that refuses it
        let cases = [
            ("concerts", "total_attendance", "300", Ok(Some(Cell::Integer(300)))),
            ("concerts", "total_attendance", "300.0", Ok(Some(Cell::Integer(300)))),
            ("concerts", "total_attendance", "300.5", Err("type.number")),
            ("concerts", "total_attendance", "abc", Err("type.number")),
            ("concerts", "total_attendance", "1,200", Err("type.number")),
            ("concerts", "total_attendance", "-1", Ok(Some(Cell::Integer(-1)))),
            ("concerts", "total_attendance", "99999999999", Err("type.range")),
            ("venues", "capacity", "0", Ok(None)),
            ("venues", "capacity", "-5", Ok(Some(Cell::Integer(-5)))),
            ("venues", "latitude", "91", Ok(Some(Cell::Double(91.0)))),
            ("venues", "latitude", "NaN", Err("type.number")),
            (
                "venues",
                "venue_type",
                "Theater",
                Ok(Some(Cell::Text("theater".into()))),
            ),
            ("venues", "venue_type", "barn", Ok(Some(Cell::Text("barn".into())))),
            ("concerts", "currency", "usd", Ok(Some(Cell::Text("USD".into())))),
            ("concerts", "currency", "$", Ok(Some(Cell::Text("$".into())))),
            ("concert_prices", "price", "12.5", Ok(Some(Cell::Money(1250)))),
            ("concert_prices", "price", ".5", Ok(Some(Cell::Money(50)))),
            ("concert_prices", "price", "7000", Ok(Some(Cell::Money(700_000)))),
            ("concert_prices", "price", "12.500", Ok(Some(Cell::Money(1250)))),
            ("concert_prices", "price", "12.505", Err("type.scale")),
            ("concert_prices", "price", "-1", Ok(Some(Cell::Money(-100)))),
            ("concert_prices", "price", "1234567890123", Err("type.range")),
            ("concert_prices", "price", "1e5", Err("type.number")),
            ("concert_prices", "price", ".", Err("type.number")),
            ("concerts", "event_date", "1970-01-11", Ok(Some(Cell::Date(10)))),
            (
                "concerts",
                "event_date",
                "1970-01-11T22:00:00-05:00",
                Ok(Some(Cell::Date(10))),
            ),
            ("concerts", "event_date", "11/01/1970", Err("type.date")),
            ("concerts", "event_date", "2024-02-30", Err("type.date")),
            (
                "concerts",
                "starts_at",
                "1970-01-01 00:00:01",
                Ok(Some(Cell::Timestamp(1_000_000))),
            ),
            (
                "concerts",
                "starts_at",
                "1970-01-01T02:00:00+02:00",
                Ok(Some(Cell::Timestamp(0))),
            ),
            ("ticket_sales", "quantity", "0", Ok(Some(Cell::Integer(0)))),
        ];
        for (table, name, text, wanted) in cases {
            let found = parse(text, column(table, name), &TimeFormat::Iso).map_err(|fault| fault.rule);
            assert_eq!(found, wanted, "{table}.{name} of {text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_full_parser_reads(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z?)?"
        ) {
            if let Some(found) = plain_iso(text.as_bytes()) {
                let pieces = DateTimeParser::new().parse_pieces(&text).expect("the full parser reads it as well");
                let wanted = Moment {
                    date: pieces.date(),
                    at: pieces.time().map(|at| DateTime::from_parts(pieces.date(), at)),
                    offset: pieces.to_numeric_offset(),
                };
                prop_assert_eq!(found, wanted);
            }
        }

        #[test]
        fn an_amount_is_read_to_the_hundredth(whole in 0i128..1_000_000_000_000, hundredths in 0i128..100) {
            prop_assert_eq!(money(&format!("{whole}.{hundredths:02}")), Ok(whole * 100 + hundredths));
            prop_assert_eq!(money(&format!("-00{whole}")), Ok(-whole * 100));
        }
    }

    #[test]
    fn a_day_is_read_by_its_pattern() {
        let format = TimeFormat::Date("%d/%m/%Y".into());
        let found = parse("03/09/1987", column("concerts", "event_date"), &format).expect("reads");
        let wanted = time::days_since_epoch(jiff::civil::date(1987, 9, 3));
        assert_eq!(found, Some(Cell::Date(wanted)));
        let fault = parse("1987-09-03", column("concerts", "event_date"), &format).expect_err("refused");
        assert_eq!(fault.message, "\"1987-09-03\" is not a date written %d/%m/%Y");
    }

    #[test]
    fn a_pattern_that_loses_the_day_is_seen_at_once() {
        for pattern in ["%d/%m/%Y", "%Y%m%d", "%e %b %y", "%A, %d %B %Y"] {
            assert_eq!(TimeFormat::Date(pattern.into()).check(), Ok(()), "{pattern}");
        }
        for pattern in ["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S %z", "%m/%d/%Y %I:%M %p"] {
            assert_eq!(TimeFormat::DateTime(pattern.into()).check(), Ok(()), "{pattern}");
        }
        for format in [
            TimeFormat::Date("%d/%m".into()),
            TimeFormat::Date("%i".into()),
            TimeFormat::Date("%Y-%d".into()),
            TimeFormat::DateTime("%Y-%m-%d".into()),
        ] {
            assert!(format.check().is_err(), "{format:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_a_fault(text in ".{1,40}|[-+.0-9eE:T /]{1,30}") {
            for table in Layer::ConcertDw.tables() {
                for column in table.columns() {
                    for format in [TimeFormat::Iso, TimeFormat::Date("%d/%m/%Y".into()), TimeFormat::DateTime("%s".into())] {
                        if let Err(fault) = parse(&text, column, &format) {
                            prop_assert!(!fault.message.is_empty());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_long_value_is_shortened_in_a_message() {
        let long = "9".repeat(500);
        let fault = parse(&long, column("concerts", "total_attendance"), &TimeFormat::Iso);
        assert!(fault.expect_err("refused").message.len() < 120);
    }
}
