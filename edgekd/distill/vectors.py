"""A teacher of which only vectors are known, an encoder's features, as objectives on feature maps take it."""

from __future__ import annotations

from dataclasses import dataclass

LAYER = "features"


@dataclass(frozen=True)
class _Maps:
    """Maps of one place [N, 1, 1, D]."""

    shape: tuple[int | None, int, int, int]


@dataclass(frozen=True)
class VectorLayer:
    """The one layer of a `VectorTeacher`."""

    output: _Maps
    name: str = LAYER
    weights: tuple[()] = ()


@dataclass(frozen=True)
class VectorTeacher:
    """Stands for a Keras teacher whose only layer is called "features" and gives vectors of ``dimensions`` numbers."""

    dimensions: int
    name: str = "encoder"

    @property
    def layers(self) -> tuple[VectorLayer, ...]:
        """Its layer."""
        return (VectorLayer(_Maps((None, 1, 1, self.dimensions))),)

    def get_layer(self, name: str) -> VectorLayer:
        """The layer of that name. Raises KeyError."""
        return {layer.name: layer for layer in self.layers}[name]
