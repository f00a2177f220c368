//! Times in words: "in 1999", "since March", "the last three months", "between 1988 and 1992", "on Fridays".

use crate::text::{Token, number_at};
use concert_contract::query::{Days, Grain, Period};
use jiff::civil::Date;

/// What words about time came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Time {
    Period(Period),
    /// Months of the year, from 1, whatever the year.
    Months(Vec<i64>),
    /// Days of the week, from Monday as 1.
    Weekdays(Vec<i64>),
    /// Quarters of the year, from 1.
    Quarters(Vec<i64>),
    /// A day that is in no calendar: the 30th of February.
    NoSuchDay,
    /// Digits that are one day in one country and another one elsewhere: 5/6/2025.
    TwoDays,
}

/// Years outside of these are numbers.
const FIRST_YEAR: i16 = 1900;
const LAST_YEAR: i16 = 2100;

/// The longest time at `at`, with its preposition, and how many tokens it takes.
pub(crate) fn time_at(tokens: &[Token], at: usize, today: Date) -> Option<(Time, usize)> {
    let word = |offset: usize| tokens.get(at + offset).map(|token| token.norm.as_str());
    let (edge, lead) = match (word(0)?, word(1), word(2)) {
        ("up", Some("to"), _) => (Edge::Until, 2),
        ("up", Some("until"), _) => (Edge::Until, 2),
        ("starting" | "beginning", Some("in" | "from" | "with"), _) => (Edge::Since, 2),
        ("earlier", Some("than"), _) => (Edge::Before, 2),
        ("later", Some("than"), _) => (Edge::After, 2),
        ("on", Some("or"), Some("after")) => (Edge::Since, 3),
        ("since", ..) => (Edge::Since, 1),
        ("after", ..) => (Edge::After, 1),
        ("before" | "pre", ..) => (Edge::Before, 1),
        ("until" | "till" | "through" | "thru", ..) => (Edge::Until, 1),
        ("between", ..) => (Edge::Between, 1),
        ("from", ..) => (Edge::From, 1),
        ("in" | "during" | "on" | "for" | "over" | "within" | "of" | "throughout", ..) => (Edge::In, 1),
        _ => (Edge::In, 0),
    };
    let parser = Parser { tokens, today };
    let lead = lead + usize::from(word(lead) == Some("the"));
    // "since the beginning of 2026", "until the end of May": both ends are days of the stretch anyway.
    let is_end = matches!(
        (word(lead), word(lead + 1)),
        (Some("end" | "beginning" | "start"), Some("of"))
    );
    let lead = lead + if is_end { 2 } else { 0 };
    let lead = lead + usize::from(is_end && word(lead) == Some("the"));
    // "in the year 1999"
    let lead = lead + usize::from(word(lead) == Some("year") && parser.year(at + lead + 1).is_some());
    let start = at + lead;
    if let Some((period, length)) = parser.days_of_one_year(start) {
        return Some((Time::Period(period), lead + length));
    }
    let is_unclear = parser.word(start).is_some_and(|word| {
        let separator = if word.contains('/') { '/' } else { '-' };
        is_two_dates(&word.split(separator).collect::<Vec<_>>())
    });
    if is_unclear {
        return Some((Time::TwoDays, lead + 1));
    }
    if let Some(length) = parser.no_such_day(start) {
        return Some((Time::NoSuchDay, lead + length));
    }
    if let Some((time, length)) = parser.recurring(start, edge, lead > 0) {
        return Some((time, lead + length));
    }
    let (first, length) = parser.point(start, lead > 0)?;
    let mut end = start + length;
    // The other end, where there is one.
    let goes_on = match (edge, tokens.get(end).map(|t| t.norm.as_str())) {
        (Edge::Between, Some("and" | "to"))
        | (Edge::From | Edge::In, Some("to" | "until" | "till" | "through" | "thru")) => true,
        (Edge::In, Some("and" | "or")) => parser.is_month_before(start, end),
        _ => false,
    };
    let joined = if goes_on {
        let skip = 1 + usize::from(tokens.get(end + 1).is_some_and(|t| t.norm == "the"));
        parser
            .point(end + skip, true)
            .map(|(second, length)| (second, skip + length))
    } else {
        None
    };
    let period = if let Some((second, length)) = joined {
        end += length;
        if let (Point::Month(from), Point::Month(to)) = (&first, &second) {
            return Some((Time::Months(months_between(*from, *to)), end - at));
        }
        let first = first.beside(&second);
        // Whichever is said first.
        let (first, second) = (first.days(today)?, second.days(today)?);
        Period::Between {
            from: Some(first.from?.min(second.from?)),
            to: Some(first.to?.max(second.to?)),
        }
    } else {
        match edge {
            Edge::Between => return None,
            Edge::In => first.into_period(),
            // "from March" goes on until now, "from 1999" too.
            Edge::Since | Edge::From => Period::Between {
                from: first.latest(today)?.from,
                to: None,
            },
            Edge::After => Period::Between {
                from: Some(first.latest(today)?.to?.tomorrow().ok()?),
                to: None,
            },
            Edge::Before => Period::Between {
                from: None,
                to: Some(first.latest(today)?.from?.yesterday().ok()?),
            },
            Edge::Until => Period::Between {
                from: None,
                to: first.latest(today)?.to,
            },
        }
    };
    Some((Time::Period(period), end - at))
}

/// Words that are read here and stand in no table of phrases.
pub(crate) fn is_time_word(word: &str) -> bool {
    const WORDS: &str = "january jan february feb march mar april apr may june jun july jul august aug september sep sept \
        october oct november nov december dec monday mon tuesday tue tues wednesday wed thursday thu thur friday fri \
        saturday sat sunday sun weekend weekends weekday weekdays spring summer autumn winter today tonight yesterday \
        tomorrow ytd qtd mtd ago date early mid late sixties seventies eighties nineties half night nights evening \
        evenings since pre till until thru through starting beginning earlier later this current past previous preceding \
        coming following upcoming far end start before after";
    WORDS.split_whitespace().any(|known| known == word)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    In,
    Since,
    After,
    Before,
    Until,
    From,
    Between,
}

/// A point or stretch of time by itself.
#[derive(Clone, Debug)]
enum Point {
    Fixed(Date, Date),
    Relative(Grain, i32, u32),
    /// A month without its year.
    Month(i8),
}

impl Point {
    fn days(&self, today: Date) -> Option<Days> {
        match self {
            Point::Fixed(from, to) => Some(Days {
                from: Some(*from),
                to: Some(*to),
            }),
            Point::Relative(unit, offset, count) => Period::Relative {
                unit: *unit,
                offset: *offset,
                count: *count,
            }
            .resolve(today)
            .ok(),
            Point::Month(_) => self.latest(today),
        }
    }

    /// As days; a month without a year is its latest one that has begun.
    fn latest(&self, today: Date) -> Option<Days> {
        let Point::Month(month) = self else {
            return self.days(today);
        };
        let year = if *month <= today.month() {
            today.year()
        } else {
            today.year() - 1
        };
        let first = Date::new(year, *month, 1).ok()?;
        Some(Days {
            from: Some(first),
            to: Some(first.last_of_month()),
        })
    }

    /// In "March to May 2025" the year is said once.
    fn beside(self, second: &Point) -> Point {
        let (Point::Month(month), Point::Fixed(_, to)) = (&self, second) else {
            return self;
        };
        let year = if *month <= to.month() { to.year() } else { to.year() - 1 };
        Date::new(year, *month, 1).map_or(self, |from| Point::Fixed(from, from.last_of_month()))
    }

    fn into_period(self) -> Period {
        match self {
            Point::Fixed(from, to) => Period::Between {
                from: Some(from),
                to: Some(to),
            },
            Point::Relative(unit, offset, count) => Period::Relative { unit, offset, count },
            // `recurring` has taken months that stand alone.
            Point::Month(_) => Period::Between { from: None, to: None },
        }
    }
}

/// Which day of the week is meant: from Monday as 1.
fn weekday_of(day: Date) -> i64 {
    i64::from(day.weekday().to_monday_one_offset())
}

struct Parser<'a> {
    tokens: &'a [Token],
    today: Date,
}

impl Parser<'_> {
    fn word(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).map(|token| token.norm.as_str())
    }

    /// Parts of the year or week that come again: "in March", "on Fridays and Saturdays", "at weekends".
    fn recurring(&self, at: usize, edge: Edge, led: bool) -> Option<(Time, usize)> {
        if edge != Edge::In {
            return None;
        }
        if let Some((day, mut length)) = self.weekday(at, led) {
            let mut days = vec![day];
            while let Some((next, skip)) = self.joined(at + length, |parser, at| parser.weekday(at, true)) {
                days.push(next);
                length += skip;
            }
            return Some((Time::Weekdays(days), length));
        }
        match self.word(at)? {
            "weekend" | "weekends" => return Some((Time::Weekdays(vec![6, 7]), 1)),
            "weekday" | "weekdays"
                if matches!(self.word(at + 1), Some("vs" | "versus" | "and" | "or"))
                    && matches!(self.word(at + 2), Some("weekend" | "weekends")) =>
            {
                return Some((Time::Weekdays(vec![1, 2, 3, 4, 5]), 1));
            }
            "weekdays"
                if led || at > 0 && matches!(self.word(at - 1), Some("vs" | "versus" | "and" | "or" | "than")) =>
            {
                return Some((Time::Weekdays(vec![1, 2, 3, 4, 5]), 1));
            }
            season @ ("spring" | "summer" | "autumn" | "winter") | season @ "fall"
                if (led || season != "fall") && self.year(at + 1).is_none() =>
            {
                let months = match season {
                    "spring" => vec![3, 4, 5],
                    "summer" => vec![6, 7, 8],
                    "winter" => vec![12, 1, 2],
                    _ => vec![9, 10, 11],
                };
                return Some((Time::Months(months), 1));
            }
            _ => {}
        }
        if self.part_of_relative_year(at).is_some() || self.dashed(at).is_some() {
            return None;
        }
        if let Some((quarter, length)) = self.quarter(at)
            && self.year_said_later(at + length).is_none()
            && self.year(at + length).is_none()
            && !(self.word(at + length) == Some("of") && self.year(at + length + 1).is_some())
        {
            return Some((Time::Quarters(vec![quarter]), length));
        }
        let month = |parser: &Self, at: usize| {
            let month = parser.month(at, led)?;
            let dated = parser
                .point(at, led)
                .is_some_and(|(point, _)| matches!(point, Point::Fixed(..)));
            (!dated).then_some((i64::from(month), 1))
        };
        let (first, mut length) = month(self, at)?;
        if matches!(self.word(at + 1), Some("to" | "through" | "until")) {
            return None;
        }
        let mut months = vec![first];
        while let Some((next, skip)) = self.joined(at + length, month) {
            months.push(next);
            length += skip;
        }
        // "March and April 2025": the year is said once, and `point` reads it.
        let last_is_dated = self
            .joined(at + length, |parser, at| {
                let month = parser.month(at, true)?;
                parser.year(at + 1).map(|_| (i64::from(month), 1))
            })
            .is_some();
        if last_is_dated {
            return None;
        }
        Some((Time::Months(months), length))
    }

    /// Whether "March and April 2025" stands here: two months side by side, of which the later has the year.
    fn is_month_before(&self, at: usize, and: usize) -> bool {
        let (Some(first), Some(second)) = (self.month(at, true), self.month(and + 1, true)) else {
            return false;
        };
        and == at + 1 && second == first + 1 && self.year(and + 2).is_some()
    }

    /// "next Friday", "last weekend": the nearest one after, or before, today.
    fn coming(&self, at: usize, is_past: bool, is_next: bool) -> Option<(Point, usize)> {
        const WEEK_DAYS: i64 = 7;
        let today = weekday_of(self.today);
        let day = |days: i64| self.today.checked_add(jiff::Span::new().try_days(days).ok()?).ok();
        if matches!(self.word(at), Some("weekend")) {
            // That of the week that holds today, the one before or the one after.
            let weeks = i64::from(is_next) - i64::from(is_past);
            let saturday = day(6 - today + weeks * WEEK_DAYS)?;
            return Some((Point::Fixed(saturday, saturday.tomorrow().ok()?), 2));
        }
        let (wanted, length) = self.weekday(at, true)?;
        let ahead = (wanted - today).rem_euclid(WEEK_DAYS);
        let days = if is_past {
            ahead - WEEK_DAYS
        } else if is_next && ahead == 0 {
            WEEK_DAYS
        } else if is_next {
            ahead
        } else {
            wanted - today
        };
        let day = day(days)?;
        Some((Point::Fixed(day, day), 1 + length))
    }

    /// One more of the same after "and", "or" or nothing (a comma is no token).
    fn joined(&self, at: usize, one: impl Fn(&Self, usize) -> Option<(i64, usize)>) -> Option<(i64, usize)> {
        let skip = usize::from(matches!(self.word(at), Some("and" | "or")));
        one(self, at + skip).map(|(value, length)| (value, skip + length))
    }

    fn point(&self, at: usize, led: bool) -> Option<(Point, usize)> {
        let word = self.word(at)?;
        let fixed = |from: Date, to: Date, length: usize| Some((Point::Fixed(from, to), length));
        if let Some(found) = self
            .half(at)
            .or_else(|| self.season_from_now(at))
            .or_else(|| self.part_of_relative_year(at))
        {
            return Some(found);
        }
        let third = match self.word(at)? {
            "early" => Some(0),
            "mid" => Some(1),
            "late" => Some(2),
            _ => None,
        };
        if let Some(third) = third
            && let Some((year, length)) = self.year_or_relative(at + 1)
        {
            let first = Date::new(year, 1 + 4 * third, 1).ok()?;
            let to = Grain::Month.add(first, 4)?.yesterday().ok()?;
            return fixed(first, to, 1 + length);
        }
        if let Some(found) = self
            .week_of(at)
            .or_else(|| self.holiday(at))
            .or_else(|| self.dashed(at))
        {
            return Some(found);
        }
        if let Some(year) = self.year(at) {
            // "1999 to 2001" and "between 1999 and 2001" are put together by the caller.
            return fixed(Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?, 1);
        }
        if let Ok(day) = word.parse::<Date>() {
            return fixed(day, day, 1);
        }
        if let Some(point) = written(word) {
            return Some((point, 1));
        }
        if let Some((from, to, length)) = self.decade(at) {
            return fixed(from, to, length);
        }
        if let Some((quarter, length)) = self.quarter(at) {
            let skip = usize::from(self.word(at + length) == Some("of"));
            let said = self.year(at + length + skip).map(|year| (year, length + skip + 1));
            let (year, taken) = said.or_else(|| Some((self.year_said_later(at + length)?, length)))?;
            let first = Date::new(year, i8::try_from(quarter * 3 - 2).ok()?, 1).ok()?;
            let to = Grain::Quarter.add(first, 1)?.yesterday().ok()?;
            return fixed(first, to, taken);
        }
        if let Some(point) = self.season(at) {
            return Some(point);
        }
        if let Some(point) = self.calendar(at, led) {
            return Some(point);
        }
        self.relative(at)
    }

    /// "the week of June 3 2025": from its Monday to its Sunday.
    fn week_of(&self, at: usize) -> Option<(Point, usize)> {
        const WEEK_DAYS: i64 = 7;
        if self.word(at)? != "week"
            || !matches!(
                self.word(at + 1)?,
                "of" | "starting" | "beginning" | "from" | "containing"
            )
        {
            return None;
        }
        let lead = 2 + usize::from(self.word(at + 2) == Some("the"));
        let (Point::Fixed(from, to), length) = self.point(at + lead, true)? else {
            return None;
        };
        if from != to {
            return None;
        }
        let monday = Grain::Week.start_of(from)?;
        let sunday = Grain::Day.add(monday, WEEK_DAYS - 1)?;
        Some((Point::Fixed(monday, sunday), lead + length))
    }

    /// "Christmas 2025", "last Halloween", "New Year's Eve": days that are the same each year.
    fn holiday(&self, at: usize) -> Option<(Point, usize)> {
        let (month, day, length) = match (self.word(at)?, self.word(at + 1), self.word(at + 2)) {
            ("new", Some("year" | "years"), Some("eve")) => (12, 31, 3),
            ("new", Some("year" | "years"), Some("day")) => (1, 1, 3),
            ("christmas", Some("eve"), _) => (12, 24, 2),
            ("christmas", Some("day"), _) => (12, 25, 2),
            ("christmas", ..) => (12, 25, 1),
            ("boxing", Some("day"), _) => (12, 26, 2),
            ("halloween", ..) => (10, 31, 1),
            ("valentine" | "valentines", Some("day"), _) => (2, 14, 2),
            ("independence", Some("day"), _) => (7, 4, 2),
            _ => return None,
        };
        let skip = usize::from(matches!(self.word(at + length), Some("of" | "in")));
        let (year, taken) = match self.year_or_relative(at + length + skip) {
            Some((year, taken)) => (year, skip + taken),
            None => {
                let this = Date::new(self.today.year(), month, day).ok()?;
                (
                    if this <= self.today {
                        this.year()
                    } else {
                        this.year() - 1
                    },
                    0,
                )
            }
        };
        let date = Date::new(year, month, day).ok()?;
        Some((Point::Fixed(date, date), length + taken))
    }

    /// "Jan-Mar 2025", "Q1–Q3 2025": a dash between two parts of one year.
    fn dashed(&self, at: usize) -> Option<(Point, usize)> {
        const QUARTER_MONTHS: i64 = 3;
        let part = |at: usize| {
            if let Some((quarter, length)) = self.quarter(at) {
                let first = quarter * QUARTER_MONTHS - QUARTER_MONTHS + 1;
                return Some((first, first + QUARTER_MONTHS - 1, length));
            }
            let month = i64::from(self.month(at, true)?);
            Some((month, month, 1))
        };
        let (from, _, length) = part(at)?;
        if !self.tokens.get(at + length)?.after_dash {
            return None;
        }
        let (_, to, second) = part(at + length)?;
        let end = at + length + second;
        let (year, taken) = self.year_or_relative(end)?;
        let from_year = if from <= to { year } else { year - 1 };
        let from = Date::new(from_year, i8::try_from(from).ok()?, 1).ok()?;
        let to = Date::new(year, i8::try_from(to).ok()?, 1).ok()?.last_of_month();
        Some((Point::Fixed(from, to), end + taken - at))
    }

    /// "Q1 and Q2 2025", "March vs April 2025": the year of a part of a year that is said after the next one.
    fn year_said_later(&self, end: usize) -> Option<i16> {
        const BETWEEN: [&str; 14] = [
            "and", "or", "vs", "versus", "v", "with", "to", "against", "compared", "than", "in", "over", "through",
            "until",
        ];
        let mut at = end;
        while at < end + 3 && self.word(at).is_some_and(|word| BETWEEN.contains(&word)) {
            at += 1;
        }
        if at == end {
            return None;
        }
        let part = self
            .quarter(at)
            .map(|(_, length)| length)
            .or_else(|| self.month(at, true).map(|_| 1))?;
        let skip = usize::from(self.word(at + part) == Some("of"));
        self.year(at + part + skip)
    }

    /// "March 1999", "March 5 1999", "5 March 1999", "5th of March 1999", "March".
    fn calendar(&self, at: usize, led: bool) -> Option<(Point, usize)> {
        let fixed = |from: Date, to: Date, length: usize| Some((Point::Fixed(from, to), length));
        if let Some(month) = self.month(at, led) {
            let skip = usize::from(matches!(self.word(at + 1), Some("of" | "in")));
            if let Some(year) = self.year(at + 1 + skip) {
                let first = Date::new(year, month, 1).ok()?;
                return fixed(first, first.last_of_month(), 2 + skip);
            }
            if let (Some(day), Some(year)) = (self.day(at + 1), self.year(at + 2)) {
                let day = Date::new(year, month, day).ok()?;
                return fixed(day, day, 3);
            }
            // "March vs April 2025"; "March and April 2025" is one stretch.
            let apart = !matches!(
                self.word(at + 1),
                Some("and" | "or" | "to" | "through" | "until" | "in" | "over")
            );
            if let Some(year) = self.year_said_later(at + 1).filter(|_| apart) {
                let first = Date::new(year, month, 1).ok()?;
                return fixed(first, first.last_of_month(), 1);
            }
            return Some((Point::Month(month), 1));
        }
        let day = self.day(at)?;
        let skip = usize::from(self.word(at + 1) == Some("of"));
        let month = self.month(at + 1 + skip, true)?;
        let year = self.year(at + 2 + skip)?;
        let day = Date::new(year, month, day).ok()?;
        fixed(day, day, 3 + skip)
    }

    /// "1 May and 15 June 2025", "May 1 to June 15 2025": two days, of which the second says the year.
    fn days_of_one_year(&self, at: usize) -> Option<(Period, usize)> {
        let day = |at: usize| {
            if let (Some(month), Some(day)) = (self.month(at, true), self.day(at + 1)) {
                return Some((month, day, 2));
            }
            let day = self.day(at)?;
            let skip = usize::from(self.word(at + 1) == Some("of"));
            Some((self.month(at + 1 + skip, true)?, day, 2 + skip))
        };
        let (month, first, length) = day(at)?;
        if !matches!(
            self.word(at + length),
            Some("and" | "to" | "until" | "till" | "through")
        ) {
            return None;
        }
        let (second_month, second, second_length) = day(at + length + 1)?;
        let end = at + length + 1 + second_length;
        let year = self.year(end)?;
        let to = Date::new(year, second_month, second).ok()?;
        // "20 December to 5 January 2026" began the year before.
        let from_year = if (month, first) <= (second_month, second) {
            year
        } else {
            year - 1
        };
        let from = Date::new(from_year, month, first).ok()?;
        let period = Period::Between {
            from: Some(from),
            to: Some(to),
        };
        Some((period, end + 1 - at))
    }

    /// How many words it takes to name a day that is not there: "February 30th 2025", "31 April".
    fn no_such_day(&self, at: usize) -> Option<usize> {
        if let Some(true) = self.word(at).map(is_no_date) {
            return Some(1);
        }
        let impossible = |month: i8, day: i8, year: Option<i16>| {
            // In a leap year February is as long as it can be.
            Date::new(year.unwrap_or(2024), month, day).is_err()
        };
        if let (Some(month), Some(day)) = (self.month(at, true), self.day(at + 1)) {
            let year = self.year(at + 2);
            return impossible(month, day, year).then_some(2 + usize::from(year.is_some()));
        }
        let day = self.day(at)?;
        let skip = usize::from(self.word(at + 1) == Some("of"));
        let month = self.month(at + 1 + skip, true)?;
        let year = self.year(at + 2 + skip);
        impossible(month, day, year).then_some(2 + skip + usize::from(year.is_some()))
    }

    /// "last summer", "this winter", "next spring": the nearest one of its kind.
    fn season_from_now(&self, at: usize) -> Option<(Point, usize)> {
        let first = match self.word(at + 1)? {
            "spring" => 3,
            "summer" => 6,
            "fall" | "autumn" => 9,
            "winter" => 12,
            _ => return None,
        };
        let of = |year: i16| {
            let from = Date::new(year, first, 1).ok()?;
            let to = Grain::Month.add(from, 3)?.yesterday().ok()?;
            Some((from, to))
        };
        let year = self.today.year();
        // A winter that began last year may still last.
        let all: Vec<(Date, Date)> = (year - 2..=year + 2).filter_map(of).collect();
        let season = match self.word(at)? {
            "last" | "past" | "previous" => all.iter().rev().find(|(_, to)| *to < self.today),
            "next" | "coming" | "upcoming" => all.iter().find(|(from, _)| *from > self.today),
            "this" => all
                .iter()
                .find(|(from, to)| *from <= self.today && self.today <= *to)
                .or_else(|| all.iter().find(|(from, _)| from.year() == year)),
            _ => None,
        }?;
        Some((Point::Fixed(season.0, season.1), 2))
    }

    /// "the first half of 2025", "H2 2024", "first half of this year".
    fn half(&self, at: usize) -> Option<(Point, usize)> {
        let (second, lead) = match (self.word(at)?, self.word(at + 1)) {
            ("h1" | "1h", _) => (false, 1),
            ("h2" | "2h", _) => (true, 1),
            ("first", Some("half")) => (false, 2),
            ("second", Some("half")) => (true, 2),
            _ => return None,
        };
        let lead = lead + usize::from(self.word(at + lead) == Some("of"));
        let lead = lead + usize::from(self.word(at + lead) == Some("the"));
        let (year, length) = self.year_or_relative(at + lead)?;
        let (from, to) = if second { (7, 12) } else { (1, 6) };
        let from = Date::new(year, from, 1).ok()?;
        let to = Date::new(year, to, 1).ok()?.last_of_month();
        Some((Point::Fixed(from, to), lead + length))
    }

    /// "2025", "last year", "this year".
    fn year_or_relative(&self, at: usize) -> Option<(i16, usize)> {
        if let Some(year) = self.year(at) {
            return Some((year, 1));
        }
        let offset = match (self.word(at)?, self.word(at + 1)?) {
            ("last" | "previous" | "past", "year") => -1,
            ("this" | "current", "year") => 0,
            ("next" | "coming", "year") => 1,
            _ => return None,
        };
        Some((self.today.year() + offset, 2))
    }

    /// "March last year", "Q3 this year", "last year in May": a part of a year that is said by its distance.
    fn part_of_relative_year(&self, at: usize) -> Option<(Point, usize)> {
        let stretch = |first: i64, months: i32, year: i16| {
            let from = Date::new(year, i8::try_from(first).ok()?, 1).ok()?;
            let to = Grain::Month.add(from, i64::from(months))?.yesterday().ok()?;
            Some(Point::Fixed(from, to))
        };
        if let Some((quarter, length)) = self.quarter(at) {
            let skip = usize::from(matches!(self.word(at + length), Some("of" | "in")));
            if self.year(at + length + skip).is_some() {
                return None;
            }
            let (year, taken) = self.year_or_relative(at + length + skip)?;
            return Some((stretch(quarter * 3 - 2, 3, year)?, length + skip + taken));
        }
        let month = self.month(at, true)?;
        let skip = usize::from(matches!(self.word(at + 1), Some("of" | "in")));
        if self.year(at + 1 + skip).is_some() {
            return None;
        }
        let (year, taken) = self.year_or_relative(at + 1 + skip)?;
        Some((stretch(i64::from(month), 1, year)?, 1 + skip + taken))
    }

    fn relative(&self, at: usize) -> Option<(Point, usize)> {
        let relative = |unit, offset, count, length| Some((Point::Relative(unit, offset, count), length));
        match (self.word(at)?, self.word(at + 1), self.word(at + 2)) {
            ("today", ..) => return relative(Grain::Day, 0, 1, 1),
            ("tonight", ..) => return relative(Grain::Day, 0, 1, 1),
            ("day", Some("before"), Some("yesterday")) => return relative(Grain::Day, -2, 1, 3),
            ("day", Some("after"), Some("tomorrow")) => return relative(Grain::Day, 2, 1, 3),
            ("yesterday", ..) => return relative(Grain::Day, -1, 1, 1),
            ("tomorrow", ..) => return relative(Grain::Day, 1, 1, 1),
            ("year", Some("to"), Some("date")) => return relative(Grain::Year, 0, 1, 3),
            ("quarter", Some("to"), Some("date")) => return relative(Grain::Quarter, 0, 1, 3),
            ("month", Some("to"), Some("date")) => return relative(Grain::Month, 0, 1, 3),
            ("week", Some("to"), Some("date")) => return relative(Grain::Week, 0, 1, 3),
            ("qtd", ..) => return relative(Grain::Quarter, 0, 1, 1),
            ("mtd", ..) => return relative(Grain::Month, 0, 1, 1),
            ("ytd", ..) => return relative(Grain::Year, 0, 1, 1),
            ("day" | "night", Some("before"), Some("last")) => return relative(Grain::Day, -2, 1, 3),
            ("week", Some("before"), Some("last")) => return relative(Grain::Week, -2, 1, 3),
            ("month", Some("before"), Some("last")) => return relative(Grain::Month, -2, 1, 3),
            ("year", Some("before"), Some("last")) => return relative(Grain::Year, -2, 1, 3),
            ("so", Some("far"), Some("this")) => {
                let (point, length) = self.relative(at + 2)?;
                return Some((point, length + 2));
            }
            _ => {}
        }
        if let Some((count, length)) = number_at(self.tokens, at)
            && let Some(unit) = self.unit(at + length)
            && self.word(at + length + 1) == Some("ago")
        {
            return relative(unit, -small(count)?, 1, length + 2);
        }
        let way = self.word(at)?;
        let is_past = matches!(way, "last" | "past" | "previous" | "preceding");
        let is_next = matches!(way, "next" | "coming" | "following" | "upcoming");
        if !is_past && !is_next && !matches!(way, "this" | "current") {
            return None;
        }
        if let Some(unit) = self.unit(at + 1) {
            return relative(unit, if is_past { -1 } else { i32::from(is_next) }, 1, 2);
        }
        // "on the last Fridays" are many.
        let is_one = self.tokens.get(at + 1).is_some_and(|token| !token.is_plural());
        if is_one && let Some(found) = self.coming(at + 1, is_past, is_next) {
            return Some(found);
        }
        let (count, length) = number_at(self.tokens, at + 1)?;
        let unit = self.unit(at + 1 + length)?;
        let count = small(count)?;
        let units = u32::try_from(count).ok()?;
        if is_past {
            relative(unit, -count, units, 2 + length)
        } else if is_next {
            relative(unit, 1, units, 2 + length)
        } else {
            None
        }
    }

    fn unit(&self, at: usize) -> Option<Grain> {
        Some(match self.tokens.get(at)?.stem.as_str() {
            "day" | "night" => Grain::Day,
            "week" => Grain::Week,
            "month" => Grain::Month,
            "quarter" => Grain::Quarter,
            "year" => Grain::Year,
            _ => return None,
        })
    }

    fn year(&self, at: usize) -> Option<i16> {
        let word = self.word(at)?;
        let year: i16 = word.parse().ok()?;
        (word.len() == 4 && (FIRST_YEAR..=LAST_YEAR).contains(&year)).then_some(year)
    }

    fn day(&self, at: usize) -> Option<i8> {
        let word = self.word(at)?;
        let digits = ["st", "nd", "rd", "th"]
            .iter()
            .find_map(|ending| word.strip_suffix(ending))
            .unwrap_or(word);
        digits.parse().ok().filter(|day| (1..=31).contains(day))
    }

    fn month(&self, at: usize, led: bool) -> Option<i8> {
        let token = self.tokens.get(at)?;
        let month = match token.norm.as_str() {
            "january" | "jan" => 1,
            "february" | "feb" => 2,
            "march" | "mar" => 3,
            "april" | "apr" => 4,
            // A verb, unless it is written as a name or after a preposition.
            "may" if led || token.is_capital() => 5,
            "june" | "jun" => 6,
            "july" | "jul" => 7,
            "august" | "aug" => 8,
            "september" | "sep" | "sept" => 9,
            "october" | "oct" => 10,
            "november" | "nov" => 11,
            "december" | "dec" => 12,
            _ => return None,
        };
        Some(month)
    }

    fn weekday(&self, at: usize, led: bool) -> Option<(i64, usize)> {
        let token = self.tokens.get(at)?;
        let day = match token.stem.as_str() {
            "monday" => 1,
            "tuesday" => 2,
            "wednesday" => 3,
            "thursday" => 4,
            "friday" => 5,
            "saturday" => 6,
            "sunday" => 7,
            "mon" if led => 1,
            "tue" | "tues" if led => 2,
            "wed" if led => 3,
            "thu" | "thur" if led => 4,
            "fri" if led => 5,
            "sat" if led => 6,
            "sun" if led => 7,
            _ => return None,
        };
        let nights = usize::from(matches!(
            self.word(at + 1),
            Some("night" | "nights" | "evening" | "evenings")
        ));
        Some((day, 1 + nights))
    }

    /// "Q3", "third quarter", "quarter 3".
    fn quarter(&self, at: usize) -> Option<(i64, usize)> {
        let word = self.word(at)?;
        if let Some(number) = word
            .strip_prefix('q')
            .and_then(|n| n.parse().ok())
            .filter(|n| (1..=4).contains(n))
        {
            return Some((number, 1));
        }
        let ordinal = match word {
            "first" | "1st" => 1,
            "second" | "2nd" => 2,
            "third" | "3rd" => 3,
            "fourth" | "4th" | "last" => 4,
            "quarter" => {
                let number = number_at(self.tokens, at + 1)?.0;
                let number = small(number)?;
                return (1..=4).contains(&number).then_some((i64::from(number), 2));
            }
            _ => return None,
        };
        // "last quarter" alone is relative.
        let dated = self.word(at + 2) == Some("of") || self.year(at + 2).is_some();
        (self.word(at + 1) == Some("quarter") && (word != "last" || dated)).then_some((ordinal, 2))
    }

    fn season(&self, at: usize) -> Option<(Point, usize)> {
        let month = match self.word(at)? {
            "spring" => 3,
            "summer" => 6,
            "autumn" | "fall" => 9,
            "winter" => 12,
            _ => return None,
        };
        let skip = usize::from(self.word(at + 1) == Some("of"));
        let year = self.year(at + 1 + skip)?;
        let from = Date::new(year, month, 1).ok()?;
        let to = Grain::Month.add(from, 3)?.yesterday().ok()?;
        Some((Point::Fixed(from, to), 2 + skip))
    }

    /// "1990s", "90s", "nineties", "late 80s".
    fn decade(&self, at: usize) -> Option<(Date, Date, usize)> {
        let (first, last, lead) = match self.word(at)? {
            "early" => (0, 3, 1),
            "mid" => (4, 6, 1),
            "late" => (7, 9, 1),
            _ => (0, 9, 0),
        };
        let lead = lead + usize::from(lead > 0 && self.word(at + lead) == Some("the"));
        let start: i16 = match self.word(at + lead)? {
            "sixties" => 1960,
            "seventies" => 1970,
            "eighties" => 1980,
            "nineties" => 1990,
            word => {
                let digits = word.strip_suffix('s')?;
                let number: i16 = digits.parse().ok()?;
                match digits.len() {
                    2 if number % 10 == 0 => {
                        // The decade that has begun: the 20s are of this century, the 90s of the last.
                        let century = self.today.year() / 100 * 100;
                        if century + number <= self.today.year() {
                            century + number
                        } else {
                            century - 100 + number
                        }
                    }
                    4 if number % 10 == 0 && (FIRST_YEAR..=LAST_YEAR - 10).contains(&number) => number,
                    _ => return None,
                }
            }
        };
        Some((
            Date::new(start + first, 1, 1).ok()?,
            Date::new(start + last, 12, 31).ok()?,
            lead + 1,
        ))
    }
}

/// The months from one to another, over the turn of the year where that is meant.
fn months_between(from: i8, to: i8) -> Vec<i64> {
    let (from, to) = (i64::from(from), i64::from(to));
    if from <= to {
        (from..=to).collect()
    } else {
        (from..=12).chain(1..=to).collect()
    }
}

/// Whether digits are written like a date that no calendar has: `2025-02-30`, `31/02/2025`, `2025-13`.
fn is_no_date(word: &str) -> bool {
    let separator = if word.contains('/') { '/' } else { '-' };
    let parts: Vec<&str> = word.split(separator).collect();
    let is_digits = parts
        .iter()
        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    let years = parts.iter().filter(|part| part.len() == 4).count();
    let is_short = parts.iter().all(|part| part.len() == 4 || part.len() <= 2);
    is_digits
        && is_short
        && years == 1
        && (2..=3).contains(&parts.len())
        && !is_two_dates(&parts)
        && word.parse::<Date>().is_err()
        && written(word).is_none()
}

/// Whether digits are one day where the month is written first, and another where the day is: `5/6/2025`.
fn is_two_dates(parts: &[&str]) -> bool {
    match parts {
        [first, second, year] => {
            let small = |part: &str| part.parse::<u8>().is_ok_and(|number| (1..=12).contains(&number));
            year.len() == 4 && small(first) && small(second) && first != second
        }
        _ => false,
    }
}

/// Dates and ranges in digits: `1988-1992`, `1999-03`, `1999/03`, `25/12/1999`.
fn written(word: &str) -> Option<Point> {
    let separator = if word.contains('/') { '/' } else { '-' };
    let parts: Vec<&str> = word.split(separator).collect();
    let numbers: Vec<i16> = parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let is_year = |index: usize| {
        parts.get(index).is_some_and(|part| part.len() == 4)
            && numbers
                .get(index)
                .is_some_and(|year| (FIRST_YEAR..=LAST_YEAR).contains(year))
    };
    match numbers.as_slice() {
        [first, second] if is_year(0) && is_year(1) => Some(Point::Fixed(
            date_or_none(*first.min(second), 1, 1)?,
            date_or_none(*first.max(second), 12, 31)?,
        )),
        // 1998-99
        [first, second] if is_year(0) && *second > 12 && *second < 100 && first / 100 * 100 + second >= *first => {
            Some(Point::Fixed(
                date_or_none(*first, 1, 1)?,
                date_or_none(first / 100 * 100 + second, 12, 31)?,
            ))
        }
        [year, month] if is_year(0) => {
            let first = date_or_none(*year, *month, 1)?;
            Some(Point::Fixed(first, first.last_of_month()))
        }
        [month, year] if is_year(1) => {
            let first = date_or_none(*year, *month, 1)?;
            Some(Point::Fixed(first, first.last_of_month()))
        }
        [year, month, day] if is_year(0) => date_or_none(*year, *month, *day).map(|day| Point::Fixed(day, day)),
        // Where both could be the month nothing is guessed.
        [day, month, year] if is_year(2) && (*day > 12 || day == month) => {
            date_or_none(*year, *month, *day).map(|day| Point::Fixed(day, day))
        }
        [month, day, year] if is_year(2) && *day > 12 => {
            date_or_none(*year, *month, *day).map(|day| Point::Fixed(day, day))
        }
        _ => None,
    }
}

fn date_or_none(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A count of units that a period can have.
fn small(number: f64) -> Option<i32> {
    const MOST_UNITS: f64 = 10_000.0;
    (number.fract() == 0.0 && (0.0..=MOST_UNITS).contains(&number)).then_some(number as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokens;
    use jiff::civil::date;

    #[test]
    fn times_are_read_as_people_say_them() {
        let today = date(2026, 11, 21);
        let cases = [
            ("in 1999", "1999"),
            ("1999", "1999"),
            ("since March", "since 1 Mar 2026"),
            ("since 1995", "since 1995"),
            ("before 1990", "before 1990"),
            ("after 1995", "since 1996"),
            ("until 1990", "before 1991"),
            ("between 1988 and 1992", "1988 to 1992"),
            ("from 1988 to 1992", "1988 to 1992"),
            ("1988-1992", "1988 to 1992"),
            ("1998-99", "1998 to 1999"),
            ("the 90s", "1990 to 1999"),
            ("in the early 1990s", "1990 to 1993"),
            ("this year", "this year"),
            ("last year", "last year"),
            ("in the last three months", "last 3 months"),
            ("next 90 days", "next 90 days"),
            ("2 years ago", "2 years ago"),
            ("in March 1999", "Mar 1999"),
            ("on March 5, 1999", "5 Mar 1999"),
            ("5th of March 1999", "5 Mar 1999"),
            ("25/12/1999", "25 Dec 1999"),
            ("Q3 1999", "Q3 1999"),
            ("third quarter of 1999", "Q3 1999"),
            ("from March 1999 to June 1999", "Mar 1999 to Jun 1999"),
            ("between March and May 2025", "Mar 2025 to May 2025"),
            ("from November to February 1999", "Nov 1998 to Feb 1999"),
            ("summer 1999", "Jun 1999 to Aug 1999"),
            ("year to date", "this year"),
        ];
        for (text, expected) in cases {
            let words = tokens(text);
            match time_at(&words, 0, today) {
                Some((Time::Period(period), length)) => {
                    assert_eq!(concert_contract::insight::period_text(&period), expected, "{text}");
                    assert_eq!(length, words.len(), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn parts_of_the_year_and_week_come_again() {
        let today = date(2026, 11, 21);
        let cases = [
            ("in March", Time::Months(vec![3])),
            ("in June, July and August", Time::Months(vec![6, 7, 8])),
            ("on Fridays and Saturdays", Time::Weekdays(vec![5, 6])),
            ("on Friday nights", Time::Weekdays(vec![5])),
            ("weekends", Time::Weekdays(vec![6, 7])),
            ("between June and August", Time::Months(vec![6, 7, 8])),
            ("from November to January", Time::Months(vec![11, 12, 1])),
            ("in the third quarter", Time::Quarters(vec![3])),
            ("in summer", Time::Months(vec![6, 7, 8])),
        ];
        for (text, expected) in cases {
            let words = tokens(text);
            assert_eq!(time_at(&words, 0, today), Some((expected, words.len())), "{text}");
        }
    }

    #[test]
    fn other_words_are_no_time() {
        for text in [
            "venues",
            "in",
            "of",
            "may",
            "5",
            "20",
            "between 5 and 6",
            "in Boston",
            "last concert",
        ] {
            assert_eq!(time_at(&tokens(text), 0, date(2026, 11, 21)), None, "{text}");
        }
    }
}
