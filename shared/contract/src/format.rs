//! Numbers, money and days as people read them, in English. The page, the sentence made by rules and the exports all
//! use these, so that one metric is written one way everywhere.

use crate::{
    api::CatalogueAnswer,
    catalogue::{Catalogue, Format, TimePart, Unit},
    query::{Added, Grain},
    table::{Cell, Column, ColumnType, Decimal},
};
use jiff::civil::Date;

/// U+2212, as wide as a plus sign.
pub const MINUS: char = '\u{2212}';
/// U+2009, between a number and its unit.
pub const THIN_SPACE: char = '\u{2009}';
/// What stands for a value that is not known.
pub const UNKNOWN: &str = "–";

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
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// How the cells of a column are written: its type and unit, and what the catalogue knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Text,
    Integer,
    /// One decimal.
    Decimal,
    /// In the column's currency; without one, the number alone.
    Money,
    Percent,
    Date,
    /// A date that stands for its week, month or quarter.
    Stretch(Grain),
    /// A number without thousands separators.
    Year,
    Quarter,
    Month,
    Weekday,
    Boolean,
    Timestamp,
}

impl Style {
    /// The style of a result's column, by the whole catalogue.
    pub fn of(column: &Column, catalogue: &Catalogue) -> Style {
        let metrics = catalogue.metrics.iter().map(|m| (m.name.as_str(), m.unit, m.format));
        Style::of_column(column, metrics, catalogue.dimension(&column.name).map(|d| d.part))
    }

    /// The style of a result's column, by what the API says of the catalogue.
    pub fn of_answer(column: &Column, catalogue: &CatalogueAnswer) -> Style {
        let metrics = catalogue.metrics.iter().map(|m| (m.name.as_str(), m.unit, m.format));
        let dimension = catalogue
            .dimensions
            .iter()
            .find(|dimension| dimension.name == column.name);
        Style::of_column(column, metrics, dimension.map(|d| d.part))
    }

    /// What is made of a metric is named after it (`revenue_median`, `revenue_before`) and looks like it, unless it is
    /// a percentage or a place.
    fn of_column<'a>(
        column: &Column,
        metrics: impl Iterator<Item = (&'a str, Unit, Format)>,
        dimension: Option<Option<TimePart>>,
    ) -> Style {
        let mut metrics = metrics.collect::<Vec<_>>();
        if let Some(part) = dimension.filter(|_| !metrics.iter().any(|(name, ..)| *name == column.name)) {
            return Style::of_dimension(column, part);
        }
        if column.unit.as_deref() == Some("percent") {
            return Style::Percent;
        }
        let derived = |name: &str| column.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
        metrics.retain(|(name, ..)| *name == column.name || (column.column_type.is_number() && derived(name)));
        let Some((name, unit, format)) = metrics.into_iter().max_by_key(|(name, ..)| name.len()) else {
            return Style::of_dimension(column, None);
        };
        let made = column.name.strip_prefix(name).unwrap_or_default();
        let made = Added::ALL.into_iter().find(|added| made.ends_with(added.suffix()));
        match made {
            Some(added) if !added.has_unit_of_metric() && column.column_type == ColumnType::Integer => Style::Integer,
            Some(added) if !added.has_unit_of_metric() => Style::Percent,
            _ => Style::of_metric(column, unit, format),
        }
    }

    fn of_metric(column: &Column, unit: Unit, format: Format) -> Style {
        match (unit, format) {
            (Unit::Currency, _) | (_, Format::Money) => Style::Money,
            (Unit::Percent, _) | (_, Format::Percent) => Style::Percent,
            (_, Format::Decimal) => Style::Decimal,
            (_, Format::Integer) if column.column_type == ColumnType::Float => Style::Decimal,
            (_, Format::Integer) => Style::Integer,
        }
    }

    fn of_dimension(column: &Column, part: Option<TimePart>) -> Style {
        match (column.column_type, part) {
            (ColumnType::Integer, Some(TimePart::Year)) => Style::Year,
            (ColumnType::Integer, Some(TimePart::QuarterOfYear)) => Style::Quarter,
            (ColumnType::Integer, Some(TimePart::MonthOfYear)) => Style::Month,
            (ColumnType::Integer, Some(TimePart::Weekday)) => Style::Weekday,
            (ColumnType::Integer, None) if column.name == Grain::Year.name() => Style::Year,
            (ColumnType::Date, _) => match Grain::ALL.into_iter().find(|grain| grain.name() == column.name) {
                Some(grain) if grain != Grain::Day => Style::Stretch(grain),
                _ => Style::Date,
            },
            (ColumnType::Text, _) => Style::Text,
            (ColumnType::Integer, Some(TimePart::Hour) | None) => Style::Integer,
            (ColumnType::Decimal | ColumnType::Float, _) => Style::Decimal,
            (ColumnType::Boolean, _) => Style::Boolean,
            (ColumnType::Timestamp, _) => Style::Timestamp,
        }
    }
}

/// A cell in full: `1,840,250`, `$12.50`, `21 Nov 2026`. `unit` is the column's unit, or the currency that stands in
/// the row's currency column.
pub fn exact(cell: &Cell, style: Style, unit: Option<&str>) -> String {
    match (style, cell) {
        (_, Cell::Null) => UNKNOWN.to_owned(),
        (Style::Money, cell) => match cell {
            Cell::Decimal(amount) => money(*amount, unit),
            other => other.as_f64().map_or_else(|| plain(other), |x| money_rounded(x, unit)),
        },
        (Style::Percent, cell) => cell.as_f64().map_or_else(|| plain(cell), percent),
        (Style::Decimal, Cell::Integer(n)) => integer(*n),
        (Style::Decimal, cell) => cell.as_f64().map_or_else(|| plain(cell), |x| decimal(x, 1)),
        (Style::Year, Cell::Integer(year)) => year.to_string(),
        (Style::Quarter, Cell::Integer(quarter)) => format!("Q{quarter}"),
        (Style::Month, Cell::Integer(month)) => month_name(*month).map_or_else(|| month.to_string(), str::to_owned),
        (Style::Weekday, Cell::Integer(day)) => weekday_name(*day).map_or_else(|| day.to_string(), str::to_owned),
        (Style::Date, Cell::Text(text)) => text.parse().map_or_else(|_| text.clone(), date),
        (Style::Stretch(grain), Cell::Text(text)) => {
            text.parse().map_or_else(|_| text.clone(), |day| stretch(day, grain))
        }
        (_, cell) => plain(cell),
    }
}

/// A cell as it stands on charts and in sentences: as [`exact`], but large amounts compact (`$1.84 M`).
pub fn short(cell: &Cell, style: Style, unit: Option<&str>) -> String {
    const COMPACT_FROM: f64 = 100_000.0;
    match (style, cell.as_f64()) {
        (Style::Money, Some(amount)) if amount.abs() >= COMPACT_FROM / 10.0 => {
            with_currency(amount < 0.0, &compact(amount.abs()), unit)
        }
        (Style::Integer | Style::Decimal, Some(number)) if number.abs() >= COMPACT_FROM => compact(number),
        // The tenth of a person among hundreds tells nothing.
        (Style::Decimal, Some(number)) if number.abs() >= 100.0 => decimal(number, 0),
        _ => exact(cell, style, unit),
    }
}

/// A column's heading: its label, and the unit that all its numbers share ("Revenue, US$").
pub fn heading(label: &str, unit: Option<&str>) -> String {
    match unit {
        None | Some("count") => label.to_owned(),
        Some("percent") => format!("{label}, %"),
        Some(code) => format!(
            "{label}, {}",
            symbol(code).map_or(code, |s| if s == "$" { "US$" } else { s })
        ),
    }
}

/// `1,840,250`.
pub fn integer(number: i64) -> String {
    let sign = if number < 0 { MINUS.to_string() } else { String::new() };
    format!("{sign}{}", grouped(&number.unsigned_abs().to_string()))
}

/// With a fixed number of decimals and thousands separators: `1,234.5`.
pub fn decimal(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return UNKNOWN.to_owned();
    }
    let text = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    // What rounds to zero has no sign.
    let negative = number < 0.0 && text.bytes().any(|b| b.is_ascii_digit() && b != b'0');
    let sign = if negative { MINUS.to_string() } else { String::new() };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", grouped(whole))
}

/// Three significant digits with `k`, `M`, `bn` or `tn`: `1.84 M`. Below 1,000 as it is.
pub fn compact(number: f64) -> String {
    if !number.is_finite() {
        return UNKNOWN.to_owned();
    }
    let mut scaled = number.abs();
    let mut unit = "";
    for next in ["k", "M", "bn", "tn"] {
        // 999,950 reads 1.00 M, not 1,000 k.
        if scaled < 999.5 {
            break;
        }
        scaled /= 1000.0;
        unit = next;
    }
    let decimals = match scaled {
        _ if unit.is_empty() && scaled.fract() == 0.0 => 0,
        x if x < 9.995 => 2,
        x if x < 99.95 => 1,
        _ => 0,
    };
    let text = decimal(if number < 0.0 { -scaled } else { scaled }, decimals);
    if unit.is_empty() {
        text
    } else {
        format!("{text}{THIN_SPACE}{unit}")
    }
}

/// `87.5 %`, from 87.5.
pub fn percent(number: f64) -> String {
    format!("{}{THIN_SPACE}%", decimal(number, 1))
}

/// With a sign in front, also where it is positive: `+18 %`.
pub fn delta_percent(number: f64) -> String {
    let sign = if number > 0.0 { "+" } else { "" };
    format!("{sign}{}{THIN_SPACE}%", decimal(number, 0))
}

/// A place in an order: `1st`, `22nd`, `113th`.
pub fn ordinal(place: i64) -> String {
    let ending = match (place.unsigned_abs() % 10, place.unsigned_abs() % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{}{ending}", integer(place))
}

/// An exact amount: `$1,840.50`, `SEK 120.00`. Without a currency the number alone.
pub fn money(amount: Decimal, currency: Option<&str>) -> String {
    let text = amount.to_string();
    let unsigned = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let fraction = trimmed_fraction(fraction, currency);
    let point = if fraction.is_empty() { "" } else { "." };
    with_currency(
        amount.mantissa < 0,
        &format!("{}{point}{fraction}", grouped(whole)),
        currency,
    )
}

fn money_rounded(amount: f64, currency: Option<&str>) -> String {
    let digits = currency
        .and_then(crate::money::Currency::new)
        .map_or(2, |c| c.exponent());
    let text = decimal(amount.abs(), usize::try_from(digits).unwrap_or(2));
    with_currency(amount < 0.0, &text, currency)
}

/// A table's DECIMAL(14, 2) writes yen with two zeros that yen do not have.
fn trimmed_fraction<'f>(fraction: &'f str, currency: Option<&str>) -> &'f str {
    let digits = currency
        .and_then(crate::money::Currency::new)
        .map_or(2, |c| c.exponent());
    let keep = usize::try_from(digits).unwrap_or(2);
    match fraction.get(..keep) {
        Some(kept) if fraction.bytes().skip(keep).all(|b| b == b'0') => kept,
        _ => fraction,
    }
}

fn with_currency(negative: bool, number: &str, currency: Option<&str>) -> String {
    let sign = if negative { MINUS.to_string() } else { String::new() };
    match currency.filter(|code| crate::money::Currency::new(code).is_some()) {
        None => format!("{sign}{number}"),
        Some(code) => match symbol(code) {
            Some(symbol) => format!("{sign}{symbol}{number}"),
            None => format!("{sign}{code}\u{a0}{number}"),
        },
    }
}

/// The symbol of a currency that is written with one.
pub fn symbol(code: &str) -> Option<&'static str> {
    Some(match code {
        "USD" => "$",
        "EUR" => "€",
        "GBP" => "£",
        "JPY" => "¥",
        "CAD" => "CA$",
        "AUD" => "A$",
        "NZD" => "NZ$",
        "HKD" => "HK$",
        "SGD" => "S$",
        "MXN" => "MX$",
        "BRL" => "R$",
        "KRW" => "₩",
        "INR" => "₹",
        "ILS" => "₪",
        "CNY" => "CN¥",
        "VND" => "₫",
        "PHP" => "₱",
        "NGN" => "₦",
        "UAH" => "₴",
        "TRY" => "₺",
        _ => return None,
    })
}

/// `21 Nov 2026`.
pub fn date(day: Date) -> String {
    let month = month_name(i64::from(day.month()))
        .and_then(|name| name.get(..3))
        .unwrap_or("");
    format!("{} {month} {}", day.day(), day.year())
}

/// A stretch of time by its first day: `2026`, `Q4 2026`, `Nov 2026`, `week of 16 Nov 2026`.
pub fn stretch(first: Date, grain: Grain) -> String {
    match grain {
        Grain::Year => first.year().to_string(),
        Grain::Quarter => format!("Q{} {}", (first.month() - 1) / 3 + 1, first.year()),
        Grain::Month => {
            let month = month_name(i64::from(first.month()))
                .and_then(|name| name.get(..3))
                .unwrap_or("");
            format!("{month} {}", first.year())
        }
        Grain::Week => format!("week of {}", date(first)),
        Grain::Day => date(first),
    }
}

/// From 1, January.
pub fn month_name(month: i64) -> Option<&'static str> {
    MONTHS.get(usize::try_from(month.checked_sub(1)?).ok()?).copied()
}

/// From 1, Monday.
pub fn weekday_name(day: i64) -> Option<&'static str> {
    WEEKDAYS.get(usize::try_from(day.checked_sub(1)?).ok()?).copied()
}

/// A cell without any style.
fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Null => UNKNOWN.to_owned(),
        Cell::Boolean(value) => if *value { "yes" } else { "no" }.to_owned(),
        Cell::Integer(number) => integer(*number),
        Cell::Float(number) => decimal(*number, 1),
        Cell::Decimal(number) => money(*number, None),
        Cell::Text(text) => text.clone(),
    }
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(integer(-1_840_250), "\u{2212}1,840,250");
        assert_eq!(integer(i64::MIN), "\u{2212}9,223,372,036,854,775,808");
        assert_eq!(decimal(-0.04, 1), "0.0");
        assert_eq!(percent(87.46), "87.5\u{2009}%");
        assert_eq!(delta_percent(18.2), "+18\u{2009}%");
        assert_eq!(compact(999_950.0), "1.00\u{2009}M");
        assert_eq!(compact(1_844_000.0), "1.84\u{2009}M");
        assert_eq!(compact(-152_400.0), "\u{2212}152\u{2009}k");
        assert_eq!(compact(999.0), "999");
    }

    #[test]
    fn money_has_its_symbol_and_the_digits_of_its_currency() {
        let amount = |text| Decimal::parse(text).expect("a decimal");
        assert_eq!(money(amount("-1840.50"), Some("USD")), "\u{2212}$1,840.50");
        assert_eq!(money(amount("1500.00"), Some("JPY")), "¥1,500");
        assert_eq!(money(amount("1500.25"), Some("JPY")), "¥1,500.25");
        assert_eq!(money(amount("120.00"), Some("SEK")), "SEK\u{a0}120.00");
        assert_eq!(money(amount("6.00"), None), "6.00");
        let millions = Cell::Decimal(amount("1840250.00"));
        assert_eq!(short(&millions, Style::Money, Some("USD")), "$1.84\u{2009}M");
        assert_eq!(exact(&millions, Style::Money, Some("USD")), "$1,840,250.00");
    }

    #[test]
    fn time_has_names() {
        let day = jiff::civil::date(2026, 11, 21);
        assert_eq!(date(day), "21 Nov 2026");
        assert_eq!(stretch(day, Grain::Quarter), "Q4 2026");
        assert_eq!(exact(&Cell::Integer(7), Style::Weekday, None), "Sunday");
        assert_eq!(exact(&Cell::Integer(13), Style::Month, None), "13");
        assert_eq!(exact(&Cell::Integer(1999), Style::Year, None), "1999");
        assert_eq!(exact(&Cell::Null, Style::Money, None), UNKNOWN);
    }
}
