"""The Dart package of ``edgekd dart``: its code parsed as Dart, and run as Python with Dart's types checked."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from c_preprocess import LAYOUTS, python_answer, random_cases
from click.testing import CliRunner

from edgekd.cli import group
from edgekd.errors import UsageError
from edgekd.export.dart_package import write_dart_package
from edgekd.preprocess import Preprocessing

pytest.importorskip("tree_sitter_dart", reason="needs tree-sitter and tree-sitter-dart: pip install edgekd[dev]")

from dart_translator.runtime import DartTypeError
from dart_translator.syntax import DartSyntaxError, parse
from dart_translator.translate import run_dart

ORDER = ("preprocess", "decision", "record", "golden")


@pytest.fixture(scope="module")
def package(decided: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a file with tags, by the command."""
    folder = tmp_path_factory.mktemp("dart") / "Litter-Classifier"
    done = CliRunner().invoke(group, ["dart", str(decided["tags.int8.tflite"].path), "--into", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["vectors"] == 72
    return folder


@pytest.fixture(scope="module")
def port(package: Path) -> SimpleNamespace:
    return run_dart([package / f"lib/src/{name}.dart" for name in ORDER])


def test_every_file_is_dart(package: Path) -> None:
    files = {path.relative_to(package).as_posix() for path in package.rglob("*.dart")}
    assert files == {
        "lib/litter_classifier.dart", "test/golden_test.dart", *(f"lib/src/{name}.dart" for name in ORDER),
    }  # fmt: skip
    for name in files:
        parse((package / name).read_bytes(), name)
    with pytest.raises(DartSyntaxError, match=r"test\.dart:1: "):
        parse(b"int f( { return 1; }", "test.dart")


def test_every_vector_gives_its_tensor_and_its_answer(port: SimpleNamespace, package: Path) -> None:
    def read(path: str) -> bytes:
        return (package / "golden" / path).read_bytes()

    assert port.findWrongVectors(read) == []
    manifest = json.loads(read("manifest.json"))
    two = manifest["vectors"][:2]
    changed = dict(
        manifest, vectors=[dict(two[0], answer=[*two[0]["answer"], "more"]), dict(two[1], input=two[0]["input"])]
    )

    def read_changed(path: str) -> bytes:
        return json.dumps(changed).encode() if path == "manifest.json" else read(path)

    assert port.findWrongVectors(read_changed) == [two[0]["name"], two[1]["name"]]


def is_small(preprocessing: Preprocessing) -> bool:
    return preprocessing.width * preprocessing.height < 400


def test_pixels_of_every_layout_turned_and_with_gaps_give_pythons_tensors(port: SimpleNamespace) -> None:
    layouts = [one.name.lower() for one in port.Layout]
    cases = [case for case in random_cases(200, 7, 2_000) if not case.upside_down and is_small(case.preprocessing)]
    assert {case.layout for case in cases} == set(LAYOUTS) and {case.orientation for case in cases} == set(range(1, 9))
    for case in cases:
        target, memory = case.preprocessing, case.encode(1)[40:]
        height, width, channels = case.pixels.shape
        pixels = port.StoredPixels(
            width=width, height=height, bytes=memory, stride=width * channels + case.padding,
            orientation=case.orientation, layout=list(port.Layout)[layouts.index(case.layout.replace("-", ""))],
        )  # fmt: skip
        wanted = port.Preprocessing(width=target.width, height=target.height, crop=port.Crop[target.crop])
        assert bytes(port.preprocess(pixels, wanted)) == python_answer(case).tobytes(), case
    with pytest.raises(ValueError, match=r"11 bytes, 6 a row, are too few for 2 x 2"):
        port.preprocess(port.StoredPixels(width=2, height=2, bytes=bytes(11), layout=port.Layout.rgb), wanted)


def test_records_and_damage(port: SimpleNamespace, decided: dict[str, Any]) -> None:
    for name in ("tags.int8.tflite", "reject.float32.tflite"):
        artifact = decided[name]
        content = artifact.content()
        record = port.ModelRecord.read(content)
        rule = artifact.decision
        assert tuple(record.labels) == artifact.labels
        assert (record.preprocessing.width, record.preprocessing.crop.name) == (48, "center")
        assert tuple(record.decision.thresholds) == rule.thresholds
        assert (record.decision.rejectBelow, record.decision.noneLabel) == (rule.reject_below, rule.none_label)
        for row in np.random.default_rng(0).dirichlet(np.ones(len(artifact.labels)) * 0.4, 50).astype(np.float32):
            assert tuple(record.decide(row.tolist())) == rule.decide(row, artifact.labels).labels
        for damaged in (content[:-9], content[: len(content) // 2], bytes(40), content[:-30] + b"\1" + content[-29:]):
            with pytest.raises(ValueError, match=r"the model"):
                port.ModelRecord.read(damaged)
    with pytest.raises(UsageError, match=r"takes a \.tflite, and .* is onnx"):
        write_dart_package(decided["tags.int8.onnx"], Path("unused"))


def test_the_translation_keeps_darts_precedence_and_types(tmp_path: Path) -> None:
    file = tmp_path / "probe.dart"
    file.write_text(
        "int chain(int a, int b) => a - b + 2 * a ~/ 3 - (a - b);\n"
        "bool both(int a, int b) { return 1 + a * 2 > b || a == b && b < 3; }\n"
        "int wrong(int a) => a / 2;\nint cut(double a) => (a - 0.5).toInt();\n"
        "String say(int a) => 'a is $a, ${a + 1}\\'s';\nint at(List<int> x, int i) => x[i];\n"
    )
    probe = run_dart([file])
    assert (probe.chain(7, 2), probe.both(1, 9), probe.both(4, 8)) == (4, False, True)
    assert (probe.cut(2.7), probe.say(3)) == (2, "a is 3, 4's")
    for call in (lambda: probe.wrong(4), lambda: probe.cut(2), lambda: probe.chain(1.0, 2)):
        with pytest.raises(DartTypeError):
            call()
    with pytest.raises(IndexError):
        probe.at([1, 2], -1)
