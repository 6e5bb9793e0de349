"""Child process of ``run_on``: ``python -m edgekd.accelerators.child REQUEST``. A driver may crash it.

REQUEST is a JSON object: ``model``, ``accelerator``, ``folder`` (with input0.npy ..., one input a row, and where
output0.npy ... are written), ``order``, the graph's tensors that are its inputs and outputs, and ``budget_s``, the
seconds after which no further input is run. Every line on stdout is JSON: {"doing": ...} before each step, and
{"done": {...}} at the end.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.accelerators.vulkan import NoDriverError, choose_driver
from edgekd.processes import line_writer
from edgekd.text import one_line

# Source: TFLITE_XNNPACK_DELEGATE_FLAG_QS8, _QU8 and _FORCE_FP16 of xnnpack_delegate.h.
_FORCE_HALF = 1 | 2 | 4
Say = Callable[[dict[str, Any]], None]


def main(arguments: list[str]) -> int:
    """Run one file on one accelerator; what refuses it is a result."""
    request = json.loads(arguments[0])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    say = line_writer()
    folder = Path(request["folder"])
    result: dict[str, Any] = {}
    if request["accelerator"] == "gpu":
        say({"doing": "looking for a Vulkan driver"})
        try:
            result["driver"] = asdict(choose_driver(folder))
        except NoDriverError as error:
            say({"done": {"no_driver": str(error)}})
            return 0
        say({"driver": result["driver"]})
    say({"doing": "compiling the file"})
    try:
        model = _compile(request["model"], request["accelerator"])
        # Of the CPU, whose delegates are no accelerators to it, LiteRT says False.
        result["accelerated"] = bool(model.is_fully_accelerated()) if request["accelerator"] == "gpu" else None
        say({"doing": "running it"})
        result["latency_ms"] = _run(model, request["order"], folder, request["budget_s"])
    except Exception as error:  # LiteRT raises several kinds
        say({"done": {**result, "refused": one_line(error, 400)}})
        return 0
    say({"done": result})
    # A driver's threads may crash a process that ends in order.
    sys.stderr.flush()
    os._exit(0)


def _compile(path: str, accelerator: str) -> Any:
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.options import CpuOptions, HardwareAccelerator, Options

    if accelerator == "gpu":
        # As apps do: what the GPU does not take is left to the CPU, which LiteRT's log and answer then say.
        both = HardwareAccelerator.GPU | HardwareAccelerator.CPU
        return CompiledModel.from_file(path, options=Options(both, cpu_options=CpuOptions(num_threads=1)))
    flags = _FORCE_HALF if accelerator == "cpu-fp16" else None
    cpu = CpuOptions(num_threads=1, xnnpack_flags=flags)
    return CompiledModel.from_file(path, options=Options(HardwareAccelerator.CPU, cpu_options=cpu))


def _run(model: Any, order: dict[str, list[int]], folder: Path, budget_s: float) -> list[float]:
    """Write the outputs of as many inputs as the time allows; the milliseconds of every inference after the first."""
    key = model.get_signature_by_index(0)["key"]
    details = model.get_input_tensor_details(key), model.get_output_tensor_details(key)
    names = [_names(found, wanted) for found, wanted in zip(details, (order["inputs"], order["outputs"]), strict=True)]
    fed = [np.load(folder / f"input{number}.npy", mmap_mode="r") for number in range(len(names[0]))]
    inputs = [model.create_input_buffer_by_name(key, name) for name in names[0]]
    outputs = [model.create_output_buffer_by_name(key, name) for name in names[1]]
    results: list[list[NDArray[Any]]] = [[] for _ in outputs]
    times: list[float] = []
    by_name = dict(zip(names[0], inputs, strict=True)), dict(zip(names[1], outputs, strict=True))
    end = time.monotonic() + budget_s
    for row in range(len(fed[0])):
        if row and time.monotonic() > end:
            break
        for buffer, values in zip(inputs, fed, strict=True):
            buffer.write(np.ascontiguousarray(values[row]))
        start = time.perf_counter()
        model.run_by_name(key, *by_name)
        for buffer, name, kept in zip(outputs, names[1], results, strict=True):
            shape, dtype = details[1][name]["shape"], np.dtype(details[1][name]["dtype"])
            kept.append(buffer.read(int(np.prod(shape)), dtype.type).reshape(shape))
        if row:
            times.append((time.perf_counter() - start) * 1e3)
    for number, kept in enumerate(results):
        np.save(folder / f"output{number}.npy", np.stack(kept))
    return times


def _names(details: dict[str, Any], tensors: list[int]) -> list[str]:
    """The signature's names of the graph's tensors."""
    by_tensor = {int(entry["index"]): name for name, entry in details.items()}
    return [by_tensor[tensor] for tensor in tensors]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
