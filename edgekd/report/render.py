"""Writes a run directory's report: report.json, report.md, report.html and plots/."""

from __future__ import annotations

import os
from pathlib import Path

from edgekd import storage
from edgekd.report.collect import collect
from edgekd.report.demo_link import DEMO, demo_model
from edgekd.report.model import Headline, Report


def render(run_dir: str | os.PathLike[str]) -> Headline:
    """Render what the run has so far; each file is replaced whole, plots of an earlier state are removed.

    Args:
        run_dir: A run's directory, as `edgekd.run` writes it; the report is written into it.

    Returns:
        The report's headline.

    Raises:
        RunError: It is not a run directory, or one of its files is damaged.

    Example:
        >>> print(render("runs/litter"))  # doctest: +SKIP
        33x smaller and 9.2x faster (9.0–9.4) than the teacher: 412 kB int8, 94.6 % accuracy (91.4–96.7)
    """
    run_dir = Path(run_dir)
    from edgekd.report.html import html
    from edgekd.report.markdown import markdown
    from edgekd.report.misclassified import contact_sheet, thumbnails
    from edgekd.report.plots import draw_all

    report = collect(run_dir)
    plots, misclassified = draw_all(report), thumbnails(report, run_dir)
    images = {f"{plot.name}.png": plot.png for plot in plots}
    sheet = contact_sheet(misclassified)
    if sheet is not None:
        images["misclassified.png"] = sheet
    for name, content in images.items():
        storage.write_bytes(run_dir / "plots" / name, content)
    for stale in {path.name for path in (run_dir / "plots").glob("*.png")} - images.keys():
        (run_dir / "plots" / stale).unlink()
    storage.write_json(run_dir / "report.json", report.to_json())
    storage.write_text(run_dir / "report.md", markdown(report, plots, misclassified))
    storage.write_text(run_dir / "report.html", html(report, plots, misclassified, _demo_of(report, run_dir)))
    return report.headline


def _demo_of(report: Report, run_dir: Path) -> str | None:
    """The run's page of ``edgekd demo``, where it runs one of the files that the report is about."""
    model = demo_model(run_dir / DEMO)
    return DEMO if model is not None and model in {row.sha256 for row in report.rows} else None
