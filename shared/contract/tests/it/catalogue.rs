use crate::support;
use concert_contract::{
    api::{CatalogueAnswer, DataState},
    catalogue::{CONCERT_DW, Catalogue, CatalogueValue},
    compile::{CompileContext, compile, suggest},
};

#[test]
fn the_catalogue_of_concert_dw_is_whole() {
    let catalogue = support::catalogue();
    for name in ["concerts", "attendance", "revenue", "average_price"] {
        assert!(catalogue.metric(name).is_some(), "{name}");
    }
    for name in [
        "artist", "venue", "city", "state", "country", "genre", "year", "quarter", "month", "weekday", "concert",
    ] {
        assert!(catalogue.dimension(name).is_some(), "{name}");
    }
    assert_eq!(
        catalogue.currency_dimension().map(|d| d.name.as_str()),
        Some("currency")
    );
}

#[test]
fn everything_wrong_with_a_catalogue_is_said_at_once_with_its_line() {
    let broken = CONCERT_DW
        .replace(
            "of = \"concerts.total_attendance\"\n\n[[metrics]]\nname = \"revenue\"",
            "of = \"concerts.crowd\"\n\n[[metrics]]\nname = \"concerts\"",
        )
        .replace("from = \"concerts.artist_id\"", "from = \"gigs.artist_id\"")
        .replace(
            "of = \"ticket_sales.quantity\"",
            "of = \"ticket_sales.quantity; DROP TABLE x\"",
        )
        .replace("shows = [\"city\"]", "shows = [\"planet\"]");
    let error = Catalogue::from_toml(&broken).expect_err("it is broken");
    let text = error.to_string();
    for expected in [
        "join 1: the table of gigs.artist_id is not in the catalogue",
        "metric attendance: the table concerts lists no column crowd",
        "the name is taken by metric concerts",
        "expected an operator or the end at character 22",
        "dimension venue: it shows the dimension \"planet\", which is not here",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in {text}");
    }
    let problem = error
        .problems
        .iter()
        .find(|p| p.entry == "dimension venue")
        .expect("the problem of the venue");
    let at = broken
        .lines()
        .position(|line| line == "shows = [\"planet\"]")
        .map(|at| at + 1);
    assert_eq!((problem.line, problem.column), (at, Some(11)), "{problem}");
}

#[test]
fn text_that_is_no_catalogue_is_refused_with_its_line() {
    let error = Catalogue::from_toml("version = \"1\"\nschema = \"s\"\ncolour = 3\n").expect_err("unknown field");
    assert_eq!(error.problems[0].line, Some(3), "{error}");
    assert!(Catalogue::from_toml("version = ").is_err());
    assert!(Catalogue::from_toml("").is_err());
}

fn value(dimension: &str, value: &str, weight: i64) -> CatalogueValue {
    CatalogueValue {
        dimension: dimension.to_owned(),
        value: value.to_owned(),
        label: value.to_owned(),
        weight,
        sounds_like: None,
    }
}

#[test]
fn only_what_the_data_holds_is_offered_and_every_first_question_compiles() {
    let catalogue = support::catalogue();
    let values = [
        value("city", "Washington", 67),
        value("city", "Boston", 5),
        value("venue", "Fort Reno", 13),
        value("venue", "Roxy", 6),
        value("artist", "Fugazi", 1049),
    ];
    for (state, has_genre) in [(support::full(), true), (support::sparse(), false)] {
        let answer = CatalogueAnswer::build(&catalogue, &state, &values);
        assert_eq!(answer.dimensions.iter().any(|d| d.name == "genre"), has_genre);
        assert_eq!(answer.metrics.iter().any(|m| m.name == "revenue"), has_genre);
        assert_eq!(answer.questions.len(), 4);
        for question in &answer.questions {
            let context = CompileContext {
                today: support::TODAY,
                state: &state,
                role: None,
                max_rows: 10,
                offset: 0,
            };
            compile(&question.query, &catalogue, &context).unwrap_or_else(|e| panic!("{}: {e}", question.label));
        }
    }
    let labels: Vec<String> = CatalogueAnswer::build(&catalogue, &support::sparse(), &values)
        .questions
        .into_iter()
        .map(|q| q.label)
        .collect();
    assert_eq!(
        labels,
        [
            "Top 10 concerts by attendance",
            "Attendance by year",
            "Top 10 venues by concerts in Washington",
            "Concerts by weekday"
        ]
    );
    assert!(
        CatalogueAnswer::build(&catalogue, &DataState::default(), &[])
            .questions
            .is_empty()
    );
}

#[test]
fn a_few_letters_find_values_by_prefix_then_word_then_spelling() {
    let values = [
        value("city", "Washington", 67),
        value("venue", "Fort Washington", 90),
        value("city", "Wichita", 3),
        value("city", "Boston", 9),
    ];
    let names = |text: &str, dimension: Option<&str>| -> Vec<String> {
        suggest(&values, text, dimension, 10)
            .into_iter()
            .map(|v| v.value)
            .collect()
    };
    assert_eq!(names("wash", None), ["Washington", "Fort Washington"]);
    assert_eq!(names("wash", Some("venue")), ["Fort Washington"]);
    assert_eq!(names("washingtn", Some("city")), ["Washington"]);
    assert_eq!(names("", Some("city")), ["Washington", "Boston", "Wichita"]);
    assert!(names("zzz", None).is_empty());
}
