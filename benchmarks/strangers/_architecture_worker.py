"""Export architectures one after the other: ``python _architecture_worker.py OUT.jsonl WORK NAME...``.

A line is written before and after every architecture, so that a crash of this process is attributed to one.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from networks import CLASSES, build, fit, side_of

_FITTED, _PHOTOS = 48, 48
_FORMATS = ("tflite", "onnx")
# Keras' largest and second probability may change places within rounding.
_TIE = 1e-3


def photos_at(side: int) -> tuple[Any, Any]:
    """Photos uint8 [N, side, side, 3] of traffic lights: to fit to and to compare on, the classes in turn."""
    from small_inputs import COLOURS, light_photos

    from edgekd.preprocess import Preprocessing, decode, resize

    each = -(-(_FITTED + _PHOTOS) // len(COLOURS))
    paths = [path for row in zip(*(light_photos(colour)[:each] for colour in COLOURS), strict=False) for path in row]
    square = Preprocessing(height=side, width=side)
    pixels = np.stack([resize(decode(path.read_bytes(), str(path)).pixels, square) for path in paths])
    return pixels[:_FITTED], pixels[_FITTED : _FITTED + _PHOTOS]


def compare(path: Path, images: Any, expected: Any) -> dict[str, Any]:
    """Top-prediction agreement with Keras and the largest difference of a probability; ties count as equal."""
    from edgekd.formats.artifact import Artifact
    from edgekd.runtime.open import open_runner

    with_runtime = open_runner(Artifact.open(path))
    outputs = np.concatenate([with_runtime.run(image[np.newaxis]) for image in images])
    best = outputs.argmax(axis=1)
    behind = expected.max(axis=1) - expected[np.arange(len(best)), best]
    return {
        "agreement": float(np.mean(behind <= _TIE)),
        "largest_difference": float(np.abs(outputs - expected).max()),
        "predictions": best.tolist(),
        "size_bytes": path.stat().st_size,
    }


def export_as(
    model: Any, out: Path, precision: str, formats: tuple[str, ...], calibration: Any, float_ops: tuple[str, ...] = ()
) -> dict[str, Any]:
    """``files`` by format, or ``sentence`` and ``refused`` where edgekd raises.

    Where the sentence names the float ops that would do, they are allowed, as a reader of it would.
    """
    import edgekd
    from edgekd.quantize.settings import QuantizeSection

    side = model.input_shape[1]
    shutil.rmtree(out, ignore_errors=True)
    try:
        files = edgekd.export_model(
            model, out, "network", labels=tuple(f"class {k}" for k in range(model.output_shape[1])),
            preprocessing=edgekd.Preprocessing(height=side, width=side), precisions=(precision,), formats=formats,
            calibration=calibration, quantize=QuantizeSection(float_ops=float_ops),
        )  # fmt: skip
    except edgekd.EdgekdError as error:
        sentence = " ".join(str(error).split())
        if named := tuple(re.findall(r"--float-op (\S+)", sentence)) if not float_ops else ():
            return export_as(model, out, precision, formats, calibration, named)
        return {"refused": True, "sentence": sentence[:600]}
    except Exception as error:
        traceback.print_exc()
        return {"refused": False, "sentence": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"}
    return {"files": {file.format: file.path for file in files}, "float_ops": float_ops}


def results_of(model: Any, work: Path, calibration: Any, images: Any, expected: Any) -> dict[str, Any]:
    """``precision.format`` -> the comparison, or the sentence. A pair that fails is tried again one by one."""
    rows: dict[str, Any] = {}
    for precision in ("float32", "int8"):
        both = export_as(model, work / "out", precision, _FORMATS, calibration)
        tries = [both] if "files" in both else []
        if not tries:
            tries = [export_as(model, work / f"out-{kind}", precision, (kind,), calibration) for kind in _FORMATS]
        for kind, tried in zip(_FORMATS, tries * (1 if len(tries) == 2 else 2), strict=True):
            if kind in tried.get("files", {}):
                rows[f"{precision}.{kind}"] = {
                    **compare(tried["files"][kind], images, expected), "float_ops": tried["float_ops"],
                }  # fmt: skip
            else:
                rows[f"{precision}.{kind}"] = {key: tried.get(key) for key in ("refused", "sentence")}
    return rows


def one(name: str, work: Path) -> dict[str, Any]:
    """Build, export and compare one architecture."""
    import keras

    started = time.monotonic()
    fitted, images = photos_at(side_of(name))
    labels = np.arange(len(fitted)) % CLASSES
    model = build(name)
    fit(model, fitted, labels)
    parts = np.array_split(images.astype(np.float32), 4)
    expected = np.concatenate([np.asarray(model(part, training=False)) for part in parts])
    row: dict[str, Any] = {
        "name": name, "side": side_of(name), "parameters": model.count_params(),
        "keras_accuracy": float(np.mean(expected.argmax(axis=1) == np.arange(len(images)) % CLASSES)),
        "results": results_of(model, work, fitted, images, expected),
    }  # fmt: skip
    keras.backend.clear_session()
    shutil.rmtree(work, ignore_errors=True)
    return row | {"seconds": round(time.monotonic() - started, 1)}


def main() -> None:
    """Every architecture in turn."""
    from edgekd.quiet import import_keras

    import_keras()
    with Path(sys.argv[1]).open("a", encoding="utf-8") as stream:
        for name in sys.argv[3:]:
            stream.write(json.dumps({"started": name}) + "\n")
            stream.flush()
            stream.write(json.dumps(one(name, Path(sys.argv[2]))) + "\n")
            stream.flush()


if __name__ == "__main__":
    main()
