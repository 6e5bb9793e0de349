"""The page on which a person keeps, changes or drops photos: one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from edgekd._version import __version__
from edgekd.audit.doubtful import DoubtfulPhoto
from edgekd.audit.held_out import HeldOut
from edgekd.audit.section import AuditSection
from edgekd.data.dataset import Sample
from edgekd.errors import DataError
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.preprocess import Pixels
from edgekd.report.html import page
from edgekd.report.misclassified import thumbnail_jpeg
from edgekd.storage import digest, write_text
from edgekd.task import NONE_LABEL

MOST_PHOTOS = 300
MOST_BYTES = 12 << 20
"""Bytes of all JPEGs on a page; as base64 they take a third more."""
_SIDE, _EXAMPLE_SIDE = 448, 72
# Keys of classes: k, d and u are those of actions.
_KEYS = "123456789abcefghijlmnopqrstvwxyz"
_HERE = Path(__file__).parent

Read = Callable[[Sample], Pixels]


@dataclass(frozen=True)
class WrittenPage:
    """The page, its bytes, the photos on it, and how many more there are that did not fit or cannot be read."""

    path: Path
    size_bytes: int
    photos: int
    left_out: int
    unreadable: int

    @property
    def note(self) -> str:
        """What is not on the page; empty where all is."""
        parts = []
        if self.left_out:
            parts.append(
                f"{self.left_out:,} more photos are not on this page, which holds at most {MOST_PHOTOS} or "
                f"{MOST_BYTES >> 20} MiB: correct these, run the recipe and audit it again"
            )
        if self.unreadable:
            parts.append(f"{self.unreadable:,} photos cannot be shown: they have changed since the run, or are gone")
        return ". ".join(parts)


@dataclass(frozen=True)
class Images:
    """Thumbnails of the photos that fit on a page."""

    shown: tuple[tuple[DoubtfulPhoto, str], ...]
    left_out: int
    unreadable: int


def write_page(
    path: Path,
    title: str,
    table: FeatureTable,
    photos: Sequence[DoubtfulPhoto],
    sections: Sequence[AuditSection],
    read: Read,
    held_out: HeldOut | None = None,
) -> WrittenPage:
    """Write the page.

    Args:
        path: Where; an earlier one is replaced.
        title: The run's name.
        table: The run's photos and what is known of them.
        photos: What a person goes through, in this order.
        sections: What stands below.
        read: Gives the pixels of a photo, or raises DataError.
        held_out: Shows which photo is a good example of each class.
    """
    images = _images(photos, read)
    written = WrittenPage(path, 0, len(images.shown), images.left_out, images.unreadable)
    config = _config(table, images, _examples(table, held_out, read))
    script = (_HERE / "audit.js").read_text(encoding="utf-8")
    css = (_HERE / "audit.css").read_text(encoding="utf-8")
    values = {
        "title": title,
        "headline": _headline(len(images.shown)),
        "note": written.note,
        "version": __version__,
        "policy": _policy(script),
        "key": config["key"],
        "audit_css": Markup(css),  # noqa: S704  our own file
        "config": Markup(_json_for_html(config)),  # noqa: S704  JSON without the characters of tags
        "script": Markup(script),  # noqa: S704  our own file
        "count": len(images.shown),
        "earlier": len(config["earlier"]),
        "tags": table.are_tags,
        "sections": [_section(section, read) for section in sections],
    }
    plots = [section.plot for section in sections if section.plot is not None]
    text = page("audit.html", plots, values, _HERE)
    write_text(path, text)
    return WrittenPage(path, len(text.encode()), written.photos, written.left_out, written.unreadable)


def _headline(count: int) -> str:
    if not count:
        return "No photo has to be looked at"
    return f"{count:,} photo{'' if count == 1 else 's'} to look at"


def _images(photos: Sequence[DoubtfulPhoto], read: Read) -> Images:
    shown: list[tuple[DoubtfulPhoto, str]] = []
    total = unreadable = 0
    for number, photo in enumerate(photos):
        try:
            jpeg = thumbnail_jpeg(read(photo.sample), _SIDE)
        except (DataError, OSError):
            unreadable += 1
            continue
        total += len(jpeg)
        if len(shown) == MOST_PHOTOS or total > MOST_BYTES:
            return Images(tuple(shown), len(photos) - number, unreadable)
        shown.append((photo, _source(jpeg)))
    return Images(tuple(shown), 0, unreadable)


def _config(table: FeatureTable, images: Images, examples: list[str | None]) -> dict[str, Any]:
    entries = [
        {
            "name": photo.sample.id, "why": photo.why, "labels": list(photo.labels), "split": photo.sample.split,
            "suggested": None if photo.suggested is None else list(photo.suggested),
            "unlabelled": photo.sample.is_unlabelled, "source": source,
        }
        for photo, source in images.shown
    ]  # fmt: skip
    facts = [[photo.sample.id, photo.sample.sha256, *photo.labels] for photo, _ in images.shown]
    return {
        "key": digest([facts, list(table.classes)])[:16],
        "tags": table.are_tags,
        "none": NONE_LABEL,
        "classes": list(table.classes),
        "keys": list(_KEYS[: len(table.classes)]),
        "examples": examples,
        "photos": entries,
        "earlier": [[row.photo, row.action, row.label] for row in table.corrections],
    }


def _examples(table: FeatureTable, held_out: HeldOut | None, read: Read) -> list[str | None]:
    """A small picture of each class that has a key: the photo with its label that is the most probable."""
    examples: list[str | None] = []
    for number in range(min(len(table.classes), len(_KEYS))):
        source = None
        if held_out is not None:
            has = held_out.truth[:, number] == 1 if table.are_tags else held_out.truth == number
            rows = np.flatnonzero(has)
            if len(rows):
                best = rows[held_out.probabilities[rows, number].argmax()]
                source = _thumbnail(table.samples[held_out.rows[best]], read)
        examples.append(source)
    return examples


def _thumbnail(sample: Sample, read: Read, side: int = _EXAMPLE_SIDE) -> str | None:
    try:
        return _source(thumbnail_jpeg(read(sample), side))
    except (DataError, OSError):
        return None


def _section(section: AuditSection, read: Read) -> dict[str, Any]:
    pictures = [(photo, _thumbnail(photo.sample, read, 192)) for photo in section.photos]
    return {
        "name": section.name,
        "title": section.title,
        "sentences": [sentence.split("\n")[0] for sentence in section.sentences],
        "header": section.header,
        "rows": section.rows,
        "photos": [
            {"source": source, "name": photo.sample.id, "caption": photo.caption}
            for photo, source in pictures
            if source
        ],
    }


def _source(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _json_for_html(value: Any) -> str:
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(script: str) -> str:
    """A Content-Security-Policy: nothing is requested or sent, and only this page's script runs."""
    own = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{own}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
