"""A real S3 server (moto's) on loopback, behind a proxy that can be set to fail or to be slow."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def moto_python() -> Path | None:
    """The Python that has moto: $EDGEKD_MOTO_PYTHON."""
    given = os.environ.get("EDGEKD_MOTO_PYTHON")
    return Path(given) if given else None


class ObjectStore:
    """``fail`` is asked of every request (method, path, its number) for a status to answer with; 0: none.

    ``delay_s`` is waited before each.
    """

    def __init__(self, python: Path, log: Path) -> None:
        self.behind, self.port = _free_port(), _free_port()
        self.requests, self.failed, self.delay_s = 0, 0, 0.0
        self.fail: Any = lambda method, path, number: 0
        with log.open("w") as stream:
            self._moto = subprocess.Popen(
                [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.behind)],
                stdout=stream, stderr=stream, env={**os.environ, "PYTHONPATH": ""},
            )  # fmt: skip
        _wait_for(self.behind, self._moto)
        self._proxy = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """What AWS_ENDPOINT_URL is to be."""
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self, name: str) -> None:
        """Create a bucket."""
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        connection.request("PUT", f"/{name}")
        assert connection.getresponse().status == 200

    def close(self) -> None:
        """End the server and the proxy."""
        self._proxy.shutdown()
        self._moto.kill()
        self._moto.wait()


def _handler(store: ObjectStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                continue
            return b"".join(parts)

        def answer(self) -> None:
            body = self.body()
            store.requests += 1
            time.sleep(store.delay_s)
            status = store.fail(self.command, self.path, store.requests)
            if status:
                store.failed += 1
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            connection = http.client.HTTPConnection("127.0.0.1", store.behind, timeout=60)
            headers = {n: v for n, v in self.headers.items() if n.lower() not in ("expect", "transfer-encoding")}
            connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            response = connection.getresponse()
            content = response.read()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    return Handler


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "moto's server ended"
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("moto's server does not answer")


@pytest.fixture(scope="session")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """moto's S3 server."""
    python = moto_python()
    if python is None:
        pytest.skip("needs an environment with moto[s3,server]; EDGEKD_MOTO_PYTHON names its python")
    store = ObjectStore(python, tmp_path_factory.mktemp("moto") / "log")
    store.make_bucket("cameras")
    yield store
    store.close()


@pytest.fixture
def store(running_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store that does not fail yet, and the environment in which pyarrow finds it."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": running_store.endpoint}.items():
        monkeypatch.setenv(name, value)
    yield running_store
    running_store.fail, running_store.delay_s = lambda method, path, number: 0, 0.0
