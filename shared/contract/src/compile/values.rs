//! Values of a query as SQL: named parameters with explicit casts, and the few literals that the Data API's parameters
//! cannot carry (an empty text, NULL).

use super::{MAX_TEXT_BYTES, check::values_wanted};
use crate::{
    api::Parameter,
    query::{Operator, QueryError, QueryErrorCode, Value},
    table::ColumnType,
};
use jiff::civil::Date;

/// The named parameters of a statement under construction.
#[derive(Default)]
pub(super) struct Parameters {
    list: Vec<Parameter>,
}

impl Parameters {
    /// Adds a value under a name like `hint`, or finds the same one again; returns the reference `:name`.
    pub fn add(&mut self, hint: &str, value: String) -> String {
        let mut name = hint.to_owned();
        let mut count = 1;
        while let Some(taken) = self.list.iter().find(|parameter| parameter.name == name) {
            if taken.value == value {
                return format!(":{name}");
            }
            count += 1;
            name = format!("{hint}_{count}");
        }
        let reference = format!(":{name}");
        self.list.push(Parameter { name, value });
        reference
    }

    pub fn date(&mut self, hint: &str, day: Date) -> String {
        format!("CAST({} AS DATE)", self.add(hint, day.to_string()))
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Forgets the parameters after the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.list.truncate(count);
    }

    pub fn into_list(self) -> Vec<Parameter> {
        self.list
    }
}

/// What is compared: an expression, what it holds, and how to speak of it.
pub(super) struct Operand<'a> {
    pub sql: &'a str,
    pub holds: ColumnType,
    /// Names its parameters.
    pub hint: &'a str,
    pub label: &'a str,
    /// Where it stands in the query: `filters[0]`.
    pub path: &'a str,
}

/// `operand op values`, with brackets where a neighbour could bind closer.
pub(super) fn condition(
    operand: &Operand<'_>,
    op: Operator,
    values: &[Value],
    parameters: &mut Parameters,
) -> Result<String, QueryError> {
    let wrong =
        |message: String| QueryError::new(QueryErrorCode::WrongType, format!("{}.values", operand.path), message);
    let wanted = values_wanted(op);
    if !wanted.contains(&values.len()) {
        let count = match (wanted.start(), wanted.end()) {
            (0, 0) => "no value".to_owned(),
            (least, most) if least == most => format!("{least} value{}", if *least == 1 { "" } else { "s" }),
            (least, most) => format!("{least} to {most} values"),
        };
        let name = serde_json::to_string(&op).unwrap_or_default();
        return Err(wrong(format!(
            "The operator {name} takes {count}, not {}.",
            values.len()
        )));
    }
    let sql = operand.sql;
    match op {
        Operator::IsNull => return Ok(format!("{sql} IS NULL")),
        Operator::IsNotNull => return Ok(format!("{sql} IS NOT NULL")),
        Operator::Contains | Operator::StartsWith if operand.holds != ColumnType::Text => {
            return Err(QueryError::new(
                QueryErrorCode::WrongType,
                format!("{}.op", operand.path),
                format!(
                    "Only text can contain or begin with something, and {} is not text.",
                    operand.label
                ),
            ));
        }
        _ => {}
    }
    let mut written = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        written.push(literal(operand, index, value, parameters)?);
    }
    let first = written.first().cloned().unwrap_or_default();
    Ok(match op {
        Operator::Equal => format!("{sql} = {first}"),
        Operator::NotEqual => format!("{sql} <> {first}"),
        Operator::In if written.len() == 1 => format!("{sql} = {first}"),
        Operator::In => format!("{sql} IN ({})", written.join(", ")),
        Operator::NotIn if written.len() == 1 => format!("{sql} <> {first}"),
        Operator::NotIn => format!("{sql} NOT IN ({})", written.join(", ")),
        Operator::Between => format!(
            "{sql} BETWEEN {first} AND {}",
            written.get(1).cloned().unwrap_or_default()
        ),
        Operator::Greater => format!("{sql} > {first}"),
        Operator::GreaterOrEqual => format!("{sql} >= {first}"),
        Operator::Less => format!("{sql} < {first}"),
        Operator::LessOrEqual => format!("{sql} <= {first}"),
        // STRPOS takes the text as it is, where a pattern of ILIKE would need its % and _ escaped.
        Operator::Contains => format!("STRPOS(LOWER({sql}), LOWER({first})) > 0"),
        Operator::StartsWith => format!("STRPOS(LOWER({sql}), LOWER({first})) = 1"),
        Operator::IsNull | Operator::IsNotNull => String::new(),
    })
}

fn literal(
    operand: &Operand<'_>,
    index: usize,
    value: &Value,
    parameters: &mut Parameters,
) -> Result<String, QueryError> {
    let path = format!("{}.values[{index}]", operand.path);
    let wrong = |wanted: &str| {
        let got = match value {
            Value::Boolean(b) => format!("the truth value {b}"),
            Value::Integer(n) => format!("the number {n}"),
            Value::Number(x) => format!("the number {x}"),
            Value::Text(text) => format!("the text {text:?}"),
        };
        QueryError::new(
            QueryErrorCode::WrongType,
            path.clone(),
            format!("{} is compared with {wanted}, not with {got}.", operand.label),
        )
        .suggest(format!("Give {wanted}."))
    };
    let hint = operand.hint;
    match (operand.holds, value) {
        (ColumnType::Text, Value::Text(text)) if text.is_empty() => Ok("''".to_owned()),
        (ColumnType::Text, Value::Text(text)) => {
            if text.len() > MAX_TEXT_BYTES || text.contains('\0') {
                return Err(QueryError::new(
                    QueryErrorCode::WrongType,
                    path,
                    format!("A text has at most {MAX_TEXT_BYTES} bytes and no zero byte."),
                ));
            }
            // A bare VARCHAR is 256 bytes wide in Redshift and cuts what is longer without a word.
            Ok(format!(
                "CAST({} AS VARCHAR({MAX_TEXT_BYTES}))",
                parameters.add(hint, text.clone())
            ))
        }
        (ColumnType::Text, _) => Err(wrong("a text")),
        (ColumnType::Boolean, Value::Boolean(value)) => Ok(if *value { "TRUE" } else { "FALSE" }.to_owned()),
        (ColumnType::Boolean, _) => Err(wrong("true or false")),
        (ColumnType::Date, Value::Text(text)) => match text.parse::<Date>() {
            Ok(day) => Ok(parameters.date(hint, day)),
            Err(_) => Err(wrong("a day written YYYY-MM-DD")),
        },
        (ColumnType::Timestamp, Value::Text(text)) => match text.parse::<Date>() {
            Ok(day) => Ok(format!("CAST({} AS TIMESTAMP)", parameters.add(hint, day.to_string()))),
            Err(_) => Err(wrong("a day written YYYY-MM-DD")),
        },
        (ColumnType::Date | ColumnType::Timestamp, _) => Err(wrong("a day written YYYY-MM-DD")),
        (ColumnType::Integer | ColumnType::Decimal | ColumnType::Float, Value::Integer(number)) => {
            Ok(format!("CAST({} AS BIGINT)", parameters.add(hint, number.to_string())))
        }
        // 4.98 is a decimal exactly, and a binary fraction nearly.
        (ColumnType::Decimal, Value::Number(number)) if decimal_scale(*number).is_some() => Ok(format!(
            "CAST({} AS DECIMAL(38, {}))",
            parameters.add(hint, number.to_string()),
            decimal_scale(*number).unwrap_or_default()
        )),
        (ColumnType::Integer | ColumnType::Decimal | ColumnType::Float, Value::Number(number))
            if number.is_finite() =>
        {
            Ok(format!(
                "CAST({} AS DOUBLE PRECISION)",
                parameters.add(hint, number.to_string())
            ))
        }
        (ColumnType::Integer | ColumnType::Decimal | ColumnType::Float, _) => Err(wrong("a number")),
    }
}

/// The digits after the point with which a number is written, where all of its digits fit a DECIMAL.
fn decimal_scale(number: f64) -> Option<usize> {
    const MOST_WHOLE_DIGITS: usize = 20;
    const MOST_FRACTION_DIGITS: usize = 12;
    let text = number.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fits = number.is_finite() && whole.len() <= MOST_WHOLE_DIGITS && fraction.len() <= MOST_FRACTION_DIGITS;
    fits.then_some(fraction.len())
}
