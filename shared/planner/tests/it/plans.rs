//! What holds for every plan, whatever was asked.

use crate::support::{TODAY, World, band, line, promoter};
use concert_contract::{
    api::CatalogueAnswer,
    compile::{CompileContext, compile},
};
use concert_planner::{Plan, PlanContext, Planner};
use proptest::prelude::*;
use std::sync::LazyLock;

static BAND: LazyLock<World> = LazyLock::new(band);
static PLANNER: LazyLock<Planner<'static>> = LazyLock::new(|| Planner::new(&BAND.catalogue, &BAND.values));

fn plan_for_band(question: &str) -> Plan {
    PLANNER.plan(
        question,
        &PlanContext {
            today: TODAY,
            state: &BAND.state,
            previous: None,
        },
    )
}

fn plan(world: &World, question: &str) -> Plan {
    let context = PlanContext {
        today: TODAY,
        state: &world.state,
        previous: None,
    };
    Planner::new(&world.catalogue, &world.values).plan(question, &context)
}

#[test]
fn every_first_question_and_follow_up_is_understood_when_it_is_asked_in_words() {
    for world in [band(), promoter()] {
        let answer = CatalogueAnswer::build(&world.catalogue, &world.state, world.values.values());
        assert_eq!(answer.questions.len(), 4);
        for question in &answer.questions {
            let planned = plan(&world, &question.label);
            assert_eq!(planned.query.as_ref(), Some(&question.query), "{}", question.label);
            assert!(
                planned.not_understood.is_empty(),
                "{}: {:?}",
                question.label,
                planned.not_understood
            );
            assert!(!planned.follow_ups.is_empty(), "{}", question.label);
            for next in &planned.follow_ups {
                let again = plan(&world, &next.label);
                assert_eq!(
                    again.query.as_ref().map(line),
                    Some(line(&next.query)),
                    "{}",
                    next.label
                );
            }
        }
    }
}

#[test]
fn what_is_known_is_told_and_what_is_not_is_said_back() {
    let planned = plan_for_band("attendance by flavour in 1999");
    assert_eq!(planned.not_understood, ["flavour"]);
    assert!(planned.confidence < 0.9);
    let meanings: Vec<&str> = planned.understood.iter().map(|u| u.meaning.as_str()).collect();
    assert_eq!(meanings, ["period 1999", "metric Attendance"]);
    assert_eq!(planned.title, "Attendance in 1999");
}

#[test]
fn what_is_out_of_scope_gets_no_query_and_an_offer() {
    for question in [
        "What is the weather in Boston?",
        "Tell me a joke",
        "hello",
        "",
        "why did attendance fall in 1998?",
    ] {
        let planned = plan_for_band(question);
        assert_eq!(planned.query, None, "{question}");
        let message = planned.message.expect(question);
        assert!(message.contains("You can ask for concerts"), "{question}: {message}");
        assert_eq!(planned.follow_ups.len(), 4, "{question}");
        assert!(planned.confidence.abs() < f64::EPSILON);
    }
}

#[test]
fn what_the_data_lacks_is_said() {
    let planned = plan_for_band("revenue by year");
    assert_eq!(planned.query, None);
    assert!(
        planned
            .message
            .expect("a message")
            .starts_with("There is no revenue in the data at hand.")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_and_every_query_compiles(text in "\\PC{0,80}") {
        let planned = plan_for_band(&text);
        if let Some(query) = &planned.query {
            let context = CompileContext { today: TODAY, state: &BAND.state, role: None, max_rows: 10, offset: 0 };
            prop_assert!(compile(query, &BAND.catalogue, &context).is_ok());
        }
        prop_assert!((0.0..=1.0).contains(&planned.confidence));
    }

    /// Words of questions in any order: each invented one is said back.
    #[test]
    fn no_content_word_is_dropped(words in prop::collection::vec(prop::sample::select(vec![
        "ten", "best", "attended", "concerts", "in", "1999", "by", "city", "which", "had", "more", "than", "20", "top",
        "not", "Boston", "and", "the", "average", "price", "zorgle", "frumious", "per", "month", "since", "March", "between",
        "most", "fewest", "with", "over", "first", "last", "compare", "year", "at", "9:30", "Club", "five", "outside",
    ]), 0..14)) {
        let planned = plan_for_band(&words.join(" "));
        for invented in ["zorgle", "frumious"] {
            let asked = words.iter().filter(|word| **word == invented).count();
            let told = planned.not_understood.iter().filter(|word| *word == invented).count();
            prop_assert_eq!(asked, told);
        }
        // Every other word is linked, said back, or one of those that only shape a sentence.
        let told: Vec<String> = planned
            .understood
            .iter()
            .flat_map(|u| u.words.split(' '))
            .chain(planned.not_understood.iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        for word in ["1999", "Boston", "20", "ten", "five", "price", "attended"] {
            if words.contains(&word) {
                prop_assert!(told.iter().any(|t| t == word), "{} of {:?} in {:?}", word, words, told);
            }
        }
    }
}

#[test]
fn a_name_of_two_things_is_asked_back_unless_the_sentence_tells_them_apart() {
    let mut world = promoter();
    let mut values = world.values.values().to_vec();
    values.push(concert_contract::catalogue::CatalogueValue {
        dimension: "artist".to_owned(),
        value: "Paradise".to_owned(),
        label: "Paradise".to_owned(),
        weight: 90,
        sounds_like: None,
    });
    world.values = concert_planner::ValueIndex::new(values);
    let asked = plan(&world, "Paradise revenue");
    let clarify = asked.clarify.expect("a question back");
    assert!(asked.query.is_none());
    let choices: Vec<String> = clarify.choices.iter().map(|choice| line(&choice.query)).collect();
    assert_eq!(choices, ["revenue | venue = Paradise", "revenue | artist = Paradise"]);
    for (question, expected) in [
        ("revenue at Paradise", "revenue | venue = Paradise"),
        ("revenue of the artist Paradise", "revenue | artist = Paradise"),
    ] {
        let told = plan(&world, question);
        assert_eq!(told.query.as_ref().map(line).as_deref(), Some(expected), "{question}");
    }
}
