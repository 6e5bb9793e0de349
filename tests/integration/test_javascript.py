"""The written specification in JavaScript, and the shipped .onnx in other people's runtimes: Node and a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from decided_files import with_decision
from posting_page import PageHandler, PostingPage
from support import Project

from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Answer, Decision
from edgekd.runtime.predict import predict

ROOT = Path(__file__).parents[2]
PORT = ROOT / "tests" / "js"
MODELS = ("student.int8.onnx", "student.float32.onnx")
# The same with sigmoids and a threshold a tag, and with answers that are refused.
TAGS, REJECTING = "tags.int8.onnx", "reject.float32.onnx"
PHOTOS = 20
INSTALL = "npm install --ignore-scripts --no-audit --no-fund --no-package-lock --prefix tests/js"


@dataclass(frozen=True)
class Expected:
    """What Python says: a directory of vectors with the user's photos in it, and the answers of ``edgekd predict``.

    The vectors are those of the file with tags, whose input is that of the others.
    """

    vectors: Path
    models: dict[str, Path]
    manifest: dict[str, Any]
    predicted: dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def expected(project: Project, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Expected:
    here = tmp_path_factory.mktemp("javascript")
    (here / "photos").mkdir()
    sources = [sorted((project.folder / "photos" / colour).iterdir())[:7] for colour in ("green", "red", "yellow")]
    for number, photo in enumerate([path for paths in sources for path in paths][:PHOTOS]):
        shutil.copy(photo, here / "photos" / f"{number:02d}.jpg")
    models = {name: finished / "export" / name for name in MODELS}
    photos = sorted((here / "photos").iterdir())
    for name, source in zip((TAGS, REJECTING), MODELS, strict=True):
        models[name] = decided_file(Artifact.open(models[source]), here / name, photos).path
    arguments = ("golden", models[TAGS], "--out", here / "golden", "--photos", here / "photos")
    made = project.edgekd(*arguments, without_tensorflow=True)
    assert made.returncode == 0, made.stderr
    predicted = {}
    for name in MODELS:
        path = models[name]
        done = project.edgekd("predict", path, *photos, "--json", without_tensorflow=True)
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)
        predicted[name] = {f"own-{i:04d}": row for i, row in enumerate(rows)}
    for name in (TAGS, REJECTING):
        rows = [
            {"probabilities": one.probabilities, "answer": one.answer.labels} for one in predict(models[name], photos)
        ]
        predicted[name] = {f"own-{i:04d}": row for i, row in enumerate(rows)}
    manifest = json.loads((here / "golden" / "manifest.json").read_text())
    return Expected(here / "golden", models, manifest, predicted)


def decided_file(artifact: Artifact, path: Path, photos: list[Path]) -> Artifact:
    """With tags, or with answers that are refused: each at a threshold that half of the photos reach."""
    if path.name == REJECTING:
        middle = np.median([one.probability for one in predict(artifact, photos)])
        return with_decision(artifact, path, Decision(reject_below=float(middle)))
    tags = with_decision(artifact, path, Decision("multi-label", (0.5,) * len(artifact.labels)))
    middles = np.median([list(one.probabilities.values()) for one in predict(tags, photos)], axis=0)
    return with_decision(artifact, path, Decision("multi-label", tuple(middles.tolist())))


@pytest.fixture(scope="module")
def packages() -> Path:
    """The npm packages that tests/js/package.json names."""
    if shutil.which("node") is None:
        pytest.skip("needs node: install Node.js 20 or later")
    folder = PORT / "node_modules"
    wanted = json.loads((PORT / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        described = folder / name / "package.json"
        if not described.is_file() or json.loads(described.read_text())["version"] != version:
            pytest.skip(f"needs {name} {version}: {INSTALL}")
    return folder


def check(result: dict[str, Any], expected: Expected, unsupported: set[str], inexact: dict[str, int]) -> dict[str, str]:
    """Every vector equal byte for byte but the named ones, and every answer that of ``edgekd predict``.

    Returns how many are equal, by kind.
    """
    assert "error" not in result, result["error"]
    rows = {row["name"]: row for row in result["vectors"]}
    assert set(rows) == {vector["name"] for vector in expected.manifest["vectors"]}
    assert {name for name, row in rows.items() if row["unsupported"]} == unsupported
    found = {name: row["difference"] for name, row in rows.items() if not row["input"] and not row["unsupported"]}
    assert found.keys() <= inexact.keys() and all(found[name] <= inexact[name] for name in found), found
    assert {name for name, row in rows.items() if row["input"] and not row["pixels"]} == set()
    # The manifest's rule on the manifest's probabilities: equal, without any tolerance.
    assert {name: row["answer"] for name, row in rows.items()} == {
        vector["name"]: vector["answer"] for vector in expected.manifest["vectors"]
    }
    for model, answers in expected.predicted.items():
        assert len(answers) == PHOTOS
        decision, tolerance = Artifact.open(expected.models[model]).decision, 1 / 256 if "int8" in model else 1e-4
        ties = 0
        for name, wanted in answers.items():
            given = np.array(result["models"][model][name])
            values = np.array([wanted["probabilities"][label] for label in expected.manifest["labels"]])
            assert given.argmax() == values.argmax(), (model, name)
            assert np.abs(given - values).max() <= tolerance, (model, name)
            answer = Answer(tuple(result["answers"][model][name]))
            # Equal, but where a probability stands at its threshold.
            assert decision.distance_to(answer, values, expected.manifest["labels"]) <= tolerance, (model, name)
            ties += answer.labels != tuple(wanted["answer"])
        assert ties <= 2, model
    assert len({tuple(one["answer"]) for one in expected.predicted[TAGS].values()}) >= 3
    assert {len(one["answer"]) for one in expected.predicted[REJECTING].values()} == {0, 1}
    equal = Counter(row["kind"] for row in rows.values() if row["input"])
    return {kind: f"{equal[kind]} of {n}" for kind, n in Counter(row["kind"] for row in rows.values()).items()}


def test_node_gives_every_tensor_and_every_answer(expected: Expected, packages: Path) -> None:
    argv = ["node", str(PORT / "run_node.mjs"), str(expected.vectors), *map(str, expected.models.values())]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert check(json.loads(done.stdout), expected, unsupported=set(), inexact={}) == {
        "jpeg": "48 of 48", "png": "32 of 32", "webp": "6 of 6", "bmp": "2 of 2", "gif": "2 of 2", "tiff": "2 of 2",
    }  # fmt: skip


def test_a_browser_gives_every_tensor_that_its_decoders_allow(
    expected: Expected, packages: Path, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with Page(expected, packages) as page:
        log = page.open_in(chromium, tmp_path, 120)
    assert page.answered.is_set(), log[-2000:]
    # Chromium reads no TIFF, and rounds CMYK to RGB by another formula.
    unsupported = {vector["name"] for vector in expected.manifest["vectors"] if vector["kind"] == "tiff"}
    assert check(page.result, expected, unsupported, {"jpeg-cmyk": 1, "jpeg-ycck": 1}) == {
        "jpeg": "46 of 48", "png": "32 of 32", "webp": "6 of 6", "bmp": "2 of 2", "gif": "2 of 2", "tiff": "0 of 2",
    }  # fmt: skip


class Page(PostingPage):
    """Serves page.html, the vectors, the models and the runtime, and takes what the page posts."""

    def __init__(self, expected: Expected, packages: Path) -> None:
        folders = {
            "ort": packages / "onnxruntime-web" / "dist", "golden": expected.vectors, "edgekd": ROOT / "edgekd",
        }  # fmt: skip

        class Handler(PageHandler):
            extensions_map: ClassVar = {
                ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html", "": "*/*",
            }  # fmt: skip

            def translate_path(self, path: str) -> str:
                first, _, rest = path.lstrip("/").partition("/")
                if first == "models":
                    return str(expected.models[rest])
                return str(folders[first] / rest if first in folders else PORT / first)

            def do_GET(self) -> None:  # noqa: N802  the name that http.server calls
                if self.path != "/models.json":
                    super().do_GET()
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(list(expected.models)).encode())

        super().__init__(Handler, "/page.html")
