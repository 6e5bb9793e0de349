from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.formats import tflite_file
from edgekd.quantize.per_tensor import COST, convert_by_section
from edgekd.quantize.settings import QuantizeSection


def weight_scales(content: bytes) -> set[int]:
    """How many scales each weight and bias has."""
    graph = tflite_file.read(content, "m")
    return {
        len(graph.tensors[i].scales)
        for op in graph.ops
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        for i in op.inputs[1:3]
    }


def test_one_scale_per_tensor_and_what_it_costs(
    source: Any, images: NDArray[np.uint8], unseen: NDArray[np.uint8], exported: dict[str, Any]
) -> None:
    section = QuantizeSection(per_channel=False, ranges="min-max")
    conversion = convert_by_section(source, images, "uint8", section, unseen, False)
    assert weight_scales(conversion.content) == {1}
    assert conversion.record["weight_scales"] == "one per tensor"
    n = min(256, len(images) + len(unseen))
    cost = conversion.record[COST]
    assert cost.startswith("one per tensor ") and f"% of {n} photos answered like the float student" in cost
    plain = exported["int8.tflite"]
    assert max(weight_scales(plain.content())) > 1
    assert not {COST, "weight_scales"} & plain.provenance.keys()
