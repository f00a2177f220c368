//! Conditions: what `ConditionExpression` and `FilterExpression` say of an item.

use super::{ExpressionError, Path, Reader, lexer::Kind, wrong};
use crate::dynamodb::{
    number::Number,
    value::{Item, Value},
};
use std::{borrow::Cow, cmp::Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    const ALL: [(&'static str, Comparator); 6] = [
        ("=", Comparator::Equal),
        ("<>", Comparator::NotEqual),
        ("<", Comparator::Less),
        ("<=", Comparator::LessOrEqual),
        (">", Comparator::Greater),
        (">=", Comparator::GreaterOrEqual),
    ];

    pub fn sign(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, comparator)| *comparator == self)
            .map_or("=", |(sign, _)| sign)
    }

    /// The comparator with its sides exchanged.
    pub fn mirrored(self) -> Comparator {
        match self {
            Comparator::Less => Comparator::Greater,
            Comparator::LessOrEqual => Comparator::GreaterOrEqual,
            Comparator::Greater => Comparator::Less,
            Comparator::GreaterOrEqual => Comparator::LessOrEqual,
            same => same,
        }
    }

    fn is_order(self) -> bool {
        !matches!(self, Comparator::Equal | Comparator::NotEqual)
    }

    /// What is missing differs from everything; values of two types differ and have no order.
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let (Some(left), Some(right)) = (left, right) else {
            return self == Comparator::NotEqual;
        };
        match self {
            Comparator::Equal => left == right,
            Comparator::NotEqual => left != right,
            Comparator::Less => left.order(right) == Some(Ordering::Less),
            Comparator::LessOrEqual => left.order(right).is_some_and(Ordering::is_le),
            Comparator::Greater => left.order(right) == Some(Ordering::Greater),
            Comparator::GreaterOrEqual => left.order(right).is_some_and(Ordering::is_ge),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Path(Path),
    Value(Value),
    /// `size(path)`
    Size(Path),
}

impl Operand {
    fn evaluate<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, Value>> {
        match self {
            Operand::Path(path) => path.find(item).map(Cow::Borrowed),
            Operand::Value(value) => Some(Cow::Borrowed(value)),
            Operand::Size(path) => {
                let size = path.find(item)?.size_operand()?;
                Some(Cow::Owned(Value::N(Number::from(i64::try_from(size).ok()?))))
            }
        }
    }

    /// As messages name it.
    fn name(&self) -> String {
        match self {
            Operand::Path(path) | Operand::Size(path) => path.to_string(),
            Operand::Value(value) => format!("[{}]", shown(value)),
        }
    }

    /// The type where it is known before there is an item.
    fn known_type(&self) -> Option<&'static str> {
        match self {
            Operand::Path(_) => None,
            Operand::Value(value) => Some(value.type_name()),
            Operand::Size(_) => Some("N"),
        }
    }
}

/// `{S:text}` as in DynamoDB's messages.
fn shown(value: &Value) -> String {
    let json = value.to_json();
    let inner = json
        .as_object()
        .and_then(|members| members.iter().next())
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}:{text}"),
            None => format!("{name}:{value}"),
        })
        .unwrap_or_default();
    format!("AttributeValue: {{{inner}}}")
}

/// A condition with its names and values put in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    NotExists(Path),
    Type(Path, Operand),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    /// Whether the item fulfils the condition; an item that is not there is an empty one.
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Condition::Compare(comparator, left, right) => {
                comparator.holds(left.evaluate(item).as_deref(), right.evaluate(item).as_deref())
            }
            Condition::Between(operand, low, high) => {
                let operand = operand.evaluate(item);
                let within = |comparator: Comparator, bound: &Operand| {
                    let bound = bound.evaluate(item);
                    bound.is_some() && operand.is_some() && comparator.holds(operand.as_deref(), bound.as_deref())
                };
                within(Comparator::GreaterOrEqual, low) && within(Comparator::LessOrEqual, high)
            }
            Condition::In(operand, list) => operand.evaluate(item).is_some_and(|operand| {
                list.iter()
                    .any(|value| value.evaluate(item).is_some_and(|value| *value == *operand))
            }),
            Condition::Exists(path) => path.find(item).is_some(),
            Condition::NotExists(path) => path.find(item).is_none(),
            Condition::Type(path, wanted) => match (path.find(item), wanted.evaluate(item).as_deref()) {
                (Some(value), Some(Value::S(wanted))) => value.type_name() == wanted,
                _ => false,
            },
            Condition::BeginsWith(operand, prefix) => {
                match (operand.evaluate(item).as_deref(), prefix.evaluate(item).as_deref()) {
                    (Some(Value::S(text)), Some(Value::S(prefix))) => text.starts_with(prefix.as_str()),
                    (Some(Value::B(bytes)), Some(Value::B(prefix))) => bytes.starts_with(prefix),
                    _ => false,
                }
            }
            Condition::Contains(operand, sought) => {
                match (operand.evaluate(item).as_deref(), sought.evaluate(item).as_deref()) {
                    (Some(holder), Some(sought)) => contains(holder, sought),
                    _ => false,
                }
            }
            Condition::And(left, right) => left.holds(item) && right.holds(item),
            Condition::Or(left, right) => left.holds(item) || right.holds(item),
            Condition::Not(inner) => !inner.holds(item),
        }
    }

    /// Every path that the condition reads.
    pub fn paths(&self) -> Vec<&Path> {
        let mut out = Vec::new();
        self.collect_paths(&mut out);
        out
    }

    fn collect_paths<'a>(&'a self, out: &mut Vec<&'a Path>) {
        fn operand(operand: &Operand) -> Option<&Path> {
            match operand {
                Operand::Path(path) | Operand::Size(path) => Some(path),
                Operand::Value(_) => None,
            }
        }
        match self {
            Condition::Compare(_, left, right)
            | Condition::BeginsWith(left, right)
            | Condition::Contains(left, right) => out.extend([left, right].into_iter().filter_map(operand)),
            Condition::Between(left, low, high) => out.extend([left, low, high].into_iter().filter_map(operand)),
            Condition::In(left, list) => out.extend(std::iter::once(left).chain(list).filter_map(operand)),
            Condition::Exists(path) | Condition::NotExists(path) => out.push(path),
            Condition::Type(path, wanted) => {
                out.push(path);
                out.extend(operand(wanted));
            }
            Condition::And(left, right) | Condition::Or(left, right) => {
                left.collect_paths(out);
                right.collect_paths(out);
            }
            Condition::Not(inner) => inner.collect_paths(out),
        }
    }

    pub(super) fn parse(reader: &mut Reader<'_, '_>) -> Result<Condition, ExpressionError> {
        match disjunction(reader)? {
            Node::Condition(condition) => Ok(condition),
            Node::Operand(_) => Err(reader.tokens.syntax_error()),
        }
    }
}

pub(crate) fn parse(reader: &mut Reader<'_, '_>) -> Result<Condition, ExpressionError> {
    Condition::parse(reader)
}

fn contains(holder: &Value, sought: &Value) -> bool {
    match (holder, sought) {
        (Value::S(text), Value::S(part)) => text.contains(part.as_str()),
        (Value::B(bytes), Value::B(part)) => part.is_empty() || bytes.windows(part.len()).any(|window| window == part),
        (Value::SS(set), Value::S(element)) => set.contains(element),
        (Value::NS(set), Value::N(element)) => set.contains(element),
        (Value::BS(set), Value::B(element)) => set.contains(element),
        (Value::L(list), element) => list.contains(element),
        _ => false,
    }
}

/// Parentheses may hold either; what stands around them decides which is wanted.
enum Node {
    Condition(Condition),
    Operand(Operand),
}

fn condition(reader: &Reader<'_, '_>, node: Node) -> Result<Condition, ExpressionError> {
    match node {
        Node::Condition(condition) => Ok(condition),
        Node::Operand(_) => Err(reader.tokens.syntax_error()),
    }
}

fn operand(reader: &Reader<'_, '_>, node: Node) -> Result<Operand, ExpressionError> {
    match node {
        Node::Operand(operand) => Ok(operand),
        Node::Condition(_) => Err(reader.tokens.syntax_error()),
    }
}

fn disjunction(reader: &mut Reader<'_, '_>) -> Result<Node, ExpressionError> {
    let mut left = conjunction(reader)?;
    while reader.tokens.is_word("OR") {
        let one = condition(reader, left)?;
        reader.tokens.next();
        reader.count_operator()?;
        let right = conjunction(reader)?;
        let two = condition(reader, right)?;
        left = Node::Condition(Condition::Or(Box::new(one), Box::new(two)));
    }
    Ok(left)
}

fn conjunction(reader: &mut Reader<'_, '_>) -> Result<Node, ExpressionError> {
    let mut left = negation(reader)?;
    while reader.tokens.is_word("AND") {
        let one = condition(reader, left)?;
        reader.tokens.next();
        reader.count_operator()?;
        let right = negation(reader)?;
        let two = condition(reader, right)?;
        left = Node::Condition(Condition::And(Box::new(one), Box::new(two)));
    }
    Ok(left)
}

fn negation(reader: &mut Reader<'_, '_>) -> Result<Node, ExpressionError> {
    if !reader.tokens.take_word("NOT") {
        return comparison(reader);
    }
    reader.count_operator()?;
    let inner = reader.deeper(negation)?;
    let inner = condition(reader, inner)?;
    Ok(Node::Condition(Condition::Not(Box::new(inner))))
}

fn comparison(reader: &mut Reader<'_, '_>) -> Result<Node, ExpressionError> {
    let left = primary(reader)?;
    let comparator = reader
        .tokens
        .peek()
        .filter(|token| token.kind == Kind::Sign)
        .and_then(|token| Comparator::ALL.iter().find(|(sign, _)| *sign == token.text));
    if let Some((_, comparator)) = comparator {
        let left = operand(reader, left)?;
        reader.tokens.next();
        reader.count_operator()?;
        let right = primary(reader)?;
        let right = operand(reader, right)?;
        check_comparison(reader, *comparator, &left, &right)?;
        return Ok(Node::Condition(Condition::Compare(*comparator, left, right)));
    }
    if reader.tokens.is_word("BETWEEN") {
        let left = operand(reader, left)?;
        reader.tokens.next();
        reader.count_operator()?;
        let low = primary(reader)?;
        let low = operand(reader, low)?;
        reader.tokens.expect_word("AND")?;
        let high = primary(reader)?;
        let high = operand(reader, high)?;
        check_between(reader, &low, &high)?;
        return Ok(Node::Condition(Condition::Between(left, low, high)));
    }
    if reader.tokens.is_word("IN") {
        let left = operand(reader, left)?;
        reader.tokens.next();
        reader.count_operator()?;
        reader.tokens.expect_sign("(")?;
        let mut list = Vec::new();
        loop {
            let value = primary(reader)?;
            list.push(operand(reader, value)?);
            if !reader.tokens.take_sign(",") {
                break;
            }
        }
        reader.tokens.expect_sign(")")?;
        if list.len() > 100 {
            return Err(wrong(format!(
                "Invalid number of operands for operator or function; operator or function: IN, number of operands: {}",
                list.len()
            )));
        }
        return Ok(Node::Condition(Condition::In(left, list)));
    }
    Ok(left)
}

fn check_comparison(
    reader: &Reader<'_, '_>,
    comparator: Comparator,
    left: &Operand,
    right: &Operand,
) -> Result<(), ExpressionError> {
    if reader.is_dry() {
        return Ok(());
    }
    if matches!(left, Operand::Path(_)) && left == right {
        return Err(wrong(format!(
            "The first operand must be distinct from the remaining operands for this operator or function; operator: \
             {}, first operand: {}",
            comparator.sign(),
            left.name()
        )));
    }
    if comparator.is_order() {
        for operand in [left, right] {
            if let Some(found) = operand.known_type().filter(|found| !["S", "N", "B"].contains(found)) {
                return Err(wrong_operand(comparator.sign(), found));
            }
        }
    }
    Ok(())
}

fn check_between(reader: &Reader<'_, '_>, low: &Operand, high: &Operand) -> Result<(), ExpressionError> {
    let (Operand::Value(low), Operand::Value(high)) = (low, high) else {
        return Ok(());
    };
    if reader.is_dry() {
        return Ok(());
    }
    for value in [low, high] {
        if !["S", "N", "B"].contains(&value.type_name()) {
            return Err(wrong_operand("BETWEEN", value.type_name()));
        }
    }
    let operands = || {
        format!(
            "lower bound operand: {}, upper bound operand: {}",
            shown(low),
            shown(high)
        )
    };
    match low.order(high) {
        None => Err(wrong(format!(
            "The BETWEEN operator requires same data type for lower and upper bounds; {}",
            operands()
        ))),
        Some(Ordering::Greater) => Err(wrong(format!(
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {}",
            operands()
        ))),
        Some(_) => Ok(()),
    }
}

fn wrong_operand(operator: &str, found: &str) -> ExpressionError {
    wrong(format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {found}"
    ))
}

fn primary(reader: &mut Reader<'_, '_>) -> Result<Node, ExpressionError> {
    if reader.tokens.is_sign("(") {
        let open = reader.tokens.at;
        reader.tokens.next();
        reader.parenthesised = None;
        let node = reader.deeper(disjunction)?;
        let close = reader.tokens.at;
        reader.tokens.expect_sign(")")?;
        if reader.parenthesised == Some((open + 1, close.wrapping_sub(1))) {
            return Err(wrong("The expression has redundant parentheses;"));
        }
        reader.parenthesised = Some((open, close));
        return Ok(node);
    }
    if reader.tokens.is_call() {
        return reader.deeper(call);
    }
    if let Some(value) = reader.value()? {
        return Ok(Node::Operand(Operand::Value(value)));
    }
    if reader.is_path() {
        return Ok(Node::Operand(Operand::Path(reader.path()?)));
    }
    Err(reader.tokens.syntax_error())
}

fn call(reader: &mut Reader<'_, '_>) -> Result<Node, ExpressionError> {
    let Some(function) = reader.tokens.next() else {
        return Err(reader.tokens.syntax_error());
    };
    let name = function.text;
    let wanted = match name {
        "attribute_exists" | "attribute_not_exists" | "size" => 1,
        "attribute_type" | "begins_with" | "contains" => 2,
        "if_not_exists" | "list_append" => {
            return Err(wrong(format!(
                "The function is not allowed in a condition expression; function: {name}"
            )));
        }
        // A keyword before parentheses, as in `a AND AND (b)`.
        word if ["AND", "OR", "NOT", "BETWEEN", "IN"]
            .iter()
            .any(|key| word.eq_ignore_ascii_case(key)) =>
        {
            reader.tokens.at -= 1;
            return Err(reader.tokens.syntax_error());
        }
        _ => return Err(wrong(format!("Invalid function name; function: {name}"))),
    };
    reader.count_operator()?;
    reader.tokens.expect_sign("(")?;
    let mut operands = Vec::new();
    loop {
        let node = primary(reader)?;
        match node {
            Node::Operand(operand) => operands.push(operand),
            Node::Condition(_) => {
                return Err(wrong(format!(
                    "The function is not allowed to be used this way in an expression; function: {name}"
                )));
            }
        }
        if !reader.tokens.take_sign(",") {
            break;
        }
    }
    reader.tokens.expect_sign(")")?;
    if operands.len() != wanted {
        return Err(wrong(format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, number of \
             operands: {}",
            operands.len()
        )));
    }
    let mut operands = operands.into_iter();
    let (Some(first), second) = (operands.next(), operands.next()) else {
        return Err(reader.tokens.syntax_error());
    };
    let path = |operand: Operand| match operand {
        Operand::Path(path) => Ok(path),
        _ => Err(wrong(format!(
            "Operator or function requires a document path; operator or function: {name}"
        ))),
    };
    Ok(Node::Condition(match (name, second) {
        ("size", _) => {
            // The size of a value is known, and DynamoDB still wants a path.
            return match first {
                Operand::Path(path) => Ok(Node::Operand(Operand::Size(path))),
                _ => Err(wrong(
                    "Operator or function requires a document path; operator or function: size",
                )),
            };
        }
        ("attribute_exists", _) => Condition::Exists(path(first)?),
        ("attribute_not_exists", _) => Condition::NotExists(path(first)?),
        ("attribute_type", Some(wanted)) => {
            if !reader.is_dry() {
                check_type_name(&wanted)?;
            }
            Condition::Type(path(first)?, wanted)
        }
        ("begins_with", Some(prefix)) => {
            if !reader.is_dry() {
                for operand in [&first, &prefix] {
                    if let Some(found) = operand.known_type().filter(|found| !["S", "B"].contains(found)) {
                        return Err(wrong_operand(name, found));
                    }
                }
            }
            Condition::BeginsWith(first, prefix)
        }
        (_, Some(sought)) => {
            if !reader.is_dry() && first == sought {
                return Err(wrong(format!(
                    "The first operand must be distinct from the remaining operands for this operator or function; \
                     operator: contains, first operand: {}",
                    first.name()
                )));
            }
            Condition::Contains(first, sought)
        }
        (_, None) => return Err(reader.tokens.syntax_error()),
    }))
}

fn check_type_name(wanted: &Operand) -> Result<(), ExpressionError> {
    match wanted {
        Operand::Value(Value::S(name)) => {
            if ["S", "N", "B", "SS", "NS", "BS", "L", "M", "BOOL", "NULL"].contains(&name.as_str()) {
                Ok(())
            } else {
                Err(wrong(format!(
                    "Invalid attribute type name found; type: {name}, valid types: \
                     {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
                )))
            }
        }
        Operand::Value(value) => Err(wrong_operand("attribute_type", value.type_name())),
        _ => Ok(()),
    }
}
