//! What was asked, in words: the title of an answer, the chips beside it, and periods.

use super::{
    Chip, ChipKind, Words,
    text::{join_and, lower, upper},
};
use crate::{
    catalogue::{TimePart, Unit},
    format,
    query::{
        Added, Comparison, Direction, Exists, Filter, FilterClause, Grain, HavingClause, MetricFilter, Operator,
        Period, Query, QueryMetric, Statistic, Than, Top, Usual, Value, Window,
    },
};
use jiff::civil::Date;

/// "Attendance by year", "Top 10 concerts by attendance in 1999", "Top 3 artists per city by revenue".
pub fn title(query: &Query, words: &impl Words) -> String {
    let metrics = join_and(
        query
            .metrics
            .iter()
            .map(|metric| asked_label(metric, query, words))
            .collect(),
        "and",
    );
    let mut dimensions: Vec<String> = query
        .dimensions
        .iter()
        .map(|name| lower(&label_of(name, words)))
        .collect();
    if let Some(grain) = query.grain {
        dimensions.push(grain.name().to_owned());
    }
    let mut title = if let Some(of) = &query.of {
        title_of_list(of, dimensions, query, words)
    } else if let Some(top) = &query.top {
        title_of_top(top, query, words)
    } else if let Some(title) = title_of_ranking(query, words) {
        title
    } else if dimensions.is_empty() {
        metrics
    } else {
        format!("{metrics} by {}", join_and(dimensions, "and"))
    };
    for clause in &query.filters {
        title.push(' ');
        title.push_str(&clause_phrase(clause, words));
    }
    if let Some(period) = &query.period {
        title.push(' ');
        title.push_str(&period_phrase(period));
    }
    for having in &query.having {
        let connect = if title.contains(" with ") { "and" } else { "with" };
        title.push_str(&format!(" {connect} {}", having_phrase(having, query, words)));
    }
    if let Some(time) = &query.time {
        title.push_str(&format!(", by {} date", lower(&label_of(time, words))));
    }
    for comparison in &query.compare {
        title.push_str(comparison_phrase(*comparison));
    }
    if !query.focus.is_empty() {
        let shown = query.focus.iter().map(|clause| clause_value(clause, words)).collect();
        title.push_str(&format!(": {}", join_and(shown, "and")));
    }
    title
}

/// "Students: name and age", "First 3 products by unit price: product".
fn title_of_list(of: &str, dimensions: Vec<String>, query: &Query, words: &impl Words) -> String {
    let rows = words
        .metric_noun(of)
        .map_or_else(|| lower(&label_of_metric(of, words)), |[_, many]| many.clone());
    let mut title = match query.limit {
        Some(1) => format!("First of the {rows}"),
        Some(limit) => format!("First {limit} {rows}"),
        None => upper(&rows),
    };
    if let Some(order) = query.order.first() {
        let down = if order.direction == Direction::Descending {
            ", descending"
        } else {
            ""
        };
        title.push_str(&format!(" by {}{down}", lower(&label_of(&order.by, words))));
    }
    format!("{title}: {}", join_and(dimensions, "and"))
}

/// "Top 10 venues by revenue": the first rows by a metric, of one dimension.
fn title_of_ranking(query: &Query, words: &impl Words) -> Option<String> {
    let (limit, order) = (query.limit?, query.order.first()?);
    let by = number_label(&order.by, query, words)?;
    let ([dimension], None) = (query.dimensions.as_slice(), query.grain) else {
        return None;
    };
    Some(ranked(order.direction, limit, dimension, &by, words))
}

fn ranked(direction: Direction, count: u32, dimension: &str, by: &str, words: &impl Words) -> String {
    let rank = if direction == Direction::Descending {
        "Top"
    } else {
        "Bottom"
    };
    if count == 1 {
        format!("{rank} {} by {}", lower(&label_of(dimension, words)), lower(by))
    } else {
        format!("{rank} {count} {} by {}", plural_of(dimension, words), lower(by))
    }
}

fn title_of_top(top: &Top, query: &Query, words: &impl Words) -> String {
    let is_group = |name: &String| top.per.contains(name);
    let grain = query.grain.map(|grain| grain.name().to_owned());
    let counted = query.dimensions.iter().find(|name| !is_group(name));
    let by = top.by.as_ref().and_then(|by| number_label(by, query, words));
    let by = by.or_else(|| query.metrics.first().map(|metric| asked_label(metric, query, words)));
    let by = by.unwrap_or_default();
    let what = match (counted, &grain) {
        (Some(dimension), _) => ranked(top.direction, top.n, dimension, &by, words),
        (None, Some(grain)) => {
            let rank = if top.direction == Direction::Descending {
                "Top"
            } else {
                "Bottom"
            };
            format!("{rank} {} {grain}s by {}", top.n, lower(&by))
        }
        (None, None) => by,
    };
    if top.per.is_empty() {
        return what;
    }
    let per = top.per.iter().map(|name| {
        if Some(name) == grain.as_ref() {
            name.clone()
        } else {
            lower(&label_of(name, words))
        }
    });
    format!("{what} in each {}", join_and(per.collect(), "and"))
}

fn comparison_phrase(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::PreviousPeriod => ", against the period before",
        Comparison::SamePeriodLastYear => ", against a year earlier",
        Comparison::ShareOfTotal => ", with shares",
        Comparison::Rank => ", with ranks",
        Comparison::AverageOfPeers => ", against the average of the others",
    }
}

/// What was asked, part by part: Metric Revenue · By Venue · City Chicago · Period 1999.
pub fn describe(query: &Query, words: &impl Words) -> Vec<Chip> {
    let mut chips: Vec<Chip> = Vec::new();
    let mut add = |kind, label: &str, value: String| {
        chips.push(Chip {
            kind,
            label: label.to_owned(),
            value,
        })
    };
    for metric in &query.metrics {
        add(ChipKind::Metric, "Metric", asked_label(metric, query, words));
    }
    for dimension in &query.dimensions {
        add(ChipKind::Dimension, "By", label_of(dimension, words));
    }
    if let Some(grain) = query.grain {
        add(ChipKind::Dimension, "By", upper(grain.name()));
    }
    for clause in &query.filters {
        match clause {
            FilterClause::Is(filter) => add(
                ChipKind::Filter,
                &label_of(&filter.dimension, words),
                filter_values(filter, words),
            ),
            _ => add(ChipKind::Filter, "Where", clause_phrase(clause, words)),
        }
    }
    for clause in &query.focus {
        add(ChipKind::Focus, "Shown", clause_value(clause, words));
    }
    for having in &query.having {
        match having {
            HavingClause::Is(filter) => {
                let label = number_label(&filter.metric, query, words).unwrap_or_else(|| filter.metric.clone());
                add(ChipKind::Having, &label, having_text(filter, words));
            }
            _ => add(ChipKind::Having, "Where", having_phrase(having, query, words)),
        }
    }
    if let Some(period) = &query.period {
        add(ChipKind::Period, "Period", upper(&period_text(period)));
    }
    if let Some(time) = &query.time {
        add(ChipKind::Period, "Time", label_of(time, words));
    }
    for comparison in &query.compare {
        let value = match comparison {
            Comparison::PreviousPeriod => "Period before",
            Comparison::SamePeriodLastYear => "A year earlier",
            Comparison::ShareOfTotal => "Share of total",
            Comparison::Rank => "Rank",
            Comparison::AverageOfPeers => "Average of the others",
        };
        add(ChipKind::Comparison, "Compared", value.to_owned());
    }
    if let Some(top) = &query.top {
        let per: Vec<String> = top.per.iter().map(|name| lower(&label_of(name, words))).collect();
        let rank = if top.direction == Direction::Descending {
            "Top"
        } else {
            "Bottom"
        };
        let value = if per.is_empty() {
            format!("{rank} {}", top.n)
        } else {
            format!("{rank} {} in each {}", top.n, join_and(per, "and"))
        };
        add(ChipKind::Limit, "Show", value);
    }
    if let Some(limit) = query.limit {
        let value = match query
            .order
            .first()
            .filter(|order| number_label(&order.by, query, words).is_some())
        {
            Some(order) if order.direction == Direction::Descending => format!("Top {limit}"),
            Some(_) => format!("Bottom {limit}"),
            None => format!("First {limit}"),
        };
        add(ChipKind::Limit, "Show", value);
    }
    chips
}

pub(super) fn label_of_metric(name: &str, words: &impl Words) -> String {
    words.metric_label(name).unwrap_or(name).to_owned()
}

pub(super) fn label_of(name: &str, words: &impl Words) -> String {
    words.dimension_words(name).map_or(name, |w| w.label).to_owned()
}

pub(super) fn plural_of(name: &str, words: &impl Words) -> String {
    words.dimension_words(name).map_or(name, |w| w.plural).to_owned()
}

/// A metric with what was made of it: "Median attendance", "Revenue, running total", "Tickets sold with channel
/// online".
pub(super) fn asked_label(metric: &QueryMetric, query: &Query, words: &impl Words) -> String {
    let label = label_of_metric(&metric.metric, words);
    let mut text = match metric.aggregate {
        None => label,
        Some(Statistic::Average) => format!("Average {}", lower(&label)),
        Some(Statistic::Minimum) => format!("Lowest {}", lower(&label)),
        Some(Statistic::Maximum) => format!("Highest {}", lower(&label)),
        Some(Statistic::Median) => format!("Median {}", lower(&label)),
        Some(Statistic::Distinct) => format!("Different values of {}", lower(&label)),
        Some(Statistic::Percentile(rank)) => format!("{} percentile of {}", place(rank), lower(&label)),
    };
    for clause in &metric.filters {
        text.push(' ');
        text.push_str(&clause_phrase(clause, words));
    }
    match metric.window {
        None => {}
        Some(Window::RunningTotal) => text.push_str(", running total"),
        Some(Window::MovingAverage(count)) => {
            let grain = query.grain.map_or("row", Grain::name);
            text.push_str(&format!(", average of {count} {grain}s"));
        }
    }
    text
}

/// "90th", "2nd", "99.5th".
fn place(rank: f64) -> String {
    if rank.fract() != 0.0 {
        return format!("{rank}th");
    }
    format::ordinal(rank as i64)
}

/// What a number of the answer is called: a metric by its column's name, or a column that a comparison added.
pub(super) fn number_label(name: &str, query: &Query, words: &impl Words) -> Option<String> {
    if let Some(metric) = query.metrics.iter().find(|metric| metric.name() == name) {
        return Some(asked_label(metric, query, words));
    }
    if let Some(column) = query.added_columns().into_iter().find(|column| column.name == name) {
        let label = lower(&asked_label(query.metrics.get(column.metric)?, query, words));
        return Some(match column.added {
            Added::Before => format!("{label} before"),
            Added::Change => format!("change of {label}"),
            Added::ChangePercent => format!("growth of {label}"),
            Added::LastYear => format!("{label} a year earlier"),
            Added::LastYearChange => format!("change of {label} on a year earlier"),
            Added::LastYearChangePercent => format!("growth of {label} on a year earlier"),
            Added::Share => format!("share of {label}"),
            Added::Rank => format!("rank by {label}"),
            Added::Peers => format!("average {label} of the others"),
            Added::PeersDifference => format!("lead in {label} over the others"),
        });
    }
    // A condition may name a metric that is not among the answer's columns.
    words.metric_label(name).map(str::to_owned)
}

/// A condition in a sentence: "in Chicago", "at The Foundry or in Austin", "without concerts in Boston".
pub(super) fn clause_phrase(clause: &FilterClause, words: &impl Words) -> String {
    let parts = |clauses: &[FilterClause]| clauses.iter().map(|clause| clause_phrase(clause, words)).collect();
    match clause {
        FilterClause::Is(filter) => filter_phrase(filter, words),
        FilterClause::Any { any } => join_and(parts(any), "or"),
        FilterClause::All { all } => join_and(parts(all), "and"),
        FilterClause::Not { not } => match not.as_ref() {
            FilterClause::Exists { exists } => format!("without {}", exists_phrase(exists, words)),
            other => format!("not {}", clause_phrase(other, words)),
        },
        FilterClause::Exists { exists } => format!("with {}", exists_phrase(exists, words)),
        FilterClause::Than { than } => than_phrase(than, words),
    }
}

/// "with unit price above the average".
fn than_phrase(than: &Than, words: &impl Words) -> String {
    let statistic = match than.statistic {
        Usual::Minimum => "minimum",
        Usual::Maximum => "maximum",
        Usual::Average => "average",
    };
    let way = match than.op {
        Operator::Greater => "above",
        Operator::GreaterOrEqual => "at or above",
        Operator::Less => "below",
        Operator::LessOrEqual => "at or below",
        Operator::NotEqual => "other than",
        _ => "at",
    };
    format!(
        "with {} {way} the {statistic}",
        lower(&label_of(&than.dimension, words))
    )
}

/// "concerts in Austin", "concerts of attendance rate at least 100 % in 2025".
fn exists_phrase(exists: &Exists, words: &impl Words) -> String {
    let mut text = words.metric_noun(&exists.of).map_or_else(
        || lower(&label_of_metric(&exists.of, words)),
        |[_, many]| many.to_owned(),
    );
    for clause in &exists.filters {
        text.push(' ');
        text.push_str(&clause_phrase(clause, words));
    }
    for (at, having) in exists.having.iter().enumerate() {
        text.push_str(if at == 0 { " of " } else { " and " });
        text.push_str(&having_phrase(having, &Query::default(), words));
    }
    if let Some(period) = &exists.period {
        text.push(' ');
        text.push_str(&period_phrase(period));
    }
    text
}

/// A condition on numbers in a sentence: "attendance rate at least 80 %", "more than 20 concerts".
pub(super) fn having_phrase(having: &HavingClause, query: &Query, words: &impl Words) -> String {
    let parts = |all: &[HavingClause]| all.iter().map(|one| having_phrase(one, query, words)).collect();
    match having {
        HavingClause::Is(filter) => {
            let label = number_label(&filter.metric, query, words).unwrap_or_else(|| filter.metric.clone());
            match words.metric_noun(&filter.metric) {
                Some([_, many]) => format!("{} {many}", having_text(filter, words)),
                None => format!("{} {}", lower(&label), having_text(filter, words)),
            }
        }
        HavingClause::Any { any } => join_and(parts(any), "or"),
        HavingClause::All { all } => join_and(parts(all), "and"),
        HavingClause::Not { not } => format!("not {}", having_phrase(not, query, words)),
    }
}

/// The value of a condition without the words around it, where it is a single one: "Chicago".
pub(super) fn clause_value(clause: &FilterClause, words: &impl Words) -> String {
    match clause {
        FilterClause::Is(filter) => filter_values(filter, words),
        other => clause_phrase(other, words),
    }
}

fn filter_values(filter: &Filter, words: &impl Words) -> String {
    values_text(filter.op, &filter.values, |value| {
        filter_value(&filter.dimension, value, words)
    })
}

/// "in Chicago", "not at The Meridian", "with capacity more than 1,000".
pub(super) fn filter_phrase(filter: &Filter, words: &impl Words) -> String {
    let known = words.dimension_words(&filter.dimension).unwrap_or_default();
    let show = |value: &Value| filter_value(&filter.dimension, value, words);
    match (known.phrase, filter.op) {
        (Some(phrase), Operator::Equal | Operator::In) => phrase.replace("{}", &value_list(&filter.values, show)),
        (Some(phrase), Operator::NotEqual | Operator::NotIn) => {
            format!("not {}", phrase.replace("{}", &value_list(&filter.values, show)))
        }
        _ => {
            let text = filter_values(filter, words);
            format!("with {} {text}", lower(&label_of(&filter.dimension, words)))
        }
    }
}

fn filter_value(dimension: &str, value: &Value, words: &impl Words) -> String {
    let name = match value {
        Value::Text(text) => words.value_name(dimension, text),
        _ => None,
    };
    name.unwrap_or_else(|| value_text(value, words.dimension_words(dimension).and_then(|known| known.part)))
}

/// "at least 80 %", "more than 20".
pub(super) fn having_text(having: &MetricFilter, words: &impl Words) -> String {
    let is_percent = words.metric_unit(&having.metric) == Some(Unit::Percent);
    values_text(having.op, &having.values, |value| bound_text(value, is_percent))
}

/// A bound with as many decimals as it was given: "80 %", not "80.0 %".
pub(super) fn bound_text(value: &Value, is_percent: bool) -> String {
    let number = value_text(value, None);
    if is_percent {
        format!("{number}{}%", format::THIN_SPACE)
    } else {
        number
    }
}

fn value_list(values: &[Value], show: impl Fn(&Value) -> String) -> String {
    const MOST_NAMED: usize = 4;
    let mut names: Vec<String> = values.iter().take(MOST_NAMED).map(show).collect();
    if values.len() > MOST_NAMED {
        names.push(format!("{} more", values.len() - MOST_NAMED));
    }
    join_and(names, "or")
}

pub(super) fn values_text(op: Operator, values: &[Value], show: impl Fn(&Value) -> String) -> String {
    let first = values.first().map(&show).unwrap_or_default();
    match op {
        Operator::Equal => first,
        Operator::In => value_list(values, show),
        Operator::NotEqual | Operator::NotIn => format!("not {}", value_list(values, show)),
        Operator::Between => format!("{first} to {}", values.get(1).map(show).unwrap_or_default()),
        Operator::Greater => format!("more than {first}"),
        Operator::GreaterOrEqual => format!("at least {first}"),
        Operator::Less => format!("under {first}"),
        Operator::LessOrEqual => format!("at most {first}"),
        Operator::Contains => format!("containing “{first}”"),
        Operator::StartsWith => format!("beginning with “{first}”"),
        Operator::IsNull => "unknown".to_owned(),
        Operator::IsNotNull => "known".to_owned(),
    }
}

pub(super) fn value_text(value: &Value, part: Option<TimePart>) -> String {
    match (value, part) {
        (Value::Integer(n), Some(TimePart::Year)) => n.to_string(),
        (Value::Integer(n), Some(TimePart::QuarterOfYear)) => format!("Q{n}"),
        (Value::Integer(n), Some(TimePart::MonthOfYear)) => {
            format::month_name(*n).map_or_else(|| n.to_string(), str::to_owned)
        }
        (Value::Integer(n), Some(TimePart::Weekday)) => {
            format::weekday_name(*n).map_or_else(|| n.to_string(), str::to_owned)
        }
        (Value::Integer(n), Some(TimePart::Hour)) => format!("{n}:00"),
        (Value::Integer(n), None) => format::integer(*n),
        (Value::Number(x), _) if x.fract() == 0.0 => format::decimal(*x, 0),
        (Value::Number(x), _) => format::decimal(*x, 2),
        (Value::Boolean(b), _) => if *b { "yes" } else { "no" }.to_owned(),
        (Value::Text(text), _) => text.parse::<Date>().map_or_else(|_| text.clone(), format::date),
    }
}

/// A period by itself: "1999", "Mar 1999", "1988 to 1992", "since 1 Mar 2026", "last 3 months".
pub fn period_text(period: &Period) -> String {
    match period {
        Period::Between {
            from: Some(from),
            to: Some(to),
        } => {
            for grain in [Grain::Year, Grain::Quarter, Grain::Month, Grain::Day] {
                let last = |day: Date| {
                    grain
                        .start_of(day)
                        .and_then(|first| grain.add(first, 1)?.yesterday().ok())
                };
                if grain.start_of(*from) == Some(*from) && last(*to) == Some(*to) {
                    let (first, second) = (format::stretch(*from, grain), format::stretch(*to, grain));
                    return if first == second {
                        first
                    } else {
                        format!("{first} to {second}")
                    };
                }
            }
            format!("{} to {}", format::date(*from), format::date(*to))
        }
        Period::Between {
            from: Some(from),
            to: None,
        } => format!("since {}", edge_text(*from)),
        Period::Between {
            from: None,
            to: Some(to),
        } => {
            let before = to.tomorrow().ok().filter(|next| next.day() == 1 && next.month() == 1);
            match before {
                Some(next) => format!("before {}", next.year()),
                None => format!("until {}", format::date(*to)),
            }
        }
        Period::Between { from: None, to: None } => "all time".to_owned(),
        Period::Since {
            dimension,
            unit,
            offset,
            count,
        } => {
            let unit = unit.name();
            let since = dimension.replace('_', " ");
            match (offset, count) {
                (0, 1) => format!("first {unit} since {since}"),
                (0, _) => format!("first {count} {unit}s since {since}"),
                _ => format!(
                    "{unit}s {offset} to {} since {since}",
                    i64::from(*offset) + i64::from(*count)
                ),
            }
        }
        Period::Relative { unit, offset, count } => {
            let unit = unit.name();
            match (offset, count) {
                (0, 1) if unit == "day" => "today".to_owned(),
                (-1, 1) if unit == "day" => "yesterday".to_owned(),
                (1, 1) if unit == "day" => "tomorrow".to_owned(),
                (0, 1) => format!("this {unit}"),
                (-1, 1) => format!("last {unit}"),
                (1, 1) => format!("next {unit}"),
                (1, count) => format!("next {count} {unit}s"),
                (offset, count) if i64::from(*offset) == -i64::from(*count) => format!("last {count} {unit}s"),
                (offset, count) if i64::from(*offset) == 1 - i64::from(*count) => {
                    format!("last {count} {unit}s with this one")
                }
                (offset, 1) if *offset < 0 => format!("{} {unit}s ago", offset.unsigned_abs()),
                (offset, count) if *offset < 0 => format!("{count} {unit}s from {} {unit}s ago", offset.unsigned_abs()),
                (offset, count) => format!("{count} {unit}s from {offset} {unit}s ahead"),
            }
        }
    }
}

fn edge_text(day: Date) -> String {
    if day.month() == 1 && day.day() == 1 {
        day.year().to_string()
    } else {
        format::date(day)
    }
}

/// A period in a sentence: "in 1999", "from 1988 to 1992", "in the last 3 months".
pub(super) fn period_phrase(period: &Period) -> String {
    let text = period_text(period);
    match period {
        Period::Between {
            from: Some(_),
            to: Some(_),
        } if text.contains(" to ") => format!("from {text}"),
        Period::Between {
            from: Some(from),
            to: Some(to),
        } if from == to => format!("on {text}"),
        Period::Between {
            from: Some(_),
            to: Some(_),
        } => format!("in {text}"),
        Period::Between { from: None, to: None } => String::new(),
        Period::Between { .. } => text,
        Period::Since { .. } => period_text(period),
        Period::Relative { count, .. } if *count > 1 => format!("in the {text}"),
        Period::Relative { .. } => text,
    }
}
