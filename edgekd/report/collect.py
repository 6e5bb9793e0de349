"""Reads a run directory into a Report. Missing files are named, malformed ones are an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import Comparison
from edgekd.bench.validity import disturbances_of
from edgekd.errors import RunError
from edgekd.evaluation.tag_scores import answers_in, truth_in
from edgekd.report.decisions import decisions_of
from edgekd.report.distillation_gain import distillation_gain
from edgekd.report.front import front_steps
from edgekd.report.gains import DistillationGain, Seeds
from edgekd.report.headline import TEACHER, TEACHER_INT8, headline, shipped
from edgekd.report.model import (
    Bench,
    Confusion,
    Gate,
    MisclassifiedPhoto,
    Provenance,
    Report,
    Row,
    TagTable,
)
from edgekd.report.quantization import ladder_of
from edgekd.report.rows import rows_of
from edgekd.report.search import search_of
from edgekd.report.seeds import compare_seeds
from edgekd.report.tags import tag_table, wrong_tags
from edgekd.report.training import CURVES, Json, curves, data, labels_used_in, read, read_value, teacher
from edgekd.scoring import Answers

_EXPECTED = (
    "recipe.toml",
    "run.json",
    "data/summary.json",
    "teacher/summary.json",
    *(path for _, _, path in CURVES),
    "check/check.json",
    "bench/bench.json",
)


def collect(run_dir: Path) -> Report:
    """Everything that the run directory holds, joined; computes statistics, measures nothing.

    Raises: RunError if there is no such directory or one of its files is not what it should be.
    """
    if not run_dir.is_dir():
        raise RunError(f"{run_dir} is not a run directory. Create one: edgekd run RECIPE --out {run_dir.parent}")
    free = read(run_dir / "run.json", lambda value: value.get("labels") == "none") or False
    expected = [name for name in _EXPECTED if not (free and name == "scratch/history.json")]
    missing = tuple(name for name in expected if not (run_dir / name).is_file())
    check = read(run_dir / "check/check.json", dict)
    bench_path = run_dir / "bench/bench.json"
    result = BenchResult.load(bench_path) if bench_path.is_file() else None
    rows, problems = read_value(run_dir / "check/check.json", lambda: rows_of(run_dir, check, result))
    gates = _gates(run_dir, check)
    metric = str((check or {}).get("metric", "accuracy"))
    ships = (check or {}).get("shipped") or {}
    return Report(
        headline=headline(
            rows,
            metric,
            gates,
            teacher_timed=result is None or result.baseline == TEACHER,
            shipped_reason=str(ships.get("reason", "")),
            over_int8=_over_int8(result),
        ),
        provenance=read(run_dir / "run.json", _provenance) or _unknown(run_dir),
        metric=metric,
        test_n=int((check or {}).get("n", 0)),
        missing=missing,
        problems=problems,
        gates=gates,
        rows=rows,
        distillation_gain=read(run_dir / "check/check.json", _distillation_gain),
        seeds=_seeds(run_dir, check),
        labels_used=labels_used_in(run_dir, free),
        teacher=read(run_dir / "teacher/summary.json", teacher),
        curves=curves(run_dir),
        data=read(run_dir / "data/summary.json", data),
        confusion=read(run_dir / "check/check.json", lambda value: _confusion(value, rows)),
        misclassified=read(run_dir / "check/check.json", lambda value: _misclassified(value, rows)) or (),
        bench=None if result is None else _bench(result),
        ladder=read(run_dir / "quantize/quantize.json", ladder_of),
        steps=read(run_dir / "check/check.json", front_steps) or (),
        search=read(run_dir / "search/search.json", search_of),
        decisions=read(run_dir / "decide/summary.json", decisions_of),
        tags=read(run_dir / "check/check.json", lambda value: _tags(value, rows)),
        shipping_notes=tuple(str(note) for note in ships.get("notes", ())),
    )


def _over_int8(result: BenchResult | None) -> Comparison | None:
    """The latency of the int8 student over that of the teacher in int8; None where one was not timed."""
    timed = {entry.name for entry in result.measurements if entry.launches} if result else set()
    if result is None or not {"int8_tflite", TEACHER_INT8} <= timed:
        return None
    return result.ratio("int8_tflite", over=TEACHER_INT8)


def _gates(run_dir: Path, check: Json | None) -> tuple[Gate, ...]:
    """The check's gates; before there is a check, the teacher's own."""
    if check is not None:
        return read_value(run_dir / "check/check.json", lambda: tuple(map(_gate, check["gates"])))
    path = run_dir / "teacher/gates.json"
    return read(path, lambda value: tuple(map(_gate, value))) or ()


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
    answers = _answers(check)
    from_scratch, distilled = answers.get("labels_only"), answers.get("distilled")
    if from_scratch is None or distilled is None:
        return None
    return distillation_gain(truth_in(check), from_scratch, distilled, check["metric"])


def _answers(check: Json) -> dict[str, Answers]:
    """The answers of each row that was run over the test photos, by its name."""
    metric, classes = check["metric"], len(check.get("classes", ()))
    return {row["row"]: answers_in(row, metric, classes) for row in check["rows"] if row.get("predictions")}


def _seeds(run_dir: Path, check: Json | None) -> Seeds | None:
    """The first seed's students as they were checked, and those of the others, if there are any."""
    answers = read_value(run_dir / "check/check.json", lambda: _answers(check)) if check else {}
    if check is None or "distilled" not in answers:
        return None
    first = read(run_dir / "run.json", lambda value: int(value.get("seed") or 0)) or 0
    others = read(run_dir / "seeds/seeds.json", lambda value: list(value["seeds"])) or []
    runs = [{"seed": first, **answers}, *others]
    from_scratch = [run.get("labels_only") for run in runs]

    def compare() -> Seeds:
        return compare_seeds(
            truth_in(check), answers.get("teacher"), None if any(one is None for one in from_scratch) else from_scratch,
            [run["distilled"] for run in runs], seeds=[int(run["seed"]) for run in runs], metric=check["metric"],
        )  # fmt: skip

    return read_value(run_dir / "seeds/seeds.json", compare)


def _raw_shipped(check: Json, rows: tuple[Row, ...]) -> Json | None:
    row = shipped(rows)
    return None if row is None else next(raw for raw in check["rows"] if raw["row"] == row.row)


def _tags(check: Json, rows: tuple[Row, ...]) -> TagTable | None:
    raw = _raw_shipped(check, rows)
    return None if raw is None else tag_table(raw)


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
    if check.get("task") == "multi-label":
        return wrong_tags(check, raw)
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
