"""Do photos stream through an encoder, however many: is memory flat, and does a killed process leave no trace?

    python benchmarks/teachers/streaming.py --work DIR [--photos N]

N photos (100,000 unless told otherwise), JPEGs of 64 pixels that differ in every file, are labelled by `edgekd label`
with a small encoder and its head, in a process of its own that is killed after 40 % of them and started again. Its
resident memory is read while it works. Then all are labelled once more without a kill, and the bytes are compared.
--short takes 2,000 photos.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from small_inputs import labelled_folder, light_photos

import edgekd
from edgekd.recipe import load_recipe
from edgekd.soft_targets.store import SHARD, count_shards

_SIDE, _DIMENSIONS = 32, 64
_BASES = 60
_KILL_AFTER = 0.4
# Much shorter than a shard takes, so that a process is killed in the middle of its work.
_POLL_S = 0.04
_RECIPE = """\
name = "streaming"
[data]
source = "photos"
split = { val = 0.2, test = 0.3 }
views = { views = 1 }
[teacher]
model = "encoder.onnx"
train = true
pixel_range = [0, 1]
accept_weak = true
[student]
model = "cnn:4@32"
"""


def save_encoder(path: Path) -> None:
    """A convolution and a pool: 64 numbers a photo of 32 pixels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(0, 0.2, (_DIMENSIONS, 3, 5, 5)).astype(np.float32)
    steps = (("Conv", ["image", "k"], "x"), ("Relu", ["x"], "r"), ("GlobalAveragePool", ["r"], "p"))
    nodes = [helper.make_node(op, sources, [result]) for op, sources, result in steps]
    nodes.append(helper.make_node("Flatten", ["p"], ["vector"]))
    ends = (("image", ["N", 3, _SIDE, _SIDE]), ("vector", ["N", _DIMENSIONS]))
    image, vector = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph(nodes, "encoder", [image], [vector], [numpy_helper.from_array(weights, "k")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def write_photos(folder: Path, count: int) -> Path:
    """So many small JPEGs and the list of them; each has its number in a comment, so that no two files are equal."""
    bases = []
    for number, photo in enumerate(light_photos("red")[:_BASES]):
        path = folder / f"base-{number}.jpg"
        Image.open(photo).convert("RGB").resize((64, 64)).save(path, quality=90)
        bases.append(path.read_bytes())
        path.unlink()
    lines = []
    for number in range(count):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(exist_ok=True)
        path, comment = place / f"{number}.jpg", f"photo {number}".encode()
        # A JPEG's comment follows its first marker.
        content = bases[number % len(bases)]
        path.write_bytes(content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content[2:])
        lines.append(f"{path}\n")
    path = folder / "photos.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Watched:
    """A process of `edgekd label`: its exit code, seconds, and resident MB by the number of photos that were done."""

    code: int
    seconds: float
    memory: list[tuple[int, float]]


def label(work: Path, photos: Path, place: Path, kill_at: int | None = None) -> Watched:
    """Label the list in a process of its own; it is killed once ``kill_at`` shards are there."""
    command = [sys.executable, "-m", "edgekd", "label", str(work / "streaming.toml"), "--out", str(work / "runs")]
    started, memory = time.monotonic(), list[tuple[int, float]]()
    with (work / "label.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--photos", str(photos), "--to", str(place), "--json"], stdout=log, stderr=log
        )
        while process.poll() is None:
            time.sleep(_POLL_S)
            done = len(list(place.glob("logits-*.npy"))) if place.is_dir() else 0
            resident = resident_mb(process.pid)
            if resident and done:
                memory.append((done * SHARD, resident))
            if kill_at is not None and done >= kill_at:
                process.send_signal(signal.SIGKILL)
                process.wait()
    return Watched(process.returncode, time.monotonic() - started, memory)


def resident_mb(pid: int) -> float:
    """Resident memory of a process, 0 where it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0.0)


def same_files(one: Path, other: Path) -> tuple[int, int]:
    """How many shards there are, and how many of them differ."""
    names = sorted({path.name for place in (one, other) for path in place.glob("logits-*.npy")})
    differ = [
        name for name in names
        if not all((place / name).is_file() for place in (one, other))
        or (one / name).read_bytes() != (other / name).read_bytes()
    ]  # fmt: skip
    return len(names), len(differ)


def quarters(memory: Sequence[tuple[int, float]]) -> list[float]:
    """The most MB in each quarter of the photos that a process did."""
    if not memory:
        return []
    low, high = memory[0][0], memory[-1][0]
    parts: list[list[float]] = [[], [], [], []]
    for done, resident in memory:
        parts[min(3, int(4 * (done - low) / max(high - low, 1)))].append(resident)
    return [round(max(part), 1) for part in parts if part]


def as_text(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    rows = [
        f"| {row['name']} | {row['seconds']:.0f} s | {', '.join(f'{value:.0f}' for value in row['quarters_mb'])} |"
        for row in results["rows"]
    ]
    return "\n".join([
        "# Photos streamed through an encoder", "",
        f"{results['photos']:,} photos through an encoder of {results['dimensions']} numbers and its head. Killed "
        f"after {results['killed_after']:,} photos and started again: {results['differ']} of {results['shards']} "
        "shards differ from those of a process that was not killed.", "",
        "| process | time | most resident MB in each quarter of its photos |", "|---|---|---|", *rows, "",
        "The times are of a machine with other work on it.", "",
    ])  # fmt: skip


def main() -> None:
    parser = Parser(__file__, __doc__, work="photos and soft targets")
    parser.add_argument("--photos", type=int, help="number of photos [100,000; --short: 2,000]")
    arguments = parser.parse()
    count = arguments.photos or (2_000 if arguments.short else 100_000)
    work = arguments.work
    for name in ("stream", "killed", "whole"):
        shutil.rmtree(work / name, ignore_errors=True)
    (work / "stream").mkdir(parents=True)
    save_encoder(work / "encoder.onnx")
    labelled_folder(work / "photos", 20)
    (work / "streaming.toml").write_text(_RECIPE, encoding="utf-8")
    edgekd.run(load_recipe(work / "streaming.toml"), work / "runs" / "streaming", until="teacher")
    photos = write_photos(work / "stream", count)
    kill_at = max(1, int(_KILL_AFTER * count_shards(count)))
    parts = [
        ("until it was killed", label(work, photos, work / "killed", kill_at)),
        ("started again", label(work, photos, work / "killed")),
        ("not killed", label(work, photos, work / "whole")),
    ]
    codes = [part.code for _, part in parts]
    if codes != [-signal.SIGKILL, 0, 0]:
        sys.exit(f"exit codes {codes}\n{(work / 'label.log').read_text(encoding='utf-8')[-2000:]}")
    shards, differ = same_files(work / "killed", work / "whole")
    results = {
        "schema": 1,
        "photos": count,
        "dimensions": _DIMENSIONS,
        "killed_after": kill_at * SHARD,
        "shards": shards,
        "differ": differ,
        "failed": json.loads((work / "killed" / "manifest.json").read_text(encoding="utf-8"))["failed"],
        "rows": [
            {"name": name, "seconds": round(part.seconds, 1), "quarters_mb": quarters(part.memory)}
            for name, part in parts
        ],
        "machine": machine(),
    }
    write_results(arguments.out, "streaming", results, as_text(results))


if __name__ == "__main__":
    run_script(main)
