//! What is kept when the process is not: a child writes and is killed, and the parent reads.

use crate::support::*;
use concert_store::{
    Clock, Store, StoreError,
    dynamodb::{Dynamo, Place},
};
use serde_json::json;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

const CHILD: &str = "CONCERT_STORE_TEST_CHILD";

/// Not a test of its own: what the killed child does. It says every item that was acknowledged.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let store = Store::open(path.as_ref(), Clock::system()).expect("the store opens");
    let dynamo = Dynamo::new(store, Place::default());
    create_table(&dynamo, "shows");
    for n in 0.. {
        put(
            &dynamo,
            "shows",
            item(
                "a",
                &format!("{n:06}"),
                json!({"gsi1pk": {"S": "g"}, "gsi1sk": {"N": n.to_string()}}),
            ),
        );
        println!("wrote {n}");
    }
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep").join("store.redb");
    let this = std::env::current_exe().expect("this binary");
    let mut child = Command::new(this)
        .args([
            "durable::child_that_writes_until_it_is_killed",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut acknowledged = None;
    for line in BufReader::new(child.stdout.take().expect("its output")).lines() {
        if let Some(n) = line.expect("text").strip_prefix("wrote ") {
            acknowledged = Some(n.parse::<usize>().expect("a number"));
            if acknowledged == Some(20) {
                child.kill().expect("it is killed");
                break;
            }
        }
    }
    child.wait().expect("it is gone");
    assert_eq!(acknowledged, Some(20));
    let store = Store::open(&path, Clock::system()).expect("the store opens again");
    let dynamo = Dynamo::new(store, Place::default());
    let table = ok(&dynamo, "Scan", json!({"TableName": "shows", "Select": "COUNT"}))["Count"]
        .as_u64()
        .expect("a count");
    let index = ok(
        &dynamo,
        "Scan",
        json!({"TableName": "shows", "IndexName": "gsi1", "Select": "COUNT"}),
    )["Count"]
        .as_u64();
    let counted = ok(&dynamo, "DescribeTable", json!({"TableName": "shows"}))["Table"]["ItemCount"].as_u64();
    assert!(table >= 21, "{table} of at least 21 are there");
    assert_eq!((index, counted), (Some(table), Some(table)));
}

#[test]
fn a_store_has_one_owner_and_is_free_when_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let first = Store::open(&path, Clock::system()).expect("the store opens");
    assert!(matches!(
        Store::open(&path, Clock::system()),
        Err(StoreError::Busy { .. })
    ));
    create_table(&Dynamo::new(first.clone(), Place::default()), "shows");
    drop(first);
    let again = Dynamo::new(
        Store::open(&path, Clock::system()).expect("it opens again"),
        Place::default(),
    );
    assert_eq!(ok(&again, "ListTables", json!({})), json!({"TableNames": ["shows"]}));
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    std::fs::write(&path, b"something else, and long enough to look at").expect("a file");
    let Err(error) = Store::open(&path, Clock::system()) else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("store.redb"), "{error}");
}
