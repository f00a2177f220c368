//! How a file was read, kept so that one record of it can be read again alone: the format, the header, and the mapping
//! with its lookup files as they were.

use super::{failed, stream, text};
use crate::{
    Error, Result,
    bind::BoundTable,
    blocks::Block,
    files::{DataFile, Row, Rows, Template},
    input::Format,
    lookup::Lookup,
    mapping::{Encoding, Mapping, Source, TableMapping, by_name, name_fits},
    rules::literal,
    xml,
};
use arrow::array::{ArrayRef, AsArray as _, BinaryArray, RecordBatch, StringArray};
use concert_lake::{
    Layer, Writer,
    schema::{DOCUMENTS, MODEL, READINGS, TableDef},
};
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub format: String,
    /// The way to the records of a document.
    pub records: Option<String>,
    pub delimiter: String,
    pub encoding: Encoding,
    /// The header of CSV, the columns of Parquet; none where each record says its own.
    pub columns: Vec<String>,
    pub mapping_sha256: Option<String>,
    /// The hash of each lookup file, by its name.
    pub lookups: BTreeMap<String, String>,
}

/// A mapping or a lookup file.
#[derive(Clone, Debug)]
pub struct Document {
    pub sha256: String,
    pub name: String,
    pub content: Vec<u8>,
}

impl Reading {
    /// How `rows` are read by `mapping`.
    pub fn new(rows: &Rows, source: &Source, documents: &[Document], mapping: Option<&Mapping>) -> Reading {
        let hash_of = |name: &str| {
            documents
                .iter()
                .find(|known| known.name == name)
                .map(|known| known.sha256.clone())
        };
        Reading {
            format: rows.format.name().to_owned(),
            records: source.records.as_ref().map(|names| names.join(".")),
            delimiter: char::from(source.delimiter).to_string(),
            encoding: source.encoding,
            columns: rows.columns.clone(),
            mapping_sha256: mapping.and_then(|mapping| hash_of(&file_name(&mapping.path))),
            lookups: mapping
                .iter()
                .flat_map(|mapping| &mapping.lookups)
                .filter_map(|lookup| Some((lookup.file.clone(), hash_of(&lookup.file)?)))
                .collect(),
        }
    }

    /// The same for the same way of reading.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        // A struct of texts always serialises.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        hex::encode(&hash.finalize()[..16])
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The mapping of a load and its lookup files, with their hashes.
///
/// # Errors
/// [`Error::Io`] when a lookup file cannot be read a second time.
pub fn documents(mapping: Option<&Mapping>, lookups: &HashMap<String, Arc<Lookup>>) -> Result<Vec<Document>> {
    let Some(mapping) = mapping else {
        return Ok(Vec::new());
    };
    let document = |name: String, content: Vec<u8>| Document {
        sha256: hex::encode(Sha256::digest(&content)),
        name,
        content,
    };
    let mut documents = vec![document(file_name(&mapping.path), mapping.text().as_bytes().to_vec())];
    for def in &mapping.lookups {
        if let Some(lookup) = lookups.get(&def.name) {
            let content = std::fs::read(lookup.path()).map_err(|e| Error::io("read", lookup.path(), e))?;
            documents.push(document(def.file.clone(), content));
        }
    }
    Ok(documents)
}

/// Writes the readings of entries that are put aside, and their documents, each once for all runs.
///
/// # Errors
/// [`Error::Lake`].
pub async fn remember(
    writer: &mut Writer,
    session: &SessionContext,
    readings: &[Reading],
    documents: &[Document],
    run_id: &str,
) -> Result<bool> {
    let known = known(session, "reading_id", READINGS.name).await?;
    let mut new: BTreeMap<String, &Reading> = BTreeMap::new();
    for reading in readings {
        new.insert(reading.id(), reading);
    }
    new.retain(|id, _| !known.contains(id));
    if new.is_empty() {
        return Ok(false);
    }
    let arrow = |table| move |source| Error::Arrow { table, source };
    let of = |of: &dyn Fn(&Reading) -> Option<String>| -> ArrayRef {
        Arc::new(new.values().map(|reading| of(reading)).collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(new.keys())),
        of(&|reading| Some(reading.format.clone())),
        of(&|reading| reading.records.clone()),
        of(&|reading| Some(reading.delimiter.clone())),
        of(&|reading| Some(encoding_name(reading.encoding).to_owned())),
        of(&|reading| Some(json(&reading.columns))),
        of(&|reading| reading.mapping_sha256.clone()),
        of(&|reading| Some(json(&reading.lookups))),
        Arc::new(StringArray::from_iter_values(new.keys().map(|_| run_id))),
    ];
    let rows = RecordBatch::try_new(READINGS.arrow_schema(), columns).map_err(arrow("readings"))?;
    writer.append(Layer::Clean, READINGS.name, vec![rows]).await?;

    let wanted: BTreeSet<&str> = new
        .values()
        .flat_map(|reading| {
            reading
                .mapping_sha256
                .iter()
                .chain(reading.lookups.values())
                .map(String::as_str)
        })
        .collect();
    let known = self::known(session, "sha256", DOCUMENTS.name).await?;
    let mut said = BTreeSet::new();
    let fresh: Vec<&Document> = documents
        .iter()
        .filter(|document| {
            let sha256 = document.sha256.as_str();
            wanted.contains(sha256) && !known.contains(sha256) && said.insert(sha256)
        })
        .collect();
    if !fresh.is_empty() {
        let text = |of: fn(&Document) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(fresh.iter().map(|document| of(document))))
        };
        let columns: Vec<ArrayRef> = vec![
            text(|document| &document.sha256),
            text(|document| &document.name),
            Arc::new(BinaryArray::from_iter_values(
                fresh.iter().map(|document| &document.content),
            )),
            Arc::new(StringArray::from_iter_values(fresh.iter().map(|_| run_id))),
        ];
        let rows = RecordBatch::try_new(DOCUMENTS.arrow_schema(), columns).map_err(arrow("documents"))?;
        writer.append(Layer::Clean, DOCUMENTS.name, vec![rows]).await?;
    }
    Ok(true)
}

/// Lists and objects of texts as JSON, which cannot fail for them.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 => "utf-8",
        Encoding::Latin1 => "latin-1",
    }
}

async fn known(session: &SessionContext, column: &str, table: &str) -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    let mut rows = stream(session, &format!("SELECT {column} FROM {table}")).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(failed)?;
        known.extend((0..batch.num_rows()).filter_map(|row| text(&batch, 0, row)));
    }
    Ok(known)
}

/// The readings of these ids.
///
/// # Errors
/// [`Error::Lake`].
pub async fn readings(session: &SessionContext) -> Result<HashMap<String, Reading>> {
    let sql = "SELECT reading_id, format, records, delimiter, encoding, columns, mapping_sha256, lookups FROM readings";
    let mut found = HashMap::new();
    let mut rows = stream(session, sql).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(failed)?;
        for row in 0..batch.num_rows() {
            let of = |column| text(&batch, column, row).unwrap_or_default();
            let reading = Reading {
                format: of(1),
                records: text(&batch, 2, row),
                delimiter: of(3),
                encoding: if of(4) == "latin-1" {
                    Encoding::Latin1
                } else {
                    Encoding::Utf8
                },
                columns: serde_json::from_str(&of(5)).unwrap_or_default(),
                mapping_sha256: text(&batch, 6, row),
                lookups: serde_json::from_str(&of(7)).unwrap_or_default(),
            };
            found.insert(of(0), reading);
        }
    }
    Ok(found)
}

async fn document(session: &SessionContext, sha256: &str) -> Result<Option<(String, Vec<u8>)>> {
    let sql = format!(
        "SELECT name, content FROM documents WHERE sha256 = {} LIMIT 1",
        literal(sha256)
    );
    let mut rows = stream(session, &sql).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(failed)?;
        if let (Some(contents), true) = (batch.column(1).as_binary_opt::<i32>(), batch.num_rows() > 0) {
            return Ok(Some((
                text(&batch, 0, 0).unwrap_or_default(),
                contents.value(0).to_vec(),
            )));
        }
    }
    Ok(None)
}

/// A mapping with what it looks up.
pub struct Opened {
    pub mapping: Option<Mapping>,
    pub lookups: HashMap<String, Arc<Lookup>>,
}

impl Opened {
    /// The mapping of a reading as it was; its lookup files are laid into `scratch`.
    ///
    /// # Errors
    /// [`Error::NotReplayable`] when the lake does not hold them; those of reading a mapping.
    pub async fn kept(session: &SessionContext, reading: &Reading, scratch: &Path) -> Result<Opened> {
        let Some(sha256) = &reading.mapping_sha256 else {
            return Ok(Opened {
                mapping: None,
                lookups: HashMap::new(),
            });
        };
        let missing = |what: &str| Error::NotReplayable {
            message: format!("{what} is not kept in the lake. Give the mapping with --mapping"),
        };
        let (name, content) = document(session, sha256).await?.ok_or_else(|| missing("its mapping"))?;
        let folder = scratch.join(sha256);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, e))?;
        for (file, sha256) in &reading.lookups {
            let (_, content) = document(session, sha256).await?.ok_or_else(|| missing(file))?;
            // A lookup's name may hold folders; only its last part is a file here.
            let path = folder.join(file);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|e| Error::io("make the folder", parent, e))?;
            }
            std::fs::write(&path, content).map_err(|e| Error::io("write", &path, e))?;
        }
        let mapping = Mapping::parse(&PathBuf::from(name), String::from_utf8_lossy(&content).into_owned())?;
        let lookups = lookups_of(&mapping, &[&folder])?;
        Ok(Opened {
            mapping: Some(mapping),
            lookups,
        })
    }

    /// A mapping that a person gives, whose lookup files stand beside it.
    ///
    /// # Errors
    /// Those of reading a mapping and its lookups.
    pub fn given(path: &Path) -> Result<Opened> {
        let mapping = Mapping::read(path)?;
        let lookups = lookups_of(&mapping, &[path.parent().unwrap_or(Path::new(""))])?;
        Ok(Opened {
            mapping: Some(mapping),
            lookups,
        })
    }

    fn table(&self, table: &'static TableDef, reading: &Reading, file: &str) -> Result<Option<TableMapping>> {
        match &self.mapping {
            None => {
                let header: Vec<String> = if reading.columns.is_empty() {
                    table.columns().iter().map(|column| column.name.to_owned()).collect()
                } else {
                    reading.columns.clone()
                };
                by_name(table, file, &header).map(Some)
            }
            Some(mapping) => {
                let fits = |of: &&TableMapping| {
                    of.table.name == table.name && of.from.as_deref().is_none_or(|from| name_fits(from, file))
                };
                Ok(mapping.tables.iter().find(fits).cloned())
            }
        }
    }
}

fn lookups_of(mapping: &Mapping, folders: &[&Path]) -> Result<HashMap<String, Arc<Lookup>>> {
    let mut lookups = HashMap::new();
    for def in &mapping.lookups {
        lookups.insert(def.name.clone(), Arc::new(Lookup::read(def, folders, &mapping.path)?));
    }
    Ok(lookups)
}

/// Reads single records of one file for one table.
pub struct Reader {
    pub table: BoundTable,
    template: Template,
    format: Format,
    encoding: Encoding,
}

impl Reader {
    /// None if the mapping says nothing about the table and the file.
    ///
    /// # Errors
    /// As [`BoundTable::new`].
    pub fn new(opened: &Opened, reading: &Reading, table: &str, file: &str) -> Result<Option<Reader>> {
        let Some(def) = MODEL.iter().find(|def| def.name == table) else {
            return Ok(None);
        };
        let Some(mapping) = opened.table(def, reading, file)? else {
            return Ok(None);
        };
        let format = Format::of_name(&reading.format).unwrap_or(Format::Csv);
        // A mended mapping may say the columns and the encoding anew.
        let source = &mapping.source;
        let columns = match &source.columns {
            Some(columns) if format == Format::Csv => columns.clone(),
            _ => reading.columns.clone(),
        };
        let encoding = if opened.mapping.is_some() {
            source.encoding
        } else {
            reading.encoding
        };
        let delimiter = match reading.delimiter.as_bytes() {
            [byte] => *byte,
            _ => b',',
        };
        let read_as = if format == Format::Csv {
            Format::Csv
        } else {
            Format::JsonLines
        };
        let file = DataFile::new(PathBuf::from(file));
        let template_encoding = if format == Format::Xml {
            Encoding::Utf8
        } else {
            encoding
        };
        let mut rows = Rows::of_no_file(file, read_as, columns, template_encoding, delimiter);
        let bound = BoundTable::new(&mapping, opened.mapping.as_ref(), &mut rows, &opened.lookups)?;
        let Some((_, template)) = rows.cut() else {
            return Ok(None);
        };
        Ok(Some(Reader {
            table: bound,
            template,
            format,
            encoding,
        }))
    }

    /// The record as rows that hold it alone, and the row that was read.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&self, record: &[u8], line: u64, mended: bool) -> Result<(Rows, Option<Row>)> {
        let bytes = match self.format {
            Format::Csv | Format::JsonLines => record.to_vec(),
            Format::Json | Format::Parquet => one_line(record),
            Format::Xml => from_xml(record, if mended { Encoding::Utf8 } else { self.encoding }),
        };
        // What a person has mended is UTF-8, whatever the file was.
        let bytes = if mended && self.format != Format::Xml && self.encoding == Encoding::Latin1 {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            encoding_rs::WINDOWS_1252.encode(&text).0.into_owned()
        } else {
            bytes
        };
        let block = Block {
            bytes: bytes.into(),
            line,
            ends_with_file: true,
        };
        let mut rows = self.template.rows(&block);
        let row = rows.next_row()?;
        Ok((rows, row))
    }
}

/// A JSON value on one line; what is none is left to be refused as it is.
fn one_line(record: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<serde_json::Value>(record) {
        Ok(value) => serde_json::to_vec(&value).unwrap_or_else(|_| record.to_vec()),
        Err(_) => record
            .iter()
            .map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte })
            .collect(),
    }
}

/// The value of an element of XML as a line of JSON; nothing where it is none.
fn from_xml(record: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut document = b"<r>".to_vec();
    document.extend_from_slice(record);
    document.extend_from_slice(b"</r>");
    let mut elements = xml::Elements::new(Box::new(Cursor::new(document)), Vec::new(), encoding);
    match elements.next(&mut Vec::new()) {
        Ok(Some(element)) => match element.value {
            Ok(value) => serde_json::to_vec(&value).unwrap_or_default(),
            Err(_) => b"<".to_vec(),
        },
        _ => b"<".to_vec(),
    }
}
