//! Updates: SET, REMOVE, ADD and DELETE, as `UpdateExpression` writes them and as the older `AttributeUpdates` mean them.

use super::{ExpressionError, Path, Reader, Step, refuse_overlaps, wrong};
use crate::dynamodb::{
    error::{DynamoError, invalid},
    number::NumberError,
    value::{Item, Value},
};

/// The right side of a SET.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SetValue {
    Value(Value),
    Path(Path),
    Plus(Box<SetValue>, Box<SetValue>),
    Minus(Box<SetValue>, Box<SetValue>),
    IfNotExists(Path, Box<SetValue>),
    ListAppend(Box<SetValue>, Box<SetValue>),
}

/// Everything that one update does. The paths do not overlap.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Update {
    pub set: Vec<(Path, SetValue)>,
    pub remove: Vec<Path>,
    pub add: Vec<(Path, Value)>,
    pub delete: Vec<(Path, Value)>,
}

const WRONG_PATH: &str = "The document path provided in the update expression is invalid for update";
const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";
const MISSING: &str = "The provided expression refers to an attribute that does not exist in the item";

impl Update {
    /// Every path that the update writes, in the order of the clauses.
    pub fn paths(&self) -> Vec<&Path> {
        let set = self.set.iter().map(|(path, _)| path);
        let add = self.add.iter().map(|(path, _)| path);
        let delete = self.delete.iter().map(|(path, _)| path);
        set.chain(&self.remove).chain(add).chain(delete).collect()
    }

    /// Changes the item. Right sides read the item as it was before.
    ///
    /// # Errors
    /// In DynamoDB's words; the item may then be half changed and is to be thrown away.
    pub fn apply(&self, item: &mut Item) -> Result<(), DynamoError> {
        let mut values = self
            .set
            .iter()
            .map(|(path, value)| Ok((path, evaluate(value, item)?)))
            .collect::<Result<Vec<_>, DynamoError>>()?;
        // Elements that are set past the end of a list are appended in the order of their indexes.
        values.sort_by_key(|(path, _)| *path);
        let mut added = Vec::new();
        for (path, value) in &self.add {
            added.push((path, sum(path.find(item), value)?));
        }
        let mut reduced = Vec::new();
        for (path, value) in &self.delete {
            if let Some(found) = path.find(item) {
                reduced.push((path, difference(found, value)?));
            }
        }
        for (path, value) in values.into_iter().chain(added) {
            put(item, path, value)?;
        }
        for (path, value) in reduced {
            match value {
                Some(value) => put(item, path, value)?,
                None => remove(item, path)?,
            }
        }
        // From the back, so that the indexes name the elements as they were.
        let mut removed: Vec<&Path> = self.remove.iter().collect();
        removed.sort_by(|one, two| two.cmp(one));
        removed.into_iter().try_for_each(|path| remove(item, path))
    }
}

fn number_error(error: NumberError) -> DynamoError {
    invalid(error.to_string())
}

fn evaluate(value: &SetValue, item: &Item) -> Result<Value, DynamoError> {
    match value {
        SetValue::Value(value) => Ok(value.clone()),
        SetValue::Path(path) => path.find(item).cloned().ok_or_else(|| invalid(MISSING)),
        SetValue::IfNotExists(path, default) => match path.find(item) {
            Some(value) => Ok(value.clone()),
            None => evaluate(default, item),
        },
        SetValue::Plus(left, right) | SetValue::Minus(left, right) => {
            let (Value::N(one), Value::N(two)) = (evaluate(left, item)?, evaluate(right, item)?) else {
                return Err(invalid(WRONG_TYPE));
            };
            let result = match value {
                SetValue::Plus(..) => one.checked_add(two),
                _ => one.checked_sub(two),
            };
            result.map(Value::N).map_err(number_error)
        }
        SetValue::ListAppend(left, right) => match (evaluate(left, item)?, evaluate(right, item)?) {
            (Value::L(mut list), Value::L(more)) => {
                list.extend(more);
                Ok(Value::L(list))
            }
            _ => Err(invalid(WRONG_TYPE)),
        },
    }
}

fn sum(found: Option<&Value>, value: &Value) -> Result<Value, DynamoError> {
    Ok(match (found, value) {
        (None, value) => value.clone(),
        (Some(Value::N(one)), Value::N(two)) => Value::N(one.checked_add(*two).map_err(number_error)?),
        (Some(Value::SS(one)), Value::SS(two)) => Value::SS(one | two),
        (Some(Value::NS(one)), Value::NS(two)) => Value::NS(one | two),
        (Some(Value::BS(one)), Value::BS(two)) => Value::BS(one | two),
        // Only the older `AttributeUpdates` let lists through to here.
        (Some(Value::L(one)), Value::L(two)) => Value::L(one.iter().chain(two).cloned().collect()),
        _ => return Err(invalid(WRONG_TYPE)),
    })
}

/// None where nothing is left: a set is never empty.
fn difference(found: &Value, value: &Value) -> Result<Option<Value>, DynamoError> {
    Ok(match (found, value) {
        (Value::SS(one), Value::SS(two)) => Some(one - two).filter(|set| !set.is_empty()).map(Value::SS),
        (Value::NS(one), Value::NS(two)) => Some(one - two).filter(|set| !set.is_empty()).map(Value::NS),
        (Value::BS(one), Value::BS(two)) => Some(one - two).filter(|set| !set.is_empty()).map(Value::BS),
        _ => return Err(invalid(WRONG_TYPE)),
    })
}

/// What the last step of a path stands in.
enum Holder<'a> {
    Map(&'a mut Item, &'a str),
    List(&'a mut Vec<Value>, usize),
}

fn holder<'a>(item: &'a mut Item, path: &'a Path) -> Result<Holder<'a>, DynamoError> {
    let wrong_path = || invalid(WRONG_PATH);
    let (last, parents) = path.0.split_last().ok_or_else(wrong_path)?;
    let Some((first, parents)) = parents.split_first() else {
        return match last {
            Step::Attribute(name) => Ok(Holder::Map(item, name)),
            Step::Index(_) => Err(wrong_path()),
        };
    };
    let mut value = match first {
        Step::Attribute(name) => item.get_mut(name),
        Step::Index(_) => None,
    };
    for step in parents {
        value = match (value, step) {
            (Some(Value::M(values)), Step::Attribute(name)) => values.get_mut(name),
            (Some(Value::L(values)), Step::Index(index)) => values.get_mut(*index),
            _ => None,
        };
    }
    match (value, last) {
        (Some(Value::M(values)), Step::Attribute(name)) => Ok(Holder::Map(values, name)),
        (Some(Value::L(values)), Step::Index(index)) => Ok(Holder::List(values, *index)),
        _ => Err(wrong_path()),
    }
}

fn put(item: &mut Item, path: &Path, value: Value) -> Result<(), DynamoError> {
    match holder(item, path)? {
        Holder::Map(values, name) => {
            values.insert(name.to_owned(), value);
        }
        Holder::List(values, index) => match values.get_mut(index) {
            Some(element) => *element = value,
            None => values.push(value),
        },
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) -> Result<(), DynamoError> {
    match holder(item, path)? {
        Holder::Map(values, name) => {
            values.remove(name);
        }
        Holder::List(values, index) => {
            if index < values.len() {
                values.remove(index);
            }
        }
    }
    Ok(())
}

const CLAUSES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

pub(crate) fn parse(reader: &mut Reader<'_, '_>) -> Result<Update, ExpressionError> {
    let mut update = Update::default();
    let mut seen: Vec<&str> = Vec::new();
    while reader.tokens.peek().is_some() || seen.is_empty() {
        let Some(clause) = CLAUSES.into_iter().find(|clause| reader.tokens.take_word(clause)) else {
            return Err(reader.tokens.syntax_error());
        };
        if seen.contains(&clause) {
            return Err(wrong(format!(
                "The \"{clause}\" section can only be used once in an update expression;"
            )));
        }
        seen.push(clause);
        loop {
            reader.count_operator()?;
            let path = reader.path()?;
            match clause {
                "SET" => {
                    reader.tokens.expect_sign("=")?;
                    update.set.push((path, set_value(reader)?));
                }
                "REMOVE" => update.remove.push(path),
                _ => {
                    let Some(value) = reader.value()? else {
                        return Err(reader.tokens.syntax_error());
                    };
                    if !reader.is_dry() {
                        check_addend(clause, &value)?;
                    }
                    let list = if clause == "ADD" {
                        &mut update.add
                    } else {
                        &mut update.delete
                    };
                    list.push((path, value));
                }
            }
            if !reader.tokens.take_sign(",") {
                break;
            }
        }
    }
    if !reader.is_dry() {
        refuse_overlaps(&update.paths())?;
    }
    Ok(update)
}

fn check_addend(clause: &str, value: &Value) -> Result<(), ExpressionError> {
    let name = match value {
        Value::SS(_) | Value::NS(_) | Value::BS(_) => return Ok(()),
        Value::N(_) if clause == "ADD" => return Ok(()),
        Value::N(_) => "NUMBER",
        Value::S(_) => "STRING",
        Value::B(_) => "BINARY",
        Value::L(_) => "LIST",
        Value::M(_) => "MAP",
        other => other.type_name(),
    };
    Err(wrong(format!(
        "Incorrect operand type for operator or function; operator: {clause}, operand type: {name}, typeSet: \
         ALLOWED_FOR_{clause}_OPERAND"
    )))
}

fn set_value(reader: &mut Reader<'_, '_>) -> Result<SetValue, ExpressionError> {
    let left = set_operand(reader)?;
    let sign = if reader.tokens.take_sign("+") {
        "+"
    } else if reader.tokens.take_sign("-") {
        "-"
    } else {
        return Ok(left);
    };
    reader.count_operator()?;
    let right = set_operand(reader)?;
    if !reader.is_dry() {
        for operand in [&left, &right] {
            if let SetValue::Value(value) = operand
                && !matches!(value, Value::N(_))
            {
                return Err(wrong_operand(sign, value));
            }
        }
    }
    let (left, right) = (Box::new(left), Box::new(right));
    Ok(if sign == "+" {
        SetValue::Plus(left, right)
    } else {
        SetValue::Minus(left, right)
    })
}

fn wrong_operand(operator: &str, value: &Value) -> ExpressionError {
    wrong(format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {}",
        value.type_name()
    ))
}

fn set_operand(reader: &mut Reader<'_, '_>) -> Result<SetValue, ExpressionError> {
    if reader.tokens.take_sign("(") {
        let inner = reader.deeper(set_value)?;
        reader.tokens.expect_sign(")")?;
        return Ok(inner);
    }
    if reader.tokens.is_call() {
        return reader.deeper(call);
    }
    if let Some(value) = reader.value()? {
        return Ok(SetValue::Value(value));
    }
    if reader.is_path() {
        return Ok(SetValue::Path(reader.path()?));
    }
    Err(reader.tokens.syntax_error())
}

fn call(reader: &mut Reader<'_, '_>) -> Result<SetValue, ExpressionError> {
    let Some(function) = reader.tokens.next() else {
        return Err(reader.tokens.syntax_error());
    };
    let name = function.text;
    match name {
        "if_not_exists" | "list_append" => {}
        "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains" | "size" => {
            return Err(wrong(format!(
                "The function is not allowed in an update expression; function: {name}"
            )));
        }
        _ => return Err(wrong(format!("Invalid function name; function: {name}"))),
    }
    reader.count_operator()?;
    reader.tokens.expect_sign("(")?;
    let mut operands = vec![set_value(reader)?];
    while reader.tokens.take_sign(",") {
        operands.push(set_value(reader)?);
    }
    reader.tokens.expect_sign(")")?;
    let count = operands.len();
    let mut operands = operands.into_iter();
    let (Some(first), Some(second), 2) = (operands.next(), operands.next(), count) else {
        return Err(wrong(format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, number of \
             operands: {count}"
        )));
    };
    if name == "if_not_exists" {
        return match first {
            SetValue::Path(path) => Ok(SetValue::IfNotExists(path, Box::new(second))),
            _ => Err(wrong(
                "Operator or function requires a document path; operator or function: if_not_exists",
            )),
        };
    }
    if !reader.is_dry() {
        for operand in [&first, &second] {
            if let SetValue::Value(value) = operand
                && !matches!(value, Value::L(_))
            {
                return Err(wrong_operand(name, value));
            }
        }
    }
    Ok(SetValue::ListAppend(Box::new(first), Box::new(second)))
}
