"""Times photos and camera frames from end to end on a device, in device_agent.py's process.

Copied there as ``end_to_end.py`` beside ``agent.py`` and ``photo_pixels.zip``, which has the modules of edgekd that it
imports. It needs Pillow beside what device_agent.py needs.

Stages, each timed: *decode*, a photo's bytes in memory to its pixels as stored (a frame has none); *resize*, those
pixels to the model's input: orientation, crop, resize and the cast to the input's type; *inference*, from there to the
class. A frame is RGB in memory, as a camera's driver hands it over.

PLAN["end_to_end"]: {"photos": [path, ...], "frames": .npy of uint8 [n,H,W,3] or null, "height", "width", "crop"}; how
long and how often are the plan's own "seconds", "min_iterations" and "max_iterations", for each source.
REPLY["end_to_end"]: of each source {"source": "photo"|"frame", "decode_ns", "resize_ns", "inference_ns",
"switched_out", "cpu", "inputs_sha256": of the uint8 inputs one after the other, "answers"}.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from edgekd.photo_input import shrink
from edgekd.photo_pixels import StoredPhoto, open_photo


class Source(NamedTuple):
    """Photos' bytes, or frames: ``decode`` makes of each what is then shrunk."""

    name: str
    items: Sequence[Any]
    decode: Callable[[Any], StoredPhoto] | None


def measure_end_to_end(model: Any, plan: dict[str, Any], agent: Any) -> list[dict[str, Any]]:
    """Every source of the plan in turn; ``agent`` is device_agent.py as a module."""
    wanted = plan["end_to_end"]
    photos = [Path(path).read_bytes() for path in wanted["photos"]]
    sources = [Source("photo", photos, lambda content: open_photo(content, "the photo"))] if photos else []
    if wanted["frames"] is not None:
        sources.append(Source("frame", list(np.array(agent.load_images(wanted["frames"]))), None))
    size = SimpleNamespace(height=wanted["height"], width=wanted["width"], crop=wanted["crop"])
    return [_measure_source(source, size, model, plan, agent) for source in sources]


def _measure_source(
    source: Source, size: SimpleNamespace, model: Any, plan: dict[str, Any], agent: Any
) -> dict[str, Any]:
    digest, answers = hashlib.sha256(), []
    # Untimed, which also warms up.
    for item in source.items:
        pixels = shrink(_stored(source, item), size)
        digest.update(pixels.tobytes())
        answers.append(_answer(model, pixels, agent))
    before = agent.cpu_times()
    timings, switched_out = _time_source(source, size, model, plan, agent)
    after = agent.cpu_times()
    decode, resize, inference = (list(column) for column in zip(*timings, strict=True))
    return {
        "source": source.name,
        "decode_ns": decode if source.decode is not None else [],
        "resize_ns": resize,
        "inference_ns": inference,
        "switched_out": switched_out,
        "cpu": agent.difference(before, after),
        "inputs_sha256": digest.hexdigest(),
        "answers": answers,
    }


def _time_source(
    source: Source, size: SimpleNamespace, model: Any, plan: dict[str, Any], agent: Any
) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Nanoseconds of every pass by stage, and which of them lost the CPU."""
    timings: list[tuple[int, int, int]] = []
    switched_out: list[int] = []
    usage = agent.CpuUsage(plan["threads"])
    gc.collect()
    gc.disable()
    end = time.perf_counter() + plan["seconds"]
    while len(timings) < plan["min_iterations"] or (
        len(timings) < plan["max_iterations"] and time.perf_counter() < end
    ):
        item = source.items[len(timings) % len(source.items)]
        start = time.perf_counter_ns()
        stored = _stored(source, item)
        # A frame's pixels have to be taken over too: that is a part of resizing them.
        decoded = time.perf_counter_ns() if source.decode is not None else start
        image = agent.prepare(shrink(stored, size)[np.newaxis], model.shape, model.dtype)[0]
        resized = time.perf_counter_ns()
        int(np.argmax(model.infer(image)))
        ended = time.perf_counter_ns()
        used_ns, switches = usage.advance()
        if agent.is_switched_out(ended - start, used_ns, switches):
            switched_out.append(len(timings))
        timings.append((decoded - start, resized - decoded, ended - resized))
    gc.enable()
    return timings, switched_out


def _stored(source: Source, item: Any) -> StoredPhoto:
    return StoredPhoto.of_pixels(item) if source.decode is None else source.decode(item)


def _answer(model: Any, pixels: Any, agent: Any) -> int:
    return int(np.argmax(model.infer(agent.prepare(pixels[np.newaxis], model.shape, model.dtype)[0])))
