"""The npm package of ``edgekd js``: packed, installed, compiled by TypeScript, and run in Node and in a browser."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from c_preprocess import python_answer, random_cases
from click.testing import CliRunner
from posting_page import PageHandler, PostingPage

from edgekd.cli import group
from edgekd.errors import UsageError
from edgekd.export.js_package import write_js_package
from edgekd.formats.artifact import Artifact
from edgekd.runtime.predict import predict

JS = Path(__file__).parents[1] / "js"
# What an engine without a DOM and without Node knows.
BARE = {"noEmit": True, "module": "nodenext", "target": "es2022", "lib": ["es2022"], "types": []}


@pytest.fixture(scope="module")
def node() -> str:
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs node: install Node.js 20 or later")
    return program


@pytest.fixture(scope="module")
def package(decided: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a file with tags, by the command."""
    folder = tmp_path_factory.mktemp("js") / "Classifier"
    done = CliRunner().invoke(group, ["js", str(decided["tags.int8.tflite"].path), "--into", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["vectors"] == 72
    assert Path(said["model"]).read_bytes() == decided["tags.int8.tflite"].content()
    return folder


def run_tests(node: str, folder: Path) -> str:
    done = subprocess.run([node, "--test"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_its_own_tests_pass_without_and_with_sharp(node: str, package: Path, tmp_path: Path) -> None:
    assert "72 of 72 vectors give Python's tensors and answers, without sharp" in run_tests(node, package)
    modules = JS / "node_modules"
    if not (modules / "sharp").is_dir():
        pytest.skip("needs the packages of tests/js")
    copy = shutil.copytree(package, tmp_path / "copy")
    (copy / "node_modules").symlink_to(modules)
    assert "72 of 72 vectors give Python's tensors and answers, decoded by sharp" in run_tests(node, copy)
    path = copy / "golden/manifest.json"
    manifest = json.loads(path.read_text())
    first, second = manifest["vectors"][:2]
    vectors = [{**first, "answer": [*first["answer"], "more"]}, {**second, "input": first["input"]}]
    path.write_text(json.dumps({**manifest, "vectors": vectors}))
    failed = subprocess.run([node, "--test"], cwd=copy, capture_output=True, text=True)
    assert failed.returncode == 1
    assert all(f"'{vector['name']}'" in failed.stdout for vector in vectors)


def test_npm_packs_it_without_vectors_and_typescript_takes_it(node: str, package: Path, tmp_path: Path) -> None:
    compiler = JS / "node_modules/typescript/bin/tsc"
    if not compiler.is_file():
        pytest.skip("needs the packages of tests/js")
    argv = ["npm", "pack", "--json", "--ignore-scripts", "--offline", "--pack-destination", str(tmp_path)]
    packed = subprocess.run(argv, cwd=package, capture_output=True, text=True, timeout=60)
    assert packed.returncode == 0, packed.stderr
    (facts,) = json.loads(packed.stdout)
    names = {entry["path"] for entry in facts["files"]}
    assert facts["name"] == "classifier"
    assert {name.split("/")[0] for name in names} == {"src", "model", "package.json", "README.md"}
    assert facts["unpackedSize"] < 60_000 + (package / "model/tags.int8.tflite").stat().st_size
    modules = tmp_path / "node_modules"
    modules.mkdir()
    shutil.unpack_archive(tmp_path / facts["filename"], modules)
    (modules / "package").rename(modules / "classifier")
    shutil.copy(JS / "use_package.mts", tmp_path)
    core = {"allowJs": True, "checkJs": True, "strict": False}
    for options, file in (({"strict": True}, "use_package.mts"), (core, "node_modules/classifier/src/index.js")):
        settings = {"compilerOptions": {**BARE, **options}, "files": [file]}
        (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
        done = subprocess.run([node, compiler, "-p", tmp_path], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (0, "")


def test_a_browser_gives_the_same_tensors(package: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with GoldenPage(package) as page:
        log = page.open_in(chromium, tmp_path, 120)
    assert page.answered.is_set(), log[-2000:]
    # Chromium reads no TIFF, whose pixels the vectors have, and rounds CMYK by another formula.
    assert page.result == {"count": 72, "unproven": [], "inexact": ["jpeg-cmyk", "jpeg-ycck"], "wrong": []}


class GoldenPage(PostingPage):
    """Serves the package's own page, and takes what it found."""

    SEND: ClassVar = b"""<script type="module">
      while (!globalThis.goldenResult) await new Promise((done) => setTimeout(done, 50));
      await fetch('/result', { method: 'POST', body: JSON.stringify(globalThis.goldenResult) });
    </script>"""

    def __init__(self, package: Path) -> None:
        class Handler(PageHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(package))

            def do_GET(self) -> None:  # noqa: N802  the name that http.server calls
                super().do_GET()
                if self.path == "/test/golden.html":
                    self.wfile.write(GoldenPage.SEND)

            def send_header(self, keyword: str, value: str) -> None:
                if keyword == "Content-Length" and self.path == "/test/golden.html":
                    value = str(int(value) + len(GoldenPage.SEND))
                super().send_header(keyword, value)

        super().__init__(Handler, "/test/golden.html")


def test_pixels_of_every_layout_turned_and_with_gaps_give_pythons_tensors(node: str) -> None:
    cases = [case for case in random_cases(120, 5, 20_000) if not case.upside_down]
    assert {case.layout for case in cases} >= {"grey-alpha", "bgra", "cmyk"} and len(cases) > 40
    content = b"".join(case.encode(1) for case in cases)
    done = subprocess.run([node, JS / "run_cases.mjs"], input=content, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"".join(python_answer(case).tobytes() for case in cases)


ANSWER = """
import {{ readFileSync }} from 'node:fs';
const {{ decide, readRecord, toProbabilities }} = await import('{index}');
const [path, given] = process.argv.slice(-2);
const model = new Uint8Array(readFileSync(path));
const record = readRecord(model);
const values = toProbabilities(new Float32Array(JSON.parse(given)), record);
const flipped = model.map((byte, i) => (i === model.length - 40 ? byte ^ 1 : byte));
const failures = [model.slice(0, -9), flipped, new Uint8Array(40)]
  .map((bytes) => {{ try {{ return readRecord(bytes).labels; }} catch (error) {{ return error.message; }} }});
console.log(JSON.stringify({{ record, answer: decide(record.decision, values, record.labels), failures }}));
"""


@pytest.mark.parametrize("name", ["tags.int8.tflite", "reject.float32.onnx"])
def test_its_record_and_its_answer_are_those_of_python(
    node: str, package: Path, decided: dict[str, Any], tmp_path: Path, name: str
) -> None:
    artifact, photo = decided[name], package / "golden/photos/png-rgb.png"
    (python,) = predict(artifact, [photo])
    script = tmp_path / "answer.mjs"
    script.write_text(ANSWER.format(index=(package / "src/index.js").as_uri()))
    values = json.dumps(np.array(list(python.probabilities.values()), np.float32).tolist())
    done = subprocess.run([node, script, artifact.path, values], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert tuple(said["record"]["labels"]) == artifact.labels
    assert said["record"]["preprocessing"] == artifact.preprocessing.model_dump()
    assert said["record"]["decision"] == artifact.decision.as_json()
    assert tuple(said["answer"]) == python.answer.labels
    assert all(isinstance(text, str) and "the model" in text for text in said["failures"])


def test_files_that_a_package_cannot_use_are_refused(exported: dict[str, Any], tmp_path: Path) -> None:
    many = exported["int8.tflite"]
    many = dataclasses.replace(many, inputs=(dataclasses.replace(many.inputs[0], shape=(4, 48, 48, 3)),))
    with pytest.raises(UsageError, match=r"takes 4 photos at a time, and a JavaScript package gives one"):
        write_js_package(many, tmp_path / "new")
    with pytest.raises(UsageError, match=r"takes channels first, and a JavaScript package gives them last"):
        write_js_package(dataclasses.replace(exported["int8.onnx"], layout="nchw"), tmp_path / "new")
    odd = tmp_path / "a'); evil('.tflite"
    odd.write_bytes(exported["int8.tflite"].content())
    with pytest.raises(UsageError, match=r"letters, digits, dots, dashes and underscores alone\. Copy the file"):
        write_js_package(Artifact.open(odd), tmp_path / "new")
    odd.unlink()
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(UsageError, match=r"package\.json would be overwritten, and edgekd did not write it"):
        write_js_package(exported["int8.onnx"], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"package.json"}
