"""Reads a run directory into a Report. Missing files are named, malformed ones are an error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from edgekd import storage
from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import Comparison
from edgekd.bench.validity import disturbances_of
from edgekd.errors import RunError
from edgekd.metrics import Interval
from edgekd.report.distillation_gain import distillation_gain
from edgekd.report.front import front_steps
from edgekd.report.headline import TEACHER, TEACHER_INT8, headline, shipped
from edgekd.report.model import (
    Bench,
    Confusion,
    Curve,
    Data,
    DataWarning,
    DistillationGain,
    Gate,
    MisclassifiedPhoto,
    Provenance,
    Report,
    Row,
    Seeds,
    Teacher,
)
from edgekd.report.quantization import ladder_of
from edgekd.report.rows import rows_of
from edgekd.report.search import search_of
from edgekd.report.seeds import compare_seeds

Json = dict[str, Any]
T = TypeVar("T")

# Row, title, and the file of its training.
_CURVES = (
    ("labels_only", "labels alone", "scratch/history.json"),
    ("distilled", "distilled", "distill/history.json"),
)
_EXTRA_TARGETS = ("extra_targets/stores.json", "taught/columns.json")
_EXPECTED = (
    "recipe.toml",
    "run.json",
    "data/summary.json",
    "teacher/summary.json",
    *(path for _, _, path in _CURVES),
    "check/check.json",
    "bench/bench.json",
)


def collect(run_dir: Path) -> Report:
    """Everything that the run directory holds, joined; computes statistics, measures nothing.

    Raises: RunError if there is no such directory or one of its files is not what it should be.
    """
    if not run_dir.is_dir():
        raise RunError(f"{run_dir} is not a run directory. Create one: edgekd run RECIPE --out {run_dir.parent}")
    free = _read(run_dir / "run.json", lambda value: value.get("labels") == "none") or False
    expected = [name for name in _EXPECTED if not (free and name == "scratch/history.json")]
    missing = tuple(name for name in expected if not (run_dir / name).is_file())
    check = _read(run_dir / "check/check.json", dict)
    bench_path = run_dir / "bench/bench.json"
    result = BenchResult.load(bench_path) if bench_path.is_file() else None
    rows, problems = _read_value(run_dir / "check/check.json", lambda: rows_of(run_dir, check, result))
    gates = _gates(run_dir, check)
    metric = str((check or {}).get("metric", "accuracy"))
    return Report(
        headline=headline(
            rows,
            metric,
            gates,
            teacher_timed=result is None or result.baseline == TEACHER,
            shipped_reason=str(((check or {}).get("shipped") or {}).get("reason", "")),
            over_int8=_over_int8(result),
        ),
        provenance=_read(run_dir / "run.json", _provenance) or _unknown(run_dir),
        metric=metric,
        test_n=int((check or {}).get("n", 0)),
        missing=missing,
        problems=problems,
        gates=gates,
        rows=rows,
        distillation_gain=_read(run_dir / "check/check.json", _distillation_gain),
        seeds=_seeds(run_dir, check),
        labels_used=_labels_used_in(run_dir, free),
        teacher=_read(run_dir / "teacher/summary.json", _teacher),
        curves=_curves(run_dir),
        data=_read(run_dir / "data/summary.json", _data),
        confusion=_read(run_dir / "check/check.json", lambda value: _confusion(value, rows)),
        misclassified=_read(run_dir / "check/check.json", lambda value: _misclassified(value, rows)) or (),
        bench=None if result is None else _bench(result),
        ladder=_read(run_dir / "quantize/quantize.json", ladder_of),
        steps=_read(run_dir / "check/check.json", front_steps) or (),
        search=_read(run_dir / "search/search.json", search_of),
    )


def _over_int8(result: BenchResult | None) -> Comparison | None:
    """The latency of the int8 student over that of the teacher in int8; None where one was not timed."""
    timed = {entry.name for entry in result.measurements if entry.launches} if result else set()
    if result is None or not {"int8_tflite", TEACHER_INT8} <= timed:
        return None
    return result.ratio("int8_tflite", over=TEACHER_INT8)


def _read(path: Path, parse: Callable[[Json], T]) -> T | None:
    """Parse a JSON file of the run; None where it is absent. Raises: RunError."""
    if not path.is_file():
        return None
    value = storage.read_json(path)
    return _read_value(path, lambda: parse(value))


def _read_value(path: Path, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RunError(
            f"{path} does not have the form that a run writes ({error!r}). Remove its folder and run again"
        ) from None


def _gates(run_dir: Path, check: Json | None) -> tuple[Gate, ...]:
    """The check's gates; before there is a check, the teacher's own."""
    if check is not None:
        return _read_value(run_dir / "check/check.json", lambda: tuple(map(_gate, check["gates"])))
    path = run_dir / "teacher/gates.json"
    return _read(path, lambda value: tuple(map(_gate, value))) or ()


def _gate(value: Any) -> Gate:
    number, bar = (None if value[key] is None else float(value[key]) for key in ("value", "bar"))
    return Gate(str(value["name"]), number, bar, bool(value["passed"]), str(value["message"]))


def _provenance(value: Json) -> Provenance:
    return Provenance(
        name=str(value["name"]),
        edgekd=str(value["edgekd"]),
        seed=value.get("seed"),
        recipe_digest=str(value.get("recipe_digest", "")),
        command=str(value.get("command", "")),
        versions={str(key): str(version) for key, version in value["versions"].items() if version is not None},
        machine=dict(value["machine"]),
    )


def _unknown(run_dir: Path) -> Provenance:
    return Provenance(run_dir.resolve().name, "", None, "", "", {}, {})


def _distillation_gain(check: Json) -> DistillationGain | None:
    predictions = {row["row"]: row.get("predictions") for row in check["rows"]}
    from_scratch, distilled = predictions.get("labels_only"), predictions.get("distilled")
    if from_scratch is None or distilled is None:
        return None
    return distillation_gain(check["labels"], from_scratch, distilled, check["metric"])


def _seeds(run_dir: Path, check: Json | None) -> Seeds | None:
    """The first seed's students as they were checked, and those of the others, if there are any."""
    predictions = {row["row"]: row.get("predictions") for row in check["rows"]} if check else {}
    if check is None or predictions.get("distilled") is None:
        return None
    first = _read(run_dir / "run.json", lambda value: int(value.get("seed") or 0)) or 0
    others = _read(run_dir / "seeds/seeds.json", lambda value: list(value["seeds"])) or []
    runs = [{"seed": first, **predictions}, *others]
    from_scratch = [run.get("labels_only") for run in runs]

    def compare() -> Seeds:
        return compare_seeds(
            check["labels"], predictions.get("teacher"), None if None in from_scratch else from_scratch,
            [run["distilled"] for run in runs], seeds=[int(run["seed"]) for run in runs], metric=check["metric"],
        )  # fmt: skip

    return _read_value(run_dir / "seeds/seeds.json", compare)


def _labels_used_in(run_dir: Path, free: bool) -> str:
    used = _read(run_dir / "data/summary.json", lambda value: _labels_used(value, free))
    # A run of an earlier version has its stored soft targets in taught/columns.json.
    extra = next((path for path in _EXTRA_TARGETS if (run_dir / path).is_file()), _EXTRA_TARGETS[0])
    return " ".join(part for part in (used, _read(run_dir / extra, _extra_targets)) if part)


def _extra_targets(value: Any) -> str:
    photos, left_out = (sum(int(store[name]) for store in value) for name in ("photos", "left_out"))
    return (
        f"In addition, {photos:,} photos with soft targets from {len(value)} store{'s' * (len(value) > 1)} were "
        f"distilled from; {left_out:,} photos could not be read when they were labelled."
    )


def _labels_used(value: Json, free: bool) -> str:
    """How many labels a run used, and for what."""
    train, val, more = (sum(value["splits"].get(name, {}).values()) for name in ("train", "val", "unlabelled"))
    if free:
        epoch = (
            f"its epoch is the one that agrees most with the teacher on {val:,} others (the curve of its training)"
            if val
            else "with no validation photos its epoch is the last"
        )
        return (
            "Labels used: none in training and none in choosing the epoch. The student learnt the teacher's soft "
            f"targets on {train + more:,} photos, and {epoch}. The labels of the test photos measured the result."
        )
    rest = f", and {more:,} unlabelled photos with the teacher's soft targets" if more else ""
    return f"Labels used: {train:,} to train on and {val:,} to choose the epoch{rest}."


def _teacher(value: Json) -> Teacher:
    # A run of before the metric was chosen here has the accuracy.
    score = value.get("val_score") or {**value["val_accuracy"], "metric": "accuracy"}
    height, width = value["input"]
    return Teacher(
        name=str(value["name"]),
        input_size=(int(height), int(width)),
        parameters=int(value["parameters"]),
        val_score=Interval(score["value"], score["low"], score["high"]) if score["n"] else None,
        val_n=int(score["n"]),
        metric=str(score["metric"]),
        seconds=value.get("seconds"),
        note=str(value.get("note", "")),
    )


def _curves(run_dir: Path) -> tuple[Curve, ...]:
    curves = [_read(run_dir / name, partial(_curve, row, title)) for row, title, name in _CURVES]
    return tuple(curve for curve in curves if curve is not None)


def _curve(row: str, title: str, value: Json) -> Curve:
    metric = str(value.get("metric", "accuracy"))
    epochs = [epoch for epoch in value["epochs"] if epoch.get(f"val_{metric}") is not None]
    first = min((int(epoch["epoch"]) for epoch in epochs), default=1)
    best = value.get("best_epoch")
    return Curve(
        row=row,
        title=title,
        epochs=tuple(int(epoch["epoch"]) - first + 1 for epoch in epochs),
        val_score=tuple(float(epoch[f"val_{metric}"]) for epoch in epochs),
        metric=metric,
        best_epoch=None if best is None else int(best) - first + 1,
        seconds=value.get("seconds"),
        wait_share=value.get("wait_share"),
    )


def _data(value: Json) -> Data:
    return Data(
        classes=tuple(value["classes"]),
        splits={name: dict(counts) for name, counts in value["splits"].items()},
        warnings=tuple(
            DataWarning(
                str(entry["kind"]), int(entry["count"]), tuple(map(str, entry["examples"])), str(entry["message"])
            )
            for entry in value["warnings"]
        ),
        duplicates=str(value["duplicates"].get("message", "")),
    )


def _raw_shipped(check: Json, rows: tuple[Row, ...]) -> Json | None:
    row = shipped(rows)
    return None if row is None else next(raw for raw in check["rows"] if raw["row"] == row.row)


def _confusion(check: Json, rows: tuple[Row, ...]) -> Confusion | None:
    raw = _raw_shipped(check, rows)
    if raw is None or raw.get("confusion") is None:
        return None
    counts = tuple(tuple(int(number) for number in line) for line in raw["confusion"])
    return Confusion(raw["row"], raw["title"], tuple(check["classes"]), counts)


def _misclassified(check: Json, rows: tuple[Row, ...]) -> tuple[MisclassifiedPhoto, ...]:
    raw = _raw_shipped(check, rows)
    if raw is None or raw.get("predictions") is None:
        return ()
    names = check["classes"]
    trio = zip(check["ids"], check["labels"], raw["predictions"], strict=True)
    return tuple(
        MisclassifiedPhoto(id_, names[true], names[predicted]) for id_, true, predicted in trio if true != predicted
    )


def _bench(result: BenchResult) -> Bench:
    measurements = [measurement for measurement in result.measurements if measurement.launches]
    return Bench(
        device=result.device,
        baseline=result.baseline,
        threads=result.plan.threads,
        launches=max((len(measurement.launches) for measurement in measurements), default=0),
        photos=max((measurement.inputs_n for measurement in measurements), default=0),
        runtimes=tuple(sorted({measurement.launches[0].runtime for measurement in measurements})),
        disturbances=disturbances_of(result),
        failures=tuple(failure.message for failure in result.failures),
        facts=result.facts_before,
    )
