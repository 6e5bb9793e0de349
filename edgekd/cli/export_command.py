"""``edgekd export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekd.errors import UsageError

if TYPE_CHECKING:
    from edgekd.data.dataset import Dataset
    from edgekd.export.options import ExportOptions
    from edgekd.formats.artifact import Artifact
    from edgekd.preprocess import Preprocessing
    from edgekd.quantize.ptq import Conversion
    from edgekd.quantize.settings import QuantizeSection


# Chooses the training photos that calibrate.
_SEED = 0


@click.command(
    "export", epilog="The model must take pixel values 0..255. Files are written only after each was run and checked."
)
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
@click.option("--crop", type=click.Choice(["whole", "center"]), default="whole", help="As in training [whole].")
@click.option(
    "--output", type=click.Choice(["float32", "uint8"]), default="float32", help="Output dtype of int8 files [float32]."
)
@click.option("--batch", help="Images at a time, or dynamic [1 in .tflite, dynamic in .onnx].")
@click.option("--layout", type=click.Choice(["nhwc", "nchw"]), default="nhwc", help="Layout of the .onnx input [nhwc].")
@click.option("--license", "license_", default="not stated", help="Licence for the files' metadata.")
@click.option("--calibration", type=click.IntRange(8), default=200, help="Training photos that set int8 ranges [200].")
@click.option(
    "--ranges",
    type=click.Choice(["min-max", "percentile", "mse"]),
    help="How activation ranges are calibrated [min-max].",
)
@click.option(
    "--float-op", "float_ops", multiple=True, help="A layer or kind of op that int8 files keep in float; repeatable."
)
@click.option("--precision", "extra", multiple=True, type=click.Choice(["float16", "dynamic", "int16x8"]),
              help="Also write a .tflite of this precision; repeatable.")  # fmt: skip
@click.option("--max-drop", type=click.FloatRange(0, 100), help="Points of accuracy that int8 may lose, validation.")
@click.option("--min-agreement", type=click.FloatRange(0, 1), default=0.98, help="Top-1 gate against float32 [0.98].")
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
    crop: str,
    output: str,
    batch: str | None,
    layout: str,
    license_: str,
    calibration: int,
    ranges: str | None,
    float_ops: tuple[str, ...],
    extra: tuple[str, ...],
    max_drop: float | None,
    min_agreement: float,
    android: Path | None,
    imports: tuple[str, ...],
    as_json: bool,
) -> None:
    """Convert a .keras file to int8 .tflite and .onnx, and check what was written.

    Formats: ort is ONNX Runtime's format; c is the int8 .tflite as C, with an example for TensorFlow Lite for
    Microcontrollers; coreml needs: pip install "edgekd[coreml]".

    --max-drop guarantees the int8 file: at most so many points of accuracy below the float32 one on validation photos,
    or exit code 3. It tries other ranges, then the most sensitive ops in float.

    \b
    Example:
      edgekd export student.keras --int8 --data photos --out out
      edgekd export student.keras --int8 --data photos --out out --format tflite,c
      edgekd export student.keras --int8 --data photos --out out --max-drop 0.5
      edgekd export student.keras --int8 --data photos --out out --format onnx,ort --batch dynamic --layout nchw
    """
    from edgekd.cli.check_command import finish
    from edgekd.cli.console import PROGRESS, line
    from edgekd.cli.photos import open_photos
    from edgekd.evaluation.score import ParityGates, score
    from edgekd.export.android import assets_folder
    from edgekd.export.exporter import extra_files
    from edgekd.extras import require
    from edgekd.storage import require_writable

    require("train", "exporting a model")
    if imports:
        from edgekd.models.load import import_custom_layers

        import_custom_layers(imports)
    if android is not None:
        # A folder that is not a project is refused before anything is converted.
        assets_folder(android)
    require_writable(out)
    dataset = open_photos(data, images, strict)
    options = _options(batch, layout, license_)
    section = _section(int8, ranges, float_ops, extra, max_drop)
    artifacts = _export(
        model, data, dataset, out, tuple(formats.split(",")), int8, crop, output, calibration, section, options
    )
    for path in extra_files(out, model.stem, tuple(formats.split(","))):
        line(f"wrote {path}", to=PROGRESS)
    gates = ParityGates(min_agreement=min_agreement)
    float_twin = next((a for a in artifacts if a.precision == "float32" and a.format == "tflite"), None)
    rows = [score(a, dataset, reference=float_twin if a is not float_twin else None, gates=gates) for a in artifacts]
    finish(rows, as_json)
    # After the gates, so that no app gets a file that failed one.
    if android is not None:
        _to_android(artifacts, android, "int8" if int8 else "float32")


def _to_android(artifacts: list[Artifact], project: Path, precision: str) -> None:
    """The .tflite of that precision with its golden vectors, and the lines that its build needs."""
    from edgekd.cli.console import PROGRESS, line
    from edgekd.export.android import add_to_android

    artifact = next(a for a in artifacts if a.format == "tflite" and a.precision.removesuffix("-mixed") == precision)
    added = add_to_android(artifact, project)
    line(f"wrote {added.model}", to=PROGRESS)
    line(f"wrote {added.golden} ({added.golden_size_bytes:,} bytes; for tests and the check)", to=PROGRESS)
    line("\n  ".join(["add to the module's build.gradle.kts:", *added.gradle_lines()]), to=PROGRESS)


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
    int8: bool, ranges: str | None, float_ops: tuple[str, ...], extra: tuple[str, ...], max_drop: float | None
) -> QuantizeSection:
    from pydantic import ValidationError

    from edgekd.quantize.settings import QuantizeSection

    if not int8 and (ranges or float_ops or max_drop is not None):
        raise UsageError("--ranges, --float-op and --max-drop need --int8")
    values = {"float_ops": float_ops, "precisions": extra, "max_drop": max_drop, "ranges": ranges or "min-max"}
    try:
        return QuantizeSection.model_validate(values)
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None


def _export(
    model: Path,
    data: Path,
    dataset: Dataset,
    out: Path,
    formats: tuple[str, ...],
    int8: bool,
    crop: Any,
    output: Any,
    count: int,
    section: QuantizeSection,
    options: ExportOptions,
) -> list[Artifact]:
    """Calibrate on training photos chosen by a fixed seed, and convert."""
    from edgekd.data.images import images_of, some_of
    from edgekd.export.exporter import export
    from edgekd.export.options import needs_onnx
    from edgekd.models.load import load_model
    from edgekd.preprocess import Preprocessing

    loaded = load_model(model)
    height, width = loaded.input_shape[1:3]
    preprocessing = Preprocessing(height=height, width=width, crop=crop)
    photos = images_of(dataset, some_of(dataset.split("train"), count, _SEED), preprocessing)
    chosen: QuantizeSection | Conversion = section
    if section.max_drop is not None:
        out.mkdir(parents=True, exist_ok=True)
        any_cpu = needs_onnx(formats)
        chosen = _convert_within(loaded, photos, data, dataset, preprocessing, section.max_drop, output, any_cpu, out)
    # The float32 .tflite is what int8 files are compared with, so it is always written.
    return export(
        loaded, out, model.stem, labels=dataset.classes, preprocessing=preprocessing,
        precisions=("float32", *(("int8",) if int8 else ()), *section.precisions),
        formats=tuple(dict.fromkeys(("tflite", *formats))), calibration=photos, output=output,
        quantize=chosen, options=options, provenance={"calibration_seed": str(_SEED)},
    )  # fmt: skip


def _convert_within(
    model: Any,
    photos: Any,
    data: Path,
    dataset: Dataset,
    preprocessing: Preprocessing,
    max_drop: float,
    output: Any,
    any_cpu: bool,
    out: Path,
) -> Conversion:
    """The first step of the ladder that loses no more than was allowed on the validation photos."""
    from edgekd.cli.console import PROGRESS, line
    from edgekd.data.images import images_of
    from edgekd.pipeline.qat_training import train_qat_for_export
    from edgekd.quantize.float_model import load_float_model
    from edgekd.quantize.ladder import climb_ladder
    from edgekd.temporary import owned_folder

    def say(text: str) -> None:
        line(text, to=PROGRESS)

    valid = images_of(dataset, dataset.split("val"), preprocessing), dataset.labels("val")
    with owned_folder(out, "qat") as scratch:

        def aware() -> Conversion:
            checkpoint = scratch / "checkpoint.npz"
            return train_qat_for_export(model, data, dataset, preprocessing, output, checkpoint=checkpoint)

        return climb_ladder(
            load_float_model(model), photos, valid, "accuracy", max_drop,
            output=output, any_cpu=any_cpu, say=say, train_qat=aware,
        ).require()  # fmt: skip
