//! Where files go: folders and stores that are refused, and runs that are stopped.

use crate::support::{hashes, small};
use concert_generate::{Format, GenerateError, GenerateOptions, Progress, Sales, Target, generate};
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path as ObjectPath};
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

fn quick(folder: &Path) -> GenerateOptions {
    GenerateOptions {
        artists: 30,
        venues: 30,
        concerts: 100,
        sales: Sales::Exactly(300),
        ..small(folder)
    }
}

#[test]
fn a_folder_of_other_things_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    let error = generate(&quick(out)).unwrap_err();
    assert!(
        matches!(&error, GenerateError::NotEmpty { name, .. } if name == "notes.txt"),
        "{error}"
    );
    let options = GenerateOptions {
        overwrite: true,
        ..quick(out)
    };
    assert!(matches!(generate(&options), Err(GenerateError::NotEmpty { .. })));
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 1);
}

#[test]
fn the_same_run_repeats_itself_and_another_one_asks() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep").join("out");
    generate(&quick(&out)).unwrap();
    let first = hashes(&out);
    generate(&quick(&out)).unwrap();
    assert_eq!(first, hashes(&out));
    let other = GenerateOptions {
        seed: 7,
        format: Format::Json,
        dirty: 0.5,
        ..quick(&out)
    };
    let error = generate(&other).unwrap_err();
    assert!(matches!(error, GenerateError::OtherData { .. }), "{error}");
    assert_eq!(first, hashes(&out));
    // Nothing of the first is left to be mixed with the second.
    generate(&GenerateOptions {
        overwrite: true,
        ..other.clone()
    })
    .unwrap();
    let alone = folder.path().join("alone");
    generate(&GenerateOptions {
        target: Target::Folder(alone.clone()),
        ..other
    })
    .unwrap();
    assert_eq!(hashes(&out), hashes(&alone));
    generate(&GenerateOptions {
        overwrite: true,
        ..quick(&out)
    })
    .unwrap();
    assert_eq!(first, hashes(&out));
}

#[test]
fn a_file_in_the_way_and_a_folder_that_cannot_be_written_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for out in [file.clone(), file.join("below")] {
        let error = generate(&quick(&out)).unwrap_err();
        assert!(matches!(&error, GenerateError::Write { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&out.display().to_string()) && text.contains("--out"),
            "{text}"
        );
    }
    let error = generate(&quick(Path::new("/proc/nothing"))).unwrap_err();
    assert!(error.to_string().contains("/proc/nothing"), "{error}");
}

#[test]
fn two_runs_do_not_write_to_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_owned();
    let seen = Arc::new(Mutex::new(None));
    let (inner, seen_inner) = (quick(&out), Arc::clone(&seen));
    let options = GenerateOptions {
        progress: Some(Arc::new(move |progress: Progress| {
            assert!(progress.records <= progress.of);
            let mut seen = seen_inner.lock().unwrap();
            seen.get_or_insert_with(|| generate(&inner).unwrap_err().to_string());
        })),
        ..quick(&out)
    };
    generate(&options).unwrap();
    let said = seen.lock().unwrap().clone().unwrap();
    assert!(said.contains("another run is writing"), "{said}");
    assert!(out.join("artists.csv").exists());
}

/// The test binary starts itself with this set, makes the world and is killed on the way.
const CHILD: &str = "CONCERT_GENERATE_CHILD";

fn stopped(out: &Path) -> GenerateOptions {
    GenerateOptions {
        sales: Sales::Exactly(20_000),
        dirty: 0.1,
        format: Format::Parquet,
        ..small(out)
    }
}

#[test]
#[ignore = "is started by the test of stopped runs"]
fn child() {
    if let Some(out) = std::env::var_os(CHILD) {
        generate(&stopped(Path::new(&out))).unwrap();
    }
}

#[test]
fn a_run_that_is_killed_leaves_no_half_file_and_the_next_one_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let begun = std::time::Instant::now();
    generate(&stopped(&whole)).unwrap();
    let took = begun.elapsed();
    let expected = hashes(&whole);
    let times: u32 = if std::env::var_os("CONCERT_LONG").is_some() {
        50
    } else {
        5
    };
    let out = folder.path().join("out");
    for time in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "places::child", "--ignored"])
            .env(CHILD, &out)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Spread over the whole run, and a little beyond.
        std::thread::sleep(took.mul_f64(1.2 * f64::from(time) / f64::from(times)) + Duration::from_millis(5));
        child.kill().unwrap();
        child.wait().unwrap();
        if out.exists() {
            // What has its final name is whole.
            for (name, hash) in hashes(&out) {
                if !name.starts_with(".concert-generate.partial") {
                    assert_eq!(expected.get(&name), Some(&hash), "{}", name.display());
                }
            }
        }
        // Half of the times on what was left, half of the times anew.
        if time % 2 == 0 {
            generate(&stopped(&out)).unwrap();
            assert_eq!(hashes(&out), expected);
            std::fs::remove_dir_all(&out).unwrap();
        }
    }
    generate(&stopped(&out)).unwrap();
    assert_eq!(hashes(&out), expected);
}

async fn objects(store: &InMemory) -> BTreeMap<String, Vec<u8>> {
    let found: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut objects = BTreeMap::new();
    for object in found {
        let bytes = store.get(&object.location).await.unwrap().bytes().await.unwrap();
        objects.insert(object.location.to_string(), bytes.to_vec());
    }
    objects
}

/// In a runtime, as the command calls it.
#[tokio::test]
async fn a_store_gets_the_bytes_that_a_folder_gets() {
    let folder = tempfile::tempdir().unwrap();
    let options = GenerateOptions {
        dirty: 0.2,
        format: Format::Parquet,
        ..quick(folder.path())
    };
    generate(&options).unwrap();
    let memory = Arc::new(InMemory::new());
    let into_store = GenerateOptions {
        target: Target::Store {
            store: Arc::clone(&memory) as Arc<dyn ObjectStore>,
            prefix: ObjectPath::from("worlds/one"),
            url: "s3://bucket/worlds/one".to_owned(),
        },
        ..options.clone()
    };
    let report = generate(&into_store).unwrap();
    assert_eq!(report.out, "s3://bucket/worlds/one");
    let found = objects(&memory).await;
    let files = hashes(folder.path());
    assert_eq!(found.len(), files.len());
    for name in files.keys() {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        assert!(
            found[&format!("worlds/one/{}", name.display())] == bytes,
            "{}",
            name.display()
        );
    }

    // The same again, another one, and what nobody knows.
    generate(&into_store).unwrap();
    let other = GenerateOptions {
        seed: 3,
        format: Format::Csv,
        dirty: 0.0,
        ..into_store.clone()
    };
    let error = generate(&other).unwrap_err();
    assert!(
        matches!(&error, GenerateError::OtherData { place } if place == "s3://bucket/worlds/one"),
        "{error}"
    );
    generate(&GenerateOptions {
        overwrite: true,
        ..other
    })
    .unwrap();
    let names: Vec<String> = objects(&memory).await.into_keys().collect();
    assert!(
        names
            .iter()
            .all(|name| !name.ends_with(".parquet") && !name.contains("_truth")),
        "{names:?}"
    );
    memory
        .put(&ObjectPath::from("worlds/one/notes.txt"), "mine".into())
        .await
        .unwrap();
    let error = generate(&into_store).unwrap_err();
    assert!(
        matches!(&error, GenerateError::NotEmpty { name, .. } if name == "notes.txt"),
        "{error}"
    );
}
