"""Answering on a page in a browser, which is served on loopback to this machine alone.

Its address holds a secret, so that other users of the machine, and other pages in the browser, cannot answer or look.
"""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from labelbench_plus.answering.people import Waiting
from labelbench_plus.answering.replies import hint, shown
from labelbench_plus.answering.sitting import Sitting

HERE = Path(__file__).parent
HOST = "127.0.0.1"
MOST_BYTES = 1 << 20
FILES = {"": ("page.html", "text/html; charset=utf-8"), "page.js": ("page.js", "text/javascript; charset=utf-8")}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Page:
    """Serves the questions of one person.

    Parameters
    ----------
    port: 0 for any that is free.

    Attributes
    ----------
    url: where it is.
    """

    def __init__(self, sitting: Sitting, instructions: str, port: int = 0) -> None:
        self._sitting, self._instructions, self._guard = sitting, instructions, threading.Lock()
        self._secret = secrets.token_urlsafe(16)
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page._get(self)

            def do_POST(self) -> None:
                page._post(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        self._hosts = {f"{name}:{self._server.server_port}" for name in (HOST, "localhost")}
        self.url = f"http://{HOST}:{self._server.server_port}/{self._secret}/"

    def serve(self) -> None:
        """Serve until `close`, or Ctrl-C."""
        self._server.serve_forever(0.1)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        place = self._place(handler)
        if place in FILES:
            name, kind = FILES[place]
            _send(handler, (HERE / name).read_bytes(), kind)
        elif place == "now":
            self._tell(handler, "")
        elif place is not None and place.startswith("image/"):
            with self._guard:
                known = {question.key: question.image for question in self._sitting.left()}
            image = known.get(place.removeprefix("image/"))
            if image is None:
                _send(handler, b"", "text/plain", 404)
            else:
                _send(handler, image.read_bytes(), "image/png")
        else:
            _send(handler, b"", "text/plain", 404)

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        place, size = self._place(handler), int(handler.headers.get("Content-Length") or 0)
        asked = handler.headers.get("Content-Type") == "application/json" and size <= MOST_BYTES
        if place not in ("answer", "skip", "undo", "nothing") or not asked:
            _send(handler, b"", "text/plain", 404)
            return
        said, told = json.loads(handler.rfile.read(size)), ""
        with self._guard:
            known = {question.key for question in self._sitting.left()}
            if place == "undo":
                told = "" if self._sitting.undo() else "There is nothing to take back."
            elif said["key"] not in known:
                told = "Others have answered this meanwhile."
            elif place == "skip":
                self._sitting.skip(said["key"])
            elif place == "nothing":
                self._sitting.nothing(said["key"])
            else:
                try:
                    self._sitting.answer(said["key"], said["text"])
                except ValueError as error:
                    told = str(error)
        self._tell(handler, told)

    def _tell(self, handler: BaseHTTPRequestHandler, told: str) -> None:
        with self._guard:
            left = self._sitting.left()
            state = {
                "who": self._sitting.who,
                "done": len(self._sitting.done),
                "left": len(left),
                "instructions": self._instructions,
                "told": told,
                "question": self._question(left[0]) if left else None,
            }
        _send(handler, json.dumps(state).encode(), "application/json")

    def _question(self, question: Waiting) -> dict[str, Any]:
        return {
            "key": question.key,
            "wants": question.wants,
            "prompt": question.prompt,
            "responses": shown(question),
            "classes": question.classes,
            "several": question.several,
            "image": question.image is not None,
            "hint": hint(question, self._sitting.scale),
        }

    def _place(self, handler: BaseHTTPRequestHandler) -> str | None:
        """What is asked for, below the secret; None of a stranger."""
        beginning = f"/{self._secret}/"
        if handler.headers.get("Host") not in self._hosts or not handler.path.startswith(beginning):
            return None
        return handler.path.removeprefix(beginning)


def _send(handler: BaseHTTPRequestHandler, data: bytes, kind: str, status: int = 200) -> None:
    handler.send_response(status)
    for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(data))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)
