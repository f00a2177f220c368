//! What a name means to a statement: temporary tables first, then the schemas of the search path, then the system's.
//! The engine asks here for every table that a statement names.

use super::system;
use crate::{
    catalog::{Catalog, Column, Database, Name, PUBLIC, Relation, Table},
    command::Target,
    error::RedshiftError,
};
use async_trait::async_trait;
use concert_lake::CATALOG;
use datafusion::{
    catalog::{CatalogProvider, MemTable, SchemaProvider, TableProvider},
    common::{Result as EngineResult, TableReference},
    datasource::{
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    error::DataFusionError,
};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The schema that stands for the search path. No schema can be called so.
pub(super) const PATH: &str = "__path";
/// The schema of temporary tables.
pub(super) const TEMPORARY: &str = "pg_temp";
/// The schema of what is published; only `dev` has it.
pub(super) const PUBLISHED: &str = "concert_dw";

pub(super) fn default_path(database: &str) -> Vec<String> {
    let mut path = vec!["$user".to_owned(), PUBLIC.to_owned()];
    if database == CATALOG {
        path.push(PUBLISHED.to_owned());
    }
    path
}

pub(crate) struct Scope {
    pub catalog: Catalog,
    pub temporary: BTreeMap<String, Arc<Relation>>,
    pub temporary_folder: PathBuf,
    pub published: Option<Arc<dyn SchemaProvider>>,
    pub path: Vec<String>,
    /// Views that were planned, and the tables of a change with the places of their rows.
    pub made: Mutex<HashMap<Name, Arc<dyn TableProvider>>>,
    pub databases: Vec<String>,
    pub database: Arc<Database>,
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scope({})", self.database.name)
    }
}

/// What a name was found to be.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Temporary(String, Arc<Relation>),
    Stored(Name, Arc<Relation>),
    /// A table of the lake.
    Published(Name),
    System(Name),
}

impl Found {
    pub fn name(&self) -> Name {
        match self {
            Found::Temporary(name, _) => Name::new(TEMPORARY, name),
            Found::Stored(name, _) | Found::Published(name) | Found::System(name) => name.clone(),
        }
    }

    pub fn relation(&self) -> Option<&Arc<Relation>> {
        match self {
            Found::Temporary(_, relation) | Found::Stored(_, relation) => Some(relation),
            _ => None,
        }
    }
}

impl Scope {
    pub fn find(&self, target: &Target) -> Option<Found> {
        if target.database.as_ref().is_some_and(|name| *name != self.database.name) {
            return None;
        }
        self.look_up(target.schema.as_deref(), &target.name)
    }

    pub fn look_up(&self, schema: Option<&str>, name: &str) -> Option<Found> {
        match schema {
            Some(TEMPORARY) => self.temporary(name),
            Some(schema) => self.in_schema(schema, name),
            None => self
                .temporary(name)
                .or_else(|| self.path.iter().find_map(|schema| self.in_schema(schema, name)))
                .or_else(|| self.in_schema(system::PG_CATALOG, name)),
        }
    }

    fn temporary(&self, name: &str) -> Option<Found> {
        let relation = self.temporary.get(name)?;
        Some(Found::Temporary(name.to_owned(), Arc::clone(relation)))
    }

    fn in_schema(&self, schema: &str, name: &str) -> Option<Found> {
        let place = Name::new(schema, name);
        if let Some(relation) = self.catalog.relations.get(&place) {
            return Some(Found::Stored(place, Arc::clone(relation)));
        }
        if schema == PUBLISHED && self.published.as_ref().is_some_and(|tables| tables.table_exist(name)) {
            return Some(Found::Published(place));
        }
        system::exists(schema, name).then_some(Found::System(place))
    }

    pub fn schema_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.catalog.schemas.keys().cloned().collect();
        if self.published.is_some() && !self.catalog.schemas.contains_key(PUBLISHED) {
            names.push(PUBLISHED.to_owned());
        }
        names.extend(system::SCHEMAS.map(str::to_owned));
        names.sort();
        names
    }

    pub fn has_schema(&self, name: &str) -> bool {
        self.schema_names().iter().any(|known| known == name)
    }

    /// The schema in which a relation is made whose name has none.
    pub fn schema_for_new(&self) -> Result<String, RedshiftError> {
        self.path
            .iter()
            .find(|schema| self.catalog.schemas.contains_key(*schema))
            .cloned()
            .ok_or_else(|| RedshiftError::Data("no schema has been selected to create in".to_owned()))
    }

    pub fn folder_of(&self, found: &Found) -> PathBuf {
        match found {
            Found::Temporary(..) => self.temporary_folder.clone(),
            _ => self.database.data_folder(),
        }
    }

    pub fn put(&self, name: Name, table: Arc<dyn TableProvider>) {
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, table);
    }

    fn made(&self, name: &Name) -> Option<Arc<dyn TableProvider>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(name).cloned()
    }

    /// The declared columns of a table that the engine names.
    pub fn declared(&self, table: &TableReference) -> Option<(Name, Vec<Column>)> {
        let schema = table.schema().filter(|schema| *schema != PATH);
        let found = self.look_up(schema, table.table())?;
        let columns = found
            .relation()
            .map(|relation| relation.columns().to_vec())
            .unwrap_or_default();
        Some((found.name(), columns))
    }

    async fn provider(&self, schema: &str, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        if let Some(made) = self.made(&Name::new(schema, name)) {
            return Ok(Some(made));
        }
        let schema = (schema != PATH).then_some(schema);
        let Some(found) = self.look_up(schema, name) else {
            return Ok(None);
        };
        if let Some(made) = self.made(&found.name()) {
            return Ok(Some(made));
        }
        match &found {
            Found::Published(place) => match &self.published {
                Some(tables) => tables.table(&place.name).await,
                None => Ok(None),
            },
            Found::System(place) => Ok(Some(system::table(self, place).await?)),
            Found::Temporary(_, relation) | Found::Stored(_, relation) => match relation.as_ref() {
                Relation::Table(table) => scan(table, &self.folder_of(&found)).map(Some),
                Relation::View(view) => match &view.stored {
                    Some(files) => {
                        let table = Table {
                            oid: view.oid,
                            columns: view.columns.clone(),
                            layout: Default::default(),
                            constraints: Vec::new(),
                            files: files.clone(),
                            owner: view.owner.clone(),
                            comment: None,
                        };
                        scan(&table, &self.folder_of(&found)).map(Some)
                    }
                    None => Err(DataFusionError::Plan(format!("view {} was not planned", found.name()))),
                },
            },
        }
    }
}

/// A table's files as the engine reads them.
pub(super) fn scan(table: &Table, folder: &Path) -> EngineResult<Arc<dyn TableProvider>> {
    let schema = table.arrow_schema();
    if table.files.is_empty() {
        return Ok(Arc::new(MemTable::try_new(schema, vec![vec![]])?));
    }
    let paths = table
        .files
        .iter()
        .map(|file| ListingTableUrl::parse(folder.join(&file.name).display().to_string()))
        .collect::<EngineResult<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(paths)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// The scope as the engine's catalogue.
#[derive(Debug)]
pub(super) struct Names(pub Arc<Scope>);

impl CatalogProvider for Names {
    fn schema_names(&self) -> Vec<String> {
        self.0.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(Schema {
            scope: Arc::clone(&self.0),
            name: name.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct Schema {
    scope: Arc<Scope>,
    name: String,
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        let relations = self.scope.catalog.relations.keys();
        relations
            .filter(|name| name.schema == self.name)
            .map(|name| name.name.clone())
            .collect()
    }

    async fn table(&self, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        self.scope.provider(&self.name, name).await
    }

    fn table_exist(&self, name: &str) -> bool {
        let schema = (self.name != PATH).then_some(self.name.as_str());
        self.scope.made(&Name::new(&self.name, name)).is_some() || self.scope.look_up(schema, name).is_some()
    }
}
