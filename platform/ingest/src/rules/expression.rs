//! The SQL of a rule: one boolean expression over the row's columns and the rows that it refers to. It is parsed,
//! held to a list of what may stand in it, and written anew with every column under its table's name, so that nothing
//! of a person's text reaches the engine unseen.

use super::{Operand, operand};
use concert_lake::schema::TableDef;
use datafusion::sql::sqlparser::{
    ast::{
        BinaryOperator, CastKind, CeilFloorKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
        Ident, ObjectNamePart, UnaryOperator, Value,
    },
    dialect::GenericDialect,
    parser::{Parser, ParserError},
    tokenizer::{Location, Token},
};
use std::collections::BTreeSet;

/// The longest expression, in bytes.
const MAX_BYTES: usize = 2_000;

/// How deep parentheses may be nested; the parser's frames are large.
const MAX_PARSED_DEPTH: usize = 24;

/// How deep operators may be nested. A chain such as a + b + c nests as deep as it is long.
const MAX_DEPTH: usize = 100;

/// The name that stands for the day on which the rules are judged.
const TODAY: &str = "today";

/// What stands for that day in the SQL until it is known.
const TODAY_MARK: &str = "concert_today_mark";

/// Functions of one row's values that neither fail nor differ from call to call.
const FUNCTIONS: [&str; 40] = [
    "abs",
    "btrim",
    "ceil",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "date_part",
    "date_trunc",
    "ends_with",
    "exp",
    "floor",
    "greatest",
    "initcap",
    "least",
    "left",
    "length",
    "levenshtein",
    "ln",
    "lower",
    "lpad",
    "ltrim",
    "mod",
    "nullif",
    "octet_length",
    "position",
    "power",
    "regexp_like",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sign",
    "split_part",
    "sqrt",
    "starts_with",
    "strpos",
    "upper",
];

#[derive(Clone, Debug)]
pub struct Expression {
    /// As the file writes it.
    pub text: String,
    sql: String,
    /// The columns that it reads, in the order in which they come.
    pub operands: Vec<Operand>,
}

/// What is wrong, and where in the expression, if that is known: line and column from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub at: Option<(u64, u64)>,
    pub message: String,
}

impl Expression {
    /// Reads the expression of a rule for `table`.
    ///
    /// # Errors
    /// What may not stand in it, and where.
    pub fn parse(table: &'static TableDef, text: &str) -> Result<Expression, Wrong> {
        let nowhere = |message: String| Wrong { at: None, message };
        if text.len() > MAX_BYTES {
            return Err(nowhere(format!(
                "the expression has {} bytes, more than {MAX_BYTES}. Split it into several rules",
                text.len()
            )));
        }
        let dialect = GenericDialect {};
        let mut parser = Parser::new(&dialect)
            .with_recursion_limit(MAX_PARSED_DEPTH)
            .try_with_sql(text)
            .map_err(|e| said(&e))?;
        let mut expression = parser.parse_expr().map_err(|e| said(&e))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            return Err(Wrong {
                at: place(next.span.start),
                message: format!("{} is too much: a rule is one expression", next.token),
            });
        }
        let mut walk = Walk {
            table,
            operands: Vec::new(),
            seen: BTreeSet::new(),
        };
        walk.expression(&mut expression, 0)?;
        if walk.operands.is_empty() {
            return Err(nowhere(format!("the expression reads no column of {}", table.name)));
        }
        Ok(Expression {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            sql: expression.to_string(),
            operands: walk.operands,
        })
    }

    /// The SQL, with every column under its table's name.
    pub fn sql(&self, today: jiff::civil::Date) -> String {
        self.sql.replace(TODAY_MARK, &format!("DATE '{today}'"))
    }
}

fn too_deep() -> Wrong {
    Wrong {
        at: None,
        message: "the expression is nested too deep. Split it into several rules".to_owned(),
    }
}

fn place(at: Location) -> Option<(u64, u64)> {
    (at.line > 0).then_some((at.line, at.column))
}

/// The parser's own words, without the place that it names in the text.
fn said(error: &ParserError) -> Wrong {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => {
            return too_deep();
        }
    };
    let found = text.rsplit_once(" at Line: ").and_then(|(message, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((
            message.to_owned(),
            (line.trim().parse().ok()?, column.trim().parse().ok()?),
        ))
    });
    let (message, at) = match found {
        Some((message, at)) => (message, Some(at)),
        None => (text, None),
    };
    Wrong {
        at,
        message: format!("the expression does not read: {message}"),
    }
}

struct Walk {
    table: &'static TableDef,
    operands: Vec<Operand>,
    seen: BTreeSet<(&'static str, &'static str)>,
}

impl Walk {
    fn expression(&mut self, expression: &mut Expr, depth: usize) -> Result<(), Wrong> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let depth = depth + 1;
        match expression {
            Expr::Identifier(name) => {
                if name.value.eq_ignore_ascii_case(TODAY) && self.table.column(TODAY).is_none() {
                    *expression = Expr::Identifier(Ident::new(TODAY_MARK));
                    return Ok(());
                }
                let (text, at, quoted) = (name.value.clone(), name.span.start, name.quote_style.is_some());
                *expression = self.column(&text, at).map_err(|mut wrong| {
                    if quoted {
                        wrong.message = format!(
                            "{text:?} in double quotes is a column, and {}. Write text in single \
                             quotes: '{text}'",
                            wrong.message
                        );
                    }
                    wrong
                })?;
                Ok(())
            }
            Expr::CompoundIdentifier(names) => {
                let at = names.first().map(|name| name.span.start);
                let text = names
                    .iter()
                    .map(|name| name.value.as_str())
                    .collect::<Vec<_>>()
                    .join(".");
                if names.len() > 2 {
                    return Err(Wrong {
                        at: at.and_then(place),
                        message: format!("{text} has too many points: write column, or table.column"),
                    });
                }
                *expression = self.column(&text, at.unwrap_or(Location::new(0, 0)))?;
                Ok(())
            }
            Expr::Value(value) => match &value.value {
                // The writer of SQL takes these for quotes that are escaped already.
                Value::SingleQuotedString(text) if text.contains("\\'") || text.contains("''") => Err(Wrong {
                    at: place(value.span.start),
                    message:
                        "a text with a backslash before a quote, or with two quotes in a row, may not stand in a rule"
                            .to_owned(),
                }),
                Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => Ok(()),
                Value::DoubleQuotedString(text) => Err(Wrong {
                    at: place(value.span.start),
                    message: format!("write text in single quotes: '{text}'"),
                }),
                other => Err(Wrong {
                    at: place(value.span.start),
                    message: format!("{other} may not stand in a rule"),
                }),
            },
            Expr::TypedString(typed) => match &typed.value.value {
                Value::SingleQuotedString(text) if !text.contains(['\'', '\\']) => Ok(()),
                _ => Err(refused(expression, "may not stand in a rule")),
            },
            Expr::Interval(interval) => match interval.value.as_mut() {
                inner @ Expr::Value(_) => self.expression(inner, depth),
                other => Err(refused(
                    other,
                    "may not be the length of an interval: write INTERVAL '1 day'",
                )),
            },
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Nested(inner)
            | Expr::Extract { expr: inner, .. } => self.expression(inner, depth),
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => {
                if !matches!(
                    field,
                    CeilFloorKind::DateTimeField(datafusion::sql::sqlparser::ast::DateTimeField::NoDateTime)
                ) {
                    return Err(refused(expression, "may not stand in a rule"));
                }
                self.expression(expr, depth)
            }
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not => self.expression(expr, depth),
                _ => Err(refused(expression, "has an operator that may not stand in a rule")),
            },
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.expression(left, depth)?;
                self.expression(right, depth)
            }
            Expr::Position { expr, r#in } => {
                self.expression(expr, depth)?;
                self.expression(r#in, depth)
            }
            Expr::BinaryOp { left, op, right } => {
                self.expression(left, depth)?;
                self.expression(right, depth)?;
                match op {
                    // What is divided by nothing is not known; an error would end the load.
                    BinaryOperator::Divide | BinaryOperator::Modulo => {
                        let divisor = std::mem::replace(right.as_mut(), Expr::Value(Value::Null.into()));
                        **right = call(
                            "nullif",
                            vec![divisor, Expr::Value(Value::Number("0".to_owned(), false).into())],
                        );
                        Ok(())
                    }
                    BinaryOperator::Plus
                    | BinaryOperator::Minus
                    | BinaryOperator::Multiply
                    | BinaryOperator::StringConcat
                    | BinaryOperator::Gt
                    | BinaryOperator::Lt
                    | BinaryOperator::GtEq
                    | BinaryOperator::LtEq
                    | BinaryOperator::Eq
                    | BinaryOperator::NotEq
                    | BinaryOperator::And
                    | BinaryOperator::Or
                    | BinaryOperator::PGRegexMatch
                    | BinaryOperator::PGRegexIMatch
                    | BinaryOperator::PGRegexNotMatch
                    | BinaryOperator::PGRegexNotIMatch => Ok(()),
                    _ => Err(refused(expression, "has an operator that may not stand in a rule")),
                }
            }
            Expr::Between { expr, low, high, .. } => {
                self.expression(expr, depth)?;
                self.expression(low, depth)?;
                self.expression(high, depth)
            }
            Expr::InList { expr, list, .. } => {
                self.expression(expr, depth)?;
                list.iter_mut().try_for_each(|item| self.expression(item, depth))
            }
            Expr::Like {
                any: false,
                expr,
                pattern,
                ..
            }
            | Expr::ILike {
                any: false,
                expr,
                pattern,
                ..
            } => {
                self.expression(expr, depth)?;
                self.expression(pattern, depth)
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                for inner in operand.iter_mut().chain(else_result) {
                    self.expression(inner, depth)?;
                }
                for case in conditions {
                    self.expression(&mut case.condition, depth)?;
                    self.expression(&mut case.result, depth)?;
                }
                Ok(())
            }
            Expr::Cast {
                kind,
                expr,
                array: false,
                format: None,
                ..
            } => {
                // What does not read as the type is not known; an error would end the load.
                *kind = CastKind::TryCast;
                self.expression(expr, depth)
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                self.expression(expr, depth)?;
                for inner in substring_from.iter_mut().chain(substring_for) {
                    self.expression(inner, depth)?;
                }
                Ok(())
            }
            Expr::Trim {
                expr,
                trim_what,
                trim_characters: None,
                ..
            } => {
                for inner in std::iter::once(expr).chain(trim_what) {
                    self.expression(inner, depth)?;
                }
                Ok(())
            }
            Expr::Function(function) => self.function(function, depth),
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => Err(Wrong {
                at: start_of(expression),
                message:
                    "a rule holds no query: it reads the row and the rows that it refers to, as in venues.capacity"
                        .to_owned(),
            }),
            other => Err(refused(other, "may not stand in a rule")),
        }
    }

    fn function(&mut self, function: &mut Function, depth: usize) -> Result<(), Wrong> {
        let at = function
            .name
            .0
            .first()
            .and_then(ObjectNamePart::as_ident)
            .map(|name| name.span.start);
        let name = function.name.to_string().to_lowercase();
        let wrong = |message: String| Wrong {
            at: at.and_then(place),
            message,
        };
        if !FUNCTIONS.contains(&name.as_str()) {
            let hint = crate::error::did_you_mean(&name, FUNCTIONS);
            return Err(wrong(format!(
                "the function {name} may not stand in a rule. {hint}These may: {}",
                FUNCTIONS.join(", ")
            )));
        }
        let plain = function.over.is_none()
            && function.filter.is_none()
            && function.within_group.is_empty()
            && function.null_treatment.is_none()
            && matches!(function.parameters, FunctionArguments::None);
        let arguments = match &mut function.args {
            FunctionArguments::List(list) if plain && list.duplicate_treatment.is_none() && list.clauses.is_empty() => {
                &mut list.args
            }
            _ => {
                return Err(wrong(format!(
                    "{name} is called with its values alone, as in {name}(…)"
                )));
            }
        };
        for argument in arguments.iter_mut() {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(inner)) => self.expression(inner, depth)?,
                other => return Err(wrong(format!("{other} may not be given to {name}"))),
            }
        }
        if name == "mod"
            && let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(divisor))] = arguments.as_mut_slice()
        {
            let inner = std::mem::replace(divisor, Expr::Value(Value::Null.into()));
            *divisor = call(
                "nullif",
                vec![inner, Expr::Value(Value::Number("0".to_owned(), false).into())],
            );
        }
        Ok(())
    }

    fn column(&mut self, text: &str, at: Location) -> Result<Expr, Wrong> {
        let found = operand(self.table, text).map_err(|message| Wrong { at: place(at), message })?;
        if self.seen.insert((found.table.name, found.column.name)) {
            self.operands.push(found);
        }
        Ok(Expr::CompoundIdentifier(vec![
            Ident::new(found.table.name),
            Ident::new(found.column.name),
        ]))
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    use datafusion::sql::sqlparser::ast::{FunctionArgumentList, ObjectName};
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments
                .into_iter()
                .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn start_of(expression: &Expr) -> Option<(u64, u64)> {
    use datafusion::sql::sqlparser::ast::Spanned as _;
    place(expression.span().start)
}

fn refused(expression: &Expr, what: &str) -> Wrong {
    let mut shown: String = expression.to_string();
    if shown.chars().count() > 60 {
        shown = shown.chars().take(60).chain(['…']).collect();
    }
    Wrong {
        at: start_of(expression),
        message: format!("{shown} {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_lake::schema::MODEL;

    fn parse(text: &str) -> Result<String, Wrong> {
        let table = MODEL.iter().find(|table| table.name == "concerts").expect("a table");
        Expression::parse(table, text).map(|e| e.sql(jiff::civil::date(2024, 5, 31)))
    }

    #[test]
    fn an_expression_is_written_anew_under_its_tables_names() {
        for (text, wanted) in [
            (
                "total_attendance <= venues.capacity * 1.05",
                "concerts.total_attendance <= venues.capacity * 1.05",
            ),
            ("event_date <= today", "concerts.event_date <= DATE '2024-05-31'"),
            (
                "revenue / total_attendance < 100",
                "concerts.revenue / nullif(concerts.total_attendance, 0) < 100",
            ),
            ("cast(artist_id as int) > 0", "TRY_CAST(concerts.artist_id AS INT) > 0"),
            (
                "status = 'cancelled' or starts_at is not null",
                "concerts.status = 'cancelled' OR concerts.starts_at IS NOT NULL",
            ),
            (
                "event_date between date '1900-01-01' and today + interval '1 year'",
                "concerts.event_date BETWEEN DATE '1900-01-01' AND DATE '2024-05-31' + INTERVAL '1 year'",
            ),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_may_not_stand_in_a_rule_is_refused_at_its_place() {
        for (text, at, wanted) in [
            ("exists (select 1 from artists)", None, "a rule holds no query"),
            (
                "revenue > (select max(revenue) from concerts)",
                Some((1, 12)),
                "a rule holds no query",
            ),
            (
                "revenue in (select revenue from concerts)",
                Some((1, 1)),
                "a rule holds no query",
            ),
            ("revenue > 0; drop table concerts", Some((1, 12)), "; is too much"),
            ("revenu > 0", Some((1, 1)), "Did you mean \"revenue\"?"),
            (
                "revenue > 0 and\n  capacity > 5",
                Some((2, 3)),
                "Did you mean venues.capacity?",
            ),
            (
                "random() > 0.5 and revenue > 0",
                Some((1, 1)),
                "the function random may not",
            ),
            ("sum(revenue) > 0", Some((1, 1)), "the function sum may not"),
            ("length(status) over () > 0", Some((1, 1)), "with its values alone"),
            (
                "status = \"completed\"",
                Some((1, 10)),
                "Write text in single quotes: 'completed'",
            ),
            (
                r"status = '\''' or revenue > 0 or status = ''",
                Some((1, 10)),
                "a backslash before a quote",
            ),
            ("revenue >", None, "does not read"),
            ("$1 > revenue", Some((1, 1)), "may not stand in a rule"),
            ("1 = 1", None, "reads no column"),
            ("clean.concerts.revenue > 0", Some((1, 1)), "too many points"),
            ("now() > starts_at", Some((1, 1)), "the function now may not"),
        ] {
            let wrong = parse(text).expect_err(text);
            assert!(wrong.message.contains(wanted), "{text}: {wrong:?}");
            if at.is_some() {
                assert_eq!(wrong.at, at, "{text}: {}", wrong.message);
            }
        }
        let deep = format!("{}revenue{} > 0", "(".repeat(500), ")".repeat(500));
        assert!(parse(&deep).expect_err("deep").message.contains("nested too deep"));
        let sum = |terms| format!("revenue > 0{}", " + 1".repeat(terms));
        assert!(parse(&sum(90)).is_ok());
        assert!(parse(&sum(490)).expect_err("deep").message.contains("nested too deep"));
        assert!(parse(&sum(900)).expect_err("long").message.contains("bytes"));
    }
}
