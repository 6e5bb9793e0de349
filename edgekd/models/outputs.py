"""From whatever a classifier ends in to logits, so that a softmax can never be applied twice.

Probabilities p become ``log p``, which are the logits up to a constant a row: a softmax, at any temperature, gives
the same. Zeros are first raised to half the smallest step that the output can hold, or to their share of what the
other classes leave of 1 where that is less: so no logarithm is infinite, and many zeros do not outweigh the rest.
Probabilities of tags, each by itself, become log-odds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgekd.data.names import clean_name, explain_unknown
from edgekd.errors import ModelError
from edgekd.inspection.ending import Ending as Ending
from edgekd.task import Task

SMALLEST = float(np.finfo(np.float32).tiny)
"""Floor of a float32 probability: the smallest normal number, a logit of -87."""
_SUM_TOLERANCE = 1e-3
Rows = npt.NDArray[np.float32]


class NotTheseClassesError(ModelError):
    """A network whose outputs are not, or not known to be, the scores of the data's classes."""


@dataclass(frozen=True)
class Scores:
    """How a network's rows become logits: ``kind`` is what they are, ``floor`` the least probability told apart from 0.

    "sigmoids" are probabilities of tags, "sigmoid" and "logit" one output for two classes. ``source`` says how that is
    known.
    """

    kind: Literal["logits", "probabilities", "sigmoid", "logit", "sigmoids"]
    floor: float = SMALLEST
    source: str = ""

    def logits(self, rows: npt.NDArray[np.floating]) -> Rows:
        """Logits float32 [N, C] of rows [N, C]; of a single sigmoid or logit [N, 1], of its two classes [N, 2]."""
        values = np.asarray(rows, np.float64)
        if self.kind == "probabilities":
            return np.log(_with_floor(values, self.floor)).astype(np.float32)
        if self.kind in ("sigmoid", "sigmoids"):
            values = np.log(np.maximum(values, self.floor)) - np.log(np.maximum(1 - values, self.floor))
        if self.kind in ("sigmoid", "logit"):
            values = np.concatenate([np.zeros_like(values), values], axis=1)
        return values.astype(np.float32)

    @property
    def classes_per_output(self) -> int:
        """2 where a single output tells two classes apart."""
        return 2 if self.kind in ("sigmoid", "logit") else 1


def _with_floor(values: npt.NDArray[np.float64], floor: float) -> npt.NDArray[np.float64]:
    """Probabilities [N, C] without zeros: those below ``floor`` share what the others leave of 1, ``floor`` each at
    most.

    A thousand zeros of a quantized softmax, raised to half a step each, would outweigh the likeliest class.
    """
    low = values < floor
    rest = 1 - np.where(low, 0, values).sum(axis=1, keepdims=True)
    shares = np.maximum(rest, floor) / np.maximum(low.sum(axis=1, keepdims=True), 1)
    return np.where(low, np.maximum(np.minimum(shares, floor), SMALLEST), values)


def judge_outputs(
    ending: Ending, rows: npt.NDArray[np.floating], where: str, *, step: float = 0.0, task: Task = "single-label"
) -> Scores:
    """What rows [N, C] that a network gave for real photos are; ``ending`` is what its graph says.

    ``step`` is the distance of the output's values: a quantized one's scale, a half float's precision. Each may be off
    by half of it, and the largest by all of it, because 1 itself is often out of range.

    Raises ModelError for outputs that are not what the ``task`` takes (one choice among classes, or tags that are
    independent of each other), or are flattened by two softmaxes.
    """
    values = np.asarray(rows, np.float64)
    if not np.isfinite(values).all():
        raise ModelError(f"{where} gives NaN or infinity. Check [teacher] pixel_range, mean and std")
    classes = values.shape[1]
    floor = step / 2 if step else SMALLEST
    if ending == "softmax twice":
        raise ModelError(
            f"{where} applies a softmax to a softmax, which flattens its answers. Export it again with one, or none"
        )
    if task == "multi-label":
        return _judge_tags(ending, values, floor, step, where)
    if ending == "sigmoid":
        return _sigmoid(classes, floor, where)
    if classes == 1:
        if ending == "logits":
            return Scores("logit", source="one logit")
        raise NotTheseClassesError(
            f"{where} has one output, and its graph does not show whether that is a probability. Let it end in a "
            "sigmoid, or in two logits"
        )
    sums, probable = values.sum(axis=1), _sums_to_one(values, step)
    if ending == "softmax" and not probable:
        raise ModelError(
            f"{where} ends in a softmax, but its outputs add up to {sums.min():.3g} to {sums.max():.3g} a photo: it is "
            "taken along another axis, or is not the last thing. Export it again"
        )
    if probable:
        return _probabilities(values, ending, floor, where)
    if ending == "unknown" and values.min() >= 0 and values.max() <= 1:
        raise _independent(where, classes)
    return Scores("logits", source="its last op" if ending != "unknown" else "they are not probabilities")


def _sums_to_one(values: npt.NDArray[np.float64], step: float) -> bool:
    off = np.abs(values.sum(axis=1) - 1).max()
    return bool((values >= 0).all() and off <= max(_SUM_TOLERANCE, (values.shape[1] / 2 + 1) * step))


def _judge_tags(ending: Ending, values: npt.NDArray[np.float64], floor: float, step: float, where: str) -> Scores:
    """What the outputs of a teacher of tags are: probabilities of sigmoids, or their logits."""
    if ending in ("softmax", "log_softmax") or (ending == "unknown" and _sums_to_one(values, step)):
        raise softmax_for_tags(where)
    between = bool(values.min() >= 0 and values.max() <= 1)
    if ending == "sigmoid" or (ending == "unknown" and between):
        source = "sigmoids are its last op" if ending == "sigmoid" else f"on {len(values)} photos they are all 0 to 1"
        return Scores("sigmoids", max(floor, float(np.finfo(np.float32).epsneg)), source)
    return Scores("logits", source="its last op" if ending != "unknown" else "they are not probabilities")


def softmax_for_tags(where: str) -> ModelError:
    """The error of a softmax where photos have tags."""
    return ModelError(
        f"{where} ends in a softmax, one choice among its classes: their probabilities sum to 1, so it can't give a "
        "photo two tags, or none. Photos with tags take a teacher that ends in sigmoids, or in one logit a tag; for "
        'one class a photo, set data.task = "single-label"'
    )


def _sigmoid(classes: int, floor: float, where: str) -> Scores:
    if classes != 1:
        raise _independent(where, classes)
    # 1 - p is told apart from 0 down to the precision of p near 1.
    return Scores("sigmoid", max(floor, float(np.finfo(np.float32).epsneg)), "a sigmoid is its last op")


def _independent(where: str, classes: int) -> ModelError:
    return NotTheseClassesError(
        f"{where} gives {classes} independent scores from sigmoids, and not one choice among {classes} classes. A "
        "teacher must end in logits or in a softmax (of two classes: in one sigmoid); photos with tags, data.task = "
        '"multi-label", take sigmoids'
    )


def _probabilities(values: npt.NDArray[np.float64], ending: Ending, floor: float, where: str) -> Scores:
    if ending in ("softmax", "log_softmax"):
        return Scores("probabilities", floor, "a softmax is its last op")
    spread = np.log(np.maximum(values.max(axis=1), floor)) - np.log(np.maximum(values.min(axis=1), floor))
    if spread.max() <= 1:
        raise ModelError(
            f"{where} gives probabilities of which, on {len(values)} photos, none is more than e times another: two "
            "softmaxes in a row do that, or an untrained network. Export it again with one softmax, or none"
        )
    return Scores("probabilities", floor, f"the outputs for {len(values)} photos each add up to 1")


def class_columns(names: tuple[str, ...], classes: tuple[str, ...], outputs: int, where: str) -> npt.NDArray[np.int64]:
    """For every class of the data, which column of the teacher's logits [N, outputs] has its name.

    A teacher may know more classes than the data. Raises ModelError for names that are missing, too many, too few, or
    ambiguous.
    """
    if not names:
        raise NotTheseClassesError(
            f"{where}: which output is which class? The file does not say. Add to [teacher]: classes = [...], the "
            f"names of its {outputs} outputs in their order, or the path of a text file with a name a line (the data "
            f"has {', '.join(classes)})"
        )
    if len(names) != outputs:
        raise NotTheseClassesError(
            f"{where} has {outputs} outputs and {len(names)} class names ({_some(names)}). Correct [teacher] classes: "
            "one name an output, in their order"
        )
    names = tuple(map(clean_name, names))
    missing = [name for name in classes if name not in names]
    if missing:
        raise NotTheseClassesError(
            f"{where} does not know the data's class {', '.join(missing)} (it knows {_some(names)})"
            f"{explain_unknown(missing, names)}. If it has another name for it, write the data's into [teacher] classes"
        )
    counts = Counter(names)
    twice = [name for name in classes if counts[name] > 1]
    if twice:
        raise ModelError(
            f"{where} has {counts[twice[0]]} outputs called {twice[0]!r}. Give each a different "
            "name in [teacher] classes"
        )
    return np.array([names.index(name) for name in classes], np.int64)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:10])} and {len(names) - 10} more"
