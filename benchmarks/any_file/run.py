"""Other people's .tflite and .onnx files through ``edgekd inspect --strict`` and ``edgekd bench``: what was said, and
whether it is so.

    python benchmarks/any_file/run.py --files DIR
    python benchmarks/any_file/run.py --files-on-devices FILE... --data PHOTOS --device ADDRESS --work DIR

DIR holds the files, such as those of wheels and npm packages. MACs are held against a counter that knows nothing of
edgekd (``_counter.py``) and what runs against the runtimes themselves. An error that ``inspect`` names is false where
the runtime runs the file. With ``--device`` the files of ``--files-on-devices`` (another tool's, a teacher, a student)
are measured side by side on each device: ``pi`` and ``phone`` are the simulators of the tests, which need their Debian
packages and root. --short takes three small files.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from click.testing import CliRunner
from common import TESTS, Parser, machine, run_script, temporary_folder, write_results
from simulated import started

from edgekd.cli import group
from edgekd.errors import EdgekdError, GateFailed

COUNTER = Path(__file__).with_name("_counter.py")
DEVICES = {"adb": "a simulated phone (adb)", "ssh": "a simulated Raspberry Pi 5 (ssh)"}
SMALL = ("float_keras.tflite", "tf2onnx_float.onnx", "flex.tflite")


def main() -> None:
    """Try every file, then the devices, and write the tables."""
    parser = Parser(__file__, __doc__)
    parser.add_argument("--files", type=Path, help="folder of .tflite and .onnx files [--short: three small ones]")
    parser.add_argument("--files-on-devices", type=Path, nargs="*", default=[], help="files to time on each device")
    parser.add_argument("--device", action="append", default=[], help="address of a device, pi or phone; repeatable")
    parser.add_argument("--work", type=Path, help="folder for the simulated devices [a temporary one]")
    parser.add_argument("--data", type=Path, help="photos for the devices")
    parser.add_argument(
        "--bench-option", action="append", default=[], help="further option of bench: --pixel-range=-1,1"
    )
    arguments = parser.parse()
    if not (arguments.short or arguments.files or arguments.files_on_devices):
        parser.error("needs --files, or --files-on-devices. To see whether the script works, use --short alone")
    began = time.monotonic()
    results = {"schema": 1, "machine": machine("cpu_model", "cores", "os", "runtimes")}
    if arguments.files or arguments.short:
        results["rows"] = [try_file(path) for path in files_of(arguments)]
        results["seconds"] = round(time.monotonic() - began)
        write_results(arguments.out, "any_file", results, render(results))
    if arguments.files_on_devices:
        results = {"schema": 1, "machine": results["machine"], **on_devices(arguments)}
        results["seconds"] = round(time.monotonic() - began)
        write_results(arguments.out, "devices", results, render_devices(results))


def files_of(arguments: argparse.Namespace) -> list[Path]:
    """The files to try, in order."""
    if arguments.files is None:
        return [TESTS / "golden" / "foreign" / name for name in SMALL]
    return sorted(path for path in arguments.files.iterdir() if path.suffix in (".tflite", ".onnx"))


def try_file(path: Path) -> dict[str, Any]:
    """One file: what inspect says, what bench does, what the counter and the runtime say."""
    status, text, _ = call("inspect", str(path), "--strict", "--json")
    said = json.loads(text) if text.strip().startswith("{") else {}
    bench = ("bench", str(path), "--launches", "1", "--seconds", "0.05", "--photos", "2", "--check", "2", "--json")
    bench_status, bench_text, bench_error = call(*bench)
    counted = json.loads(
        subprocess.run([sys.executable, COUNTER, path], capture_output=True, text=True).stdout.splitlines()[-1]
    )
    errors = [f"{one['rule']}: {one['message']}" for one in said.get("findings", []) if one["severity"] == "error"]
    print(f"{path.name}: {said.get('summary', 'no answer')}", flush=True)
    return {
        "file": path.name,
        "size_bytes": path.stat().st_size,
        "summary": said.get("summary"),
        "inspect_status": status,
        "errors": errors,
        "warnings": [one["rule"] for one in said.get("findings", []) if one["severity"] == "warning"],
        "false_errors": errors if counted["runs"] else [],
        "macs": said.get("totals", {}).get("macs"),
        "macs_not_counted_in": said.get("totals", {}).get("macs_not_counted_in"),
        "counted_macs": counted["macs"],
        "runtime_runs_it": counted["runs"],
        "says_it_runs": said.get("ran"),
        "bench_status": bench_status,
        "bench": time_of(bench_text),
        "bench_error": bench_error.strip().splitlines()[-1][:300] if bench_status and bench_error.strip() else None,
    }


def time_of(text: str) -> dict[str, Any] | None:
    """Median and kind of inputs, of what bench printed."""
    if not text.strip().startswith("{"):
        return None
    for part in json.loads(text)["devices"]:
        for file in part["files"].values():
            summary = file["summary"]
            return {"inputs": file["inputs"], "p50_ms": summary and summary["p50_ms"]}
    return None


def on_devices(arguments: argparse.Namespace) -> dict[str, Any]:
    """The files side by side on each device, as bench's JSON has them."""
    folder, work = temporary_folder(), arguments.work or temporary_folder()
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as devices:
        addresses = [devices.enter_context(started(name, work)) for name in arguments.device]
        options = [word for address in addresses for word in ("--device", address)]
        status, text, error = call(
            "bench", *map(str, arguments.files_on_devices), "--data", str(arguments.data), *options,
            *arguments.bench_option, "--out", str(folder), "--json",
        )  # fmt: skip
    measured = json.loads(text) if text.strip() else {"devices": [], "failed": {}}
    return {"status": status, "error": error.strip().splitlines()[-1:] if status else [], **measured}


def call(*words: str) -> tuple[int, str, str]:
    """Run a command of edgekd in this process: exit status, stdout, and its error or notes."""
    done = CliRunner().invoke(group, list(words))
    if isinstance(done.exception, EdgekdError):
        return (3 if isinstance(done.exception, GateFailed) else 1), done.stdout, str(done.exception)
    return done.exit_code, done.stdout, done.stderr


def render(results: dict[str, Any]) -> str:
    """The tables, as Markdown."""
    rows = results["rows"]
    same = [row for row in rows if row["counted_macs"] is not None and not row["macs_not_counted_in"]]
    equal = sum(row["macs"] == row["counted_macs"] for row in same)
    agree = sum(row["says_it_runs"] == row["runtime_runs_it"] for row in rows)
    timed = sum(row["bench_status"] == 0 for row in rows)
    false = sum(len(row["false_errors"]) for row in rows)
    lines = [
        "# Other people's files",
        f"{len(rows)} files, {results['machine']['cpu_model']}, {results['seconds']} s. False errors: {false}. MACs "
        f"equal to the independent counter's: {equal} of {len(same)}. What runs, as the runtimes have it: {agree} of "
        f"{len(rows)}. Timed by bench: {timed} of {sum(row['runtime_runs_it'] for row in rows)} that run.",
        "| file | what inspect says | errors | warnings | MACs / counted | bench |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['file']} | {row['summary']} | {'; '.join(row['errors'])[:160] or '–'} | "
            f"{', '.join(row['warnings']) or '–'} | {_macs(row)} | {_bench(row)} |"
            for row in rows
        ),
    ]
    return "\n".join([*lines[:1], "", *lines[1:2], "", *lines[2:]]) + "\n"


def _macs(row: dict[str, Any]) -> str:
    macs = "–" if row["macs"] is None else f"{row['macs']:,}"
    unknown = f" + {', '.join(row['macs_not_counted_in'])}" if row["macs_not_counted_in"] else ""
    return f"{macs}{unknown} / {'–' if row['counted_macs'] is None else format(row['counted_macs'], ',')}"


def _bench(row: dict[str, Any]) -> str:
    if row["bench"] is None or row["bench"]["p50_ms"] is None:
        return (row["bench_error"] or "–")[:120].replace("|", "/")
    return f"{row['bench']['p50_ms']:.3g} ms ({row['bench']['inputs']} inputs)"


def central(summary: dict[str, Any] | None) -> str:
    """Milliseconds, or what an emulated core executes."""
    if summary is None:
        return "–"
    if summary["instructions"] is not None:
        return f"{summary['instructions'] / 1e6:,.1f} million instructions"
    return f"{summary['p50_ms']:.3g} ms"


def render_devices(results: dict[str, Any]) -> str:
    """The files on each device, as Markdown."""
    lines = [
        "# Another tool's file, a teacher and a student on every device",
        "",
        "Milliseconds of a simulated phone or Pi mean nothing: their answers do. An emulated core counts instructions.",
        "Times are invalid where other programs took the CPU, and are then not to be compared.",
        "",
        "| device | file | inputs | p50, or instructions | of the first file's | same answers as this machine |",
        "|---|---|---|---|---|---|",
    ]
    for part in results["devices"]:
        for name, file in part["files"].items():
            score, estimate = file["device_score"], file["comparison"]["estimate"]
            same = "–" if score is None else f"{score['n'] - score['differing']} of {score['n']}"
            ratio = "1" if name == part["baseline"] else "–" if estimate is None else f"{estimate:.3g}"
            device = DEVICES.get(part["device"].split(":")[0], part["device"])
            standing = file["validity"]["standing"]
            value = central(file["summary"]) + ("" if standing == "valid" else f" ({standing})")
            lines.append(f"| {device} | {name} | {file['inputs']} | {value} | {ratio} | {same} |")
    lines += [f"\n{address}: {message}" for address, message in results["failed"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_script(main)
