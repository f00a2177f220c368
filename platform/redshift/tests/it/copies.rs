//! COPY and UNLOAD over a folder that stands for S3.

use crate::session::{Home, run};
use concert_redshift::Session;
use std::io::Write as _;

const ROLE: &str = "iam_role default";

async fn loads(session: &Session, table: &str, from: &str, options: &str, expected: &str) {
    run(session, &format!("truncate {table}")).await;
    let found = run(session, &format!("copy {table} from 's3://b/{from}' {ROLE} {options}")).await;
    assert!(!found.starts_with("error"), "{from} {options}: {found}");
    assert_eq!(
        run(session, &format!("select * from {table} order by 1")).await,
        expected,
        "{from} {options}"
    );
}

#[tokio::test]
async fn text_is_read_by_every_option() {
    let home = Home::new();
    let session = home.session();
    run(
        &session,
        "create table t (id int, name varchar(10), price decimal(6,2), day date, at timestamp)",
    )
    .await;
    let two = "1,Oslo,1.50,2020-02-29,2020-02-29 20:00:00|2,NULL,NULL,NULL,NULL";
    home.put("pipe", "1|Oslo|1.5|2020-02-29|2020-02-29 20:00:00\r\n2|\\N|||\r\n");
    loads(&session, "t", "pipe", "", two).await;
    home.put(
        "tab.gz",
        gzipped(b"id\tname\n1\tOslo\t1.5\t29.02.2020\t02/29/2020 20:00:00\n2\t\t\t\t\n"),
    );
    let options = "gzip delimiter '\\t' ignoreheader as 1 emptyasnull dateformat 'DD.MM.YYYY' \
                   timeformat 'MM/DD/YYYY HH:MI:SS'";
    loads(&session, "t", "tab.gz", options, two).await;
    home.put(
        "q.csv",
        "1,\"a \"\"b\"\",\nc\",1.509,2020-02-29T00:00:00Z,1582999200\n2,,,,\n",
    );
    let options = "csv dateformat 'auto' timeformat 'epochsecs' blanksasnull";
    let expected = "1,a \"b\",\nc,1.50,2020-02-29,2020-02-29 18:00:00|2,NULL,NULL,NULL,NULL";
    loads(&session, "t", "q.csv", options, expected).await;
    // Without ROUNDEC digits are cut.
    loads(
        &session,
        "t",
        "q.csv",
        &format!("{options} roundec"),
        &expected.replace("1.50", "1.51"),
    )
    .await;
    home.put(
        "short",
        "1;x;1\n\n2;this is far too long;2;2020-01-01;2020-01-01 00:00:00;\n",
    );
    let options = "delimiter ';' fillrecord ignoreblanklines truncatecolumns";
    let expected = "1,x,1.00,NULL,NULL|2,this is fa,2.00,2020-01-01,2020-01-01 00:00:00";
    loads(&session, "t", "short", options, expected).await;
    home.put("wide", "1    Oslo      \n22   Bergen    \n");
    loads(
        &session,
        "t",
        "wide",
        "fixedwidth 'id:5,name:10'",
        "1,Oslo,NULL,NULL,NULL|22,Bergen,NULL,NULL,NULL",
    )
    .await;
    home.put("bytes", b"1|\xff\xfex|||\n");
    loads(&session, "t", "bytes", "acceptinvchars '^'", "1,^^x,NULL,NULL,NULL").await;
    home.put("quoted", "1|'a|b'|||\n2|c\\|d|||\n");
    loads(
        &session,
        "t",
        "quoted",
        "removequotes escape",
        "1,a|b,NULL,NULL,NULL|2,c|d,NULL,NULL,NULL",
    )
    .await;
    let refused = run(&session, "copy t from 's3://b/pipe'").await;
    assert!(refused.contains("CREDENTIALS argument is required"), "{refused}");
    let outside = run(&session, &format!("copy t from 's3://../x' {ROLE}")).await;
    assert!(outside.contains("invalid S3 path"), "{outside}");
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("packs");
    packed.finish().expect("packs")
}

#[tokio::test]
async fn objects_and_columns_are_read() {
    let home = Home::new();
    let session = home.session();
    run(&session, "create table t (id int, name varchar(20), tags super)").await;
    home.put(
        "objects.json",
        "{\"id\": 1, \"name\": \"Oslo\", \"tags\": [1, {\"a\": 2}], \"more\": 0}\n{\n \"id\": 2,\n \"tags\": null}",
    );
    loads(
        &session,
        "t",
        "objects.json",
        "json 'auto'",
        "1,Oslo,[1,{\"a\":2}]|2,NULL,NULL",
    )
    .await;
    home.put(
        "paths.json",
        "{\"jsonpaths\": [\"$.where.id\", \"$['names'][1]\", \"$.none\"]}",
    );
    home.put("deep.json", "{\"where\": {\"id\": 7}, \"names\": [\"a\", \"b\"]}");
    loads(&session, "t", "deep.json", "json as 's3://b/paths.json'", "7,b,NULL").await;
    let wrote = run(
        &session,
        &format!("unload ('select id, name from t') to 's3://b/columns/' {ROLE} format parquet parallel off"),
    )
    .await;
    assert_eq!(wrote, "1");
    run(&session, "create table u (a bigint, b varchar(5))").await;
    loads(&session, "u", "columns/", "format as parquet", "7,b").await;
    let wrong = run(&session, &format!("copy t from 's3://b/columns/' {ROLE} parquet")).await;
    assert!(wrong.contains("has 2 columns"), "{wrong}");
}

#[tokio::test]
async fn bad_records_are_counted_and_told() {
    let home = Home::new();
    let session = home.session();
    run(&session, "create table t (id int not null, name char(3), n smallint)").await;
    home.put(
        "bad",
        "1|abc|1\nx|abc|1\n2|abcd|1\n3|abc|99999\n|abc|1\n4|abc|1|9\n5|a\n6|abc|6\n",
    );
    let load = format!("copy t from 's3://b/bad' {ROLE}");
    let refused = run(&session, &load).await;
    assert!(refused.contains("Load into table 't' failed"), "{refused}");
    assert_eq!(run(&session, "select count(*) from t").await, "0");
    assert_eq!(run(&session, &format!("{load} maxerror 6")).await, "2");
    assert_eq!(run(&session, "select id from t order by 1").await, "1|6");
    let told = run(
        &session,
        "select line_number, colname, err_code, raw_field_value from stl_load_errors \
         where query = (select max(query) from stl_load_errors) order by 1",
    )
    .await;
    assert_eq!(
        told,
        "2,id,1207,x|3,name,1204,abcd|4,n,1207,99999|5,id,1214,|6,,1202,|7,n,1213,"
    );
    let kept = run(&session, "select count(distinct query_id) from sys_load_error_detail").await;
    assert_eq!(kept, "2");
}

#[tokio::test]
async fn manifests_name_files_and_prefixes_name_many() {
    let home = Home::new();
    let session = home.session();
    run(&session, "create table t (a int)").await;
    for (name, text) in [
        ("p/one", "1\n"),
        ("p/one.more", "2\n"),
        ("p/two", "4\n"),
        ("p/_SUCCESS", "x\n"),
    ] {
        home.put(name, text);
    }
    loads(&session, "t", "p/one", "", "1|2").await;
    loads(&session, "t", "p/", "", "1|2|4").await;
    home.put(
        "manifest",
        "{\"entries\": [{\"url\": \"s3://b/p/two\", \"mandatory\": true}, {\"url\": \"s3://b/p/none\"}]}",
    );
    loads(&session, "t", "manifest", "manifest", "4").await;
    home.put(
        "strict",
        "{\"entries\": [{\"url\": \"s3://b/p/none\", \"mandatory\": true}]}",
    );
    let missing = run(&session, &format!("copy t from 's3://b/strict' {ROLE} manifest")).await;
    assert!(missing.contains("s3://b/p/none does not exist"), "{missing}");
}

#[tokio::test]
async fn rows_are_unloaded_and_load_again() {
    let home = Home::new();
    let session = home.session();
    run(&session, "create table t (id int, name varchar(20), ok boolean)").await;
    run(
        &session,
        "insert into t values (1, 'a|b', true), (2, '', false), (3, null, null)",
    )
    .await;
    let to = |target: &str, options: &str| {
        format!("unload ('select * from t order by id') to 's3://b/{target}' {ROLE} {options}")
    };
    assert_eq!(
        run(&session, &to("plain_", "parallel off escape null as 'NULL'")).await,
        "3"
    );
    assert_eq!(home.get("plain_000"), "1|a\\|b|t\n2||f\n3|NULL|NULL\n");
    loads(
        &session,
        "t",
        "plain_",
        "escape null as 'NULL'",
        "1,a|b,true|2,,false|3,NULL,NULL",
    )
    .await;
    assert_eq!(run(&session, &to("c/", "csv header manifest verbose")).await, "3");
    assert_eq!(home.get("c/0000_part_00"), "id,name,ok\n1,a|b,t\n2,\"\",f\n3,,\n");
    let manifest = home.get("c/manifest");
    assert!(
        manifest.contains("s3://b/c/0000_part_00") && manifest.contains("\"record_count\":3"),
        "{manifest}"
    );
    loads(
        &session,
        "t",
        "c/manifest",
        "csv ignoreheader 1 manifest",
        "1,a|b,true|2,,false|3,,NULL",
    )
    .await;
    assert_eq!(run(&session, &to("z/", "json zstd")).await, "3");
    loads(&session, "t", "z/", "json 'auto' zstd", "1,a|b,true|2,,false|3,,NULL").await;
    let again = run(&session, &to("z/", "json zstd")).await;
    assert!(again.contains("is not empty"), "{again}");
    assert_eq!(run(&session, &to("z/", "json zstd cleanpath")).await, "3");
    let wrong = run(&session, &to("w/", "format parquet header")).await;
    assert!(
        wrong.contains("HEADER is not supported for UNLOAD to PARQUET"),
        "{wrong}"
    );
    let bad = run(&session, &format!("unload ('delete from t') to 's3://b/x/' {ROLE}")).await;
    assert!(bad.starts_with("error"), "{bad}");
}
