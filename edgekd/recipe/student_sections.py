"""``[student]`` and ``[distill]`` of a recipe: the small network, and how it is trained."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from edgekd.distill.confidence import Confidence
from edgekd.distill.hinton import Hinton
from edgekd.distill.table import FEATURE_NAMES, Objective
from edgekd.errors import UsageError
from edgekd.models.pixel_settings import PixelSettings
from edgekd.recipe.budget import Budget
from edgekd.section import Section
from edgekd.students.spec import AUTO, parse_student
from edgekd.training.schedule import StudentSchedule


class StudentSection(PixelSettings):
    """The small network that is trained and exported.

    ``pixel_range``, ``mean`` and ``std`` are those of a network of the user's own.
    """

    LATER: ClassVar[tuple[str, ...]] = ("pixel_range", "mean", "std", "cut_from", "budget")

    model: str = "slice:8"
    """The student: "slice:8@160" (the teacher's first 8 blocks at 160 px), "cnn:16@96" (a small CNN of width 16 at 96
    px), the path of a .keras or .h5 file, "module:function", or "auto" (the best that [student.budget] allows).

    Without @SIZE, the input size is the teacher's, or a file's own; "FILE.keras@64" is for a file that takes any size.
    A slice may leave out blocks and keep a share of channels: "slice:12-8-11x0.35@128", or a share for each block:
    "slice:12-8-11x0.5/0.35/0.2@128", the last one for all that follow. "module:function" imports that Python module and
    calls the function, so it runs the module's code: read a recipe from someone else before you run it. A network of
    your own whose first layers do not show which pixel values it takes needs pixel_range.
    """
    cut_from: Literal["teacher", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"] | None = Field(
        None, examples=["efficientnet-lite0"]
    )
    """The network that a slice is cut from: "teacher", or a built-in pretrained one.

    Unset, it is the teacher where that is a Keras model, and else efficientnet-lite0.
    """
    freeze_blocks: int = Field(0, ge=0)
    """First blocks of a slice that keep the teacher's weights: training is faster and overfits less on few photos."""
    allow_larger: bool = False
    """Accept a student that is not smaller than its teacher."""
    budget: Budget | None = None
    """What the student's int8 file may cost; "auto" needs it."""

    @field_validator("model")
    @classmethod
    def _parses(cls, value: str) -> str:
        try:
            return str(parse_student(value))
        except UsageError as error:
            raise ValueError(str(error)) from None

    @property
    def is_auto(self) -> bool:
        """Whether the student is looked for."""
        return self.model == AUTO

    @model_validator(mode="after")
    def _auto_has_a_budget(self) -> StudentSection:
        if self.is_auto:
            if self.budget is None or not self.budget.limits():
                raise ValueError('model = "auto" needs a limit in [student.budget], such as max_size = "150KB"')
            if self.freeze_blocks:
                raise ValueError('freeze_blocks is for a slice that is named; leave it out with model = "auto"')
        return self

    @model_validator(mode="after")
    def _pixels_are_of_an_own_network(self) -> StudentSection:
        if self.pixel_range is not None and parse_student(self.model).kind in ("slice", "cnn", "auto"):
            raise ValueError(
                f"pixel_range is for a network of your own (a file, or module:function); {self.model} needs none"
            )
        return self


def _named(objective: Any) -> Any:
    if not isinstance(objective, dict):
        return objective
    if objective.get("name") in FEATURE_NAMES:
        raise ValueError(
            f"{objective['name']} compares features, which trains no head. Make it a term of a sum: name = "
            '"weighted", and [[distill.objective.terms]] with weight and objective, one of them hinton or dkd'
        )
    return {"name": "hinton", **objective}


class DistillSection(Section):
    """How the student is trained. A student without the teacher is trained beside it, for as many steps."""

    LATER: ClassVar[tuple[str, ...]] = ("labels", "confidence", "labelled_share", "store_features_mb", "ships")

    objective: Annotated[Objective, BeforeValidator(_named)] = Hinton()
    """The distillation loss and its settings, chosen by name; without a name it is "hinton".

    Where photos have tags: "hinton", "labels", or a "weighted" sum of these and of objectives on features.
    """
    schedule: StudentSchedule = StudentSchedule()
    """How long and how fast the students are trained, with and without the teacher."""
    labels: Literal["all", "none"] = "all"
    """Whether labels take part: with "none", only the teacher's predictions train the student and choose its epoch.

    "none" needs a teacher that already knows the classes.
    """
    confidence: Confidence | None = None
    """Weight or filter photos without a label by how sure the teacher is of them. Unset, all count alike."""
    labelled_share: float | None = Field(None, gt=0, lt=1, examples=[0.5])
    """Least share of labelled photos in each pass; they are shown more often, in other views, to reach it.

    It helps where many unlabelled photos come from other places than the labelled ones. The number of steps stays.
    Unset, each photo is shown once per pass.
    """
    ships: Literal["better", "distilled"] = "better"
    """Which student is exported: "distilled", or "better" by the validation photos.

    "better" is the distilled one too, unless the student from labels alone is better on the validation photos with odds
    of at least 3 to 1 (one-sided p <= 0.25; 2 photos more and none less are enough). The report says which one ships,
    and where there are too few photos to tell.
    """
    store_features_mb: int = Field(1024, ge=0)
    """Megabytes of teacher features to store for an objective on features; above, the teacher runs during training."""

    @model_validator(mode="after")
    def _share_of_what(self) -> DistillSection:
        if self.labels == "none" and self.labelled_share is not None:
            raise ValueError('labelled_share says how often labels are shown, and labels = "none" shows none')
        return self
