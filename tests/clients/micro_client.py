"""TensorFlow Lite for Microcontrollers on images: ``python micro_client.py MODEL.tflite IMAGES.npy ARENA_BYTES``.

Prints a JSON list of output rows. Runs in an environment of tflite-micro's own and knows nothing of edgekd.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from tflite_micro import runtime


def main(model: str, images: str, arena_bytes: str) -> None:
    interpreter = runtime.Interpreter.from_bytes(Path(model).read_bytes(), arena_size=int(arena_bytes))
    rows = []
    for image in np.load(images):
        interpreter.set_input(image[np.newaxis], 0)
        interpreter.invoke()
        rows.append(interpreter.get_output(0)[0].tolist())
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
