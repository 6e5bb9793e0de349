"""What int8 costs, by each calibration, by training in int8 with and without the teacher, pruned and clustered.

    python benchmarks/quantization/run.py --photos DIR --unlabelled DIR --work DIR [--seeds 3] [--only TEXT] [--table]

DIR of photos holds ``metadata.csv`` and ``Images/``, as for benchmarks/road; Fashion-MNIST is Debian's package. Every
number is of a packed .tflite run by LiteRT over test images. What --work has already is not repeated: a kill loses one
file. --only takes the variants whose name contains the text, --table computes nothing and writes the results of what is
there. --short takes few traffic lights for roads, synthetic images for Fashion-MNIST, and a variant of each kind.
"""

from __future__ import annotations

import gzip
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fashion_mnist
from cases import SHORT_TASKS, TASKS, Case, open_case
from common import Parser, run_script
from small_inputs import road_folder, unlabelled_folder
from table import LATENCY_PLAN, SHORT_PLAN, write_results
from variants import FLOAT, VARIANTS, Variant

from edgekd.bench import BenchPlan, BenchTarget, measure
from edgekd.devices.table import open_device
from edgekd.export.record import Record
from edgekd.export.tflite_pack import pack
from edgekd.preprocess import Preprocessing
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.run_tflite import run_tflite
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


# The first seed of each task, and a variant of each kind.
SHORT_VARIANTS = {SHORT_TASKS[0]: ("float32", "ptq-mse"), SHORT_TASKS[1]: ("float32", "ptq-mse", "kd-qat", "prune-ptq")}


def main() -> None:
    """Make what is missing, time the first seed's files, and write the results."""
    parser = Parser(__file__, __doc__, work="students, files and results")
    parser.input("--photos", help="the folder of metadata.csv and Images/ [--short: few traffic lights]")
    parser.input("--unlabelled", help="a folder of photos without labels [--short: synthetic ones]")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--table", action="store_true")
    fashion_mnist.add_option(parser)
    arguments = parser.parse()
    fashion_mnist.use(arguments.fashion_mnist, short=arguments.short, work=arguments.work)
    if arguments.short:
        arguments.photos = arguments.photos or road_folder(arguments.work / "photos")
        arguments.unlabelled = arguments.unlabelled or unlabelled_folder(arguments.work / "unlabelled")
        for task, names in SHORT_VARIANTS.items():
            _make_missing(task, 0, [v for v in VARIANTS if v.name in names], arguments)
            _time(task, arguments.work, SHORT_PLAN)
    elif not arguments.table:
        # What says most for its time comes first: a benchmark that is cut short has whole columns.
        for sparse, first, tasks in ORDER:
            for seed in (0,) if first else range(1, arguments.seeds):
                for task in tasks:
                    variants = [v for v in VARIANTS if v.sparse == sparse and arguments.only in v.name]
                    _make_missing(task, seed, variants, arguments)
        for task in TASKS:
            _time(task, arguments.work, LATENCY_PLAN)
    print(write_results(arguments.work, arguments.out))


def _make_missing(task: str, seed: int, variants: list[Variant], arguments: Namespace) -> None:
    missing = [v for v in variants if not _result_file(arguments.work, task, seed, v).is_file()]
    if missing:
        photos, unlabelled = arguments.photos, arguments.unlabelled
        case = open_case(task, seed, arguments.work, photos, unlabelled, short=arguments.short)
        _make(case, missing, arguments.work)


def _result_file(work: Path, task: str, seed: int, variant: Variant) -> Path:
    return work / "results" / task / f"{seed}-{variant.name}.json"


def _make(case: Case, variants: list[Variant], work: Path) -> None:
    for variant in variants:
        started, spent = time.time(), time.process_time()
        conversion = variant.make(case, work / "models")
        precision = "float32" if variant is FLOAT else conversion.precision
        preprocessing = Preprocessing(height=case.test.shape[1], width=case.test.shape[2])
        record = Record(case.classes, preprocessing, precision, load_float_model(case.student).range_in_graph, {})
        content = pack(conversion.content, record, name=variant.name)
        path = _result_file(work, case.task, case.seed, variant)
        write_bytes(path.with_suffix(".tflite"), content)
        predictions = run_tflite(content, case.test).argmax(axis=1)
        result = {
            "accuracy": float(np.mean(predictions == case.labels)),
            "right": (predictions == case.labels).astype(int).tolist(),
            "size_bytes": len(content), "gzip_bytes": len(gzip.compress(content, 9, mtime=0)),
            "parameters": case.student.count_params(), "seconds": round(time.time() - started, 1),
            "cpu_s": round(time.process_time() - spent, 1), "record": conversion.record,
        }  # fmt: skip
        write_json(path, result)
        print(
            f"{case.slug} {variant.name}: {result['accuracy']:.2%}, {len(content):,} bytes, {result['seconds']} s",
            flush=True,
        )


def _time(task: str, work: Path, plan: BenchPlan) -> None:
    """Time the first seed's files of a task side by side; stored once it is complete."""
    path = work / "results" / task / "bench.json"
    files = {v.name: _result_file(work, task, 0, v).with_suffix(".tflite") for v in VARIANTS}
    files = {name: file for name, file in files.items() if file.is_file()}
    if FLOAT.name not in files or (path.is_file() and _timed(path) == set(files)):
        return
    side = _side(files[FLOAT.name])
    images = np.random.default_rng(0).integers(0, 256, (8, *side, 3)).astype(np.uint8)
    targets = [BenchTarget(name, file, "tflite", images) for name, file in files.items()]
    measure(targets, FLOAT.name, plan, open_device("host"), save_to=path)


def _timed(path: Path) -> set[str]:
    return {str(one["name"]) for one in read_json(path)["measurements"]}


def _side(path: Path) -> tuple[int, int]:
    from edgekd.formats.artifact import Artifact

    settings: Any = Artifact.open(path).preprocessing
    return int(settings.height), int(settings.width)


if __name__ == "__main__":
    run_script(main)
