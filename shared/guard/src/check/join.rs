//! Whether the relations of a FROM clause are tied together. Two relations are tied by an equality between columns of
//! both, by a range with two ends, or by a pattern; `<>`, a single `<`, and conditions on one side leave a product of
//! all rows with all rows, which no warehouse finishes.

use super::{Checked, Checker, select::spread};
use crate::{
    lex::Placed,
    policy::Spread,
    refusal::Code,
    scope::{Rows, Scope},
};
use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator};

/// The bit of [`crate::scope::OUTSIDE`] as an index.
const OUTSIDE_AT: usize = 63;

/// Which relations a condition ties, by their indices.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    pairs: Vec<(usize, usize)>,
    /// Pairs that are bounded from one end: below (1), above (2).
    ends: Vec<(usize, usize, u8)>,
    marked: Vec<usize>,
}

fn bits(mask: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |bit| mask & (1 << bit) != 0)
}

impl Links {
    pub fn tie(&mut self, a: usize, b: usize) {
        if a != b {
            self.pairs.push((a, b));
        }
    }

    pub fn mark(&mut self, at: usize) {
        self.marked.push(at);
    }

    /// Ties what was marked, unless it is tied by hardly anything.
    pub fn tie_marked(&mut self, hardly: bool) {
        let marked = std::mem::take(&mut self.marked);
        for pair in marked.windows(2).filter(|_| !hardly) {
            self.tie(pair[0], pair[1]);
        }
    }

    /// Ties each of `left` with each of `right`.
    pub fn tie_all(&mut self, left: u64, right: u64) {
        for a in bits(left) {
            for b in bits(right) {
                self.tie(a, b);
            }
        }
    }

    /// One end of a range: `left` is below `right`, or above.
    fn bound(&mut self, left: u64, right: u64, is_below: bool) {
        for a in bits(left) {
            for b in bits(right).filter(|b| *b != a) {
                let (low, high, end) = match (a < b, is_below) {
                    (true, true) => (a, b, 1),
                    (true, false) => (a, b, 2),
                    (false, true) => (b, a, 2),
                    (false, false) => (b, a, 1),
                };
                let both = self
                    .ends
                    .iter()
                    .any(|(x, y, there)| (*x, *y) == (low, high) && *there != end);
                if both {
                    self.tie(a, b);
                }
                self.ends.push((low, high, end));
            }
        }
    }

    fn absorb(&mut self, other: Links) {
        self.pairs.extend(other.pairs);
        for (a, b, end) in other.ends {
            self.bound(1 << a, 1 << b, end == 1);
        }
    }

    /// For each index, the smallest index that it is tied with.
    fn groups(&self) -> [usize; 64] {
        let mut group = std::array::from_fn(|at| at);
        fn root(group: &[usize; 64], mut at: usize) -> usize {
            while group[at] != at {
                at = group[at];
            }
            at
        }
        for (a, b) in &self.pairs {
            let (a, b) = (root(&group, *a), root(&group, *b));
            group[a.max(b)] = a.min(b);
        }
        std::array::from_fn(|at| root(&group, at))
    }

    /// What both of two alternatives tie.
    fn common(self, other: Links) -> Links {
        if self.pairs.is_empty() || other.pairs.is_empty() {
            return Links::default();
        }
        let (one, two) = (self.groups(), other.groups());
        let mut links = Links::default();
        for a in 0..64 {
            for b in a + 1..64 {
                if one[a] == one[b] && two[a] == two[b] {
                    links.tie(a, b);
                }
            }
        }
        links
    }
}

impl<'a> Checker<'a> {
    /// Checks a condition, and collects what it ties.
    pub(super) fn condition<'s>(&mut self, expr: &Expr, scope: &Scope<'s, 'a>, links: &mut Links) -> Checked {
        match expr {
            Expr::Nested(inner) => self.condition(inner, scope, links),
            Expr::BinaryOp { left, op, right } => match op {
                BinaryOperator::And => {
                    self.condition(left, scope, links)?;
                    self.condition(right, scope, links)
                }
                BinaryOperator::Or => {
                    let (mut one, mut two) = (Links::default(), Links::default());
                    self.condition(left, scope, &mut one)?;
                    self.condition(right, scope, &mut two)?;
                    links.absorb(one.common(two));
                    Ok(())
                }
                BinaryOperator::Eq => {
                    let (a, b) = (self.seen_in(left, scope)?, self.seen_in(right, scope)?);
                    let is_of_kinds = || {
                        spread(left, scope) == Spread::Kinds
                            && spread(right, scope) == Spread::Kinds
                            && are_many(scope, a)
                            && are_many(scope, b)
                    };
                    if (tells_rows_apart(left) || tells_rows_apart(right)) && !is_of_kinds() {
                        links.tie_all(a, b);
                    }
                    // A distance between two: DATEDIFF(month, a.month, b.month) = 1.
                    if is_distance(left) && b == 0 {
                        links.tie_all(a, a);
                    }
                    Ok(())
                }
                BinaryOperator::Lt | BinaryOperator::LtEq => {
                    let (a, b) = (self.seen_in(left, scope)?, self.seen_in(right, scope)?);
                    links.bound(a, b, true);
                    Ok(())
                }
                BinaryOperator::Gt | BinaryOperator::GtEq => {
                    let (a, b) = (self.seen_in(left, scope)?, self.seen_in(right, scope)?);
                    links.bound(a, b, false);
                    Ok(())
                }
                _ => self.expr(expr, scope),
            },
            Expr::Between {
                expr: middle,
                negated,
                low,
                high,
            } => {
                let middle = self.seen_in(middle, scope)?;
                let (low, high) = (self.seen_in(low, scope)?, self.seen_in(high, scope)?);
                if !negated {
                    links.bound(middle, low, false);
                    links.bound(middle, high, true);
                }
                Ok(())
            }
            Expr::IsNotDistinctFrom(left, right) => {
                let (a, b) = (self.seen_in(left, scope)?, self.seen_in(right, scope)?);
                links.tie_all(a, b);
                Ok(())
            }
            Expr::Like {
                negated: false,
                any: false,
                expr: text,
                pattern,
                escape_char: None,
            }
            | Expr::ILike {
                negated: false,
                any: false,
                expr: text,
                pattern,
                escape_char: None,
            } => {
                let text = self.seen_in(text, scope)?;
                let before = scope.seen.replace(0);
                self.pattern(pattern, scope)?;
                let pattern = scope.seen.replace(before);
                scope.seen.set(before | pattern);
                links.tie_all(text, pattern);
                Ok(())
            }
            _ => self.expr(expr, scope),
        }
    }

    /// Checks an expression, and tells which relations it reads.
    fn seen_in<'s>(&mut self, expr: &Expr, scope: &Scope<'s, 'a>) -> Checked<u64> {
        let before = scope.seen.replace(0);
        let checked = self.expr(expr, scope);
        let seen = scope.seen.get();
        scope.seen.set(before | seen);
        checked.map(|()| seen)
    }

    /// Refuses relations that stand side by side.
    pub(super) fn tied<'s>(&self, scope: &Scope<'s, 'a>, links: &Links, from: &impl Placed) -> Checked {
        let relations = &scope.relations;
        if relations.len() < 2 {
            return Ok(());
        }
        let groups = links.groups();
        let outside = groups[OUTSIDE_AT];
        let mut product = 1_u64;
        let (mut kinds, mut things) = (0, 0);
        let mut many: Vec<usize> = Vec::new();
        let mut done: Vec<usize> = Vec::new();
        for at in 0..relations.len() {
            let group = groups[at];
            if group == outside || done.contains(&group) {
                continue;
            }
            done.push(group);
            // What is joined has about as many rows as its largest member.
            let members = || {
                (0..relations.len())
                    .filter(|other| groups[*other] == group)
                    .map(|at| relations[at].rows)
            };
            let rows = if members().all(|rows| matches!(rows, Rows::AtMost(_))) {
                members().reduce(Rows::beside)
            } else {
                members().max_by_key(|rows| rows.order())
            };
            match rows {
                Some(Rows::AtMost(rows)) => product = product.saturating_mul(rows.max(1)),
                Some(Rows::Kinds) => kinds += 1,
                // Every venue with every month is a grid that people want; two tables set side by side are not.
                Some(Rows::Things) => things += 1,
                Some(Rows::Many) | None => many.push(at),
            }
        }
        let has_outside = (0..relations.len()).any(|at| groups[at] == outside);
        let large = many.len() + usize::from(has_outside && (!many.is_empty() || kinds + things > 0));
        let max = &self.policy.bounds;
        let fits = match (large, things, kinds) {
            (0, 0, 0) => product <= max.max_generated_rows,
            (0, 0, 1 | 2) | (0, 1, 0 | 1) | (1, 0, 0) => product <= max.max_cross_rows,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let name = |at: usize| relations[at].name.clone().unwrap_or_else(|| "the subquery".to_owned());
        let (one, other) = match many.as_slice() {
            [one, other, ..] => (name(*one), name(*other)),
            _ => (name(0), name(relations.len() - 1)),
        };
        self.refuse(
            Code::UnboundJoin,
            from,
            format!(
                "Every row of {one} would meet every row of {other}. Join them by an equality of their columns, such as a shared id."
            ),
        )
    }
}

/// Whether every relation of a mask has a row for each thing that happened. Two of those that share no more than a kind
/// (a currency, a channel) are tied by hardly anything.
pub(super) fn are_many(scope: &Scope<'_, '_>, mask: u64) -> bool {
    bits(mask).all(|at| {
        scope
            .relations
            .get(at)
            .is_some_and(|relation| relation.rows == Rows::Many)
    })
}

/// Whether an expression takes about as many values as the columns in it: a column, or what keeps most of one.
/// Arithmetic between columns, lengths and signs do not, and tie nothing.
fn tells_rows_apart(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Subquery(_) => true,
        Expr::Nested(expr)
        | Expr::Cast { expr, .. }
        | Expr::Convert { expr, .. }
        | Expr::Trim { expr, .. }
        | Expr::Substring { expr, .. }
        | Expr::Extract { expr, .. }
        | Expr::Collate { expr, .. }
        | Expr::OuterJoin(expr)
        | Expr::AtTimeZone { timestamp: expr, .. }
        | Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => tells_rows_apart(expr),
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::Plus | BinaryOperator::Minus => {
                (tells_rows_apart(left) && is_constant(right)) || (is_constant(left) && tells_rows_apart(right))
            }
            BinaryOperator::StringConcat => tells_rows_apart(left) || tells_rows_apart(right),
            _ => false,
        },
        Expr::Function(function) => {
            let keeps = matches!(
                function.name.to_string().to_ascii_lowercase().as_str(),
                "lower"
                    | "upper"
                    | "initcap"
                    | "btrim"
                    | "ltrim"
                    | "rtrim"
                    | "trim"
                    | "nvl"
                    | "coalesce"
                    | "date_trunc"
                    | "date_part"
                    | "to_char"
                    | "to_date"
                    | "to_timestamp"
                    | "dateadd"
                    | "add_months"
                    | "date"
                    | "trunc"
                    | "convert_timezone"
                    | "last_day"
                    | "left"
                    | "right"
                    | "substring"
                    | "substr"
                    | "replace"
                    | "translate"
                    | "regexp_replace"
                    | "regexp_substr"
                    | "split_part"
                    | "md5"
                    | "sha1"
                    | "sha2"
                    | "concat"
                    | "soundex"
                    | "lpad"
                    | "rpad"
                    | "nullif"
                    | "round"
                    | "floor"
                    | "ceil"
                    | "date_part_year"
                    | "decode"
                    | "json_extract_path_text"
                    | "next_day"
                    | "reverse"
                    | "greatest"
                    | "least"
                    | "strtol"
            );
            let FunctionArguments::List(list) = &function.args else {
                return false;
            };
            keeps
                && function.over.is_none()
                && list.args.iter().any(
                    |arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if tells_rows_apart(expr)),
                )
        }
        Expr::Case {
            conditions,
            else_result,
            ..
        } => conditions
            .iter()
            .map(|when| &when.result)
            .chain(else_result.as_deref())
            .any(tells_rows_apart),
        _ => false,
    }
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) => true,
        Expr::Nested(expr) | Expr::Cast { expr, .. } | Expr::UnaryOp { expr, .. } => is_constant(expr),
        Expr::BinaryOp { left, right, .. } => is_constant(left) && is_constant(right),
        _ => false,
    }
}

fn is_distance(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(expr) => is_distance(expr),
        Expr::Function(function) => matches!(
            function.name.to_string().to_ascii_lowercase().as_str(),
            "datediff" | "date_diff" | "months_between"
        ),
        _ => false,
    }
}
