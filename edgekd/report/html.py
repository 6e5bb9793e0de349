"""The report as one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from edgekd.report import format as fmt
from edgekd.report import table as tables
from edgekd.report import words
from edgekd.report.model import Report
from edgekd.report.plots import Plot
from edgekd.report.wrong import Wrong

_HERE = Path(__file__).parent


def html(report: Report, plots: Sequence[Plot], wrong: Wrong) -> str:
    """The whole page. Every text is escaped; only the plots' SVG, drawn by us, goes in as it is."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.get_template("report.html")
    return template.render(
        report=report,
        css=Markup((_HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704  our own file
        tiles=tiles(report),
        plots={plot.name: _figure(plot) for plot in plots},
        photos=[_photo(thumbnail.jpeg, thumbnail.photo) for thumbnail in wrong.thumbnails],
        wrong_note=wrong.note,
        main=tables.main_cells(report),
        caption=tables.caption(report),
        latency=tables.latency_cells(report),
        splits=tables.split_cells(report),
        words=words,
    )


def tiles(report: Report) -> list[dict[str, str]]:
    """The headline's numbers, each large: value, what it is, and its interval or context."""
    line, found = report.headline, []
    teacher = report.row("teacher")
    if line.smaller is not None and teacher is not None:
        value, word = (line.smaller, "smaller") if line.smaller >= 1 else (1 / line.smaller, "larger")
        sizes = f"{fmt.size(teacher.size_bytes)} → {fmt.size(line.size_bytes)}"
        found.append({"value": fmt.factor(value), "what": word, "note": sizes})
    if line.faster is not None:
        word = {"slower": "as fast: slower", "no difference": "no difference in speed"}.get(
            line.verdict or "", "as fast"
        )
        word = (
            "faster"
            if line.verdict == "faster"
            else "as fast (inconclusive)"
            if line.verdict == "inconclusive"
            else word
        )
        interval = f"95{fmt.NBSP}%: {fmt.factor_range(line.faster)}"
        found.append({"value": fmt.factor(line.faster.value), "what": word, "note": interval})
    if line.score is not None:
        interval = f"95{fmt.NBSP}%: {line.score.low * 100:.1f}–{line.score.high * 100:.1f}"
        note = f"{interval}; teacher {fmt.percent(line.teacher_score.value)}" if line.teacher_score else interval
        found.append({"value": fmt.percent(line.score.value), "what": fmt.metric_name(line.metric), "note": note})
    return found


def _figure(plot: Plot) -> dict[str, Any]:
    return {"title": plot.title, "alt": plot.alt, "svg": Markup(plot.svg)}  # noqa: S704  matplotlib escapes its texts


def _photo(jpeg: bytes, photo: Any) -> dict[str, str]:
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
    return {"source": source, "truth": photo.truth, "answer": photo.answer, "id": photo.id}
