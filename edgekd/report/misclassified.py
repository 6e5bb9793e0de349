"""Thumbnails of the photos that the shipped file misclassifies: people learn more from these than from a number."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edgekd.data.dataset import Dataset
from edgekd.errors import DataError, EdgekdError
from edgekd.preprocess import Pixels
from edgekd.report import style
from edgekd.report.model import MisclassifiedPhoto, Report

MOST_THUMBNAILS = 12
_SIDE = 192


@dataclass(frozen=True)
class Thumbnail:
    """A misclassified photo with a small JPEG of it."""

    photo: MisclassifiedPhoto
    jpeg: bytes


@dataclass(frozen=True)
class Misclassified:
    """Some misclassified photos, and a note on photos that cannot be shown (empty where all can)."""

    thumbnails: tuple[Thumbnail, ...]
    note: str


def thumbnails(report: Report, run_dir: Path) -> Misclassified:
    """Up to ``MOST_THUMBNAILS`` of the report's misclassified photos, read through the run's dataset."""
    if not report.misclassified:
        return Misclassified((), "")
    path = run_dir / "data/dataset.json"
    if not path.is_file():
        return Misclassified((), "The photos cannot be shown: data/dataset.json is not in the run directory.")
    try:
        dataset = Dataset.load(path)
    except EdgekdError as error:
        return Misclassified((), f"The photos cannot be shown: {error}")
    samples = {sample.id: sample for sample in dataset.samples}
    readable, unreadable = [], 0
    for photo in choose_photos(report.misclassified, MOST_THUMBNAILS):
        try:
            pixels = dataset.read(samples[photo.id])
        except (DataError, OSError, KeyError):
            unreadable += 1
            continue
        readable.append(Thumbnail(photo, thumbnail_jpeg(pixels)))
    return Misclassified(
        tuple(readable), f"{unreadable} more are not where they were when the run was made." if unreadable else ""
    )


def choose_photos(photos: tuple[MisclassifiedPhoto, ...], limit: int) -> tuple[MisclassifiedPhoto, ...]:
    """One of each confusion in turn, the most frequent first, so that none fills the page."""
    common = Counter((photo.truth, photo.predicted) for photo in photos)
    ranks: Counter[tuple[str, str]] = Counter()
    order = []
    for place, photo in enumerate(photos):
        pair = (photo.truth, photo.predicted)
        order.append((ranks[pair], -common[pair], pair, place))
        ranks[pair] += 1
    first = sorted(order)[:limit]
    return tuple(photos[place] for *_, place in sorted(first, key=lambda item: (item[1], item[2], item[0])))


def contact_sheet(misclassified: Misclassified) -> bytes | None:
    """All thumbnails with their captions as one PNG, for Markdown."""
    if not misclassified.thumbnails:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(6, len(misclassified.thumbnails))
    rows = -(-len(misclassified.thumbnails) // columns)
    with style.styled("misclassified"):
        figure = Figure(figsize=(1.55 * columns, 1.95 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        for axes in figure.subplots(rows, columns, squeeze=False).flat:
            axes.axis("off")
        for axes, thumbnail in zip(figure.axes, misclassified.thumbnails, strict=False):
            axes.imshow(Image.open(io.BytesIO(thumbnail.jpeg)))
            axes.set_title(f"{thumbnail.photo.truth}\n→ {thumbnail.photo.predicted}", fontsize=8, loc="center")
        return style.to_png(figure)


def thumbnail_jpeg(pixels: Pixels, side: int = _SIDE) -> bytes:
    """Pixels uint8 [H, W, 3] as a small JPEG, its longer side at most ``side``."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()
