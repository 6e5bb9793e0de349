"""A first recipe for photos that were looked at: every choice with the reason for it.

What is proposed follows from counts, sizes and duplicates alone; nothing is trained.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from edgekd.data.dataset import Dataset
from edgekd.data.splitting import Candidate, SplitPolicy, assign
from edgekd.metrics import wilson
from edgekd.recipe.budget import Budget, amount
from edgekd.recipe.choice import Choice
from edgekd.recipe.teacher_proposal import TeacherPlan, plan_teacher, teacher_training, views_within
from edgekd.text import one_line
from edgekd.training.schedule import StudentSchedule

# A class this many times as large as another makes accuracy a matter of the large one.
_IMBALANCE = 1.5
# With fewer labels, larger shares leave more than a handful of photos to choose and to judge by.
_FEW_LABELS = 150
_MANY_LABELS = 5_000
# Photos whose size is looked at: spread over all, a few seconds of decoding.
_SIZES_READ = 64
# Input sizes that EfficientNet's five halvings divide.
_SIZE_STEP = 32
_TEACHER_SIZES = (96, 224)
_STUDENT_MOST = 128
_SMALL_POOL, _LARGE_POOL = 500, 5_000
_WIDTH = 110
_PLACES = {
    "source": "labelled photos; paths are relative to this file",
    "images": "where the photos of the CSV are",
    "unlabelled": "photos without labels, which the teacher labels and the student learns from",
    "none": "photos that show none of the classes, or no tag",
}


@dataclass(frozen=True)
class Proposal:
    """The ``choices`` for a recipe, the photos by split as it would have them, and sentences on the photos."""

    choices: tuple[Choice, ...]
    splits: dict[str, int]
    facts: tuple[str, ...]

    def to_toml(self, name: str, places: Mapping[str, str]) -> str:
        """The recipe as TOML with a comment on every choice.

        Args:
            name: The recipe's name.
            places: The keys of [data] that say where photos are, with the paths as the recipe shall have them.
        """
        tables: dict[str, list[str]] = {"": _lines(Choice("", "name", name, "runs/ gets a folder of this name"))}
        tables["data"] = [
            line for key, place in places.items() for line in _lines(Choice("data", key, place, _PLACES[key]))
        ]
        for choice in self.choices:
            tables.setdefault(choice.table, []).extend(_lines(choice))
        text = [line for fact in self.facts for line in _comment(fact)]
        for table, lines in tables.items():
            text += ["", *([f"[{table}]"] if table else []), *lines]
        return "\n".join(text) + "\n"


def _lines(choice: Choice) -> list[str]:
    return [*_comment(choice.reason), choice.assignment]


def _comment(text: str) -> list[str]:
    # A class may be called anything: a line break in a comment would make the rest of it TOML.
    return textwrap.wrap(one_line(text), _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def propose(
    dataset: Dataset, budget: Budget | None = None, view_seconds: Callable[[int, str], float] | None = None
) -> Proposal:
    """Propose a recipe for photos that were loaded with their own splits alone (``SplitPolicy(val=0, test=0)``).

    With a ``budget`` its student is looked for. ``view_seconds`` measures how long a built-in network takes for a view
    at an input size, so that a budget of minutes is kept.

    Raises: SplitError where a class has too few photos; DataError where a photo is gone.
    """
    split_choices, splits = _split(dataset)
    sides = _short_sides(dataset)
    pool = splits.get("train", 0) + splits.get("unlabelled", 0)
    wanted, size = _views(pool), _teacher_size(sides)
    measure = partial(view_seconds, size) if budget and budget.minutes and view_seconds else None
    teacher = plan_teacher(pool, int(wanted.value), budget.minutes if budget else None, measure)
    choices = [
        *_answers(dataset),
        *split_choices,
        wanted if teacher.view_s is None else _views_within(wanted, pool, teacher.view_s, budget),
        *_networks(sides, splits.get("unlabelled", 0), pool, teacher, budget),
    ]
    return Proposal(tuple(choices), splits, _facts(dataset, sides, splits))


def _count_labelled(dataset: Dataset) -> int:
    return sum(not sample.is_unlabelled for sample in dataset.samples)


def _count_classes(dataset: Dataset) -> Counter[int]:
    return Counter(number for sample in dataset.samples for number in sample.class_numbers)


def _answers(dataset: Dataset) -> list[Choice]:
    """What a photo is answered with, what judges it, and by which thresholds."""
    if dataset.task == "single-label":
        return [_metric(dataset)]
    several = sum(len(sample.tags or ()) > 1 for sample in dataset.samples)
    text = (
        f"photos have any number of tags: {several:,} have several, {sum(s.tags == () for s in dataset.samples):,} none"
    )
    threshold = "each tag is given from the probability of its best F1 on validation photos; or from one number, as 0.5"
    return [
        Choice("", "metric", "mean_average_precision", 'over the tags, without thresholds; or "macro_f1", with them'),
        Choice("data", "task", "multi-label", text),
        Choice("decide", "thresholds", "f1", threshold),
    ]


def _metric(dataset: Dataset) -> Choice:
    labelled = _count_classes(dataset)
    (most, most_count), (least, least_count) = labelled.most_common()[0], labelled.most_common()[-1]
    ratio = most_count / least_count
    names = [dataset.classes[label] for label in (most, least)]
    if ratio > _IMBALANCE:
        return Choice(
            "", "metric", "balanced_accuracy",
            f"the mean recall of the classes: {names[0]} has {ratio:.1f} times the photos of {names[1]}, so that plain "
            "accuracy would hardly notice the smaller one",
        )  # fmt: skip
    return Choice("", "metric", "accuracy", f"the classes are about equally large: {least_count:,} photos and more")


def _shares(labels: int) -> tuple[dict[str, float], str]:
    """The shares of val and test that suit so many labels, and why."""
    if labels < _FEW_LABELS:
        why = f"larger shares than usual, because {labels:,} labels leave few photos to choose and to judge by"
        return {"val": 0.2, "test": 0.25}, why
    if labels > _MANY_LABELS:
        return {"val": 0.1, "test": 0.1}, f"of {labels:,} labels, smaller shares are photos enough"
    return {"val": 0.15, "test": 0.2}, "the rest is trained on"


def _split(dataset: Dataset) -> tuple[list[Choice], dict[str, int]]:
    """Shares of the splits that the photos do not have themselves, and the photos by split as they give them."""
    shares, reason = _shares(_count_labelled(dataset))
    missing = [name for name in shares if not dataset.split(name)]
    splits = _count_splits(dataset, SplitPolicy(**{name: shares[name] for name in missing}))
    uses = {"val": "validation photos choose epochs and int8 ranges", "test": "test photos only judge"}
    choices = []
    for name in missing:
        photos = splits.get(name, 0)
        text = f"{uses[name]}: about {photos:,}"
        if name == "test":
            text += f", so that 90 % right is known to within {_half_width(photos):.0%}; {reason}"
        choices.append(Choice("data.split", name, shares[name], text))
    return choices, splits


def _half_width(photos: int) -> float:
    interval = wilson(round(0.9 * photos), max(photos, 1))
    return (interval.high - interval.low) / 2


def _count_splits(dataset: Dataset, policy: SplitPolicy) -> dict[str, int]:
    given = {sample.split for sample in dataset.samples} & {"val", "test"}
    candidates = [
        Candidate(s.sha256, s.label, s.split if given or s.split != "train" else None, s.group, s.tags)
        for s in dataset.samples
    ]
    counts = Counter(photo.split for photo in assign(candidates, dataset.classes, policy))
    return {name: counts[name] for name in ("train", "val", "test", "unlabelled") if counts[name]}


def _views(pool: int) -> Choice:
    views = 16 if pool < _SMALL_POOL else 4 if pool > _LARGE_POOL else 8
    why = {16: "few photos: the student sees each in many forms", 4: "many photos: each needs few forms"}
    text = why.get(views, "crops, mirrors and lighting that the student sees of each photo")
    return Choice(
        "data.views", "views", views,
        f"{text} ({pool:,} photos to learn from); the teacher labels every view once. Set flip = false where left and "
        "right matter, as for signs",
    )  # fmt: skip


def _views_within(wanted: Choice, pool: int, view_s: float, budget: Budget | None) -> Choice:
    """As many views as the teacher can label in its share of the minutes."""
    assert budget is not None and budget.minutes is not None
    views = min(int(wanted.value), max(1, views_within(budget.minutes, view_s, pool)))
    text = (
        f"the teacher takes {1000 * view_s:.0f} ms for a view here, about {view_s * pool * views / 60:.1f} minutes for "
        f"{pool:,} photos"
    )
    text += f"; more than {views} would take too much of {budget.minutes:g} minutes" if views < wanted.value else ""
    return Choice(wanted.table, wanted.key, views, f"{wanted.reason.rstrip('.')}; {text}")


def _teacher_size(sides: list[int]) -> int:
    low, high = _TEACHER_SIZES
    return min(high, max(low, int(median(sides)) // _SIZE_STEP * _SIZE_STEP))


def _networks(
    sides: list[int], unlabelled: int, pool: int, teacher: TeacherPlan, budget: Budget | None
) -> list[Choice]:
    side, size, high = int(median(sides)), _teacher_size(sides), _TEACHER_SIZES[1]
    about = f"photos have a shorter side of about {side:,} px"
    return [
        teacher.choice,
        Choice(
            "teacher", "input_size", size,
            f"{about}: {'its full size' if size == high else 'more pixels would be made up'}",
        ),
        *teacher_training(unlabelled, budget),
        *(_named_student(min(size, _STUDENT_MOST)) if budget is None else _student_within(budget, pool)),
    ]  # fmt: skip


def _student_within(budget: Budget, pool: int) -> list[Choice]:
    limits = budget.model_dump(exclude_none=True)
    reasons = {"minutes": "for the whole run: the search and the trainings are made to fit", "device": "measured there"}
    return [
        Choice("student", "model", "auto", "the best that the budget allows, looked for once there is a teacher"),
        *(
            Choice("student.budget", key, value, reasons.get(key) or amount(key.removeprefix("max_"), float(value)))
            for key, value in limits.items()
        ),
        _epochs(pool, budget.minutes),
    ]


def _epochs(pool: int, minutes: float | None) -> Choice:
    """How long the student is trained: by its photos, and by the time allowed."""
    patient = StudentSchedule(epochs="auto").patient_epochs(pool)
    text = f"{patient} passes over {pool:,} photos are about {StudentSchedule.STEPS:,} steps"
    text += f"; fewer where they would not fit {minutes:g} minutes" if minutes else ""
    return Choice("distill.schedule", "epochs", "auto", text)


def _named_student(student: int) -> list[Choice]:
    return [
        Choice(
            "student", "model", f"slice:12-8-11x0.35@{student}",
            "the teacher's first 12 blocks without two of them, with 35 % of the channels: about 290 kB in int8. Other "
            'sizes: "slice:12-8-11x0.09@128" (about 100 kB), "slice:12-8-11x0.48@160" (about 390 kB)',
        ),
    ]  # fmt: skip


def _short_sides(dataset: Dataset) -> list[int]:
    spread = np.unique(np.linspace(0, len(dataset.samples) - 1, _SIZES_READ).astype(int))
    return [min(dataset.read(dataset.samples[i]).shape[:2]) for i in spread]


def _facts(dataset: Dataset, sides: list[int], splits: dict[str, int]) -> tuple[str, ...]:
    counts, kind = _count_classes(dataset), "classes" if dataset.task == "single-label" else "tags"
    classes = ", ".join(f"{name} {counts[number]:,}" for number, name in enumerate(dataset.classes))
    return (
        f"{_count_labelled(dataset):,} labelled photos of {len(dataset.classes)} {kind}: {classes}",
        f"shorter sides of {min(sides):,} to {max(sides):,} px (in {len(sides)} of the photos)",
        "splits: " + ", ".join(f"{name} {count:,}" for name, count in splits.items()),
        dataset.duplicates.message,
    )
