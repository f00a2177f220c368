//! Calls of functions.

use super::{Checked, Checker, GROWTH_MAX, names::nearest};
use crate::{
    functions::{self, Kind},
    refusal::Code,
    scope::Scope,
    shape::shown,
};
use sqlparser::ast::{
    self, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, Value, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

impl<'a> Checker<'a> {
    pub(super) fn call<'s>(&mut self, function: &Function, scope: &Scope<'s, 'a>) -> Checked {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            filter,
            null_treatment: _,
            over,
            within_group,
        } = function;
        let (lower, kind) = self.function_named(name)?;
        self.no(*uses_odbc_syntax, "A call in braces")?;
        self.no(!matches!(parameters, FunctionArguments::None), "A call with two lists")?;
        match args {
            FunctionArguments::None => {
                if !functions::is_value_word(&lower) {
                    return self.here(Code::Syntax, format!("{} wants brackets after it.", shown(&lower)));
                }
            }
            FunctionArguments::Subquery(_) => {
                return self.here(
                    Code::NotSupported,
                    "A subquery as the argument of a function stands in brackets of its own.",
                );
            }
            FunctionArguments::List(list) => self.arguments(&lower, kind, list, scope)?,
        }
        if let Some(filter) = filter {
            self.expr(filter, scope)?;
        }
        for order in within_group {
            self.order_by_expr(order, scope)?;
        }
        match over {
            Some(WindowType::WindowSpec(spec)) => self.window(spec, scope)?,
            Some(WindowType::NamedWindow(name)) => {
                self.given(name)?;
            }
            None => {}
        }
        // SUM(COUNT(*)) OVER (): the inner one is the query's, and has been counted by its own call.
        self.aggregates += usize::from(kind == Kind::Aggregate && over.is_none());
        Ok(())
    }

    /// Its name in lower case, and what is special about it.
    fn function_named(&mut self, name: &ast::ObjectName) -> Checked<(String, Kind)> {
        let parts = self.parts(name)?;
        for part in &parts {
            self.visit(part);
        }
        let [ident] = parts.as_slice() else {
            let first = parts
                .first()
                .map(|part| part.value.to_ascii_lowercase())
                .unwrap_or_default();
            let code = if first.starts_with("pg_") || first == "information_schema" {
                Code::SystemFunction
            } else {
                Code::UnknownFunction
            };
            return self.refuse(
                code,
                name,
                format!(
                    "{} names a schema. Functions are written without one.",
                    shown(&name.to_string())
                ),
            );
        };
        let lower = self.lower(ident)?;
        if let Some(kind) = functions::function(&lower) {
            return Ok((lower, kind));
        }
        if functions::is_system(&lower) {
            return self.refuse(
                Code::SystemFunction,
                *ident,
                format!(
                    "{} tells of, or changes, the session or the system. Leave it out.",
                    shown(&lower)
                ),
            );
        }
        if matches!(lower.as_str(), "generate_series" | "generator" | "sequence") {
            return self.refuse(
                Code::GeneratedRows,
                *ident,
                format!(
                    "{lower} makes rows without a bound that can be seen. Write WITH RECURSIVE d(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d WHERE n < 31)."
                ),
            );
        }
        let offer = nearest(&lower, functions::function_names(), "are many more");
        let offer = if offer.starts_with("Did") { offer } else { String::new() };
        self.refuse(
            Code::UnknownFunction,
            *ident,
            format!("The function {} is not on the list. {offer}", shown(&lower)),
        )
    }

    fn arguments<'s>(&mut self, name: &str, kind: Kind, list: &FunctionArgumentList, scope: &Scope<'s, 'a>) -> Checked {
        let FunctionArgumentList {
            duplicate_treatment: _,
            args,
            clauses,
        } = list;
        self.list_is_short(args.len())?;
        for (at, arg) in args.iter().enumerate() {
            let expr = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => expr,
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" && args.len() == 1 => continue,
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(relation))
                    if name == "count" && args.len() == 1 =>
                {
                    self.whole_relation(relation, scope)?;
                    continue;
                }
                FunctionArg::Unnamed(_) => {
                    return self.here(Code::NotSupported, "Only COUNT takes a *.");
                }
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    return self.here(Code::NotSupported, "Redshift's functions take no named arguments.");
                }
            };
            match (kind, at) {
                (Kind::DatePart, 0) if is_bare_date_part(expr) => {}
                (Kind::Pattern, 1) => self.regex(expr, scope)?,
                _ => self.expr(expr, scope)?,
            }
        }
        for clause in clauses {
            match clause {
                FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                FunctionArgumentClause::OrderBy(orders) => {
                    orders.iter().try_for_each(|order| self.order_by_expr(order, scope))?;
                }
                FunctionArgumentClause::Limit(_)
                | FunctionArgumentClause::OnOverflow(_)
                | FunctionArgumentClause::Having(_)
                | FunctionArgumentClause::Separator(_)
                | FunctionArgumentClause::JsonNullClause(_)
                | FunctionArgumentClause::JsonReturningClause(_) => {
                    return self.here(Code::NotSupported, "Redshift's functions do not have this clause.");
                }
            }
        }
        let exprs: Vec<&Expr> = args.iter().filter_map(argument).collect();
        match (kind, name) {
            (Kind::Growing, _) => self.grows(name, &exprs),
            (_, "replace" | "regexp_replace") => self.replaces(name, &exprs),
            _ => Ok(()),
        }
    }

    /// REPEAT and its kind: the length stands in the text, or LEAST bounds it.
    fn grows(&mut self, name: &str, args: &[&Expr]) -> Checked {
        self.growing_calls += 1;
        let max = self.policy.bounds.max_repeat;
        let length = if name == "space" { args.first() } else { args.get(1) };
        let Some(length) = length.and_then(|length| at_most(length)) else {
            return self.here(
                Code::LargeText,
                format!("{name} makes a text of a length that cannot be seen. Write a number, or LEAST(…, {max})."),
            );
        };
        if length > max {
            return self.here(
                Code::LargeText,
                format!("{name} makes at most {max} characters. Ask for fewer."),
            );
        }
        if matches!(name, "repeat" | "replicate") {
            let unit = args.first().and_then(|text| literal(text)).map_or(1, str::len);
            return self.multiply(length as f64 * unit.max(1) as f64);
        }
        Ok(())
    }

    /// A replacement that is longer than what it replaces.
    fn replaces(&mut self, name: &str, args: &[&Expr]) -> Checked {
        let new = match args.get(2) {
            None => return Ok(()),
            Some(new) => literal(new).map_or(8, str::len),
        };
        let old = match args.get(1).and_then(|old| literal(old)) {
            Some(old) if name == "replace" => old.len(),
            _ => 1,
        };
        self.multiply((new as f64 / old.max(1) as f64).max(1.0))
    }

    fn multiply(&mut self, factor: f64) -> Checked {
        self.growth *= factor;
        if self.growth > GROWTH_MAX {
            return self.here(
                Code::LargeText,
                "The texts of this statement may grow beyond what a column holds. Repeat and replace less.",
            );
        }
        Ok(())
    }

    pub(super) fn window<'s>(&mut self, spec: &WindowSpec, scope: &Scope<'s, 'a>) -> Checked {
        let WindowSpec {
            window_name,
            partition_by,
            order_by,
            window_frame,
        } = spec;
        if let Some(name) = window_name {
            self.given(name)?;
        }
        self.exprs(partition_by, scope)?;
        for order in order_by {
            self.order_by_expr(order, scope)?;
        }
        let Some(WindowFrame {
            units: _,
            start_bound,
            end_bound,
        }) = window_frame
        else {
            return Ok(());
        };
        for bound in std::iter::once(start_bound).chain(end_bound) {
            match bound {
                WindowFrameBound::CurrentRow => {}
                WindowFrameBound::Preceding(rows) | WindowFrameBound::Following(rows) => {
                    self.exprs(rows.as_deref(), scope)?;
                }
            }
        }
        Ok(())
    }
}

fn argument_list(args: &FunctionArguments) -> &[FunctionArg] {
    match args {
        FunctionArguments::List(list) => &list.args,
        FunctionArguments::None | FunctionArguments::Subquery(_) => &[],
    }
}

fn argument(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn is_bare_date_part(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(word) => {
            matches!(word.quote_style, None | Some('"')) && functions::is_date_part(&word.value.to_ascii_lowercase())
        }
        _ => false,
    }
}

pub(super) fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Nested(expr) => literal(expr),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn whole_number(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Nested(expr) => whole_number(expr),
        Expr::UnaryOp {
            op: ast::UnaryOperator::Minus,
            expr,
        } => whole_number(expr)?.checked_neg(),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// A bound that stands in the text: a number, or LEAST with one.
fn at_most(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Nested(expr) | Expr::Cast { expr, .. } => at_most(expr),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("least") => {
            argument_list(&function.args)
                .iter()
                .filter_map(argument)
                .filter_map(at_most)
                .min()
        }
        other => whole_number(other).map(|n| u64::try_from(n).unwrap_or(0)),
    }
}
