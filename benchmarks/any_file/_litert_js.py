"""LiteRT.js in headless Chromium: a model and images go to a page on 127.0.0.1, which posts its answers back."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from common import temporary_folder

PAGE = Path(__file__).with_name("litert_js.html")
_WAIT_S = 300
_CHROMIUM = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def answers(packages: Path, model: Path, images: Any) -> Any:
    """Probabilities float[N, C] of images uint8[N, 1, H, W, 3], computed on the CPU.

    Args:
        packages: a node_modules folder with @litertjs/core.
        model: a .tflite of one input uint8[1, H, W, 3].
        images: uint8[N, 1, H, W, 3].
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("LiteRT.js needs chromium. On Debian: apt-get install chromium")
    served = {
        "/page.html": PAGE.read_bytes(),
        "/shape.json": json.dumps(images.shape[1:]).encode(),
        "/images": images.tobytes(),
        "/model": model.read_bytes(),
    }
    answered = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(served, packages / "@litertjs", answered))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        profile = temporary_folder()
        argv = [chromium, *_CHROMIUM, f"--user-data-dir={profile}", address]
        with (profile / "log").open("w") as log:
            started = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            if not answered.wait(_WAIT_S):
                sys.exit(f"LiteRT.js: the page gave no answer in {_WAIT_S} s")
        finally:
            started.terminate()
            started.wait(30)
    finally:
        server.shutdown()
        server.server_close()
    result = json.loads(served["answer"])
    if "error" in result:
        sys.exit(f"LiteRT.js: {result['error']}")
    return np.asarray(result["rows"], np.float32)


def _handler(served: dict[str, bytes], packages: Path, answered: threading.Event) -> type:
    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map: ClassVar = {".js": "text/javascript", ".wasm": "application/wasm", "": "text/html"}

        def __init__(self, *words: Any) -> None:
            super().__init__(*words, directory=str(packages))

        def do_GET(self) -> None:
            if self.path not in served:
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(self.path))
            self.send_header("Content-Length", str(len(served[self.path])))
            self.end_headers()
            self.wfile.write(served[self.path])

        def do_POST(self) -> None:
            served["answer"] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            answered.set()

        def log_message(self, format: str, *words: object) -> None:
            pass

    return Handler
