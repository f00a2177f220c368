//! A folder of files as the tables of one schema: CSV, TSV, JSON lines and Parquet, a table for each file or for each
//! folder of part files.

pub mod kind;
mod parquet;
mod text;

use crate::{
    error::{Error, Result},
    names,
    profile::{TableShape, column_type_of},
};
use concert_contract::catalogue::Catalogue;
use concert_redshift::{Limits, Tables};
use datafusion::catalog::TableProvider;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use text::{Form, TextTable};

/// Long enough to look through files of many gigabytes once.
const STATEMENT_MAX_TIME: Duration = Duration::from_secs(30 * 60);
const RESULT_MAX_BYTES: usize = 256 << 20;

/// How a file is read, told by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text(Form),
    Parquet,
}

impl Format {
    fn of(path: &Path) -> Option<Format> {
        let ending = path.extension().and_then(OsStr::to_str)?.to_lowercase();
        Some(match ending.as_str() {
            "csv" => Format::Text(Form::Delimited(None)),
            "tsv" | "tab" => Format::Text(Form::Delimited(Some(b'\t'))),
            "psv" => Format::Text(Form::Delimited(Some(b'|'))),
            "jsonl" | "ndjson" => Format::Text(Form::JsonLines),
            "parquet" | "pq" => Format::Parquet,
            _ => return None,
        })
    }
}

/// A folder of files, open as tables.
pub struct Folder {
    /// The name that the schema gets: that of the folder, or of the catalogue's schema.
    pub schema: String,
    pub shapes: Vec<TableShape>,
    /// Names of files that are no tables.
    pub left_out: Vec<String>,
    tables: Tables,
}

impl Folder {
    /// Opens the files of a folder. Names become lower-case words with `_`; empty cells are NULL.
    ///
    /// # Errors
    /// A folder without tables; a file that cannot be read.
    pub async fn open(path: &Path) -> Result<Folder> {
        let name = path
            .canonicalize()
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_default();
        Folder::open_as(path, &names::identifier(&name, "tables"), &BTreeMap::new()).await
    }

    /// Opens the files of a folder as the tables of a catalogue, under its schema and its names: `SurfaceArea` is the
    /// column `surface_area`, and also `surfacearea` where the catalogue has it so.
    ///
    /// # Errors
    /// As [`Folder::open`]; also tables and columns of the catalogue that the files do not have, all at once.
    pub async fn open_for(path: &Path, catalogue: &Catalogue) -> Result<Folder> {
        let wanted = catalogue
            .tables
            .iter()
            .map(|(name, table)| {
                let columns = table.columns.keys().map(|column| (squashed(column), column.clone()));
                (squashed(name), (name.clone(), columns.collect()))
            })
            .collect();
        let folder = Folder::open_as(path, &catalogue.schema, &wanted).await?;
        let mut problems = Vec::new();
        for (name, table) in &catalogue.tables {
            let Some(shape) = folder.shapes.iter().find(|shape| shape.name == *name) else {
                problems.push(format!("there is no file for the table {name}"));
                continue;
            };
            for (column, held) in &table.columns {
                match shape.columns.iter().find(|found| found.name == *column) {
                    None => problems.push(format!("the table {name} has no column {column}")),
                    // Whole numbers may stand in a column of decimals.
                    Some(found)
                        if found.column_type != *held && !(found.column_type.is_number() && held.is_number()) =>
                    {
                        problems.push(format!(
                            "{name}.{column} holds {:?}, the catalogue says {held:?}",
                            found.column_type
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
        if problems.is_empty() {
            Ok(folder)
        } else {
            Err(Error::Mismatch {
                path: path.to_owned(),
                problems,
            })
        }
    }

    async fn open_as(path: &Path, schema: &str, wanted: &Wanted) -> Result<Folder> {
        let (sources, left_out) = sources(path)?;
        if sources.is_empty() {
            return Err(Error::NoTables {
                path: path.to_owned(),
                left_out,
            });
        }
        let mut table_names: Vec<String> = sources
            .iter()
            .map(|source| match wanted.get(&squashed(&source.name)) {
                Some((name, _)) => name.clone(),
                None => names::identifier(&source.name, "table_1"),
            })
            .collect();
        names::distinct(&mut table_names);
        let mut providers: Vec<(String, Arc<dyn TableProvider>)> = Vec::new();
        let mut shapes = Vec::new();
        for (source, name) in sources.into_iter().zip(table_names) {
            let known = wanted.get(&squashed(&name)).map(|(_, columns)| columns);
            let column_names = |sources: &[String]| {
                let mut names: Vec<String> = sources
                    .iter()
                    .enumerate()
                    .map(|(at, source)| {
                        known
                            .and_then(|columns| columns.get(&squashed(source)).cloned())
                            .unwrap_or_else(|| names::identifier(source, &format!("column_{}", at + 1)))
                    })
                    .collect();
                names::distinct(&mut names);
                names
            };
            let mut shape = TableShape::new(&name);
            let provider = match source.format {
                Format::Text(form) => {
                    let files = source.files;
                    let table = TextTable::read(files, form, column_names)?;
                    if table.uneven > 0 {
                        shape.doubts.push(format!(
                            "{} records have more or fewer fields than the header",
                            table.uneven
                        ));
                    }
                    let notes: Vec<_> = table
                        .columns
                        .iter()
                        .map(|column| (column.is_percent, column.doubts.clone()))
                        .collect();
                    let provider = table.provider(text::IN_MEMORY_MAX_BYTES)?;
                    shape.take_columns(&provider.schema(), column_type_of);
                    for (column, (is_percent, doubts)) in shape.columns.iter_mut().zip(notes) {
                        column.is_percent = is_percent;
                        column.doubts = doubts;
                    }
                    provider
                }
                Format::Parquet => {
                    let (provider, unread) = parquet::open(&source.files, column_names).await?;
                    shape.take_columns(&provider.schema(), column_type_of);
                    shape.doubts.extend(
                        unread
                            .into_iter()
                            .map(|column| format!("the column {column} is left out: it holds no single values")),
                    );
                    provider
                }
            };
            shapes.push(shape);
            providers.push((name, provider));
        }
        let limits = Limits {
            timeout: STATEMENT_MAX_TIME,
            result_max_bytes: RESULT_MAX_BYTES,
        };
        let tables = Tables::new(schema, providers, limits).map_err(|error| Error::file(path, error))?;
        Ok(Folder {
            schema: schema.to_owned(),
            shapes,
            left_out,
            tables,
        })
    }

    /// The engine over the tables.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}

/// Tables by their squashed names, each with its name and its columns by theirs.
type Wanted = BTreeMap<String, (String, BTreeMap<String, String>)>;

/// A name without what separates its words.
fn squashed(name: &str) -> String {
    names::words(name).concat()
}

struct Source {
    name: String,
    files: Vec<PathBuf>,
    format: Format,
}

/// The tables of a folder by name, and the names of what is none.
fn sources(path: &Path) -> Result<(Vec<Source>, Vec<String>)> {
    let mut sources = Vec::new();
    let mut left_out = Vec::new();
    for entry in visible(path)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            let parts: Vec<PathBuf> = visible(&entry)?
                .into_iter()
                .filter(|part| part.is_file() && Format::of(part).is_some())
                .collect();
            // All parts are read as the first one is.
            let format = parts.first().and_then(|part| Format::of(part));
            match format {
                Some(format) if parts.iter().all(|part| Format::of(part) == Some(format)) => sources.push(Source {
                    name,
                    files: parts,
                    format,
                }),
                Some(_) => left_out.push(format!("{name} (files of several formats)")),
                None => left_out.push(name),
            }
        } else if let Some(format) = Format::of(&entry) {
            sources.push(Source {
                name: entry.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                files: vec![entry],
                format,
            });
        } else {
            left_out.push(name);
        }
    }
    Ok((sources, left_out))
}

/// What a folder holds, by name, without what is hidden or belongs to another program (`_SUCCESS`).
fn visible(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        if !entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}
