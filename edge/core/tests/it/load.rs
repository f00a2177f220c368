//! Many at once: the quotas of the Redshift Data API, the cache, a service that fails, and those who ask too much.

use crate::world::{Answer, Reply, World, WorldHost, ask, edge, edge_with, get, post, publication};
use concert_edge::{Body, ClientAddress, Edge};
use futures::{StreamExt, future::join_all};
use http::Request;
use serde_json::json;
use std::rc::Rc;

/// Sends all of them at the same time and gives status and body of each.
fn at_once(world: &Rc<World>, edge: &Edge, requests: Vec<Request<Body>>) -> Vec<(u16, String)> {
    world.run(join_all(requests.into_iter().map(|request| async {
        let (parts, mut body) = edge
            .handle(Rc::new(WorldHost(world.clone())), request)
            .await
            .into_parts();
        let mut whole = Vec::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece.unwrap());
        }
        (parts.status.as_u16(), String::from_utf8(whole).unwrap())
    })))
}

/// A query that no other one is like.
fn query(at: usize) -> Request<Body> {
    let query = json!({"metrics": ["attendance"], "dimensions": ["city"], "limit": at + 1});
    post("/api/query", query.to_string())
}

#[test]
fn twenty_four_queries_at_once_are_all_answered_under_the_quotas() {
    for (settings, may_be_throttled) in [
        (vec![], false),
        (vec![("CONCERT_PACE_EXECUTE", "0"), ("CONCERT_PACE_RESULT", "0")], true),
    ] {
        for may_meet in [true, false] {
            let world = World::new();
            let edge = edge_with(&world, &settings);
            world.may_meet.set(may_meet);
            world.has_quotas.set(true);
            let answers = at_once(&world, &edge, (0..24).map(query).collect());
            for (status, body) in &answers {
                assert_eq!(*status, 200, "{body}");
            }
            assert_eq!(
                world.sent("select").len(),
                24 + if may_be_throttled {
                    world.throttled_of("select")
                } else {
                    0
                }
            );
            assert_eq!(
                world.throttled.borrow().is_empty(),
                !may_be_throttled,
                "{:?}",
                world.throttled.borrow()
            );
        }
    }
}

#[test]
fn the_same_query_at_the_same_time_is_run_once() {
    let world = World::new();
    let edge = edge(&world);
    world.may_meet.set(true);
    let answers = at_once(&world, &edge, (0..10).map(|_| query(1)).collect());
    assert!(
        answers
            .iter()
            .all(|(status, body)| *status == 200 && *body == answers[0].1)
    );
    assert_eq!(world.sent("select").len(), 1);
    assert_eq!((world.sent("publication").len(), world.sent("values").len()), (1, 1));
}

#[test]
fn a_leader_who_leaves_leaves_the_work_to_another() {
    let world = World::new();
    let edge = edge(&world);
    world.may_meet.set(true);
    ask(&world, &edge, get("/api/catalogue"));
    world.on("select", [Reply::Hangs, crate::world::executed("s", "FINISHED")]);
    let host = || Rc::new(WorldHost(world.clone()));
    world.run(async {
        let mut leader = Box::pin(edge.handle(host(), query(1)));
        assert!(futures::poll!(&mut leader).is_pending());
        let mut follower = Box::pin(edge.handle(host(), query(1)));
        assert!(futures::poll!(&mut follower).is_pending());
        drop(leader);
        assert_eq!(follower.await.status(), 200);
    });
    assert_eq!(world.sent("select").len(), 2);
}

#[test]
fn a_page_is_kept_for_everybody_until_the_data_changes() {
    let world = World::new();
    let edge = edge(&world);
    let first = ask(&world, &edge, query(1));
    let again = ask(&world, &edge, query(1));
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_ne!(first.cookie(), again.cookie(), "two guests");
    assert_eq!(world.sent("select").len(), 1);
    world.on("GetStatementResult/p", [Reply::json(&publication("snapshot-2"))]);
    world.pass(60_000);
    ask(&world, &edge, query(1));
    assert_eq!(world.sent("select").len(), 2);
}

#[test]
fn a_service_that_fails_again_and_again_is_left_alone_and_tried_later() {
    let world = World::new();
    let edge = edge(&world);
    world.on("publication", [Reply::Unreachable]);
    let mut last: Option<Answer> = None;
    for _ in 0..6 {
        last = Some(ask(&world, &edge, get("/api/catalogue")));
    }
    let sent = world.sent("publication").len();
    let last = last.unwrap();
    assert_eq!((last.status, last.code().as_str()), (502, "upstream_unavailable"));
    assert!(sent < 18, "three tries each were {sent}");
    ask(&world, &edge, get("/api/catalogue"));
    assert_eq!(world.sent("publication").len(), sent, "left alone");
    world.pass(5_000);
    world.on("publication", [crate::world::executed("p", "FINISHED")]);
    assert_eq!(ask(&world, &edge, get("/api/catalogue")).status, 200);
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let world = World::new();
    let edge = edge_with(&world, &[("CONCERT_LIMIT_RPS", "5"), ("CONCERT_LIMIT_BURST", "10")]);
    let cookie = ask(&world, &edge, get("/api/catalogue")).cookie();
    let mut asked = 0;
    let refused = loop {
        let mut request = get("/api/catalogue");
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        let answer = ask(&world, &edge, request);
        if answer.status != 200 {
            break answer;
        }
        asked += 1;
    };
    assert_eq!(asked, 2, "guests get a fifth of the burst");
    assert_eq!((refused.status, refused.code().as_str()), (429, "too_many_requests"));
    assert_eq!(refused.headers["retry-after"], "1");
    // A new guest for every request is counted by address.
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let mut request = get("/api/health");
        request.extensions_mut().insert(ClientAddress("192.0.2.7".into()));
        statuses.push(ask(&world, &edge, request).status);
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 429).count(),
        2,
        "{statuses:?}"
    );
}

/// A turn's events are bounded, so a reader who never reads holds little, and keeps nobody else waiting.
#[test]
fn readers_that_never_read_keep_nobody_waiting() {
    let world = World::new();
    let edge = edge(&world);
    let answer = crate::world::answer(&[
        crate::world::text(0, "Good day."),
        crate::world::block_stop(0),
        crate::world::stop("end_turn"),
    ]);
    world.on("converse-stream", [Reply::Pieces(vec![answer])]);
    const READERS: usize = 60;
    let mut unread = Vec::new();
    for at in 0..READERS {
        let body = json!({"message": "hello", "conversation_id": format!("c{at}")}).to_string();
        let host = Rc::new(WorldHost(world.clone()));
        unread.push(world.run(edge.handle(host, post("/api/chat", body))));
    }
    world.run_detached();
    assert_eq!(ask(&world, &edge, get("/api/catalogue")).status, 200);
    let ended = world
        .dynamo
        .borrow()
        .items
        .values()
        .filter(|item| item.contains_key("state"))
        .count();
    assert_eq!(ended, READERS, "every turn is whole in the store");
    drop(unread);
}
