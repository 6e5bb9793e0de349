"""What one GPU does of a column: photos a second of the teacher, of preparing the photos, and of both at once.

    python benchmarks/scale/gpu.py --teacher teacher.keras [--teacher other.keras] --photos DIR [--column DIR]

By Keras on JAX, for machines whose TensorFlow has no GPU; needs keras, jax, numpy, pillow and pydantic. DIR holds
photos, a thousand to a folder, as run.py makes them; ``--column`` is run.py's local column of the same photos, and
tells how far the GPU's logits are from the CPU's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import keras

from edgekd.pipeline.label_list import ListJob, ShardOfList
from edgekd.preprocess import Preprocessing
from edgekd.recipe import parse_recipe
from edgekd.scale.place import LocalPlace
from edgekd.soft_targets.photo_list import store_list
from edgekd.soft_targets.photo_reader import Readers, Rendering
from edgekd.soft_targets.store import SHARD
from edgekd.storage import write_json

HERE = Path(__file__).resolve().parent
BATCHES = (16, 64, 256)
PROCESSES = (0, 8, 16)
"""Of the readers; none are eight threads."""


class JaxTeacher:
    """A .keras teacher on JAX, as `edgekd.teacher.protocol.Teacher`. float32, and no TF32 in its place."""

    def __init__(self, path: Path) -> None:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        self.input_size: tuple[int, int] = (int(model.input_shape[1]), int(model.input_shape[2]))
        self.num_classes = int(model.output_shape[-1])
        self.key = path.name
        variables = [[v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables)]

        @jax.jit
        def forward(trained: Any, fixed: Any, images: Any) -> Any:
            with jax.default_matmul_precision("highest"):
                return model.stateless_call(trained, fixed, images.astype("float32"), training=False)[0]

        self._forward: Callable[[Any], Any] = lambda images: forward(*variables, images)

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, C]."""
        return np.asarray(self._forward(images))


def main() -> None:
    """Measure every teacher, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, action="append", required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--column", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "gpu.json")
    arguments = parser.parse_args()
    source = arguments.work / "list.txt"
    arguments.work.mkdir(parents=True, exist_ok=True)
    names = sorted(str(path.absolute()) for path in arguments.photos.rglob("*.jpg"))
    source.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    told = {
        "schema": 1, "device": str(jax.devices()[0].device_kind), "cores": os.cpu_count(), "jax": jax.__version__,
        "keras": keras.__version__,
        "teachers": [measured(path, names, source, arguments) for path in arguments.teacher],
    }  # fmt: skip
    write_json(arguments.out, told)
    print(arguments.out.read_text(encoding="utf-8"))


def measured(path: Path, names: list[str], source: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Photos a second of one teacher, of its photos' preparation, and of whole shards of a column."""
    teacher = JaxTeacher(path)
    size = teacher.input_size[0]
    recipe = parse_recipe({"name": "gpu", "data": {"source": ["."], "views": {"views": 1}}}, HERE)
    rendering = Rendering(
        recipe.data.views, recipe.seed, str(source), Preprocessing(height=size, width=size, crop=recipe.data.crop)
    )
    told = {
        "input_px": size,
        "teacher": {batch: round(teacher_rate(teacher, batch)) for batch in BATCHES},
        "prepared": {f"{count} processes": round(prepared_rate(rendering, names, count)) for count in PROCESSES},
    }
    columns = []
    for readers in PROCESSES:
        place = LocalPlace(arguments.work / f"column-{size}-{readers}")
        facts = store_list(place, str(source), SHARD)
        work = ShardOfList(ListJob(recipe, HERE, str(source), str(place), facts.photos), teacher, readers)
        # The first compiles, and starts the readers.
        said = [work(number) for number in range(facts.photos // SHARD)][1:]
        told[f"column, {readers} processes"] = {
            "photos_a_second": round(statistics.median(one["photos"] / one["seconds"] for one in said)),
            "teacher_share": round(sum(one["teacher_s"] for one in said) / sum(one["seconds"] for one in said), 3),
        }
        columns.append([(place.folder / f"logits-{number:05d}.npy").read_bytes() for number in range(len(said))])
    told["same_bytes"] = all(column == columns[0] for column in columns)
    if arguments.column and size == 64:
        told["largest_difference"] = difference(place.folder, arguments.column, len(said))
    return told


def teacher_rate(teacher: JaxTeacher, batch: int, seconds: float = 3.0) -> float:
    """Photos a second: median of repeats, each from the host's memory and back to it."""
    images = np.random.default_rng(0).integers(0, 256, (batch, *teacher.input_size, 3), dtype=np.uint8)
    teacher.logits(images)
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        teacher.logits(images)
        taken.append(time.perf_counter() - started)
    return batch / statistics.median(taken)


def prepared_rate(rendering: Rendering, names: list[str], processes: int) -> float:
    """Photos a second, read, decoded and rendered: by threads where there are no processes."""
    readers = Readers(processes)
    list(readers.batches(rendering, names[: SHARD * 2], 16, {}))
    started, done = time.perf_counter(), 0
    for batch in readers.batches(rendering, names, 16, {}):
        done += len(batch)
    return done / (time.perf_counter() - started)


def difference(here: Path, there: Path, shards: int) -> float:
    """Largest difference of a logit from the CPU's column."""
    pairs = [[_shard(folder, number) for folder in (here, there)] for number in range(shards)]
    return round(float(max(np.nanmax(np.abs(a - b)) for a, b in pairs if a.shape == b.shape)), 4)


def _shard(column: Path, number: int) -> npt.NDArray[np.float32]:
    return np.load(column / f"logits-{number:05d}.npy", allow_pickle=False).astype(np.float32)


if __name__ == "__main__":
    main()
