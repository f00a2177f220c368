//! The statement's tree in the words of the engine: one walk that changes queries and expressions in place.

use super::{
    build::{call, number, text},
    calls::{cast_to, current_time, rewrite_function},
    kind,
};
use crate::{error::RedshiftError, types::SqlType};
use datafusion::sql::sqlparser::ast::{
    self, DateTimeField, Expr, LimitClause, Query, SetExpr, SetOperator, Statement, TopQuantity, UnaryOperator,
    VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

/// Puts the queries and expressions of a statement into the engine's words.
///
/// # Errors
/// What the engine has no words for; a query that does not only read.
pub(crate) fn rewrite(statement: &mut Statement) -> Result<(), RedshiftError> {
    match statement.visit(&mut Rewrite) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewrite;

impl VisitorMut for Rewrite {
    type Break = RedshiftError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<RedshiftError> {
        if !query.locks.is_empty() {
            return ControlFlow::Break(RedshiftError::NotReadOnly("SELECT FOR UPDATE".to_owned()));
        }
        match read_only(&query.body).and_then(|()| limits(query)) {
            Ok(()) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        set_operators(&mut query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<RedshiftError> {
        match rewritten(expr) {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

fn rewritten(expr: &mut Expr) -> Result<Option<Expr>, RedshiftError> {
    Ok(match expr {
        Expr::Function(function) => rewrite_function(function)?,
        Expr::Extract { field, expr, .. } => {
            let part = match field {
                DateTimeField::Custom(ident) => ident.value.clone(),
                other => other.to_string(),
            };
            match super::parts::date_part(&part) {
                Some(part) => Some(call("extract_part", vec![text(part), (**expr).clone()])),
                None => {
                    return Err(RedshiftError::NotSupported(format!("{part} is no part of a date")));
                }
            }
        }
        // The engine leaves casts out of the names of expressions and refuses two of one name in a GROUP BY; a
        // function of the type keeps it in the name.
        Expr::Cast { expr, data_type, .. } => Some(converted((**expr).clone(), data_type)?),
        Expr::Convert {
            expr,
            data_type: Some(data_type),
            ..
        } => Some(converted((**expr).clone(), data_type)?),
        Expr::TypedString(typed) => {
            let value = typed.value.value.clone();
            Some(converted(Expr::value(value), &typed.data_type)?)
        }
        Expr::AtTimeZone { timestamp, time_zone } => {
            Some(call("timezone", vec![(**time_zone).clone(), (**timestamp).clone()]))
        }
        Expr::SimilarTo {
            negated,
            expr,
            pattern,
            escape_char,
        } => {
            let mut args = vec![(**expr).clone(), (**pattern).clone()];
            if let Some(escape) = escape_char {
                args.push(Expr::value(escape.value.clone()));
            }
            let call = call("similar_to", args);
            Some(if *negated { not(call) } else { call })
        }
        // SYSDATE is written without brackets.
        Expr::Identifier(ident) if ident.quote_style.is_none() => match ident.value.to_lowercase().as_str() {
            "sysdate" => Some(current_time()),
            "current_schema" => Some(call("current_schema", Vec::new())),
            _ => None,
        },
        // Redshift reads an interval of one text; `interval '1' day` is the same.
        Expr::UnaryOp {
            op: UnaryOperator::PGSquareRoot,
            expr,
        } => Some(call("sqrt", vec![(**expr).clone()])),
        Expr::UnaryOp {
            op: UnaryOperator::PGCubeRoot,
            expr,
        } => Some(call("cbrt", vec![(**expr).clone()])),
        Expr::UnaryOp {
            op: UnaryOperator::PGAbs,
            expr,
        } => Some(call("abs", vec![(**expr).clone()])),
        _ => None,
    })
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(expr),
    }
}

fn converted(expr: Expr, data_type: &ast::DataType) -> Result<Expr, RedshiftError> {
    match data_type {
        // Lengths of time have no column type; the engine reads them.
        ast::DataType::Interval { .. } => Ok(Expr::Cast {
            kind: ast::CastKind::Cast,
            expr: Box::new(expr),
            data_type: data_type.clone(),
            array: false,
            format: None,
        }),
        // Names of relations and types, which tools cast to: the text does.
        ast::DataType::Regclass => Ok(expr),
        ast::DataType::Custom(name, _)
            if matches!(
                name.to_string().to_lowercase().as_str(),
                "name" | "oid" | "regtype" | "regproc"
            ) =>
        {
            Ok(expr)
        }
        other => Ok(cast_to(expr, SqlType::declared(other)?)),
    }
}

/// TOP and FETCH FIRST are LIMIT.
fn limits(query: &mut Query) -> Result<(), RedshiftError> {
    let mut count = None;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(top) = select.top.take()
    {
        count = Some(match (top.quantity, top.percent || top.with_ties) {
            (Some(TopQuantity::Constant(count)), false) => number(count),
            (Some(TopQuantity::Expr(count)), false) => count,
            _ => {
                return Err(RedshiftError::NotSupported(
                    "TOP takes a number: PERCENT and WITH TIES are not there".to_owned(),
                ));
            }
        });
    }
    if let Some(fetch) = query.fetch.take() {
        if fetch.percent || fetch.with_ties {
            return Err(RedshiftError::NotSupported(
                "FETCH FIRST takes a number of rows: PERCENT and WITH TIES are not there".to_owned(),
            ));
        }
        if count.is_some() {
            return Err(RedshiftError::NotSupported(
                "TOP and FETCH FIRST cannot stand together".to_owned(),
            ));
        }
        count = Some(fetch.quantity.unwrap_or_else(|| number(1)));
    }
    let Some(count) = count else { return Ok(()) };
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(count),
                offset: None,
                limit_by: Vec::new(),
            });
        }
        Some(LimitClause::LimitOffset {
            limit: limit @ None, ..
        }) => *limit = Some(count),
        Some(_) => {
            return Err(RedshiftError::NotSupported(
                "TOP takes a number, and no LIMIT beside it".to_owned(),
            ));
        }
    }
    Ok(())
}

/// MINUS is EXCEPT.
fn set_operators(body: &mut SetExpr) {
    if let SetExpr::SetOperation { op, left, right, .. } = body {
        if *op == SetOperator::Minus {
            *op = SetOperator::Except;
        }
        set_operators(left);
        set_operators(right);
    }
}

fn read_only(body: &SetExpr) -> Result<(), RedshiftError> {
    match body {
        SetExpr::Select(select) => match &select.into {
            Some(_) => Err(RedshiftError::NotReadOnly("SELECT INTO".to_owned())),
            None => Ok(()),
        },
        SetExpr::SetOperation { left, right, .. } => read_only(left).and_then(|()| read_only(right)),
        SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => Ok(()),
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => Err(RedshiftError::NotReadOnly(kind(statement))),
    }
}
