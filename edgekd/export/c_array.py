"""Writes an int8 .tflite as C for TensorFlow Lite for Microcontrollers: bytes, header, preprocessing and example."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from edgekd.errors import UnsupportedOpError, UsageError
from edgekd.export.c_decision import declaration, definition
from edgekd.export.micro_example import example
from edgekd.export.micro_ops import RESOLVER_METHODS
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact
from edgekd.formats.tflite_file import TfliteGraph
from edgekd.storage import write_text

# The preprocessing in C, written beside every model as it is.
PREPROCESS_HEADER = Path(__file__).with_name("edgekd_preprocess.h")
_BYTES_A_LINE = 16
_KIBIBYTE = 1024
# What the interpreter stores besides the activations, in bytes: measured with tflite-micro's own allocation report.
_PER_TENSOR, _PER_OP, _PER_SCALE, _FIXED = 32, 96, 5, 2048


@dataclass(frozen=True)
class CArray:
    """The written files: ``name`` is the array's C identifier, ``arena_bytes`` an estimate of the memory to give it."""

    name: str
    header: Path
    preprocess: Path
    source: Path
    example: Path
    ops: tuple[str, ...]
    arena_bytes: int


def write_c_array(artifact: Artifact, out: Path) -> CArray:
    """Write an int8 .tflite into a folder: ``<name>.h``, ``<name>.c``, ``<name>_main.cc``, ``edgekd_preprocess.h``.

    Raises: UsageError for another file; UnsupportedOpError for an op that TensorFlow Lite for Microcontrollers lacks.
    """
    where = artifact.path.name
    if artifact.format != "tflite" or artifact.precision != "int8":
        raise UsageError(
            f"a C array is made from an int8 .tflite, and {where} is {artifact.precision} {artifact.format}"
        )
    content = artifact.content()
    graph = tflite_file.read(content, where)
    ops = micro_ops(graph, where)
    name = identifier(where.removesuffix(".tflite"))
    header, preprocess, source, program = c_files(out, name)
    array = CArray(name, header, preprocess, source, program, ops, arena_estimate_bytes(graph))
    write_text(array.header, _header(array, artifact))
    write_text(array.preprocess, PREPROCESS_HEADER.read_text(encoding="utf-8"))
    write_text(array.source, _source(array, artifact, content))
    write_text(
        array.example, example(array.name, array.header.name, tuple(RESOLVER_METHODS[op] for op in ops), artifact)
    )
    return array


def c_files(out: Path, name: str) -> tuple[Path, Path, Path, Path]:
    """The model's header, the preprocessing, the model's source and the example, in a folder."""
    return out / f"{name}.h", out / PREPROCESS_HEADER.name, out / f"{name}.c", out / f"{name}_main.cc"


def identifier(name: str) -> str:
    """Make a C and C++ identifier of any name; names that differ only outside ASCII stay distinct.

    It begins with a letter and contains an underscore, so that it is neither reserved nor a keyword.
    """
    text = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_")
    if not name.isascii() or not text:
        text = f"{text}_{hashlib.sha256(name.encode()).hexdigest()[:8]}".strip("_")
    text = re.sub(r"_+", "_", text)
    return text if text[0].isalpha() and "_" in text else f"model_{text}"


def micro_ops(graph: TfliteGraph, where: str) -> tuple[str, ...]:
    """The distinct ops of a graph, sorted. Raises UnsupportedOpError naming those without a microcontroller kernel."""
    ops = sorted({op.name for op in graph.ops})
    missing = [op for op in ops if op not in RESOLVER_METHODS]
    if missing:
        raise UnsupportedOpError(
            f"{where}: TensorFlow Lite for Microcontrollers has no kernel for {', '.join(missing)}. "
            "Leave out the c format, or replace the layers that they come from"
        )
    return tuple(ops)


def arena_estimate_bytes(graph: TfliteGraph) -> int:
    """Estimate the tensor arena: the largest set of live tensors, and the interpreter's overhead."""
    computed = {i for op in graph.ops for i in op.outputs} | set(graph.inputs)
    first = dict.fromkeys(graph.inputs, 0) | {i: op.index for op in graph.ops for i in op.outputs}
    last = {i: op.index for op in graph.ops for i in (*op.inputs, *op.outputs) if i in computed}
    last |= dict.fromkeys(graph.outputs, len(graph.ops))
    sizes = {i: tensor_bytes(graph, i) for i in computed}
    alive = [sum(sizes[i] for i in computed if first[i] <= op.index <= last.get(i, 0)) for op in graph.ops]
    scales = sum(len(tensor.scales) for tensor in graph.tensors if len(tensor.scales) > 1)
    overhead = _PER_TENSOR * len(graph.tensors) + _PER_OP * len(graph.ops) + _PER_SCALE * scales + _FIXED
    # Room for gaps between blocks, and for the buffers of a chip's own kernels.
    return -(-(max(alive, default=0) * 5 // 4 + overhead) // _KIBIBYTE) * _KIBIBYTE


def tensor_bytes(graph: TfliteGraph, index: int) -> int:
    """Bytes of a computed tensor."""
    tensor = graph.tensors[index]
    size = {"FLOAT32": 4, "INT32": 4, "INT64": 8, "INT16": 2, "FLOAT16": 2}.get(tensor.type, 1)
    for dimension in tensor.shape:
        size *= dimension
    return size


def _header(array: CArray, artifact: Artifact) -> str:
    upper, preprocessing = array.name.upper(), artifact.preprocessing
    return f"""{_comment(array, artifact)}
#ifndef {upper}_H
#define {upper}_H

#include <stddef.h>

/* Input: uint8 RGB, row by row, [{upper}_HEIGHT][{upper}_WIDTH][3], as edgekd_preprocess.h makes it of a photo or a
   camera's frame: edgekd_input input = {{{upper}_WIDTH, {upper}_HEIGHT, {upper}_CROP}}. */
#define {upper}_HEIGHT {preprocessing.height}
#define {upper}_WIDTH {preprocessing.width}
#define {upper}_CROP EDGEKD_{preprocessing.crop.upper()}
#define {upper}_CLASSES {len(artifact.labels)}
/* An estimate: where AllocateTensors() fails, make it larger; arena_used_bytes() then says what is needed. */
#define {upper}_ARENA_BYTES {array.arena_bytes}

#ifdef __cplusplus
extern "C" {{
#endif

/* The .tflite file, aligned to 16 bytes. */
extern const unsigned char {array.name}[];
extern const size_t {array.name}_len;
/* UTF-8, in the order of the outputs. */
extern const char *const {array.name}_labels[{upper}_CLASSES];
{declaration(array.name, artifact)}
#ifdef __cplusplus
}}
#endif

#endif
"""


def _source(array: CArray, artifact: Artifact, content: bytes) -> str:
    lines = [
        "  " + ",".join(f"0x{byte:02x}" for byte in content[start : start + _BYTES_A_LINE]) + ","
        for start in range(0, len(content), _BYTES_A_LINE)
    ]
    labels = "\n".join(f"  {c_string(label)}," for label in artifact.labels)
    rows = "\n".join(lines)
    return f"""{_comment(array, artifact)}
#include "{array.header.name}"

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Alignas(16)
#elif defined(__GNUC__)
__attribute__((aligned(16)))
#else
#error "compile as C11, or align the array to 16 bytes in your compiler's way"
#endif
const unsigned char {array.name}[] = {{
{rows}
}};
const size_t {array.name}_len = sizeof {array.name};

const char *const {array.name}_labels[{array.name.upper()}_CLASSES] = {{
{labels}
}};
{definition(array.name, artifact)}"""


def _comment(array: CArray, artifact: Artifact) -> str:
    return (
        f"/* The int8 .tflite of edgekd as C: {artifact.size_bytes} bytes, {len(artifact.labels)} classes.\n"
        f"   SHA-256 {artifact.sha256}\n"
        f"   Generated: export again instead of editing. Ops: {', '.join(array.ops)}. */"
    )


def c_string(text: str) -> str:
    """A C string literal of UTF-8 text, in ASCII."""
    # Octal escapes end after three digits, and a question mark could begin a trigraph.
    plain = set(map(ord, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _-+.,:;()[]{}<>=!#$%&*/@^|~'"))
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'
