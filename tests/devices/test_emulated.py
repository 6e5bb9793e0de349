from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekd.bench.harness import measure
from edgekd.bench.plan import BenchPlan
from edgekd.bench.result import BenchResult
from edgekd.bench.targets import BenchTarget
from edgekd.devices import Completed, Device, emulated, insncount, open_device
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout, UsageError

CORES = ("emulated:cortex-a72", "emulated:cortex-a76")
# Instructions of a loop of so many rounds, read as an agent reads them.
COUNT = """
import gc, mmap, os, struct, sys
page = mmap.mmap(os.open(os.environ["EDGEKD_INSTRUCTION_COUNTER"], os.O_RDONLY), 0, access=mmap.ACCESS_READ)
def cost(rounds):
    before = struct.unpack_from("<Q", page)[0]
    for _ in range(rounds): pass
    return struct.unpack_from("<Q", page)[0] - before
gc.disable()
cost(1000)
print(*(cost(int(rounds)) for rounds in sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def opened(arm_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Device]:
    """Both cores, set up in a cache of the test's own."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: apt-get install gcc libc6-dev")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKD_ARM_ROOT", str(arm_root))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        assert emulated.reachable() == ()
        assert "uname reports aarch64" in emulated.setup(CORES[0])
        assert emulated.reachable() == tuple(f"emulated:{cpu}" for cpu in emulated.CPUS)
        return {address: open_device(address) for address in CORES}


@pytest.fixture
def a76(opened: dict[str, Device]) -> Device:
    return opened["emulated:cortex-a76"]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where nothing was set up; returns its only folder on the PATH, which is empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGEKD_ARM_ROOT", str(tmp_path / "root"))
    return folder


def counted(device: Device, *rounds: int) -> list[int]:
    done = device.run(["python3", "-c", COUNT, *map(str, rounds)], 60)
    assert done.status == 0, done.stderr
    return [int(count) for count in done.stdout.split()]


def test_instructions_of_a_loop_grow_by_a_constant_a_round_and_repeat(a76: Device) -> None:
    first, again = counted(a76, 20_000, 40_000, 80_000), counted(a76, 20_000, 40_000, 80_000)
    a_round = (first[1] - first[0]) / 20_000
    # CPython's range iterator and jump: between one and two hundred instructions, and each time the same.
    assert 50 < a_round < 300
    assert first[2] - first[1] == pytest.approx(40_000 * a_round, rel=1e-4)
    assert again == pytest.approx(first, rel=1e-4)


def test_two_at_once_count_apart(a76: Device) -> None:
    (alone,) = counted(a76, 300_000)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda _: counted(a76, 300_000)[0], range(2)))
    assert together == pytest.approx([alone, alone], rel=1e-3)


def test_status_and_both_streams_come_through(a76: Device) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert a76.run([a76.python, "-c", code], 60) == Completed(3, "out\n", "err\n")
    assert a76.run(["uname", "-m"], 60).stdout == "aarch64\n"
    with pytest.raises(DeviceError, match="'no-such-program' is not a program of the arm64 root"):
        a76.run(["no-such-program"], 5)


def test_the_environment_is_the_same_on_every_machine(a76: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    code = "import json, os, sys; print(json.dumps([dict(os.environ), sys.path, hash('a')]))"
    runs = [json.loads(a76.run(["python3", "-c", code], 60).stdout) for _ in range(2)]
    environment, path, _ = runs[0]
    assert runs[0] == runs[1]
    assert "PYTHONPATH" not in environment and environment["OMP_NUM_THREADS"] == "1"
    # Nothing of this machine's own Python.
    assert all("/usr/" in entry and entry != "/usr/lib/python3/dist-packages" for entry in path if entry)


def test_timeout_kills_the_emulator(a76: Device) -> None:
    code = "import os; print(os.getpid(), flush=True)\nwhile True: pass"
    with pytest.raises(
        DeviceTimeout, match=r"emulated:cortex-a76: python3.* did not end within 2 s.*allow more"
    ) as caught:
        a76.run(["python3", "-c", code], 2)
    state = Path(f"/proc/{int(caught.value.stdout)}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_files_keep_odd_names_and_the_workspace_goes_away(a76: Device, tmp_path: Path) -> None:
    source = tmp_path / 'it\'s a "model", ü.txt'
    source.write_text("abc")
    with a76.workspace() as folder, a76.workspace() as other:
        assert folder != other
        remote = f'{folder}/it\'s, "m" ü'
        a76.push(source, remote)
        assert a76.run(["cp", remote, f"{folder}/b"], 60).status == 0
        a76.pull(f"{folder}/b", tmp_path / "back")
        with pytest.raises(DeviceError, match=r"^emulated:cortex-a76: cannot pull"):
            a76.pull(f"{folder}/absent", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "abc"
    assert not Path(folder).exists()


def test_facts_claim_no_clock_and_no_temperature(opened: dict[str, Device]) -> None:
    a72, a76 = (opened[core].facts() for core in CORES)
    assert isinstance(opened[CORES[0]], Device)
    assert a72["cpu_model"] == "Cortex-A72 (emulated)" and a76["emulated"] is True and a76["cores"] == 1
    assert a72["cpu_flags"] == ["asimd"] and a76["cpu_flags"] == ["asimd", "asimddp", "asimdhp"]
    assert set(a76["runtimes"]) == {"ai-edge-litert", "numpy", "onnxruntime", "pillow"}
    assert a76["emulator"].startswith("qemu-aarch64 version ")
    assert {a76[key] for key in ("temperature_c", "frequency_mhz", "governor", "load_1min", "cpu_steal_s")} == {None}


@pytest.fixture(scope="module")
def models(opened: dict[str, Device], exported: dict[str, Any], images: Any) -> Callable[[str], BenchResult]:
    plan = BenchPlan(launches=2, min_iterations=4, max_iterations=4, warmup_min_iterations=4)
    targets = [
        BenchTarget(name, exported[name].path, name.rpartition(".")[2], images[:2])
        for name in ("float32.tflite", "int8.tflite")
    ]
    done = {core: measure(targets, targets[0].name, plan, device) for core, device in opened.items()}
    return lambda core: done[core]


def medians(result: BenchResult) -> dict[str, list[float]]:
    return {one.name: [float(np.median(launch.instructions)) for launch in one.launches] for one in result.measurements}


@pytest.mark.parametrize("core", CORES)
def test_instructions_of_an_inference_repeat(models: Callable[[str], BenchResult], core: str) -> None:
    for first, second in medians(models(core)).values():
        assert second == pytest.approx(first, rel=1e-3)


def test_int8_executes_fewer_where_the_core_has_dot_products(models: Callable[[str], BenchResult]) -> None:
    a72, a76 = (medians(models(core)) for core in CORES)
    assert a76["int8.tflite"][0] < 0.8 * a76["float32.tflite"][0]
    # The A72 lacks asimddp, so that XNNPACK takes other int8 kernels there, and the same ones in float.
    assert a76["int8.tflite"][0] < 0.8 * a72["int8.tflite"][0]
    assert a76["float32.tflite"][0] == pytest.approx(a72["float32.tflite"][0], rel=0.05)


def test_more_than_one_thread_is_refused(a76: Device, exported: dict[str, Any], images: Any) -> None:
    target = BenchTarget("a", exported["int8.tflite"].path, "tflite", images[:1])
    with pytest.raises(UsageError, match="at most 1 thread, got 2"):
        measure([target], "a", BenchPlan(threads=2), a76)


def test_other_cores_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="emulated cores are cortex-a53, cortex-a55, cortex-a72, cortex-a76"):
        open_device("emulated:cortex-a57")


def emulated_parts(device: Device) -> tuple[Path, Path]:
    """Its root and its qemu."""
    assert isinstance(device, emulated.EmulatedDevice)
    return device._root, device._qemu


def stub(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_no_qemu_and_a_qemu_without_plugins(bare: Path) -> None:
    with pytest.raises(DeviceNotFound, match="apt-get install qemu-user"):
        open_device("emulated:cortex-a76")
    stub(bare / "qemu-aarch64", "echo usage")
    with pytest.raises(DeviceNotFound, match="built without plugins"):
        open_device("emulated:cortex-a76")
    assert emulated.reachable() == ()


def test_nothing_set_up_says_how_to(bare: Path) -> None:
    stub(bare / "qemu-aarch64", "echo QEMU_PLUGIN version 7.2")
    with pytest.raises(DeviceNotFound, match="edgekd devices setup emulated:cortex-a72") as caught:
        open_device("emulated:cortex-a72")
    assert caught.value.exit_code == 4


def test_no_compiler_and_one_that_fails(bare: Path) -> None:
    stub(bare / "qemu-aarch64", "echo QEMU_PLUGIN version 7.2")
    with pytest.raises(DeviceNotFound, match=r"no C compiler.*apt-get install gcc"):
        emulated.setup("emulated:cortex-a76")
    stub(bare / "gcc", "echo 'x.c:1: fatal error: stdint.h: No such file' >&2; exit 1")
    with pytest.raises(DeviceError, match=r"could not compile insncount\.c: .*stdint\.h.*libc6-dev"):
        emulated.setup("emulated:cortex-a76")


def test_an_emulator_that_counts_nothing_is_an_error(a76: Device, tmp_path: Path) -> None:
    broken = emulated.EmulatedDevice(emulated.CPUS["cortex-a76"], *emulated_parts(a76), tmp_path / "absent.so")
    with pytest.raises(DeviceError, match=r"counted no instruction: .*absent"):
        broken.run(["uname"], 60)


def test_nowhere_to_put_the_counter(a76: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(DeviceError, match=r"cannot be made: No such file or directory.*TMPDIR"):
        a76.run(["uname"], 60)
    with pytest.raises(DeviceError, match="cannot be made"), a76.workspace():
        pass


def test_the_callback_that_later_qemus_need_counts_the_same(a76: Device, tmp_path: Path) -> None:
    source = insncount.SOURCE.read_text()
    # This QEMU may know the first interface only: its number with the second one's code.
    number = "qemu_plugin_version = QEMU_API"
    assert number in source
    (tmp_path / "later.c").write_text(source.replace(number, "qemu_plugin_version = 1"))
    plugin = tmp_path / "later, with a comma.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-DQEMU_API=2", "-o", plugin, tmp_path / "later.c"], check=True)
    if insncount._interface(emulated_parts(a76)[1]) != 1:
        pytest.skip("this QEMU is itself a later one")
    later = emulated.EmulatedDevice(emulated.CPUS["cortex-a76"], *emulated_parts(a76), plugin)
    assert counted(later, 50_000) == pytest.approx(counted(a76, 50_000), rel=1e-4)
