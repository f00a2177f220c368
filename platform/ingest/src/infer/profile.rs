//! What the values of one column of a file have in common: their types, how days are written, codes, amounts, ids.

use super::vocabulary::{COUNTRIES, CURRENCIES, MONEY_SIGNS, STATES, STATUS_WORDS, VENUE_TYPE_WORDS, country, is_in};
use crate::number::NumberFormat;
use jiff::{
    civil::{Date, DateTime},
    fmt::temporal::DateTimeParser,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::LazyLock,
};

/// How many different values are told apart.
const MAX_DIFFERENT: usize = 20_000;
/// Columns of so few different values have all of them kept, to map them.
const MAX_LISTED: usize = 120;
const SHOWN_VALUES: usize = 3;
pub const SHOWN_CHARS: usize = 60;

/// Texts that often stand for "no value".
const NO_VALUE: [&str; 14] = [
    "NA", "N/A", "n/a", "null", "NULL", "None", "none", "nan", "NaN", "-", "--", "?", "TBA", "unknown",
];

/// The ways in which days are written beside ISO 8601.
const DAYS: [&str; 20] = [
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%A, %d %B %Y",
    "%a, %d %b %Y",
    "%A, %B %d, %Y",
    "%a %d %b %Y",
];
/// The ways in which numbers are written beside a program's, as the mapping's `number` has them.
const NUMBERS: [&str; 4] = ["1,234.56", "1.234,56", "1 234,56", "1'234.56"];

const TIMES: [&str; 4] = [" %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"];

/// Patterns that differ only in whether the day or the month stands first.
const TWINS: [(&str, &str); 3] = [
    ("%d/%m/%Y", "%m/%d/%Y"),
    ("%d-%m-%Y", "%m-%d-%Y"),
    ("%d/%m/%y", "%m/%d/%y"),
];

#[derive(Clone, Debug, Default)]
pub struct Written {
    fits: u64,
    /// How often a value was before the one before it, as this pattern reads them.
    steps_back: u64,
    last: Option<Date>,
    /// How many values only this pattern of a pair can read.
    pub only: u64,
}

/// How many values one way of writing numbers reads, and how many of them no program would.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    fits: u64,
    whole: u64,
    signed: u64,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Empty,
    Whole,
    Number,
    Day,
    Instant,
    Boolean,
    Money,
    Text,
}

impl Shape {
    pub fn name(self) -> &'static str {
        match self {
            Shape::Empty => "empty",
            Shape::Whole => "whole number",
            Shape::Number => "number",
            Shape::Day => "date",
            Shape::Instant => "date and time",
            Shape::Boolean => "boolean",
            Shape::Money => "amount of money",
            Shape::Text => "text",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub path: String,
    /// Records (or elements of a list) in which it stood with a value.
    pub filled: u64,
    pub no_value: BTreeSet<&'static str>,
    pub absent: u64,
    different: HashSet<u64>,
    repeats: bool,
    pub samples: Vec<String>,
    /// Every value with its count, as long as they are few.
    pub listed: Option<BTreeMap<String, u64>>,
    whole: u64,
    number: u64,
    boolean: u64,
    numbers: [Numbers; NUMBERS.len()],
    iso_day: u64,
    iso_instant: u64,
    compact_day: u64,
    written: BTreeMap<String, Written>,
    pub money: BTreeMap<&'static str, u64>,
    money_fits: u64,
    currency_codes: u64,
    countries: u64,
    country_codes: u64,
    states: u64,
    cities_and_states: u64,
    zones: u64,
    uuids: u64,
    spotify_ids: u64,
    urls: u64,
    statuses: u64,
    venue_types: u64,
    pub characters: u64,
    spaces: u64,
    pub low: f64,
    pub high: f64,
}

impl Profile {
    pub fn new(path: String) -> Profile {
        Profile {
            path,
            listed: Some(BTreeMap::new()),
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            ..Profile::default()
        }
    }

    pub fn see(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(no_value) = NO_VALUE.iter().find(|no_value| **no_value == text) {
            self.no_value.insert(no_value);
            self.absent += 1;
            return;
        }
        self.filled += 1;
        let mut hash = DefaultHasher::new();
        text.hash(&mut hash);
        if self.different.len() < MAX_DIFFERENT {
            let is_new = self.different.insert(hash.finish());
            self.repeats |= !is_new;
            if is_new && self.samples.len() < SHOWN_VALUES {
                self.samples.push(text.chars().take(SHOWN_CHARS).collect());
            }
        }
        if let Some(listed) = &mut self.listed {
            if text.len() <= SHOWN_CHARS && (listed.len() < MAX_LISTED || listed.contains_key(text)) {
                *listed.entry(text.to_owned()).or_default() += 1;
            } else {
                self.listed = None;
            }
        }
        self.characters += text.chars().count() as u64;
        self.spaces += u64::from(text.contains(' '));
        self.see_number(text);
        // Codes and days are short; of a column that is all prose, the first values tell.
        if text.len() > 40 {
            return;
        }
        self.see_codes(text);
        if text.bytes().filter(u8::is_ascii_digit).count() >= 3 && (self.filled < 200 || self.has_days()) {
            self.see_day(text);
        }
    }

    fn has_days(&self) -> bool {
        self.iso_day + self.iso_instant + self.compact_day > 0 || !self.written.is_empty()
    }

    fn see_number(&mut self, text: &str) {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
        if let (true, Ok(number)) = (plain, text.parse::<f64>()) {
            self.number += 1;
            let whole = number.fract() == 0.0 && number.abs() < 9e15 && !text.contains(['e', 'E']);
            self.whole += u64::from(whole);
            self.low = self.low.min(number);
            self.high = self.high.max(number);
            self.money_fits += u64::from(money_of(text).is_some());
            self.see_numbers(text);
            return;
        }
        let plain = money_of(text);
        let Some((core, sign)) = amount(text) else { return };
        let reads = self.see_numbers(core);
        if plain.is_some() || reads {
            self.money_fits += u64::from(plain.is_some());
            if !sign.is_empty() || plain.is_some() {
                *self.money.entry(sign).or_default() += 1;
            }
        }
    }

    /// Looks which ways of writing numbers read it, and says whether one does.
    fn see_numbers(&mut self, core: &str) -> bool {
        static FORMATS: LazyLock<Vec<NumberFormat>> = LazyLock::new(|| {
            NUMBERS
                .iter()
                .filter_map(|sample| NumberFormat::of(sample).ok())
                .collect()
        });
        let signed = core.bytes().any(|byte| !byte.is_ascii_digit());
        let mut reads = false;
        for (format, numbers) in FORMATS.iter().zip(&mut self.numbers) {
            let Ok(plain) = format.plain(core) else { continue };
            reads = true;
            numbers.fits += 1;
            numbers.signed += u64::from(signed);
            let fraction = plain.split_once('.').map_or("", |(_, fraction)| fraction);
            numbers.whole += u64::from(fraction.bytes().all(|byte| byte == b'0'));
        }
        reads
    }

    /// How its numbers are written, where a program would not read them so: the way that reads most of them, if more than
    /// are read without.
    pub fn number_sample(&self) -> Option<&'static str> {
        let (sample, numbers) = self.styled()?;
        (numbers.signed > 0).then_some(sample)
    }

    fn styled(&self) -> Option<(&'static str, Numbers)> {
        let best = NUMBERS
            .into_iter()
            .zip(self.numbers)
            .rev()
            .max_by_key(|(_, numbers)| (numbers.fits, numbers.signed))?;
        (self.mostly(best.1.fits) && best.1.fits > self.money_fits.max(self.number)).then_some(best)
    }

    fn see_codes(&mut self, text: &str) {
        let lower = text.to_lowercase();
        self.boolean += u64::from(matches!(
            lower.as_str(),
            "true" | "false" | "yes" | "no" | "y" | "n" | "t" | "f"
        ));
        self.currency_codes += u64::from(is_in(CURRENCIES, text));
        self.country_codes += u64::from(COUNTRIES.iter().any(|(code, _)| *code == text));
        self.countries += u64::from(country(text).is_some());
        self.states += u64::from(is_in(STATES, text));
        let both = text
            .rsplit_once(',')
            .is_some_and(|(city, state)| !city.is_empty() && is_in(STATES, state.trim()));
        self.cities_and_states += u64::from(both);
        self.statuses += u64::from(STATUS_WORDS.iter().any(|(word, _)| *word == lower));
        self.venue_types += u64::from(VENUE_TYPE_WORDS.iter().any(|(word, _)| *word == lower));
        self.urls += u64::from(lower.starts_with("http://") || lower.starts_with("https://"));
        let hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
        let uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(hex);
        self.uuids += u64::from(uuid);
        let base62 = text.len() == 22 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        self.spotify_ids += u64::from(base62);
        let zone = text.split_once('/').is_some_and(|(area, city)| {
            [
                "Africa",
                "America",
                "Asia",
                "Atlantic",
                "Australia",
                "Europe",
                "Indian",
                "Pacific",
            ]
            .contains(&area)
                && !city.contains(' ')
        });
        self.zones += u64::from(zone || text == "UTC");
    }

    fn see_day(&mut self, text: &str) {
        let likely = |date: Date| (1500..=2200).contains(&date.year());
        if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
            self.compact_day += u64::from(Date::strptime("%Y%m%d", text).is_ok_and(likely));
            return;
        }
        if text.contains('-')
            && let Ok(pieces) = DateTimeParser::new().parse_pieces(text)
            && likely(pieces.date())
        {
            match pieces.time() {
                Some(_) => self.iso_instant += 1,
                None => self.iso_day += 1,
            }
            return;
        }
        let with_time = text.contains(':');
        let mut read = Vec::new();
        for day in DAYS {
            // The sign between a pattern's parts has to stand in the text.
            if !day.chars().nth(2).is_some_and(|sign| text.contains(sign)) {
                continue;
            }
            // Patterns that most values did not fit are given up.
            let times: &[&str] = if with_time { &TIMES } else { &[""] };
            for time in times {
                let pattern = format!("{day}{time}");
                let fits = self.written.get(&pattern).map_or(0, |written| written.fits);
                if self.filled > 100 && fits * 4 < self.filled {
                    continue;
                }
                let date = if with_time {
                    DateTime::strptime(&pattern, text).map(|at| at.date())
                } else {
                    Date::strptime(&pattern, text)
                };
                if let Ok(date) = date
                    && likely(date)
                {
                    read.push((day, pattern, date));
                }
            }
        }
        for (day, pattern, date) in &read {
            let twin = TWINS.iter().find_map(|(a, b)| match () {
                () if a == day => Some(*b),
                () if b == day => Some(*a),
                () => None,
            });
            let alone = twin.is_some_and(|twin| !read.iter().any(|(other, ..)| *other == twin));
            let written = self.written.entry(pattern.clone()).or_default();
            written.fits += 1;
            written.only += u64::from(alone);
            written.steps_back += u64::from(written.last.is_some_and(|last| *date < last));
            written.last = Some(*date);
        }
    }

    fn mostly(&self, count: u64) -> bool {
        self.filled > 0 && count * 10 >= self.filled * 9
    }

    pub fn share(&self, count: u64) -> f64 {
        if self.filled == 0 {
            0.0
        } else {
            count as f64 / self.filled as f64
        }
    }

    pub fn shape(&self) -> Shape {
        match self {
            _ if self.filled == 0 => Shape::Empty,
            _ if self.mostly(self.iso_instant) => Shape::Instant,
            _ if self.mostly(self.iso_day + self.iso_instant) || self.mostly(self.compact_day) => Shape::Day,
            _ if self
                .day_pattern()
                .is_some_and(|(pattern, _)| pattern.contains("%H") || pattern.contains("%I")) =>
            {
                Shape::Instant
            }
            _ if self.day_pattern().is_some() => Shape::Day,
            _ if self.mostly(self.whole) => Shape::Whole,
            _ if self.mostly(self.number) => Shape::Number,
            _ if self.mostly(self.boolean) => Shape::Boolean,
            _ if self.mostly(self.money_fits) && !self.money.is_empty() => Shape::Money,
            _ if let Some((_, numbers)) = self.styled() => match () {
                () if self.money.keys().any(|sign| !sign.is_empty()) => Shape::Money,
                () if self.mostly(numbers.whole) => Shape::Whole,
                () => Shape::Number,
            },
            _ => Shape::Text,
        }
    }

    /// How days are written, where that is not ISO 8601, and what speaks for it. The pattern that reads the most; of
    /// two that differ in the order of day and month, the one that alone reads a value, else the one under which the
    /// file's order goes forward.
    pub fn day_pattern(&self) -> Option<(String, Option<String>)> {
        if self.mostly(self.compact_day) {
            return Some(("%Y%m%d".to_owned(), None));
        }
        let best = self
            .written
            .iter()
            .filter(|(_, written)| written.fits * 3 >= self.filled * 2)
            .max_by_key(|(pattern, written)| {
                (
                    written.fits,
                    written.only,
                    std::cmp::Reverse(written.steps_back),
                    pattern.starts_with("%d"),
                )
            })?;
        let (pattern, written) = best;
        let twin = TWINS.iter().find_map(|(a, b)| {
            let of = |one: &str, other: &str| pattern.strip_prefix(one).map(|rest| format!("{other}{rest}"));
            of(a, b).or_else(|| of(b, a))
        });
        let Some(twin) = twin else {
            let others = self.filled - written.fits;
            let doubt = (others > 0).then(|| format!("{others} values are written otherwise and will be put aside"));
            return Some((pattern.clone(), doubt));
        };
        let other = self.written.get(&twin).cloned().unwrap_or_default();
        let first = if pattern.starts_with("%d") { "day" } else { "month" };
        let doubt = match (written.only, other.only) {
            (0, 0) if written.steps_back < other.steps_back => format!(
                "the day and the month cannot be told apart by their numbers; read with the {first} first the file goes \
                 back in time {} times, else {}: is it {twin:?}?",
                written.steps_back, other.steps_back
            ),
            (0, 0) => format!("the day and the month cannot be told apart: no number is above 12. Is it {twin:?}?"),
            (only, 0) if written.fits < self.filled => format!(
                "the {first} stands first: {only} values make sense only so; {} are written otherwise and will be put aside",
                self.filled - written.fits
            ),
            (only, 0) => format!("the {first} stands first: {only} values make sense only so"),
            (only, against) => format!(
                "the {first} stands first in {only} values, and in {against} it cannot: those will be put aside"
            ),
        };
        Some((pattern.clone(), Some(doubt)))
    }

    /// Whether the order of day and month is open.
    pub fn day_is_ambiguous(&self) -> bool {
        self.day_pattern()
            .is_some_and(|(_, doubt)| doubt.is_some_and(|doubt| doubt.contains("cannot be told apart")))
    }

    pub fn all_different(&self) -> bool {
        !self.repeats && self.filled > 1
    }

    pub fn different(&self) -> usize {
        self.different.len()
    }

    pub fn is_text_of_people(&self) -> bool {
        self.shape() == Shape::Text && self.share(self.urls) < 0.1 && self.share(self.uuids) < 0.5
    }

    pub fn share_of(&self, what: Code) -> f64 {
        let styled = self.styled().map(|(_, numbers)| numbers).unwrap_or_default();
        self.share(match what {
            Code::Currency => self.currency_codes,
            Code::Country => self.country_codes,
            Code::CountryName => self.countries,
            Code::State => self.states,
            Code::CityAndState => self.cities_and_states,
            Code::Zone => self.zones,
            Code::Uuid => self.uuids,
            Code::SpotifyId => self.spotify_ids,
            Code::Status => self.statuses,
            Code::VenueType => self.venue_types,
            Code::Whole => self.whole.max(styled.whole),
            Code::Number => self.number.max(styled.fits),
            Code::Money => self.money_fits.max(styled.fits),
            Code::Url => self.urls,
        })
    }

    /// How many characters a value has on average.
    pub fn length(&self) -> f64 {
        if self.filled == 0 {
            0.0
        } else {
            self.characters as f64 / self.filled as f64
        }
    }

    /// How many values hold a space.
    pub fn spaced(&self) -> f64 {
        self.share(self.spaces)
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Code {
    Currency,
    Country,
    CountryName,
    State,
    CityAndState,
    Zone,
    Uuid,
    SpotifyId,
    Status,
    VenueType,
    Whole,
    Number,
    Money,
    Url,
}

/// The digits of an amount, with the signs between them, and its currency; empty of a bare number. None of other texts.
fn amount(text: &str) -> Option<(&str, &'static str)> {
    let first = text.find(|c: char| c.is_ascii_digit())?;
    let last = text.rfind(|c: char| c.is_ascii_digit())?;
    let around = format!("{}{}", &text[..first], &text[last + 1..]);
    let around = around.trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '-'));
    let sign = if around.is_empty() { Some("") } else { sign_of(around) };
    Some((&text[first..=last], sign?))
}

fn sign_of(around: &str) -> Option<&'static str> {
    if is_in(CURRENCIES, around) {
        return CURRENCIES.split(' ').find(|code| *code == around);
    }
    MONEY_SIGNS
        .iter()
        .find(|(sign, _)| *sign == around)
        .map(|(_, code)| *code)
}

/// The currency of an amount such as `$12.50`, `6(pounds)` or `12 EUR`; empty of a bare number. None of other texts.
pub fn money_of(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let first = text.find(|c: char| c.is_ascii_digit())?;
    let behind = text[first..]
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .map_or(text.len(), |at| first + at);
    let number = &text[first..behind];
    if number.matches('.').count() > 1 || number.ends_with('.') {
        return None;
    }
    let around = format!("{}{}", &text[..first], &text[behind..]);
    let around = around.trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
    if around.is_empty() {
        return Some("");
    }
    sign_of(around)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(values: &[&str]) -> Profile {
        let mut profile = Profile::new("x".to_owned());
        values.iter().for_each(|value| profile.see(value));
        profile
    }

    #[test]
    fn shapes_are_told_from_values() {
        for (values, wanted) in [
            (&["1", "20", "-3"][..], Shape::Whole),
            (&["1.5", "20"], Shape::Number),
            (&["2024-05-31", "2024-06-01"], Shape::Day),
            (&["2024-05-31T20:00:00Z"], Shape::Instant),
            (&["2008-01-25 14:30:00"], Shape::Instant),
            (&["31.12.1999", "01.02.2000"], Shape::Day),
            (&["12/31/1999 8:00 PM"], Shape::Instant),
            (&["19991231", "20000102"], Shape::Day),
            (&["3 May 2024", "12 June 2024"], Shape::Day),
            (&["$5", "$12.50"], Shape::Money),
            (&["true", "false"], Shape::Boolean),
            (&["NA", ""], Shape::Empty),
            (&["a", "b 1"], Shape::Text),
            (&["12345678"], Shape::Whole),
            (&["1,234", "980", "12,050"], Shape::Whole),
            (&["294.000,00", "75.000,50"], Shape::Number),
            (&["$27,990.00", "$500.00", "$1,200"], Shape::Money),
            (&["1 234,50 €", "12,00 €"], Shape::Money),
            (&["Hall 1, 2nd", "Hall 3, 4th"], Shape::Text),
        ] {
            assert_eq!(profile(values).shape(), wanted, "{values:?}");
        }
    }

    #[test]
    fn the_way_in_which_numbers_are_written_is_seen() {
        for (values, wanted) in [
            (&["1,234", "980"][..], Some("1,234.56")),
            (&["294.000,00", "75.000,50"], Some("1.234,56")),
            (&["12,50", "3,75"], Some("1.234,56")),
            (&["1 234", "12 500"], Some("1 234,56")),
            (&["1'234.50", "12"], Some("1'234.56")),
            (&["12.5", "1.234"], None),
            (&["$5", "$12.50"], None),
            (&["12", "13"], None),
            (&["1,234", "many", "some"], None),
        ] {
            assert_eq!(profile(values).number_sample(), wanted, "{values:?}");
        }
    }

    #[test]
    fn the_order_of_day_and_month_is_judged_by_evidence() {
        for (values, pattern, doubt) in [
            (
                &["03/09/1987", "26/09/1987"][..],
                "%d/%m/%Y",
                "1 values make sense only so",
            ),
            (&["09/03/1987", "09/26/1987"], "%m/%d/%Y", "1 values make sense only so"),
            (
                &["01/02/2024", "01/03/2024", "02/01/2024"],
                "%m/%d/%Y",
                "goes back in time 0 times, else 1",
            ),
            (
                &["01/02/2024", "02/02/2024", "01/03/2024"],
                "%d/%m/%Y",
                "goes back in time 0 times, else 1",
            ),
            (
                &["05/05/2024"],
                "%d/%m/%Y",
                "cannot be told apart: no number is above 12",
            ),
        ] {
            let (found, said) = profile(values).day_pattern().expect("a pattern");
            assert_eq!(found, pattern, "{values:?}");
            assert!(
                said.as_deref().is_some_and(|said| said.contains(doubt)),
                "{values:?}: {said:?}"
            );
        }
    }

    #[test]
    fn amounts_name_their_currency() {
        for (text, wanted) in [
            ("$5", Some("USD")),
            ("12.50", Some("")),
            ("6(pounds)", Some("GBP")),
            ("20 EUR", Some("EUR")),
            ("€ 7", Some("EUR")),
            ("Free", None),
            ("5 men", None),
            ("1.2.3", None),
        ] {
            assert_eq!(money_of(text), wanted, "{text}");
        }
    }
}
