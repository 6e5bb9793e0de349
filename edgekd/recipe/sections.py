"""The recipe: everything that decides a run's result, typed, in TOML.

Paths in a recipe are relative to the file that it stands in.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from edgekd.bench.plan import BenchPlan
from edgekd.data.settings import facts_of
from edgekd.data.splitting import SplitPolicy
from edgekd.data.views import ViewPolicy
from edgekd.distill.confidence import Confidence
from edgekd.distill.hinton import Hinton
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.table import FEATURE_NAMES, Objective, terms_of
from edgekd.errors import RecipeError, UsageError
from edgekd.evaluation.score import ParityGates
from edgekd.export.options import ExportOptions
from edgekd.quantize.settings import QuantizeSection
from edgekd.scale.place import is_uri
from edgekd.storage import digest, write_text
from edgekd.students.spec import parse_student
from edgekd.teacher.settings import TeacherSection
from edgekd.training.schedule import Schedule


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSection(_Section):
    """``source``: a folder a class (or several, as one pool), a CSV or an .npz; ``unlabelled``: a folder of photos.

    ``images`` says where a CSV's photos are, ``strict`` makes every finding about them an error. ``taught``: columns
    that ``edgekd teach --photos`` stored, paths or URIs; the student is distilled from their photos too.
    """

    LATER: ClassVar[tuple[str, ...]] = ("taught",)

    source: Path | tuple[Path, ...]
    images: Path | None = None
    unlabelled: Path | None = None
    taught: tuple[str, ...] | None = None
    strict: bool = False
    crop: Literal["whole", "center"] = "whole"
    split: SplitPolicy = SplitPolicy()
    views: ViewPolicy = ViewPolicy()


class StudentSection(_Section):
    """``model``: slice:8@160, cnn:16@96, a .keras file or module:function.

    ``freeze_blocks`` of a slice keep the teacher's weights: faster training, and less to overfit with few photos.
    """

    model: str = "slice:8"
    freeze_blocks: int = Field(0, ge=0)
    allow_larger: bool = False

    @field_validator("model")
    @classmethod
    def _parses(cls, value: str) -> str:
        try:
            return str(parse_student(value))
        except UsageError as error:
            raise ValueError(str(error)) from None


def _named(objective: Any) -> Any:
    if not isinstance(objective, dict):
        return objective
    if objective.get("name") in FEATURE_NAMES:
        raise ValueError(
            f"{objective['name']} compares features, which teach no head. Make it a term of a sum: name = "
            '"weighted", and [[distill.objective.terms]] with weight and objective, one of them hinton or dkd'
        )
    return {"name": "hinton", **objective}


class DistillSection(_Section):
    """``objective`` and the ``schedule`` that both students, with and without the teacher, are trained by.

    An objective without a ``name`` is Hinton's. ``labels = "none"``: no label takes part in training or in choosing the
    epoch, the teacher's answers alone do. ``confidence`` weights or filters those answers on photos without a label.
    ``labelled_share`` is the least share of a pass that has labels: where photos without are of other places than
    those with, and many, they would drown them. Labelled photos are then shown more often a pass, in other views; the
    number of steps stays.
    Teacher's features that an objective asks for are stored up to ``store_features_mb``; above it the teacher runs
    along with the training.
    """

    LATER: ClassVar[tuple[str, ...]] = ("labels", "confidence", "labelled_share", "store_features_mb")

    objective: Annotated[Objective, BeforeValidator(_named)] = Hinton()
    schedule: Schedule = Schedule()
    labels: Literal["all", "none"] = "all"
    confidence: Confidence | None = None
    labelled_share: float | None = Field(None, gt=0, lt=1)
    store_features_mb: int = Field(1024, ge=0)

    @model_validator(mode="after")
    def _share_of_what(self) -> DistillSection:
        if self.labels == "none" and self.labelled_share is not None:
            raise ValueError('labelled_share says how often labels are shown, and labels = "none" shows none')
        return self


class ExportSection(ExportOptions):
    """What files to write, and how; ``calibration`` is the number of training views that set the int8 ranges.

    ``formats``: tflite, onnx, ort (ONNX Runtime's own), c (the int8 .tflite as C), coreml (needs edgekd[coreml]).
    ``batch`` is 1 or dynamic here: a run measures one image at a time.
    """

    batch: Literal["dynamic", 1] | None = None
    formats: tuple[Literal["tflite", "onnx", "ort", "c", "coreml"], ...] = ("tflite", "onnx")
    output: Literal["float32", "uint8"] = "float32"
    calibration: int = Field(200, ge=8)


class Recipe(_Section):
    """One run, from photos to a measured int8 model. ``digest()`` names everything but where the photos lie.

    ``seeds`` students are trained, with and without the teacher, from ``seed`` on; the first is the one that ships.
    """

    LATER: ClassVar[tuple[str, ...]] = ("seeds", "quantize")

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")
    seed: int = Field(0, ge=0)
    seeds: int = Field(1, ge=1, le=30)
    metric: Literal["accuracy", "balanced_accuracy"] = "accuracy"
    data: DataSection
    teacher: TeacherSection = TeacherSection()
    student: StudentSection = StudentSection()
    distill: DistillSection = DistillSection()
    quantize: QuantizeSection = QuantizeSection()
    export: ExportSection = ExportSection()
    gates: ParityGates = ParityGates()
    bench: BenchPlan = BenchPlan()

    @model_validator(mode="after")
    def _label_free(self) -> Recipe:
        if self.distill.labels == "none" and self.teacher.train:
            raise ValueError(
                'distill.labels = "none" needs a teacher that already knows the classes: give its file as '
                "teacher.model, its classes, and teacher.train = false"
            )
        return self

    @model_validator(mode="after")
    def _drop_is_judged_by_labels(self) -> Recipe:
        if self.distill.labels == "none" and self.quantize.max_drop is not None:
            raise ValueError('quantize.max_drop is judged by labelled photos, and distill.labels = "none" uses none')
        return self

    @model_validator(mode="after")
    def _columns_hold_what_is_asked(self) -> Recipe:
        if self.data.taught and self.data.views.mix.on:
            raise ValueError("data.taught names columns of single photos: leave out [data.views.mix]")
        terms = terms_of(self.distill.objective)
        if self.data.taught and any(isinstance(term.objective, FeatureObjective) for term in terms):
            raise ValueError(
                "data.taught names columns of logits, and distill.objective compares features: leave out that term"
            )
        return self

    @model_validator(mode="after")
    def _student_can_be_cut(self) -> Recipe:
        if self.teacher.is_fixed and parse_student(self.student.model).kind == "slice":
            raise ValueError(
                f"student.model: {self.student.model} is a slice of its teacher, and {self.teacher.name} is not a "
                'Keras model that could be cut. Choose another network: model = "cnn:16@96", or your own .keras file'
            )
        return self

    def digest(self) -> str:
        """Hex SHA-256 of what was asked for, without the paths and the name."""
        facts = facts_of(self)
        del facts["name"]
        for path in ("source", "images", "unlabelled", "taught"):
            facts["data"].pop(path, None)
        return digest(facts)

    def save(self, path: Path) -> None:
        """Write the resolved recipe as TOML, every default spelled out."""
        import tomli_w

        write_text(path, tomli_w.dumps(self.model_dump(mode="json", exclude_none=True)))
