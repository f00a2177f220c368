//! The schema of a `Query` as a model's tool takes it: made from [`QUERY_SCHEMA`], in one piece, with the catalogue's
//! names in it.
//!
//! Not every model takes references inside a tool's schema, so they are put in place. Conditions hold conditions, which
//! would never end: inside one another, and in the filters of a single metric, they are single ones. What the compiler
//! reads has no such bound.

use crate::{catalogue::Catalogue, query::QUERY_SCHEMA};
use serde_json::{Map, Value, json};

/// Definitions in which conditions are no longer nested.
const LAST_WITH_CLAUSES: [&str; 3] = ["FilterClause", "HavingClause", "MetricWithOptions"];
const CLAUSES: [&str; 2] = ["FilterClause", "HavingClause"];

/// The schema of a `Query` over a catalogue, without references.
pub fn query_schema(catalogue: &Catalogue) -> Value {
    let whole: Value = serde_json::from_str(QUERY_SCHEMA).unwrap_or_default();
    let definitions = whole
        .get("$defs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut schema = inlined(&whole, &definitions, &mut Vec::new());
    if let Some(fields) = schema.as_object_mut() {
        for field in ["$schema", "$defs", "title"] {
            fields.remove(field);
        }
    }
    let metrics: Vec<&str> = catalogue.metrics.iter().map(|metric| metric.name.as_str()).collect();
    let dimensions: Vec<&str> = catalogue.dimensions.iter().map(|d| d.name.as_str()).collect();
    // The names stand where they are asked for first; elsewhere they would only make the schema long.
    let places = [
        ("/properties/metrics/items/anyOf/0", &metrics),
        ("/properties/metrics/items/anyOf/1/properties/metric", &metrics),
        ("/properties/dimensions/items", &dimensions),
        ("/properties/filters/items/anyOf/0/properties/dimension", &dimensions),
    ];
    for (place, names) in places {
        if let Some(slot) = schema.pointer_mut(place).and_then(Value::as_object_mut) {
            slot.insert("enum".to_owned(), json!(names));
        }
    }
    if let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
        // Both are the edge's own.
        properties.remove("cursor");
        properties.remove("version");
    }
    schema
}

/// The same in fewer words: a field that may be absent need not be null, and words to choose from are a list.
fn shorter(mut fields: Map<String, Value>) -> Value {
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
    if let Some(Value::Array(types)) = fields.get("type") {
        let own: Vec<Value> = types.iter().filter(|name| *name != "null").cloned().collect();
        if let [one] = own.as_slice() {
            fields.insert("type".to_owned(), one.clone());
        }
    }
    if let Some(Value::Array(forms)) = fields.remove("anyOf") {
        let own: Vec<Value> = forms
            .into_iter()
            .filter(|form| form.get("type").is_none_or(|name| name != "null"))
            .collect();
        match own.as_slice() {
            [Value::Object(one)] => {
                for (key, value) in one {
                    fields.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            _ => {
                fields.insert("anyOf".to_owned(), Value::Array(own));
            }
        }
    }
    if let Some(Value::Array(forms)) = fields.get("oneOf") {
        let words: Option<Vec<Value>> = forms
            .iter()
            .map(|form| match (form.get("const"), form.get("enum")) {
                (Some(word), _) => Some(vec![word.clone()]),
                (None, Some(Value::Array(words))) => Some(words.clone()),
                _ => None,
            })
            .collect::<Option<Vec<Vec<Value>>>>()
            .map(|words| words.into_iter().flatten().collect());
        if let Some(words) = words {
            fields.remove("oneOf");
            fields.remove("type");
            fields.insert("enum".to_owned(), Value::Array(words));
        }
    }
    Value::Object(fields)
}

fn inlined(value: &Value, definitions: &Map<String, Value>, inside: &mut Vec<String>) -> Value {
    match value {
        Value::Object(fields) => {
            let name = fields
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix("#/$defs/"));
            let Some(name) = name else {
                let fields = fields
                    .iter()
                    .filter(|(key, _)| key.as_str() != "$defs")
                    .map(|(key, value)| (key.clone(), inlined(value, definitions, inside)))
                    .collect();
                return shorter(fields);
            };
            let mut definition = definitions.get(name).cloned().unwrap_or_default();
            let is_last = inside.iter().any(|other| LAST_WITH_CLAUSES.contains(&other.as_str()));
            if CLAUSES.contains(&name) && is_last {
                // The first form is a single condition.
                definition = definition.pointer("/anyOf/0").cloned().unwrap_or_default();
            } else if inside.iter().any(|other| other == name) {
                return json!({ "type": "object" });
            }
            inside.push(name.to_owned());
            let mut definition = inlined(&definition, definitions, inside);
            inside.pop();
            // What stands beside a reference says more of this place.
            if let Some(own) = definition.as_object_mut() {
                for (key, value) in fields.iter().filter(|(key, _)| key.as_str() != "$ref") {
                    own.insert(key.clone(), value.clone());
                }
            }
            definition
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| inlined(item, definitions, inside)).collect()),
        other => other.clone(),
    }
}
