"""The plugin's caches and windows, driven without an emulator, against what can be counted by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edgekd.core_time import trace
from edgekd.core_time.cores import CORES, KIB, Cache
from edgekd.core_time.trace import Misses, Part, Sampling

SAMPLING = Sampling(parts=4, window=10)
CORE = replace(CORES["cortex-a72"], caches=(Cache(4 * KIB, 2, 4, 16), Cache(64 * KIB, 16, 21, 16)))
NOTHING = Misses(0, 0, 0)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: apt-get install gcc libc6-dev")
    program = tmp_path_factory.mktemp("guest") / "guest"
    source = Path(__file__).with_name("plugin_harness.c")
    subprocess.run(["gcc", "-O1", "-DQEMU_API=1", "-o", program, source], check=True)
    return program


def swept(guest: Path, folder: Path, lines: int, stride: int = 1, write: bool = False) -> list[Part]:
    control = trace.write_control(folder / "trace", CORE, SAMPLING)
    arguments = [str(lines), str(stride), str(int(write))]
    subprocess.run([guest, *arguments], check=True, env={**os.environ, trace.VARIABLE: str(control)})
    return trace.read_parts(control, SAMPLING)


def summed(parts: list[Part], level: int) -> Misses:
    columns = zip(*((part.misses[level].streamed, part.misses[level].scattered, part.misses[level].written)
                    for part in parts), strict=True)  # fmt: skip
    return Misses(*(sum(column) for column in columns))


def test_what_fits_is_not_missed_again(guest: Path, tmp_path: Path) -> None:
    # 32 lines are 2 KiB of the 4.
    parts = swept(guest, tmp_path, 32)
    assert [summed(parts, level) for level in range(3)] == [NOTHING] * 3


def test_what_exceeds_a_cache_is_fetched_line_by_line_from_the_next(guest: Path, tmp_path: Path) -> None:
    # 128 lines are 8 KiB: the first cache has lost each by the time it is read again, the second keeps all.
    parts = swept(guest, tmp_path, 128)
    first = summed(parts, 0)
    assert first.streamed + first.scattered == 128 and first.scattered <= 1 and first.written == 0
    assert summed(parts, 1) == NOTHING


def test_distant_lines_are_scattered_and_written_ones_come_back(guest: Path, tmp_path: Path) -> None:
    # 40 lines, each 64 lines apart, share one set of every cache.
    parts = swept(guest, tmp_path, 40, stride=64, write=True)
    assert summed(parts, 0) == Misses(0, 40, 40)
    # Both of what they displace below too: lines read anew, and those written back.
    assert summed(parts, 1).scattered >= 40 and summed(parts, 1).written == 40


def test_each_part_has_its_instructions_and_one_window_of_code(guest: Path, tmp_path: Path) -> None:
    parts = swept(guest, tmp_path, 100)
    assert len(parts) == 4 and sum(part.instructions for part in parts) == 400
    # Two instructions a block: five blocks make ten.
    assert [len(part.window) for part in parts] == [5] * 4
    assert {code for part in parts for code in part.window} == {bytes.fromhex("1f2003d51f2003d5")}


def test_a_part_without_a_window_belongs_to_the_one_before(guest: Path, tmp_path: Path) -> None:
    parts = swept(guest, tmp_path, 100)
    windows = tmp_path / "trace.windows"
    # Each window is a mark, a number and five blocks: without the third one.
    words = windows.read_bytes()
    windows.write_bytes(words[: 4 * 14] + words[4 * 21 :])
    fewer = trace.read_parts(tmp_path / "trace", SAMPLING)
    assert [part.instructions for part in fewer] == [parts[0].instructions, 200, parts[3].instructions]
    assert summed(fewer, 0) == summed(parts, 0)
