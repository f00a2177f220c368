//! Stretches of time: the period of a query, its grain, and the days that they come to.

use super::{QueryError, QueryErrorCode};
use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use serde::{Deserialize, Serialize};

/// A stretch of time: of the calendar, or of each row's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Period {
    /// Fixed days, both included; an open end is absent.
    Between {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("format" = "date")))]
        from: Option<Date>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("format" = "date")))]
        to: Option<Date>,
    },
    /// `count` whole units, the first of which lies `offset` units from the current one: this year is
    /// `{unit: year, offset: 0, count: 1}`, the last three months are `{unit: month, offset: -3, count: 3}`, the next
    /// ninety days `{unit: day, offset: 1, count: 90}`. It stays relative; the clock of whoever runs it resolves it.
    Relative { unit: Grain, offset: i32, count: u32 },
    /// Counted from a day of each row's own, such as the day on which its concert was announced: `count` units, the
    /// first of which begins `offset` units after that day. The first week of sales is
    /// `{dimension: announced, unit: week, count: 1}`. Rows without such a day are left out.
    Since {
        /// A dimension that holds a day or an instant.
        dimension: String,
        unit: Grain,
        #[serde(default)]
        offset: i32,
        count: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Grain {
    pub const ALL: [Grain; 5] = [Grain::Day, Grain::Week, Grain::Month, Grain::Quarter, Grain::Year];

    pub fn name(self) -> &'static str {
        match self {
            Grain::Day => "day",
            Grain::Week => "week",
            Grain::Month => "month",
            Grain::Quarter => "quarter",
            Grain::Year => "year",
        }
    }
}

/// A stretch of days, both ends included; an absent end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    pub from: Option<Date>,
    pub to: Option<Date>,
}

impl Period {
    /// The days that this period means on the day `today`.
    ///
    /// # Errors
    /// `bad_period` if it ends before it begins, is empty, or leaves the calendar.
    pub fn resolve(&self, today: Date) -> Result<Days, QueryError> {
        let bad = |message: String| QueryError::new(QueryErrorCode::BadPeriod, "period", message);
        match *self {
            // Each row has days of its own; the calendar is open.
            Period::Since { count: 0, .. } => {
                Err(bad("A period of no days holds nothing.".to_owned()).suggest("Make count at least 1."))
            }
            Period::Since { .. } => Ok(Days::default()),
            Period::Between { from, to } => {
                if let (Some(from), Some(to)) = (from, to)
                    && from > to
                {
                    return Err(bad(format!("The period ends on {to}, before it begins on {from}."))
                        .suggest("Put the earlier day first."));
                }
                Ok(Days { from, to })
            }
            Period::Relative { count: 0, .. } => {
                Err(bad("A period of no days holds nothing.".to_owned()).suggest("Make count at least 1."))
            }
            Period::Relative { unit, offset, count } => {
                let beyond = || bad("The period reaches beyond the calendar.".to_owned());
                let first = unit.start_of(today).ok_or_else(beyond)?;
                let from = unit.add(first, i64::from(offset)).ok_or_else(beyond)?;
                let end = unit.add(from, i64::from(count)).ok_or_else(beyond)?;
                Ok(Days {
                    from: Some(from),
                    to: Some(end.yesterday().map_err(|_| beyond())?),
                })
            }
        }
    }
}

impl Grain {
    /// The first day of the stretch that `day` lies in; weeks begin on Monday.
    pub fn start_of(self, day: Date) -> Option<Date> {
        match self {
            Grain::Day => Some(day),
            Grain::Week => day
                .checked_sub(i64::from(day.weekday().since(Weekday::Monday)).days())
                .ok(),
            Grain::Month => Some(day.first_of_month()),
            Grain::Quarter => Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1).ok(),
            Grain::Year => Some(day.first_of_year()),
        }
    }

    /// `count` stretches later, or earlier where it is negative.
    pub fn add(self, day: Date, count: i64) -> Option<Date> {
        // jiff's span constructors panic beyond its limits, which these bounds lie well within.
        const MOST_UNITS: i64 = 4_000_000;
        if count.abs() > MOST_UNITS {
            return None;
        }
        let span = jiff::Span::new();
        let span = match self {
            Grain::Day => span.try_days(count),
            Grain::Week => span.try_weeks(count),
            Grain::Month => span.try_months(count),
            Grain::Quarter => span.try_months(count * 3),
            Grain::Year => span.try_years(count),
        };
        day.checked_add(span.ok()?).ok()
    }
}
