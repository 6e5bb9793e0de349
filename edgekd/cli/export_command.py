"""``edgekd export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from edgekd.cli.model_options import PIXEL_OPTIONS, model_options, read_pixels
from edgekd.errors import UsageError
from edgekd.task import Task

if TYPE_CHECKING:
    from edgekd.cli.export_job import DecideOptions
    from edgekd.data.dataset import Dataset
    from edgekd.export.android import AndroidModule
    from edgekd.export.options import ExportOptions
    from edgekd.formats.artifact import Artifact
    from edgekd.models.rebuild import PhotosAt
    from edgekd.quantize.settings import QuantizeSection


_COMPARED_PHOTOS = 16


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
@click.option("--none", type=click.Path(path_type=Path), help="Folder of photos that show none of the classes.")
@click.option("--task", type=click.Choice(get_args(Task)), help="One label a photo, or tags [as the photos look].")
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
@click.option(
    "--coreml-weights", multiple=True, type=click.Choice(["float16", "int8", "palette8", "palette6", "palette4"]),
    help="Weights of the Core ML file [float16]; repeatable, one file each.",
)  # fmt: skip
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
@click.option("--calibrate", is_flag=True, help="Scale each file's probabilities to be as often right as they say.")
@click.option("--reject", is_flag=True, help="Let files answer none of these where no class is likely enough.")
@click.option(
    "--keep", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of validation photos that --reject must keep [0.95].",
)  # fmt: skip
@click.option(
    "--android",
    type=click.Path(path_type=Path),
    help="Android project to put the .tflite into.",
)
@click.option("--import", "imports", multiple=True, help="Module of custom layers to import; this runs its code.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    model: Path,
    int8: bool,
    formats: str,
    data: Path,
    images: Path | None,
    none: Path | None,
    task: Task | None,
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
    coreml_weights: tuple[str, ...],
    license_: str,
    calibration: int,
    ranges: str | None,
    float_ops: tuple[str, ...],
    per_tensor: bool,
    extra: tuple[str, ...],
    max_drop: float | None,
    min_agreement: float | None,
    calibrate: bool,
    reject: bool,
    keep: float | None,
    android: Path | None,
    imports: tuple[str, ...],
    as_json: bool,
) -> None:
    """Convert a .keras file to int8 .tflite and .onnx, and check what was written.

    Formats: ort is ONNX Runtime's format; c is the int8 .tflite as C, with an example for TensorFlow Lite for
    Microcontrollers; coreml is an .mlpackage, whose program is computed here before it is written, and needs: pip
    install "edgekd[coreml]".

    --target compiles the int8 .tflite for Arm's Ethos-U with Arm's compiler Vela: pip install "edgekd[ethos-u]". It
    prints which ops the NPU takes, and Vela's own estimates.

    --max-drop guarantees the int8 file: at most so many points of accuracy below the float32 one on validation photos,
    or exit code 3 and no files. It tries other ranges, then the most sensitive ops in float.

    --calibrate and --reject are fitted for each file on validation photos, and stand in the files: predict and the
    ports act by them.

    A model whose first layers do not show that it takes pixel values 0..255 needs --pixel-range.

    \b
    Example:
      edgekd export student.keras --int8 --data photos --out out
      edgekd export student.keras --int8 --data photos --out out --format tflite,c
      edgekd export student.keras --int8 --data photos --out out --max-drop 0.5
      edgekd export student.keras --int8 --data photos --out out --per-tensor --target ethos-u55-128
      edgekd export student.keras --int8 --data photos --out out --calibrate --reject --keep 0.9
      edgekd export mobilenet.keras --data photos --out out --pixel-range=-1,1 --classes red,yellow,green
      edgekd export student.keras --int8 --data photos --out out --format onnx,ort --batch dynamic --layout nchw
    """
    from edgekd.cli.export_job import ExportJob
    from edgekd.cli.photos import open_photos
    from edgekd.data.class_names import read_class_names, reorder_classes
    from edgekd.export.android import find_module
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
    # A folder that is not a project is refused before anything is converted.
    app = None if android is None else find_module(android)
    require_writable(out)
    pixels = read_pixels(pixel_range, mean, std)
    dataset = open_photos(data, images, strict, none=none, task=task)
    loaded = load_input_model(model, input_size=input_size, pixels=pixels, photos=_some_photos(dataset, crop))
    if classes is not None:
        dataset = reorder_classes(dataset, read_class_names(classes))
    job = ExportJob(
        loaded, _stem(model), data, dataset, out, tuple(formats.split(",")), int8, crop, output, calibration,
        _section(int8, ranges, float_ops, extra, max_drop, per_tensor),
        _options(batch, layout, license_, coreml_weights),
        min_agreement, classes is not None, _decide(calibrate, reject, keep),
    )  # fmt: skip
    artifacts = job.run(as_json)
    # After the gates, so that no device gets a file that failed one.
    if target is not None:
        _to_npu(artifacts, target, out)
    if app is not None:
        _to_android(artifacts, app, "int8" if int8 else "float32")


def _decide(calibrate: bool, reject: bool, keep: float | None) -> DecideOptions | None:
    """What is fitted on validation photos; None where nothing is."""
    from edgekd.cli.export_job import DecideOptions

    if keep is not None and not reject:
        raise UsageError("--keep needs --reject: it is the share of validation photos that the rejection must keep")
    return DecideOptions(calibrate, reject, keep or 0.95) if calibrate or reject else None


def _some_photos(dataset: Dataset, crop: Any) -> PhotosAt:
    """A few training photos at any size, to compare models on."""
    from edgekd.data.images import images_of
    from edgekd.preprocess import Preprocessing

    samples = dataset.split("train")[:_COMPARED_PHOTOS]
    return lambda size: images_of(dataset, samples, Preprocessing(height=size[0], width=size[1], crop=crop))


def _stem(model: Path) -> str:
    """Name of the files: that of the model, without a size behind an @."""
    name, at, size = model.name.rpartition("@")
    return Path(name if at and size.isdecimal() and not model.exists() else model.name).stem


def _to_android(artifacts: list[Artifact], module: AndroidModule, precision: str) -> None:
    """The .tflite of that precision into an app, as ``edgekd android`` does it."""
    from edgekd.cli.android_command import show
    from edgekd.export.android import add_to_android

    artifact = next(a for a in artifacts if a.format == "tflite" and a.precision.removesuffix("-mixed") == precision)
    show(add_to_android(artifact, module))


def _to_npu(artifacts: list[Artifact], target: Any, out: Path) -> None:
    """The int8 .tflite compiled for an NPU, and what its compiler says of it."""
    from edgekd.cli.console import PROGRESS, line
    from edgekd.export.ethos_u import compile_for_npu

    int8 = next(a for a in artifacts if a.format == "tflite" and a.precision.startswith("int8"))
    compiled = compile_for_npu(int8, target, out)
    line(f"wrote {compiled.path}", to=PROGRESS)
    line(compiled.describe(), to=PROGRESS)


def _options(batch: str | None, layout: str, license_: str, coreml_weights: tuple[str, ...]) -> ExportOptions:
    from pydantic import ValidationError

    from edgekd.export.options import ExportOptions

    size = int(batch) if batch is not None and batch.isdecimal() else batch
    try:
        return ExportOptions.model_validate(
            {
                "batch": size, "layout": layout, "license": license_,
                **({"coreml_weights": tuple(dict.fromkeys(coreml_weights))} if coreml_weights else {}),
            }
        )  # fmt: skip
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
