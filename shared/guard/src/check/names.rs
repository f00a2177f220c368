//! What a name means, and what to say if it means nothing.

use super::{Checked, Checker};
use crate::{
    functions, lex,
    refusal::{Code, fault},
    scope::Scope,
    shape::shown,
};
use sqlparser::ast::{self, Ident, ObjectName, ObjectNamePart};

/// Redshift's system schemas, and the beginnings of its system tables and views.
const SYSTEM_SCHEMAS: [&str; 6] = [
    "pg_catalog",
    "information_schema",
    "pg_internal",
    "pg_toast",
    "sys",
    "catalog_history",
];
const SYSTEM_BEGINNINGS: [&str; 8] = ["pg_", "stl_", "stv_", "svv_", "svl_", "svcs_", "sys_", "stcs_"];

/// How different a name may be from what was written and still be offered (0 is nothing alike, 1 the same).
const OFFERED_MIN: f64 = 0.6;

/// At most this many names are listed where none is near.
const LISTED_MAX: usize = 8;

/// "Did you mean …", or what there is.
pub(super) fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>, what: &str) -> String {
    let names: Vec<&str> = names.collect();
    let best = names
        .iter()
        .map(|name| (strsim::jaro_winkler(wanted, name), *name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, name)) if score >= OFFERED_MIN => format!("Did you mean {name}?"),
        _ if names.is_empty() => String::new(),
        _ => {
            let more = if names.len() > LISTED_MAX { ", …" } else { "" };
            let listed: Vec<&str> = names.into_iter().take(LISTED_MAX).collect();
            format!("There {what}: {}{more}.", listed.join(", "))
        }
    }
}

impl<'a> Checker<'a> {
    /// A name as it is compared: ASCII letters in lower case, also when it is quoted, which is how Redshift compares.
    pub(super) fn lower(&self, ident: &Ident) -> Checked<String> {
        match ident.quote_style {
            None | Some('"') => Ok(ident.value.to_ascii_lowercase()),
            Some(_) => self.refuse(
                Code::OddName,
                ident,
                "A name stands in single quotes. Quote names with double quotes.",
            ),
        }
    }

    /// An alias that a person gives. It may be any name.
    pub(super) fn given(&mut self, ident: &Ident) -> Checked<String> {
        self.visit(ident);
        self.lower(ident)
    }

    /// The name of a relation, and those of its columns where the alias lists them.
    pub(super) fn alias(&mut self, alias: &ast::TableAlias) -> Checked<(String, Vec<String>)> {
        let ast::TableAlias {
            explicit: _,
            name,
            columns,
            at,
        } = alias;
        let lower = self.given(name)?;
        if lower.contains('.') {
            return self.refuse(Code::OddName, name, "The name of a relation may not hold a dot.");
        }
        self.no(at.is_some(), "AT")?;
        let mut names = Vec::with_capacity(columns.len());
        for ast::TableAliasColumnDef { name, data_type } in columns {
            self.no(data_type.is_some(), "A type in a list of columns")?;
            names.push(self.given(name)?);
        }
        Ok((lower, names))
    }

    pub(super) fn parts<'n>(&self, name: &'n ObjectName) -> Checked<Vec<&'n Ident>> {
        name.0
            .iter()
            .map(|part| match part {
                ObjectNamePart::Identifier(ident) => Ok(ident),
                ObjectNamePart::Function(function) => {
                    self.refuse(Code::OddName, &function.name, "A function stands where a name should.")
                }
            })
            .collect()
    }

    /// The table of the policy that a name in a FROM clause means. A WITH query of that name has been looked for.
    pub(super) fn table_named(&mut self, name: &ObjectName) -> Checked<&'a str> {
        let parts = self.parts(name)?;
        for part in &parts {
            self.visit(part);
        }
        let Some(first) = parts.first() else {
            return self.here(Code::Syntax, "A table's name is missing.");
        };
        let at = lex::offset(first.span).unwrap_or(self.at);
        let names: Vec<String> = parts.iter().map(|part| self.lower(part)).collect::<Checked<_>>()?;
        let (schema, table) = match names.as_slice() {
            [table] => (None, table),
            [schema, table] => (Some(schema), table),
            [database, ..] => {
                return fault(
                    Code::OtherSchema,
                    at,
                    format!(
                        "{} names a database. Write tables as {}.table.",
                        shown(database),
                        self.policy.schema
                    ),
                );
            }
            [] => return fault(Code::Syntax, at, "A table's name is missing."),
        };
        let is_system = SYSTEM_BEGINNINGS.iter().any(|beginning| table.starts_with(beginning))
            || schema.is_some_and(|schema| SYSTEM_SCHEMAS.contains(&schema.as_str()) || schema.starts_with("pg_"));
        let is_ours = schema.is_none_or(|schema| *schema == self.policy.schema);
        if let Some((known, _)) = self.policy.tables.get_key_value(table)
            && is_ours
        {
            return Ok(known);
        }
        if is_system {
            return fault(
                Code::SystemTable,
                at,
                format!(
                    "{name} belongs to the system. Ask the tables of {}.",
                    self.policy.schema
                ),
            );
        }
        if let Some(schema) = schema
            && !is_ours
        {
            return fault(
                Code::OtherSchema,
                at,
                format!(
                    "The schema {} is not open. Ask the tables of {}.",
                    shown(schema),
                    self.policy.schema
                ),
            );
        }
        if self.policy.hidden_tables.contains(table) {
            return fault(
                Code::HiddenTable,
                at,
                format!("The table {} is not open to this role.", shown(table)),
            );
        }
        let offer = nearest(table, self.policy.tables.keys().map(String::as_str), "are these tables");
        fault(
            Code::UnknownTable,
            at,
            format!("There is no table {}. {offer}", shown(table)),
        )
    }

    /// Resolves a column, or one of the words that stand for a value.
    pub(super) fn column<'s>(&mut self, parts: &[Ident], scope: &Scope<'s, 'a>) -> Checked {
        for part in parts {
            self.visit(part);
        }
        match parts {
            [name] => self.bare_column(name, scope),
            [relation, name] => self.column_of(relation, name, scope),
            [schema, relation, name] => self.column_of_table(schema, relation, name, scope),
            _ => self.here(Code::OtherSchema, "A column is written relation.column."),
        }
    }

    fn bare_column<'s>(&mut self, ident: &Ident, scope: &Scope<'s, 'a>) -> Checked {
        let name = self.lower(ident)?;
        let is_bare = ident.quote_style.is_none();
        if is_bare && functions::is_session_word(&name) {
            return self.refuse(
                Code::SystemFunction,
                ident,
                format!("{name} tells of the session. Leave it out, or quote it if it is a name of your own."),
            );
        }
        for (level, here) in scope.chain().enumerate() {
            // Redshift prefers a column to a name of the SELECT list.
            let mut found = false;
            for (at, relation) in here.relations.iter().enumerate() {
                if relation.has(&name) {
                    found = true;
                    scope.use_of(level, at);
                    if let Some(table) = relation.table {
                        self.uses(table, &name);
                    }
                }
            }
            if found || here.aliases.iter().any(|alias| alias.name == name) {
                return Ok(());
            }
        }
        if is_bare && functions::is_value_word(&name) {
            return Ok(());
        }
        self.unknown_column(ident, &name, scope, None)
    }

    fn column_of<'s>(&mut self, relation: &Ident, ident: &Ident, scope: &Scope<'s, 'a>) -> Checked {
        let wanted = self.lower(relation)?;
        let name = self.lower(ident)?;
        for (level, here) in scope.chain().enumerate() {
            let mut named = false;
            for (at, relation) in here.relations.iter().enumerate() {
                if relation.name.as_ref() != Some(&wanted) {
                    continue;
                }
                named = true;
                if relation.has(&name) {
                    scope.use_of(level, at);
                    if let Some(table) = relation.table {
                        self.uses(table, &name);
                    }
                    return Ok(());
                }
            }
            if named {
                return self.unknown_column(ident, &name, scope, Some(&wanted));
            }
        }
        let relations: Vec<&str> = scope
            .chain()
            .flat_map(|scope| &scope.relations)
            .filter_map(|relation| relation.name.as_deref())
            .collect();
        let offer = nearest(&wanted, relations.into_iter(), "are these in the FROM clause");
        self.refuse(
            Code::UnknownTable,
            relation,
            format!("{} is not in the FROM clause. {offer}", shown(&wanted)),
        )
    }

    /// `schema.table.column`: the schema is cut out of the text, since the table is replaced.
    fn column_of_table<'s>(&mut self, schema: &Ident, table: &Ident, ident: &Ident, scope: &Scope<'s, 'a>) -> Checked {
        if self.lower(schema)? != self.policy.schema {
            return self.refuse(
                Code::OtherSchema,
                schema,
                format!(
                    "The schema {} is not open. Ask the tables of {}.",
                    shown(&schema.value),
                    self.policy.schema
                ),
            );
        }
        let wanted = self.lower(table)?;
        let is_there = scope.chain().any(|scope| {
            scope
                .relations
                .iter()
                .any(|relation| !relation.has_alias && relation.table == Some(&wanted))
        });
        if !is_there {
            return self.refuse(
                Code::UnknownTable,
                schema,
                format!("{schema}.{table} is not in the FROM clause under its own name. Write its alias."),
            );
        }
        if let (Some(from), Some(to)) = (lex::offset(schema.span), lex::offset(table.span)) {
            self.cuts.push((from, to));
        }
        self.column_of(table, ident, scope)
    }

    pub(super) fn uses(&mut self, table: &'a str, column: &str) {
        let columns = self.used.entry(table).or_default();
        if !columns.contains(column) {
            columns.insert(column.to_owned());
        }
    }

    fn unknown_column<'s>(&self, ident: &Ident, name: &str, scope: &Scope<'s, 'a>, relation: Option<&str>) -> Checked {
        let candidates = || {
            scope
                .chain()
                .flat_map(|scope| &scope.relations)
                .filter(|there| relation.is_none() || there.name.as_deref() == relation)
        };
        let is_hidden = candidates()
            .filter_map(|there| self.policy.tables.get(there.table?))
            .any(|rule| rule.hidden.iter().any(|hidden| hidden == name));
        if is_hidden {
            return self.refuse(
                Code::HiddenColumn,
                ident,
                format!("The column {} is not open to this role.", shown(name)),
            );
        }
        let mut names: Vec<&str> = candidates().flat_map(|there| there.names()).collect();
        if relation.is_none() {
            names.extend(
                scope
                    .chain()
                    .flat_map(|scope| scope.aliases.iter().map(|alias| alias.name.as_str())),
            );
        }
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names.dedup();
        let offer = nearest(name, names.into_iter(), "are these columns");
        let place = relation.map_or(String::new(), |relation| format!(" in {}", shown(relation)));
        self.refuse(
            Code::UnknownColumn,
            ident,
            format!("There is no column {}{place}. {offer}", shown(name)),
        )
    }
}
