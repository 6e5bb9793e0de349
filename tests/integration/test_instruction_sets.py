"""One answer on every CPU: the int8 files on x86 without VNNI, on arm64 with and without dot products, and here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from simulators.cpus import A72, A76, HASWELL, has_vnni, run_on
from translated import packed

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.errors import DataError
from edgekd.export.exporter import export
from edgekd.preprocess import Preprocessing, preprocess
from edgekd.quantize import saturation
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ptq import to_int8
from edgekd.quiet import import_keras

CLIENT = Path(__file__).parents[1] / "clients" / "instructions_client.py"
COLOURS = ("green", "red", "yellow")
SIZE, EACH, SHOWN = 64, 36, 24
QUANTUM = 1 / 256
CPUS = ("native", HASWELL, A76, A72)

Answers = dict[str, dict[str, NDArray[np.float32]]]


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    """Photos of green, red and yellow lights by turns."""
    try:
        folder, _ = traffic_light_folders()
    except DataError as error:
        pytest.skip(str(error))
    by_colour = [sorted((folder / colour).iterdir())[:EACH] for colour in COLOURS]
    settings = Preprocessing(height=SIZE, width=SIZE)
    return np.stack([preprocess(path.read_bytes(), path.name, settings) for row in zip(*by_colour) for path in row])  # noqa: B905


def student(photos: NDArray[np.uint8]) -> Any:
    """The first blocks of EfficientNet-Lite0 and a head fitted on the lights."""
    import_keras()
    import keras

    from edgekd.models import efficientnet_lite
    from edgekd.students.build import build_student
    from edgekd.students.spec import parse_student
    from edgekd.teacher.head import fit_head

    model = build_student(parse_student(f"slice:4@{SIZE}"), efficientnet_lite.build(SIZE), len(COLOURS))
    features = keras.Model(model.input, model.layers[-1].input)
    values = keras.ops.convert_to_numpy(features(photos.astype(np.float32)))
    labels = np.arange(len(photos)) % len(COLOURS)
    head = fit_head(values[30:], labels[30:], (values[:30], labels[:30]), len(COLOURS))
    model.layers[-1].set_weights([head.kernel, head.bias])
    return model


def saturating(photos: NDArray[np.uint8]) -> bytes:
    """An int8 .tflite whose weights all pull one way, so that bright pixels' products exceed 16 bits."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    first = keras.layers.Conv2D(16, 3, strides=2)
    x = keras.layers.Activation("relu6")(first(x))
    head = keras.layers.Dense(len(COLOURS))
    model = keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(x)))
    generator = np.random.default_rng(1)
    first.set_weights([generator.uniform(0.2, 0.25, (3, 3, 3, 16)), np.zeros(16)])
    head.set_weights([generator.normal(0, 1, (16, len(COLOURS))), np.zeros(len(COLOURS))])
    return to_int8(load_float_model(model), photos).content


@pytest.fixture(scope="module")
def answers(photos: NDArray[np.uint8], arm_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What the files answer, by CPU and file name."""
    if shutil.which("qemu-x86_64") is None:
        pytest.skip("qemu-x86_64 is not installed: apt-get install qemu-user")
    here = tmp_path_factory.mktemp("files")
    tflite, onnx = export(
        student(photos), here, "student", labels=COLOURS, precisions=("int8",), calibration=photos,
        preprocessing=Preprocessing(height=SIZE, width=SIZE),
    )  # fmt: skip
    assert "channels narrowed" in onnx.provenance["weight_range"]
    assert tflite.provenance["weight_range"] == onnx.provenance["weight_range"]
    paths = [tflite.path, onnx.path]
    full = saturating(photos)
    for name, content in (("full", full), ("narrowed", saturation.narrow_weights(full)[0])):
        pair = packed(content)
        for suffix, data in (("tflite", pair.tflite), ("onnx", pair.onnx)):
            paths.append(here / f"{name}.{suffix}")
            paths[-1].write_bytes(data)
    np.save(here / "images.npy", photos[:SHOWN])
    found: Answers = {}
    for cpu in CPUS:
        run_on(cpu, [str(CLIENT), str(here / "images.npy"), str(here / f"{cpu}.npz"), *map(str, paths)], arm_root)
        with np.load(here / f"{cpu}.npz") as rows:
            found[cpu] = {name: rows[name] for name in rows.files}
    return found


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_student_gives_the_same_answers_on_every_cpu(answers: Answers, cpu: str, kind: str) -> None:
    wanted, found = answers["native"]["student.int8.tflite"], answers[cpu][f"student.int8.{kind}"]
    assert len(set(wanted.argmax(axis=1))) == len(COLOURS)
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).all()
    assert np.abs(found - wanted).max() <= QUANTUM


@pytest.mark.parametrize("cpu", CPUS)
def test_weights_that_would_saturate_are_narrowed_and_do_not(answers: Answers, cpu: str) -> None:
    wanted = answers["native"]["narrowed.tflite"]
    assert len(np.unique(wanted)) > 20
    for kind in ("tflite", "onnx"):
        assert np.abs(answers[cpu][f"narrowed.{kind}"] - wanted).max() <= QUANTUM
    # It is the network that it was before.
    assert np.abs(wanted - answers["native"]["full.tflite"]).max() <= 8 * QUANTUM


def test_weights_of_full_range_saturate_without_vnni(answers: Answers) -> None:
    # What narrowing is for: where this fails, ONNX Runtime no longer saturates and need not be helped.
    exact = answers["native"]["full.tflite"]
    assert np.abs(answers[A76]["full.onnx"] - exact).max() <= QUANTUM
    assert np.abs(answers[HASWELL]["full.onnx"] - exact).max() > 16 * QUANTUM
    on_this = np.abs(answers["native"]["full.onnx"] - exact).max()
    assert on_this <= QUANTUM if has_vnni() else on_this > 16 * QUANTUM
