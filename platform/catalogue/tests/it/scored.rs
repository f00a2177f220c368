//! Questions over schemas as people ask them, each with a statement for the rows that it means. An answer is right if
//! its rows are those, whatever columns stand beside them; rows that were asked for in an order must come in it. The
//! schemas of `aside` were written before any of this was tuned, and are not looked at when something is.

use crate::support::{World, schema_folder};
use concert_contract::table::Cell;
use std::{fs, path::Path};

/// The least share of right answers, in percent: of the schemas that answers were tuned on, and of the others.
const LEAST: [(&str, usize); 2] = [("tuned", 95), ("aside", 85)];
/// Wider answers are not searched for the columns that were asked for.
const MOST_COLUMNS: usize = 8;

#[tokio::test]
async fn most_questions_over_any_schema_get_the_rows_that_they_mean() {
    let mut failed = Vec::new();
    for (part, least) in LEAST {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scored").join(part);
        let mut files: Vec<_> = fs::read_dir(folder)
            .expect("questions")
            .map(|entry| entry.expect("a file").path())
            .collect();
        files.sort();
        let (mut right, mut asked) = (0, 0);
        let mut wrong = Vec::new();
        for file in files {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let world = World::open(&schema_folder(&name)).await;
            let (mut of_schema, mut right_of_schema) = (0, 0);
            for case in fs::read_to_string(&file).expect("reads").split("\n\n") {
                let Some((question, sql)) = case.trim().strip_prefix("? ").and_then(|case| case.split_once('\n'))
                else {
                    continue;
                };
                of_schema += 1;
                let expected = plain(&world.cells(sql).await);
                let is_ordered = sql.contains("ORDER BY") && !sql.contains("LIMIT");
                let answer = world.answer(question).await;
                match answer {
                    Ok(rows) if holds(&plain(&rows), &expected, is_ordered) => right_of_schema += 1,
                    Ok(rows) => wrong.push(format!("{name}: {question} ({} rows)", rows.len())),
                    Err(why) => wrong.push(format!("{name}: {question} ({why})")),
                }
            }
            println!("{part}/{name}: {right_of_schema} of {of_schema}");
            asked += of_schema;
            right += right_of_schema;
        }
        println!("{part}: {right} of {asked}");
        // Of those set aside only the counts are shown.
        if part == "tuned" {
            println!("{}", wrong.join("\n"));
        }
        if right * 100 < asked * least {
            failed.push(format!("{part}: only {right} of {asked}, fewer than {least} %"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Cells as texts that compare: numbers to two decimals.
fn plain(rows: &[Vec<Cell>]) -> Vec<Vec<String>> {
    let text = |cell: &Cell| match cell {
        Cell::Null => "-".to_owned(),
        Cell::Boolean(truth) => i32::from(*truth).to_string(),
        Cell::Text(text) => text.strip_suffix("T00:00:00Z").unwrap_or(text).to_owned(),
        other => other.as_f64().map_or_else(String::new, |number| {
            format!("{}", (number * 100.0).round() / 100.0 + 0.0)
        }),
    };
    rows.iter().map(|row| row.iter().map(text).collect()).collect()
}

/// Whether some columns of the answer, in some order, hold the expected rows.
fn holds(answer: &[Vec<String>], expected: &[Vec<String>], is_ordered: bool) -> bool {
    if answer.len() != expected.len() {
        return false;
    }
    let (Some(first), Some(wanted)) = (answer.first(), expected.first()) else {
        return true;
    };
    let width = first.len().min(MOST_COLUMNS);
    let column = |rows: &[Vec<String>], at: usize| -> Vec<String> {
        let mut values: Vec<String> = rows.iter().filter_map(|row| row.get(at).cloned()).collect();
        if !is_ordered {
            values.sort();
        }
        values
    };
    // Which columns of the answer could be each of the expected ones, before all of them are tried together.
    let options: Vec<Vec<usize>> = (0..wanted.len())
        .map(|at| {
            let values = column(expected, at);
            (0..width).filter(|other| column(answer, *other) == values).collect()
        })
        .collect();
    let sorted = |mut rows: Vec<Vec<String>>| {
        if !is_ordered {
            rows.sort();
        }
        rows
    };
    let target = sorted(expected.to_vec());
    let mut chosen: Vec<Vec<usize>> = vec![Vec::new()];
    for option in options {
        chosen = chosen
            .iter()
            .flat_map(|so_far| {
                option
                    .iter()
                    .filter(|at| !so_far.contains(at))
                    .map(|at| so_far.iter().copied().chain([*at]).collect::<Vec<_>>())
            })
            .collect();
    }
    chosen.iter().any(|columns| {
        let rows = answer
            .iter()
            .map(|row| columns.iter().filter_map(|at| row.get(*at).cloned()).collect())
            .collect();
        sorted(rows) == target
    })
}

#[test]
fn rows_are_the_same_whatever_stands_beside_them_and_not_otherwise() {
    let rows = |text: &str| -> Vec<Vec<String>> {
        text.split(';')
            .map(|row| row.split(' ').map(str::to_owned).collect())
            .collect()
    };
    assert!(holds(&rows("a 1 x;b 2 y"), &rows("y 2;x 1"), false));
    assert!(!holds(&rows("a 1 x;b 2 y"), &rows("y 2;x 1"), true));
    assert!(!holds(&rows("a 1;b 2"), &rows("a 2;b 1"), false));
    assert!(!holds(&rows("a 1;b 2;c 3"), &rows("a 1;b 2"), false));
    assert!(!holds(&rows("a;b"), &rows("a a;b b"), false));
}
