"""A .tflite file as a teacher's network, run by LiteRT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.formats import tflite_file
from edgekd.formats.artifact import TFLITE_RECORD
from edgekd.inspection import description, from_tflite
from edgekd.inspection.network import INTEGERS_8, Value
from edgekd.inspection.network import Network as Graph
from edgekd.inspection.probe import check_runs
from edgekd.storage import sha256_file
from edgekd.teacher.files import InputSettings
from edgekd.teacher.graph_facts import ending_of, parameters_of, pixels_of_graph, step_of
from edgekd.teacher.network import NetworkFacts, check_file, run_in_batches
from edgekd.teacher.onnx_network import scores_output, single_image_input, with_record
from edgekd.text import first_line

_THREADS = 2


class TfliteNetwork:
    """An interpreter over one image input and one output of class scores, quantized or not."""

    def __init__(self, path: Path, settings: InputSettings) -> None:
        """Raises ModelError, or ArtifactError where the file is damaged."""
        from edgekd.runtime.litert import open_interpreter

        # The interpreter reads these bytes in place.
        self._content = check_file(path).read_bytes()
        graph = tflite_file.read(self._content, str(path))
        network = from_tflite.network(graph)
        image, output = single_image_input(network, str(path)), scores_output(network, settings, str(path))
        self._facts = _facts(path, self._content, graph, network, (image, output))
        self._dequantize = (float(output.scales[0]), _zero(output)) if len(output.scales) == 1 else None
        check_runs(path)
        try:
            self._interpreter = open_interpreter(self._content, threads=_THREADS)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"LiteRT does not load {path}: {first_line(error)}") from None
        details = self._interpreter.get_input_details()[0]
        self._input, self._shape = int(details["index"]), tuple(int(size) for size in details["shape"])
        place = network.outputs.index(output.key)
        self._output = int(self._interpreter.get_output_details()[place]["index"])

    @property
    def facts(self) -> NetworkFacts:
        """What is known of it."""
        return self._facts

    def run(self, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Outputs [N, ...] as real numbers. Raises ModelError where LiteRT fails."""
        return run_in_batches(inputs, self._call, self._facts.batch)

    def _call(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        try:
            if batch.shape != self._shape:
                # Only sizes that the file calls free are changed: strict refuses others.
                self._interpreter.resize_tensor_input(self._input, batch.shape, strict=True)
                self._interpreter.allocate_tensors()
                self._shape = batch.shape
            self._interpreter.set_tensor(self._input, batch)
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{self._facts.where} fails on an image: {first_line(error)}") from None
        values = np.asarray(self._interpreter.get_tensor(self._output))
        if self._dequantize is None:
            return values
        scale, zero_point = self._dequantize
        return (np.float32(scale) * (values.astype(np.int32) - zero_point)).astype(np.float32)


def _facts(
    path: Path, content: bytes, graph: tflite_file.TfliteGraph, network: Graph, ends: tuple[Value, Value]
) -> NetworkFacts:
    image, output = ends
    facts = NetworkFacts(
        where=str(path),
        key=sha256_file(path),
        size_bytes=len(content),
        parameters=parameters_of(network),
        shape=image.shape or (),
        dtype=image.dtype,
        ending=ending_of(network, output.key),
        step=step_of(network, output.key),
    )
    if TFLITE_RECORD in graph.metadata:
        return with_record(facts, path)
    if image.dtype not in ("float32", "uint8", "int8"):
        raise ModelError(f"{path} takes {image.dtype}; a teacher takes float32, uint8 or int8 pixels")
    described_as = description.describe_tflite(content, graph.metadata, graph.description)
    if image.dtype in INTEGERS_8 and len(image.scales) == 1:
        facts = replace(facts, scale=float(image.scales[0]), zero_point=_zero(image))
    return replace(facts, labels=described_as.labels, pixels=pixels_of_graph(network, image, described_as))


def _zero(value: Value) -> int:
    return int(value.zero_points[0]) if len(value.zero_points) else 0
