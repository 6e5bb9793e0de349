"""What of an objective can teach a network whose layers are not shown: its terms on logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekd.distill.bind import BoundObjective
from edgekd.distill.objective import FeatureObjective
from edgekd.errors import ModelError
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Loss, TrustingLoss


@dataclass(frozen=True)
class LogitLoss:
    """A loss on logits [B, C] alone, as the training loop takes it; ``told`` says which, ``left_out`` what it lacks."""

    loss: Loss
    told: list[dict[str, Any]]
    left_out: list[str]

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]; of a batch that brings the teacher's features too, its logits are taken."""
        return self.loss(labels, student, _logits(teacher))

    def trust(self, labels: Any, teacher: Any, sure: Any = None) -> Any:
        """What the loss of each photo counts for [B]."""
        return self.loss.trust(labels, _logits(teacher), sure) if isinstance(self.loss, TrustingLoss) else 1.0


def logit_loss(objective: Loss | None) -> LogitLoss:
    """The part on logits of a bound objective, of a loss of one's own, or of the labels where it is None.

    Raises ModelError where nothing is left.
    """
    if objective is None:
        objective = LabelsOnly()
    if not isinstance(objective, BoundObjective):
        name = getattr(objective, "name", type(objective).__name__)
        return LogitLoss(objective, [{"name": name, "weight": 1.0}], [])
    kept = tuple(term for term in objective.terms if not isinstance(term.objective, FeatureObjective))
    left_out = [str(term.objective.name) for term in objective.terms if isinstance(term.objective, FeatureObjective)]
    if not kept:
        raise ModelError(
            f"{', '.join(left_out)} compares features, which a student trained quantization-aware does not show. "
            "Add a term on logits, such as hinton"
        )
    told = [{**term.objective.model_dump(mode="json"), "weight": term.weight} for term in kept]
    return LogitLoss(BoundObjective(kept, objective.confidence, None, (), ()), told, left_out)


def _logits(teacher: Any) -> Any:
    return teacher[0] if isinstance(teacher, (tuple, list)) else teacher
