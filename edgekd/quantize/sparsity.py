"""Pruning and weight clustering: fewer weights, or fewer distinct ones, fine-tuned on the stored soft targets.

"prune" sets the smallest weights of a layer to zero, ever more of them over the first half of the fine-tune;
"prune-2:4" two of every four along the input channels, the pattern that hardware can skip; "cluster" lets a layer's
weights share a few values, so that the file compresses; "prune-cluster" does both. Left alone are:

- depthwise kernels: only a few weights per channel;
- the first convolution and the last layer: few weights, and accuracy depends on each of them;
- biases and BatchNorm: almost no bytes;
- kernels with fewer than 8 weights per cluster, and for 2:4 those whose input channels are not a multiple of four.

Sources: Zhu & Gupta, "To prune, or not to prune", arXiv:1710.01878 (the schedule); Mishra et al., "Accelerating Sparse
Deep Neural Networks", arXiv:2104.08378 (2:4); Han et al., "Deep Compression", arXiv:1510.00149 (clusters).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgekd.errors import ModelError
from edgekd.models.load import load_model
from edgekd.models.rebuild import check_rebuilt, copy_model
from edgekd.progress import Progress
from edgekd.quantize.bridge import BridgedModel, bridge
from edgekd.quantize.fake_quantize import add_pixel_range, without_autograph
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.logit_loss import logit_loss
from edgekd.quantize.tf_keras_training import adamw, read_first_images
from edgekd.quantize.tfmot import custom_layers, tf_keras, tfmot
from edgekd.quantize.weight_facts import WEIGHTS_A_CLUSTER, WeightFacts, describe_kernel
from edgekd.section import Section
from edgekd.task import Task
from edgekd.training.batches import BatchStream
from edgekd.training.loop import Handling, History, Loss, Validation, make_deterministic, train
from edgekd.training.schedule import Schedule

Method = Literal["prune", "prune-2:4", "cluster", "prune-cluster"]
_MASK_UPDATES = 50
# That a copy is compared on.
_PHOTOS = 16
# The share of the steps after which pruning ends; the rest of the training recovers.
_PRUNED_AFTER = 0.5


class Sparsity(Section):
    """A fine-tune before quantization that leaves zeros or few distinct weights, so that the file compresses."""

    method: Method = "prune"
    """What happens to the weights: the smallest become zero ("prune"), two of every four do ("prune-2:4"), the weights
    of a layer share a few values ("cluster"), or they are pruned and then clustered ("prune-cluster").
    """
    sparsity: float = Field(0.5, gt=0, lt=1)
    """Share of zeros in each pruned layer at the end of "prune" and "prune-cluster"."""
    clusters: int = Field(16, ge=4, le=256)
    """Distinct weights in each clustered layer. 16 fit into 4 bits."""
    epochs: int = Field(6, ge=2)
    """Passes over the training photos; "prune-cluster" trains as many again."""
    batch_size: int = Field(32, ge=2)
    """Photos in an optimizer step."""
    learning_rate: float = Field(5e-4, gt=0)
    """Largest learning rate. The default is low, for the student is already trained."""

    def schedule(self) -> Schedule:
        """The training loop's settings."""
        return Schedule(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)


@dataclass(frozen=True)
class SparseStudent:
    """A Keras 3 ``student`` with those weights, ready for any quantization, and a ``record`` of how it was made."""

    student: Any
    record: dict[str, Any]


def sparsify(
    student: Any,
    section: Sparsity,
    objective: Loss | None,
    stream: BatchStream,
    validation: Validation,
    *,
    steps_per_epoch: int,
    seed: int,
    checkpoint: Path,
    key: str,
    progress: Progress | None = None,
    task: Task | None = None,
) -> SparseStudent:
    """Fine-tune a copy of a Keras 3 ``student`` until its weights are as ``section`` asks.

    "prune-cluster" prunes first and clusters what is left, in as many epochs again; its second checkpoint is next to
    ``checkpoint``. Arguments are those of ``edgekd.quantize.qat.train_qat``. Raises ModelError.
    """
    record: dict[str, Any] = {"sparsity": section.model_dump(mode="json"), "stages": []}
    photos = validation.images if len(validation.images) else read_first_images(stream, _PHOTOS)
    stages = ["prune", "cluster"] if section.method == "prune-cluster" else [section.method]
    for number, stage in enumerate(stages):
        place = checkpoint if not number else checkpoint.with_name(f"{checkpoint.stem}-{stage}{checkpoint.suffix}")
        make_deterministic(seed)
        copy = copy_student(student, photos)
        bridged = bridge(load_float_model(copy, task), photos)
        core, layer_names = _wrap_layers(
            bridged, section, stage, keep_zeros=number > 0, steps=section.epochs * steps_per_epoch
        )
        learner = without_autograph(partial(add_pixel_range, core, bridged.float_model))
        loss = logit_loss(objective)
        history = train(
            learner, loss, stream, validation, section.schedule(),
            steps_per_epoch=steps_per_epoch, checkpoint=place, key=f"{key} {stage}", progress=progress,
            handling=Handling(
                adamw(section.schedule(), learner), lambda core=core: _settle(core),  # type: ignore[misc]
                choose_from=math.ceil(section.epochs * _PRUNED_AFTER) if stage.startswith("prune") else 0,
            ),
        )  # fmt: skip
        _settle(core)
        _copy_back(core, bridged)
        student = copy
        record["stages"].append(_describe_training(stage, history, loss.terms, loss.left_out, bridged, layer_names))
    return SparseStudent(student, record)


def copy_student(student: Any, photos: NDArray[np.uint8]) -> Any:
    """Copy a Keras 3 model, or load it from a file, so that it can be changed; compared on ``photos`` [N, H, W, 3]."""
    import keras

    if not isinstance(student, keras.Model):
        return load_model(student) if Path(student).exists() else load_float_model(student).model
    copy = copy_model(student)
    check_rebuilt(student, copy, photos[:_PHOTOS], student.name)
    return copy


def choose_layers(model: Any, method: str, clusters: int) -> list[str]:
    """Names of a flat tf_keras model's layers to prune or cluster. Raises ModelError if there are none."""
    candidates = [layer for layer in model.layers if type(layer).__name__ in ("Conv2D", "DepthwiseConv2D", "Dense")]
    first = next((layer for layer in candidates if type(layer).__name__ != "Dense"), None)
    names = []
    for layer in candidates[:-1]:
        if layer is first or type(layer).__name__ == "DepthwiseConv2D":
            continue
        shape = layer.kernel.shape
        if method == "prune-2:4" and shape[-2] % 4:
            continue
        if method == "cluster" and int(np.prod(shape)) < clusters * WEIGHTS_A_CLUSTER:
            continue
        names.append(layer.name)
    if not names:
        raise ModelError(
            f"{model.name} has no layer for {method}: depthwise ones, the first, the last and small ones are left "
            "unchanged. Choose a larger student, or leave sparsity out"
        )
    return names


def _wrap_layers(
    bridged: BridgedModel, section: Sparsity, stage: str, *, keep_zeros: bool, steps: int
) -> tuple[Any, list[str]]:
    names = choose_layers(bridged.model, stage, section.clusters)

    def wrap(layer: Any) -> Any:
        clone = type(layer).from_config(layer.get_config())
        if layer.name not in names:
            return clone
        # The wrappers read the weights when they are built.
        clone.build(layer.input_shape)
        clone.set_weights(layer.get_weights())
        return _wrapper(clone, section, stage, keep_zeros, steps)

    def build() -> Any:
        with tf_keras().utils.custom_object_scope(custom_layers()):
            return tf_keras().models.clone_model(bridged.model, clone_function=wrap)

    core = without_autograph(build)
    for layer in core.layers:
        if _inner(layer) is layer and layer.get_weights():
            layer.set_weights(bridged.model.get_layer(layer.name).get_weights())
        if hasattr(layer, "pruning_step"):
            layer.pruning_step.assign(0)
    return core, names


def _wrapper(layer: Any, section: Sparsity, stage: str, keep_zeros: bool, steps: int) -> Any:
    sparse, clustering = tfmot().sparsity.keras, tfmot().clustering.keras
    if stage == "cluster":
        from tensorflow_model_optimization.python.core.clustering.keras.cluster import _cluster_weights

        # The public function does not pass on that zeros are kept; both make the same wrapper.
        initial = clustering.CentroidInitialization.KMEANS_PLUS_PLUS
        return _cluster_weights(layer, section.clusters, initial, preserve_sparsity=keep_zeros)
    if stage == "prune-2:4":
        return sparse.prune_low_magnitude(layer, sparse.ConstantSparsity(0.5, 0, frequency=1), sparsity_m_by_n=(2, 4))
    # TFMOT's own frequency of 100 steps would never prune in a short fine-tune.
    every = max(1, int(steps * _PRUNED_AFTER) // _MASK_UPDATES)
    updates = max(1, int(steps * _PRUNED_AFTER) // every)
    schedule = sparse.PolynomialDecay(0.0, section.sparsity, begin_step=0, end_step=every * updates, frequency=every)
    return sparse.prune_low_magnitude(layer, schedule)


def _inner(layer: Any) -> Any:
    return layer.layer if hasattr(layer, "pruning_obj") or hasattr(layer, "clustering_algorithms") else layer


def _settle(core: Any) -> None:
    """Apply the masks and cluster assignments to the weights of the last step."""
    for layer in core.layers:
        if hasattr(layer, "pruning_obj"):
            layer.pruning_obj.weight_mask_op()
        if hasattr(layer, "clustering_algorithms"):
            layer.update_clustered_weights_associations()


def _kernel(layer: Any) -> NDArray[np.float32]:
    return np.asarray(_inner(layer).kernel)


def _copy_back(core: Any, bridged: BridgedModel) -> None:
    """The trained weights into the Keras 3 layers that they came from."""
    weights_by_layer: dict[int, tuple[Any, list[NDArray[np.float32]]]] = {}
    for layer in core.layers:
        inner = _inner(layer)
        origin = bridged.origin.get(inner.name)
        if origin is None:
            continue
        values = list(map(np.asarray, inner.weights))
        if hasattr(layer, "clustering_algorithms"):
            # The kernel is a tensor now, and no longer among the layer's weights.
            values = [_kernel(layer), *values]
        weights_by_layer.setdefault(id(origin), (origin, []))[1].extend(values)
    for origin, values in weights_by_layer.values():
        origin.set_weights(values)


def _describe_training(
    stage: str, history: History, objective: Any, left_out: list[str], bridged: BridgedModel, layer_names: list[str]
) -> dict[str, Any]:
    kernels = [describe_kernel(name, np.asarray(bridged.origin[name].get_weights()[0]), -1) for name in layer_names]
    return {
        "stage": stage,
        "objective": objective,
        "left_out": left_out,
        "best_epoch": history.best_epoch,
        "epoch_choice": history.choice,
        "epochs": history.epochs,
        "seconds": round(history.seconds, 1),
        "layers": [kernel.to_json() for kernel in kernels],
        "share_of_weights": round(_share(kernels, bridged), 4),
    }


def _share(kernels: list[WeightFacts], bridged: BridgedModel) -> float:
    return sum(kernel.size for kernel in kernels) / max(1, bridged.float_model.parameters)
