"""Whoever does the work, every piece is done; and without Ray nothing of Ray is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgekd.scale.place import LocalPlace
from edgekd.scale.workers import Here


def test_here_opens_once_and_only_for_work() -> None:
    opened = []

    def opener():
        opened.append(1)
        return lambda number: {"twice": 2 * number}

    assert list(Here().each(opener, [])) == [] and opened == []
    assert list(Here().each(opener, [3, 1])) == [(3, {"twice": 6}), (1, {"twice": 2})] and opened == [1]


def test_nothing_of_ray_is_loaded_without_it() -> None:
    code = (
        "import sys\nfrom edgekd.cli.ray_option import workers_of\nimport edgekd.pipeline.run\n"
        "import edgekd.pipeline.sweep.sweep\n"
        "import edgekd.cli.label_command\nassert type(workers_of(None)).__name__ == 'Here'\n"
        "print(*{name.split('.')[0] for name in sys.modules} & {'ray', 'pyarrow', 'pandas'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_a_local_place_shows_whole_files_only(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "column")
    assert place.names() == [] and not place.has("a.npy")
    place.write("a.npy", b"0123456789")
    assert place.read("a.npy", 2, 5) == b"234" and place.has("a.npy")

    def parts():
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.stream("b.txt", parts())
    (tmp_path / "column" / ".logits-00000.x.npy").write_bytes(b"of a killed writer")
    assert place.names() == ["a.npy"]
    place.tidy()
    assert [path.name for path in (tmp_path / "column").iterdir()] == ["a.npy"]
