//! Names that a select list gives may be used further on in the same list and in WHERE ("lateral column aliases"). A
//! column of that name comes first, so the tables have to be known before a name is taken for an alias.

use super::labels::is_made;
use crate::error::RedshiftError;
use datafusion::{
    prelude::SessionContext,
    sql::{
        parser::Statement as EngineStatement,
        sqlparser::ast::{
            Cte, Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Statement, Visit, VisitMut, Visitor,
            VisitorMut, With, helpers::attached_token::AttachedToken,
        },
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

/// Aliases of aliases can double in each step; nobody writes expressions as large as this.
const EXPANDED_MAX: usize = 10_000;

/// Puts what they stand for in the place of aliases that are used in their own select.
///
/// # Errors
/// Aliases that stand for more than [`EXPANDED_MAX`] parts.
pub(crate) async fn resolve(context: &SessionContext, statement: &mut Statement) -> Result<(), RedshiftError> {
    let mut found = Candidates::default();
    let _ = Visit::visit(&*statement, &mut found);
    if found.sources.iter().all(Option::is_none) {
        return Ok(());
    }
    let mut columns = Vec::with_capacity(found.sources.len());
    for source in found.sources {
        columns.push(match source {
            None => None,
            Some(None) => Some(BTreeSet::new()),
            Some(Some(query)) => {
                let query = EngineStatement::Statement(Box::new(Statement::Query(query)));
                // What cannot be planned by itself (a correlated one) stays as it is.
                context.state().statement_to_plan(query).await.ok().map(|plan| {
                    let fields = plan.schema().fields();
                    fields.iter().map(|field| field.name().to_lowercase()).collect()
                })
            }
        });
    }
    match statement.visit(&mut Replace { columns, at: 0 }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The selects of a query's body, from left to right.
fn selects<'a>(body: &'a SetExpr, out: &mut Vec<&'a Select>) {
    match body {
        SetExpr::Select(select) => out.push(select),
        SetExpr::SetOperation { left, right, .. } => {
            selects(left, out);
            selects(right, out);
        }
        _ => {}
    }
}

fn for_each_select(
    body: &mut SetExpr,
    f: &mut impl FnMut(&mut Select) -> Result<(), RedshiftError>,
) -> Result<(), RedshiftError> {
    match body {
        SetExpr::Select(select) => f(select),
        SetExpr::SetOperation { left, right, .. } => {
            for_each_select(left, f)?;
            for_each_select(right, f)
        }
        _ => Ok(()),
    }
}

fn name(ident: &Ident) -> String {
    ident.value.to_lowercase()
}

/// For each select, in the order of the walk: nothing, if it uses no alias of its own; else the query that lists the
/// columns of its tables, if it has tables.
#[derive(Default)]
struct Candidates {
    #[allow(clippy::option_option)]
    sources: Vec<Option<Option<Box<Query>>>>,
    /// The common table expressions that each enclosing query brings.
    scopes: Vec<Vec<Cte>>,
}

impl Visitor for Candidates {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.push(
            query
                .with
                .as_ref()
                .map(|with| with.cte_tables.clone())
                .unwrap_or_default(),
        );
        let mut found = Vec::new();
        selects(&query.body, &mut found);
        for select in found {
            let source = uses_alias(select)
                .then(|| (!select.from.is_empty()).then(|| Box::new(all_columns(select, self.scopes.concat()))));
            self.sources.push(source);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }
}

/// `WITH ... SELECT * FROM` the tables of a select.
fn all_columns(select: &Select, mut ctes: Vec<Cte>) -> Query {
    // An inner one hides an outer one of the same name.
    let mut seen = BTreeSet::new();
    ctes.reverse();
    ctes.retain(|cte| seen.insert(name(&cte.alias.name)));
    ctes.reverse();
    let mut bare = select.clone();
    bare.projection = vec![SelectItem::Wildcard(Default::default())];
    bare.distinct = None;
    bare.selection = None;
    bare.having = None;
    bare.qualify = None;
    bare.named_window = Vec::new();
    bare.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
    Query {
        with: (!ctes.is_empty()).then(|| With {
            with_token: AttachedToken::empty(),
            recursive: false,
            cte_tables: ctes,
        }),
        body: Box::new(SetExpr::Select(Box::new(bare))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// The names that an expression uses bare, not counting those inside of queries.
#[derive(Default)]
struct Names {
    depth: usize,
    found: BTreeSet<String>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && self.depth == 0
        {
            self.found.insert(name(ident));
        }
        ControlFlow::Continue(())
    }
}

fn names(expr: &Expr) -> BTreeSet<String> {
    let mut names = Names::default();
    let _ = Visit::visit(expr, &mut names);
    names.found
}

/// The alias that a person gave to an item.
fn alias(item: &SelectItem) -> Option<(&Ident, &Expr)> {
    match item {
        SelectItem::ExprWithAlias { alias, expr } if !is_made(alias, expr) => Some((alias, expr)),
        _ => None,
    }
}

fn uses_alias(select: &Select) -> bool {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item
            && !known.is_empty()
            && names(expr).iter().any(|name| known.contains(name))
        {
            return true;
        }
        if let Some((alias, expr)) = alias(item)
            // An alias that repeats its column's name changes nothing.
            && !matches!(expr, Expr::Identifier(column) if name(column) == name(alias))
        {
            known.insert(name(alias));
        }
    }
    let used = select.selection.as_ref().map(names).unwrap_or_default();
    used.iter().any(|name| known.contains(name))
}

struct Replace {
    columns: Vec<Option<BTreeSet<String>>>,
    at: usize,
}

impl VisitorMut for Replace {
    type Break = RedshiftError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<RedshiftError> {
        let (columns, at) = (&self.columns, &mut self.at);
        let done = for_each_select(&mut query.body, &mut |select| {
            let known = columns.get(*at).and_then(Option::as_ref);
            *at += 1;
            known.map_or(Ok(()), |columns| expand(select, columns))
        });
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn expand(select: &mut Select, columns: &BTreeSet<String>) -> Result<(), RedshiftError> {
    let mut known: BTreeMap<String, (Expr, usize)> = BTreeMap::new();
    for item in &mut select.projection {
        let mut parts = 0;
        if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item {
            parts = substitute(expr, &known)?;
        }
        if let Some((alias, expr)) = alias(item)
            && !columns.contains(&name(alias))
        {
            known.insert(name(alias), (Expr::Nested(Box::new(expr.clone())), parts));
        }
    }
    if let Some(selection) = &mut select.selection {
        substitute(selection, &known)?;
    }
    Ok(())
}

/// Replaces the names in an expression and says how many parts it has then.
fn substitute(expr: &mut Expr, known: &BTreeMap<String, (Expr, usize)>) -> Result<usize, RedshiftError> {
    let mut substitute = Substitute {
        known,
        depth: 0,
        parts: 0,
    };
    match expr.visit(&mut substitute) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(substitute.parts),
    }
}

struct Substitute<'a> {
    known: &'a BTreeMap<String, (Expr, usize)>,
    depth: usize,
    parts: usize,
}

impl VisitorMut for Substitute<'_> {
    type Break = RedshiftError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<RedshiftError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<RedshiftError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<RedshiftError> {
        self.parts += 1;
        if let Expr::Identifier(ident) = expr
            && self.depth == 0
            && let Some((meaning, parts)) = self.known.get(&name(ident))
        {
            self.parts += parts;
            if self.parts <= EXPANDED_MAX {
                *expr = meaning.clone();
            }
        }
        if self.parts > EXPANDED_MAX {
            return ControlFlow::Break(RedshiftError::NotSupported(format!(
                "the aliases of this select list stand for more than {EXPANDED_MAX} parts: use a subquery"
            )));
        }
        ControlFlow::Continue(())
    }
}
