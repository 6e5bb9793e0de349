"""Converts to float32 .onnx with tf2onnx."""

from __future__ import annotations

import contextlib
import gc
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np

from edgekd.errors import ExportError
from edgekd.export.emit.builder import BATCH, IR_VERSION, OPSET
from edgekd.export.onnx_pack import pack
from edgekd.export.options import Batch
from edgekd.export.record import Record
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME, FloatModel
from edgekd.quiet import quiet, reason_of

# Keras' name for a network without one, and tf2onnx's number of what it makes.
_COUNTED = re.compile(r"^functional(_\d+)*/|__\d+(?=$|:)")


def from_keras(
    float_model: FloatModel, record: Record, *, name: str, batch: Batch = "dynamic", temperature: float = 1.0
) -> bytes:
    """Convert to a sealed float32 .onnx: uint8 [N, H, W, 3] in, probabilities [N, C] out; N is ``batch``.

    With the record's layout "nchw" the input is [N, 3, H, W]. Logits are divided by ``temperature``.

    Raises: ExportError.
    """
    with quiet() as read_log:
        import tensorflow as tf
        import tf2onnx

        size = None if batch == "dynamic" else batch
        signature = [tf.TensorSpec((size, float_model.height, float_model.width, 3), tf.uint8, name=INPUT_NAME)]

        def classify(image: object) -> dict[str, object]:
            return {OUTPUT_NAME: float_model.model(tf.cast(image, tf.float32), training=False)}

        try:
            function = tf.function(classify, input_signature=signature)
            channels_first = [INPUT_NAME] if record.layout == "nchw" else None
            with _inlined(tf), _collecting():
                concrete = function.get_concrete_function()
                model, _ = tf2onnx.convert.from_function(
                    function, input_signature=signature, opset=OPSET, inputs_as_nchw=channels_first,
                    custom_op_handlers={"Erfc": (_convert_erfc, [])},
                )  # fmt: skip
            _freeze_captures(model, concrete)
        except Exception as error:  # tf2onnx raises many kinds
            reason = reason_of(error, read_log)
            raise ExportError(
                f"tf2onnx could not convert {name}: {reason[:2000]}. Use --format tflite, or replace the layer "
                "that it names"
            ) from None
    _name_by_place(model.graph)
    if temperature != 1.0:
        _divide_logits(model.graph, temperature, name)
    model.ir_version = IR_VERSION
    model.producer_name = "edgekd"
    if batch == "dynamic":
        for value in (*model.graph.input, *model.graph.output):
            # tf2onnx names the free dimension unk__NN.
            value.type.tensor_type.shape.dim[0].dim_param = BATCH
    return pack(model, record, name=name)


@contextlib.contextmanager
def _collecting() -> Iterator[None]:
    """Let tf2onnx's copies go: it copies the whole graph, weights too, for every pass, and in circles.

    Python looks for circles among all objects only once their number has grown by a quarter, which a few large copies
    never reach among TensorFlow's. With those set aside they do: 28 million parameters took 15 GB.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()


def _name_by_place(graph: Any) -> None:
    """Rename nodes and tensors so that the same model has the same bytes at every conversion.

    tf2onnx and Keras number what they make by counters of the whole process. Here equal names are numbered in the
    order of the graph. The names of inputs and outputs stay.
    """
    if any(attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute):
        return
    tensors = _Names(value.name for value in (*graph.input, *graph.output))
    nodes = _Names(())
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        node.name = nodes.of(node.name)
        for place, name in enumerate(node.input):
            # Which of several equal constants tf2onnx keeps, and so its name, is chance: the first user names it.
            node.input[place] = tensors.of(name, f"{node.name}/constant_{place}" if name in constants else name)
        node.output[:] = [tensors.of(name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = tensors.of(tensor.name)
    order = {name: place for place, name in enumerate(tensors.new.values())}
    initializers = sorted(graph.initializer, key=lambda tensor: order[tensor.name])
    # It names the traced function, which has a counter too.
    graph.doc_string = ""
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(initializers)


def _divide_logits(graph: Any, temperature: float, name: str) -> None:
    """Put a product between the logits and what makes probabilities of them. Raises ExportError."""
    from onnx import helper, numpy_helper

    producers = {output: node for node in graph.node for output in node.output}
    node = producers[graph.output[0].name]
    while node.op_type in ("Identity", "Reshape", "Squeeze") and node.input[0] in producers:
        node = producers[node.input[0]]
    if node.op_type not in ("Softmax", "Sigmoid"):
        raise ExportError(
            f"{name}: the temperature can't be written into the .onnx, whose probabilities come from {node.op_type}. "
            "Set [decide] calibrate = false, or end the model in a Dense layer of logits"
        )
    factor, scaled = f"{node.output[0]}/inverse_temperature", f"{node.output[0]}/calibrated_logits"
    graph.initializer.append(numpy_helper.from_array(np.array(1 / temperature, np.float32), factor))
    product = helper.make_node("Mul", [node.input[0], factor], [scaled], f"{node.name}/calibrated_logits")
    node.input[0] = scaled
    graph.node.insert(list(graph.node).index(node), product)


class _Names:
    """New names by old ones; those in ``fixed``, and the empty one, stay."""

    def __init__(self, fixed: Iterable[str]) -> None:
        self.new = {name: name for name in ("", *fixed)}
        self._taken = set(self.new)
        self._used: Counter[str] = Counter()

    def of(self, name: str, proposed: str | None = None) -> str:
        """The new name: as proposed or without counters, and with a number where that is taken."""
        if name not in self.new:
            stem = _COUNTED.sub("", proposed or name)
            while (new := f"{stem}_{self._used[stem]}" if self._used[stem] else stem) in self._taken:
                self._used[stem] += 1
            self._taken.add(new)
            self.new[name] = new
        return self.new[name]


@contextlib.contextmanager
def _inlined(tf: Any) -> Iterator[None]:
    """Trace inner functions inline; Keras compiles a grouped convolution as one, which tf2onnx can't open."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _freeze_captures(model: Any, concrete: Any) -> None:
    """Make constants of the tensors that layers hold outside their weights; tf2onnx makes inputs of them."""
    from onnx import numpy_helper

    names = {value.name for value in model.graph.input}
    for outside, inside in concrete.graph.captures:
        if inside.name in names and inside.name != f"{INPUT_NAME}:0" and hasattr(outside, "numpy"):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(outside.numpy()), inside.name))
            (extra,) = (value for value in model.graph.input if value.name == inside.name)
            model.graph.input.remove(extra)


def _convert_erfc(context: Any, node: Any, name: str, _args: Any) -> None:
    """Erfc(x) as 1 - Erf(x), which is -(Erf(x) - 1)."""
    output = node.output[0]
    node.type = "Erf"
    one = context.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    less = context.make_node("Sub", [output, one], name=f"{name}_less_one")
    negated = context.make_node("Neg", [less.output[0]], name=f"{name}_erfc")
    context.replace_all_inputs(output, negated.output[0])
    less.input[0] = output


def converter() -> str:
    """Name and version of the converter."""
    return f"tf2onnx {version('tf2onnx')}"
