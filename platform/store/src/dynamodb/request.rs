//! Members of requests that many operations share: reading them, and DynamoDB's words for what breaks a constraint.

use super::error::{DynamoError, invalid};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// Reads a request.
///
/// # Errors
/// `Serialization` where a member has another JSON type.
pub(crate) fn read<T: DeserializeOwned>(request: &Json) -> Result<T, DynamoError> {
    T::deserialize(request).map_err(|error| DynamoError::Serialization(error.to_string()))
}

/// Members of DynamoDB's first years, which expressions replaced; refused rather than passed over.
const LEGACY: [(&str, &str); 7] = [
    ("AttributesToGet", "ProjectionExpression"),
    ("AttributeUpdates", "UpdateExpression"),
    ("ConditionalOperator", "ConditionExpression or FilterExpression"),
    ("Expected", "ConditionExpression"),
    ("KeyConditions", "KeyConditionExpression"),
    ("QueryFilter", "FilterExpression"),
    ("ScanFilter", "FilterExpression"),
];

/// # Errors
/// `Validation` that names the member and what to write instead.
pub(crate) fn refuse_legacy(request: &Json) -> Result<(), DynamoError> {
    for (member, instead) in LEGACY {
        if request.get(member).is_some_and(|value| !value.is_null()) {
            return Err(invalid(format!(
                "{member} is a legacy parameter that is not served here. Use {instead}."
            )));
        }
    }
    Ok(())
}

/// Gathers what is wrong with the members of a request, to say it all at once.
#[derive(Default)]
pub(crate) struct Constraints(Vec<String>);

impl Constraints {
    pub fn required<T>(&mut self, member: &str, value: &Option<T>) {
        if value.is_none() {
            self.0.push(format!(
                "Value null at '{member}' failed to satisfy constraint: Member must not be null"
            ));
        }
    }

    pub fn one_of(&mut self, member: &str, value: &Option<String>, allowed: &[&str]) {
        if let Some(value) = value
            && !allowed.contains(&value.as_str())
        {
            self.0.push(format!(
                "Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                allowed.join(", ")
            ));
        }
    }

    pub fn at_least(&mut self, member: &str, value: Option<i64>, least: i64) {
        if let Some(value) = value.filter(|value| *value < least) {
            self.0.push(format!(
                "Value '{value}' at '{member}' failed to satisfy constraint: Member must have value greater than or \
                 equal to {least}"
            ));
        }
    }

    pub fn at_most(&mut self, member: &str, value: Option<i64>, most: i64) {
        if let Some(value) = value.filter(|value| *value > most) {
            self.0.push(format!(
                "Value '{value}' at '{member}' failed to satisfy constraint: Member must have value less than or \
                 equal to {most}"
            ));
        }
    }

    pub fn length(&mut self, member: &str, shown: &str, length: usize, least: usize, most: usize) {
        let (bound, word) = if length < least {
            (least, "greater")
        } else if length > most {
            (most, "less")
        } else {
            return;
        };
        self.0.push(format!(
            "Value '{shown}' at '{member}' failed to satisfy constraint: Member must have length {word} than or equal \
             to {bound}"
        ));
    }

    /// A name of a table or an index, 3 to 255 long.
    pub fn name(&mut self, member: &str, value: &Option<String>) {
        if let Some(value) = value {
            self.pattern(member, value);
            self.length(member, value, value.len(), 3, 255);
        }
    }

    fn pattern(&mut self, member: &str, value: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !value.bytes().all(fits) {
            self.0.push(format!(
                "Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy regular expression \
                 pattern: [a-zA-Z0-9_.-]+"
            ));
        }
    }

    /// The table's name in a request: a name, or its ARN.
    pub fn table(&mut self, value: &Option<String>) {
        self.required("tableName", value);
        if let Some(value) = value {
            if value.is_empty() {
                self.length("tableName", value, 0, 1, 1024);
            }
            self.pattern("tableName", table_name(value));
        }
    }

    pub fn finish(self) -> Result<(), DynamoError> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(invalid(format!("1 validation error detected: {}", self.0[0]))),
            count => Err(invalid(format!(
                "{count} validation errors detected: {}",
                self.0.join("; ")
            ))),
        }
    }
}

/// The name in `arn:aws:dynamodb:region:account:table/name`, or the name itself.
pub(crate) fn table_name(name_or_arn: &str) -> &str {
    if !name_or_arn.starts_with("arn:") {
        return name_or_arn;
    }
    name_or_arn
        .split_once(":table/")
        .map_or(name_or_arn, |(_, rest)| rest.split('/').next().unwrap_or(rest))
}

pub(crate) const CAPACITY: [&str; 3] = ["INDEXES", "TOTAL", "NONE"];
pub(crate) const METRICS: [&str; 2] = ["SIZE", "NONE"];
