"""Mistakes in a file's labels and metadata."""

from __future__ import annotations

from collections import Counter

from edgekd.inspection.lint.finding import Subject


def classes(subject: Subject) -> int | None:
    """How many classes the outputs score; None if no output looks like [N, classes]."""
    for key in subject.network.outputs:
        shape = subject.network.values[key].shape
        if shape is not None and len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 0:
            return shape[1]
    return None


def label_count(subject: Subject) -> str | None:
    """A number of labels other than that of the outputs."""
    count, labels = classes(subject), subject.description.labels
    if count is None or labels is None or len(labels) == count:
        return None
    hint = ": one is often a background class" if abs(len(labels) - count) == 1 else ""
    return f"{len(labels)} labels for {count} outputs{hint}"


def label_names(subject: Subject) -> str | None:
    """Labels that are empty or duplicated."""
    labels = subject.description.labels
    if labels is None:
        return None
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        return f"{len(twice)} labels occur more than once: {', '.join(map(repr, twice[:4]))}"
    return "a label is empty" if any(not label.strip() for label in labels) else None


def no_labels(subject: Subject) -> str | None:
    """A classifier without labels."""
    count = classes(subject)
    if count is None or subject.description.labels is not None or subject.network.image() is None:
        return None
    return f"{count} outputs and no labels in the file"


def no_metadata(subject: Subject) -> str | None:
    """A file without metadata."""
    if subject.description.has_metadata:
        return None
    return f"no {'TFLite metadata' if subject.is_tflite else 'metadata_props'}: the range of its input is not stated"
