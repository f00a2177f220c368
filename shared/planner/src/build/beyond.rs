//! What no query gives, so that the question is refused with the reason and not answered in part.

use super::*;

impl Assembly<'_, '_> {
    /// The words that ask for what no query gives, and what that is.
    pub(super) fn beyond(&self) -> Option<(String, Lack)> {
        let builder = self.builder;
        let told = |at: usize, lack: Lack| builder.links.get(at).map(|link| (builder.words(link), lack));
        let query = &self.draft.query;
        for (at, link) in builder.links.iter().enumerate() {
            let lack = match link.key() {
                Some(key) if key.lack().is_some() => key.lack().filter(|_| self.used.get(at) != Some(&true)),
                Some(Key::Rank) if self.used.get(at) != Some(&true) => Some(Lack::Place),
                Some(Key::Will)
                    if self
                        .metrics
                        .iter()
                        .any(|(metric, _)| builder.metric(*metric).is_some_and(|m| m.complete_days)) =>
                {
                    Some(Lack::Forecast)
                }
                Some(Key::Change) if self.used.get(at) != Some(&true) => Some(Lack::Difference),
                Some(Key::Not) if self.used.get(at) != Some(&true) => Some(Lack::Absence),
                // "venues without any concerts": nothing names the value that is left out.
                Some(Key::Not)
                    if self.used.get(at) != Some(&true)
                        && builder.after(at).is_some_and(|next| builder.is_noun(next)) =>
                {
                    Some(Lack::Absence)
                }
                // "artists who did not play in Boston" are not those who played elsewhere.
                Some(Key::Not) if builder.negates_verb(at) && self.groups_things() && !self.says_absence() => {
                    Some(Lack::Absence)
                }
                // "artists who only played in Boston"
                Some(Key::Only)
                    if !builder.is_at_an_end(at)
                        && self.group_links.iter().any(|group| *group < at)
                        && self.groups_things()
                        && !self.says_absence() =>
                {
                    Some(Lack::All)
                }
                // "artists who played in every city"
                Some(Key::Every) if builder.holds_for_each(at) => Some(Lack::All),
                Some(Key::Count)
                    if builder.counts_nothing(at)
                        && builder
                            .after(at)
                            .is_none_or(|next| self.metrics.iter().all(|(_, named)| *named != next)) =>
                {
                    Some(Lack::Counting)
                }
                Some(Key::Average) if self.used.get(at) != Some(&true) => Some(Lack::Statistic),
                Some(Key::By) if builder.is_ratio(at) => Some(Lack::Ratio),
                Some(Key::By) if query.limit.is_some() && !self.has_top() && builder.is_best_within(at) => {
                    Some(Lack::EachGroup)
                }
                Some(Key::RankThings(_)) if builder.ranks_uncounted(at) => Some(Lack::Listing),
                Some(Key::Versus) if self.used.get(at) != Some(&true) && !builder.has_two_sides(at) => {
                    Some(Lack::Difference)
                }
                _ => None,
            };
            if let Some(lack) = lack {
                return told(at, lack);
            }
        }
        // "top 0", "top 5000"
        for (at, link) in builder.links.iter().enumerate() {
            let number = link.readings.iter().find_map(|reading| match reading {
                Reading::Number(number) => Some(*number),
                _ => None,
            });
            let ranked = builder
                .before(at)
                .and_then(|index| builder.links.get(index))
                .is_some_and(Link::ranks);
            if ranked
                && self.used.get(at) != Some(&true)
                && number.is_some_and(|number| !(1.0..=MOST_RANKED_ROWS).contains(&number))
            {
                return told(at, Lack::Rows);
            }
        }
        // "in Chicago but not in Boston" is about two sets, not about one row.
        let contradicts = query.conditions().iter().any(|filter| {
            filter.op == Operator::NotIn
                && query
                    .conditions()
                    .iter()
                    .any(|other| other.dimension == filter.dimension && other.op == Operator::In)
        });
        if contradicts && let Some(at) = self.position(Key::Not) {
            return told(at, Lack::Absence);
        }
        // "in March and April 2025" with one month on its own would be none of both.
        let is_short = query
            .period
            .as_ref()
            .and_then(|period| period.resolve(builder.today).ok())
            .and_then(|days| Some((days.from?, days.to?)))
            .is_some_and(|(from, to)| from.first_of_month() == to.first_of_month());
        let of_year = |name: &str| {
            builder
                .catalogue
                .dimension(name)
                .is_some_and(|d| matches!(d.part, Some(TimePart::MonthOfYear | TimePart::QuarterOfYear)))
        };
        if is_short && query.conditions().iter().any(|filter| of_year(&filter.dimension)) {
            let month = builder.links.iter().position(|link| {
                link.readings
                    .iter()
                    .any(|reading| matches!(reading, Reading::Time(Time::Months(_) | Time::Quarters(_))))
            });
            if let Some(at) = month {
                return told(at, Lack::Periods);
            }
        }
        // "in London in 1990 and in Paris in 1991" is not both cities in both years.
        let scopes: Vec<bool> = builder
            .links
            .iter()
            .filter(|link| builder.is_scope(link))
            .map(Link::is_value)
            .collect();
        if let Some(at) = self.position(Key::And)
            && scopes.len() > 3
            && scopes.windows(2).all(|pair| pair.first() != pair.get(1))
        {
            return told(at, Lack::Periods);
        }
        // "top 3 venues in each state"
        let groups =
            query.dimensions.iter().filter(|name| !self.orders_by(name)).count() + usize::from(query.grain.is_some());
        if query.limit.is_some() && groups > 1 && !self.has_top() {
            let by = (0..builder.links.len()).rev().find(|at| {
                self.group_links.contains(at) && matches!(builder.key_before(*at), Some(Key::By | Key::Every))
                    || matches!(builder.links.get(*at).and_then(Link::key), Some(Key::Grain(_)))
            });
            if let Some(at) = by {
                return told(at, Lack::EachGroup);
            }
        }
        None
    }
}
