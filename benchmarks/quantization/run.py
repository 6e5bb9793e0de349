"""What int8 costs, by each calibration, by training in int8 with and without the teacher, pruned and clustered.

    python benchmarks/quantization/run.py --photos DIR --unlabelled DIR --work DIR [--seeds 3] [--only TEXT] [--table]

DIR of photos holds ``metadata.csv`` and ``Images/``, as for benchmarks/road; Fashion-MNIST is Debian's package. Every
number is of a packed .tflite run by LiteRT over test images. What --work holds already is kept: a kill loses one file.
--only takes the variants whose name holds the text, --table computes nothing and writes the results of what is there.
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np
from cases import TASKS, Case, open_case
from table import LATENCY_PLAN, write_results
from variants import FLOAT, VARIANTS, Variant

from edgekd.bench import BenchTarget, measure
from edgekd.devices.table import open_device
from edgekd.export.record import Record
from edgekd.export.tflite_pack import pack
from edgekd.preprocess import Preprocessing
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.run_tflite import probabilities_of
from edgekd.storage import read_json, write_bytes, write_json

_ROAD, _SMALL, _HARD = TASKS
# Whether pruned and clustered, whether of the first seed, and the tasks.
ORDER = (
    (False, True, (_ROAD, _SMALL, _HARD)),
    (True, True, (_SMALL,)),
    (False, False, (_SMALL, _HARD)),
    (True, True, (_HARD, _ROAD)),
    (True, False, (_SMALL, _HARD)),
    (False, False, (_ROAD,)),
    (True, False, (_ROAD,)),
)


def main() -> None:
    """Make what is missing, time the first seed's files, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("photos", "unlabelled", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    for name in ("photos", "unlabelled", "work"):
        setattr(arguments, name, getattr(arguments, name).resolve())
    if not arguments.table:
        # What says most for its time comes first: a benchmark that is cut short has whole columns.
        for sparse, first, tasks in ORDER:
            for seed in (0,) if first else range(1, arguments.seeds):
                for task in tasks:
                    variants = [v for v in VARIANTS if v.sparse == sparse and arguments.only in v.name]
                    _make_missing(task, seed, variants, arguments)
        for task in TASKS:
            _time(task, arguments.work)
    print(write_results(arguments.work, arguments.out))


def _make_missing(task: str, seed: int, variants: list[Variant], arguments: argparse.Namespace) -> None:
    missing = [v for v in variants if not _kept(arguments.work, task, seed, v).is_file()]
    if missing:
        _work(open_case(task, seed, arguments.work, arguments.photos, arguments.unlabelled), missing, arguments.work)


def _kept(work: Path, task: str, seed: int, variant: Variant) -> Path:
    return work / "results" / task / f"{seed}-{variant.name}.json"


def _work(case: Case, variants: list[Variant], work: Path) -> None:
    for variant in variants:
        started, spent = time.time(), time.process_time()
        conversion = variant.make(case, work / "models")
        precision = "float32" if variant is FLOAT else conversion.precision
        preprocessing = Preprocessing(height=case.test.shape[1], width=case.test.shape[2])
        record = Record(case.classes, preprocessing, precision, load_float_model(case.student).range_in_graph, {})
        content = pack(conversion.content, record, name=variant.name)
        path = _kept(work, case.task, case.seed, variant)
        write_bytes(path.with_suffix(".tflite"), content)
        answers = probabilities_of(content, case.test).argmax(axis=1)
        told = {
            "accuracy": float(np.mean(answers == case.labels)), "right": (answers == case.labels).astype(int).tolist(),
            "size_bytes": len(content), "gzip_bytes": len(gzip.compress(content, 9, mtime=0)),
            "parameters": case.student.count_params(), "seconds": round(time.time() - started, 1),
            "cpu_s": round(time.process_time() - spent, 1), "record": conversion.record,
        }  # fmt: skip
        write_json(path, told)
        print(
            f"{case.slug} {variant.name}: {told['accuracy']:.2%}, {len(content):,} bytes, {told['seconds']} s",
            flush=True,
        )


def _time(task: str, work: Path) -> None:
    """Time the first seed's files of a task side by side; kept once it is whole."""
    path = work / "results" / task / "bench.json"
    files = {v.name: _kept(work, task, 0, v).with_suffix(".tflite") for v in VARIANTS}
    files = {name: file for name, file in files.items() if file.is_file()}
    if FLOAT.name not in files or (path.is_file() and _timed(path) == set(files)):
        return
    side = _side(files[FLOAT.name])
    images = np.random.default_rng(0).integers(0, 256, (8, *side, 3)).astype(np.uint8)
    targets = [BenchTarget(name, file, "tflite", images) for name, file in files.items()]
    measure(targets, FLOAT.name, LATENCY_PLAN, open_device("host"), save_to=path)


def _timed(path: Path) -> set[str]:
    return {str(one["name"]) for one in read_json(path)["measurements"]}


def _side(path: Path) -> tuple[int, int]:
    from edgekd.formats.artifact import Artifact

    found: Any = Artifact.open(path).preprocessing
    return int(found.height), int(found.width)


if __name__ == "__main__":
    main()
