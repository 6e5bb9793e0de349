"""Photos and frames timed from end to end: what is recorded, what is concluded, and whose bytes they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_harness import REPLY, answer
from test_statistics import launch, measured, result

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, Launch, measure
from edgekd.bench.end_to_end import end_to_end_lines, stage_result
from edgekd.bench.raw_photos import RawPhotosOf
from edgekd.bench.records import EndToEnd, EndToEndInputs
from edgekd.devices import Completed, open_device
from edgekd.devices.fake import FakeDevice
from edgekd.errors import DeviceError, UsageError
from edgekd.preprocess import Preprocessing, preprocess

SIZE = Preprocessing(height=12, width=8, crop="center")
INPUTS = "1" * 64


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Two JPEGs, one of them on its side, whose brightest channels are 2 and 0."""
    folder = tmp_path_factory.mktemp("photos")
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, colour, options in (("a", (20, 40, 200), {}), ("b", (200, 40, 20), {"exif": exif})):
        Image.new("RGB", (150, 100), colour).save(folder / f"{name}.jpg", "JPEG", **options)
    return tuple(sorted(folder.iterdir()))


def test_both_runtimes_from_end_to_end_on_this_machine(
    tmp_path: Path, means_tflite: Path, means_onnx: Path, photos: tuple[Path, ...]
) -> None:
    raw = RawPhotosOf(photos)(SIZE)
    assert raw.counts == (("photo", 2), ("frame", 2)) and raw.frames.shape == (2, 480, 640, 3)
    images = np.stack([preprocess(path, None, SIZE) for path in photos])
    targets = [
        BenchTarget("lite", means_tflite, "tflite", images, raw=raw),
        BenchTarget("ort", means_onnx, "onnx", images, raw=raw),
    ]
    plan = BenchPlan(launches=2, seconds_per_launch=0.01, min_iterations=4, warmup_max_s=0.05, end_to_end=True)
    made = measure(targets, "lite", plan, open_device("host"), save_to=tmp_path / "a.json")
    assert BenchResult.load(tmp_path / "a.json") == made
    for each in made.measurements:
        photo, frame = each.end_to_end
        assert photo.sizes == ((100, 150), (150, 100)) and frame.sizes == ((480, 640), (480, 640))
        for launched in each.launches:
            assert launched.end_to_end is not None
            # The device made the very bytes that this machine makes.
            assert [part.inputs_sha256 for part in launched.end_to_end] == [photo.inputs_sha256, frame.inputs_sha256]
            for part in launched.end_to_end:
                assert part.answers == (2, 0) and len(part.resize_ns) == len(part.inference_ns) >= 4
            assert launched.end_to_end[1].decode_ns == () and min(launched.end_to_end[0].decode_ns) > 0
    assert [(line.name, line.source) for line in end_to_end_lines(made)] == [
        ("lite", "photo"), ("ort", "photo"), ("lite", "frame"), ("ort", "frame"),
    ]  # fmt: skip


def timed(round_: int, inference_ms: float, **changes: Any) -> Launch:
    """Two passes of 6 ms of decoding, 3 ms of resizing and the inference; frames of 1 ms of resizing."""
    ms = 1_000_000
    whole = EndToEnd("photo", (6 * ms,) * 2, (3 * ms,) * 2, (round(inference_ms * ms),) * 2, {}, INPUTS, (0,))
    frame = EndToEnd("frame", (), (ms,) * 2, (round(inference_ms * ms),) * 2, {}, INPUTS, (0,))
    return replace(launch(round_, [inference_ms]), end_to_end=(replace(whole, **changes), frame))


def pair(teacher_ms: float = 1.0, student_ms: float = 0.025, **changes: Any) -> BenchResult:
    inputs = tuple(EndToEndInputs(source, ((9, 9),), "0" * 64, INPUTS) for source in ("photo", "frame"))
    return result(
        *(
            replace(measured(name, *(timed(k, ms, **changes) for k in range(7))), end_to_end=inputs)
            for name, ms in (("teacher", teacher_ms), ("student", student_ms))
        )
    )


def test_stages_and_ratio_by_hand() -> None:
    made = pair()
    _, photo, _, frame = end_to_end_lines(made)
    assert {stage: summary.p50_ms for stage, summary in photo.latency.items()} == {
        "decode": 6.0, "resize": 3.0, "inference": 0.025, "total": 9.025,
    }  # fmt: skip
    assert set(frame.latency) == {"resize", "inference", "total"}
    assert photo.comparison.estimate == pytest.approx(9.025 / 10.0)
    assert frame.comparison.estimate == pytest.approx(1.025 / 2.0)
    assert photo.comparison.verdict == frame.comparison.verdict == "faster"
    assert photo.share("decode") == pytest.approx(6 / 9.025) and frame.share("decode") is None
    assert stage_result(made, "photo", "inference").ratio("student").estimate == pytest.approx(0.025)


def test_passes_that_lost_the_cpu_count_as_those_of_any_measurement() -> None:
    lost = pair(switched_out=(0, 1), cpu={"own_s": 0.2, "wall_s": 1.0, "wait_s": 0.8})
    photo = next(line for line in end_to_end_lines(lost) if (line.name, line.source) == ("student", "photo"))
    assert (photo.comparison.standing, photo.comparison.verdict) == ("invalid", "inconclusive")
    assert "other programs took the CPU from" in photo.comparison.reasons[0]
    frame = next(line for line in end_to_end_lines(lost) if (line.name, line.source) == ("student", "frame"))
    assert frame.comparison.standing == "valid"


def test_a_device_that_makes_other_inputs_gives_no_ratio() -> None:
    other = pair(inputs_sha256="2" * 64)
    photo = next(line for line in end_to_end_lines(other) if (line.name, line.source) == ("student", "photo"))
    assert photo.comparison.estimate is None and photo.comparison.standing == "invalid"
    assert photo.comparison.reasons == ("host decodes photos to other inputs than this machine for student, teacher",)


PART = {"source": "frame", "decode_ns": [], "resize_ns": [5], "inference_ns": [5], "switched_out": [], "cpu": {},
        "inputs_sha256": INPUTS, "answers": [0]}  # fmt: skip


@pytest.mark.parametrize(
    "parts",
    [
        None,
        [PART, PART],
        [{**PART, "source": "photo"}],
        [{**PART, "answers": [0, 1]}],
        [{**PART, "resize_ns": [5, 5]}],
        [{**PART, "resize_ns": [], "inference_ns": []}],
        [{**PART, "decode_ns": [5]}],
        [{**PART, "inference_ns": [0]}],
        [{**PART, "inference_ns": [10**18]}],
        [{**PART, "switched_out": [1]}],
        [{**PART, "inputs_sha256": "no"}],
        [{**PART, "cpu": {"own_s": 1.0}}],
    ],
)
def test_a_reply_that_is_not_what_was_asked_is_refused(tmp_path: Path, parts: Any) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        plan = json.loads(files[argv[2]])
        assert plan["end_to_end"]["photos"] == [] and (plan["end_to_end"]["height"], plan["end_to_end"]["crop"]) == (
            12, "center",
        )  # fmt: skip
        files[argv[3]] = json.dumps({**REPLY, "end_to_end": parts}).encode()
        return Completed(0, "", "")

    raw = RawPhotosOf([], [np.zeros((30, 40, 3), np.uint8)])(SIZE)
    (tmp_path / "a.onnx").write_bytes(b"a")
    target = BenchTarget("a", tmp_path / "a.onnx", "onnx", np.zeros((4, 2, 2, 3), np.uint8), raw=raw)
    with pytest.raises(DeviceError, match="not a measurement"):
        measure([target], "a", BenchPlan(launches=1, end_to_end=True), FakeDevice(script))


def test_where_it_cannot_be_measured_is_said_before_anything_runs(tmp_path: Path) -> None:
    raw = RawPhotosOf([], [np.zeros((30, 40, 3), np.uint8)])(SIZE)
    (tmp_path / "a.onnx").write_bytes(b"a")
    target = BenchTarget("a", tmp_path / "a.onnx", "onnx", np.zeros((4, 2, 2, 3), np.uint8), raw=raw)
    with pytest.raises(UsageError, match="counts instructions: photos are timed from end to end on host"):
        measure([target], "a", BenchPlan(), FakeDevice(answer, address="emulated:cortex-a76"))
    with pytest.raises(ValueError, match="end_to_end is measured back-to-back, not in mode sustained"):
        BenchPlan(end_to_end=True, mode="sustained")
    with pytest.raises(UsageError, match="there is no photo to be timed"):
        RawPhotosOf([])
