//! The FROM clause: tables, subqueries and joins become the relations of a scope.

use super::{Checked, Checker, Reference, join::Links, names::nearest};
use crate::{
    lex,
    policy::Spread,
    refusal::Code,
    scope::{Columns, OutColumn, Output, Relation, Rows, Scope},
    shape::shown,
};
use sqlparser::ast::{
    self, Expr, JoinConstraint, JoinOperator, ObjectName, PivotValueSource, TableAlias, TableFactor, TableWithJoins,
    Value,
};
use std::rc::Rc;

/// More than this would not fit into [`Scope::seen`].
const RELATIONS_OF_ONE_FROM_MAX: usize = 60;

impl<'a> Checker<'a> {
    pub(super) fn from<'s>(&mut self, item: &TableWithJoins, scope: &mut Scope<'s, 'a>, links: &mut Links) -> Checked {
        let TableWithJoins { relation, joins } = item;
        let first = scope.relations.len();
        self.relation(relation, scope, links)?;
        for join in joins {
            let ast::Join {
                relation,
                global,
                join_operator,
            } = join;
            self.no(*global, "GLOBAL")?;
            let new = scope.relations.len();
            self.relation(relation, scope, links)?;
            match join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::FullOuter(constraint)
                | JoinOperator::CrossJoin(constraint) => self.constraint(constraint, first, new, scope, links)?,
                JoinOperator::Semi(_)
                | JoinOperator::LeftSemi(_)
                | JoinOperator::RightSemi(_)
                | JoinOperator::Anti(_)
                | JoinOperator::LeftAnti(_)
                | JoinOperator::RightAnti(_)
                | JoinOperator::CrossApply
                | JoinOperator::OuterApply
                | JoinOperator::AsOf { .. }
                | JoinOperator::StraightJoin(_)
                | JoinOperator::ArrayJoin
                | JoinOperator::LeftArrayJoin
                | JoinOperator::InnerArrayJoin => {
                    return self.here(
                        Code::NotSupported,
                        "Redshift does not have this kind of join. Use INNER, LEFT, RIGHT or FULL JOIN, or EXISTS.",
                    );
                }
            }
        }
        Ok(())
    }

    /// `first` is the first relation of this FROM item, `new` the first that the join brought.
    fn constraint<'s>(
        &mut self,
        constraint: &JoinConstraint,
        first: usize,
        new: usize,
        scope: &Scope<'s, 'a>,
        links: &mut Links,
    ) -> Checked {
        let (left, right) = (&scope.relations[first..new], &scope.relations[new..]);
        match constraint {
            JoinConstraint::None => Ok(()),
            JoinConstraint::On(condition) => self.condition(condition, scope, links),
            JoinConstraint::Using(columns) => {
                for column in columns {
                    let parts = self.parts(column)?;
                    let [ident] = parts.as_slice() else {
                        return self.here(Code::Syntax, "USING takes plain names of columns.");
                    };
                    let name = self.given(ident)?;
                    let mut is_of_kinds = true;
                    for (side, from) in [(left, first), (right, new)] {
                        let Some(at) = side.iter().position(|relation| relation.has(&name)) else {
                            let names = side.iter().flat_map(Relation::names);
                            let offer = nearest(&name, names, "are these columns");
                            return self.refuse(
                                Code::UnknownColumn,
                                *ident,
                                format!("USING names {}, which one side does not have. {offer}", shown(&name)),
                            );
                        };
                        if let Some(table) = side[at].table {
                            self.uses(table, &name);
                        }
                        is_of_kinds &= side[at].rows == Rows::Many && side[at].spread(&name) == Spread::Kinds;
                        links.mark(at + from);
                    }
                    links.tie_marked(is_of_kinds);
                }
                Ok(())
            }
            JoinConstraint::Natural => {
                self.expands = true;
                for (i, one) in left.iter().enumerate() {
                    for (j, other) in right.iter().enumerate() {
                        let names = one.names();
                        for name in names.iter().filter(|name| !name.is_empty() && other.has(name)) {
                            for table in [one.table, other.table].into_iter().flatten() {
                                self.uses(table, name);
                            }
                            links.tie(first + i, new + j);
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn relation<'s>(&mut self, factor: &TableFactor, scope: &mut Scope<'s, 'a>, links: &mut Links) -> Checked {
        if let TableFactor::NestedJoin {
            table_with_joins,
            alias,
        } = factor
        {
            self.no(alias.is_some(), "A name for joined tables in brackets")?;
            return self.from(table_with_joins, scope, links);
        }
        let before = scope.seen.replace(0);
        let relation = self.one_relation(factor, scope)?;
        let seen = scope.seen.replace(before);
        // A lateral subquery is tied to what it reads.
        links.tie_all(seen, 1 << scope.relations.len().min(62));
        let is_taken = relation.name.is_some()
            && scope.relations.iter().any(|other| {
                other.name == relation.name && (other.has_alias || relation.has_alias || other.table == relation.table)
            });
        if is_taken {
            return self.here(
                Code::Syntax,
                format!(
                    "Two relations of this FROM clause are called {}. Give one an alias.",
                    relation.name.as_deref().unwrap_or_default()
                ),
            );
        }
        scope.relations.push(relation);
        self.relations += 1;
        if self.relations > self.policy.bounds.max_relations || scope.relations.len() > RELATIONS_OF_ONE_FROM_MAX {
            return self.here(
                Code::TooMany,
                format!(
                    "The statement reads more than {} tables and subqueries. Ask for less at once.",
                    self.policy.bounds.max_relations.min(RELATIONS_OF_ONE_FROM_MAX)
                ),
            );
        }
        Ok(())
    }

    fn one_relation<'s>(&mut self, factor: &TableFactor, scope: &Scope<'s, 'a>) -> Checked<Relation<'a>> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if args.is_some() {
                    return self.table_function(name);
                }
                self.no(!with_hints.is_empty() || !index_hints.is_empty(), "A hint for a table")?;
                self.no(version.is_some(), "A version of a table")?;
                self.no(*with_ordinality, "WITH ORDINALITY")?;
                self.no(!partitions.is_empty(), "PARTITION")?;
                self.no(json_path.is_some(), "A path into a table")?;
                self.no(sample.is_some(), "TABLESAMPLE")?;
                self.table(name, alias.as_ref(), false)
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample,
            } => {
                self.no(sample.is_some(), "TABLESAMPLE")?;
                let outer = if *lateral { Some(scope) } else { scope.outer };
                let output = self.subselect(|checker| checker.query(subquery, outer))?;
                self.derived(output, alias.as_ref())
            }
            TableFactor::Function { name, .. } => self.table_function(name),
            TableFactor::TableFunction { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::XmlTable { .. } => self.here(
                Code::NotSupported,
                "Functions that give tables are not let through. Read the tables of the catalogue.",
            ),
            TableFactor::MatchRecognize { .. } | TableFactor::SemanticView { .. } => {
                self.here(Code::NotSupported, "Redshift does not have this kind of table.")
            }
            TableFactor::NestedJoin { .. } => self.here(
                Code::NotSupported,
                "Joined tables in brackets are not let through here. Write them as a subquery.",
            ),
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                default_on_null,
                alias,
            } => {
                self.no(default_on_null.is_some(), "DEFAULT ON NULL")?;
                let source = self.source(table, scope)?;
                let mut output = self.pivot(source, aggregate_functions, value_column, value_source)?;
                output.rows = Rows::Many;
                self.derived(output, alias.as_ref())
            }
            TableFactor::Unpivot {
                table,
                value,
                name,
                columns,
                null_inclusion: _,
                alias,
            } => {
                let source = self.source(table, scope)?;
                let output = self.unpivot(source, value, name, columns)?;
                self.derived(output, alias.as_ref())
            }
        }
    }

    fn table_function<T>(&mut self, name: &ObjectName) -> Checked<T> {
        let code = match name.to_string().to_ascii_lowercase().as_str() {
            "generate_series" | "range" | "generator" | "sequence" => Code::GeneratedRows,
            _ => Code::UnknownFunction,
        };
        self.refuse(
            code,
            name,
            format!(
                "{} does not stand in a FROM clause here. For a row of numbers or days write WITH RECURSIVE d(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d WHERE n < 31).",
                shown(&name.to_string())
            ),
        )
    }

    fn derived(&mut self, output: Output, alias: Option<&TableAlias>) -> Checked<Relation<'a>> {
        let Output { mut columns, rows } = output;
        let mut name = None;
        if let Some(alias) = alias {
            let (given, names) = self.alias(alias)?;
            columns = self.renamed(columns, &names, alias)?;
            name = Some(given);
        }
        Ok(Relation {
            has_alias: true,
            name,
            table: None,
            columns: Columns::Named(Rc::new(columns)),
            rows,
        })
    }

    /// A table or a WITH query by its name. `bare`: no alias may follow it in the text (before PIVOT).
    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>, bare: bool) -> Checked<Relation<'a>> {
        let parts = self.parts(name)?;
        if let [ident] = parts.as_slice() {
            let lower = self.given(ident)?;
            if let Some(cte) = self.ctes.iter_mut().rev().find(|cte| cte.name == lower) {
                cte.uses += 1;
                let output = Output {
                    columns: cte.columns.as_ref().clone(),
                    rows: cte.rows,
                };
                let mut relation = self.derived(output, alias)?;
                relation.has_alias = alias.is_some();
                relation.name.get_or_insert(lower);
                return Ok(relation);
            }
        }
        let table = self.table_named(name)?;
        let Some(rule) = self.policy.tables.get(table) else {
            return self.refuse(Code::UnknownTable, name, format!("There is no table {}.", shown(table)));
        };
        self.used.entry(table).or_default();
        let spans = parts.iter().filter_map(|part| lex::range(part.span));
        let (Some(start), Some(end)) = (
            spans.clone().map(|(start, _)| start).min(),
            spans.map(|(_, end)| end).max(),
        ) else {
            return self.refuse(Code::Syntax, name, "The place of this table in the text is not known.");
        };
        self.references.push(Reference {
            table: table.to_owned(),
            start,
            end,
            no_alias_needed: bare || alias.is_some(),
        });
        let mut relation = Relation {
            name: Some(table.to_owned()),
            table: Some(table),
            has_alias: false,
            columns: Columns::Table(rule),
            rows: if rule.is_of_things { Rows::Things } else { Rows::Many },
        };
        if let Some(alias) = alias {
            let (given, names) = self.alias(alias)?;
            if !names.is_empty() {
                // Renamed by position: the positions must be those of the columns that are shown.
                self.expands = true;
                for column in &rule.columns {
                    self.uses(table, &column.name);
                }
                let columns = self.renamed(relation.out_columns(), &names, alias)?;
                relation.columns = Columns::Named(Rc::new(columns));
                relation.table = None;
            }
            relation.name = Some(given);
            relation.has_alias = true;
        }
        Ok(relation)
    }

    /// What PIVOT and UNPIVOT read. They give every column of it, so it counts as a `*`.
    fn source<'s>(&mut self, factor: &TableFactor, scope: &Scope<'s, 'a>) -> Checked<Relation<'a>> {
        self.expands = true;
        let relation = match factor {
            TableFactor::Table {
                name,
                alias: None,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table(name, None, true)?
            }
            TableFactor::Derived { .. } => self.one_relation(factor, scope)?,
            _ => {
                return self.here(
                    Code::NotSupported,
                    "PIVOT and UNPIVOT stand after a table without an alias or after a subquery.",
                );
            }
        };
        if let (Some(table), Columns::Table(rule)) = (relation.table, &relation.columns) {
            for column in &rule.columns {
                self.uses(table, &column.name);
            }
        }
        Ok(relation)
    }

    fn pivot(
        &mut self,
        source: Relation<'a>,
        aggregates: &[ast::ExprWithAlias],
        value_column: &[Expr],
        values: &PivotValueSource,
    ) -> Checked<Output> {
        let mut columns = source.out_columns();
        let mut scope = Scope::within(None);
        scope.relations.push(source);
        let mut given = Vec::new();
        let outer = std::mem::take(&mut self.aggregates);
        for ast::ExprWithAlias { expr, alias } in aggregates {
            self.expr(expr, &scope)?;
            if let Some(alias) = alias {
                given.push(self.given(alias)?);
            }
        }
        self.aggregates = outer;
        for expr in value_column {
            self.expr(expr, &scope)?;
        }
        let PivotValueSource::List(values) = values else {
            return self.here(Code::NotSupported, "PIVOT takes a list of values after IN.");
        };
        self.list_is_short(values.len())?;
        for ast::ExprWithAlias { expr, alias } in values {
            self.expr(expr, &scope)?;
            let name = match (alias, expr) {
                (Some(alias), _) => self.given(alias)?,
                (None, Expr::Value(value)) => match &value.value {
                    Value::SingleQuotedString(text) | Value::Number(text, _) => text.to_ascii_lowercase(),
                    other => other.to_string().to_ascii_lowercase(),
                },
                (None, other) => other.to_string().to_ascii_lowercase(),
            };
            for aggregate in &given {
                columns.push(OutColumn {
                    name: format!("{name}_{aggregate}"),
                    spread: Spread::Many,
                });
            }
            columns.push(OutColumn {
                name,
                spread: Spread::Many,
            });
        }
        Ok(Output {
            columns,
            rows: Rows::Many,
        })
    }

    fn unpivot(
        &mut self,
        source: Relation<'a>,
        value: &Expr,
        name: &ast::Ident,
        sources: &[ast::ExprWithAlias],
    ) -> Checked<Output> {
        let mut columns = source.out_columns();
        let rows = source.rows;
        let mut scope = Scope::within(None);
        scope.relations.push(source);
        self.list_is_short(sources.len())?;
        for ast::ExprWithAlias { expr, alias } in sources {
            self.expr(expr, &scope)?;
            if let Some(alias) = alias {
                self.given(alias)?;
            }
        }
        let Expr::Identifier(value) = value else {
            return self.refuse(Code::NotSupported, value, "UNPIVOT takes one name for the values.");
        };
        for ident in [value, name] {
            columns.push(OutColumn {
                name: self.given(ident)?,
                spread: Spread::Many,
            });
        }
        let rows = match rows {
            Rows::AtMost(rows) => Rows::AtMost(rows.saturating_mul(sources.len() as u64)),
            rows => rows,
        };
        Ok(Output { columns, rows })
    }

    pub(super) fn list_is_short(&self, len: usize) -> Checked {
        if len > self.policy.bounds.max_list {
            return self.here(
                Code::TooMany,
                format!(
                    "A list has more than {} elements. Join a table of them, or ask for a range.",
                    self.policy.bounds.max_list
                ),
            );
        }
        Ok(())
    }
}
