//! A second opinion on what was let through. It reads the statement to run with sqlparser's own tokenizer and dialect
//! and walks it with sqlparser's own visitor; it shares no code with the checker, only the lists of what is allowed.

use concert_guard::{Guarded, Policy, function_names};
use sqlparser::{
    ast::{
        Expr, FunctionArguments, Ident, LimitClause, ObjectName, ObjectNamePart, Query, SelectItem, SetExpr, Statement,
        TableFactor, TopQuantity, Value, Visit, Visitor,
    },
    dialect::{Dialect, GenericDialect, RedshiftSqlDialect},
    parser::Parser,
    tokenizer::{Token, Tokenizer, Whitespace},
};
use std::{collections::BTreeSet, ops::ControlFlow};

/// What Redshift has and sqlparser cannot read, taken out as text.
fn readable(sql: &str) -> String {
    let mut text = sql.to_owned();
    for (word, before) in [("approximate", "count"), ("approximate", "percentile_disc")] {
        loop {
            let lower = text.to_ascii_lowercase();
            let Some(at) = lower
                .match_indices(word)
                .map(|(at, _)| at)
                .find(|at| lower[at + word.len()..].trim_start().starts_with(before))
            else {
                break;
            };
            text.replace_range(at..at + word.len(), "");
        }
    }
    for side in ["leading", "trailing", "both"] {
        loop {
            let lower = text.to_ascii_lowercase();
            let Some((at, end)) = lower.match_indices(side).find_map(|(at, _)| {
                let rest = &lower[at + side.len()..];
                let from = rest.trim_start();
                (lower[..at].trim_end().ends_with('(') && from.starts_with("from"))
                    .then(|| (at, at + side.len() + rest.len() - from.len() + 4))
            }) else {
                break;
            };
            text.replace_range(at..end, "");
        }
    }
    // The older outer join, with or without spaces inside.
    while let Some((at, len)) = text.match_indices('(').find_map(|(at, _)| {
        let rest = text[at + 1..]
            .trim_start()
            .strip_prefix('+')?
            .trim_start()
            .strip_prefix(')')?;
        Some((at, text.len() - at - rest.len()))
    }) {
        text.replace_range(at..at + len, "");
    }
    text
}

/// Panics with what is wrong if `guarded` holds anything that `policy` does not allow.
pub fn confirm(original: &str, guarded: &Guarded, policy: &Policy) {
    let complaint = |what: String| panic!("{what}\n  was: {original}\n  runs: {}", guarded.sql);
    let sql = readable(&guarded.sql);
    let tokens = match Tokenizer::new(&RedshiftSqlDialect {}, &sql).tokenize() {
        Ok(tokens) => tokens,
        Err(error) => return complaint(format!("does not tokenize: {error}")),
    };
    for token in &tokens {
        match token {
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                complaint("a comment".to_owned());
            }
            Token::SemiColon
            | Token::Placeholder(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_) => {
                complaint(format!("the token {token}"));
            }
            _ => {}
        }
    }
    // Redshift's dialect in sqlparser has no FILTER.
    let parse = |dialect: &dyn Dialect| {
        Parser::new(dialect)
            .with_recursion_limit(200)
            .try_with_sql(&sql)
            .and_then(|mut parser| parser.parse_statements())
    };
    let statements = match parse(&RedshiftSqlDialect {}).or_else(|_| parse(&GenericDialect {})) {
        Ok(statements) => statements,
        Err(error) => return complaint(format!("does not parse: {error}")),
    };
    let [Statement::Query(query)] = statements.as_slice() else {
        return complaint(format!("{} statements, or no query", statements.len()));
    };
    let mut names = Names::default();
    let _ = query.visit(&mut names);
    let mut walker = Walker {
        policy,
        functions: function_names().collect(),
        names,
        wrong: Vec::new(),
    };
    let _ = query.visit(&mut walker);
    if !walker.wrong.is_empty() {
        complaint(walker.wrong.join("; "));
    }
    match limit(query) {
        Some(rows) if rows <= policy.bounds.max_rows && rows == guarded.row_limit => {}
        other => complaint(format!("the row limit is {other:?}")),
    }
}

fn limit(query: &Query) -> Option<u64> {
    let number = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    match (&query.limit_clause, query.body.as_ref()) {
        (Some(LimitClause::LimitOffset { limit: Some(limit), .. }), _) => number(limit),
        (_, SetExpr::Select(select)) => match select.top.as_ref()?.quantity.as_ref()? {
            TopQuantity::Constant(rows) => Some(*rows),
            TopQuantity::Expr(expr) => number(expr),
        },
        _ => None,
    }
}

fn lower(ident: &Ident) -> String {
    ident.value.to_ascii_lowercase()
}

fn idents(name: &ObjectName) -> Vec<String> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => lower(ident),
            ObjectNamePart::Function(function) => format!("{}()", function.name.value),
        })
        .collect()
}

/// Every name that the statement gives: to WITH queries, relations and columns.
#[derive(Default)]
struct Names {
    queries: BTreeSet<String>,
    relations: BTreeSet<String>,
    columns: BTreeSet<String>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.queries.insert(lower(&cte.alias.name));
            self.relations.insert(lower(&cte.alias.name));
            self.columns
                .extend(cte.alias.columns.iter().map(|column| lower(&column.name)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &sqlparser::ast::Select) -> ControlFlow<()> {
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => {
                    self.columns.insert(lower(alias));
                }
                SelectItem::UnnamedExpr(Expr::Function(function)) => {
                    self.columns.extend(idents(&function.name));
                }
                SelectItem::UnnamedExpr(_) => {
                    // Redshift's names for columns without an alias.
                    self.columns.extend(
                        [
                            "case",
                            "date_part",
                            "btrim",
                            "substring",
                            "position",
                            "ceil",
                            "floor",
                            "exists",
                        ]
                        .map(str::to_owned),
                    );
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table { name, alias, .. } => {
                self.relations.extend(idents(name).pop());
                alias
            }
            TableFactor::Derived { alias, subquery, .. } => {
                if matches!(subquery.body.as_ref(), SetExpr::Values(_)) {
                    self.columns.extend((1..50).map(|n| format!("column{n}")));
                }
                alias
            }
            TableFactor::Pivot {
                alias,
                aggregate_functions,
                value_source,
                ..
            } => {
                let text = value_source.to_string().to_ascii_lowercase();
                for value in text.split(',') {
                    let name = value
                        .rsplit(" as ")
                        .next()
                        .unwrap_or(value)
                        .trim()
                        .trim_matches(['\'', '"', ' ']);
                    self.columns.insert(name.to_owned());
                    for aggregate in aggregate_functions
                        .iter()
                        .filter_map(|aggregate| aggregate.alias.as_ref())
                    {
                        self.columns.insert(format!("{name}_{}", lower(aggregate)));
                    }
                }
                alias
            }
            TableFactor::Unpivot { alias, value, name, .. } => {
                self.columns.insert(value.to_string().to_ascii_lowercase());
                self.columns.insert(lower(name));
                alias
            }
            _ => &None,
        };
        if let Some(alias) = alias {
            self.relations.insert(lower(&alias.name));
            self.columns
                .extend(alias.columns.iter().map(|column| lower(&column.name)));
        }
        ControlFlow::Continue(())
    }
}

struct Walker<'p> {
    policy: &'p Policy,
    functions: BTreeSet<&'static str>,
    names: Names,
    wrong: Vec<String>,
}

impl Walker<'_> {
    fn column(&mut self, name: &Ident) {
        let lower = lower(name);
        let is_column = self
            .policy
            .tables
            .values()
            .any(|table| table.columns.iter().any(|column| column.name == lower));
        // A bare word may also be a part of a date or the current date; the engine takes nothing else for it.
        const WORDS: [&str; 6] = [
            "current_date",
            "current_timestamp",
            "current_time",
            "sysdate",
            "localtime",
            "localtimestamp",
        ];
        let is_word = name.quote_style.is_none() && WORDS.contains(&lower.as_str());
        if !is_column && !is_word && !self.names.columns.contains(&lower) && !DATE_PARTS.contains(&lower.as_str()) {
            self.wrong.push(format!("the column {name}"));
        }
        if name.quote_style.is_none()
            && ["user", "current_user", "session_user", "current_role"].contains(&lower.as_str())
        {
            self.wrong.push(format!("the session's {name}"));
        }
    }
}

const DATE_PARTS: &[&str] = &[
    "year",
    "years",
    "y",
    "yr",
    "yrs",
    "quarter",
    "quarters",
    "qtr",
    "month",
    "months",
    "mon",
    "week",
    "weeks",
    "w",
    "day",
    "days",
    "d",
    "dow",
    "doy",
    "dayofweek",
    "dayofyear",
    "hour",
    "hours",
    "h",
    "hr",
    "minute",
    "minutes",
    "m",
    "min",
    "second",
    "seconds",
    "s",
    "sec",
    "epoch",
    "decade",
    "century",
    "c",
    "millennium",
    "n",
    "q",
    "mil",
    "dec",
    "us",
    "ms",
    "ns",
    "time",
    "date",
    "timezone",
    "yy",
    "mm",
    "dd",
    "hh",
    "mi",
    "ss",
    "dw",
    "dy",
    "wk",
    "qq",
    "ww",
];

impl Visitor for Walker<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if !query.locks.is_empty() || query.for_clause.is_some() || query.settings.is_some() {
            self.wrong
                .push("a lock or another clause that is no question".to_owned());
        }
        match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) | SetExpr::Table(_) => {
                self.wrong.push("a query that is no SELECT".to_owned());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &sqlparser::ast::Select) -> ControlFlow<()> {
        if select.into.is_some() || !select.connect_by.is_empty() {
            self.wrong.push("INTO or CONNECT BY".to_owned());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.wrong.push(format!("a statement inside: {statement}"));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. } => {}
            other => self.wrong.push(format!("the table {other}")),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let parts = idents(name);
        let is_allowed = match parts.as_slice() {
            [query] => self.names.queries.contains(query),
            [schema, table] => *schema == self.policy.schema && self.policy.tables.contains_key(table),
            _ => false,
        };
        if !is_allowed {
            self.wrong.push(format!("the relation {name}"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => self.column(name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, name] => {
                    if !self.names.relations.contains(&lower(relation)) {
                        self.wrong.push(format!("the relation {relation}"));
                    }
                    self.column(name);
                }
                _ => self.wrong.push(format!("the name {expr}")),
            },
            Expr::Function(function) => {
                match idents(&function.name).as_slice() {
                    [name] if self.functions.contains(name.as_str()) => {}
                    // Parts of GROUP BY, which this dialect reads as calls.
                    [name] if ["rollup", "cube", "grouping sets"].contains(&name.as_str()) => {}
                    _ => self.wrong.push(format!("the function {}", function.name)),
                }
                if matches!(function.args, FunctionArguments::Subquery(_)) {
                    self.wrong.push("a subquery as arguments".to_owned());
                }
            }
            Expr::Cast { data_type, .. } => {
                let name = data_type.to_string().to_ascii_lowercase();
                if name.starts_with("reg")
                    || name.contains('.')
                    || name.contains('<')
                    || ["oid", "xml", "name", "json"].contains(&name.as_str())
                {
                    self.wrong.push(format!("the type {data_type}"));
                }
            }
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                self.wrong.push(format!("the placeholder {value}"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
