"""Does the program of a Core ML file predict what Keras does, in float16, with int8 weights and with palettes?

    python benchmarks/coreml_program/run.py --case NAME=MODEL.keras,PHOTOS... [--most 100] [--out DIR]

PHOTOS is a folder, searched recursively; a seed chooses --most of them. Each program is read from its file and computed
op by op in NumPy on them, with every result rounded to float16 as the program declares; that of float16 weights once
more without rounding, which shows what another order of sums on a device can change. Needs coremltools, and no Apple
device: none is here.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from common import Parser, machine, run_script, temporary_folder, write_results
from numpy.typing import NDArray
from small_inputs import light_photos

from edgekd.errors import UsageError
from edgekd.preprocess import Preprocessing, preprocess

SUFFIXES = (".jpg", ".jpeg", ".png")
SEED = 22


@dataclass(frozen=True)
class Sizes:
    """How many photos, and which kinds of weights."""

    photos: int
    weights: tuple[Any, ...]


def main() -> None:
    """Write the programs of every model, compute them, and compare."""
    from edgekd.export.options import CoremlWeights

    parser = Parser(__file__, __doc__)
    parser.add_argument(
        "--case", action="append", default=[], metavar="NAME=MODEL.keras,PHOTOS", help="a model and its photos"
    )
    parser.add_argument("--most", type=int, default=100, help="photos at most of each case [100]")
    arguments = parser.parse()
    if not arguments.case and not arguments.short:
        parser.error("needs --case. To see whether the script works, use --short alone")
    scratch = temporary_folder()
    sizes = Sizes(2, ("int8",)) if arguments.short else Sizes(arguments.most, get_args(CoremlWeights))
    cases = [read_case(text) for text in arguments.case] or [small_case(scratch)]
    results: dict[str, Any] = {"schema": 1, "machine": machine("cpu_model", "cores"), "cases": []}
    for number, case in enumerate(cases):
        results["cases"].append(measure(*case, scratch / str(number), sizes))
        # After each, since a large model takes minutes.
        write_results(arguments.out, "coreml_program", results, report(results))


def read_case(text: str) -> tuple[str, Path, list[Path]]:
    """Name, model and photos of a ``--case``."""
    name, _, rest = text.partition("=")
    model, _, folder = rest.partition(",")
    photos = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not Path(model).is_file() or not photos:
        raise UsageError(f"--case {text}: give NAME=MODEL.keras,PHOTOS with a file and a folder that has photos")
    return name, Path(model), photos


def small_case(folder: Path) -> tuple[str, Path, list[Path]]:
    """An untrained network of three ops, and photos of traffic lights."""
    from edgekd.quiet import import_keras

    import_keras()
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((24, 24, 3))
    x = keras.layers.Conv2D(24, 5, strides=2, padding="same")(keras.layers.Rescaling(1 / 255)(image))
    path = folder / "small.keras"
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    keras.Model(image, keras.layers.Dense(3, activation="softmax")(pooled)).save(path)
    return "small", path, light_photos("red")


def measure(name: str, model: Path, photos: list[Path], folder: Path, sizes: Sizes) -> dict[str, Any]:
    """What each program predicts for the photos, beside Keras."""
    from edgekd.export.coreml import convert, write_coreml
    from edgekd.export.job import Job
    from edgekd.export.options import ExportOptions
    from edgekd.export.verify import compare, compute_expected
    from edgekd.formats.artifact import Artifact
    from edgekd.models.load import load_model
    from edgekd.quantize.float_model import load_float_model
    from edgekd.runtime.coreml import CoremlRunner

    float_model = load_float_model(load_model(model))
    target = Preprocessing(height=float_model.height, width=float_model.width)
    chosen = random.Random(SEED).sample(photos, min(sizes.photos, len(photos)))
    images = np.stack([preprocess(path, None, target) for path in chosen])
    expected = np.concatenate([compute_expected(float_model.model, part).keras for part in batches(images)])
    folder.mkdir(parents=True)
    job = Job(
        float_model, folder, "model", tuple(f"class {number}" for number in range(expected.shape[1])), target, {}, "",
        ExportOptions(coreml_weights=sizes.weights), ("coreml",), None,
    )  # fmt: skip

    def row(artifact: Artifact) -> dict[str, Any]:
        rounded = CoremlRunner(artifact).run(images)
        result: dict[str, Any] = {
            "precision": artifact.precision, "size_bytes": artifact.size_bytes, **compare(rounded, expected, artifact),
            "mean_difference": float(np.abs(rounded - expected).mean()),
        }  # fmt: skip
        if artifact.precision == "float16":
            unrounded = CoremlRunner(artifact, rounded=False).run(images)
            result["rounding_difference"] = float(np.abs(rounded - unrounded).max())
        return result

    program = convert(job)
    return {
        "name": name, "photos": len(images), "classes": expected.shape[1], "size": [target.height, target.width],
        "parameters": float_model.parameters,
        "rows": [row(write_coreml(job, program, weights)) for weights in sizes.weights],
    }  # fmt: skip


def batches(images: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Parts that Keras' own side takes at once."""
    return np.array_split(images, -(-len(images) // 32))


def describe_rounding(row: Mapping[str, Any]) -> str:
    """What rounding to float16 changes, where it was asked."""
    return f"{row['rounding_difference']:.4f}" if "rounding_difference" in row else ""


def report(results: Mapping[str, Any]) -> str:
    """A row a program."""
    rows = [
        f"| {case['name']}: {case['parameters']:,} parameters, {case['size'][0]} x {case['size'][1]} | "
        f"{row['precision']} | {row['size_bytes']:,} | {case['photos'] - row['differing']} of {case['photos']} | "
        f"{row['largest_difference']:.4f}, {row['mean_difference']:.5f} | {describe_rounding(row)} |"
        for case in results["cases"]
        for row in case["rows"]
    ]
    return f"""Programs of Core ML files, read from the file and computed op by op in NumPy on photos, beside Keras in
float32. All compute in float16; the kinds differ in how weights are stored. An export publishes no file of int8 weights
or palettes that agrees on less than 98 %, and none of float16 that is off by more than 0.05. No Apple device ran them:
the last column says by how much a probability moves where no result is rounded to float16, the kind of difference that
another order of sums makes.

| model | weights | bytes | the same answer as Keras | difference of a probability: largest, mean | rounding: largest |
|---|---|---|---|---|---|
{chr(10).join(rows)}
"""


if __name__ == "__main__":
    run_script(main)
