"""What edgekd bench does when a device fails: every fault staged on the simulators, through the command line.

python benchmarks/faults/run.py MODEL.tflite --work DIR [--out results]

MODEL.tflite is a file that edgekd exported, of any size. Needs the simulators' Debian packages and root (see
tests/simulators); the arm64 systems that they run are made in --work once, 800 MB. EDGEKD_ARM_ROOT may name an
arm64 root that is there already.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from simulators.faults import AWKWARD, FAULTS, Bench, environment, recover, stage
from simulators.phone import Phone, adb_server, made_root
from simulators.pi import Pi

from edgekd import __version__
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.devices.arm_root import make_root
from edgekd.formats.artifact import Artifact
from edgekd.storage import write_json, write_text


def main() -> None:
    """Stage everything, one after the other, on one Pi and one phone; write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    Artifact.open(arguments.model)
    work = arguments.work.resolve()
    for name in ("pi", "phone", "runs", "adb", "state"):
        shutil.rmtree(work / name, ignore_errors=True)
    for name in ("phones", "pi", "adb", "runs"):
        (work / name).mkdir(parents=True, exist_ok=True)
    root = make_root(Path(os.environ.get("EDGEKD_ARM_ROOT", work / "arm-root")))
    phone_root, photos = made_root(work / "phones"), some_photos(work / "runs")
    pi = Pi(root, work / "pi")
    rows: list[dict[str, Any]] = []
    try:
        with adb_server(work / "adb") as port, environment(pi, port, work):
            phone = Phone(phone_root, work / "phone", python=True)
            phone.attach()
            try:
                for number, fault in enumerate(FAULTS):
                    bench = Bench(pi, phone, photos, arguments.model.resolve(), work / "runs" / str(number))
                    bench.folder.mkdir()
                    rows.append(
                        told(fault.name, fault.on, lambda fault=fault, bench=bench: asdict(stage(fault, bench)))
                    )
                    print(rows[-1], file=sys.stderr)
                    recover(fault, bench)
                bench = Bench(pi, phone, photos, arguments.model.resolve(), work / "runs" / "awkward")
                bench.folder.mkdir()
                rows.append(told("a file name with spaces, quotes and a command", "pi, phone", lambda: awkward(bench)))
            finally:
                phone.close()
    finally:
        pi.kill_sshd()
    write_json(arguments.out / "faults.json", {"schema": 1, "edgekd": __version__, "faults": rows})
    text = report(rows)
    write_text(arguments.out / "faults.md", text)
    print(text)


def told(name: str, on: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """One fault and what came of it."""
    started = time.monotonic()
    return {"fault": name, "on": on, **run(), "seconds": round(time.monotonic() - started, 1)}


def awkward(bench: Bench) -> dict[str, Any]:
    """No fault at all: it has to work, on both devices."""
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
        "`.partial.json`, from which the same command goes on. Left on the device: files in its temporary folder, and",
        "on the Pi processes.",
        "",
        "| fault | on | exit code | launches kept | the other device | left on the device | what was printed |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        said = [line for line in row["stderr"].splitlines() if line.startswith("edgekd: ")] or ["nothing but progress"]
        left = ", ".join(row["left"]) or "nothing"
        kept = "all" if row["code"] == 0 else row["kept"]
        whole = "measured" if row["host_whole"] else "not measured"
        shown = said[0].replace("|", "\\|").replace("`", "'")
        lines.append(f"| {row['fault']} | {row['on']} | {row['code']} | {kept} | {whole} | {left} | `{shown}` |")
    several = [told for row in rows for told in row["failures"] if len(row["failures"]) > 1]
    lines += ["", "Of the hostile replies, one by one:", "", *(f"- `{told.replace('`', chr(39))}`" for told in several)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
