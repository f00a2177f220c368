//! Conversations as the page reads them.

use crate::{
    chat::{conversation, scripted, whole},
    world::{Answer, Reply, World, answer, ask, block_stop, get, post, stop, text},
};
use concert_edge::{Body, Edge, limits::CONVERSATIONS_PAGE_ROWS};
use http::Request;
use serde_json::{Value, json};
use std::rc::Rc;

struct Guest {
    world: Rc<World>,
    edge: Edge,
    cookie: String,
}

fn guest(replies: impl IntoIterator<Item = Reply>) -> Guest {
    let (world, edge) = scripted(replies);
    let cookie = ask(&world, &edge, get("/api/catalogue")).cookie();
    Guest { world, edge, cookie }
}

fn short_answer() -> Reply {
    whole(&answer(&[text(0, "Good day."), block_stop(0), stop("end_turn")]))
}

impl Guest {
    fn send(&self, mut request: Request<Body>) -> Answer {
        request.headers_mut().insert("cookie", self.cookie.parse().unwrap());
        ask(&self.world, &self.edge, request)
    }

    fn get(&self, path: &str) -> Answer {
        self.send(get(path))
    }

    fn method(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080")
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap();
        self.send(request)
    }

    /// Asks, and gives the turn's id.
    fn ask(&self, body: Value) -> String {
        let answer = self.send(post("/chat", body.to_string()));
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.world.pass(1_000);
        answer.json()["turn"].as_str().unwrap().to_owned()
    }

    fn titles(&self, path: &str) -> Vec<String> {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let list = answer.json()["conversations"].as_array().unwrap().clone();
        list.iter().map(|c| c["title"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn conversations_are_listed_by_last_use_with_pinned_ones_first() {
    let guest = guest([short_answer()]);
    for (id, message) in [
        ("a", "First question"),
        ("b", "Second  question\nin two lines"),
        ("c", "Third question"),
    ] {
        guest.ask(json!({"message": message, "conversation_id": id}));
    }
    assert_eq!(
        guest.titles("/api/history"),
        ["Third question", "Second question in two lines", "First question"]
    );
    let pinned = guest.method("PATCH", "/api/history/a", json!({"pinned": true}));
    assert_eq!((pinned.status, &pinned.json()["pinned"]), (200, &json!(true)));
    guest.ask(json!({"message": "More", "conversation_id": "b"}));
    assert_eq!(
        guest.titles("/history"),
        ["First question", "Second question in two lines", "Third question"]
    );
    let renamed = guest.method("PATCH", "/api/history/c", json!({"title": "  Jazz\nin Berlin "}));
    assert_eq!(renamed.json()["title"], "Jazz in Berlin");
    guest.ask(json!({"message": "Another", "conversation_id": "c"}));
    assert_eq!(guest.titles("/api/history?q=JAZZ"), ["Jazz in Berlin"]);
    assert_eq!(guest.titles("/api/history?q=another"), ["Jazz in Berlin"]);
    assert_eq!(guest.titles("/api/history?q=first+question"), ["First question"]);
    assert!(guest.titles("/api/history?q=nothing").is_empty());
    for (body, code) in [
        (json!({"title": " "}), "bad_title"),
        (json!({"title": "x".repeat(201)}), "bad_title"),
        (json!({"name": "x"}), "bad_request"),
    ] {
        assert_eq!(guest.method("PATCH", "/api/history/c", body).code(), code);
    }
    assert_eq!(
        guest
            .method("PATCH", "/api/history/no-such", json!({"title": "x"}))
            .status,
        404
    );
}

#[test]
fn every_conversation_is_on_one_page() {
    let guest = guest([short_answer()]);
    let all = 2 * CONVERSATIONS_PAGE_ROWS + 3;
    for at in 0..all {
        guest.ask(json!({"message": format!("Question {at}"), "conversation_id": format!("c{at}")}));
    }
    guest.method("PATCH", "/api/history/c1", json!({"pinned": true}));
    // The table may cut its own pages wherever it likes.
    for page in [0, 7] {
        guest.world.dynamo.borrow_mut().page = page;
        let mut seen: Vec<String> = Vec::new();
        let mut path = "/api/history".to_owned();
        loop {
            let answer = guest.get(&path).json();
            let ids = answer["conversations"].as_array().unwrap().clone();
            seen.extend(ids.iter().map(|c| c["id"].as_str().unwrap().to_owned()));
            match answer["next_cursor"].as_str() {
                Some(cursor) => path = format!("/api/history?cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!((seen.len(), seen[0].as_str()), (all, "c1"));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }
    let cursor = guest.get("/api/history").json()["next_cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        guest.get(&format!("/api/history?q=x&cursor={cursor}")).code(),
        "invalid_cursor"
    );
    assert_eq!(guest.get("/api/history?cursor=abc.def").code(), "invalid_cursor");
    assert_eq!(
        ask(&guest.world, &guest.edge, get(&format!("/api/history?cursor={cursor}"))).code(),
        "invalid_cursor",
        "another person's cursor"
    );
}

#[test]
fn a_conversation_is_read_with_its_answers_and_edited_beside_the_old_version() {
    let [first, second] = conversation();
    let guest = guest([whole(&first), whole(&second), short_answer()]);
    let one = guest.ask(json!({"message": "best attended cities", "conversation_id": "c"}));
    let two = guest.ask(json!({"message": "and then?", "conversation_id": "c"}));
    let read = guest.get("/api/history/c").json();
    assert_eq!(
        (&read["id"], &read["title"]),
        (&json!("c"), &json!("best attended cities"))
    );
    let messages = read["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(
        (&messages[0]["id"], &messages[0]["state"]),
        (&json!(one), &json!("complete"))
    );
    assert_eq!(messages[0]["answer"]["text"], "Washington saw the most people.");
    assert_eq!(messages[0]["answer"]["results"][0]["table"]["rows"][0][0], "Washington");
    assert_eq!(messages[0]["answer"]["follow_ups"].as_array().unwrap().len(), 1);

    // An edit of the first question: the newest is shown, and what followed the old one is behind it.
    let edited = guest.ask(json!({"message": "best attended venues", "parent_id": one}));
    let read = guest.get("/api/history/c").json();
    assert_eq!(read["messages"].as_array().unwrap().len(), 1);
    assert_eq!(read["messages"][0]["id"], json!(edited));
    assert_eq!(read["messages"][0]["parent_id"], json!(one));
    assert_eq!(read["messages"][0]["versions"], json!([one, edited]));
    let old = guest.get(&format!("/api/history/c?at={one}")).json();
    let ids: Vec<&Value> = old["messages"].as_array().unwrap().iter().map(|m| &m["id"]).collect();
    assert_eq!(ids, [&json!(one), &json!(two)]);
    // The model was not told of the version that was replaced.
    let asked = guest.world.sent("converse-stream");
    assert_eq!(asked.last().unwrap()["messages"].as_array().unwrap().len(), 1);
    for wrong in [
        json!({"message": "x", "parent_id": "nothing"}),
        json!({"message": "x", "conversation_id": "d", "parent_id": one}),
        json!({"message": "x", "parent_id": format!("c-{}", "0".repeat(32))}),
    ] {
        assert_eq!(guest.send(post("/chat", wrong.to_string())).code(), "bad_request");
    }
}

#[test]
fn feedback_is_kept_with_its_message() {
    let guest = guest([short_answer()]);
    let turn = guest.ask(json!({"message": "hello", "conversation_id": "c"}));
    let feedback = json!({"message_id": turn, "conversation_id": "c", "thumbs": "down", "comment": "Wrong year."});
    assert_eq!(guest.send(post("/api/feedback", feedback.to_string())).status, 204);
    let read = guest.get("/api/history/c").json();
    assert_eq!(
        read["messages"][0]["feedback"],
        json!({"thumbs": "down", "comment": "Wrong year."})
    );
    for (change, status) in [
        (json!({"message_id": "x"}), 404),
        (json!({"conversation_id": "d"}), 404),
        (json!({"thumbs": "sideways"}), 400),
        (json!({"comment": "x".repeat(2_001)}), 413),
        (json!({"more": 1}), 400),
    ] {
        let mut wrong = feedback.clone();
        wrong
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        assert_eq!(
            guest.send(post("/api/feedback", wrong.to_string())).status,
            status,
            "{change}"
        );
    }
}

#[test]
fn a_conversation_is_exported_whole_and_deleted_whole() {
    let [first, second] = conversation();
    let mut replies = vec![whole(&first), whole(&second)];
    replies.push(short_answer());
    let guest = guest(replies);
    guest.ask(json!({"message": "best <b>attended</b> cities", "conversation_id": "c"}));
    for at in 0..24 {
        guest.ask(json!({"message": format!("Question {at}"), "conversation_id": "c"}));
    }
    let page = guest.get("/api/history/c").json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 20);
    let cursor = page["next_cursor"].as_str().unwrap();
    let earlier = guest.get(&format!("/api/history/c?cursor={cursor}")).json();
    assert_eq!(earlier["messages"].as_array().unwrap().len(), 5);
    assert_eq!(earlier["next_cursor"], Value::Null);
    assert_eq!(guest.get(&format!("/api/history/d?cursor={cursor}")).status, 400);

    let markdown = guest.get("/api/history/c/export?format=md");
    assert_eq!(markdown.headers["content-type"], "text/markdown; charset=utf-8");
    assert!(
        markdown.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    for part in [
        "# best \\<b\\>attended",
        "Washington saw the most people.",
        "| Washington | 41520 |",
        "```sql",
        "Question 23",
    ] {
        assert!(markdown.body.contains(part), "{part}: {}", markdown.body);
    }
    let json = guest.get("/api/history/c/export?format=json").json();
    assert_eq!(json["messages"].as_array().unwrap().len(), 25);
    assert_eq!(guest.get("/api/history/c/export?format=pdf").code(), "bad_parameter");

    let deleted = guest.method("DELETE", "/api/history/c", json!(null));
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    assert_eq!(guest.get("/api/history/c").status, 404);
    assert_eq!(guest.method("DELETE", "/api/history/c", json!(null)).status, 404);
    let left = guest.world.dynamo.borrow().items.keys().cloned().collect::<Vec<_>>();
    assert!(left.iter().all(|(_, sk)| sk.starts_with("DAY#")), "{left:?}");
}
