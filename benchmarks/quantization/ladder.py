"""The guarantee on MobileNetV3-Small with hard-swish: what the ladder prints, and where no step meets the bound.

    python benchmarks/quantization/ladder.py --work DIR [--max-drop 0]

DIR is that of run.py, whose float student of the first seed is taken (and trained if it is not there). Writes
results/ladder.md: the output with the allowed drop, and that of a student that int8 cannot represent. --short takes the
small student and synthetic images.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fashion_mnist
import fashion_task as fashion
from cases import Case, open_case
from common import Parser, machine, run_script

from edgekd.errors import GateFailed
from edgekd.pipeline.qat_training import StillImages
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ladder import climb_ladder
from edgekd.quantize.ptq import Conversion
from edgekd.quantize.qat import QatSettings, train_qat
from edgekd.storage import write_text
from edgekd.training.batches import BatchStream

NOTE = """\
MobileNetV3-Small x0.75 at 32 px on Fashion-MNIST, 5,000 validation images; every step is judged as the file that the
.onnx is made of, with weights narrowed for CPUs without VNNI. The last step is distilled from stored soft targets."""
BEYOND_INT8 = """\
A student that tells colours by channels a thousandth as large as another, through twelve layers: int8 with one
scale a tensor cannot represent both, and training in int8, on the labels, does not find a way."""


def main() -> None:
    """Climb twice and write what was printed."""
    parser = Parser(__file__, __doc__, work="the folder of run.py")
    parser.add_argument("--max-drop", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    fashion_mnist.add_option(parser)
    arguments = parser.parse()
    fashion_mnist.use(arguments.fashion_mnist, short=arguments.short, work=arguments.work)
    kind = fashion.SMALL if arguments.short else fashion.HARD
    case = open_case(kind.name, arguments.seed, arguments.work, Path(), Path())
    hard = climb(case, case.student, arguments.max_drop, arguments.work)
    colours = colour_case(case)
    beyond = climb(colours, colours.student, 1.0, arguments.work)
    facts = machine()
    parts = (
        "# The way to a guarantee", NOTE, f"```\n{hard}\n```", BEYOND_INT8, f"```\n{beyond}\n```",
        f"On {facts['cpu_model']}, {facts['cores']} cores, {facts['os']}.",
    )  # fmt: skip
    write_text(arguments.out / "ladder.md", "\n\n".join(parts) + "\n")


def climb(case: Case, student: Any, max_drop: float, work: Path) -> str:
    """All that is printed on the way, as ``edgekd export --max-drop`` prints it, and the exit code."""
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    def aware() -> Conversion:
        section = QatSettings(epochs=case.epochs, batch_size=case.batch_size, learning_rate=case.learning_rate)
        key = f"ladder-{student.name}"
        return train_qat(
            student, section, case.objective, case.batches(case.batch_size), case.validation,
            steps_per_epoch=case.steps_per_epoch, seed=0, checkpoint=work / "models" / f"{key}.npz", key=key,
            calibration=case.calibration,
        )  # fmt: skip

    valid = (case.validation.images, case.validation.labels)
    try:
        climb_ladder(
            load_float_model(student),
            case.calibration,
            valid,
            "accuracy",
            max_drop,
            any_cpu=True,
            train_qat=aware,
            say=say,
        ).require()
        say("exit code 0")
    except GateFailed as error:
        say(f"edgekd: {str(error).splitlines()[0]}")
        say(f"exit code {error.exit_code}")
    return "\n".join(lines)


def colour_case(case: Case) -> Case:
    """The same images in colours, classified by a student that int8 cannot represent."""
    import keras
    from keras import layers

    image = keras.Input((case.test.shape[1], case.test.shape[2], 3))
    x = layers.Conv2D(4, 1, name="spread")(layers.Rescaling(1 / 128, -127 / 128)(image))
    for _ in range(12):
        x = layers.ReLU()(layers.Conv2D(4, 1)(x))
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)), name="spoilt")
    model.trainable = False
    first = np.zeros((1, 1, 3, 4))
    first[0, 0] = np.concatenate([np.eye(3), np.full((3, 1), 1e3)], axis=1)
    kernels = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    kernels[0].set_weights([first, np.array([1.0, 1.0, 1.0, 3e3])])
    for layer in kernels[1:]:
        layer.set_weights([np.eye(4)[np.newaxis, np.newaxis], np.zeros(4)])
    head = np.concatenate([12 * np.eye(3) - 4, np.zeros((1, 3))])
    model.layers[-1].set_weights([head, np.zeros(3)])
    return with_colours(case, model)


def with_colours(case: Case, model: Any) -> Case:
    """Each image in one of three colours, which is its label; its training in int8 is by the labels."""

    def paint(images: Any) -> tuple[Any, Any]:
        labels = np.arange(len(images)) % 3
        shades = np.full((3, 3), 0.4) + 0.6 * np.eye(3)
        return (images * shades[labels][:, np.newaxis, np.newaxis]).astype(np.uint8), labels.astype(np.int64)

    # 300 and 1,000 of 5,000.
    few, many = len(case.validation.images) * 3 // 50, len(case.validation.images) * 13 // 50
    images, labels = paint(case.validation.images[:few])
    coloured = paint(case.validation.images[few:many])
    return replace(
        case, student=model, objective=None, calibration=paint(case.calibration)[0], photos=len(coloured[0]),
        validation=replace(case.validation, images=images, labels=labels),
        batches=lambda size: BatchStream(
            StillImages(coloured[0]), np.arange(len(coloured[0])), coloured[1], None, batch_size=size, seed=0
        ),
    )  # fmt: skip


if __name__ == "__main__":
    run_script(main)
