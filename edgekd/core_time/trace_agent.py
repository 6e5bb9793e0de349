"""Runs on the emulated core: ``python trace_agent.py PLAN.json``, beside ``agent.py`` (the agent that measures).

The plugin coretrace.c records one inference. PLAN is the measuring agent's, and $EDGEKD_CORE_TRACE names the file whose
first two numbers (64 bits each) are the plugin's state and the instructions that it should expect.
"""

from __future__ import annotations

import gc
import importlib
import json
import mmap
import os
import struct
import sys
from pathlib import Path
from typing import Any

OFF, WARM, RECORD = 0, 1, 2


def main(argv: list[str]) -> int:
    """Load, infer three times with warm caches, and record the last."""
    # Only beside this file, on the emulated core.
    agent: Any = importlib.import_module("agent")
    plan = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    images = agent.load_images(plan["inputs"])
    model = {"tflite": agent.load_tflite, "onnx": agent.load_onnx, "ort": agent.load_onnx}[plan["format"]](plan)()
    image = agent.prepare(images[:1], model.shape, model.dtype)[0]
    counter = agent.open_counter(os.environ["EDGEKD_INSTRUCTION_COUNTER"])
    with open(os.environ["EDGEKD_CORE_TRACE"], "r+b") as file:  # noqa: PTH123  as in the measuring agent
        control = mmap.mmap(file.fileno(), 0)
    set_state = struct.Struct("<Q").pack_into
    set_state(control, 0, WARM)
    model.infer(image)
    gc.collect()
    gc.disable()
    before = counter()
    model.infer(image)
    set_state(control, 8, counter() - before)
    set_state(control, 0, RECORD)
    model.infer(image)
    set_state(control, 0, OFF)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
