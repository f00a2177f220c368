//! Memory: events, branches, pages, and what is remembered of them.

use crate::support::{NOW_MS, TestClock};
use concert_store::{
    Store,
    memory::{FACTS, Memory, MemoryError, PREFERENCES, Reason, SUMMARIES},
};
use serde_json::{Value as Json, json};

const MEMORY: &str = "concert-localmem01";

fn memory() -> (Memory, TestClock) {
    let clock = TestClock::new();
    let store = Store::in_memory(clock.clock()).expect("a store in memory opens");
    (Memory::new(store, vec![MEMORY.to_owned()]), clock)
}

fn with(base: Json, more: Json) -> Json {
    let mut out = base;
    for (name, value) in more.as_object().expect("an object") {
        out[name] = value.clone();
    }
    out
}

fn ok(memory: &Memory, operation: &str, more: Json) -> Json {
    let request = with(json!({"memoryId": MEMORY}), more);
    memory
        .call(operation, &request)
        .unwrap_or_else(|error| panic!("{operation} {request}: {error}"))
}

fn failed(memory: &Memory, operation: &str, more: Json) -> MemoryError {
    let request = with(json!({"memoryId": MEMORY}), more);
    match memory.call(operation, &request) {
        Ok(answer) => panic!("{operation} {request} was not refused: {answer}"),
        Err(error) => error,
    }
}

fn reason(error: MemoryError) -> Reason {
    match error {
        MemoryError::Validation { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

fn said(role: &str, text: &str) -> Json {
    json!({"conversational": {"role": role, "content": {"text": text}}})
}

fn tell(memory: &Memory, actor: &str, session: &str, second: i64, payload: Vec<Json>) -> String {
    let answer = ok(
        memory,
        "CreateEvent",
        json!({
            "actorId": actor, "sessionId": session, "eventTimestamp": NOW_MS / 1000 + second, "payload": payload,
        }),
    );
    answer["event"]["eventId"].as_str().expect("an id").to_owned()
}

fn events(memory: &Memory, more: Json) -> Vec<String> {
    let answer = ok(
        memory,
        "ListEvents",
        with(json!({"actorId": "ada", "sessionId": "one"}), more),
    );
    answer["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["eventId"].as_str().expect("an id").to_owned())
        .collect()
}

fn texts(answer: &Json) -> Vec<String> {
    answer["memoryRecordSummaries"]
        .as_array()
        .expect("records")
        .iter()
        .map(|record| record["content"]["text"].as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn events_are_listed_newest_first_and_read_and_deleted() {
    let (memory, _) = memory();
    let ids: Vec<String> = (0..5)
        .map(|n| tell(&memory, "ada", "one", n, vec![said("USER", &format!("number {n}"))]))
        .collect();
    let mut newest_first = ids.clone();
    newest_first.reverse();
    assert_eq!(events(&memory, json!({})), newest_first);
    let event = ok(
        &memory,
        "GetEvent",
        json!({"actorId": "ada", "sessionId": "one", "eventId": ids[2]}),
    );
    assert_eq!(event["event"]["payload"], json!([said("USER", "number 2")]));
    assert_eq!(event["event"]["branch"], json!({"name": "main"}));
    assert_eq!(event["event"]["eventTimestamp"], json!((NOW_MS / 1000 + 2) as f64));
    let bare = ok(
        &memory,
        "ListEvents",
        json!({"actorId": "ada", "sessionId": "one", "includePayloads": false}),
    );
    assert_eq!(bare["events"][0]["payload"], json!([]));
    let first = ok(
        &memory,
        "ListEvents",
        json!({"actorId": "ada", "sessionId": "one", "maxResults": 2}),
    );
    // What was listed may be deleted before the next page.
    for event in first["events"].as_array().expect("events") {
        ok(
            &memory,
            "DeleteEvent",
            json!({"actorId": "ada", "sessionId": "one", "eventId": event["eventId"]}),
        );
    }
    let rest = events(&memory, json!({"nextToken": first["nextToken"]}));
    assert_eq!(rest, newest_first[2..]);
    assert!(matches!(
        failed(
            &memory,
            "GetEvent",
            json!({"actorId": "ada", "sessionId": "one", "eventId": newest_first[0]})
        ),
        MemoryError::NotFound(_)
    ));
}

#[test]
fn other_memories_and_sessions_are_not_found() {
    let (memory, _) = memory();
    tell(&memory, "ada", "one", 0, vec![said("USER", "hello")]);
    let error = memory.call("ListActors", &json!({"memoryId": "another-aaaaaaaaaa"}));
    assert!(matches!(error, Err(MemoryError::NotFound(message)) if message == "Memory not found: another-aaaaaaaaaa"));
    assert!(matches!(
        failed(&memory, "ListEvents", json!({"actorId": "ada", "sessionId": "two"})),
        MemoryError::NotFound(_)
    ));
    assert!(matches!(
        failed(&memory, "ListEvents", json!({"actorId": "eve", "sessionId": "one"})),
        MemoryError::NotFound(_)
    ));
}

#[test]
fn sessions_and_actors_are_listed_in_pages() {
    let (memory, clock) = memory();
    for (actor, session) in [("ada", "one"), ("ada", "two"), ("bob", "three"), ("ada", "four")] {
        tell(&memory, actor, session, 0, vec![said("USER", "hello")]);
        clock.advance_seconds(1);
    }
    let sessions = |more: Json| -> Vec<String> {
        ok(&memory, "ListSessions", with(json!({"actorId": "ada"}), more))["sessionSummaries"]
            .as_array()
            .expect("sessions")
            .iter()
            .map(|session| session["sessionId"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(sessions(json!({})), ["four", "two", "one"]);
    let first = ok(&memory, "ListSessions", json!({"actorId": "ada", "maxResults": 2}));
    assert_eq!(
        sessions(json!({"maxResults": 2, "nextToken": first["nextToken"]})),
        ["one"]
    );
    assert_eq!(
        ok(&memory, "ListActors", json!({}))["actorSummaries"],
        json!([{"actorId": "ada"}, {"actorId": "bob"}])
    );
    let id = events(&memory, json!({}));
    ok(
        &memory,
        "DeleteEvent",
        json!({"actorId": "ada", "sessionId": "one", "eventId": id[0]}),
    );
    assert_eq!(
        sessions(json!({"filter": {"eventFilter": "HAS_EVENTS"}})),
        ["four", "two"]
    );
}

#[test]
fn branches_grow_out_of_events() {
    let (memory, _) = memory();
    let main: Vec<String> = (0..3)
        .map(|n| tell(&memory, "ada", "one", n, vec![said("USER", "main")]))
        .collect();
    let branch = |second: i64, branch: Json| {
        json!({
            "actorId": "ada", "sessionId": "one", "eventTimestamp": NOW_MS / 1000 + second, "payload": [said("USER", "edited")], "branch": branch,
        })
    };
    let refused = failed(&memory, "CreateEvent", branch(10, json!({"name": "edit"})));
    assert!(refused.to_string().contains("rootEventId"), "{refused}");
    failed(
        &memory,
        "CreateEvent",
        branch(10, json!({"name": "edit", "rootEventId": "0000000000000001#aaaaaaaa"})),
    );
    let id = |answer: Json| answer["event"]["eventId"].as_str().expect("an id").to_owned();
    let one = id(ok(
        &memory,
        "CreateEvent",
        branch(10, json!({"name": "edit", "rootEventId": main[1]})),
    ));
    let two = id(ok(&memory, "CreateEvent", branch(11, json!({"name": "edit"}))));
    let deep = id(ok(
        &memory,
        "CreateEvent",
        branch(12, json!({"name": "deeper", "rootEventId": one})),
    ));
    failed(
        &memory,
        "CreateEvent",
        branch(13, json!({"name": "edit", "rootEventId": main[0]})),
    );
    let of = |name: &str, parents: bool| {
        events(
            &memory,
            json!({"filter": {"branch": {"name": name, "includeParentBranches": parents}}}),
        )
    };
    assert_eq!(of("main", false), [main[2].clone(), main[1].clone(), main[0].clone()]);
    assert_eq!(of("edit", false), [two.clone(), one.clone()]);
    assert_eq!(of("edit", true), [two, one.clone(), main[1].clone(), main[0].clone()]);
    assert_eq!(of("deeper", true), [deep, one, main[1].clone(), main[0].clone()]);
    assert_eq!(events(&memory, json!({})).len(), 6);
}

#[test]
fn metadata_filters_events() {
    let (memory, _) = memory();
    for (second, kind) in [(0, "a"), (1, "b")] {
        ok(
            &memory,
            "CreateEvent",
            json!({
                "actorId": "ada", "sessionId": "one", "eventTimestamp": NOW_MS / 1000 + second, "payload": [{"blob": {"any": 1}}],
                "metadata": {"kind": {"stringValue": kind}},
            }),
        );
    }
    let found = |filter: Json| events(&memory, json!({"filter": {"eventMetadata": [filter]}})).len();
    let left = json!({"metadataKey": "kind"});
    assert_eq!(
        found(json!({"left": left, "operator": "EQUALS_TO", "right": {"metadataValue": {"stringValue": "a"}}})),
        1
    );
    assert_eq!(found(json!({"left": left, "operator": "EXISTS"})), 2);
    assert_eq!(
        found(json!({"left": {"metadataKey": "none"}, "operator": "NOT_EXISTS"})),
        2
    );
    reason(failed(
        &memory,
        "ListEvents",
        json!({"actorId": "ada", "sessionId": "one", "filter": {"eventMetadata": [{"left": left, "operator": "LIKE"}]}}),
    ));
}

#[test]
fn a_token_makes_an_event_once() {
    let (memory, clock) = memory();
    let request = |text: &str| {
        json!({
            "actorId": "ada", "sessionId": "one", "eventTimestamp": NOW_MS / 1000, "payload": [said("USER", text)], "clientToken": "token",
        })
    };
    let first = ok(&memory, "CreateEvent", request("hello"));
    assert_eq!(ok(&memory, "CreateEvent", request("hello")), first);
    assert_eq!(
        reason(failed(&memory, "CreateEvent", request("other"))),
        Reason::IdempotentParameterMismatch
    );
    clock.advance_seconds(25 * 3600);
    ok(&memory, "CreateEvent", request("other"));
    assert_eq!(events(&memory, json!({})).len(), 2);
}

#[test]
fn what_breaks_a_form_is_refused() {
    let (memory, _) = memory();
    let good = json!({"actorId": "ada", "sessionId": "one", "eventTimestamp": 1, "payload": []});
    for (change, wanted) in [
        (json!({"actorId": "-ada"}), Reason::FieldValidationFailed),
        (json!({"actorId": ""}), Reason::FieldValidationFailed),
        (json!({"sessionId": "a b"}), Reason::FieldValidationFailed),
        (json!({"sessionId": "x".repeat(101)}), Reason::FieldValidationFailed),
        (json!({"eventTimestamp": "now"}), Reason::FieldValidationFailed),
        (json!({"eventTimestamp": 1e300}), Reason::FieldValidationFailed),
        (json!({"payload": {}}), Reason::CannotParse),
        (json!({"payload": [{}]}), Reason::FieldValidationFailed),
        (json!({"payload": [said("KING", "x")]}), Reason::FieldValidationFailed),
        (json!({"payload": [said("USER", "")]}), Reason::FieldValidationFailed),
        (
            json!({"payload": vec![said("USER", "x"); 101]}),
            Reason::FieldValidationFailed,
        ),
        (
            json!({"metadata": {"a": {"stringValue": "ü"}}}),
            Reason::FieldValidationFailed,
        ),
        (json!({"branch": {"name": "a b"}}), Reason::FieldValidationFailed),
    ] {
        assert_eq!(
            reason(failed(&memory, "CreateEvent", with(good.clone(), change.clone()))),
            wanted,
            "{change}"
        );
    }
    tell(&memory, "ada", "one", 0, vec![]);
    for more in [
        json!({"maxResults": 0}),
        json!({"maxResults": 101}),
        json!({"nextToken": "?"}),
    ] {
        reason(failed(
            &memory,
            "ListEvents",
            with(json!({"actorId": "ada", "sessionId": "one"}), more),
        ));
    }
}

#[test]
fn what_is_said_becomes_records_in_the_strategies_namespaces() {
    let (memory, clock) = memory();
    tell(
        &memory,
        "ada",
        "one",
        0,
        vec![
            said(
                "USER",
                "My venues are the Metro and Schubas. Always show revenue in euros. Which sold best?",
            ),
            said("ASSISTANT", "The Metro sold best. I prefer it too."),
        ],
    );
    let list = |strategy: &str, namespace: &str| {
        ok(
            &memory,
            "ListMemoryRecords",
            json!({"namespace": namespace, "memoryStrategyId": strategy}),
        )
    };
    let facts = list(FACTS.id, "/strategies/facts-localfacts/actors/ada");
    assert_eq!(texts(&facts), ["The user's venues are the Metro and Schubas."]);
    let preferences = texts(&list(PREFERENCES.id, "/strategies/"));
    let preference: Json = serde_json::from_str(&preferences[0]).expect("it is JSON");
    assert_eq!(preferences.len(), 1);
    assert_eq!(preference["preference"], "Always show revenue in euros");
    assert_eq!(preference["categories"], json!(["display", "currency"]));
    let summaries = list(SUMMARIES.id, "/strategies/summaries-localsumms/actors/ada/sessions/one");
    assert!(texts(&summaries)[0].contains("The assistant answered: The Metro sold best."));
    // Said again and otherwise: the record changes and stays one.
    clock.advance_seconds(60);
    tell(
        &memory,
        "ada",
        "two",
        60,
        vec![said("USER", "always show revenue in dollars")],
    );
    let again = list(PREFERENCES.id, "/");
    assert_eq!(texts(&again).len(), 1);
    assert!(texts(&again)[0].contains("dollars"));
    assert_eq!(
        list(SUMMARIES.id, "/")["memoryRecordSummaries"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    // Nobody else's.
    assert_eq!(
        texts(&list(PREFERENCES.id, "/strategies/preferences-localprefs/actors/bob")),
        Vec::<String>::new()
    );
    let by_path = |path: &str| texts(&ok(&memory, "ListMemoryRecords", json!({"namespacePath": path}))).len();
    assert_eq!(
        (
            by_path("/strategies"),
            by_path("/strategies/facts-localfacts/actors/ada/"),
            by_path("/strategies/facts-localfacts/actors/a")
        ),
        (4, 1, 0)
    );
    reason(failed(&memory, "ListMemoryRecords", json!({})));
}

#[test]
fn records_are_found_by_words_and_recency() {
    let (memory, clock) = memory();
    let record = |n: usize, text: &str| {
        json!({
            "requestIdentifier": format!("r{n}"), "namespaces": ["/notes/ada"], "content": {"text": text}, "timestamp": NOW_MS / 1000,
        })
    };
    let all = [
        "Likes jazz clubs in Chicago.",
        "Books rock shows.",
        "Wants revenue in euros.",
        "Works in Chicago.",
    ];
    let records: Vec<Json> = all.iter().enumerate().map(|(n, text)| record(n, text)).collect();
    let made = ok(&memory, "BatchCreateMemoryRecords", json!({"records": records}));
    assert_eq!(made["failedRecords"], json!([]));
    assert_eq!(made["successfulRecords"][1]["requestIdentifier"], "r1");
    let retrieve = |query: &str, more: Json| {
        ok(
            &memory,
            "RetrieveMemoryRecords",
            with(
                json!({"namespace": "/notes/ada", "searchCriteria": {"searchQuery": query}}),
                more,
            ),
        )
    };
    let found = retrieve("Which jazz club in Chicago?", json!({}));
    assert_eq!(
        texts(&found)[..2],
        ["Likes jazz clubs in Chicago.", "Works in Chicago."]
    );
    let scores: Vec<f64> = found["memoryRecordSummaries"]
        .as_array()
        .expect("records")
        .iter()
        .map(|record| record["score"].as_f64().expect("a score"))
        .collect();
    assert!(
        scores.is_sorted_by(|one, two| one >= two) && scores[0] < 1.0 && scores[3] > 0.0,
        "{scores:?}"
    );
    let top = retrieve(
        "chicago",
        json!({"searchCriteria": {"searchQuery": "chicago", "topK": 3}, "maxResults": 2}),
    );
    assert_eq!(texts(&top).len(), 2);
    let rest = retrieve(
        "chicago",
        json!({"searchCriteria": {"searchQuery": "chicago", "topK": 3}, "maxResults": 2, "nextToken": top["nextToken"]}),
    );
    assert_eq!((texts(&rest).len(), rest.get("nextToken")), (1, None));
    clock.advance_seconds(86_400 * 40);
    let id = made["successfulRecords"][3]["memoryRecordId"].clone();
    ok(
        &memory,
        "BatchUpdateMemoryRecords",
        json!({"records": [{"memoryRecordId": id, "timestamp": NOW_MS / 1000 + 86_400 * 40}]}),
    );
    // Both hold one word of the query once; the one said lately comes first, the shorter text aside.
    assert_eq!(texts(&retrieve("Chicago", json!({})))[0], "Works in Chicago.");
    reason(failed(
        &memory,
        "RetrieveMemoryRecords",
        json!({"namespace": "/notes/ada"}),
    ));
    reason(failed(
        &memory,
        "RetrieveMemoryRecords",
        json!({"namespace": "/n", "searchCriteria": {"searchQuery": ""}}),
    ));
}

#[test]
fn records_are_made_changed_and_deleted_one_by_one_in_a_batch() {
    let (memory, _) = memory();
    let good = json!({"requestIdentifier": "good", "namespaces": ["/notes"], "content": {"text": "kept"}, "timestamp": 1,
        "metadata": {"stars": {"numberValue": 4}, "tags": {"stringListValue": ["x", "y"]}}});
    let bad = json!({"requestIdentifier": "bad", "namespaces": ["/one", "/two"], "content": {"text": "lost"}, "timestamp": 1});
    let token = json!({"records": [good, bad], "clientToken": "once"});
    let made = ok(&memory, "BatchCreateMemoryRecords", token.clone());
    assert_eq!(made["failedRecords"][0]["requestIdentifier"], "bad");
    assert_eq!(made["failedRecords"][0]["errorCode"], 400);
    assert_eq!(ok(&memory, "BatchCreateMemoryRecords", token), made);
    let id = made["successfulRecords"][0]["memoryRecordId"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!((40..=50).contains(&id.len()) && id.starts_with("mem-"));
    let filtered = |filter: Json| {
        texts(&ok(
            &memory,
            "ListMemoryRecords",
            json!({"namespace": "/notes", "metadataFilters": [filter]}),
        ))
        .len()
    };
    let number = |operator: &str, value: i64| json!({"left": {"metadataKey": "stars"}, "operator": operator, "right": {"metadataValue": {"numberValue": value}}});
    assert_eq!(
        (
            filtered(number("GREATER_THAN", 3)),
            filtered(number("LESS_THAN", 4)),
            filtered(number("EQUALS_TO", 4))
        ),
        (1, 0, 1)
    );
    let changed = ok(
        &memory,
        "BatchUpdateMemoryRecords",
        json!({"records": [
            {"memoryRecordId": id, "timestamp": 2, "content": {"text": "changed"}}, {"memoryRecordId": "mem-none", "timestamp": 2},
        ]}),
    );
    assert_eq!(changed["failedRecords"][0]["errorCode"], 404);
    let record = ok(&memory, "GetMemoryRecord", json!({"memoryRecordId": id}))["memoryRecord"].clone();
    assert_eq!(
        (&record["content"]["text"], &record["createdAt"], &record["namespaces"]),
        (&json!("changed"), &json!(1.0), &json!(["/notes"]))
    );
    let gone = ok(
        &memory,
        "BatchDeleteMemoryRecords",
        json!({"records": [{"memoryRecordId": id}, {"memoryRecordId": id}]}),
    );
    assert_eq!(
        (
            gone["successfulRecords"].as_array().map(Vec::len),
            gone["failedRecords"].as_array().map(Vec::len)
        ),
        (Some(1), Some(1))
    );
    assert!(matches!(
        failed(&memory, "DeleteMemoryRecord", json!({"memoryRecordId": id})),
        MemoryError::NotFound(_)
    ));
}

#[test]
fn events_and_records_survive_their_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let open = || {
        let store = Store::open(&path, TestClock::new().clock()).expect("the store opens");
        Memory::new(store, vec![MEMORY.to_owned()])
    };
    let id = tell(&open(), "ada", "one", 0, vec![said("USER", "I prefer clubs.")]);
    let again = open();
    assert_eq!(events(&again, json!({})), [id]);
    assert_eq!(
        texts(&ok(
            &again,
            "ListMemoryRecords",
            json!({"namespace": "/strategies/preferences-localprefs/actors/ada"})
        ))
        .len(),
        1
    );
}
