"""An endpoint on loopback that answers as the protocol says, or breaks in the ways that endpoints break."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str], str]


def length(text: str) -> str:
    """A judge who likes long responses: its score is the length of the last line, up to 9."""
    return f"I count. Score: {min(9, len(text.splitlines()[-1]))}"


class Loopback:
    """Serves `/v1/chat/completions`.

    Attributes
    ----------
    says: the reply to the user's message. faults: names of what goes wrong with the next requests, one each.
    seen: bodies of the requests that came, in order. keys: their Authorization headers.
    most: how many were under way at a time.
    """

    def __init__(self, says: Answer = length, seconds: float = 0.0) -> None:
        self.says, self.seconds = says, seconds
        self.faults: list[str] = []
        self.seen: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.most = self._now = 0
        self._guard = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner._guard:
                    owner.seen.append(body)
                    owner.keys.append(self.headers.get("Authorization"))
                    fault = owner.faults.pop(0) if owner.faults else ""
                    owner._now += 1
                    owner.most = max(owner.most, owner._now)
                try:
                    time.sleep(owner.seconds)
                    owner.reply(self, body, fault)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                finally:
                    with owner._guard:
                        owner._now -= 1

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], fault: str) -> None:
        text = self.says(body["messages"][-1]["content"])
        said = {
            "choices": [{"message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        }
        data, status, headers = json.dumps(said).encode(), 200, {}
        if fault.isdigit():
            data, status = b'{"error": "busy or broken"}', int(fault)
        elif fault.startswith("echo"):
            data, status = f"your key is {handler.headers['Authorization']}".encode(), int(fault.partition(" ")[2])
        elif fault == "wait":
            data, status, headers = b"slow down", 429, {"Retry-After": "0"}
        elif fault == "malformed":
            data = b"<html>not JSON</html>"
        elif fault == "wrong":
            data = b'{"object": "error", "choices": []}'
        elif fault == "no usage":
            data = json.dumps({"choices": said["choices"]}).encode()
        elif fault == "no verdict":
            said["choices"][0]["message"]["content"] = "I would rather not say."
            data = json.dumps(said).encode()
        elif fault == "dear":
            data = json.dumps({**said, "usage": {"prompt_tokens": 10, "completion_tokens": 10**6}}).encode()
        elif fault == "slow":
            time.sleep(2.0)
        elif fault == "cut":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data[:10])
            handler.close_connection = True
            return
        elif fault == "drip":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            for byte in data:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.05)
            return
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
