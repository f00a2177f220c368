//! Expressions. What is not named here is refused.

use super::{Checked, Checker};
use crate::{functions, refusal::Code, scope::Scope, shape::shown};
use sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CastKind, CeilFloorKind, DataType, Expr, Interval, JsonPathElem, Query,
    Subscript, TypedString, Value, ValueWithSpan,
};

/// A pattern for LIKE longer than this, or with more `%`, takes long for every row.
const LIKE_MAX_BYTES: usize = 500;
const LIKE_MAX_WILDCARDS: usize = 12;

/// A regular expression longer than this, or that repeats more often by `{n}`, takes long to build.
const REGEX_MAX_BYTES: usize = 1_000;
const REGEX_MAX_REPEATS: u64 = 1_000;

impl<'a> Checker<'a> {
    pub(super) fn exprs<'s, 'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        scope: &Scope<'s, 'a>,
    ) -> Checked {
        exprs.into_iter().try_for_each(|expr| self.expr(expr, scope))
    }

    /// The arms are short and call out, since this function recurses: its frame is what a deep statement costs.
    pub(super) fn expr<'s>(&mut self, expr: &Expr, scope: &Scope<'s, 'a>) -> Checked {
        match expr {
            Expr::Identifier(name) => self.column(std::slice::from_ref(name), scope),
            Expr::CompoundIdentifier(parts) => self.column(parts, scope),
            Expr::Value(value) => self.value(value),
            Expr::Nested(expr)
            | Expr::IsFalse(expr)
            | Expr::IsNotFalse(expr)
            | Expr::IsTrue(expr)
            | Expr::IsNotTrue(expr)
            | Expr::IsNull(expr)
            | Expr::IsNotNull(expr)
            | Expr::IsUnknown(expr)
            | Expr::IsNotUnknown(expr)
            | Expr::OuterJoin(expr) => self.expr(expr, scope),
            Expr::BinaryOp { left, op, right } => {
                self.operator(op, expr)?;
                self.expr(left, scope)?;
                match op {
                    BinaryOperator::PGRegexMatch
                    | BinaryOperator::PGRegexIMatch
                    | BinaryOperator::PGRegexNotMatch
                    | BinaryOperator::PGRegexNotIMatch => self.regex(right, scope),
                    _ => self.expr(right, scope),
                }
            }
            Expr::UnaryOp { op, expr: inner } => {
                if !functions::is_unary_operator(*op) {
                    return self.refuse(
                        Code::OperatorNotAllowed,
                        expr,
                        format!("The operator {op} is not let through."),
                    );
                }
                self.expr(inner, scope)
            }
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.expr(left, scope)?;
                self.expr(right, scope)
            }
            Expr::Between {
                expr,
                negated: _,
                low,
                high,
            } => {
                self.expr(expr, scope)?;
                self.expr(low, scope)?;
                self.expr(high, scope)
            }
            Expr::Function(function) => self.call(function, scope),
            Expr::Case {
                case_token: _,
                end_token: _,
                operand,
                conditions,
                else_result,
            } => {
                self.exprs(operand.as_deref(), scope)?;
                for ast::CaseWhen { condition, result } in conditions {
                    self.expr(condition, scope)?;
                    self.expr(result, scope)?;
                }
                self.exprs(else_result.as_deref(), scope)
            }
            Expr::InList { expr, list, negated: _ } => {
                self.list_is_short(list.len())?;
                self.expr(expr, scope)?;
                self.exprs(list, scope)
            }
            Expr::Tuple(exprs) => {
                self.list_is_short(exprs.len())?;
                self.exprs(exprs, scope)
            }
            Expr::InSubquery {
                expr,
                subquery,
                negated: _,
            } => {
                self.expr(expr, scope)?;
                self.subquery(subquery, scope)
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.subquery(subquery, scope),
            Expr::AnyOp {
                left,
                compare_op,
                right,
                is_some: _,
            }
            | Expr::AllOp {
                left,
                compare_op,
                right,
            } => {
                self.operator(compare_op, expr)?;
                self.expr(left, scope)?;
                self.expr(right, scope)
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                self.list_is_short(sets.len())?;
                self.exprs(sets.iter().flatten(), scope)
            }
            other => self.rarer(other, scope),
        }
    }

    #[inline(never)]
    fn rarer<'s>(&mut self, expr: &Expr, scope: &Scope<'s, 'a>) -> Checked {
        match expr {
            Expr::Like {
                negated: _,
                any,
                expr,
                pattern,
                escape_char,
            }
            | Expr::ILike {
                negated: _,
                any,
                expr,
                pattern,
                escape_char,
            } => {
                self.escape(escape_char.as_ref())?;
                self.expr(expr, scope)?;
                match pattern.as_ref() {
                    Expr::Tuple(patterns) if *any => {
                        self.list_is_short(patterns.len())?;
                        patterns.iter().try_for_each(|pattern| self.pattern(pattern, scope))
                    }
                    Expr::Nested(pattern) if *any => self.pattern(pattern, scope),
                    pattern => self.pattern(pattern, scope),
                }
            }
            Expr::SimilarTo {
                negated: _,
                expr,
                pattern,
                escape_char,
            } => {
                self.escape(escape_char.as_ref())?;
                self.expr(expr, scope)?;
                self.regex(pattern, scope)
            }
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                array,
                format,
            } => {
                self.no(
                    *array || format.is_some() || *kind == CastKind::SafeCast,
                    "This form of CAST",
                )?;
                self.expr(inner, scope)?;
                self.data_type(data_type)
            }
            Expr::Convert {
                is_try,
                expr,
                data_type,
                charset,
                target_before_value: _,
                styles,
            } => {
                self.no(
                    *is_try || charset.is_some() || !styles.is_empty(),
                    "This form of CONVERT",
                )?;
                self.expr(expr, scope)?;
                data_type.as_ref().map_or(Ok(()), |data_type| self.data_type(data_type))
            }
            Expr::TypedString(TypedString {
                data_type,
                value,
                uses_odbc_syntax,
            }) => {
                self.no(*uses_odbc_syntax, "A literal in braces")?;
                self.value(value)?;
                self.data_type(data_type)
            }
            Expr::Interval(interval) => self.interval(interval, scope),
            Expr::Extract {
                field,
                syntax: _,
                expr: inner,
            } => {
                if !functions::is_field(field) {
                    return self.refuse(
                        Code::NotSupported,
                        expr,
                        format!("{} is no part of a date.", shown(&field.to_string())),
                    );
                }
                self.expr(inner, scope)
            }
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => {
                let is_plain = match field {
                    CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => true,
                    CeilFloorKind::DateTimeField(_) => false,
                    CeilFloorKind::Scale(value) => self.value(value).map(|()| true)?,
                };
                self.no(!is_plain, "A date part in CEIL or FLOOR")?;
                self.expr(expr, scope)
            }
            Expr::Position { expr, r#in } => {
                self.expr(expr, scope)?;
                self.expr(r#in, scope)
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                special: _,
                shorthand: _,
            } => {
                self.expr(expr, scope)?;
                self.exprs(
                    substring_from.as_deref().into_iter().chain(substring_for.as_deref()),
                    scope,
                )
            }
            Expr::Trim {
                trim_where: _,
                trim_what,
                expr,
                trim_characters,
            } => {
                self.exprs(trim_what.as_deref(), scope)?;
                self.expr(expr, scope)?;
                self.exprs(trim_characters.iter().flatten(), scope)
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                self.expr(timestamp, scope)?;
                self.expr(time_zone, scope)
            }
            Expr::Collate { expr, collation } => {
                let parts = self.parts(collation)?;
                let is_known = matches!(parts.as_slice(), [name]
                    if ["case_sensitive", "case_insensitive", "cs", "ci"].contains(&name.value.to_ascii_lowercase().as_str()));
                self.no(!is_known, "This collation")?;
                self.expr(expr, scope)
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expr(root, scope)?;
                access_chain.iter().try_for_each(|access| self.access(access))
            }
            Expr::JsonAccess { value, path } => {
                self.expr(value, scope)?;
                path.path.iter().try_for_each(|element| match element {
                    JsonPathElem::Bracket {
                        key: Expr::Value(value),
                    } => self.value(value),
                    _ => self.here(
                        Code::NotSupported,
                        "Only an index such as [0] reaches into a value; for a name use JSON_EXTRACT_PATH_TEXT.",
                    ),
                })
            }
            Expr::Wildcard(token) => {
                if let Some(at) = crate::lex::offset(token.0.span) {
                    self.at = at;
                }
                self.here(Code::Syntax, "A * stands where a value should.")
            }
            Expr::QualifiedWildcard(name, _) => self.refuse(Code::Syntax, name, "A * stands where a value should."),
            Expr::Prior(_) => self.here(
                Code::GeneratedRows,
                "PRIOR belongs to CONNECT BY, which is not let through.",
            ),
            Expr::Prefixed { prefix, .. } => {
                self.refuse(Code::OddLiteral, prefix, "A literal with a prefix is not let through.")
            }
            other => {
                let text = other.to_string();
                self.refuse(
                    Code::NotSupported,
                    other,
                    format!(
                        "Redshift does not have this, or it is not let through: {}.",
                        shown(&text)
                    ),
                )
            }
        }
    }

    fn subquery<'s>(&mut self, query: &Query, scope: &Scope<'s, 'a>) -> Checked {
        self.subselect(|checker| checker.query(query, Some(scope))).map(|_| ())
    }

    fn operator(&mut self, operator: &BinaryOperator, expr: &Expr) -> Checked {
        if functions::is_binary_operator(operator) {
            return Ok(());
        }
        self.refuse(
            Code::OperatorNotAllowed,
            expr,
            format!("The operator {operator} is not let through."),
        )
    }

    pub(super) fn value(&mut self, value: &ValueWithSpan) -> Checked {
        if let Some(at) = crate::lex::offset(value.span) {
            self.at = at;
        }
        match &value.value {
            Value::Number(_, is_long) => self.no(*is_long, "A number that ends in L"),
            Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => Ok(()),
            Value::Placeholder(_) => self.here(
                Code::Placeholder,
                "Nothing is bound to parameters here. Write the value itself.",
            ),
            _ => self.here(
                Code::OddLiteral,
                "This literal is not let through. Write a text in plain quotes.",
            ),
        }
    }

    fn data_type(&mut self, data_type: &DataType) -> Checked {
        if functions::is_type(data_type) {
            return Ok(());
        }
        self.here(
            Code::TypeNotAllowed,
            format!(
                "{} is not a type that a value may be cast to. Use VARCHAR, INTEGER, BIGINT, DECIMAL, DOUBLE PRECISION, BOOLEAN, DATE or TIMESTAMP.",
                shown(&data_type.to_string())
            ),
        )
    }

    fn interval<'s>(&mut self, interval: &Interval, scope: &Scope<'s, 'a>) -> Checked {
        let Interval {
            value,
            leading_field,
            leading_precision: _,
            last_field,
            fractional_seconds_precision: _,
        } = interval;
        let is_field = |field: &Option<ast::DateTimeField>| field.as_ref().is_none_or(functions::is_field);
        self.no(
            !is_field(leading_field) || !is_field(last_field),
            "This field of INTERVAL",
        )?;
        self.expr(value, scope)
    }

    fn access(&mut self, access: &AccessExpr) -> Checked {
        let index = match access {
            AccessExpr::Subscript(Subscript::Index { index }) => index,
            _ => {
                return self.here(
                    Code::NotSupported,
                    "Only an index such as [0] reaches into a value; for a name use JSON_EXTRACT_PATH_TEXT.",
                );
            }
        };
        match index {
            Expr::Value(value) => self.value(value),
            _ => self.here(
                Code::NotSupported,
                "An index is a number or a name that stands in the text.",
            ),
        }
    }

    fn escape(&mut self, escape: Option<&ValueWithSpan>) -> Checked {
        match escape {
            Some(value) => self.value(value),
            None => Ok(()),
        }
    }

    /// A pattern of LIKE.
    pub(super) fn pattern<'s>(&mut self, pattern: &Expr, scope: &Scope<'s, 'a>) -> Checked {
        self.made_pattern(pattern, scope)?;
        if let Expr::Value(value) = pattern
            && let Value::SingleQuotedString(text) = &value.value
        {
            // Neighbours count once: %% is %.
            let wildcards = text
                .bytes()
                .zip(std::iter::once(0).chain(text.bytes()))
                .filter(|(byte, before)| *byte == b'%' && *before != b'%')
                .count();
            if text.len() > LIKE_MAX_BYTES || wildcards > LIKE_MAX_WILDCARDS {
                return self.here(
                    Code::SlowPattern,
                    format!(
                        "A pattern has at most {LIKE_MAX_BYTES} bytes and {LIKE_MAX_WILDCARDS} wildcards. Look for less at once."
                    ),
                );
            }
        }
        Ok(())
    }

    /// A pattern of `~`, SIMILAR TO and the REGEXP functions.
    pub(super) fn regex<'s>(&mut self, pattern: &Expr, scope: &Scope<'s, 'a>) -> Checked {
        self.made_pattern(pattern, scope)?;
        let Expr::Value(value) = pattern else { return Ok(()) };
        let Value::SingleQuotedString(text) = &value.value else {
            return Ok(());
        };
        // {n} within {m} repeats n × m times; the product over all is the worst.
        let repeats = text
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .filter_map(|(inside, _)| inside.split(',').filter_map(|n| n.trim().parse::<u64>().ok()).max())
            .fold(1_u64, |product, n| product.saturating_mul(n.max(1)));
        if text.len() > REGEX_MAX_BYTES || repeats > REGEX_MAX_REPEATS || repeats_itself(text) {
            return self.here(
                Code::SlowPattern,
                format!(
                    "A pattern has at most {REGEX_MAX_BYTES} bytes, repeats at most {REGEX_MAX_REPEATS} times by braces, and does not repeat what is itself repeated without end, as (a+)+ does."
                ),
            );
        }
        Ok(())
    }

    /// A pattern that is put together: not by functions that make it long.
    fn made_pattern<'s>(&mut self, pattern: &Expr, scope: &Scope<'s, 'a>) -> Checked {
        let before = self.growing_calls;
        self.expr(pattern, scope)?;
        if self.growing_calls > before {
            return self.refuse(
                Code::SlowPattern,
                pattern,
                "A pattern is made by a function that repeats. Write the pattern itself.",
            );
        }
        Ok(())
    }
}

/// `(a+)+`, `(.*)*`: a group whose whole content is one repeated thing, repeated again. It takes exponential time in
/// engines that go back.
fn repeats_itself(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let is_endless = |byte: Option<&u8>| matches!(byte, Some(b'*' | b'+'));
    let mut open = Vec::new();
    let mut in_class = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => open.push(at),
            b')' if !in_class => {
                if let Some(start) = open.pop()
                    && is_endless(bytes.get(at + 1))
                    && at > start + 1
                    && is_endless(bytes.get(at - 1))
                    && (at < 2 || bytes[at - 2] != b'\\')
                    && is_one_atom(&bytes[start + 1..at - 1])
                {
                    return true;
                }
            }
            _ => {}
        }
        at += 1;
    }
    false
}

/// A single character, class or group.
fn is_one_atom(inside: &[u8]) -> bool {
    let inside = inside.strip_prefix(b"?:").unwrap_or(inside);
    match inside {
        [_] | [b'\\', _] | [b'\\', b'\\', _] => true,
        [b'[', middle @ .., b']'] => !middle.contains(&b']'),
        [b'(', middle @ .., b')'] => !middle.contains(&b')'),
        _ => false,
    }
}
