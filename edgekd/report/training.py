"""What a run directory says of its photos and trainings, and how its files are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from edgekd import storage
from edgekd.errors import RunError
from edgekd.metrics import Interval
from edgekd.report.model import Curve, Data, DataWarning, Teacher
from edgekd.report.teacher_heads import heads_of, words_of

Json = dict[str, Any]
T = TypeVar("T")

# Row, title, and the file of its training.
CURVES = (
    ("labels_only", "labels alone", "scratch/history.json"),
    ("distilled", "distilled", "distill/history.json"),
)
_EXTRA_TARGETS = ("extra_targets/stores.json", "taught/columns.json")


def read(path: Path, parse: Callable[[Json], T]) -> T | None:
    """Parse a JSON file of the run; None where it is absent. Raises: RunError."""
    if not path.is_file():
        return None
    value = storage.read_json(path)
    return read_value(path, lambda: parse(value))


def read_value(path: Path, parse: Callable[[], T]) -> T:
    """What ``parse`` gives, with an error that names the file of the run. Raises: RunError."""
    try:
        return parse()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RunError(
            f"{path} does not have the form that a run writes ({error!r}). Remove its folder and run again"
        ) from None


def labels_used_in(run_dir: Path, free: bool) -> str:
    """How many labels a run used, and for what, with further photos that it learnt from."""
    used = read(run_dir / "data/summary.json", lambda value: _labels_used(value, free))
    # A run of an earlier version has its stored soft targets in taught/columns.json.
    extra = next((path for path in _EXTRA_TARGETS if (run_dir / path).is_file()), _EXTRA_TARGETS[0])
    return " ".join(part for part in (used, read(run_dir / extra, _extra_targets)) if part)


def _extra_targets(value: Any) -> str:
    photos, left_out = (sum(int(store[name]) for store in value) for name in ("photos", "left_out"))
    return (
        f"In addition, {photos:,} photos with soft targets from {len(value)} store{'s' * (len(value) > 1)} were "
        f"distilled from; {left_out:,} photos could not be read when they were labelled."
    )


def _labels_used(value: Json, free: bool) -> str:
    """How many labels a run used, and for what."""
    photos = value.get("photos") or {name: sum(counts.values()) for name, counts in value["splits"].items()}
    train, val, more = (photos.get(name, 0) for name in ("train", "val", "unlabelled"))
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


def teacher(value: Json) -> Teacher:
    """The teacher, from its stage's summary."""
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
        heads=heads_of(value),
        words=words_of(value),
    )


def curves(run_dir: Path) -> tuple[Curve, ...]:
    """The curve of each training that the run has."""
    curves = [read(run_dir / name, partial(_curve, row, title)) for row, title, name in CURVES]
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
        choice=str(value.get("choice", "")),
    )


def data(value: Json) -> Data:
    """The photos, from the data stage's summary."""
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
        photos=value.get("photos"),
    )
