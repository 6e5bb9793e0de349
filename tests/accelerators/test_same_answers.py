"""The same file on this machine's accelerators: LiteRT's GPU over Vulkan, and XNNPACK with half precision forced."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from reference_kernels import by_reference_kernels
from squeeze_excite import SIZE as BLOCK_SIZE
from squeeze_excite import Layers, write
from tflite_graph import TfliteBuilder
from tiny_student import smooth_images

from edgekd.accelerators import vulkan
from edgekd.accelerators.half_precision import prove_half_precision
from edgekd.accelerators.left_ops import OpsLeft, adapter_of, find_left
from edgekd.accelerators.records import AcceleratorCheck, Flip
from edgekd.accelerators.same_answers import _tag_flips, check_accelerators
from edgekd.bench.result import BenchResult
from edgekd.cli import group
from edgekd.errors import DeviceError, GateFailed, UsageError
from edgekd.foreign.open_model import open_model
from edgekd.foreign.options import FileOptions
from edgekd.foreign.plain import PlainModel, open_any, with_made_inputs
from edgekd.runtime import open_runner

Images = NDArray[np.uint8]

LOG = """INFO: [delegate_webgpu.cc:342] Create WebGPU environment (use_low_power=0, enable_host_mapped_pointer=1)
I0000 00:00:1795892110.268569   30805 environment.cc:532] Selected adapter: SwiftShader Device (Subzero), \
arch=swiftshader, vendor=google, backend=Vulkan, adapterType=CPU / Software
ERROR: Following operations are not supported by GPU delegate:
DENSIFY: Operation is not supported.
DEQUANTIZE: Dequantize for Densify is not supported
159 operations will run on the GPU, and the remaining 229 operations will run on the CPU.
I0000 00:00:1795892205.604786    4528 delegate_kernel.cc:984] Initializing WebGPU-based API from graph.
"""


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Vulkan driver, which a machine without a GPU has by Chromium."""
    with pytest.MonkeyPatch.context() as patched:
        for name in vulkan.DRIVER_VARIABLES:
            patched.setenv(name, os.environ.get(name, ""))
        try:
            vulkan.choose_driver(tmp_path_factory.mktemp("driver"))
        except vulkan.NoDriverError as error:
            pytest.skip(str(error))


@pytest.mark.usefixtures("gpu")
def test_a_float_and_an_int8_student_answer_on_the_gpu_as_on_the_cpu(exported: dict[str, Any], images: Images) -> None:
    # A GPU rounds the layers of an int8 file in its own way too: as far from XNNPACK as LiteRT's reference kernels are.
    rows = open_runner(exported["int8.tflite"]).run(images[:3])
    kernels = float(np.abs(by_reference_kernels(exported["int8.tflite"], images[:3]) - rows).max())
    largest = {"float32.tflite": 1e-5, "int8.tflite": kernels + 2 / 256}
    for name, bound in largest.items():
        (check,) = check_accelerators(exported[name], images[:3], ["gpu"])
        assert check.accelerated, check.left
        assert check.driver is not None
        assert (check.photos, check.passed, check.not_finite) == (3, True, 0)
        assert check.largest_difference <= bound
        assert (check.latency_ms is None) == (check.driver.kind == "software")
        assert "GPU" in check.where


@pytest.mark.usefixtures("gpu")
def test_an_op_that_no_gpu_takes_is_named_by_litert_s_log(tmp_path: Path) -> None:
    build = TfliteBuilder(8, 8)
    floats = build.op("DEQUANTIZE", [build.pixels], (1, 8, 8, 3), None)
    pooled = build.op("L2_POOL_2D", [floats], (1, 8, 8, 3), None, table="Pool2DOptions", strideH=1, strideW=1,
        filterHeight=2, filterWidth=2)  # fmt: skip
    path = tmp_path / "l2_pool.tflite"
    path.write_bytes(build.finish(pooled, 192, None))
    model = open_any(path)
    model = model if isinstance(model, PlainModel) else with_made_inputs(model, "a test")
    (check,) = check_accelerators(model, None, ["gpu"])
    assert check.accelerated is False
    assert check.left is not None
    assert check.left == OpsLeft(3, 6, ("L2_POOL_2D: Operation is not supported",))
    assert check.largest_difference < 1e-5


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Images]:
    """A classifier whose squeeze-excite block overflows in half precision, and photos."""
    photos = smooth_images(8, BLOCK_SIZE)
    path = tmp_path_factory.mktemp("block") / "block.tflite"
    write(path, Layers(photos, np.arange(8) % 3, 3))
    return open_model(path, FileOptions(pixel_range=(0, 255), classes=("a", "b", "c"))), photos


def test_a_block_that_overflows_is_named_and_its_answers_in_half_precision_are_no_numbers(
    block: tuple[Any, Images],
) -> None:
    file, photos = block
    half = prove_half_precision(file, photos)
    assert half.worst is not None
    assert (half.worst.name, half.worst.verdict) == ("squeeze", "overflows")
    cpu, forced = check_accelerators(file, photos, ["cpu", "cpu-fp16"])
    assert (cpu.largest_difference, cpu.flips) == (0.0, ())
    assert forced.not_finite == len(photos)
    assert not forced.passed
    assert "not finite for 8 of 8 photos" in forced.message


def test_a_file_of_a_fixed_batch_counts_the_photos_that_were_given() -> None:
    options = FileOptions(pixel_range=(0, 255))
    file = open_model(Path(__file__).parents[1] / "golden" / "foreign" / "batch4.tflite", options)
    size = file.preprocessing.height
    (cpu,) = check_accelerators(file, smooth_images(6, size), ["cpu"], labels=[0] * 6)
    assert (cpu.photos, cpu.flips, cpu.largest_difference) == (6, (), 0.0)
    assert cpu.right is not None
    assert cpu.right <= 6


def test_the_log_of_litert_is_read() -> None:
    left = find_left(LOG, 400)
    assert (left.taken, left.ops) == (159, 388)
    assert left.reasons == (
        "DENSIFY: Operation is not supported", "DEQUANTIZE: Dequantize for Densify is not supported",
    )  # fmt: skip
    assert left.message.startswith("229 of 388 ops run on the CPU (LiteRT's log): DENSIFY")
    assert adapter_of(LOG) == ("SwiftShader Device (Subzero)", True)
    assert find_left("", 7).message == "LiteRT says that ops are left to the CPU, and not which"
    assert adapter_of("") is None


def test_a_flip_counts_unless_rounding_decides_it() -> None:
    def check(margin: float | None) -> AcceleratorCheck:
        return AcceleratorCheck("a.tflite", "gpu", None, True, None, 4, 0.1, (Flip(2, 0, 1, margin),), 0, None)

    assert check(1e-4).passed
    assert "1 of them ties" in check(1e-4).message
    assert not check(0.2).passed
    assert "the clearest is photo 3, where the CPU's score is 0.2 higher" in check(0.2).message
    assert not check(None).passed
    assert "photo 3, where the CPU's score is not finite" in check(None).message


def test_of_tags_a_photo_flips_where_a_decision_does() -> None:
    cpu = np.array([[0.6, 0.2], [0.9, 0.31], [0.1, 0.1]])
    gpu = np.array([[0.4, 0.2], [0.9, 0.29], [np.nan, 0.1]])
    flips = _tag_flips(gpu, cpu, np.array([True, True, False]), np.array([0.5, 0.3]))
    assert [(flip.photo, flip.cpu, flip.accelerator) for flip in flips] == [(0, 0, -1), (1, 1, -1)]
    assert [round(flip.margin or 0, 6) for flip in flips] == [0.1, 0.01] and all(flip.is_of_tag for flip in flips)


def test_what_a_machine_lacks_is_said_with_what_to_install(
    exported: dict[str, Any], images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(vulkan, "LOADER", "libnot_there.so.1")
        with pytest.raises(vulkan.NoDriverError, match=r"no Vulkan loader.*apt-get install libvulkan1"):
            vulkan.choose_driver(tmp_path)
    monkeypatch.setenv("VK_DRIVER_FILES", str(tmp_path / "none.json"))
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "none.json"))
    with pytest.raises(DeviceError, match=r"Vulkan (driver that VK_DRIVER_FILES|loader)"):
        check_accelerators(exported["float32.tflite"], images[:1], ["gpu"])


def test_a_driver_that_crashes_ends_its_child_alone(
    exported: dict[str, Any], images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: None
) -> None:
    source, library = tmp_path / "driver.c", tmp_path / "libdriver.so"
    source.write_text("#include <stdlib.h>\n__attribute__((constructor)) static void crash(void) { abort(); }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    icd = {"file_format_version": "1.0.0", "ICD": {"library_path": str(library), "api_version": "1.1.0"}}
    (tmp_path / "icd.json").write_text(json.dumps(icd))
    for name in vulkan.DRIVER_VARIABLES:
        monkeypatch.setenv(name, str(tmp_path / "icd.json"))
    with pytest.raises(DeviceError, match="looking for a Vulkan driver ended its process by SIGABRT"):
        check_accelerators(exported["float32.tflite"], images[:1], ["gpu"])


def test_other_formats_names_and_late_children_are_refused(exported: dict[str, Any], images: Images) -> None:
    with pytest.raises(UsageError, match=r"take a \.tflite"):
        check_accelerators(exported["float32.onnx"], images[:1], ["gpu"])
    with pytest.raises(UsageError, match="'npu' is not an accelerator"):
        check_accelerators(exported["float32.tflite"], images[:1], ["npu"])
    with pytest.raises(DeviceError, match=r"took more than 0\.01 s"):
        check_accelerators(exported["float32.tflite"], images[:1], ["cpu"], timeout_s=0.01)


def test_bench_shows_the_accelerators_beside_the_times(
    exported: dict[str, Any], block: tuple[Any, Images], images: Images, tmp_path: Path
) -> None:
    for number, image in enumerate(images[:2]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    timed = ("--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "2")
    common = ("--data", str(tmp_path), *timed, "--json", "--out", str(tmp_path / "out"))
    words = ("bench", str(exported["float32.tflite"].path), *common, "--accelerator", "cpu,cpu-fp16")
    done = CliRunner().invoke(group, words)
    assert done.exception is None, done.output
    checks = json.loads(done.stdout)["accelerators"]
    assert [(check["accelerator"], check["photos"], check["passed"]) for check in checks] == [
        ("cpu", 2, True), ("cpu-fp16", 2, True),
    ]  # fmt: skip
    kept = BenchResult.load(tmp_path / "out" / "host.json")
    assert [json.loads(json.dumps(check.to_json())) for check in kept.accelerators] == checks
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("CPU, half precision forced") == 1 and "2 of 2" in page
    pixels = ("--pixel-range=0,255", "--accelerator", "cpu-fp16")
    done = CliRunner().invoke(group, ("bench", str(block[0].path), *common, *pixels))
    assert isinstance(done.exception, GateFailed)
    assert "an accelerator gives other answers than the CPU" in str(done.exception)
    for name in ("report.html", "report.md"):
        assert "gives scores that are not finite for 2 of 2 photos" in (tmp_path / "out" / name).read_text()
