"""Mistakes in a file's labels and metadata."""

from __future__ import annotations

from collections import Counter

from edgekd.inspection.ending import ending_of
from edgekd.inspection.lint.finding import Message, Subject

_SAY_INPUTS = "State in the file, or in a text beside it, what each input and output means"


def classes(subject: Subject) -> int | None:
    """How many classes the outputs score; None if no output looks like [N, classes]."""
    for key in subject.network.outputs:
        shape = subject.network.values[key].shape
        if shape is not None and len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 0:
            return shape[1]
    return None


def is_classifier(subject: Subject) -> bool:
    """Whether it takes one image and gives one choice among classes: it ends in a softmax or sigmoid, or has labels."""
    network = subject.network
    if len(network.inputs) != 1 or network.image() is None or len(network.outputs) != 1:
        return False
    shape = network.values[network.outputs[0]].shape
    if shape is None or len([size for size in shape[1:] if size != 1]) > 1:
        return False
    if subject.description.labels is not None:
        return True
    return ending_of(network, network.outputs[0]) in ("softmax", "softmax twice", "log_softmax", "sigmoid")


def label_count(subject: Subject) -> str | None:
    """A number of labels other than that of the outputs."""
    count, labels = classes(subject), subject.description.labels
    # A detector's labels are not of its first output.
    if count is None or labels is None or len(labels) == count or not is_classifier(subject):
        return None
    if count == 1 and len(labels) == 2:
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
    if count is None or subject.description.labels is not None or not is_classifier(subject):
        return None
    return f"{count} outputs and no labels in the file"


def no_metadata(subject: Subject) -> str | None:
    """A file without metadata."""
    if subject.description.has_metadata:
        return None
    missing = f"no {'TFLite metadata' if subject.is_tflite else 'metadata_props'}"
    if subject.network.image() is None:
        return Message(f"{missing}: nothing says what goes in and what comes out", fix=_SAY_INPUTS)
    return f"{missing}: the range of its input is not stated"
