"""Files that edgekd writes into an app's project, and the record by which it later knows which of them are its own.

A file is ours as long as it has the bytes that were written. One that somebody has edited since is theirs: it is left
as it is and named. One that was never written by edgekd is not overwritten at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edgekd.errors import EdgekdError, UsageError
from edgekd.formats.artifact import Artifact
from edgekd.storage import read_json, read_regular_file, write_bytes, write_json

RECORD = "edgekd-files.json"
"""The record's usual name: paths beside it, and the SHA-256 of what was written to each."""
_SCHEMA = 1
_LARGEST_BYTES = 1 << 30
# Path to the hashes of ours that may be there: two of them while files are being replaced.
_Hashes = dict[str, list[str]]


@dataclass(frozen=True)
class AppChanges:
    """What became of the files, by their paths: ``edited`` ones were changed by somebody and are left as they are."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The changes as a JSON object."""
        return {name: list(paths) for name, paths in vars(self).items()}


@dataclass
class _Plan:
    """``state`` is the path to the SHA-256 of each file that stays ours."""

    state: dict[str, str] = field(default_factory=dict)
    changes: dict[str, list[str]] = field(default_factory=dict)

    def add(self, change: str, path: str) -> None:
        self.changes.setdefault(change, []).append(path)


def write_app_files(folder: Path, files: Mapping[str, bytes], record: str = RECORD) -> AppChanges:
    """Write ``files`` into ``folder``, and update or remove those that an earlier call wrote there.

    Args:
        folder: The project, or a part of it; made if it is missing.
        files: Contents by path inside ``folder``, with "/" between names.
        record: Name of the record in ``folder``: one for each set of files that is written there.

    Returns:
        What became of each file.

    Raises:
        UsageError: A file is in the place of one of ``files`` and was not written by edgekd; nothing is written then.
        EdgekdError: The record is not one.
    """
    earlier = _read_record(folder / record)
    plan = _make_plan(folder, files, earlier)
    # Both generations are listed while files change, so that what is left by a kill is still known as ours.
    both = {
        path: list(dict.fromkeys([*earlier.get(path, ()), *_hash_list(plan, path)])) for path in earlier | plan.state
    }
    _write_record(folder / record, both)
    for change in ("added", "updated"):
        for path in plan.changes.get(change, ()):
            write_bytes(folder / path, files[path])
    for path in plan.changes.get("removed", ()):
        (folder / path).unlink(missing_ok=True)
        _remove_empty_folders(folder, path)
    left = {path: earlier[path] for path in plan.changes.get("edited", ()) if path in files}
    _write_record(folder / record, {**{path: [sha256] for path, sha256 in plan.state.items()}, **left})
    return AppChanges(**{name: tuple(sorted(paths)) for name, paths in plan.changes.items()})


def require_one_photo(artifact: Artifact, what: str) -> None:
    """Raise UsageError where a file takes several photos at a time; ``what`` says who passes one."""
    batch = artifact.inputs[0].shape[0]
    if batch not in (1, "N"):
        raise UsageError(f"{artifact.path.name} takes {batch} photos at a time, and {what}. Use --batch 1")


def check_app_files(folder: Path, files: Mapping[str, bytes], record: str = RECORD) -> None:
    """Raise what ``write_app_files`` would, and write nothing: before the first of several sets is written."""
    _make_plan(folder, files, _read_record(folder / record))


def _make_plan(folder: Path, files: Mapping[str, bytes], earlier: _Hashes) -> _Plan:
    plan, foreign = _Plan(), []
    for path, content in files.items():
        present, wanted = _hash_of(folder / _checked(path)), hashlib.sha256(content).hexdigest()
        if present is not None and present != wanted and path not in earlier:
            foreign.append(path)
        elif present is not None and present != wanted and present not in earlier[path]:
            plan.add("edited", path)
            continue
        plan.state[path] = wanted
        plan.add("added" if present is None else "unchanged" if present == wanted else "updated", path)
    if foreign:
        more = f" and {len(foreign) - 1} more files" if len(foreign) > 1 else ""
        raise UsageError(
            f"{folder / foreign[0]}{more} would be overwritten, and edgekd did not write it. Move it away, or give "
            "another folder"
        )
    for path in earlier.keys() - files.keys():
        present = _hash_of(folder / path)
        if present is not None:
            plan.add("removed" if present in earlier[path] else "edited", path)
    return plan


def _hash_list(plan: _Plan, path: str) -> list[str]:
    return [plan.state[path]] if path in plan.state else []


def _hash_of(path: Path) -> str | None:
    """The SHA-256 of a file; None where there is none. Raises UsageError where something else is there."""
    try:
        return hashlib.sha256(read_regular_file(path, _LARGEST_BYTES)).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be replaced by a file: {error.strerror}. Move it away") from None


def _checked(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts or "\\" in path:
        raise ValueError(f"{path!r} is not a path inside the folder")
    return path


def _remove_empty_folders(folder: Path, path: str) -> None:
    for parent in (folder / path).parents:
        if parent == folder or not parent.is_dir() or any(parent.iterdir()):
            return
        parent.rmdir()


def _write_record(path: Path, hashes: _Hashes) -> None:
    write_json(path, {"schema": _SCHEMA, "files": hashes})


def _read_record(path: Path) -> _Hashes:
    if not path.exists():
        return {}
    value = read_json(path)
    try:
        if value["schema"] != _SCHEMA:
            raise ValueError(f"its schema is {value['schema']}")
        return {_checked(str(name)): [str(one) for one in hashes] for name, hashes in value["files"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EdgekdError(
            f"{path} is not the record of files that edgekd wrote ({error}). Restore it, or move it and the files that "
            "edgekd wrote away"
        ) from None
