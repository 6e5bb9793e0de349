from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekd.errors import ArtifactError
from edgekd.formats import tflite_file


def test_a_graph_is_read_with_its_constants(exported: dict[str, Any]) -> None:
    graph = tflite_file.read(exported["int8.tflite"].content(), "tiny")
    assert [op.name for op in graph.ops][:3] == ["QUANTIZE", "CONV_2D", "DEPTHWISE_CONV_2D"]
    weights = graph.tensors[graph.ops[2].inputs[1]]
    assert (weights.type, weights.shape, weights.axis, len(weights.scales)) == ("INT8", (1, 3, 3, 16), 3, 16)
    assert weights.data is not None
    # Per channel, the largest weight takes the whole range.
    assert np.abs(weights.data.astype(int)).max(axis=(0, 1, 2)).tolist() == [127] * 16
    assert {"EDGEKD", "TFLITE_METADATA", "min_runtime_version"} <= graph.metadata.keys()


def test_spoiled_structures_give_an_error_not_a_crash(exported: dict[str, Any]) -> None:
    # Past the seal, which a file of another tool does not have.
    whole = exported["int8.tflite"].content()
    generator = np.random.default_rng(5)
    clear = 0
    for _ in range(150):
        spoiled = bytearray(whole)
        # The tables stand in the last part; weights in the first may change unnoticed.
        for place in generator.integers(len(whole) * 2 // 3, len(whole), 20):
            spoiled[place] = int(generator.integers(256))
        try:
            tflite_file.float_ops(tflite_file.read(bytes(spoiled), "spoiled.tflite"))
        except ArtifactError as error:
            assert "spoiled.tflite is" in str(error)
            clear += 1
    assert clear > 100


def test_another_kind_of_file_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"photo.jpg is not a .tflite file"):
        tflite_file.read(b"\xff\xd8\xff\xe0JFIF", "photo.jpg")
