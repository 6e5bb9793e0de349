"""The photos that a command reads for a file: by the file's own task, with its own none of these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekd.cli.photos import open_photos
from edgekd.data.load import load_dataset
from edgekd.errors import DataError, UsageError
from edgekd.formats.decision import Decision

TAGS = Decision("multi-label", (0.5, 0.5))
CLASSES = Decision()
WITH_NONE = Decision(none_label="none of these")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of tags, class folders, and photos of none of the classes."""
    rows = ["filename,labels"]
    for number in range(24):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        photo = Image.fromarray(coarse).resize((24, 24))
        for place in (f"{number}.png", f"photos/{'ab'[number % 2]}/{number}.png", f"other/{number}.png"):
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (photo if place[0] != "o" else photo.rotate(90)).save(tmp_path / place)
        rows.append(f"{number}.png,{'|'.join(tag for tag, every in (('a', 2), ('b', 3)) if number % every == 0)}")
    (tmp_path / "tags.csv").write_text("\n".join(rows))
    return tmp_path


def test_photos_are_read_as_the_file_answers(folder: Path) -> None:
    tags = open_photos(folder / "tags.csv", None, False, decision=TAGS)
    assert (tags.task, tags.classes) == ("multi-label", ("a", "b"))
    assert open_photos(folder / "photos", None, False, decision=TAGS).task == "multi-label"
    assert open_photos(folder / "photos", None, False, decision=CLASSES).task == "single-label"
    with pytest.raises(DataError, match="seems to have several labels a photo: its column labels"):
        open_photos(folder / "tags.csv", None, False, decision=CLASSES)
    (folder / "run/data").mkdir(parents=True)
    tags.save(folder / "run/data/dataset.json")
    assert open_photos(folder / "run", None, False, decision=TAGS).digest() == tags.digest()
    with pytest.raises(UsageError, match=r"photos with one label each are needed, and those of .*run have tags"):
        open_photos(folder / "run", None, False, decision=CLASSES)


def test_a_file_that_knows_none_of_these_is_given_photos_of_it(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"knows photos of 'none of these', .* with --none"):
        open_photos(folder / "photos", None, False, decision=WITH_NONE)
    given = open_photos(folder / "photos", None, False, none=folder / "other", decision=WITH_NONE)
    assert given.digest() == load_dataset(folder / "photos", none=folder / "other").digest()
    (folder / "run/data").mkdir(parents=True)
    given.save(folder / "run/data/dataset.json")
    with pytest.raises(UsageError, match="is a run with photos of its own"):
        open_photos(folder / "run", None, False, none=folder / "other", decision=WITH_NONE)
