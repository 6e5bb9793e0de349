"""Core ML files: written by coremltools, read and computed here without it, and held against Keras."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax
from tiny_student import LABELS, SIZE

from edgekd.bench.targets import BenchTarget
from edgekd.cli import group
from edgekd.errors import (
    ArtifactChangedError,
    ArtifactError,
    EdgekdError,
    ExportError,
    MissingExtraError,
    UsageError,
)
from edgekd.export.coreml import make_palette
from edgekd.export.exporter import export
from edgekd.export.options import CoremlWeights, ExportOptions
from edgekd.export.verify import ExpectedOutputs, compute_expected, verify
from edgekd.foreign.open_model import open_model
from edgekd.formats import coreml_file
from edgekd.formats.artifact import Artifact, sidecar_path
from edgekd.golden import check_golden, make_golden
from edgekd.golden.photos import golden_photos
from edgekd.preprocess import Preprocessing
from edgekd.runtime.mil_ops import OPS
from edgekd.runtime.open import open_runner

PHOTOS = 8


def export_coreml(
    model: Any, out: Path, images: NDArray[np.uint8], *weights: CoremlWeights, skipped: list[str] | None = None
) -> dict[str, Artifact]:
    files = export(
        model, out, "tiny", labels=LABELS, preprocessing=Preprocessing(height=SIZE, width=SIZE),
        calibration=images[:PHOTOS], precisions=("float32",), formats=("tflite", "coreml"),
        options=ExportOptions(coreml_weights=weights), skipped=skipped,
    )  # fmt: skip
    return {file.precision: file for file in files if file.format == "mlpackage"}


def test_without_coremltools_nothing_is_begun(
    student: Any, images: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    missing = {"coremltools"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else find_spec(name))
    with pytest.raises(MissingExtraError, match=r"Install it: pip install 'edgekd\[coreml\]'"):
        export_coreml(student, tmp_path, images, "float16")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def packages(student: Any, images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """Files of three kinds of weights; a fourth, with one value for all weights of a tensor, is left out and named."""
    pytest.importorskip("coremltools", reason="coremltools is not installed (the coreml extra)")
    folder = tmp_path_factory.mktemp("coreml")
    stale = folder / "tiny.float16.mlpackage"
    stale.mkdir()
    (stale / "of an earlier export").touch()

    def spoil(values: NDArray[Any], bits: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        if bits == 8:
            return make_palette(values, bits)
        return np.full(1 << bits, values.mean(), values.dtype), np.zeros(values.shape, np.uint8)

    skipped: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgekd.export.coreml.make_palette", spoil)
        kinds: tuple[CoremlWeights, ...] = ("float16", "palette4", "int8", "palette8")
        files = export_coreml(student, folder, images, *kinds, skipped=skipped)
    (reason,) = skipped
    assert re.search(r"tiny\.palette4\.mlpackage predicts what Keras does on .*finer weights", reason)
    assert not (folder / "tiny.palette4.mlpackage").exists()
    return files


@pytest.mark.slow
def test_programs_give_what_keras_gives(packages: dict[str, Artifact], student: Any, images: NDArray[np.uint8]) -> None:
    assert packages.keys() == {"float16", "int8-weights", "palette8"}
    expected = softmax(compute_expected(student, images[:PHOTOS]).keras, axis=1)
    for precision, most in (("float16", 0.01), ("int8-weights", 0.05), ("palette8", 0.05)):
        file = packages[precision]
        assert (file.inputs[0].dtype, file.inputs[0].shape) == ("int32", (1, SIZE, SIZE, 3))
        assert (file.outputs[0].name, file.outputs[0].dtype, file.labels) == ("probabilities", "float32", LABELS)
        probabilities = open_runner(file).run(images[:PHOTOS])
        assert 0 < np.abs(probabilities - expected).max() < most
        assert file.parity is not None and file.parity["keras"]["agreement"] == 1.0
        assert sidecar_path(file.path).is_file() and "of an earlier export" not in file.package()


@pytest.mark.slow
def test_the_program_is_what_coremltools_reads(packages: dict[str, Artifact]) -> None:
    coremltools = pytest.importorskip("coremltools", reason="coremltools is not installed (the coreml extra)")
    for file in packages.values():
        spec = coremltools.models.MLModel(str(file.path), skip_model_load=True).get_spec()
        (block,) = spec.mlProgram.functions["main"].block_specializations.values()
        program = coreml_file.program(file.package(), "")
        assert [op.kind for op in program.ops] == [op.type for op in block.operations]
        assert list(program.outputs) == list(block.outputs) == [value.name for value in spec.description.output]
        kinds = [op.kind for op in program.ops if op.kind != "const"]
        assert kinds.count("conv") == 9 and kinds.count("softmax") == 1
        # The range is in the graph, once.
        assert kinds.index("mul") < kinds.index("conv")
        assert json.loads(spec.description.metadata.userDefined["edgekd"])["labels"] == list(LABELS)
    small, large = (
        packages[name].package()["Data/com.apple.CoreML/weights/weight.bin"] for name in ("int8-weights", "float16")
    )
    assert len(small) < 0.7 * len(large)


@pytest.mark.slow
def test_a_package_that_is_not_whole_is_refused(packages: dict[str, Artifact], tmp_path: Path) -> None:
    source = packages["int8-weights"].path
    copy = tmp_path / "copy.mlpackage"
    shutil.copytree(source, copy)
    opened = Artifact.open(copy)
    weights, model, manifest = (copy / name for name in (
        "Data/com.apple.CoreML/weights/weight.bin", "Data/com.apple.CoreML/model.mlmodel", "Manifest.json",
    ))  # fmt: skip
    weights.write_bytes(weights.read_bytes()[:-500])
    with pytest.raises(ArtifactChangedError, match="has changed since it was opened"):
        open_runner(opened)
    damages = (
        weights.unlink,
        lambda: model.write_bytes(model.read_bytes()[:-500]),
        lambda: model.write_bytes(b""),
        lambda: manifest.write_text("[]"),
        manifest.unlink,
    )
    for damage in damages:
        with pytest.raises(ArtifactError, match=r"copy\.mlpackage"):
            Artifact.open(copy)
        damage()
    with pytest.raises(ArtifactError, match=r"no Manifest"):
        Artifact.open(copy)


@pytest.mark.slow
def test_commands_take_it_or_say_that_they_do_not(packages: dict[str, Artifact], tmp_path: Path) -> None:
    path = packages["float16"].path
    assert open_model(path).sha256 == packages["float16"].sha256
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), (200, 30, 30)).save(photo)
    runner = CliRunner()
    done = runner.invoke(group, ["predict", str(path), str(photo), "--json"])
    assert done.exit_code == 0, done.output
    for words in (["inspect"], ["bench", "--data", str(tmp_path)], ["demo", "--out", str(tmp_path / "demo.html")]):
        done = runner.invoke(group, [words[0], str(path), *words[1:]])
        assert isinstance(done.exception, EdgekdError), (words, done.output)
        assert re.search(
            r"Core ML file, which check, predict, golden and ios take|runs \.tflite and", str(done.exception)
        )


@pytest.mark.slow
def test_only_an_apple_device_times_it(packages: dict[str, Artifact], images: NDArray[np.uint8]) -> None:
    with pytest.raises(UsageError, match="only an Apple device times"):
        BenchTarget("a", packages["float16"].path, "mlpackage", images)


@pytest.mark.slow
def test_golden_vectors_bound_what_rounding_to_float16_changes(
    packages: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = golden_photos(packages["float16"].preprocessing)[:3]
    monkeypatch.setattr("edgekd.golden.make.golden_photos", lambda _: few)
    manifest = make_golden(packages["float16"], tmp_path / "golden")
    assert manifest.artifact.format == "mlpackage" and manifest.tolerance.other_runtime >= 1 / 256
    assert check_golden(packages["float16"], tmp_path / "golden").passed


@pytest.mark.slow
def test_a_program_of_float16_that_gives_other_probabilities_is_refused(
    packages: dict[str, Artifact], student: Any, images: NDArray[np.uint8]
) -> None:
    expected = softmax(compute_expected(student, images[:PHOTOS]).keras, axis=1)
    with pytest.raises(ExportError, match="differs from Keras by"):
        verify(packages["float16"], ExpectedOutputs(images[:PHOTOS], expected[:, ::-1]))


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_a_palette_is_near_every_weight_and_packed_as_the_op_reads_it(bits: int) -> None:
    values = np.random.default_rng(0).normal(size=(16, 8, 3, 3)).astype(np.float16)
    palette, places = make_palette(values, bits)
    assert len(palette) == 1 << bits and palette.dtype == values.dtype and places.shape == values.shape
    # The bound is a third above what the best quantizer of a normal distribution leaves: sqrt(2.72) / 2^bits.
    error = np.sqrt(((palette[places].astype(float) - values) ** 2).mean())
    assert error < 4 / 3 * np.sqrt(2.72) / (1 << bits)
    stream = (places.reshape(-1, 1) >> np.arange(bits)) & 1
    packed = np.packbits(stream.astype(np.uint8).reshape(-1), bitorder="little")
    dense = OPS["constexpr_lut_to_dense"]({"lut": palette, "indices": packed, "shape": np.array(values.shape)})
    assert np.array_equal(dense, palette[places])
