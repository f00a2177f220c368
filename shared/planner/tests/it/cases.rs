//! Questions and what they are planned as, one table for each set of values. A block is the question, then `=>` and
//! the query on one line (or `!!` and the reason why there is none), then `??` and the words that were not understood.
//! `UPDATE_CASES=1 cargo test -p concert-planner` writes the tables anew; read the difference before keeping it.

use crate::support::{TODAY, World, bakery, band, college, line, promoter};
use concert_planner::{PlanContext, Planner};
use std::{fmt::Write, path::Path};

fn check(name: &str, world: &World) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases").join(name);
    let table = std::fs::read_to_string(&path).expect("the table of cases is there");
    let planner = Planner::new(&world.catalogue, &world.values);
    let mut written = String::new();
    let mut previous = None;
    let mut wrong = Vec::new();
    for block in table.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let question = block.lines().next().unwrap_or_default();
        if question.starts_with('#') {
            let _ = write!(written, "{block}\n\n");
            continue;
        }
        // A question that begins with ">" goes on from the one before.
        let asked = question.strip_prefix("> ");
        let context = PlanContext {
            today: TODAY,
            state: &world.state,
            previous: previous.as_ref().filter(|_| asked.is_some()),
        };
        let plan = planner.plan(asked.unwrap_or(question), &context);
        let mut actual = format!("{question}\n");
        match (&plan.query, &plan.message) {
            (Some(query), _) => {
                let _ = write!(actual, "  => {}", line(query));
            }
            (None, message) => {
                let first = message
                    .as_deref()
                    .unwrap_or_default()
                    .split(". ")
                    .next()
                    .unwrap_or_default();
                let _ = write!(actual, "  !! {}", first.trim_end_matches('.'));
            }
        }
        if !plan.not_understood.is_empty() {
            let _ = write!(actual, "\n  ?? {}", plan.not_understood.join(" "));
        }
        if actual != block {
            wrong.push(format!("expected\n{block}\nplanned\n{actual}"));
        }
        let _ = write!(written, "{actual}\n\n");
        previous = plan.query;
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, format!("{}\n", written.trim_end())).expect("the table can be written");
        return;
    }
    assert!(
        wrong.is_empty(),
        "{} of {name} differ:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn questions_about_one_band_become_queries() {
    check("band.txt", &band());
}

#[test]
fn questions_about_a_season_of_many_artists_become_queries() {
    check("promoter.txt", &promoter());
}

#[test]
fn questions_over_another_catalogue_become_queries() {
    check("bakery.txt", &bakery());
}

#[test]
fn questions_for_things_become_queries() {
    check("college.txt", &college());
}
