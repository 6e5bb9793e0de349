"""Where a network is quantized: after every group of layers that the int8 runtimes compute as one op, and nowhere else.

TFMOT's own choice knows Conv-BatchNorm-ReLU and a few layers more; what it does not know it refuses, and depthwise
kernels get one scale where the runtimes take one a channel. So each layer is annotated with a config of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from edgekd.errors import ModelError
from edgekd.quantize.keep_clusters import clusters_quantizer
from edgekd.quantize.tfmot import own_layers, tf_keras, tfmot
from edgekd.quantize.weight_facts import facts_of

Weights = Literal["plain", "keep zeros", "keep clusters", "keep both"]

_KERNELS = {"Conv2D": "kernel", "DepthwiseConv2D": "depthwise_kernel", "Dense": "kernel"}
# Ops into whose end the runtimes fuse a ReLU.
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
    """By layer name: whose outputs are ``quantized``; the rest of the layers only pass on."""

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
            raise _unplaceable(layer, f"no int8 form of a {kind} is known here")
        if not _fuses_with_next(layer, followers[layer.name]):
            quantized.add(layer.name)
    return Placement(frozenset(quantized - _only_concatenated(model, followers)))


def _followers(model: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        for before in _before(layer):
            found[before.name].append(layer)
    return found


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
    """Layers that feed one Concatenate and nothing else: its parts need its scale, so they take none of their own."""
    return {name for name, after in followers.items() if len(after) == 1 and type(after[0]).__name__ == "Concatenate"}


def _unplaceable(layer: Any, why: str) -> ModelError:
    return ModelError(
        f"the layer {layer.name} ({type(layer).__name__}) can't be trained quantization-aware: {why}. Change the "
        "layer, or quantize after training (leave quantize.qat out)"
    )


@cache
def own_configs() -> dict[str, Any]:
    """The QuantizeConfig and quantizers of this package by class name, as a custom object scope takes them."""
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
        """One scale a channel. TFMOT's own takes the last axis, of a depthwise kernel [H, W, C, M] its multiplier."""

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
        # The converter can't transpose a matrix of one scale a column ("mismatched quantized axes").
        dense = kind == "Dense"
        if kind == "DepthwiseConv2D":
            return DepthwiseWeightsQuantizer()
        if keep == "keep zeros":
            prefix = zeros.PrunePreserveDefault8BitWeightsQuantizer
            return prefix() if dense else zeros.PrunePreserveDefault8BitConvWeightsQuantizer()
        if keep in ("keep clusters", "keep both"):
            if dense:
                return clusters.ClusterPreserveDefault8BitWeightsQuantizer(keep == "keep both")
            return clusters_quantizer()(keep == "keep both")
        if dense:
            return quantization.quantizers.LastValueQuantizer(8, False, True, True)
        return default_8bit_quantizers.Default8BitConvWeightsQuantizer()

    class PlacedConfig(quantization.QuantizeConfig):  # type: ignore[misc, name-defined]
        """The kernel, where there is one, by its channels; the output where ``output`` says so."""

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


def quantized(model: Any, keep: Weights = "plain") -> Any:
    """``model`` with fake quantization where ``place`` puts it; every layer's name gets ``quant_`` before it.

    Raises ModelError naming a layer that has no int8 form, or where there is nothing to keep.
    """
    quantization, placement = tfmot().quantization.keras, place(model)
    config = own_configs()["PlacedConfig"]
    kept = {layer.name: _kept(layer, keep) for layer in model.layers}
    if keep != "plain" and not set(kept.values()) - {"plain"}:
        raise ModelError(
            f"{model.name} has no layer to {keep} of: its kernels are not so. Make it sparse first "
            '(edgekd.quantize.sparsity), or take method = "qat"'
        )

    def annotate(layer: Any) -> Any:
        if type(layer).__name__ == "InputLayer":
            return layer
        output = layer.name in placement.quantized
        return quantization.quantize_annotate_layer(layer, config(type(layer).__name__, kept[layer.name], output))

    # Names with a count of what this process made before would get into the file.
    tf_keras().backend.reset_uids()
    with quantization.quantize_scope({**own_layers(), **own_configs()}):
        annotated = tf_keras().models.clone_model(model, clone_function=annotate)
        made = quantization.quantize_apply(annotated, _scheme(keep))
    made._name = model.name
    return made


def _kept(layer: Any, keep: Weights) -> Weights:
    """What there is to keep of one layer. TFMOT would take a small kernel of all different weights for clusters."""
    if keep == "plain" or type(layer).__name__ not in ("Conv2D", "Dense"):
        return "plain"
    facts = facts_of(layer.name, np.asarray(layer.kernel), -1)
    zeros = keep != "keep clusters" and facts.zeros >= _FEWEST_ZEROS
    clusters = keep != "keep zeros" and facts.clustered
    if clusters:
        return "keep both" if zeros else "keep clusters"
    return "keep zeros" if zeros else "plain"


def _scheme(keep: Weights) -> Any:
    found = tfmot()
    if keep == "plain":
        return found.quantization.keras.default_8bit.Default8BitQuantizeScheme()
    preserving = found.experimental.combine
    if keep == "keep zeros":
        return preserving.Default8BitPrunePreserveQuantizeScheme()
    return preserving.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=keep == "keep both")
