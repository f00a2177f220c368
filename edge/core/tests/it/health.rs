use crate::world::{Reply, World, ask, edge, get};
use serde_json::{Value, json};

fn states(answer: &Value) -> Vec<(&str, &str)> {
    let dependencies = answer["dependencies"].as_array().unwrap();
    dependencies
        .iter()
        .map(|d| (d["name"].as_str().unwrap(), d["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn each_dependency_is_asked_once_in_five_seconds() {
    let world = World::new();
    let edge = edge(&world);
    let first = ask(&world, &edge, get("/api/health"));
    assert_eq!(first.status, 200);
    let first = first.json();
    assert_eq!((&first["state"], &first["runtime"]), (&json!("up"), &json!("native")));
    assert_eq!(
        states(&first),
        [("redshift", "up"), ("bedrock", "up"), ("dynamodb", "up")]
    );

    // The look itself took a millisecond.
    world.pass(4_998);
    let again = ask(&world, &edge, get("/health")).json();
    assert_eq!(again["dependencies"][0]["age_ms"], 4_999);
    assert_eq!((world.sent("health").len(), world.sent("converse").len()), (1, 1));

    world.pass(1);
    ask(&world, &edge, get("/api/health"));
    assert_eq!((world.sent("health").len(), world.sent("converse").len()), (2, 2));
}

#[test]
fn what_is_down_is_named_without_the_services_words() {
    let world = World::new();
    let edge = edge(&world);
    world.on("health", [Reply::Unreachable]);
    world.on("converse", [Reply::error(403, "InvalidSignatureException")]);
    world.store_is_down.set(true);
    let answer = ask(&world, &edge, get("/api/health"));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["state"], "down");
    assert_eq!(
        states(&answer.json()),
        [("redshift", "down"), ("bedrock", "down"), ("dynamodb", "down")]
    );
    assert!(
        !answer.body.contains("10.0.0.7") && !answer.body.contains("secret words"),
        "{}",
        answer.body
    );
    assert!(world.log_text().contains("10.0.0.7") && world.log_text().contains("InvalidSignatureException"));

    world.pass(5_000);
    world.on("health", [Reply::Hangs]);
    world.on("converse", [Reply::error(429, "ThrottlingException")]);
    let answer = ask(&world, &edge, get("/api/health")).json();
    assert_eq!(
        states(&answer),
        [("redshift", "down"), ("bedrock", "degraded"), ("dynamodb", "down")]
    );
    assert_eq!(answer["dependencies"][0]["latency_ms"], 4_000);
}
