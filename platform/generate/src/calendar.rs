//! Days as numbers since 1970-01-01, which is what tours and sales count in, and their way back to a calendar.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

pub const SECONDS_PER_DAY: i64 = 86_400;

/// Days since 1970-01-01.
pub fn day_number(date: Date) -> i32 {
    (date - Date::constant(1970, 1, 1)).get_days()
}

/// Year, month and day (Hinnant's `civil_from_days`).
pub fn civil(day: i32) -> (i32, u32, u32) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

/// 0 is Monday.
pub fn weekday(day: i32) -> usize {
    // 1970-01-01 was a Thursday.
    (day + 3).rem_euclid(7).unsigned_abs() as usize
}

/// 0 is January.
pub fn month(day: i32) -> usize {
    civil(day).1 as usize - 1
}

/// The offsets of a time zone from UTC over some years.
pub struct Offsets {
    /// From this second of UTC on, this many seconds.
    changes: Vec<(i64, i64)>,
}

impl Offsets {
    /// An unknown zone is UTC.
    pub fn new(timezone: &str, from_day: i32, to_day: i32) -> Offsets {
        let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
        let from = Timestamp::from_second(i64::from(from_day) * SECONDS_PER_DAY).unwrap_or(Timestamp::UNIX_EPOCH);
        let end = i64::from(to_day) * SECONDS_PER_DAY;
        let mut changes = vec![(i64::MIN, i64::from(zone.to_offset(from).seconds()))];
        changes.extend(
            zone.following(from)
                .map(|change| (change.timestamp().as_second(), i64::from(change.offset().seconds())))
                .take_while(|(at, _)| *at <= end),
        );
        Offsets { changes }
    }

    /// The second of UTC that a clock in the zone shows as `local`. In the hour that a clock leaves out or shows twice
    /// it is the later offset's, which nobody sells a ticket by.
    pub fn to_utc(&self, local: i64) -> i64 {
        let known = self.changes.iter().rev();
        let offset = known
            .filter(|(at, offset)| *at == i64::MIN || local - offset >= *at)
            .map(|(_, offset)| *offset)
            .next()
            .unwrap_or(0);
        local - offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{ToSpan, civil::date};

    #[test]
    fn days_are_the_calendar_s() {
        let mut day = date(1899, 12, 25);
        while day < date(2101, 1, 5) {
            let number = day_number(day);
            let (year, month_of, of_month) = civil(number);
            assert_eq!(
                (year, month_of, of_month),
                (i32::from(day.year()), day.month() as u32, day.day() as u32)
            );
            assert_eq!(weekday(number), day.weekday().to_monday_zero_offset() as usize);
            assert_eq!(month(number), day.month() as usize - 1);
            day = day.checked_add(17.days()).unwrap();
        }
    }

    #[test]
    fn clocks_are_the_zone_s() {
        let day = |y, m, d| day_number(date(y, m, d));
        let offsets = Offsets::new("America/Chicago", day(2024, 1, 1), day(2026, 12, 31));
        for text in [
            "2024-01-02T20:00",
            "2024-07-04T20:00",
            "2025-03-09T10:00",
            "2025-11-02T09:00",
            "2026-12-30T23:59",
        ] {
            let local: jiff::civil::DateTime = text.parse().unwrap();
            let expected = local.in_tz("America/Chicago").unwrap().timestamp().as_second();
            let seconds = local.in_tz("UTC").unwrap().timestamp().as_second();
            assert_eq!(offsets.to_utc(seconds), expected, "{text}");
        }
    }
}
