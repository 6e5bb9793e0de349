from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgekd.core_time import scheduling
from edgekd.core_time.scheduling import SchedulingError, count_cycles, disassemble, find_tools, parse_cycles
from edgekd.errors import DeviceNotFound

# fmla v4.4s, v0.4s, v1.s[0] to v11: eight sums that do not wait for each other.
FMLA = b"".join((0x4F811004 + k).to_bytes(4, "little") for k in range(8))
# What llvm-mca 19.1.7 wrote for a window of the core's float convolution, once.
STORED = Path(__file__).with_name("llvm_mca_19.json")


@pytest.fixture
def tools() -> scheduling.Tools:
    try:
        return find_tools("emulated:cortex-a76")
    except DeviceNotFound as error:
        pytest.skip(str(error))


def test_cycles_are_read_from_what_llvm_mca_writes() -> None:
    assert parse_cycles(STORED.read_text(encoding="utf-8")) == [411, 209]


@pytest.mark.parametrize("output", ["", "error: unknown", "{}", '{"CodeRegions": [{}]}', '{"CodeRegions": 3}'])
def test_anything_else_is_an_error(output: str) -> None:
    with pytest.raises(SchedulingError, match="something else than its JSON"):
        parse_cycles(output)


def test_multiplications_take_what_the_cores_manuals_say(tools: scheduling.Tools) -> None:
    window = [FMLA] * 50
    # A vector multiplication a cycle on a Cortex-A72, two on a Neoverse N1.
    for schedule, a_cycle in (("cortex-a72", 1), ("neoverse-n1", 2)):
        assert count_cycles(tools, schedule, [window]) == pytest.approx([400 / a_cycle], rel=0.03)


def test_code_is_disassembled_block_by_block(tools: scheduling.Tools) -> None:
    nop, ret = bytes.fromhex("1f2003d5"), bytes.fromhex("c0035fd6")
    assert disassemble(tools, [nop, ret + nop]) == {nop: ("nop",), ret + nop: ("ret", "nop")}
    with pytest.raises(SchedulingError, match="read 1 instructions"):
        disassemble(tools, [b"\xff\xff\xff\xff" + nop])


def test_a_machine_without_llvm_is_told_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceNotFound, match=r"emulated:cortex-a72: an estimate.*apt-get install llvm-19"):
        find_tools("emulated:cortex-a72")


def test_an_llvm_that_is_too_old_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("llvm-mc", "llvm-mca"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'Debian LLVM version 14.0.6'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(shutil.which('sh') or '/bin/sh').parent}")
    monkeypatch.setattr(scheduling, "NEWEST", scheduling.OLDEST - 1)
    with pytest.raises(DeviceNotFound, match="LLVM 17 or newer"):
        find_tools("emulated:cortex-a72")


def test_the_stored_output_is_whole() -> None:
    assert set(json.loads(STORED.read_text(encoding="utf-8"))["CodeRegions"][0]) >= {"SummaryView"}
