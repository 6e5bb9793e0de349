"""Builds a run directory as a finished run leaves it, from made-up numbers and drawn photos; public, for any test."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from edgekd import metrics, storage
from edgekd.bench import BenchPlan, BenchResult, Launch, Measurement
from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import DuplicateSummary
from edgekd.data.warnings import DataWarning

# Row, title, parameters, size in bytes, share of answers that are right, latency in ms.
ROWS = (
    ("teacher", "teacher", 3_412_003, 13_720_000, 0.98, 7.31),
    ("labels_only", "student, labels alone", 358_211, 1_452_000, 0.88, None),
    ("distilled", "student, distilled", 358_211, 1_452_000, 0.955, 1.62),
    ("int8_tflite", "int8 TFLite", 358_211, 411_800, 0.95, 0.801),
    ("int8_onnx", "int8 ONNX", 358_211, 428_400, 0.95, 0.934),
)
COLOURS = {"green": (40, 200, 110), "red": (225, 60, 50), "yellow": (245, 200, 60)}


@dataclass(frozen=True)
class Synthetic:
    """What to make up. ``drift`` slows the int8 file's later launches, ``launches`` are a file's."""

    classes: tuple[str, ...] = ("green", "red", "yellow")
    test_per_class: tuple[int, ...] = (108, 180, 12)
    launches: int = 7
    epochs: int = 40
    int8_size_bytes: int = 411_800
    int8_speed: float = 1.0
    failed_gate: bool = False
    metric: str = "balanced_accuracy"
    seed: int = 0


def build_run(directory: Path, made: Synthetic | None = None) -> Path:
    """Write every file of a finished run under ``directory``; tests remove what they want absent."""
    made = made or Synthetic()
    rng = np.random.default_rng(made.seed)
    labels = [index for index, count in enumerate(made.test_per_class) for _ in range(count)]
    storage.write_text(directory / "recipe.toml", 'name = "traffic-lights"\nseed = 0\n')
    storage.write_json(directory / "run.json", _run(made))
    _write_photos(directory, made, labels)
    storage.write_json(directory / "teacher/summary.json", _teacher())
    for stage, best, at in (("scratch", 0.87, 21), ("distill", 0.955, 34)):
        storage.write_json(directory / stage / "history.json", _history(rng, made.epochs, best, at))
    hashes = _write_artifacts(directory)
    storage.write_json(directory / "check/check.json", _check(rng, made, labels))
    _bench(rng, made, hashes).save(directory / "bench/bench.json")
    return directory


def _run(made: Synthetic) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "traffic-lights",
        "edgekd": "0.1.0",
        "versions": {"keras": "3.15.1", "tensorflow": "2.21.0", "onnxruntime": "1.32.0", "python": "3.11.2"},
        "machine": {"cpu_model": "AMD EPYC", "cores": 2, "cpu_flags": ["avx512_vnni"], "os": "Debian GNU/Linux 12"},
        "seed": made.seed,
        "recipe_digest": "5e2b" * 16,
        "command": "edgekd quickstart",
    }


def _write_photos(directory: Path, made: Synthetic, labels: list[int]) -> None:
    samples = []
    rng = np.random.default_rng(1)
    for number, label in enumerate(labels):
        path = directory.parent / "photos" / made.classes[label] / f"photo-{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw(made.classes[label], rng).save(path, quality=90)
        name = f"{made.classes[label]}/{path.name}"
        samples.append(Sample(name, path, None, storage.sha256_file(path), label, "test", number))
    notice = DataWarning(
        kind="exif_rotated", count=2, examples=("red/photo-0110.jpg", "red/photo-0111.jpg"),
        message="2 photos say by EXIF that they are rotated; they were turned upright",
    )  # fmt: skip
    duplicates = DuplicateSummary(12, 31, 80, 5, 6, (("green/photo-0001.jpg", "green/photo-0002.jpg"),))
    dataset = Dataset(made.classes, tuple(samples), (notice,), duplicates)
    dataset.save(directory / "data/dataset.json")
    summary = {
        "classes": made.classes,
        "splits": {
            "train": dict.fromkeys(made.classes, 15),
            "val": dict.fromkeys(made.classes, 5),
            "test": dict(zip(made.classes, made.test_per_class, strict=True)),
            "unlabelled": {"": 1000},
        },
        "warnings": [asdict(notice)],
        "duplicates": asdict(duplicates) | {"message": duplicates.message},
    }
    storage.write_json(directory / "data/summary.json", summary)


def _draw(name: str, rng: np.random.Generator) -> Image.Image:
    """A blurry light on a dark pole."""
    width, height = int(rng.integers(36, 70)), int(rng.integers(90, 150))
    grey = int(rng.integers(30, 110))
    image = Image.new("RGB", (width, height), (grey, grey + 8, grey + 16))
    drawing = ImageDraw.Draw(image)
    drawing.rectangle((width * 0.15, height * 0.08, width * 0.85, height * 0.92), fill=(18, 18, 20))
    for place, colour in enumerate(("red", "yellow", "green")):
        middle, radius = height * (0.24 + 0.26 * place), width * 0.22
        lit = COLOURS.get(name, (200, 200, 200)) if colour == name else (45, 40, 40)
        drawing.ellipse((width / 2 - radius, middle - radius, width / 2 + radius, middle + radius), fill=lit)
    return image


def _teacher() -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "efficientnet-lite0",
        "input": [224, 224],
        "parameters": 3_412_003,
        "val_score": {"metric": "accuracy", "value": 0.9667, "low": 0.83, "high": 0.994, "n": 30},
        "seconds": 34.2,
        "history": [],
    }


def _history(rng: np.random.Generator, epochs: int, best: float, best_epoch: int) -> dict[str, Any]:
    shape = best - (best - 0.4) * np.exp(-np.arange(epochs) / 6) + rng.normal(0, 0.012, epochs)
    shown = [
        {"epoch": k, "loss": 1.1 * float(np.exp(-k / 9)) + 0.1, "val_loss": 0.5, "val_accuracy": float(min(1, value))}
        for k, value in enumerate(shape)
    ]
    return {"epochs": shown, "seconds": 41.5, "steps": epochs * 30, "best_epoch": best_epoch, "wait_share": 0.02,
            "metric": "accuracy"}  # fmt: skip


def _write_artifacts(directory: Path) -> dict[str, str]:
    hashes = {}
    for row, *_ in ROWS:
        path = directory / artifact(row)
        storage.write_bytes(path, row.encode())
        hashes[row] = storage.sha256_file(path)
    return hashes


def artifact(row: str) -> str:
    """The path of a row's file, from the run directory."""
    return f"export/{row}.onnx" if row.endswith("onnx") else f"export/{row}.tflite"


def _check(rng: np.random.Generator, made: Synthetic, labels: list[int]) -> dict[str, Any]:
    answers: dict[str, list[int]] = {}
    for row, _, _, _, right, _ in ROWS[:3]:
        answers[row] = _answers(rng, labels, len(made.classes), right)
    flipped = range(0, len(labels), 97)
    answers["int8_tflite"] = [
        (answer + 1) % len(made.classes) if k in flipped else answer for k, answer in enumerate(answers["distilled"])
    ]
    answers["int8_onnx"] = answers["int8_tflite"]
    rows = []
    for row, title, parameters, size_bytes, _, _ in ROWS:
        rows.append(
            {
                "row": row,
                "title": title,
                "artifact": artifact(row),
                "parameters": parameters,
                "size_bytes": made.int8_size_bytes if row == "int8_tflite" else size_bytes,
                "predictions": answers[row],
                "accuracy": metrics.accuracy(labels, answers[row]).as_json(),
                "balanced_accuracy": metrics.balanced_accuracy(labels, answers[row]).as_json(),
                "agreement": _agreement(answers, row),
                "largest_difference": 0.061 if row.startswith("int8") else None,
                "confusion": metrics.confusion(labels, answers[row], len(made.classes)).tolist(),
            }
        )
    return {
        "schema": 1,
        "split": "test",
        "n": len(labels),
        "classes": list(made.classes),
        "ids": [f"{made.classes[label]}/photo-{number:04}.jpg" for number, label in enumerate(labels)],
        "labels": labels,
        "metric": made.metric,
        "rows": rows,
        "gates": _gates(made),
    }


def _answers(rng: np.random.Generator, labels: list[int], classes: int, right: float) -> list[int]:
    wrong = rng.random(len(labels)) >= right
    shift = rng.integers(1, classes, len(labels))
    return [int((label + s) % classes) if w else label for label, w, s in zip(labels, wrong, shift, strict=True)]


def _agreement(answers: dict[str, list[int]], row: str) -> dict[str, Any] | None:
    if not row.startswith("int8"):
        return None
    same = metrics.agreement(answers["distilled"], answers[row])
    return {"with": "distilled", "value": same.value, "differing": same.differing, "n": same.n}


def _gates(made: Synthetic) -> list[dict[str, Any]]:
    value = 0.941 if made.failed_gate else 0.987
    return [
        {"name": "teacher beats chance", "value": 0.967, "bar": 0.45, "passed": True,
         "message": "the teacher is right on 29 of 30 validation photos; always answering the commonest class would be "
         "right on 45.0% (p = 1e-08)"},
        {"name": "int8_tflite agrees with the float student", "value": value, "bar": 0.98, "passed": value >= 0.98,
         "message": f"int8 TFLite gives the float student's answer on {value:.1%} of 300 photos, at least 98.0% asked"},
        {"name": "int8_onnx agrees with the float student", "value": 0.987, "bar": 0.98, "passed": True,
         "message": "int8 ONNX gives the float student's answer on 98.7% of 300 test photos, at least 98.0% asked"},
    ]  # fmt: skip


def _bench(rng: np.random.Generator, made: Synthetic, hashes: dict[str, str]) -> BenchResult:
    measurements = []
    shared = np.exp(rng.normal(0, 0.02, made.launches))
    for row, _, _, size_bytes, _, latency_ms in ROWS:
        if latency_ms is None:
            continue
        slower = made.int8_speed if row == "int8_tflite" else 1.0
        launches = tuple(
            _launch(rng, k, latency_ms * slower * shared[k] * float(np.exp(rng.normal(0, 0.015))), row)
            for k in range(made.launches)
        )
        form = "onnx" if row.endswith("onnx") else "tflite"
        side = 224 if row == "teacher" else 160
        measurements.append(
            Measurement(
                name=row, file=artifact(row), format=form, sha256=hashes[row], size_bytes=size_bytes,
                input_size=(side, side), inputs_n=16, inputs_sha256="0" * 64, threads=1, launches=launches,
            )
        )  # fmt: skip
    facts = {"cpu_model": "AMD EPYC", "cores": 2, "temperature_c": None}
    order = (tuple(one.name for one in measurements),) * made.launches
    plan = BenchPlan(launches=made.launches)
    return BenchResult("host", "teacher", plan, order, facts, facts, tuple(measurements), complete=True)


def _launch(rng: np.random.Generator, round_: int, latency_ms: float, row: str) -> Launch:
    timings = latency_ms * 1e6 * (1 + np.abs(rng.normal(0, 0.02, 120)))
    return Launch(
        round=round_,
        timings_ns=tuple(int(value) for value in timings),
        load_ms=6.2,
        first_ms=latency_ms * 2.4,
        warmup_n=24,
        warmup_steady=True,
        threads=1,
        runtime="onnxruntime 1.32.0" if row.endswith("onnx") else "ai-edge-litert 2.3.0",
        import_ms=88.0,
        peak_memory_bytes=72_000_000,
        memory_before_load_bytes=60_000_000,
        cpu={"own_s": 1.0, "wall_s": 1.0, "busy_s": 1.02, "steal_s": 0.0, "total_s": 2.0},
        answers=None,
    )


def synthetic_bench() -> BenchResult:
    """The bench of a synthetic run alone."""
    hashes = {row: f"{index}" * 64 for index, (row, *_) in enumerate(ROWS)}
    return _bench(np.random.default_rng(0), Synthetic(), hashes)
