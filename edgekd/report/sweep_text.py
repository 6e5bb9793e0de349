"""A sweep in words and cells: its table, the one line, why students were left out, what steps on the front gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report.table import Cells
from edgekd.task import METRICS


def sweep_cells(sweep: Mapping[str, Any]) -> Cells:
    """A student a row, smallest file first; intervals are of 95 %."""
    name, devices = fmt.metric_name(sweep["metric"]), [f"on {address}" for address in _devices(sweep)]
    header = ("student", "verdict", "size", f"{name}, validation", f"{name}, test (95{fmt.NBSP}%)",
              f"latency ratio (95{fmt.NBSP}%)", "p50", *devices, *(("agreement",) if _has_agreement(sweep) else ()),
              "parameters")  # fmt: skip
    return Cells(header, tuple(_row(student, sweep) for student in sweep["students"]))


def headline(sweep: Mapping[str, Any]) -> str:
    """The winner, or how many there are to choose from."""
    students = sweep["students"]
    has_tags, metric = sweep["metric"] in METRICS["multi-label"], fmt.metric_name(sweep["metric"])
    best = [student["student"] for student in students if student["on_front"]]
    left_out = sum(bool(student.get("left_out")) for student in students)
    others = f"; {left_out} of them can't be picked" if left_out else ""
    if sweep["winner"] is None:
        return (
            f"{len(students)} students of one teacher; by the validation photos none beats {', '.join(best)} in both "
            f"size and {metric if has_tags else 'accuracy'}{others}"
        )
    winner = next(student for student in students if student["student"] == sweep["winner"])
    test = f"{fmt.percent(winner['accuracy']['value'])} {f'{metric} on' if has_tags else 'of'} the test photos"
    size = fmt.size(winner["size_bytes"])
    return f"{winner['student']}: {size} and {test}, of {len(students)} students{others}"


def cost_sentence(sweep: Mapping[str, Any]) -> str:
    """What the students share and what each cost."""
    students = sum(student["seconds"] for student in sweep["students"])
    shared, soft_targets = fmt.duration(sweep["shared_s"]), fmt.duration(sweep["column_s"])
    stopped = sweep.get("stopped") or ()
    beside = "; ".join(
        f"{one['title']} {fmt.size(one['size_bytes'])}, {fmt.score(as_interval(one['accuracy']))}"
        for one in sweep.get("references") or ()
    )
    held = f"Held against, on the test photos: {beside}. " if beside else ""
    early = f" Stopped early: {', '.join(stopped)}." if stopped else ""
    doubtful = any((student.get("standing") or "valid") != "valid" for student in sweep["students"])
    marks = f" Of latencies, {fmt.STANDING_LEGEND}." if doubtful else ""
    return (
        f"{held}Photos, teacher and soft targets took {shared}, once ({soft_targets} of it the soft targets); the "
        f"{len(sweep['students'])} students {fmt.duration(students)}. The front is decided on the validation photos; "
        f"the test photos decide nothing.{early}{marks}"
    )


def pick_sentences(sweep: Mapping[str, Any]) -> tuple[str, ...]:
    """How the winner was picked, and each student that can't be, with the reasons; empty without conditions."""
    chosen = sweep.get("pick")
    if not chosen:
        return ()
    lead = f"Wanted: {' and '.join(chosen['conditions'])}. {chosen['rule']}"
    return (lead, *(_left_out(student) for student in sweep["students"] if student.get("left_out")))


def _left_out(student: Mapping[str, Any]) -> str:
    score = fmt.percent(student["val_accuracy"]["value"])
    return f"Left out: {student['student']} ({score} on the validation photos): {'; '.join(student['left_out'])}."


def step_sentences(sweep: Mapping[str, Any]) -> tuple[str, ...]:
    """What each step along the fronts costs and gains: "for 40 kB more +0.8 points (−0.3 to +1.9)"."""
    return tuple(
        f"{step['student']} → {step['next_student']}: for {_cost(step)} more {fmt.gain(as_interval(step['gain']))}."
        for step in sweep.get("steps") or ()
    )


def step_caption(sweep: Mapping[str, Any]) -> str:
    """What the steps' numbers were measured on; empty where there is none."""
    steps = sweep.get("steps") or ()
    if not steps:
        return ""
    name = fmt.metric_name(sweep["metric"])
    return (
        f"Points of {name} on the same {steps[0]['n']:,} test photos, with the 95{fmt.NBSP}% interval of the "
        "difference; one that holds 0 may be chance."
    )


def _cost(step: Mapping[str, Any]) -> str:
    return fmt.size(round(step["cost"])) if step["of"] == "size" else fmt.milliseconds(step["cost"])


def _row(student: Mapping[str, Any], sweep: Mapping[str, Any]) -> tuple[str, ...]:
    costs = {cost["device"]: cost for cost in student.get("devices") or ()}
    share = student.get("agreement")
    return (
        student["student"],
        _verdict(student, sweep["winner"]),
        fmt.size(student["size_bytes"]),
        fmt.percent(student["val_accuracy"]["value"]),
        fmt.score(as_interval(student["accuracy"])),
        _latency(student),
        fmt.mark(fmt.milliseconds(student["p50_ms"]), student.get("standing") or "valid"),
        *(_device_cell(costs.get(address)) for address in _devices(sweep)),
        *((fmt.DASH if share is None else fmt.percent(share),) if _has_agreement(sweep) else ()),
        fmt.count(student["parameters"]),
    )


def _verdict(student: Mapping[str, Any], winner: str | None) -> str:
    """In two words; the reasons are in sentences of their own."""
    if student["student"] == winner:
        return "picked"
    marks = ["left out"] if student.get("left_out") else ["gate failed"] if student["failed_gates"] else []
    return ", ".join([*marks, *(["front"] if student["on_front"] else [])]) or fmt.DASH


def gate_sentences(sweep: Mapping[str, Any]) -> tuple[str, ...]:
    """Gates that failed, where no condition made them reasons."""
    return tuple(
        f"{student['student']}: the gate {', '.join(student['failed_gates'])} failed."
        for student in sweep["students"]
        if student["failed_gates"] and not student.get("left_out")
    )


def _devices(sweep: Mapping[str, Any]) -> tuple[str, ...]:
    addresses = [cost["device"] for student in sweep["students"] for cost in student.get("devices") or ()]
    return tuple(dict.fromkeys(addresses))


def _has_agreement(sweep: Mapping[str, Any]) -> bool:
    return any(student.get("agreement") is not None for student in sweep["students"])


def _device_cell(cost: Mapping[str, Any] | None) -> str:
    if cost is None:
        return fmt.DASH
    if cost["standing"] == "invalid":
        return "invalid"
    count = cost["instructions"]
    text = fmt.milliseconds(cost["p50_ms"]) if count is None else f"{fmt.significant(count / 1e6)}{fmt.NBSP}M instr."
    return fmt.mark(text, cost["standing"])


def _latency(student: Mapping[str, Any]) -> str:
    # Absent from sweeps before it was recorded.
    standing = student.get("standing") or "valid"
    if not student["latency"]:
        return "invalid" if standing == "invalid" else fmt.DASH
    return fmt.mark(fmt.ratio(as_interval(student["latency"])), standing)


def as_interval(value: Any) -> Interval:
    """An interval of JSON; a number alone is one without width."""
    if isinstance(value, (int, float)):
        return Interval(float(value), float(value), float(value))
    return Interval(float(value["value"]), float(value["low"]), float(value["high"]))
