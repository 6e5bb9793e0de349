"""A teacher's soft targets here and on two Ray nodes: equal bytes, photos a second, memory, what a kill costs.

    python benchmarks/scale/run.py --work DIR [--photos 200000 --small 20000 --kill-photos 20000]

Photos are seeded crops of the quickstart's traffic lights. Both nodes are on this machine, a CPU each, so that nothing
here can be faster than the local way: it measures what Ray costs and which failures it survives. EDGEKD_MOTO_PYTHON
names a Python that has moto[s3,server]. Finished parts are stored in DIR, so that a killed run can be continued.
--short takes a few hundred photos, kills a node once and sweeps one student; S3 only where moto is.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from cluster import Cluster, cluster
from common import Parser, machine, run_script, write_results
from photos import make_photos, photo_name
from report import markdown
from simulators.object_store import ENVIRONMENT, ObjectStore, moto_python
from sweeps import sweep_both_ways

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.pipeline.label_list import label_photos
from edgekd.pipeline.run import run
from edgekd.recipe import load_recipe
from edgekd.scale.place import open_place
from edgekd.storage import read_json, write_json

HERE = Path(__file__).resolve().parent
RECIPE = """
name = "teacher"
[data]
source = {source}
split = {{ train = 45, val = 0.1, test = 0.25 }}
views = {{ views = 1 }}
[teacher]
input_size = {size}
fine_tune_blocks = 0
self_train = "off"
"""
PATHS = [str(HERE.parents[1]), str(HERE)]


FULL = {"photos": 200_000, "small": 20_000, "kill_photos": 20_000, "store_photos": 2_000, "size": 64, "students": 8}
SHORT = {"photos": 600, "small": 300, "kill_photos": 600, "store_photos": 20, "size": 32, "students": 2}
SHORT_PARTS = ("local", "kills", "sweep")


def main() -> None:
    """Do every part that is not done, and write ``results/``."""
    parser = Parser(__file__, __doc__, work="photos, soft targets, and every finished part")
    parser.add_argument("--photos", type=int)
    parser.add_argument("--small", type=int)
    parser.add_argument("--kill-photos", type=int)
    parser.add_argument("--store-photos", type=int)
    parser.add_argument("--size", type=int, help="the teacher's input in pixels")
    parser.add_argument("--students", type=int)
    parser.add_argument("--only", help="parts, with commas between")
    arguments = parser.parse()
    for name, value in (SHORT if arguments.short else FULL).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    bench = Bench(arguments)
    bench.prepare()
    parts: dict[str, Callable[[], Any]] = {
        "local_small": lambda: bench.soft_targets("local", arguments.small),
        "local": lambda: bench.soft_targets("local", arguments.photos),
        "ray_small": lambda: bench.soft_targets("ray", arguments.small),
        "ray": lambda: bench.soft_targets("ray", arguments.photos),
        "kills": lambda: bench.kills(arguments.kill_photos, 1 if arguments.short else 5),
        "store": lambda: bench.store(arguments.store_photos),
        "sweep": lambda: sweep_both_ways(bench.work, arguments.students),
    }
    short = [*SHORT_PARTS, *(["store"] if moto_python() else [])]
    wanted = arguments.only.split(",") if arguments.only else short if arguments.short else list(parts)
    for name in wanted:
        if name == "kills" or name not in bench.results:
            bench.store_result(name, parts[name]())
    gpu = arguments.out / "gpu.json"
    text = markdown(bench.results, read_json(gpu) if gpu.is_file() else None)
    write_results(arguments.out, "scale", bench.results, text)


class Bench:
    """The folder of the work, and the results so far."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.work: Path = arguments.work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.most = max(arguments.photos, arguments.small, arguments.kill_photos, arguments.store_photos)
        self.size, self.state = arguments.size, self.work / "results.json"
        self.results: dict[str, Any] = read_json(self.state) if self.state.is_file() else {"schema": 1}
        self.recipe, self.run_directory = self.work / "teacher.toml", self.work / "runs" / "teacher"

    def store_result(self, name: str, value: Any) -> None:
        """Store the result of a part."""
        # Another call may have finished other parts meanwhile.
        if self.state.is_file():
            self.results = read_json(self.state)
        self.results[name] = value
        self.results |= {"machine": machine(), "input_px": self.size}
        write_json(self.state, self.results)

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
        """The command for one set of soft targets."""
        log = self.work / "log" / name
        return [
            sys.executable,
            str(HERE / "_soft_targets.py"),
            str(self.recipe),
            str(self.run_directory),
            source,
            place,
            str(log),
        ]

    def soft_targets(self, way: str, count: int) -> dict[str, Any]:
        """Soft targets from nothing, here or on two nodes."""
        name = f"{way}-{count}"
        clear(self.work / name, self.work / "log" / name)
        argv = self.argv(name, str(self.list_of(count)), str(self.work / name))
        load = os.getloadavg()[0]
        if way == "local":
            output = run_json(argv, {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)})
        else:
            with cluster(self.work, PATHS) as nodes:
                output = run_json([*argv, "--ray", nodes.address], nodes.environment)
        other = self.work / f"local-{count}"
        return {
            **output, **shards(self.work / "log" / name), "load_before": load,
            "differing_shards": None if way == "local" else differing(other, self.work / name),
        }  # fmt: skip

    def column_of(self, count: int) -> Path:
        """What the others' bytes are compared with; made in this process, where nothing of it is measured."""
        place = self.work / f"local-{count}"
        if not (place / "manifest.json").is_file():
            clear(place)
            label_photos(load_recipe(self.recipe), self.run_directory, str(self.list_of(count)), str(place))
        return place

    def kills(self, count: int, rounds: int) -> list[dict[str, Any]]:
        """The second node killed at a random moment of the work, and restarted for the next; each is stored."""
        local = self.column_of(count)
        done: list[dict[str, Any]] = self.results.get("kills", [])
        if len(done) < rounds:
            with cluster(self.work, PATHS) as nodes:
                for number in range(len(done), rounds):
                    done = [*done, self._kill(number, count, nodes, local)]
                    self.store_result("kills", done)
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
        nodes.restart_second()
        begins = len(list(log.glob("begun-*")))
        computed = [read_json(path)["photos"] for path in log.glob("ended-*")]
        return {
            "shards": total, "killed_after": begun, "begun": begins, "lost_or_twice": begins - total,
            "computed_twice": sum(1 for photos in computed if photos) - total,
            "differing_shards": differing(local, place), "wall_s": json.loads(out.splitlines()[-1])["wall_s"],
        }  # fmt: skip

    def store(self, count: int) -> dict[str, Any]:
        """Photos, list and soft targets on an S3 server that fails one request in twenty."""
        python = moto_python()
        if python is None:
            raise SystemExit("EDGEKD_MOTO_PYTHON must name a Python that has moto[s3,server]")
        local = self.column_of(count)
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
            output = run_json(argv, {**environment, "PYTHONPATH": os.pathsep.join(PATHS)})
            requests, failed = store.requests, store.failed
            store.fail = lambda method, path, number: 0
            column = open_place("s3://cameras/column")
            differ = sum(column.read(path.name) != path.read_bytes() for path in local.glob("logits-*.npy"))
        finally:
            store.close()
        return {**output, "requests": requests, "failed_requests": failed, "differing_shards": differ}


def run_json(argv: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """The JSON that a command prints last."""
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    output: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return output


def shards(log: Path) -> dict[str, Any]:
    """Of the shards' own logs: workers, their largest memory, and the time from the first begin to the last end."""
    logged = [read_json(path) for path in log.glob("ended-*")]
    return {
        "workers": len({one["pid"] for one in logged}), "worker_rss": max(one["rss"] for one in logged),
        "working_s": max(one["ended"] for one in logged) - min(one["started"] for one in logged),
    }  # fmt: skip


def differing(local: Path, other: Path) -> int:
    """Shards that are not the same bytes in both folders."""
    names = [path.name for path in local.glob("logits-*.npy")]
    return sum(
        not (other / name).is_file() or (other / name).read_bytes() != (local / name).read_bytes() for name in names
    )


def clear(*folders: Path) -> None:
    """Empty these folders."""
    for folder in folders:
        for path in folder.glob("*") if folder.is_dir() else ():
            path.unlink()


if __name__ == "__main__":
    run_script(main)
