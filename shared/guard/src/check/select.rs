//! One SELECT with everything that belongs to it, and what it gives.

use super::{Checked, Checker, join::Links};
use crate::{
    functions,
    policy::Spread,
    refusal::Code,
    scope::{OutColumn, Output, Rows, Scope},
    shape::shown,
};
use sqlparser::ast::{
    self, DataType, Distinct, ExcludeSelectItem, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    Ident, NamedWindowExpr, ObjectName, OrderBy, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind,
    Value, WildcardAdditionalOptions,
};

impl<'a> Checker<'a> {
    /// Checks what is inside of a subquery, so that its aggregates are not those of the query around it.
    pub(super) fn subselect<T>(&mut self, check: impl FnOnce(&mut Self) -> Checked<T>) -> Checked<T> {
        let aggregates = std::mem::take(&mut self.aggregates);
        let checked = check(self);
        self.aggregates = aggregates;
        checked
    }

    pub(super) fn select<'s>(
        &mut self,
        select: &Select,
        outer: Option<&'s Scope<'s, 'a>>,
        order_by: Option<&OrderBy>,
    ) -> Checked<Output> {
        self.subselect(|checker| checker.select_alone(select, outer, order_by))
    }

    fn select_alone<'s>(
        &mut self,
        select: &Select,
        outer: Option<&'s Scope<'s, 'a>>,
        order_by: Option<&OrderBy>,
    ) -> Checked<Output> {
        let Select {
            select_token,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        if let Some(at) = crate::lex::offset(select_token.0.span) {
            self.at = at;
        }
        self.selects += 1;
        if self.selects > self.policy.bounds.max_selects {
            return self.here(
                Code::TooMany,
                format!(
                    "The statement has more than {} SELECTs. Ask for less at once.",
                    self.policy.bounds.max_selects
                ),
            );
        }
        if let Some(into) = into {
            return self.refuse(
                Code::NotReadOnly,
                &into.name,
                "SELECT INTO writes a table. Leave INTO out.",
            );
        }
        if !connect_by.is_empty() {
            return self.here(
                Code::GeneratedRows,
                "CONNECT BY has no bound that can be seen. Join the table with itself, or use WITH RECURSIVE with a counter.",
            );
        }
        self.no(!optimizer_hints.is_empty(), "A hint")?;
        self.no(
            select_modifiers.as_ref().is_some_and(ast::SelectModifiers::is_any_set),
            "A modifier after SELECT",
        )?;
        self.no(!lateral_views.is_empty(), "LATERAL VIEW")?;
        self.no(prewhere.is_some(), "PREWHERE")?;
        self.no(!cluster_by.is_empty(), "CLUSTER BY")?;
        self.no(!distribute_by.is_empty(), "DISTRIBUTE BY")?;
        self.no(!sort_by.is_empty(), "SORT BY")?;
        self.no(value_table_mode.is_some(), "SELECT AS")?;
        self.no(*flavor != SelectFlavor::Standard, "FROM before SELECT")?;

        let mut scope = Scope::within(outer);
        let mut links = Links::default();
        for item in from {
            self.from(item, &mut scope, &mut links)?;
        }
        scope.aliases = self.aliases(projection)?;
        let before_where = self.aggregates;
        if let Some(condition) = selection {
            self.condition(condition, &scope, &mut links)?;
        }
        self.aggregates = before_where;
        if let Some(first) = from.first() {
            self.tied(&scope, &links, first)?;
        }
        let grouped = self.group_by(group_by, &scope)?;
        let mut columns = Vec::with_capacity(projection.len());
        for item in projection {
            self.select_item(item, &scope, &mut columns)?;
        }
        if let Some(exclude) = exclude {
            self.exclude(exclude, &mut columns)?;
        }
        if let Some(having) = having {
            self.expr(having, &scope)?;
        }
        let is_one_row = self.aggregates > 0 && !grouped;
        for ast::NamedWindowDefinition(name, window) in named_window {
            self.given(name)?;
            match window {
                NamedWindowExpr::NamedWindow(other) => {
                    self.given(other)?;
                }
                NamedWindowExpr::WindowSpec(spec) => self.window(spec, &scope)?,
            }
        }
        if let Some(qualify) = qualify {
            self.expr(qualify, &scope)?;
        }
        // ORDER BY may name what the SELECT list gives without an alias: sum, count.
        for column in &columns {
            if !scope.aliases.iter().any(|alias| alias.name == column.name) {
                scope.aliases.push(column.clone());
            }
        }
        match distinct {
            Some(Distinct::On(exprs)) => exprs.iter().try_for_each(|expr| self.expr(expr, &scope))?,
            Some(Distinct::All | Distinct::Distinct) | None => {}
        }
        if let Some(order_by) = order_by {
            self.order_by(order_by, &scope)?;
        }
        let limit = top.as_ref().map(|top| self.top(top)).transpose()?;

        let read = scope
            .relations
            .iter()
            .map(|relation| relation.rows)
            .reduce(Rows::beside)
            .unwrap_or(Rows::AtMost(1));
        let is_distinct = matches!(distinct, Some(Distinct::Distinct));
        let rows = if is_one_row {
            Rows::AtMost(1)
        } else if matches!(read, Rows::AtMost(_)) {
            read
        } else {
            let distinct = if is_distinct {
                Rows::of(columns.iter().map(|column| column.spread))
            } else {
                Rows::Many
            };
            let grouped = if grouped {
                self.groups(group_by, projection, &scope)
            } else {
                Rows::Many
            };
            // What comes from one relation has at most its rows.
            let read = if scope.relations.len() == 1 { read } else { Rows::Many };
            [distinct, grouped, read]
                .into_iter()
                .min_by_key(|rows| rows.order())
                .unwrap_or(Rows::Many)
        };
        Ok(Output {
            columns,
            rows: rows.limited(limit),
        })
    }

    /// The names that the SELECT list gives.
    fn aliases(&mut self, projection: &[SelectItem]) -> Checked<Vec<OutColumn>> {
        let mut aliases = Vec::new();
        for item in projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                aliases.push(OutColumn {
                    name: self.given(alias)?,
                    spread: Spread::Many,
                });
            }
        }
        Ok(aliases)
    }

    fn select_item<'s>(&mut self, item: &SelectItem, scope: &Scope<'s, 'a>, columns: &mut Vec<OutColumn>) -> Checked {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                self.expr(expr, scope)?;
                columns.push(OutColumn {
                    name: name_of(expr),
                    spread: spread(expr, scope),
                });
                Ok(())
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                self.expr(expr, scope)?;
                columns.push(OutColumn {
                    name: self.given(alias)?,
                    spread: spread(expr, scope),
                });
                Ok(())
            }
            SelectItem::ExprWithAliases { expr, .. } => {
                self.refuse(Code::NotSupported, expr, "An expression has one alias.")
            }
            SelectItem::QualifiedWildcard(kind, options) => {
                let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
                    return self.here(Code::NotSupported, "A * stands after the name of a table, or alone.");
                };
                let mut named = self.whole_relation(name, scope)?;
                self.wildcard(options, &mut named)?;
                columns.append(&mut named);
                Ok(())
            }
            SelectItem::Wildcard(options) => {
                if let Some(at) = crate::lex::offset(options.wildcard_token.0.span) {
                    self.at = at;
                }
                if scope.relations.is_empty() {
                    return self.here(Code::Syntax, "There is no table for * to stand for. Add a FROM clause.");
                }
                self.expands = true;
                let mut all = Vec::new();
                for at in 0..scope.relations.len() {
                    self.use_whole(scope, 0, at);
                    all.extend(scope.relations[at].out_columns());
                }
                self.wildcard(options, &mut all)?;
                columns.append(&mut all);
                Ok(())
            }
        }
    }

    /// `t.*` and `schema.t.*`: the columns of a relation.
    pub(super) fn whole_relation<'s>(&mut self, name: &ObjectName, scope: &Scope<'s, 'a>) -> Checked<Vec<OutColumn>> {
        let parts = self.parts(name)?;
        for part in &parts {
            self.visit(part);
        }
        let (schema, ident) = match parts.as_slice() {
            [ident] => (None, *ident),
            [schema, ident] => (Some(*schema), *ident),
            _ => return self.refuse(Code::OtherSchema, name, "A * stands after the name of a table."),
        };
        let wanted = self.lower(ident)?;
        if let Some(schema) = schema {
            if self.lower(schema)? != self.policy.schema {
                return self.refuse(
                    Code::OtherSchema,
                    schema,
                    format!("The schema {} is not open.", shown(&schema.value)),
                );
            }
            if let (Some(from), Some(to)) = (crate::lex::offset(schema.span), crate::lex::offset(ident.span)) {
                self.cuts.push((from, to));
            }
        }
        self.expands = true;
        for (level, here) in scope.chain().enumerate() {
            for (at, relation) in here.relations.iter().enumerate() {
                let is_meant = relation.name.as_ref() == Some(&wanted)
                    && (schema.is_none() || (!relation.has_alias && relation.table == Some(&wanted)));
                if is_meant {
                    self.use_whole(scope, level, at);
                    return Ok(relation.out_columns());
                }
            }
        }
        self.refuse(
            Code::UnknownTable,
            ident,
            format!("{} is not in the FROM clause.", shown(&wanted)),
        )
    }

    fn use_whole<'s>(&mut self, scope: &Scope<'s, 'a>, level: usize, at: usize) {
        scope.use_of(level, at);
        let Some(relation) = scope.chain().nth(level).and_then(|scope| scope.relations.get(at)) else {
            return;
        };
        if let Some(table) = relation.table {
            for name in relation.names() {
                self.uses(table, name);
            }
        }
    }

    fn wildcard(&mut self, options: &WildcardAdditionalOptions, columns: &mut Vec<OutColumn>) -> Checked {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        self.no(opt_ilike.is_some(), "* ILIKE")?;
        self.no(opt_except.is_some(), "* EXCEPT")?;
        self.no(opt_replace.is_some(), "* REPLACE")?;
        self.no(opt_rename.is_some(), "* RENAME")?;
        self.no(opt_alias.is_some(), "An alias after *")?;
        match opt_exclude {
            Some(exclude) => self.exclude(exclude, columns),
            None => Ok(()),
        }
    }

    fn exclude(&mut self, exclude: &ExcludeSelectItem, columns: &mut Vec<OutColumn>) -> Checked {
        let names = match exclude {
            ExcludeSelectItem::Single(name) => std::slice::from_ref(name),
            ExcludeSelectItem::Multiple(names) => names.as_slice(),
        };
        for name in names {
            let parts = self.parts(name)?;
            let Some(ident) = parts.last().filter(|_| parts.len() <= 2) else {
                return self.here(Code::Syntax, "EXCLUDE takes plain names of columns.");
            };
            let lower = self.given(ident)?;
            let before = columns.len();
            columns.retain(|column| column.name != lower);
            if columns.len() == before {
                let ident: &Ident = ident;
                return self.refuse(
                    Code::UnknownColumn,
                    ident,
                    format!("EXCLUDE names {}, which is not there.", shown(&lower)),
                );
            }
        }
        Ok(())
    }

    /// Whether there is a GROUP BY.
    fn group_by<'s>(&mut self, group_by: &GroupByExpr, scope: &Scope<'s, 'a>) -> Checked<bool> {
        match group_by {
            GroupByExpr::All(modifiers) => {
                self.no(!modifiers.is_empty(), "A modifier after GROUP BY")?;
                Ok(true)
            }
            GroupByExpr::Expressions(exprs, modifiers) => {
                self.no(!modifiers.is_empty(), "A modifier after GROUP BY")?;
                for expr in exprs {
                    self.expr(expr, scope)?;
                }
                Ok(!exprs.is_empty())
            }
        }
    }

    fn groups<'s>(&self, group_by: &GroupByExpr, projection: &[SelectItem], scope: &Scope<'s, 'a>) -> Rows {
        let GroupByExpr::Expressions(exprs, _) = group_by else {
            return Rows::Many;
        };
        let meant = |expr: &Expr| -> Option<Expr> {
            let item = match expr {
                Expr::Value(value) => match &value.value {
                    Value::Number(n, _) => projection.get(n.parse::<usize>().ok()?.checked_sub(1)?),
                    _ => None,
                },
                Expr::Identifier(name) => projection.iter().find(|item| {
                    matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.eq_ignore_ascii_case(&name.value))
                }),
                _ => None,
            };
            match item? {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
                _ => None,
            }
        };
        Rows::of(
            exprs
                .iter()
                .map(|expr| spread(expr, scope).min(meant(expr).map_or(Spread::Many, |expr| spread(&expr, scope)))),
        )
    }
}

/// The name that Redshift gives to a column without an alias, as far as queries rely on it.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.to_ascii_lowercase(),
        Expr::CompoundIdentifier(parts) => parts
            .last()
            .map(|ident| ident.value.to_ascii_lowercase())
            .unwrap_or_default(),
        Expr::Nested(expr) | Expr::Cast { expr, .. } | Expr::OuterJoin(expr) => name_of(expr),
        Expr::Function(function) => function.name.to_string().to_ascii_lowercase(),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(name_of) {
            Some(name) if !name.is_empty() => name,
            _ => "case".to_owned(),
        },
        Expr::Extract { .. } => "date_part".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        _ => String::new(),
    }
}

/// How many values an expression takes, as far as the text and the catalogue tell.
pub(super) fn spread(expr: &Expr, scope: &Scope<'_, '_>) -> Spread {
    let column = |relation: Option<&Ident>, name: &Ident| {
        let name = name.value.to_ascii_lowercase();
        scope
            .relations
            .iter()
            .filter(|there| {
                relation.is_none_or(|wanted| {
                    there
                        .name
                        .as_ref()
                        .is_some_and(|given| given.eq_ignore_ascii_case(&wanted.value))
                })
            })
            .find(|there| there.has(&name))
            .map_or(Spread::Many, |there| there.spread(&name))
    };
    match expr {
        Expr::Identifier(name) => column(None, name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., relation, name] => column(Some(relation), name),
            _ => Spread::Many,
        },
        // A number may be a position, which the caller follows.
        Expr::Value(value) if matches!(value.value, Value::Number(..)) => Spread::Many,
        Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) | Expr::Extract { .. } => Spread::Few,
        Expr::Cast {
            data_type: DataType::Date,
            ..
        } => Spread::Few,
        Expr::Nested(expr) | Expr::Cast { expr, .. } | Expr::Trim { expr, .. } => spread(expr, scope),
        Expr::Case {
            conditions,
            else_result,
            ..
        } => conditions
            .iter()
            .map(|when| &when.result)
            .chain(else_result.as_deref())
            .map(|result| match result {
                Expr::Value(_) => Spread::Few,
                result => spread(result, scope),
            })
            .max()
            .unwrap_or(Spread::Many),
        Expr::Function(function) => {
            let FunctionArguments::List(list) = &function.args else {
                return Spread::Many;
            };
            let name = function.name.to_string().to_ascii_lowercase();
            match name.as_str() {
                "date_trunc" | "date_part" | "date_part_year" | "date" | "last_day" | "trunc" => Spread::Few,
                "lower" | "upper" | "initcap" | "coalesce" | "nvl" | "left" | "nullif" | "decode" | "to_char"
                | "dateadd"
                    if function.over.is_none() =>
                {
                    list.args
                        .iter()
                        .filter_map(|arg| match arg {
                            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                            _ => None,
                        })
                        .map(|argument| match argument {
                            Expr::Value(_) => Spread::Few,
                            Expr::Identifier(part) if functions::is_date_part(&part.value.to_ascii_lowercase()) => {
                                Spread::Few
                            }
                            argument => spread(argument, scope),
                        })
                        .max()
                        .unwrap_or(Spread::Many)
                }
                _ => Spread::Many,
            }
        }
        _ => Spread::Many,
    }
}
