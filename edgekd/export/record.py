"""The record in every shipped file: all that is needed to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekd._version import __version__
from edgekd.errors import ExportError
from edgekd.export.options import Layout
from edgekd.formats.artifact import BLANK_SEAL, SCHEMA
from edgekd.formats.decision import Decision
from edgekd.preprocess import Preprocessing
from edgekd.storage import digest


@dataclass(frozen=True)
class Record:
    """Labels in the order of the outputs, preprocessing, precision, range and provenance of one file.

    ``decision`` is how an answer follows from the probabilities; None stands for the most probable class.
    """

    labels: tuple[str, ...]
    preprocessing: Preprocessing
    precision: str
    range_in_graph: Mapping[str, float]
    provenance: Mapping[str, Any]
    layout: Layout = "nhwc"
    license: str = "not stated"
    version: str = "1"
    decision: Decision | None = None

    def __post_init__(self) -> None:
        check_labels(self.labels)

    @property
    def author(self) -> str:
        """What made the file."""
        return f"edgekd {__version__}"

    def provenance_sha256(self) -> str:
        """Hex SHA-256 of the provenance, the same for every file of one export with one conversion."""
        return digest(dict(self.provenance))

    def describe(self) -> str:
        """One line for people."""
        kind = "classes" if self.decision is None or self.decision.task == "single-label" else "tags"
        return (
            f"Image classifier, {len(self.labels)} {kind}, {self.precision}, made by edgekd; "
            f"provenance sha256:{self.provenance_sha256()}"
        )

    def to_json(self, *, sealed: bool = True) -> str:
        """The record on one line, with a blank seal (``artifact.seal`` fills it in) or without one."""
        value = {
            "schema": SCHEMA,
            **({"seal": BLANK_SEAL} if sealed else {}),
            "labels": list(self.labels),
            "preprocessing": self.preprocessing.model_dump(),
            "precision": self.precision,
            "range_in_graph": dict(self.range_in_graph),
            "layout": self.layout,
            "license": self.license,
            "version": self.version,
            "provenance": dict(self.provenance),
            **({} if self.decision is None else {"decision": self.decision.as_json()}),
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def check_labels(labels: tuple[str, ...]) -> None:
    """Raise ExportError unless labels are distinct, not empty and fit a labels file with one label per line."""
    bad = [label for label in labels if not label.strip() or "\n" in label or "\r" in label]
    if bad or len(set(labels)) != len(labels):
        raise ExportError(
            f"labels must be distinct, not empty and without line breaks, got {list(labels)}. Rename them"
        )
