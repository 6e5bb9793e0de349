"""The real adb client and the real adbd; only what Android alone answers is a script."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simulators.phone import Phone

from edgekd.devices import Completed, Device, list_devices, open_device
from edgekd.devices.adb import AdbDevice
from edgekd.errors import DeviceError, DeviceTimeout


def test_run_returns_status_and_both_streams(phone: Phone) -> None:
    device = open_device(phone.address)
    assert isinstance(device, Device) and device.address == phone.address
    assert device.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 60) == Completed(3, "out\n", "err\n")
    odd = ["it's", 'a "b"', "$HOME `id`", "new\nline", "", "ü *", "-n", "\\"]
    done = device.run(["python3", "-c", "import sys; print(ascii(sys.argv[1:]))", *odd], 60)
    assert done.stdout == f"{odd!a}\n"
    assert device.run(["sh", "-c", "printf '\\377a'; exit 255"], 60) == Completed(255, "\ufffda", "")
    with pytest.raises(DeviceError, match="'no-such-command' cannot be started: it does not exist, or may not"):
        device.run(["no-such-command"], 60)


def test_facts_are_androids_own_and_follow_the_phone(phone: Phone) -> None:
    device = phone.device
    facts = device.facts()
    assert facts["address"] == phone.address
    assert (facts["board"], facts["os"], facts["android_sdk"]) == ("Google Pixel 7", "Android 14", 34)
    assert facts["abis"] == ["arm64-v8a", "armeabi-v7a", "armeabi"]
    assert (facts["cpu_model"], facts["machine"]) == ("Cortex-A76", "aarch64")
    assert facts["core_models"] == dict.fromkeys("0123", "Cortex-A76")
    assert (facts["soc"], facts["page_size_bytes"], facts["power_save"]) == ("Google Tensor G2", 16384, None)
    assert str(facts["build"]).startswith("google/panther/panther:14/")
    assert (facts["thermal_status"], facts["throttled_now"], facts["throttling"]) == (0, False, [])
    assert (facts["temperature_c"], facts["battery_percent"], facts["charging"]) == (44.5, 87, True)
    assert facts["python"].startswith("3.13") and set(facts["runtimes"]) == {
        "ai-edge-litert",
        "numpy",
        "onnxruntime",
        "pillow",
    }
    assert 0 < facts["disk_free_bytes"] < 101_000_000


def test_two_phones_are_told_apart(phones: tuple[Phone, Phone], tmp_path: Path) -> None:
    one, other = phones
    assert {device.address for device in list_devices()} >= {one.address, other.address}
    one.stand_in("getprop", "#!/bin/sh\necho one\n")
    with one.device.workspace() as mine, other.device.workspace() as theirs:
        (tmp_path / "file").write_text("mine")
        one.device.push(tmp_path / "file", f"{mine}/file")
        assert (one.device.run(["getprop", "x"], 60).stdout, other.device.run(["getprop", "x"], 60).stdout) == (
            "one\n",
            "\n",
        )
        assert one.left() == [Path(mine).name, f"{Path(mine).name}/file"]
        assert other.left() == [Path(theirs).name]
    assert one.left() == other.left() == []


def test_push_and_pull_carry_odd_names(phone: Phone, tmp_path: Path) -> None:
    device = phone.device
    source = tmp_path / '-it\'s a "model", ü $(id).tflite'
    source.write_bytes(b"\x00\x01" * 100_000)
    with device.workspace() as folder:
        device.push(source, f"{folder}/m 1, '\"$(id)")
        device.pull(f"{folder}/m 1, '\"$(id)", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == source.read_bytes()
        with pytest.raises(DeviceError, match=r"cannot pull .*/absent: it does not exist there"):
            device.pull(f"{folder}/absent", tmp_path / "back")
        with pytest.raises(DeviceError, match="cannot pull"):
            device.pull(folder, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    with pytest.raises(DeviceError, match=r"cannot push .*absent: No such file"):
        device.push(tmp_path / "absent", "/data/local/tmp/x")
    with pytest.raises(DeviceError, match=r"to /proc/self/attr/x: it does not exist there .*create file: No such file"):
        device.push(source, "/proc/self/attr/x")


def test_a_timeout_kills_all_of_it_on_the_phone(phone: Phone) -> None:
    script = "echo started; sleep 631 & sleep 632"
    with pytest.raises(DeviceTimeout, match=r"sh did not end within 2 s and was killed") as caught:
        phone.device.run(["sh", "-c", script], 2)
    assert caught.value.stdout == "started\n"
    assert phone.gone("sleep 631", "sleep 632")


def test_output_without_end(phone: Phone) -> None:
    with pytest.raises(DeviceError, match=r"adb shell wrote more than 16 MiB of output and was killed"):
        phone.device.run(["cat", "/dev/zero"], 60)
    assert phone.gone("cat /dev/zero")


# What stands in for adb, by its words: "$real" is adb itself.
ENDLESS = {
    "a command": 'case "$*" in *" shell "*true*) yes "$0";; esac',
    "its messages": 'case "$*" in *" shell "*true*) yes "$0" >&2;; esac',
    "a copy": 'case "$*" in *" push "*) yes "$0";; esac',
    "the list": 'case "$*" in devices) yes "$0";; esac',
    "a workspace that begins": 'case "$*" in *mktemp*) yes "$0" | tr -d "\\n";; esac',
    "a workspace that ends": """case "$*" in *mktemp*)
      printf "edgekd-folder /data/local/tmp/edgekd-abcdefgh\\n"; yes "$0";; esac""",
    "a workspace that fails": 'case "$*" in *mktemp*) yes "$0" >&2;; esac',
}


@pytest.mark.parametrize("step", ENDLESS)
def test_an_adb_that_writes_without_end(
    phone: Phone, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekd.devices.adb._SHORT_TIMEOUT_S", 3.0)
    (tmp_path / "file").write_bytes(b"1")
    with wrapped_adb(ENDLESS[step], tmp_path) as adb:
        device, before = phone.device, peak_memory_bytes()
        failures = []
        steps = (lambda: use(device, tmp_path / "file"), lambda: device.run(["true"], 60), list_devices)
        for act in steps:
            try:
                act()
            except DeviceError as error:
                failures.append(str(error))
        assert peak_memory_bytes() - before < 200 << 20
        assert not running(f"yes {adb}")
    if step in ("a command", "its messages", "a copy"):
        assert "wrote more than 16 MiB of output and was killed" in failures[0]
    elif step.startswith("a workspace that"):
        assert all(failure.startswith(phone.address) for failure in failures)


def use(device: Device, file: Path) -> None:
    with device.workspace() as folder:
        device.push(file, f"{folder}/file")


def test_an_adb_that_is_a_wrapper_with_children(phone: Phone, tmp_path: Path) -> None:
    with wrapped_adb('sleep 6363 & echo $! > "${0%/*}/pid"; wait', tmp_path) as adb:
        with pytest.raises(DeviceTimeout, match="did not end within 2 s"):
            phone.device.link.ask("shell", "-T", "true", timeout_s=2)
        assert not Path(f"/proc/{adb.with_name('pid').read_text().strip()}/exe").exists()


@contextlib.contextmanager
def wrapped_adb(script: str, folder: Path) -> Iterator[Path]:
    """An adb that is a script."""
    wrapper = folder / "bin" / "adb"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nreal={shutil.which("adb")}\n{script}\nexec "$real" "$@"\n')
    wrapper.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(wrapper.parent), prepend=os.pathsep)
        yield wrapper


def peak_memory_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def running(command: str) -> bool:
    """Whether this command runs; a killed one takes a moment to end."""
    end = time.monotonic() + 10
    while subprocess.run(["pgrep", "-xf", command], capture_output=True).returncode == 0:
        if time.monotonic() > end:
            return True
        time.sleep(0.05)
    return False


def test_a_full_phone(phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"\1" * 200_000)
    device = phone.device
    with device.workspace() as folder:
        phone.fill(leave_bytes=100_000)
        with pytest.raises(DeviceError, match=r"cannot push model\.tflite .*: the phone's storage is full") as caught:
            device.push(tmp_path / "model.tflite", f"{folder}/model.tflite")
        assert caught.value.exit_code == 4
        (phone.storage / "filling").unlink()
    assert phone.left() == []


@pytest.mark.parametrize("order", ["kill", "drop"])
def test_a_phone_that_goes_away_in_the_middle_keeps_nothing(phone: Phone, order: str) -> None:
    device = phone.device
    message = r"adb:127\.0\.0\.1:\d+: (cannot run sh: it is (attached but offline|not attached)|the link was lost)"
    with pytest.raises(DeviceError, match=message) as caught, device.workspace() as folder:
        name = Path(folder).name
        cut = threading.Thread(target=lambda: phone.wait_for(f"{name}/running") and phone.order(order))
        cut.start()
        try:
            device.run(["sh", "-c", "touch $0/running 2>/dev/null || echo > $0/running; sleep 633", folder], 120)
        finally:
            cut.join()
    assert type(caught.value).__name__ == "DeviceNotFound"
    assert phone.gone("sleep 633")
    assert phone.emptied()


def test_a_killed_edgekd_leaves_nothing_on_the_phone(phone: Phone) -> None:
    code = (
        "import sys; from edgekd.devices import open_device; device = open_device(sys.argv[1])\n"
        "with device.workspace() as folder:\n"
        "    device.hold_steady(folder); print(folder, flush=True); device.run(['sleep', '634'], 600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, phone.address], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert phone.wait_for(Path(process.stdout.readline().strip()).name)
    assert phone.content("fixed-performance") == "true"
    process.kill()
    process.communicate()
    assert phone.emptied()
    assert phone.content("fixed-performance") == "false"
    assert phone.gone("sleep 634")


STAY = "setting-system-screen_off_timeout"


def test_a_phone_is_held_steady_until_the_end_or_the_next_run(phone: Phone) -> None:
    device = phone.device
    phone.put(STAY, "30000")
    phone.say("power", "Power Manager State:\n  mWakefulness=Dozing\n")
    with device.workspace() as folder:
        device.hold_steady(folder)
        assert (phone.content("fixed-performance"), phone.content(STAY)) == ("true", "7200000")
        # adbd is killed with all that it started: nobody is left to undo anything.
        phone.order("restart")
        phone.attach()
        assert phone.left() and phone.content("fixed-performance") == "true"
        with device.workspace():
            assert phone.left() == [Path(name).name for name in phone.left()], "one folder, empty"
            assert (phone.content("fixed-performance"), phone.content(STAY)) == ("false", "30000")
    assert phone.content("keys.txt").split() == ["KEYCODE_WAKEUP", "KEYCODE_SLEEP"]
    (phone.system / STAY).unlink()
    for name in ("no-fixed", "no-settings"):
        phone.put(name)
    with device.workspace() as folder:
        device.hold_steady(folder)
        facts = device.facts()
        assert (facts["fixed_performance"], facts["screen_kept_on"], facts["power_save"]) == (False, False, None)
    assert phone.left() == [] and not phone.has(STAY)


def test_shell_and_app_are_kept_apart_as_on_android(phone: Phone, tmp_path: Path) -> None:
    device = phone.device
    assert device.run(["id", "-u"], 60).stdout == "2000\n"
    (tmp_path / "plan.json").write_text("{}")
    phone.put("installed")
    device.run(["am", "start", "-n", "x", "--es", "plan", "p", "--es", "out", "o"], 60)
    with pytest.raises(DeviceError, match=r"cannot push plan\.json .*the phone does not permit it to adb's shell"):
        device.push(tmp_path / "plan.json", "/sdcard/Android/media/org.edgekd.demo/bench/plan.json")


def test_a_link_that_carries_nothing_any_more(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekd.devices.adb._SHORT_TIMEOUT_S", 2.0)
    phone.order("stall")
    with pytest.raises(DeviceError, match=r"does not answer any more: true did not end within 1 s"):
        phone.device.run(["true"], 1)
    with pytest.raises(DeviceTimeout, match="did not answer within 2 s"), phone.device.workspace():
        pass
    phone.order("flow")
    assert phone.emptied()


def test_a_program_that_may_not_be_executed(phone: Phone) -> None:
    device = phone.device
    with device.workspace() as folder:
        (phone.storage / Path(folder).name / "tool").write_bytes(b"#!/bin/sh\necho ran\n")
        with pytest.raises(
            DeviceError, match=r"cannot be started: .*may not be executed.*built for this phone's processor"
        ):
            device.run([f"{folder}/tool"], 60)
        (phone.storage / Path(folder).name / "tool").chmod(0o755)
        assert device.run([f"{folder}/tool"], 60).stdout == "ran\n"
    # What Android's own shell says of a program for another processor.
    phone.stand_in("tool", "#!/bin/sh\necho '/system/bin/sh: tool: not executable: 64-bit ELF file' >&2\nexit 126\n")
    with pytest.raises(DeviceError, match=r"'tool' cannot be started: .*not executable: 64-bit ELF file") as caught:
        device.run(["tool"], 60)
    assert caught.value.status == 126


def test_no_python_names_the_other_ways(boot_phone: Callable[..., Phone]) -> None:
    bare = boot_phone(python=False)
    with pytest.raises(DeviceError, match=r"it has no Python\. Measure with the demo app \(--apk PATH\)"):
        _ = bare.device.python
    facts = bare.device.facts()
    assert (facts["python"], facts["runtimes"], facts["android_sdk"]) == (None, {}, 34)


def test_hostile_replies_are_one_clear_line(phone: Phone) -> None:
    phone.stand_in("mktemp", "#!/bin/sh\nprintf '/data/local/tmp/../../etc\\n\\033[31mred'\n")
    with pytest.raises(DeviceError, match=r"it answered .*Is this Android\?") as caught, phone.device.workspace():
        pass
    assert "\033" not in str(caught.value)
    phone.stand_in("getprop", "#!/bin/sh\nprintf '\\033]0;x\\007'; head -c 3000 /dev/zero\n")
    phone.say("thermalservice", "Thermal Status: 99999999999999999999\n" + "Temperature{mValue=" * 2000)
    phone.say("battery", "  level: 1e9\n  scale: 0\n  USB powered: maybe\n")
    facts = phone.device.facts()
    assert (facts["thermal_status"], facts["battery_percent"], facts["charging"]) == (None, None, False)
    assert all(char.isprintable() for char in str(facts["board"]))


def test_who_is_not_there(phone: Phone, refused_serial: str) -> None:
    with pytest.raises(
        DeviceError, match=rf"adb:R58M123: cannot run true: it is not attached.*Attached: .*{phone.address} \(device\)"
    ):
        AdbDevice("R58M123").run(["true"], 60)
    with pytest.raises(DeviceError, match=r"has not authorised this computer.*Allow USB debugging"):
        AdbDevice(refused_serial).facts()
    with pytest.raises(DeviceError, match="has not authorised"), AdbDevice(refused_serial).workspace():
        pass
    assert f"adb:{refused_serial}" not in {device.address for device in list_devices()}


def test_without_adb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("adb") is None
    with pytest.raises(DeviceError, match=r"adb is not installed here\. Install .*apt install adb"):
        AdbDevice("R58M123").run(["true"], 60)
    assert not [device for device in list_devices() if device.address.startswith("adb:")]
