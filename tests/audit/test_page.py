"""The audit's page in a real browser: worked through by keys, saved, and read by a recipe's data."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Chromium

from edgekd.audit import page as page_module
from edgekd.audit.doubtful import DoubtfulPhoto
from edgekd.audit.findings import find_photos
from edgekd.audit.page import WrittenPage, write_page
from edgekd.audit.section import AuditSection, ShownPhoto
from edgekd.data import load_dataset
from edgekd.data.corrections import Correction, read_corrections
from edgekd.data.dataset import Sample
from edgekd.data.reading import read_photo
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.progress import Silent

MARKUP = "</script><script>document.title='run'</script><img src=x onerror=document.title='run'>"
CONFIG = "JSON.parse(document.getElementById('config').textContent)"


def read(sample: Sample) -> np.ndarray:
    return read_photo(sample.path, sample.index, sample.id)[1].pixels


def write(path: Path, table: FeatureTable, photos: Sequence[DoubtfulPhoto], **options: Any) -> WrittenPage:
    return write_page(path, "lights", table, photos, options.pop("sections", ()), read, **options)


def press(browser: Chromium, *keys: str) -> None:
    codes = {"ArrowLeft": 37, "ArrowRight": 39, "Enter": 13}
    for key in keys:
        browser.press(
            key, codes.get(key, ord(key[0].upper())), "\r" if key == "Enter" else key if len(key) == 1 else ""
        )


def download(browser: Chromium, folder: Path) -> Path:
    folder.mkdir()
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.value("document.getElementById('download').click()")
    end = time.monotonic() + 30
    while not (folder / "corrections.csv").is_file():
        assert time.monotonic() < end, browser.messages
        time.sleep(0.02)
    return folder / "corrections.csv"


def test_photos_are_decided_by_keys_saved_and_corrected(
    browser: Chromium, table: FeatureTable, lights: Path, tmp_path: Path
) -> None:
    table = replace(table, corrections=(Correction("red/00.jpg", "keep"), Correction("red/01.jpg", "change", "green")))
    findings = find_photos(table, Silent())
    written = write(
        tmp_path / "audit.html", table, findings.photos, sections=findings.sections, held_out=findings.held_out
    )
    names = [photo.sample.id for photo in findings.photos]
    assert written.photos == len(names) >= 5 and written.size_bytes < 2_000_000 and not written.note
    browser.open((tmp_path / "audit.html").as_uri())
    suggested = browser.value(f"{CONFIG}.photos[0].suggested[0]")
    # Change to what is suggested; green, which is undone; drop; red; keep; back and then past the decided ones.
    press(browser, "Enter", "1", "u", "d", "2", "k", "ArrowLeft", "ArrowLeft", "ArrowRight")
    assert browser.text("#place") == f"4 of {len(names)}"
    expected = [("red/00.jpg", "keep", ""), ("red/01.jpg", "change", "green"), (names[0], "change", suggested),
                (names[1], "drop", "")]  # fmt: skip
    third = findings.photos[2]
    expected.append((names[2], "keep", "") if third.labels == ("red",) else (names[2], "change", "red"))
    expected.append((names[3], "keep", ""))
    saved = download(browser, tmp_path / "downloads")
    assert [(row.photo, row.action, row.label) for _, row in read_corrections(saved)] == expected
    text = browser.value("document.getElementById('text').value")
    assert saved.read_bytes().decode().replace("\r\n", "\n") == text
    corrected = load_dataset(lights, corrections=saved)
    assert corrected.corrections is not None and corrected.corrections.dropped == 1
    # The browser keeps decisions; only the page itself and what is in it was asked for.
    browser.open((tmp_path / "audit.html").as_uri())
    assert browser.text("#count").startswith(f"4 of {len(names)} photos decided")
    assert browser.text("#place") == f"5 of {len(names)}"
    assert not [r for r in browser.requests if not r.startswith(("file:///", "data:image/jpeg", "blob:"))]
    assert not browser.messages


def test_names_are_text_keys_reach_buttons_and_a_phone_needs_no_sideways_scrolling(
    browser: Chromium, table: FeatureTable, tmp_path: Path
) -> None:
    sample = replace(table.samples[0], id=f'x"y,{MARKUP}.jpg')
    photos = [DoubtfulPhoto(sample, MARKUP, (MARKUP,), ("red",)), DoubtfulPhoto(table.samples[1], "why", ("red",))]
    classes = (MARKUP, "red", *(f"class {number}" for number in range(40)))
    section = AuditSection("next", MARKUP, (MARKUP,), {}, ("A", "B"), ((MARKUP, "1"),), (ShownPhoto(sample, MARKUP),))
    write(tmp_path / "audit.html", replace(table, classes=classes), photos, sections=(section,))
    browser.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    browser.open((tmp_path / "audit.html").as_uri())
    assert browser.value("document.documentElement.scrollWidth") == 390 and browser.text("#why") == MARKUP
    named = browser.accessible_names()
    assert {("button", "Keep"), ("button", "Drop"), ("button", "Change to red")} <= named
    assert [role for role, name in named if name == "All classes" and role not in ("StaticText", "InlineTextBox")]
    # Enter on a button presses the button, and does not accept what is suggested.
    browser.value("document.getElementById('drop').focus()")
    press(browser, "Enter")
    assert "drop the photo" in browser.value("document.querySelector('#all button').ariaLabel")
    # A class without a key.
    browser.value("at('select').value = 'class 39'; at('select').dispatchEvent(new Event('change'))")
    rows = [row for _, row in read_corrections(download(browser, tmp_path / "downloads"))]
    assert rows == [Correction(sample.id, "drop"), Correction(table.samples[1].id, "change", "class 39")]
    assert not browser.messages and browser.value("document.title") == "lights: edgekd audit"


def test_tags_are_turned_on_and_off(browser: Chromium, table: FeatureTable, tmp_path: Path) -> None:
    samples = [replace(s, label=None, tags=(0,)) for s in table.samples]
    tags = replace(table, samples=tuple(samples), truth=np.tile(np.int8([1, 0, 0]), (len(samples), 1)))
    photos = [DoubtfulPhoto(sample, "why", ("green",), ("green", "red")) for sample in samples[:4]]
    write(tmp_path / "audit.html", tags, photos)
    browser.open((tmp_path / "audit.html").as_uri())
    press(browser, "2", "3", "1", "ArrowRight", "1", "ArrowRight", "Enter", "2", "2")
    rows = [row for _, row in read_corrections(download(browser, tmp_path / "downloads"))]
    labels = ["red|yellow", "none of these", "green|red"]
    assert [(row.action, row.label) for row in rows] == [*(("change", label) for label in labels), ("keep", "")]


def test_a_page_is_bounded_and_says_what_is_not_on_it(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [DoubtfulPhoto(sample, "why", ()) for sample in table.samples[:6]]
    gone = replace(table.samples[0], path=tmp_path / "gone.jpg")
    monkeypatch.setattr(page_module, "MOST_PHOTOS", 3)
    written = write(tmp_path / "audit.html", table, [DoubtfulPhoto(gone, "why", ()), *photos])
    assert (written.photos, written.left_out, written.unreadable) == (3, 3, 1)
    assert written.note.startswith("3 more photos are not on this page") and written.note in written.path.read_text()
    monkeypatch.setattr(page_module, "MOST_BYTES", 1)
    empty = write(tmp_path / "audit.html", table, photos)
    assert empty.photos == 0 and empty.left_out == 6
    config = (tmp_path / "audit.html").read_text().split('id="config">')[1].split("</script>")[0]
    assert json.loads(config)["photos"] == []
