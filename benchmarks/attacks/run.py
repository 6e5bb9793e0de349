"""Attack every command, with what strangers and machines do to it, and count what gave way.

    python benchmarks/attacks/run.py --work DIR

Files that are crafted or damaged, kills and signals, a full disk, folders without rights, encodings, too little memory,
odd names and files, devices that answer without end. Nothing leaves this machine, and memory, disk and time of every
command are bounded. A finished attack is stored in --work, so that a killed script goes on where it was; --only NAME
does one again, and the table has all rows that are done. As root, small file systems in memory are mounted for full
disks; strace shows what Ray connects to. Writes results/attacks.json and .md.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# The damage that damaged_files/ does, and the tests' cameras.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "damaged_files"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import foreign
import mutants
import names_and_files
import shortages
import stops
from common import Parser, machine, run_script, write_results
from room import Attack, Outcome, Room

from edgekd import __version__
from edgekd.storage import read_json, write_json

COUNTS = ("wrong", "crashed", "hung", "left_over")
ATTACKS: dict[str, tuple[str, Attack]] = {
    "saved-models": ("hostile SavedModels as teachers and for export", foreign.saved_models),
    "tflite": (
        "structured mutants of a .tflite, with a seal that fits",
        lambda room: mutants.attack(room, "int8.tflite", room.many(1000, 4)),
    ),
    "onnx": (
        "structured mutants of an .onnx, with a seal that fits",
        lambda room: mutants.attack(room, "int8.onnx", room.many(1000, 4)),
    ),
    "other-files": (
        "damaged and edited .keras, .h5, .npz and .pth", lambda room: mutants.other_files(room, room.many(200, 4))
    ),
    "kills": ("SIGKILL over every command and its time", stops.kills),
    "signals": ("SIGTERM, SIGHUP, SIGINT, SIGQUIT over every command and its time", stops.signals),
    "full-disk": ("a full disk", shortages.full_disk),
    "full-tmpdir": ("a full TMPDIR", shortages.full_tmpdir),
    "read-only": ("a folder that cannot be written to", shortages.read_only),
    "encodings": ("PYTHONIOENCODING ascii, latin-1, utf-8", shortages.encodings),
    "memory": ("too little memory", shortages.memory),
    "names": ("odd names of files, photos, classes and folders", names_and_files.odd_names),
    "files": ("pipes, devices, 40 GB files, loops, a changed photo", names_and_files.odd_files),
    "devices": ("adb and ssh that do not stop", foreign.devices),
    "ray-network": ("connections of --ray", foreign.ray_network),
    "frames": ("alike frames of a fixed camera", foreign.alike_frames),
}  # fmt: skip
# Seconds each; the others train, or start Ray.
SHORT = ("signals", "read-only", "frames")


def attack(name: str, room: Room) -> dict[str, Any]:
    """One row: how often it was tried, and the sentences about what gave way."""
    began = time.monotonic()
    outcome: Outcome = ATTACKS[name][1](room)
    row = {"attack": name, "seconds": round(time.monotonic() - began), **asdict(outcome)}
    print(f"{name}: {outcome.tried} tried, " + ", ".join(f"{len(row[key])} {key}" for key in COUNTS), flush=True)
    for key in COUNTS:
        for sentence in row[key]:
            print(f"    {key}: {sentence}", flush=True)
    return row


def report(rows: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    """The table as Markdown, and a line for everything that gave way."""
    lines = ["# Attacks", "", "| attack | tried | wrong | crashed | hung | left over | remark |", "|---|" + "---|" * 6]
    for row in rows:
        counts = " | ".join(str(len(row[key])) for key in COUNTS)
        lines.append(f"| {ATTACKS[row['attack']][0]} | {row['tried']:,} | {counts} | {row['remark']} |")
    totals = [sum(len(row[key]) for row in rows) for key in COUNTS]
    tried = sum(row["tried"] for row in rows)
    lines.append(f"| all | {tried:,} | " + " | ".join(map(str, totals)) + " | |")
    lines += ["", *(f"- {row['attack']}, {key}: {_plain(text)}" for row in rows for key in COUNTS for text in row[key])]
    host = facts["machine"]
    lines += [
        "",
        f"With edgekd {facts['edgekd']} on {host['cpu_model']}, {host['os']}, Python {host['python']}, in "
        f"{sum(row['seconds'] for row in rows) / 60:.0f} minutes beside other work.",
    ]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return " ".join(text.encode("ascii", "backslashreplace").decode().split()).replace("<", "&lt;").replace("|", "\\|")


def main() -> None:
    """Do what is not done yet, and write the table."""
    parser = Parser(__file__, __doc__, work="inputs, and the rows that are done")
    parser.add_argument("--only", action="append", default=[], choices=list(ATTACKS), help="do this one; repeatable")
    arguments = parser.parse()
    arguments.work.mkdir(parents=True, exist_ok=True)
    room, facts = Room(arguments.work, arguments.short), {"edgekd": __version__, "machine": machine()}
    for name in arguments.only or (SHORT if arguments.short else ATTACKS):
        row = arguments.work / f"{name}.json"
        if arguments.only or not row.exists():
            write_json(row, attack(name, room))
    done = [
        read_json(arguments.work / f"{name}.json") for name in ATTACKS if (arguments.work / f"{name}.json").exists()
    ]
    write_results(arguments.out, "attacks", {"schema": 1, **facts, "rows": done}, report(done, facts))


if __name__ == "__main__":
    run_script(main)
