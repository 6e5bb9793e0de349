"""A part of an audit's result, which the terminal, the page and audit.json show alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgekd.data.dataset import Sample
from edgekd.report.plots import Plot


@dataclass(frozen=True)
class ShownPhoto:
    """A photo with a caption, for the page."""

    sample: Sample
    caption: str


@dataclass(frozen=True)
class AuditSection:
    """One part of the result.

    Attributes:
        name: Its key in audit.json.
        title: Its heading on the page.
        sentences: What the terminal prints, and the page shows below the title.
        facts: What stands in audit.json, JSON-able.
        header: Columns of the page's table; empty for none.
        rows: Its cells.
        photos: Photos that the page shows below.
        plot: Drawn above the table; None for none.
    """

    name: str
    title: str
    sentences: tuple[str, ...]
    facts: dict[str, Any]
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    photos: tuple[ShownPhoto, ...] = field(default=())
    plot: Plot | None = None


def record_of(sections: Sequence[AuditSection], features: str) -> dict[str, Any]:
    """What audit.json holds: the facts of every part, by name; ``features`` says in words what was compared."""
    return {"schema": 1, "features": features, **{section.name: section.facts for section in sections}}
