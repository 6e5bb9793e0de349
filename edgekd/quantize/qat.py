"""Quantization-aware training (QAT): distills the student in the arithmetic of the int8 file.

Its layers compute with weights and activations rounded as the int8 file will round them, gradients pass straight
through the rounding, and the loss is that of the float student's training, on the same stored soft targets.
Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
arXiv:1712.05877.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgekd.progress import Progress
from edgekd.quantize.bridge import BridgedModel, bridge
from edgekd.quantize.fake_quantize import fake_quantize
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.logit_loss import LogitLoss, logit_loss
from edgekd.quantize.placement import Weights
from edgekd.quantize.ptq import Conversion, Output
from edgekd.quantize.qat_convert import convert_qat, make_float_twin
from edgekd.quantize.tf_keras_training import adamw, read_first_images
from edgekd.quantize.weight_facts import WeightFacts, check_preserved, describe_kernel, read_weights
from edgekd.section import Section
from edgekd.task import Task
from edgekd.training.batches import BatchStream
from edgekd.training.loop import Handling, History, Loss, Validation, make_deterministic, train
from edgekd.training.schedule import Schedule

Method = Literal["qat", "pqat", "cqat", "pcqat"]
_KEEPS: dict[str, Weights] = {
    "qat": "plain", "pqat": "keep zeros", "cqat": "keep clusters", "pcqat": "keep both",
}  # fmt: skip
_CALIBRATION_IMAGES = 512
_COMPARED_IMAGES = 256


class QatSettings(Section):
    """Quantization-aware training: a short fine-tune of the student in int8 arithmetic, before it is converted."""

    method: Method = "qat"
    """What the training preserves: nothing ("qat"), zeros ("pqat"), clusters ("cqat") or both ("pcqat").

    The zeros and clusters are those that [quantize.sparsity] made.
    """
    epochs: int = Field(4, ge=1)
    """Passes over the training photos."""
    batch_size: int = Field(32, ge=2)
    """Photos in an optimizer step."""
    learning_rate: float = Field(2e-4, gt=0)
    """Largest learning rate. The default is a tenth of the student's, for the student is already trained."""

    def schedule(self) -> Schedule:
        """The training loop's settings."""
        return Schedule(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)


def train_qat(
    student: Any,
    section: QatSettings,
    objective: Loss | None,
    stream: BatchStream,
    validation: Validation,
    *,
    steps_per_epoch: int,
    seed: int,
    checkpoint: Path,
    key: str,
    output: Output = "float32",
    calibration: NDArray[np.uint8] | None = None,
    progress: Progress | None = None,
    task: Task | None = None,
) -> Conversion:
    """Fine-tune a trained ``student`` (a Keras 3 model or a .keras file) in int8 and convert it to an int8 .tflite.

    ``objective`` is the bound loss of its training, or None for the labels alone; its terms on features are left out
    and listed in the record. Ranges start as those of ``calibration`` uint8 [N, H, W, 3], or of the first batches.
    ``task`` is what its logits are of, as in ``load_float_model``. ``validation`` picks the epoch, the start
    (epoch 0, as good as quantization after training) among them. Resumes from ``checkpoint`` if it belongs to ``key``.
    The student itself is not changed.

    Raises ModelError naming a layer without an int8 form, a loss without a term on logits, or weights with nothing to
    preserve; ExportError if the file is not all integers or does not compute what was trained.
    """
    make_deterministic(seed)
    images = read_first_images(stream, _CALIBRATION_IMAGES) if calibration is None else calibration
    images_to_compare = validation.images if len(validation.images) else images
    bridged = bridge(load_float_model(student, task), images_to_compare)
    loss = logit_loss(objective)
    model = fake_quantize(bridged, _KEEPS[section.method])
    model.calibrate(bridged, images)
    history = train(
        model.learner, loss, stream, validation, section.schedule(),
        steps_per_epoch=steps_per_epoch, checkpoint=checkpoint, key=key, progress=progress,
        handling=Handling(adamw(section.schedule(), model.learner), model.settle, judge_start=True),
    )  # fmt: skip
    conversion = convert_qat(model, images_to_compare[:_COMPARED_IMAGES], output)
    record = _describe_training(section, history, loss, len(images), bridged)
    if section.method != "qat":
        record["weights"] = [fact.to_json() for fact in _check_weights(section.method, bridged, conversion.content)]
    return Conversion(conversion.content, conversion.record | record, make_float_twin(model, bridged))


def _describe_training(
    section: QatSettings, history: History, loss: LogitLoss, image_count: int, bridged: BridgedModel
) -> dict[str, Any]:
    return {
        "method": section.method,
        "training": section.model_dump(mode="json") | {"steps": history.steps},
        "objective": loss.terms,
        "left_out": loss.left_out,
        "best_epoch": history.best_epoch,
        "epoch_choice": history.choice,
        "epochs": history.epochs,
        "seconds": round(history.seconds, 1),
        "batch_norm": "moments as the float training left them",
        "calibration_images": image_count,
        "calibration_method": "mean of the batches' min and max, then trained along",
        "bridge_difference": bridged.difference,
    }


def _check_weights(method: Method, bridged: BridgedModel, content: bytes) -> list[WeightFacts]:
    before = [
        describe_kernel(layer.name, np.asarray(layer.kernel), -1)
        for layer in bridged.model.layers
        if type(layer).__name__ in ("Conv2D", "Dense")
    ]
    after = read_weights(content)
    check_preserved(before, after, zeros=method in ("pqat", "pcqat"), clusters=method in ("cqat", "pcqat"))
    return after
