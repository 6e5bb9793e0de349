"""What a source lists, before any photo is opened; what names of splits and the order of classes mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekd.data.names import clean_name, readable_name
from edgekd.data.warnings import Finding
from edgekd.errors import DataError
from edgekd.photo_formats import missing_decoder, photo_suffixes
from edgekd.task import NONE_LABEL

SPLITS = ("train", "val", "test", "unlabelled")
_SPLIT_NAMES = {
    **{name: name for name in SPLITS}, "training": "train", "validation": "val", "valid": "val",
    "testing": "test", "unlabeled": "unlabelled",
}  # fmt: skip
# Words in the names of folders that are hardly classes.
_SPLIT_WORDS = {*_SPLIT_NAMES, "dev", "pred", "predict", "prediction", "predictions", "eval", "evaluation", "holdout"}
# What archives and file systems leave in a folder.
LEFTOVERS = frozenset({"__macosx", "@eadir", "$recycle.bin", "lost+found", "system volume information", "__pycache__"})


@dataclass(frozen=True)
class ListedPhoto:
    """One photo as its source names it; ``split`` is None where the source gives none.

    With one label a photo ``tags`` is None; with tags ``label`` is. Both are None for an unlabelled photo.
    """

    id: str
    path: Path
    index: int | None
    label: str | None
    split: str | None
    tags: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes that the photo shows."""
        return self.tags or () if self.label is None else (self.label,)

    @property
    def is_unlabelled(self) -> bool:
        """Whether neither a label nor tags are known."""
        return self.label is None and self.tags is None


@dataclass(frozen=True)
class Listing:
    """Everything one source lists; ``classes`` in the order that numbers them.

    With ``by_folder`` a photo has the tags of all class folders that it lies in.
    """

    items: tuple[ListedPhoto, ...]
    classes: tuple[str, ...]
    findings: tuple[Finding, ...]
    by_folder: bool = False


def split_name(text: str) -> str | None:
    """The split that ``text`` means, in any case and with the usual other spellings; None if it means none."""
    return _SPLIT_NAMES.get(clean_name(text).lower())


def is_like_split(name: str) -> bool:
    """Whether a folder of this name holds a split (``seg_pred``, ``test-2``) rather than a class."""
    words = re.split(r"[\W_\d]+", clean_name(name).lower())
    return bool(_SPLIT_WORDS & {*words, clean_name(name).lower()})


def class_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct class names in text order, as Keras sorts folders: "10" comes before "2"."""
    return tuple(sorted(set(labels)))


def without_none(tags: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The tags, none of them where the only one is `NONE_LABEL`. Raises DataError where it stands beside others."""
    if NONE_LABEL in tags and len(tags) > 1:
        raise DataError(f"{where}: {NONE_LABEL!r} beside {', '.join(t for t in tags if t != NONE_LABEL)}. Correct it")
    return () if tags == (NONE_LABEL,) else tags


def photos_under(folder: Path) -> tuple[list[Path], list[Finding]]:
    """Photos by suffix anywhere under ``folder``, sorted, and findings on the files that are not read.

    Links to folders are not followed, as in keras.utils.image_dataset_from_directory.
    """
    photos: list[Path] = []
    hidden: list[str] = []
    others: list[str] = []

    def name_of(path: Path) -> str:
        return readable_name(str(path.relative_to(folder.parent)))

    for root, folders, names in os.walk(folder):
        hidden.extend(name_of(Path(root, name)) for name in folders if is_hidden(name))
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(names):
            path = Path(root, name)
            if is_hidden(name):
                hidden.append(name_of(path))
            elif name.lower().endswith(photo_suffixes()):
                photos.append(path)
            else:
                others.append(name_of(path))
    return photos, ignored_files(hidden, others)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or left behind by an archive or a file system."""
    return name.startswith(".") or name.lower() in LEFTOVERS


def ignored_files(hidden: Iterable[str], others: Sequence[str]) -> list[Finding]:
    """Findings on hidden files, on photos that need a decoder which is not installed, and on other files."""
    hints = {name: missing_decoder(Path(name).suffix.lower()) for name in others}
    undecodable: dict[str, list[str]] = {}
    for name, hint in hints.items():
        if hint is not None:
            undecodable.setdefault(hint, []).append(name)
    rest = tuple(name for name, hint in hints.items() if hint is None)
    return [
        Finding("hidden-files", tuple(hidden), "hidden files or folders, ignored"),
        *(
            Finding("missing-decoder", tuple(names), f"photos that this machine cannot decode; to use them, {hint}")
            for hint, names in undecodable.items()
        ),
        Finding("other-files", rest, f"files ignored because photos end in {', '.join(photo_suffixes())}"),
    ]


def require_folder(folder: Path, what: str) -> None:
    """Raise DataError unless ``folder`` is a folder; ``what`` says what for."""
    if not folder.is_dir():
        state = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder}, given as {what}, {state}. Give the path of a folder of photos")
