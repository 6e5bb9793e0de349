"""Does the interval around an energy hold the truth? Traces of known energy, replayed through simulated devices.

    python benchmarks/energy/run.py

Ten devices of known power are measured with the code of ``edgekd bench --energy``: sources of every kind, with noise,
idle levels that wander and drift, counters that turn over, meters with clocks of their own. A teacher's inference takes
75 mJ and a student's 18 mJ beside what the device takes at rest. Each is measured once with the real sampler's shell
text, and then again and again on other days (other noise) to see how often the intervals hold the truth. Seven more
must be refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import TESTS, Parser, machine, run_script, temporary_folder, write_results

sys.path.insert(0, str(TESTS))

from simulators.power import File, Power, SimulatedDevice

from edgekd.bench import BenchPlan, BenchTarget
from edgekd.bench.energy.clocks import place_log
from edgekd.bench.energy.plan import MODES, EnergyPlan
from edgekd.bench.energy.records import EnergyRecord
from edgekd.bench.energy.session import Setting, measure_blocks
from edgekd.bench.energy.sources import table
from edgekd.bench.energy.sources.meter import read_log
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.bench.energy.summary import summarize
from edgekd.bench.energy.validity import judge
from edgekd.metrics import Interval
from edgekd.report import format as fmt

FILES = (File("teacher", 0.05, 1.5), File("student", 0.02, 0.9))


@dataclass(frozen=True)
class Case:
    """A device to measure: its power, its address, the seconds of a block, and how its meter's log is written."""

    name: str
    power: Power
    address: str = "host"
    block_s: float = 10.0
    log: Mapping[str, float] = field(default_factory=dict)
    files: tuple[File, ...] = FILES


CASES = (
    Case("RAPL, quiet", Power("powercap", idle_w=8.0, wander_w=0.01)),
    Case("RAPL, counters turn over every 40 J", Power("powercap", range_uj=40_000_000, wander_w=0.02)),
    Case("RAPL, idle wanders by 0.1 W and drifts by 1 W", Power("powercap", idle_w=12, wander_w=0.1, drift_w=1.0)),
    Case("Pi 5, noise 0.05 W", Power("pmic", idle_w=2.7, noise_w=0.05), "ssh:pi"),
    Case("Pi 5, noise 0.3 W, idle 4 W wanders", Power("pmic", idle_w=4.0, noise_w=0.3, wander_w=0.03), "ssh:pi"),
    Case("Pi 5, another program three times", Power("pmic", noise_w=0.05,
         bursts=((60, 4, 1.2), (200, 3, 1.5), (400, 6, 0.8))), "ssh:pi"),
    Case("phone, rail counters 4 times a second", Power("rails", idle_w=1.1, update_s=0.25, wander_w=0.02), "adb:1"),
    Case("phone, battery twice a second, in mA", Power("battery", idle_w=1.4, update_s=0.5, noise_w=0.03,
         milliamps=True), "adb:1", 20.0),
    Case("USB meter, 10 Hz, clock +0.1 %", Power("meter", noise_w=0.03, wander_w=0.02), "ssh:pi4", 10.0,
         {"hz": 10, "rate": 1.001}),
    Case("USB meter, 1 Hz, steps of 5 mW, clock -0.5 %", Power("meter", noise_w=0.02, step=0.001), "ssh:pi4", 20.0,
         {"hz": 1, "rate": 0.995, "offset_s": 0}),
)  # fmt: skip
REFUSED = (
    Case("battery that is charged", Power("battery", status="Charging"), "adb:1"),
    Case("battery whose gauge has a reading every 12 s", Power("battery", update_s=12.0, noise_w=0.05), "adb:1"),
    Case("meter's log of another device", Power("meter", noise_w=0.03), "ssh:pi4", 10.0, {"other": 1}),
    Case("meter's clock 4 % fast", Power("meter", noise_w=0.03), "ssh:pi4", 10.0, {"rate": 1.04}),
    Case("meter's log that ends too early", Power("meter", noise_w=0.03), "ssh:pi4", 10.0, {"cut": 1}),
    Case("RAPL that only root may read", Power("powercap", readable=False)),
    Case("nothing to read", Power("none")),
)


@dataclass(frozen=True)
class Sizes:
    """How many of the cases, the plan, and on how many other days each is measured."""

    cases: int
    plan: EnergyPlan
    days: int


FULL = Sizes(len(CASES), EnergyPlan(), 40)
SHORT = Sizes(1, EnergyPlan(block_s=4.0, rounds=5, settle_s=0.5), 1)


def main() -> None:
    """Measure every case, and write both tables."""
    arguments = Parser(__file__, __doc__).parse()
    sizes = SHORT if arguments.short else FULL
    rows, days = [], []
    for case in CASES[: sizes.cases]:
        rows += list(lines(case, measured(case, sizes.plan, seed=0, shell=True)))
        days += coverage(case, sizes)
        print(f"{case.name}: done", file=sys.stderr)
    refusals = [refusal(case, sizes.plan) for case in REFUSED]
    results = {"schema": 1, "machine": machine(), "rows": rows, "days": days, "refused": refusals}
    write_results(arguments.out, "energy", results, report(rows, days, refusals, sizes))


def measured(case: Case, plan: EnergyPlan, seed: int, shell: bool) -> EnergyRecord:
    """The record of one measurement. Raises: NotMeasured."""
    folder = temporary_folder()
    plan = replace(plan, block_s=plan.block_s * case.block_s / 10.0, seed=seed)
    device = SimulatedDevice(replace(case.power, seed=seed), case.files, folder / "device", case.address, shell)
    model = folder / "model.tflite"
    model.write_bytes(b"simulated")
    targets = [BenchTarget(file.name, model, "tflite", np.zeros((1, 8, 8, 3), np.uint8)) for file in case.files]
    setting = Setting(device, device, targets, BenchPlan(), sleep=device.sleep)
    if case.power.source != "meter":
        return measure_blocks(setting, plan, table.find_reader(device))
    record = measure_blocks(setting, plan, None)
    write_log(device, folder / "meter.csv", case.log)
    return place_log(record, read_log(folder / "meter.csv"))


def write_log(device: SimulatedDevice, path: Path, how: Mapping[str, float]) -> None:
    """The meter's CSV; ``other`` is another device's, ``cut`` ends half-way."""
    if "other" in how:
        # The same blocks in another order.
        other = SimulatedDevice(device.power, device.files, path.parent / "other", device.address)
        random = np.random.default_rng(5)
        for _ in range(28):
            other.sleep(random.uniform(3, 30))
            other.launch(int(random.integers(2)), 0, {"seconds": random.uniform(3, 30), "pace_ms": None, "curve": True,
                                                      "threads": 1}, 60.0)  # fmt: skip
        other.write_log(path)
        return
    device.write_log(path, **{key: value for key, value in how.items() if key != "cut"})
    if "cut" in how:
        text = path.read_text().splitlines()
        path.write_text("\n".join(text[: len(text) // 2]) + "\n")


def lines(case: Case, record: EnergyRecord) -> Iterator[dict[str, Any]]:
    """Truth and interval of every file in every mode."""
    for mode in MODES:
        for file in case.files:
            summary = summarize(record, file.name, mode, "teacher", file.latency_s)
            judgement = judge(record, summary, file.latency_s, "teacher")
            ratio = 1.0 if file.name == "teacher" else file.joules / case.files[0].joules
            yield {
                "case": case.name,
                "file": file.name,
                "mode": mode,
                "truth_j": file.joules,
                "joules": as_list(summary.joules),
                "true_ratio": ratio,
                "ratio": as_list(summary.ratio),
                "standing": judgement.standing,
                "reasons": list(judgement.validity.reasons),
            }


def as_list(interval: Interval | None) -> list[float] | None:
    """[value, low, high]."""
    return None if interval is None else [interval.value, interval.low, interval.high]


def holds(interval: list[float] | None, truth: float) -> bool:
    """Whether an interval holds the truth."""
    return interval is not None and interval[1] <= truth <= interval[2]


def coverage(case: Case, sizes: Sizes) -> list[dict[str, Any]]:
    """On how many other days the interval of each file and mode held the truth, of those that were not invalid."""
    repeated = [list(lines(case, measured(case, sizes.plan, seed, shell=False))) for seed in range(1, sizes.days + 1)]
    table_ = []
    for place in range(len(repeated[0])):
        given = [day[place] for day in repeated if day[place]["standing"] != "invalid"]
        widths = [(row["joules"][2] - row["joules"][1]) / 2 / row["truth_j"] for row in given if row["joules"]]
        ratios = [row for row in given if row["ratio"] is not None]
        table_.append({
            "case": case.name,
            "file": repeated[0][place]["file"],
            "mode": repeated[0][place]["mode"],
            "days": len(repeated),
            "given": len(given),
            "hold": sum(holds(row["joules"], row["truth_j"]) for row in given),
            "half_width": float(np.median(widths)) if widths else None,
            "ratios": len(ratios),
            "ratios_hold": sum(holds(row["ratio"], row["true_ratio"]) for row in ratios),
        })  # fmt: skip
    return table_


def refusal(case: Case, plan: EnergyPlan) -> dict[str, Any]:
    """What is said where no number may be given."""
    try:
        rows = list(lines(case, measured(case, plan, seed=0, shell=False)))
    except NotMeasured as error:
        return {"case": case.name, "numbers": 0, "said": str(error)}
    given = [row for row in rows if row["standing"] != "invalid"]
    said = list(dict.fromkeys(reason for row in rows for reason in row["reasons"]))
    return {"case": case.name, "numbers": len(given), "said": "; ".join(said)}


def report(rows: list[dict[str, Any]], days: list[dict[str, Any]], refusals: list[dict[str, Any]], sizes: Sizes) -> str:
    """Both tables, and how often the intervals hold."""
    given, hold = sum(row["given"] for row in days), sum(row["hold"] for row in days)
    ratios, ratios_hold = sum(row["ratios"] for row in days), sum(row["ratios_hold"] for row in days)
    refused = sum(row["numbers"] == 0 for row in refusals)
    by_case = {(row["case"], row["file"], row["mode"]): row for row in days}
    text = [
        f"Over {sizes.days} days each, {hold} of {given} intervals of energies hold the truth"
        f" ({hold / max(given, 1):.1%}; aim: 95 %), and {ratios_hold} of {ratios} of ratios. "
        f"{refused} of {len(refusals)} measurements that must be refused give no number.",
        "",
        "| device | file | inferences | truth | measured once (95 %) | held on days | half-width |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        other = by_case[row["case"], row["file"], row["mode"]]
        once = "invalid: too coarse" if row["standing"] == "invalid" else fmt.joules(Interval(*row["joules"]))
        width = "–" if other["half_width"] is None else f"{other['half_width']:.1%}"
        text.append(
            f"| {row['case']} | {row['file']} | {row['mode']} | {row['truth_j'] * 1000:g} mJ | {once} | "
            f"{other['hold']} of {other['given']} | {width} |"
        )
    text += ["", "| must be refused | numbers | what is said |", "|---|---|---|"]
    text += [f"| {row['case']} | {row['numbers'] or 'none'} | {row['said']} |" for row in refusals]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    run_script(main)
