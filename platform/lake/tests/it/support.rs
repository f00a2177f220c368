//! A small table to write and read: `customers` of the published layer, as a map from its key to one of its columns.

use arrow::array::{ArrayRef, AsArray as _, Date32Array, RecordBatch, StringArray};
use concert_lake::{Lake, Layer, Snapshot, Writer, new_id};
use datafusion::prelude::SessionContext;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub const NO_WAIT: Duration = Duration::ZERO;
pub const LAYER: Layer = Layer::ConcertDw;
pub const TABLE: &str = "customers";

/// Customer to segment.
pub type Content = BTreeMap<String, String>;

pub fn content<K: Into<String>, V: Into<String>>(rows: impl IntoIterator<Item = (K, V)>) -> Content {
    rows.into_iter().map(|(k, v)| (k.into(), v.into())).collect()
}

pub fn customers(rows: &Content) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.keys())),
        Arc::new(StringArray::from_iter_values(rows.values())),
        Arc::new(StringArray::from(vec![Some("Boston"); rows.len()])),
        Arc::new(StringArray::from(vec![None::<&str>; rows.len()])),
        Arc::new(Date32Array::from(vec![Some(20_000); rows.len()])),
    ];
    let schema = LAYER.table(TABLE).expect("there").arrow_schema();
    RecordBatch::try_new(schema, columns).expect("rows")
}

pub async fn read(lake: &Lake, snapshot: &Snapshot) -> concert_lake::Result<Content> {
    let session = lake.session(snapshot).await?;
    let mut found = Content::new();
    for (id, segment) in texts(&session, &format!("SELECT customer_id, segment FROM {TABLE}")).await? {
        assert!(found.insert(id.clone(), segment).is_none(), "{id} is there twice");
    }
    Ok(found)
}

/// The rows of a statement with two columns of text.
pub async fn texts(session: &SessionContext, sql: &str) -> concert_lake::Result<Vec<(String, String)>> {
    let failed = |e| concert_lake::Error::Query {
        what: sql.to_owned(),
        source: Box::new(e),
    };
    let mut rows = Vec::new();
    for batch in session
        .sql(sql)
        .await
        .map_err(failed)?
        .collect()
        .await
        .map_err(failed)?
    {
        let (a, b) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        rows.extend(
            a.iter()
                .zip(b)
                .map(|(a, b)| (a.unwrap_or("NULL").to_owned(), b.unwrap_or("NULL").to_owned())),
        );
    }
    Ok(rows)
}

pub fn commit(writer: &mut Writer) -> concert_lake::Result<Snapshot> {
    let now = jiff::Timestamp::now();
    writer.commit(LAYER, new_id(now), now, BTreeMap::new())
}

/// Appends and publishes.
pub async fn publish(lake: &Lake, rows: &Content) -> concert_lake::Result<Snapshot> {
    let mut writer = lake.writer(NO_WAIT).await?;
    writer.append(LAYER, TABLE, vec![customers(rows)]).await?;
    commit(&mut writer)
}
