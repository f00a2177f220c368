//! The API's description, made from its types. `CONCERT_UPDATE=1` writes it anew; a change of the wire shows in review.

use crate::world::{World, ask, edge, get};
use concert_contract::{
    api::{CatalogueAnswer, DryRunAnswer, HealthAnswer, QueryAnswer, SqlAnswer, SqlRequest, SuggestAnswer},
    chat::{ChatAnswer, ChatRequest},
    error::ErrorEnvelope,
    history::{
        ConversationAnswer, ConversationInfo, ConversationPatch, FeedbackRequest, HistoryAnswer, MemoryAnswer,
        StopAnswer,
    },
    query::Query,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

/// One operation.
struct Route {
    method: &'static str,
    path: &'static str,
    /// The same without `/api`, for API Gateway clients and scripts.
    has_plain: bool,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<(Value, Value)>,
    /// Status, media type, schema.
    answers: Vec<(&'static str, &'static str, Option<Value>)>,
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn parameter(place: &str, name: &str, description: &str, example: Value) -> Value {
    json!({
        "name": name, "in": place, "description": description, "required": place == "path",
        "schema": {"type": if example.is_u64() { "integer" } else { "string" }}, "example": example,
    })
}

const TURN: &str = "c1-ac3c3f55c4bc6d562cdfe9be4cf51c4c";

fn routes(generator: &mut SchemaGenerator) -> Vec<Route> {
    let g = generator;
    let conversation = || parameter("path", "conversation_id", "As `ack` told it.", json!("c1"));
    let turn = || parameter("path", "turn", "As `ack` told it.", json!(TURN));
    let cursor = || {
        parameter(
            "query",
            "cursor",
            "`next_cursor` of the page before.",
            json!("eyJ2Ijoi.c2ln"),
        )
    };
    let query = json!({
        "metrics": ["attendance"], "dimensions": ["city"],
        "order": [{"by": "attendance", "direction": "desc"}], "limit": 5,
    });
    let route = |method, path, summary| Route {
        method,
        path,
        has_plain: false,
        summary,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
    };
    let events = || {
        (
            "200",
            "text/event-stream",
            Some(
                json!({"type": "string", "description": "Events `ack`, `text`, `tool_call`, `tool_result`, `usage`, `clarify`, `follow_ups`, `reset`, `error` and `done`, each with the id `<turn>.<n>` and one line of JSON."}),
            ),
        )
    };
    vec![
        Route {
            has_plain: true,
            answers: vec![("200", "application/json", Some(schema::<HealthAnswer>(g)))],
            ..route(
                "get",
                "/api/health",
                "Each dependency, its state and latency, at most five seconds old.",
            )
        },
        Route {
            answers: vec![("200", "application/json", Some(schema::<CatalogueAnswer>(g)))],
            ..route(
                "get",
                "/api/catalogue",
                "What can be asked, and what data is loaded, as far as the viewer's role sees it.",
            )
        },
        Route {
            parameters: vec![
                parameter(
                    "query",
                    "q",
                    "The beginning of a name, or something like one.",
                    json!("wash"),
                ),
                parameter("query", "dimension", "Only values of this dimension.", json!("city")),
                parameter("query", "limit", "1 to 50.", json!(10)),
            ],
            answers: vec![("200", "application/json", Some(schema::<SuggestAnswer>(g)))],
            ..route("get", "/api/suggest", "The values that a text may mean.")
        },
        Route {
            parameters: vec![parameter(
                "query",
                "dry_run",
                "`true`: only the statement.",
                json!("true"),
            )],
            body: Some((schema::<Query>(g), query)),
            answers: vec![(
                "200",
                "application/json",
                Some(json!({"anyOf": [schema::<QueryAnswer>(g), schema::<DryRunAnswer>(g)]})),
            )],
            ..route("post", "/api/query", "A query, one page of 200 rows at a time.")
        },
        Route {
            body: Some((
                schema::<SqlRequest>(g),
                json!({"sql": "SELECT city, COUNT(*) FROM venues GROUP BY city"}),
            )),
            answers: vec![("200", "application/json", Some(schema::<SqlAnswer>(g)))],
            ..route("post", "/api/sql", "Free SQL, as far as the guard lets it through.")
        },
        Route {
            has_plain: true,
            parameters: vec![parameter(
                "header",
                "Idempotency-Key",
                "The same key with the same question is the same turn: it is replayed and followed.",
                json!("0d9ac4b2-6f8e-4d53-93d2-6dd1f1c2a0a7"),
            )],
            body: Some((
                schema::<ChatRequest>(g),
                json!({"message": "Which Chicago venues sold best in 2024?"}),
            )),
            answers: vec![events(), ("200", "application/json", Some(schema::<ChatAnswer>(g)))],
            ..route(
                "post",
                "/api/chat",
                "A turn: events, or one JSON answer for clients that accept only that. With `parent_id` it takes that message's place.",
            )
        },
        Route {
            parameters: vec![
                turn(),
                parameter(
                    "header",
                    "Last-Event-ID",
                    "Go on after this event.",
                    json!(format!("{TURN}.3")),
                ),
            ],
            answers: vec![events(), ("200", "application/json", Some(schema::<ChatAnswer>(g)))],
            ..route(
                "get",
                "/api/chat/{turn}/events",
                "Replays a turn and follows it to its end. One whose writer is gone is continued.",
            )
        },
        Route {
            parameters: vec![turn()],
            answers: vec![("200", "application/json", Some(schema::<StopAnswer>(g)))],
            ..route("post", "/api/chat/{turn}/stop", "Stops a turn; what was said stays.")
        },
        Route {
            has_plain: true,
            parameters: vec![
                parameter("query", "q", "Words of title or questions.", json!("jazz berlin")),
                cursor(),
            ],
            answers: vec![("200", "application/json", Some(schema::<HistoryAnswer>(g)))],
            ..route(
                "get",
                "/api/history",
                "Conversations, pinned ones first, then by last use.",
            )
        },
        Route {
            has_plain: true,
            parameters: vec![
                conversation(),
                parameter(
                    "query",
                    "at",
                    "Show the versions on the way through this message.",
                    json!(TURN),
                ),
                cursor(),
            ],
            answers: vec![("200", "application/json", Some(schema::<ConversationAnswer>(g)))],
            ..route(
                "get",
                "/api/history/{conversation_id}",
                "A conversation's messages, the last twenty first.",
            )
        },
        Route {
            has_plain: true,
            parameters: vec![conversation()],
            body: Some((
                schema::<ConversationPatch>(g),
                json!({"title": "Jazz in Berlin", "pinned": true}),
            )),
            answers: vec![("200", "application/json", Some(schema::<ConversationInfo>(g)))],
            ..route("patch", "/api/history/{conversation_id}", "Renames or pins.")
        },
        Route {
            has_plain: true,
            parameters: vec![conversation()],
            answers: vec![("204", "", None)],
            ..route(
                "delete",
                "/api/history/{conversation_id}",
                "Deletes a conversation with all that belongs to it.",
            )
        },
        Route {
            has_plain: true,
            parameters: vec![
                conversation(),
                parameter("query", "format", "`md` or `json`.", json!("md")),
            ],
            answers: vec![
                ("200", "text/markdown", Some(json!({"type": "string"}))),
                ("200", "application/json", Some(schema::<ConversationAnswer>(g))),
            ],
            ..route(
                "get",
                "/api/history/{conversation_id}/export",
                "The whole conversation as a file.",
            )
        },
        Route {
            body: Some((
                schema::<FeedbackRequest>(g),
                json!({"message_id": TURN, "conversation_id": "c1", "thumbs": "up", "comment": "Just what I needed."}),
            )),
            answers: vec![("204", "", None)],
            ..route("post", "/api/feedback", "What the viewer thinks of an answer.")
        },
        Route {
            parameters: vec![cursor()],
            answers: vec![("200", "application/json", Some(schema::<MemoryAnswer>(g)))],
            ..route("get", "/api/memory", "What is remembered about the viewer.")
        },
        Route {
            parameters: vec![parameter("path", "id", "Of a memory.", json!("mem-1"))],
            answers: vec![("204", "", None)],
            ..route("delete", "/api/memory/{id}", "Erases one memory.")
        },
        Route {
            answers: vec![("200", "application/json", Some(json!({"type": "object"})))],
            ..route("get", "/api/openapi.json", "This document.")
        },
    ]
}

fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let error = schema::<ErrorEnvelope>(&mut generator);
    let mut paths = Map::new();
    for route in routes(&mut generator) {
        let mut responses = Map::new();
        for (status, media, schema) in &route.answers {
            let response = responses
                .entry(*status)
                .or_insert_with(|| json!({"description": if *status == "204" { "Done." } else { "The answer." }}));
            if let Some(schema) = schema {
                response["content"][*media]["schema"] = schema.clone();
            }
        }
        responses.insert(
            "default".into(),
            json!({"description": "What went wrong, for the person who asked.", "content": {"application/json": {"schema": error}}}),
        );
        let mut operation = json!({"summary": route.summary, "responses": responses});
        if !route.parameters.is_empty() {
            operation["parameters"] = json!(route.parameters);
        }
        if let Some((schema, example)) = &route.body {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": schema, "example": example}}});
        }
        let public = matches!(route.path, "/api/health" | "/api/openapi.json");
        if !public {
            operation["security"] = json!([{"guest": []}, {"token": []}, {}]);
        }
        let plain = route.has_plain.then(|| route.path.trim_start_matches("/api"));
        for path in std::iter::once(route.path).chain(plain) {
            let entry = paths.entry(path).or_insert_with(|| json!({}));
            entry[route.method] = operation.clone();
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Concert",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Questions about concert data, answered with the numbers behind them. Routes without `/api` answer JSON and never events.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "guest": {"type": "apiKey", "in": "cookie", "name": "concert_guest", "description": "Set by the first answer."},
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    })
}

#[test]
fn the_description_that_is_served_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("CONCERT_UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
        return;
    }
    let there = fs::read_to_string(&path).unwrap();
    assert!(
        there == made,
        "edge/core/openapi.json is not that of the types: run this test with CONCERT_UPDATE=1"
    );
    let world = World::new();
    let edge = edge(&world);
    let served = ask(&world, &edge, get("/api/openapi.json"));
    assert_eq!(served.json(), serde_json::from_str::<Value>(&made).unwrap());
}

/// Every reference leads somewhere, and every example of a body is taken by the type that it stands for.
#[test]
fn references_and_examples_hold() {
    let document = document();
    let mut left = vec![&document];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("a reference inside the document");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                left.extend(fields.values());
            }
            Value::Array(entries) => left.extend(entries),
            _ => {}
        }
    }
    let example = |path: &str, method: &str| {
        document["paths"][path][method]["requestBody"]["content"]["application/json"]["example"].clone()
    };
    serde_json::from_value::<Query>(example("/api/query", "post")).unwrap();
    serde_json::from_value::<SqlRequest>(example("/api/sql", "post")).unwrap();
    serde_json::from_value::<ChatRequest>(example("/chat", "post")).unwrap();
    serde_json::from_value::<ConversationPatch>(example("/api/history/{conversation_id}", "patch")).unwrap();
    serde_json::from_value::<FeedbackRequest>(example("/api/feedback", "post")).unwrap();
    // What is described is there, by the same methods.
    let world = World::new();
    let edge = edge(&world);
    for (path, methods) in document["paths"].as_object().unwrap() {
        let address = path
            .replace("{turn}", TURN)
            .replace("{conversation_id}", "c1")
            .replace("{id}", "mem-1");
        let request = http::Request::put(&address).body(concert_edge::Body::empty()).unwrap();
        let refused = ask(&world, &edge, request);
        assert_eq!(refused.status, 405, "{path}");
        let allowed = refused.headers["allow"].to_str().unwrap().to_lowercase();
        for method in methods.as_object().unwrap().keys() {
            assert!(allowed.split(", ").any(|allowed| allowed == method), "{method} {path}");
        }
    }
}
