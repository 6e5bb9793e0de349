"""Photos with labels and splits: what every later stage reads, and the hash that names it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd import storage
from edgekd.data.duplicates import DuplicateSummary
from edgekd.data.listing import SPLITS
from edgekd.data.reading import read_photo
from edgekd.data.warnings import DataWarning
from edgekd.errors import DataError, UsageError
from edgekd.task import Task
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

    def split(self, name: str) -> tuple[Sample, ...]:
        """The samples of "train", "val", "test" or "unlabelled". Raises UsageError."""
        if name not in SPLITS:
            raise UsageError(f"there is no split {name!r}; the splits are {', '.join(SPLITS)}")
        return tuple(sample for sample in self.samples if sample.split == name)

    def labels(self, split: str) -> NDArray[np.int64]:
        """Class numbers [N] of a split's samples, in their order; -1 for unlabelled ones. Raises UsageError."""
        if self.task == "multi-label":
            raise UsageError("these photos have tags, not one label each: ask for targets")
        return np.array([-1 if s.label is None else s.label for s in self.split(split)], np.int64)

    def targets(self, split: str) -> NDArray[np.int8]:
        """Tags [N, C] of a split's samples, 1 where a photo has the tag; a row of -1 for an unlabelled photo.

        Raises: UsageError where photos have one label each.
        """
        if self.task != "multi-label":
            raise UsageError("these photos have one label each, not tags: ask for labels")
        samples = self.split(split)
        table = np.zeros((len(samples), len(self.classes)), np.int8)
        for row, sample in zip(table, samples, strict=True):
            row[:] = -1 if sample.tags is None else 0
            row[list(sample.tags or ())] = 1
        return table

    def truth(self, split: str) -> NDArray[np.integer]:
        """What is known of a split's samples: ``labels`` [N] or, where photos have tags, ``targets`` [N, C]."""
        return self.targets(split) if self.task == "multi-label" else self.labels(split)

    def counts(self) -> dict[str, dict[str, int]]:
        """Photos by split and class name, for a table; unlabelled ones under the name ""."""
        table = {split: dict.fromkeys(self.classes, 0) for split in SPLITS if split != "unlabelled"}
        table["unlabelled"] = {"": 0}
        for sample in self.samples:
            table[sample.split]["" if sample.label is None else self.classes[sample.label]] += 1
        return table

    def summary_line(self) -> str:
        """Photos, classes with their counts, and splits, in the one line that commands print when they read photos.

        Example:
            >>> sample = Sample("clean/a.jpg", Path("clean/a.jpg"), None, "0" * 64, 0, "train", 0)
            >>> Dataset(("clean", "littered"), (sample,), (), DuplicateSummary(0, 0, 0, 1, None, ())).summary_line()
            '1 photo; classes: clean 1, littered 0; splits: train 1'
        """
        of_class = Counter(sample.label for sample in self.samples)
        of_split = Counter(sample.split for sample in self.samples)
        names = [f"{one_line(name)} {of_class[number]:,}" for number, name in enumerate(self.classes)]
        if len(names) > _MOST_CLASSES:
            names[_MOST_CLASSES - 1 :] = [f"… {len(names) - _MOST_CLASSES + 1:,} more"]
        splits = ", ".join(f"{split} {of_split[split]:,}" for split in SPLITS if of_split[split])
        photos = f"{len(self.samples):,} photo{'' if len(self.samples) == 1 else 's'}"
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
        """Hex SHA-256 of contents, labels, splits and classes; names and paths of files do not change it."""
        content = sorted((s.sha256, s.split, -1 if s.label is None else s.label) for s in self.samples)
        return storage.digest({"classes": self.classes, "samples": content})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything but the pixels as JSON."""
        samples = [asdict(sample) | {"path": str(sample.path.absolute())} for sample in self.samples]
        warnings = [asdict(warning) for warning in self.warnings]
        record = {"version": _VERSION, "digest": self.digest(), "classes": self.classes, "samples": samples}
        storage.write_json(Path(path), record | {"warnings": warnings, "duplicates": asdict(self.duplicates)})

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
                samples=tuple(Sample(**(entry | {"path": Path(entry["path"])})) for entry in record["samples"]),
                warnings=tuple(_warning(entry) for entry in record["warnings"]),
                duplicates=_summary(record["duplicates"]),
            )
            intact = dataset.digest() == record["digest"]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not a saved dataset ({error!r}). Load the data again") from None
        if not intact:
            raise DataError(f"{path} was edited after it was saved. Load the data again")
        return dataset


def _warning(entry: dict[str, Any]) -> DataWarning:
    return DataWarning(**(entry | {"examples": tuple(entry["examples"])}))


def _summary(entry: dict[str, Any]) -> DuplicateSummary:
    return DuplicateSummary(**(entry | {"examples": tuple(tuple(names) for names in entry["examples"])}))
