"""What every source's text means; texts are as boards, phones and kernels print them."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from energy_cases import simulated
from simulators.power import Power

from edgekd.bench.energy import sampler
from edgekd.bench.energy.sampler import Reading, SamplerCommand
from edgekd.bench.energy.sources import battery, pmic, powercap, rails, table
from edgekd.bench.energy.sources.meter import read_log
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.devices.fake import FakeDevice
from edgekd.devices.host import HostDevice
from edgekd.devices.protocol import Completed
from edgekd.errors import DeviceError, UsageError

PMIC = """\
 3V7_WL_SW_A current(0)=0.09368929A
   3V3_SYS_A current(1)=0.08783370A
  VDD_CORE_A current(7)=6.22421000A
      HDMI_A current(22)=0.02417580A
 3V7_WL_SW_V volt(8)=3.69977600V
   3V3_SYS_V volt(9)=3.31003300V
  VDD_CORE_V volt(15)=0.86173300V
      HDMI_V volt(23)=5.08664000V
     EXT5V_V volt(24)=5.09066000V
      BATT_V volt(25)=0.00000000V
"""
SERVICE = """
============= PowerStats HAL 2.0 energy consumers ==============
                               CPU          98765.00 mWs
============= PowerStats HAL 2.0 energy meter ==============
                           Channel     Cumulative Energy
      [S2M_VDD_CPUCL2]:CPU(BIG)          123456.78 mWs
     [S4M_VDD_CPUCL0]:CPU(LITTLE)          1000.00 mWs
========== End of PowerStats HAL 2.0 energy meter ==========
"""
BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: false
  status: 3
  level: 87
  voltage: 4000
current now: -250000
"""


def readings(*texts: str, step_s: float = 0.1) -> tuple[Reading, ...]:
    return tuple(Reading(100 + step_s * index, text) for index, text in enumerate(texts))


def answering(*answers: tuple[str, Completed], address: str = "fake") -> FakeDevice:
    """A device that answers a command by a word in it; else as a shell whose command is not there."""

    def script(argv: Sequence[str], _: Any) -> Completed:
        return next((done for word, done in answers if any(word in each for each in argv)), Completed(127, "", ""))

    return FakeDevice(script, address=address)


def test_the_rails_of_a_pi_5_are_paired_by_name_and_added_up() -> None:
    reader = pmic.find(answering(("vcgencmd", Completed(0, PMIC, ""))))
    assert reader.rails == ("3V7_WL_SW", "3V3_SYS", "VDD_CORE", "HDMI")
    expected = 0.09368929 * 3.699776 + 0.0878337 * 3.310033 + 6.22421 * 0.861733 + 0.0241758 * 5.08664
    damaged = PMIC.replace("HDMI_A current(22)=0.02417580A", "HDMI_A current(22)=nanA")
    trace = reader.trace(readings(PMIC, damaged, "error=1", PMIC))
    assert trace.values == pytest.approx([expected, expected]) and trace.unreadable == 2
    assert trace.time_s == pytest.approx([100.0, 100.3])


@pytest.mark.parametrize(
    ("done", "told"),
    [
        (Completed(127, "", ""), "no vcgencmd"),
        (Completed(0, 'error=1 error_msg="Command not registered"\n', ""), "only a Raspberry Pi 5"),
        (Completed(255, "", "VCHI initialization failed\n"), "VCHI initialization failed.*group video"),
    ],
)
def test_why_a_pi_gives_no_rails(done: Completed, told: str) -> None:
    with pytest.raises(NotMeasured, match=told):
        pmic.find(answering(("vcgencmd", done)))


def test_counters_that_turn_over_go_on(tmp_path: Path) -> None:
    reader = powercap.find(simulated(tmp_path, Power("powercap", range_uj=1000)))
    assert [zone.name for zone in reader.zones] == ["package-0", "dram"]
    assert "display" in reader.source.misses and "memory" not in reader.source.misses
    trace = reader.trace(readings("900\n10\n", "990\n20\n", "80\n30\n", "-\n40\n", "300\n5\n"))
    # 90 + 10, then 90 + 10 past the end, then 220 and 975 past the end of the other.
    assert trace.values == pytest.approx([0, 100e-6, 200e-6, 1395e-6]) and trace.unreadable == 1


def test_counters_of_root_say_what_to_do_and_the_hint_works(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match=r"root alone.*sudo chmod a\+r") as refusal:
        powercap.find(simulated(tmp_path, Power("powercap", readable=False)))
    simulated(tmp_path / "other", Power("powercap"))
    root = tmp_path / "other" / "device" / "tree"
    counters = list(root.glob("sys/class/powercap/*/energy_uj"))
    for counter in counters:
        counter.chmod(0o400)
    hint = str(refusal.value).partition("sudo ")[2].replace("/sys/", f"{root}/sys/")
    subprocess.run(["sh", "-c", hint], check=True)
    assert len(counters) == 4 and all(counter.stat().st_mode & 0o044 == 0o044 for counter in counters)


@pytest.mark.parametrize("form", ["service", "kernel"])
def test_a_phones_rail_counters_in_both_forms(form: str) -> None:
    kernel = "t=2345\nCH0(T=2345)[S2M_VDD_CPUCL2], 123456780\nCH1(T=2345)[S4M_VDD_CPUCL0], 1000000\n"
    word, text = ("dumpsys", SERVICE) if form == "service" else ("iio:device", kernel)
    reader = rails.find(answering((word, Completed(0, text, "")), address="adb:1"))
    assert reader.rails == ("S2M_VDD_CPUCL2", "S4M_VDD_CPUCL0")
    later = text.replace("123456.78", "123556.78").replace("123456780", "123556780")
    trace = reader.trace(readings(text, later, "Can't find service"))
    assert trace.values == pytest.approx([0, 0.1]) and trace.unreadable == 1


@pytest.mark.parametrize(
    ("values", "watts"),
    [
        (("Discharging", "-500000", "4000000"), 2.0),
        (("Discharging", "500000", "4000000"), 2.0),
        # Milliamperes and millivolts.
        (("Discharging", "-500", "4000"), 2.0),
    ],
)
def test_a_batterys_signs_and_units(values: tuple[str, ...], watts: float) -> None:
    names = ("status", "current_now", "voltage_now")
    reader = battery.BatteryReader(SamplerCommand("files", names), names)
    assert reader.trace(readings("\n".join(values), "\n".join(values))).values == pytest.approx([watts, watts])
    with pytest.raises(NotMeasured, match="charging"):
        reader.trace(readings("\n".join(values), "Charging\n1\n1"))


def test_a_phone_whose_shell_may_not_read_the_kernels_files() -> None:
    phone = answering(("dumpsys -t 5 battery", Completed(0, BATTERY, "")), address="adb:1")
    reader = battery.find(phone)
    assert reader.trace(readings(BATTERY, BATTERY)).values == pytest.approx([1.0, 1.0])
    plugged = BATTERY.replace("USB powered: false", "USB powered: true")
    with pytest.raises(NotMeasured, match="it is charging"):
        battery.find(answering(("dumpsys -t 5 battery", Completed(0, plugged, "")), address="adb:1"))
    silent = BATTERY.replace("-250000", "Unknown get option: current_now")
    with pytest.raises(NotMeasured, match="Android 14"):
        battery.find(answering(("dumpsys -t 5 battery", Completed(0, silent, "")), address="adb:1"))


def test_the_capacity_of_a_battery(tmp_path: Path) -> None:
    assert battery.capacity_wh(simulated(tmp_path, Power("battery"))) == pytest.approx(4.0 * 3.85)
    told = Completed(0, "  Estimated battery capacity: 4355 mAh\n", "")
    assert battery.capacity_wh(answering(("batterystats", told), address="adb:1")) == pytest.approx(4.355 * 3.85)
    assert battery.capacity_wh(answering()) is None


def test_which_reason_is_given_where_nothing_can_be_read() -> None:
    with pytest.raises(NotMeasured, match=r"tells nothing of its power: no vcgencmd.*--power-log"):
        table.find_reader(answering())
    with pytest.raises(NotMeasured, match=r"^it is charging") as refusal:
        plugged = BATTERY.replace("status: 3", "status: 2")
        table.find_reader(answering(("dumpsys -t 5 battery", Completed(0, plugged, "")), address="adb:1"))
    assert "rail" not in str(refusal.value)
    with pytest.raises(NotMeasured, match="emulated"):
        table.find_reader(answering(address="emulated:cortex-a76"))

    def broken(argv: Sequence[str], _: Any) -> Completed:
        raise DeviceError("it broke")

    with pytest.raises(NotMeasured, match="it broke"):
        table.find_reader(FakeDevice(broken))


@pytest.mark.parametrize(
    ("text", "watts"),
    [
        ("time_s,watts\n{t},2.5", 2.5),
        ("Time (ms),Voltage(V),Current [mA]\n{ms},5.0,500", 2.5),
        ("timestamp;Spannung (V);Power (mW)\n{t};5,0;2500,0", 2.5),
        ("sep\nTimestamp\tVoltage\tCurrent\n2026-11-28T10:00:{t:05.2f}\t5.0\t0.5", 2.5),
        ("Elapsed,W,V,A\n0:00:{t:05.2f},2.5,5,9", 2.5),
        ("t,mWh\n{t},{mwh}", 2.5),
    ],
)
def test_the_logs_of_meters(tmp_path: Path, text: str, watts: float) -> None:
    head, row = text.rsplit("\n", 1)
    rows = [row.format(t=second / 2, ms=second * 500, mwh=second / 2 * 2.5 / 3.6) for second in range(60)]
    (tmp_path / "log.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    log = read_log(tmp_path / "log.csv")
    seconds = log.trace.time_s[-1] - log.trace.time_s[0]
    assert seconds == pytest.approx(29.5) and "columns: " in log.source.description
    if log.source.kind == "joules":
        assert (log.trace.values[-1] - log.trace.values[0]) / seconds == pytest.approx(watts)
    else:
        assert log.trace.values == pytest.approx([watts] * 60)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no line names a column"),
        ("a,b\n1,2\n", "the first: a, b.*time_s and watts"),
        ("time,current,current\n" + "1,2,3\n" * 30, "both 'current' and 'current'"),
        ("time,watts\n1,2\n", "1 rows hold a time and a power"),
        ("time,watts\n" + "".join(f"{30 - n},2\n" for n in range(30)), "Times must rise"),
        ("time,watts\n" + "".join(f"{n},nan\n" for n in range(30)), "30 others do not"),
    ],
)
def test_a_log_that_is_none_says_what_it_needs(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "log.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=told):
        read_log(tmp_path / "log.csv")


def test_clock_times_go_on_past_midnight(tmp_path: Path) -> None:
    times = [f"23:59:{second}" for second in range(45, 60)] + [f"00:00:{second:02}" for second in range(15)]
    (tmp_path / "log.csv").write_text("time,watts\n" + "".join(f"{time},1\n" for time in times))
    trace = read_log(tmp_path / "log.csv").trace
    assert trace.time_s[-1] - trace.time_s[0] == 29


@pytest.mark.parametrize("shell", ["dash", "mksh", "busybox"])
def test_the_sampler_reads_files_and_commands_in_every_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    counter, gone = tmp_path / "energy_uj", tmp_path / "gone"
    counter.write_text("12345\n")
    for how, words, expected in (
        ("files", (str(counter), str(gone)), "12345\n-"),
        ("run", ("cat", str(counter)), "12345"),
    ):
        argv = sampler.argv(SamplerCommand(how, words), str(tmp_path / "out"), str(tmp_path / "stop"), 0.3)  # type: ignore[arg-type]
        prefix = ["busybox", "sh"] if shell == "busybox" else [shell]
        # It ends by itself after so many readings.
        assert HostDevice().run([*prefix, *argv[1:]], 30).status == 0
        found = sampler.parse((tmp_path / "out").read_text())
        assert len(found) == 5 and {reading.text for reading in found} == {expected}
        assert 0.25 < found[-1].time_s - found[0].time_s < 5


def test_the_sampler_ends_when_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    argv = sampler.argv(SamplerCommand("run", ("true",)), str(tmp_path / "out"), str(tmp_path / "stop"), 60)
    start_s = time.monotonic()
    assert HostDevice().run(argv, 30).status == 0 and time.monotonic() - start_s < 10
    assert sampler.parse((tmp_path / "out").read_text()) == ()


def test_readings_that_are_cut_off_or_foreign_are_left_out() -> None:
    text = "junk\n@ 1.00\n5\n. 1.02\n@ 2.00\n6\n@ 3.00\n7\n. x\n. 3.04\n@ 4.00\n8"
    assert sampler.parse(text) == (Reading(1.01, "5"), Reading(3.02, "7\n. x"))
    assert sampler.parse_clock("12.5 40.25\n") == (12.5, 40.25)
    assert sampler.parse_clock("soon") is None
