"""Measures one model in this fresh process: ``python agent.py PLAN.json OUT.json``.

Runs on the device, so it needs only the standard library, numpy and ai-edge-litert or onnxruntime, and imports
nothing of edgekd. It must be copied to a folder of its own first: beside it lies a module that would hide the
standard library's ``statistics``.

What is timed, for both formats alike: from a prepared input array to an output array in Python's hands.
TFLite: ``set_tensor`` + ``invoke`` + ``get_tensor``; ONNX: ``session.run``, which does the same three things.
Decoding, resizing and the cast to the input's type lie outside. The images are cycled through in order.

PLAN: {"model", "format": "tflite"|"onnx"|"ort", "inputs": .npy of uint8 [n,H,W,3], "threads", "warmup_min_iterations",
"warmup_max_s", "seconds", "min_iterations", "max_iterations", "answers": bool}
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# Warm-up ends when the medians of two blocks of this many inferences differ by no more than this.
STEADY_BLOCK = 8
STEADY_TOLERANCE = 0.02


class Model(NamedTuple):
    """A loaded model: one call from a prepared input to its output, and how its input looks."""

    infer: Callable[[Any], Any]
    shape: tuple[int, ...]
    dtype: Any
    runtime: str


def main(argv: list[str]) -> int:
    """Read the plan, measure, write the result under a temporary name and rename it."""
    plan_path, out_path = argv[1:3]
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    try:
        result = measure(plan)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    temporary = Path(f"{out_path}.part")
    temporary.write_text(json.dumps(result), encoding="utf-8")
    temporary.replace(out_path)
    return 0


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """One launch. Every duration is in the unit its key names."""
    images = np.load(plan["inputs"], allow_pickle=False)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise ValueError(f"inputs must be uint8 [n,H,W,3], got {images.dtype} {list(images.shape)}")
    load = {"tflite": load_tflite, "onnx": load_onnx, "ort": load_onnx}[plan["format"]]
    start_import = time.perf_counter_ns()
    runtime_ready = load(plan)
    import_ms = _ms_since(start_import)
    memory_before = _memory_bytes("VmRSS")
    start_load = time.perf_counter_ns()
    model = runtime_ready()
    load_ms = _ms_since(start_load)
    inputs = prepare(images, model.shape, model.dtype)
    start_first = time.perf_counter_ns()
    model.infer(inputs[0])
    first_ms = _ms_since(start_first)
    warmup_n, steady = warm_up(model, inputs, plan)
    before = _cpu_times()
    timings = time_inferences(model, inputs, plan)
    after = _cpu_times()
    return {
        "timings_ns": timings,
        "import_ms": import_ms,
        "load_ms": load_ms,
        "first_ms": first_ms,
        "warmup_n": warmup_n,
        "warmup_steady": steady,
        "peak_memory_bytes": _memory_bytes("VmHWM"),
        "memory_before_load_bytes": memory_before,
        "threads": plan["threads"],
        "runtime": model.runtime,
        "cpu": {key: after[key] - before[key] for key in before} if before.keys() == after.keys() else {},
        "answers": [int(np.argmax(model.infer(one))) for one in inputs] if plan["answers"] else None,
    }


def load_tflite(plan: dict[str, Any]) -> Callable[[], Model]:
    """Import LiteRT; the function returned loads the model."""
    import ai_edge_litert
    from ai_edge_litert.interpreter import Interpreter

    def ready() -> Model:
        interpreter = Interpreter(model_path=plan["model"], num_threads=plan["threads"])
        interpreter.allocate_tensors()
        (into,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
        into_index, out_index = into["index"], outputs[0]["index"]

        def infer(one: Any) -> Any:
            interpreter.set_tensor(into_index, one)
            interpreter.invoke()
            return interpreter.get_tensor(out_index)

        version = getattr(ai_edge_litert, "__version__", "")
        return Model(
            infer, tuple(int(size) for size in into["shape"]), into["dtype"], f"ai-edge-litert {version}".strip()
        )

    return ready


def load_onnx(plan: dict[str, Any]) -> Callable[[], Model]:
    """Import ONNX Runtime; the function returned loads the model."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    def ready() -> Model:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = plan["threads"]
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(plan["model"], options, providers=["CPUExecutionProvider"])
        (into,) = session.get_inputs()
        name, outputs = into.name, [session.get_outputs()[0].name]
        # A symbolic size is the batch: one image at a time here.
        shape = tuple(size if isinstance(size, int) else 1 for size in into.shape)
        dtype = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int8)": np.int8}.get(into.type)

        def infer(one: Any) -> Any:
            return session.run(outputs, {name: one})[0]

        return Model(infer, shape, dtype, f"onnxruntime {onnxruntime.__version__}")

    return ready


def prepare(images: Any, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    """One contiguous array an image, as the model wants it; range and mean are the graph's own business."""
    if dtype not in (np.uint8, np.float32):
        raise ValueError(f"the model's input must be uint8 or float32 holding 0..255, got {dtype}")
    channels_first = len(shape) == 4 and shape[1] == 3 and shape[3] != 3
    if channels_first:
        images = images.transpose(0, 3, 1, 2)
    if tuple(shape) != (1, *images.shape[1:]):
        raise ValueError(f"the model takes {list(shape)}, the images are {[1, *images.shape[1:]]}")
    return [np.ascontiguousarray(image[np.newaxis]).astype(dtype) for image in images]


def warm_up(model: Model, inputs: list[Any], plan: dict[str, Any]) -> tuple[int, bool]:
    """Infer until two blocks in a row take the same time, at most ``warmup_max_s``: (how many, steady or not)."""
    end = time.perf_counter() + plan["warmup_max_s"]
    done, last = 0, None
    while True:
        block = [_timed(model, inputs[(done + k) % len(inputs)]) for k in range(STEADY_BLOCK)]
        done += STEADY_BLOCK
        now = float(np.median(block))
        steady = last is not None and abs(now - last) <= STEADY_TOLERANCE * last
        if steady and done >= plan["warmup_min_iterations"]:
            return done, True
        if time.perf_counter() >= end:
            return done, steady
        last = now


def time_inferences(model: Model, inputs: list[Any], plan: dict[str, Any]) -> list[int]:
    """Nanoseconds of every inference: for ``seconds``, within the bounds on their number."""
    timings: list[int] = []
    gc.collect()
    gc.disable()
    end = time.perf_counter() + plan["seconds"]
    while len(timings) < plan["min_iterations"] or (
        len(timings) < plan["max_iterations"] and time.perf_counter() < end
    ):
        timings.append(_timed(model, inputs[len(timings) % len(inputs)]))
    gc.enable()
    return timings


def _timed(model: Model, one: Any) -> int:
    start = time.perf_counter_ns()
    model.infer(one)
    return time.perf_counter_ns() - start


def _ms_since(start_ns: int) -> float:
    return (time.perf_counter_ns() - start_ns) / 1e6


def _memory_bytes(key: str) -> int | None:
    """VmRSS now or VmHWM, the most there ever was. Source: proc_pid_status(5)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = [line.split() for line in status.splitlines() if line.startswith(f"{key}:")]
    return int(lines[0][1]) * 1024 if lines else None


def _cpu_times() -> dict[str, float]:
    """This process's CPU seconds and, where readable, those of the whole machine. Source: proc_stat(5)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    times = {"own_s": used.ru_utime + used.ru_stime, "wall_s": time.perf_counter()}
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split()[1:9]]
    except OSError:
        return times
    tick = os.sysconf("SC_CLK_TCK")
    user, nice, system, idle, iowait, irq, softirq, steal = fields
    busy = user + nice + system + irq + softirq
    return {**times, "busy_s": busy / tick, "steal_s": steal / tick, "total_s": (busy + idle + iowait + steal) / tick}


if __name__ == "__main__":
    sys.exit(main(sys.argv))
