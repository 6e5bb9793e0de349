"""The work of ``edgekd export``: converting, scoring what was made, and publishing it where the gates pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.errors import ExportError, UsageError

if TYPE_CHECKING:
    from edgekd.data.dataset import Dataset
    from edgekd.decisions.fit import FileDecision
    from edgekd.evaluation.rows import CheckRow
    from edgekd.export.options import ExportOptions
    from edgekd.formats.artifact import Artifact
    from edgekd.preprocess import Preprocessing
    from edgekd.quantize.ptq import Conversion
    from edgekd.quantize.settings import QuantizeSection

# Chooses the training photos that calibrate.
_SEED = 0
_WRONG_LABELS = "Nothing is written: the files would give wrong labels to right predictions."
_HELD_ON_VALIDATION_ONLY = (
    "Nothing is written: the last step above holds on the validation photos, and a gate fails on test photos. Try "
    "--ranges, --float-op with a sensitive op, more --calibration photos, or a lower --min-agreement"
)


@dataclass(frozen=True)
class DecideOptions:
    """What --calibrate, --reject and --keep ask for."""

    calibrate: bool
    reject: bool
    keep: float


@dataclass(frozen=True)
class ExportJob:
    """One export: what to convert, and how. ``ordered`` is true where the user gave the order of the classes."""

    model: Any
    stem: str
    data: Path
    dataset: Dataset
    out: Path
    formats: tuple[str, ...]
    int8: bool
    crop: Any
    output: Any
    calibration: int
    section: QuantizeSection
    options: ExportOptions
    min_agreement: float | None
    ordered: bool
    decide: DecideOptions | None = None

    def run(self, as_json: bool) -> list[Artifact]:
        """Convert, score on the test photos and publish.

        Nothing is written where the labels are in another order than the model's outputs, and with --max-drop where any
        gate fails.
        """
        from edgekd.cli.check_command import finish
        from edgekd.cli.console import PROGRESS, line
        from edgekd.export.exporter import extra_files, publish
        from edgekd.quantize.per_tensor import COST
        from edgekd.temporary import owned_folder

        existed = self.out.exists()
        self.out.mkdir(parents=True, exist_ok=True)
        skipped: list[str] = []
        try:
            with owned_folder(self.out, "export") as staging:
                artifacts = self._export(staging, skipped)
                for cost in dict.fromkeys(a.provenance[COST] for a in artifacts if COST in a.provenance):
                    line(f"weight scales: {cost}", to=PROGRESS)
                rows = self._score(artifacts)
                failed = [gate for row in rows for gate in row.gates if not gate.passed]
                if any(gate.wrong_file for gate in failed):
                    line(_WRONG_LABELS, to=PROGRESS)
                    finish(rows, as_json)
                if failed and self.section.max_drop is not None:
                    line(_HELD_ON_VALIDATION_ONLY, to=PROGRESS)
                    finish(rows, as_json)
                artifacts = publish(artifacts, staging, self.out)
        finally:
            if not existed and not any(self.out.iterdir()):
                self.out.rmdir()
        for path in extra_files(self.out, self.stem, self.formats):
            line(f"wrote {path}", to=PROGRESS)
        finish(rows, as_json)
        if skipped:
            raise ExportError("\n  ".join(["the other files were written, but not these:", *skipped]))
        return artifacts

    def _score(self, artifacts: list[Artifact]) -> list[CheckRow]:
        from edgekd.evaluation.gates import ParityGates
        from edgekd.evaluation.score import score

        gates = ParityGates(min_agreement=self.min_agreement)
        float_twin = next((a for a in artifacts if a.precision == "float32" and a.format == "tflite"), None)
        return [
            score(a, self.dataset, reference=float_twin if a is not float_twin else None, gates=gates)
            for a in artifacts
        ]

    def _export(self, staging: Path, skipped: list[str]) -> list[Artifact]:
        """Calibrate on training photos chosen by a fixed seed, and convert."""
        from edgekd.data.images import images_of, some_of
        from edgekd.export.exporter import export
        from edgekd.preprocess import Preprocessing

        height, width = self.model.inputs[0].shape[1:3]
        preprocessing = Preprocessing(height=height, width=width, crop=self.crop)
        samples = some_of(self.dataset.split("train"), self.calibration, _SEED)
        photos = images_of(self.dataset, samples, preprocessing)
        chosen: QuantizeSection | Conversion = self.section
        if self.section.max_drop is not None:
            chosen = self._convert_within(photos, preprocessing, self.section.max_drop, staging)
        # The float32 .tflite is what int8 files are compared with, so it is always written.
        precisions = ("float32", *(("int8",) if self.int8 else ()), *self.section.precisions)
        decisions: dict[str, FileDecision] = {}
        if self.decide is not None:
            chosen, decisions = self._decide(self.decide, chosen, precisions, photos, preprocessing)
        return export(
            self.model, staging, self.stem, labels=self.dataset.classes, preprocessing=preprocessing,
            precisions=precisions,
            formats=tuple(dict.fromkeys(("tflite", *self.formats))), calibration=photos,
            validation=self._validation(preprocessing) if self._compares_ranges else None, output=self.output,
            quantize=chosen, options=self.options, provenance={"calibration_seed": str(_SEED)},
            skipped=skipped, decisions=decisions, task=self.dataset.task, none_label=self.dataset.none_class,
        )  # fmt: skip

    def _decide(
        self, options: DecideOptions, chosen: QuantizeSection | Conversion, precisions: tuple[str, ...], photos: Any,
        preprocessing: Preprocessing,
    ) -> tuple[QuantizeSection | Conversion, dict[str, FileDecision]]:  # fmt: skip
        """Make the int8 conversion, and fit every precision's decision on validation photos."""
        from edgekd.cli.console import PROGRESS, line
        from edgekd.data.images import images_of
        from edgekd.decisions.fit import DecisionPlan, LabelledImages
        from edgekd.decisions.for_model import fit_model
        from edgekd.export.options import needs_onnx
        from edgekd.quantize.float_model import load_float_model
        from edgekd.quantize.per_tensor import convert_by_section
        from edgekd.quantize.ptq import Conversion

        float_model, dataset = load_float_model(self.model, self.dataset.task), self.dataset
        if options.reject and float_model.task == "multi-label":
            raise UsageError("--reject is for one class a photo: of tags, none is an answer below its threshold")
        if self.int8 and not isinstance(chosen, Conversion):
            validation = self._validation(preprocessing) if self._compares_ranges else None
            any_cpu = needs_onnx(self.formats)
            chosen = convert_by_section(float_model, photos, self.output, chosen, validation, any_cpu)
        plan = DecisionPlan(
            dataset.classes, float_model.task, dataset.none_class, calibrate=options.calibrate,
            must_calibrate=options.calibrate, reject=options.reject, keep=options.keep,
        )  # fmt: skip
        val, test = (
            LabelledImages(images_of(dataset, dataset.split(split), preprocessing), dataset.truth(split))
            for split in ("val", "test")
        )
        fitted = fit_model(
            float_model, chosen if isinstance(chosen, Conversion) else None, precisions, plan, val, test,
            calibration=lambda: photos, say=lambda text: line(text, to=PROGRESS),
        )  # fmt: skip
        return chosen, {name: one for name, (one, _) in fitted.items()}

    @property
    def _compares_ranges(self) -> bool:
        return self.int8 and self.section.max_drop is None and self.section.ranges == "best"

    def _validation(self, preprocessing: Preprocessing) -> Any:
        from edgekd.data.images import images_of

        return images_of(self.dataset, self.dataset.split("val"), preprocessing)

    def _convert_within(self, photos: Any, preprocessing: Preprocessing, max_drop: float, scratch: Path) -> Conversion:
        """Take the first step of the ladder that holds on the validation photos."""
        from edgekd.cli.console import PROGRESS, line
        from edgekd.export.options import needs_onnx
        from edgekd.pipeline.qat_training import train_qat_for_export, train_qat_without_run
        from edgekd.quantize.float_model import load_float_model
        from edgekd.quantize.ladder import climb_ladder, least_agreement
        from edgekd.quantize.qat import QatSettings
        from edgekd.task import METRICS

        valid = self._validation(preprocessing), self.dataset.truth("val")

        def qat() -> Conversion:
            checkpoint = scratch / ".qat.npz"
            try:
                if self.ordered:
                    # A run's soft targets are in the order of its own classes.
                    return train_qat_without_run(
                        self.model, self.dataset, preprocessing, QatSettings(), self.output, checkpoint=checkpoint
                    )
                return train_qat_for_export(
                    self.model, self.data, self.dataset, preprocessing, self.output, checkpoint=checkpoint
                )
            finally:
                checkpoint.unlink(missing_ok=True)

        return climb_ladder(
            load_float_model(self.model, self.dataset.task), photos, valid, METRICS[self.dataset.task][0], max_drop,
            min_agreement=least_agreement(self.min_agreement),
            output=self.output, any_cpu=needs_onnx(self.formats), train_qat=qat if self.section.per_channel else None,
            per_channel=self.section.per_channel,
            say=lambda text: line(text, to=PROGRESS),
        ).require()  # fmt: skip
