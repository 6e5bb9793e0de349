"""All that an audit finds in labels and photos: what a person goes through on the page, and a section a kind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgekd.audit.confusable import ClassPair, find_confusable
from edgekd.audit.doubtful import (
    LEAST_PHOTOS,
    DoubtfulPhoto,
    find_conflicts,
    find_doubtful_labels,
    find_odd_ones,
)
from edgekd.audit.held_out import HeldOut, hold_out
from edgekd.audit.outliers import find_outliers
from edgekd.audit.section import AuditSection
from edgekd.metrics import Interval
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.progress import Watcher

_EXAMPLES = 3
_EN_DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Findings:
    """Photos to go through, each once, the most doubtful labels first; the sections of the result; and the evidence.

    ``held_out`` is None where there are too few labelled photos to judge labels by.
    """

    photos: tuple[DoubtfulPhoto, ...]
    sections: tuple[AuditSection, ...]
    held_out: HeldOut | None


def find_photos(table: FeatureTable, watcher: Watcher) -> Findings:
    """Look for doubtful labels, duplicates with two labels, photos like nothing else, and classes that are alike.

    Photos that a person has decided on before are left out.
    """
    decided = {row.photo for row in table.corrections}
    held_out = None
    if len(np.unique(table.groups[table.labelled])) >= LEAST_PHOTOS:
        started = time.monotonic()
        watcher.started("labels")
        held_out = hold_out(table, watcher.progress)
        watcher.finished("labels", time.monotonic() - started)
    kinds: dict[str, tuple[DoubtfulPhoto, ...]] = {}
    sections = []
    if held_out is not None:
        issues = find_doubtful_labels(table, held_out)
        kinds["labels"] = _undecided(issues.photos, decided)
        sections.append(_label_section(table, kinds["labels"], issues.checked, issues.wrong_share))
    else:
        sections.append(_no_labels_section(table))
    kinds["duplicates"] = _undecided(find_conflicts(table, held_out), decided)
    sections.append(_duplicate_section(kinds["duplicates"]))
    kinds["odd"] = _undecided(find_odd_ones(table, find_outliers(table.features, table.groups)), decided)
    sections.append(_odd_section(kinds["odd"], len(table.samples)))
    if held_out is not None:
        sections.append(_pair_section(find_confusable(held_out, table.classes), table.are_tags))
    return Findings(each_once([photo for photos in kinds.values() for photo in photos]), tuple(sections), held_out)


def _undecided(photos: Sequence[DoubtfulPhoto], decided: set[str]) -> tuple[DoubtfulPhoto, ...]:
    return tuple(photo for photo in photos if photo.sample.id not in decided)


def each_once(photos: Sequence[DoubtfulPhoto]) -> tuple[DoubtfulPhoto, ...]:
    """Photos by their first place, with all that is doubtful about them."""
    merged: dict[str, DoubtfulPhoto] = {}
    for photo in photos:
        first = merged.get(photo.sample.id)
        if first is None:
            merged[photo.sample.id] = photo
        else:
            suggested = first.suggested if first.suggested is not None else photo.suggested
            merged[photo.sample.id] = replace(first, why=f"{first.why}; {photo.why}", suggested=suggested)
    return tuple(merged.values())


def _label_section(
    table: FeatureTable, photos: tuple[DoubtfulPhoto, ...], checked: int, wrong_share: float
) -> AuditSection:
    cells = "tags of photos" if table.are_tags else "labels"
    sentences = [
        f"labels that are probably wrong: {len(photos):,} of {_count(checked)}; about {wrong_share:.1%} of all {cells} "
        "are estimated to be wrong" + _first(photos)
    ]
    facts = {"checked": checked, "wrong_share": wrong_share, "photos": [_fact(photo) for photo in photos]}
    return AuditSection("labels", "Labels that are probably wrong", tuple(sentences), facts)


def _no_labels_section(table: FeatureTable) -> AuditSection:
    count = len(table.labelled)
    sentence = f"labels were not judged: {_count(count)} with labels, and {LEAST_PHOTOS} different ones are needed"
    return AuditSection(
        "labels", "Labels that are probably wrong", (sentence,), {"checked": 0, "wrong_share": None, "photos": []}
    )


def _duplicate_section(photos: tuple[DoubtfulPhoto, ...]) -> AuditSection:
    groups = len({photo.sample.group for photo in photos})
    sentence = f"duplicates with different labels: {_count(len(photos))} in {groups:,} group{'s' * (groups != 1)}"
    return AuditSection(
        "duplicates", "Duplicates with different labels", (sentence + _first(photos),),
        {"groups": groups, "photos": [{**_fact(photo), "group": photo.sample.group} for photo in photos]},
    )  # fmt: skip


def _odd_section(photos: tuple[DoubtfulPhoto, ...], count: int) -> AuditSection:
    sentence = f"photos like no other: {len(photos):,} of {count:,}{_first(photos)}"
    return AuditSection("odd", "Photos like no other", (sentence,), {"photos": [_fact(photo) for photo in photos]})


def _pair_section(pairs: tuple[ClassPair, ...], are_tags: bool) -> AuditSection:
    what = "tags" if are_tags else "classes"
    sentences = [
        f"{pair.first} and {pair.second} are {pair.verdict}: {_interval(pair.told_apart)} of their photos on the right "
        "side, 50% by chance"
        for pair in pairs[:_EXAMPLES]
    ] or [f"{what} that can't be told apart: none"]
    rows = tuple(
        (f"{pair.first} / {pair.second}", _interval(pair.told_apart), f"{pair.photos[0]:,} / {pair.photos[1]:,}",
         pair.verdict)
        for pair in pairs
    )  # fmt: skip
    facts: list[dict[str, Any]] = [
        {"classes": [pair.first, pair.second], "photos": list(pair.photos), **pair.told_apart.as_json(),
         "verdict": pair.verdict}
        for pair in pairs
    ]  # fmt: skip
    return AuditSection(
        "pairs", f"{what.capitalize()} that are hard to tell apart", tuple(sentences), {"pairs": facts},
        ("Pair", "On the right side", "Photos", "Verdict"), rows,
    )  # fmt: skip


def _interval(share: Interval) -> str:
    return f"{share.value:.0%} ({share.low:.0%}{_EN_DASH}{share.high:.0%})"


def _first(photos: Sequence[DoubtfulPhoto]) -> str:
    names = [f"{photo.sample.id}: {photo.why}" for photo in photos[:_EXAMPLES]]
    return "".join(f"\n  {name}" for name in names)


def _count(count: int) -> str:
    return f"{count:,} photo{'' if count == 1 else 's'}"


def _fact(photo: DoubtfulPhoto) -> dict[str, Any]:
    return {
        "photo": photo.sample.id, "split": photo.sample.split, "labels": list(photo.labels), "why": photo.why,
        "suggested": None if photo.suggested is None else list(photo.suggested), "margin": photo.margin,
    }  # fmt: skip
