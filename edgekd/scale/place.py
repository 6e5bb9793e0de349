"""A folder that may be anywhere: whole files in, whole files out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from edgekd.errors import StorageError
from edgekd.storage import replacing, write_bytes

_URI = re.compile(r"[a-z][a-z0-9+.-]+://")
_PART = 16 << 20


class Place(Protocol):
    """Files by name in one folder, each either whole or absent. Every method raises StorageError."""

    def __str__(self) -> str:
        """Where it is, for messages and for `open_place`."""

    def names(self) -> list[str]:
        """Names of the files in it; none where the folder does not exist."""

    def has(self, name: str) -> bool:
        """Whether a file is there."""

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """A file's bytes, or those from ``start`` to ``stop``."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all."""

    def stream(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a file of any size from its parts, whole or not at all."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def tidy(self) -> None:
        """Remove what killed writers left unfinished; only where no other writes."""


class LocalPlace:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def __str__(self) -> str:
        return str(self.folder)

    def names(self) -> list[str]:
        """Names of the files; hidden ones are still being written."""
        if not self.folder.is_dir():
            return []
        return [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self.folder / name).is_file()

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """A file's bytes, or those from ``start`` to ``stop``."""
        try:
            with (self.folder / name).open("rb") as stream:
                stream.seek(start)
                return stream.read(-1 if stop is None else stop - start)
        except OSError as error:
            raise StorageError(f"{self.folder / name} cannot be read: {error.strerror}") from None

    def write(self, name: str, content: bytes) -> None:
        """Write under a hidden name, then rename."""
        try:
            write_bytes(self.folder / name, content)
        except OSError as error:
            raise StorageError(f"{self.folder / name} cannot be written: {error.strerror}") from None

    def stream(self, name: str, parts: Iterable[bytes]) -> None:
        """Write under a hidden name, then rename."""
        try:
            with replacing(self.folder / name) as temporary, temporary.open("wb") as stream:
                stream.writelines(parts)
        except OSError as error:
            raise StorageError(f"{self.folder / name} cannot be written: {error.strerror}") from None

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.folder / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove shards under hidden names."""
        for path in self.folder.glob(".logits-*.npy"):
            path.unlink(missing_ok=True)


def is_uri(text: str) -> bool:
    """Whether it names a file system (s3://, gs://, file://, …) rather than a path."""
    return _URI.match(text) is not None


def open_place(text: str) -> Place:
    """The folder of a path or URI. Raises StorageError where no file system answers to the URI."""
    if not is_uri(text):
        return LocalPlace(Path(text))
    if text.startswith("file://"):
        return LocalPlace(Path(text.removeprefix("file://")))
    from edgekd.scale.remote import RemotePlace

    return RemotePlace(text)


def copy_file(place: Place, name: str, path: Path) -> None:
    """Copy a file of any size, whole or not at all. Raises StorageError."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        while part := place.read(name, stream.tell(), stream.tell() + _PART):
            stream.write(part)


def fetch_files(
    place: Place, names: Sequence[str], folder: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Copy the files of ``place`` that ``folder`` does not hold yet."""
    for done, name in enumerate(names, 1):
        if not (folder / name).is_file():
            write_bytes(folder / name, place.read(name))
        if progress:
            progress(done, len(names))
