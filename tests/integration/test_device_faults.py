"""Every fault of a device through ``edgekd bench``: exit code 4, one message, its part kept, the other measured."""

from __future__ import annotations

import json
import re
import shutil
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
    if fault.kept and not fault.options and fault.files == 1:
        goes_on(fault, bench, seen.kept)


def goes_on(fault: Fault, bench: Bench, kept: int) -> None:
    """Once the device is back the same command does what is missing, and no more."""
    recover(bench)
    machine = bench.pi if fault.on == "pi" else bench.phone
    (file,) = bench.folder.glob("0.*.tflite")
    host = (bench.out / "host.json").read_bytes()
    code, stderr = bench.run(file, "--device", machine.address, "--device", "host")
    assert code == 0, stderr
    name = bench.partial(machine.address).name.replace(".partial", "")
    result = json.loads((bench.out / name).read_text())
    assert result["complete"] and [one["launches_before"] for one in result["resumed"]] == [kept]
    assert (bench.out / "host.json").read_bytes() == host and not bench.partial(machine.address).exists()


def test_a_file_named_with_spaces_quotes_and_commands_works_everywhere(bench: Bench) -> None:
    file = bench.folder / f"{AWKWARD}.tflite"
    shutil.copy(bench.file, file)
    shutil.copy(f"{bench.file}.json", f"{file}.json")
    code, stderr = bench.run(file, "--launches", "1", "--device", bench.pi.address, "--device", bench.phone.address)
    assert code == 0, stderr
    for address in (bench.pi.address, bench.phone.address):
        name = bench.partial(address).name.replace(".partial", "")
        (one,) = json.loads((bench.out / name).read_text())["measurements"]
        assert (one["file"], len(one["launches"])) == (file.name, 1)
    assert bench.pi.left() == [] and bench.phone.emptied()
