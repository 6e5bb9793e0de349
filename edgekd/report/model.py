"""The typed contents of a report: read from a run directory, never measured here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgekd.bench.end_to_end import EndToEndLine
from edgekd.bench.statistics import Comparison, Summary
from edgekd.evaluation.tag_scores import TagScore
from edgekd.metrics import Interval
from edgekd.report.decisions import FileDecisions
from edgekd.report.gains import DistillationGain, FrontStep, Seeds
from edgekd.report.quantization import Ladder
from edgekd.report.search import SearchResult
from edgekd.report.teacher_heads import TeacherHead

# 2: the field's words for keys (distillation_gain, seeds, misclassified, from_scratch, distilled, predicted).
SCHEMA = 2
# Keys of tags and of decisions, in the report, its rows and its data: left out of a run that has none.
_LATER = {"tags", "mean_average_precision", "macro_f1", "exact_match", "photos", "decisions", "heads", "words"}


@dataclass(frozen=True)
class Gate:
    """A number and the bar it was given."""

    name: str
    value: float | None
    bar: float | None
    passed: bool
    message: str


@dataclass(frozen=True)
class Agreement:
    """How many of ``n`` predictions differ from those of the row ``other``."""

    other: str
    value: float
    differing: int
    n: int


@dataclass(frozen=True)
class Row:
    """One file of the table; None where nothing was checked or measured.

    ``network`` is the name of the one that a file has of an average.
    """

    row: str
    title: str
    artifact: str | None
    sha256: str | None
    parameters: int | None
    size_bytes: int | None
    accuracy: Interval | None
    balanced_accuracy: Interval | None
    agreement: Agreement | None
    largest_difference: float | None
    latency: Summary | None
    comparison: Comparison | None
    precision: str | None = None
    gzip_bytes: int | None = None
    network: str | None = None
    note: str = ""
    end_to_end: tuple[EndToEndLine, ...] = ()
    mean_average_precision: Interval | None = None
    macro_f1: Interval | None = None
    exact_match: Interval | None = None

    def score(self, metric: str) -> Interval | None:
        """The row's value of a metric; None where it was not checked, or is of other photos."""
        value: Interval | None = getattr(self, metric)
        return value


@dataclass(frozen=True)
class Int8Teacher:
    """The teacher in int8, and the shipped file against it; ``faster`` is None where it was not validly timed."""

    size_bytes: int
    score: Interval | None
    smaller: float
    faster: Interval | None = None
    verdict: str | None = None
    standing: str | None = None


@dataclass(frozen=True)
class Headline:
    """The one line, and its numbers. ``smaller`` and ``faster`` are factors against the teacher.
    ``standing`` is that of ``faster``, which is None where the measurement is invalid. ``end_to_end`` is of photos and
    frames whose ratio differs from that of the inference alone by more than a tenth.
    """

    text: str
    row: str | None = None
    size_bytes: int | None = None
    smaller: float | None = None
    faster: Interval | None = None
    verdict: str | None = None
    standing: str | None = None
    metric: str = "accuracy"
    score: Interval | None = None
    teacher_score: Interval | None = None
    failed_gates: tuple[str, ...] = ()
    end_to_end: tuple[EndToEndLine, ...] = ()
    int8_teacher: Int8Teacher | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Curve:
    """Validation score by epoch (the first is 1) of one training, by which the ``best_epoch`` was chosen.

    ``choice`` is the rule in words, empty in runs of earlier versions; ``wait_share`` the part of its time that it
    waited for photos.
    """

    row: str
    title: str
    epochs: tuple[int, ...]
    val_score: tuple[float, ...]
    best_epoch: int | None
    seconds: float | None
    wait_share: float | None = None
    metric: str = "accuracy"
    choice: str = ""


@dataclass(frozen=True)
class Teacher:
    """The teacher as its own stage describes it; no score where there were no validation photos.

    ``heads`` are those that were tried on an encoder, ``words`` says which class words it has.
    """

    name: str
    input_size: tuple[int, int]
    parameters: int
    val_score: Interval | None
    val_n: int
    seconds: float | None
    note: str = ""
    metric: str = "accuracy"
    heads: tuple[TeacherHead, ...] | None = None
    words: str | None = None


@dataclass(frozen=True)
class DataWarning:
    """A warning about the photos: its kind, how many photos, some of their names."""

    kind: str
    count: int
    examples: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Data:
    """Photos by split and class; the class of unlabelled ones is the empty string.

    ``photos`` are those of each split, where they have tags and are counted for each.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Mapping[str, int]]
    warnings: tuple[DataWarning, ...]
    duplicates: str
    photos: Mapping[str, int] | None = None


@dataclass(frozen=True)
class TagTable:
    """The tags of the shipped file, each with its scores and counts over the test photos."""

    row: str
    title: str
    tags: tuple[TagScore, ...]


@dataclass(frozen=True)
class MisclassifiedPhoto:
    """A photo of the test split that the shipped file misclassifies; classes by name.

    Where photos have tags, ``truth`` are its tags and ``predicted`` is which are missing and which are extra.
    """

    id: str
    truth: str
    predicted: str


@dataclass(frozen=True)
class Confusion:
    """Counts of the shipped file: a row per true class, a column per predicted class."""

    row: str
    title: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def errors_by_class(self) -> list[int]:
        """Wrong predictions of each class's photos, and wrong predictions as that class, together."""
        predicted = [sum(column) for column in zip(*self.counts, strict=True)]
        return [sum(line) + predicted[k] - 2 * line[k] for k, line in enumerate(self.counts)]


@dataclass(frozen=True)
class Bench:
    """How the latencies were measured."""

    device: str
    baseline: str
    threads: int
    launches: int
    photos: int
    runtimes: tuple[str, ...]
    disturbances: tuple[str, ...]
    failures: tuple[str, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Provenance:
    """What produced the run: enough to repeat it."""

    name: str
    edgekd: str
    seed: int | None
    recipe_digest: str
    command: str
    versions: Mapping[str, str]
    machine: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """A whole report. ``missing`` names the files that a partial run lacks, ``problems`` what does not fit together."""

    headline: Headline
    provenance: Provenance
    metric: str
    test_n: int
    missing: tuple[str, ...]
    problems: tuple[str, ...]
    gates: tuple[Gate, ...]
    rows: tuple[Row, ...]
    distillation_gain: DistillationGain | None
    seeds: Seeds | None
    labels_used: str
    teacher: Teacher | None
    curves: tuple[Curve, ...]
    data: Data | None
    confusion: Confusion | None
    misclassified: tuple[MisclassifiedPhoto, ...]
    bench: Bench | None
    ladder: Ladder | None = None
    steps: tuple[FrontStep, ...] = ()
    search: SearchResult | None = None
    tags: TagTable | None = None
    decisions: tuple[FileDecisions, ...] | None = None
    shipping_notes: tuple[str, ...] = ()

    def row(self, name: str) -> Row | None:
        """The row of that name, if it is there."""
        return next((row for row in self.rows if row.row == name), None)

    def title_of(self, name: str) -> str:
        """The title of the row of that name; the name itself where there is none."""
        row = self.row(name)
        return row.title if row else name

    @property
    def baseline_title(self) -> str:
        """What the latencies are compared with: the teacher, unless it could not be timed."""
        row = self.row(self.bench.baseline) if self.bench else None
        return row.title if row else "teacher"

    def to_json(self) -> dict[str, Any]:
        """The versioned value that report.json holds."""
        value = {"schema": SCHEMA, **asdict(self)}
        for part in (value, value["data"] or {}, value["teacher"] or {}, *value["rows"]):
            for name in _LATER & part.keys():
                if part[name] is None:
                    del part[name]
        return value
