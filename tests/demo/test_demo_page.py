"""The page of ``edgekd demo`` in a real browser, from the disk and without a network."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Chromium
from click.testing import CliRunner
from decided_files import with_decision
from numpy.typing import NDArray
from PIL import Image

from edgekd.cli import group
from edgekd.demo import write_demo
from edgekd.errors import StorageError, UsageError
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.runtime.predict import predict

FETCH = "edgekd demo FILE --fetch"
READY = "document.documentElement.dataset.state"
TIMED = "document.getElementById('model-ms').textContent !== '–'"
MARKUP = ("</script><script>document.title='run'</script>", "<img src=x onerror=document.title='run'>", "a & b")
# What a page may ask for: itself, and what is in it.
OWN = ("file:///", "data:text/javascript;", "blob:")


@pytest.fixture(scope="module")
def plain(exported: dict[str, Any], web_runtimes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a file without a decision of its own, by the command, which no test may change."""
    file, page = exported["int8.tflite"].path, tmp_path_factory.mktemp("plain") / "demo.html"
    done = CliRunner().invoke(group, ["demo", str(file), "--out", str(page), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "path": str(page), "size_bytes": page.stat().st_size, "vectors": 72, "file": file.name,
        "sha256": exported["int8.tflite"].sha256, "runtime": "LiteRT.js 2.5.3",
    }  # fmt: skip
    return page


@pytest.fixture
def photo(images: NDArray[np.uint8], tmp_path: Path) -> Path:
    """A photo that is larger than the model's input, under a name that would be markup."""
    path = tmp_path / "<b>photo & co.png"
    Image.fromarray(images[3]).resize((301, 200)).save(path)
    return path


def start(browser: Chromium, page: Path) -> None:
    browser.requests.clear()
    browser.open(page.as_uri())
    assert browser.wait_for(READY) == "ready", browser.text("#problem")


def choose(browser: Chromium, photo: Path) -> None:
    browser.value("document.getElementById('model-ms').textContent = '–'")
    browser.choose_file("#file", photo)
    browser.wait_for(f"{TIMED} || !document.getElementById('problem').hidden")


def shown(browser: Chromium) -> dict[str, str]:
    """Labels and percentages of the bars."""
    script = """[...document.querySelectorAll('#bars li')].map((item) =>
        [item.querySelector('.label').textContent.replace('✓ ', ''), item.querySelector('.value').textContent])"""
    return dict(browser.value(script))


def test_a_page_gives_pythons_answers_and_takes_every_name_as_text(
    browser: Chromium, exported: dict[str, Any], web_runtimes: None, photo: Path, tmp_path: Path
) -> None:
    tags = Decision("multi-label", (0.3, 0.5, 0.7), calibration={"method": "by hand"})
    renamed = replace(exported["int8.tflite"], labels=MARKUP)
    artifact = with_decision(renamed, tmp_path / "<i>tags.int8.tflite", tags)
    demo = write_demo(artifact, tmp_path / "demo.html", "<u>title", FETCH)
    assert demo.vectors == 72 and demo.path.stat().st_size == demo.size_bytes < 5_000_000
    start(browser, demo.path)
    assert browser.text("#golden-line") == "Same answers as Python: 72 of 72"
    assert browser.value("document.getElementById('golden-facts').textContent") == (
        "68 test photos become Python's input byte for byte, decoded and resized in this browser."
        "4 start from Python's pixels, because this browser decodes them otherwise or not at all: "
        "jpeg-cmyk, jpeg-ycck, tiff-rgb, tiff-orientation-6."
        "Every probability is equal bit for bit."
    )
    choose(browser, photo)
    (wanted,) = predict(artifact, photo)
    assert shown(browser) == {label: f"{100 * value:.1f}\u00a0%" for label, value in wanted.probabilities.items()}
    assert browser.text("#answer") == (", ".join(wanted.answer.labels) or "none of these")
    assert "reaches its threshold" in browser.text("#rule") and "calibrated" in browser.text("#rule")
    assert browser.value("document.querySelectorAll('#bars .mark').length") == 3
    assert browser.text("h1") == "<u>title" and browser.value("document.title") == "<u>title: demo"
    assert browser.value("document.getElementById('photo').alt") == f"The photo {photo.name}"
    assert browser.value("document.querySelectorAll('header u, header i, main b, main img[src=x]').length") == 0
    assert [x for x in browser.requests if not x.startswith(OWN)] == [] and len(browser.requests) > 10
    assert browser.value("fetch('https://example.com/').then(() => 'sent', () => 'refused')") == "refused"
    assert [x for x in browser.messages if "connect-src" in x and "example.com" in x]


def test_an_onnx_refuses_what_is_below_its_threshold_and_takes_frames_of_the_camera(
    browser: Chromium, exported: dict[str, Any], web_runtimes: None, photo: Path, tmp_path: Path
) -> None:
    artifact = with_decision(exported["float32.onnx"], tmp_path / "r.float32.onnx", Decision(reject_below=0.999))
    demo = write_demo(artifact, tmp_path / "demo.html", "reject", FETCH)
    start(browser, demo.path)
    assert browser.text("#golden-line") == "Same answers as Python: 72 of 72"
    choose(browser, photo)
    (wanted,) = predict(artifact, photo)
    assert wanted.answer.is_none and browser.text("#answer") == "none of these"
    assert shown(browser) == {label: f"{100 * value:.1f}\u00a0%" for label, value in wanted.probabilities.items()}
    assert "Below 99.9\u00a0%" in browser.text("#rule")
    # The keyboard alone opens the camera, and what a screen reader hears has names.
    browser.value("document.body.focus()")
    reached = []
    for _ in range(3):
        browser.press("Tab", 9)
        reached.append(browser.value("document.activeElement.id || document.activeElement.tagName"))
    assert reached == ["SUMMARY", "file", "camera"]
    browser.press("Enter", 13, "\r")
    browser.wait_for(r"/of ([3-9]|\d\d) frames/.test(document.getElementById('model-note').textContent)")
    assert browser.value("[document.getElementById('seen').width, document.getElementById('photo').hidden]") == [
        48,
        True,
    ]
    assert {
        ("button", "Close the camera"), ("button", "Choose a photo"), ("heading", "What the model sees"),
        ("image", "The input of the model, 48 by 48 pixels"), ("list", "Probabilities"), ("Video", "The camera"),
    } <= browser.accessible_names()  # fmt: skip
    browser.value("document.getElementById('camera').click()")
    assert browser.value("document.getElementById('video').srcObject === null")
    assert browser.text("#camera") == "Open the camera"
    # What is not a photo is named, and the page goes on.
    (tmp_path / "<b>text.jpg").write_text("no photo")
    choose(browser, tmp_path / "<b>text.jpg")
    assert browser.text("#problem") == (
        "<b>text.jpg cannot be read here: not a photo of a known format. Give a JPEG, PNG, WEBP, GIF or BMP."
    )
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:-900])
    choose(browser, tmp_path / "cut.png")
    assert browser.text("#problem").startswith("cut.png cannot be read here: it is damaged.")
    choose(browser, photo)
    assert browser.value("document.getElementById('problem').hidden")


def test_a_page_whose_answers_are_not_pythons_says_so(browser: Chromium, plain: Path, tmp_path: Path) -> None:
    text = plain.read_text(encoding="utf-8")
    packed = re.search(r'id="asset-golden">([^<]+)<', text)
    assert packed is not None
    vectors = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    wrong = np.frombuffer(base64.b64decode(vectors[7]["probabilities"]), "<f4") + np.float32(2 / 256)
    vectors[7]["probabilities"] = base64.b64encode(wrong.tobytes()).decode()
    vectors[9]["answer"] = []
    vectors[11]["input"] = "0" * 64
    again = base64.b64encode(gzip.compress(json.dumps(vectors).encode())).decode()
    (tmp_path / "altered.html").write_text(text.replace(packed[1], again), encoding="utf-8")
    start(browser, tmp_path / "altered.html")
    assert browser.text("#golden-line") == "Not the same answers as Python: 70 of 72"
    facts = browser.value("document.getElementById('golden-facts').textContent")
    assert f"Not the same: {vectors[7]['name']}, {vectors[9]['name']}." in facts
    assert f"Another input than Python's: {vectors[11]['name']}." in facts
    assert "Largest difference of a probability: 0.0078." in facts


def test_the_same_file_gives_the_same_page_and_no_other_file_is_replaced(
    exported: dict[str, Any], plain: Path, tmp_path: Path
) -> None:
    artifact: Artifact = exported["int8.tflite"]
    page = tmp_path / "demo.html"
    page.write_bytes(plain.read_bytes().replace(b"<h1>", b"<h1>an earlier ", 1))
    write_demo(artifact, page, artifact.path.name, FETCH)
    assert page.read_bytes() == plain.read_bytes()
    assert base64.b64encode(gzip.compress(artifact.content(), 9, mtime=0)) in page.read_bytes()
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    with pytest.raises(UsageError, match=r"mine\.html exists and is not a page of edgekd demo"):
        write_demo(artifact, tmp_path / "mine.html", "mine", FETCH)


def test_a_page_without_its_runtime_is_not_written(
    exported: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(StorageError, match=rf"ONNX Runtime Web 1\.30\.0, .* 33 MB: {FETCH}$"):
        write_demo(exported["int8.onnx"], tmp_path / "demo.html", "missing", FETCH)
    with pytest.raises(UsageError, match=r"runs \.tflite and \.onnx files"):
        write_demo(replace(exported["int8.onnx"], format="ort"), tmp_path / "demo.html", "ort", FETCH)
    assert not (tmp_path / "demo.html").exists()
