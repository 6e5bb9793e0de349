"""A teacher's column here and on a Ray cluster of two nodes: equal bytes, photos a second, memory, what a kill costs.

    python benchmarks/scale/run.py --work DIR [--photos 200000 --small 20000 --kill-photos 20000]

Photos are seeded crops of the quickstart's traffic lights. Both nodes are of this machine, a CPU each, so that nothing
here can be faster than the local way: what is measured is what Ray costs, and what it withstands. EDGEKD_MOTO_PYTHON
names a Python that has moto[s3,server]. What is done is kept in DIR: killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from cluster import Cluster, cluster
from report import markdown
from simulators.object_store import ENVIRONMENT, ObjectStore, moto_python
from sweeps import sweep_both_ways

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.devices.table import open_device
from edgekd.pipeline.run import run
from edgekd.recipe import load_recipe
from edgekd.scale.place import open_place
from edgekd.storage import read_json, write_json, write_text

HERE = Path(__file__).resolve().parent
RECIPE = """
name = "teacher"
[data]
source = {source}
split = {{ train = 45, val = 0.1, test = 0.25 }}
views = {{ views = 1 }}
[teacher]
input_size = {size}
"""
PATHS = [str(HERE.parents[1]), str(HERE)]


def main() -> None:
    """Do every part that is not done, and write ``results/``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--photos", type=int, default=200_000)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--kill-photos", type=int, default=20_000)
    parser.add_argument("--store-photos", type=int, default=2_000)
    parser.add_argument("--size", type=int, default=64, help="the teacher's input in pixels")
    parser.add_argument("--students", type=int, default=8)
    parser.add_argument("--only", help="parts, with commas between")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    bench.prepare()
    parts: dict[str, Callable[[], Any]] = {
        "local_small": lambda: bench.column("local", arguments.small),
        "local": lambda: bench.column("local", arguments.photos),
        "ray_small": lambda: bench.column("ray", arguments.small),
        "ray": lambda: bench.column("ray", arguments.photos),
        "kills": lambda: bench.kills(arguments.kill_photos),
        "store": lambda: bench.store(arguments.store_photos),
        "sweep": lambda: sweep_both_ways(bench.work, arguments.students),
    }
    wanted = arguments.only.split(",") if arguments.only else list(parts)
    for name in wanted:
        if name == "kills" or name not in bench.told:
            bench.keep(name, parts[name]())
    write_json(arguments.out / "scale.json", bench.told)
    gpu = arguments.out / "gpu.json"
    text = markdown(bench.told, read_json(gpu) if gpu.is_file() else None)
    write_text(arguments.out / "scale.md", text)
    print(text)


class Bench:
    """The folder of the work, and what was measured so far."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.work: Path = arguments.work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.most = max(arguments.photos, arguments.small, arguments.kill_photos, arguments.store_photos)
        self.size, self.state = arguments.size, self.work / "told.json"
        self.told: dict[str, Any] = read_json(self.state) if self.state.is_file() else {"schema": 1}
        self.recipe, self.run_directory = self.work / "teacher.toml", self.work / "runs" / "teacher"

    def keep(self, name: str, value: Any) -> None:
        """Keep what a part told."""
        # Another call may have done other parts meanwhile.
        if self.state.is_file():
            self.told = read_json(self.state)
        self.told[name] = value
        self.told |= {"machine": open_device("host").facts(), "input_px": self.size}
        write_json(self.state, self.told)

    def prepare(self) -> None:
        """The photos, the lists and the teacher."""
        make_photos(self.work / "photos", self.most)
        folders = json.dumps([str(folder) for folder in traffic_light_folders()])
        self.recipe.write_text(RECIPE.format(source=folders, size=self.size), encoding="utf-8")
        run(load_recipe(self.recipe), self.run_directory, until="teacher")

    def list_of(self, count: int) -> Path:
        """A list of the first photos."""
        path = self.work / f"list-{count}.txt"
        path.write_text("".join(f"photos/{photo_name(number)}\n" for number in range(count)), encoding="utf-8")
        return path

    def argv(self, name: str, source: str, place: str) -> list[str]:
        """The command of one column."""
        log = self.work / "log" / name
        return [
            sys.executable,
            str(HERE / "arm.py"),
            str(self.recipe),
            str(self.run_directory),
            source,
            place,
            str(log),
        ]

    def column(self, way: str, count: int) -> dict[str, Any]:
        """A column from nothing, here or on two nodes."""
        name = f"{way}-{count}"
        clear(self.work / name, self.work / "log" / name)
        argv = self.argv(name, str(self.list_of(count)), str(self.work / name))
        load = os.getloadavg()[0]
        if way == "local":
            told = asked(argv, {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)})
        else:
            with cluster(self.work, PATHS) as nodes:
                told = asked([*argv, "--ray", nodes.address], nodes.environment)
        other = self.work / f"local-{count}"
        return {
            **told, **shards(self.work / "log" / name), "load_before": load,
            "differing_shards": None if way == "local" else differing(other, self.work / name),
        }  # fmt: skip

    def kills(self, count: int, rounds: int = 5) -> list[dict[str, Any]]:
        """The second node killed at a random moment of the work, and started again for the next round; each is kept."""
        local = self.work / f"local-{count}"
        if not (local / "manifest.json").is_file():
            self.column("local", count)
        done: list[dict[str, Any]] = self.told.get("kills", [])
        if len(done) < rounds:
            with cluster(self.work, PATHS) as nodes:
                for number in range(len(done), rounds):
                    done = [*done, self._kill(number, count, nodes, local)]
                    self.keep("kills", done)
        return done

    def _kill(self, number: int, count: int, nodes: Cluster, local: Path) -> dict[str, Any]:
        name = f"killed-{number}"
        place, log = self.work / name, self.work / "log" / name
        clear(place, log)
        total, chance = -(-count // 256), random.Random(number)
        process = subprocess.Popen(
            [*self.argv(name, str(self.list_of(count)), str(place)), "--ray", nodes.address],
            env=nodes.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        # A moment between the first shard's begin and the last one's.
        after = chance.randrange(1, max(2, total - 2))
        while process.poll() is None and len(list(log.glob("begun-*"))) <= after:
            time.sleep(0.05)
        time.sleep(chance.random())
        begun = len(list(log.glob("ended-*")))
        nodes.kill_second()
        out, error = process.communicate()
        if process.returncode:
            raise RuntimeError(error.decode()[-2000:])
        nodes.mend()
        begins = len(list(log.glob("begun-*")))
        computed = [read_json(path)["photos"] for path in log.glob("ended-*")]
        return {
            "shards": total, "killed_after": begun, "begun": begins, "lost_or_twice": begins - total,
            "computed_twice": sum(1 for photos in computed if photos) - total,
            "differing_shards": differing(local, place), "wall_s": json.loads(out.splitlines()[-1])["wall_s"],
        }  # fmt: skip

    def store(self, count: int) -> dict[str, Any]:
        """Photos, list and column on an S3 server that answers one request in twenty with an error."""
        python = moto_python()
        if python is None:
            raise SystemExit("EDGEKD_MOTO_PYTHON must name a Python that has moto[s3,server]")
        self.column("local", count)
        store = ObjectStore(python, self.work / "moto.log")
        environment = {**os.environ, **ENVIRONMENT, "AWS_ENDPOINT_URL": store.endpoint}
        os.environ.update(environment)
        try:
            store.make_bucket("cameras")
            place = open_place("s3://cameras/photos")
            for number in range(count):
                place.write(f"{number}.jpg", (self.work / "photos" / photo_name(number)).read_bytes())
            place.write("list.txt", "".join(f"{number}.jpg\n" for number in range(count)).encode())
            chance = random.Random(0)
            store.requests, store.delay_s = 0, 0.01
            store.fail = lambda method, path, number: 503 if chance.random() < 0.05 else 0
            argv = self.argv(f"store-{count}", "s3://cameras/photos/list.txt", "s3://cameras/column")
            told = asked(argv, {**environment, "PYTHONPATH": os.pathsep.join(PATHS)})
            requests, failed = store.requests, store.failed
            store.fail = lambda method, path, number: 0
            column, local = open_place("s3://cameras/column"), self.work / f"local-{count}"
            differ = sum(column.read(path.name) != path.read_bytes() for path in local.glob("logits-*.npy"))
        finally:
            store.close()
        return {**told, "requests": requests, "failed_requests": failed, "differing_shards": differ}


def photo_name(number: int) -> str:
    """A thousand to a folder."""
    return f"{number // 1000:04d}/{number:07d}.jpg"


def make_photos(folder: Path, count: int) -> None:
    """Seeded crops of real photos, 48 x 48, as JPEG."""
    if (folder / photo_name(count - 1)).is_file():
        return
    sources = [path for top in traffic_light_folders() for path in sorted(top.rglob("*.jpg"))]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sources]
    pictures = [picture for picture in pictures if min(picture.shape[:2]) >= 24]
    for number in range(count):
        path = folder / photo_name(number)
        if path.is_file():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        chance = np.random.default_rng(number)
        picture = pictures[number % len(pictures)]
        side = int(chance.integers(16, min(picture.shape[:2]) + 1))
        top, left = (int(chance.integers(0, size - side + 1)) for size in picture.shape[:2])
        stream = io.BytesIO()
        Image.fromarray(picture[top : top + side, left : left + side]).resize((48, 48)).save(stream, "JPEG", quality=90)
        path.write_bytes(stream.getvalue())


def asked(argv: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """What an arm told."""
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def shards(log: Path) -> dict[str, Any]:
    """Of the shards' own logs: workers, their largest memory, and the time from the first begin to the last end."""
    told = [read_json(path) for path in log.glob("ended-*")]
    return {
        "workers": len({one["pid"] for one in told}), "worker_rss": max(one["rss"] for one in told),
        "working_s": max(one["ended"] for one in told) - min(one["started"] for one in told),
    }  # fmt: skip


def differing(local: Path, other: Path) -> int:
    """Shards of the local column that the other does not hold to the byte."""
    names = [path.name for path in local.glob("logits-*.npy")]
    return sum(
        not (other / name).is_file() or (other / name).read_bytes() != (local / name).read_bytes() for name in names
    )


def clear(*folders: Path) -> None:
    """Remove a column that was here, and its log."""
    for folder in folders:
        for path in folder.glob("*") if folder.is_dir() else ():
            path.unlink()


if __name__ == "__main__":
    main()
