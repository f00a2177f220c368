//! The questions of the folder `eval`.

use crate::{
    score::{Score, cases},
    support::{TODAY, promoter},
};
use concert_planner::{PlanContext, Planner};

fn score(file: &str) -> Score {
    let world = promoter();
    let planner = Planner::new(&world.catalogue, &world.values);
    let mut score = Score::default();
    for case in cases(file) {
        let context = PlanContext {
            today: TODAY,
            state: &world.state,
            previous: case.after.as_ref(),
        };
        let plan = planner.plan(&case.question, &context);
        score.add(&case, &plan, TODAY);
    }
    score
}

#[test]
fn print_scores() {
    let score = score("tuning.toml");
    println!(
        "{} of {} right, {} sure and wrong, very sure {:?}",
        score.right, score.cases, score.sure_and_wrong, score.very_sure
    );
    for failed in &score.failed {
        println!("{failed}");
    }
    for (tag, (right, all)) in &score.by_tag {
        println!("{tag:12} {right:3} of {all}");
    }
}
