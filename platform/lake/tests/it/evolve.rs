//! Tables that were made when the model had fewer columns, or by someone who added some.

use crate::support::{LAYER, NO_WAIT, TABLE, commit, content, customers, read, texts};
use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use concert_lake::Lake;
use deltalake::{
    DeltaTableBuilder,
    kernel::{StructType, engine::arrow_conversion::TryIntoKernel as _},
};
use std::{path::Path, sync::Arc};
use url::Url;

/// Writes `customers` as a release did that knew two of the columns, in another order, and had a column of its own.
async fn older_lake(home: &Path) {
    let folder = home.join("lake").join(LAYER.name()).join(TABLE);
    std::fs::create_dir_all(&folder).expect("a folder");
    let url = Url::from_directory_path(&folder).expect("an address");
    let schema = Schema::new(
        ["segment", "customer_id", "shoe_size"]
            .map(|name| Field::new(name, DataType::Utf8, true))
            .to_vec(),
    );
    let columns: StructType = (&schema).try_into_kernel().expect("a schema");
    let table = DeltaTableBuilder::from_url(url)
        .expect("an address")
        .build()
        .expect("a table");
    let table = deltalake::operations::create::CreateBuilder::new()
        .with_log_store(table.log_store())
        .with_columns(columns.fields().cloned())
        .await
        .expect("creates");
    let values = ["gold", "a", "44"].map(|value| Arc::new(StringArray::from(vec![value])) as ArrayRef);
    let rows = RecordBatch::try_new(Arc::new(schema), values.to_vec()).expect("rows");
    table.write(vec![rows]).await.expect("writes");
    let pointer = format!(r#"{{"id": "old", "published_at": "2020-01-01T00:00:00Z", "tables": {{"{TABLE}": 1}}}}"#);
    std::fs::write(home.join("lake").join("concert_dw.json"), pointer).expect("writes");
}

#[tokio::test]
async fn columns_that_the_model_gained_are_null_and_come_with_the_next_write() {
    let home = tempfile::tempdir().expect("a folder");
    older_lake(home.path()).await;
    let lake = Lake::open(home.path()).expect("opens");
    let old = lake.snapshot().expect("reads").expect("published");
    let model = LAYER.table(TABLE).expect("there").arrow_schema();
    let mut expected: Vec<&str> = model.fields().iter().map(|field| field.name().as_str()).collect();
    expected.push("shoe_size");

    // Before any write: in the model's order, what is missing null, what is more at the end.
    let sql = "SELECT customer_id, coalesce(city, 'none') FROM customers WHERE joined_at IS NULL";
    let session = lake.session(&old).await.expect("a session");
    let columns = |frame: &datafusion::dataframe::DataFrame| -> Vec<String> {
        frame
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    };
    assert_eq!(columns(&session.table(TABLE).await.expect("opens")), expected);
    assert_eq!(
        texts(&session, sql).await.expect("reads"),
        [("a".to_owned(), "none".to_owned())]
    );

    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    let found = writer.read(LAYER, TABLE).await.expect("reads");
    assert_eq!(found[0].num_columns(), expected.len());
    writer
        .append(LAYER, TABLE, vec![customers(&content([("b", "new")]))])
        .await
        .expect("writes");
    let new = commit(&mut writer).expect("publishes");
    drop(writer);
    let session = lake.session(&new).await.expect("a session");
    assert_eq!(columns(&session.table(TABLE).await.expect("opens")), expected);
    assert_eq!(
        read(&lake, &new).await.expect("reads"),
        content([("a", "gold"), ("b", "new")])
    );
    let sql = "SELECT customer_id, concat(city, '/', shoe_size) FROM customers ORDER BY 1";
    assert_eq!(
        texts(&session, sql).await.expect("reads"),
        [("a", "/44"), ("b", "Boston/")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert_eq!(read(&lake, &old).await.expect("reads"), content([("a", "gold")]));
}

#[tokio::test]
async fn merging_into_an_older_table_keeps_what_it_had_and_so_does_compaction() {
    let home = tempfile::tempdir().expect("a folder");
    older_lake(home.path()).await;
    let lake = Lake::open(home.path()).expect("opens");
    let mut writer = lake.writer(NO_WAIT).await.expect("the lease");
    let frame = |rows| {
        let session = datafusion::prelude::SessionContext::new();
        session.read_batch(customers(&content(rows))).expect("a frame")
    };
    for (rows, rewritten) in [([("b", "1"), ("c", "1")], 0), ([("b", "2"), ("d", "2")], 1)] {
        let merged = writer.merge(LAYER, TABLE, frame(rows)).await.expect("merges");
        assert_eq!(merged.files_rewritten, rewritten);
    }
    commit(&mut writer).expect("publishes");
    drop(writer);
    let options = concert_lake::OptimizeOptions {
        full: true,
        wait: NO_WAIT,
    };
    lake.optimize(&options).await.expect("optimises");
    let snapshot = lake.snapshot().expect("reads").expect("published");
    let session = lake.session(&snapshot).await.expect("a session");
    let sql = "SELECT customer_id, concat(segment, city, shoe_size) FROM customers ORDER BY 1";
    assert_eq!(
        texts(&session, sql).await.expect("reads"),
        [("a", "gold44"), ("b", "2Boston"), ("c", "1Boston"), ("d", "2Boston")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
}
