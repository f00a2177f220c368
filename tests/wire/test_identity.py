"""Who is let in: AWS's refusals, as AWS's own client reads them."""

import boto3
import botocore
import botocore.exceptions
import pytest

CASES = [
    ({"secret_key": "not-the-secret"}, "InvalidSignatureException", "does not match the signature you provided"),
    ({"access_key": "AKIDNOBODY"}, "UnrecognizedClientException", "security token included in the request is invalid"),
    ({"region": "eu-west-1"}, "InvalidSignatureException", "valid region"),
]


def call(client, service):
    if service == "redshift-data":
        return client.list_databases(WorkgroupName="concert", Database="dev")
    return client.converse(modelId="local.planner", messages=[{"role": "user", "content": [{"text": "hello"}]}])


@pytest.mark.parametrize("service", ["redshift-data", "bedrock-runtime"])
@pytest.mark.parametrize(("wrong", "code", "message"), CASES)
def test_a_wrong_identity_is_refused(client, service, wrong, code, message):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(client(service, **wrong), service)
    response = caught.value.response
    assert response["Error"]["Code"] == code
    assert message in response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == (400 if service == "redshift-data" else 403)
    assert len(response["ResponseMetadata"]["RequestId"]) == 36


@pytest.mark.parametrize("service", ["redshift-data", "bedrock-runtime"])
def test_a_request_without_a_signature_is_refused(endpoint, service):
    unsigned = botocore.config.Config(signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1}, proxies={})
    client = boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", config=unsigned)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(client, service)
    assert caught.value.response["Error"]["Code"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("service", ["redshift-data", "bedrock-runtime"])
def test_the_right_identity_is_let_in(client, service):
    answer = call(client(service), service)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def refused(client, service):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(client, service)
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize("service", ["redshift-data", "bedrock-runtime"])
def test_a_temporary_key_goes_with_its_token(client, temporary, service):
    assert call(client(service, token="the-token", url=temporary), service)["ResponseMetadata"]["HTTPStatusCode"] == 200
    for token in [None, "another"]:
        assert refused(client(service, token=token, url=temporary), service) == "UnrecognizedClientException"
    # A lasting key has none.
    assert refused(client(service, token="the-token"), service) == "UnrecognizedClientException"


@pytest.fixture(scope="module")
def temporary(start):
    return start("--in-memory", "--session-token", "the-token").url


def test_awss_quotas_are_kept_where_they_are_asked_for(client, start):
    url = start("--in-memory", "--aws-quotas").url
    redshift = client("redshift-data", url=url)
    codes = []
    # ListSchemas may be called three times a second: so many calls take seconds at that pace.
    for _ in range(40):
        try:
            redshift.list_schemas(WorkgroupName="concert", Database="dev")
        except botocore.exceptions.ClientError as error:
            codes.append(error.response["Error"]["Code"])
    assert set(codes) == {"ThrottlingException"}
    # AWS's own client gets through by waiting.
    patient = client("redshift-data", attempts=8, url=url)
    assert patient.list_schemas(WorkgroupName="concert", Database="dev")["Schemas"]
    # An operation with a quota of its own is not held up.
    assert redshift.list_databases(WorkgroupName="concert", Database="dev")["Databases"]


@pytest.mark.parametrize(
    ("service", "operation", "request_"),
    [
        ("sts", "get_caller_identity", {}),
        ("s3", "list_buckets", {}),
        ("s3", "get_object", {"Bucket": "b", "Key": "k"}),
        ("ec2", "describe_instances", {}),
        ("sqs", "list_queues", {}),
        ("kinesis", "list_streams", {}),
        ("cloudwatch", "list_metrics", {}),
        ("logs", "describe_log_groups", {}),
        ("glue", "get_databases", {}),
        ("lambda", "list_functions", {}),
        ("iam", "list_users", {}),
        ("route53", "list_hosted_zones", {}),
        ("cognito-idp", "list_user_pools", {"MaxResults": 1}),
        ("bedrock", "list_foundation_models", {}),
        ("redshift-serverless", "list_workgroups", {}),
    ],
)
def test_a_service_that_is_not_served_is_refused_in_its_own_protocol(endpoint, service, operation, request_):
    config = botocore.config.Config(retries={"total_max_attempts": 1}, proxies={}, s3={"addressing_style": "path"})
    client = boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="concert",
        aws_secret_access_key="concert-local-secret",
        config=config,
    )
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(client, operation)(**request_)
    error = caught.value.response["Error"]
    assert error["Code"] in ("UnknownOperationException", "InvalidAction", "NotImplemented")
    assert "redshift-data" in error["Message"] and "ExecuteStatement" in error["Message"] or "bedrock-runtime" in error["Message"]
