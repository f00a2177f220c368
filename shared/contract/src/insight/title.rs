//! What was asked, in words: the title of an answer, the chips beside it, and periods.

use super::{
    Chip, ChipKind, Words,
    text::{join_and, lower, upper},
};
use crate::{
    catalogue::TimePart,
    format,
    query::{Direction, Filter, Grain, HavingClause, MetricFilter, Operator, Period, Query, Value},
};
use jiff::civil::Date;

/// "Attendance by year", "Top 10 concerts by attendance in 1999".
pub fn title(query: &Query, words: &impl Words) -> String {
    let metrics = join_and(
        query
            .metrics
            .iter()
            .map(|metric| label_of_metric(&metric.metric, words))
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
    let by_metric = query.order.first().filter(|order| query.has_metric(&order.by));
    let mut title = match (query.limit, by_metric, query.dimensions.as_slice(), query.grain) {
        (Some(limit), Some(order), [dimension], None) => {
            let rank = if order.direction == Direction::Descending {
                "Top"
            } else {
                "Bottom"
            };
            let what = if limit == 1 {
                lower(&label_of(dimension, words))
            } else {
                plural_of(dimension, words)
            };
            let count = if limit == 1 { String::new() } else { format!("{limit} ") };
            format!("{rank} {count}{what} by {}", lower(&label_of_metric(&order.by, words)))
        }
        _ if dimensions.is_empty() => metrics,
        _ => format!("{metrics} by {}", join_and(dimensions, "and")),
    };
    for filter in query.conditions() {
        title.push(' ');
        title.push_str(&filter_phrase(filter, words));
    }
    if let Some(period) = &query.period {
        title.push(' ');
        title.push_str(&period_phrase(period));
    }
    for having in query.having.iter().filter_map(HavingClause::single) {
        let connect = if title.contains(" with ") { "and" } else { "with" };
        title.push_str(&format!(
            " {connect} {} {}",
            having_text(having),
            lower(&label_of_metric(&having.metric, words))
        ));
    }
    title
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
        add(ChipKind::Metric, "Metric", label_of_metric(&metric.metric, words));
    }
    for dimension in &query.dimensions {
        add(ChipKind::Dimension, "By", label_of(dimension, words));
    }
    if let Some(grain) = query.grain {
        add(ChipKind::Dimension, "By", upper(grain.name()));
    }
    for filter in query.conditions() {
        let show = |value: &Value| filter_value(&filter.dimension, value, words);
        add(
            ChipKind::Filter,
            &label_of(&filter.dimension, words),
            values_text(filter.op, &filter.values, show),
        );
    }
    for having in query.having.iter().filter_map(HavingClause::single) {
        add(
            ChipKind::Having,
            &label_of_metric(&having.metric, words),
            having_text(having),
        );
    }
    if let Some(period) = &query.period {
        add(ChipKind::Period, "Period", upper(&period_text(period)));
    }
    if let Some(limit) = query.limit {
        let value = match query.order.first().filter(|order| query.has_metric(&order.by)) {
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
            let text = values_text(filter.op, &filter.values, show);
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

pub(super) fn having_text(having: &MetricFilter) -> String {
    values_text(having.op, &having.values, |value| value_text(value, None))
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
