"""edgekd's objectives inside stock ``keras.distillation.Distiller``, for users with their own training code."""

from __future__ import annotations

from typing import Any

from edgekd.distill.bind import find_tap
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.table import OnFeatures, OnLogits, Term, Weighted, terms_of
from edgekd.training.labels import LabelsOnly


class DistillerLoss:
    """One objective as a distillation loss of the Distiller: outputs of teacher and student to a scalar.

    The Distiller gives such a loss no labels: it counts every photo as unlabelled, and leaves the cross-entropy to
    ``student_loss_weight``. ``projector`` is a Keras layer between the student's tap and the objective, or None.
    """

    def __init__(
        self,
        objective: OnLogits | OnFeatures,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
        projector: Any = None,
    ) -> None:
        self.objective, self.projector = objective, projector
        self.teacher_layer_name, self.student_layer_name = teacher_layer_name, student_layer_name

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Layers were looked up when this was made."""

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Shapes are the objective's affair: features may differ in grid and channels."""

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any) -> Any:
        """Mean over the batch of the objective's losses, as a scalar."""
        import keras

        ours = student_outputs if self.projector is None else self.projector(student_outputs)
        nobody = keras.ops.full((keras.ops.shape(ours)[0],), -1, dtype="int32")
        return keras.ops.mean(self.objective(nobody, ours, teacher_outputs))

    def get_config(self) -> dict[str, Any]:
        """Settings, JSON-able; a projector's weights are the Distiller's."""
        return {
            "objective": self.objective.model_dump(mode="json"),
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }


def stock_distiller(
    objective: OnLogits | OnFeatures | Weighted, teacher: Any, student: Any, *, student_loss_weight: float = 0.5
) -> Any:
    """A ``keras.distillation.Distiller`` of Keras models (pixels to logits) that trains ``student`` by ``objective``.

    Compile it with ``SparseCategoricalCrossentropy(from_logits=True)``, and fit. Terms named ``labels`` are left out:
    the Distiller's own ``student_loss_weight`` (0 to 1) is what they say. Projectors train along.

    Raises ModelError where a tap names no layer.
    """
    import keras

    terms = [term for term in terms_of_any(objective) if not isinstance(term.objective, LabelsOnly)]
    losses = [distiller_loss(term.objective, teacher, student) for term in terms]
    distiller = keras.distillation.Distiller(
        teacher, student, losses, [term.weight for term in terms], student_loss_weight=student_loss_weight
    )
    # As an attribute of the Distiller, so that Keras finds their variables and trains them.
    distiller.projectors = [loss.projector for loss in losses if loss.projector is not None]
    return distiller


def distiller_loss(objective: OnLogits | OnFeatures, teacher: Any, student: Any) -> DistillerLoss:
    """One objective for the Distiller's list. Where ``projector`` is not None, attach it to the Distiller too."""
    if not isinstance(objective, FeatureObjective):
        return DistillerLoss(objective)
    theirs, ours = (
        find_tap(teacher, objective.taps.teacher, "teacher"),
        find_tap(student, objective.taps.student, "student"),
    )
    shape = student.get_layer(ours).output.shape
    projector = objective.projector(int(shape[-1]), int(teacher.get_layer(theirs).output.shape[-1]))
    if projector is not None:
        projector.build(shape)
    return DistillerLoss(objective, theirs, ours, projector)


def terms_of_any(objective: OnLogits | OnFeatures | Weighted) -> tuple[Term, ...]:
    """``terms_of``, and one objective on features alone: the Distiller has its own loss on the logits."""
    return (Term(objective=objective),) if isinstance(objective, FeatureObjective) else terms_of(objective)
