//! CREATE, ALTER, DROP and TRUNCATE: changes of the catalogue. Columns that are added or renamed write a table's files
//! anew, so that every file has exactly its table's columns.

use super::{
    State,
    dml::{Writable, default_value},
    explain::{parse_query, reads},
    scope::{Found, PUBLISHED, TEMPORARY},
    system,
};
use crate::{
    catalog::{Column, Constraint, Layout, Name, Procedure, Relation, Table, TableWriter, User, View, read_file},
    command::{
        AlterTable, Command, CreateProcedure, CreateTable, CreateView, Kind, Maintenance, Principal, Source, Target,
    },
    error::RedshiftError,
    types::SqlType,
};
use arrow::array::{Array, ArrayRef, Int32Array};
use datafusion::sql::sqlparser::ast::Query;
use std::{collections::BTreeMap, sync::Arc};

fn exists(what: &str, name: &str) -> RedshiftError {
    RedshiftError::Data(format!("{what} \"{name}\" already exists"))
}

fn missing(what: &str, name: impl std::fmt::Display) -> RedshiftError {
    RedshiftError::Data(format!("{what} \"{name}\" does not exist"))
}

impl State {
    /// Where a new relation goes: its schema and name, or a temporary table's name alone.
    fn place(&self, target: &Target, temporary: bool) -> Result<Option<Name>, RedshiftError> {
        let scope = self.scope()?;
        if target.database.as_ref().is_some_and(|name| *name != self.database.name) {
            return Err(RedshiftError::NotSupported(
                "relations are made in the database that the session is connected to".to_owned(),
            ));
        }
        if temporary || target.schema.as_deref() == Some(TEMPORARY) {
            if target.schema.as_deref().is_some_and(|schema| schema != TEMPORARY) {
                return Err(RedshiftError::Data(
                    "cannot create temporary relation in non-temporary schema".to_owned(),
                ));
            }
            return Ok(None);
        }
        let schema = match &target.schema {
            Some(schema) => schema.clone(),
            None => scope.schema_for_new()?,
        };
        if !scope.catalog.schemas.contains_key(&schema) {
            return Err(if schema == PUBLISHED && scope.published.is_some() {
                RedshiftError::Published(schema)
            } else if system::SCHEMAS.contains(&schema.as_str()) {
                RedshiftError::Data(format!("permission denied to create \"{schema}.{}\"", target.name))
            } else {
                missing("schema", schema)
            });
        }
        Ok(Some(Name::new(schema, &target.name)))
    }

    /// Rows written, for CREATE TABLE AS.
    pub(super) async fn create_table(
        &mut self,
        create: CreateTable,
        values: &[String],
    ) -> Result<Option<u64>, RedshiftError> {
        let place = self.place(&create.target, create.temporary)?;
        let scope = self.scope()?;
        let taken = match &place {
            Some(name) => scope.catalog.relations.contains_key(name),
            None => scope.temporary.contains_key(&create.target.name),
        };
        if taken {
            return if create.if_not_exists {
                Ok(None)
            } else {
                Err(RedshiftError::Data(format!(
                    "Relation \"{}\" already exists",
                    create.target.name
                )))
            };
        }
        let (mut columns, mut layout, mut constraints) = (create.columns, create.layout, create.constraints);
        let mut query = None;
        match create.source {
            Source::Columns => {}
            Source::Like { of, defaults } => {
                let found = scope.find(&of).ok_or_else(|| missing("relation", &of))?;
                match found.relation().map(AsRef::as_ref) {
                    Some(Relation::Table(table)) => {
                        layout = table.layout.clone();
                        columns.extend(table.columns.iter().map(|column| Column {
                            default: column.default.clone().filter(|_| defaults),
                            identity: None,
                            ..column.clone()
                        }));
                    }
                    _ => columns.extend(self.columns_like(&found).await?),
                }
            }
            Source::Query { names, query: text } => {
                let (made, types) = self.planner().await?.columns_of((*text).clone(), values).await?;
                if !names.is_empty() && names.len() != made.len() {
                    return Err(RedshiftError::Data(
                        "CREATE TABLE AS specifies another number of column names than the query has".to_owned(),
                    ));
                }
                for (at, (info, data_type)) in made.iter().zip(&types).enumerate() {
                    let name = names.get(at).unwrap_or(&info.label).clone();
                    if name == "?column?" {
                        return Err(RedshiftError::Data(format!(
                            "column {} of the query has no name: give it one with AS",
                            at + 1
                        )));
                    }
                    if columns.iter().any(|column| column.name == name) {
                        return Err(RedshiftError::Data(format!(
                            "column \"{name}\" specified more than once"
                        )));
                    }
                    let sql_type = match (info.type_name, info.schema.is_some()) {
                        ("varchar" | "bpchar", true) if info.precision > 0 => {
                            let length = info.precision.unsigned_abs();
                            if info.type_name == "bpchar" {
                                SqlType::Char(length)
                            } else {
                                SqlType::Varchar(length)
                            }
                        }
                        ("super", true) => SqlType::Super,
                        _ => SqlType::of_arrow(data_type),
                    };
                    columns.push(Column::new(name, sql_type));
                }
                query = Some(text);
            }
        }
        check_keys(&columns, &mut layout, &mut constraints)?;
        let planner = self.planner().await?;
        for column in &columns {
            if let Some(default) = &column.default {
                default_value(&planner, column, default).await?;
            }
        }
        let owner = self.user.clone();
        let oid = self.work()?.catalog.oid();
        let table = Table {
            oid,
            columns,
            layout,
            constraints,
            files: Vec::new(),
            owner,
            comment: None,
        };
        let relation = Arc::new(Relation::Table(table.clone()));
        let found = match place {
            Some(name) => Found::Stored(name, relation),
            None => Found::Temporary(create.target.name, relation),
        };
        let mut writable = Writable {
            folder: scope.folder_of(&found),
            found,
            table,
        };
        let rows = match query {
            Some(query) => Some(self.fill_table(&mut writable, *query, values).await?),
            None => None,
        };
        let folder = writable.folder.clone();
        self.put_back(&writable.found, writable.table, &folder)?;
        Ok(rows)
    }

    async fn columns_like(&self, found: &Found) -> Result<Vec<Column>, RedshiftError> {
        if let Some(relation) = found.relation()
            && !relation.columns().is_empty()
        {
            return Ok(relation.columns().to_vec());
        }
        let name = found.name();
        let query = parse_query(&format!("select * from \"{}\".\"{}\"", name.schema, name.name))?;
        let (columns, types) = self.planner().await?.columns_of(query, &[]).await?;
        Ok(columns
            .into_iter()
            .zip(types)
            .map(|(column, data_type)| Column::new(column.label, SqlType::of_arrow(&data_type)))
            .collect())
    }

    pub(super) async fn create_view(&mut self, create: CreateView) -> Result<(), RedshiftError> {
        let Some(name) = self.place(&create.target, false)? else {
            return Err(RedshiftError::NotSupported("views are not temporary".to_owned()));
        };
        let existing = self.scope()?.catalog.relations.get(&name).cloned();
        let replaces = match existing.as_deref() {
            None => false,
            Some(Relation::View(view)) if create.or_replace && view.stored.is_none() => true,
            Some(Relation::View(_)) => return Err(exists("Relation", &name.name)),
            Some(Relation::Table(_)) if create.or_replace => {
                return Err(RedshiftError::Data(format!("\"{}\" is not a view", name.name)));
            }
            Some(Relation::Table(_)) => return Err(exists("Relation", &name.name)),
        };
        let query = parse_query(&create.text)?;
        let owner = self.user.clone();
        let mut view = View {
            oid: 0,
            query: create.text,
            names: create.names,
            columns: Vec::new(),
            late_binding: create.late_binding,
            reads: Vec::new(),
            owner,
            stored: None,
        };
        if create.late_binding {
            unqualified(&query)?;
        } else {
            let planner = self.planner().await?;
            view.reads = reads(&planner.scope, &query).iter().map(Found::name).collect();
            if let Some(own) = view.reads.iter().find(|read| read.schema == TEMPORARY) {
                return Err(RedshiftError::NotSupported(format!(
                    "a view cannot read the temporary table {}",
                    own.name
                )));
            }
            if view.reads.contains(&name) {
                return Err(RedshiftError::Data(format!("view \"{}\" reads itself", name.name)));
            }
            view.columns = self.view_columns(&query, &view.names).await?;
            if let (true, Some(Relation::View(before))) = (replaces, existing.as_deref()) {
                let same_names = before
                    .columns
                    .iter()
                    .zip(&view.columns)
                    .all(|(before, now)| before.name == now.name && same_kind(before.sql_type, now.sql_type));
                if view.columns.len() < before.columns.len() {
                    return Err(RedshiftError::Data("cannot drop columns from view".to_owned()));
                }
                if !same_names {
                    return Err(RedshiftError::Data(
                        "cannot change name or type of a view's column".to_owned(),
                    ));
                }
            }
        }
        if create.materialized {
            view.stored = Some(self.rows_of_view(&view, query).await?);
        }
        let work = self.work()?;
        view.oid = match existing.as_deref() {
            Some(Relation::View(before)) => before.oid,
            _ => work.catalog.oid(),
        };
        work.catalog.relations.insert(name, Arc::new(Relation::View(view)));
        Ok(())
    }

    async fn view_columns(&self, query: &Query, names: &[String]) -> Result<Vec<Column>, RedshiftError> {
        let (columns, types) = self.planner().await?.columns_of(query.clone(), &[]).await?;
        if names.len() > columns.len() {
            return Err(RedshiftError::Data(
                "CREATE VIEW specifies more column names than columns".to_owned(),
            ));
        }
        let mut made: Vec<Column> = Vec::with_capacity(columns.len());
        for (at, (info, data_type)) in columns.into_iter().zip(types).enumerate() {
            let name = names.get(at).cloned().unwrap_or(info.label);
            if made.iter().any(|column| column.name == name) {
                return Err(RedshiftError::Data(format!(
                    "column \"{name}\" specified more than once"
                )));
            }
            let sql_type = match info.type_name {
                "bpchar" => SqlType::Char(info.precision.unsigned_abs().max(1)),
                "varchar" => SqlType::Varchar(info.precision.unsigned_abs().max(1)),
                _ => SqlType::of_arrow(&data_type),
            };
            made.push(Column::new(name, sql_type));
        }
        Ok(made)
    }

    async fn rows_of_view(
        &mut self,
        view: &View,
        query: Query,
    ) -> Result<Vec<Arc<crate::catalog::DataFile>>, RedshiftError> {
        let table = Table {
            oid: view.oid,
            columns: view.columns.clone(),
            layout: Layout::default(),
            constraints: Vec::new(),
            files: Vec::new(),
            owner: view.owner.clone(),
            comment: None,
        };
        let mut writable = Writable {
            found: Found::System(Name::new("", "")),
            table,
            folder: self.database.data_folder(),
        };
        self.fill_table(&mut writable, query, &[]).await?;
        Ok(writable.table.files)
    }

    pub(super) async fn refresh_view(&mut self, target: &Target) -> Result<(), RedshiftError> {
        let found = self.scope()?.find(target);
        let Some(Found::Stored(name, relation)) = found else {
            return Err(missing("materialized view", target));
        };
        let Relation::View(view) = relation.as_ref() else {
            return Err(RedshiftError::Data(format!(
                "\"{}\" is not a materialized view",
                name.name
            )));
        };
        if view.stored.is_none() {
            return Err(RedshiftError::Data(format!(
                "\"{}\" is not a materialized view",
                name.name
            )));
        }
        let query = parse_query(&view.query)?;
        let mut view = view.clone();
        view.stored = Some(self.rows_of_view(&view, query).await?);
        self.work()?
            .catalog
            .relations
            .insert(name, Arc::new(Relation::View(view)));
        Ok(())
    }

    /// CREATE SCHEMA, DATABASE, PROCEDURE, USER, GROUP and ROLE; ALTER; DROP; TRUNCATE; COMMENT.
    pub(super) async fn define(&mut self, command: Command) -> Result<(), RedshiftError> {
        match command {
            Command::CreateSchema {
                name,
                if_not_exists,
                owner,
            } => {
                let known = self.scope()?.has_schema(&name);
                if known {
                    return if if_not_exists {
                        Ok(())
                    } else {
                        Err(exists("schema", &name))
                    };
                }
                if name.starts_with("pg_") || name.starts_with("__") {
                    return Err(RedshiftError::Data(format!("unacceptable schema name \"{name}\"")));
                }
                let owner = owner.unwrap_or_else(|| self.user.clone());
                self.work()?.catalog.schemas.insert(name, owner);
                Ok(())
            }
            Command::CreateDatabase(name) => {
                if self.cluster.databases().contains(&name) {
                    return Err(exists("database", &name));
                }
                let database = self.cluster.database(&name)?;
                database.commit((*database.head()).clone())
            }
            Command::CreateProcedure(create) => self.create_procedure(*create),
            Command::CreatePrincipal { kind, name, superuser } => self.create_principal(kind, name, superuser),
            Command::Drop {
                kind,
                names,
                if_exists,
                cascade,
            } => {
                for name in &names {
                    self.drop_one(kind, name, if_exists, cascade)?;
                }
                Ok(())
            }
            Command::AlterTable { table, action } => self.alter_table(&table, action).await,
            Command::AlterSchema { name, rename, owner } => self.alter_schema(&name, rename, owner),
            Command::AlterUser { name, search_path } => {
                let catalog = &mut self.work()?.catalog;
                let user = catalog.users.get_mut(&name).ok_or_else(|| missing("user", &name))?;
                if search_path.is_some() {
                    user.search_path = search_path;
                }
                Ok(())
            }
            Command::AlterGroup { name, add, users } => {
                let catalog = &mut self.work()?.catalog;
                if let Some(unknown) = users.iter().find(|user| !catalog.users.contains_key(*user)) {
                    return Err(missing("user", unknown));
                }
                let group = catalog.groups.get_mut(&name).ok_or_else(|| missing("group", &name))?;
                for user in users {
                    if add {
                        group.insert(user);
                    } else {
                        group.remove(&user);
                    }
                }
                Ok(())
            }
            Command::Truncate(target) => {
                let mut writable = self.writable(&target)?;
                writable.table.files.clear();
                let folder = writable.folder.clone();
                self.put_back(&writable.found, writable.table, &folder)
            }
            Command::Comment { kind, on, text } => self.comment(kind, &on, text),
            other => Err(RedshiftError::Engine(format!("{other:?} came to the wrong place"))),
        }
    }

    fn create_procedure(&mut self, create: CreateProcedure) -> Result<(), RedshiftError> {
        let Some(name) = self.place(&create.target, false)? else {
            return Err(RedshiftError::NotSupported("procedures are not temporary".to_owned()));
        };
        super::procedure::statements(&create.body)?;
        let owner = self.user.clone();
        let catalog = &mut self.work()?.catalog;
        if catalog.procedures.contains_key(&name) && !create.or_replace {
            return Err(RedshiftError::Data(format!(
                "procedure \"{}\" already exists with same argument types",
                name.name
            )));
        }
        catalog.procedures.insert(
            name,
            Arc::new(Procedure {
                arguments: create.arguments,
                body: create.body,
                owner,
            }),
        );
        Ok(())
    }

    fn create_principal(&mut self, kind: Principal, name: String, superuser: bool) -> Result<(), RedshiftError> {
        let catalog = &mut self.work()?.catalog;
        let new = match kind {
            Principal::User => {
                let user = User {
                    superuser,
                    search_path: None,
                };
                let new = !catalog.users.contains_key(&name);
                if new {
                    catalog.users.insert(name.clone(), user);
                }
                new
            }
            Principal::Group => {
                let new = !catalog.groups.contains_key(&name);
                catalog.groups.entry(name.clone()).or_default();
                new
            }
            Principal::Role => catalog.roles.insert(name.clone()),
        };
        let what = match kind {
            Principal::User => "user",
            Principal::Group => "group",
            Principal::Role => "role",
        };
        if new { Ok(()) } else { Err(exists(what, &name)) }
    }

    fn drop_one(&mut self, kind: Kind, target: &Target, if_exists: bool, cascade: bool) -> Result<(), RedshiftError> {
        let gone = |what: &str| if if_exists { Ok(()) } else { Err(missing(what, target)) };
        match kind {
            Kind::Table | Kind::View | Kind::MaterializedView => self.drop_relation(kind, target, if_exists, cascade),
            Kind::Schema => {
                let scope = self.scope()?;
                let name = target.name.clone();
                if !scope.catalog.schemas.contains_key(&name) {
                    if scope.has_schema(&name) {
                        return Err(RedshiftError::Data(format!("permission denied for schema {name}")));
                    }
                    return gone("schema");
                }
                let within: Vec<Name> = scope
                    .catalog
                    .relations
                    .keys()
                    .filter(|relation| relation.schema == name)
                    .cloned()
                    .collect();
                let procedures = scope
                    .catalog
                    .procedures
                    .keys()
                    .any(|procedure| procedure.schema == name);
                if !cascade && (procedures || !within.is_empty()) {
                    return Err(depends("schema", &name));
                }
                let catalog = &mut self.work()?.catalog;
                for relation in within {
                    for reader in catalog.readers(&relation) {
                        catalog.relations.remove(&reader);
                    }
                    catalog.relations.remove(&relation);
                }
                catalog.procedures.retain(|procedure, _| procedure.schema != name);
                catalog.schemas.remove(&name);
                Ok(())
            }
            Kind::Database => {
                let name = &target.name;
                if *name == self.database.name {
                    return Err(RedshiftError::Data(
                        "cannot drop the currently open database".to_owned(),
                    ));
                }
                if !self.cluster.databases().contains(name) {
                    return gone("database");
                }
                if name == concert_lake::CATALOG {
                    return Err(RedshiftError::Data(format!("permission denied for database {name}")));
                }
                self.cluster.drop_database(name)
            }
            Kind::Procedure => {
                let name = self.find_procedure(target);
                match name {
                    Some(name) => {
                        self.work()?.catalog.procedures.remove(&name);
                        Ok(())
                    }
                    None => gone("procedure"),
                }
            }
            Kind::User | Kind::Group | Kind::Role => {
                let name = &target.name;
                let own = *name == self.user || name == crate::catalog::ADMIN;
                let catalog = &mut self.work()?.catalog;
                let (found, what) = match kind {
                    Kind::User if own => {
                        return Err(RedshiftError::Data("current user cannot be dropped".to_owned()));
                    }
                    Kind::User => (catalog.users.remove(name).is_some(), "user"),
                    Kind::Group => (catalog.groups.remove(name).is_some(), "group"),
                    _ => (catalog.roles.remove(name), "role"),
                };
                let grantee = format!("{what} {name}");
                catalog.grants.retain(|grant| grant.grantee != grantee);
                if found { Ok(()) } else { gone(what) }
            }
        }
    }

    fn drop_relation(
        &mut self,
        kind: Kind,
        target: &Target,
        if_exists: bool,
        cascade: bool,
    ) -> Result<(), RedshiftError> {
        let Some(found) = self.scope()?.find(target) else {
            if if_exists {
                return Ok(());
            }
            return Err(RedshiftError::Data(format!(
                "{} \"{target}\" does not exist",
                if kind == Kind::Table { "Table" } else { "view" }
            )));
        };
        let name = match (&found, found.relation().map(AsRef::as_ref)) {
            (_, Some(Relation::View(_))) if kind == Kind::Table => {
                return Err(RedshiftError::Data(format!(
                    "\"{}\" is not a table HINT: Use DROP VIEW to remove a view.",
                    target.name
                )));
            }
            (_, Some(Relation::Table(_))) if kind != Kind::Table => {
                return Err(RedshiftError::Data(format!(
                    "\"{}\" is not a view HINT: Use DROP TABLE to remove a table.",
                    target.name
                )));
            }
            (Found::Temporary(name, _), _) => {
                let name = name.clone();
                self.work()?.temporary.remove(&name);
                return Ok(());
            }
            (Found::Stored(name, _), _) => name.clone(),
            (Found::Published(name), _) => return Err(RedshiftError::Published(name.to_string())),
            _ => {
                return Err(RedshiftError::Data(format!(
                    "permission denied for relation {}",
                    target.name
                )));
            }
        };
        let catalog = &mut self.work()?.catalog;
        let readers = catalog.readers(&name);
        if !readers.is_empty() && !cascade {
            return Err(depends(if kind == Kind::Table { "table" } else { "view" }, &name.name));
        }
        for reader in readers {
            catalog.relations.remove(&reader);
        }
        catalog.relations.remove(&name);
        let object = name.to_string();
        catalog
            .grants
            .retain(|grant| grant.kind != "table" || grant.object != object);
        Ok(())
    }

    fn alter_schema(&mut self, name: &str, rename: Option<String>, owner: Option<String>) -> Result<(), RedshiftError> {
        let catalog = &mut self.work()?.catalog;
        let Some(before) = catalog.schemas.get(name).cloned() else {
            return Err(missing("schema", name));
        };
        if let Some(owner) = owner {
            if !catalog.users.contains_key(&owner) {
                return Err(missing("user", owner));
            }
            catalog.schemas.insert(name.to_owned(), owner);
        }
        if let Some(new) = rename {
            if catalog.schemas.contains_key(&new) {
                return Err(exists("schema", &new));
            }
            catalog.schemas.remove(name);
            catalog.schemas.insert(new.clone(), before);
            let moved: Vec<Name> = catalog
                .relations
                .keys()
                .filter(|relation| relation.schema == name)
                .cloned()
                .collect();
            for from in moved {
                if !catalog.readers(&from).is_empty() {
                    return Err(depends("schema", name));
                }
                if let Some(relation) = catalog.relations.remove(&from) {
                    catalog.relations.insert(Name::new(&new, from.name), relation);
                }
            }
            let procedures = std::mem::take(&mut catalog.procedures);
            catalog.procedures = procedures
                .into_iter()
                .map(|(place, procedure)| {
                    let place = if place.schema == name {
                        Name::new(&new, place.name)
                    } else {
                        place
                    };
                    (place, procedure)
                })
                .collect();
        }
        Ok(())
    }

    async fn alter_table(&mut self, target: &Target, action: AlterTable) -> Result<(), RedshiftError> {
        // A view can be renamed and given away by ALTER TABLE too.
        if let Some(Found::Stored(name, relation)) = self.scope()?.find(target)
            && let Relation::View(view) = relation.as_ref()
        {
            let mut view = view.clone();
            return match action {
                AlterTable::RenameTo(new) => self.rename_relation(&name, new, Relation::View(view)),
                AlterTable::OwnerTo(owner) => {
                    view.owner = owner;
                    self.work()?
                        .catalog
                        .relations
                        .insert(name, Arc::new(Relation::View(view)));
                    Ok(())
                }
                _ => Err(RedshiftError::Data(format!("\"{}\" is not a table", target.name))),
            };
        }
        let mut writable = self.writable(target)?;
        let before = writable.table.clone();
        let table = &mut writable.table;
        let unknown = |name: &str| {
            RedshiftError::Data(format!(
                "column \"{name}\" of relation \"{}\" does not exist",
                target.name
            ))
        };
        match action {
            AlterTable::AddColumn(column) => {
                if table.column(&column.name).is_some() {
                    return Err(RedshiftError::Data(format!(
                        "column \"{}\" of relation \"{}\" already exists",
                        column.name, target.name
                    )));
                }
                if column.identity.is_some() {
                    return Err(RedshiftError::Data(
                        "ALTER TABLE ADD COLUMN does not take IDENTITY".to_owned(),
                    ));
                }
                if column.not_null && column.default.is_none() {
                    return Err(RedshiftError::Data(
                        "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression".to_owned(),
                    ));
                }
                let value = match &column.default {
                    Some(default) => {
                        let planner = self.planner().await?;
                        Some(default_value(&planner, &column, default).await?)
                    }
                    None => None,
                };
                table.columns.push(column);
                rewrite(&before, table, &writable.folder, value)?;
            }
            AlterTable::DropColumn { name, cascade } => {
                if table.column(&name).is_none() {
                    return Err(unknown(&name));
                }
                if table.columns.len() == 1 {
                    return Err(RedshiftError::Data("cannot drop the only column of a table".to_owned()));
                }
                let used = table.layout.sort_keys.contains(&name) || table.layout.dist_key.as_ref() == Some(&name);
                if used {
                    return Err(RedshiftError::Data(format!(
                        "cannot drop column \"{name}\": it is a distribution or sort key"
                    )));
                }
                self.readers_of_column(&writable.found.name(), cascade, "column", &name)?;
                let table = &mut writable.table;
                table.columns.retain(|column| column.name != name);
                table
                    .constraints
                    .retain(|constraint| !constraint.columns.contains(&name));
            }
            AlterTable::RenameColumn { from, to } => {
                if table.column(&to).is_some() {
                    return Err(RedshiftError::Data(format!(
                        "column \"{to}\" of relation \"{}\" already exists",
                        target.name
                    )));
                }
                let Some(at) = table.columns.iter().position(|column| column.name == from) else {
                    return Err(unknown(&from));
                };
                table.columns[at].name.clone_from(&to);
                for key in table
                    .layout
                    .sort_keys
                    .iter_mut()
                    .chain(table.layout.dist_key.iter_mut())
                {
                    if *key == from {
                        key.clone_from(&to);
                    }
                }
                for constraint in &mut table.constraints {
                    for column in &mut constraint.columns {
                        if *column == from {
                            column.clone_from(&to);
                        }
                    }
                }
                rewrite(&before, table, &writable.folder, None)?;
            }
            AlterTable::ColumnType { name, sql_type } => {
                let Some(column) = table.columns.iter_mut().find(|column| column.name == name) else {
                    return Err(unknown(&name));
                };
                if !column.sql_type.can_become(sql_type) {
                    return Err(RedshiftError::Data(format!(
                        "cannot alter type of column \"{name}\" from {} to {sql_type}: only the length of VARCHAR can \
                         change",
                        column.sql_type
                    )));
                }
                column.sql_type = sql_type;
                // A shorter length must hold every value that is there.
                rewrite(&before, table, &writable.folder, None)
                    .map_err(|_| RedshiftError::Data(format!("column \"{name}\" has values longer than {sql_type}")))?;
            }
            AlterTable::ColumnEncoding { name, encoding } => {
                let Some(column) = table.columns.iter_mut().find(|column| column.name == name) else {
                    return Err(unknown(&name));
                };
                column.encoding = Some(encoding);
            }
            AlterTable::OwnerTo(owner) => {
                if !self.scope()?.catalog.users.contains_key(&owner) {
                    return Err(missing("user", owner));
                }
                table.owner = owner;
            }
            AlterTable::Layout(layout) => {
                if layout.style.is_some() || layout.dist_key.is_some() {
                    table.layout.style = layout.style;
                    table.layout.dist_key = layout.dist_key;
                } else {
                    table.layout.sort_keys = layout.sort_keys;
                    table.layout.interleaved = layout.interleaved;
                }
                let Table {
                    columns,
                    layout,
                    constraints,
                    ..
                } = table;
                check_keys(columns, layout, constraints)?;
            }
            AlterTable::AddConstraint(constraint) => {
                table.constraints.push(constraint);
                let Table {
                    columns,
                    layout,
                    constraints,
                    ..
                } = table;
                check_keys(columns, layout, constraints)?;
            }
            AlterTable::DropConstraint(name) => {
                let count = table.constraints.len();
                table
                    .constraints
                    .retain(|constraint| constraint.name.as_ref() != Some(&name));
                if table.constraints.len() == count {
                    return Err(RedshiftError::Data(format!("constraint \"{name}\" does not exist")));
                }
            }
            AlterTable::RenameTo(new) => {
                let relation = Relation::Table(writable.table);
                return match writable.found {
                    Found::Stored(name, _) => self.rename_relation(&name, new, relation),
                    Found::Temporary(name, _) => {
                        let work = self.work()?;
                        if work.temporary.contains_key(&new) {
                            return Err(exists("Relation", &new));
                        }
                        work.temporary.remove(&name);
                        work.temporary.insert(new, Arc::new(relation));
                        Ok(())
                    }
                    _ => Ok(()),
                };
            }
            AlterTable::SetSchema(schema) => {
                let Found::Stored(name, relation) = writable.found else {
                    return Err(RedshiftError::Data("a temporary table has no other schema".to_owned()));
                };
                let catalog = &mut self.work()?.catalog;
                if !catalog.schemas.contains_key(&schema) {
                    return Err(missing("schema", schema));
                }
                let new = Name::new(schema, &name.name);
                if catalog.relations.contains_key(&new) {
                    return Err(exists("Relation", &new.name));
                }
                catalog.relations.remove(&name);
                catalog.relations.insert(new, relation);
                return Ok(());
            }
            AlterTable::Append(source) => {
                let mut from = self.writable(&source)?;
                let same = from.table.columns.len() == table.columns.len()
                    && from
                        .table
                        .columns
                        .iter()
                        .zip(&table.columns)
                        .all(|(one, other)| one.name == other.name && one.sql_type == other.sql_type);
                if !same || from.folder != writable.folder {
                    return Err(RedshiftError::Data(
                        "ALTER TABLE APPEND needs two tables with the same columns".to_owned(),
                    ));
                }
                table.files.append(&mut from.table.files);
                let folder = from.folder.clone();
                self.put_back(&from.found, from.table, &folder)?;
            }
        }
        let folder = writable.folder.clone();
        self.put_back(&writable.found, writable.table, &folder)
    }

    fn readers_of_column(&mut self, table: &Name, cascade: bool, what: &str, name: &str) -> Result<(), RedshiftError> {
        let catalog = &mut self.work()?.catalog;
        let readers = catalog.readers(table);
        if readers.is_empty() {
            return Ok(());
        }
        if !cascade {
            return Err(depends(what, name));
        }
        for reader in readers {
            catalog.relations.remove(&reader);
        }
        Ok(())
    }

    fn rename_relation(&mut self, name: &Name, new: String, relation: Relation) -> Result<(), RedshiftError> {
        let catalog = &mut self.work()?.catalog;
        let place = Name::new(&name.schema, new);
        if catalog.relations.contains_key(&place) {
            return Err(exists("Relation", &place.name));
        }
        // Views go on reading a renamed table in Redshift; here they know it by its name, so they are asked to go first.
        if !catalog.readers(name).is_empty() {
            return Err(depends("relation", &name.name));
        }
        catalog.relations.remove(name);
        let (before, after) = (name.to_string(), place.to_string());
        catalog.grants = std::mem::take(&mut catalog.grants)
            .into_iter()
            .map(|mut grant| {
                if grant.kind == "table" && grant.object == before {
                    grant.object.clone_from(&after);
                }
                grant
            })
            .collect();
        catalog.relations.insert(place, Arc::new(relation));
        Ok(())
    }

    fn comment(&mut self, kind: Kind, on: &Target, text: Option<String>) -> Result<(), RedshiftError> {
        match kind {
            Kind::Table => {
                let mut writable = self.writable(on)?;
                writable.table.comment = text;
                let folder = writable.folder.clone();
                self.put_back(&writable.found, writable.table, &folder)
            }
            Kind::View | Kind::MaterializedView => {
                let found = self.scope()?.find(on);
                match found.as_ref().and_then(Found::relation).map(AsRef::as_ref) {
                    Some(Relation::View(_)) => Ok(()),
                    _ => Err(missing("view", on)),
                }
            }
            Kind::Schema if !self.scope()?.has_schema(&on.name) => Err(missing("schema", &on.name)),
            Kind::Database if on.name != self.database.name => Err(RedshiftError::Data(
                "COMMENT ON DATABASE names the connected database".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// VACUUM, ANALYZE and LOCK: the table must be there; nothing else is to be done.
    pub(super) fn maintain(
        &mut self,
        what: Maintenance,
        table: Option<&Target>,
        columns: &[String],
    ) -> Result<(), RedshiftError> {
        let Some(target) = table else { return Ok(()) };
        let scope = self.scope()?;
        let Some(found) = scope.find(target) else {
            return Err(missing("relation", target));
        };
        match found.relation().map(AsRef::as_ref) {
            Some(Relation::Table(table)) => {
                if let Some(name) = columns.iter().find(|name| table.column(name).is_none()) {
                    return Err(RedshiftError::Data(format!(
                        "column \"{name}\" of relation \"{}\" does not exist",
                        target.name
                    )));
                }
                Ok(())
            }
            Some(Relation::View(_)) if what != Maintenance::Lock => Err(RedshiftError::Data(format!(
                "\"{}\" is a view, not a table",
                target.name
            ))),
            _ => Ok(()),
        }
    }
}

fn same_kind(one: SqlType, other: SqlType) -> bool {
    one == other || (one.character_length().is_some() && other.character_length().is_some())
}

fn depends(what: &str, name: &str) -> RedshiftError {
    RedshiftError::Data(format!(
        "cannot drop {what} {name} because other objects depend on it HINT: Use DROP ... CASCADE to drop the dependent \
         objects too."
    ))
}

/// A late-binding view names schemas, since it may be read with another search path.
fn unqualified(query: &Query) -> Result<(), RedshiftError> {
    let statement = datafusion::sql::sqlparser::ast::Statement::Query(Box::new(query.clone()));
    let own: Vec<String> = query
        .with
        .iter()
        .flat_map(|with| &with.cte_tables)
        .map(|cte| cte.alias.name.value.to_lowercase())
        .collect();
    for target in super::explain::relations(&statement) {
        if target.schema.is_none() && !own.contains(&target.name) {
            return Err(RedshiftError::Data(format!(
                "All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING: \"{}\"",
                target.name
            )));
        }
    }
    Ok(())
}

/// Keys and constraints name columns that there are.
fn check_keys(columns: &[Column], layout: &mut Layout, constraints: &mut [Constraint]) -> Result<(), RedshiftError> {
    let known: BTreeMap<&str, &Column> = columns.iter().map(|column| (column.name.as_str(), column)).collect();
    let named = layout
        .sort_keys
        .iter()
        .chain(&layout.dist_key)
        .chain(constraints.iter().flat_map(|constraint| &constraint.columns));
    for name in named {
        if !known.contains_key(name.as_str()) {
            return Err(RedshiftError::Data(format!(
                "column \"{name}\" named in key does not exist"
            )));
        }
    }
    if layout.dist_key.is_some() {
        layout.style = Some("KEY".to_owned());
    }
    let keys = constraints
        .iter()
        .filter(|constraint| constraint.kind == "PRIMARY KEY")
        .count();
    if keys > 1 {
        return Err(RedshiftError::Data(
            "multiple primary keys for table are not allowed".to_owned(),
        ));
    }
    Ok(())
}

/// Writes a table's files with its new columns, found by their position; a column beyond the old ones is `value`.
fn rewrite(
    before: &Table,
    table: &mut Table,
    folder: &std::path::Path,
    value: Option<ArrayRef>,
) -> Result<(), RedshiftError> {
    let mut writer = TableWriter::new(folder, table.arrow_schema());
    for file in &before.files {
        for batch in read_file(&folder.join(&file.name), &before.arrow_schema())? {
            let batch = batch?;
            let rows = batch.num_rows();
            let mut columns = Vec::with_capacity(table.columns.len());
            for (at, column) in table.columns.iter().enumerate() {
                columns.push(match (batch.columns().get(at), &value) {
                    (Some(old), _) => column.sql_type.assign(old)?,
                    (None, Some(value)) if !value.is_null(0) => {
                        let places = Int32Array::from(vec![0; rows]);
                        arrow::compute::take(value, &places, None)
                            .map_err(|error| RedshiftError::Statement(error.into()))?
                    }
                    (None, _) => arrow::array::new_null_array(&column.sql_type.arrow(), rows),
                });
            }
            writer.write(columns, rows)?;
        }
    }
    table.files = writer.finish()?;
    Ok(())
}
