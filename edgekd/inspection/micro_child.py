"""Finds the smallest arena with which TensorFlow Lite for Microcontrollers loads a file.

``python micro_child.py FILE`` runs alone, in a process that a file may kill: it needs only tflite-micro. Prints
the bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_MOST = 256 << 20
_STEP = 16


def main(path: str) -> int:
    """Search by halves; a file that is not loaded with any arena is an error."""
    from tflite_micro import runtime

    content = Path(path).read_bytes()
    low, high = 0, 1 << 14
    while not _loads(runtime, content, high):
        low, high = high, 2 * high
        if high > _MOST:
            return 1
    while high - low > _STEP:
        middle = (low + high) // 2 // _STEP * _STEP
        low, high = (low, middle) if _loads(runtime, content, middle) else (middle, high)
    sys.stdout.write(f"{high}\n")
    return 0


def _loads(runtime: Any, content: bytes, arena: int) -> bool:
    try:
        runtime.Interpreter.from_bytes(content, arena_size=arena)
    except RuntimeError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
