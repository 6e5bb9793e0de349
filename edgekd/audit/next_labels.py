"""What to photograph and which photos to label next, as parts of an audit's result."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from edgekd.audit.doubtful import DoubtfulPhoto
from edgekd.audit.learning_curve import NOMINAL, ClassForecast, CurvePoint, Gain, LearningCurve, NoForecast
from edgekd.audit.section import AuditSection
from edgekd.audit.suggest import Suggestion, Suggestions
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.plots import Plot, as_plot
from edgekd.report.scatter import log_ticks, percent_axis, plot_axes
from edgekd.task import NONE_LABEL, metric_name
from edgekd.text import one_line

_CASES = f"{NOMINAL * 10:.0f} of 10 cases"
_HEADER = ("Labels of", "Now", "More", "Gain")
_SHOWN = 3
SUGGESTIONS = "suggestions.csv"


def forecast_section(curve: LearningCurve | NoForecast) -> AuditSection:
    """What more labels of all classes and of each one bring."""
    title = "What more labels would bring"
    if isinstance(curve, NoForecast):
        sentence = f"what more labels would bring can't be told: {curve.reason}"
        return AuditSection("next", title, (sentence,), {"reason": curve.reason})
    every = "tag" if curve.metric == "mean_average_precision" else "class"
    lines = [
        f"what more labels would bring, in {metric_name(curve.metric)} of a linear head on these features, by "
        f"{curve.judges:,} photos (an interval holds {_CASES}); {curve.labels:,} labels now",
        f"twice as many of every {every}: {describe_gain(curve.doubled)}",
        f"four times as many: {describe_gain(curve.quadrupled)}",
        *(f"{each.more:,} more of {one_line(each.name)} alone: {describe_gain(each.gain)}" for each in curve.classes),
    ]
    # The page has a table of all but the first.
    sentences = ["\n  ".join(lines)]
    if curve.not_asked:
        names = ", ".join(one_line(name) for name in curve.not_asked)
        sentences.append(f"not asked for alone, as there are too few labels or more {every}es than are tried: {names}")
    rows = (
        (f"every {every}", f"{curve.labels:,}", f"{curve.labels:,}", describe_gain(curve.doubled)),
        (f"every {every}", f"{curve.labels:,}", f"{3 * curve.labels:,}", describe_gain(curve.quadrupled)),
        *(
            (f"{one_line(each.name)} alone", f"{each.labels:,}", f"{each.more:,}", describe_gain(each.gain))
            for each in curve.classes
        ),
    )
    return AuditSection(
        "next", title, tuple(sentences), _curve_facts(curve), _HEADER, rows, plot=draw_curve(curve)
    )  # fmt: skip


def suggestion_section(suggestions: Suggestions, classes_are_tags: bool) -> AuditSection:
    """Which photos of the pool to label first; they stand on the page among those to go through."""
    title = "Photos to label first"
    photos = suggestions.photos
    if not photos:
        reason = "there is no photo without a label" if not suggestions.pool else "no photo has a label yet"
        return AuditSection("suggestions", title, (f"photos to label first: none, as {reason}",), {"photos": []})
    sentences = [
        f"photos to label first: {len(photos):,} of {suggestions.pool:,}, in {SUGGESTIONS}, and first on the page"
        + "".join(f"\n  {one_line(each.sample.id)}: {_guess(each, classes_are_tags)}" for each in photos[:_SHOWN]),
        _worth(suggestions.advantage),
    ]
    facts = {
        "pool": suggestions.pool,
        "advantage": None if suggestions.advantage is None else _gain_facts(suggestions.advantage),
        "photos": [
            {"photo": each.sample.id, "classes": list(each.classes), "probabilities": list(each.probabilities)}
            for each in photos
        ],
    }
    return AuditSection("suggestions", title, tuple(sentences), facts)


def photos_to_label(suggestions: Suggestions, tags: bool) -> tuple[DoubtfulPhoto, ...]:
    """The suggested photos as the page shows them, with what they are probably of."""
    return tuple(
        DoubtfulPhoto(
            each.sample, f"label this one first: {_guess(each, tags)}", (), each.classes[: None if tags else 1]
        )
        for each in suggestions.photos
    )


def suggestions_csv(suggestions: Suggestions) -> str:
    """A line a photo, the first to label first: its name in the listing, and what it is probably of."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("photo", "probably", "probability"))
    for each in suggestions.photos:
        values = "|".join(f"{value:.3f}" for value in each.probabilities)
        writer.writerow((each.sample.id, "|".join(each.classes), values))
    return out.getvalue()


def describe_gain(gain: Gain) -> str:
    """``+1.5 points (+0.4 to +2.6)``, or that it can't be told."""
    interval = f"{fmt.points(gain.low)} to {fmt.points(gain.high)}"
    if not gain.can_tell:
        return f"can't be told ({interval})"
    return f"{fmt.points(gain.value)} points ({interval})"


def draw_curve(curve: LearningCurve) -> Plot:
    """The score against the number of labels, rehearsed and forecast, with the band of the forecast."""
    with style.styled("next"):
        figure, axes = plot_axes()
        axes.set_xscale("log")
        labels = [point.labels for point in curve.curve]
        colour = style.ROW_STYLE["distilled"][0]
        axes.fill_between(
            labels, [point.low for point in curve.curve], [point.high for point in curve.curve], color=colour,
            alpha=0.16, linewidth=0,
        )  # fmt: skip
        axes.plot(labels, [point.score for point in curve.curve], color=colour, linewidth=1.8)
        axes.errorbar(
            [point.labels for point in curve.rehearsed], [point.score for point in curve.rehearsed],
            yerr=_both_ways(curve.rehearsed), fmt="o", color=style.ROW_STYLE["teacher"][0], markersize=5, elinewidth=1,
        )  # fmt: skip
        axes.axvline(curve.labels, color=style.MUTED, linewidth=1, dashes=(4, 3), zorder=1)
        axes.annotate(
            " now", (curve.labels, 0.02), xycoords=("data", "axes fraction"), color=style.MUTED, fontsize=9
        )  # fmt: skip
        log_ticks(axes, lambda value: f"{value:,.0f}")
        axes.grid(axis="both")
        axes.set_xlabel("labels of all classes (logarithmic)")
        axes.set_ylabel(metric_name(curve.metric))
        percent_axis(axes)
        alt = (
            f"{metric_name(curve.metric).capitalize()} against the number of labels: rehearsed parts, and the forecast."
        )
        return as_plot(figure, "next", "Learning curve", alt)


def _both_ways(points: Sequence[CurvePoint]) -> list[list[float]]:
    return [[point.score - point.low for point in points], [point.high - point.score for point in points]]


def _worth(advantage: Gain | None) -> str:
    if advantage is None:
        return "what choosing is worth over chance can't be told: too few labels to try it on"
    return (
        "labelling photos chosen so over as many at random, tried with a quarter of the labels at hand: "
        f"{describe_gain(advantage)}"
    )


def _guess(each: Suggestion, tags: bool) -> str:
    if tags and not each.classes:
        return f"probably {NONE_LABEL}"
    names = [f"{one_line(name)} ({value:.0%})" for name, value in zip(each.classes, each.probabilities, strict=True)]
    return f"probably {(', ' if tags else ' or ').join(names)}"


def _curve_facts(curve: LearningCurve) -> dict[str, Any]:
    return {
        "metric": curve.metric, "labels": curve.labels, "judges": curve.judges, "nominal_coverage": NOMINAL,
        "doubled": _gain_facts(curve.doubled), "quadrupled": _gain_facts(curve.quadrupled),
        "classes": [_class_facts(each) for each in curve.classes], "not_asked": list(curve.not_asked),
        "rehearsed": [vars(point) for point in curve.rehearsed], "curve": [vars(point) for point in curve.curve],
    }  # fmt: skip


def _class_facts(each: ClassForecast) -> dict[str, Any]:
    return {"class": each.name, "labels": each.labels, "more": each.more, "gain": _gain_facts(each.gain)}


def _gain_facts(gain: Gain) -> dict[str, Any]:
    return {"value": gain.value, "low": gain.low, "high": gain.high, "can_tell": gain.can_tell}
