"""Vectors are made once, whole, and read again by other files; what is not theirs is left alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekd.errors import DataError, DecodeError, UsageError
from edgekd.formats.artifact import Artifact
from edgekd.golden import check_golden, make_golden, read_manifest
from edgekd.golden.make import specification
from edgekd.preprocess import decode, preprocess
from edgekd.runtime.litert import LitertRunner
from edgekd.runtime.open import open_runner


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def made(exported: dict[str, Artifact], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("golden") / "vectors"
    make_golden(exported["int8.tflite"], out)
    return out


@pytest.fixture
def spoiled(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    for name, content in tree(made).items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(content)
    return tmp_path / "copy"


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_files_and_directories_as_text(exported: dict[str, Artifact], made: Path, tmp_path: Path) -> None:
    file = str(exported["int8.tflite"].path)
    assert make_golden(file, str(tmp_path / "again")) == read_manifest(str(made))
    assert check_golden(file, str(tmp_path / "again")).passed


def test_every_vector_is_what_the_definition_gives(exported: dict[str, Artifact], made: Path) -> None:
    artifact = exported["int8.tflite"]
    manifest = json.loads((made / "manifest.json").read_text())
    runner = open_runner(artifact)
    assert manifest["schema"] == 2 and manifest["labels"] == list(artifact.labels)
    assert manifest["artifact"]["sha256"] == hashlib.sha256(artifact.path.read_bytes()).hexdigest()
    kernels = manifest["tolerance"].pop("other_kernels")
    assert manifest["tolerance"] == {"other_runtime": 1 / 256, "same_runtime": 0.0}
    plain, furthest = LitertRunner(artifact, 1, xnnpack=False), 0.0
    for vector in manifest["vectors"]:
        content = (made / vector["photo"]["file"]).read_bytes()
        pixels = decode(content, "a").pixels
        tensor = preprocess(content, "a", artifact.preprocessing)
        row = np.frombuffer((made / vector["probabilities"]["file"]).read_bytes(), "<f4")
        assert (made / vector["input"]["file"]).read_bytes() == tensor.tobytes()
        assert vector["pixels"]["sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
        assert [vector["pixels"]["height"], vector["pixels"]["width"]] == list(pixels.shape[:2])
        assert np.array_equal(row, runner.run(tensor[np.newaxis])[0]) and vector["top"] == row.argmax()
        furthest = max(furthest, np.abs(plain.run(tensor[np.newaxis])[0] - row).max())
        if vector["pixels"]["file"]:
            assert (made / vector["pixels"]["file"]).read_bytes() == pixels.tobytes()
    assert furthest > 1 / 256 and kernels == pytest.approx(2 * furthest)


def test_it_is_small_and_lists_all_of_itself(made: Path) -> None:
    manifest = read_manifest(made)
    files = tree(made)
    assert set(files) == {"manifest.json", *(entry.file for entry in manifest.files())}
    assert sum(map(len, files.values())) < 3_000_000
    kept = {vector.name: vector.pixels.file is not None for vector in manifest.vectors}
    assert kept["jpeg-baseline-420"] and sum(kept.values()) >= 70
    text = files["SPECIFICATION.md"].decode()
    assert text == specification()
    assert "Specification, version 1." in text and "rows and columns change places" in text and "``" not in text


def test_the_same_input_gives_the_same_bytes(exported: dict[str, Artifact], made: Path, tmp_path: Path) -> None:
    make_golden(exported["int8.tflite"], tmp_path / "again")
    assert tree(tmp_path / "again") == tree(made)
    assert [p.name for p in tmp_path.iterdir()] == ["again"]


def test_read_again_across_formats(exported: dict[str, Artifact], made: Path, tmp_path: Path) -> None:
    same = check_golden(exported["int8.tflite"], made)
    assert same.passed and same.tolerance == 0 and same.largest_difference == 0 and same.count == 72
    other = check_golden(exported["int8.onnx"], made)
    assert other.passed and other.tolerance == 1 / 256 and other.probabilities_judged
    floats = check_golden(exported["float32.onnx"], made)
    assert floats.passed and not floats.probabilities_judged and floats.largest_difference > 0
    make_golden(exported["float32.onnx"], tmp_path / "floats")
    assert read_manifest(tmp_path / "floats").tolerance.other_kernels is None
    across = check_golden(exported["float32.tflite"], tmp_path / "floats")
    assert across.passed and across.largest_difference < 1e-5 and not across.top_differs


def test_photos_of_ones_own(exported: dict[str, Artifact], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    Image.new("RGB", (300, 200), (9, 90, 200)).save(photos / "B.JPG")
    Image.new("RGB", (30, 200), (9, 90, 200)).save(photos / "more" / "c.tif")
    (photos / "notes.txt").write_text("not a photo")
    manifest = make_golden(exported["float32.tflite"], tmp_path / "out", photos=photos)
    own = {vector.name: vector for vector in manifest.vectors if vector.name.startswith("own-")}
    assert {name: vector.kind for name, vector in own.items()} == {"own-0000": "jpeg", "own-0001": "tiff"}
    # 180,000 bytes of pixels are named by their hash alone.
    assert own["own-0000"].pixels.file is None and own["own-0001"].pixels.file is not None
    (photos / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DecodeError, match=r"broken\.png"):
        make_golden(exported["float32.tflite"], tmp_path / "none", photos=photos)
    for bad in (tmp_path / "missing", tmp_path / "out" / "inputs"):
        with pytest.raises(UsageError, match="photos"):
            make_golden(exported["float32.tflite"], tmp_path / "none", photos=bad)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "photos"]


def test_other_content_is_never_overwritten(exported: dict[str, Artifact], spoiled: Path, tmp_path: Path) -> None:
    artifact = exported["int8.onnx"]
    mine = tmp_path / "mine"
    mine.mkdir()
    make_golden(artifact, mine)
    assert read_manifest(mine).artifact.format == "onnx"
    make_golden(artifact, spoiled)  # vectors and nothing else: replaced
    assert read_manifest(spoiled).artifact.sha256 == artifact.sha256
    (spoiled / "thesis.txt").write_text("years of work")
    before = tree(spoiled)
    with pytest.raises(UsageError, match=r"also thesis\.txt"):
        make_golden(artifact, spoiled)
    assert tree(spoiled) == before
    (spoiled / "manifest.json").unlink()
    with pytest.raises(UsageError, match="files that are not golden vectors"):
        make_golden(artifact, spoiled)
    with pytest.raises(UsageError, match="is a file"):
        make_golden(artifact, spoiled / "thesis.txt")


def test_what_differs_is_named(exported: dict[str, Artifact], spoiled: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        first, second, third = manifest["vectors"][:3]
        for vector, part in ((first, "input"), (second, "probabilities")):
            path = spoiled / vector[part]["file"]
            content = bytearray(path.read_bytes())
            content[3] ^= 0x7F
            path.write_bytes(content)
            vector[part]["sha256"] = hashlib.sha256(content).hexdigest()
        third["pixels"]["file"] = None
        third["pixels"]["sha256"] = "0" * 64

    edit(spoiled, change)
    result = check_golden(exported["int8.tflite"], spoiled)
    assert not result.passed
    assert result.input_differs == ("jpeg-baseline-420",)
    assert result.probabilities_differ == ("jpeg-baseline-422",)
    assert result.pixels_differ == ("jpeg-baseline-444",)


def test_a_damaged_directory_is_an_error_that_names_the_file(exported: dict[str, Artifact], spoiled: Path) -> None:
    artifact = exported["int8.tflite"]
    victim = spoiled / "inputs" / "png-rgb.rgb"
    content = victim.read_bytes()
    victim.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"png-rgb\.rgb is not what manifest\.json lists: 6911 bytes for 6912"):
        check_golden(artifact, spoiled)
    victim.unlink()
    with pytest.raises(DataError, match=r"png-rgb\.rgb is listed in manifest\.json and cannot be read"):
        check_golden(artifact, spoiled)
    with pytest.raises(DataError, match="is not a directory of golden vectors"):
        check_golden(artifact, spoiled / "inputs")


def read_as_schema_1(folder: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["schema"] = 1
        del manifest["decision"]
        for vector in manifest["vectors"]:
            del vector["answer"]

    edit(folder, change)


def test_vectors_without_answers_are_read_as_before(
    exported: dict[str, Artifact], decided: dict[str, Artifact], spoiled: Path
) -> None:
    read_as_schema_1(spoiled)
    result = check_golden(exported["int8.tflite"], spoiled)
    assert result.passed and result.answers_judged and not result.answers_differ
    manifest = read_manifest(spoiled)
    assert [manifest.answer_of(one).labels for one in manifest.vectors[:2]] == [
        (manifest.labels[one.top],) for one in manifest.vectors[:2]
    ]
    # The same probabilities, of which this file refuses some: it decides by another rule, and that is said.
    other = check_golden(decided["reject.int8.tflite"], spoiled)
    assert other.passed and other.answers_differ and not other.answers_judged


@pytest.mark.parametrize("kind", ["tags", "reject"])
def test_answers_are_written_and_checked(decided: dict[str, Artifact], tmp_path: Path, kind: str) -> None:
    artifact = decided[f"{kind}.int8.tflite"]
    manifest = make_golden(artifact, tmp_path / "golden")
    written = json.loads((tmp_path / "golden/manifest.json").read_text())
    assert written["decision"] == artifact.decision.as_json()
    assert len({tuple(vector["answer"]) for vector in written["vectors"]}) >= 3
    assert any(vector["answer"] == [] for vector in written["vectors"])
    for name in ("int8.tflite", "int8.onnx"):
        result = check_golden(decided[f"{kind}.{name}"], tmp_path / "golden")
        assert result.passed and result.answers_judged and result.answers_differ == ()
    first = manifest.vectors[0]
    others = [label for label in artifact.labels if label not in (first.answer or ())]
    edit(tmp_path / "golden", lambda m: m["vectors"][0].update(answer=others[-1:]))
    wrong = check_golden(artifact, tmp_path / "golden")
    assert not wrong.passed and wrong.failed == wrong.answers_differ == (first.name,)


@pytest.mark.parametrize("file", ["/etc/passwd", "../x", "a/../../x", "a\\..\\x"])
def test_a_manifest_stays_inside_its_directory(spoiled: Path, file: str) -> None:
    edit(spoiled, lambda manifest: manifest["vectors"][0]["photo"].update(file=file))
    with pytest.raises(DataError, match=r"vectors\.0\.photo\.file.*not a path inside"):
        read_manifest(spoiled)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(schema=3),
        lambda m: m.update(schema=1),
        lambda m: m.update(extra=1),
        lambda m: m.pop("labels"),
        lambda m: m["vectors"].clear(),
        lambda m: m["vectors"][0]["input"].update(sha256="x"),
        lambda m: m["vectors"][0].pop("answer"),
        lambda m: m["vectors"][0].update(answer=["snow"]),
        lambda m: m["decision"].pop("task"),
        lambda m: m["decision"].update(task="multi-label", thresholds=[0.5]),
    ],
)
def test_a_foreign_manifest_is_refused(spoiled: Path, change: Callable[[dict[str, Any]], None]) -> None:
    edit(spoiled, change)
    with pytest.raises(DataError, match="not a manifest of golden vectors of schema 1"):
        read_manifest(spoiled)


def test_vectors_of_another_input_are_refused(exported: dict[str, Artifact], spoiled: Path) -> None:
    edit(spoiled, lambda manifest: manifest["preprocessing"].update(width=99))
    with pytest.raises(UsageError, match=r'"width": 99.*"width": 48.*Make its own: edgekd golden'):
        check_golden(exported["int8.tflite"], spoiled)
    edit(spoiled, lambda manifest: (manifest["preprocessing"].update(width=48), manifest["labels"].reverse()))
    with pytest.raises(UsageError, match="vectors for the labels Straße"):
        check_golden(exported["int8.tflite"], spoiled)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgekd", "golden", *map(str, arguments)], capture_output=True, text=True
    )


def test_the_command(exported: dict[str, Artifact], tmp_path: Path) -> None:
    out, path = tmp_path / "golden", exported["int8.tflite"].path
    done = run(path, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kinds"] == {"jpeg": 28, "png": 32, "webp": 6, "bmp": 2, "gif": 2, "tiff": 2}
    checked = run(exported["int8.onnx"].path, "--check", out)
    assert checked.returncode == 0 and "input tensors: 72 of 72 equal" in checked.stdout
    edit(out, lambda manifest: manifest["vectors"][5]["pixels"].update(sha256="0" * 64, file=None))
    failed = run(path, "--check", out, "--json")
    assert failed.returncode == 3 and "1 of 72 vectors" in failed.stderr and "jpeg-coarse" in failed.stderr
    assert json.loads(failed.stdout)["pixels_differ"] == ["jpeg-coarse"]
    for wrong in ([path], [path, "--out", out, "--check", out], [path, "--check", out, "--photos", out]):
        assert run(*wrong).returncode == 2
