from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import DuplicateSummary
from edgekd.errors import DataError, GateFailed
from edgekd.evaluation.gates import ParityGates
from edgekd.evaluation.score import class_order, score
from edgekd.formats.artifact import Artifact
from edgekd.runtime import open_runner
from edgekd.storage import sha256_file

CLASSES = ("Straße", "crossing", "kerb & gutter")


@pytest.fixture(scope="module")
def dataset(exported: dict[str, Any], images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Photos of the model's own size, labelled by what the float file says of them; every eighth label is wrong."""
    folder = tmp_path_factory.mktemp("photos")
    answers = open_runner(exported["float32.tflite"]).run(images).argmax(axis=1)
    samples = []
    for number, (pixels, answer) in enumerate(zip(images, answers, strict=True)):
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        # The data's order of classes is not the file's: 0, 1, 2 there are 1, 2, 0 here.
        label = (int(answer) + 1 + (number % 8 == 0)) % 3
        samples.append(Sample(path.name, path, None, sha256_file(path), label, "test", number))
    return Dataset(CLASSES, tuple(samples), (), DuplicateSummary(0, 0, 0, 0, None, ()))


def test_labels_are_matched_by_name(exported: dict[str, Any], dataset: Dataset) -> None:
    artifact = exported["float32.tflite"]
    assert class_order(artifact, CLASSES).tolist() == [2, 0, 1]
    row = score(artifact, dataset)
    assert row.accuracy.value == 42 / 48
    assert row.accuracy.low < 42 / 48 < row.accuracy.high
    assert row.to_json()["artifact"] == "tiny.float32.tflite"
    assert row.parameters == artifact.provenance["parameters"]
    assert np.trace(np.array(row.confusion)) == 42
    assert np.array(row.confusion).sum() == 48
    assert row.agreement is None
    assert [(gate.name, gate.passed) for gate in row.gates] == [
        ("tiny.float32.tflite: labels fit the predictions", True)
    ]


def test_an_int8_file_is_held_against_the_float_one(exported: dict[str, Any], dataset: Dataset) -> None:
    seen: list[tuple[int, int]] = []
    row = score(
        exported["int8.onnx"],
        dataset,
        reference=exported["float32.tflite"],
        gates=ParityGates(min_agreement=0.9, max_difference=0.2, min_accuracy=0.95, min_balanced_accuracy=0.5),
        row="int8_onnx",
        parameters=7,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert row.agreement is not None
    assert row.agreement.value >= 0.95
    assert seen == [(32, 48), (48, 48)]
    assert row.largest_difference is not None
    assert 0 < row.largest_difference < 0.2
    assert [(gate.name, gate.passed) for gate in row.gates] == [
        ("int8_onnx: integers only", True),
        ("int8_onnx: accuracy", False),
        ("int8_onnx: balanced accuracy", True),
        ("int8_onnx: loss", True),
        ("int8_onnx: agreement", True),
        ("int8_onnx: largest difference", True),
        ("int8_onnx: labels fit the predictions", True),
    ]
    told = row.to_json()
    assert told["agreement"]["with"] == "tiny.float32.tflite"
    assert set(told["agreement"]) == {"with", "value", "differing", "n", "near_ties"}
    assert (told["row"], told["parameters"], len(told["predictions"])) == ("int8_onnx", 7, 48)
    assert set(told["accuracy"]) == {"value", "low", "high"}


def test_a_gate_that_fails_names_the_photos(exported: dict[str, Any], dataset: Dataset) -> None:
    gate = next(g for g in _against_itself_shuffled(exported, dataset).gates if g.name.endswith("agreement"))
    assert not gate.passed
    assert "surely below 90%; it differs on 0.png, 1.png, 2.png, 3.png, 4.png and more" in gate.message


def test_a_file_that_is_worse_than_its_twin_fails(exported: dict[str, Any], dataset: Dataset) -> None:
    right = exported["float32.tflite"]
    wrong = replace(exported["int8.tflite"], labels=("kerb & gutter", "Straße", "crossing"))
    row = score(wrong, dataset, reference=right)
    loss = next(gate for gate in row.gates if gate.name.endswith("loss"))
    assert not loss.passed
    assert "points of accuracy against tiny.float32.tflite: 4" in loss.message and "significant (p = " in loss.message
    # A photo or two either way is chance; a bound in points is kept to the letter.
    same = score(exported["int8.tflite"], dataset, reference=right)
    assert all(gate.passed for gate in same.gates)
    allowed = score(wrong, dataset, reference=right, gates=ParityGates(max_accuracy_drop=100))
    assert next(gate for gate in allowed.gates if gate.name.endswith("loss")).passed
    strict = score(wrong, dataset, reference=right, gates=ParityGates(min_agreement=0.98, max_accuracy_drop=5))
    messages = [gate.message for gate in strict.gates if not gate.passed]
    assert any("5 points allowed" in text for text in messages) and any("98.0% required" in text for text in messages)


def _against_itself_shuffled(exported: dict[str, Any], dataset: Dataset) -> Any:
    # A reference whose labels are in the wrong order: what a mixed-up export looks like.
    shuffled = replace(exported["float32.tflite"], labels=("kerb & gutter", "Straße", "crossing"))
    return score(exported["int8.tflite"], dataset, reference=shuffled)


def test_float_ops_in_an_int8_file_fail_its_gate(exported: dict[str, Any], dataset: Dataset, tmp_path: Path) -> None:
    from edgekd.export.record import Record
    from edgekd.export.tflite_pack import pack

    artifact = exported["float32.tflite"]
    record = Record(artifact.labels, artifact.preprocessing, "int8", {"scale": 1.0, "offset": 0.0}, {})
    path = tmp_path / "pretends.tflite"
    path.write_bytes(pack(artifact.content(), record, name="pretends"))
    gate, labels_gate = score(Artifact.open(path), dataset).gates
    assert not gate.passed and labels_gate.passed
    assert gate.message.startswith("float ops left in pretends.tflite: CAST (op 0")


def test_labels_in_another_order_fail_a_gate_that_names_the_order(exported: dict[str, Any], dataset: Dataset) -> None:
    shuffled = replace(exported["float32.tflite"], labels=("kerb & gutter", "Straße", "crossing"))
    gate = score(shuffled, dataset).gates[-1]
    assert not gate.passed
    right = ",".join(exported["float32.tflite"].labels)
    assert f"with the order {right}. Export again with --classes {right}" in gate.message


def test_labels_that_do_not_fit_fail(exported: dict[str, Any], dataset: Dataset) -> None:
    other = replace(dataset, classes=("Straße", "crossing", "kerb"))
    with pytest.raises(GateFailed, match=r"not in the file: kerb; not in the data: kerb & gutter"):
        score(exported["int8.onnx"], other)
    with pytest.raises(DataError, match="no labelled photos"):
        score(exported["int8.onnx"], dataset, "val")
