//! Ways in for tests: to the parsers, for those that feed them any bytes (the property tests and the fuzz targets in
//! `fuzz/`), and to a load that holds little in memory. No part of the crate's interface.

pub use crate::settle::Limits;
use crate::{
    Error, IngestOptions, IngestReport, Result,
    bind::BoundTable,
    blocks::Cutter,
    collect::{Collector, Parsed},
    files::{DataFile, Rows},
    input::Format,
    load,
    mapping::{ColumnValue, Encoding, Source, TableMapping, Value},
    path::FieldPath,
    value::{TimeFormat, parse},
};
use concert_lake::{Lake, Layer, schema::MODEL};
use std::{collections::HashMap, path::Path};

/// Paths that are asked of records without columns; the bytes under test may well hold some of them.
const PATHS: [&str; 6] = ["id", "a", "a.b", "b[0].a", "a[*]", "@id"];

/// What was read of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    pub records: u64,
    /// Over all tables.
    pub records_in: u64,
    pub rows: u64,
    pub quarantined: u64,
}

impl Read {
    fn add(&mut self, parsed: &Parsed) {
        self.records += parsed.records;
        for table in &parsed.tables {
            self.records_in += table.records_in;
            self.quarantined += table.quarantined;
            self.rows += table.rows.as_ref().map_or(0, |rows| rows.num_rows() as u64);
        }
    }
}

/// Reads a file to its end as a load would, for every table of the model at once, with whatever columns it has.
///
/// # Errors
/// Those of a file that is none.
pub fn read(path: &Path, format: &str, latin_1: bool) -> Result<Read> {
    let source = source(format, latin_1);
    let mut rows = Rows::open(&DataFile::new(path.to_owned()), &source)?;
    let tables = bind(&mut rows, &source)?;
    let mut collector = Collector::new(&tables, rows.source());
    let mut read = Read::default();
    while let Some(row) = rows.next_row()? {
        collector.take(&row, &mut rows);
    }
    read.add(&collector.finish()?);
    rows.finish()?;
    rows.notes(true);
    Ok(read)
}

/// The same in blocks of that size; none of formats that are not read so.
///
/// # Errors
/// Those of a file that is none.
pub fn read_in_blocks(path: &Path, format: &str, latin_1: bool, block_bytes: usize) -> Result<Option<Read>> {
    let source = source(format, latin_1);
    let mut rows = Rows::open(&DataFile::new(path.to_owned()), &source)?;
    let tables = bind(&mut rows, &source)?;
    let Some((cutter, template)) = rows.cut() else {
        return Ok(None);
    };
    let mut cutter: Cutter = cutter.of(block_bytes);
    let (mut read, mut unfinished) = (Read::default(), None);
    while let Some(mut block) = cutter.next().map_err(|e| Error::io("read", path, e))? {
        if let Some((line, bytes)) = unfinished.take() {
            block = block.behind(line, bytes);
        }
        let mut of_block = template.rows(&block);
        let mut collector = Collector::new(&tables, String::new());
        while let Some(row) = of_block.next_row()? {
            collector.take(&row, &mut of_block);
        }
        unfinished = of_block.take_unfinished();
        read.add(&collector.finish()?);
        rows.absorb(of_block.into_seen());
    }
    Ok(Some(read))
}

/// [`crate::ingest`] with other limits of what is held in memory.
///
/// # Errors
/// As [`crate::ingest`].
pub async fn ingest_within(lake: &Lake, options: &IngestOptions, limits: Limits) -> Result<IngestReport> {
    load::ingest_within(lake, options, None, limits).await
}

/// Reads a text as every column of the model, by ISO 8601 and by `pattern`.
pub fn values(text: &str, pattern: &str) {
    let formats = [
        TimeFormat::Iso,
        TimeFormat::Date(pattern.to_owned()),
        TimeFormat::DateTime(pattern.to_owned()),
    ];
    for format in &formats {
        // A pattern that is wrong is refused when the mapping is read; here it must only not break anything.
        let _ = format.check();
        for column in Layer::ConcertDw.tables().iter().flat_map(|table| table.columns()) {
            let _ = parse(text, column, format);
        }
    }
    let _ = FieldPath::parse(text);
}

fn source(format: &str, latin_1: bool) -> Source {
    Source {
        format: Format::of_name(format),
        encoding: if latin_1 { Encoding::Latin1 } else { Encoding::Utf8 },
        ..Source::default()
    }
}

fn bind(rows: &mut Rows, source: &Source) -> Result<Vec<BoundTable>> {
    let mut names = rows.columns.clone();
    names.sort();
    let all = names.len();
    names.dedup();
    if names.is_empty() {
        names = PATHS.map(str::to_owned).to_vec();
    } else if names.len() < all {
        // Two columns of one name can be asked for neither.
        return Ok(Vec::new());
    }
    let mapping = |table: &'static _, columns: usize| TableMapping {
        table,
        from: None,
        source: source.clone(),
        values: (0..columns)
            .map(|index| {
                let value = ColumnValue {
                    columns: vec![names[index % names.len()].clone()],
                    lookup: None,
                    missing: None,
                    format: TimeFormat::Iso,
                    pattern: None,
                    number: None,
                    map: Default::default(),
                    default: None,
                    null: Vec::new(),
                    prefix: String::new(),
                };
                (index, Value::Column(Box::new(value)))
            })
            .collect(),
    };
    MODEL
        .iter()
        .map(|table| BoundTable::new(&mapping(table, table.columns().len()), None, rows, &HashMap::new()))
        .collect()
}
