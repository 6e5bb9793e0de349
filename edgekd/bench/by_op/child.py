"""Times the ops of one file in this fresh process: ``python -m edgekd.bench.by_op.child PLAN.json OUT.json``.

ONNX Runtime's own profile gives the time of each of its nodes. For a .tflite the file is cut behind each op, and each
cut runs in turn with the whole: the difference of two neighbours' ratios to the whole is the op's share. A ratio of two
that run in turn is not moved by what else the machine does.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.bench.agents import device_agent
from edgekd.bench.by_op.cuts import cut_tflite, names_of_ops, non_decreasing
from edgekd.formats import tflite_file

_WARM_UP = 5
_LEAST_RUNS = 10


def main(argv: list[str]) -> int:
    """PLAN: model, format, inputs, threads, seconds. OUT: runtime, total_us, ops of name, kind, share."""
    plan = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    measure = _tflite if plan["format"] == "tflite" else _onnx
    Path(argv[2]).write_text(json.dumps(measure(plan)), encoding="utf-8")
    return 0


def _tflite(plan: dict[str, Any]) -> dict[str, Any]:
    path = Path(plan["model"])
    content = path.read_bytes()
    graph, model = tflite_file.read(content, path.name), tflite_file.parse(content, path.name)
    whole, feed = _load(plan, str(path))
    shares, totals = [], []
    with tempfile.TemporaryDirectory() as folder:
        for count in range(1, len(graph.ops)):
            part = Path(folder) / "part.tflite"
            part.write_bytes(cut_tflite(model, count))
            ratio, total = _ratio(_load(plan, str(part))[0], whole, feed, plan["seconds"])
            shares.append(ratio)
            totals.append(total)
    totals = totals or [_median_ns(whole, feed, plan["seconds"])]
    cumulated = [*non_decreasing(shares), 1.0]
    ops = [
        {"name": name, "kind": kind, "share": max(0.0, end - begin)}
        for (name, kind), begin, end in zip(names_of_ops(graph), [0.0, *cumulated[:-1]], cumulated, strict=True)
    ]
    return {"runtime": whole.runtime, "total_us": statistics.median(totals) / 1000, "ops": ops}


def _load(plan: dict[str, Any], path: str) -> tuple[device_agent.Model, Any]:
    images = device_agent.load_inputs(plan["inputs"])
    shapes = images.shapes if isinstance(images, device_agent.Prepared) else None
    load = device_agent.load_tflite if plan["format"] == "tflite" else device_agent.load_onnx
    model = load({**plan, "model": path, "delegate": "xnnpack"})(shapes)
    return model, device_agent.feeds_of(images, model)[0]


def _ratio(part: device_agent.Model, whole: device_agent.Model, feed: Any, seconds: float) -> tuple[float, float]:
    """Time of a part over that of the whole, run in turn; and the whole's median in ns."""
    for _ in range(_WARM_UP):
        part.infer(feed)
        whole.infer(feed)
    parts: list[int] = []
    wholes: list[int] = []
    end = time.perf_counter() + seconds
    while len(parts) < _LEAST_RUNS or time.perf_counter() < end:
        parts.append(_time_ns(part, feed))
        wholes.append(_time_ns(whole, feed))
    median = statistics.median(wholes)
    return statistics.median(parts) / median, median


def _median_ns(model: device_agent.Model, feed: Any, seconds: float) -> float:
    for _ in range(_WARM_UP):
        model.infer(feed)
    times: list[int] = []
    end = time.perf_counter() + seconds
    while len(times) < _LEAST_RUNS or time.perf_counter() < end:
        times.append(_time_ns(model, feed))
    return statistics.median(times)


def _time_ns(model: device_agent.Model, feed: Any) -> int:
    begin = time.perf_counter_ns()
    model.infer(feed)
    return time.perf_counter_ns() - begin


def _onnx(plan: dict[str, Any]) -> dict[str, Any]:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    plain, feed = _load(plan, plan["model"])
    total = _median_ns(plain, feed, plan["seconds"])
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = plan["threads"], 1
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "trace")
        session = onnxruntime.InferenceSession(plan["model"], options, providers=["CPUExecutionProvider"])
        feeds = feed if isinstance(feed, tuple) else (feed,)
        values = {entry.name: value for entry, value in zip(session.get_inputs(), feeds, strict=True)}
        end = time.perf_counter() + plan["seconds"]
        runs = 0
        while runs < _LEAST_RUNS or time.perf_counter() < end:
            session.run(None, values)
            runs += 1
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    durations: dict[tuple[str, str, str], list[int]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            facts = event["args"]
            key = (facts.get("node_index", ""), event["name"].removesuffix("_kernel_time"), facts["op_name"])
            durations.setdefault(key, []).append(int(event["dur"]))
    means = {key: _middle_mean(values[_WARM_UP:] or values) for key, values in durations.items()}
    whole = sum(means.values()) or 1.0
    ops = [{"name": name, "kind": kind, "share": mean / whole} for (_, name, kind), mean in means.items()]
    return {"runtime": plain.runtime, "total_us": total / 1000, "ops": ops}


def _middle_mean(values: list[int]) -> float:
    """The mean of the middle half: its clock counts whole microseconds, and some runs lose the CPU."""
    middle = sorted(values)[len(values) // 4 : len(values) - len(values) // 4]
    return float(np.mean(middle))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
