//! DynamoDB's expressions: parsed once for syntax, then again with names and values put in, then evaluated over items.
//!
//! Every parser reads any text without a panic and says what is wrong in DynamoDB's words; the caller puts
//! `Invalid ConditionExpression: ` or the like in front.

pub(crate) mod condition;
pub(crate) mod keys;
mod lexer;
pub(crate) mod projection;
mod reserved;
pub(crate) mod update;

pub(crate) use condition::{Comparator, Condition, Operand};
pub(crate) use keys::{KeyCondition, SortCondition};
pub(crate) use projection::Projection;
pub(crate) use update::Update;

use super::{
    error::{DynamoError, invalid},
    value::{Item, Value},
};
use lexer::{Kind, Tokens};
use serde_json::{Map, Value as Json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Bytes of one expression.
const EXPRESSION_MAX_BYTES: usize = 4096;
/// Nested parentheses, functions and NOTs: far more than anyone writes, and what a small stack holds unoptimised.
const DEPTH_MAX: usize = 64;
/// Operators and functions of one expression.
const OPERATORS_MAX: usize = 300;

/// What is wrong with an expression, without the words that say which expression it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ExpressionError(pub String);

fn wrong(message: impl Into<String>) -> ExpressionError {
    ExpressionError(message.into())
}

/// Which member of a request an expression stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Condition,
    Filter,
    KeyCondition,
    Projection,
    Update,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Condition => "ConditionExpression",
            Role::Filter => "FilterExpression",
            Role::KeyCondition => "KeyConditionExpression",
            Role::Projection => "ProjectionExpression",
            Role::Update => "UpdateExpression",
        }
    }
}

/// A step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Attribute(String),
    Index(usize),
}

/// A document path with its names put in: `info.ratings[0]`. The first step is an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub Vec<Step>);

impl Path {
    /// The attribute of the item that the path begins in.
    pub fn root(&self) -> &str {
        match self.0.first() {
            Some(Step::Attribute(name)) => name,
            _ => "",
        }
    }

    pub fn find<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        let Step::Attribute(name) = first else { return None };
        rest.iter()
            .try_fold(item.get(name)?, |value, step| match (value, step) {
                (Value::M(values), Step::Attribute(name)) => values.get(name),
                (Value::L(values), Step::Index(index)) => values.get(*index),
                _ => None,
            })
    }
}

impl fmt::Display for Path {
    /// `[info, ratings, [0]]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self
            .0
            .iter()
            .map(|step| match step {
                Step::Attribute(name) => name.clone(),
                Step::Index(index) => format!("[{index}]"),
            })
            .collect();
        write!(f, "[{}]", steps.join(", "))
    }
}

/// Refuses paths of which one begins with another.
fn refuse_overlaps(paths: &[&Path]) -> Result<(), ExpressionError> {
    for (at, one) in paths.iter().enumerate() {
        for two in &paths[at + 1..] {
            let shared = one.0.iter().zip(&two.0).take_while(|(one, two)| one == two).count();
            let end = "must remove or rewrite one of these paths";
            if shared == one.0.len() || shared == two.0.len() {
                return Err(wrong(format!(
                    "Two document paths overlap with each other; {end}; path one: {one}, path two: {two}"
                )));
            }
            // `a.b` says that `a` is a map, `a[0]` that it is a list.
            let kind = |step: &Step| matches!(step, Step::Index(_));
            if shared > 0 && kind(&one.0[shared]) != kind(&two.0[shared]) {
                return Err(wrong(format!(
                    "Two document paths conflict with each other; {end}; path one: {one}, path two: {two}"
                )));
            }
        }
    }
    Ok(())
}

/// `ExpressionAttributeNames` and `ExpressionAttributeValues` of a request, and which of them were used.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    names: Option<BTreeMap<String, String>>,
    values: Option<Item>,
    used: BTreeSet<String>,
}

impl Placeholders {
    /// Checks the members themselves. `expressions` are the ones that the request may hold, written or not.
    pub fn new(
        names: Option<&Map<String, Json>>,
        values: Option<&Map<String, Json>>,
        expressions: &[(Role, &Option<String>)],
    ) -> Result<Placeholders, DynamoError> {
        let is_key = |key: &str, sign: char| {
            key.strip_prefix(sign).is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
        };
        let any = expressions.iter().any(|(_, text)| text.is_some());
        let names = match names {
            None => None,
            Some(_) if !any => {
                return Err(invalid(
                    "ExpressionAttributeNames can only be specified when using expressions",
                ));
            }
            Some(names) if names.is_empty() => return Err(invalid("ExpressionAttributeNames must not be empty")),
            Some(names) => {
                let mut out = BTreeMap::new();
                for (key, name) in names {
                    if !is_key(key, '#') {
                        return Err(invalid(format!(
                            "ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\""
                        )));
                    }
                    let name = name.as_str().ok_or_else(|| {
                        DynamoError::Serialization(format!("ExpressionAttributeNames: {key} is not a string"))
                    })?;
                    if name.is_empty() || name.len() > 65_535 {
                        return Err(invalid(format!(
                            "ExpressionAttributeNames contains invalid value: Member must have length between 1 and \
                             65535; key: \"{key}\""
                        )));
                    }
                    out.insert(key.clone(), name.to_owned());
                }
                Some(out)
            }
        };
        let values = match values {
            None => None,
            Some(values) => {
                let holders: Vec<&(Role, &Option<String>)> = expressions
                    .iter()
                    .filter(|(role, _)| *role != Role::Projection)
                    .collect();
                if !holders.iter().any(|(_, text)| text.is_some()) {
                    let names: Vec<&str> = holders.iter().map(|(role, _)| role.name()).collect();
                    let end = match names.len() {
                        0 => String::new(),
                        1 => format!(": {} is null", names[0]),
                        _ => format!(": {} are null", names.join(" and ")),
                    };
                    return Err(invalid(format!(
                        "ExpressionAttributeValues can only be specified when using expressions{end}"
                    )));
                }
                if values.is_empty() {
                    return Err(invalid("ExpressionAttributeValues must not be empty"));
                }
                if let Some(key) = values.keys().find(|key| !is_key(key, ':')) {
                    return Err(invalid(format!(
                        "ExpressionAttributeValues contains invalid key: Syntax error; key: \"{key}\""
                    )));
                }
                let mut out = Item::new();
                for (key, value) in values {
                    let value = Value::from_json(value).map_err(|error| match error {
                        DynamoError::Validation(message) => invalid(format!(
                            "ExpressionAttributeValues contains invalid value: {message} for key {key}"
                        )),
                        error => error,
                    })?;
                    out.insert(key.clone(), value);
                }
                Some(out)
            }
        };
        Ok(Placeholders {
            names,
            values,
            used: BTreeSet::new(),
        })
    }

    fn name(&mut self, key: &str) -> Result<String, ExpressionError> {
        let name = self.names.as_ref().and_then(|names| names.get(key)).cloned();
        let name = name.ok_or_else(|| {
            wrong(format!(
                "An expression attribute name used in the document path is not defined; attribute name: {key}"
            ))
        })?;
        self.used.insert(key.to_owned());
        Ok(name)
    }

    fn value(&mut self, key: &str) -> Result<Value, ExpressionError> {
        let value = self.values.as_ref().and_then(|values| values.get(key)).cloned();
        let value = value.ok_or_else(|| {
            wrong(format!(
                "An expression attribute value used in expression is not defined; attribute value: {key}"
            ))
        })?;
        self.used.insert(key.to_owned());
        Ok(value)
    }

    /// Refuses names and values that no expression used.
    pub fn refuse_unused(&self) -> Result<(), DynamoError> {
        let unused = |keys: Vec<&String>, member: &str| {
            let unused: Vec<&str> = keys
                .into_iter()
                .filter(|key| !self.used.contains(*key))
                .map(String::as_str)
                .collect();
            if unused.is_empty() {
                return Ok(());
            }
            Err(invalid(format!(
                "Value provided in {member} unused in expressions: keys: {{{}}}",
                unused.join(", ")
            )))
        };
        unused(
            self.names.iter().flat_map(BTreeMap::keys).collect(),
            "ExpressionAttributeNames",
        )?;
        unused(
            self.values.iter().flat_map(BTreeMap::keys).collect(),
            "ExpressionAttributeValues",
        )
    }

    /// Parses one expression of the request; errors say which.
    pub fn parse<T>(
        &mut self,
        role: Role,
        text: &str,
        parse: fn(&mut Reader<'_, '_>) -> Result<T, ExpressionError>,
    ) -> Result<T, DynamoError> {
        let prefix = |error: ExpressionError| invalid(format!("Invalid {}: {error}", role.name()));
        if text.is_empty() {
            return Err(prefix(wrong("The expression can not be empty;")));
        }
        if text.len() > EXPRESSION_MAX_BYTES {
            return Err(prefix(wrong(format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            ))));
        }
        // First for its syntax alone: a text that cannot be read is refused before a name that is not defined.
        for placeholders in [None, Some(self)] {
            let dry = placeholders.is_none();
            let mut reader = Reader {
                tokens: Tokens::new(text),
                placeholders,
                depth: 0,
                operators: 0,
                parenthesised: None,
            };
            let parsed = parse(&mut reader).map_err(prefix)?;
            reader.tokens.expect_end().map_err(prefix)?;
            if !dry {
                return Ok(parsed);
            }
        }
        Err(prefix(wrong("The expression could not be read;")))
    }

    /// An optional expression of the request.
    pub fn parse_optional<T>(
        &mut self,
        role: Role,
        text: &Option<String>,
        parse: fn(&mut Reader<'_, '_>) -> Result<T, ExpressionError>,
    ) -> Result<Option<T>, DynamoError> {
        text.as_ref().map(|text| self.parse(role, text, parse)).transpose()
    }
}

/// One reading of one expression: tokens, and the names and values to put in (none in the first reading).
pub(crate) struct Reader<'a, 'p> {
    tokens: Tokens<'a>,
    placeholders: Option<&'p mut Placeholders>,
    depth: usize,
    operators: usize,
    /// Where the parentheses lay that were read last.
    parenthesised: Option<(usize, usize)>,
}

impl Reader<'_, '_> {
    /// Whether types of values are known, and so can be judged.
    fn is_dry(&self) -> bool {
        self.placeholders.is_none()
    }

    /// Bounds the recursion of `read`.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ExpressionError>) -> Result<T, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(wrong(format!(
                "Expression nesting depth has exceeded the maximum allowed depth; maximum depth: {DEPTH_MAX}"
            )));
        }
        let out = read(self);
        self.depth -= 1;
        out
    }

    fn count_operator(&mut self) -> Result<(), ExpressionError> {
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            return Err(wrong(format!(
                "The number of operators and functions has exceeded the maximum allowed number; maximum number: \
                 {OPERATORS_MAX}"
            )));
        }
        Ok(())
    }

    fn is_path(&self) -> bool {
        self.tokens
            .peek()
            .is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Name))
    }

    fn path(&mut self) -> Result<Path, ExpressionError> {
        let mut steps = vec![self.attribute()?];
        loop {
            if self.tokens.take_sign(".") {
                steps.push(self.attribute()?);
            } else if self.tokens.is_sign("[") {
                self.tokens.next();
                let index = match self.tokens.peek() {
                    Some(token) if token.kind == Kind::Integer => token.text.parse::<usize>().ok(),
                    _ => return Err(self.tokens.syntax_error()),
                };
                let Some(index) = index.filter(|index| *index < 1 << 31) else {
                    return Err(wrong("List index is not within the allowable range; index: too large"));
                };
                self.tokens.next();
                self.tokens.expect_sign("]")?;
                steps.push(Step::Index(index));
            } else {
                return Ok(Path(steps));
            }
        }
    }

    fn attribute(&mut self) -> Result<Step, ExpressionError> {
        match self.tokens.peek().cloned() {
            Some(token) if token.kind == Kind::Word => {
                if reserved::is_reserved(token.text) {
                    // A keyword where a name should stand is a slip of syntax in DynamoDB's eyes only for its own
                    // operators.
                    if ["AND", "OR", "NOT", "BETWEEN", "IN"]
                        .iter()
                        .any(|word| token.text.eq_ignore_ascii_case(word))
                    {
                        return Err(self.tokens.syntax_error());
                    }
                    return Err(wrong(format!(
                        "Attribute name is a reserved keyword; reserved keyword: {}",
                        token.text
                    )));
                }
                self.tokens.next();
                Ok(Step::Attribute(token.text.to_owned()))
            }
            Some(token) if token.kind == Kind::Name => {
                self.tokens.next();
                Ok(Step::Attribute(match &mut self.placeholders {
                    Some(placeholders) => placeholders.name(token.text)?,
                    // Distinct, so that nothing is mistaken for a repetition.
                    None => token.text.to_owned(),
                }))
            }
            _ => Err(self.tokens.syntax_error()),
        }
    }

    /// `:value`, if one stands here.
    fn value(&mut self) -> Result<Option<Value>, ExpressionError> {
        match self.tokens.peek().cloned() {
            Some(token) if token.kind == Kind::Value => {
                self.tokens.next();
                match &mut self.placeholders {
                    Some(placeholders) => placeholders.value(token.text).map(Some),
                    None => Ok(Some(Value::Null)),
                }
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
