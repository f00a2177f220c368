//! Scores the planner on the questions of `eval`, by tag, with the wrong answers that it was sure of, and says how long
//! a question takes: with the values of the tests, and with 100,000 names. `cargo xtask bench planner` runs it.
//!
//! Given the paths of other files, it scores those instead, and prints each question that was not answered right and
//! each expected query that does not compile.

#[path = "../eval/score.rs"]
mod score;
#[path = "../tests/it/support.rs"]
#[allow(dead_code, reason = "the tests use the other worlds too")]
mod support;

use concert_contract::{
    catalogue::CatalogueValue,
    compile::{CompileContext, compile},
};
use concert_planner::{PlanContext, Planner, ValueIndex};
use score::{Score, cases};
use std::time::{Duration, Instant};
use support::{TODAY, World, promoter};

const NAMES: usize = 100_000;

fn main() {
    let world = promoter();
    let given: Vec<String> = std::env::args().skip(1).collect();
    if !given.is_empty() {
        for file in &given {
            // `cases` reads a relative path from the folder `eval`.
            let path = std::path::absolute(file).unwrap_or_else(|error| panic!("{file}: {error}"));
            let path = path.display().to_string();
            let (score, times) = run(&world, &path);
            tell_score(file, &score);
            tell("values of the tests", times);
            for failed in &score.failed {
                println!("  not right: {failed}");
            }
            tell_invalid(&world, &path);
        }
        return;
    }
    for file in ["tuning.toml", "held_out.toml", "held_out_2.toml", "held_out_3.toml"] {
        let (score, times) = run(&world, file);
        tell_score(file, &score);
        // What is set aside stays unread: its questions are counted only.
        if !matches!(file, "held_out_2.toml" | "held_out_3.toml") {
            for wrong in &score.sure_and_wrong {
                println!("  sure and wrong: {wrong}");
            }
        }
        tell("values of the tests", times);
    }
    let world = with_names(world);
    tell("100,000 names", run(&world, "tuning.toml").1);
}

fn tell_score(file: &str, score: &Score) {
    println!(
        "{file}: {} of {} right ({:.1} %), {} sure and wrong, of {} answers with a confidence of at least 0.9 {} right",
        score.right,
        score.cases,
        100.0 * score.right as f64 / score.cases.max(1) as f64,
        score.sure_and_wrong.len(),
        score.very_sure.1,
        score.very_sure.0,
    );
    for (tag, (right, all)) in &score.by_tag {
        println!("  {tag:12} {right:3} of {all:3}");
    }
}

/// A question whose expected query the data cannot answer says nothing about the planner.
fn tell_invalid(world: &World, file: &str) {
    let context = CompileContext {
        today: TODAY,
        state: &world.state,
        role: None,
        max_rows: 1,
        offset: 0,
    };
    for case in cases(file) {
        for query in case.after.iter().chain(&case.expected) {
            if let Err(error) = compile(query, &world.catalogue, &context) {
                println!(
                    "  does not compile: {}\n    {}: {error}",
                    case.question,
                    query.to_compact()
                );
            }
        }
    }
}

fn run(world: &World, file: &str) -> (Score, Vec<Duration>) {
    let planner = Planner::new(&world.catalogue, &world.values);
    let mut score = Score::default();
    let mut times = Vec::new();
    for case in cases(file) {
        let context = PlanContext {
            today: TODAY,
            state: &world.state,
            previous: case.after.as_ref(),
        };
        let begun = Instant::now();
        let plan = planner.plan(&case.question, &context);
        times.push(begun.elapsed());
        score.add(&case, &plan, TODAY);
    }
    (score, times)
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| {
        times
            .get(((times.len() - 1) as f64 * share) as usize)
            .map_or(0.0, |t| t.as_secs_f64() * 1e3)
    };
    println!(
        "  {what}: a question takes {:.2} ms (median), {:.2} ms (95 %), {:.2} ms (most)",
        at(0.5),
        at(0.95),
        at(1.0)
    );
}

/// Made names of two or three words, so that many share a word and many are spelt alike.
fn with_names(mut world: World) -> World {
    const FIRST: [&str; 20] = [
        "Silver", "Iron", "Paper", "Golden", "Broken", "Electric", "Quiet", "Northern", "Velvet", "Burning", "Hollow",
        "Crystal", "Midnight", "Wild", "Lonely", "Scarlet", "Distant", "Royal", "Secret", "Winter",
    ];
    const SECOND: [&str; 20] = [
        "Lakes", "Meadow", "Kites", "Hearts", "Machines", "Rivers", "Foxes", "Giants", "Mirrors", "Lights", "Horses",
        "Gardens", "Echoes", "Wolves", "Harbors", "Signals", "Ghosts", "Avenues", "Letters", "Parade",
    ];
    let mut values = world.values.values().to_vec();
    for at in 0..NAMES {
        let name = format!("{} {} {at}", FIRST[at % 20], SECOND[at / 20 % 20]);
        values.push(CatalogueValue {
            dimension: if at % 2 == 0 { "artist" } else { "venue" }.to_owned(),
            label: name.clone(),
            value: name,
            weight: 1,
            sounds_like: None,
        });
    }
    world.values = ValueIndex::new(values);
    world
}
