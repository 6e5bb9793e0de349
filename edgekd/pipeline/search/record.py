"""What a search has looked at, on disk: a killed search goes on from it and ends in the same choice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekd.errors import EdgekdError
from edgekd.storage import read_json, write_json


class Record:
    """Results by name in a file, each computed once. One that belongs to another ``key`` is begun anew.

    ``earlier_s`` are the seconds that earlier, killed attempts took.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._started = time.monotonic()
        self._path = path
        self._values: dict[str, Any] = {"key": key, "seconds": 0.0, "results": {}}
        try:
            stored = read_json(path) if path.is_file() else {}
            if stored.get("key") == key and isinstance(stored.get("results"), dict):
                self._values = stored
        except (EdgekdError, AttributeError):
            pass  # A damaged record only means that the search is done again.
        self.earlier_s = float(self._values.get("seconds", 0.0))

    def has(self, name: str) -> bool:
        """Whether the result of that name is there."""
        return name in self._values["results"]

    def result(self, name: str) -> Any:
        """The result of that name, which is there."""
        return self._values["results"][name]

    def keep(self, name: str, result: Any) -> Any:
        """Write a JSON-able result under that name at once, and give it."""
        self._values["results"][name] = result
        self._values["seconds"] = round(self.earlier_s + time.monotonic() - self._started, 1)
        write_json(self._path, self._values)
        return result

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """The result of that name, a JSON-able value; computed and written where it is not there yet."""
        return self.result(name) if self.has(name) else self.keep(name, compute())
