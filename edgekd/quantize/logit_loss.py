"""The terms of an objective that need only logits, for a network whose features are not exposed."""

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
    """A loss on logits [B, C] alone, for the training loop; ``terms`` describes it, ``left_out`` the rest."""

    loss: Loss
    terms: list[dict[str, Any]]
    left_out: list[str]

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]; of a batch with teacher features only the logits are used."""
        return self.loss(labels, student, _logits(teacher))

    def trust(self, labels: Any, teacher: Any, sure: Any = None) -> Any:
        """Weight of each photo's loss [B]."""
        return self.loss.trust(labels, _logits(teacher), sure) if isinstance(self.loss, TrustingLoss) else 1.0


def logit_loss(objective: Loss | None) -> LogitLoss:
    """Take the part on logits of a bound objective or custom loss, or labels alone for None.

    Raises ModelError if nothing is left.
    """
    if objective is None:
        objective = LabelsOnly()
    if not isinstance(objective, BoundObjective):
        name = getattr(objective, "name", type(objective).__name__)
        return LogitLoss(objective, [{"name": name, "weight": 1.0}], [])
    terms = tuple(term for term in objective.terms if not isinstance(term.objective, FeatureObjective))
    left_out = [str(term.objective.name) for term in objective.terms if isinstance(term.objective, FeatureObjective)]
    if not terms:
        raise ModelError(
            f"{', '.join(left_out)} compares features, which a student trained quantization-aware does not show. "
            "Add a term on logits, such as hinton"
        )
    records = [{**term.objective.model_dump(mode="json"), "weight": term.weight} for term in terms]
    return LogitLoss(BoundObjective(terms, objective.confidence, None, (), ()), records, left_out)


def _logits(teacher: Any) -> Any:
    return teacher[0] if isinstance(teacher, (tuple, list)) else teacher
