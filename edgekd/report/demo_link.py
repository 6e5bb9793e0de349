"""Which file a page of ``edgekd demo`` runs, so that a report links it only where it runs what the report is about."""

from __future__ import annotations

import re
from pathlib import Path

DEMO = "demo.html"
"""The name of a run's page, in its directory."""
_HEAD_BYTES = 4096
_MODEL = re.compile(rb'<meta name="edgekd-model" content="([0-9a-f]{64})">')


def demo_model(path: Path) -> str | None:
    """The SHA-256 of the file that a page runs; None for anything that is not such a page."""
    try:
        with path.open("rb") as stream:
            found = _MODEL.search(stream.read(_HEAD_BYTES))
    except OSError:
        return None
    return None if found is None else found[1].decode("ascii")
