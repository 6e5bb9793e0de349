"""Energy from end to end over devices of known power: what holds the truth, and what gives no number."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from energy_cases import FILES, PLAN, STUDENT, TEACHER, setting_of, simulated
from simulators.power import File, Power

from edgekd.bench.energy.clocks import place_log
from edgekd.bench.energy.plan import MODES, EnergyPlan, steps_of
from edgekd.bench.energy.records import Block, EnergyRecord, PowerSource, Trace
from edgekd.bench.energy.session import measure_blocks
from edgekd.bench.energy.sources import table
from edgekd.bench.energy.sources.meter import read_log
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.bench.energy.summary import EnergySummary, mean_interval, ratio_interval, summarize
from edgekd.bench.energy.validity import EnergyJudgement, judge
from edgekd.bench.energy.windows import update_interval_s
from edgekd.errors import UsageError

RATIO = STUDENT.joules / TEACHER.joules


@cache
def measured(
    power: Power,
    address: str = "host",
    block_s: float = PLAN.block_s,
    shell: bool = False,
    files: tuple[File, ...] = FILES,
) -> EnergyRecord:
    folder = Path(mkdtemp(prefix="edgekd-test-"))
    device = simulated(folder, power, address, files)
    device.shell = shell
    plan = replace(PLAN, block_s=block_s)
    return measure_blocks(setting_of(device, folder), plan, table.find_reader(device))


def metered(folder: Path, power: Power, **log: float) -> EnergyRecord:
    device = simulated(folder, power, "ssh:pi4")
    record = measure_blocks(setting_of(device, folder), PLAN, None)
    device.write_log(folder / "log.csv", **log)
    return place_log(record, read_log(folder / "log.csv"))


def concluded(record: EnergyRecord, file: File, mode: str) -> tuple[EnergySummary, EnergyJudgement]:
    summary = summarize(record, file.name, mode, "teacher", file.latency_s)  # type: ignore[arg-type]
    return summary, judge(record, summary, file.latency_s, "teacher")


@pytest.mark.parametrize(
    ("power", "address", "block_s"),
    [
        (Power("powercap", wander_w=0.01), "host", 4.0),
        (Power("powercap", range_uj=20_000_000, wander_w=0.01, drift_w=1.0), "host", 4.0),
        (Power("pmic", noise_w=0.05), "ssh:pi", 4.0),
        (Power("rails", update_s=0.25, wander_w=0.01), "adb:1", 6.0),
        (Power("battery", noise_w=0.03, update_s=0.4, milliamps=True), "adb:1", 12.0),
    ],
    ids=lambda value: value.source if isinstance(value, Power) else "",
)
def test_every_source_finds_the_energy_flat_out(power: Power, address: str, block_s: float) -> None:
    record = measured(power, address, block_s)
    for file in FILES:
        summary, judgement = concluded(record, file, "flat-out")
        assert judgement.standing == "valid", judgement.validity.reasons
        assert summary.joules is not None and summary.joules.value == pytest.approx(file.joules, rel=0.05)
        assert summary.watts is not None and summary.watts.value == pytest.approx(power.idle_w + file.watts, rel=0.3)
    assert summary.ratio is not None and summary.ratio.low <= RATIO * 1.03 and summary.ratio.high >= RATIO * 0.97
    assert judgement.verdict == "less energy"


@pytest.mark.parametrize("source", ["powercap", "pmic"])
def test_the_real_shell_text_and_the_shortcut_agree(source: str) -> None:
    power = Power(source, wander_w=0.01, noise_w=0.01)  # type: ignore[arg-type]
    real, short = (measured(power, shell=shell) for shell in (True, False))
    for file in FILES:
        one, other = (concluded(record, file, "flat-out")[0].joules for record in (real, short))
        assert one is not None and other is not None and one.value == pytest.approx(other.value, rel=0.03)


def test_paced_inferences_by_a_counter_and_not_by_momentary_readings() -> None:
    # 4 ms a second: a counter has them all, ten readings a second hardly meet one.
    files = (File("teacher", 0.2, 1.5), File("student", 0.004, 0.9))
    counter, rails = (measured(power, files=files) for power in (Power("powercap"), Power("pmic", noise_w=0.02)))
    for file in files:
        summary, judgement = concluded(counter, file, "paced")
        assert judgement.standing == "valid" and summary.joules is not None
        assert summary.joules.value == pytest.approx(file.joules, abs=0.01)
    assert concluded(rails, files[0], "paced")[1].standing == "valid"
    _, judgement = concluded(rails, files[1], "paced")
    assert judgement.standing == "invalid" and judgement.power_holds
    assert "student, paced: too coarse: readings of power are momentary" in judgement.validity.reasons[0]


def test_hours_are_those_of_the_whole_device_with_what_was_missed(tmp_path: Path) -> None:
    record = replace(measured(Power("battery", update_s=0.2, noise_w=0.02), "adb:1"), battery_wh=15.0)
    summary, judgement = concluded(record, STUDENT, "paced")
    assert judgement.standing == "invalid" and judgement.power_holds and summary.hours is not None
    truth_w = 2.5 + STUDENT.joules
    assert summary.hours.low <= 15.0 / truth_w <= summary.hours.high
    assert summary.watts is not None and 15 / summary.hours.low > summary.watts.high
    # A processor's package is not the device.
    package = replace(measured(Power("powercap", wander_w=0.01)), battery_wh=15.0)
    assert concluded(package, STUDENT, "paced")[0].hours is None


@pytest.mark.parametrize(
    ("power", "told"),
    [
        (Power("battery", status="Charging"), "charging"),
        (Power("battery", status="Full"), "charging"),
        (Power("none"), "tells nothing of its power"),
    ],
)
def test_what_cannot_be_read_is_not_measured(power: Power, told: str) -> None:
    with pytest.raises(NotMeasured, match=told):
        measured(power)


def test_a_slow_gauge_is_too_coarse_and_says_how_long_blocks_must_be() -> None:
    record = measured(Power("battery", update_s=3.0, noise_w=0.05), "adb:1")
    for mode in MODES:
        _, judgement = concluded(record, TEACHER, mode)
        assert judgement.standing == "invalid" and not judgement.power_holds
        assert "a new reading every 3 s, of which blocks of 4 s hold too few" in judgement.validity.reasons[0]


def test_readings_that_never_change_are_too_coarse() -> None:
    record = measured(Power("powercap", wander_w=0.01))
    assert record.trace is not None
    still = replace(record, trace=Trace(record.trace.time_s, tuple(5.0 for _ in record.trace.values)))
    assert concluded(still, TEACHER, "flat-out")[1].validity.reasons == (
        "too coarse: the readings of power never change",
    )


def test_throttling_late_frames_busy_rests_and_junk_speak_against_it() -> None:
    record = measured(Power("powercap", wander_w=0.01))
    assert record.trace is not None

    def standing(changed: EnergyRecord, mode: str = "flat-out") -> tuple[str, str]:
        validity = concluded(changed, TEACHER, mode)[1].validity
        return validity.standing, "; ".join(validity.reasons)

    assert standing(record) == ("valid", "")
    throttled = standing(replace(record, throttled_rounds=(2,)))
    assert throttled[0] == "invalid" and "throttled after round 3" in throttled[1]
    late = tuple(replace(block, late_n=block.inferences // 2) for block in record.blocks)
    assert standing(replace(record, blocks=late), "paced")[0] == "invalid"
    busy = tuple(replace(block, busy_cores=0.6) for block in record.blocks)
    assert standing(replace(record, blocks=busy)) == (
        "semi-valid",
        "other programs took 60% of one core while the device rested",
    )
    count = len(record.trace.time_s)
    for junk, expected in ((count // 5, "semi-valid"), (2 * count, "invalid")):
        assert standing(replace(record, trace=replace(record.trace, unreadable=junk)))[0] == expected
    no_rests = tuple(block for block in record.blocks if block.mode != "idle")
    assert "0 of 5 blocks lie between two rests" in standing(replace(record, blocks=no_rests))[1]


@pytest.mark.parametrize("log", [{"hz": 10.0, "rate": 1.004}, {"hz": 5.0, "rate": 0.99, "offset_s": 0.0}])
def test_a_meters_log_is_laid_over_the_blocks(tmp_path: Path, log: dict[str, float]) -> None:
    record = metered(tmp_path, Power("meter", noise_w=0.03, wander_w=0.02), **log)
    assert record.clock is not None and record.clock.rate == pytest.approx(log["rate"], abs=1e-3)
    # The log's clock at the device's start of the measurement.
    laid_s = record.clock.offset_s + record.clock.rate * 5000.0
    assert laid_s == pytest.approx(log.get("offset_s", 1.7e9), abs=0.15)
    for file in FILES:
        summary, judgement = concluded(record, file, "flat-out")
        assert judgement.standing == "valid" and summary.joules is not None
        assert summary.joules.value == pytest.approx(file.joules, rel=0.05)


def test_logs_that_fit_nowhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match="at least 2% fast by the device's"):
        metered(tmp_path / "fast", Power("meter"), rate=1.04)
    with pytest.raises(NotMeasured, match="does not show this measurement's steps of load"):
        metered(tmp_path / "noisy", Power("meter", noise_w=8.0))
    path = tmp_path / "short.csv"
    device = simulated(tmp_path, Power("meter"))
    record = measure_blocks(setting_of(device, tmp_path), PLAN, None)
    device.write_log(path)
    path.write_text("\n".join(path.read_text().splitlines()[:900]))
    with pytest.raises(NotMeasured, match="begin the log before the measurement and end it after"):
        place_log(record, read_log(path))
    with pytest.raises(NotMeasured, match="too few blocks and rests"):
        place_log(replace(record, blocks=record.blocks[:3]), read_log(path))


def test_a_log_that_fits_twice_is_refused() -> None:
    """Blocks and rests of one length each: the log also fits a block later."""
    blocks, source = [], PowerSource("meter", "a log", "watts", ("meter",), "nothing", True)
    for k in range(20):
        blocks += [
            Block(k, "", "idle", 20.0 * k, 20.0 * k + 10),
            Block(k, "a", "flat-out", 20.0 * k + 10, 20.0 * k + 20),
        ]
    time_s = np.arange(-100, 500, 0.5)
    watts = np.where((time_s % 20) < 10, 2.0, 4.0)
    log = type("Log", (), {"source": source, "trace": Trace(tuple(time_s), tuple(watts))})()
    with pytest.raises(NotMeasured, match="fits the measurement at several places"):
        place_log(EnergyRecord(EnergyPlan(), blocks=tuple(blocks)), log)


def test_an_agent_that_does_not_tell_when_it_infers(tmp_path: Path) -> None:
    device = simulated(tmp_path, Power("powercap"))
    launch = device.launch
    device.launch = lambda *words: {**launch(*words), "window_s": None}  # type: ignore[method-assign]
    with pytest.raises(NotMeasured, match="simulated does not tell when it infers"):
        measure_blocks(setting_of(device, tmp_path), PLAN, table.find_reader(device))


def test_each_round_has_each_file_in_each_mode_and_rests_differ() -> None:
    steps = steps_of(EnergyPlan(rounds=3), 2)
    for round_ in range(3):
        assert sorted((step.index, step.mode) for step in steps if step.round == round_) == [
            (index, mode) for index in range(2) for mode in MODES
        ]
    assert len({step.rest_s for step in steps}) == len(steps)
    for words, told in (({"block_s": 1.5}, "fewer than two"), ({"block_s": 3, "settle_s": 2}, "too short")):
        with pytest.raises(UsageError, match=told):
            EnergyPlan(**words)


def test_the_interval_of_a_ratio_covers_also_near_0() -> None:
    random = np.random.default_rng(0)
    held = {0.0: 0, 0.05: 0, 0.5: 0}
    for _ in range(100):
        below = random.normal(1.0, 0.05, 7)
        for ratio in held:
            interval = ratio_interval(ratio * below + random.normal(0, 0.05, 7), below)
            held[ratio] += interval is not None and interval.low <= ratio <= interval.high
    assert all(88 <= count <= 100 for count in held.values()), held
    assert ratio_interval(np.ones(7), random.normal(0, 1, 7)) is None
    assert mean_interval(np.ones(4)) is None and mean_interval(np.ones(5)) is not None


def test_how_often_there_is_a_new_reading() -> None:
    time_s = tuple(np.arange(0, 20, 0.1))
    held = tuple(float(np.floor(each / 2.0)) for each in time_s)
    assert update_interval_s(Trace(time_s, held)) == pytest.approx(2.0)
    assert update_interval_s(Trace(time_s, tuple(float(k) for k in range(200)))) == pytest.approx(0.1)
    assert update_interval_s(Trace(time_s, (1.0,) * 200)) is None
