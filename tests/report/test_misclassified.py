from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from edgekd.report.collect import collect
from edgekd.report.misclassified import choose_photos, contact_sheet, thumbnails
from edgekd.report.model import MisclassifiedPhoto


def test_every_confusion_gets_its_turn() -> None:
    photos = (
        *(MisclassifiedPhoto(f"a{k}", "red", "green") for k in range(9)),
        MisclassifiedPhoto("b0", "green", "red"),
        MisclassifiedPhoto("b1", "green", "red"),
        MisclassifiedPhoto("c0", "yellow", "red"),
    )
    assert [photo.id for photo in choose_photos(photos, 5)] == ["a0", "a1", "b0", "b1", "c0"]
    assert [photo.id for photo in choose_photos(photos, 2)] == ["a0", "b0"]


def test_thumbnails_are_small_jpegs_of_the_wrong_photos(run_dir: Path) -> None:
    report = collect(run_dir)
    wrong = thumbnails(report, run_dir)
    assert len(wrong.thumbnails) == min(12, len(report.misclassified)) and wrong.note == ""
    for thumbnail in wrong.thumbnails:
        assert thumbnail.photo in report.misclassified
        image = Image.open(io.BytesIO(thumbnail.jpeg))
        assert image.format == "JPEG" and max(image.size) <= 192 and len(thumbnail.jpeg) < 20_000
    sheet = contact_sheet(wrong)
    assert sheet is not None and Image.open(io.BytesIO(sheet)).format == "PNG"


def test_photos_that_are_gone_are_counted(run_dir: Path) -> None:
    report = collect(run_dir)
    shown = thumbnails(report, run_dir).thumbnails
    (run_dir.parent / "photos" / shown[0].photo.id).unlink()
    wrong = thumbnails(report, run_dir)
    assert len(wrong.thumbnails) == len(shown) - 1
    assert wrong.note == "1 more are not where they were when the run was made."


def test_without_a_dataset_it_says_so(run_dir: Path) -> None:
    (run_dir / "data/dataset.json").unlink()
    assert "data/dataset.json is not in the run directory" in thumbnails(collect(run_dir), run_dir).note
