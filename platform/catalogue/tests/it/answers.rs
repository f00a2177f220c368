//! Questions over the schemas and their answers, as files: a line with the question, then the rows. The answers were
//! worked out by another engine from the same files.

use crate::support::{World, schema_folder};
use std::{fs, path::Path};

#[tokio::test]
async fn questions_over_any_schema_are_answered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/questions");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("questions")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    let (mut asked, mut wrong) = (0, Vec::new());
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let world = World::open(&schema_folder(&name)).await;
        for case in fs::read_to_string(&file).expect("reads").split("\n\n") {
            let Some((question, expected)) = case.trim().strip_prefix("? ").and_then(|case| case.split_once('\n'))
            else {
                continue;
            };
            asked += 1;
            let answer = world.ask(question).await;
            if answer != expected {
                wrong.push(format!(
                    "{name}: {question}\nexpected:\n{expected}\nanswered:\n{answer}"
                ));
            }
        }
    }
    assert!(asked >= 60, "only {asked} questions were asked");
    assert!(
        wrong.is_empty(),
        "{} of {asked} are wrong:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// Prints what is inferred of the schemas in `SCHEMAS`, and the answers to the lines of `QUESTIONS` (`schema: question`),
/// for those who work on it.
#[tokio::test]
#[ignore = "prints, for those who work on it"]
async fn print() {
    for name in std::env::var("SCHEMAS")
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty())
    {
        let path = if name.contains('/') {
            name.into()
        } else {
            schema_folder(name)
        };
        let world = World::open(&path).await;
        println!("{}\n== {name}", world.inferred.toml);
        let questions = std::env::var("QUESTIONS").unwrap_or_default();
        for question in questions
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}: ")))
        {
            println!("? {question}\n{}\n", world.ask(question).await);
        }
    }
}
