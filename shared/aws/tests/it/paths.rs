use concert_aws::{
    Aws, Credentials,
    bedrock::{ConverseRequest, converse_stream},
    redshift::{ExecuteStatement, request},
};

const NOW_MS: u64 = 1_774_958_400_000;

fn aws(session_token: Option<&str>) -> Aws {
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        session_token: session_token.map(str::to_owned),
    };
    Aws::new("us-east-1", "", credentials).unwrap()
}

#[test]
fn model_ids_with_colons_and_slashes_are_encoded_once_on_the_wire() {
    for (model, path) in [
        ("local.planner", "/model/local.planner/converse-stream"),
        (
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-v1:0",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-v1%3A0/converse-stream",
        ),
        ("../x?y#z", "/model/..%2Fx%3Fy%23z/converse-stream"),
    ] {
        let signed = converse_stream(&aws(None), model, &ConverseRequest::default(), NOW_MS).unwrap();
        assert_eq!(signed.uri().path(), path);
        assert_eq!(signed.uri().host(), Some("bedrock-runtime.us-east-1.amazonaws.com"));
        let authorization = signed.headers()["authorization"].to_str().unwrap();
        assert!(
            authorization.contains("/20260331/us-east-1/bedrock/aws4_request"),
            "{authorization}"
        );
    }
}

#[test]
fn a_session_token_goes_along_and_nothing_secret_is_printed() {
    let aws = aws(Some("the-token"));
    let signed = request(&aws, &ExecuteStatement::default(), NOW_MS).unwrap();
    assert_eq!(signed.headers()["x-amz-security-token"], "the-token");
    assert_eq!(signed.headers()["x-amz-date"], "20260331T120000Z");
    assert_eq!(signed.headers()["x-amz-target"], "RedshiftData.ExecuteStatement");
    assert!(
        signed.headers()["authorization"]
            .to_str()
            .unwrap()
            .contains("x-amz-security-token")
    );
    for printed in [format!("{aws:?}"), format!("{signed:?}")] {
        assert!(
            !printed.contains("wJalrXUtnFEMI") && !printed.contains("the-token"),
            "{printed}"
        );
    }
}

#[test]
fn credentials_that_no_header_can_carry_are_refused_and_not_repeated() {
    for (id, secret, token) in [
        ("", "s", None),
        ("id\n", "s", None),
        ("id", "", None),
        ("id", "s", Some("to\u{e9}ken")),
        ("id", "s", Some("to\nken")),
    ] {
        let credentials = Credentials {
            access_key_id: id.into(),
            secret_access_key: secret.into(),
            session_token: token.map(str::to_owned),
        };
        let aws = Aws::new("us-east-1", "http://127.0.0.1:4566", credentials).unwrap();
        let error = request(&aws, &ExecuteStatement::default(), NOW_MS)
            .unwrap_err()
            .to_string();
        assert!(error.contains("check the AWS credentials"), "{error}");
        assert!(token.is_none_or(|token| !error.contains(token)), "{error}");
    }
}
