"""``edgekd fit`` with budgets on devices: an emulated core, a simulated Raspberry Pi, and budgets that nothing meets.

    python benchmarks/budget/devices.py --work DIR

Every case is one command on packaged photos of traffic lights, with a small teacher and short trainings: what is looked
at is whether the budget is kept and what is printed, not how good the student is. The Pi is a real sshd whose logins
land in an arm64 root under qemu, so that its milliseconds are qemu's on this machine and say nothing about a Pi.
--short does only the cases that are refused before anything is trained.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from simulated import pi_machine, started
from simulators.watching import watched_by
from small_inputs import labelled_folder

from edgekd.errors import EdgekdError
from edgekd.storage import read_json, write_text

SETTINGS = """
[data]
split = { val = 0.2, test = 0.25 }
views = { views = 2 }
[teacher]
model = "efficientnet-lite0"
input_size = 96
fine_tune_blocks = 0
accept_weak = true
[distill.schedule]
epochs = 40
[export]
formats = ["tflite"]
teacher_int8 = false
[bench]
launches = 2
"""


@dataclass(frozen=True)
class Case:
    """The options of one command; ``trains`` is whether anything is trained before it ends."""

    name: str
    options: tuple[str, ...]
    trains: bool = True


CASES = (
    Case("latency of an emulated core", ("--max-latency", "5ms", "--device", "emulated:cortex-a76"), False),
    Case("a device that is not there", ("--max-latency", "5ms", "--device", "ssh:nowhere.invalid"), False),
    Case("fewer minutes than a run takes", ("--max-size", "100KB", "--minutes", "0.1"), False),
    Case("a size that is none", ("--max-size", "-5KB"), False),
    Case("instructions of an emulated core", ("--max-instructions", "12M")),
    Case("latency of the simulated Pi", ("--max-latency", "60ms", "--device", "pi", "--minutes", "15")),
    Case("a size that nothing has", ("--max-size", "2KB")),
    Case("a latency that nothing has", ("--max-latency", "0.01ms")),
)
# The one that is measured on a Pi whose network fails in the search, and comes back.
LOST = Case("a Pi that goes away in the search", ("--max-latency", "61ms", "--device", "pi", "--minutes", "15"))


def run_case(case: Case, work: Path) -> dict[str, Any]:
    """One command in a process of its own, on a simulated Pi where it names one."""
    with started("pi" if "pi" in case.options else "host", work) as address:
        return run_command(case, address, work)


def run_lost(case: Case, work: Path) -> list[dict[str, Any]]:
    """The same command twice: the Pi goes away when one candidate was measured there, and is back for the second.

    ``kept`` says whether the second began with what the first had measured.
    """
    run, again = work / "runs" / "photos", Case("the same command when the Pi is back", case.options)
    shutil.rmtree(run, ignore_errors=True)
    last: dict[str, Any] = {}

    def remember(found: dict[str, Any]) -> None:
        last.clear()
        last.update(found)

    with pi_machine(work) as machine:
        with watched(run, lambda _: machine.kill_sshd()):
            first = run_command(case, machine.address, work)
        before = measured(run)
        machine.start()
        with watched(run, remember):
            second = run_command(again, machine.address, work)
    second["kept"] = bool(before) and before.items() <= last.items()
    return [first, second]


def watched(run: Path, saw: Callable[[dict[str, Any]], None]) -> contextlib.AbstractContextManager[None]:
    """Call ``saw`` again and again with what the run's search has measured, once that is something."""

    def watch(over: threading.Event) -> None:
        while not over.wait(0.2):
            if found := measured(run):
                saw(found)

    return watched_by(watch)


def measured(run: Path) -> dict[str, Any]:
    """What a run's search has measured so far, by candidate."""
    try:
        results = read_json(run / "search" / "state.json")["results"]
    except EdgekdError:
        return {}
    return {name: value for name, value in results.items() if name.startswith("cost of ")}


def run_command(case: Case, address: str, work: Path) -> dict[str, Any]:
    """The exit code of ``edgekd fit``, the student, its measured costs, and the last line that it printed."""
    options, run = [address if option == "pi" else option for option in case.options], work / "runs" / "photos"
    started_at = time.monotonic()
    command = [sys.executable, "-m", "edgekd", "fit", "photos", *options, "--settings", "settings.toml"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work)
    messages = [line for line in ended.stderr.splitlines() if line.strip()]
    row: dict[str, Any] = {
        "case": case.name, "options": " ".join(options), "exit": ended.returncode,
        "message": messages[-1].strip() if messages else "", "seconds": round(time.monotonic() - started_at),
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    if ended.returncode == 0:
        gates = read_json(run / "check" / "check.json")["gates"]
        row["message"] = "; ".join(gate["message"] for gate in gates if "budget" in gate["name"])
        result = read_json(run / "search" / "search.json")
        row |= {"student": result["student"], "candidates": len(result["candidates"])}
    return row


def markdown(results: dict[str, Any]) -> str:
    """The page of the results."""
    lines = [
        "# Budgets on devices", "",
        "Milliseconds of the simulated Pi are qemu's on this machine: they show that candidates and the file that "
        "ships are measured there, not how fast a Pi is.", "",
        "| case | options | exit | student | what is said |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for row in results["rows"]:
        student = f"`{row['student']}` of {row['candidates']}" if "student" in row else "–"
        message = row["message"].replace("|", "\\|")
        if "kept" in row:
            message += "; it began " + ("with" if row["kept"] else "without") + " what was measured before"
        lines.append(f"| {row['case']} | `{row['options']}` | {row['exit']} | {student} | {message} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run every case, and write ``results/``."""
    parser = Parser(__file__, __doc__, work="the photos and the runs")
    parser.add_argument("--only", help="cases whose name holds this text")
    arguments = parser.parse()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if not (arguments.work / "photos").is_dir():
        labelled_folder(arguments.work / "photos", 24)
    write_text(arguments.work / "settings.toml", SETTINGS)
    rows = []
    for case in (*CASES, LOST):
        if (case.trains and arguments.short) or (arguments.only or "") not in case.name:
            continue
        rows += run_lost(case, arguments.work) if case is LOST else [run_case(case, arguments.work)]
        print(rows[-1], flush=True)
        results = {"schema": 1, "rows": rows, "machine": machine()}
        write_results(arguments.out, "devices", results, markdown(results))


if __name__ == "__main__":
    run_script(main)
