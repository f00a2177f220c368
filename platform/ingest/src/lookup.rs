//! Lookup files: small tables that give a value for a key, such as the price behind "6(pounds)".

use crate::{
    Error, Result,
    files::{DataFile, Row, Rows},
    mapping::LookupDef,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// The largest lookup file that is read into memory, in bytes.
const MAX_LOOKUP_BYTES: u64 = 64 << 20;

/// Stands between the parts of a key; it occurs in no text that people write.
const SEPARATOR: char = '\u{1f}';

#[derive(Debug)]
pub struct Lookup {
    file: String,
    path: PathBuf,
    columns: Vec<String>,
    content_hash: String,
    rows: HashMap<String, Vec<Option<String>>>,
}

impl Lookup {
    /// Finds the lookup's file beside the data, then beside the mapping, and reads it.
    ///
    /// # Errors
    /// [`Error::Mapping`] when the file is in neither place; [`Error::Lookup`] when a row of it is broken or two rows
    /// have one key.
    pub fn read(def: &LookupDef, beside: &[&Path], mapping: &Path) -> Result<Lookup> {
        let found = beside
            .iter()
            .map(|folder| folder.join(&def.file))
            .find(|path| path.is_file());
        let Some(path) = found else {
            let folders: Vec<String> = beside.iter().map(|folder| show(folder)).collect();
            return Err(Error::Mapping {
                path: mapping.to_owned(),
                line: None,
                message: format!(
                    "[lookup.{}]: the file {} is not there. It is sought in {}",
                    def.name,
                    def.file,
                    folders.join(" and ")
                ),
            });
        };
        let size = std::fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?.len();
        let file = DataFile::new(path);
        let wrong = |line, message| Error::Lookup {
            file: file.name.clone(),
            line,
            message,
        };
        if size > MAX_LOOKUP_BYTES {
            return Err(wrong(
                1,
                format!("the file has {size} bytes, more than {MAX_LOOKUP_BYTES}"),
            ));
        }
        let mut rows = Rows::open(&file, &def.source)?;
        let keys = def
            .key
            .iter()
            .map(|name| rows.column(name, || format!(", the key of [lookup.{}]", def.name)))
            .collect::<Result<Vec<_>>>()?;
        let mut lookup = Lookup {
            file: file.name.clone(),
            path: file.path.clone(),
            columns: rows.columns.clone(),
            content_hash: String::new(),
            rows: HashMap::new(),
        };
        while let Some(row) = rows.next_row()? {
            let line = match row {
                Row::Fields { line } => line,
                Row::Broken { line, fault, .. } => return Err(wrong(line, fault.message)),
            };
            let key = key_of(keys.iter().map(|index| rows.field(*index)));
            let values: Vec<Option<String>> = (0..lookup.columns.len())
                .map(|index| rows.field(index))
                .map(|text| (!text.is_empty() && !def.source.null.iter().any(|n| n == text)).then(|| text.to_owned()))
                .collect();
            match lookup.rows.get(&key) {
                Some(earlier) if *earlier != values => {
                    let key = key.replace(SEPARATOR, ", ");
                    return Err(wrong(
                        line,
                        format!("the key {key:?} stands here for the second time, with other values"),
                    ));
                }
                _ => {
                    lookup.rows.insert(key, values);
                }
            }
        }
        lookup.content_hash = rows.finish()?;
        Ok(lookup)
    }

    /// The hash of the file's content.
    pub fn content_hash(&self) -> &str {
        &self.content_hash
    }

    /// Where the column that is taken stands.
    ///
    /// # Errors
    /// [`Error::MissingColumn`].
    pub fn column(&self, name: &str, wanted_by: impl FnOnce() -> String) -> Result<usize> {
        self.columns
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| Error::MissingColumn {
                file: self.file.clone(),
                column: name.to_owned(),
                wanted_by: wanted_by(),
                hint: crate::error::did_you_mean(name, self.columns.iter().map(String::as_str)),
                columns: self.columns.join(", "),
            })
    }

    /// The value for a key: none if the key is not there, `Some(None)` if it is there without that value.
    pub fn get<'a>(&self, key: impl Iterator<Item = &'a str>, column: usize) -> Option<Option<&str>> {
        let row = self.rows.get(&key_of(key))?;
        Some(row.get(column).and_then(|value| value.as_deref()))
    }

    /// Where its file was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &str {
        &self.file
    }
}

fn show(folder: &Path) -> String {
    if folder.as_os_str().is_empty() {
        PathBuf::from(".").display().to_string()
    } else {
        folder.display().to_string()
    }
}

fn key_of<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut key = String::new();
    for part in parts {
        if !key.is_empty() {
            key.push(SEPARATOR);
        }
        key.push_str(part);
    }
    key
}
