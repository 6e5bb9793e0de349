"""What edgekd bench does when a device fails, and on phones of many kinds: staged on the simulators, by its command.

    python benchmarks/faults/run.py MODEL.tflite --work DIR

MODEL.tflite is a file that edgekd exported, of any size. Needs the simulators' Debian packages and root (see
tests/simulators); the arm64 systems that they run are made in --work once, 800 MB. EDGEKD_ARM_ROOT may name an
existing arm64 root, and --phones a folder with the phones' system. --short stages two of the faults and one kind of
phone.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from common import Parser, run_script, write_results
from simulators.faults import AWKWARD, FAULTS, Bench, Fault, environment, recover, stage
from simulators.phone import Phone, adb_server, made_root
from simulators.phone_kinds import DIALOG_S, KINDS, Kind, measure_kind
from simulators.pi import Pi
from small_inputs import small_files

from edgekd import __version__
from edgekd.bench.agents.android_install import INSTALL_TIMEOUT_S
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.devices.arm_root import make_root
from edgekd.formats.artifact import Artifact

SHORT = ("built for another processor", "no Python")
SHORT_KINDS = ("restarted and not unlocked since",)


def main() -> None:
    """Stage everything, one after the other, on one Pi and one phone; write the results."""
    parser = Parser(__file__, __doc__, work="the simulated machines")
    parser.input("model", help="a .tflite that edgekd exported [--short: a small one]")
    parser.add_argument("--phones", type=Path, help="where the phones' system is, or is made [in --work]")
    arguments = parser.parse()
    work = arguments.work
    model = arguments.model or small_files(work / "small")["int8.tflite"]
    Artifact.open(model)
    faults = [fault for fault in FAULTS if not arguments.short or fault.name in SHORT]
    kinds = [kind for kind in KINDS if not arguments.short or kind.name in SHORT_KINDS]
    for name in ("pi", "phone", "runs", "adb", "state"):
        shutil.rmtree(work / name, ignore_errors=True)
    systems = arguments.phones or work / "phones"
    systems.mkdir(parents=True, exist_ok=True)
    for name in ("pi", "adb", "runs"):
        (work / name).mkdir(parents=True, exist_ok=True)
    root = make_root(Path(os.environ.get("EDGEKD_ARM_ROOT", work / "arm-root")))
    phone_root, photos = made_root(systems), some_photos(work / "runs")
    pi = Pi(root, work / "pi")
    try:
        with adb_server(work / "adb") as port, environment(pi, port, work):
            phone = Phone(phone_root, work / "phone", python=True)
            phone.attach()
            try:
                rows = stage_all(faults, pi, phone, photos, model, work / "runs")
                phones = measure_kinds(kinds, pi, phone, photos, model, work / "runs")
            finally:
                phone.close()
    finally:
        pi.kill_sshd()
    write_results(arguments.out, "faults", content(rows, phones), report(rows) + report_phones(phones))


def stage_all(
    faults: Sequence[Fault], pi: Pi, phone: Phone, photos: Path, model: Path, folder: Path
) -> list[dict[str, Any]]:
    """Every fault and then the awkward file name: a row each."""
    rows = []
    for number, fault in enumerate(faults):
        bench = Bench(pi, phone, photos, model, folder / str(number))
        bench.folder.mkdir()
        rows.append(timed(fault.name, fault.on, lambda fault=fault, bench=bench: asdict(stage(fault, bench))))
        print(rows[-1], file=sys.stderr)
        recover(fault, bench)
    bench = Bench(pi, phone, photos, model, folder / "awkward")
    bench.folder.mkdir()
    return [*rows, timed("a file name with spaces, quotes and a command", "pi, phone", lambda: awkward(bench))]


def measure_kinds(
    kinds: Sequence[Kind], pi: Pi, phone: Phone, photos: Path, model: Path, folder: Path
) -> list[dict[str, Any]]:
    """``edgekd bench --apk`` on every kind of phone: a row each."""
    rows = []
    for number, kind in enumerate(kinds):
        bench = Bench(pi, phone, photos, model, folder / f"phone-{number}")
        bench.folder.mkdir()
        started = time.monotonic()
        row = {"phone": kind.name, **asdict(measure_kind(kind, bench))}
        rows.append({**row, "seconds": round(time.monotonic() - started, 1)})
        print(rows[-1], file=sys.stderr)
    return rows


def content(rows: list[dict[str, Any]], phones: list[dict[str, Any]]) -> dict[str, Any]:
    """The file of results. 2 added the phones."""
    return {"schema": 2, "edgekd": __version__, "faults": rows, "phones": phones}


def timed(name: str, on: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """One fault and what it led to, with the seconds it took."""
    started = time.monotonic()
    return {"fault": name, "on": on, **run(), "seconds": round(time.monotonic() - started, 1)}


def awkward(bench: Bench) -> dict[str, Any]:
    """Without a fault: measuring has to work on both devices."""
    file = bench.folder / f"{AWKWARD}.tflite"
    shutil.copy(bench.file, file)
    shutil.copy(f"{bench.file}.json", f"{file}.json")
    code, stderr = bench.run(file, "--device", bench.pi.address, "--device", bench.phone.address, "--device", "host")
    left = (*bench.pi.left(), *bench.phone.left())
    return {
        "code": code,
        "stderr": stderr,
        "kept": 0,
        "host_whole": (bench.out / "host.json").is_file(),
        "left": left,
        "failures": (),
    }


def some_photos(folder: Path) -> Path:
    """Two photos of the quickstart's."""
    _, source = traffic_light_folders()
    photos = folder / "photos"
    photos.mkdir()
    for path in sorted((source / "red").iterdir())[:2]:
        shutil.copy(path, photos / path.name)
    return photos


def report(rows: list[dict[str, Any]]) -> str:
    """The table."""
    lines = [
        "Each fault staged on a simulated Raspberry Pi behind a real sshd, or a simulated phone behind a real adbd,",
        "while `edgekd bench` measures there and, after it, on this machine. Launches kept are those in the device's",
        "`.partial.json`, from which the same command continues. Left on the device: files in its temporary folder,",
        "and on the Pi processes.",
        "",
        "| fault | on | exit code | launches kept | the other device | left on the device | what was printed |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        messages = [line for line in row["stderr"].splitlines() if line.startswith("edgekd: ")] or [
            "nothing but progress"
        ]
        left = ", ".join(row["left"]) or "nothing"
        kept = "all" if row["code"] == 0 else row["kept"]
        whole = "measured" if row["host_whole"] else "not measured"
        message = (messages or ["nothing but progress"])[0].replace("|", "\\|").replace("`", "'")
        lines.append(f"| {row['fault']} | {row['on']} | {row['code']} | {kept} | {whole} | {left} | `{message}` |")
    several = [message for row in rows for message in row["failures"] if len(row["failures"]) > 1]
    lines += [
        "",
        "Of the hostile replies, one by one:",
        "",
        *(f"- `{message.replace('`', chr(39))}`" for message in several),
    ]
    return "\n".join(lines) + "\n"


def report_phones(rows: list[dict[str, Any]]) -> str:
    """The table of the phones."""
    lines = [
        "",
        "`edgekd bench --apk` on simulated phones, each with Android's own separation of shell and app (two uids,",
        "which the kernel keeps apart) and one more rule of Android, of a maker or of its owner. The app is a",
        "stand-in with the app's rights. A dialog that nobody accepts is waited for for "
        f"{DIALOG_S:g} s instead of {INSTALL_TIMEOUT_S:g} s.",
        "Left on the phone: files of the shell and of the app, the app, and settings that are not as they were.",
        "",
        "| phone | exit code | worth | fixed performance, screen kept on | left on the phone | what was printed |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        messages = [line for line in row["stderr"].splitlines() if line.startswith("edgekd: ")]
        message = (messages or ["nothing but progress"])[0].replace("|", "\\|").replace("`", "'")
        worth = "no result" if row["standing"] is None else ": ".join([row["standing"], *row["reasons"][:1]])
        steady = ", ".join(
            {True: "yes", False: "no", None: "-"}[row[key]] for key in ("fixed_performance", "screen_kept_on")
        )
        left = ", ".join(row["left"]) or "nothing"
        lines.append(f"| {row['phone']} | {row['code']} | {worth} | {steady} | {left} | `{message}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_script(main)
