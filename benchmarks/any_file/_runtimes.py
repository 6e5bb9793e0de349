"""Whether a .tflite and its plain copy, which shares nothing, give the same answers in each runtime."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import _android
import _litert_js
import numpy as np
from common import TESTS, temporary_folder

from edgekd.formats.artifact import Artifact

IMAGES = 4
ARENA_BYTES = 16 << 20


def answers(artifact: Artifact, plain: Path, short: bool) -> dict[str, str]:
    """By runtime: "same", or what differs, or why it was not tried."""
    size = artifact.preprocessing
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, size.height, size.width, 3), dtype=np.uint8)
    found = {name: _same(run, artifact.path, plain, images) for name, run in LITERT.items()}
    if short:
        return found
    if artifact.precision == "int8":
        found["tflite-micro"] = _same_by_client("EDGEKD_TFLITE_MICRO_PYTHON", _micro, artifact.path, plain, images)
    found["MediaPipe"] = _same_by_client("EDGEKD_MEDIAPIPE_PYTHON", _mediapipe, artifact.path, plain, images)
    if importlib.util.find_spec("tensorflow") is not None:
        found["TensorFlow's TFLite"] = _same(_tensorflow, artifact.path, plain, images)
    found["LiteRT.js"] = _same_by_client("EDGEKD_LITERT_JS", _litert_js_answers, artifact.path, plain, images)
    found[f"TFLite {_android.VERSION} for Android"] = _same_by_client(
        "EDGEKD_ANDROID_TFLITE", _android_answers, artifact.path, plain, images
    )
    return found


def _same(run: Any, path: Path, plain: Path, images: Any) -> str:
    first, second = (np.asarray(run(each, images)) for each in (path, plain))
    return "same" if np.array_equal(first, second) else f"differs by {np.abs(first - second).max():.3g}"


def _same_by_client(variable: str, run: Any, path: Path, plain: Path, images: Any) -> str:
    return _same(run, path, plain, images) if os.environ.get(variable) else f"not tried: {variable} is not set"


def _litert(resolver: str) -> Any:
    def run(path: Path, images: Any) -> Any:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        return _invoke(
            Interpreter(model_path=str(path), experimental_op_resolver_type=getattr(OpResolverType, resolver)), images
        )

    return run


def _tensorflow(path: Path, images: Any) -> Any:
    import warnings

    from edgekd.quiet import quiet

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf

        return _invoke(tf.lite.Interpreter(model_path=str(path)), images)


def _invoke(interpreter: Any, images: Any) -> Any:
    interpreter.allocate_tensors()
    (image,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for each in images:
        interpreter.set_tensor(image["index"], each)
        interpreter.invoke()
        rows.append(interpreter.get_tensor(result["index"])[0])
    return np.stack(rows)


LITERT = {"LiteRT, XNNPACK": _litert("AUTO"), "LiteRT, plain kernels": _litert("BUILTIN_REF")}


def _micro(path: Path, images: Any) -> Any:
    stored = temporary_folder() / "images.npy"
    np.save(stored, images[:, 0])
    return json.loads(_client("EDGEKD_TFLITE_MICRO_PYTHON", "micro_client.py", path, stored, str(ARENA_BYTES)))


def _mediapipe(path: Path, images: Any) -> Any:
    from PIL import Image

    folder = temporary_folder()
    for number, image in enumerate(images[:, 0]):
        Image.fromarray(image).save(folder / f"{number}.png")
    paths = "\n".join(str(folder / f"{number}.png") for number in range(len(images)))
    said = json.loads(_client("EDGEKD_MEDIAPIPE_PYTHON", "mediapipe_client.py", path, text=paths))
    return [[answer["scores"][name] for name in sorted(answer["scores"])] for answer in said["answers"][0]]


def _litert_js_answers(path: Path, images: Any) -> Any:
    return _litert_js.answers(Path(os.environ["EDGEKD_LITERT_JS"]), path, images)


def _android_answers(path: Path, images: Any) -> Any:
    return _android.answers(Path(os.environ["EDGEKD_ANDROID_TFLITE"]), path, images)


def _client(variable: str, script: str, *words: Any, text: str = "") -> str:
    done = subprocess.run(
        [os.environ[variable], TESTS / "clients" / script, *words], input=text, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{script} {words[0]}: {done.stderr[-1000:]}")
    return done.stdout.splitlines()[-1]
