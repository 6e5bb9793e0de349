"""An objective bound to one student: the loss that the training loop calls, and what it needs of both networks."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from edgekd.distill.confidence import ConfidenceThreshold, ConfidenceWeight
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.table import OnLogits, Term, Weighted, terms_of
from edgekd.distill.vectors import VectorTeacher
from edgekd.errors import ModelError


@dataclass(frozen=True)
class BoundObjective:
    """The loss of a training, as ``edgekd.training.loop.train`` takes it.

    ``tapped`` gives the student's logits and then each tap's (projected) features, on the student's own layers; None
    where the objective compares logits alone. ``teacher_layers`` are the teacher's layers whose outputs come with every
    batch, in this order, after its logits.
    """

    terms: tuple[Term, ...]
    confidence: ConfidenceWeight | ConfidenceThreshold | None
    tapped: Any
    teacher_layers: tuple[str, ...]
    layer_of_term: tuple[int, ...]

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]: of logits [B, C], or of (logits, features, ...) of both where there are taps.

        Every photo counts in full here; the training loop multiplies by ``trust``.
        """
        ours, theirs = (student, teacher) if self.tapped is not None else ((student,), (teacher,))
        total, seen = 0.0, 0
        for term in self.terms:
            if isinstance(term.objective, FeatureObjective):
                value = term.objective(labels, ours[1 + seen], theirs[1 + self.layer_of_term[seen]])
                seen += 1
            else:
                value = term.objective(labels, ours[0], theirs[0])
            total = total + term.weight * value
        return total

    def trust(self, labels: Any, teacher: Any, sure: Any = None) -> Any:
        """What the loss of each photo counts for [B]; ``sure`` [B] is the teacher's certainty where views are mixed."""
        if self.confidence is None:
            return 1.0
        return self.confidence(labels, teacher if self.tapped is None else teacher[0], sure)


def bind(
    objective: OnLogits | Weighted,
    student: Any,
    teacher: Any = None,
    confidence: ConfidenceWeight | ConfidenceThreshold | None = None,
) -> BoundObjective:
    """Bind an objective to Keras models; ``teacher`` may be None where no features are asked for.

    Of a `VectorTeacher` the student's maps are compared with vectors, as their mean over all places.

    Makes the projectors' weights, by Keras' global seed. Raises ModelError where a tap names no layer, or features are
    asked of a teacher that has none to show.
    """
    terms, layers = terms_of(objective), teacher_layers(objective, teacher)
    outputs, which = list(student.outputs), []
    for term in terms:
        if not isinstance(term.objective, FeatureObjective):
            continue
        layer = find_tap(teacher, term.objective.taps.teacher, "teacher")
        maps = student.get_layer(find_tap(student, term.objective.taps.student, "student")).output
        if isinstance(teacher, VectorTeacher):
            # What is compared with a vector is the mean over all places.
            maps = _pooled(maps)
        channels = int(teacher.get_layer(layer).output.shape[-1])
        projector = term.objective.projector(int(maps.shape[-1]), channels)
        outputs.append(maps if projector is None else projector(maps))
        which.append(layers.index(layer))
    return BoundObjective(terms, confidence, _model(student, outputs), layers, tuple(which))


def bind_logits(
    objective: OnLogits | Weighted, confidence: ConfidenceWeight | ConfidenceThreshold | None = None
) -> BoundObjective:
    """An objective's terms with no taps, for trainings of logits alone (``quantize.logit_loss`` drops the others)."""
    return BoundObjective(terms_of(objective), confidence, None, (), ())


def teacher_layers(objective: OnLogits | Weighted, teacher: Any) -> tuple[str, ...]:
    """The teacher's layers that an objective taps, each once, in the order of its terms; none for logits alone.

    Raises ModelError where a tap names no layer, or ``teacher`` is None and features are asked of it.
    """
    layers: list[str] = []
    for term in terms_of(objective):
        if not isinstance(term.objective, FeatureObjective):
            continue
        if teacher is None:
            raise ModelError(
                f"{term.objective.name} compares features, and this teacher shows only its logits. "
                "Take a .keras teacher, or an objective on logits"
            )
        layer = find_tap(teacher, term.objective.taps.teacher, "teacher")
        if layer not in layers:
            layers.append(layer)
    return tuple(layers)


def find_tap(model: Any, name: str, whose: str) -> str:
    """The layer that a tap means: see ``Taps``. Raises ModelError naming the nearest layer."""
    grids: dict[str, int] = {str(layer.name): _side(layer) for layer in model.layers if _side(layer)}
    if name in grids:
        return name
    last = next(reversed(grids), None)
    if name == "last" and last is not None:
        return last
    if name == "mid" and last is not None:
        finer = [layer for layer, side in grids.items() if side > grids[last]]
        # The input and what only rescales it are no features.
        if finer and any(layer.weights for layer in model.layers[: _place(model, finer[-1]) + 1]):
            return finer[-1]
    near = difflib.get_close_matches(name, list(grids), 3)
    hint = f"nearest: {', '.join(near)}" if near else f"feature maps: {', '.join(list(grids)[-8:]) or 'none'}"
    raise ModelError(f"the {whose} {model.name} has no layer of feature maps for the tap {name!r}; {hint}")


def feature_model(teacher: Any, layers: tuple[str, ...]) -> Any:
    """The teacher's part that gives the outputs of ``layers``, as a list where there are several."""
    import keras

    outputs = [teacher.get_layer(layer).output for layer in layers]
    return keras.Model(teacher.input, outputs if len(outputs) > 1 else outputs[0])


def _model(student: Any, outputs: list[Any]) -> Any:
    import keras

    return keras.Model(student.input, outputs, name=f"{student.name}_tapped") if len(outputs) > 1 else None


def _pooled(maps: Any) -> Any:
    import keras

    return keras.layers.GlobalAveragePooling2D(keepdims=True)(maps)


def _place(model: Any, name: str) -> int:
    return int([layer.name for layer in model.layers].index(name))


def _side(layer: Any) -> int:
    shape: tuple[Any, ...] = getattr(getattr(layer, "output", None), "shape", ())
    return int(shape[1]) if len(shape) == 4 and None not in shape[1:] else 0
