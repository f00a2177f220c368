//! The days that a query means: cut where the data's complete days end, shifted for a comparison, and as conditions on
//! the rows' time.

use super::{
    scope::{Scope, Stop},
    world::World,
};
use crate::{
    query::{Comparison, Days, Grain, Period, Query, QueryError, QueryErrorCode},
    table::ColumnType,
};
use jiff::{ToSpan, civil::Date};

/// How far back a comparison looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub unit: Grain,
    pub count: i64,
    /// The grain whose stretches are shifted; none where the period as a whole is.
    pub grain: Option<Grain>,
}

impl Shift {
    /// # Errors
    /// `bad_compare` where there is nothing earlier that could be meant.
    pub fn of(comparison: Comparison, query: &Query, days: Days) -> Result<Option<Shift>, QueryError> {
        let bad = |message: &str, action: &str| {
            QueryError::new(QueryErrorCode::BadCompare, "compare", message).suggest(action)
        };
        let year = (Grain::Year, 1);
        let (unit, count) = match (comparison, query.grain) {
            (Comparison::ShareOfTotal | Comparison::Rank | Comparison::AverageOfPeers, _) => return Ok(None),
            (Comparison::PreviousPeriod, Some(grain)) => (grain, 1),
            // A year is no whole number of weeks.
            (Comparison::SamePeriodLastYear, Some(Grain::Week)) => (Grain::Week, 52),
            (Comparison::SamePeriodLastYear, Some(_)) => year,
            (_, None) => match (&query.period, comparison) {
                (None, _) => {
                    return Err(bad(
                        "Without a period or a grain there is nothing earlier to compare with.",
                        "Add a period, or a grain.",
                    ));
                }
                (Some(Period::Since { .. }), _) => {
                    return Err(bad(
                        "A period that begins anew for each row has none before it.",
                        "Add a grain, or ask for days of the calendar.",
                    ));
                }
                (Some(_), Comparison::SamePeriodLastYear) => year,
                (Some(Period::Relative { unit, count, .. }), _) => (*unit, i64::from(*count)),
                (Some(Period::Between { from: None, .. }), _) => {
                    return Err(bad(
                        "A period without a beginning has none before it.",
                        "Say when it begins.",
                    ));
                }
                (Some(Period::Between { from: Some(from), to }), _) => {
                    let Some(to) = to.or(days.to) else {
                        return Err(bad("A period without an end has none before it.", "Say when it ends."));
                    };
                    whole_units(*from, to)
                }
            },
        };
        Ok(Some(Shift {
            unit,
            count,
            grain: query.grain,
        }))
    }

    /// The earlier days. The end moves as the day after it does, so that a whole month stays whole.
    pub fn days(self, days: Days) -> Option<Days> {
        let from = match days.from {
            Some(from) => Some(self.unit.add(from, -self.count)?),
            None => None,
        };
        let to = match days.to {
            Some(to) => {
                let end = to.tomorrow().ok()?;
                let moved = self.unit.add(end, -self.count)?;
                let is_month = matches!(self.unit, Grain::Month | Grain::Quarter | Grain::Year);
                // The shorter month has no such day: it is taken whole.
                let is_cut = is_month && moved.day() != end.day();
                Some(if is_cut { moved } else { moved.yesterday().ok()? })
            }
            None => None,
        };
        Some(Days { from, to })
    }

    /// The later stretch that an earlier one, given by its label, is compared with.
    pub fn label(self, label: &str) -> String {
        match self.grain {
            Some(Grain::Year) => format!("{label} + {}", self.count),
            _ => format!("CAST(DATEADD({}, {}, {label}) AS DATE)", self.unit.name(), self.count),
        }
    }

    /// Holds for labels that have a later stretch of their own: the 29th of February has none.
    pub fn has_label(self, label: &str) -> String {
        match (self.grain, self.unit) {
            (Some(Grain::Day), Grain::Year) => format!(
                "CAST(DATEADD(year, -{0}, DATEADD(year, {0}, {label})) AS DATE) = {label}",
                self.count
            ),
            _ => format!("{label} IS NOT NULL"),
        }
    }
}

/// A stretch of days as whole years, whole months or days.
fn whole_units(from: Date, to: Date) -> (Grain, i64) {
    if from == from.first_of_year() && to == to.last_of_year() {
        return (Grain::Year, i64::from(to.year()) - i64::from(from.year()) + 1);
    }
    if from == from.first_of_month() && to == to.last_of_month() {
        let months = |day: Date| i64::from(day.year()) * 12 + i64::from(day.month());
        return (Grain::Month, months(to) - months(from) + 1);
    }
    let days = from.until(to).map_or(0, |span| i64::from(span.get_days()));
    (Grain::Day, days + 1)
}

/// The days that a table is asked about, cut where its complete days end if a metric wants that; with a sentence about
/// the cut, where a reader would not expect it.
pub(super) fn cut(world: &World<'_>, base: &str, mut days: Days, complete: bool) -> (Days, Option<String>) {
    let state = world.context.state;
    let own = state.table(base).and_then(|table| table.last_complete_day);
    let Some(last) = own.or(state.last_complete_day).filter(|_| complete) else {
        return (days, None);
    };
    // "Since March" runs to the end of what is known; it says nothing of days to come.
    let Some(to) = days.to else {
        if days.from.is_none_or(|from| from <= last) {
            days.to = Some(last);
        }
        return (days, None);
    };
    if to <= last {
        return (days, None);
    }
    let until = crate::format::date(last);
    // "up to today" goes no further than the data by itself.
    let is_open = days.from.is_none() && to <= world.context.today;
    // A period that lies wholly after the data is left as it is: its answer is that there is none.
    let note = if days.from.is_some_and(|from| from > last) {
        format!("The data ends on {until}, before this period.")
    } else {
        days.to = Some(last);
        format!("The data is complete up to {until}; what comes after is left out.")
    };
    (days, (!is_open).then_some(note))
}

/// What a period asks of the rows of a scope.
pub(super) fn period_conditions(
    scope: &mut Scope<'_, '_>,
    period: Option<&Period>,
    days: Days,
) -> Result<Vec<String>, Stop> {
    let Some((time, holds)) = scope.time_sql()? else {
        return Err(Stop::Error(
            QueryError::new(QueryErrorCode::BadPeriod, "period", "What is asked for has no time.")
                .suggest("Leave out the period."),
        ));
    };
    let world = scope.world;
    let mut conditions = Vec::new();
    // The day of a place lies within a day of UTC's; by these bounds the warehouse need not read everything.
    if let Some(stored) = scope.stored_time_sql()? {
        if let Some(day) = days.from.and_then(|from| from.yesterday().ok()) {
            let day = world.parameters.borrow_mut().date("least_day", day);
            conditions.push(format!("{stored} >= {day}"));
        }
        if let Some(day) = days.to.and_then(|to| to.checked_add(2.days()).ok()) {
            let day = world.parameters.borrow_mut().date("most_day", day);
            conditions.push(format!("{stored} < {day}"));
        }
    }
    if let Some(from) = days.from {
        let day = world.parameters.borrow_mut().date("from_day", from);
        conditions.push(format!("{time} >= {day}"));
    }
    if let Some(to) = days.to {
        if holds == ColumnType::Timestamp {
            if let Ok(next) = to.checked_add(1.day()) {
                let day = world.parameters.borrow_mut().date("before_day", next);
                conditions.push(format!("{time} < {day}"));
            }
        } else {
            let day = world.parameters.borrow_mut().date("to_day", to);
            conditions.push(format!("{time} <= {day}"));
        }
    }
    if let Some(Period::Since {
        dimension,
        unit,
        offset,
        count,
    }) = period
    {
        let anchor = world.dimension(dimension, "period.dimension")?;
        world.check_dimension(anchor, "period.dimension")?;
        if !matches!(anchor.column_type, ColumnType::Date | ColumnType::Timestamp) || anchor.column.is_none() {
            return Err(Stop::Error(QueryError::new(
                QueryErrorCode::WrongType,
                "period.dimension",
                format!("{} is neither a day nor an instant.", anchor.label),
            )));
        }
        let Some(since) = scope.dimension_sql(anchor)? else {
            return Err(Stop::Error(QueryError::new(
                QueryErrorCode::NoJoin,
                "period.dimension",
                format!(
                    "Nothing in the data connects {} with what is asked for.",
                    anchor.label.to_lowercase()
                ),
            )));
        };
        let since = if anchor.column_type == ColumnType::Timestamp {
            format!("CAST({since} AS DATE)")
        } else {
            since
        };
        let end = i64::from(*offset) + i64::from(*count);
        let at = |units: i64| match units {
            0 => since.clone(),
            _ => format!("CAST(DATEADD({}, {units}, {since}) AS DATE)", unit.name()),
        };
        conditions.push(format!("{time} >= {}", at(i64::from(*offset))));
        conditions.push(format!("{time} < {}", at(end)));
    }
    Ok(conditions)
}
