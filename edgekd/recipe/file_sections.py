"""The recipe's tables on the files: which are written, and the rule in them by which probabilities are an answer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from edgekd.export.options import ExportOptions
from edgekd.section import Section


class ExportSection(ExportOptions):
    """The files to write."""

    LATER: ClassVar[tuple[str, ...]] = ("teacher_int8", "coreml_weights")

    batch: Literal["dynamic", 1] | None = Field(None, examples=[1])
    """Images per inference: 1 or "dynamic". Unset, a .tflite takes 1 and an .onnx any number.

    A run measures one image at a time.
    """
    formats: tuple[Literal["tflite", "onnx", "ort", "c", "coreml"], ...] = ("tflite", "onnx")
    """Formats: "tflite", "onnx", "ort" (ONNX Runtime's own), "c" (the int8 .tflite as C source), "coreml" (needs
    edgekd[coreml]).
    """
    output: Literal["float32", "uint8"] = "float32"
    """Type of the int8 files' output probabilities. "uint8" suits hardware that runs integers only."""
    calibration: int = Field(200, ge=8)
    """Training views from which calibration takes the ranges of int8 activations."""
    teacher_int8: bool = True
    """Also convert a Keras teacher to int8, as the row that the student is compared with like for like.

    It is converted after its training, with at most 64 of the same calibration photos and the best ranges. That takes
    some ten to forty seconds, and its share of the timing; a sweep does it once.
    """

    def stage_facts(self) -> dict[str, Any]:
        """What a stage that writes files depends on; a run of before Core ML's weights could be chosen stays valid."""
        facts: dict[str, Any] = self.model_dump(mode="json")
        if self.coreml_weights == ("float16",):
            del facts["coreml_weights"]
        return facts


class DecideSection(Section):
    """The rule that is written into the files, by which every app turns probabilities into an answer."""

    calibrate: Literal["auto"] | bool = "auto"
    """Scale each file's scores so that its probabilities are as often right as they say, fitted on validation photos.

    It never changes the most probable class. "auto": where photos have tags, or where reject is in use.
    """
    reject: Literal["auto"] | bool = "auto"
    """Answer "none of these" where the best probability is below a threshold, chosen on validation photos.

    "auto": where data.none names photos that show none of the classes.
    """
    keep: float = Field(0.95, gt=0, lt=1)
    """Share of the validation photos of the classes that the threshold of reject must keep."""
    thresholds: Literal["f1"] | float = Field("f1", examples=[0.5])
    """Least probability of a tag, where photos have tags: "f1" for each tag's best F1 on validation photos, or one
    number for all. With distill.labels = "none", which uses no label, "f1" stands for 0.5.
    """
