//! What the texts of a column are: whole numbers, decimals, days, instants, yes and no, or just text. Every value is
//! looked at, so that a column is never read as something that one of its values is not.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

/// How the texts of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    /// Exact, with this many digits behind the point.
    Decimal(u8),
    Float,
    Boolean,
    /// A day, written by this strptime pattern.
    Date(&'static str),
    /// An instant in UTC, or a local time that is taken for one; none: as ISO 8601 has it.
    Timestamp(Option<&'static str>),
}

/// The most digits behind the point that are kept exactly; coordinates and measurements have more and are floats.
const MAX_SCALE: u8 = 4;
/// Digits before the point of a number that is kept exactly.
const MAX_WHOLE_DIGITS: usize = 14;

/// The ways in which days are written. Where two fit every value, the one that stands first is taken.
const DATES: [&str; 14] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%m/%d/%y",
    "%d-%b-%y",
];

/// A day without separators is taken for one only where the column's name speaks of a day.
const PLAIN_DATE: &str = "%Y%m%d";

/// The ways in which instants are written beside ISO 8601.
const STAMPS: [&str; 9] = [
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%a %b %d %H:%M:%S %Y",
];

/// Patterns of which one day may be read by both.
const DAY_OR_MONTH_FIRST: [(&str, &str); 2] = [("%m/%d/%Y", "%d/%m/%Y"), ("%m-%d-%Y", "%d-%m-%Y")];

/// Texts that often stand for no value. They do so only in a column that is no text otherwise: NA may be Namibia.
const NO_VALUE: [&str; 10] = ["null", "na", "n/a", "nan", "none", "nil", "-", "--", "?", "unknown"];

/// What MySQL and Postgres write for NULL.
const DUMPED_NULL: &str = "\\N";

const SYMBOLS: [char; 4] = ['$', '€', '£', '¥'];

/// A text without the spaces around it; none where it is no value.
pub fn value(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text != DUMPED_NULL).then_some(text)
}

fn is_no_value(text: &str) -> bool {
    text.len() <= 7 && NO_VALUE.iter().any(|none| text.eq_ignore_ascii_case(none))
}

fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "t", "yes", "y"]) {
        Some(true)
    } else if is(["false", "f", "no", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// A number as it is written: `1,234.50`, `$12`, `45%`, `-3e5`.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// Digits, sign, point and exponent alone.
    plain: String,
    symbol: Option<char>,
    is_percent: bool,
    whole_digits: usize,
    scale: usize,
    has_exponent: bool,
    /// `007`: a code, no number.
    has_leading_zero: bool,
}

impl Number {
    pub fn parse(text: &str) -> Option<Number> {
        const LONGEST: usize = 40;
        if text.len() > LONGEST {
            return None;
        }
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text),
        };
        let symbol = rest.chars().next().filter(|c| SYMBOLS.contains(c));
        let rest = symbol.map_or(rest, |symbol| rest[symbol.len_utf8()..].trim_start());
        let (sign, rest) = match rest.strip_prefix('-') {
            Some(rest) if sign.is_empty() && symbol.is_some() => ("-", rest),
            _ => (sign, rest),
        };
        let is_percent = rest.ends_with('%') && symbol.is_none();
        let rest = if is_percent {
            rest.trim_end_matches('%').trim_end()
        } else {
            rest
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (rest.get(..at)?, Some(rest.get(at + 1..)?)),
            None => (rest, None),
        };
        if let Some(exponent) = exponent {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let has_comma = whole.contains(',');
        if has_comma {
            let mut groups = whole.split(',');
            let first = groups.next()?;
            if first.is_empty() || first.len() > 3 || groups.any(|group| group.len() != 3) {
                return None;
            }
        }
        let whole: String = whole.chars().filter(|c| *c != ',').collect();
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if !all_digits || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let point = if fraction.is_empty() { "" } else { "." };
        let exponent_text = exponent.map_or(String::new(), |exponent| format!("e{exponent}"));
        let shown = if whole.is_empty() { "0" } else { &whole };
        Some(Number {
            plain: format!("{sign}{shown}{point}{fraction}{exponent_text}"),
            symbol,
            is_percent,
            whole_digits: whole.len(),
            scale: fraction.len(),
            has_exponent: exponent.is_some(),
            has_leading_zero: whole.len() > 1 && whole.starts_with('0'),
        })
    }

    pub fn integer(&self) -> Option<i64> {
        (self.scale == 0 && !self.has_exponent).then(|| self.plain.parse().ok())?
    }

    pub fn float(&self) -> Option<f64> {
        self.plain.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The number times 10^`scale`; none where that has more digits behind the point or too many before.
    pub fn decimal(&self, scale: u8) -> Option<i128> {
        if self.has_exponent || self.scale > usize::from(scale) {
            return None;
        }
        let missing = usize::from(scale) - self.scale;
        let digits: String = self.plain.chars().filter(|c| *c != '.').collect();
        format!("{digits}{}", "0".repeat(missing)).parse().ok()
    }
}

/// Days since 1970 of a text.
pub fn date(text: &str, pattern: &str) -> Option<i32> {
    let day = Date::strptime(pattern, text).ok()?;
    day.since(Date::constant(1970, 1, 1)).ok().map(|span| span.get_days())
}

/// Microseconds since 1970 of a text.
pub fn timestamp(text: &str, pattern: Option<&str>) -> Option<i64> {
    let civil = match pattern {
        Some(pattern) => DateTime::strptime(pattern, text).ok()?,
        None => return iso(text).map(Timestamp::as_microsecond),
    };
    civil
        .to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp().as_microsecond())
}

fn iso(text: &str) -> Option<Timestamp> {
    // A day alone is no instant.
    if text.len() <= 10 || !text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let with_zone = text.ends_with(['Z', 'z']) || text.get(10..).is_some_and(|time| time.contains(['+', '-']));
    if with_zone {
        // Redshift writes an offset of whole hours without minutes.
        return text.parse().ok().or_else(|| format!("{text}:00").parse().ok());
    }
    let civil: DateTime = text.strip_suffix(" UTC").unwrap_or(text).parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// What has been seen of a column.
#[derive(Clone, Debug)]
pub struct Seen {
    filled: u64,
    no_values: u64,
    may_be_integer: bool,
    may_be_number: bool,
    has_comma_or_sign: Option<char>,
    is_percent: bool,
    has_exponent: bool,
    scale: usize,
    whole_digits: usize,
    yes: u64,
    no: u64,
    may_be_boolean: bool,
    dates: Vec<&'static str>,
    plain_date: bool,
    stamps: Vec<&'static str>,
    may_be_iso: bool,
    only_midnight: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Seen {
            filled: 0,
            no_values: 0,
            may_be_integer: true,
            may_be_number: true,
            has_comma_or_sign: None,
            is_percent: false,
            has_exponent: false,
            scale: 0,
            whole_digits: 0,
            yes: 0,
            no: 0,
            may_be_boolean: true,
            dates: DATES.to_vec(),
            plain_date: true,
            stamps: STAMPS.to_vec(),
            may_be_iso: true,
            only_midnight: true,
        }
    }
}

impl Seen {
    pub fn see(&mut self, text: &str) {
        let Some(text) = value(text) else { return };
        if is_no_value(text) {
            self.no_values += 1;
            return;
        }
        self.filled += 1;
        if self.may_be_number {
            match Number::parse(text) {
                Some(number) => self.see_number(&number),
                None => {
                    self.may_be_number = false;
                    self.may_be_integer = false;
                }
            }
        }
        if self.may_be_boolean {
            match boolean(text) {
                Some(true) => self.yes += 1,
                Some(false) => self.no += 1,
                None => self.may_be_boolean = false,
            }
        }
        if self.plain_date {
            const YEARS: std::ops::RangeInclusive<i16> = 1900..=2100;
            self.plain_date =
                text.len() == 8 && Date::strptime(PLAIN_DATE, text).is_ok_and(|day| YEARS.contains(&day.year()));
        }
        self.dates.retain(|pattern| Date::strptime(pattern, text).is_ok());
        if self.may_be_iso {
            match iso(text) {
                Some(instant) => self.see_instant(instant),
                None => self.may_be_iso = false,
            }
        }
        let mut instants = Vec::new();
        self.stamps.retain(|pattern| match DateTime::strptime(pattern, text) {
            Ok(civil) => {
                instants.extend(civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()));
                true
            }
            Err(_) => false,
        });
        for instant in instants {
            self.see_instant(instant);
        }
    }

    fn see_number(&mut self, number: &Number) {
        let clash = |a: Option<char>, b: Option<char>| a.is_some() && b.is_some() && a != b;
        if number.has_leading_zero || clash(self.has_comma_or_sign, number.symbol) {
            self.may_be_number = false;
            self.may_be_integer = false;
            return;
        }
        self.has_comma_or_sign = self.has_comma_or_sign.or(number.symbol);
        self.is_percent |= number.is_percent;
        self.has_exponent |= number.has_exponent;
        self.scale = self.scale.max(number.scale);
        self.whole_digits = self.whole_digits.max(number.whole_digits);
        self.may_be_integer &= number.integer().is_some();
    }

    fn see_instant(&mut self, instant: Timestamp) {
        const DAY_S: i64 = 86_400;
        self.only_midnight &= instant.as_second() % DAY_S == 0 && instant.subsec_nanosecond() == 0;
    }

    /// What the column is. `names_a_day` says whether its name speaks of a day.
    pub fn kind(&self, names_a_day: bool) -> Kind {
        if self.filled == 0 {
            return Kind::Text;
        }
        if self.plain_date && names_a_day {
            return Kind::Date(PLAIN_DATE);
        }
        if self.may_be_integer {
            return Kind::Integer;
        }
        if self.may_be_number {
            return match u8::try_from(self.scale) {
                Ok(scale) if scale <= MAX_SCALE && self.whole_digits <= MAX_WHOLE_DIGITS && !self.has_exponent => {
                    Kind::Decimal(scale)
                }
                _ => Kind::Float,
            };
        }
        // One answer alone may be a letter that stands for something else: F for female.
        if self.may_be_boolean && self.yes > 0 && self.no > 0 {
            return Kind::Boolean;
        }
        if let Some(pattern) = self.dates.first() {
            return Kind::Date(pattern);
        }
        if self.may_be_iso {
            return Kind::Timestamp(None);
        }
        if let Some(pattern) = self.stamps.first() {
            return Kind::Timestamp(Some(pattern));
        }
        Kind::Text
    }

    /// What a person should know about the way the column is read.
    pub fn doubts(&self, kind: Kind) -> Vec<String> {
        let mut doubts = Vec::new();
        if kind != Kind::Text && self.no_values > 0 {
            doubts.push(format!("{} values such as NA are read as no value", self.no_values));
        }
        if let Kind::Date(pattern) = kind
            && let Some((_, other)) = DAY_OR_MONTH_FIRST.iter().find(|(first, _)| *first == pattern)
            && self.dates.contains(other)
        {
            doubts.push("the month is read before the day; the values would allow the day first as well".to_owned());
        }
        if let Some(symbol) = self.has_comma_or_sign
            && kind != Kind::Text
        {
            doubts.push(format!("written with {symbol}"));
        }
        if self.is_percent && kind != Kind::Text {
            doubts.push("written with %".to_owned());
        }
        if matches!(kind, Kind::Timestamp(_)) && self.only_midnight {
            doubts.push("every time of day is midnight".to_owned());
        }
        doubts
    }

    pub fn is_percent(&self) -> bool {
        self.is_percent && self.may_be_number
    }
}

/// One value of a boolean column.
pub fn truth(text: &str) -> Option<bool> {
    boolean(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(values: &[&str]) -> Kind {
        let mut seen = Seen::default();
        for value in values {
            seen.see(value);
        }
        seen.kind(false)
    }

    #[test]
    fn columns_are_read_as_what_all_their_values_are() {
        for (values, expected) in [
            (&["1", "", "-20", "NA"][..], Kind::Integer),
            (&["1,234", "12", "1,000,000"], Kind::Integer),
            (&["1", "2.5", "3.25"], Kind::Decimal(2)),
            (&["$1,200.50", "$3"], Kind::Decimal(2)),
            (&["$1", "€2"], Kind::Text),
            (&["45%", "3.5%"], Kind::Decimal(1)),
            (&["1e5", "2.5"], Kind::Float),
            (&["40.712776", "-74.005974"], Kind::Float),
            (&["01234", "98765"], Kind::Text),
            (&["99999999999999999999", "1"], Kind::Float),
            (&["T", "F", "T"], Kind::Boolean),
            (&["F", "F"], Kind::Text),
            (&["yes", "No", "null"], Kind::Boolean),
            (&["M", "F"], Kind::Text),
            (&["2020-01-31", "1999-12-01"], Kind::Date("%Y-%m-%d")),
            (&["1/31/2020", "12/1/1999"], Kind::Date("%m/%d/%Y")),
            (&["31/1/2020", "1/12/1999"], Kind::Date("%d/%m/%Y")),
            (&["3-Mar-2011", "21-Dec-1999"], Kind::Date("%d-%b-%Y")),
            (&["March 3, 2011", "December 21, 1999"], Kind::Date("%B %d, %Y")),
            (&["2020-01-31 10:00:00", "2020-02-01 11:30"], Kind::Timestamp(None)),
            (
                &["2020-01-31T10:00:00Z", "2020-01-31T10:00:00+02:00"],
                Kind::Timestamp(None),
            ),
            (
                &["1/31/2020 10:00", "2/1/2020 9:05"],
                Kind::Timestamp(Some("%m/%d/%Y %H:%M")),
            ),
            (&["20200131", "19991201"], Kind::Integer),
            (&["2020-01-31", "soon"], Kind::Text),
            (&["", "\\N"], Kind::Text),
            (&["NA", "US"], Kind::Text),
        ] {
            assert_eq!(kind(values), expected, "{values:?}");
        }
        let mut seen = Seen::default();
        seen.see("20200131");
        assert_eq!(seen.kind(true), Kind::Date("%Y%m%d"));
    }

    #[test]
    fn values_keep_their_meaning() {
        let number = |text| Number::parse(text).expect(text);
        assert_eq!(number("$1,200.5").decimal(2), Some(120_050));
        assert_eq!(number("-$3").decimal(2), Some(-300));
        assert_eq!(number(".5").float(), Some(0.5));
        assert_eq!(number("-1,234").integer(), Some(-1234));
        assert_eq!(Number::parse("1,23"), None);
        assert_eq!(Number::parse("12a"), None);
        assert_eq!(Number::parse(""), None);
        assert_eq!(Number::parse("-"), None);
        assert_eq!(date("1970-01-02", "%Y-%m-%d"), Some(1));
        assert_eq!(timestamp("1970-01-01 00:00:01", None), Some(1_000_000));
        assert_eq!(timestamp("1970-01-01T01:00:00+01:00", None), Some(0));
        assert_eq!(timestamp("1970-01-01 00:00:01+00", None), Some(1_000_000));
    }
}
