//! What only a question that goes on from another one can say: "ascending", "over 5,000", "the second", "vs Austin",
//! "drill down", "why?". Each is a change of the query before.

use super::*;

impl Assembly<'_, '_> {
    /// How the answer is to be drawn, whoever asks.
    pub(super) fn drawn(&mut self) {
        let builder = self.builder;
        for (at, link) in builder.links.iter().enumerate() {
            if let Some(Key::Chart(kind)) = link.key() {
                self.draft.chart = kind;
                self.draft.says_chart = true;
                self.tell(
                    at,
                    kind.map_or_else(
                        || "as a table".to_owned(),
                        |kind| format!("drawn as {}", drawn_as(kind)),
                    ),
                );
            }
        }
    }

    pub(super) fn onward(&mut self) {
        let builder = self.builder;
        if !builder.follows {
            return;
        }
        let names_figure = self.draft.has_metrics;
        if self.says_more() {
            self.draft.goes_on = true;
            self.draft.is_more = true;
            for at in builder.keys(|key| matches!(key, Key::Also)).collect::<Vec<_>>() {
                self.tell(at, "beside what is there".to_owned());
            }
        }
        self.draft.says_each = self.group_links.iter().any(|at| {
            builder
                .before(*at)
                .and_then(|by| builder.links.get(by))
                .is_some_and(|by| {
                    matches!(by.key(), Some(Key::By | Key::Every))
                        && (by.at..by.end()).any(|at| matches!(builder.word(at), Some("each" | "every")))
                })
        });
        let mut changes: Vec<(usize, &str, Construct)> = Vec::new();
        let mut sort: Option<(usize, Option<Direction>)> = None;
        for (at, link) in builder.links.iter().enumerate() {
            let compares = link.readings.iter().find_map(|reading| match reading {
                Reading::Compare(op, values) => Some((*op, values.clone())),
                _ => None,
            });
            if self.used.get(at) == Some(&true) {
                continue;
            }
            if let Some((op, values)) = compares.filter(|_| !names_figure) {
                changes.push((at, "condition on the figure", Construct::Condition { op, values }));
                continue;
            }
            let Some(key) = link.key() else { continue };
            match key {
                Key::Sorted(direction) if !names_figure => sort = Some((at, Some(direction))),
                Key::Reverse => changes.push((at, "the other way round", Construct::Reverse)),
                Key::Share if !names_figure => {
                    changes.push((at, "share of the total", Construct::ShareOfAll));
                }
                Key::Place(place) if !names_figure => changes.push((at, "this place alone", Construct::Place(place))),
                Key::Average if !names_figure => changes.push((at, "the average", Construct::Averaged)),
                Key::Median if !names_figure => {
                    changes.push((at, "the median", Construct::Statistic(Statistic::Median)));
                }
                Key::Versus if !names_figure && self.names_values() => {
                    self.draft.is_beside = true;
                    self.tell(at, "side by side".to_owned());
                    self.draft.goes_on = true;
                }
                Key::Elsewhere => changes.push((at, "everything else", Construct::Elsewhere)),
                Key::Clear => changes.push((at, "no conditions", Construct::Clear)),
                Key::AllTime => changes.push((at, "all days", Construct::AllTime)),
                Key::Drill => changes.push((at, "one step closer", Construct::Drill)),
                Key::Beyond(Lack::Reason) if !names_figure && !self.draft.has_groups => {
                    changes.push((at, "what changed the most against the time before", Construct::Why));
                }
                _ => {}
            }
        }
        for (at, meaning, construct) in changes {
            self.tell(at, meaning.to_owned());
            self.draft.goes_on = true;
            self.draft.constructs.push(construct);
        }
        // "sorted by attendance", "ascending": of the rows that are there.
        let by = builder.links.iter().position(|link| link.key() == Some(Key::SortBy));
        let opens = by.is_some_and(|at| {
            (0..at).all(|index| {
                builder.is_light(index)
                    || matches!(
                        builder.links.get(index).and_then(Link::key),
                        Some(Key::And | Key::GoOn | Key::Only)
                    )
            })
        });
        if opens
            && let [(metric, _)] = self.metrics.as_slice()
            && names_figure
            && !self.draft.names_groups
        {
            let direction = self
                .draft
                .query
                .order
                .first()
                .map_or(Direction::Descending, |order| order.direction);
            if let Some(metric) = builder.metric(*metric) {
                self.draft.goes_on = true;
                self.draft.has_metrics = false;
                self.draft.query.order.clear();
                self.draft.query.limit = None;
                self.draft
                    .constructs
                    .push(Construct::SortBy(metric.name.clone(), direction));
            }
        } else if let Some((at, Some(direction))) = sort {
            self.tell(at, "in this order".to_owned());
            self.draft.goes_on = true;
            self.draft.constructs.push(Construct::Sort(direction));
        }
    }

    /// "and Iron Meadow too", "and their average price": beside what is there, and not in its place.
    pub(super) fn says_more(&self) -> bool {
        let words: Vec<&str> = self.builder.tokens.iter().map(|token| token.norm.as_str()).collect();
        let first = words.first().copied();
        words
            .iter()
            .any(|word| matches!(*word, "too" | "also" | "plus" | "additionally"))
            || words.windows(2).any(|pair| pair == ["as", "well"])
            || first == Some("and") && words.iter().any(|word| matches!(*word, "their" | "its"))
    }

    fn names_values(&self) -> bool {
        self.draft
            .query
            .conditions()
            .iter()
            .any(|filter| filter.op == Operator::In)
    }
}

fn drawn_as(kind: ChartKind) -> &'static str {
    match kind {
        ChartKind::Number => "one number",
        ChartKind::Bar => "bars",
        ChartKind::Column => "columns",
        ChartKind::Line => "a line",
        ChartKind::StackedBar => "stacked bars",
        ChartKind::Scatter => "points",
        ChartKind::Heatmap => "a heat map",
        ChartKind::Histogram => "a histogram",
        ChartKind::Map => "a map",
    }
}
