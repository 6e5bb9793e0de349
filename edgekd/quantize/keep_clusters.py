"""TFMOT's cluster-preserving quantizer, changed so that a file has as few clusters as its layer."""

from __future__ import annotations

from functools import cache
from typing import Any

from edgekd.quantize.tfmot import tf_keras, tfmot


@cache
def make_clusters_quantizer() -> Any:
    """The class ``LayerClustersQuantizer``.

    TFMOT gives every output channel its own scale, which turns the few values of a layer into a few per channel; and
    its own clusters if all channels use equally many. Here both belong to the layer. The scale is still written once
    per channel: the converter can't fold BatchNorm's per-channel scales into a kernel with one scale, and would
    leave the convolution float.
    """
    import tensorflow as tf

    tfmot()
    from tensorflow_model_optimization.python.core.clustering.keras import cluster_config, clustering_registry
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (
        cluster_preserve_quantize_registry as registry,
    )

    class LayerClustersQuantizer(registry.ClusterPreserveDefault8BitWeightsQuantizer):  # type: ignore[misc]
        def _build_clusters(self, name: str, layer: Any) -> dict[str, Any]:
            kernel = getattr(layer.layer, name)
            centroids, _ = registry.get_unique(kernel)
            variables: dict[str, Any] = {registry.WEIGHT_NAME: name, registry.CENTROIDS_MASK: None}
            if self.preserve_sparsity:
                variables[registry.SPARSITY_MASK] = tf.math.divide_no_nan(kernel, kernel)
                variables[registry.CENTROIDS_MASK] = tf.cast(centroids != 0, tf.float32)
            variable = _variable(layer, registry.CLUSTER_CENTROIDS, centroids, True)
            clustering = clustering_registry.ClusteringLookupRegistry().get_clustering_impl(layer.layer, name)
            algorithm = clustering(variable, cluster_config.GradientAggregation.SUM, "channels_last")
            original = _variable(layer, registry.ORIGINAL_WEIGHTS, kernel, True)
            indices = _variable(layer, registry.PULLING_INDICES, algorithm.get_pulling_indices(kernel), False)
            return variables | {
                registry.CLUSTER_CENTROIDS: variable,
                registry.CLUSTERING_IMPL: algorithm,
                registry.ORIGINAL_WEIGHTS: original,
                registry.PULLING_INDICES: indices,
            }

        def build(self, shape: Any, name: str, layer: Any) -> Any:
            variables = super().build(shape, name, layer)
            for end in ("min", "max"):
                initial = tf_keras().initializers.Constant(0.0)
                variables[f"all_{end}"] = layer.add_weight(
                    f"{name}_all_{end}", shape=(shape[-1],), initializer=initial, trainable=False
                )
            return variables

        def __call__(self, kernel: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            if training:
                rounded = super().__call__(kernel, training, weights)
                for end in ("min", "max"):
                    weights[f"all_{end}"].assign(tf.fill([kernel.shape[-1]], weights[f"{end}_var"]))
                return rounded
            ends = weights["all_min"], weights["all_max"]
            return tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, *ends, narrow_range=True)

    return LayerClustersQuantizer


def _variable(layer: Any, name: str, value: Any, trainable: bool) -> Any:
    initial = tf_keras().initializers.Constant(value.numpy())
    return layer.add_weight(name, shape=value.shape, dtype=value.dtype, initializer=initial, trainable=trainable)
