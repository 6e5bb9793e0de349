"""The files that a CSV means, where its names were written on another machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgekd.data.listing import is_hidden
from edgekd.data.names import clean_name, readable_name
from edgekd.photo_formats import photo_suffixes


@dataclass(frozen=True)
class NamedFile:
    """A file of a row, and its name in the dataset."""

    id: str
    path: Path


class FileFinder:
    """Looks for names in ``folders``, never elsewhere; ``renamed`` lists those that have another name there."""

    def __init__(self, folders: Sequence[Path], images_given: bool = False) -> None:
        self._folders, self._images_given = folders, images_given
        self._by_name: dict[str, list[tuple[Path, Path]]] | None = None
        self.renamed: list[str] = []

    @property
    def searched(self) -> str:
        """The folders, for a message."""
        return " or ".join(str(folder) for folder in self._folders)

    def find(self, name: str) -> NamedFile | None:
        """The file that ``name`` means; None where there is none, or several of equal right."""
        for form in _forms(name):
            for folder in self._folders:
                if (folder / form).is_file():
                    if form not in (name, name.replace("\\", "/").removeprefix("./")):
                        self.renamed.append(f"{name} = {form}")
                    return NamedFile(form, folder / form)
        for form in _forms(name):
            matches = self._index().get(_key(form), [])
            if len(matches) == 1:
                folder, path = matches[0]
                file = NamedFile(readable_name(path.relative_to(folder).as_posix()), path)
                # In the other Unicode form a name is printed alike.
                show = ascii if clean_name(name) == clean_name(file.id) else str
                self.renamed.append(f"{show(name)} = {show(file.id)}")
                return file
        return None

    def why_missing(self, name: str) -> str:
        """What to do where no file of a CSV is found, judged by one of its names."""
        for form in _forms(name):
            matches = self._index().get(_key(form), [])
            if len(matches) > 1:
                return f"{len(matches)} files could be meant by it, such as {matches[0][1]}. Write their exact names"
            for suffix in photo_suffixes():
                if self._index().get(_key(form + suffix)):
                    return f"There is {form}{suffix}: write the names with their suffix"
        last = _key(PurePosixPath(name.replace("\\", "/")).name)
        elsewhere = [paths[0][1] for key, paths in self._index().items() if key.rpartition("/")[2] == last]
        if elsewhere:
            return f"There is {elsewhere[0]}: say with images= which folder the names are relative to"
        if PureWindowsPath(name).drive or PurePosixPath(name.replace("\\", "/")).is_absolute():
            return (
                "Its names are absolute, and only these folders are read: write them relative to the CSV or to images="
            )
        if self._images_given:
            return f"Check that its names are relative to {self._folders[-1]} or to the CSV"
        return "Say where they are with images="

    def _index(self) -> dict[str, list[tuple[Path, Path]]]:
        """Folder and path of every file by its name without case and form."""
        if self._by_name is None:
            self._by_name = {}
            for folder in self._folders:
                for path in _files(folder):
                    matches = self._by_name.setdefault(_key(path.relative_to(folder).as_posix()), [])
                    matches.append((folder, path))
        return self._by_name


def _forms(name: str) -> Iterator[str]:
    """The relative names that ``name`` can mean, best first: as it is, with slashes, and without its first folders."""
    slashed = name.replace("\\", "/")
    absolute = PurePosixPath(slashed).is_absolute() or bool(PureWindowsPath(name).drive)
    if not absolute:
        yield PurePosixPath(name).as_posix()
        if slashed != name:
            yield PurePosixPath(slashed).as_posix()
        return
    parts = [part for part in PurePosixPath(slashed).parts if part != "/" and not part.endswith(":")]
    for first in range(len(parts)):
        yield "/".join(parts[first:])


def _key(name: str) -> str:
    return "/".join(clean_name(part).casefold() for part in name.split("/"))


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(names):
            yield Path(root, name)
