"""The same recipe on Ray: the same bytes, whatever is killed, and every photo that can't be read is listed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cameras import make_cameras
from small_search import RECIPE, make_search
from support import Project

from edgekd.errors import StorageError, UsageError
from edgekd.pipeline.label_list import label_photos
from edgekd.pipeline.run import run
from edgekd.pipeline.search import looking
from edgekd.process_tree import descendants
from edgekd.progress import Silent
from edgekd.recipe import load_recipe
from edgekd.scale.place import LocalPlace
from edgekd.scale.ray_cluster import connect
from edgekd.scale.ray_trials import RayTrials
from edgekd.scale.ray_workers import RayWorkers
from edgekd.scale.workers import Report
from edgekd.soft_targets.store import open_soft_targets
from edgekd.storage import read_json

PHOTOS = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with a small .onnx teacher, its column, and a list of photos of which 2 can't be read."""
    here = make_cameras(tmp_path_factory.mktemp("cameras"), PHOTOS)
    run(load_recipe(here / "cameras.toml"), here / "runs" / "cameras", until="soft_targets")
    return here


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """One Ray of two CPUs for all tests here."""
    with connect("local"):
        yield


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("logits-*.npy")}


def test_a_cluster_of_its_own_stays_on_this_machine_and_leaves_the_signals_alone(ray: None) -> None:
    import ray as library

    assert [node["NodeManagerAddress"] for node in library.nodes()] == ["127.0.0.1"]
    running = [Path(f"/proc/{process.pid}/cmdline").read_bytes() for process in descendants()]
    # The dashboard's process asks three clouds who runs this machine.
    assert running and not any(b"/dashboard.py" in command for command in running)
    # Ray's own handler ends the process with a code of Ray's.
    assert not str(getattr(signal.getsignal(signal.SIGTERM), "__module__", "")).startswith("ray")
    assert Path(library._private.worker._global_node.get_session_dir_path()).parent.name.startswith(".ray.p")


def test_a_run_has_the_same_column(folder: Path, ray: None, tmp_path: Path) -> None:
    recipe = load_recipe(folder / "cameras.toml")
    run(recipe, tmp_path / "cameras", until="soft_targets", workers=RayWorkers())
    own, other = folder / "runs" / "cameras" / "soft_targets", tmp_path / "cameras" / "soft_targets"
    assert len(shards(own)) > 1 and shards(own) == shards(other)
    assert (own / "manifest.json").read_bytes() == (other / "manifest.json").read_bytes()


def test_a_list_has_the_same_column_and_names_what_failed(folder: Path, ray: None, tmp_path: Path) -> None:
    recipe, done, source = load_recipe(folder / "cameras.toml"), folder / "runs" / "cameras", str(folder / "list.txt")
    here = label_photos(recipe, done, source, str(tmp_path / "here"))
    there = label_photos(recipe, done, source, str(tmp_path / "ray"), workers=RayWorkers())
    assert (here.photos, here.failed, here.computed) == (there.photos, there.failed, there.computed) == (602, 2, 602)
    assert shards(tmp_path / "here") == shards(tmp_path / "ray")
    failed = [line.split("\t") for line in (tmp_path / "ray" / "failed.txt").read_text().splitlines()]
    assert [line[:2] for line in failed] == [["300", "half.png"], ["301", "gone.png"]]
    column = open_soft_targets(str(tmp_path / "ray"), tmp_path / "cache")
    rows = column[np.arange(602), np.ones(602, int)]
    assert np.flatnonzero(np.isnan(rows).any(axis=1)).tolist() == [300, 301]
    again = label_photos(recipe, done, source, str(tmp_path / "ray"), workers=RayWorkers())
    assert again.computed == 0 and again.failed == 2


def test_a_photo_has_the_logits_that_a_run_gives_it(folder: Path, tmp_path: Path) -> None:
    recipe, done = load_recipe(folder / "cameras.toml"), folder / "runs" / "cameras"
    from edgekd.data.dataset import Dataset
    from edgekd.pipeline.context import pool_of

    samples = pool_of(Dataset.load(done / "data" / "dataset.json"), label_free=True).samples
    (tmp_path / "pool.txt").write_text("\n".join(str(sample.path) for sample in samples))
    label_photos(recipe, done, str(tmp_path / "pool.txt"), str(tmp_path / "column"))
    assert shards(tmp_path / "column") == shards(done / "soft_targets")


def test_a_killed_worker_is_replaced(ray: None, tmp_path: Path) -> None:
    def opener():
        def work(number: int) -> dict[str, int]:
            mark = tmp_path / "killed"
            if number == 2 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return {"square": number**2}

        return work

    done = dict(RayWorkers().each(opener, range(5)))
    assert (tmp_path / "killed").exists()
    assert done == {number: {"square": number**2} for number in range(5)}


def test_an_error_of_the_work_comes_as_it_was_raised(ray: None) -> None:
    def opener():
        def work(number: int) -> dict[str, int]:
            raise StorageError("s3://cameras: 6 tries failed")

        return work

    with pytest.raises(StorageError, match="6 tries failed"):
        list(RayWorkers().each(opener, range(2)))


def marked_processes(mark: str) -> list[str]:
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdigit() and f"EDGEKD_TEST_MARK={mark}".encode() in (place / "environ").read_bytes():
                found.append((place / "cmdline").read_text(errors="replace").replace("\0", " "))
    return found


def test_a_killed_command_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "column")
    argv = Project.argv("label", "cameras.toml", "--photos", "list.txt", "--to", place.folder, "--ray", "local")
    with (tmp_path / "log").open("w") as log:
        environment = {**os.environ, "EDGEKD_TEST_MARK": str(tmp_path)}
        process = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log, env=environment)
        while process.poll() is None and not any(name.startswith("logits-") for name in place.names()):
            time.sleep(0.02)
        process.kill()
        process.wait()
    assert any(name.startswith("logits-") for name in place.names()), (tmp_path / "log").read_text()
    end = time.monotonic() + 60
    while (left := marked_processes(str(tmp_path))) and time.monotonic() < end:
        time.sleep(0.2)
    assert not left, "the killed command's cluster still runs"
    recipe, done = load_recipe(folder / "cameras.toml"), folder / "runs" / "cameras"
    kept = shards(place.folder)
    told = label_photos(recipe, done, str(folder / "list.txt"), str(place))
    assert told.photos == 602 and told.computed <= 602 - 256 * min(1, len(kept)) + 256
    whole = label_photos(recipe, done, str(folder / "list.txt"), str(tmp_path / "whole"))
    assert whole.computed == 602 and shards(place.folder) == shards(tmp_path / "whole")


def test_trainings_that_fall_behind_are_stopped_on_request(
    ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A training takes as many CPUs as TensorFlow has threads: of all of them, so that the better one is done first.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(len(os.sched_getaffinity(0))))

    def trial(number: int, report: Report) -> None:
        for epoch in range(1, 9):
            report(epoch, -float(number))
        (tmp_path / f"done-{number}").touch()

    assert RayTrials(stop_early=True).all(trial, 2, epochs=8, folder=tmp_path) == {1}
    assert [path.name for path in tmp_path.iterdir()] == ["done-0"]


def share_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two workers run at the same time: a task takes as many CPUs as TensorFlow has threads."""
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(max(1, len(os.sched_getaffinity(0)) // 2)))


def test_a_task_is_asked_for_when_a_worker_is_free(ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    share_cpus(monkeypatch)
    asked: list[int] = []

    def opener():
        opened = os.getpid(), time.monotonic()
        return lambda number: [number, *opened]

    def tasks() -> Iterator[int]:
        for number in range(8):
            asked.append(number)
            yield number

    results, ahead = {}, []
    for number, result in RayWorkers().stream(opener, tasks()):
        results[number] = result
        ahead.append(len(asked) - len(results))
    assert sorted(results) == list(range(8)) and all(results[number][0] == number for number in results)
    # Two at most are asked for before one is done, and a process opens the work once.
    assert max(ahead) <= 2
    assert len({tuple(opened) for _, *opened in results.values()}) == len({pid for _, pid, _ in results.values()})


@dataclass(frozen=True)
class WorkersKilledOnce(RayWorkers):
    """Of these workers the first one that opens a task's work is killed."""

    mark: Path = Path()

    def stream(self, opener: Any, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """As `RayWorkers` does."""
        mark = self.mark

        def open_once_killed():
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return opener()

        return super().stream(open_once_killed, tasks)


class Interrupting(Silent):
    """Ends the command once some results of the search are there."""

    def __init__(self, state: Path, beginning: str) -> None:
        self.state, self.beginning = state, beginning

    def progress(self, done: int, total: int) -> None:
        """Called after each look."""
        if self.state.is_file() and any(name.startswith(self.beginning) for name in read_json(self.state)["results"]):
            raise KeyboardInterrupt


def without_seconds(value: Any) -> Any:
    """What search.json says beside how long it took."""
    if isinstance(value, dict):
        times = {"seconds", "step_s", "view_s", "built_s"}
        return {key: without_seconds(entry) for key, entry in value.items() if key not in times}
    return [without_seconds(entry) for entry in value] if isinstance(value, list) else value


def test_a_search_has_the_same_result_whatever_is_killed(
    ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_search(tmp_path, ((8, 1), (8, 1), (16, 2)))
    monkeypatch.setattr(looking, "_PROBED", 2)
    monkeypatch.setattr(looking, "_TRAINED", 2)
    (tmp_path / "recipe.toml").write_text((RECIPE % 1200).replace("minutes = 30\n", ""))
    recipe, own, there = load_recipe(tmp_path / "recipe.toml"), tmp_path / "own", tmp_path / "there"
    run(recipe, own, until="search")
    shutil.copytree(own, there)
    shutil.rmtree(there / "search")
    share_cpus(monkeypatch)
    workers = WorkersKilledOnce(mark=tmp_path / "killed")
    state = there / "search" / "state.json"
    with pytest.raises(KeyboardInterrupt):
        run(recipe, there, until="search", workers=workers, watcher=Interrupting(state, "probe of"))
    before = read_json(state)["results"]
    assert workers.mark.exists() and any(name.startswith("probe of") for name in before)
    run(recipe, there, until="search", workers=workers)
    results = [read_json(folder / "search" / "search.json") for folder in (own, there)]
    assert without_seconds(results[0]) == without_seconds(results[1])
    assert sum(bool(one["trials"]) for one in results[0]["candidates"]) == 2
    assert (own / "search" / "recipe.toml").read_bytes() == (there / "search" / "recipe.toml").read_bytes()
    assert sorted(path.name for path in (there / "search").iterdir()) == ["recipe.toml", "search.json", "stage.json"]


def test_folders_that_workers_do_not_see_are_named_first(
    folder: Path, ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = RayWorkers("auto")
    workers.require_visible(tmp_path, [folder / "labelled"])
    with pytest.raises(UsageError, match=rf"127\.0\.0\.1 does not see {tmp_path}/gone\. Mount"):
        workers.require_visible(tmp_path, [folder / "labelled", tmp_path / "gone"])
    # Of each process something else, as a folder of one machine is of each machine.
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="does not see /proc/self/cwd/run"):
        run(load_recipe(folder / "cameras.toml"), "/proc/self/cwd/run", workers=workers)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".lock", "recipe.toml", "run", "run.json"]
