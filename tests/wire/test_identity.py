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
