"""A page that a real browser opens on 127.0.0.1, and that posts what it found."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


class PageHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and hands what is posted to its ``page``."""

    page: PostingPage

    def do_POST(self) -> None:
        self.page.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.page.answered.set()

    def log_message(self, format: str, *args: object) -> None:
        pass


class PostingPage:
    """Serves while it is entered; ``answered`` is set when ``result`` is there."""

    def __init__(self, handler: type[PageHandler], path: str) -> None:
        self.answered = threading.Event()
        self.result: dict[str, Any] = {}
        bound = type("BoundHandler", (handler,), {"page": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), bound)
        self._address = f"http://127.0.0.1:{self._server.server_port}{path}"

    def open_in(self, chromium: str, folder: Path, timeout_s: float) -> str:
        """Have a browser with its profile in ``folder`` open it and wait for the answer; returns what it logged."""
        argv = [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", self._address]
        with (folder / "log").open("w") as log:
            started = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            self.answered.wait(timeout_s)
        finally:
            started.terminate()
            started.wait(30)
        return (folder / "log").read_text()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
