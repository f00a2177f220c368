//! UNLOAD: a query's rows into files under a prefix, with a manifest where one is asked for. Files are written under
//! their names at the end of each, so that a failed UNLOAD leaves whole files only.

use super::{bucket_of, key_of, list};
use crate::{
    command::{Compression, Unload, UnloadFormat},
    error::RedshiftError,
    result::{ColumnInfo, QueryResult, Value, normalise},
    session::{State, s3_location},
};
use arrow::array::RecordBatch;
use futures::StreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path as ObjectPath};
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A cluster writes a file for each slice; two stand for them here.
const PARTS: usize = 2;
/// Rows go to the parts in turns of so many.
const TURN_ROWS: u64 = 65_536;

struct Part {
    slice: usize,
    number: usize,
    rows: u64,
    bytes: Vec<u8>,
}

struct Written {
    url: String,
    bytes: u64,
    rows: u64,
}

struct Target {
    store: Arc<dyn ObjectStore>,
    root: Option<PathBuf>,
    bucket: String,
    key: String,
    unload: Unload,
    columns: Vec<ColumnInfo>,
    written: Vec<Written>,
}

impl State {
    pub(crate) async fn unload(&mut self, unload: Unload, values: &[String]) -> Result<u64, RedshiftError> {
        let (store, prefix) = self.s3(&unload.to)?;
        let present = list(store.as_ref(), &prefix, unload.to.ends_with('/')).await?;
        if unload.clean_path {
            for object in &present {
                let removed = store.delete(&object.location).await;
                removed.map_err(|error| RedshiftError::Data(format!("S3ServiceException: {error}")))?;
            }
        } else if !unload.allow_overwrite && !present.is_empty() {
            return Err(RedshiftError::Data(format!(
                "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually \
                 removing the target files in S3, or using the ALLOWOVERWRITE option: {}",
                unload.to
            )));
        }
        let (columns, mut stream) = self.stream_of((*unload.query).clone(), values).await?;
        let parts = if unload.parallel { PARTS } else { 1 };
        let mut open: Vec<Part> = (0..parts)
            .map(|slice| Part {
                slice,
                number: 0,
                rows: 0,
                bytes: Vec::new(),
            })
            .collect();
        let mut target = Target {
            store,
            root: self.s3_root().map(Path::to_owned),
            bucket: bucket_of(&unload.to),
            key: key_of(&unload.to).to_owned(),
            unload,
            columns,
            written: Vec::new(),
        };
        let mut rows = 0_u64;
        let mut waiting: Vec<Vec<RecordBatch>> = vec![Vec::new(); parts];
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let at = usize::try_from(rows / TURN_ROWS).unwrap_or(0) % parts;
            rows += batch.num_rows() as u64;
            if target.unload.format == UnloadFormat::Parquet {
                let bytes: usize = waiting[at].iter().map(RecordBatch::get_array_memory_size).sum();
                waiting[at].push(batch);
                if bytes as u64 >= target.unload.max_file_bytes {
                    target.parquet(&mut open[at], std::mem::take(&mut waiting[at])).await?;
                }
            } else {
                target.rows(&mut open[at], &batch).await?;
            }
        }
        for (part, batches) in open.iter_mut().zip(waiting) {
            if target.unload.format == UnloadFormat::Parquet {
                if !batches.is_empty() {
                    target.parquet(part, batches).await?;
                }
            } else if part.rows > 0 || (rows == 0 && part.slice == 0 && target.unload.header) {
                target.close(part).await?;
            }
        }
        target.manifest().await?;
        Ok(rows)
    }
}

impl Target {
    fn name(&self, part: &Part) -> String {
        let Unload {
            parallel,
            compression,
            format,
            extension,
            ..
        } = &self.unload;
        let mut name = if *parallel {
            format!("{}{:04}_part_{:02}", self.key, part.slice, part.number)
        } else {
            format!("{}{:03}", self.key, part.number)
        };
        match (extension, format, compression) {
            (Some(extension), ..) => {
                name.push('.');
                name.push_str(extension.trim_start_matches('.'));
            }
            (None, UnloadFormat::Parquet, _) => name.push_str(".parquet"),
            (None, UnloadFormat::Json, _) => name.push_str(".json"),
            (None, ..) => {}
        }
        match (extension, compression) {
            (None, Compression::Gzip) => name.push_str(".gz"),
            (None, Compression::Zstd) => name.push_str(".zst"),
            _ => {}
        }
        name
    }

    async fn put(&mut self, key: &str, bytes: Vec<u8>, rows: u64, listed: bool) -> Result<(), RedshiftError> {
        let url = format!("s3://{}/{key}", self.bucket);
        let size = bytes.len() as u64;
        let path = self.path(key)?;
        self.store
            .put(&path, PutPayload::from(bytes))
            .await
            .map_err(|error| RedshiftError::Data(format!("S3ServiceException: cannot write {url}: {error}")))?;
        if listed {
            self.written.push(Written { url, bytes: size, rows });
        }
        Ok(())
    }

    /// The store's own path of a key: a folder may stand for the bucket.
    fn path(&self, key: &str) -> Result<ObjectPath, RedshiftError> {
        let location = s3_location(self.root.as_deref(), &format!("s3://{}/{key}", self.bucket))?;
        concert_lake::store(&location)
            .map(|(_, path)| path)
            .map_err(RedshiftError::Lake)
    }

    async fn rows(&mut self, part: &mut Part, batch: &RecordBatch) -> Result<(), RedshiftError> {
        let normal = normalise(batch, &self.columns)?;
        let result = QueryResult::new(self.columns.clone(), vec![normal]);
        for row in result.rows(0) {
            if part.bytes.is_empty() && self.unload.header {
                self.header(part);
            }
            match self.unload.format {
                UnloadFormat::Json => json_row(&self.columns, row, &mut part.bytes),
                _ => text_row(&self.unload, row, &mut part.bytes),
            }
            part.rows += 1;
            if part.bytes.len() as u64 >= self.unload.max_file_bytes {
                self.close(part).await?;
            }
        }
        Ok(())
    }

    fn header(&self, part: &mut Part) {
        let names = self.columns.iter().map(|column| Value::Text(column.label.clone()));
        text_row(&self.unload, names.collect(), &mut part.bytes);
    }

    async fn close(&mut self, part: &mut Part) -> Result<(), RedshiftError> {
        if part.bytes.is_empty() && self.unload.header {
            self.header(part);
        }
        let bytes = packed(std::mem::take(&mut part.bytes), self.unload.compression)?;
        let name = self.name(part);
        self.put(&name, bytes, part.rows, true).await?;
        part.number += 1;
        part.rows = 0;
        Ok(())
    }

    async fn parquet(&mut self, part: &mut Part, batches: Vec<RecordBatch>) -> Result<(), RedshiftError> {
        let failed =
            |error: parquet::errors::ParquetError| RedshiftError::Storage(format!("cannot write Parquet: {error}"));
        let Some(first) = batches.first() else { return Ok(()) };
        // The columns have the names that the query gives them.
        let fields: Vec<arrow::datatypes::Field> = first
            .schema()
            .fields()
            .iter()
            .zip(&self.columns)
            .map(|(field, column)| field.as_ref().clone().with_name(&column.label).with_nullable(true))
            .collect();
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        let properties = parquet::file::properties::WriterProperties::builder()
            .set_compression(parquet::basic::Compression::SNAPPY)
            .build();
        let mut bytes = Vec::new();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), Some(properties)).map_err(failed)?;
        let mut rows = 0;
        for batch in batches {
            rows += batch.num_rows() as u64;
            let batch = RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())
                .map_err(|error| RedshiftError::Statement(error.into()))?;
            writer.write(&batch).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        let name = self.name(part);
        self.put(&name, bytes, rows, true).await?;
        part.number += 1;
        Ok(())
    }

    async fn manifest(&mut self) -> Result<(), RedshiftError> {
        if !self.unload.manifest {
            return Ok(());
        }
        let entries: Vec<serde_json::Value> = self
            .written
            .iter()
            .map(|file| {
                let mut entry = serde_json::json!({"url": file.url});
                if self.unload.manifest_verbose || self.unload.format == UnloadFormat::Parquet {
                    entry["meta"] = serde_json::json!({"content_length": file.bytes, "record_count": file.rows});
                }
                entry
            })
            .collect();
        let mut manifest = serde_json::json!({"entries": entries});
        if self.unload.manifest_verbose {
            let elements: Vec<serde_json::Value> = self
                .columns
                .iter()
                .map(|column| serde_json::json!({"name": column.label, "type": {"base": column.type_name}}))
                .collect();
            let total: u64 = self.written.iter().map(|file| file.rows).sum();
            let bytes: u64 = self.written.iter().map(|file| file.bytes).sum();
            manifest["schema"] = serde_json::json!({"elements": elements});
            manifest["meta"] = serde_json::json!({"content_length": bytes, "record_count": total});
            manifest["author"] =
                serde_json::json!({"name": "Concert Data Platform", "version": env!("CARGO_PKG_VERSION")});
        }
        let key = format!("{}manifest", self.key);
        self.put(&key, manifest.to_string().into_bytes(), 0, false).await
    }
}

fn packed(bytes: Vec<u8>, compression: Compression) -> Result<Vec<u8>, RedshiftError> {
    let failed = |error: std::io::Error| RedshiftError::Storage(format!("cannot compress: {error}"));
    match compression {
        Compression::None => Ok(bytes),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&bytes).map_err(failed)?;
            encoder.finish().map_err(failed)
        }
        Compression::Zstd => zstd::encode_all(bytes.as_slice(), 0).map_err(failed),
    }
}

/// A value in UNLOAD's writing: booleans are `t` and `f`.
fn written(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Boolean(value) => Some(if value { "t" } else { "f" }.to_owned()),
        Value::Long(value) => Some(value.to_string()),
        Value::Double(value) => Some(value.to_string()),
        Value::Text(text) => Some(text),
    }
}

fn text_row(unload: &Unload, row: Vec<Value>, out: &mut Vec<u8>) {
    let mut text = String::new();
    for (at, value) in row.into_iter().enumerate() {
        if at > 0 {
            text.push(unload.delimiter);
        }
        match written(value) {
            None => text.push_str(&unload.null_as),
            Some(field) if unload.format == UnloadFormat::Csv => {
                let special = |c: char| c == unload.delimiter || matches!(c, '"' | '\n' | '\r');
                if field.contains(special) || field.is_empty() {
                    text.push('"');
                    text.push_str(&field.replace('"', "\"\""));
                    text.push('"');
                } else {
                    text.push_str(&field);
                }
            }
            Some(field) => {
                let field = if unload.escape {
                    let special = |c: char| c == unload.delimiter || matches!(c, '\\' | '\n' | '\r' | '"' | '\'');
                    field
                        .chars()
                        .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
                        .collect()
                } else {
                    field
                };
                if unload.add_quotes {
                    text.push('"');
                    text.push_str(&field);
                    text.push('"');
                } else {
                    text.push_str(&field);
                }
            }
        }
    }
    text.push('\n');
    out.extend_from_slice(text.as_bytes());
}

fn json_row(columns: &[ColumnInfo], row: Vec<Value>, out: &mut Vec<u8>) {
    let mut object = serde_json::Map::new();
    for (column, value) in columns.iter().zip(row) {
        let value = match value {
            Value::Null => serde_json::Value::Null,
            Value::Boolean(value) => value.into(),
            Value::Long(value) => value.into(),
            Value::Double(value) => serde_json::Number::from_f64(value).map_or(serde_json::Value::Null, Into::into),
            Value::Text(text) if column.type_name == "numeric" || column.type_name == "super" => {
                serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
            }
            Value::Text(text) => text.into(),
        };
        object.insert(column.label.clone(), value);
    }
    out.extend_from_slice(serde_json::Value::Object(object).to_string().as_bytes());
    out.push(b'\n');
}
