"""Stage ``report``: the run as HTML, Markdown and JSON."""

from __future__ import annotations

from edgekd.pipeline.context import RunContext


def run(context: RunContext) -> None:
    """Writes ``report.html``, ``report.md`` and ``report.json``, from what the other stages wrote."""
    from edgekd.report.render import render

    render(context.path)
