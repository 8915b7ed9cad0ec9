"""A small W&B service on this machine, so that the real client can be tested: it keeps what it is sent.

It answers the four requests that a run makes (does it exist, create it, lines of history and summary, files), and can
be told to refuse everything.
"""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class KeptRun:
    settings: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: str = "{}"
    exits: list[int] = field(default_factory=list)
    preempting: bool = False


class Service:
    """Attributes: `runs` by id; `refuse`: answer 429 to everything; `asked`: requests so far."""

    def __init__(self) -> None:
        self.runs: dict[str, KeptRun] = {}
        self.refuse, self.asked = False, 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                service.asked += 1
                content = b"{}" if service.refuse else json.dumps(service.reply(self.path, body)).encode()
                self.send_response(429 if service.refuse else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, path: str, body: bytes) -> dict[str, Any]:
        if path.endswith("/file_stream"):
            self._keep(path.split("/")[-2], json.loads(body))
            return {}
        if path != "/graphql":
            return {}
        asked = json.loads(body)
        given, entity = asked.get("variables") or {}, {"id": "e", "name": "somebody"}
        if asked.get("operationName") == "RunResumeStatus":
            kept = self.runs.get(given["name"])
            project = {"id": "p", "name": given["project"], "entity": entity}
            return {"data": {"model": {**project, "bucket": self._bucket(given["name"], kept) if kept else None}}}
        if asked.get("operationName") == "UpsertBucket":
            kept = self.runs.setdefault(given["name"], KeptRun(given))
            project = {"id": "p", "name": given["project"], "entity": entity}
            bucket = {**self._bucket(given["name"], kept), "project": project, "sweepName": None, "description": None}
            return {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}}
        if asked.get("operationName") == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.url}/kept/{name}"} for name in given["files"]]
            return {"data": {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}}
        return {"data": {}}

    def _keep(self, run: str, sent: dict[str, Any]) -> None:
        kept = self.runs[run]
        files = sent.get("files") or {}
        kept.history += [json.loads(line) for line in files.get("wandb-history.jsonl", {}).get("content", [])]
        kept.summary = files.get("wandb-summary.json", {}).get("content", [kept.summary])[-1]
        kept.preempting = kept.preempting or bool(sent.get("preempting"))
        if sent.get("complete"):
            kept.exits.append(sent.get("exitcode", 0))

    @staticmethod
    def _bucket(name: str, kept: KeptRun) -> dict[str, Any]:
        return {
            "id": f"storage-{name}",
            "name": name,
            "displayName": kept.settings["displayName"],
            "config": kept.settings["config"],
            "summaryMetrics": kept.summary,
            "historyLineCount": len(kept.history),
            "historyTail": json.dumps([json.dumps(line) for line in kept.history[-1:]]),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "eventsTail": "[]",
            "tags": [],
            "notes": None,
            "wandbConfig": json.dumps({"t": 1}),
        }
