//! Key conditions: one partition, and a range of sort keys in it.

use super::{Comparator, Condition, ExpressionError, Operand, Path, Reader, Step, wrong};
use crate::dynamodb::value::Value;
use std::cmp::Ordering;

/// What a sort key must fulfil.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SortCondition {
    Compare(Comparator, Value),
    Between(Value, Value),
    BeginsWith(Value),
}

impl SortCondition {
    pub fn holds(&self, key: &Value) -> bool {
        match self {
            SortCondition::Compare(comparator, value) => {
                let order = key.order(value);
                match comparator {
                    Comparator::Equal => order == Some(Ordering::Equal),
                    Comparator::NotEqual => order != Some(Ordering::Equal),
                    Comparator::Less => order == Some(Ordering::Less),
                    Comparator::LessOrEqual => order.is_some_and(Ordering::is_le),
                    Comparator::Greater => order == Some(Ordering::Greater),
                    Comparator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
                }
            }
            SortCondition::Between(low, high) => {
                key.order(low).is_some_and(Ordering::is_ge) && key.order(high).is_some_and(Ordering::is_le)
            }
            SortCondition::BeginsWith(prefix) => match (key, prefix) {
                (Value::S(text), Value::S(prefix)) => text.starts_with(prefix.as_str()),
                (Value::B(bytes), Value::B(prefix)) => bytes.starts_with(prefix),
                _ => false,
            },
        }
    }

    pub fn values(&self) -> Vec<&Value> {
        match self {
            SortCondition::Compare(_, value) | SortCondition::BeginsWith(value) => vec![value],
            SortCondition::Between(low, high) => vec![low, high],
        }
    }
}

/// Conditions on at most two attributes, each named once. Which is the partition key is the table's to say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyCondition(pub Vec<(String, SortCondition)>);

pub(crate) fn parse(reader: &mut Reader<'_, '_>) -> Result<KeyCondition, ExpressionError> {
    let condition = Condition::parse(reader)?;
    let mut parts = Vec::new();
    let dry = reader.is_dry();
    collect(condition, &mut parts)?;
    for (at, (name, _)) in parts.iter().enumerate() {
        if !dry && parts[..at].iter().any(|(other, _)| other == name) {
            return Err(wrong("KeyConditionExpressions must only contain one condition per key"));
        }
    }
    Ok(KeyCondition(parts))
}

fn collect(condition: Condition, parts: &mut Vec<(String, SortCondition)>) -> Result<(), ExpressionError> {
    let refused = |operator: &str| {
        Err(wrong(format!(
            "Invalid operator used in KeyConditionExpression: {operator}"
        )))
    };
    match condition {
        Condition::And(left, right) => {
            collect(*left, parts)?;
            collect(*right, parts)
        }
        Condition::Compare(Comparator::NotEqual, ..) => refused("<>"),
        Condition::Compare(comparator, Operand::Path(path), Operand::Value(value)) => {
            parts.push((key(path)?, SortCondition::Compare(comparator, value)));
            Ok(())
        }
        Condition::Compare(comparator, Operand::Value(value), Operand::Path(path)) => {
            parts.push((key(path)?, SortCondition::Compare(comparator.mirrored(), value)));
            Ok(())
        }
        Condition::Between(Operand::Path(path), Operand::Value(low), Operand::Value(high)) => {
            parts.push((key(path)?, SortCondition::Between(low, high)));
            Ok(())
        }
        Condition::BeginsWith(Operand::Path(path), Operand::Value(prefix)) => {
            parts.push((key(path)?, SortCondition::BeginsWith(prefix)));
            Ok(())
        }
        Condition::Compare(_, Operand::Size(_), _) | Condition::Compare(_, _, Operand::Size(_)) => refused("size"),
        Condition::Compare(_, Operand::Path(_), Operand::Path(_)) => Err(wrong(
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        )),
        Condition::Compare(..) | Condition::Between(..) | Condition::BeginsWith(..) => Err(wrong(
            "Invalid condition in KeyConditionExpression: No key attribute specified",
        )),
        Condition::In(..) => refused("IN"),
        Condition::Exists(_) => refused("attribute_exists"),
        Condition::NotExists(_) => refused("attribute_not_exists"),
        Condition::Type(..) => refused("attribute_type"),
        Condition::Contains(..) => refused("contains"),
        Condition::Or(..) => refused("OR"),
        Condition::Not(_) => refused("NOT"),
    }
}

fn key(path: Path) -> Result<String, ExpressionError> {
    match path.0.into_iter().collect::<Vec<_>>().as_mut_slice() {
        [Step::Attribute(name)] => Ok(std::mem::take(name)),
        _ => Err(wrong(
            "KeyConditionExpressions cannot have conditions on nested attributes",
        )),
    }
}
