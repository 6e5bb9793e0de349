"""Soft targets of one list of photos, in a process of its own; the result goes to stdout as JSON.

    python benchmarks/scale/_soft_targets.py RECIPE RUN LIST PLACE LOG [--ray ADDRESS]

Every shard writes a file into LOG when it begins and when it ends, which survives a kill.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekd.pipeline.label_list import label_photos
from edgekd.recipe import load_recipe
from edgekd.scale.ray_workers import RayWorkers
from edgekd.scale.workers import Here, Opener, PieceRecord, Work, Workers


@dataclass(frozen=True)
class Logged:
    """The same work, with a file for the begin and the end of every piece."""

    opener: Opener
    log: Path

    def __call__(self) -> Work:
        """Open it, and log each piece."""
        work = self.opener()

        def logged(number: int) -> PieceRecord:
            name = f"{number:05d}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
            started = time.time()
            (self.log / f"begun-{name}").touch()
            result = work(number)
            result |= {"pid": os.getpid(), "started": started, "ended": time.time(), "rss": peak_rss()}
            (self.log / f"ended-{name}").write_text(json.dumps(result))
            return result

        return logged


@dataclass(frozen=True)
class LoggedWorkers:
    """Workers that do logged work."""

    workers: Workers
    log: Path

    def each(self, opener: Opener, numbers: Sequence[int]) -> Iterator[tuple[int, PieceRecord]]:
        """Do logged work."""
        return self.workers.each(Logged(opener, self.log), numbers)


def peak_rss() -> int:
    """The most bytes that this process ever held; getrusage would count those of the one that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def main() -> None:
    """Compute, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("recipe", "run", "photos", "place", "log"):
        parser.add_argument(name)
    parser.add_argument("--ray")
    arguments = parser.parse_args()
    log = Path(arguments.log).absolute()
    log.mkdir(parents=True, exist_ok=True)
    workers = LoggedWorkers(Here() if arguments.ray is None else RayWorkers(arguments.ray), log)
    started = time.time()
    labelled = label_photos(
        load_recipe(Path(arguments.recipe)), Path(arguments.run), arguments.photos, arguments.place, workers=workers
    )
    print(json.dumps({**asdict(labelled), "wall_s": time.time() - started, "rss": peak_rss()}))


if __name__ == "__main__":
    main()
