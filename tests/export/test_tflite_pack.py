from __future__ import annotations

import io
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decided_files import with_decision

import edgekd
from edgekd.errors import UnsupportedOpError
from edgekd.export.record import Record
from edgekd.export.tflite_pack import pack
from edgekd.formats import tflite_file
from edgekd.formats.decision import Decision, least_float32


class Table:
    """A flatbuffer table, read by slot: as another program would, with no code of ours."""

    def __init__(self, content: bytes, position: int) -> None:
        self.content, self.position = content, position
        self.vtable = position - struct.unpack_from("<i", content, position)[0]

    def place(self, slot: int) -> int:
        size = struct.unpack_from("<H", self.content, self.vtable)[0]
        offset = struct.unpack_from("<H", self.content, self.vtable + 4 + 2 * slot)[0] if 4 + 2 * slot < size else 0
        return self.position + offset if offset else 0

    def follow(self, slot: int) -> int:
        place = self.place(slot)
        return place + struct.unpack_from("<I", self.content, place)[0]

    def text(self, slot: int) -> str:
        place = self.follow(slot)
        return self.content[place + 4 : place + 4 + struct.unpack_from("<I", self.content, place)[0]].decode()

    def byte(self, slot: int) -> int:
        return self.content[self.place(slot)]

    def table(self, slot: int) -> Table:
        return Table(self.content, self.follow(slot))

    def tables(self, slot: int) -> list[Table]:
        place = self.follow(slot)
        places = [place + 4 + 4 * i for i in range(struct.unpack_from("<I", self.content, place)[0])]
        return [Table(self.content, p + struct.unpack_from("<I", self.content, p)[0]) for p in places]

    def number(self, slot: int) -> float:
        place = self.place(slot)
        return float(struct.unpack_from("<f", self.content, place)[0]) if place else 0.0

    def floats(self, slot: int) -> list[float]:
        place = self.follow(slot)
        return list(
            struct.unpack_from(f"<{struct.unpack_from('<I', self.content, place)[0]}f", self.content, place + 4)
        )


def root(content: bytes) -> Table:
    return Table(content, struct.unpack_from("<I", content, 0)[0])


def test_standard_metadata_says_raw_pixels_and_names_the_labels(exported: dict[str, Any]) -> None:
    for name in ("int8.tflite", "float32.tflite"):
        content = exported[name].content()
        metadata = tflite_file.read(content, name).metadata["TFLITE_METADATA"]
        assert metadata[4:8] == b"M001"
        model = root(metadata)
        assert model.text(0) == f"tiny.{name.split('.')[0]}"
        # Description, version, author, license.
        assert re.search(r"3 classes, \w+, made by edgekd; provenance sha256:[0-9a-f]{64}$", model.text(1))
        assert (model.text(2), model.text(4), model.text(5)) == ("1", f"edgekd {edgekd.__version__}", "not stated")
        (subgraph,) = model.tables(3)
        (image,), (scores,) = subgraph.tables(2), subgraph.tables(3)
        assert (image.text(0), scores.text(0)) == ("image", "probabilities")
        # ImageProperties, RGB.
        assert (image.table(3).byte(0), image.table(3).table(1).byte(0)) == (2, 1)
        (unit,) = image.tables(4)
        assert (unit.byte(0), unit.table(1).floats(0), unit.table(1).floats(1)) == (1, [0.0], [1.0])
        (labels,) = scores.tables(6)
        assert (labels.text(0), labels.byte(2)) == ("labels.txt", 2)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.read("labels.txt").decode() == "crossing\nkerb & gutter\nStraße\n"


def test_thresholds_of_the_decision_are_those_of_other_readers(
    exported: dict[str, Any], decided: dict[str, Any], tmp_path: Path
) -> None:
    def score_units(artifact: Any) -> tuple[list[Table], list[str], dict[str, str]]:
        content = artifact.content()
        (subgraph,) = root(tflite_file.read(content, "x").metadata["TFLITE_METADATA"]).tables(3)
        (scores,) = subgraph.tables(3)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {name: archive.read(name).decode() for name in archive.namelist()}
        units = list(scores.tables(4)) if scores.place(4) else []
        return units, [file.text(0) for file in scores.tables(6)], files

    units, files, written = score_units(exported["int8.tflite"])
    assert (units, files, list(written)) == ([], ["labels.txt"], ["labels.txt"])
    (threshold,), files, written = score_units(decided["reject.int8.tflite"])
    # 0.6 is no float32: the next one above it is what a float32 has to reach.
    assert (threshold.byte(0), threshold.table(1).number(0)) == (3, float(least_float32(0.6)))
    assert least_float32(0.6) == np.float32(0.6) and float(np.float32(0.6)) > 0.6
    (calibration, threshold), files, written = score_units(decided["tags.int8.tflite"])
    assert (calibration.byte(0), calibration.table(1).byte(0), calibration.table(1).number(1)) == (2, 2, -1.0)
    assert (threshold.byte(0), threshold.table(1).number(0)) == (3, 0.0)
    assert files == list(written) == ["labels.txt", "score_calibration.txt"]
    least = f"{float(least_float32(0.85)):.9g}"
    assert written["score_calibration.txt"].splitlines() == ["1,1,0,0.5", "1,1,0,0.600000024", f"1,1,0,{least}"]
    assert np.float32(least) == least_float32(0.85) and float(least) >= 0.85
    even = with_decision(exported["int8.tflite"], tmp_path / "even.tflite", Decision("multi-label", (0.7, 0.7, 0.7)))
    (threshold,), files, _ = score_units(even)
    assert threshold.table(1).number(0) == float(least_float32(0.7)) > 0.7 > float(np.float32(0.7)) and len(files) == 1


def test_constants_are_aligned_and_stored_once(exported: dict[str, Any]) -> None:
    content = exported["int8.tflite"].content()
    places = [buffer.follow(0) for buffer in root(content).tables(4) if buffer.place(0)]
    assert len(places) > 20
    assert {(place + 4) % 16 for place in places} == {0}
    # Zero points of the layers with 64 channels, weights' and biases', are one vector.
    (graph,) = root(content).tables(2)
    quantized = [tensor.table(4) for tensor in graph.tables(0) if tensor.place(4)]
    zero_points = [q.follow(3) for q in quantized if q.place(3)]
    sizes = {place: struct.unpack_from("<I", content, place)[0] for place in zero_points}
    assert list(sizes.values()).count(64) == 1
    assert [sizes[place] for place in zero_points].count(64) >= 6


def test_signature_and_versions_are_kept(exported: dict[str, Any]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    content = exported["int8.tflite"].content()
    interpreter = Interpreter(model_content=content)
    signature = {"inputs": ["image"], "outputs": ["probabilities"]}
    assert interpreter.get_signature_list() == {"serving_default": signature}
    assert tflite_file.read(content, "x").metadata["min_runtime_version"].rstrip(b"\0").count(b".") == 2


def test_names_are_short_layers(exported: dict[str, Any]) -> None:
    graph = tflite_file.read(exported["int8.tflite"].content(), "x")
    names = [graph.tensors[op.outputs[0]].name for op in graph.ops]
    assert names[1].startswith("re_lu")
    assert any(name.startswith("add") for name in names)
    assert max(len(tensor.name) for tensor in graph.tensors) <= 28
    assert len({tensor.name for tensor in graph.tensors}) == len(graph.tensors)


def packed(model: Any) -> bytes:
    return tflite_file.pack(model)


def test_an_op_outside_the_builtin_ones_is_refused(exported: dict[str, Any]) -> None:
    artifact = exported["int8.tflite"]
    model = tflite_file.parse(artifact.content(), "x")
    code = model.operatorCodes[1]
    code.builtinCode = code.deprecatedBuiltinCode = 32  # CUSTOM
    code.customCode = b"FlexErfinv"
    record = Record(artifact.labels, artifact.preprocessing, "int8", {}, {})
    with pytest.raises(UnsupportedOpError, match=r"m needs ops outside TFLite's built-in ones: FlexErfinv\."):
        pack(packed(model), record, name="m")
