//! The endpoint over a real listener: what a signature protects, what bounds hold, and that statements follow a
//! publication. AWS's own client drives the rest (`tests/wire`).

mod support;

use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use support::{Server, Signer};

const DESCRIBE: &str = "RedshiftData.ListDatabases";

fn body() -> Vec<u8> {
    json!({"WorkgroupName": "concert"}).to_string().into_bytes()
}

#[tokio::test]
async fn a_signed_request_is_answered() {
    let server = Server::start().await;
    let answer = server.redshift(&Signer::default(), DESCRIBE, body()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["Databases"], json!(["dev"]));
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
}

#[tokio::test]
async fn what_is_not_signed_right_is_refused_as_aws_does() {
    let server = Server::start().await;
    let hour = Duration::from_secs(3600);
    let cases = [
        (
            Signer {
                secret_key: "other",
                ..Signer::default()
            },
            "InvalidSignatureException",
            "does not match the signature",
        ),
        (
            Signer {
                access_key: "other",
                ..Signer::default()
            },
            "UnrecognizedClientException",
            "security token",
        ),
        (
            Signer {
                region: "eu-west-1",
                ..Signer::default()
            },
            "InvalidSignatureException",
            "valid region",
        ),
        (
            Signer {
                service: "bedrock",
                ..Signer::default()
            },
            "InvalidSignatureException",
            "'redshift-data'",
        ),
        (
            Signer {
                time: SystemTime::now() - hour,
                ..Signer::default()
            },
            "InvalidSignatureException",
            "Signature expired",
        ),
        (
            Signer {
                time: SystemTime::now() + hour,
                ..Signer::default()
            },
            "InvalidSignatureException",
            "not yet current",
        ),
    ];
    for (signer, code, part) in cases {
        let answer = server.redshift(&signer, DESCRIBE, body()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{code}");
        assert_eq!(answer.body["__type"], code);
        assert_eq!(answer.header("x-amzn-errortype"), code);
        let message = answer.message();
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn whatever_is_changed_on_the_way_is_refused() {
    let server = Server::start().await;
    type Change = fn(&mut reqwest::Request);
    let changes: [(&str, Change, &str); 8] = [
        (
            "the body",
            |r| *r.body_mut() = Some(br#"{"WorkgroupName": "concerT"}"#.to_vec().into()),
            "InvalidSignatureException",
        ),
        (
            "the path",
            |r| r.url_mut().set_path("/other"),
            "InvalidSignatureException",
        ),
        (
            "the query",
            |r| r.url_mut().set_query(Some("a=1")),
            "InvalidSignatureException",
        ),
        (
            "a signed header",
            |r| set(r, "x-amz-target", "RedshiftData.ListSchemas"),
            "InvalidSignatureException",
        ),
        (
            "an unsigned header of AWS's",
            |r| set(r, "x-amz-user-agent", "x"),
            "InvalidSignatureException",
        ),
        (
            "the body's hash",
            |r| set(r, "x-amz-content-sha256", &"0".repeat(64)),
            "InvalidSignatureException",
        ),
        (
            "the signature",
            |r| edit(r, |text| text.replace("Signature=", "Signature=0")),
            "InvalidSignatureException",
        ),
        (
            "its form",
            |r| edit(r, |text| text.replace("Credential=", "Cred")),
            "IncompleteSignatureException",
        ),
    ];
    for (what, change, code) in changes {
        let mut request = server.redshift_request(&Signer::default(), DESCRIBE, body());
        change(&mut request);
        let answer = server.send(request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}");
        assert_eq!(answer.body["__type"], code, "{what}: {}", answer.body);
    }
    let mut request = server.redshift_request(&Signer::default(), DESCRIBE, body());
    request.headers_mut().remove("authorization");
    let answer = server.send(request).await;
    assert_eq!(answer.body["__type"], "MissingAuthenticationTokenException");
}

fn set(request: &mut reqwest::Request, name: &'static str, value: &str) {
    request.headers_mut().insert(name, value.parse().expect("a value"));
}

fn edit(request: &mut reqwest::Request, change: impl Fn(String) -> String) {
    let value = request.headers()["authorization"].to_str().expect("text").to_owned();
    set(request, "authorization", &change(value));
}

#[tokio::test]
async fn bedrock_refuses_with_its_own_status_and_header() {
    let server = Server::start().await;
    let wrong = Signer {
        secret_key: "other",
        ..Signer::bedrock()
    };
    let answer = server
        .bedrock(&wrong, "local.planner", "converse", br#"{"messages": []}"#.to_vec())
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.header("x-amzn-errortype"), "InvalidSignatureException");
    // A model's name is signed in a path that is encoded twice.
    for model in [
        "local.planner-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/local.planner",
    ] {
        let answer = server
            .bedrock(&Signer::bedrock(), model, "converse", br#"{"messages": []}"#.to_vec())
            .await;
        assert_eq!(
            answer.header("x-amzn-errortype"),
            "ValidationException",
            "{model}: {}",
            answer.body
        );
        assert!(answer.message().contains("start with a user message"), "{model}");
    }
    let answer = server
        .bedrock(
            &Signer::bedrock(),
            "other.model",
            "converse",
            br#"{"messages": []}"#.to_vec(),
        )
        .await;
    assert!(answer.message().contains("model identifier is invalid"));
}

#[tokio::test]
async fn bad_bodies_are_refused_by_name() {
    let server = Server::start().await;
    let signer = Signer::default();
    let large = vec![b' '; (10 << 20) + 1];
    for (body, status, code) in [
        (b"{".to_vec(), 400, "SerializationException"),
        (b"[]".to_vec(), 400, "SerializationException"),
        (br#"{"WorkgroupName": 5}"#.to_vec(), 400, "SerializationException"),
        (vec![0xff, 0xfe], 400, "SerializationException"),
        (b"{}".to_vec(), 400, "ValidationException"),
        (large, 413, "RequestEntityTooLargeException"),
    ] {
        let answer = server.redshift(&signer, DESCRIBE, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["__type"].as_str()),
            (status, Some(code)),
            "{}",
            answer.body
        );
    }
    let answer = server.redshift(&signer, "RedshiftData.DropEverything", body()).await;
    assert_eq!(answer.body["__type"], "UnknownOperationException");
    assert!(answer.message().contains("ExecuteStatement"), "{}", answer.body);
    let answer = server.redshift(&signer, "DynamoDB_20120810.GetItem", body()).await;
    assert_eq!(answer.body["__type"], "UnknownOperationException");
    let answer = server
        .send(server.client.get(server.url("/nothing")).build().expect("a request"))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-amzn-errortype").as_str()),
        (404, "UnknownOperationException")
    );
}

#[tokio::test]
async fn health_needs_no_signature() {
    let server = Server::start().await;
    let answer = server
        .send(
            server
                .client
                .get(server.url("/_concert/health"))
                .build()
                .expect("a request"),
        )
        .await;
    assert_eq!((answer.status, &answer.body["state"]), (StatusCode::OK, &json!("up")));
}

#[tokio::test]
async fn faults_come_by_header_and_by_order() {
    let server = Server::start().await;
    let signer = Signer::default();
    for (fault, status, code) in [
        ("throttle", 400, "ThrottlingException"),
        ("status=503", 503, "ServiceUnavailableException"),
        ("latency=1, status=500", 500, "InternalServerException"),
        ("explode", 400, "ValidationException"),
    ] {
        let mut request = server.redshift_request(&signer, DESCRIBE, body());
        set(&mut request, "x-concert-fault", fault);
        let answer = server.send(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["__type"].as_str()),
            (status, Some(code)),
            "{fault}"
        );
    }
    let order = |order: Value| {
        let request = server.client.put(server.url("/_concert/fault")).body(order.to_string());
        server.send(request.build().expect("a request"))
    };
    let ordered = order(json!({"fault": "throttle", "count": 2, "operation": "ListDatabases"})).await;
    assert_eq!(ordered.status, StatusCode::OK, "{}", ordered.body);
    for expected in [400, 400, 200] {
        assert_eq!(
            server.redshift(&signer, DESCRIBE, body()).await.status.as_u16(),
            expected
        );
    }
    assert_eq!(order(json!({"fault": "explode"})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(order(json!({"fail": "x"})).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_is_cut_or_corrupted_where_asked() {
    let server = Server::start().await;
    let send = |fault: &'static str| {
        let mut request = server.redshift_request(&Signer::default(), DESCRIBE, body());
        set(&mut request, "x-concert-fault", fault);
        server.client.execute(request)
    };
    let whole = br#"{"Databases":["dev"]}"#;
    let mut cut = send("cut=5").await.expect("headers");
    let mut received = Vec::new();
    let end = loop {
        match cut.chunk().await {
            Ok(Some(part)) => received.extend_from_slice(&part),
            end => break end,
        }
    };
    assert!(end.is_err(), "the connection breaks");
    assert_eq!(received, whole[..5]);
    let corrupt = send("corrupt=3").await.expect("headers").bytes().await.expect("a body");
    assert_eq!(corrupt.len(), whole.len());
    let different: Vec<usize> = (0..whole.len()).filter(|i| corrupt[*i] != whole[*i]).collect();
    assert_eq!(different, [3]);
}

#[tokio::test]
async fn statements_and_the_planner_follow_a_publication() {
    let server = Server::start().await;
    let signer = Signer::default();
    assert_eq!(server.count(&signer, "concerts").await, 6);
    let ask = json!({
        "messages": [{"role": "user", "content": [{"text": "how many concerts in Lisbon"}]}],
        "toolConfig": {"tools": [
            {"toolSpec": {"name": "query_data", "inputSchema": {"json": {"type": "object"}}}},
            {"toolSpec": {"name": "finish", "inputSchema": {"json": {"type": "object"}}}},
        ]},
    });
    let bedrock = Signer::bedrock();
    let ask = || server.bedrock(&bedrock, "local.planner", "converse", ask.to_string().into_bytes());
    let before = ask().await;
    assert!(!before.body.to_string().contains(r#""Lisbon""#) || before.body.to_string().contains("not_understood"));

    server
        .publish(&[
            (
                "venues.csv",
                "venue_id,name,city,country,capacity\nv9,Coliseu,Lisbon,PT,2800\n",
            ),
            (
                "concerts.csv",
                "concert_id,artist_id,venue_id,event_date,status,currency\nc9,a1,v9,2001-05-05,completed,EUR\n",
            ),
        ])
        .await;
    assert_eq!(server.count(&signer, "concerts").await, 7);
    let after = ask().await;
    let content = after.body["output"]["message"]["content"].as_array().expect("content");
    let query = content
        .iter()
        .find(|block| block["toolUse"]["name"] == "query_data")
        .unwrap_or_else(|| panic!("no query in {}", after.body));
    assert!(
        query["toolUse"]["input"]["query"].to_string().contains("Lisbon"),
        "{query}"
    );
}
