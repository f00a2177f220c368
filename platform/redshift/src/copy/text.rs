//! One record of a file to load, and where the values of JSON are found.

/// Fields as texts, with what is known about their place.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// From 1.
    pub line: i64,
    pub raw: String,
    pub fields: Vec<Option<String>>,
    /// Where each field begins in the line.
    pub positions: Vec<i64>,
}

/// How values are taken from a JSON object.
#[derive(Clone, Debug)]
pub(super) enum JsonHow {
    /// By the columns' names.
    Auto { ignore_case: bool },
    /// By one path for each column.
    Paths(Vec<Vec<Step>>),
    /// The whole object is the one column's value.
    Whole,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl JsonHow {
    /// Reads a file of JSONPaths: `{"jsonpaths": ["$['a']", "$.b[0]"]}`.
    pub fn paths(bytes: &[u8]) -> Result<JsonHow, String> {
        #[derive(serde::Deserialize)]
        struct File {
            jsonpaths: Vec<String>,
        }
        let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        file.jsonpaths
            .iter()
            .map(|path| steps(path).ok_or_else(|| format!("{path:?} is no path")))
            .collect::<Result<_, _>>()
            .map(JsonHow::Paths)
    }

    /// The value of a column, by its name or its number.
    pub fn value<'a>(&self, object: &'a serde_json::Value, name: &str, at: usize) -> Option<&'a serde_json::Value> {
        match self {
            JsonHow::Whole => Some(object),
            JsonHow::Auto { ignore_case: false } => object.get(name),
            JsonHow::Auto { ignore_case: true } => object
                .as_object()?
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value),
            JsonHow::Paths(paths) => paths.get(at)?.iter().try_fold(object, |value, step| match step {
                Step::Key(key) => value.get(key),
                Step::Index(index) => value.get(index),
            }),
        }
    }
}

/// `$`, then `.name`, `['name']` and `[0]`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, more) = after.split_at(end);
            if key.is_empty() {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = more;
        } else {
            let after = rest.strip_prefix('[')?;
            let quote = after.chars().next()?;
            if quote == '\'' || quote == '"' {
                let (key, more) = after[1..].split_once(quote)?;
                steps.push(Step::Key(key.to_owned()));
                rest = more.strip_prefix(']')?;
            } else {
                let (index, more) = after.split_once(']')?;
                steps.push(Step::Index(index.trim().parse().ok()?));
                rest = more;
            }
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_both_writings() {
        let key = |name: &str| Step::Key(name.to_owned());
        assert_eq!(steps("$.a.b[1]"), Some(vec![key("a"), key("b"), Step::Index(1)]));
        assert_eq!(steps("$['a b'][\"c\"]"), Some(vec![key("a b"), key("c")]));
        for wrong in ["a", "$a", "$.", "$[", "$['a'", "$[x]"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
    }
}
