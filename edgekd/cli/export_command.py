"""``edgekd export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekd.cli.model_options import PIXEL_OPTIONS, model_options, read_pixels
from edgekd.errors import ExportError, UsageError

if TYPE_CHECKING:
    from edgekd.data.dataset import Dataset
    from edgekd.evaluation.rows import CheckRow
    from edgekd.export.options import ExportOptions
    from edgekd.formats.artifact import Artifact
    from edgekd.models.rebuild import PhotosAt
    from edgekd.preprocess import Preprocessing
    from edgekd.quantize.ptq import Conversion
    from edgekd.quantize.settings import QuantizeSection


# Chooses the training photos that calibrate.
_SEED = 0
_COMPARED_PHOTOS = 16
_WRONG_LABELS = "Nothing is written: the files would give wrong labels to right predictions."
_HELD_ON_VALIDATION_ONLY = (
    "Nothing is written: the last step above holds on the validation photos, and a gate fails on test photos. Try "
    "--ranges, --float-op with a sensitive op, more --calibration photos, or a lower --min-agreement"
)


@click.command("export", epilog="Files take pixel values 0..255, and are written only after each was run and checked.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--int8", is_flag=True, help="Write integer-only files, and float32 ones to compare them with.")
@click.option(
    "--format",
    "formats",
    default="tflite,onnx",
    help="Comma-separated formats: tflite, onnx, ort, c, coreml [tflite,onnx].",
)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="A run, or a folder a class, CSV or .npz.")
@click.option("--images", type=click.Path(path_type=Path), help="Where a CSV's photos are.")
@click.option("--strict", is_flag=True, help="Make every finding about the photos an error.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@model_options(*PIXEL_OPTIONS)
@click.option("--crop", type=click.Choice(["whole", "center"]), default="whole", help="As in training [whole].")
@click.option(
    "--output", type=click.Choice(["float32", "uint8"]),
    help="Output dtype of int8 files [float32; uint8 with --target].",
)  # fmt: skip
@click.option(
    "--target", type=click.Choice(["ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u85-256"]),
    help="Also compile the int8 .tflite for this NPU.",
)  # fmt: skip
@click.option("--batch", help="Images at a time, or dynamic [1 in .tflite, dynamic in .onnx].")
@click.option("--layout", type=click.Choice(["nhwc", "nchw"]), default="nhwc", help="Layout of the .onnx input [nhwc].")
@click.option("--license", "license_", default="not stated", help="Licence for the files' metadata.")
@click.option("--calibration", type=click.IntRange(8), default=200, help="Training photos that set int8 ranges [200].")
@click.option(
    "--ranges",
    type=click.Choice(["best", "min-max", "percentile", "mse"]),
    help="How activation ranges are calibrated [best].",
)
@click.option(
    "--float-op", "float_ops", multiple=True, help="A layer or kind of op that int8 files keep in float; repeatable."
)
@click.option("--per-tensor", is_flag=True, help="One weight scale per tensor in int8 files, as some NPUs ask for.")
@click.option("--precision", "extra", multiple=True, type=click.Choice(["float16", "dynamic", "int16x8"]),
              help="Also write a .tflite of this precision; repeatable.")  # fmt: skip
@click.option("--max-drop", type=click.FloatRange(0, 100), help="Points of accuracy that int8 may lose, validation.")
@click.option(
    "--min-agreement", type=click.FloatRange(0, 1), help="Top-1 gate against float32 [none; 0.98 with --max-drop]."
)
@click.option("--android", type=click.Path(path_type=Path), help="Android project to put the .tflite into.")
@click.option("--import", "imports", multiple=True, help="Module of custom layers to import; this runs its code.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    model: Path,
    int8: bool,
    formats: str,
    data: Path,
    images: Path | None,
    strict: bool,
    out: Path,
    input_size: int | None,
    pixel_range: str | None,
    mean: str | None,
    std: str | None,
    classes: str | None,
    crop: str,
    output: str | None,
    target: Any,
    batch: str | None,
    layout: str,
    license_: str,
    calibration: int,
    ranges: str | None,
    float_ops: tuple[str, ...],
    per_tensor: bool,
    extra: tuple[str, ...],
    max_drop: float | None,
    min_agreement: float | None,
    android: Path | None,
    imports: tuple[str, ...],
    as_json: bool,
) -> None:
    """Convert a .keras file to int8 .tflite and .onnx, and check what was written.

    Formats: ort is ONNX Runtime's format; c is the int8 .tflite as C, with an example for TensorFlow Lite for
    Microcontrollers; coreml needs: pip install "edgekd[coreml]".

    --target compiles the int8 .tflite for Arm's Ethos-U with Arm's compiler Vela: pip install "edgekd[ethos-u]". It
    prints which ops the NPU takes, and Vela's own estimates.

    --max-drop guarantees the int8 file: at most so many points of accuracy below the float32 one on validation photos,
    or exit code 3 and no files. It tries other ranges, then the most sensitive ops in float.

    A model whose first layers do not show that it takes pixel values 0..255 needs --pixel-range.

    \b
    Example:
      edgekd export student.keras --int8 --data photos --out out
      edgekd export student.keras --int8 --data photos --out out --format tflite,c
      edgekd export student.keras --int8 --data photos --out out --max-drop 0.5
      edgekd export student.keras --int8 --data photos --out out --per-tensor --target ethos-u55-128
      edgekd export mobilenet.keras --data photos --out out --pixel-range=-1,1 --classes red,yellow,green
      edgekd export student.keras --int8 --data photos --out out --format onnx,ort --batch dynamic --layout nchw
    """
    from edgekd.cli.photos import open_photos
    from edgekd.data.class_names import read_class_names, reorder_classes
    from edgekd.export.android import assets_folder
    from edgekd.export.input_model import load_input_model
    from edgekd.extras import require
    from edgekd.storage import require_writable

    require("train", "exporting a model")
    if imports:
        from edgekd.models.load import import_custom_layers

        import_custom_layers(imports)
    if target is not None:
        if not int8:
            raise UsageError("--target needs --int8: an NPU computes in integers")
        from edgekd.export import ethos_u

        ethos_u.check_installed()
    # With float probabilities the last op would be left to the CPU.
    output = output or ("float32" if target is None else "uint8")
    if android is not None:
        # A folder that is not a project is refused before anything is converted.
        assets_folder(android)
    require_writable(out)
    pixels = read_pixels(pixel_range, mean, std)
    dataset = open_photos(data, images, strict)
    loaded = load_input_model(model, input_size=input_size, pixels=pixels, photos=_some_photos(dataset, crop))
    if classes is not None:
        dataset = reorder_classes(dataset, read_class_names(classes))
    job = _Job(
        loaded, _stem(model), data, dataset, out, tuple(formats.split(",")), int8, crop, output, calibration,
        _section(int8, ranges, float_ops, extra, max_drop, per_tensor), _options(batch, layout, license_),
        min_agreement, classes is not None,
    )  # fmt: skip
    artifacts = job.run(as_json)
    # After the gates, so that no device gets a file that failed one.
    if target is not None:
        _to_npu(artifacts, target, out)
    if android is not None:
        _to_android(artifacts, android, "int8" if int8 else "float32")


def _some_photos(dataset: Dataset, crop: Any) -> PhotosAt:
    """A few training photos at any size, to compare models on."""
    from edgekd.data.images import images_of
    from edgekd.preprocess import Preprocessing

    samples = dataset.split("train")[:_COMPARED_PHOTOS]
    return lambda size: images_of(dataset, samples, Preprocessing(height=size[0], width=size[1], crop=crop))


@dataclass(frozen=True)
class _Job:
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
        return export(
            self.model, staging, self.stem, labels=self.dataset.classes, preprocessing=preprocessing,
            precisions=("float32", *(("int8",) if self.int8 else ()), *self.section.precisions),
            formats=tuple(dict.fromkeys(("tflite", *self.formats))), calibration=photos,
            validation=self._validation(preprocessing) if self._compares_ranges else None, output=self.output,
            quantize=chosen, options=self.options, provenance={"calibration_seed": str(_SEED)},
            skipped=skipped,
        )  # fmt: skip

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

        valid = self._validation(preprocessing), self.dataset.labels("val")

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
            load_float_model(self.model), photos, valid, "accuracy", max_drop,
            min_agreement=least_agreement(self.min_agreement),
            output=self.output, any_cpu=needs_onnx(self.formats), train_qat=qat if self.section.per_channel else None,
            per_channel=self.section.per_channel,
            say=lambda text: line(text, to=PROGRESS),
        ).require()  # fmt: skip


def _stem(model: Path) -> str:
    """Name of the files: that of the model, without a size behind an @."""
    name, at, size = model.name.rpartition("@")
    return Path(name if at and size.isdecimal() and not model.exists() else model.name).stem


def _to_android(artifacts: list[Artifact], project: Path, precision: str) -> None:
    """The .tflite of that precision with its golden vectors, and the lines that its build needs."""
    from edgekd.cli.console import PROGRESS, line
    from edgekd.export.android import add_to_android

    artifact = next(a for a in artifacts if a.format == "tflite" and a.precision.removesuffix("-mixed") == precision)
    added = add_to_android(artifact, project)
    line(f"wrote {added.model}", to=PROGRESS)
    line(f"wrote {added.golden} ({added.golden_size_bytes:,} bytes; for tests and the check)", to=PROGRESS)
    line("\n  ".join(["add to the module's build.gradle.kts:", *added.gradle_lines()]), to=PROGRESS)


def _to_npu(artifacts: list[Artifact], target: Any, out: Path) -> None:
    """The int8 .tflite compiled for an NPU, and what its compiler says of it."""
    from edgekd.cli.console import PROGRESS, line
    from edgekd.export.ethos_u import compile_for_npu

    int8 = next(a for a in artifacts if a.format == "tflite" and a.precision.startswith("int8"))
    compiled = compile_for_npu(int8, target, out)
    line(f"wrote {compiled.path}", to=PROGRESS)
    line(compiled.describe(), to=PROGRESS)


def _options(batch: str | None, layout: str, license_: str) -> ExportOptions:
    from pydantic import ValidationError

    from edgekd.export.options import ExportOptions

    size = int(batch) if batch is not None and batch.isdecimal() else batch
    try:
        return ExportOptions.model_validate({"batch": size, "layout": layout, "license": license_})
    except ValidationError as error:
        raise UsageError(
            f"--{error.errors()[0]['loc'][0]} got {error.errors()[0]['input']!r}: --batch is dynamic or 1 to 1024, "
            "--license a text"
        ) from None


def _section(
    int8: bool,
    ranges: str | None,
    float_ops: tuple[str, ...],
    extra: tuple[str, ...],
    max_drop: float | None,
    per_tensor: bool,
) -> QuantizeSection:
    from pydantic import ValidationError

    from edgekd.quantize.settings import QuantizeSection

    if not int8 and (ranges or float_ops or max_drop is not None or per_tensor):
        raise UsageError("--ranges, --float-op, --per-tensor and --max-drop need --int8")
    values = {
        "float_ops": float_ops, "precisions": extra, "max_drop": max_drop, "ranges": ranges or "best",
        "per_channel": not per_tensor,
    }  # fmt: skip
    try:
        return QuantizeSection.model_validate(values)
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None
