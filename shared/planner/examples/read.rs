//! Prints how questions are read: the query on one line, the confidence, the words that were used and how, and the words
//! that were not. Questions come from standard input, one on each line; `> ` goes on from the one before, `failed FILE`
//! as an argument shows the wrong ones of a file of `eval` instead. `words` prints how each word was used, `json` an object
//! for each question, `band` asks of the other data.

#[path = "../eval/score.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod score;
#[path = "../tests/it/support.rs"]
#[allow(dead_code, reason = "the tests use the other worlds too")]
mod support;

use concert_contract::query::Query;
use concert_planner::{Plan, PlanContext, Planner};
use score::{Score, cases};
use std::io::BufRead;
use support::{TODAY, World, band, line, promoter};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let world = if arguments.iter().any(|word| word == "band") {
        band()
    } else {
        promoter()
    };
    if let [first, file, ..] = arguments.as_slice()
        && first == "failed"
    {
        failed(&world, file);
        return;
    }
    let planner = Planner::new(&world.catalogue, &world.values);
    let mut previous: Option<Query> = None;
    for question in std::io::stdin().lock().lines().map_while(Result::ok) {
        if question.trim().is_empty() || question.starts_with('#') {
            continue;
        }
        let next = question.strip_prefix("> ");
        let begun = std::time::Instant::now();
        let plan = plan(
            &planner,
            &world,
            next.unwrap_or(&question),
            previous.as_ref().filter(|_| next.is_some()),
        );
        if arguments.iter().any(|word| word == "time") {
            print!("{:7.2} ms ", begun.elapsed().as_secs_f64() * 1e3);
        }
        if arguments.iter().any(|word| word == "json") {
            let query = plan.query.as_ref().and_then(|query| serde_json::to_value(query).ok());
            let after = previous
                .as_ref()
                .filter(|_| next.is_some())
                .and_then(|query| serde_json::to_value(query).ok());
            let line = serde_json::json!({
                "question": next.unwrap_or(&question),
                "after": after,
                "query": query,
                "confidence": plan.confidence,
                "not_understood": plan.not_understood,
            });
            println!("{line}");
        } else {
            println!("{question}");
            tell(&plan, arguments.iter().any(|word| word == "words"));
        }
        previous = plan.query.or(previous.filter(|_| next.is_some()));
    }
}

fn plan(planner: &Planner<'_>, world: &World, question: &str, previous: Option<&Query>) -> Plan {
    let context = PlanContext {
        today: TODAY,
        state: &world.state,
        previous,
    };
    planner.plan(question, &context)
}

fn tell(plan: &Plan, with_words: bool) {
    match (&plan.query, &plan.clarify, &plan.message) {
        (Some(query), ..) => println!("    {:.2} {}", plan.confidence, line(query)),
        (None, Some(clarify), _) => {
            let choices: Vec<&str> = clarify.choices.iter().map(|choice| choice.label.as_str()).collect();
            println!("    ?? {} {}", clarify.question, choices.join(" / "));
        }
        (None, None, message) => println!("    !! {}", message.as_deref().unwrap_or_default()),
    }
    if !plan.not_understood.is_empty() {
        println!("    not understood: {}", plan.not_understood.join(", "));
    }
    if with_words {
        for understood in &plan.understood {
            println!("      {} → {}", understood.words, understood.meaning);
        }
    }
}

fn failed(world: &World, file: &str) {
    let planner = Planner::new(&world.catalogue, &world.values);
    let mut score = Score::default();
    for case in cases(file) {
        let plan = plan(&planner, world, &case.question, case.after.as_ref());
        let before = score.failed.len();
        score.add(&case, &plan, TODAY);
        if score.failed.len() > before {
            println!("{} [{}]", case.question, case.tags.join(" "));
            tell(&plan, false);
            for expected in &case.expected {
                println!("    should be {}", line(expected));
            }
            if case.refuse {
                println!("    should be refused, saying back {:?}", case.unknown);
            }
        }
    }
    println!("{} of {}", score.right, score.cases);
}
