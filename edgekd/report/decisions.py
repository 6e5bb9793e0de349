"""What a report says of how sure the files are: calibration before and after, and what is rejected as none of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgekd.decisions.sentences import describe_file
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.scatter import percent_axis, plot_axes

HEADER = (
    "file", "temperature", f"calibration error before (95{fmt.NBSP}%)", f"after (95{fmt.NBSP}%)", "log loss before",
    "after",
)  # fmt: skip
# Row of the report of each precision, for its colour.
_ROWS = {"int8": "int8_tflite", "float32": "distilled"}


@dataclass(frozen=True)
class Calibration:
    """A file's calibration on ``photos`` photos of a ``split``, as it was converted and with its ``temperature``."""

    temperature: float
    split: str
    photos: int
    error_before: Interval
    error_after: Interval
    log_loss_before: Interval
    log_loss_after: Interval


@dataclass(frozen=True)
class RejectionPoint:
    """A threshold, and the shares of photos below it: of the classes' own, and of foreign ones where there are any."""

    threshold: float
    classes_rejected: Interval
    foreign_rejected: Interval | None


@dataclass(frozen=True)
class RejectionCurve:
    """What thresholds reject of a ``split``; ``threshold`` is the one in the file, None where there is none."""

    split: str
    threshold: float | None
    points: tuple[RejectionPoint, ...]


@dataclass(frozen=True)
class FileDecisions:
    """What was fitted for the files of one ``precision``, in sentences and numbers."""

    precision: str
    sentences: tuple[str, ...]
    calibration: Calibration | None
    rejection: RejectionCurve | None


def decisions_of(summary: Mapping[str, Any]) -> tuple[FileDecisions, ...]:
    """The files of a run's decide/summary.json, those that ship first."""
    order = sorted(summary["files"], key=lambda name: name != "int8")
    return tuple(_file_decisions(name, summary["files"][name]) for name in order)


def _file_decisions(precision: str, value: Mapping[str, Any]) -> FileDecisions:
    return FileDecisions(
        precision,
        tuple(describe_file(value)),
        None if value["calibration"] is None else _calibration(value),
        None if value["rejection"] is None else _rejection(value["rejection"]),
    )


def _calibration(value: Mapping[str, Any]) -> Calibration:
    split = _best_split(value["calibration"])
    before, after = (value["calibration"][split][when] for when in ("before", "after"))
    return Calibration(
        float(value["temperature"]["value"]), split, int(before["photos"]), Interval(**before["calibration_error"]),
        Interval(**after["calibration_error"]), Interval(**before["log_loss"]), Interval(**after["log_loss"]),
    )  # fmt: skip


def _rejection(value: Mapping[str, Any]) -> RejectionCurve:
    split = _best_split(value["curve"])
    points = [
        RejectionPoint(
            float(point["threshold"]), _rest(Interval(**point["own_kept"])),
            None if point["foreign_rejected"] is None else Interval(**point["foreign_rejected"]),
        )
        for point in value["curve"][split]
    ]  # fmt: skip
    return RejectionCurve(split, value["reject_below"], tuple(points))


def _best_split(splits: Mapping[str, Any]) -> str:
    # Nothing was chosen on test photos.
    return "test" if splits.get("test") else "validation"


def _rest(share: Interval) -> Interval:
    return Interval(1 - share.value, 1 - share.high, 1 - share.low)


def calibration_rows(decisions: tuple[FileDecisions, ...]) -> tuple[tuple[str, ...], ...]:
    """The calibration of every file that has one, as cells of text under ``HEADER``."""
    return tuple(
        (
            one.precision, f"{fit.temperature:.3g}", fmt.score(fit.error_before), fmt.score(fit.error_after),
            fmt.significant(fit.log_loss_before.value), fmt.significant(fit.log_loss_after.value),
        )
        for one in decisions
        if (fit := one.calibration) is not None
    )  # fmt: skip


def calibration_caption(decisions: tuple[FileDecisions, ...]) -> str:
    """What the numbers of the calibration are; empty where there are none."""
    fit = next((one.calibration for one in decisions if one.calibration is not None), None)
    if fit is None:
        return ""
    return (
        f"On {fit.photos:,} {fit.split} photos. Calibration error: how far probabilities are from the share that "
        "comes true, on average over bins of equally many photos; log loss in nats. Both are better where lower."
    )


def decision_sentences(decisions: tuple[FileDecisions, ...]) -> tuple[str, ...]:
    """What was fitted for each file, one sentence a fact."""
    return tuple(f"{one.precision}: {sentence}." for one in decisions for sentence in one.sentences)


def rejection_plot(decisions: tuple[FileDecisions, ...]) -> Figure | None:
    """The shares of own and of foreign photos that each threshold of the first file rejects, the chosen one marked."""
    file = next((one for one in decisions if one.rejection is not None and len(one.rejection.points) > 1), None)
    if file is None or file.rejection is None:
        return None
    curve = file.rejection
    figure, axes = plot_axes()
    thresholds = [point.threshold for point in curve.points]
    _draw(axes, thresholds, [point.classes_rejected for point in curve.points], style.WRONG, "photos of the classes")
    foreign = [point.foreign_rejected for point in curve.points if point.foreign_rejected is not None]
    if len(foreign) == len(thresholds):
        _draw(axes, thresholds, foreign, style.row_style(_ROWS.get(file.precision, ""), 0)[0], "photos of none")
    if curve.threshold is not None:
        axes.axvline(curve.threshold, color=style.MUTED, linewidth=1.2, dashes=(4, 3), zorder=1)
        axes.annotate(
            f" {curve.threshold:.3g}", (curve.threshold, 1.0), xycoords=("data", "axes fraction"), va="bottom",
            ha="center", color=style.MUTED, fontsize=9,
        )  # fmt: skip
    axes.grid(axis="y")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("least probability of an answer")
    axes.set_ylabel(f"rejected {curve.split} photos, {file.precision}")
    percent_axis(axes)
    axes.legend(loc="best", frameon=False, fontsize=9)
    return figure


def _draw(axes: Axes, thresholds: list[float], shares: list[Interval], colour: str, name: str) -> None:
    axes.plot(thresholds, [share.value for share in shares], color=colour, linewidth=1.8, label=name, zorder=3)
    low, high = [share.low for share in shares], [share.high for share in shares]
    axes.fill_between(thresholds, low, high, color=colour, alpha=0.18, linewidth=0)
