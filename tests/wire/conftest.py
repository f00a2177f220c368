"""AWS's own client, unmodified, against the local endpoint: only `endpoint_url` is set. Every answer that a client gets is
compared with botocore's model of the service (shapes.py).

CONCERT_ENDPOINT names a running endpoint whose lake holds the files of `data`. Without it, the command that
CONCERT_BIN names (or `concert` on the PATH) is started on a free port with a home of its own.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import urllib.request

import boto3
import botocore.config
import pytest

import shapes
import stub

DATA = pathlib.Path(__file__).parent / "data"
ACCESS_KEY = os.environ.get("CONCERT_ACCESS_KEY", "concert")
SECRET_KEY = os.environ.get("CONCERT_SECRET_KEY", "concert-local-secret")
TODAY = "2002-01-01"




def command():
    found = os.environ.get("CONCERT_BIN") or shutil.which("concert")
    if not found:
        pytest.fail("set CONCERT_BIN to the built command; CONCERT_ENDPOINT alone serves the tests that start none")
    return found


def ingest(home):
    """Publishes the files of `data` in a home."""
    subprocess.run([command(), "ingest", str(DATA), "--today", TODAY, "--home", str(home)], check=True)


class Server:
    """`concert aws` on a free port. A restart keeps the home and takes another port."""

    def __init__(self, *options, home=None):
        self.options = [*options] if home is None else [*options, "--home", str(home)]
        self.process = None
        self.url = None
        self.restart()

    def restart(self):
        self.stop()
        self.process = subprocess.Popen(
            [command(), "aws", "--port", "0", *self.options], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("AWS endpoint at "), f"unexpected: {line!r}"
        self.url = line.removeprefix("AWS endpoint at ").strip()

    def stop(self):
        """As a supervisor does."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)
            self.process.stdout.close()
            self.process = None

    def kill(self):
        """As `kill -9` does."""
        self.process.kill()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        self.process = None


@pytest.fixture(scope="session")
def start():
    """Starts further endpoints: `start("--in-memory")`, `start(home=folder)`. They end with the tests."""
    servers = []

    def start(*options, home=None):
        servers.append(Server(*options, home=home))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def endpoint(start):
    given = os.environ.get("CONCERT_ENDPOINT")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as home:
        ingest(home)
        server = start("--today", TODAY, home=home)
        yield server.url
        server.stop()


@pytest.fixture(scope="session")
def client(endpoint):
    """Makes clients: `client("redshift-data")`, with another key, with retries, or of another endpoint where a test says
    so."""

    def make(service, access_key=ACCESS_KEY, secret_key=SECRET_KEY, region="us-east-1", attempts=1, token=None, url=None):
        made = boto3.client(
            service,
            endpoint_url=url or endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
            config=botocore.config.Config(
                retries={"total_max_attempts": attempts, "mode": "standard"},
                connect_timeout=10,
                read_timeout=60,
                proxies={},
            ),
        )
        return shapes.watch(made)

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


@pytest.fixture(scope="session")
def _stub():
    made = stub.Stub()
    yield made
    made.close()


@pytest.fixture(scope="session")
def behind(start, _stub):
    """The address of an endpoint with the stub for a model server and for the SageMaker endpoint `ticket-sales`."""
    closed = "http://127.0.0.1:9"
    options = ["--model-server", _stub.url, "--endpoint", f"ticket-sales={_stub.url}", "--endpoint", f"closed={closed}"]
    return start("--in-memory", *options).url


@pytest.fixture
def server(_stub):
    """The stub behind `behind`, which knows of no request yet."""
    _stub.will((500, {"error": {"message": "the test has not said what to answer"}}))
    return _stub


@pytest.fixture
def with_fault():
    """Adds the header of faults to every request that a client sends."""

    def add(client, fault):
        def on_send(request, **_):
            request.headers["x-concert-fault"] = fault

        client.meta.events.register("before-send.*", on_send)
        return client

    return add


@pytest.fixture
def order_fault(endpoint):
    """Gives the next requests of an operation a fault: `order_fault("throttle", "Converse", count=2)`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def order(fault, operation, count=1):
        body = json.dumps({"fault": fault, "count": count, "operation": operation}).encode()
        request = urllib.request.Request(f"{endpoint}/_concert/fault", data=body, method="PUT")
        opener.open(request).close()

    return order


def pytest_collection_modifyitems(items):
    # What looks at the answers of all other tests comes after them.
    items.sort(key=lambda item: "after_all" in item.keywords)


def pytest_configure(config):
    config.addinivalue_line("markers", "after_all: looks at what the other tests have seen")
