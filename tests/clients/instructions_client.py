"""Files' answers on the machine that this runs on: ``python instructions_client.py IMAGES.npy OUT.npz MODEL...``.

OUT gets an array of output rows for each MODEL, by its file name. Needs numpy and the runtimes, and nothing of edgekd:
it also runs on emulated CPUs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np


def main(images_path: str, out: str, *models: str) -> None:
    images = np.load(images_path)
    rows = {}
    for model in models:
        run = by_onnxruntime(model) if model.endswith(".onnx") else by_litert(model)
        rows[Path(model).name] = np.array([run(image[np.newaxis])[0] for image in images])
    np.savez(out, **rows)


def by_onnxruntime(model: str):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


def by_litert(model: str):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(image):
        interpreter.set_tensor(source, image)
        interpreter.invoke()
        return interpreter.get_tensor(target).copy()

    return run


if __name__ == "__main__":
    main(*sys.argv[1:])
