//! Who may ask: tokens that are none, and every route with another person's ids.

use crate::{
    chat::{conversation, question, scripted, whole},
    world::{Answer, Reply, World, ask, edge_of, edge_with, get, post},
};
use concert_edge::{Body, Edge};
use http::Request;
use serde_json::{Value, json};
use std::rc::Rc;

fn tokens() -> Value {
    serde_json::from_str(include_str!("../data/tokens.json")).unwrap()
}

const JWT: [(&str, &str); 3] = [
    ("CONCERT_JWT_ISSUER", "https://issuer.example.com/pool"),
    ("CONCERT_JWT_AUDIENCE", "client-1, client-3"),
    ("CONCERT_MEMORY_ID", "concert-localmem01"),
];

fn with_tokens() -> (Rc<World>, Edge) {
    let world = World::new();
    let edge = edge_with(&world, &JWT);
    world.on("jwks", [Reply::json(&tokens()["jwks"])]);
    world.on("POST retrieve", [Reply::json(&json!({"memoryRecordSummaries": []}))]);
    world.on("POST events", [Reply::json(&json!({"event": {}}))]);
    (world, edge)
}

fn bearing(mut request: Request<Body>, token: &str) -> Request<Body> {
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[test]
fn a_persons_token_is_taken_and_sets_no_cookie() {
    let (world, edge) = with_tokens();
    let token = tokens()["good"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let answer = ask(&world, &edge, bearing(get("/api/catalogue"), &token));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    assert_eq!(world.sent("jwks").len(), 1, "keys are read once");
}

#[test]
fn every_token_that_is_none_is_refused() {
    let (world, edge) = with_tokens();
    for (what, token) in tokens()["refused"].as_object().unwrap() {
        let answer = ask(&world, &edge, bearing(get("/api/catalogue"), token.as_str().unwrap()));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "invalid_token"),
            "{what}"
        );
        assert!(answer.headers.contains_key("www-authenticate"), "{what}");
        assert!(!answer.headers.contains_key("set-cookie"), "{what}: no guest instead");
    }
    assert_eq!(
        world.sent("jwks").len(),
        1,
        "unknown keys have the set read once a minute at most"
    );
}

#[test]
fn keys_are_read_again_for_a_new_one_at_most_once_a_minute() {
    let (world, edge) = with_tokens();
    let tokens = tokens();
    let status = |token: &str| ask(&world, &edge, bearing(get("/api/catalogue"), token)).status;
    let (good, new) = (tokens["good"].as_str().unwrap(), tokens["new_key"].as_str().unwrap());
    assert_eq!(status(good), 200);
    world.on("jwks", [Reply::json(&tokens["rotated"])]);
    assert_eq!(status(new), 401);
    world.pass(60_000);
    assert_eq!((status(new), status(good)), (200, 200));
    assert_eq!(world.sent("jwks").len(), 2);
    // The issuer is down when the keys are old: those that were good stay good.
    world.on("jwks", [Reply::Unreachable]);
    world.pass(3_600_000);
    assert_eq!(status(good), 200);
}

#[test]
fn an_issuer_that_is_down_is_said_and_a_server_without_one_takes_no_tokens() {
    let (world, edge) = with_tokens();
    world.on("jwks", [Reply::Unreachable]);
    let good = tokens()["good"].as_str().unwrap().to_owned();
    let answer = ask(&world, &edge, bearing(get("/api/catalogue"), &good));
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unavailable"));

    let world = World::new();
    let edge = edge_with(&world, &[]);
    let answer = ask(&world, &edge, bearing(get("/api/catalogue"), &good));
    assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_token"));
    let mut signed = get("/api/catalogue");
    signed
        .headers_mut()
        .insert("authorization", "AWS4-HMAC-SHA256 Credential=x".parse().unwrap());
    assert_eq!(ask(&world, &edge, signed).status, 200, "a signed origin is no token");
}

/// Each route that takes an id, with ids of someone else: as if nothing were there, and nothing changes.
#[test]
fn another_persons_ids_lead_to_nothing_on_every_route() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second), whole(&first), whole(&second)]);
    let mine = ask(&world, &edge, question());
    let cookie = ask(&world, &edge, get("/api/catalogue")).cookie();
    let as_me = |mut request: Request<Body>| {
        request.headers_mut().insert("cookie", mine.cookie().parse().unwrap());
        request
    };
    let as_other = |mut request: Request<Body>| {
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request
    };
    let turn = mine
        .body
        .split("\"turn\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let before = world.dynamo.borrow().items.clone();
    let feedback = json!({"message_id": turn, "conversation_id": "c1", "thumbs": "up"}).to_string();
    let edit = json!({"message": "again", "conversation_id": "c1", "parent_id": turn}).to_string();
    let edit_alone = json!({"message": "again", "parent_id": turn}).to_string();
    let method = |method: &str, path: &str, body: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080")
            .body(Body::from(body.as_bytes().to_vec()))
            .unwrap()
    };
    let routes = [
        ("GET", format!("/api/chat/{turn}/events"), String::new(), 404),
        ("POST", format!("/api/chat/{turn}/stop"), String::new(), 404),
        ("GET", "/api/history/c1".into(), String::new(), 404),
        ("GET", "/history/c1".into(), String::new(), 404),
        (
            "PATCH",
            "/api/history/c1".into(),
            r#"{"title": "Mine now"}"#.into(),
            404,
        ),
        ("PATCH", "/api/history/c1".into(), r#"{"pinned": true}"#.into(), 404),
        ("DELETE", "/api/history/c1".into(), String::new(), 404),
        ("GET", "/api/history/c1/export?format=md".into(), String::new(), 404),
        ("GET", "/api/history/c1/export?format=json".into(), String::new(), 404),
        ("POST", "/api/feedback".into(), feedback, 404),
        ("POST", "/api/chat".into(), edit, 400),
        ("POST", "/api/chat".into(), edit_alone, 400),
    ];
    for (name, path, body, status) in &routes {
        let answer = ask(&world, &edge, as_other(method(name, path, body)));
        assert_eq!(answer.status, *status, "{name} {path}: {}", answer.body);
        assert!(
            !answer.body.contains("Washington") && !answer.body.contains("best attended"),
            "{}",
            answer.body
        );
    }
    let list = ask(&world, &edge, as_other(get("/api/history"))).json();
    assert_eq!(list["conversations"], json!([]));
    assert_eq!(world.dynamo.borrow().items, before, "nothing was written");
    // The owner finds all of it.
    assert_eq!(ask(&world, &edge, as_me(get("/api/history/c1"))).status, 200);
    // The same id is another conversation for someone else.
    let theirs = ask(&world, &edge, as_other(question()));
    assert_eq!(theirs.status, 200);
    assert_eq!(
        ask(&world, &edge, as_me(get("/api/history/c1"))).json()["messages"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// Guests see no money, no cities; people of the role `booker` see both; the role `clerk` is not known.
#[test]
fn a_role_is_told_of_what_it_may_see_and_of_nothing_else() {
    let catalogue = format!(
        "{}\n[roles.guest]\nhidden = [\"venues.city\", \"concerts.total_attendance\"]\n[roles.booker]\n",
        concert_contract::catalogue::CONCERT_DW
    );
    let world = World::new();
    let edge = edge_of(&world, &JWT, &catalogue);
    let tokens = tokens();
    world.on("jwks", [Reply::json(&tokens["jwks"])]);
    world.on("POST retrieve", [Reply::json(&json!({"memoryRecordSummaries": []}))]);
    world.on("POST events", [Reply::json(&json!({"event": {}}))]);
    let names = |answer: &Value, list: &str| -> Vec<String> {
        answer[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let offered = ask(&world, &edge, get("/api/catalogue"));
    assert_eq!(offered.status, 200, "{}", offered.body);
    let offered = offered.json();
    assert!(
        !names(&offered, "metrics").contains(&"attendance".to_owned()),
        "{offered}"
    );
    assert!(!names(&offered, "dimensions").contains(&"city".to_owned()), "{offered}");
    assert!(!offered["questions"].to_string().contains("city"), "{offered}");
    assert_eq!(
        ask(&world, &edge, get("/api/suggest?q=new+york")).json()["values"],
        json!([])
    );
    assert_eq!(
        ask(&world, &edge, get("/api/suggest?q=wash&dimension=city")).code(),
        "unknown_dimension"
    );
    let by_city = r#"{"metrics": ["attendance"], "dimensions": ["city"]}"#;
    assert_eq!(ask(&world, &edge, post("/api/query", by_city)).status, 400);
    let [first, second] = conversation();
    world.on("converse-stream", [whole(&first), whole(&second)]);
    ask(&world, &edge, question());
    let asked = world.sent("converse-stream");
    let told = format!("{} {}", asked[0]["system"], asked[0]["toolConfig"]);
    assert!(
        !told.contains("total_attendance"),
        "a hidden column is in the model's tools"
    );
    assert!(!told.contains("- attendance:") && !told.contains("- city:"), "{told}");
    assert!(world.sent("select").is_empty(), "the model's call is refused as well");

    let good = tokens["good"].as_str().unwrap();
    assert_eq!(
        ask(&world, &edge, bearing(get("/api/suggest?q=new+york"), good)).json()["values"],
        json!([])
    );
    let booker = tokens["booker"].as_str().unwrap();
    let offered = ask(&world, &edge, bearing(get("/api/catalogue"), booker)).json();
    assert!(names(&offered, "metrics").contains(&"attendance".to_owned()));
    assert_eq!(
        ask(&world, &edge, bearing(get("/api/suggest?q=wash"), booker)).json()["values"][0]["value"],
        "Washington"
    );
    assert_eq!(
        ask(&world, &edge, bearing(post("/api/query", by_city), booker)).status,
        200
    );
    let clerk = tokens["clerk"].as_str().unwrap();
    let refused = ask(&world, &edge, bearing(get("/api/catalogue"), clerk));
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"));
}

fn record(id: &str, text: &str, namespace: &str) -> Value {
    json!({"memoryRecordId": id, "content": {"text": text}, "memoryStrategyId": "preferences",
           "namespaces": [namespace], "createdAt": 1_774_958_400.5})
}

#[test]
fn memories_are_read_and_erased_by_their_owner_only() {
    let (world, edge) = with_tokens();
    let tokens = tokens();
    let me = tokens["good"].as_str().unwrap();
    let other = tokens["other_person"].as_str().unwrap();
    // The namespace of the first person, as the edge asks for it.
    world.on(
        "POST memoryRecords",
        [Reply::json(&json!({"memoryRecordSummaries": []}))],
    );
    ask(&world, &edge, bearing(get("/api/memory"), me));
    let namespace = world.sent("POST memoryRecords")[0]["namespace"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(namespace.starts_with("/preferences/u-"), "{namespace}");
    let mine = record("mem-1", "Prefers tables", &namespace);
    world.on(
        "POST memoryRecords",
        [Reply::json(&json!({"memoryRecordSummaries": [mine, record("mem-2", "of someone else", "/preferences/u-x/")], "nextToken": "t"}))],
    );
    let list = ask(&world, &edge, bearing(get("/api/memory"), me));
    assert_eq!(
        list.json(),
        json!({"memories": [{"id": "mem-1", "text": "Prefers tables", "created_at": "2026-03-31T12:00:00.500Z"}], "next_cursor": "0.t"})
    );
    let delete = |token: &str, id: &str| -> Answer {
        let request = Request::delete(format!("/api/memory/{id}"))
            .header("host", "127.0.0.1:8080")
            .body(Body::empty())
            .unwrap();
        ask(&world, &edge, bearing(request, token))
    };
    world.on(
        "GET memoryRecord/mem-1",
        [Reply::json(
            &json!({"memoryRecord": record("mem-1", "Prefers tables", &namespace)}),
        )],
    );
    world.on(
        "DELETE memoryRecords/mem-1",
        [Reply::json(&json!({"memoryRecordId": "mem-1"}))],
    );
    assert_eq!(delete(other, "mem-1").status, 404);
    assert!(world.sent("DELETE memoryRecords/mem-1").is_empty());
    assert_eq!(delete(me, "mem-1").status, 204);
    assert_eq!(world.sent("DELETE memoryRecords/mem-1").len(), 1);
    for id in ["mem-..%2F..%2Fx", "x", "mem-%00"] {
        assert_eq!(delete(me, id).status, 404, "{id}");
    }
}

#[test]
fn preferences_go_with_the_question_and_the_memory_is_told_of_the_answer() {
    let (world, edge) = with_tokens();
    let [first, second] = conversation();
    world.on(
        "converse-stream",
        [whole(&first), whole(&second), whole(&first), whole(&second)],
    );
    let me = tokens()["good"].as_str().unwrap().to_owned();
    ask(&world, &edge, bearing(question(), &me));
    world.run_detached();
    let told = world.sent("POST events");
    assert_eq!(
        told[0]["payload"][0]["conversational"]["content"]["text"],
        "best attended cities please"
    );
    assert_eq!(
        told[0]["payload"][1]["conversational"]["content"]["text"],
        "Washington saw the most people."
    );
    let namespace = world.sent("POST retrieve")[0]["namespace"].as_str().unwrap().to_owned();
    assert_eq!(
        format!("/preferences/{}", told[0]["actorId"].as_str().unwrap()),
        namespace
    );

    world.on(
        "POST retrieve",
        [Reply::json(
            &json!({"memoryRecordSummaries": [record("mem-1", "Prefers\n tables", &namespace)]}),
        )],
    );
    ask(&world, &edge, bearing(post("/api/chat", r#"{"message": "x"}"#), &me));
    let system = world.sent("converse-stream")[2]["system"].to_string();
    assert!(system.contains("- Prefers tables"), "{system}");
    // A memory that is down does not keep anybody from an answer.
    world.on("POST retrieve", [Reply::Hangs]);
    world.on("converse-stream", [whole(&first), whole(&second)]);
    let answer = ask(&world, &edge, bearing(post("/chat", r#"{"message": "x"}"#), &me));
    assert_eq!(answer.status, 200, "{}", answer.body);
}
