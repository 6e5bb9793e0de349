"""A device whose answers are a script's: to test what talks to devices without one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from edgekd import storage
from edgekd.devices.facts import Facts, ThrottlingFacts
from edgekd.devices.protocol import Completed
from edgekd.errors import DeviceError

Script = Callable[[Sequence[str], dict[str, bytes]], Completed]


class FakeDevice:
    """Keeps files in memory and answers every command by calling ``script(argv, files)``.

    ``files`` maps remote paths to bytes; the script may read and change it, or raise a DeviceError.
    ``throttling``, if given, answers how hot it is after each round. ``calls`` lists the argv of every command,
    ``workspaces_left`` the workspaces not removed yet.
    """

    python = "python3"

    def __init__(
        self,
        script: Script,
        facts: Mapping[str, Any] | None = None,
        address: str = "fake",
        throttling: Callable[[], ThrottlingFacts] | None = None,
    ) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        self.calls: list[tuple[str, ...]] = []
        self.workspaces_left: list[str] = []
        self._script = script
        if throttling is not None:
            self.throttling = throttling
        self._facts = dict(facts or {"address": address, "cpu_model": "Fake", "cores": 1})
        self._workspaces_made = 0

    def facts(self) -> Facts:
        """The facts that the test gave."""
        return cast(Facts, dict(self._facts))

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Record the call and let the script answer."""
        self.calls.append(tuple(argv))
        return self._script(argv, self.files)

    def push(self, local: str | os.PathLike[str], remote: str) -> None:
        """Store the file's bytes."""
        self.files[remote] = Path(local).read_bytes()

    def pull(self, remote: str, local: str | os.PathLike[str]) -> None:
        """Write the stored bytes. Raises: DeviceError if the file does not exist there."""
        if remote not in self.files:
            raise DeviceError(f"{self.address}: {remote} does not exist there", address=self.address)
        storage.write_bytes(Path(local), self.files[remote])

    @contextlib.contextmanager
    def workspace(self) -> Iterator[str]:
        """A prefix for names; its files go away with it."""
        self._workspaces_made += 1
        folder = f"/fake/{self._workspaces_made}"
        self.workspaces_left.append(folder)
        try:
            yield folder
        finally:
            self.workspaces_left.remove(folder)
            self.files = {name: content for name, content in self.files.items() if not name.startswith(f"{folder}/")}
