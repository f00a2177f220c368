"""A stub of a model server: it speaks OpenAI's chat API and SageMaker's container contract, says what it is told to, and
keeps what it was asked."""

import http.server
import json
import threading
import time


class Stub:
    """`answers` are given in turn, the last one for good. Each is (status, JSON body), a list of events to stream, or a
    function of the request's body."""

    def __init__(self):
        self.answers = []
        self.requests = []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path == "/v1/models":
                    self.send(200, {"object": "list", "data": [{"id": "stub-model", "object": "model"}]})
                elif self.path == "/ping":
                    self.send(200, {})
                else:
                    self.send(404, {"error": {"message": "no such page"}})

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                stub.requests.append((self.path, dict(self.headers), body))
                answer = stub.answers.pop(0) if len(stub.answers) > 1 else stub.answers[0]
                if callable(answer):
                    answer = answer(body)
                if isinstance(answer, list):
                    self.stream(answer)
                else:
                    self.send(*answer)

            def send(self, status, body, content_type="application/json"):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream(self, events):
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                for event in events:
                    if isinstance(event, float):
                        time.sleep(event)
                        continue
                    data = event if isinstance(event, str) else json.dumps(event)
                    self.wfile.write(f"data: {data}\n\n".encode())
                    self.wfile.flush()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def will(self, *answers):
        """What it says next; forgets what it was asked."""
        self.answers = list(answers)
        self.requests = []

    def asked(self):
        """The bodies of what it was asked."""
        return [json.loads(body) for _, _, body in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def delta(finish=None, **delta):
    """One event of a streamed completion."""
    return {"id": "c1", "model": "stub-model", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def part(index, arguments, id=None, name=None):
    """A part of a tool call in a streamed completion."""
    call = {"index": index, "function": {"arguments": arguments}}
    if name:
        call["function"]["name"] = name
    if id:
        call["id"] = id
        call["type"] = "function"
    return call


def usage(prompt, completion):
    return {"id": "c1", "choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


def whole(content=None, finish="stop", calls=None):
    """A whole completion."""
    message = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(input)}}
            for id, name, input in calls
        ]
    return 200, {
        "id": "c1",
        "model": "stub-model",
        "system_fingerprint": "fp",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7},
    }
