"""Photos that a person should look at: doubtful labels, duplicates with two labels, photos like nothing else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from edgekd.audit.confident_learning import find_label_issues
from edgekd.audit.held_out import HeldOut
from edgekd.audit.outliers import Outliers
from edgekd.data.dataset import Sample
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.task import NONE_LABEL

# With fewer groups of labelled photos no head is fitted.
LEAST_PHOTOS = 20
_MOST_OF_A_GROUP = 6


@dataclass(frozen=True)
class DoubtfulPhoto:
    """A photo to look at.

    Attributes:
        sample: The photo.
        why: What is doubtful, in a sentence.
        labels: Names of its class or tags, as the data has them; empty for an unlabelled photo.
        suggested: Names that it probably should have; None where nothing is suggested.
        margin: Held-out probability of its label less that of the most probable other one; None where not judged.
    """

    sample: Sample
    why: str
    labels: tuple[str, ...]
    suggested: tuple[str, ...] | None = None
    margin: float | None = None


@dataclass(frozen=True)
class LabelIssues:
    """Photos whose labels are probably wrong, the most doubtful first, and the estimated share of wrong labels.

    Of tags, the share is that of all cells, a photo and a tag each.
    """

    photos: tuple[DoubtfulPhoto, ...]
    checked: int
    wrong_share: float


def find_doubtful_labels(table: FeatureTable, held_out: HeldOut) -> LabelIssues:
    """Photos whose held-out probabilities contradict their labels, by confident learning; of tags, tag by tag."""
    if table.are_tags:
        return _doubtful_tags(table, held_out)
    joint = find_label_issues(held_out.truth.astype(np.int64), held_out.probabilities, held_out.judged)
    photos = []
    for place, other in zip(joint.issues, joint.suggested, strict=True):
        own = table.classes[held_out.truth[place]]
        given, meant = held_out.probabilities[place, [held_out.truth[place], other]]
        why = f"probably {table.classes[other]} ({meant:.0%}), not {own} ({given:.0%})"
        photos.append(
            DoubtfulPhoto(
                table.samples[held_out.rows[place]], why, (own,), (table.classes[other],), float(joint.margins[place])
            )
        )
    return LabelIssues(tuple(photos), len(held_out.rows), joint.wrong_share)


def find_conflicts(table: FeatureTable, held_out: HeldOut | None) -> tuple[DoubtfulPhoto, ...]:
    """Photos of groups of duplicates that have different labels; the more probable label of the group is suggested."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row in table.labelled:
        groups[table.samples[row].group].append(int(row))
    places = {} if held_out is None else {int(row): place for place, row in enumerate(held_out.rows)}
    photos: list[DoubtfulPhoto] = []
    for rows in groups.values():
        by_label: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for row in rows:
            by_label[labels_of(table, row)].append(row)
        if len(by_label) < 2:
            continue
        meant = _likeliest(table, by_label, held_out, places)
        # One of each label first, so that a large group shows its labels.
        order = sorted(
            (number, label, row) for label, members in by_label.items() for number, row in enumerate(members)
        )
        for _, label, row in order[:_MOST_OF_A_GROUP]:
            photos.append(
                DoubtfulPhoto(
                    table.samples[row], _twins(table, row, rows), label,
                    meant if meant is not None and meant != label else None,
                )
            )  # fmt: skip
    return tuple(photos)


def find_odd_ones(table: FeatureTable, outliers: Outliers) -> tuple[DoubtfulPhoto, ...]:
    """Photos like nothing else, the farthest first."""
    return tuple(
        DoubtfulPhoto(
            table.samples[row],
            f"like no other photo: distance {outliers.distances[row]:.2f}, most are below {outliers.fence:.2f}",
            labels_of(table, int(row)),
        )
        for row in outliers.rows
    )


def labels_of(table: FeatureTable, row: int) -> tuple[str, ...]:
    """Names of a photo's class or tags."""
    return tuple(table.classes[number] for number in table.samples[row].class_numbers)


def describe_labels(labels: tuple[str, ...], *, is_unlabelled: bool = False) -> str:
    """Labels in words, also where there are none."""
    return "no label" if is_unlabelled else ", ".join(labels) or NONE_LABEL


def _doubtful_tags(table: FeatureTable, held_out: HeldOut) -> LabelIssues:
    flips: dict[int, list[tuple[float, int]]] = defaultdict(list)
    shares = []
    for tag in range(len(table.classes)):
        present = held_out.probabilities[:, tag]
        judged = np.repeat(held_out.judged[:, [tag]], 2, axis=1)
        joint = find_label_issues(
            held_out.truth[:, tag].astype(np.int64), np.column_stack([1 - present, present]), judged
        )
        shares.append(joint.wrong_share)
        for place in joint.issues:
            flips[int(place)].append((float(joint.margins[place]), tag))
    photos = []
    for place, found in sorted(flips.items(), key=lambda item: (min(item[1]), item[0])):
        row = int(held_out.rows[place])
        changed = {tag for _, tag in found}
        now = set(table.samples[row].class_numbers)
        meant = tuple(table.classes[tag] for tag in sorted(now ^ changed))
        parts = [
            f"{table.classes[tag]} probably {'does not show' if tag in now else 'shows'} "
            f"({held_out.probabilities[place, tag]:.0%})"
            for _, tag in sorted(found)
        ]
        photos.append(DoubtfulPhoto(table.samples[row], "; ".join(parts), labels_of(table, row), meant, min(found)[0]))
    return LabelIssues(tuple(photos), len(held_out.rows), float(np.mean(shares)) if shares else 0.0)


def _twins(table: FeatureTable, row: int, rows: list[int]) -> str:
    """Which other photo of the group has another label, and whether it is the same file."""
    own = labels_of(table, row)
    others = [other for other in rows if labels_of(table, other) != own]
    same = [other for other in others if table.samples[other].sha256 == table.samples[row].sha256]
    other = (same or others)[0]
    how = "the same file as" if same else "nearly the same photo as"
    return f"{how} {table.samples[other].id}, which is {describe_labels(labels_of(table, other))}"


def _likeliest(
    table: FeatureTable, by_label: dict[tuple[str, ...], list[int]], held_out: HeldOut | None, places: dict[int, int]
) -> tuple[str, ...] | None:
    """The label of a group of duplicates that is the most probable for all of them; None for tags."""
    if held_out is None or table.are_tags:
        return None
    rows = [places[row] for members in by_label.values() for row in members]
    mean = held_out.probabilities[rows].mean(axis=0)
    return max(by_label, key=lambda label: float(mean[table.classes.index(label[0])]))
