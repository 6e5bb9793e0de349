"""``[teacher]`` of a recipe: which model, and what its file does not say."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from edgekd.data.settings import facts_of
from edgekd.models.efficientnet_lite import LITE0
from edgekd.teacher.files import (
    BUILT_IN,
    PIXEL_KEYS,
    SHARED_KEYS,
    TRAINABLE,
    EncoderFile,
    as_encoder,
    check_built_in,
    default_size,
    names_model,
)
from edgekd.teacher.files import InputSettings as InputSettings
from edgekd.teacher.files import Kind as Kind
from edgekd.teacher.files import TeacherFile as TeacherFile
from edgekd.teacher.files import kind_of as kind_of
from edgekd.training.schedule import FineTuneSchedule

PRIOR_TOLERANCE = 1e-3
"""How far from 1 the shares of the classes may sum."""
# What is trained of a network that is used as it is.
_AS_IT_IS = {"fine_tune_blocks": 0, "self_train": "off"}
_ENCODER_KINDS = ("onnx", "tflite", "savedmodel")


def _or_paths(schema: dict[str, Any]) -> None:
    """In a file, the members of a list may be paths instead of tables."""
    members = schema["oneOf"][1]
    members["items"] = {"anyOf": [{"type": "string"}, members["items"]]}


def _file_or_average(value: Any) -> str:
    return "file" if isinstance(value, str) else "average"


class TeacherSection(InputSettings):
    """The network that the student learns from: one model, or several whose predictions are averaged."""

    LATER: ClassVar[tuple[str, ...]] = ("mirror", "self_train", "head", "words", "prior")
    ADDED_AS: ClassVar[dict[str, Any]] = {"self_train": "off"}

    # With a tag, so that an error is about the form that was written and not about the other one too.
    model: Annotated[
        Annotated[str, Tag("file")] | Annotated[tuple[TeacherFile, ...], Tag("average")],
        Discriminator(_file_or_average),
    ] = Field(LITE0, json_schema_extra=_or_paths)
    """"efficientnet-lite0", the larger "efficientnet-lite1" and "efficientnet-lite2" (their weights come with
    edgekd[teachers]), "keras:NAME" (of keras.applications), the path of a .keras, .h5, .onnx or .tflite file or of a
    SavedModel directory, or a list of these to average.

    Members of a list are texts, or tables with a model of their own; what they leave out is taken from [teacher].
    Files are used as they are, with train = true as encoders; built-in networks are trained on the labels first. A
    PyTorch model is exported to .onnx first.
    """
    average: Literal["probabilities", "logits", "features"] = "probabilities"
    """What is averaged where model is a list.

    "features", the default for encoders, averages nothing: it joins the vectors of all encoders, each standardized,
    for one head.
    """
    weights: str = "imagenet"
    """Starting weights of keras:NAME: "imagenet" (downloaded by Keras), "none", or the path of a weights file."""
    train: bool = True
    """Train a new head for the data's classes on the labelled photos.

    It is the default for Keras models. Of an .onnx, .tflite or SavedModel, and of a list of files, true means that
    these are encoders: their output is a vector a photo (feature maps and tokens are averaged), on which the head is
    fitted; false means that they are classifiers of these very classes.
    """
    head: Literal["auto", "linear", "mlp"] = "auto"
    """The head that is fitted on an encoder's features: linear, or an MLP with one hidden layer of 64 units.

    "auto" takes the MLP only where it does better on the validation photos; with fewer than 100 of these, by three-fold
    cross-validation over training and validation photos.
    """
    words: str | None = Field(None, examples=["words.npz"])
    """Path of a table of class words, an .npz with classes, vectors and logit_scale, relative to the recipe.

    The features of the encoder in model are compared with these text vectors, so that it needs no label.
    With train = true, labels are used too: the words alone, a head on labels, or both together, whichever does best on
    the validation photos; with fewer than 100 of these, by three-fold cross-validation. A photo gets one class.
    """
    prior: Literal["estimate"] | dict[str, float] | None = Field(None, examples=["estimate"])
    """Shares of the classes among the photos, which class words assume: prior = { clean = 0.8, littered = 0.2 }.

    "estimate" estimates them from the answers for photos without labels, by EM. Unset, they are those that the table of
    words has, or equal.
    """
    fine_tune_blocks: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Blocks at the end of a Keras network that are trained too, after the head. 0 trains the head alone.

    "auto" trains the last third of the blocks and then all of them, each kept only if it does better on the validation
    photos: a higher score, and a cross-entropy that is lower beyond chance (p < 0.05, paired). With fewer than 100 of
    these, three-fold cross-validation over training and validation photos judges. Time and memory of each are said
    before they are spent; what would take longer than fine_tune.minutes allows, or more memory than is free, is left
    out. A network whose blocks cannot be told by the names of its layers gets a head alone. What is used as it is,
    encoders and train = false, has 0.
    """
    fine_tune: FineTuneSchedule = FineTuneSchedule()
    """Schedule of that training."""
    self_train: Literal["auto", "off"] = "auto"
    """With "auto", the teacher's head is also fitted to the teacher's own answers for photos without labels, where it
    gives an answer (of tags, every one) at least 70 %, and kept if it has a higher score and no higher cross-entropy on
    the validation photos; with fewer than 100 of these, by three-fold cross-validation over training and validation
    photos.

    The network is run once over the photos of data.unlabelled, 5,000 at most. What is used as it is has "off".
    """
    mirror: bool = False
    """Average the teacher's answer for a view with that for its mirror image, where data.views.flip is true.

    It takes twice the time of the teacher.
    """
    accept_weak: bool = False
    """Continue with a teacher that failed its gates: no better than chance, or worse than a student without it."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        model = fields.get("model", LITE0)
        if isinstance(model, (list, tuple)):
            return _with_members(fields, list(model))
        kind = kind_of(model) if isinstance(model, str) else "savedmodel"
        defaults: dict[str, Any] = {"train": kind in TRAINABLE}
        if kind not in TRAINABLE or not fields.get("train", True):
            defaults.update(_AS_IT_IS)
        if isinstance(model, str):
            defaults.update(default_size(model))
        return {**defaults, **fields}

    @field_validator("prior", mode="before")
    @classmethod
    def _is_shares_or_estimate(cls, value: Any) -> Any:
        # One error instead of one for each form that a prior may have.
        shares = list(value.values()) if isinstance(value, dict) else []
        numbers = all(isinstance(share, (int, float)) and share > 0 for share in shares)
        if value in (None, "estimate") or (shares and numbers and abs(sum(shares) - 1) <= PRIOR_TOLERANCE):
            return value
        raise ValueError(
            'must be "estimate" or shares above 0 by class name that sum to 1, such as { clean = 0.8, littered = 0.2 }'
        )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> TeacherSection:
        if isinstance(self.model, tuple) and not self.model:
            raise ValueError("model = [] names no teacher")
        if self.trained_members and not self.train:
            raise ValueError(f"train = false: {self.trained_members[0].model} knows other classes; leave train out")
        if self.fine_tune_blocks and not self.train:
            raise ValueError(f"fine_tune_blocks = {self.fine_tune_blocks} needs train = true, a Keras model's")
        if self.self_train == "auto" and not self.train:
            raise ValueError('self_train = "auto" needs train = true, a Keras model\'s')
        self._check_encoders()
        if isinstance(self.model, str):
            check_built_in(self, self.model)
        return self

    def _check_encoders(self) -> None:
        """Raises ValueError where a setting of another kind of teacher meets encoders, or the reverse."""
        self._check_words()
        if not self.encodes:
            for key, value, usual in (("head", self.head, "auto"), ("average", self.average, None)):
                if value != usual and value in ("linear", "mlp", "features"):
                    raise ValueError(f'{key} = "{value}" is for encoders: files with train = true')
            return
        stray = [f"fine_tune_blocks = {self.fine_tune_blocks}"] if self.fine_tune_blocks else []
        stray += ['self_train = "auto"'] if self.self_train == "auto" else []
        stray += ["classes"] if self.classes or any(member.classes for member in self.members()) else []
        if stray:
            several = len(self.members()) > 1
            how = "give features and are used as they are" if several else "gives features and is used as it is"
            raise ValueError(f"{stray[0]}: {self._file_names} {how}: a head is fitted on them. Leave {stray[0]} out")

    def _check_words(self) -> None:
        """Raises ValueError where class words have no encoder to go with."""
        if self.words is None:
            if self.prior is not None:
                raise ValueError(
                    "prior is what class words assume: set words, the path of their table, or leave it out"
                )
            return
        if not isinstance(self.model, str) or kind_of(self.model) not in _ENCODER_KINDS:
            raise ValueError(
                f"words: {self.model if isinstance(self.model, str) else 'a list of models'} is not an encoder whose "
                "vectors could be compared with those of texts. Set model to one .onnx, .tflite or SavedModel, the "
                "image encoder of the model that the words are from"
            )
        if self.head != "auto" and not self.train:
            raise ValueError(f'head = "{self.head}" is fitted on labels: set train = true, or leave it out')

    def training_facts(self) -> dict[str, Any]:
        """What decides the trained teacher, for the key of its stage."""
        return {key: value for key, value in facts_of(self).items() if key not in ("accept_weak", "mirror")}

    @property
    def is_fixed(self) -> bool:
        """Whether it is a fixed teacher (inference only): not a Keras model that can be cut, trained or converted."""
        return isinstance(self.model, tuple) or kind_of(self.model) not in TRAINABLE

    @property
    def encodes(self) -> bool:
        """Whether its files are encoders: a head is fitted on their features, or they are compared with class words."""
        if self.words is not None:
            return True
        if not self.train or self.trained_members:
            return False
        return isinstance(self.model, tuple) or kind_of(self.model) not in TRAINABLE

    @property
    def name(self) -> str:
        """What a report calls it."""
        if self.words is not None and isinstance(self.model, str):
            labels = " and labels" if self.train else ""
            return f"{PurePath(self.model).name} with class words{labels}"
        if self.encodes:
            return f"a head on {self._file_names}"
        if isinstance(self.model, str):
            return PurePath(self.model).name if self.members() else self.model
        return f"the average of {self._file_names}"

    @property
    def _file_names(self) -> str:
        return ", ".join(PurePath(member.model).name for member in self.members())

    @property
    def trained_members(self) -> tuple[TeacherFile, ...]:
        """The members of an average that are trained on the labels before they are averaged."""
        return tuple(member for member in self.model if member.is_trained) if isinstance(self.model, tuple) else ()

    def members(self) -> tuple[TeacherFile, ...]:
        """The files that it is made of; of efficientnet-lite0 and keras:NAME, none."""
        if isinstance(self.model, tuple):
            return tuple(as_encoder(member) for member in self.model) if self.encodes else self.model
        if kind_of(self.model) in BUILT_IN:
            return ()
        kind = EncoderFile if self.encodes else TeacherFile
        return (kind(model=self.model, **{key: getattr(self, key) for key in SHARED_KEYS}),)


def _with_members(fields: dict[str, Any], models: list[Any]) -> dict[str, Any]:
    """``given`` with every member a table that has taken over what it does not say itself."""
    shared = {key: fields[key] for key in SHARED_KEYS if key in fields}
    members = []
    for model in models:
        if not isinstance(model, (str, dict)):
            members.append(model)
            continue
        member_values = {"model": model} if isinstance(model, str) else dict(model)
        members.append({**_taken_over(shared, member_values), **member_values})
    rest = {key: value for key, value in fields.items() if key not in shared}
    train = any(names_model(member) and kind_of(member["model"]) in BUILT_IN for member in members)
    encodes = rest.get("train") is True and not train
    defaults = {**({} if train else _AS_IT_IS), **({"average": "features"} if encodes else {})}
    return {"train": train, **defaults, **rest, "model": members}


def _taken_over(shared: dict[str, Any], member: dict[str, Any]) -> dict[str, Any]:
    """What of [teacher] a member takes over."""
    if names_model(member) and kind_of(member["model"]) in BUILT_IN:
        return {key: value for key, value in shared.items() if key == "input_size"}
    if any(key in member for key in PIXEL_KEYS):
        return {key: value for key, value in shared.items() if key not in PIXEL_KEYS}
    return dict(shared)
