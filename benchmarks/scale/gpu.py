"""Soft targets on one GPU: photos a second of the teacher, of preparing the photos, and of both at once.

    python benchmarks/scale/gpu.py --teacher teacher.keras [--teacher other.keras] --photos DIR --work DIR

By Keras on JAX, for machines whose TensorFlow has no GPU; needs keras, jax, numpy, pillow and pydantic. DIR holds
photos, a thousand to a folder, as run.py makes them; ``--column`` names run.py's local soft targets of the same photos,
to measure how far the GPU's logits are from the CPU's. --short runs a small teacher on this machine's CPU, by
TensorFlow where there is no JAX.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

if importlib.util.find_spec("jax"):
    os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import Parser, run_script
from photos import make_photos

from edgekd.pipeline.label_list import ListJob, ShardOfList
from edgekd.preprocess import Preprocessing
from edgekd.recipe import parse_recipe
from edgekd.scale.place import LocalPlace
from edgekd.soft_targets.photo_list import store_list
from edgekd.soft_targets.photo_reader import Readers, Rendering
from edgekd.soft_targets.store import SHARD
from edgekd.storage import write_json, write_text

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Sizes:
    """Photos a batch of the teacher; processes of the readers, where 0 means eight threads; seconds a measurement."""

    batches: tuple[int, ...]
    processes: tuple[int, ...]
    seconds: float


FULL, SHORT = Sizes((16, 64, 256), (0, 8, 16), 3.0), Sizes((16,), (0, 1), 0.1)


class JaxTeacher:
    """A .keras teacher on JAX, as `edgekd.teacher.protocol.Teacher`. float32, and no TF32 in its place."""

    def __init__(self, path: Path) -> None:
        import jax
        import keras

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


class CpuTeacher:
    """A small teacher of random weights on this machine's CPU, for --short."""

    input_size, num_classes, key = (32, 32), 3, "random"

    def __init__(self) -> None:
        from edgekd.students import cnn

        self._model = cnn.build(4, self.input_size[0], self.num_classes)

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, C]."""
        import keras

        return keras.ops.convert_to_numpy(self._model(images.astype(np.float32), training=False))


def main() -> None:
    """Measure every teacher, and write the rates."""
    parser = Parser(__file__, __doc__, work="the list of photos, and soft targets")
    parser.input("--teacher", many=True, help="a .keras teacher; may be repeated [--short: a small one]")
    parser.input("--photos", help="a folder of photos [--short: few crops of traffic lights]")
    parser.add_argument("--column", type=Path, help="run.py's local soft targets of the same photos")
    arguments = parser.parse()
    if not arguments.short and not importlib.util.find_spec("jax"):
        parser.error("needs jax, of a build that uses this machine's GPU. --short alone runs on the CPU")
    device = device_name()
    if arguments.short:
        print(f"short form, on {device}: not a measurement of a GPU", flush=True)
    if arguments.photos is None:
        make_photos(arguments.work / "photos", 2 * SHARD)
        arguments.photos = arguments.work / "photos"
    source = arguments.work / "list.txt"
    names = sorted(str(path.absolute()) for path in arguments.photos.rglob("*.jpg"))
    write_text(source, "".join(f"{name}\n" for name in names))
    teachers = [CpuTeacher()] if arguments.teacher is None else [JaxTeacher(path) for path in arguments.teacher]
    sizes = SHORT if arguments.short else FULL
    results = {
        "schema": 1, "device": device, "cores": os.cpu_count(), **versions(),
        "teachers": [measure(teacher, names, source, arguments, sizes) for teacher in teachers],
    }  # fmt: skip
    write_json(arguments.out / "gpu.json", results)
    print((arguments.out / "gpu.json").read_text(encoding="utf-8"))


def device_name() -> str:
    """The name of JAX's first device; without JAX the CPU of TensorFlow."""
    if not importlib.util.find_spec("jax"):
        return "CPU (no JAX)"
    import jax

    return str(jax.devices()[0].device_kind)


def versions() -> dict[str, str]:
    """Of the libraries that compute."""
    import importlib.metadata

    names = ("jax", "keras") if importlib.util.find_spec("jax") else ("keras", "tensorflow")
    return {name: importlib.metadata.version(name) for name in names}


def measure(teacher: Any, names: list[str], source: Path, arguments: Namespace, sizes: Sizes) -> dict[str, Any]:
    """Photos a second of one teacher, of its photos' preparation, and of whole shards of soft targets."""
    size = teacher.input_size[0]
    recipe = parse_recipe({"name": "gpu", "data": {"source": ["."], "views": {"views": 1}}}, HERE)
    rendering = Rendering(
        recipe.data.views, recipe.seed, str(source), Preprocessing(height=size, width=size, crop=recipe.data.crop)
    )
    rates = {
        "input_px": size,
        "teacher": {batch: round(teacher_rate(teacher, batch, sizes.seconds)) for batch in sizes.batches},
        "prepared": {f"{count} processes": round(prepared_rate(rendering, names, count)) for count in sizes.processes},
    }
    stored = []
    for readers in sizes.processes:
        place = LocalPlace(arguments.work / f"column-{size}-{readers}")
        facts = store_list(place, str(source), SHARD)
        work = ShardOfList(ListJob(recipe, HERE, str(source), str(place), facts.photos), teacher, readers)
        # The first compiles, and starts the readers.
        shards = [work(number) for number in range(facts.photos // SHARD)][1:]
        rates[f"column, {readers} processes"] = {
            "photos_a_second": round(statistics.median(one["photos"] / one["seconds"] for one in shards)),
            "teacher_share": round(sum(one["teacher_s"] for one in shards) / sum(one["seconds"] for one in shards), 3),
        }
        stored.append([(place.folder / f"logits-{number:05d}.npy").read_bytes() for number in range(len(shards))])
    rates["same_bytes"] = all(shards == stored[0] for shards in stored)
    if arguments.column and size == 64:
        rates["largest_difference"] = difference(place.folder, arguments.column, len(stored[0]))
    return rates


def teacher_rate(teacher: Any, batch: int, seconds: float) -> float:
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
    """Largest difference of a logit from the CPU's."""
    pairs = [[_shard(folder, number) for folder in (here, there)] for number in range(shards)]
    return round(float(max(np.nanmax(np.abs(a - b)) for a, b in pairs if a.shape == b.shape)), 4)


def _shard(folder: Path, number: int) -> npt.NDArray[np.float32]:
    return np.load(folder / f"logits-{number:05d}.npy", allow_pickle=False).astype(np.float32)


if __name__ == "__main__":
    run_script(main)
