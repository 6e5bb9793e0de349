"""Corrections of labels, as a person made them: a CSV ``photo,action,label`` that is laid over the data.

Nothing is changed or deleted where the photos are. A correction never moves a labelled photo to another split: splits
are made from the labels that the data gives, so that results before and after are of the same photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekd.data.csv_table import read_header, read_rows
from edgekd.data.csv_tags import SEPARATOR
from edgekd.data.listing import ListedPhoto
from edgekd.data.names import clean_name, explain_unknown
from edgekd.data.splitting import Candidate
from edgekd.data.text_file import read_text_file
from edgekd.errors import DataError
from edgekd.task import NONE_LABEL, Task

COLUMNS = ("photo", "action", "label")
KEEP, CHANGE, DROP = "keep", "change", "drop"
ACTIONS = (KEEP, CHANGE, DROP)
_WHAT = "a CSV with the columns photo,action,label, which the page of edgekd audit saves"


@dataclass(frozen=True)
class Correction:
    """One row: ``photo`` is a photo's name in the data; ``label`` is empty unless the action is "change".

    Several tags in it are separated by ``|``.
    """

    photo: str
    action: str
    label: str = ""


@dataclass(frozen=True)
class Corrections:
    """The rows that were laid over the data, and what they did.

    Attributes:
        rows: All rows of the file.
        corrected: Photos whose label or tags are others now.
        labelled: Photos that had no label and have one now.
        dropped: Photos that are left out.
        confirmed: Photos that stay as they were.
    """

    rows: tuple[Correction, ...]
    corrected: int
    labelled: int
    dropped: int
    confirmed: int

    @property
    def message(self) -> str:
        """What was done, for the line that sums up the photos: "12 labels corrected, 3 photos dropped"."""
        counts = (
            (self.corrected, "label", "corrected"), (self.labelled, "photo", "labelled"),
            (self.dropped, "photo", "dropped"), (self.confirmed, "label", "confirmed"),
        )  # fmt: skip
        parts = [f"{count:,} {what}{'' if count == 1 else 's'} {done}" for count, what, done in counts if count]
        return ", ".join(parts) or "none"


@dataclass(frozen=True)
class CorrectionPlan:
    """Corrections and the photos that they mean: ``by_place`` has rows by the photo's place in the data's list."""

    path: Path | None
    rows: tuple[Correction, ...]
    by_place: dict[int, Correction]
    classes: tuple[str, ...]
    task: Task

    def relabel(self, items: Sequence[ListedPhoto]) -> list[ListedPhoto | None]:
        """The photos as corrected, in their places; None for dropped ones."""
        corrected: list[ListedPhoto | None] = list(items)
        for place, row in self.by_place.items():
            if row.action == DROP:
                corrected[place] = None
            elif row.action == CHANGE:
                names = names_of(row, self.classes, self.task)
                label, tags = (names[0], None) if self.task == "single-label" else (None, names)
                corrected[place] = replace(items[place], label=label, tags=tags)
        return corrected

    def apply(self, photos: Sequence[Candidate]) -> list[Candidate | None]:
        """The photos, which have their splits, with corrected labels; None for dropped ones.

        An unlabelled photo that gets a label goes to train, or to val or test with a duplicate that is there. Raises
        DataError where a split loses its last photo of a class.
        """
        held_out = {photo.group: photo.split for photo in photos if photo.split in ("val", "test")}
        corrected: list[Candidate | None] = list(photos)
        for place, row in self.by_place.items():
            photo = photos[place]
            if row.action == DROP:
                corrected[place] = None
            elif row.action == CHANGE:
                names = names_of(row, self.classes, self.task)
                numbers = tuple(sorted(self.classes.index(name) for name in names))
                label, tags = (numbers[0], None) if self.task == "single-label" else (None, numbers)
                split = held_out.get(photo.group, "train") if photo.is_unlabelled else photo.split
                corrected[place] = replace(photo, label=label, tags=tags, split=split)
        self._require_classes(photos, corrected)
        return corrected

    def describe(self, before: Sequence[Candidate], after: Sequence[Candidate | None]) -> Corrections | None:
        """What was done; None where there is no file of corrections."""
        if self.path is None:
            return None
        corrected = labelled = dropped = confirmed = 0
        for old, new in ((before[place], after[place]) for place in self.by_place):
            if new is None:
                dropped += 1
            elif (old.label, old.tags) == (new.label, new.tags):
                confirmed += not old.is_unlabelled
            elif old.is_unlabelled:
                labelled += 1
            else:
                corrected += 1
        return Corrections(self.rows, corrected, labelled, dropped, confirmed)

    def _require_classes(self, before: Sequence[Candidate], after: Sequence[Candidate | None]) -> None:
        had = {(number, photo.split) for photo in before for number in photo.numbers}
        has = {(number, photo.split) for photo in after if photo is not None for number in photo.numbers}
        for number, split in sorted(had - has, key=str):
            raise DataError(
                f"{self.path} leaves no photo of {self.classes[number]!r} in {split}. Add photos of it, or take back "
                "some corrections"
            )


def names_of(row: Correction, classes: Sequence[str], task: Task) -> tuple[str, ...]:
    """The classes that a row's label names: one, or any number of tags in ascending order."""
    if task == "single-label" or row.label in classes:
        return (row.label,)
    return () if row.label == NONE_LABEL else tuple(sorted({clean_name(part) for part in row.label.split(SEPARATOR)}))


def plan_corrections(
    path: Path | None,
    listed: Sequence[ListedPhoto],
    items: Sequence[ListedPhoto],
    classes: tuple[str, ...],
    task: Task,
) -> CorrectionPlan:
    """Read a file of corrections and find the photos that it names; an empty plan where ``path`` is None.

    Args:
        path: The CSV.
        listed: All photos of the data; a row for one that cannot be used does nothing.
        items: Those that are used.
        classes: Names of the classes.
        task: What labels are.

    Raises:
        DataError: The file is not one of corrections, names a photo twice, or one or a class that the data lacks.
    """
    if path is None:
        return CorrectionPlan(None, (), {}, classes, task)
    rows = read_corrections(path)
    places = {clean_name(item.id): place for place, item in enumerate(items)}
    names = {clean_name(item.id): item.id for item in listed}
    by_place: dict[int, Correction] = {}
    for line, row in rows:
        name = clean_name(row.photo)
        if name not in names:
            raise DataError(
                f"{path}, line {line}: {row.photo!r} is not a photo of the data, whose photos are named like "
                f"{next(iter(names.values()), '')!r}{explain_unknown([row.photo], list(names.values()))}. Correct the "
                "line, or remove it"
            )
        _require_known(row, classes, task, f"{path}, line {line}")
        if name in places:
            by_place[places[name]] = row
    return CorrectionPlan(path, tuple(row for _, row in rows), by_place, classes, task)


def read_corrections(path: Path) -> tuple[tuple[int, Correction], ...]:
    """The rows of a file of corrections with the numbers of their lines. Raises DataError."""
    text, _ = read_text_file(path, _WHAT)
    header = [clean_name(name).lower() for name in read_header(text, path)]
    if sorted(header) != sorted(COLUMNS):
        raise DataError(f"{path} has the columns {', '.join(header) or '(none)'}. Give {_WHAT}")
    first: dict[str, int] = {}
    rows = []
    for row in read_rows(text, path, may_be_empty=True):
        values = dict(zip(header, row.values, strict=True))
        correction = _correction(values, f"{path}, line {row.line}")
        before = first.setdefault(clean_name(correction.photo), row.line)
        if before != row.line:
            raise DataError(f"{path}, line {row.line}: {correction.photo!r} is in line {before} too. Keep one of them")
        rows.append((row.line, correction))
    return tuple(rows)


def _correction(values: dict[str, str], where: str) -> Correction:
    action, label = values["action"].lower(), clean_name(values["label"])
    if not values["photo"]:
        raise DataError(f"{where}: no photo is named. Name it, or remove the line")
    if action not in ACTIONS:
        raise DataError(f"{where}: action {values['action']!r} must be one of {', '.join(ACTIONS)}")
    if action == CHANGE and not label:
        raise DataError(f"{where}: change needs a label. Name the class, or {NONE_LABEL!r} for a photo without a tag")
    if action != CHANGE and label:
        raise DataError(f"{where}: {action} takes no label, and {label!r} is given. Empty it, or write change")
    return Correction(values["photo"], action, label)


def _require_known(row: Correction, classes: Sequence[str], task: Task, where: str) -> None:
    unknown = [name for name in names_of(row, classes, task) if name not in classes] if row.action == CHANGE else []
    if unknown:
        raise DataError(
            f"{where}: {unknown[0]!r} is not a class of the data, which has {', '.join(classes)}"
            f"{explain_unknown(unknown, classes)}. Correct the line"
        )
