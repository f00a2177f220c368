//! COPY and UNLOAD: files of a bucket into a table, and a query's rows into files. `s3://` is whatever the lake's store
//! says it is; on one machine it is a folder.

mod read;
mod text;
mod unload;

use crate::{
    catalog::{Column, LoadError, Table, TableWriter},
    command::{Compression, Copy, CopyFormat},
    error::RedshiftError,
    moment::Format,
    session::{State, s3_location},
    types::{SqlType, boolean, integer, parse_decimal},
};
use arrow::array::ArrayRef;
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, path::Path as ObjectPath};
use read::Lines;
use std::{io::Read, sync::Arc};
use text::Record;

/// How many rows are read before they are written.
const BATCH_ROWS: usize = 8_192;
/// What STL_LOAD_ERRORS keeps of a line and of a field.
const RAW_MAX: usize = 1_024;

/// A file to load.
struct Input {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    /// As people name it: `s3://bucket/key`.
    name: String,
}

/// A fault in a file.
struct Fault {
    line: i64,
    column: Option<usize>,
    position: i64,
    raw_line: String,
    raw_field: String,
    code: i64,
    reason: String,
}

impl State {
    pub(crate) async fn copy(&mut self, copy: &Copy, query_id: i64) -> Result<u64, RedshiftError> {
        let mut writable = self.writable(&copy.target)?;
        let columns = self.copied_columns(copy, &writable.table)?;
        let mut filler = self.filler(&writable.table, &columns, copy.explicit_ids).await?;
        let inputs = self.inputs(copy).await?;
        let mut writer = TableWriter::new(&writable.folder, writable.table.arrow_schema());
        let mut errors: Vec<LoadError> = Vec::new();
        let mut faults = 0_u64;
        let mut outcome = Ok(());
        let table_name = copy.target.name.clone();
        for input in &inputs {
            let target: Vec<Column> = columns
                .iter()
                .filter_map(|name| writable.table.column(name).cloned())
                .collect();
            let mut note = |fault: Fault, table: &Table| {
                let column = fault.column.and_then(|at| target.get(at));
                let length = column.and_then(|column| column.sql_type.character_length());
                errors.push(LoadError {
                    query: query_id,
                    at: jiff::Timestamp::now().to_string(),
                    table_id: table.oid,
                    table: table_name.clone(),
                    file: input.name.clone(),
                    line: fault.line,
                    column: column.map(|column| column.name.clone()).unwrap_or_default(),
                    column_type: column
                        .map(|column| column.sql_type.short_name().to_owned())
                        .unwrap_or_default(),
                    column_length: length.map(|length| length.to_string()).unwrap_or_default(),
                    position: fault.position,
                    raw_line: fault.raw_line.chars().take(RAW_MAX).collect(),
                    raw_field: fault.raw_field.chars().take(RAW_MAX).collect(),
                    code: fault.code,
                    reason: fault.reason,
                });
                faults += 1;
                faults <= copy.max_errors
            };
            let loaded = match &copy.format {
                CopyFormat::Parquet => {
                    load_parquet(input, &target, &mut filler, &mut writable.table, &mut writer).await
                }
                _ => {
                    let bytes = open(input, copy.compression).await?;
                    let json = self.json_paths(copy).await?;
                    load_text(
                        copy,
                        json,
                        bytes,
                        &target,
                        &mut filler,
                        &mut writable.table,
                        &mut writer,
                        &mut note,
                    )
                }
            };
            if let Err(error) = loaded {
                outcome = Err(error);
                break;
            }
        }
        // What went wrong is kept even when the COPY is taken back.
        self.remember(errors);
        outcome?;
        let rows = writer.rows();
        if copy.no_load {
            return Ok(0);
        }
        writable.table.files.extend(writer.finish()?);
        self.put_back(&writable.found, writable.table, &writable.folder)?;
        Ok(rows)
    }

    fn copied_columns(&self, copy: &Copy, table: &Table) -> Result<Vec<String>, RedshiftError> {
        if let CopyFormat::FixedWidth(widths) = &copy.format
            && copy.columns.is_empty()
        {
            let names: Vec<String> = widths.iter().map(|(name, _)| name.clone()).collect();
            if names.iter().all(|name| table.column(name).is_some()) {
                return Ok(names);
            }
        }
        if copy.columns.is_empty() && copy.explicit_ids {
            return Ok(table.columns.iter().map(|column| column.name.clone()).collect());
        }
        crate::session::named_columns(table, &copy.columns)
    }

    /// The files that a prefix or a manifest names.
    async fn inputs(&self, copy: &Copy) -> Result<Vec<Input>, RedshiftError> {
        if copy.manifest {
            return self.manifest(&copy.from).await;
        }
        let (store, prefix) = self.s3(&copy.from)?;
        let found = list(store.as_ref(), &prefix, copy.from.ends_with('/')).await?;
        if found.is_empty() {
            return Err(missing_prefix(&copy.from));
        }
        let bucket = bucket_of(&copy.from);
        let key = key_of(&copy.from);
        Ok(found
            .into_iter()
            .map(|object| Input {
                name: full_name(&bucket, key, &prefix, &object),
                path: object.location,
                store: Arc::clone(&store),
            })
            .collect())
    }

    async fn manifest(&self, url: &str) -> Result<Vec<Input>, RedshiftError> {
        #[derive(serde::Deserialize)]
        struct Entry {
            url: String,
            #[serde(default)]
            mandatory: bool,
        }
        #[derive(serde::Deserialize)]
        struct Manifest {
            entries: Vec<Entry>,
        }
        let (store, path) = self.s3(url)?;
        let text = match store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(|error| storage(url, &error))?,
            Err(object_store::Error::NotFound { .. }) => return Err(missing_prefix(url)),
            Err(error) => return Err(storage(url, &error)),
        };
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| RedshiftError::Data(format!("Invalid manifest file {url}: {error}")))?;
        let mut inputs = Vec::new();
        for entry in manifest.entries {
            let (store, path) = self.s3(&entry.url)?;
            match store.head(&path).await {
                Ok(_) => inputs.push(Input {
                    store,
                    path,
                    name: entry.url,
                }),
                Err(object_store::Error::NotFound { .. }) if !entry.mandatory => {}
                Err(object_store::Error::NotFound { .. }) => {
                    return Err(RedshiftError::Data(format!(
                        "Problem reading manifest file - The S3 object {} does not exist",
                        entry.url
                    )));
                }
                Err(error) => return Err(storage(&entry.url, &error)),
            }
        }
        if inputs.is_empty() {
            return Err(RedshiftError::Data(format!(
                "the manifest {url} names no file that is there"
            )));
        }
        Ok(inputs)
    }

    /// The paths of a file of JSONPaths; none for `auto`.
    async fn json_paths(&self, copy: &Copy) -> Result<Option<text::JsonHow>, RedshiftError> {
        let CopyFormat::Json(how) = &copy.format else {
            return Ok(None);
        };
        match how.to_ascii_lowercase().as_str() {
            "auto" => return Ok(Some(text::JsonHow::Auto { ignore_case: false })),
            "auto ignorecase" => return Ok(Some(text::JsonHow::Auto { ignore_case: true })),
            "noshred" => return Ok(Some(text::JsonHow::Whole)),
            _ => {}
        }
        let (store, path) = self.s3(how)?;
        let bytes = match store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(|error| storage(how, &error))?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(RedshiftError::Data(format!(
                    "Invalid JSONPath file: {how} does not exist"
                )));
            }
            Err(error) => return Err(storage(how, &error)),
        };
        text::JsonHow::paths(&bytes)
            .map(Some)
            .map_err(|reason| RedshiftError::Data(format!("Invalid JSONPath format in {how}: {reason}")))
    }

    pub(crate) fn s3(&self, url: &str) -> Result<(Arc<dyn ObjectStore>, ObjectPath), RedshiftError> {
        let location = s3_location(self.s3_root(), url)?;
        concert_lake::store(&location).map_err(RedshiftError::Lake)
    }
}

fn storage(what: &str, error: &object_store::Error) -> RedshiftError {
    RedshiftError::Data(format!("S3ServiceException: cannot read {what}: {error}"))
}

pub(crate) fn key_of(url: &str) -> &str {
    url.strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .map_or("", |(_, key)| key)
}

pub(crate) fn bucket_of(url: &str) -> String {
    let rest = url.strip_prefix("s3://").unwrap_or(url);
    rest.split('/').next().unwrap_or_default().to_owned()
}

fn missing_prefix(url: &str) -> RedshiftError {
    RedshiftError::Data(format!(
        "The specified S3 prefix '{}' does not exist DETAIL:  error:  The specified S3 prefix '{}' does not exist \
         code:      8001",
        key_of(url),
        key_of(url)
    ))
}

/// The name of an object as S3 has it, whatever stands for the bucket.
fn full_name(bucket: &str, key: &str, prefix: &ObjectPath, object: &ObjectMeta) -> String {
    let rest = object
        .location
        .as_ref()
        .strip_prefix(prefix.as_ref())
        .unwrap_or_default();
    let key = if rest.starts_with('/') {
        key.trim_end_matches('/')
    } else {
        key
    };
    format!("s3://{bucket}/{key}{rest}")
}

/// Every object whose key begins with the prefix, also in the middle of a name, as S3 lists them. Hidden ones (`_SUCCESS`,
/// `.crc`) are passed over.
pub(crate) async fn list(
    store: &dyn ObjectStore,
    prefix: &ObjectPath,
    folder: bool,
) -> Result<Vec<ObjectMeta>, RedshiftError> {
    let parts: Vec<_> = prefix.parts().collect();
    let parent: ObjectPath = if folder {
        prefix.clone()
    } else {
        parts[..parts.len().saturating_sub(1)].iter().cloned().collect()
    };
    let mut found: Vec<ObjectMeta> = match store.list(Some(&parent)).try_collect().await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => Vec::new(),
        Err(error) => return Err(storage(prefix.as_ref(), &error)),
    };
    found.retain(|object| {
        let hidden = object
            .location
            .filename()
            .is_none_or(|name| name.starts_with('_') || name.starts_with('.'));
        let begins = object.location.as_ref().starts_with(prefix.as_ref());
        begins && !hidden && (object.size > 0 || object.location == *prefix)
    });
    found.sort_by(|one, other| one.location.cmp(&other.location));
    Ok(found)
}

/// A file's bytes, unpacked. They come in parts, so that a large file needs no memory.
async fn open(input: &Input, compression: Compression) -> Result<Box<dyn Read + Send>, RedshiftError> {
    let found = input
        .store
        .get(&input.path)
        .await
        .map_err(|error| storage(&input.name, &error))?;
    let bytes: Box<dyn Read + Send> = match found.payload {
        object_store::GetResultPayload::File(file, _) => Box::new(std::io::BufReader::new(file)),
        object_store::GetResultPayload::Stream(stream) => {
            let parts: Vec<bytes::Bytes> = stream
                .try_collect()
                .await
                .map_err(|error| storage(&input.name, &error))?;
            Box::new(std::io::Cursor::new(parts.concat()))
        }
    };
    let unpacked: Box<dyn Read + Send> = match compression {
        Compression::None => bytes,
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Compression::Zstd => Box::new(
            zstd::stream::read::Decoder::new(bytes)
                .map_err(|error| RedshiftError::Data(format!("cannot unpack {}: {error}", input.name)))?,
        ),
    };
    Ok(unpacked)
}

async fn load_parquet(
    input: &Input,
    columns: &[Column],
    filler: &mut crate::session::Filler,
    table: &mut Table,
    writer: &mut TableWriter,
) -> Result<(), RedshiftError> {
    let found = input
        .store
        .get(&input.path)
        .await
        .map_err(|error| storage(&input.name, &error))?;
    let bytes = found.bytes().await.map_err(|error| storage(&input.name, &error))?;
    let wrong =
        |error: &dyn std::fmt::Display| RedshiftError::Data(format!("{} is no Parquet file: {error}", input.name));
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes)
        .map_err(|error| wrong(&error))?
        .build()
        .map_err(|error| wrong(&error))?;
    for batch in reader {
        let batch = batch.map_err(|error| RedshiftError::Data(format!("cannot read {}: {error}", input.name)))?;
        // Columns are matched by their order, as Redshift does.
        if batch.num_columns() != columns.len() {
            return Err(RedshiftError::Data(format!(
                "Spectrum Scan Error: {} has {} columns, the table takes {}: unmatched number of columns between table \
                 and file",
                input.name,
                batch.num_columns(),
                columns.len()
            )));
        }
        let filled = filler.fill(batch.columns(), batch.num_rows(), table)?;
        writer.write(filled, batch.num_rows())?;
    }
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn load_text(
    copy: &Copy,
    json: Option<text::JsonHow>,
    bytes: Box<dyn Read + Send>,
    columns: &[Column],
    filler: &mut crate::session::Filler,
    table: &mut Table,
    writer: &mut TableWriter,
    note: &mut dyn FnMut(Fault, &Table) -> bool,
) -> Result<(), RedshiftError> {
    let stop = || {
        RedshiftError::Data(format!(
            "Load into table '{}' failed.  Check 'stl_load_errors' or 'sys_load_error_detail' system table for details.",
            copy.target.name
        ))
    };
    let mut lines = Lines::new(bytes, copy, json, columns);
    let mut rows: Vec<Vec<Option<String>>> = Vec::with_capacity(BATCH_ROWS);
    loop {
        let record = lines.next().map_err(RedshiftError::Data)?;
        let end = record.is_none();
        if let Some(record) = record {
            match record.and_then(|record| check(copy, columns, record)) {
                Ok(row) => rows.push(row),
                Err(fault) => {
                    if !note(fault, table) {
                        return Err(stop());
                    }
                }
            }
        }
        if rows.len() == BATCH_ROWS || (end && !rows.is_empty()) {
            let arrays = columns
                .iter()
                .enumerate()
                .map(|(at, column)| typed(copy, column, rows.iter().map(|row| row[at].as_deref())))
                .collect::<Result<Vec<_>, _>>()?;
            let filled = filler.fill(&arrays, rows.len(), table)?;
            writer.write(filled, rows.len())?;
            rows.clear();
        }
        if end {
            return Ok(());
        }
    }
}

/// The fields of a record as texts that will convert, or the first fault.
fn check(copy: &Copy, columns: &[Column], record: Record) -> Result<Vec<Option<String>>, Fault> {
    let fault = |record: &Record, at: Option<usize>, code: i64, reason: String| Fault {
        line: record.line,
        column: at,
        position: at.and_then(|at| record.positions.get(at).copied()).unwrap_or(0),
        raw_line: record.raw.clone(),
        raw_field: at
            .and_then(|at| record.fields.get(at).cloned().flatten())
            .unwrap_or_default(),
        code,
        reason,
    };
    if record.fields.len() > columns.len() {
        return Err(fault(&record, None, 1202, "Extra column(s) found".to_owned()));
    }
    if record.fields.len() < columns.len() && !copy.fill_record {
        return Err(fault(
            &record,
            Some(record.fields.len()),
            1213,
            "Delimiter not found".to_owned(),
        ));
    }
    let mut row = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        let value = record.fields.get(at).cloned().flatten();
        let value = match value {
            None => None,
            Some(text) => match prepared(copy, column, text) {
                Ok(value) => value,
                Err((code, reason)) => return Err(fault(&record, Some(at), code, reason)),
            },
        };
        if value.is_none() && column.not_null && column.default.is_none() && column.identity.is_none() {
            return Err(fault(
                &record,
                Some(at),
                1214,
                "Missing data for not-null field".to_owned(),
            ));
        }
        row.push(value);
    }
    Ok(row)
}

/// A field's text with COPY's options applied, if it fits its column.
fn prepared(copy: &Copy, column: &Column, mut text: String) -> Result<Option<String>, (i64, String)> {
    if copy.trim_blanks || matches!(column.sql_type, SqlType::Char(_)) {
        text.truncate(text.trim_end_matches(' ').len());
    }
    let is_text = matches!(column.sql_type, SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Super);
    if text.is_empty() && (copy.empty_as_null || !is_text) {
        return Ok(None);
    }
    if copy.blanks_as_null && is_text && text.trim().is_empty() {
        return Ok(None);
    }
    let invalid = |code: i64, what: &str| Err((code, what.to_owned()));
    match column.sql_type {
        SqlType::Char(length) | SqlType::Varchar(length) => {
            let most = usize::try_from(length).unwrap_or(usize::MAX);
            if text.len() > most {
                if copy.truncate_columns {
                    let mut end = most;
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    text.truncate(end);
                } else {
                    return invalid(1204, "String length exceeds DDL length");
                }
            }
            if matches!(column.sql_type, SqlType::Char(_)) && !text.is_ascii() {
                return invalid(
                    1220,
                    "Multibyte character not supported for CHAR (Hint: try using VARCHAR)",
                );
            }
        }
        SqlType::Super if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() => {
            text = serde_json::Value::String(text).to_string();
        }
        SqlType::SmallInt => number::<i16>(&text, "smallint", 2)?,
        SqlType::Integer => number::<i32>(&text, "integer", 4)?,
        SqlType::BigInt => number::<i64>(&text, "bigint", 8)?,
        SqlType::Decimal(precision, scale) => {
            let digits = if copy.round_decimals {
                text.clone()
            } else {
                cut(&text, scale)
            };
            match parse_decimal(&digits, precision, scale) {
                Ok(_) => text = digits,
                Err(error) if error.to_string().contains("overflow") => {
                    return invalid(1207, "Overflow, Numeric value exceeds the column's precision");
                }
                Err(_) => return invalid(1207, "Invalid digit, Value is not a number, Type: Decimal"),
            }
        }
        SqlType::Real | SqlType::Double if text.trim().parse::<f64>().is_err() => {
            return invalid(1207, "Invalid digit, Value is not a number, Type: Double");
        }
        SqlType::Boolean if boolean(&text).is_err() => {
            return invalid(1210, "Unknown boolean format");
        }
        SqlType::Date if copy.date_format.date(&text).is_none() => {
            return if copy.accept_any_date {
                Ok(None)
            } else {
                invalid(
                    1206,
                    &format!(
                        "Invalid Date Format - length must be 10 or more: {}",
                        shape(&copy.date_format)
                    ),
                )
            };
        }
        SqlType::Timestamp | SqlType::TimestampTz if copy.time_format.timestamp(&text).is_none() => {
            return if copy.accept_any_date {
                Ok(None)
            } else {
                invalid(
                    1206,
                    &format!("Invalid timestamp format or value [{}]", shape(&copy.time_format)),
                )
            };
        }
        SqlType::Time if crate::moment::time(&text).is_err() => {
            return invalid(1206, "Invalid time format or value");
        }
        _ => {}
    }
    Ok(Some(text))
}

fn number<T: TryFrom<i64>>(text: &str, name: &str, bytes: u8) -> Result<(), (i64, String)> {
    match integer::<T>(text, name, bytes) {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("out of range") => {
            Err((1207, format!("Overflow for {name}, Value '{text}'")))
        }
        Err(_) => {
            let wrong = text.trim().chars().find(|c| !c.is_ascii_digit()).unwrap_or(' ');
            Err((
                1207,
                format!("Invalid digit, Value '{wrong}', Pos 0, Type: {}", pascal(name)),
            ))
        }
    }
}

fn pascal(name: &str) -> &'static str {
    match name {
        "smallint" => "Short",
        "integer" => "Integer",
        _ => "Long",
    }
}

/// Without ROUNDEC digits beyond the scale are cut.
fn cut(text: &str, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.len() > scale && fraction.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{whole}.{}", &fraction[..scale])
        }
        _ => text.to_owned(),
    }
}

fn shape(format: &Format) -> &str {
    match format {
        Format::Auto => "auto",
        Format::Pattern(pattern) => pattern,
        Format::EpochSeconds => "epochsecs",
        Format::EpochMillis => "epochmillisecs",
    }
}

/// A column of texts that were looked at before.
fn typed<'a>(
    copy: &Copy,
    column: &Column,
    texts: impl Iterator<Item = Option<&'a str>>,
) -> Result<ArrayRef, RedshiftError> {
    Ok(match column.sql_type {
        SqlType::Date => {
            let days = texts.map(|text| text.and_then(|text| copy.date_format.date(text)));
            Arc::new(days.collect::<arrow::array::Date32Array>())
        }
        SqlType::Timestamp => {
            let micros = texts.map(|text| text.and_then(|text| copy.time_format.timestamp(text)));
            Arc::new(micros.collect::<arrow::array::TimestampMicrosecondArray>())
        }
        SqlType::TimestampTz => {
            let micros = texts.map(|text| text.and_then(|text| copy.time_format.timestamptz(text)));
            Arc::new(
                micros
                    .collect::<arrow::array::TimestampMicrosecondArray>()
                    .with_timezone(Arc::<str>::from("UTC")),
            )
        }
        SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Super => {
            Arc::new(texts.collect::<arrow::array::StringArray>())
        }
        other => other.parse(texts)?,
    })
}
