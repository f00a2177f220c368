//! Which file fills which tables, and by what mapping. Every file's header is looked at here, before anything is read,
//! so that a wrong file costs nothing.

use crate::{
    Error, Progress, Result,
    bind::BoundTable,
    files::{DataFile, Rows},
    input::{self, Format},
    lookup::Lookup,
    mapping::{Mapping, Source, TableMapping, by_name, name_fits},
    source::STANDARD_INPUT,
    stage,
};
use concert_lake::schema::MODEL;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A file, how it is written, and the tables that it fills.
pub struct Pass {
    pub file: DataFile,
    pub source: Source,
    pub tables: Vec<TableMapping>,
}

impl Pass {
    /// Finds the columns that the tables' mappings ask for.
    ///
    /// # Errors
    /// As [`BoundTable::new`].
    pub fn bind(
        &self,
        mapping: Option<&Mapping>,
        rows: &mut Rows,
        lookups: &HashMap<String, Arc<Lookup>>,
    ) -> Result<Vec<BoundTable>> {
        self.tables
            .iter()
            .map(|table| BoundTable::new(table, mapping, rows, lookups))
            .collect()
    }

    /// What tells whether the staged rows of an earlier attempt are those that this pass would read: the same file,
    /// unchanged, at the same place in the load, by the same mapping.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn key(&self, index: usize, meaning: &str) -> Result<String> {
        let mut hash = Sha256::new();
        let file = match self.file.identity()? {
            Some(identity) => identity,
            None => concert_lake::new_id(jiff::Timestamp::now()),
        };
        let tables: Vec<&str> = self.tables.iter().map(|table| table.table.name).collect();
        let parts = [
            stage::FORMAT.to_string(),
            env!("CARGO_PKG_VERSION").to_owned(),
            index.to_string(),
            file,
            self.file.name.clone(),
            tables.join(","),
            meaning.to_owned(),
        ];
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Ok(hex::encode(hash.finalize()))
    }
}

/// What a mapping and its lookups mean for the rows of a file: a hash that changes with any of them.
pub fn meaning(mapping: Option<&Mapping>, lookups: &HashMap<String, Arc<Lookup>>) -> String {
    let Some(mapping) = mapping else {
        return String::new();
    };
    let mut hash = Sha256::new();
    hash.update(mapping.text());
    let mut names: Vec<&String> = lookups.keys().collect();
    names.sort();
    for name in names {
        hash.update(lookups[name].content_hash());
    }
    hex::encode(hash.finalize())
}

/// Reads the lookup files of a mapping, which are sought beside the first file that was named.
///
/// # Errors
/// [`Error::Mapping`], [`Error::Lookup`], [`Error::Io`].
pub fn read_lookups(mapping: Option<&Mapping>, named: &[PathBuf]) -> Result<HashMap<String, Arc<Lookup>>> {
    let Some(mapping) = mapping else {
        return Ok(HashMap::new());
    };
    // Beside the first file that was named; a folder stands for the files in it.
    let beside_data = match named.first() {
        Some(path) if path.is_dir() => path.as_path(),
        Some(path) => path.parent().unwrap_or(Path::new("")),
        None => Path::new(""),
    };
    let beside_mapping = mapping.path.parent().unwrap_or(Path::new(""));
    let mut lookups = HashMap::new();
    for def in &mapping.lookups {
        let lookup = Lookup::read(def, &[beside_data, beside_mapping], &mapping.path)?;
        lookups.insert(def.name.clone(), Arc::new(lookup));
    }
    Ok(lookups)
}

/// Which tables each file fills. A table with `from` takes the files of that name; one without takes every file that
/// no other table asks for by name and that is no lookup.
///
/// # Errors
/// [`Error::Mapping`] when none of the files fills a table.
pub fn plan(mapping: &Mapping, files: Vec<DataFile>, note: &impl Fn(Progress)) -> Result<Vec<Pass>> {
    let is_claimed = |file: &DataFile| {
        let asked_for = mapping
            .tables
            .iter()
            .filter_map(|t| t.from.as_deref())
            .any(|from| name_fits(from, &file.name));
        asked_for || mapping.lookups.iter().any(|lookup| lookup.file == file.name)
    };
    let mut passes: Vec<Pass> = Vec::new();
    let mut used: HashSet<PathBuf> = HashSet::new();
    for table in &mapping.tables {
        let mut found = false;
        for file in &files {
            let fits = match &table.from {
                Some(from) => name_fits(from, &file.name),
                None => !is_claimed(file),
            };
            if !fits {
                continue;
            }
            found = true;
            used.insert(file.path.clone());
            match passes
                .iter_mut()
                .find(|pass| pass.file == *file && pass.source == table.source)
            {
                Some(pass) => pass.tables.push(table.clone()),
                None => passes.push(Pass {
                    file: file.clone(),
                    source: table.source.clone(),
                    tables: vec![table.clone()],
                }),
            }
        }
        if let (false, Some(from)) = (found, &table.from) {
            note(Progress::Note(format!(
                "no file named {from} was given: {} is left as it is",
                table.table.name
            )));
        }
    }
    for file in &files {
        let is_lookup = mapping.lookups.iter().any(|lookup| lookup.file == file.name);
        if !used.contains(&file.path) && !is_lookup {
            note(Progress::Note(format!(
                "{} is not read: no table of the mapping asks for it",
                file.name
            )));
        }
    }
    if passes.is_empty() {
        let wanted: Vec<&str> = mapping
            .tables
            .iter()
            .filter_map(|table| table.from.as_deref())
            .collect();
        return Err(Error::Mapping {
            path: mapping.path.clone(),
            line: None,
            message: format!(
                "none of the files that were given fills a table. It asks for {}",
                if wanted.is_empty() {
                    "a file that is no lookup".to_owned()
                } else {
                    wanted.join(", ")
                }
            ),
        });
    }
    Ok(passes)
}

/// Files that are named after the tables, as `concert generate` writes them.
///
/// # Errors
/// [`Error::UnknownFile`], [`Error::UnnamedInput`], [`Error::NoFiles`], and those of a file that cannot be read.
pub fn plan_by_name(files: Vec<DataFile>, note: &impl Fn(Progress)) -> Result<Vec<Pass>> {
    let mut passes = Vec::new();
    let only = files.len() == 1;
    for file in files {
        if file.name == STANDARD_INPUT {
            return Err(Error::UnnamedInput);
        }
        let stem = file.name.split('.').next().unwrap_or_default().to_owned();
        let is_data = input::format_of_name(&file.path).is_some();
        let table = MODEL.iter().find(|table| table.name == stem && is_data);
        let Some(table) = table else {
            let tables: Vec<String> = MODEL.iter().map(|table| format!("{}.csv", table.name)).collect();
            if only || is_data {
                return Err(Error::UnknownFile {
                    file: file.name,
                    tables: tables.join(", "),
                });
            }
            note(Progress::Note(format!(
                "{} is not read: it is not named after a table",
                file.name
            )));
            continue;
        };
        let rows = Rows::open(&file, &Source::default())?;
        let header = match rows.format {
            Format::Csv | Format::Parquet => rows.columns,
            // Each record says its own columns.
            Format::Json | Format::JsonLines | Format::Xml => {
                table.columns().iter().map(|column| column.name.to_owned()).collect()
            }
        };
        for column in &header {
            if table.column(column).is_none() {
                note(Progress::Note(format!(
                    "{}: the column {column} is not read: {stem} has none of that name",
                    file.name
                )));
            }
        }
        let mapping = by_name(table, &file.name, &header)?;
        passes.push(Pass {
            file,
            source: mapping.source.clone(),
            tables: vec![mapping],
        });
    }
    if passes.is_empty() {
        Err(Error::NoFiles)
    } else {
        Ok(passes)
    }
}
