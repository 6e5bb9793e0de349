"""How plots look: one palette for all, and SVG that takes its ink from the page, light or dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.figure import Figure

# What is drawn, and the CSS variable that stands for it in the SVG, so that dark pages get lighter colours.
INK, MUTED, GRID, PAPER = "#1b1f24", "#6a7281", "#e3e6ea", "#fefefe"
_PAGE = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}

# Okabe and Ito's hues, which colour-blind readers tell apart, darkened to be read as text on white; each row also has
# a marker of its own.
ROW_STYLE = {
    "teacher": ("#66707c", "s"),
    "labels_only": ("#b87300", "^"),
    "distilled": ("#0072b2", "D"),
    "int8_tflite": ("#00845c", "o"),
    "int8_onnx": ("#b04f87", "v"),
    "teacher_int8": ("#7d5a3c", "X"),
}
_PAGE |= {colour: f"var(--row-{row})" for row, (colour, _) in ROW_STYLE.items()}
_MORE = ("#d55e00", "#5b5bd6", "#8a7a00")
RIGHT, WRONG = ROW_STYLE["distilled"][0], ROW_STYLE["labels_only"][0]


def row_style(row: str, index: int) -> tuple[str, str]:
    """Colour and marker of a row; ``index`` chooses for rows that have none of their own."""
    return ROW_STYLE.get(row, (_MORE[index % len(_MORE)], "P"))


@contextmanager
def styled(salt: str) -> Iterator[None]:
    """Matplotlib's settings for one plot; ``salt`` keeps the ids of several SVGs in one page apart."""
    settings: Any = {
        "font.family": "sans-serif",
        "font.size": 9.5,
        "text.color": INK,
        "text.parse_math": False,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "axes.axisbelow": True,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.minor.visible": False,
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Names in scripts that the PNG's font lacks: the HTML shows them with the reader's fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield


def to_png(figure: Figure) -> bytes:
    """On white paper, twice the size for sharp screens."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=192, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def to_svg(figure: Figure, salt: str) -> str:
    """An ``<svg>`` element for a page: no ids shared with another, ink and grid from the page's CSS."""
    out = io.StringIO()
    metadata: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(out, format="svg", metadata=metadata)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    for drawn, shown in _PAGE.items():
        svg = svg.replace(drawn, shown)
    svg = re.sub(r'\bid="', f'id="{salt}-', svg)
    svg = re.sub(r'(xlink:href|href)="#', rf'\1="#{salt}-', svg)
    svg = svg.replace("url(#", f"url(#{salt}-")
    # The page sizes it: the viewBox keeps the proportions.
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # A <style> in an inline SVG would rule the whole page, and the page's font is the better one.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    return re.sub(r"font-family: [^;\"]+;? ?", "", svg)
