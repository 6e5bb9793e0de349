"""Photos that processes read are those that threads read, and no process outlives who it reads for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_student import smooth_images

from edgekd.errors import RunError
from edgekd.preprocess import Preprocessing
from edgekd.recipe import parse_recipe
from edgekd.soft_targets.photo_reader import Readers, Rendering


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """Twenty photos, the fourth cut off; the list names one more."""
    for number, photo in enumerate(smooth_images(20, 40)):
        Image.fromarray(photo).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "03.png").write_bytes((tmp_path / "03.png").read_bytes()[:200])
    return [*(f"{number:02d}.png" for number in range(20)), "gone.png"]


def rendering(folder: Path) -> Rendering:
    recipe = parse_recipe({"name": "cameras", "data": {"source": ["."], "views": {"views": 2}}}, folder)
    return Rendering(recipe.data.views, recipe.seed, str(folder / "list.txt"), Preprocessing(height=32, width=24))


def test_processes_give_what_threads_give(names: list[str], tmp_path: Path) -> None:
    told: list[tuple[np.ndarray, dict[int, str]]] = []
    for processes in (0, 2):
        errors: dict[int, str] = {}
        batches = list(Readers(processes).batches(rendering(tmp_path), names, 8, errors))
        assert [batch.shape for batch in batches] == [(8, 2, 32, 24, 3), (8, 2, 32, 24, 3), (5, 2, 32, 24, 3)]
        told.append((np.concatenate(batches), errors))
    (threads, failed), (processes_, same) = told
    assert np.array_equal(threads, processes_)
    assert failed == same
    assert sorted(failed) == [3, 20]
    assert not threads[[3, 20]].any()


def test_a_folder_and_what_is_in_no_folder_are_no_photos(names: list[str], tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    errors: dict[int, str] = {}
    (batch,) = Readers().batches(rendering(tmp_path), [names[0], "more", "00.png/x.png"], 8, errors)
    assert batch[0].any() and not batch[1:].any()
    assert errors == {1: "Is a directory", 2: "Not a directory"}


CLIENT = """
import multiprocessing, os, sys, time
from pathlib import Path
sys.path[:0] = {path!r}
from test_photo_reader import Readers, rendering
readers = Readers(2)
list(readers.batches(rendering(Path({folder!r})), {names!r}, 8, {{}}))
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
time.sleep(60)
"""


def test_processes_end_where_their_parent_is_killed(names: list[str], tmp_path: Path) -> None:
    client = tmp_path / "client.py"
    code = CLIENT.format(path=sys.path, folder=str(tmp_path), names=names[:2])
    client.write_text("if __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in code.splitlines()))
    with subprocess.Popen([sys.executable, str(client)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        assert children
        parent.kill()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_killed_process_is_said(names: list[str], tmp_path: Path) -> None:
    readers = Readers(1)
    batches = readers.batches(rendering(tmp_path), names, 1, {})
    next(batches)
    (process,) = readers._pool._processes.values()  # type: ignore[attr-defined]
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(RunError, match="was killed"):
        for _ in range(100):
            list(readers.batches(rendering(tmp_path), names, 1, {}))
