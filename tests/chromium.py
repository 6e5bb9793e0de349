"""A real Chromium, without a window and without a network, spoken to by its own protocol over two pipes."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    # Nothing outside answers: every name is unknown, and the proxy that all requests have to take is not there.
    "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--remote-debugging-pipe",
)  # fmt: skip
_WAIT_S = 60.0
_MESSAGE_CHARS = 400


def find_chromium() -> str | None:
    return shutil.which("chromium")


def _high_pipe() -> tuple[int, int]:
    """A pipe whose ends have numbers that are not in the way of others."""
    ends = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends)
    for end in ends:
        os.close(end)
    return read, write


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A Chromium for the tests of a file."""
    if find_chromium() is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with Chromium(tmp_path_factory.mktemp("chromium") / "profile") as running:
        yield running


class Chromium:
    """One page; ``requests`` are the addresses that it asked for, ``messages`` what it wrote on its console."""

    def __init__(self, profile: Path) -> None:
        program = find_chromium()
        assert program is not None
        (read_there, write_here), (read_here, write_there) = _high_pipe(), _high_pipe()
        # Chromium reads commands from 3 and answers on 4.
        place = f'exec "$0" "$@" 3<&{read_there} 4>&{write_there}'
        argv = ["bash", "-c", place, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with (profile.parent / f"{profile.name}.log").open("w") as log:
            passed = (read_there, write_there)
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, pass_fds=passed)
        for end in passed:
            os.close(end)
        self._in, self._out = os.fdopen(write_here, "wb"), os.fdopen(read_here, "rb")
        self._number, self._rest = 0, b""
        self.requests: list[str] = []
        self.messages: list[str] = []
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "DOM", "Log"):
            self.call(f"{domain}.enable")
        offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.call("Network.emulateNetworkConditions", **offline)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._in.close()
        self._out.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        self._in.write(json.dumps(command).encode() + b"\0")
        self._in.flush()
        while (answer := self._read()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._out.fileno(), 1 << 20)
            assert part, "Chromium has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        value: dict[str, Any] = json.loads(message)
        return value

    def _note(self, event: dict[str, Any]) -> None:
        parameters, message = event.get("params", {}), ""
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"][:_MESSAGE_CHARS])
        elif event.get("method") == "Runtime.consoleAPICalled":
            message = " ".join(str(part.get("value", part.get("description"))) for part in parameters["args"])
        elif event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            message = str(details.get("exception", details).get("description", details))
        elif event.get("method") == "Log.entryAdded":
            message = str(parameters["entry"]["text"])
        if message:
            self.messages.append(message[:_MESSAGE_CHARS])

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait_for(f"document.readyState === 'complete' && location.href === {json.dumps(address)}")

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives in the page, awaited."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str, wait_s: float = _WAIT_S) -> Any:
        """The first value of an expression that is true. Fails with the console after ``wait_s``."""
        end = time.monotonic() + wait_s
        while not (value := self.value(expression)):
            assert time.monotonic() < end, (expression, self.messages[-10:])
            time.sleep(0.05)
        return value

    def text(self, selector: str) -> str:
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a file input, as a user does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            parameters = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", **parameters, **({"text": text} if text and kind == "keyDown" else {}))

    def accessible_names(self) -> set[tuple[str, str]]:
        """Role and name of all that a screen reader is told of."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return {
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        }

    def screenshot(self, path: Path, *, width: int, height: int, dark: bool = False, scale: float = 1.0) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                  mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
