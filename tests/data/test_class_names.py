"""Class names in the order of a model's outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekd.data.class_names import read_class_names, reorder_classes
from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import DuplicateSummary
from edgekd.errors import UsageError


def test_names_come_from_text_or_a_file(tmp_path: Path) -> None:
    assert read_class_names("red, yellow,green") == ("red", "yellow", "green")
    file = tmp_path / "labels.txt"
    file.write_bytes("\ufeffred\r\nyellow\r\n\r\ngrün\r\n".encode())
    assert read_class_names(str(file)) == ("red", "yellow", "grün")


@pytest.mark.parametrize(
    ("text", "message"), [("a,,b", "an empty name"), ("a,b,a", "a more than once"), ("none.txt", "does not exist")]
)
def test_wrong_names_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_class_names(text)


def test_labels_follow_their_classes() -> None:
    samples = tuple(
        Sample(f"{number}.jpg", Path(f"{number}.jpg"), None, "0" * 64, label, "train", number)
        for number, label in enumerate([0, 1, 2, None])
    )
    dataset = Dataset(("green", "red", "yellow"), samples, (), DuplicateSummary(0, 0, 0, 0, None, ()))
    ordered = reorder_classes(dataset, ("red", "yellow", "green"))
    names = [None if s.label is None else ordered.classes[s.label] for s in ordered.samples]
    assert names == ["green", "red", "yellow", None]
    with pytest.raises(UsageError, match="'amber' not in the photos, 'yellow' not named"):
        reorder_classes(dataset, ("red", "amber", "green"))


def test_tags_follow_their_classes() -> None:
    tags = [(0, 1), (), (2,), None]
    samples = tuple(
        Sample(f"{number}.jpg", Path(f"{number}.jpg"), None, "0" * 64, None, "train", number, of_photo)
        for number, of_photo in enumerate(tags)
    )
    dataset = Dataset(("dark", "icy", "wet"), samples, (), DuplicateSummary(0, 0, 0, 0, None, ()), "multi-label")
    ordered = reorder_classes(dataset, ("wet", "dark", "icy"))
    assert [sample.tags for sample in ordered.samples] == [(1, 2), (), (0,), None]
