"""Rebuild a Keras model, layer by layer, with all that its layers hold, and compare it with the original.

A layer's weights are not all that it holds: `Normalization` computes with tensors that it derives from its weights, and
any layer may do so. Keras restores them when a file is loaded, and by the same methods they are restored here
(``save_own_variables``, ``load_own_variables``, ``finalize_state``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.text import first_line

TOLERANCE = 1e-4
"""Largest difference of a rebuilt model's outputs, as a share of the largest output."""
FLOAT32_TOLERANCE = 0.05
"""The same for a model that was saved in half precision."""
_BATCH = 16
_SMALLEST = 1e-6
_MOST_PHOTOS = 32
# Pixels of a side that a model leaves open.
_FREE_SIZE = 64
_REDUCED = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
CopyLayer = Callable[[Any], Any]
FillLayer = Callable[[Any, Any], None]
PhotosAt = Callable[[tuple[int, int]], npt.NDArray[np.uint8]]
"""Some real photos, uint8 RGB [N, H, W, 3], at a (height, width)."""


class RebuildError(ModelError):
    """A rebuilt model whose outputs differ from the original's; ``difference`` is the largest one."""

    def __init__(self, message: str, difference: float = float("nan")) -> None:
        super().__init__(message)
        self.difference = difference


def copy_layer(layer: Any) -> Any:
    """A new layer (or operation) of the same settings, without weights."""
    return type(layer).from_config(layer.get_config())


def copy_in_float32(layer: Any) -> Any:
    """``copy_layer``, computing in float32 whatever the precision of ``layer``, and all layers within it too."""
    return type(layer).from_config(_in_float32(layer.get_config()))


def copy_state(source: Any, target: Any) -> None:
    """Bring the weights, and what is derived from them, of a layer and all layers within it to a copy of it.

    Raises RebuildError where the two do not consist of the same layers.
    """
    pairs = list(zip(_parts(source), _parts(target), strict=False))
    if [type(part) for part in _parts(source)] != [type(part) for part in _parts(target)]:
        raise RebuildError(f"the layer {source.name} ({type(source).__name__}) consists of other layers when copied")
    for old, new in pairs:
        values: dict[str, Any] = {}
        old.save_own_variables(values)
        try:
            new.load_own_variables({key: np.asarray(value) for key, value in values.items()})
        except ValueError as error:
            raise RebuildError(f"the weights of the layer {old.name} do not fit a copy of it: {error}") from None
        if hasattr(new, "finalize_state"):
            new.finalize_state()


def apply_copy(
    model: Any,
    image: Any,
    *,
    copy: CopyLayer = copy_layer,
    fill: FillLayer = copy_state,
    call: Callable[..., Any] | None = None,
) -> Any:
    """Apply copies of a model's layers to the Keras tensor ``image``; gives the output tensor.

    Args:
        model: functional or `Sequential`, of one input.
        image: Keras tensor; its size may differ from the model's input.
        copy: gives the new layer for a layer.
        fill: gives the new layer its state, once all of them are built.
        call: calls a new layer with its arguments, where that is more than calling it.
    """
    import keras

    pairs: dict[int, tuple[Any, Any]] = {}

    def copied(operation: Any) -> Any:
        if id(operation) not in pairs:
            pairs[id(operation)] = operation, copy(operation)
        return pairs[id(operation)][1]

    outputs = functional(model)._run_through_graph(image, operation_fn=copied, call_fn=call)
    for old, new in pairs.values():
        if isinstance(old, keras.Layer):
            fill(old, new)
    return keras.tree.flatten(outputs)[0]


def copy_model(model: Any, *, copy: CopyLayer = copy_layer) -> Any:
    """An independent copy of a functional or `Sequential` model of one input and one output, as a functional model."""
    import keras

    image = input_like(model)
    return keras.Model(image, apply_copy(model, image, copy=copy), name=model.name)


def input_like(model: Any) -> Any:
    """A new `keras.Input` of the shape, name and dtype of the model's; of half precision, in float32."""
    import keras

    tensor = model.inputs[0]
    dtype = "float32" if tensor.dtype in _REDUCED else tensor.dtype
    return keras.Input(tensor.shape[1:], name=str(tensor.name).partition(":")[0], dtype=dtype)


def in_float32(model: Any, where: str, photos: PhotosAt | None = None) -> Any:
    """``model`` itself where it computes in float32; else a copy that does.

    Raises ModelError where the copy gives other outputs for ``photos``, or for seeded images where there are none.
    """
    import keras

    layers = [layer for layer in model._flatten_layers() if not isinstance(layer, keras.Model)]
    quantized = [layer.name for layer in layers if "_from_" in str(layer.dtype_policy.name)]
    if quantized:
        raise ModelError(
            f"{where} was quantized by Keras ({quantized[0]} is {_policy_of(model, quantized[0])}). Save the model as "
            "it was before model.quantize(...)"
        )
    if all(layer.compute_dtype == "float32" for layer in layers if layer.weights or layer.compute_dtype):
        return model
    copy = copy_model(model, copy=copy_in_float32)
    images = images_for(model.inputs[0].shape, photos)
    if not np.isfinite(run_layers(model, images)).all():
        # Half precision overflows where a network of 0..1 is fed 0..255.
        images = images / np.float32(255)
    check_rebuilt(model, copy, images, where, tolerance=FLOAT32_TOLERANCE)
    return copy


def check_rebuilt(
    original: Any,
    rebuilt: Any,
    images: npt.NDArray[Any],
    where: str,
    *,
    fed: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None = None,
    finish: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None = None,
    tolerance: float = TOLERANCE,
) -> float:
    """The largest difference between the outputs of two Keras models for the same images.

    Args:
        original: the model as it was loaded.
        rebuilt: the model made from it.
        images: [N, H, W, C], real photos where there are some; the size that ``rebuilt`` takes.
        where: what an error calls the model.
        fed: makes of ``images`` what ``original`` is fed; they themselves if None.
        finish: makes of the outputs of ``rebuilt`` [N, C] what ``original`` gives; they themselves if None.
        tolerance: as a share of the largest output of ``original``.

    Raises:
        RebuildError: where they differ by more.
    """
    expected = run_layers(original, images if fed is None else fed(images))
    outputs = run_layers(rebuilt, images)
    outputs = outputs if finish is None else finish(outputs)
    scale = max(_SMALLEST, float(np.abs(expected).max(initial=0)))
    difference = float(np.abs(outputs - expected).max(initial=0)) if outputs.shape == expected.shape else float("inf")
    if not difference <= tolerance * scale:
        raise RebuildError(
            f"{where} gives other outputs once it is rebuilt, by up to {difference:.3g} on {len(images)} photos, so it "
            "is not used. A layer holds something that neither its weights nor its settings tell: save what the layer "
            "holds as weights (add_weight) and its settings in get_config",
            difference,
        )
    return difference


def run_layers(model: Any, images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Outputs float32 of ``model`` for images [N, H, W, C] of any size, layer by layer in inference mode.

    Raises ModelError where Keras does not run it.
    """
    import keras

    graph, parts = functional(model), []

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        # Layers of random augmentation take part unless told that this is inference.
        if getattr(operation, "_call_has_training_arg", False):
            kwargs = {"training": False, **kwargs}
        return operation(*args, **kwargs)

    for start in range(0, len(images), _BATCH):
        batch = keras.ops.convert_to_tensor(np.asarray(images[start : start + _BATCH], np.float32))
        try:
            if hasattr(graph, "_run_through_graph"):
                outputs = graph._run_through_graph(batch, operation_fn=lambda operation: operation, call_fn=call)
            else:
                outputs = graph(batch, training=False)
        except Exception as error:  # Keras and its backend raise many kinds.
            raise ModelError(f"Keras itself does not run {model.name} on an image: {reason_of(error)}") from None
        parts.append(np.asarray(keras.ops.convert_to_numpy(keras.tree.flatten(outputs)[0]), np.float32))
    return np.concatenate(parts)


def reason_of(error: Exception) -> str:
    """What an error of Keras says, without its words about which call it was."""
    bold = re.search(r"\x1b\[1m(.+?)\x1b\[0m", str(error), re.DOTALL)
    return first_line(bold[1] if bold else error)


def images_for(shape: tuple[int | None, ...], photos: PhotosAt | None) -> npt.NDArray[Any]:
    """``photos`` for an input shape [None, H, W, C]; seeded images where there are none, or C is not 3."""
    if photos is None or len(shape) != 4 or shape[3] != 3:
        return probe_images(shape)
    return photos((shape[1] or _FREE_SIZE, shape[2] or _FREE_SIZE))[:_MOST_PHOTOS]


def probe_images(shape: tuple[int | None, ...], count: int = 4) -> npt.NDArray[np.float32]:
    """Seeded images [count, H, W, C] of values 0..255 for an input shape [None, H, W, C], where there are no photos.

    Smooth gradients with some noise; 64 pixels where a side is free.
    """
    height, width, channels = (side or _FREE_SIZE for side in shape[1:4])
    rng = np.random.default_rng(0)
    y, x = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    waves = rng.uniform(-4, 4, (count, 2, 1, 1, channels))
    smooth = 127.5 + 90 * np.sin(waves[:, 0] * y[None] + waves[:, 1] * x[None])
    return np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.float32)


def functional(model: Any) -> Any:
    """The functional model that a `Sequential` is; any other model itself."""
    import keras

    if isinstance(model, keras.Sequential) and model.built:
        return model._functional or model
    return model


def _parts(layer: Any) -> list[Any]:
    return list(layer._flatten_layers())


def _policy_of(model: Any, name: str) -> str:
    return next(str(layer.dtype_policy.name) for layer in model._flatten_layers() if layer.name == name)


def _in_float32(config: Any) -> Any:
    """A layer's config with every dtype that is not float32 replaced, in the layers within it too."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return "float32"
        return {
            key: "float32" if key == "dtype" and value in _REDUCED else _in_float32(value)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(value) for value in config)
    return config
