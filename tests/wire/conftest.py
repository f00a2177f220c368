"""AWS's own client, unmodified, against the local endpoint: only `endpoint_url` is set.

CONCERT_ENDPOINT names a running endpoint whose lake holds the files of `data`. Without it, the command that
CONCERT_BIN names (or `concert` on the PATH) is started on a free port with a home of its own.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import boto3
import botocore.config
import pytest

DATA = pathlib.Path(__file__).parent / "data"
ACCESS_KEY = os.environ.get("CONCERT_ACCESS_KEY", "concert")
SECRET_KEY = os.environ.get("CONCERT_SECRET_KEY", "concert-local-secret")
TODAY = "2002-01-01"


@pytest.fixture(scope="session")
def endpoint():
    given = os.environ.get("CONCERT_ENDPOINT")
    if given:
        yield given
        return
    command = os.environ.get("CONCERT_BIN") or shutil.which("concert")
    if not command:
        pytest.fail("set CONCERT_ENDPOINT to a running endpoint, or CONCERT_BIN to the built command")
    with tempfile.TemporaryDirectory() as home:
        options = ["--home", home]
        subprocess.run([command, "ingest", str(DATA), "--today", TODAY, *options], check=True)
        server = subprocess.Popen(
            [command, "aws", "--port", "0", "--today", TODAY, *options], stdout=subprocess.PIPE, text=True
        )
        try:
            line = server.stdout.readline()
            assert line.startswith("AWS endpoint at "), f"unexpected: {line!r}"
            yield line.removeprefix("AWS endpoint at ").strip()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)


@pytest.fixture(scope="session")
def client(endpoint):
    """Makes clients: `client("redshift-data")`, with another key or with retries where a test says so."""

    def make(service, access_key=ACCESS_KEY, secret_key=SECRET_KEY, region="us-east-1", attempts=1):
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=botocore.config.Config(
                retries={"total_max_attempts": attempts, "mode": "standard"},
                connect_timeout=10,
                read_timeout=60,
                proxies={},
            ),
        )

    return make


@pytest.fixture(scope="session")
def redshift(client):
    return client("redshift-data")


@pytest.fixture(scope="session")
def bedrock(client):
    return client("bedrock-runtime")


@pytest.fixture(scope="session")
def run(redshift):
    """Runs one statement to its end and gives what DescribeStatement says."""

    def run(sql, parameters=None, **more):
        request = {"WorkgroupName": "concert", "Database": "dev", "Sql": sql, "WaitTimeSeconds": 30, **more}
        if parameters:
            request["Parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
        executed = redshift.execute_statement(**request)
        return redshift.describe_statement(Id=executed["Id"], WaitTimeSeconds=30)

    return run


@pytest.fixture(scope="session")
def rows(redshift, run):
    """The rows of one statement, as plain values."""

    def rows(sql, parameters=None):
        described = run(sql, parameters)
        assert described["Status"] == "FINISHED", described.get("Error")
        pages = redshift.get_paginator("get_statement_result").paginate(Id=described["Id"])
        return [[value(field) for field in record] for page in pages for record in page["Records"]]

    return rows


def value(field):
    """The one member of a Field."""
    ((name, value),) = field.items()
    return None if name == "isNull" else value


@pytest.fixture
def with_fault():
    """Adds the header of faults to every request that a client sends."""

    def add(client, fault):
        def on_send(request, **_):
            request.headers["x-concert-fault"] = fault

        client.meta.events.register("before-send.*", on_send)
        return client

    return add
