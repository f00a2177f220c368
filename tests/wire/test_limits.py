"""What a server must bear: many connections, slow and large bodies, clients that do not read, and a sudden end."""

import json
import os
import pathlib
import resource
import socket
import struct
import urllib.parse

import botocore.exceptions
import pytest

CONNECTIONS = 1000
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(start):
    """An endpoint of its own: its memory is read."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CONNECTIONS + 500
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard) if hard != resource.RLIM_INFINITY else needed, hard))
    return start("--in-memory")


def resident_bytes(server):
    pages = int(pathlib.Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def connect(server):
    address = urllib.parse.urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def post(path, length, *headers):
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def ask(client, server):
    return client("bedrock-runtime", url=server.url).converse(
        modelId="local.planner", messages=[{"role": "user", "content": [{"text": "who are you"}]}]
    )


@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_thousand_slow_bodies_cost_little_and_hold_up_nobody(client, server):
    ask(client, server)
    before = resident_bytes(server)
    connections = []
    try:
        for i in range(CONNECTIONS):
            connection = connect(server)
            connections.append(connection)
            # Some have not even sent their head.
            if i % 4:
                connection.sendall(post("/model/local.planner/converse", 20_000_000) + b"x" * 1000)
            else:
                connection.sendall(b"POST /model/")
        assert ask(client, server)["stopReason"]
        assert resident_bytes(server) - before < 150 * MIB
    finally:
        for connection in connections:
            connection.close()
    assert ask(client, server)["stopReason"]


@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_client_that_does_not_read_its_stream_costs_little(client, server, tmp_path):
    path = tmp_path / "long.json"
    path.write_text(json.dumps({"turns": [[{"text": "word " * 180_000}]]}))
    ask(client, server)
    before = resident_bytes(server)
    streams = []
    for _ in range(10):
        made = client("bedrock-runtime", url=server.url)
        answer = made.converse_stream(modelId=f"script:{path}", messages=[{"role": "user", "content": [{"text": "go"}]}])
        stream = iter(answer["stream"])
        assert "messageStart" in next(stream)
        streams.append((answer["stream"], stream))
    assert ask(client, server)["stopReason"]
    # Each stream would be 30 MB of frames.
    assert resident_bytes(server) - before < 150 * MIB
    # One that goes on reading is served on.
    assert all("contentBlockDelta" in next(streams[0][1]) for _ in range(2_000))
    for stream, _ in streams:
        stream.close()
    assert ask(client, server)["stopReason"]


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server):
    with connect(server) as connection:
        connection.sendall(post("/model/local.planner/converse", 10**12))
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert "RequestEntityTooLargeException" in answer


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nx: " + b"y" * 100_000,
        struct.pack(">I", 0) * 100,
    ],
)
def test_what_is_no_request_ends_its_connection_only(client, server, text):
    with connect(server) as connection:
        connection.sendall(text)
        try:
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        except OSError:
            # The server has ended the connection already.
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert ask(client, server)["stopReason"]


def test_published_data_is_served_again_after_a_kill(client, endpoint, start, tmp_path):
    if os.environ.get("CONCERT_ENDPOINT"):
        pytest.skip("the endpoint was started elsewhere")
    import conftest

    server = start(home=tmp_path)
    redshift = lambda: client("redshift-data", url=server.url, attempts=1)
    connection = {"WorkgroupName": "concert", "Database": "dev", "WaitTimeSeconds": 30}
    first = redshift().execute_statement(Sql="select 1", **connection)
    assert first["Status"] == "FINISHED"
    server.kill()
    with pytest.raises(botocore.exceptions.BotoCoreError):
        redshift().list_databases(WorkgroupName="concert", Database="dev")
    conftest.ingest(tmp_path)
    server.restart()
    counted = redshift().execute_statement(Sql="select count(*) from concert_dw.concerts", **connection)
    result = redshift().get_statement_result(Id=counted["Id"])
    assert result["Records"] == [[{"longValue": 6}]]
