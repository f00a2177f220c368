//! Attribute values: DynamoDB's ten types, their JSON, their sizes, and what a value may hold.

use super::{
    error::{DynamoError, invalid},
    number::Number,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value as Json, json};
use std::{cmp::Ordering, collections::BTreeMap, collections::BTreeSet};

/// An item, or a map inside one: attributes by name.
pub type Item = BTreeMap<String, Value>;

/// Levels of lists and maps that a value can be deep.
pub const NESTING_MAX: usize = 32;

/// An attribute's value. Sets hold each element once and are never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    S(String),
    N(Number),
    B(Vec<u8>),
    Bool(bool),
    Null,
    L(Vec<Value>),
    M(Item),
    SS(BTreeSet<String>),
    NS(BTreeSet<Number>),
    BS(BTreeSet<Vec<u8>>),
}

impl Value {
    /// The type's name in DynamoDB's JSON: `S`, `N`, … `BOOL`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::S(_) => "S",
            Value::N(_) => "N",
            Value::B(_) => "B",
            Value::Bool(_) => "BOOL",
            Value::Null => "NULL",
            Value::L(_) => "L",
            Value::M(_) => "M",
            Value::SS(_) => "SS",
            Value::NS(_) => "NS",
            Value::BS(_) => "BS",
        }
    }

    pub fn string(text: impl Into<String>) -> Value {
        Value::S(text.into())
    }

    /// Bytes by DynamoDB's rules: UTF-8 for text, half a byte for a digit, three for a list or a map and one for each
    /// of its elements.
    pub fn size_bytes(&self) -> usize {
        match self {
            Value::S(text) => text.len(),
            Value::N(number) => number.size_bytes(),
            Value::B(bytes) => bytes.len(),
            Value::Bool(_) | Value::Null => 1,
            Value::L(values) => 3 + values.iter().map(|value| 1 + value.size_bytes()).sum::<usize>(),
            Value::M(values) => 3 + values.len() + item_size_bytes(values),
            Value::SS(values) => values.iter().map(String::len).sum(),
            Value::NS(values) => values.iter().map(|number| number.size_bytes()).sum(),
            Value::BS(values) => values.iter().map(Vec::len).sum(),
        }
    }

    /// What `size()` says in an expression: UTF-16 units of a text, bytes, elements of sets and documents; none for
    /// the types that have no size.
    pub fn size_operand(&self) -> Option<usize> {
        match self {
            Value::S(text) => Some(text.encode_utf16().count()),
            Value::B(bytes) => Some(bytes.len()),
            Value::L(values) => Some(values.len()),
            Value::M(values) => Some(values.len()),
            Value::SS(values) => Some(values.len()),
            Value::NS(values) => Some(values.len()),
            Value::BS(values) => Some(values.len()),
            Value::N(_) | Value::Bool(_) | Value::Null => None,
        }
    }

    /// Order within one ordered type; none between types and for types without an order.
    pub fn order(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::S(left), Value::S(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
            (Value::N(left), Value::N(right)) => Some(left.cmp(right)),
            (Value::B(left), Value::B(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Value::L(values) => 1 + values.iter().map(Value::depth).max().unwrap_or(0),
            Value::M(values) => 1 + values.values().map(Value::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether lists and maps lie deeper in it than [`NESTING_MAX`].
    pub fn is_too_deep(&self) -> bool {
        self.depth() > NESTING_MAX
    }

    /// DynamoDB's JSON: `{"S": "text"}`.
    pub fn to_json(&self) -> Json {
        match self {
            Value::S(text) => json!({ "S": text }),
            Value::N(number) => json!({ "N": number.to_string() }),
            Value::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
            Value::Bool(value) => json!({ "BOOL": value }),
            Value::Null => json!({ "NULL": true }),
            Value::L(values) => json!({ "L": values.iter().map(Value::to_json).collect::<Vec<_>>() }),
            Value::M(values) => json!({ "M": item_to_json(values) }),
            Value::SS(values) => json!({ "SS": values }),
            Value::NS(values) => json!({ "NS": values.iter().map(Number::to_string).collect::<Vec<_>>() }),
            Value::BS(values) => json!({ "BS": values.iter().map(|bytes| STANDARD.encode(bytes)).collect::<Vec<_>>() }),
        }
    }

    /// Reads DynamoDB's JSON.
    ///
    /// # Errors
    /// `Serialization` where JSON's own type is wrong, `Validation` where the value breaks a rule of DynamoDB's, in
    /// its words.
    pub fn from_json(json: &Json) -> Result<Value, DynamoError> {
        let value = read(json)?;
        if value.is_too_deep() {
            return Err(invalid(
                "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond \
                 supported limit",
            ));
        }
        Ok(value)
    }
}

const TYPES: [&str; 10] = ["S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"];

fn read(json: &Json) -> Result<Value, DynamoError> {
    let Json::Object(members) = json else {
        return Err(DynamoError::Serialization(
            "Unexpected value type in payload: an AttributeValue is an object such as {\"S\": \"text\"}".to_owned(),
        ));
    };
    let mut present = members
        .iter()
        .filter(|(name, value)| TYPES.contains(&name.as_str()) && !value.is_null());
    let Some((name, value)) = present.next() else {
        return Err(invalid(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ));
    };
    if present.next().is_some() {
        return Err(invalid(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported \
             datatypes",
        ));
    }
    Ok(match name.as_str() {
        "S" => Value::S(text(value)?.to_owned()),
        "N" => Value::N(number(text(value)?)?),
        "B" => Value::B(bytes(value)?),
        "BOOL" => match value {
            Json::Bool(value) => Value::Bool(*value),
            _ => return Err(wrong_type("a boolean", value)),
        },
        "NULL" => match value {
            Json::Bool(true) => Value::Null,
            Json::Bool(false) => {
                return Err(invalid(
                    "One or more parameter values were invalid: Null attribute value types must have the value of true",
                ));
            }
            _ => return Err(wrong_type("a boolean", value)),
        },
        "L" => Value::L(list(value)?.iter().map(read).collect::<Result<_, _>>()?),
        "M" => Value::M(read_item(value)?),
        "SS" => Value::SS(set(value, "An string set  may not be empty", |value| {
            Ok(text(value)?.to_owned())
        })?),
        "NS" => Value::NS(set(value, "An number set  may not be empty", |value| {
            number(text(value)?)
        })?),
        _ => Value::BS(set(value, "Binary sets should not be empty", bytes)?),
    })
}

fn wrong_type(wanted: &str, found: &Json) -> DynamoError {
    let found = match found {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    };
    DynamoError::Serialization(format!("{found} can not be converted to {wanted}"))
}

fn text(json: &Json) -> Result<&str, DynamoError> {
    json.as_str().ok_or_else(|| wrong_type("a String", json))
}

fn list(json: &Json) -> Result<&Vec<Json>, DynamoError> {
    json.as_array().ok_or_else(|| wrong_type("a list", json))
}

fn number(text: &str) -> Result<Number, DynamoError> {
    text.parse::<Number>().map_err(|error| invalid(error.to_string()))
}

fn bytes(json: &Json) -> Result<Vec<u8>, DynamoError> {
    STANDARD
        .decode(text(json)?)
        .map_err(|_| DynamoError::Serialization("Base64 encoded value is invalid".to_owned()))
}

fn set<T: Ord>(
    json: &Json,
    empty: &str,
    element: impl Fn(&Json) -> Result<T, DynamoError>,
) -> Result<BTreeSet<T>, DynamoError> {
    let elements = list(json)?;
    if elements.is_empty() {
        return Err(invalid(format!("One or more parameter values were invalid: {empty}")));
    }
    let mut set = BTreeSet::new();
    for value in elements {
        if !set.insert(element(value)?) {
            let all: Vec<&str> = elements.iter().filter_map(Json::as_str).collect();
            return Err(invalid(format!(
                "One or more parameter values were invalid: Input collection [{}] contains duplicates.",
                all.join(", ")
            )));
        }
    }
    Ok(set)
}

/// Reads an item: an object of attribute values.
///
/// # Errors
/// As [`Value::from_json`].
pub fn item_from_json(json: &Json) -> Result<Item, DynamoError> {
    let Json::Object(members) = json else {
        return Err(wrong_type("a map of attribute values", json));
    };
    members
        .iter()
        .map(|(name, value)| Ok((name.clone(), Value::from_json(value)?)))
        .collect()
}

fn read_item(json: &Json) -> Result<Item, DynamoError> {
    let Json::Object(members) = json else {
        return Err(wrong_type("a map of attribute values", json));
    };
    members
        .iter()
        .map(|(name, value)| Ok((name.clone(), read(value)?)))
        .collect()
}

pub fn item_to_json(item: &Item) -> Json {
    Json::Object(
        item.iter()
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect::<Map<_, _>>(),
    )
}

/// Names and values; what is held against the 400 KB of an item and the 1 MB of a page.
pub fn item_size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}
