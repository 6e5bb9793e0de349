"""Measures one model in this fresh process: ``python agent.py PLAN.json OUT.json``.

Runs on the device, so it needs only the standard library, numpy and ai-edge-litert or onnxruntime, and imports
nothing of edgekd. It must be copied to an empty folder first: beside it lies a module that would hide the
standard library's ``statistics``.

What is timed, for both formats alike: from a prepared input array to an output array in Python's hands.
TFLite: ``set_tensor`` + ``invoke`` + ``get_tensor``; ONNX: ``session.run``, which does the same three things.
Decoding, resizing and the cast to the input's type lie outside. The images are cycled through in order.

PLAN: {"model", "format": "tflite"|"onnx"|"ort", "inputs": .npy of uint8 [n,H,W,3], "check_inputs": another or null;
for another tool's file .npz of the arrays "0", "1" ... [n, *shape], one an input in its type,
"threads", "affinity": [CPU, ...] or null, "delegate": "xnnpack"|"none", "warmup_min_iterations", "warmup_max_s",
"seconds", "min_iterations", "max_iterations", "pace_ms": number or null, "curve": bool, "answers": bool, "sample_ms":
short inferences are timed several at once, for so long at least; 0 or absent: each alone}; where photos are timed from
end to end, also "end_to_end", which device_end_to_end.py describes; where ops are counted, "optimized_graph": where
ONNX Runtime writes the graph that it makes of the file, or "graph_as_it_is": true, for one that it is to leave alone.
REPLY: what ``measure`` returns. ``answers`` are the argmax of each input (of each output, where there are several; of
a single number whether it is above a half), ``check_answers`` of each check input,
``late_n`` the paced frames that started late, ``curve`` rows of [second, inferences, p50 ns, p90 ns]; ``switched_out``
the places in ``timings_ns`` of inferences that lost the CPU meanwhile, null where the system does not tell;
``window_s`` when the inferences began and ended, in seconds since the device's start (null where it has no such clock),
``inferences_n`` how many there were. Where ``inferences_per_sample`` is above 1, each of ``timings_ns`` is the mean of
so many inferences that were timed at once.

Where $EDGEKD_INSTRUCTION_COUNTER names a file that an emulator counts executed instructions in (64 bits at its start),
``instructions`` are those of each inference, less those of an empty call.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import mmap
import os
import resource
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# Warm-up ends when the medians of two blocks of this many inferences differ by no more than this.
STEADY_BLOCK = 8
STEADY_TOLERANCE = 0.02
SCHEMA = 2
# Begins a line on stderr that says what comes next: where a launch hangs, it is the last one.
STAGE = "edgekd-agent: "
CURVE_STEP_S = 1.0
# An inference that lost the CPU for more than this part of its time is marked as switched out.
LOST_SHARE = 0.01
# More at once would meet the end of a time slice too often.
MOST_PER_SAMPLE = 64
# The two clocks are read one after the other: a smaller loss shows in the count of switches alone.
CLOCKS_APART_NS = 20_000


class Model(NamedTuple):
    """A loaded model: one call from a prepared input to its output, and how its first input looks.

    With several inputs or outputs ``infer`` takes a tuple, or gives a list.
    """

    infer: Callable[[Any], Any]
    shape: tuple[int, ...]
    dtype: Any
    runtime: str
    delegate: str


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
    if plan["affinity"] is not None:
        os.sched_setaffinity(0, plan["affinity"])
    images = load_inputs(plan["inputs"])
    load = {"tflite": load_tflite, "onnx": load_onnx, "ort": load_onnx}[plan["format"]]
    _say("loading the runtime")
    start_import = time.perf_counter_ns()
    runtime_ready = load(plan)
    import_ms = _ms_since(start_import)
    _say("loading the model")
    memory_before = _memory_bytes("VmRSS")
    start_load = time.perf_counter_ns()
    model = runtime_ready(images.shapes if isinstance(images, Prepared) else None)
    load_ms = _ms_since(start_load)
    inputs = feeds_of(images, model)
    _say("at its first inference")
    start_first = time.perf_counter_ns()
    model.infer(inputs[0])
    first_ms = _ms_since(start_first)
    counter = open_counter(os.environ.get("EDGEKD_INSTRUCTION_COUNTER"))
    _say("warming up")
    warmup_n, steady = warm_up(model, inputs, plan, counting=counter is not None)
    _say("being timed")
    before = cpu_times()
    timed = time_inferences(model, inputs, plan) if counter is None else count_inferences(model, inputs, plan, counter)
    after = cpu_times()
    end_to_end = None
    if plan.get("end_to_end"):
        _say("being timed from end to end")
        end_to_end = load_end_to_end()(model, plan, sys.modules[__name__])
    _say("answering")
    shapes = images.shapes if isinstance(images, Prepared) else None

    def fresh() -> Model:
        # A file of another tool may keep a state, such as what it heard before: its answers begin without one.
        return model if shapes is None else runtime_ready(shapes)

    return {
        "schema": SCHEMA,
        "import_ms": import_ms,
        "load_ms": load_ms,
        "first_ms": first_ms,
        "warmup_n": warmup_n,
        "warmup_steady": steady,
        "peak_memory_bytes": _memory_bytes("VmHWM"),
        "memory_before_load_bytes": memory_before,
        "threads": plan["threads"],
        "delegate": model.delegate,
        "runtime": model.runtime,
        "cpu": difference(before, after),
        "answers": answers_to(fresh(), images) if plan["answers"] else None,
        "check_answers": answers_to(fresh(), load_inputs(plan["check_inputs"])) if plan["check_inputs"] else None,
        "device": None,
        "end_to_end": end_to_end,
        **timed,
    }


def load_end_to_end() -> Callable[..., Any]:
    """``measure_end_to_end`` of the module that was copied beside this one, with the archive that it needs."""
    sys.path.insert(0, str(Path(__file__).with_name("photo_pixels.zip")))
    measure: Callable[..., Any] = importlib.import_module("end_to_end").measure_end_to_end
    return measure


def _say(stage: str) -> None:
    print(f"{STAGE}{stage}", file=sys.stderr, flush=True)


class Prepared(NamedTuple):
    """Arrays as the model takes them, [n, *shape] an input."""

    arrays: tuple[Any, ...]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each input."""
        return [array.shape[1:] for array in self.arrays]


def load_inputs(path: str) -> Any:
    """Images, or what was prepared for the model."""
    if not path.endswith(".npz"):
        return load_images(path)
    with np.load(path, allow_pickle=False) as arrays:
        return Prepared(tuple(arrays[str(number)] for number in range(len(arrays.files))))


def feeds_of(images: Any, model: Model) -> list[Any]:
    """What ``model.infer`` takes, an input each."""
    if not isinstance(images, Prepared):
        return prepare(images, model.shape, model.dtype)
    if len(images.arrays) == 1:
        return [np.ascontiguousarray(array) for array in images.arrays[0]]
    return [tuple(np.ascontiguousarray(array) for array in row) for row in zip(*images.arrays, strict=True)]


def load_images(path: str) -> Any:
    """Images as they lie in the file, read where they are needed."""
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise ValueError(f"images must be uint8 [n,H,W,3], got {images.dtype} {list(images.shape)}")
    return images


def answers_to(model: Model, images: Any) -> list[int]:
    """The argmax of each image; of prepared inputs the answer of every output."""
    if isinstance(images, Prepared):
        return [answer for feed in feeds_of(images, model) for answer in map(answer_of, outputs_of(model.infer(feed)))]
    return [int(np.argmax(model.infer(prepare(image[np.newaxis], model.shape, model.dtype)[0]))) for image in images]


def outputs_of(outputs: Any) -> list[Any]:
    """All outputs of an inference."""
    return outputs if isinstance(outputs, list) else [outputs]


def answer_of(output: Any) -> int:
    """The place of the largest value, in all of it; of a single number, whether it is above a half."""
    values = np.asarray(output).reshape(-1)
    if values.size < 2:
        return int(values.size == 1 and values[0] > 0.5)
    return int(np.argmax(values))


def load_tflite(plan: dict[str, Any]) -> Callable[..., Model]:
    """Import LiteRT; the function returned loads the model."""
    import ai_edge_litert
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = {"xnnpack": OpResolverType.AUTO, "none": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    if plan["delegate"] not in kernels:
        raise ValueError(f"LiteRT for Python has no delegate {plan['delegate']!r}, only {', '.join(kernels)}")

    def ready(shapes: Any = None) -> Model:
        interpreter = Interpreter(
            model_path=plan["model"],
            num_threads=plan["threads"],
            experimental_op_resolver_type=kernels[plan["delegate"]],
        )
        for entry, size in zip(interpreter.get_input_details(), shapes or (), strict=False):
            if tuple(entry["shape"]) != tuple(size):
                interpreter.resize_tensor_input(entry["index"], size)
        interpreter.allocate_tensors()
        ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
        into, into_index, out_index = ins[0], ins[0]["index"], outs[0]["index"]

        def infer(image: Any) -> Any:
            interpreter.set_tensor(into_index, image)
            interpreter.invoke()
            return interpreter.get_tensor(out_index)

        def infer_many(values: Any) -> Any:
            for entry, value in zip(ins, values if len(ins) > 1 else (values,), strict=True):
                interpreter.set_tensor(entry["index"], value)
            interpreter.invoke()
            return [interpreter.get_tensor(entry["index"]) for entry in outs]

        if shapes is None and len(ins) != 1:
            raise ValueError(f"the model takes {len(ins)} inputs, not one image")
        many = shapes is not None and (len(ins) > 1 or len(outs) > 1)
        shape = tuple(int(size) for size in into["shape"])
        runtime = f"ai-edge-litert {getattr(ai_edge_litert, '__version__', '')}".strip()
        return Model(infer_many if many else infer, shape, into["dtype"], runtime, plan["delegate"])

    return ready


def load_onnx(plan: dict[str, Any]) -> Callable[..., Model]:
    """Import ONNX Runtime; the function returned loads the model."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    if plan["delegate"] == "gpu":
        raise ValueError("delegate 'gpu' is TFLite's; ONNX files run on ONNX Runtime's CPU provider")

    def ready(shapes: Any = None) -> Model:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = plan["threads"]
        options.inter_op_num_threads = 1
        options.optimized_model_filepath = plan.get("optimized_graph", "")
        if plan.get("graph_as_it_is"):
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(plan["model"], options, providers=["CPUExecutionProvider"])
        ins, outs = session.get_inputs(), session.get_outputs()
        into, name, outputs = ins[0], ins[0].name, [outs[0].name]
        # A symbolic size is the batch: one image at a time here.
        shape = tuple(size if isinstance(size, int) else 1 for size in into.shape)
        dtype = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int8)": np.int8}.get(into.type)

        def infer(image: Any) -> Any:
            return session.run(outputs, {name: image})[0]

        def infer_many(values: Any) -> Any:
            values = values if len(ins) > 1 else (values,)
            return session.run(None, {entry.name: value for entry, value in zip(ins, values, strict=True)})

        if shapes is None and len(ins) != 1:
            raise ValueError(f"the model takes {len(ins)} inputs, not one image")
        many = shapes is not None and (len(ins) > 1 or len(outs) > 1)
        return Model(infer_many if many else infer, shape, dtype, f"onnxruntime {onnxruntime.__version__}", "cpu")

    return ready


def prepare(images: Any, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    """One contiguous array an image, as the model wants it; range and mean belong to the graph.

    int8 holds a pixel less 128, as files that other tools quantize take it.
    """
    if dtype not in (np.uint8, np.int8, np.float32):
        raise ValueError(f"the model's input must be uint8, int8 or float32, got {dtype}")
    if dtype == np.int8:
        images = (images ^ 0x80).view(np.int8)
    channels_first = len(shape) == 4 and shape[1] == 3 and shape[3] != 3
    if channels_first:
        images = images.transpose(0, 3, 1, 2)
    if tuple(shape) != (1, *images.shape[1:]):
        raise ValueError(f"the model takes {list(shape)}, the images are {[1, *images.shape[1:]]}")
    return [np.ascontiguousarray(image[np.newaxis]).astype(dtype) for image in images]


def warm_up(model: Model, inputs: list[Any], plan: dict[str, Any], counting: bool) -> tuple[int, bool]:
    """Infer until two blocks in a row take the same time, at most ``warmup_max_s``: (how many, steady or not).

    Instructions need no steady clock: there, as many as the plan asks for at least.
    """
    end = time.perf_counter() + plan["warmup_max_s"]
    done, last = 0, None
    while True:
        block = [_time_inference(model, inputs[(done + k) % len(inputs)]) for k in range(STEADY_BLOCK)]
        done += STEADY_BLOCK
        now = float(np.median(block))
        steady = counting or (last is not None and abs(now - last) <= STEADY_TOLERANCE * last)
        if steady and done >= plan["warmup_min_iterations"]:
            return done, True
        if not counting and time.perf_counter() >= end:
            return done, steady
        last = now


def time_inferences(model: Model, inputs: list[Any], plan: dict[str, Any]) -> dict[str, Any]:
    """Nanoseconds of every inference, or of every few at once: for ``seconds``, within the bounds on their number.

    A curve goes on for all of ``seconds``; past ``max_iterations`` only its windows are kept.
    """
    count = choose_per_sample(model, inputs, plan)
    timings: list[int] = []
    switched_out: list[int] = []
    usage = CpuUsage(plan["threads"])
    curve, pace = Curve() if plan["curve"] else None, Pace(plan["pace_ms"]) if plan["pace_ms"] else None
    done = 0
    gc.collect()
    gc.disable()
    start_s = _boot_s()
    end = time.perf_counter() + plan["seconds"]
    while done < plan["min_iterations"] or (
        (curve is not None or done < plan["max_iterations"]) and time.perf_counter() < end
    ):
        if pace is not None:
            pace.wait()
            usage.advance()
        timing = _time_sample(model.infer, [inputs[k % len(inputs)] for k in range(done * count, (done + 1) * count)])
        used_ns, switches = usage.advance()
        done += 1
        if done <= plan["max_iterations"]:
            if is_switched_out(timing, used_ns, switches):
                switched_out.append(len(timings))
            timings.append(max(1, round(timing / count)))
        if curve is not None:
            curve.add(timing)
    end_s = _boot_s()
    gc.enable()
    late = None if pace is None else pace.late_n
    return {
        "timings_ns": timings,
        "switched_out": switched_out,
        "inferences_per_sample": count,
        "instructions": None,
        "late_n": late,
        "curve": None if curve is None else curve.rows(),
        "window_s": None if start_s is None or end_s is None else [start_s, end_s],
        "inferences_n": done * count,
    }


def choose_per_sample(model: Model, inputs: list[Any], plan: dict[str, Any]) -> int:
    """How many inferences to time at once, so that reading the clocks takes nothing of them; one in a paced run."""
    if plan["curve"] or plan["pace_ms"] or not plan.get("sample_ms"):
        return 1
    single_ns = np.median([_time_inference(model, inputs[k % len(inputs)]) for k in range(STEADY_BLOCK)])
    return per_sample(float(single_ns), plan["sample_ms"] * 1e6)


def per_sample(single_ns: float, sample_ns: float) -> int:
    """How many inferences of ``single_ns`` last for ``sample_ns`` at least."""
    return max(1, min(MOST_PER_SAMPLE, math.ceil(sample_ns / max(1.0, single_ns))))


class CpuUsage:
    """What the inferring thread has used since the last look: CPU time, and how often it was switched out.

    With several threads no single clock tells what an inference lost; there the switches of all of them count. Two
    system calls, outside what is timed.
    """

    def __init__(self, threads: int) -> None:
        single = threads == 1
        # macOS counts switches of the whole process only; of one that infers in one thread they are the same.
        self._whose = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF) if single else resource.RUSAGE_SELF
        self._clock = time.thread_time_ns if single else None
        self._used_ns, self._switches = 0, 0
        self.advance()

    def advance(self) -> tuple[int | None, int]:
        """CPU nanoseconds (None with several threads) and switches since the call before."""
        used_ns = self._used_ns if self._clock is None else self._clock()
        switches = resource.getrusage(self._whose).ru_nivcsw
        passed = None if self._clock is None else used_ns - self._used_ns, switches - self._switches
        self._used_ns, self._switches = used_ns, switches
        return passed


def is_switched_out(timing_ns: int, used_ns: int | None, switches: int) -> bool:
    """Whether an inference of ``timing_ns`` lost the CPU: it used it for ``used_ns``, preempted ``switches`` times.

    A long inference always meets some kernel thread for an instant, which does not count.
    """
    if used_ns is None:
        return switches > 0
    apart_ns = -CLOCKS_APART_NS if switches else CLOCKS_APART_NS
    return timing_ns - used_ns > LOST_SHARE * timing_ns + apart_ns


class Pace:
    """One frame every ``pace_ms``; frames whose turn came while the one before was at work started late."""

    def __init__(self, pace_ms: float) -> None:
        self._step_s = pace_ms / 1000
        self._next_s = time.perf_counter()
        self.late_n = 0

    def wait(self) -> None:
        """Until the next frame; a camera drops the frames that were missed."""
        now = time.perf_counter()
        if now > self._next_s + self._step_s:
            self.late_n += 1
            self._next_s = now
        elif now < self._next_s:
            time.sleep(self._next_s - now)
        self._next_s += self._step_s


class Curve:
    """Windows of a second each: how many inferences, their median and their 90th percentile."""

    def __init__(self) -> None:
        self._start_s = self._window_s = time.perf_counter()
        self._window: list[int] = []
        self._rows: list[list[float]] = []

    def add(self, timing_ns: int) -> None:
        """One inference that has just ended."""
        self._window.append(timing_ns)
        now = time.perf_counter()
        if now - self._window_s >= CURVE_STEP_S:
            self._close(now)

    def rows(self) -> list[list[float]]:
        """Every whole window; a partial one where it is the only one."""
        if self._window and not self._rows:
            self._close(time.perf_counter())
        return self._rows

    def _close(self, now: float) -> None:
        p50, p90 = np.quantile(self._window, [0.5, 0.9])
        self._rows.append([round(now - self._start_s, 3), len(self._window), int(p50), int(p90)])
        self._window, self._window_s = [], now


def open_counter(path: str | None) -> Callable[[], int] | None:
    """Reads the emulator's count of executed instructions, where there is one."""
    if not path:
        return None
    with open(path, "rb") as file:  # noqa: PTH123  nothing but what must be counted
        page = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return lambda: int(struct.unpack_from("<Q", page)[0])


def count_inferences(
    model: Model, inputs: list[Any], plan: dict[str, Any], counter: Callable[[], int]
) -> dict[str, Any]:
    """Instructions of ``min_iterations`` inferences; the nanoseconds beside them mean nothing on an emulator."""
    gc.collect()
    gc.disable()
    idle = model._replace(infer=lambda image: image)
    overhead = min(_count_inference(idle, inputs[0], counter)[0] for _ in range(5))
    pairs = [_count_inference(model, inputs[done % len(inputs)], counter) for done in range(plan["min_iterations"])]
    gc.enable()
    return {
        "timings_ns": [timing for _, timing in pairs],
        "switched_out": None,
        "instructions": [count - overhead for count, _ in pairs],
        "late_n": None,
        "curve": None,
    }


def _count_inference(model: Model, image: Any, counter: Callable[[], int]) -> tuple[int, int]:
    before = counter()
    timing = _time_inference(model, image)
    return counter() - before, timing


def _time_inference(model: Model, image: Any) -> int:
    start = time.perf_counter_ns()
    model.infer(image)
    return time.perf_counter_ns() - start


def _time_sample(infer: Callable[[Any], Any], images: list[Any]) -> int:
    start = time.perf_counter_ns()
    for image in images:
        infer(image)
    return time.perf_counter_ns() - start


def _boot_s() -> float | None:
    """Seconds since the device's start, as /proc/uptime counts them; None where there is no such clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return None if clock is None else time.clock_gettime(clock)


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


def difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What passed between two ``cpu_times``; nothing where one could not be read as the other."""
    return {key: after[key] - before[key] for key in before} if before.keys() == after.keys() else {}


def cpu_times() -> dict[str, float]:
    """This process's CPU seconds, its waiting and, where readable, those of the whole machine. Source: proc_stat(5)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    times = {"own_s": used.ru_utime + used.ru_stime, "wall_s": time.perf_counter()}
    wait_s = _wait_s()
    if wait_s is not None:
        times["wait_s"] = wait_s
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split()[1:9]]
    except OSError:
        return times
    tick = os.sysconf("SC_CLK_TCK")
    user, nice, system, idle, iowait, irq, softirq, steal = fields
    busy = user + nice + system + irq + softirq
    return {**times, "busy_s": busy / tick, "steal_s": steal / tick, "total_s": (busy + idle + iowait + steal) / tick}


def _wait_s() -> float | None:
    """Seconds that this process's threads were ready to run and had no CPU; None where Linux does not count them.

    Source: the kernel's Documentation/scheduler/sched-stats.rst.
    """
    try:
        lines = [path.read_text(encoding="ascii") for path in Path("/proc/self/task").glob("*/schedstat")]
    except OSError:
        return None
    if not lines or all(line.split() == ["0", "0", "0"] for line in lines):
        return None
    return sum(int(line.split()[1]) for line in lines) / 1e9


if __name__ == "__main__":
    sys.exit(main(sys.argv))
