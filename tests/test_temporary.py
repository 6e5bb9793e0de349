"""What killed processes leave is removed, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from edgekd import storage, temporary
from edgekd.errors import RunError, StorageError

KILLED = """
import os, sys
from pathlib import Path
from edgekd import storage
with storage.replacing(Path(sys.argv[1])) as path:
    path.write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_cleaned", set())


def test_a_killed_writers_file_goes_with_the_next_write(tmp_path: Path) -> None:
    target = tmp_path / "model.keras"
    storage.write_bytes(target, b"old")
    assert subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False).returncode == -9
    (left,) = set(tmp_path.iterdir()) - {target}
    assert left.suffix == ".keras" and left.name.startswith(".model.p")
    temporary._cleaned.clear()
    storage.write_bytes(tmp_path / "another.json", b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another.json", "model.keras"]
    assert target.read_bytes() == b"old"


def test_names_of_running_and_of_other_machines_processes_stay(tmp_path: Path) -> None:
    mine = tmp_path / f"{temporary.owned_name('a')}x.json"
    foreign, ancient = (tmp_path / f".a.p1-1-{digits}.x.json" for digits in ("0" * 8, "1" * 8))
    users = tmp_path / ".a.json"
    for path in (mine, foreign, ancient, users):
        path.write_text("{}")
    os.utime(ancient, (time.time() - 8 * 24 * 3600,) * 2)
    temporary.remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, foreign.name, users.name}


def test_a_number_that_another_process_has_by_now_is_no_owner(tmp_path: Path) -> None:
    reused = tmp_path / temporary.owned_name("a").replace(f"-{temporary.start_ticks(os.getpid())}-", "-1-")
    reused.mkdir()
    temporary.remove_leftovers(tmp_path)
    assert not reused.exists()


def test_all_temporary_files_lie_in_one_folder_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary.process_folder() as folder:
        assert folder is not None and folder.parent == tmp_path
        assert Path(tempfile.mkdtemp()).parent == folder and temporary.shared_folder() == tmp_path
    assert list(tmp_path.iterdir()) == [] and tempfile.gettempdir() == str(tmp_path)


def test_a_folder_that_cannot_be_written_to_is_found(tmp_path: Path) -> None:
    storage.require_writable(tmp_path / "not" / "yet")
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StorageError, match=r"file cannot be written to: it is not a folder.*Give another folder"):
        storage.require_writable(file / "below")
    with pytest.raises(StorageError, match="/proc cannot be written to: No such file or directory"):
        storage.require_writable(Path("/proc/run"))
    with pytest.raises(StorageError), storage.locked(Path("/proc/run")):
        pass


def test_a_locked_folder_is_refused(tmp_path: Path) -> None:
    with (
        storage.locked(tmp_path),
        pytest.raises(RunError, match="is in use by another edgekd"),
        storage.locked(tmp_path),
    ):
        pass
