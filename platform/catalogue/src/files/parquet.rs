//! Parquet files as a table, with names and types that Redshift has.

use crate::error::{Error, Result};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    catalog::TableProvider,
    error::DataFusionError,
    logical_expr::{cast, ident},
    prelude::{ParquetReadOptions, SessionConfig, SessionContext},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Decimals beyond this are rounded by no one: they are read as floats.
const MAX_PRECISION: u8 = 38;

/// The files as one table, and the names of columns that hold lists, records or bytes and are left out.
pub async fn open(
    files: &[PathBuf],
    names: impl Fn(&[String]) -> Vec<String>,
) -> Result<(Arc<dyn TableProvider>, Vec<String>)> {
    let first = files.first().map_or(Path::new(""), |file| file);
    let failed = |error: DataFusionError| Error::file(first, error.strip_backtrace());
    let mut config = SessionConfig::new();
    config.options_mut().execution.parquet.schema_force_view_types = false;
    let context = SessionContext::new_with_config(config);
    let mut paths = Vec::with_capacity(files.len());
    for file in files {
        // The ending says how the file was chosen; the engine is told, so that it does not ask for its own.
        let absolute = file.canonicalize().map_err(|e| Error::io(file, e))?;
        paths.push(absolute.to_string_lossy().into_owned());
    }
    let ending = first.extension().unwrap_or_default().to_string_lossy().into_owned();
    let ending = format!(".{ending}");
    let options = ParquetReadOptions::default().file_extension(&ending);
    let frame = context.read_parquet(paths, options).await.map_err(failed)?;
    let fields: Vec<(String, DataType)> = frame
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect();
    let mut unread = Vec::new();
    let mut kept = Vec::new();
    for (name, held) in fields {
        match readable(&held) {
            Some(wanted) => kept.push((name, held, wanted)),
            None => unread.push(name),
        }
    }
    let sources: Vec<String> = kept.iter().map(|(name, _, _)| name.clone()).collect();
    let columns = kept.iter().zip(names(&sources)).map(|((source, held, wanted), name)| {
        let column = ident(source);
        let column = if held == wanted {
            column
        } else {
            cast(column, wanted.clone())
        };
        column.alias(name)
    });
    let table = frame.select(columns.collect::<Vec<_>>()).map_err(failed)?.into_view();
    Ok((table, unread))
}

/// The type that a column is read as; none for what has no single values.
fn readable(held: &DataType) -> Option<DataType> {
    Some(match held {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            if *precision <= MAX_PRECISION && *scale >= 0 {
                DataType::Decimal128(*precision, *scale)
            } else {
                DataType::Float64
            }
        }
        DataType::Boolean => DataType::Boolean,
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Utf8,
        DataType::Dictionary(_, values) => readable(values)?,
        _ => return None,
    })
}
