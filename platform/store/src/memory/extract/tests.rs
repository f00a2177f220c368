use super::*;
use serde_json::Value as Json;

/// What a message leaves, as `kind: text`.
fn left(text: &str) -> Vec<String> {
    findings(text)
        .into_iter()
        .map(|finding| {
            if finding.strategy == PREFERENCES {
                let json: Json = serde_json::from_str(&finding.text).expect("a preference is JSON");
                format!("preference: {}", json["preference"].as_str().expect("it has its words"))
            } else {
                format!("fact: {}", finding.text)
            }
        })
        .collect()
}

#[test]
fn sentences_leave_what_their_form_says() {
    for (text, wanted) in [
        (
            "I prefer theaters over arenas.",
            "preference: Prefers theaters over arenas",
        ),
        (
            "Always show revenue in euros",
            "preference: Always show revenue in euros",
        ),
        (
            "please always show revenue in euros!",
            "preference: Always show revenue in euros",
        ),
        ("From now on, never use pie charts.", "preference: Never use pie charts"),
        ("My favourite artist is Björk.", "preference: Favourite artist is Björk"),
        (
            "I don\u{2019}t like long answers.",
            "preference: Does not like long answers",
        ),
        ("Call me Sam.", "preference: Call me Sam"),
        (
            "My venues are the Metro and Schubas.",
            "fact: The user's venues are the Metro and Schubas.",
        ),
        ("my name is Ada", "fact: The user's name is Ada."),
        (
            "I work for Jam Productions in Chicago.",
            "fact: The user works for Jam Productions in Chicago.",
        ),
        (
            "I'm a talent buyer at the Metro.",
            "fact: The user is a talent buyer at the Metro.",
        ),
        (
            "We own 3 clubs in St. Paul.",
            "fact: The user's team owns 3 clubs in St. Paul.",
        ),
        (
            "Our budget is 2.5 million.",
            "fact: The user's team's budget is 2.5 million.",
        ),
        (
            "I book my shows for the Aragon",
            "fact: The user books their shows for the Aragon.",
        ),
        (
            "Remember that the Aragon closes in July.",
            "fact: The Aragon closes in July.",
        ),
    ] {
        assert_eq!(left(text), [wanted], "{text}");
    }
}

#[test]
fn questions_and_requests_leave_nothing() {
    for text in [
        "Which Chicago theaters sold best since March?",
        "Show me revenue by city",
        "Do I prefer theaters?",
        "I'd like to see the top ten artists.",
        "I want ticket sales for 2024.",
        "I'm looking for jazz clubs.",
        "I have a question about revenue.",
        "My question is how sales went.",
        "Thanks.",
        "",
        "...",
        "what are my venues",
        "I think the numbers are wrong.",
        "My",
    ] {
        assert_eq!(left(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_later_sentence_on_the_same_matter_takes_the_place_of_an_earlier_one() {
    assert_eq!(
        left(
            "Always show revenue in euros. Always show revenue in dollars. My venues are Metro. My venues are Schubas."
        ),
        [
            "preference: Always show revenue in dollars",
            "fact: The user's venues are Schubas."
        ]
    );
    assert_eq!(left("I like jazz. I hate jazz."), ["preference: Hates jazz"]);
}

#[test]
fn a_summary_holds_questions_and_the_first_sentence_of_answers() {
    let user = |text| Message {
        is_user: true,
        is_assistant: false,
        text,
    };
    let assistant = |text| Message {
        is_user: false,
        is_assistant: true,
        text,
    };
    let mut topics = Vec::new();
    carry_on(
        &mut topics,
        &[
            user("Which venues sold best in <Chicago>?"),
            assistant("The Metro did. Then Schubas."),
        ],
    );
    carry_on(&mut topics, &[user("And in Berlin?")]);
    carry_on(&mut topics, &[assistant("SO36.")]);
    assert_eq!(
        summary(&topics),
        "<topic name=\"Which venues sold best in &lt;Chicago&gt;\">\nThe user said: Which venues sold best in \
         &lt;Chicago&gt;? The assistant answered: The Metro did.\n</topic>\n<topic name=\"And in Berlin\">\nThe user \
         said: And in Berlin? The assistant answered: SO36.\n</topic>"
    );
    let long = "long ".repeat(1000);
    for _ in 0..50 {
        carry_on(&mut topics, &[user(&long)]);
    }
    assert!(summary(&topics).chars().count() < 16_000);
}
