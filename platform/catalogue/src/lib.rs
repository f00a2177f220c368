//! A catalogue for a schema that nobody has described yet: keys, references, dimensions and measures from the names
//! of columns and from their values, as a proposal in TOML that says what speaks for each entry.
//!
//! [`Folder`] opens files as tables, [`profile`] asks the engine what their columns look like, and [`analysis`] makes
//! a draft of that without touching any data. The same folder, opened for a catalogue, answers its questions:
//! [`state`] says what the data holds.

pub mod analysis;
mod error;
mod files;
pub mod names;
pub mod profile;
mod redshift;
mod state;
mod thesaurus;
mod write;

pub use error::{Error, Result};
pub use files::Folder;
pub use redshift::{RedshiftOptions, RedshiftSchema};
pub use state::{data_state, values_of};
pub use write::to_toml;

use analysis::{Draft, hierarchies, keys, references};
use concert_contract::{catalogue::Catalogue, table::Cell};
use profile::{Ask, Evidence, TableProfile, TableShape};
use std::collections::BTreeMap;

/// A catalogue that was inferred.
#[derive(Clone, Debug)]
pub struct Inferred {
    pub draft: Draft,
    /// What is written: it has been read back and checked.
    pub toml: String,
    pub catalogue: Catalogue,
}

impl Ask for Folder {
    async fn ask(&self, table: &str, sql: &str) -> Result<Vec<Vec<Cell>>> {
        let failed = |source| Error::Engine {
            table: table.to_owned(),
            source,
        };
        let result = self.tables().execute(sql, &[]).await.map_err(failed)?;
        Ok(result.to_table(&[], usize::MAX).map_err(failed)?.rows)
    }

    fn table(&self, name: &str) -> String {
        profile::quoted(name)
    }

    fn about_distinct(&self, column: &str) -> String {
        format!("approx_distinct({column})")
    }
}

/// Infers a catalogue for a folder of files. `progress` is told which table is looked at.
///
/// # Errors
/// A file that cannot be read.
pub async fn infer_folder(folder: &Folder, progress: impl Fn(&str)) -> Result<Inferred> {
    let looked = look(folder, &folder.shapes, progress).await?;
    let source = format!("{} files or folders", folder.shapes.len());
    infer(&folder.schema, &looked, &source)
}

/// Infers a catalogue for a schema in Redshift.
///
/// # Errors
/// The service cannot be reached or refuses.
pub async fn infer_redshift(schema: &RedshiftSchema, name: &str, progress: impl Fn(&str)) -> Result<Inferred> {
    let looked = look(schema, &schema.shapes, progress).await?;
    let source = format!("the {} tables of a schema in Redshift", schema.shapes.len());
    infer(name, &looked, &source)
}

/// What was seen of the tables of a schema.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    pub tables: Vec<TableProfile>,
    pub evidence: Evidence,
}

/// Looks at the tables: at every column by itself, then at what keys, references and hierarchies hang on.
///
/// # Errors
/// A statement that the engine refuses.
pub async fn look(asker: &impl Ask, shapes: &[TableShape], progress: impl Fn(&str)) -> Result<Looked> {
    let mut looked = Looked::default();
    for shape in shapes {
        progress(&shape.name);
        looked.tables.push(profile::profile(asker, shape).await?);
    }
    let Looked { tables, evidence } = &mut looked;
    for table in tables.iter() {
        for columns in keys::candidates(table) {
            let counted = matches!(columns.as_slice(), [only] if table.column(only).is_some_and(|c| c.is_exact));
            let holds = if counted {
                keys::choose(table, evidence).columns == columns
            } else {
                evidence.ask_unique(asker, table, &columns).await?
            };
            if holds {
                break;
            }
        }
    }
    let keys: BTreeMap<String, keys::Key> = tables
        .iter()
        .map(|table| (table.name.clone(), keys::choose(table, evidence)))
        .collect();
    for candidate in references::candidates(tables, &keys) {
        evidence.ask_contained(asker, &candidate.from, &candidate.to).await?;
    }
    for table in tables.iter() {
        for (finer, coarser) in hierarchies::candidates(table) {
            evidence.ask_determines(asker, &table.name, &finer, &coarser).await?;
        }
    }
    Ok(looked)
}

/// The catalogue of what was seen. `source` says in its head what it was made from.
///
/// # Errors
/// [`Error::Inferred`], which would be a fault of this crate.
pub fn infer(schema: &str, looked: &Looked, source: &str) -> Result<Inferred> {
    let draft = analysis::draft(schema, &looked.tables, &looked.evidence);
    let toml = to_toml(&draft, source);
    let catalogue = Catalogue::from_toml(&toml)?;
    Ok(Inferred { draft, toml, catalogue })
}
