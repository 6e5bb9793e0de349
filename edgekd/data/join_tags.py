"""The tags of photos in class folders: a photo that lies in several folders is one photo with all their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgekd.data.listing import ListedPhoto
from edgekd.data.reading import Look
from edgekd.data.warnings import Finding


def join_tags(items: Sequence[ListedPhoto], looks: Sequence[Look]) -> tuple[list[ListedPhoto], list[Look], Finding]:
    """Join tagged photos of the same bytes in the same split: the first one's name, the tags of all."""
    places: dict[tuple[str, str | None], int] = {}
    joined: list[ListedPhoto] = []
    kept_looks: list[Look] = []
    names: list[str] = []
    for item, look in zip(items, looks, strict=True):
        key = (look.sha256, item.split)
        if item.tags and key in places:
            first = joined[places[key]]
            joined[places[key]] = replace(first, tags=tuple(sorted({*(first.tags or ()), *item.tags})))
            names.append(f"{first.id} = {item.id}")
            continue
        if item.tags:
            places[key] = len(joined)
        joined.append(item)
        kept_looks.append(look)
    text = "photos that lie in several class folders (each is one photo with all tags)"
    return joined, kept_looks, Finding("joined-tags", tuple(names), text)


def one_tag_each(items: Sequence[ListedPhoto]) -> Finding:
    """The finding for photos none of which has several tags: they may have been meant to have one label each."""
    tagged = tuple(item.id for item in items if item.tags)
    several = any(len(item.tags or ()) > 1 for item in items)
    text = 'photos with one tag each, and none with several: for one label a photo, task is "single-label"'
    return Finding("one-tag-each", () if several else tagged, text)
