//! Days as Arrow stores them.

use jiff::{SignedDuration, civil::Date};

const EPOCH: Date = Date::constant(1970, 1, 1);
const HOURS_A_DAY: i64 = 24;

/// Days since 1970-01-01; negative before it.
pub fn days_since_epoch(date: Date) -> i32 {
    // A civil day has 24 hours, and the calendar of jiff (years -9999 to 9999) fits into i32 days.
    i32::try_from(date.duration_since(EPOCH).as_hours() / HOURS_A_DAY).unwrap_or_default()
}

/// The day `days` after 1970-01-01; none outside of the calendar.
pub fn date_of_days(days: i32) -> Option<Date> {
    EPOCH
        .checked_add(SignedDuration::from_hours(i64::from(days) * HOURS_A_DAY))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_go_there_and_back() {
        for (day, number) in [
            (date(1970, 1, 1), 0),
            (date(1969, 12, 31), -1),
            (date(2000, 3, 1), 11_017),
        ] {
            assert_eq!(days_since_epoch(day), number);
            assert_eq!(date_of_days(number), Some(day));
        }
        assert_eq!(date_of_days(i32::MAX), None);
    }
}
