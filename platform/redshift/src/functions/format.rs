//! TO_CHAR, TO_DATE, TO_TIMESTAMP and TO_NUMBER by Redshift's "datetime format strings" and "numeric format strings".

use super::{
    calendar::{self, Civil, DAY, HOUR, MINUTE, SECOND},
    simple::{Args, Kind, Simple, gives_text, micros_utc, moments, simple},
};
use crate::moment::Format;
use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array, Decimal128Array, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Decimal128Type},
};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use std::sync::Arc;

pub(super) fn all() -> Vec<Simple> {
    use Kind::{Any, Text};
    vec![
        simple("to_char", &[Any, Text], gives_text, to_char),
        simple("to_date", &[Text, Text, Any], |_, _| Ok(DataType::Date32), to_date).required(2),
        simple(
            "to_timestamp",
            &[Text, Text, Any],
            |_, _| Ok(micros_utc()),
            to_timestamp,
        )
        .required(2),
        simple("to_number", &[Text, Kind::Literal], number_type, to_number),
    ]
}

fn to_char(args: &Args) -> Result<ArrayRef> {
    let column = args.column(0)?;
    let patterns = args.texts(1)?;
    let mut out: Vec<Option<String>> = Vec::with_capacity(args.rows);
    match column.data_type() {
        DataType::Null => out.resize(args.rows, None),
        DataType::Decimal128(_, scale) => {
            let units = column.as_primitive::<Decimal128Type>();
            let scale = u32::try_from(*scale).unwrap_or(0);
            for row in 0..args.rows {
                out.push(
                    (!units.is_null(row) && !patterns.is_null(row))
                        .then(|| NumberFormat::read(patterns.value(row)).write(units.value(row), scale)),
                );
            }
        }
        integer if integer.is_integer() => {
            let values = args.ints(0)?;
            for row in 0..args.rows {
                out.push(
                    (!values.is_null(row) && !patterns.is_null(row))
                        .then(|| NumberFormat::read(patterns.value(row)).write(i128::from(values.value(row)), 0)),
                );
            }
        }
        float if float.is_floating() => {
            let values = args.floats(0)?;
            for row in 0..args.rows {
                out.push(if values.is_null(row) || patterns.is_null(row) {
                    None
                } else {
                    let format = NumberFormat::read(patterns.value(row));
                    let scale = format.fraction.min(18);
                    let text = format!("{:.*}", scale, values.value(row)).replace('.', "");
                    match text.parse::<i128>() {
                        Ok(units) => Some(format.write(units, u32::try_from(scale).unwrap_or(0))),
                        Err(_) => return exec_err!("TO_CHAR cannot write {} as a number", values.value(row)),
                    }
                });
            }
        }
        DataType::Date32 | DataType::Timestamp(..) | DataType::Utf8 => {
            let moments = moments(column)?;
            for row in 0..args.rows {
                out.push(
                    (!moments.is_null(row) && !patterns.is_null(row))
                        .then(|| write_moment(moments.value(row), patterns.value(row))),
                );
            }
        }
        other => return exec_err!("TO_CHAR takes a timestamp or a number, not a value of type {other}"),
    }
    Ok(Arc::new(out.into_iter().collect::<StringArray>()))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const ROMAN_MONTHS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// Longer ones first, so that the first that fits is the one meant.
const MOMENT_PARTS: [&str; 41] = [
    "Y,YYY", "MONTH", "SSSSS", "YYYY", "IYYY", "HH24", "HH12", "A.M.", "P.M.", "B.C.", "A.D.", "SSSS", "YYY", "IYY",
    "MON", "DAY", "DDD", "YY", "IY", "MM", "RM", "DD", "DY", "ID", "WW", "IW", "CC", "HH", "MI", "SS", "MS", "US",
    "AM", "PM", "BC", "AD", "TZ", "Y", "W", "D", "Q",
];

fn write_moment(at: i64, pattern: &str) -> String {
    let day = at.div_euclid(DAY);
    let clock = at.rem_euclid(DAY);
    let Civil {
        year,
        month,
        day: of_month,
    } = calendar::civil(day);
    let of_year = day - calendar::days(year, 1, 1) + 1;
    let (hour, minute, second) = (clock / HOUR, clock / MINUTE % 60, clock / SECOND % 60);
    let hour12 = (hour + 11) % 12 + 1;
    let (iso_year, iso_week) = calendar::iso_week(day);
    let weekday = calendar::weekday(day);
    let name = |names: &[&'static str], at: i64| {
        usize::try_from(at)
            .ok()
            .and_then(|at| names.get(at).copied())
            .unwrap_or("")
    };
    let mut out = String::new();
    let mut rest = pattern;
    let mut fill = true;
    while let Some(next) = rest.chars().next() {
        if next == '"' {
            let (literal, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            out.push_str(literal);
            rest = after;
            continue;
        }
        if is_prefix(rest, "FM") {
            fill = false;
            rest = &rest[2..];
            continue;
        }
        let part = MOMENT_PARTS.iter().find(|part| is_prefix(rest, part)).copied();
        let part = match part {
            Some(part) => part,
            None if is_prefix(rest, "J") => "J",
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
                continue;
            }
        };
        let written = &rest[..part.len()];
        rest = &rest[part.len()..];
        let number = |value: i64, width: usize| {
            if fill {
                format!("{value:0width$}")
            } else {
                value.to_string()
            }
        };
        let text = |value: &str, width: usize| {
            let cased = cased(value, written);
            if fill { format!("{cased:width$}") } else { cased }
        };
        let piece = match part {
            "YYYY" => number(year, 4),
            "YYY" => number(year.rem_euclid(1_000), 3),
            "YY" => number(year.rem_euclid(100), 2),
            "Y" => number(year.rem_euclid(10), 1),
            "Y,YYY" => format!("{},{:03}", year / 1_000, year.rem_euclid(1_000)),
            "IYYY" => number(iso_year, 4),
            "IYY" => number(iso_year.rem_euclid(1_000), 3),
            "IY" => number(iso_year.rem_euclid(100), 2),
            "CC" => number((year - 1).div_euclid(100) + 1, 2),
            "Q" => ((month + 2) / 3).to_string(),
            "MONTH" => text(name(&MONTHS, month - 1), 9),
            "MON" => cased(&name(&MONTHS, month - 1)[..3], written),
            "MM" => number(month, 2),
            "RM" => text(name(&ROMAN_MONTHS, month - 1), 4),
            "WW" => number((of_year - 1) / 7 + 1, 2),
            "W" => ((of_month - 1) / 7 + 1).to_string(),
            "IW" => number(iso_week, 2),
            "DAY" => text(name(&DAYS, weekday), 9),
            "DY" => cased(&name(&DAYS, weekday)[..3], written),
            "DDD" => number(of_year, 3),
            "DD" => number(of_month, 2),
            // 1 is Sunday; of ISO 8601 1 is Monday.
            "D" => (weekday + 1).to_string(),
            "ID" => ((weekday + 6) % 7 + 1).to_string(),
            "J" => (day + 2_440_588).to_string(),
            "HH24" => number(hour, 2),
            "HH12" | "HH" => number(hour12, 2),
            "MI" => number(minute, 2),
            "SS" => number(second, 2),
            "SSSS" | "SSSSS" => (clock / SECOND).to_string(),
            "MS" => number(clock / 1_000 % 1_000, 3),
            "US" => number(clock % SECOND, 6),
            "AM" | "PM" => cased(if hour < 12 { "AM" } else { "PM" }, written),
            "A.M." | "P.M." => cased(if hour < 12 { "A.M." } else { "P.M." }, written),
            "BC" | "AD" => cased(if year > 0 { "AD" } else { "BC" }, written),
            "B.C." | "A.D." => cased(if year > 0 { "A.D." } else { "B.C." }, written),
            _ => cased("UTC", written),
        };
        // A number may be an ordinal: `DDth`.
        if piece.ends_with(|c: char| c.is_ascii_digit()) && is_prefix(rest, "TH") {
            let suffix = ordinal(&piece);
            out.push_str(&piece);
            out.push_str(&cased(suffix, &rest[..2]));
            rest = &rest[2..];
        } else {
            out.push_str(&piece);
        }
    }
    out
}

fn is_prefix(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// A text in capitals, with a capital, or in small letters, as the pattern is written.
fn cased(text: &str, pattern: &str) -> String {
    let mut letters = pattern.chars().filter(|c| c.is_alphabetic());
    let first = letters.next().is_some_and(char::is_uppercase);
    let second = letters.next().is_some_and(char::is_uppercase);
    match (first, second) {
        (true, true) => text.to_uppercase(),
        (true, false) => {
            let lower = text.to_lowercase();
            let mut chars = lower.chars();
            chars
                .next()
                .map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
        }
        _ => text.to_lowercase(),
    }
}

fn ordinal(number: &str) -> &'static str {
    if number.ends_with("11") || number.ends_with("12") || number.ends_with("13") {
        return "TH";
    }
    match number.chars().last() {
        Some('1') => "ST",
        Some('2') => "ND",
        Some('3') => "RD",
        _ => "TH",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// 9: a blank where there is no digit.
    Digit,
    /// 0: a zero where there is no digit.
    Zero,
    Point,
    Group,
    /// S, before or after the digits.
    Sign,
    Minus,
    Plus,
    Angle,
    Currency,
    Ordinal(bool),
    Literal(char),
}

/// A numeric format, read.
struct NumberFormat {
    items: Vec<Item>,
    fill: bool,
    /// RN or rn: whether in capitals.
    roman: Option<bool>,
    whole: usize,
    fraction: usize,
}

impl NumberFormat {
    fn read(pattern: &str) -> NumberFormat {
        let mut format = NumberFormat {
            items: Vec::new(),
            fill: true,
            roman: None,
            whole: 0,
            fraction: 0,
        };
        let mut rest = pattern;
        let mut after_point = false;
        while let Some(next) = rest.chars().next() {
            let mut taken = next.len_utf8();
            let item = if next == '"' {
                let (literal, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
                format.items.extend(literal.chars().map(Item::Literal));
                rest = after;
                continue;
            } else if is_prefix(rest, "FM") {
                format.fill = false;
                rest = &rest[2..];
                continue;
            } else if is_prefix(rest, "RN") {
                format.roman = Some(rest.starts_with('R'));
                rest = &rest[2..];
                continue;
            } else if is_prefix(rest, "MI") {
                taken = 2;
                Item::Minus
            } else if is_prefix(rest, "PL") {
                taken = 2;
                Item::Plus
            } else if is_prefix(rest, "PR") {
                taken = 2;
                Item::Angle
            } else if is_prefix(rest, "SG") {
                taken = 2;
                Item::Sign
            } else if is_prefix(rest, "TH") {
                taken = 2;
                Item::Ordinal(rest.starts_with('T'))
            } else {
                match next {
                    '9' | '0' => {
                        if after_point {
                            format.fraction += 1;
                        } else {
                            format.whole += 1;
                        }
                        if next == '9' { Item::Digit } else { Item::Zero }
                    }
                    '.' | 'D' | 'd' if !after_point => {
                        after_point = true;
                        Item::Point
                    }
                    ',' | 'G' | 'g' => Item::Group,
                    'S' | 's' => Item::Sign,
                    'L' | 'l' | '$' => Item::Currency,
                    other => Item::Literal(other),
                }
            };
            format.items.push(item);
            rest = &rest[taken..];
        }
        format
    }

    /// A number of `units` of `10^-scale`.
    fn write(&self, units: i128, scale: u32) -> String {
        let negative = units < 0;
        let fraction = if self.roman.is_some() { 0 } else { self.fraction };
        let digits = rounded_digits(units.unsigned_abs(), scale, fraction);
        let (whole, places) = digits.split_at(digits.len() - fraction);
        if let Some(capitals) = self.roman {
            let roman = whole.parse().ok().and_then(roman).unwrap_or_else(|| "#".repeat(15));
            let roman = if capitals { roman } else { roman.to_lowercase() };
            return if self.fill { format!("{roman:>15}") } else { roman };
        }
        let whole = whole.trim_start_matches('0');
        let overflow = whole.len() > self.whole;
        // A single zero stands for nothing before the point, unless a fraction follows.
        let whole = if whole.is_empty() && self.fraction == 0 {
            "0"
        } else {
            whole
        };
        let missing = self.whole.saturating_sub(whole.len());
        let is_zero = digits.bytes().all(|digit| digit == b'0');
        let negative = negative && !is_zero;

        let first_zero = self
            .items
            .iter()
            .filter(|item| matches!(item, Item::Digit | Item::Zero))
            .take(self.whole)
            .position(|item| *item == Item::Zero)
            .unwrap_or(self.whole);
        // The first place that is written, and not left blank.
        let begins = missing.min(first_zero);
        let kept = self.kept_places(places);

        let explicit = self
            .items
            .iter()
            .any(|item| matches!(item, Item::Sign | Item::Minus | Item::Plus | Item::Angle));
        let mut out = String::new();
        let mut sign_at = None;
        let (mut place, mut after_point, mut seen) = (0, false, false);
        for item in &self.items {
            match item {
                Item::Digit | Item::Zero if !after_point => {
                    if place >= begins {
                        sign_at.get_or_insert(out.len());
                        let digit = match place.checked_sub(missing) {
                            _ if overflow => b'#',
                            Some(at) => whole.as_bytes().get(at).copied().unwrap_or(b'0'),
                            None => b'0',
                        };
                        out.push(char::from(digit));
                    } else if self.fill {
                        out.push(' ');
                    }
                    place += 1;
                    seen = true;
                }
                Item::Digit | Item::Zero => {
                    let at = place - self.whole;
                    if at < kept {
                        out.push(if overflow {
                            '#'
                        } else {
                            char::from(places.as_bytes().get(at).copied().unwrap_or(b'0'))
                        });
                    }
                    place += 1;
                    seen = true;
                }
                Item::Point => {
                    sign_at.get_or_insert(out.len());
                    out.push('.');
                    after_point = true;
                }
                Item::Group => {
                    if place > begins {
                        out.push(',');
                    } else if self.fill {
                        out.push(' ');
                    }
                }
                Item::Sign if seen => out.push(if negative { '-' } else { '+' }),
                Item::Sign => {}
                Item::Minus if negative => out.push('-'),
                Item::Plus if !negative => out.push('+'),
                Item::Minus | Item::Plus => {
                    if self.fill {
                        out.push(' ');
                    }
                }
                Item::Angle if negative => out.push('>'),
                Item::Angle => {
                    if self.fill {
                        out.push(' ');
                    }
                }
                Item::Currency => out.push('$'),
                Item::Ordinal(capitals) => {
                    if !negative && self.fraction == 0 {
                        let suffix = ordinal(whole);
                        out.push_str(&if *capitals {
                            suffix.to_owned()
                        } else {
                            suffix.to_lowercase()
                        });
                    }
                }
                Item::Literal(literal) => out.push(*literal),
            }
        }
        let leading_sign = self
            .items
            .iter()
            .take_while(|item| !matches!(item, Item::Digit | Item::Zero | Item::Point))
            .any(|item| *item == Item::Sign);
        let sign = if self.items.contains(&Item::Angle) {
            if negative { Some('<') } else { self.fill.then_some(' ') }
        } else if leading_sign {
            Some(if negative { '-' } else { '+' })
        } else if explicit {
            None
        } else if negative {
            Some('-')
        } else {
            self.fill.then_some(' ')
        };
        if let Some(sign) = sign {
            out.insert(sign_at.unwrap_or(0), sign);
        }
        out
    }

    /// FM leaves out zeros at the end where the format has a 9.
    fn kept_places(&self, places: &str) -> usize {
        if self.fill {
            return self.fraction;
        }
        let after_point = self.items.iter().skip_while(|item| **item != Item::Point);
        let kinds: Vec<&Item> = after_point
            .filter(|item| matches!(item, Item::Digit | Item::Zero))
            .collect();
        let last_zero = kinds
            .iter()
            .rposition(|item| **item == Item::Zero)
            .map_or(0, |at| at + 1);
        places.trim_end_matches('0').len().max(last_zero)
    }
}

/// The digits of a number with so many places, rounded half away from zero, with at least one before them.
fn rounded_digits(units: u128, scale: u32, places: usize) -> String {
    let places32 = u32::try_from(places).unwrap_or(u32::MAX);
    let mut digits = if places32 >= scale {
        let mut digits = units.to_string();
        digits.extend(std::iter::repeat_n('0', usize::try_from(places32 - scale).unwrap_or(0)));
        digits
    } else {
        let power = 10_u128.pow(scale - places32);
        (units / power + u128::from(units % power * 2 >= power)).to_string()
    };
    if digits.len() <= places {
        digits.insert_str(0, &"0".repeat(places + 1 - digits.len()));
    }
    digits
}

/// Roman numerals go from 1 to 3999.
fn roman(number: u32) -> Option<String> {
    const LETTERS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4_000).contains(&number) {
        return None;
    }
    let mut rest = number;
    let mut out = String::new();
    for (value, letters) in LETTERS {
        while rest >= value {
            out.push_str(letters);
            rest -= value;
        }
    }
    Some(out)
}

fn to_date(args: &Args) -> Result<ArrayRef> {
    let (texts, patterns) = (args.texts(0)?, args.texts(1)?);
    let days: Result<Date32Array> = texts
        .iter()
        .zip(&patterns)
        .map(|pair| match pair {
            (Some(text), Some(pattern)) => match Format::of(pattern).date(text) {
                Some(days) => Ok(Some(days)),
                None => exec_err!("Invalid data: \"{text}\" is not a date of the format {pattern}"),
            },
            _ => Ok(None),
        })
        .collect();
    Ok(Arc::new(days?))
}

fn to_timestamp(args: &Args) -> Result<ArrayRef> {
    let (texts, patterns) = (args.texts(0)?, args.texts(1)?);
    let values: Result<TimestampMicrosecondArray> = texts
        .iter()
        .zip(&patterns)
        .map(|pair| match pair {
            (Some(text), Some(pattern)) => match Format::of(pattern).timestamptz(text) {
                Some(at) => Ok(Some(at)),
                None => exec_err!("Invalid data: \"{text}\" is not a timestamp of the format {pattern}"),
            },
            _ => Ok(None),
        })
        .collect();
    Ok(Arc::new(values?.with_timezone("UTC")))
}

/// The format, which "must be a literal value", says how many digits the number can have.
fn number_type(_: &[DataType], literals: &[Option<&ScalarValue>]) -> Result<DataType> {
    let pattern = match literals.get(1).copied().flatten() {
        Some(ScalarValue::Utf8(Some(pattern)) | ScalarValue::Utf8View(Some(pattern))) => pattern,
        _ => return plan_err!("TO_NUMBER takes a literal format"),
    };
    let format = NumberFormat::read(pattern);
    let scale = format.fraction.min(37);
    let precision = (format.whole + scale).clamp(1, 38);
    Ok(DataType::Decimal128(
        u8::try_from(precision).unwrap_or(38),
        i8::try_from(scale).unwrap_or(37),
    ))
}

fn to_number(args: &Args) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = args.returned else {
        return exec_err!("TO_NUMBER gives a decimal");
    };
    let texts = args.texts(0)?;
    let patterns = args.texts(1)?;
    let values: Result<Decimal128Array> = (0..args.rows)
        .map(|row| {
            if texts.is_null(row) {
                return Ok(None);
            }
            let (text, pattern) = (texts.value(row), patterns.value(row));
            let mut number = String::new();
            let mut negative = false;
            for c in text.trim().chars() {
                match c {
                    '0'..='9' | '.' => number.push(c),
                    '-' | '<' => negative = true,
                    ',' | '+' | '$' | ' ' | '>' => {}
                    _ => return exec_err!("invalid input for TO_NUMBER: \"{text}\" is not of the format {pattern}"),
                }
            }
            match crate::types::parse_decimal(&number, precision, scale) {
                Ok(value) => Ok(Some(if negative { -value } else { value })),
                Err(error) => exec_err!("{error}"),
            }
        })
        .collect();
    Ok(Arc::new(values?.with_precision_and_scale(precision, scale)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_postgresql_does() {
        for (units, scale, pattern, expected) in [
            (-1258, 1, "999D99S", "125.80-"),
            (61880, 2, "l99999D99", "$   618.80"),
            (61880, 2, "rn", "          dcxix"),
            (12, 0, "9999", "   12"),
            (-12, 0, "9999", "  -12"),
            (-12, 0, "0000", "-0012"),
            (12, 0, "S9999", "  +12"),
            (0, 0, "999", "   0"),
            (1, 1, "99.99", "   .10"),
            (1234567, 0, "9,999,999", " 1,234,567"),
            (485, 0, "9,999", "   485"),
            (125, 1, "FM999.99", "12.5"),
            (125, 1, "FM990.00", "12.50"),
            (12345, 0, "999", " ###"),
            (-485, 0, "999PR", "<485>"),
            (485, 0, "999th", " 485th"),
            (-485, 0, "999MI", "485-"),
            (148_500, 3, "999D9", " 148.5"),
        ] {
            assert_eq!(
                NumberFormat::read(pattern).write(units, scale),
                expected,
                "{units} e-{scale} {pattern}"
            );
        }
    }
}
