"""An .onnx file as a teacher's network, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.formats import onnx_file
from edgekd.formats.artifact import ONNX_RECORD, Artifact
from edgekd.inspection import description, from_onnx
from edgekd.inspection.network import FLOATS, Value
from edgekd.inspection.network import Network as Graph
from edgekd.inspection.probe import check_runs
from edgekd.teacher.files import InputSettings
from edgekd.teacher.graph_facts import ending_of, parameters_of, pixels_of_graph, step_of
from edgekd.teacher.network import NetworkFacts, NotAClassifierError, check_file, run_in_batches
from edgekd.teacher.pixels import Pixels
from edgekd.text import first_line, one_line

_THREADS = 2
# A uint8 output, which only our exports may have, is a softmax's: 1/256 a step, from 0.
_UINT8_STEP = 1 / 256


class OnnxNetwork:
    """A session over one image input and one output of class scores."""

    def __init__(self, path: Path, settings: InputSettings) -> None:
        """Raises ModelError, or ArtifactError where the file is damaged."""
        from edgekd.runtime.ort import session

        content = read_with_weights(path)
        graph = onnx_file.read(content, str(path))
        network = from_onnx.network(graph)
        self._image = single_image_input(network, str(path))
        self._output = scores_output(network, settings, str(path))
        self._facts = _facts(path, content, graph, network, (self._image, self._output))
        check_runs(path)
        try:
            self._session = session(content, _THREADS)
        except Exception as error:  # its own exception types share no base but this
            raise ModelError(f"ONNX Runtime does not load {path}: {first_line(error)}") from None
        self._one_at_a_time = False

    @property
    def facts(self) -> NetworkFacts:
        """What is known of it."""
        return self._facts

    def run(self, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Raw outputs [N, ...]. Raises ModelError where ONNX Runtime fails."""
        # A free batch is often a lie: a reshape to one image inside, which fails or mixes the images up.
        if self._facts.batch is None and not self._one_at_a_time and len(inputs) > 1:
            try:
                outputs = run_in_batches(inputs[:2], self._call, None)
                self._one_at_a_time = len(outputs) != 2
            except ModelError:
                self._one_at_a_time = True
        return run_in_batches(inputs, self._call, 1 if self._one_at_a_time else self._facts.batch)

    def _call(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        try:
            values = np.asarray(self._session.run([self._output.name], {self._image.name: batch})[0])
        except Exception as error:
            raise ModelError(f"{self._facts.where} fails on an image: {first_line(error)}") from None
        return values * np.float32(_UINT8_STEP) if values.dtype == np.uint8 else values


def read_with_weights(path: Path) -> bytes:
    """The file's bytes, with the weights that exporters store in a separate file read in.

    Raises ModelError where one of those is missing or lies elsewhere.
    """
    import onnx
    from onnx import external_data_helper as external

    content = check_file(path).read_bytes()
    onnx_file.read(content, str(path))
    model = onnx.load_model_from_string(content)
    if not _external_tensors(model):
        return content
    try:
        # It admits only files in the folder of the model and below.
        external.load_external_data_for_model(model, str(path.parent))
        content = bytes(model.SerializeToString())
    except Exception as error:
        raise ModelError(
            f"{path} keeps its weights in another file, which cannot be read: {first_line(error)}. Put it into the "
            "folder of the .onnx"
        ) from None
    # A runtime would look for these in the folder that it is started in.
    left = _external_tensors(model)
    if left:
        raise ModelError(
            f"{path} keeps the tensor {one_line(left[0])!r} of a function in another file. Save the model in one file"
        )
    return content


def _external_tensors(message: Any) -> list[str]:
    """Names of all tensors that lie in other files: weights, constants of nodes, those in subgraphs and functions."""
    from onnx import TensorProto

    names = []
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in (value,) if hasattr(value, "ListFields") else value:
            if isinstance(part, TensorProto):
                names.extend([part.name] if part.data_location == TensorProto.EXTERNAL or part.external_data else [])
            else:
                names.extend(_external_tensors(part))
    return names


def single_image_input(network: Graph, where: str) -> Value:
    """The only input. Raises ModelError where there are others."""
    values = [network.values[key] for key in network.inputs]
    if len(values) != 1 or values[0].shape is None:
        names = ", ".join(f"{value.name} {list(value.shape or ())}" for value in values)
        raise NotAClassifierError(f"{where} must take one image and nothing else; it takes {names}")
    return values[0]


def scores_output(network: Graph, settings: InputSettings, where: str) -> Value:
    """The output of class scores: the only one, or that of ``[teacher] output``. Raises ModelError."""
    values = [network.values[key] for key in network.outputs]
    names = ", ".join(value.name for value in values)
    if settings.output is not None:
        matching = [value for value in values if value.name == settings.output]
        if not matching:
            raise ModelError(
                f"{where} has no output {settings.output!r}. Correct {settings.name_of('output')}: one of {names}"
            )
        return matching[0]
    if len(values) > 1:
        raise ModelError(
            f"{where} has {len(values)} outputs. "
            + settings.how_to_add("output", f"the one of {settings.OUTPUT}")
            + f", of {names}"
        )
    return values[0]


def _facts(
    path: Path, content: bytes, graph: onnx_file.OnnxGraph, network: Graph, ends: tuple[Value, Value]
) -> NetworkFacts:
    image, output = ends
    facts = NetworkFacts(
        where=str(path),
        key=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        parameters=parameters_of(network),
        shape=image.shape or (),
        dtype=image.dtype,
        ending=ending_of(network, output.key),
        step=step_of(network, output.key),
    )
    if ONNX_RECORD in graph.metadata:
        facts = with_record(facts, path)
        return replace(facts, step=_UINT8_STEP) if output.dtype == "uint8" else facts
    if output.dtype not in FLOATS:
        raise ModelError(f"{path} gives {output.dtype}; a teacher gives floats. Export it with a float output")
    if image.dtype not in ("float32", "float16", "uint8"):
        raise ModelError(f"{path} takes {image.dtype}; a teacher takes float32, float16 or uint8 pixels")
    described_as = description.describe_onnx(graph.metadata, graph.producer)
    return replace(facts, labels=described_as.labels, pixels=pixels_of_graph(network, image, described_as))


def with_record(facts: NetworkFacts, path: Path) -> NetworkFacts:
    """``facts`` with what the record of a file that edgekd exported says.

    Raises ArtifactError where the file's bytes were changed.
    """
    artifact = Artifact.open(path)
    parameters = artifact.provenance.get("parameters")
    photo = artifact.preprocessing
    sides = (photo.height, photo.width)
    return replace(
        facts,
        shape=(artifact.inputs[0].shape[0], *((3, *sides) if artifact.layout == "nchw" else (*sides, 3))),
        labels=artifact.labels,
        pixels=Pixels(source="its record says pixels 0..255"),
        crop=photo.crop,
        sealed=True,
        parameters=parameters if isinstance(parameters, int) else facts.parameters,
    )
