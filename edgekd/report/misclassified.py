"""Thumbnails of photos that the shipped file gets wrong: people learn more from these than from a number."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edgekd.data.dataset import Dataset
from edgekd.errors import DataError, EdgekdError
from edgekd.report import style
from edgekd.report.model import Report, WrongPhoto

SHOWN = 12
_SIDE = 192


@dataclass(frozen=True)
class Thumbnail:
    """A wrong photo with a small JPEG of it."""

    photo: WrongPhoto
    jpeg: bytes


@dataclass(frozen=True)
class Wrong:
    """Some wrong photos, and why there are no more of them to see (empty where there is nothing to say)."""

    thumbnails: tuple[Thumbnail, ...]
    note: str


def thumbnails(report: Report, run_dir: Path) -> Wrong:
    """Up to ``SHOWN`` of the report's wrong photos, read through the run's own dataset."""
    if not report.wrong:
        return Wrong((), "")
    path = run_dir / "data/dataset.json"
    if not path.is_file():
        return Wrong((), "The photos cannot be shown: data/dataset.json is not in the run directory.")
    try:
        dataset = Dataset.load(path)
    except EdgekdError as error:
        return Wrong((), f"The photos cannot be shown: {error}")
    samples = {sample.id: sample for sample in dataset.samples}
    found, unreadable = [], 0
    for photo in chosen(report.wrong, SHOWN):
        try:
            pixels = dataset.read(samples[photo.id])
        except (DataError, OSError, KeyError):
            unreadable += 1
            continue
        found.append(Thumbnail(photo, _jpeg(Image.fromarray(pixels))))
    return Wrong(
        tuple(found), f"{unreadable} more are not where they were when the run was made." if unreadable else ""
    )


def chosen(wrong: tuple[WrongPhoto, ...], limit: int) -> tuple[WrongPhoto, ...]:
    """One of each confusion in turn, the most frequent first, so that no single one fills the page."""
    common = Counter((photo.truth, photo.answer) for photo in wrong)
    ranks: Counter[tuple[str, str]] = Counter()
    order = []
    for place, photo in enumerate(wrong):
        pair = (photo.truth, photo.answer)
        order.append((ranks[pair], -common[pair], pair, place))
        ranks[pair] += 1
    picked = sorted(order)[:limit]
    return tuple(wrong[place] for *_, place in sorted(picked, key=lambda item: (item[1], item[2], item[0])))


def contact_sheet(wrong: Wrong) -> bytes | None:
    """All thumbnails with their captions as one PNG, for Markdown."""
    if not wrong.thumbnails:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(6, len(wrong.thumbnails))
    rows = -(-len(wrong.thumbnails) // columns)
    with style.styled("wrong"):
        figure = Figure(figsize=(1.55 * columns, 1.95 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        for axes in figure.subplots(rows, columns, squeeze=False).flat:
            axes.axis("off")
        for axes, thumbnail in zip(figure.axes, wrong.thumbnails, strict=False):
            axes.imshow(Image.open(io.BytesIO(thumbnail.jpeg)))
            axes.set_title(f"{thumbnail.photo.truth}\n→ {thumbnail.photo.answer}", fontsize=8, loc="center")
        return style.to_png(figure)


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()
