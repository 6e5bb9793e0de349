"""Every fault of a device through ``edgekd bench``: exit code 4, one message, its part kept, the other measured."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from simulators.faults import AWKWARD, FAULTS, Bench, Fault, environment, recover, stage
from simulators.phone import Phone
from simulators.pi import Pi


@pytest.fixture(scope="module")
def machines(
    pi_machine: Pi, phone_root: Path, adb_server_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pi, Phone]]:
    """One Pi and one phone for all of the file."""
    folder = tmp_path_factory.mktemp("faults")
    pi_machine.reset()
    with environment(pi_machine, adb_server_port, folder):
        phone = Phone(phone_root, folder / "phone", python=True)
        phone.attach()
        yield pi_machine, phone
        phone.close()


@pytest.fixture
def bench(machines: tuple[Pi, Phone], exported: dict[str, Any], tmp_path: Path) -> Bench:
    pi, phone = machines
    pi.reset()
    photos = tmp_path / "photos"
    photos.mkdir()
    for k in range(2):
        Image.fromarray(np.full((48, 48, 3), 60 * k, np.uint8)).save(photos / f"{k}.png")
    return Bench(pi, phone, photos, exported["int8.tflite"].path, tmp_path)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name.replace(" ", "-") for fault in FAULTS])
def test_a_fault_is_one_clear_message_and_takes_nothing_with_it(fault: Fault, bench: Bench) -> None:
    seen = stage(fault, bench)
    assert seen.code == 4, seen.stderr
    (message,) = seen.messages
    assert re.search(fault.says, message), message
    assert message.isprintable() and "Traceback" not in seen.stderr
    assert seen.host_whole, "the other device is measured all the same"
    assert seen.kept >= fault.kept
    assert seen.left == (), "nothing is left on the device"
    if fault.files > 1:
        assert len(seen.failures) == 3 and all(told.isprintable() for told in seen.failures)
        assert any(r"\x1b[2J\x1b]0;owned" in told for told in seen.failures), "escapes are shown escaped"
    recover(fault, bench)
    if fault.name.startswith("sshd"):
        goes_on(bench, seen.kept, *fault.options)


def goes_on(bench: Bench, kept: int, *options: str) -> None:
    """Once the device is back the same command does what is missing, and no more."""
    (file,) = bench.folder.glob("0.*.tflite")
    host = (bench.out / "host.json").read_bytes()
    code, stderr = bench.run(file, "--device", bench.pi.address, "--device", "host", *options)
    assert code == 0, stderr
    result = json.loads((bench.out / "ssh_pi.json").read_text())
    assert result["complete"] and [one["launches_before"] for one in result["resumed"]] == [kept]
    assert (bench.out / "host.json").read_bytes() == host and not bench.partial(bench.pi.address).exists()


def test_a_file_named_with_spaces_quotes_and_commands_works_everywhere(bench: Bench) -> None:
    file = bench.folder / f"{AWKWARD}.tflite"
    shutil.copy(bench.file, file)
    shutil.copy(f"{bench.file}.json", f"{file}.json")
    code, stderr = bench.run(file, "--device", bench.pi.address, "--device", bench.phone.address, "--end-to-end")
    assert code == 0, stderr
    for address in (bench.pi.address, bench.phone.address):
        name = bench.partial(address).name.replace(".partial", "")
        result = json.loads((bench.out / name).read_text())
        (one,), (polled,) = result["measurements"], result["polled"]
        assert (one["file"], len(one["launches"])) == (file.name, 1)
        # From end to end the device made the very inputs that this machine makes.
        wanted, ways = one["end_to_end"], one["launches"][0]["end_to_end"]
        assert [way["source"] for way in ways] == ["photo", "frame"] and all(len(way["resize_ns"]) > 0 for way in ways)
        assert [way["inputs_sha256"] for way in ways] == [each["inputs_sha256"] for each in wanted]
        # By vcgencmd there, by the thermal service here.
        assert (polled["round"], polled["throttled_now"]) == (0, False)
        assert polled["throttled_since_boot"] is True if address == bench.pi.address else polled["temperature_c"] > 0
    assert bench.pi.left() == [] and bench.phone.emptied()


@pytest.mark.parametrize("killed_by", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_command_goes_on_where_it_was(bench: Bench, killed_by: signal.Signals) -> None:
    words = bench.words(bench.file, "--launches", "8", "--seconds", "0.2")
    # Tests that run in a shell's background inherit that Ctrl-C is ignored.
    argv = ["env", "--default-signal=INT", sys.executable, "-m", "edgekd", *words]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    while bench.kept("host") < 2 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(killed_by)
    stderr = process.communicate(timeout=60)[1]
    if killed_by == signal.SIGINT:
        assert process.returncode == 130 and "Run the same command again" in stderr
    (before,) = bench.partial_content("host")["measurements"]
    assert 2 <= len(before["launches"]) < 8
    code, stderr = bench.run(*words[len(bench.words()) :])
    assert code == 0 and f"{len(before['launches'])} launches of" in stderr, stderr
    result = json.loads((bench.out / "host.json").read_text())
    (after,) = result["measurements"]
    assert result["complete"] and [one["round"] for one in after["launches"]] == list(range(8))
    assert after["launches"][: len(before["launches"])] == before["launches"]
