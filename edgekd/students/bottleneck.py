"""Inverted residual blocks of a flat Keras model: where the channels are that nothing else sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bottleneck:
    """A 1x1 expansion, a depthwise convolution, a 1x1 projection; the channels between them are the block's own.

    ``expand`` and ``depthwise`` are (convolution, BatchNorm), ``project`` too; ``hidden`` gives what the projection
    sees. ``merged`` is the Add that the projection goes into and ``skip`` the other thing added, None without one.
    All are names of layers.
    """

    expand: tuple[str, str]
    depthwise: tuple[str, str]
    hidden: str
    project: tuple[str, str]
    merged: str | None
    skip: str | None

    @property
    def output(self) -> str:
        """The layer that gives what the block computes."""
        return self.merged or self.project[1]


def bottlenecks_of(model: Any) -> list[Bottleneck]:
    """The inverted residual blocks of ``model`` in its own order; an empty list where it has no such chain.

    What looks at the channels in between (squeeze-excite, another branch) disqualifies a chain.
    """
    import keras

    graph = _Graph(model)
    candidates = [graph.around(layer) for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]
    return [block for block in candidates if block is not None]


class _Graph:
    """Who feeds whom in a functional model."""

    def __init__(self, model: Any) -> None:
        self.sources: dict[str, list[Any]] = {}
        self.users: dict[str, list[Any]] = {}
        for node in (node for level in model._nodes_by_depth.values() for node in level):
            makers = [tensor._keras_history.operation for tensor in node.input_tensors]
            self.sources.setdefault(node.operation.name, []).extend(makers)
            for maker in makers:
                self.users.setdefault(maker.name, []).append(node.operation)
        self.outputs = {tensor._keras_history.operation.name for tensor in model.outputs}

    def around(self, depthwise: Any) -> Bottleneck | None:
        import keras

        layers = keras.layers
        if depthwise.depth_multiplier != 1:
            return None
        before = self._up(depthwise, _elementwise)
        norm = before if isinstance(before, layers.BatchNormalization) else None
        expand = self._only_source(norm) if norm is not None else None
        after = self._only_user(depthwise)
        hidden = self._down(after) if isinstance(after, layers.BatchNormalization) else None
        project = self._only_user(hidden) if hidden is not None else None
        behind = self._only_user(project) if project is not None and _pointwise(project) else None
        if expand is None or not _pointwise(expand) or not isinstance(behind, layers.BatchNormalization):
            return None
        assert norm is not None and hidden is not None and project is not None
        merged = self._only_user(behind)
        skip = None
        if isinstance(merged, layers.Add):
            others = [maker.name for maker in self.sources[merged.name] if maker is not behind]
            skip = others[0] if len(others) == 1 else None
        return Bottleneck(
            (expand.name, norm.name), (depthwise.name, after.name), hidden.name, (project.name, behind.name),
            merged.name if skip else None, skip,
        )  # fmt: skip

    def _only_user(self, layer: Any) -> Any:
        users = self.users.get(layer.name, [])
        return users[0] if len(users) == 1 and layer.name not in self.outputs else None

    def _only_source(self, layer: Any) -> Any:
        (source,) = self.sources[layer.name]
        return source if self._only_user(source) is layer else None

    def _up(self, layer: Any, passes: Any) -> Any:
        """The first layer above that is not passed through; None where another branch looks on."""
        source = self._only_source(layer)
        while source is not None and passes(source):
            source = self._only_source(source)
        return source

    def _down(self, layer: Any) -> Any:
        """The last elementwise layer below."""
        below = self._only_user(layer)
        while below is not None and _elementwise(below):
            layer, below = below, self._only_user(below)
        return layer


def _elementwise(layer: Any) -> bool:
    import keras

    # PReLU has a weight a channel, so it isn't among these.
    kinds = (keras.layers.ReLU, keras.layers.Activation, keras.layers.LeakyReLU, keras.layers.ZeroPadding2D)
    return isinstance(layer, kinds)


def _pointwise(layer: Any) -> bool:
    import keras

    return isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1) and layer.groups == 1
