"""Names of classes in the order of a model's outputs, as a user writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgekd.data.dataset import Dataset, Sample
from edgekd.errors import UsageError
from edgekd.storage import read_regular_file

_MOST = 10
_LARGEST_BYTES = 16 << 20


def read_class_names(text: str) -> tuple[str, ...]:
    """Read names separated by commas, or from a text file with one name per line.

    Raises UsageError for a file that can't be read, and for empty or repeated names.
    """
    path = Path(text)
    if path.is_file():
        try:
            lines = read_regular_file(path, _LARGEST_BYTES).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read as a text file with one class name per line: {error}") from None
        names = tuple(line.strip() for line in lines if line.strip())
    elif path.suffix.lower() == ".txt":
        raise UsageError(f"{path} does not exist. Give a text file with one class name per line, or a,b,c")
    else:
        names = tuple(name.strip() for name in text.split(","))
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or not all(names) or twice:
        fault = f"{', '.join(twice)} more than once" if twice else "an empty name"
        raise UsageError(f"the class names {text!r} hold {fault}. Give each output a different name, as in red,green")
    return names


def reorder_classes(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    """The same photos with the classes in the order of ``names``. Raises UsageError unless both are the same names."""
    if sorted(names) != sorted(dataset.classes):
        missing = [name for name in names if name not in dataset.classes]
        unnamed = [name for name in dataset.classes if name not in names]
        raise UsageError(
            f"the class names are not those of the photos: {_list(missing)} not in the photos, {_list(unnamed)} not "
            f"named. The photos have {_list(list(dataset.classes))}"
        )
    number = {old: names.index(name) for old, name in enumerate(dataset.classes)}

    def renumbered(sample: Sample) -> Sample:
        if sample.tags is not None:
            return replace(sample, tags=tuple(sorted(number[tag] for tag in sample.tags)))
        return sample if sample.label is None else replace(sample, label=number[sample.label])

    return replace(dataset, classes=names, samples=tuple(map(renumbered, dataset.samples)))


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return (", ".join(map(repr, names[:_MOST])) or "none") + more
