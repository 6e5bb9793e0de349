"""Files on any file system that pyarrow knows (S3 and what speaks like it, GCS, HDFS), with retries.

A file is written under a temporary name and then moved, which object stores do by a copy of their own: so no half of it
is ever seen under its name, even where a writer is killed. Credentials and endpoints are those of the environment
(AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …), or of the URI's query (?endpoint_override=host:port&scheme=http).
"""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from edgekd.errors import StorageError, UsageError
from edgekd.extras import require
from edgekd.text import one_line

_T = TypeVar("_T")
MISSING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What reading a file raises where no file has its name; other errors come from the file system."""
_WAITS_S = (0.5, 1, 2, 4, 8)
"""Pauses between tries; a store that needs longer is down."""


class RemotePlace:
    """The folder of a URI."""

    def __init__(self, uri: str) -> None:
        """Raises UsageError for a URI that pyarrow does not know."""
        self._uri = uri
        file_system(uri)

    def __str__(self) -> str:
        return self._uri

    def names(self) -> list[str]:
        """Names of the files; hidden ones are still being written."""
        return [name for name in self._list_files() if not name.startswith(".")]

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        system, folder = file_system(self._uri)
        info = retry(lambda: system.get_file_info(f"{folder}/{name}"), f"{self._uri}: looking for {name}")
        return bool(info.is_file)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """A file's bytes, or those from ``start`` to ``stop``."""
        system, folder = file_system(self._uri)
        try:
            return read_from(system, f"{folder}/{name}", f"{self._uri}: reading {name}", start, stop)
        except FileNotFoundError:
            raise StorageError(f"{self._uri} holds no {name}") from None

    def write(self, name: str, content: bytes) -> None:
        """Write under a hidden name, then move."""
        system, folder = file_system(self._uri)
        temporary, final = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}", f"{folder}/{name}"

        def write() -> None:
            with system.open_output_stream(temporary) as stream:
                stream.write(content)

        def move() -> None:
            try:
                system.move(temporary, final)
            except FileNotFoundError:
                # An earlier try moved it and lost the reply.
                if not system.get_file_info(final).is_file:
                    raise

        retry(write, f"{self._uri}: writing {name}")
        retry(move, f"{self._uri}: writing {name}")

    def stream(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a file of any size. An object store shows it when it is whole; its parts are made only once."""
        system, folder = file_system(self._uri)

        def write() -> None:
            with system.open_output_stream(f"{folder}/{name}") as stream:
                for part in parts:
                    stream.write(part)

        retry(write, f"{self._uri}: writing {name}", 1)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        system, folder = file_system(self._uri)

        def remove() -> None:
            try:
                system.delete_file(f"{folder}/{name}")
            except FileNotFoundError:
                return

        retry(remove, f"{self._uri}: removing {name}")

    def tidy(self) -> None:
        """Remove what is under hidden names."""
        for name in self._list_files():
            if name.startswith("."):
                self.remove(name)

    def _list_files(self) -> list[str]:
        from pyarrow.fs import FileSelector

        system, folder = file_system(self._uri)
        infos = retry(lambda: system.get_file_info(FileSelector(folder, allow_not_found=True)), f"{self._uri}: listing")
        return [info.base_name for info in infos if info.is_file]


def read_from(system: Any, path: str, what: str, start: int = 0, stop: int | None = None) -> bytes:
    """Bytes of a file of a pyarrow file system. Raises FileNotFoundError, StorageError."""

    def read() -> bytes:
        if start == 0 and stop is None:
            with system.open_input_stream(path) as stream:
                return bytes(stream.read())
        with system.open_input_file(path) as file:
            size = file.size() if stop is None else stop
            return bytes(file.read_at(size - start, start))

    return retry(read, what)


@functools.lru_cache(maxsize=64)
def file_system(uri: str) -> tuple[Any, str]:
    """The pyarrow file system of a URI, and the path there. Raises UsageError."""
    require("ray", uri, "pyarrow")
    from pyarrow.fs import FileSystem

    try:
        system, path = FileSystem.from_uri(uri)
    except (ValueError, TypeError, OSError) as error:  # pyarrow's own errors are among these
        raise UsageError(f"{uri} is not a place that pyarrow can open: {error}") from None
    return system, path.rstrip("/")


def retry(call: Callable[[], _T], what: str, tries: int | None = None) -> _T:
    """The result of ``call``, repeated with pauses while the store fails. Errors of `MISSING` are passed on at once.

    Raises StorageError, naming ``what`` was tried, where it keeps failing.
    """
    waits = _WAITS_S if tries is None else _WAITS_S[: tries - 1]
    for wait in (*waits, None):
        try:
            return call()
        except MISSING:
            raise
        except OSError as error:
            if wait is None:
                raise StorageError(
                    f"{what}: {len(waits) + 1} tries failed, the last with: {one_line(error)}. Finished files stay; "
                    "run the same command to continue"
                ) from None
            time.sleep(wait)
    raise AssertionError
