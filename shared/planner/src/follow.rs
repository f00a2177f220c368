//! What comes next: a question that goes on from the one before, and what could be asked after an answer.

use crate::{build::Draft, construct::Construct};
use concert_contract::{
    catalogue::Catalogue,
    chat::{Clarify, Suggestion},
    compile::{CompileContext, compile},
    insight,
    query::{Comparison, Direction, Filter, FilterClause, Grain, Operator, Order, Query, QueryMetric, Top, Value},
};

const MOST_FOLLOW_UPS: usize = 3;
const RANKED_ROWS: u32 = 10;

/// The query before, changed by what the new question says: "and in Boston?", "by month instead".
pub(crate) fn go_on(previous: &Query, draft: &Draft, catalogue: &Catalogue) -> Query {
    let mut query = Query {
        cursor: None,
        ..previous.clone()
    };
    let new = &draft.query;
    for clause in &new.filters {
        // "vs Austin": both cities, each by itself.
        if (draft.is_beside || draft.is_more)
            && let Some(filter) = clause.single().filter(|filter| filter.op == Operator::In)
        {
            beside(&mut query, filter);
            continue;
        }
        if let Some(filter) = clause.single() {
            query
                .filters
                .retain(|other| other.single().is_none_or(|other| other.dimension != filter.dimension));
        }
        query.filters.push(clause.clone());
    }
    if new.period.is_some() {
        query.period.clone_from(&new.period);
    }
    // "the worst ones", "show 5": of the same rows, by the same figure.
    if let Some((direction, rows)) = draft.bare_rank {
        let kept = query.order.first().map(|order| order.direction);
        let direction = direction.or(kept).unwrap_or(Direction::Descending);
        Construct::First { rows, direction }.apply(&mut query, catalogue);
        return query;
    }
    if !draft.adds.is_empty() {
        for name in &draft.adds {
            Construct::Add(name.clone()).apply(&mut query, catalogue);
        }
        return query;
    }
    // "for all cities": without the one that was named.
    if draft.says_all && new.filters.is_empty() {
        let narrowed: Vec<String> = new
            .dimensions
            .iter()
            .filter(|name| query.conditions().iter().any(|filter| filter.dimension == **name))
            .cloned()
            .collect();
        for name in &narrowed {
            Construct::All(name.clone()).apply(&mut query, catalogue);
        }
        if !narrowed.is_empty() {
            return query;
        }
    }
    if draft.is_more {
        for metric in new.metrics.iter().filter(|_| draft.has_metrics) {
            if !query.has_metric(&metric.name()) {
                query.metrics.push(metric.clone());
            }
        }
        for name in new.dimensions.iter().filter(|_| draft.names_groups) {
            if !query.dimensions.contains(name) {
                query.dimensions.push(name.clone());
            }
        }
        query.grain = query.grain.or(new.grain);
        return query;
    }
    // "in each city": the first of each, where the first of all were asked for.
    if draft.says_each
        && !draft.has_metrics
        && let ([name], None, Some(n), Some(order)) = (
            new.dimensions.as_slice(),
            new.limit,
            query.limit,
            query.order.first().cloned(),
        )
        && query.has_metric(&order.by)
        && !query.dimensions.contains(name)
    {
        query.dimensions.push(name.clone());
        query.top = Some(Top {
            n,
            by: Some(order.by),
            per: vec![name.clone()],
            direction: order.direction,
        });
        query.order.clear();
        query.limit = None;
        return query;
    }
    if draft.has_metrics {
        // What was ranked stays ranked, by the new figure.
        if let (Some(new_metric), true) = (new.metrics.first(), new.order.is_empty()) {
            let old = previous.metric_names();
            for order in query.order.iter_mut().filter(|order| old.contains(&order.by)) {
                order.by = new_metric.name();
            }
        }
        query.metrics.clone_from(&new.metrics);
        query.having.clone_from(&new.having);
    }
    if draft.names_groups {
        // A place or a share among other rows says nothing of these.
        let added: Vec<String> = previous.added_columns().into_iter().map(|column| column.name).collect();
        query
            .having
            .retain(|clause| clause.singles().iter().all(|single| !added.contains(&single.metric)));
        query.compare.retain(|comparison| *comparison != Comparison::Rank);
        query.order.retain(|order| !added.contains(&order.by));
        query.dimensions.clone_from(&new.dimensions);
        query.grain = new.grain;
        if new.limit.is_none() && new.grain.is_some() {
            query.limit = None;
            query.order.clear();
        }
    }
    if new.limit.is_some() {
        query.limit = new.limit;
        match new.order.first().filter(|_| !draft.has_metrics) {
            // "top venues": by the figure that was asked for before.
            Some(order) if !query.dimensions.contains(&order.by) => {
                let direction = order.direction;
                Construct::First {
                    rows: new.limit,
                    direction,
                }
                .apply(&mut query, catalogue);
            }
            _ => query.order.clone_from(&new.order),
        }
        if !draft.names_groups && !new.dimensions.is_empty() {
            query.dimensions.clone_from(&new.dimensions);
            query.grain = None;
        }
    }
    if !new.having.is_empty() {
        query.having.clone_from(&new.having);
    }
    let metrics = query.metric_names();
    query.order.retain(|order| {
        metrics.contains(&order.by)
            || query.dimensions.contains(&order.by)
            || query.grain.is_some_and(|grain| grain.name() == order.by)
    });
    query
}

/// Adds values to those that a condition names already, and shows a row for each.
fn beside(query: &mut Query, new: &Filter) {
    let old = query
        .filters
        .iter_mut()
        .filter_map(FilterClause::single_mut)
        .find(|old| old.dimension == new.dimension && matches!(old.op, Operator::Equal | Operator::In));
    match old {
        Some(old) => {
            for value in &new.values {
                if !old.values.contains(value) {
                    old.values.push(value.clone());
                }
            }
            old.op = Operator::In;
        }
        None => query.filters.push(new.clone().into()),
    }
    if !query.dimensions.contains(&new.dimension) {
        query.dimensions.push(new.dimension.clone());
    }
}

/// The query with what else its names could mean.
fn other_readings(query: &Query, draft: &Draft) -> Vec<Query> {
    let other = |(at, filter): &(usize, Filter)| {
        let mut other = query.clone();
        let slot = other.filters.get_mut(*at).and_then(FilterClause::single_mut)?;
        *slot = filter.clone();
        if filter.values.len() == 1 {
            slot.op = Operator::Equal;
        }
        Some(other)
    };
    draft.alternatives.iter().filter_map(other).collect()
}

/// What to ask back where nothing tells two readings apart: "the artist or the venue?".
pub(crate) fn clarify(
    query: &Query,
    draft: &Draft,
    catalogue: &Catalogue,
    context: &CompileContext<'_>,
) -> Option<Clarify> {
    if !draft.is_close {
        return None;
    }
    let mut readings = vec![query.clone()];
    readings.extend(other_readings(query, draft));
    let label = |reading: &Query| {
        let changed = reading.filters.iter().find(|clause| !query.filters.contains(clause));
        let named = changed.or(draft.alternatives.first().and_then(|(at, _)| query.filters.get(*at)));
        let filter = named.and_then(FilterClause::single)?;
        let dimension = catalogue.dimension(&filter.dimension)?;
        Some(format!(
            "{} ({})",
            insight::title(reading, catalogue),
            dimension.label.to_lowercase()
        ))
    };
    let choices: Vec<Suggestion> = readings
        .iter()
        .filter(|reading| compile(reading, catalogue, context).is_ok())
        .filter_map(|reading| {
            Some(Suggestion {
                label: label(reading)?,
                query: reading.clone(),
            })
        })
        .collect();
    let Some(Value::Text(name)) = draft.alternatives.first().and_then(|(_, filter)| filter.values.first()) else {
        return None;
    };
    (choices.len() > 1).then(|| Clarify {
        question: format!("“{name}” can be more than one thing here. Which one do you mean?"),
        choices,
    })
}

/// Up to three questions that the answer suggests: what else the words could mean, its course over time, its parts.
pub(crate) fn suggestions(
    query: &Query,
    draft: &Draft,
    catalogue: &Catalogue,
    context: &CompileContext<'_>,
) -> Vec<Suggestion> {
    let mut candidates: Vec<Query> = other_readings(query, draft);
    let plain = |query: &Query| Query {
        dimensions: Vec::new(),
        having: Vec::new(),
        order: Vec::new(),
        limit: None,
        grain: None,
        ..query.clone()
    };
    let metric = query.metrics.first().map(QueryMetric::name).unwrap_or_default();
    let one_year = query
        .period
        .as_ref()
        .and_then(|period| period.resolve(context.today).ok())
        .is_some_and(|days| matches!((days.from, days.to), (Some(from), Some(to)) if from.year() == to.year()));
    let grain = if one_year { Grain::Month } else { Grain::Year };
    if query.grain.is_none() {
        candidates.push(Query {
            grain: Some(grain),
            ..plain(query)
        });
    }
    let ranked = |dimension: &str| Query {
        dimensions: vec![dimension.to_owned()],
        order: vec![Order {
            by: metric.clone(),
            direction: Direction::Descending,
        }],
        limit: Some(RANKED_ROWS),
        ..plain(query)
    };
    let single = |name: &str| {
        query
            .conditions()
            .iter()
            .any(|f| f.dimension == name && f.op == Operator::Equal)
    };
    for dimension in &catalogue.dimensions {
        let fits =
            dimension.indexed && dimension.key.is_none() || dimension.key.is_some() && dimension.column.is_some();
        if fits
            && !query.dimensions.contains(&dimension.name)
            && !single(&dimension.name)
            && Some(dimension.name.as_str()) != catalogue.currency_dimension().map(|d| d.name.as_str())
        {
            candidates.push(ranked(&dimension.name));
        }
    }
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for candidate in candidates {
        let label = insight::title(&candidate, catalogue);
        let is_new = candidate != *query && !suggestions.iter().any(|other| other.label == label);
        if is_new && compile(&candidate, catalogue, context).is_ok() {
            suggestions.push(Suggestion {
                label,
                query: candidate,
            });
        }
        if suggestions.len() == MOST_FOLLOW_UPS {
            break;
        }
    }
    suggestions
}
