"""Files of tags are scored, held against their float twin, and their outputs' order is judged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import DuplicateSummary
from edgekd.errors import GateFailed, UsageError
from edgekd.evaluation.gates import ParityGates
from edgekd.evaluation.score import score
from edgekd.evaluation.tag_order import check_tag_order
from edgekd.evaluation.tag_scores import answers_in, truth_in
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.runtime import open_runner
from edgekd.storage import sha256_file
from tests.decided_files import with_decision

CLASSES = ("Straße", "crossing", "kerb & gutter")
THRESHOLDS = {"Straße": 0.4, "crossing": 0.5, "kerb & gutter": 0.6}


@pytest.fixture(scope="module")
def files(exported: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """The tiny student as files of tags, in float and in int8."""
    folder = tmp_path_factory.mktemp("tags")
    return {
        name: with_decision(
            exported[f"{name}.tflite"],
            folder / f"tags.{name}.tflite",
            Decision("multi-label", tuple(THRESHOLDS[label] for label in exported[f"{name}.tflite"].labels)),
        )
        for name in ("float32", "int8")
    }


@pytest.fixture(scope="module")
def dataset(files: dict[str, Artifact], images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Photos with the tags that the float file gives them; every eighth has one tag too many or too few."""
    folder = tmp_path_factory.mktemp("photos")
    answers = open_runner(files["float32"]).run(images)
    order = [files["float32"].labels.index(name) for name in CLASSES]
    given = answers[:, order] >= np.array([THRESHOLDS[name] for name in CLASSES])
    samples = []
    for number, (pixels, tags) in enumerate(zip(images, given, strict=True)):
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        if number % 8 == 0:
            tags[number // 8 % 3] ^= True
        numbers = tuple(int(tag) for tag in np.flatnonzero(tags))
        samples.append(Sample(path.name, path, None, sha256_file(path), None, "test", number, numbers))
    return Dataset(CLASSES, tuple(samples), (), DuplicateSummary(0, 0, 0, 0, None, ()), "multi-label")


def test_a_file_of_tags_is_scored_by_its_own_thresholds(files: dict[str, Artifact], dataset: Dataset) -> None:
    row = score(files["float32"], dataset)
    assert row.task == "multi-label" and row.tags is not None
    assert row.tags.thresholds == tuple(THRESHOLDS[name] for name in CLASSES)
    assert row.score("exact_match").value == 42 / 48
    assert (row.accuracy, row.confusion) == (None, ())
    truth = dataset.targets("test")
    for number, tag in enumerate(row.tags.by_tag):
        assert tag.tag == CLASSES[number]
        cells = (tag.true_positives, tag.false_positives, tag.false_negatives, tag.true_negatives)
        assert sum(cells) == 48
        assert tag.true_positives + tag.false_negatives == truth[:, number].sum()
        assert tag.f1 is not None
        assert tag.f1.value == pytest.approx(2 * cells[0] / (2 * cells[0] + cells[1] + cells[2]))
    assert row.score("macro_f1").value == pytest.approx(np.mean([tag.f1.value for tag in row.tags.by_tag if tag.f1]))
    assert 0.9 < row.score("mean_average_precision").value < 1
    with pytest.raises(ValueError, match="does not judge multi-label"):
        row.score("accuracy")
    assert [(gate.name, gate.passed) for gate in row.gates] == [
        ("tags.float32.tflite: labels fit the predictions", True)
    ]


def test_other_thresholds_take_the_place_of_the_files(files: dict[str, Artifact], dataset: Dataset) -> None:
    own = score(files["float32"], dataset)
    row = score(files["float32"], dataset, reference=files["float32"], thresholds=(0.0, 0.5, 1.0))
    assert row.tags is not None and row.tags.thresholds == (0.0, 0.5, 1.0)
    assert row.score("mean_average_precision") == own.score("mean_average_precision")
    assert row.tags.by_tag[0].true_negatives == 0 and row.tags.by_tag[2].true_positives == 0
    assert row.agreement is not None and row.agreement.value == 1.0


def test_a_row_of_tags_is_read_back_from_json(files: dict[str, Artifact], dataset: Dataset) -> None:
    row = score(files["float32"], dataset)
    record = json.loads(json.dumps(row.to_json()))
    assert not {"accuracy", "balanced_accuracy", "confusion"} & record.keys()
    check = {
        "task": "multi-label",
        "classes": list(CLASSES),
        "labels": [list(sample.tags or ()) for sample in dataset.samples],
    }
    assert truth_in(check).tolist() == dataset.targets("test").tolist()
    for metric in ("mean_average_precision", "macro_f1"):
        assert np.array_equal(answers_in(record, metric, 3), row.answers(metric))  # type: ignore[arg-type]


def test_int8_tags_are_held_against_the_float_ones(files: dict[str, Artifact], dataset: Dataset) -> None:
    gates = ParityGates(min_agreement=0.9, max_difference=0.2, min_mean_average_precision=0.999, min_macro_f1=0.5)
    row = score(files["int8"], dataset, reference=files["float32"], gates=gates, row="int8", metric="macro_f1")
    assert row.agreement is not None
    assert row.agreement.n == 48 * 3
    assert row.agreement.value > 0.95
    assert [(gate.name, gate.passed) for gate in row.gates] == [
        ("int8: integers only", True),
        ("int8: mean average precision", False),
        ("int8: macro F1", True),
        ("int8: loss", True),
        ("int8: agreement", True),
        ("int8: largest difference", True),
        ("int8: labels fit the predictions", True),
    ]
    assert "points of macro F1 against tags.float32.tflite" in row.gates[3].message
    assert "decisions required" in row.gates[4].message


def test_a_file_that_gives_other_tags_fails(files: dict[str, Artifact], dataset: Dataset) -> None:
    int8, right = files["int8"], files["float32"]
    mixed_up = replace(int8, labels=(*int8.labels[1:], int8.labels[0]))
    gates = {gate.name.split(": ")[1]: gate for gate in score(mixed_up, dataset, reference=right).gates}
    assert not gates["loss"].passed and "significant (p = " in gates["loss"].message
    assert not gates["agreement"].passed and "surely below 90%" in gates["agreement"].message
    order = ",".join(int8.labels)
    assert f"with the order {order}. Export again with --classes {order}" in gates["labels fit the predictions"].message
    allowed = score(mixed_up, dataset, reference=right, gates=ParityGates(max_accuracy_drop=100))
    assert next(gate for gate in allowed.gates if gate.name.endswith("loss")).passed


def test_a_file_that_gives_no_tag_fails_though_most_tags_are_absent(
    files: dict[str, Artifact], dataset: Dataset
) -> None:
    int8 = files["int8"]
    silent = replace(int8, decision=replace(int8.decision, thresholds=(1.0,) * 3))
    row = score(silent, dataset, reference=files["float32"])
    gate = next(gate for gate in row.gates if gate.name.endswith("agreement"))
    assert not gate.passed and gate.value < 0.1
    # What ranks photos alike has the same average precision.
    assert next(gate for gate in row.gates if gate.name.endswith("loss")).passed


def test_files_and_photos_of_two_tasks_are_refused(
    files: dict[str, Artifact], exported: dict[str, Any], dataset: Dataset
) -> None:
    with pytest.raises(GateFailed, match="gives one class a photo, and these photos have tags"):
        score(exported["int8.tflite"], dataset)
    with pytest.raises(GateFailed, match="gives one class a photo"):
        score(files["int8"], dataset, reference=exported["float32.tflite"])
    single = replace(
        dataset, task="single-label", samples=tuple(replace(s, label=0, tags=None) for s in dataset.samples)
    )
    with pytest.raises(GateFailed, match="gives tags, any number a photo, and these photos have one label each"):
        score(files["int8"], single)
    with pytest.raises(UsageError, match="min_accuracy does not judge multi-label photos"):
        score(files["int8"], dataset, gates=ParityGates(min_accuracy=0.5))


def tagged(seed: int, count: int = 120, tags: int = 4) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    truth = (rng.random((count, tags)) < (0.2, 0.3, 0.4, 0.5)[:tags]).astype(np.int8)
    return truth, 1 / (1 + np.exp(-(3 * truth - 1.5 + rng.normal(size=(count, tags)))))


def test_the_order_of_tags_is_judged() -> None:
    truth, scores = tagged(0)
    fits = check_tag_order(truth, scores)
    assert fits is not None and fits.fits
    # Output 0 stands for the tag 2, and so on.
    order = np.array([2, 0, 3, 1])
    mixed = check_tag_order(truth, scores[:, order])
    assert mixed is not None and mixed.permutation == (2, 0, 3, 1)
    assert mixed.permuted_score == pytest.approx(fits.score)
    outputs, classes = ("a", "b", "c", "d"), ("a", "b", "c", "d")
    assert "with the order c,a,d,b" in mixed.describe(outputs, classes)
    assert check_tag_order(truth[:9], scores[:9]) is None
    assert check_tag_order(np.zeros_like(truth), scores) is None


@pytest.mark.parametrize("seed", range(6))
def test_weak_tags_are_no_tags_in_the_wrong_order(seed: int) -> None:
    truth, _ = tagged(seed)
    rng = np.random.default_rng(100 + seed)
    weak = check_tag_order(truth, 0.3 * truth + rng.random(truth.shape))
    assert weak is not None and weak.permutation is None


def test_a_tag_that_is_given_by_chance_is_named() -> None:
    truth, scores = tagged(1)
    scores[:, 3] = 0.5
    order = check_tag_order(truth, scores)
    assert order is not None and order.at_chance == (3,) and not order.fits
    assert "given by chance: d. Check the pixel range" in order.describe(tuple("abcd"), tuple("abcd"))
    # On few photos bad luck explains it.
    few = check_tag_order(truth[:16], scores[:16])
    assert few is not None and few.fits
