//! Reckoning with days and microseconds since 1970, fast enough for every row of a large table.

use datafusion::common::{Result, exec_err};

/// Microseconds.
pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

/// The day so many days after 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub(super) fn civil(days: i64) -> Civil {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let day = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day,
    }
}

/// Days since 1970-01-01 of a day.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days(next_year, next, 1) - days(year, month, 1)
}

/// 0 is Sunday.
pub(super) fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// The year and the week of ISO 8601.
pub(super) fn iso_week(day: i64) -> (i64, i64) {
    let monday_based = (weekday(day) + 6) % 7;
    let thursday = day - monday_based + 3;
    let year = civil(thursday).year;
    (year, (thursday - days(year, 1, 1)) / 7 + 1)
}

/// A part of a date, under the one name that the rewriting gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Epoch,
    Timezone,
}

impl Part {
    pub fn named(name: &str) -> Option<Part> {
        Some(match name {
            "millennium" => Part::Millennium,
            "century" => Part::Century,
            "decade" => Part::Decade,
            "year" => Part::Year,
            "quarter" => Part::Quarter,
            "month" => Part::Month,
            "week" => Part::Week,
            "day" => Part::Day,
            "dow" => Part::DayOfWeek,
            "doy" => Part::DayOfYear,
            "hour" => Part::Hour,
            "minute" => Part::Minute,
            "second" => Part::Second,
            "millisecond" => Part::Millisecond,
            "microsecond" => Part::Microsecond,
            "epoch" => Part::Epoch,
            "timezone" | "timezone_hour" | "timezone_minute" => Part::Timezone,
            _ => return None,
        })
    }

    /// How many months it has, if it is made of months.
    fn months(self) -> Option<i64> {
        Some(match self {
            Part::Millennium => 12_000,
            Part::Century => 1_200,
            Part::Decade => 120,
            Part::Year => 12,
            Part::Quarter => 3,
            Part::Month => 1,
            _ => return None,
        })
    }

    /// How many microseconds it has, if that is always the same.
    fn micros(self) -> Option<i64> {
        Some(match self {
            Part::Week => 7 * DAY,
            Part::Day | Part::DayOfWeek | Part::DayOfYear => DAY,
            Part::Hour => HOUR,
            Part::Minute => MINUTE,
            Part::Second | Part::Epoch => SECOND,
            Part::Millisecond => 1_000,
            Part::Microsecond => 1,
            _ => return None,
        })
    }
}

/// So many months later; the last day of a shorter month stands for the days that it lacks.
pub(super) fn add_months(at: i64, months: i64, keep_month_end: bool) -> Result<i64> {
    let Civil { year, month, day } = civil(at.div_euclid(DAY));
    let Some(total) = (year * 12 + month - 1)
        .checked_add(months)
        .filter(|m| m.abs() < 12 * 290_000)
    else {
        return exec_err!("timestamp out of range");
    };
    let (new_year, new_month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    let last = days_in_month(new_year, new_month);
    let day = if keep_month_end && day == days_in_month(year, month) {
        last
    } else {
        day.min(last)
    };
    Ok(days(new_year, new_month, day) * DAY + at.rem_euclid(DAY))
}

pub(super) fn add(part: Part, count: i64, at: i64) -> Result<i64> {
    let moved = if let Some(months) = part.months() {
        match count.checked_mul(months) {
            Some(months) => return add_months(at, months, false),
            None => None,
        }
    } else {
        part.micros()
            .and_then(|micros| micros.checked_mul(count))
            .and_then(|micros| at.checked_add(micros))
    };
    match moved {
        Some(moved) => Ok(moved),
        None => exec_err!("timestamp out of range"),
    }
}

/// How many whole parts lie before a moment, counted from a fixed one: differences of it are DATEDIFF.
pub(super) fn boundary(part: Part, at: i64) -> i64 {
    if let Some(months) = part.months() {
        let day = civil(at.div_euclid(DAY));
        // Centuries and millennia begin with a year that ends in 1.
        let year = if matches!(part, Part::Century | Part::Millennium) {
            day.year - 1
        } else {
            day.year
        };
        return (year * 12 + day.month - 1).div_euclid(months);
    }
    match part {
        // 1970-01-04 was a Sunday, with which Redshift's weeks begin here.
        Part::Week => (at.div_euclid(DAY) + 4).div_euclid(7),
        _ => at.div_euclid(part.micros().unwrap_or(1)),
    }
}

/// DATE_TRUNC: weeks begin on Monday.
pub(super) fn truncate(part: Part, at: i64) -> i64 {
    let day = at.div_euclid(DAY);
    let first_of = |year: i64| days(year, 1, 1) * DAY;
    let Civil { year, month, .. } = civil(day);
    match part {
        Part::Millennium => first_of((year - 1).div_euclid(1_000) * 1_000 + 1),
        Part::Century => first_of((year - 1).div_euclid(100) * 100 + 1),
        Part::Decade => first_of(year.div_euclid(10) * 10),
        Part::Year => first_of(year),
        Part::Quarter => days(year, (month - 1) / 3 * 3 + 1, 1) * DAY,
        Part::Month => days(year, month, 1) * DAY,
        Part::Week => (day - (weekday(day) + 6) % 7) * DAY,
        Part::Timezone => at,
        other => {
            let micros = other.micros().unwrap_or(1);
            at - at.rem_euclid(micros)
        }
    }
}

/// EXTRACT: whole numbers, each part by itself.
pub(super) fn extract(part: Part, at: i64) -> i64 {
    let day = at.div_euclid(DAY);
    let clock = at.rem_euclid(DAY);
    match part {
        Part::Hour => clock / HOUR,
        Part::Minute => clock / MINUTE % 60,
        Part::Second => clock / SECOND % 60,
        Part::Millisecond => clock / 1_000 % 1_000,
        Part::Microsecond => clock % SECOND,
        Part::Epoch => at.div_euclid(SECOND),
        Part::Timezone => 0,
        Part::DayOfWeek => weekday(day),
        Part::Week => iso_week(day).1,
        _ => {
            let civil = civil(day);
            match part {
                Part::Millennium => (civil.year - 1).div_euclid(1_000) + 1,
                Part::Century => (civil.year - 1).div_euclid(100) + 1,
                // The first decade is that of the years 1 to 9.
                Part::Decade => civil.year.div_euclid(10) + 1,
                Part::Year => civil.year,
                Part::Quarter => (civil.month + 2) / 3,
                Part::Month => civil.month,
                Part::Day => civil.day,
                _ => day - days(civil.year, 1, 1) + 1,
            }
        }
    }
}

/// DATE_PART: seconds with all that is below them, whatever their name.
#[allow(clippy::cast_precision_loss)]
pub(super) fn date_part(part: Part, at: i64) -> f64 {
    let below_minute = at.rem_euclid(MINUTE) as f64;
    match part {
        Part::Second => below_minute / 1e6,
        Part::Millisecond => below_minute / 1e3,
        Part::Microsecond => below_minute,
        Part::Epoch => at as f64 / 1e6,
        other => extract(other, at) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Date;

    #[test]
    fn days_agree_with_a_calendar_library() {
        let mut date = Date::constant(1599, 12, 25);
        let end = Date::constant(2405, 1, 10);
        let mut day = days(1599, 12, 25);
        while date < end {
            let found = civil(day);
            assert_eq!(
                (found.year, found.month, found.day),
                (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()))
            );
            assert_eq!(days(found.year, found.month, found.day), day);
            assert_eq!(weekday(day), i64::from(date.weekday().to_sunday_zero_offset()));
            let iso = date.iso_week_date();
            assert_eq!(iso_week(day), (i64::from(iso.year()), i64::from(iso.week())), "{date}");
            assert_eq!(days_in_month(found.year, found.month), i64::from(date.days_in_month()));
            day += 1;
            date = date.tomorrow().expect("a day");
        }
    }
}
