"""As much of a W&B server as ``wandb sync`` talks to, on this machine alone: it keeps what is uploaded."""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Attributes: ``files`` by path of upload, ``artifacts`` by id (their facts), ``used`` and ``committed`` ids."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.used: list[str] = []
        self.committed: list[str] = []

    @property
    def address(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, operation: str, values: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL operation; nothing for one that may fail."""
        entity = {"id": "e", "name": "me"}
        if operation == "Viewer":
            teams: dict[str, Any] = {"edges": []}
            return {"viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}", "teams": teams}}
        if operation == "RunResumeStatus":
            return {"model": {"id": "p", "name": values["project"], "entity": entity, "bucket": None}}
        if operation == "UpsertBucket":
            project = {"id": "p", "name": values["project"], "entity": entity}
            bucket = {
                "id": "b",
                "name": values["name"],
                "displayName": "",
                "config": "{}",
                "project": project,
            }
            return {"upsertBucket": {"bucket": bucket | {"historyLineCount": 0}, "inserted": True}}
        if operation == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.address}/run/{name}"} for name in values["files"]]
            return {"createRunFiles": {"runID": values["run"], "uploadHeaders": [], "files": files}}
        if operation == "CreateArtifact":
            asked = values["input"]
            identity = f"{asked['artifactCollectionName']}@{len(self.artifacts)}"
            self.artifacts[identity] = asked
            sequence = {"latestArtifact": None}
            return {
                "createArtifact": {
                    "artifact": {"id": identity, "state": "PENDING", "artifactSequence": sequence}
                }
            }
        if operation == "CreateArtifactManifest":
            upload = {"id": "f", "uploadUrl": f"{self.address}/manifest", "uploadHeaders": []}
            return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": upload}}}
        if operation == "CreateArtifactFiles":
            nodes = [
                {
                    "storagePath": file["name"],
                    "uploadUrl": f"{self.address}/artifact/{file['artifactID']}/{file['name']}",
                    "uploadHeaders": [],
                    "uploadMultipartUrls": None,
                    "artifact": {"id": file["artifactID"]},
                }
                for file in values["input"]["artifactFiles"]
            ]
            return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}
        if operation == "CommitArtifact":
            self.committed.append(values["artifactID"])
            return {"commitArtifact": {"artifact": {"id": values["artifactID"], "digest": ""}}}
        if operation == "UseArtifact":
            self.used.append(values["input"]["artifactID"])
            return {"useArtifact": {"artifact": {"id": values["input"]["artifactID"]}}}
        return {"serverInfo": {"features": []}} if operation == "ServerFeaturesQuery" else {}


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_PUT(self) -> None:
        self.server.files[self.path] = self._body()
        self._send({})

    def do_POST(self) -> None:
        body = self._body()
        if self.path != "/graphql":  # history and summary, line by line
            self._send({})
            return
        asked = json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        operation = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
        assert operation is not None
        self._send({"data": self.server.answer(operation[1], asked.get("variables") or {})})

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _send(self, values: dict[str, Any]) -> None:
        content = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving() -> Iterator[Server]:
    """A running server."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
