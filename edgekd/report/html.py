"""The report as one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from edgekd.bench.end_to_end import EndToEndLine
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report import sentences
from edgekd.report import table as tables
from edgekd.report.decisions import calibration_caption, decision_sentences
from edgekd.report.end_to_end import CAPTION, end_to_end_table, way_to_answer
from edgekd.report.front import step_caption, step_sentences
from edgekd.report.headline import TEACHER
from edgekd.report.misclassified import Misclassified
from edgekd.report.model import Report
from edgekd.report.plots import Plot
from edgekd.report.search import HEADER, search_rows, search_sentence

_HERE = Path(__file__).parent
# A cell of more characters is a sentence.
_NUMBERS_CHARS = 40


def html(report: Report, plots: Sequence[Plot], misclassified: Misclassified, demo: str | None = None) -> str:
    """The whole page. Every text is escaped except the plots' SVG, which is drawn here.

    ``demo`` is the page beside it that runs the model, if there is one.
    """
    values = {
        "report": report,
        "demo": demo,
        "tiles": tiles(report),
        "photos": [_photo(thumbnail.jpeg, thumbnail.photo) for thumbnail in misclassified.thumbnails],
        "misclassified_note": misclassified.note,
        "main": tables.main_cells(report),
        "caption": tables.caption(report),
        "latency": tables.latency_cells(report),
        "end_to_end": end_to_end_table(report),
        "end_to_end_caption": CAPTION,
        "seeds": tables.seed_cells(report),
        "heads": tables.head_cells(report),
        "splits": tables.split_cells(report),
        "split_sentence": tables.split_sentence(report),
        "ladder": tables.ladder_cells(report),
        "tags": tables.tag_cells(report),
        "decisions": decision_sentences(report.decisions or ()),
        "calibration": tables.calibration_cells(report),
        "calibration_caption": calibration_caption(report.decisions or ()),
        "steps": step_sentences(report),
        "step_caption": step_caption(report),
        "search": tables.Cells(HEADER if report.search else (), search_rows(report.search)),
        "search_sentence": search_sentence(report.search, report.metric),
        "sentences": sentences,
    }
    return page("report.html", plots, values)


def page(template: str, plots: Sequence[Plot], values: Mapping[str, Any], folder: Path = _HERE) -> str:
    """A template of ``folder``, with the style sheet and the plots inside. Every value is escaped."""
    environment = Environment(
        loader=FileSystemLoader([folder, _HERE]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["parts"] = _parts
    css = Markup((_HERE / "report.css").read_text(encoding="utf-8"))  # noqa: S704  our own file
    figures = {plot.name: _figure(plot) for plot in plots}
    return environment.get_template(template).render({**values, "css": css, "plots": figures})


def _parts(cell: str) -> Markup:
    """A cell whose number and interval each stay on one line, but not both on the same; a sentence wraps anywhere."""
    if len(cell) > _NUMBERS_CHARS:
        return escape(cell)
    head, bracket, rest = cell.partition(" (")
    pieces = [head, f"({rest}"] if bracket else [head]
    return Markup(" ").join(Markup('<span class="part">{}</span>').format(piece) for piece in pieces)


def tiles(report: Report) -> list[dict[str, str]]:
    """The headline's numbers, each large: value, name, interval or context, good or not."""
    line, cards = report.headline, []
    teacher = report.row(TEACHER)
    if line.smaller is not None and teacher is not None:
        smaller = line.smaller >= 1
        sizes = f"{fmt.size(teacher.size_bytes)} → {fmt.size(line.size_bytes)}"
        if line.int8_teacher is not None:
            sizes += f"; teacher in int8 {fmt.size(line.int8_teacher.size_bytes)}"
        value = fmt.factor(line.smaller if smaller else 1 / line.smaller)
        cards.append(_tile(value, "smaller" if smaller else "larger", sizes, good=smaller))
    if line.faster is not None:
        speedup, what = line.faster, line.verdict or ""
        if line.verdict == "slower":
            speedup = Interval(1 / line.faster.value, 1 / line.faster.high, 1 / line.faster.low)
        elif line.verdict != "faster":
            what = f"as fast: {line.verdict}"
        note = f"95{fmt.NBSP}%: {fmt.factor_range(speedup)}"
        note += "" if line.standing == "valid" else f"; {line.standing}"
        what += " in inference" if line.end_to_end else ""
        cards.append(_tile(fmt.factor(speedup.value), what, note, good=line.verdict == "faster"))
        cards += [card for way in line.end_to_end if (card := _way_tile(way)) is not None]
    if line.score is not None:
        note = f"95{fmt.NBSP}%: {line.score.low * 100:.1f}–{line.score.high * 100:.1f}"
        note += f"; teacher {fmt.percent(line.teacher_score.value)}" if line.teacher_score else ""
        cards.append(_tile(fmt.percent(line.score.value), fmt.metric_name(line.metric), note, good=True))
    return cards


def _way_tile(way: EndToEndLine) -> dict[str, str] | None:
    speedup, compared = way.comparison.speedup, way.comparison
    if speedup is None or compared.standing == "invalid":
        return None
    note = f"95{fmt.NBSP}%: {fmt.factor_range(speedup)}"
    note += "" if compared.standing == "valid" else f"; {compared.standing}"
    return _tile(fmt.factor(speedup.value), way_to_answer(way), note, good=compared.verdict == "faster")


def _tile(value: str, what: str, note: str, good: bool) -> dict[str, str]:
    return {"value": value, "what": what, "note": note, "tone": "" if good else "plain"}


def _figure(plot: Plot) -> dict[str, Any]:
    svg = Markup(plot.svg)  # noqa: S704  matplotlib escapes its texts
    return {"title": plot.title, "alt": plot.alt, "svg": svg, "width_px": plot.width_px}


def _photo(jpeg: bytes, photo: Any) -> dict[str, str]:
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
    return {"source": source, "truth": photo.truth, "predicted": photo.predicted, "id": photo.id}
