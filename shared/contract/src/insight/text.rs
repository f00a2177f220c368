//! Small helpers of English sentences.

use crate::{
    catalogue::{Aggregate, Metric, Unit},
    format,
};

pub(super) fn short_number(number: f64) -> String {
    const EXACT_BELOW: f64 = 10_000_000.0;
    if number.abs() < EXACT_BELOW {
        format::decimal(number, 0)
    } else {
        format::compact(number)
    }
}

/// Text from the data inside Markdown: nothing in it may become formatting, a link or HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>') {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

pub(super) fn named(metric: &Metric) -> String {
    let label = lower(&metric.label);
    let is_amount = metric.unit == Unit::Currency
        && metric
            .sources
            .iter()
            .all(|source| source.over.is_none() && source.aggregate == Aggregate::Sum);
    if is_amount { label } else { article(&label) }
}

/// "a price", "an attendance".
pub(super) fn article(noun: &str) -> String {
    match noun.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u') => format!("an {noun}"),
        Some(_) => format!("a {noun}"),
        None => String::new(),
    }
}

pub(super) fn join_and(mut parts: Vec<String>, word: &str) -> String {
    match parts.pop() {
        None => String::new(),
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} {word} {last}", parts.join(", ")),
    }
}

pub(super) fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

pub(super) fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
