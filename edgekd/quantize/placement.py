"""Inserts fake quantization after each group of layers that int8 runtimes compute as one op, and nowhere else.

TFMOT's own choice knows Conv-BatchNorm-ReLU and a few layers more; it refuses other layers, and gives depthwise
kernels one scale where the runtimes take one per channel. So each layer is annotated with its own config.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from edgekd.errors import ModelError
from edgekd.quantize.keep_clusters import make_clusters_quantizer
from edgekd.quantize.tfmot import custom_layers, tf_keras, tfmot
from edgekd.quantize.weight_facts import describe_kernel

Weights = Literal["plain", "keep zeros", "keep clusters", "keep both"]

_KERNELS = {"Conv2D": "kernel", "DepthwiseConv2D": "depthwise_kernel", "Dense": "kernel"}
# Ops into which the runtimes fuse a following ReLU.
_FUSE_RELU = (*_KERNELS, "Add", "Subtract", "Multiply", "Scale", "Shift")
# Their output has the scale of their input (or, of the last two, one that TFLite prescribes).
_SAME_SCALE = (
    "MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "Flatten", "Reshape", "ZeroPadding2D", "Activation",
)  # fmt: skip
_OWN_SCALE = ("GlobalAveragePooling2D", "Concatenate", "HardSwish", "LeakyReLU", "ReLU")
_FUSED_BOUNDS = (None, 6.0)
_FEWEST_ZEROS = 0.05


@dataclass(frozen=True)
class Placement:
    """Names of the layers whose outputs are ``quantized``; the others pass values on unchanged."""

    quantized: frozenset[str]


def place(model: Any) -> Placement:
    """Decide for each layer of a flat tf_keras model. Raises ModelError naming a layer that has no int8 form."""
    followers = _followers(model)
    quantized = set()
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "InputLayer" or kind in _SAME_SCALE:
            continue
        if kind == "FixedMoments":
            _check_behind_convolution(model, layer, followers)
        elif kind not in (*_FUSE_RELU, *_OWN_SCALE):
            raise _unplaceable(layer, f"edgekd has no int8 form of a {kind}")
        if not _fuses_with_next(layer, followers[layer.name]):
            quantized.add(layer.name)
    return Placement(frozenset(quantized - _only_concatenated(model, followers)))


def _followers(model: Any) -> dict[str, list[Any]]:
    followers: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        for before in _before(layer):
            followers[before.name].append(layer)
    return followers


def _before(layer: Any) -> list[Any]:
    nodes = layer.inbound_nodes
    if not nodes or type(layer).__name__ == "InputLayer":
        return []
    return _flat(nodes[0].inbound_layers)


def _flat(layers: Any) -> list[Any]:
    return list(layers) if isinstance(layers, (list, tuple)) else [layers]


def _fuses_with_next(layer: Any, followers: list[Any]) -> bool:
    if len(followers) != 1:
        return False
    kind, after = type(layer).__name__, followers[0]
    if type(after).__name__ == "FixedMoments":
        return kind in ("Conv2D", "DepthwiseConv2D")
    return type(after).__name__ == "ReLU" and _is_bound(after) and kind in (*_FUSE_RELU, "FixedMoments")


def _is_bound(relu: Any) -> bool:
    bound = None if relu.max_value is None else float(relu.max_value)
    return bound in _FUSED_BOUNDS and not float(relu.negative_slope) and not float(relu.threshold)


def _check_behind_convolution(model: Any, norm: Any, followers: dict[str, list[Any]]) -> None:
    before = _before(norm)[0]
    if type(before).__name__ not in ("Conv2D", "DepthwiseConv2D") or len(followers[before.name]) != 1:
        raise _unplaceable(
            norm, f"it follows {before.name} ({type(before).__name__}) and can only be folded into a convolution that "
            "nothing else follows"
        )  # fmt: skip


def _only_concatenated(model: Any, followers: dict[str, list[Any]]) -> set[str]:
    """Layers that feed only one Concatenate: its inputs share its scale, so they get none."""
    return {name for name, after in followers.items() if len(after) == 1 and type(after[0]).__name__ == "Concatenate"}


def _unplaceable(layer: Any, why: str) -> ModelError:
    return ModelError(
        f"the layer {layer.name} ({type(layer).__name__}) can't be trained quantization-aware: {why}. Change the "
        "layer, or quantize after training (leave quantize.qat out)"
    )


@cache
def custom_configs() -> dict[str, Any]:
    """The QuantizeConfig and quantizers of this package by class name, for a custom object scope."""
    import tensorflow as tf

    quantization = tfmot().quantization.keras
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (
        cluster_preserve_quantize_registry as clusters,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
        prune_preserve_quantize_registry as zeros,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_quantizers

    class DepthwiseWeightsQuantizer(quantization.quantizers.LastValueQuantizer):  # type: ignore[misc, name-defined]
        """One scale per channel. TFMOT takes the last axis, which in a depthwise kernel [H, W, C, M] is M."""

        def __init__(self) -> None:
            super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)

        def build(self, shape: Any, name: str, layer: Any) -> Any:
            return super().build((*shape[:2], 1, shape[2] * shape[3]), name, layer)

        def __call__(self, kernel: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            flat = tf.reshape(kernel, (*kernel.shape[:2], 1, kernel.shape[2] * kernel.shape[3]))
            return tf.reshape(super().__call__(flat, training, weights), kernel.shape)

        def get_config(self) -> dict[str, Any]:
            return {}

    def weights_quantizer(kind: str, keep: Weights) -> Any:
        # The converter can't transpose a matrix with one scale per column ("mismatched quantized axes").
        dense = kind == "Dense"
        if kind == "DepthwiseConv2D":
            return DepthwiseWeightsQuantizer()
        if keep == "keep zeros":
            prefix = zeros.PrunePreserveDefault8BitWeightsQuantizer
            return prefix() if dense else zeros.PrunePreserveDefault8BitConvWeightsQuantizer()
        if keep in ("keep clusters", "keep both"):
            if dense:
                return clusters.ClusterPreserveDefault8BitWeightsQuantizer(keep == "keep both")
            return make_clusters_quantizer()(keep == "keep both")
        if dense:
            return quantization.quantizers.LastValueQuantizer(8, False, True, True)
        return default_8bit_quantizers.Default8BitConvWeightsQuantizer()

    class PlacedConfig(quantization.QuantizeConfig):  # type: ignore[misc, name-defined]
        """Quantizes the kernel, if there is one, per channel, and the output if ``output`` is set."""

        def __init__(self, kind: str, keep: Weights, output: bool) -> None:
            self.kind, self.keep, self.output = kind, keep, output
            self.attribute = _KERNELS.get(kind)
            self.quantizer = weights_quantizer(kind, keep) if self.attribute else None

        def get_weights_and_quantizers(self, layer: Any) -> Any:
            return [(getattr(layer, self.attribute), self.quantizer)] if self.attribute else []

        def set_quantize_weights(self, layer: Any, quantize_weights: Any) -> None:
            if self.attribute:
                setattr(layer, self.attribute, quantize_weights[0])

        def get_activations_and_quantizers(self, layer: Any) -> Any:
            return []

        def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
            pass

        def get_output_quantizers(self, layer: Any) -> Any:
            if not self.output:
                return []
            return [quantization.quantizers.MovingAverageQuantizer(8, False, False, False)]

        def get_config(self) -> dict[str, Any]:
            return {"kind": self.kind, "keep": self.keep, "output": self.output}

    return {kind.__name__: kind for kind in (DepthwiseWeightsQuantizer, PlacedConfig)}


def insert_fake_quantization(model: Any, keep: Weights = "plain") -> Any:
    """Insert fake quantization where ``place`` decides; every layer's name gets the prefix ``quant_``.

    Raises ModelError naming a layer that has no int8 form, or if there is nothing to preserve.
    """
    quantization, placement = tfmot().quantization.keras, place(model)
    config = custom_configs()["PlacedConfig"]
    preserved = {layer.name: _find_preserved(layer, keep) for layer in model.layers}
    if keep != "plain" and not set(preserved.values()) - {"plain"}:
        raise ModelError(
            f"{model.name} has no layer to {keep} in: its kernels are not sparse or clustered. Make it sparse first "
            '(edgekd.quantize.sparsity), or set method = "qat"'
        )

    def annotate(layer: Any) -> Any:
        if type(layer).__name__ == "InputLayer":
            return layer
        output = layer.name in placement.quantized
        return quantization.quantize_annotate_layer(layer, config(type(layer).__name__, preserved[layer.name], output))

    # Otherwise the file would contain names numbered by what this process built before.
    tf_keras().backend.reset_uids()
    with quantization.quantize_scope({**custom_layers(), **custom_configs()}):
        annotated = tf_keras().models.clone_model(model, clone_function=annotate)
        wrapped = quantization.quantize_apply(annotated, _scheme(keep))
    wrapped._name = model.name
    return wrapped


def _find_preserved(layer: Any, keep: Weights) -> Weights:
    """What to preserve of one layer. TFMOT would treat a small kernel of distinct weights as clustered."""
    if keep == "plain" or type(layer).__name__ not in ("Conv2D", "Dense"):
        return "plain"
    facts = describe_kernel(layer.name, np.asarray(layer.kernel), -1)
    zeros = keep != "keep clusters" and facts.zeros >= _FEWEST_ZEROS
    clusters = keep != "keep zeros" and facts.clustered
    if clusters:
        return "keep both" if zeros else "keep clusters"
    return "keep zeros" if zeros else "plain"


def _scheme(keep: Weights) -> Any:
    toolkit = tfmot()
    if keep == "plain":
        return toolkit.quantization.keras.default_8bit.Default8BitQuantizeScheme()
    preserving = toolkit.experimental.combine
    if keep == "keep zeros":
        return preserving.Default8BitPrunePreserveQuantizeScheme()
    return preserving.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=keep == "keep both")
