"""Export architectures one after the other: ``python _architecture_worker.py OUT.jsonl WORK NAME...``.

A line is written before and after every architecture, so that a crash of this process is attributed to one.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from networks import OWN, build, fit, side_of, train

# Photos of each class (green, red, yellow): to calibrate with (and to fit the applications to), to train our own
# networks with as well, to choose a conversion by, and to compare on.
_CALIBRATED, _TRAINED, _JUDGED, _COMPARED = (16, 16, 16), (150, 150, 0), (30, 30, 0), (41, 41, 18)
# What `edgekd export --max-drop 5 --min-agreement 0.98` allows.
_MAX_DROP, _MIN_AGREEMENT = 5.0, 0.98
# The ladder's steps that only change ranges; the others measure every op, which takes an hour for a large network.
_RANGE_STEPS = 3
_FORMATS = ("tflite", "onnx")
# Keras' largest and second probability may change places within rounding.
_TIE = 1e-3


def photos_at(side: int) -> list[tuple[Any, Any]]:
    """Photos uint8 [N, side, side, 3] of traffic lights with their classes [N], in the four groups above."""
    from small_inputs import COLOURS, light_photos

    from edgekd.preprocess import Preprocessing, decode, resize

    square, start, groups = Preprocessing(height=side, width=side), [0, 0, 0], []
    for counts in (_CALIBRATED, _TRAINED, _JUDGED, _COMPARED):
        paths = [
            (path, k) for k, colour in enumerate(COLOURS) for path in light_photos(colour)[start[k] :][: counts[k]]
        ]
        pixels = np.stack([resize(decode(path.read_bytes(), str(path)).pixels, square) for path, _ in paths])
        groups.append((pixels, np.array([label for _, label in paths])))
        start = [begin + count for begin, count in zip(start, counts, strict=True)]
    return groups


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


def convert(model: Any, calibration: Any, judged: tuple[Any, Any], *, is_small: bool) -> tuple[Any, str]:
    """The first int8 conversion within the bound and the ladder's step that made it. Raises GateFailed."""
    from edgekd.quantize.calibration import calibrate
    from edgekd.quantize.float_model import load_float_model
    from edgekd.quantize.ladder import Judge, climb
    from edgekd.quantize.ptq import find_float_ops, to_float32
    from edgekd.quantize.rungs import ladder

    float_model = load_float_model(model)
    judge = Judge.from_float_file(to_float32(float_model).content, *judged, "accuracy", _MIN_AGREEMENT, calibration)
    calibrated = calibrate(float_model, calibration)
    rungs = ladder(calibrated, "float32", lambda _worst: None, any_cpu=True, float_ops=find_float_ops(calibrated))
    found = climb(rungs if is_small else islice(rungs, _RANGE_STEPS), judge, _MAX_DROP, lambda _text: None)
    return found.require(), found.steps[-1].name


def export_as(model: Any, out: Path, precision: str, kind: str, calibration: Any, chosen: Any) -> dict[str, Any]:
    """The ``path`` of a file, or ``sentence`` and ``refused`` if edgekd raises; ``chosen`` is the int8 conversion."""
    import edgekd

    side = model.input_shape[1]
    shutil.rmtree(out, ignore_errors=True)

    def export() -> dict[str, Any]:
        (file,) = edgekd.export_model(
            model, out, "network", labels=tuple(f"class {k}" for k in range(model.output_shape[1])),
            preprocessing=edgekd.Preprocessing(height=side, width=side), precisions=(precision,), formats=(kind,),
            calibration=calibration, quantize=chosen,
        )  # fmt: skip
        return {"path": file.path}

    return guarded(export)


def guarded(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``make`` gives, or the ``sentence`` of its error; ``refused`` is true for an error of edgekd."""
    from edgekd import EdgekdError

    try:
        return make()
    except EdgekdError as error:
        return {"refused": True, "sentence": " ".join(str(error).split())[:600]}
    except Exception as error:
        traceback.print_exc()
        return {"refused": False, "sentence": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"}


def results_of(name: str, model: Any, work: Path, groups: list[tuple[Any, Any]], expected: Any) -> dict[str, Any]:
    """``precision.format`` -> the comparison, or the sentence."""
    (calibration, _), _, judged, (images, _) = groups
    rows: dict[str, Any] = {}
    made = guarded(
        lambda: dict(
            zip(("conversion", "step"), convert(model, calibration, judged, is_small=name in OWN), strict=True)
        )
    )
    for precision in ("float32", "int8"):
        for kind in _FORMATS:
            tried = made
            if precision == "float32" or "conversion" in made:
                tried = export_as(model, work / "out", precision, kind, calibration, made.get("conversion"))
            if "path" in tried:
                rows[f"{precision}.{kind}"] = compare(tried["path"], images, expected)
            else:
                rows[f"{precision}.{kind}"] = {key: tried[key] for key in ("refused", "sentence")}
    if "step" in made:
        float_ops = made["conversion"].record.get("float_ops", [])
        for kind in _FORMATS:
            rows[f"int8.{kind}"] |= {"step": made["step"], "float_ops": float_ops}
    return rows


def one(name: str, work: Path) -> dict[str, Any]:
    """Build, export and compare one architecture."""
    import keras

    started = time.monotonic()
    groups = photos_at(side_of(name))
    (fitted, fitted_labels), (more, more_labels), _, (images, labels) = groups
    model = build(name)
    if name in OWN:
        train(model, np.concatenate([fitted, more]), np.concatenate([fitted_labels, more_labels]))
    else:
        fit(model, fitted, fitted_labels)
    parts = np.array_split(images.astype(np.float32), 4)
    expected = np.concatenate([np.asarray(model(part, training=False)) for part in parts])
    row: dict[str, Any] = {
        "name": name, "side": side_of(name), "parameters": model.count_params(),
        "keras_accuracy": float(np.mean(expected.argmax(axis=1) == labels)),
        "results": results_of(name, model, work, groups, expected),
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
