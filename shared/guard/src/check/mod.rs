//! Walks the parsed query and lets through only what it knows. Every struct of the tree is taken apart field by field,
//! so that a field that a new sqlparser brings does not slip by.

mod call;
mod expr;
mod join;
mod names;
mod recursion;
mod select;
mod table;

use crate::{
    lex::{self, Placed},
    policy::{Policy, Spread},
    refusal::{Code, Fault, fault},
    scope::{OutColumn, Output, Rows, Scope},
};
use sqlparser::ast::{
    self, Expr, Fetch, Ident, LimitClause, Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, SetExpr,
    SetOperator, SetQuantifier, Value,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// A table that the text names, to be replaced.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// As the policy writes it.
    pub table: String,
    pub start: usize,
    pub end: usize,
    /// Whether an alias follows in the text, or none may.
    pub no_alias_needed: bool,
}

/// A query that a WITH clause names.
struct Cte {
    name: String,
    columns: Rc<Vec<OutColumn>>,
    rows: Rows,
    /// How often it is named; for the query that is inside of itself.
    uses: u32,
}

pub(crate) struct Checker<'a> {
    pub policy: &'a Policy,
    /// Tables and the columns of them that are used.
    pub used: BTreeMap<&'a str, BTreeSet<String>>,
    pub references: Vec<Reference>,
    /// Byte ranges that the rewritten text leaves out: schemas before columns.
    pub cuts: Vec<(usize, usize)>,
    /// Whether `*`, NATURAL or renamed columns reach columns that the text does not name.
    pub expands: bool,
    /// LIMIT or FETCH of the outermost query.
    pub limit: Limit,
    ctes: Vec<Cte>,
    relations: usize,
    selects: usize,
    generated_rows: u64,
    /// By how much texts may grow, over the whole statement.
    growth: f64,
    /// Aggregate calls without OVER in the SELECT at hand.
    aggregates: usize,
    /// Calls that make long texts, so far.
    growing_calls: usize,
    /// The last byte offset that a node of the tree had, for nodes that have none.
    at: usize,
}

/// How the outermost query is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Limit {
    #[default]
    None,
    /// LIMIT or FETCH, with its number.
    Rows(u64),
    Top(u64),
}

/// A chain of text made longer than this is refused: a value of it would be larger than Redshift's largest VARCHAR.
const GROWTH_MAX: f64 = 65_535.0;

pub(crate) type Checked<T = ()> = Result<T, Fault>;

impl<'a> Checker<'a> {
    pub fn new(policy: &'a Policy) -> Checker<'a> {
        Checker {
            policy,
            used: BTreeMap::new(),
            references: Vec::new(),
            cuts: Vec::new(),
            expands: false,
            limit: Limit::None,
            ctes: Vec::new(),
            relations: 0,
            selects: 0,
            generated_rows: 0,
            growth: 1.0,
            aggregates: 0,
            growing_calls: 0,
            at: 0,
        }
    }

    /// The outermost query.
    pub fn statement(&mut self, query: &Query) -> Checked {
        if matches!(query.body.as_ref(), SetExpr::Values(_)) {
            return fault(
                Code::NotAQuery,
                self.at,
                "A statement that is only VALUES is not let through. Write a SELECT.",
            );
        }
        self.query(query, None)?;
        let limit = self.limit_of(query)?;
        self.limit = match (limit, query.body.as_ref()) {
            (Some(rows), _) => Limit::Rows(rows),
            (None, SetExpr::Select(select)) => match &select.top {
                Some(top) => Limit::Top(self.top(top)?),
                None => Limit::None,
            },
            (None, _) => Limit::None,
        };
        Ok(())
    }

    /// The byte offset of a node, or of the last one that had one.
    fn place(&self, node: &impl Placed) -> usize {
        node.place().unwrap_or(self.at)
    }

    fn refuse<T>(&self, code: Code, node: &impl Placed, reason: impl Into<String>) -> Checked<T> {
        fault(code, self.place(node), reason)
    }

    fn here<T>(&self, code: Code, reason: impl Into<String>) -> Checked<T> {
        fault(code, self.at, reason)
    }

    fn no(&self, is_there: bool, what: &str) -> Checked {
        if is_there {
            return self.here(Code::NotSupported, format!("{what} is not let through. Leave it out."));
        }
        Ok(())
    }

    fn visit(&mut self, ident: &Ident) {
        if let Some(at) = lex::offset(ident.span) {
            self.at = at;
        }
    }

    fn query<'s>(&mut self, query: &Query, outer: Option<&'s Scope<'s, 'a>>) -> Checked<Output> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let known = self.ctes.len();
        if let Some(with) = with {
            self.with(with, outer)?;
        }
        let mut output = match body.as_ref() {
            SetExpr::Select(select) => self.select(select, outer, order_by.as_ref())?,
            body => {
                let output = self.set_expr(body, outer)?;
                if let Some(order_by) = order_by {
                    let mut scope = Scope::within(outer);
                    scope.aliases = output.columns.clone();
                    self.order_by(order_by, &scope)?;
                }
                output
            }
        };
        if !locks.is_empty() {
            return self.here(Code::NotReadOnly, "FOR UPDATE and FOR SHARE lock rows. Leave them out.");
        }
        self.no(for_clause.is_some(), "FOR XML or FOR JSON")?;
        self.no(settings.is_some(), "SETTINGS")?;
        self.no(format_clause.is_some(), "FORMAT")?;
        self.no(!pipe_operators.is_empty(), "|>")?;
        let limit = self.limit_clause(limit_clause.as_ref())?.into_iter();
        let limit = limit.chain(self.fetch(fetch.as_ref())?).min();
        output.rows = output.rows.limited(limit);
        self.ctes.truncate(known);
        Ok(output)
    }

    fn with<'s>(&mut self, with: &ast::With, outer: Option<&'s Scope<'s, 'a>>) -> Checked {
        let ast::With {
            with_token: _,
            recursive,
            cte_tables,
        } = with;
        for cte in cte_tables {
            let ast::Cte {
                alias,
                query,
                from,
                materialized: _,
                closing_paren_token: _,
            } = cte;
            let (name, columns) = self.alias(alias)?;
            self.no(from.is_some(), "FROM after a WITH query")?;
            let output = if *recursive {
                self.recursive(&name, &columns, query, outer)?
            } else {
                self.query(query, outer)?
            };
            let columns = self.renamed(output.columns, &columns, alias)?;
            self.ctes.push(Cte {
                name,
                columns: Rc::new(columns),
                rows: output.rows,
                uses: 0,
            });
        }
        Ok(())
    }

    /// `columns` under the names of an alias's list, which may be shorter.
    fn renamed(
        &self,
        mut columns: Vec<OutColumn>,
        names: &[String],
        alias: &ast::TableAlias,
    ) -> Checked<Vec<OutColumn>> {
        if names.len() > columns.len() {
            return self.refuse(
                Code::UnknownColumn,
                &alias.name,
                format!(
                    "{} names {} columns, but there are {}.",
                    alias.name,
                    names.len(),
                    columns.len()
                ),
            );
        }
        for (column, name) in columns.iter_mut().zip(names) {
            column.name.clone_from(name);
        }
        Ok(columns)
    }

    fn set_expr<'s>(&mut self, body: &SetExpr, outer: Option<&'s Scope<'s, 'a>>) -> Checked<Output> {
        match body {
            SetExpr::Select(select) => self.select(select, outer, None),
            SetExpr::Query(query) => self.query(query, outer),
            SetExpr::SetOperation {
                op,
                set_quantifier,
                left,
                right,
            } => {
                let left = self.set_expr(left, outer)?;
                let right = self.set_expr(right, outer)?;
                self.no(
                    matches!(
                        set_quantifier,
                        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
                    ),
                    "BY NAME",
                )?;
                let rows = match op {
                    SetOperator::Union => left.rows.and(right.rows),
                    SetOperator::Except | SetOperator::Intersect | SetOperator::Minus => left.rows,
                };
                // A UNION without ALL gives each row once.
                let once = *op == SetOperator::Union && *set_quantifier != SetQuantifier::All;
                let columns: Vec<OutColumn> = left
                    .columns
                    .into_iter()
                    .enumerate()
                    .map(|(at, column)| OutColumn {
                        spread: right
                            .columns
                            .get(at)
                            .map_or(column.spread, |other| other.spread.max(column.spread)),
                        name: column.name,
                    })
                    .collect();
                let rows = match rows {
                    Rows::Many if once => Rows::of(columns.iter().map(|column| column.spread)),
                    rows => rows,
                };
                Ok(Output { columns, rows })
            }
            SetExpr::Values(values) => self.values(values, outer),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => self.here(
                Code::NotReadOnly,
                "A part of this statement writes. Only SELECT is let through, also inside of WITH.",
            ),
            SetExpr::Table(_) => self.here(
                Code::NotSupported,
                "TABLE name is not let through. Write SELECT * FROM name.",
            ),
        }
    }

    fn values<'s>(&mut self, values: &ast::Values, outer: Option<&'s Scope<'s, 'a>>) -> Checked<Output> {
        let ast::Values {
            explicit_row,
            value_keyword: _,
            rows,
        } = values;
        self.no(*explicit_row, "ROW")?;
        self.generate(rows.len() as u64)?;
        if rows.len() > self.policy.bounds.max_list {
            return self.here(
                Code::TooMany,
                format!("VALUES has more than {} rows.", self.policy.bounds.max_list),
            );
        }
        let scope = Scope::within(outer);
        for expr in rows.iter().flat_map(|row| &row.content) {
            self.expr(expr, &scope)?;
        }
        let width = rows.first().map_or(0, |row| row.content.len());
        Ok(Output {
            columns: (1..=width)
                .map(|n| OutColumn {
                    name: format!("column{n}"),
                    spread: Spread::Few,
                })
                .collect(),
            rows: Rows::AtMost(rows.len() as u64),
        })
    }

    fn generate(&mut self, rows: u64) -> Checked {
        self.generated_rows = self.generated_rows.saturating_add(rows);
        if self.generated_rows > self.policy.bounds.max_generated_rows {
            return self.here(
                Code::GeneratedRows,
                format!(
                    "The statement makes more than {} rows out of nothing. Make fewer.",
                    self.policy.bounds.max_generated_rows
                ),
            );
        }
        Ok(())
    }

    fn order_by<'s>(&mut self, order_by: &OrderBy, scope: &Scope<'s, 'a>) -> Checked {
        let OrderBy { kind, interpolate } = order_by;
        self.no(interpolate.is_some(), "INTERPOLATE")?;
        match kind {
            OrderByKind::All(_) => self.no(true, "ORDER BY ALL"),
            OrderByKind::Expressions(exprs) => exprs.iter().try_for_each(|expr| self.order_by_expr(expr, scope)),
        }
    }

    fn order_by_expr<'s>(&mut self, order: &OrderByExpr, scope: &Scope<'s, 'a>) -> Checked {
        let OrderByExpr {
            expr,
            options: OrderByOptions { asc: _, nulls_first: _ },
            with_fill,
        } = order;
        self.no(with_fill.is_some(), "WITH FILL")?;
        self.expr(expr, scope)
    }

    /// The row limit of a query, from LIMIT or FETCH.
    fn limit_of(&self, query: &Query) -> Checked<Option<u64>> {
        let limit = self.limit_clause(query.limit_clause.as_ref())?;
        Ok(limit.or(self.fetch(query.fetch.as_ref())?))
    }

    fn limit_clause(&self, clause: Option<&LimitClause>) -> Checked<Option<u64>> {
        match clause {
            None => Ok(None),
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) => {
                self.no(!limit_by.is_empty(), "LIMIT … BY")?;
                if let Some(Offset { value, rows: _ }) = offset {
                    let rows = self.count(value, "OFFSET")?;
                    if rows > self.policy.bounds.max_offset {
                        return self.refuse(
                            Code::BadLimit,
                            value,
                            format!("OFFSET skips at most {} rows.", self.policy.bounds.max_offset),
                        );
                    }
                }
                limit.as_ref().map(|limit| self.count(limit, "LIMIT")).transpose()
            }
            Some(LimitClause::OffsetCommaLimit { offset, .. }) => self.refuse(
                Code::NotSupported,
                offset,
                "Write LIMIT n OFFSET m instead of LIMIT m, n.",
            ),
        }
    }

    fn fetch(&self, fetch: Option<&Fetch>) -> Checked<Option<u64>> {
        let Some(Fetch {
            with_ties,
            percent,
            quantity,
        }) = fetch
        else {
            return Ok(None);
        };
        if *with_ties || *percent {
            return self.here(
                Code::BadLimit,
                "FETCH with PERCENT or WITH TIES has no bound that can be seen. Write LIMIT and a number.",
            );
        }
        quantity
            .as_ref()
            .map_or(Ok(1), |quantity| self.count(quantity, "FETCH"))
            .map(Some)
    }

    fn top(&self, top: &ast::Top) -> Checked<u64> {
        let ast::Top {
            with_ties,
            percent,
            quantity,
        } = top;
        if *with_ties || *percent {
            return self.here(
                Code::BadLimit,
                "TOP with PERCENT or WITH TIES has no bound that can be seen. Write TOP and a number.",
            );
        }
        match quantity {
            Some(ast::TopQuantity::Constant(rows)) => Ok(*rows),
            Some(ast::TopQuantity::Expr(expr)) => self.count(expr, "TOP"),
            None => self.here(Code::BadLimit, "TOP wants a number after it."),
        }
    }

    /// A plain whole number.
    fn count(&self, expr: &Expr, clause: &str) -> Checked<u64> {
        let number = match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => digits.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        match number {
            Some(number) => Ok(number),
            None => self.refuse(
                Code::BadLimit,
                expr,
                format!("{clause} takes a whole number that stands in the text, such as 100."),
            ),
        }
    }
}
