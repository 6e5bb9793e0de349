"""The C array, compiled by a C compiler: the same bytes, and warnings are errors."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_decision import decide_in_c

from edgekd.export.c_array import CArray, write_c_array
from edgekd.formats.decision import least_float32

CHECK = r"""
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "{name}.h"

int main(int argc, char **argv) {{
  static unsigned char file[1 << 24];
  FILE *stream = fopen(argv[argc - 1], "rb");
  size_t size = stream ? fread(file, 1, sizeof file, stream) : 0;
  printf("%d %d %d %d %d %d\n", size == {name}_len, memcmp(file, {name}, {name}_len) == 0,
         (int)((uintptr_t){name} % 16), {upper}_HEIGHT, {upper}_WIDTH, {upper}_CLASSES);
  for (int i = 0; i < {upper}_CLASSES; ++i) printf("%s\n", {name}_labels[i]);
  return stream ? fclose(stream) : 1;
}}
"""
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

# Enough of TensorFlow Lite Micro's interface to compile the example and count what it adds; it computes nothing.
STUBS = {
    "micro_interpreter.h": """
#pragma once
#include <cstddef>
#include <cstdint>
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
#define TFLITE_SCHEMA_VERSION 3
union Data { uint8_t* uint8; float* f; };
struct Tensor { Data data; };
namespace tflite {
struct Model { int version() const { return 3; } };
inline const Model* GetModel(const void* data) { static Model m; return data ? &m : nullptr; }
inline void InitializeTarget() {}
struct MicroInterpreter {
  template <class R> MicroInterpreter(const Model*, const R& r, uint8_t* a, size_t n) : ok(r.added == r.size), n(n) {
    in.data.uint8 = a; out.data.f = reinterpret_cast<float*>(a); }
  TfLiteStatus AllocateTensors() { return ok ? kTfLiteOk : kTfLiteError; }
  TfLiteStatus Invoke() { out.data.f[0] = 0; out.data.f[1] = 1; out.data.f[2] = 0; return kTfLiteOk; }
  Tensor* input(int) { return &in; }
  Tensor* output(int) { return &out; }
  size_t arena_used_bytes() const { return n; }
  Tensor in, out; bool ok; size_t n;
};
}
""",
    "micro_mutable_op_resolver.h": "#pragma once\n#include <initializer_list>\nnamespace tflite {\n"
    "template <unsigned N> struct MicroMutableOpResolver { unsigned added = 0; static const unsigned size = N;\n"
    "METHODS };\n}\n",
    "system_setup.h": "",
}  # fmt: skip


@pytest.fixture
def made(exported: dict[str, Any], tmp_path: Path) -> CArray:
    return write_c_array(exported["int8.tflite"], tmp_path)


def compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("standard", ["c11", "c17", "gnu99"])
def test_the_compiled_bytes_are_the_files(
    made: CArray, exported: dict[str, Any], tmp_path: Path, standard: str
) -> None:
    check, program = tmp_path / "check.c", tmp_path / "check"
    check.write_text(CHECK.format(name=made.name, upper=made.name.upper()))
    subprocess.run(
        [compiler("gcc"), f"-std={standard}", *WARNINGS, str(check), str(made.source), "-o", str(program)],
        cwd=tmp_path, check=True, timeout=120,
    )  # fmt: skip
    done = subprocess.run(
        [str(program), str(exported["int8.tflite"].path)], capture_output=True, check=True, timeout=60
    )
    facts, *labels = done.stdout.decode().splitlines()
    assert facts == "1 1 0 48 48 3"
    assert tuple(labels) == exported["int8.tflite"].labels == ("crossing", "kerb & gutter", "Straße")


def test_the_example_compiles_as_cpp_against_the_interface_it_uses(made: CArray, tmp_path: Path) -> None:
    assert run_example(made, tmp_path) == f"kerb & gutter (arena used: {made.arena_bytes} bytes)\n"


def run_example(made: CArray, folder: Path) -> str:
    """What the example prints that was written to a folder, compiled against the stand-in of its library."""
    cpp, gcc = compiler("g++"), compiler("gcc")
    text = made.example.read_text()
    methods = {line.split("resolver.")[1].split("(")[0] for line in text.splitlines() if "resolver.Add" in line}
    micro = folder / "tensorflow/lite/micro"
    micro.mkdir(parents=True, exist_ok=True)
    for name, content in STUBS.items():
        adds = "".join(f"TfLiteStatus {method}() {{ ++added; return kTfLiteOk; }}\n" for method in sorted(methods))
        (micro / name).write_text(content.replace("METHODS", adds))
    (folder / "tensorflow/lite/schema").mkdir(exist_ok=True)
    (folder / "tensorflow/lite/schema/schema_generated.h").write_text("")
    subprocess.run([gcc, "-std=c11", "-c", str(made.source), "-o", "model.o"], cwd=folder, check=True, timeout=120)
    subprocess.run(
        [cpp, "-std=c++17", *WARNINGS, "-I", ".", str(made.example), "model.o", "-o", "example"],
        cwd=folder, check=True, timeout=120,
    )  # fmt: skip
    return subprocess.run([str(folder / "example")], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("kind", ["tags", "reject"])
def test_the_compiled_decision_is_the_files(decided: dict[str, Any], tmp_path: Path, kind: str) -> None:
    artifact = decided[f"{kind}.int8.tflite"]
    rows = np.random.default_rng(0).uniform(size=(500, len(artifact.labels))).astype(np.float32)
    # At the thresholds themselves and next to them, and ties.
    zero, one = np.float32(0), np.float32(1)
    for number, least in enumerate(artifact.decision.thresholds or (0.6, 0.6, 0.6)):
        edge = least_float32(least)
        rows[3 * number : 3 * number + 3, number] = edge, np.nextafter(edge, zero), np.nextafter(edge, one)
    rows[9] = 0.7
    answers = decide_in_c(artifact, rows, tmp_path, compiler("gcc"))
    assert answers == [artifact.decision.decide(row, artifact.labels).labels for row in rows]
    assert () in answers and len(set(answers)) >= 3


def test_a_file_without_a_rule_is_written_as_before(made: CArray) -> None:
    assert "decide" not in made.header.read_text() + made.source.read_text() + made.example.read_text()


def test_the_example_says_the_answer(decided: dict[str, Any], tmp_path: Path) -> None:
    """The interpreter of the stand-in gives 0, 1, 0."""
    made = write_c_array(decided["reject.int8.tflite"], tmp_path)
    assert run_example(made, tmp_path) == f"none of these (arena used: {made.arena_bytes} bytes)\n"
