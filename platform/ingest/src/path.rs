//! Paths into a nested record: `venue.city.name`, `images[0].url`, `genres[*]`. A record of any nested format is held
//! as a JSON value; what a path finds in it is the text of one field.

use serde_json::Value;
use std::{borrow::Cow, collections::BTreeSet};

/// Where XML's text stands in an element that has attributes or children as well.
pub const TEXT_KEY: &str = "#text";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    /// Every element of a list.
    Each,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    steps: Vec<Step>,
}

/// What stands at the end of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or null.
    #[default]
    Missing,
    Text(String),
    /// A list or an object where a single value is wanted.
    Nested(&'static str),
}

impl FieldPath {
    /// Reads a path; a backslash takes away the meaning of the character behind it.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<FieldPath, String> {
        let mut steps = Vec::new();
        let mut name = String::new();
        let mut characters = text.chars();
        // Whether a name has to come: at the beginning and behind a point.
        let mut wants_name = true;
        while let Some(character) = characters.next() {
            match character {
                '\\' => name.extend(characters.next()),
                '.' => {
                    if !name.is_empty() {
                        steps.push(Step::Key(std::mem::take(&mut name)));
                    } else if wants_name {
                        return Err("a name is missing before a point".to_owned());
                    }
                    wants_name = true;
                    continue;
                }
                '[' => {
                    if !name.is_empty() {
                        steps.push(Step::Key(std::mem::take(&mut name)));
                    } else if wants_name && !steps.is_empty() {
                        return Err("a name is missing before a bracket".to_owned());
                    }
                    let inside: String = characters.by_ref().take_while(|c| *c != ']').collect();
                    steps.push(match inside.trim() {
                        "*" => Step::Each,
                        number => Step::Index(number.parse().map_err(|_| {
                            format!("[{number}] must hold a position from 0, such as [0], or [*] for every element")
                        })?),
                    });
                }
                other => {
                    if !wants_name && name.is_empty() {
                        return Err("a point is missing behind a bracket".to_owned());
                    }
                    name.push(other);
                }
            }
            wants_name = false;
        }
        if !name.is_empty() {
            steps.push(Step::Key(name));
        } else if wants_name {
            return Err("it ends without a name".to_owned());
        }
        if steps.iter().filter(|step| **step == Step::Each).count() > 1 {
            return Err("[*] can stand in it once; let records lead to the inner list instead".to_owned());
        }
        Ok(FieldPath { steps })
    }

    /// Whether it leads to every element of a list.
    pub fn is_each(&self) -> bool {
        self.steps.contains(&Step::Each)
    }

    /// Whether both take the elements of the same list.
    pub fn shares_list(&self, other: &FieldPath) -> bool {
        let list = |path: &FieldPath| path.steps.iter().position(|step| *step == Step::Each);
        match (list(self), list(other)) {
            (Some(one), Some(two)) => self.steps[..one] == other.steps[..two],
            _ => false,
        }
    }

    /// The path as names alone; none if it holds brackets.
    pub fn names(&self) -> Option<Vec<String>> {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Key(key) => Some(key.clone()),
                Step::Index(_) | Step::Each => None,
            })
            .collect()
    }

    /// The name that the path begins with.
    pub fn first_key(&self) -> Option<&str> {
        match self.steps.first() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// What it leads to: one thing, or one for each element of the list behind `[*]`.
    pub fn find(&self, record: &Value) -> Vec<Found> {
        match self.steps.iter().position(|step| *step == Step::Each) {
            None => vec![end(walk(record, &self.steps))],
            Some(at) => match walk(record, &self.steps[..at]) {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(elements)) => elements
                    .iter()
                    .map(|element| end(walk(element, &self.steps[at + 1..])))
                    .collect(),
                // XML does not tell a list of one from a single value.
                Some(single) => vec![end(walk(single, &self.steps[at + 1..]))],
            },
        }
    }
}

fn walk<'a>(from: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    let mut at = from;
    for step in steps {
        at = match (step, at) {
            (Step::Key(key), Value::Object(object)) => object.get(key)?,
            // A list where the path goes on by name is said, not skipped.
            (Step::Key(_), Value::Array(_)) => return Some(at),
            (Step::Index(index), Value::Array(list)) => list.get(*index)?,
            (Step::Index(0), Value::Null) => return None,
            (Step::Index(0), single) => single,
            _ => return None,
        };
    }
    Some(at)
}

fn end(value: Option<&Value>) -> Found {
    match value {
        None | Some(Value::Null) => Found::Missing,
        Some(Value::String(text)) => Found::Text(text.clone()),
        Some(Value::Bool(bool)) => Found::Text(bool.to_string()),
        Some(Value::Number(number)) => Found::Text(number.to_string()),
        Some(Value::Array(_)) => Found::Nested("a list: write [0] for its first element or [*] for one row of each"),
        Some(Value::Object(object)) => match object.get(TEXT_KEY) {
            Some(Value::String(text)) => Found::Text(text.clone()),
            _ => Found::Nested("an object: write which of its values is wanted, such as .name"),
        },
    }
}

/// Visits every single value in a record with its path, as a mapping would write it. Of a list, whose elements have
/// `[*]` in their path, the first `limit` are visited.
pub fn collect(value: &Value, limit: usize, visit: &mut impl FnMut(&str, &Value)) {
    let mut prefix = String::new();
    collect_into(value, &mut prefix, limit, visit);
}

fn collect_into(value: &Value, prefix: &mut String, limit: usize, visit: &mut impl FnMut(&str, &Value)) {
    let length = prefix.len();
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                if !prefix.is_empty() {
                    prefix.push('.');
                }
                prefix.push_str(&escaped(key));
                collect_into(inner, prefix, limit, visit);
                prefix.truncate(length);
            }
        }
        Value::Array(list) => {
            prefix.push_str("[*]");
            for inner in list.iter().take(limit) {
                collect_into(inner, prefix, limit, visit);
            }
            prefix.truncate(length);
        }
        single => visit(prefix, single),
    }
}

fn escaped(key: &str) -> Cow<'_, str> {
    if key.contains(['.', '[', '\\']) {
        let mut text = String::with_capacity(key.len() + 2);
        for character in key.chars() {
            if matches!(character, '.' | '[' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        Cow::Owned(text)
    } else {
        Cow::Borrowed(key)
    }
}

/// The paths of a record, at most `limit` in all.
pub fn names(value: &Value, known: &mut BTreeSet<String>, limit: usize) {
    collect(value, limit, &mut |path, _| {
        if known.len() < limit && !known.contains(path) {
            known.insert(path.to_owned());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_path_finds_its_value() {
        let record = json!({
            "venue": {"city": {"name": "Ulm"}, "a.b": 7, "open": true, "none": null},
            "images": [{"url": "x"}, {"url": "y"}, {}],
            "genres": ["rock", "pop"],
            "one": {"#text": "t", "@id": 3},
        });
        let text = |text: &str| vec![Found::Text(text.into())];
        for (path, wanted) in [
            ("venue.city.name", text("Ulm")),
            ("venue.a\\.b", text("7")),
            ("venue.open", text("true")),
            ("venue.none", vec![Found::Missing]),
            ("venue.nowhere.name", vec![Found::Missing]),
            ("images[1].url", text("y")),
            ("images[9].url", vec![Found::Missing]),
            (
                "images[*].url",
                vec![Found::Text("x".into()), Found::Text("y".into()), Found::Missing],
            ),
            ("genres[*]", vec![Found::Text("rock".into()), Found::Text("pop".into())]),
            ("nothing[*]", vec![]),
            ("one[*]", text("t")),
            ("one[0].@id", text("3")),
        ] {
            assert_eq!(FieldPath::parse(path).expect(path).find(&record), wanted, "{path}");
        }
        for path in ["venue", "genres", "images.url"] {
            let found = FieldPath::parse(path).expect(path).find(&record);
            assert!(matches!(found[..], [Found::Nested(_)]), "{path}: {found:?}");
        }
    }

    #[test]
    fn a_wrong_path_says_what_to_write() {
        for (path, wanted) in [
            ("", "ends without a name"),
            ("a.", "ends without a name"),
            (".a", "before a point"),
            ("a..b", "before a point"),
            ("a[x]", "a position from 0"),
            ("a[1]b", "a point is missing"),
            ("a.[1]", "before a bracket"),
            ("a[*].b[*]", "once"),
        ] {
            let message = FieldPath::parse(path).expect_err(path);
            assert!(message.contains(wanted), "{path}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_is_refused(text in ".{0,30}") {
            if let Ok(path) = FieldPath::parse(&text) {
                path.find(&json!({"a": [1, {"b": 2}]}));
            }
        }

        #[test]
        fn names_lead_back_to_their_values(key in "[a.\\[\\]\\\\ ]{1,6}") {
            let record = json!({key: {"in": "here"}});
            let mut known = BTreeSet::new();
            names(&record, &mut known, 10);
            let path = known.first().expect("one");
            prop_assert_eq!(FieldPath::parse(path).expect("reads").find(&record), vec![Found::Text("here".into())]);
        }
    }
}
