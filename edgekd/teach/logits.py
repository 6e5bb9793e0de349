"""Make a classifier end in logits, so that a softmax can never be applied twice."""

from __future__ import annotations

from typing import Any

from edgekd.errors import ModelError


def logits_model(model: Any, name: str) -> Any:
    """Return ``model`` with a trailing softmax, as a layer or as an activation, taken off; the weights are shared.

    Raises ModelError where the output is not [N, C] or ends in another squashing activation.
    """
    import keras

    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.output_shape) != 2:
        raise ModelError(f"{name} must take one image and give one row of class scores, not {model.output_shape}")
    last = model.layers[-1]
    squash = isinstance(last, keras.layers.Activation) and _activation(last) == "softmax"
    if squash or isinstance(last, keras.layers.Softmax):
        return keras.Model(model.inputs, last.input, name=model.name)
    if not isinstance(last, keras.layers.Dense):
        return model
    activation = _activation(last)
    if activation == "linear":
        return model
    if activation != "softmax":
        raise ModelError(f"{name} ends in a {activation!r} activation; a classifier must end in logits or in a softmax")
    twin = keras.layers.Dense(last.units, use_bias=last.use_bias, name=last.name)
    logits = twin(last.input)
    twin.set_weights(last.get_weights())
    return keras.Model(model.inputs, logits, name=model.name)


def onto(model: Any, image: Any, first: list[Any] | None = None) -> Any:
    """Apply a copy of ``model``, layer by layer, to the Keras input ``image`` after the layers ``first``; its output.

    The graph stays flat, so that a slice can cut it and a converter can fold it; the input size may differ.
    """
    import keras

    prepared = image
    for layer in first or []:
        prepared = layer(prepared)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        args = keras.tree.map_structure(lambda tensor: prepared if tensor is image else tensor, args)
        return layer(*args, **kwargs)

    tensors = [image] if isinstance(model.input, list) else image
    clone = keras.models.clone_model(model, input_tensors=tensors, call_function=call)
    _copy_weights(model, clone)
    return clone.output


def _copy_weights(model: Any, clone: Any) -> None:
    # By name: the layers of ``first`` are in the clone too.
    for layer in model.layers:
        if layer.weights:
            clone.get_layer(layer.name).set_weights(layer.get_weights())


def _activation(layer: Any) -> str:
    activation = getattr(layer, "activation", None)
    return str(getattr(activation, "__name__", "")) if activation is not None else ""
