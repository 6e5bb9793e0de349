"""Files that are either whole or absent, and the hashes that name them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgekd.errors import EdgekdError, RunError, StorageError
from edgekd.temporary import owned_name, remove_leftovers

_LARGEST_JSON_BYTES = 1 << 30
_ODD_FILES = {
    "a pipe": stat.S_ISFIFO, "a device": stat.S_ISCHR, "a block device": stat.S_ISBLK, "a socket": stat.S_ISSOCK,
}  # fmt: skip


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it over ``path`` if the block succeeds.

    Whatever stood at ``path`` survives a failure or a kill. The temporary name keeps the suffix, because
    Keras chooses a format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    handle, name = tempfile.mkstemp(prefix=owned_name(path.stem), suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys and a final newline."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON. Raises EdgekdError naming the file where it is missing or malformed."""
    try:
        return json.loads(read_regular_file(path, _LARGEST_JSON_BYTES).decode("utf-8"))
    except FileNotFoundError:
        raise EdgekdError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise EdgekdError(f"{path} cannot be read as JSON: {error}") from None


def require_regular_file(path: Path, most_bytes: int | None = None) -> None:
    """Raise OSError, whose ``strerror`` says why, unless a file can be read to its end and has at most these bytes.

    A pipe would be waited for, and a device read, for ever.
    """
    facts = path.stat()
    kind = next((name for name, test in _ODD_FILES.items() if test(facts.st_mode)), None)
    if kind is not None:
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
    if most_bytes is not None and facts.st_size > most_bytes:
        size = f"{facts.st_size / (1 << 30):,.1f} GiB"
        raise OSError(errno.EFBIG, f"it has {size}, more than the {most_bytes >> 20:,} MiB that are read", str(path))


def read_regular_file(path: Path, most_bytes: int) -> bytes:
    """The bytes of a file. Raises OSError, whose ``strerror`` says why, for pipes, devices and longer files too."""
    require_regular_file(path, most_bytes)
    with path.open("rb") as stream:
        return stream.read()


def cache_folder() -> Path:
    """Where lies what is compiled or fetched once for this user: plugins, the arm64 root, runtimes of browsers."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "edgekd"


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Hex SHA-256 of a JSON-able value, independent of key order; used to name inputs."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def require_writable(folder: Path) -> None:
    """Find out whether files can be written to ``folder``, which need not exist, before any work is done for them.

    Raises: StorageError.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        # The rights alone do not say it: the file system may be read-only or full.
        with tempfile.TemporaryFile(dir=place) as stream:
            stream.write(b"edgekd")
            stream.flush()
    except OSError as error:
        reason = "it is not a folder" if error.errno == errno.ENOTDIR else error.strerror
        inside = "" if place == folder else f" ({folder} would be made in it)"
        raise StorageError(f"{place} cannot be written to: {reason}{inside}. Give another folder") from None


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run directory, or another that one process fills.

    Raises: RunError where another process holds it; StorageError where it cannot be written to.
    """
    require_writable(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(f"{directory} is in use by another edgekd. Wait for it, or give another folder.") from None
        yield
