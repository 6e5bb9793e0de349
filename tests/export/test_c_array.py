from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekd.errors import UnsupportedOpError, UsageError
from edgekd.export.c_array import c_string, identifier, micro_ops, write_c_array
from edgekd.export.micro_ops import RESOLVER_METHODS
from edgekd.formats import tflite_file


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("student.int8", "student_int8"),
        ("my model (v2).int8", "my_model_v2_int8"),
        ("3d.int8", "model_3d_int8"),
        ("__a..b__", "a_b"),
        ("for", "model_for"),
        ("../../etc/passwd.int8", "etc_passwd_int8"),
        ('a"; system("x', "a_system_x"),
    ],
)
def test_an_identifier_is_made_of_any_name(name: str, wanted: str) -> None:
    assert identifier(name) == wanted


def test_names_of_other_letters_stay_apart() -> None:
    names = [identifier(name) for name in ("模型.int8", "型模.int8", "Straße.int8", "Strae.int8", "", "...")]
    assert len(set(names)) == 6
    assert all(re.fullmatch(r"[A-Za-z][0-9A-Za-z_]*", name) and "__" not in name for name in names)


def test_a_label_cannot_leave_its_string() -> None:
    assert c_string('a"b\\c\n??/é') == '"a\\042b\\134c\\012\\077\\077/\\303\\251"'


def test_the_example_adds_exactly_the_models_ops(exported: dict[str, Any], tmp_path: Path) -> None:
    made = write_c_array(exported["int8.tflite"], tmp_path)
    ops = {op.name for op in tflite_file.read(exported["int8.tflite"].content(), "x").ops}
    text = made.example.read_text()
    assert sorted(re.findall(r"resolver\.(\w+)\(\)", text)) == sorted(RESOLVER_METHODS[op] for op in ops)
    assert f"MicroMutableOpResolver<{len(ops)}>" in text
    assert set(made.ops) == ops == {"QUANTIZE", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED",
                                    "SOFTMAX", "DEQUANTIZE"}  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "edgekd_preprocess.h",
        "tiny_int8.c",
        "tiny_int8.h",
        "tiny_int8_main.cc",
    ]


def test_an_op_without_a_kernel_there_is_named(exported: dict[str, Any]) -> None:
    graph = tflite_file.read(exported["int8.tflite"].content(), "x")
    graph = replace(graph, ops=(*graph.ops, replace(graph.ops[0], name="GELU"), replace(graph.ops[0], name="POW")))
    with pytest.raises(UnsupportedOpError, match="for Microcontrollers has no kernel for GELU, POW"):
        micro_ops(graph, "m.int8.tflite")


@pytest.mark.parametrize("name", ["float32.tflite", "int8.onnx"])
def test_only_an_int8_tflite_becomes_c(exported: dict[str, Any], tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"tiny.{name} is {name.replace('.', ' ')}"):
        write_c_array(exported[name], tmp_path)
