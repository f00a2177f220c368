//! Recursive WITH queries. They are let through where the text shows that they end soon: a counter that starts at a
//! literal, goes on by a step, and is held against a bound.

use super::{
    Checked, Checker, Cte,
    call::{literal, whole_number},
};
use crate::{
    functions,
    policy::Spread,
    refusal::Code,
    scope::{OutColumn, Output, Rows, Scope},
};
use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Query,
    Select, SelectItem, SetExpr, SetOperator, TableFactor, UnaryOperator,
};
use std::rc::Rc;

/// How many days a calendar may have whose ends do not stand in the text: 24 years and some.
const CALENDAR_ROWS: u64 = 9_000;

const NOT_BOUND: &str = "This recursive query has no end that can be seen. Count: WITH RECURSIVE d(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d WHERE n < 31), with numbers or dates as bounds and nothing joined.";

impl<'a> Checker<'a> {
    /// The query `name` of a WITH RECURSIVE.
    pub(super) fn recursive<'s>(
        &mut self,
        name: &str,
        columns: &[String],
        query: &Query,
        outer: Option<&'s Scope<'s, 'a>>,
    ) -> Checked<Output> {
        let Query {
            with: None,
            body,
            order_by: None,
            limit_clause: None,
            fetch: None,
            locks,
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators,
        } = query
        else {
            return self.query(query, outer);
        };
        let SetExpr::SetOperation {
            op: SetOperator::Union,
            set_quantifier: _,
            left,
            right,
        } = body.as_ref()
        else {
            return self.query(query, outer);
        };
        if !locks.is_empty() || !pipe_operators.is_empty() {
            return self.query(query, outer);
        }
        let first = self.set_expr(left, outer)?;
        let mut own = first.columns.clone();
        for (column, name) in own.iter_mut().zip(columns) {
            column.name.clone_from(name);
        }
        let own = Rc::new(own);
        self.ctes.push(Cte {
            name: name.to_owned(),
            columns: own.clone(),
            rows: Rows::AtMost(1),
            uses: 0,
        });
        let growth = (self.growth.to_bits(), self.growing_calls);
        let second = self.set_expr(right, outer)?;
        let uses = self.ctes.pop().map_or(0, |cte| cte.uses);
        let rows = if uses == 0 {
            first.rows.and(second.rows)
        } else {
            let starts = match first.rows {
                Rows::AtMost(rows) => rows.max(1),
                _ => return self.here(Code::GeneratedRows, NOT_BOUND),
            };
            let is_plain = uses == 1 && (self.growth.to_bits(), self.growing_calls) == growth;
            let steps = match (left.as_ref(), right.as_ref()) {
                (SetExpr::Select(start), SetExpr::Select(step)) if is_plain => steps(name, start, step, &own),
                _ => None,
            };
            let Some(steps) = steps else {
                return self.here(Code::GeneratedRows, NOT_BOUND);
            };
            let rows = starts.saturating_mul(steps.saturating_add(1));
            self.generate(rows)?;
            Rows::AtMost(rows)
        };
        let columns = first
            .columns
            .into_iter()
            .map(|column| OutColumn {
                spread: Spread::Few,
                ..column
            })
            .collect();
        Ok(Output { columns, rows })
    }
}

/// How often the recursive part can give a row for each row of the start. None if the text does not tell.
fn steps(name: &str, start: &Select, step: &Select, columns: &[OutColumn]) -> Option<u64> {
    let [from] = step.from.as_slice() else { return None };
    let reads_itself = match &from.relation {
        TableFactor::Table { name: table, .. } => matches!(table.0.as_slice(),
            [ObjectNamePart::Identifier(table)] if table.value.eq_ignore_ascii_case(name)),
        _ => false,
    };
    if !from.joins.is_empty() || !reads_itself {
        return None;
    }
    if start.projection.len() != step.projection.len() || start.projection.len() != columns.len() {
        return None;
    }
    let item = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
        _ => None,
    };
    let starts: Vec<Expr> = start.projection.iter().map(item).collect::<Option<_>>()?;
    let next: Vec<Expr> = step.projection.iter().map(item).collect::<Option<_>>()?;
    if !next.iter().all(keeps_its_length) {
        return None;
    }
    let mut conditions = Vec::new();
    conjuncts(step.selection.as_ref()?, &mut conditions);
    let column_of = |expr: &Expr| {
        let name = column_name(expr)?;
        columns.iter().position(|column| column.name == name)
    };
    conditions
        .iter()
        .filter_map(|condition| {
            let (counter, is_below, is_inclusive, bound) = comparison(condition)?;
            // WHERE n < 10, or WHERE n + 1 < 10.
            let (at, stride) = match column_of(counter) {
                Some(at) => (at, stride(&next[at], at, &column_of)?),
                None => next.iter().enumerate().find_map(|(at, next)| {
                    (bare(counter).to_string() == bare(next).to_string())
                        .then(|| stride(next, at, &column_of))
                        .flatten()
                        .map(|stride| (at, stride))
                })?,
            };
            if is_below != stride.is_up {
                return None;
            }
            count(&starts[at], bound, &stride, is_inclusive)
        })
        .min()
}

/// Without brackets and casts around it.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(expr) | Expr::Cast { expr, .. } => bare(expr),
        other => other,
    }
}

/// Whether an expression is a day or an instant, as far as its form tells.
fn is_of_time(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { data_type, expr, .. } => {
            matches!(data_type, DataType::Date | DataType::Timestamp(..)) || is_of_time(expr)
        }
        Expr::Nested(expr) => is_of_time(expr),
        Expr::TypedString(typed) => matches!(typed.data_type, DataType::Date | DataType::Timestamp(..)),
        Expr::Identifier(word) => {
            word.quote_style.is_none() && functions::is_value_word(&word.value.to_ascii_lowercase())
        }
        Expr::Function(function) => matches!(
            function.name.to_string().to_ascii_lowercase().as_str(),
            "date_trunc"
                | "getdate"
                | "dateadd"
                | "add_months"
                | "last_day"
                | "to_date"
                | "date"
                | "current_date"
                | "current_timestamp"
                | "sysdate"
        ),
        _ => date(expr).is_some(),
    }
}

fn conjuncts<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Nested(expr) => conjuncts(expr, out),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        other => out.push(other),
    }
}

/// The side that moves, whether it is to stay below, whether it may reach the other side, and the other side.
fn comparison(expr: &Expr) -> Option<(&Expr, bool, bool, &Expr)> {
    let Expr::BinaryOp { left, op, right } = expr else {
        return None;
    };
    let (is_below, is_inclusive) = match op {
        BinaryOperator::Lt => (true, false),
        BinaryOperator::LtEq => (true, true),
        BinaryOperator::Gt => (false, false),
        BinaryOperator::GtEq => (false, true),
        _ => return None,
    };
    if is_bound(right) {
        Some((left, is_below, is_inclusive, right))
    } else if is_bound(left) {
        Some((right, !is_below, is_inclusive, left))
    } else {
        None
    }
}

/// What does not move while the recursion runs.
fn is_bound(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) | Expr::Subquery(_) => true,
        Expr::Nested(expr) | Expr::Cast { expr, .. } | Expr::UnaryOp { expr, .. } => is_bound(expr),
        Expr::BinaryOp { left, right, .. } => is_bound(left) && is_bound(right),
        Expr::Identifier(word) => word.quote_style.is_none() && functions::is_value_word(&word.value.to_ascii_lowercase()),
        Expr::Function(function) => arguments(function).iter().all(|argument| {
            is_bound(argument)
                || matches!(argument, Expr::Identifier(word) if functions::is_date_part(&word.value.to_ascii_lowercase()))
        }),
        _ => false,
    }
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.to_ascii_lowercase()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.to_ascii_lowercase()),
        Expr::Nested(expr) | Expr::Cast { expr, .. } => column_name(expr),
        _ => None,
    }
}

fn arguments(function: &Function) -> Vec<&Expr> {
    match &function.args {
        FunctionArguments::List(list) => list
            .args
            .iter()
            .filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    }
}

/// How far the counter goes with each step.
struct Stride {
    is_up: bool,
    by: Step,
}

enum Step {
    Number(u64),
    /// At least so many whole days.
    Days(u64),
}

/// `n + 1`, `DATEADD(day, 1, d)`, `d + INTERVAL '1 day'`, of the column at `at` itself.
fn stride(next: &Expr, at: usize, column_of: &impl Fn(&Expr) -> Option<usize>) -> Option<Stride> {
    let number = |n: i64| {
        Some(Stride {
            is_up: n > 0,
            by: Step::Number(n.unsigned_abs()),
        })
        .filter(|_| n != 0)
    };
    match next {
        Expr::Nested(expr) | Expr::Cast { expr, .. } => stride(expr, at, column_of),
        Expr::BinaryOp { left, op, right } => {
            let sign = match op {
                BinaryOperator::Plus => 1,
                BinaryOperator::Minus => -1,
                _ => return None,
            };
            let (column, step) = if column_of(left) == Some(at) {
                (left, right)
            } else if sign == 1 {
                (right, left)
            } else {
                return None;
            };
            if column_of(column) != Some(at) {
                return None;
            }
            match (whole_number(step), step.as_ref()) {
                (Some(n), _) => number(n.checked_mul(sign)?),
                (None, Expr::Interval(interval)) => {
                    let text = literal(&interval.value)
                        .map(str::to_owned)
                        .or_else(|| Some(whole_number(&interval.value)?.to_string()))?;
                    let (n, unit) = match &interval.leading_field {
                        Some(field) => (text.trim().parse::<i64>().ok()?, field.to_string()),
                        None => {
                            let (n, unit) = text.trim().split_once(' ')?;
                            (n.parse().ok()?, unit.trim().to_owned())
                        }
                    };
                    days(n.checked_mul(sign)?, &unit)
                }
                _ => None,
            }
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_ascii_lowercase();
            match (name.as_str(), arguments(function).as_slice()) {
                ("dateadd" | "date_add", [part, n, column]) if column_of(column) == Some(at) => {
                    let part = match part {
                        Expr::Identifier(part) => part.value.clone(),
                        other => literal(other)?.to_owned(),
                    };
                    days(whole_number(n)?, &part)
                }
                ("add_months", [column, n]) if column_of(column) == Some(at) => days(whole_number(n)?, "month"),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A step of dates. Shorter than a day is not followed.
fn days(n: i64, part: &str) -> Option<Stride> {
    let days = match part.to_ascii_lowercase().as_str() {
        "day" | "days" | "d" | "dayofyear" | "doy" => 1,
        "week" | "weeks" | "w" | "wk" => 7,
        "month" | "months" | "mon" | "mons" => 28,
        "quarter" | "quarters" | "qtr" | "qtrs" => 90,
        "year" | "years" | "y" | "yr" | "yrs" => 365,
        _ => return None,
    };
    (n != 0).then(|| Stride {
        is_up: n > 0,
        by: Step::Days(n.unsigned_abs().saturating_mul(days)),
    })
}

fn count(start: &Expr, bound: &Expr, stride: &Stride, is_inclusive: bool) -> Option<u64> {
    let extra = 1 + u64::from(is_inclusive);
    match (&stride.by, whole_number(start), whole_number(bound)) {
        (Step::Number(by), Some(from), Some(to)) => {
            let span = if stride.is_up {
                to.checked_sub(from)?
            } else {
                from.checked_sub(to)?
            };
            Some(u64::try_from(span).unwrap_or(0) / by + extra)
        }
        // `d + 1` of dates.
        (Step::Number(by) | Step::Days(by), None, None) => match (date(start), date(bound)) {
            (Some(from), Some(to)) => {
                let span = if stride.is_up { to - from } else { from - to };
                Some(u64::try_from(span).unwrap_or(0) / by + extra)
            }
            _ => (matches!(stride.by, Step::Days(_)) || is_of_time(start) || is_of_time(bound))
                .then_some(CALENDAR_ROWS / by),
        },
        _ => None,
    }
}

/// Days since year 0 of a date that stands in the text, within two days.
fn date(expr: &Expr) -> Option<i64> {
    let text = match expr {
        Expr::Nested(expr) | Expr::Cast { expr, .. } => return date(expr),
        Expr::TypedString(typed) => match &typed.value.value {
            sqlparser::ast::Value::SingleQuotedString(text) => text.as_str(),
            _ => return None,
        },
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("to_date") => {
            return arguments(function).first().and_then(|first| date(first));
        }
        other => literal(other)?,
    };
    let mut parts = text.get(..10)?.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    ((0..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day))
        .then(|| year * 36_525 / 100 + month * 306 / 10 + day)
}

/// Whether a value stays as long as it is from one step to the next: no text is put together.
fn keeps_its_length(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::TypedString(_)
        | Expr::Interval(_)
        | Expr::Extract { .. } => true,
        Expr::Nested(expr) | Expr::Cast { expr, .. } => keeps_its_length(expr),
        Expr::UnaryOp { op, expr } => {
            matches!(op, UnaryOperator::Minus | UnaryOperator::Plus) && keeps_its_length(expr)
        }
        Expr::BinaryOp { left, op, right } => {
            *op != BinaryOperator::StringConcat && keeps_its_length(left) && keeps_its_length(right)
        }
        Expr::Case {
            conditions,
            else_result,
            ..
        } => conditions
            .iter()
            .map(|when| &when.result)
            .chain(else_result.as_deref())
            .all(keeps_its_length),
        Expr::Function(function) => {
            matches!(
                function.name.to_string().to_ascii_lowercase().as_str(),
                "dateadd"
                    | "date_add"
                    | "date_trunc"
                    | "date_part"
                    | "datediff"
                    | "add_months"
                    | "last_day"
                    | "to_date"
                    | "date"
                    | "abs"
                    | "mod"
                    | "round"
                    | "floor"
                    | "ceil"
                    | "trunc"
                    | "greatest"
                    | "least"
                    | "next_day"
            )
        }
        _ => false,
    }
}
