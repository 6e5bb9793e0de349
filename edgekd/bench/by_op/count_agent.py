"""Runs on an emulated core: ``python count_agent.py PLAN.json OUT.json``, beside ``agent.py`` (the measuring agent).

PLAN: what the measuring agent loads a file by, and ``files``, models that take the same inputs. OUT: of each the
instructions of one inference, less those of an empty call, and the runtime's name.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

_WARM_UP = 2
_EMPTY_CALLS = 5


def main(argv: list[str]) -> int:
    """Load each file in turn, and count one inference of it."""
    # Only beside this file, on the emulated core.
    agent: Any = importlib.import_module("agent")
    plan = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    images = agent.load_inputs(plan["inputs"])
    shapes = images.shapes if isinstance(images, agent.Prepared) else None
    counter = agent.open_counter(os.environ["EDGEKD_INSTRUCTION_COUNTER"])
    load = agent.load_onnx if plan["format"] == "onnx" else agent.load_tflite
    counts, runtime = [], ""
    for path in plan["files"]:
        model = load({**plan, "model": path})(shapes)
        counts.append(_count(model, agent.feeds_of(images, model)[0], counter))
        runtime = model.runtime
    Path(argv[2]).write_text(json.dumps({"counts": counts, "runtime": runtime}), encoding="utf-8")
    return 0


def _count(model: Any, feed: Any, counter: Any) -> int:
    for _ in range(_WARM_UP):
        model.infer(feed)
    gc.collect()
    gc.disable()
    empty = min(_count_call(lambda image: image, feed, counter) for _ in range(_EMPTY_CALLS))
    count = _count_call(model.infer, feed, counter)
    gc.enable()
    return count - empty


def _count_call(call: Any, feed: Any, counter: Any) -> int:
    before = counter()
    call(feed)
    return int(counter() - before)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
