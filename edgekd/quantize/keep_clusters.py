"""TFMOT's quantizer that keeps clusters, so that they are as few in the file as they were in the layer."""

from __future__ import annotations

from functools import cache
from typing import Any

from edgekd.quantize.tfmot import tf_keras, tfmot


@cache
def clusters_quantizer() -> Any:
    """The class ``LayerClustersQuantizer``.

    TFMOT gives every output channel a scale of its own, by which the few values of a layer become a few a channel; and
    clusters of its own, where all channels happen to use as many. Here both are the layer's. The scale is written down
    once a channel all the same: the converter can't multiply BatchNorm's scales, one a channel, into a kernel that has
    one scale, and would leave the convolution float.
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
            found: dict[str, Any] = {registry.WEIGHT_NAME: name, registry.CENTROIDS_MASK: None}
            if self.preserve_sparsity:
                found[registry.SPARSITY_MASK] = tf.math.divide_no_nan(kernel, kernel)
                found[registry.CENTROIDS_MASK] = tf.cast(centroids != 0, tf.float32)
            variable = _variable(layer, registry.CLUSTER_CENTROIDS, centroids, True)
            clustering = clustering_registry.ClusteringLookupRegistry().get_clustering_impl(layer.layer, name)
            made = clustering(variable, cluster_config.GradientAggregation.SUM, "channels_last")
            original = _variable(layer, registry.ORIGINAL_WEIGHTS, kernel, True)
            indices = _variable(layer, registry.PULLING_INDICES, made.get_pulling_indices(kernel), False)
            return found | {
                registry.CLUSTER_CENTROIDS: variable,
                registry.CLUSTERING_IMPL: made,
                registry.ORIGINAL_WEIGHTS: original,
                registry.PULLING_INDICES: indices,
            }

        def build(self, shape: Any, name: str, layer: Any) -> Any:
            found = super().build(shape, name, layer)
            for end in ("min", "max"):
                initial = tf_keras().initializers.Constant(0.0)
                found[f"all_{end}"] = layer.add_weight(
                    f"{name}_all_{end}", shape=(shape[-1],), initializer=initial, trainable=False
                )
            return found

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
