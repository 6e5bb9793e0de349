"""Photos with labels and splits: what every later stage reads, and the hash that names it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd import storage
from edgekd.data.corrections import Correction, Corrections
from edgekd.data.duplicates import DuplicateSummary
from edgekd.data.listing import SPLITS
from edgekd.data.reading import read_photo
from edgekd.data.warnings import DataWarning
from edgekd.errors import DataError, UsageError
from edgekd.task import NONE_LABEL, Task
from edgekd.text import one_line

_VERSION = 1
_MOST_CLASSES = 12


@dataclass(frozen=True)
class Sample:
    """One photo. ``id`` is its name in the source, ``sha256`` of its file's bytes or, in a .npz, of its pixels.

    With one label a photo, ``label`` is None exactly where ``split`` is "unlabelled". With tags, ``label`` is always
    None, and ``tags`` (numbers of classes in ascending order, empty for a photo that has none) is None exactly there.
    Duplicates share a ``group``.
    """

    id: str
    path: Path
    index: int | None
    sha256: str
    label: int | None
    split: str
    group: int
    tags: tuple[int, ...] | None = None

    @property
    def is_unlabelled(self) -> bool:
        """Whether neither a label nor tags are known of the photo."""
        return self.label is None and self.tags is None

    @property
    def class_numbers(self) -> tuple[int, ...]:
        """Numbers of the classes that the photo is known to show: its label or its tags."""
        return self.tags or () if self.label is None else (self.label,)


@dataclass(frozen=True)
class Dataset:
    """Photos with labels and splits, in an order that depends on their contents only; `load_dataset` returns one.

    Attributes:
        classes: Names of the classes; a label is an index into them.
        samples: One `Sample` a photo.
        warnings: What is unusual about the photos.
        duplicates: Counts of the groups of (near) duplicates; a group is never split.
        task: "single-label", or "multi-label" where photos have tags.
        none_class: The class of photos that show none of the others, where there are such photos.
        corrections: What a file of corrections did, where one was given.

    Example:
        >>> sample = Sample("clean/a.jpg", Path("clean/a.jpg"), None, "0" * 64, 0, "train", 0)
        >>> dataset = Dataset(("clean", "littered"), (sample,), (), DuplicateSummary(0, 0, 0, 1, None, ()))
        >>> dataset.labels("train").tolist(), dataset.counts()["train"]
        ([0], {'clean': 1, 'littered': 0})
    """

    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    warnings: tuple[DataWarning, ...]
    duplicates: DuplicateSummary
    task: Task = "single-label"
    none_class: str | None = None
    corrections: Corrections | None = None

    def split(self, name: str) -> tuple[Sample, ...]:
        """The samples of "train", "val", "test" or "unlabelled". Raises UsageError."""
        if name not in SPLITS:
            raise UsageError(f"there is no split {name!r}; the splits are {', '.join(SPLITS)}")
        return tuple(sample for sample in self.samples if sample.split == name)

    def labels(self, split: str) -> NDArray[np.int64]:
        """Class numbers [N] of a split's samples, in their order; -1 for unlabelled ones. Raises UsageError."""
        if self.task == "multi-label":
            raise UsageError("these photos have tags, not one label each: ask for targets")
        return _labels(self.split(split))

    def targets(self, split: str) -> NDArray[np.int8]:
        """Tags [N, C] of a split's samples, 1 where a photo has the tag; a row of -1 for an unlabelled photo.

        Raises: UsageError where photos have one label each.
        """
        if self.task != "multi-label":
            raise UsageError("these photos have one label each, not tags: ask for labels")
        return _targets(self.split(split), len(self.classes))

    def truth(self, split: str) -> NDArray[np.integer]:
        """What is known of a split's samples: ``labels`` [N] or, where photos have tags, ``targets`` [N, C]."""
        return self.truth_of(self.split(split))

    def truth_of(self, samples: Sequence[Sample]) -> NDArray[np.integer]:
        """What is known of any of the samples: int64 [N] or, where photos have tags, int8 [N, C]; -1 for unlabelled."""
        return _targets(samples, len(self.classes)) if self.task == "multi-label" else _labels(samples)

    def counts(self) -> dict[str, dict[str, int]]:
        """Photos by split and class name, for a table; unlabelled ones under the name "".

        Where photos have tags, a photo counts for each of its tags, and one without a tag under `NONE_LABEL`.
        """
        names = (*self.classes, NONE_LABEL) if self.task == "multi-label" else self.classes
        table = {split: dict.fromkeys(names, 0) for split in SPLITS if split != "unlabelled"}
        table["unlabelled"] = {"": 0}
        for sample in self.samples:
            for name in self._names(sample):
                table[sample.split][name] += 1
        return table

    def _names(self, sample: Sample) -> tuple[str, ...]:
        """What a sample counts as: its class, its tags or `NONE_LABEL`; "" for an unlabelled one."""
        if sample.is_unlabelled:
            return ("",)
        numbers = sample.class_numbers
        return tuple(self.classes[number] for number in numbers) or (NONE_LABEL,)

    def summary_line(self) -> str:
        """Photos, classes with their counts, and splits, in the one line that commands print when they read photos.

        Example:
            >>> sample = Sample("clean/a.jpg", Path("clean/a.jpg"), None, "0" * 64, 0, "train", 0)
            >>> Dataset(("clean", "littered"), (sample,), (), DuplicateSummary(0, 0, 0, 1, None, ())).summary_line()
            '1 photo; classes: clean 1, littered 0; splits: train 1'
        """
        of_class = Counter(number for sample in self.samples for number in sample.class_numbers)
        of_split = Counter(sample.split for sample in self.samples)
        names = [f"{one_line(name)} {of_class[number]:,}" for number, name in enumerate(self.classes)]
        if len(names) > _MOST_CLASSES:
            names[_MOST_CLASSES - 1 :] = [f"… {len(names) - _MOST_CLASSES + 1:,} more"]
        splits = ", ".join(f"{split} {of_split[split]:,}" for split in SPLITS if of_split[split])
        photos = f"{len(self.samples):,} photo{'' if len(self.samples) == 1 else 's'}"
        if self.corrections is not None:
            splits += f"; corrections: {self.corrections.message}"
        if self.task == "multi-label":
            without = sum(sample.tags == () for sample in self.samples)
            return f"{photos}; tags: {', '.join(names)}; without a tag: {without:,}; splits: {splits}"
        return f"{photos}; classes: {', '.join(names)}; splits: {splits}"

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode a sample to uint8 RGB [H, W, 3].

        Raises: DataError if the file is gone, or its content is not what it was when it was listed.
        """
        sha256, photo = read_photo(sample.path, sample.index, sample.id)
        if sha256 != sample.sha256:
            raise DataError(
                f"{sample.id} ({sample.path}) has changed since it was listed. Load the data again, so that splits "
                "and everything made from them fit it"
            )
        return photo.pixels

    def digest(self) -> str:
        """Hex SHA-256 of contents, labels or tags, splits and classes; names and paths of files do not change it."""
        content: list[tuple[Any, ...]]
        if self.task == "multi-label":
            content = sorted((s.sha256, s.split, (-1,) if s.tags is None else s.tags) for s in self.samples)
        else:
            content = sorted((s.sha256, s.split, -1 if s.label is None else s.label) for s in self.samples)
        return storage.digest({"classes": self.classes, "samples": content} | self._later())

    def _later(self) -> dict[str, Any]:
        """What a file and a digest say of photos with tags or of none of the classes; of others nothing, as before."""
        facts: dict[str, Any] = {} if self.task == "single-label" else {"task": self.task}
        return facts if self.none_class is None else facts | {"none_class": self.none_class}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything but the pixels as JSON."""
        samples = [asdict(sample) | {"path": str(sample.path.absolute())} for sample in self.samples]
        if self.task == "single-label":
            for entry in samples:
                del entry["tags"]
        warnings = [asdict(warning) for warning in self.warnings]
        record = {"version": _VERSION, "digest": self.digest(), "classes": self.classes, "samples": samples}
        record |= {"warnings": warnings, "duplicates": asdict(self.duplicates)}
        made = {} if self.corrections is None else {"corrections": asdict(self.corrections)}
        storage.write_json(Path(path), record | self._later() | made)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Dataset:
        """Read what ``save`` wrote. Raises DataError if it is not that, EdgekdError if there is no such file."""
        path = Path(path)
        record = storage.read_json(path)
        try:
            if record["version"] != _VERSION:
                raise DataError(f"{path} is of version {record['version']}, not {_VERSION}. Load the data again")
            dataset = cls(
                classes=tuple(record["classes"]),
                samples=tuple(map(_sample, record["samples"])),
                warnings=tuple(_warning(entry) for entry in record["warnings"]),
                duplicates=_summary(record["duplicates"]),
                task=record.get("task", "single-label"),
                none_class=record.get("none_class"),
                corrections=_corrections(record.get("corrections")),
            )
            intact = dataset.digest() == record["digest"]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not a saved dataset ({error!r}). Load the data again") from None
        if not intact:
            raise DataError(f"{path} was edited after it was saved. Load the data again")
        return dataset


def _labels(samples: Sequence[Sample]) -> NDArray[np.int64]:
    return np.array([-1 if sample.label is None else sample.label for sample in samples], np.int64)


def _targets(samples: Sequence[Sample], classes: int) -> NDArray[np.int8]:
    table = np.zeros((len(samples), classes), np.int8)
    for row, sample in zip(table, samples, strict=True):
        row[:] = -1 if sample.tags is None else 0
        row[list(sample.tags or ())] = 1
    return table


def _sample(entry: dict[str, Any]) -> Sample:
    tags = entry.get("tags")
    return Sample(**(entry | {"path": Path(entry["path"]), "tags": None if tags is None else tuple(tags)}))


def _warning(entry: dict[str, Any]) -> DataWarning:
    return DataWarning(**(entry | {"examples": tuple(entry["examples"])}))


def _corrections(entry: dict[str, Any] | None) -> Corrections | None:
    return (
        None if entry is None else Corrections(**(entry | {"rows": tuple(Correction(**row) for row in entry["rows"])}))
    )


def _summary(entry: dict[str, Any]) -> DuplicateSummary:
    return DuplicateSummary(**(entry | {"examples": tuple(tuple(names) for names in entry["examples"])}))
