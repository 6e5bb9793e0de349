"""The tables of a recipe and their keys. Paths in a recipe are relative to its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from edgekd.bench.plan import BenchPlan
from edgekd.data.settings import facts_of
from edgekd.data.splitting import SplitPolicy
from edgekd.data.views import ViewPolicy
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.table import terms_of, why_not_tags
from edgekd.evaluation.gates import ParityGates
from edgekd.models.efficientnet_lite import LITE0, VARIANTS
from edgekd.quantize.settings import QuantizeSection
from edgekd.recipe.file_sections import DecideSection, ExportSection
from edgekd.recipe.student_sections import DistillSection, StudentSection
from edgekd.section import Section
from edgekd.storage import digest, write_text
from edgekd.students.spec import parse_student
from edgekd.task import METRICS, Metric, Task
from edgekd.teacher.settings import TeacherSection


class DataSection(Section):
    """The photos. Paths are relative to the recipe."""

    LATER: ClassVar[tuple[str, ...]] = ("soft_labelled", "classes", "task", "none", "corrections")
    FORMER: ClassVar[dict[str, str]] = {"taught": "soft_labelled"}

    source: Path | tuple[Path, ...] = Field(examples=["photos"])
    """Labelled photos: a folder with one folder per class, several such folders, a .csv or an .npz.

    A .csv has the columns filename, label and, if wanted, split.
    """
    images: Path | None = Field(None, examples=["images"])
    """Folder where the photos of a .csv are looked for, after the folder of the .csv."""
    classes: tuple[str, ...] | None = Field(None, examples=[["clean", "littered"]])
    """Names of all classes in the order that numbers them, or the path of a text file with a name a line.

    By default the classes are the names that the source has, in text order ("10" before "2").
    """
    task: Task = "single-label"
    """Whether a photo shows one class ("single-label"), or any number of tags ("multi-label").

    Tags are read from a .csv with the columns filename and labels ("wet|littered") or with a column of 0 and 1 for each
    tag, or from class folders: a photo that lies in several has all their tags.
    """
    none: Path | None = Field(None, examples=["other-photos"])
    """Folder of photos that show none of the classes, or no tag. They are split as the others are.

    With one label a photo they are a last class, "none of these"; a class that the data itself calls so is the same.
    """
    unlabelled: Path | None = Field(None, examples=["more-photos"])
    """Folder of photos without labels, which the teacher labels."""
    corrections: Path | None = Field(None, examples=["corrections.csv"])
    """A .csv with the columns photo, action and label, as the page of `edgekd audit` saves it.

    It keeps, changes or drops photos after the splits are made; nothing is changed where the photos are.
    """
    soft_labelled: tuple[str, ...] | None = Field(None, examples=[["column"]])
    """Stores of soft targets that `edgekd label --photos` wrote, as paths or URIs (s3://...).

    The student is trained on their photos too. Teacher, views and seed must be those of this recipe.
    """
    strict: bool = False
    """Make every finding about the photos (damaged, missing, conflicting labels) an error instead of a warning."""
    crop: Literal["whole", "center"] = "whole"
    """What a model sees of a photo: the whole of it, squeezed to a square, or its central square."""
    split: SplitPolicy = SplitPolicy()
    """How photos are divided into train, val and test."""
    views: ViewPolicy = ViewPolicy()
    """How photos are augmented."""


class Recipe(Section):
    """One run, from photos to a measured int8 model. The digest covers everything but the name and the paths of photos.

    ``LATER`` keys leave the digest unchanged while they have their defaults.
    """

    LATER: ClassVar[tuple[str, ...]] = ("seeds", "quantize", "imports", "decide")

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")
    """Name of the run, and of its folder: letters, digits and any of "._@-", a letter or digit first.

    The folder is made in runs/ of the folder where the command is called; --out names another.
    """
    seed: int = Field(0, ge=0)
    """Random seed of views, initial weights and the order of photos. The split has its own, data.split.seed."""
    seeds: int = Field(1, ge=1, le=30)
    """Number of students to train, with and without the teacher, from seed on. The first is exported.

    With several, the report has means and intervals over them.
    """
    metric: Metric = "accuracy"
    """What chooses the epoch and judges models: "balanced_accuracy" is the mean recall of the classes.

    For tags it is "mean_average_precision", the default there, or "macro_f1".
    """
    imports: tuple[str, ...] = ()
    """Python modules that register custom Keras layers, imported before a model is loaded. This runs their code: read a
    recipe from someone else before you run it.
    """
    data: DataSection
    """The photos."""
    teacher: TeacherSection = TeacherSection()
    """The network that the student learns from."""
    student: StudentSection = StudentSection()
    """The small network that is trained and exported."""
    distill: DistillSection = DistillSection()
    """How the student is trained."""
    quantize: QuantizeSection = QuantizeSection()
    """How the student becomes an int8 file."""
    export: ExportSection = ExportSection()
    """The files to write."""
    decide: DecideSection = DecideSection()
    """How an answer follows from probabilities."""
    gates: ParityGates = ParityGates()
    """What the files must reach on the test photos."""
    bench: BenchPlan = BenchPlan()
    """How latency is measured."""

    @property
    def rejects(self) -> bool:
        """Whether answers below a threshold are none of these."""
        auto = self.data.none is not None and self.data.task == "single-label"
        return auto if self.decide.reject == "auto" else self.decide.reject

    @property
    def calibrates(self) -> bool:
        """Whether a temperature is fitted for each file."""
        auto = self._fits_tags or self.rejects
        return auto if self.decide.calibrate == "auto" else self.decide.calibrate

    @property
    def decides(self) -> bool:
        """Whether files hold more than the most probable class as their answer."""
        has_none = self.data.none is not None and self.data.task == "single-label"
        return self._fits_tags or has_none or self.calibrates or self.rejects

    @property
    def _fits_tags(self) -> bool:
        return self.data.task == "multi-label" and self.distill.labels == "all"

    @model_validator(mode="before")
    @classmethod
    def _metric_of_tags(cls, table: Any) -> Any:
        data = table.get("data") if isinstance(table, dict) else None
        task = data.get("task") if isinstance(data, dict) else getattr(data, "task", None)
        if not isinstance(task, str) or task not in METRICS or "metric" in table:
            return table
        return {**table, "metric": METRICS[task][0]}

    @model_validator(mode="after")
    def _metric_fits_the_task(self) -> Recipe:
        if self.metric not in METRICS[self.data.task]:
            raise ValueError(
                f"metric: {self.metric} does not judge {self.data.task} photos. Set it to "
                f"{' or '.join(METRICS[self.data.task])}"
            )
        return self

    @model_validator(mode="after")
    def _rejection_fits_the_task(self) -> Recipe:
        if self.decide.reject is True and self.data.task == "multi-label":
            raise ValueError(
                "decide.reject: a photo with tags shows none of these where no tag reaches its threshold. Leave it out"
            )
        return self

    @model_validator(mode="after")
    def _objective_fits_the_task(self) -> Recipe:
        reason = why_not_tags(self.distill.objective) if self.data.task == "multi-label" else None
        if reason is not None:
            raise ValueError(f"distill.objective: {reason}")
        return self

    @model_validator(mode="after")
    def _gates_fit_the_task(self) -> Recipe:
        if wrong := self.gates.floors_of_other_tasks(self.data.task):
            right = " or ".join(f"gates.min_{metric}" for metric in METRICS[self.data.task])
            raise ValueError(f"gates.{wrong[0]} does not judge {self.data.task} photos. Set {right} instead")
        return self

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
            raise ValueError('quantize.max_drop is measured on labelled photos, and distill.labels = "none" uses none')
        return self

    @model_validator(mode="after")
    def _soft_labelled_fits_the_loss(self) -> Recipe:
        if self.data.soft_labelled and self.data.views.mix.on:
            raise ValueError("data.soft_labelled names soft targets of single photos: leave out [data.views.mix]")
        terms = terms_of(self.distill.objective)
        if self.data.soft_labelled and any(isinstance(term.objective, FeatureObjective) for term in terms):
            raise ValueError(
                "data.soft_labelled names stored logits, and distill.objective compares features: leave out that term"
            )
        return self

    @model_validator(mode="after")
    def _words_fit_the_task(self) -> Recipe:
        if self.teacher.words is not None and self.data.task == "multi-label":
            raise ValueError(
                "teacher.words: cosines with class words say which class is the likeliest, not which of several tags a "
                "photo has. Leave words out, and set train = true to fit a head on labelled photos"
            )
        return self

    @model_validator(mode="after")
    def _encoders_fit_the_loss(self) -> Recipe:
        if not self.teacher.encodes:
            return self
        for term in terms_of(self.distill.objective):
            if isinstance(term.objective, FeatureObjective) and term.objective.COMPARES_PLACES:
                raise ValueError(
                    f"distill.objective: {term.objective.name} compares where maps are active, and an encoder's "
                    "features have no places. Take fitnet, relational or similarity_preserving"
                )
        return self

    @property
    def mirrors_views(self) -> bool:
        """Whether the teacher's soft targets are averages over a view and its mirror image."""
        return self.teacher.mirror and self.data.views.flip

    @property
    def cut_network(self) -> str | None:
        """Name of the built-in pretrained network that a slice is cut from; None where it is the teacher."""
        source = self.student.cut_from
        if source is None:
            return LITE0 if self.teacher.is_fixed else None
        return None if source == "teacher" else source

    @model_validator(mode="after")
    def _student_can_be_sliced(self) -> Recipe:
        spec = parse_student(self.student.model)
        if spec.kind != "slice":
            return self
        if self.teacher.is_fixed and self.cut_network is None:
            raise ValueError(
                f"student.cut_from: {self.teacher.name} is not a Keras model that can be cut. Leave cut_from out, or "
                f'set it to "{LITE0}"'
            )
        name = self.cut_network or self.teacher.model
        if isinstance(name, str) and name in VARIANTS and spec.argument.isdigit():
            blocks = VARIANTS[name].blocks
            if int(spec.argument) > blocks:
                raise ValueError(f"student.model: {name} has {blocks} blocks: slice:1 to slice:{blocks}, not {spec}")
            if wrong := [number for number in spec.without if not 0 < number <= int(spec.argument)]:
                raise ValueError(f"student.model: {spec} has no block {wrong[0]} that could be left out")
        return self

    def digest(self) -> str:
        """Hex SHA-256 of all settings but the name and the paths of photos."""
        facts = facts_of(self)
        del facts["name"]
        for path in ("source", "images", "unlabelled", "none", "corrections", *DataSection.FORMER):
            facts["data"].pop(path, None)
        return digest(facts)

    def to_toml(self) -> str:
        """The recipe as TOML, with every default spelled out."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def save(self, path: Path) -> None:
        """Write the recipe as TOML, with every default spelled out."""
        write_text(path, self.to_toml())
