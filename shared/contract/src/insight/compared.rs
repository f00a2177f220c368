//! What a comparison comes to, in words: against the period before or a year earlier, as a share, a place, or against
//! the average of the others.

use super::{
    sentence::Teller,
    text::{join_and, lower},
};
use crate::{
    format::{self, Style},
    query::{Added, Comparison, Grain, Period},
    table::Cell,
};
use std::cmp::Ordering;

/// The columns of a change, and what it is a change from.
struct Change {
    before: usize,
    change: usize,
    percent: usize,
    from: String,
}

impl Teller<'_> {
    /// The sentences of the first comparison that says something of these rows.
    pub(super) fn compared(&self) -> Option<Vec<String>> {
        self.query.compare.iter().find_map(|comparison| match comparison {
            Comparison::PreviousPeriod => self.changed(&Change {
                before: self.added(Added::Before)?,
                change: self.added(Added::Change)?,
                percent: self.added(Added::ChangePercent)?,
                from: self.period_before(),
            }),
            Comparison::SamePeriodLastYear => self.changed(&Change {
                before: self.added(Added::LastYear)?,
                change: self.added(Added::LastYearChange)?,
                percent: self.added(Added::LastYearChangePercent)?,
                from: "a year earlier".to_owned(),
            }),
            Comparison::ShareOfTotal => self.shares(),
            Comparison::Rank => self.place(),
            Comparison::AverageOfPeers => self.among_peers(),
        })
    }

    /// "the year before", "the 3 months before", "the period before".
    fn period_before(&self) -> String {
        if let Some(grain) = self.query.grain {
            return format!("the {} before", grain.name());
        }
        match &self.query.period {
            Some(Period::Relative { unit, count: 1, .. }) => format!("the {} before", unit.name()),
            Some(Period::Relative { unit, count, .. }) => format!("the {count} {}s before", unit.name()),
            Some(Period::Between {
                from: Some(from),
                to: Some(to),
            }) => {
                let whole = |grain: &Grain| {
                    grain.start_of(*from) == Some(*from)
                        && grain.add(*from, 1).and_then(|next| next.yesterday().ok()) == Some(*to)
                };
                let grain = Grain::ALL.into_iter().find(whole);
                format!("the {} before", grain.map_or("period", Grain::name))
            }
            _ => "the period before".to_owned(),
        }
    }

    fn changed(&self, change: &Change) -> Option<Vec<String>> {
        if self.groups.is_empty() {
            return Some(vec![self.change_of_total(change)?]);
        }
        let known: Vec<&Vec<Cell>> = self
            .table
            .rows
            .iter()
            .filter(|row| number(row, change.change).is_some())
            .collect();
        let in_time = self.groups.len() == 1 && self.is_time(0);
        if known.is_empty() {
            return None;
        }
        let of = |row: &Vec<Cell>| number(row, change.change).unwrap_or(0.0);
        let most = known.iter().copied().reduce(|a, b| if of(b) > of(a) { b } else { a })?;
        let least = known.iter().copied().reduce(|a, b| if of(b) < of(a) { b } else { a })?;
        let mut sentences = if in_time { self.course() } else { Vec::new() };
        let against = format!(" against {}", change.from);
        if let ([row], false) = (known.as_slice(), in_time) {
            let way = match of(row).total_cmp(&0.0) {
                Ordering::Greater => "rose",
                Ordering::Less => "fell",
                Ordering::Equal => return Some(vec![format!("**{}** stayed the same{against}.", self.row_name(row))]),
            };
            return Some(vec![format!(
                "**{}** {way}{} {}{against}, to **{}**.",
                self.row_name(row),
                self.scope,
                self.step(change, row),
                self.figure(self.at, row)
            )]);
        }
        let at = if in_time { "in " } else { "" };
        let mut told = Vec::new();
        if of(most) > 0.0 {
            told.push(format!(
                "the largest rise{against} was {at}**{}**: {}",
                self.row_name(most),
                self.step(change, most)
            ));
        }
        if of(least) < 0.0 {
            told.push(format!(
                "the largest fall {at}**{}**: {}",
                self.row_name(least),
                self.step(change, least)
            ));
        }
        let scope = if in_time { "" } else { self.scope.as_str() };
        if told.is_empty() {
            sentences.push(format!("Nothing changed{against}{scope}."));
        } else {
            sentences.push(format!("{}{scope}.", super::text::upper(&join_and(told, "and"))));
        }
        if !in_time {
            let risen = known.iter().filter(|row| of(row) > 0.0).count();
            sentences.push(format!("{risen} of {} {} rose.", known.len(), self.rows_noun()));
        }
        Some(sentences)
    }

    fn change_of_total(&self, change: &Change) -> Option<String> {
        let row = self.table.rows.first()?;
        let now = self.figure(self.at, row);
        let label = &self.metric.label;
        let Some(difference) = number(row, change.change) else {
            return Some(format!(
                "{label}{} was **{now}**. Nothing is known of {} to compare it with.",
                self.scope, change.from
            ));
        };
        let before = self.figure(change.before, row);
        Some(match difference.total_cmp(&0.0) {
            Ordering::Equal => format!("{label}{} was **{now}**, the same as {}.", self.scope, change.from),
            way => format!(
                "{label}{} was **{now}**, {} {} from **{before}** {}.",
                self.scope,
                if way == Ordering::Greater { "up" } else { "down" },
                self.step(change, row),
                change.from
            ),
        })
    }

    /// "by **$1,200** (**+12 %**)", without a direction.
    fn step(&self, change: &Change, row: &[Cell]) -> String {
        let size = number(row, change.change).unwrap_or(0.0).abs();
        let percent = number(row, change.percent).map_or(String::new(), |percent| {
            format!(" (**{}**)", format::delta_percent(percent))
        });
        format!("by **{}**{percent}", self.difference(size))
    }

    /// A difference in the metric's unit; of percentages in points.
    fn difference(&self, size: f64) -> String {
        let is_percent = self
            .column()
            .is_some_and(|column| Style::of(column, self.catalogue) == Style::Percent);
        if is_percent {
            format!("{} points", format::decimal(size, 1))
        } else {
            self.computed(size)
        }
    }

    fn shares(&self) -> Option<Vec<String>> {
        let at = self.added(Added::Share)?;
        let mut known: Vec<&Vec<Cell>> = self
            .table
            .rows
            .iter()
            .filter(|row| number(row, at).is_some() && !self.is_nameless(row))
            .collect();
        known.sort_by(|a, b| number(b, at).unwrap_or(0.0).total_cmp(&number(a, at).unwrap_or(0.0)));
        let (first, label) = (known.first()?, lower(&self.metric.label));
        let share = |row: &[Cell]| format::percent(number(row, at).unwrap_or(0.0));
        let Some(second) = known.get(1) else {
            return Some(vec![format!(
                "**{}** accounts for **{}** of {label}{}: **{}**.",
                self.row_name(first),
                share(first),
                self.scope,
                self.figure(self.at, first)
            )]);
        };
        Some(vec![format!(
            "**{}** has the largest share of {label}{}: **{}**, ahead of **{}** with {}.",
            self.row_name(first),
            self.scope,
            share(first),
            self.row_name(second),
            share(second)
        )])
    }

    /// The place of a single row; several rows are told as a ranking.
    fn place(&self) -> Option<Vec<String>> {
        let at = self.added(Added::Rank)?;
        let [row] = self.table.rows.as_slice() else {
            return None;
        };
        let place = format::ordinal(number(row, at)? as i64);
        Some(vec![format!(
            "**{}** ranks **{place}** by {}{}, with {}.",
            self.row_name(row),
            lower(&self.metric.label),
            self.scope,
            self.figure(self.at, row)
        )])
    }

    fn among_peers(&self) -> Option<Vec<String>> {
        let (peers, difference) = (self.added(Added::Peers)?, self.added(Added::PeersDifference)?);
        let known: Vec<&Vec<Cell>> = self
            .table
            .rows
            .iter()
            .filter(|row| number(row, difference).is_some())
            .collect();
        let of = |row: &[Cell]| number(row, difference).unwrap_or(0.0);
        let side = |row: &[Cell]| if of(row) < 0.0 { "below" } else { "above" };
        if let [row] = known.as_slice() {
            return Some(vec![format!(
                "**{}** has {} of **{}**{}, **{}** {} the average of the others ({}).",
                self.row_name(row),
                self.named(),
                self.figure(self.at, row),
                self.scope,
                self.difference(of(row).abs()),
                side(row),
                self.figure(peers, row)
            )]);
        }
        let most = known.iter().copied().reduce(|a, b| if of(b) > of(a) { b } else { a })?;
        let least = known.iter().copied().reduce(|a, b| if of(b) < of(a) { b } else { a })?;
        Some(vec![format!(
            "**{}** lies furthest above the average of the others{}, by **{}**; **{}** lies furthest below it, by **{}**.",
            self.row_name(most),
            self.scope,
            self.difference(of(most).abs()),
            self.row_name(least),
            self.difference(of(least).abs())
        )])
    }
}

fn number(row: &[Cell], at: usize) -> Option<f64> {
    row.get(at).and_then(Cell::as_f64)
}
