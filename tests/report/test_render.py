from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from synthetic_run import Synthetic, build_run

from edgekd.report.render import render
from edgekd.storage import sha256_file

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects tags, ids and addresses; notes tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._note(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._note(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def _note(self, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action", "srcset")
        ]


def test_everything_is_written(run_dir: Path) -> None:
    line = render(run_dir)
    assert line.text.startswith("33x smaller and 9.")
    assert json.loads((run_dir / "report.json").read_text())["headline"]["text"] == line.text
    assert json.loads((run_dir / "report.json").read_text())["schema"] == 2
    names = sorted(path.name for path in (run_dir / "plots").iterdir())
    assert names == ["confusion.png", "curves.png", "latency.png", "misclassified.png", "size.png"]
    for name in names:
        assert min(Image.open(run_dir / "plots" / name).size) > 300
    text = (run_dir / "report.md").read_text()
    assert text.splitlines()[2] == f"**{line.text}**"
    for link in re.findall(r"\]\((plots/[^)]+)\)", text):
        assert (run_dir / link).is_file()
    assert not list(run_dir.rglob(".report*")) and not list((run_dir / "plots").glob(".*"))


def put_demo(run_dir: Path, model: str) -> None:
    """What a page of ``edgekd demo`` says of the file that it runs."""
    page = f'<!doctype html>\n<meta name="edgekd-model" content="{model}">\n'
    (run_dir / "demo.html").write_text(page, encoding="utf-8")


def test_the_page_is_whole_and_asks_for_nothing(run_dir: Path) -> None:
    put_demo(run_dir, sha256_file(run_dir / "export" / "int8_tflite.tflite"))
    render(run_dir)
    text = (run_dir / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert "script" not in page.tags and "link" not in page.tags
    page.addresses.remove("demo.html")
    for address in page.addresses:
        assert address.startswith(("#", "data:image/jpeg;base64,"))
        assert not address.startswith("#") or address[1:] in page.ids
    assert "@import" not in text and not re.findall(r"url\((?!#)", text)
    assert set(re.findall(r'https?://[^"\s]+', text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    assert page.tags.count("svg") == 4 and len(text) < 400_000


def test_names_from_folders_are_only_text(tmp_path: Path) -> None:
    names = ("<script>alert(1)</script>", "a|b`c*d_e", "$x^2$ & {{ 7*7 }}")
    folders = ("script", "ab", "x")
    made = build_run(tmp_path / "run", Synthetic(classes=folders, test_per_class=(20, 20, 20), epochs=3))
    for name in ("check/check.json", "data/summary.json"):
        text = (made / name).read_text()
        for folder, odd in zip(folders, names, strict=True):
            text = text.replace(f'"{folder}"', json.dumps(odd))
        (made / name).write_text(text)
    put_demo(made, "0" * 64)
    render(made)
    page = (made / "report.html").read_text()
    assert "demo.html" not in page, "a page of another model is linked"
    assert "script" not in Page(page).tags and "&lt;script&gt;alert(1)" in page
    assert "{{ 7*7 }}" in page and "$x^2$ &amp; " in page
    text = (made / "report.md").read_text()
    assert "a\\|b\\`c\\*d\\_e" in text and "\\<script\\>" in text


def test_rendering_twice_gives_the_same_bytes(run_dir: Path) -> None:
    files = ["report.html", "report.md", "report.json", "plots/size.png"]
    render(run_dir)
    first = [(run_dir / name).read_bytes() for name in files]
    render(run_dir)
    assert [(run_dir / name).read_bytes() for name in files] == first


@pytest.mark.parametrize("absent", [["check"], ["bench"], ["check", "bench", "scratch", "distill", "teacher", "data"]])
def test_partial_runs_render_and_drop_old_plots(run_dir: Path, absent: list[str]) -> None:
    render(run_dir)
    for name in absent:
        shutil.rmtree(run_dir / name)
    render(run_dir)
    page = (run_dir / "report.html").read_text()
    assert Page(page).open == [] and "This run is incomplete" in page
    assert "This run is incomplete" in (run_dir / "report.md").read_text()
    linked = {Path(link).name for link in re.findall(r"\]\((plots/[^)]+)\)", (run_dir / "report.md").read_text())}
    assert linked == {path.name for path in (run_dir / "plots").iterdir()}


def test_a_failed_gate_and_few_launches_are_seen(tmp_path: Path) -> None:
    made = build_run(tmp_path / "run", Synthetic(failed_gate=True, launches=3))
    line = render(made)
    assert line.failed_gates == ("int8_tflite agrees with the float student",)
    page = (made / "report.html").read_text()
    assert "1 of 3 gates failed." in page and "few launches: 3, at least 7 are needed" in page
    assert "(no interval)" in page
    assert "✗ **failed** int8\\_tflite agrees" in (made / "report.md").read_text()


def test_no_tensorflow(run_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edgekd.report.render import render; import edgekd.bench.harness;"
        f"render(Path({str(run_dir)!r}));"
        "print([name for name in ('tensorflow', 'keras', 'tf_keras', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_of_many_classes_those_that_matter_are_shown_and_the_rest_is_folded(tmp_path: Path) -> None:
    classes = tuple(f"class {number:04}" for number in range(1000))
    run_dir = build_run(tmp_path / "run", Synthetic(classes=classes, test_per_class=(1,) * 1000))
    render(run_dir)
    page = (run_dir / "report.html").read_text()
    assert Page(page).open == []
    first, folded = page.split("<details>")
    folded = folded.partition("</details>")[0]
    assert "980 more classes. Above are the 20 that are misclassified most." in folded
    assert folded.count('<th scope="row">class ') == 980
    shown = set(re.findall(r'<th scope="row">(class \d+)</th>', first))
    photos = json.loads((run_dir / "report.json").read_text())["misclassified"]
    assert len(shown) == 20 and shown <= {photo[key] for photo in photos for key in ("truth", "predicted")}
    text = (run_dir / "report.md").read_text()
    assert text.count("| class 0") == 20 and "980 more classes are in data/summary.json" in text
