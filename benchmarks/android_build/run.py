"""The Android demo by its one command, from a fresh clone: how long it takes, and what is in the APK.

    python benchmarks/android_build/run.py MODEL.tflite [--cold] [--out DIR]

Built, tested and signed twice: as it is cloned, without a model, and with MODEL and its golden vectors in the assets.
With --cold the first build starts from an empty local Maven repository and downloads all that it needs. Needs Maven and
what android_demo/build.py asks for. --short runs no tests of the app.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekd.export.android import add_to_android

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/integration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from android_build import APK_AGAIN, data_offset, kotlin_counts, page_bytes
from common import ROOT, Parser, machine, run_script, temporary_folder, write_results
from small_inputs import small_files

from edgekd.formats.artifact import Artifact

PAGE_BYTES = 4096
BADGES = ("package:", "sdkVersion", "targetSdkVersion", "uses-permission:", "launchable-activity:", "native-code:")


def main() -> None:
    """Clone, build twice, look into both APKs, and write the results."""
    parser = Parser(__file__, __doc__)
    parser.input("model", help="a .tflite that edgekd exported [--short: a small one]")
    parser.add_argument("--cold", action="store_true", help="download everything anew for the first build")
    parser.add_argument(
        "--compiled",
        type=Path,
        help="a build directory with an APK: looked into in place of the first build, and nothing is compiled",
    )
    arguments = parser.parse()
    scratch = temporary_folder()
    model = arguments.model or small_files(scratch / "small")["int8.tflite"]
    clone = scratch / "edgekd"
    run("git", "clone", "-q", ROOT, clone)
    commit = run("git", "-C", clone, "rev-parse", "HEAD").strip()
    words = [f"-Dmaven.repo.local={scratch}/repository"] if arguments.cold else []
    words += ["-DskipTests"] if arguments.short else []
    target = clone / "android_demo/target"
    if arguments.compiled:
        shutil.copytree(arguments.compiled, target)
    (clone / "android_demo/app/src/main/assets").mkdir(exist_ok=True)
    without = facts_of(target, 0.0) if arguments.compiled else build(clone, target, ("package",), words)
    add_to_android(Artifact.open(model), clone / "android_demo")
    with_model = build(clone, target, APK_AGAIN if arguments.short else ("package",), [])
    golden = [entry for entry in with_model["entries"] if entry["name"].startswith("assets/golden/")]
    results = {
        "schema": 1,
        "commit": commit,
        "machine": machine("cpu_model", "cores", "load_1min"),
        "cold": arguments.cold,
        "model": {"file": model.name, "size_bytes": model.stat().st_size},
        "golden_stored_bytes": sum(entry["stored_bytes"] for entry in golden),
        "without": without,
        "with_model": {**with_model, "entries": [entry for entry in with_model["entries"] if entry not in golden]},
    }
    write_results(arguments.out, "android_build", results, report(results))


def run(*argv: str | Path) -> str:
    """The stdout of a command. Raises CalledProcessError."""
    return subprocess.run([str(word) for word in argv], check=True, stdout=subprocess.PIPE, text=True).stdout


def build(clone: Path, target: Path, goals: Sequence[str], words: Sequence[str]) -> dict[str, Any]:
    """The one command in a clone, and facts of what it built."""
    started = time.monotonic()
    run("mvn", "-B", "-q", "-f", clone / "android_demo", *goals, f"-DbuildDirectory={target}", *words)
    return facts_of(target, time.monotonic() - started)


def facts_of(target: Path, seconds: float) -> dict[str, Any]:
    """What a build directory has: the tests that ran, and the APK."""
    apk = target / "edgekd-demo.apk"
    badging = run("aapt2", "dump", "badging", apk).splitlines()
    return {
        "seconds": round(seconds, 1),
        "tests": dict(kotlin_counts(target)),
        "apk_bytes": apk.stat().st_size,
        "badging": [line for line in badging if line.startswith(BADGES)],
        "apksigner": [line for line in run("apksigner", "verify", "-v", apk).splitlines() if "true" in line],
        "entries": entries_of(apk),
    }


def entries_of(apk: Path) -> list[dict[str, Any]]:
    """Every file in the APK: sizes, how it is stored, and where; libraries with the page size they are built for."""
    rows = []
    with zipfile.ZipFile(apk) as archive:
        for entry in archive.infolist():
            offset = data_offset(apk, entry)
            row = {
                "name": entry.filename,
                "size_bytes": entry.file_size,
                "stored_bytes": entry.compress_size,
                "stored": entry.compress_type == zipfile.ZIP_STORED,
                "offset": offset,
            }
            if entry.filename.endswith(".so"):
                row["page_bytes"] = page_bytes(archive.read(entry))
            rows.append(row)
    return rows


def report(results: Mapping[str, Any]) -> str:
    """Times, sizes, and the output of the tools."""
    without, with_model, model = results["without"], results["with_model"], results["model"]
    added = with_model["apk_bytes"] - without["apk_bytes"]
    first = "nothing downloaded before" if results["cold"] else "everything downloaded before"
    return "\n".join(
        [
            f"`mvn -f android_demo package` from a fresh clone ({results['commit'][:12]}), on "
            f"{results['machine']['cores']} cores of {results['machine']['cpu_model']}:",
            "",
            "| assets | seconds | tests run, skipped | APK, bytes |",
            "|---|---|---|---|",
            _line(f"none ({first})", without),
            _line(f"{model['file']} ({model['size_bytes']:,} bytes) and its golden vectors", with_model),
            "",
            f"The model and its golden vectors make the APK {added:,} bytes larger, of which "
            f"{results['golden_stored_bytes']:,} are the vectors, which only the check in the app needs. Without a "
            "model the tests that run one are skipped.",
            "",
            "`aapt2 dump badging`:",
            "",
            *_code(with_model["badging"]),
            "`apksigner verify -v`:",
            "",
            *_code(with_model["apksigner"]),
            "Files that are stored uncompressed, so that they can be memory-mapped:",
            "",
            "| file | bytes | stored | offset | multiple of 4 | of a 4 KB page | built for pages of |",
            "|---|---|---|---|---|---|---|",
            *(_entry(entry) for entry in with_model["entries"] if entry["name"].endswith((".tflite", ".so", ".arsc"))),
            "",
            "Play asks for pages of 16384 bytes on 64-bit phones: TensorFlow Lite 2.16.1, the version on Maven "
            "Central, is not built for them; LiteRT 1.4, which the Gradle build uses, is.",
            "",
        ]
    )


def _line(assets: str, one: Mapping[str, Any]) -> str:
    tests = {"tests": 0, "skipped": 0, **one["tests"]}
    return f"| {assets} | {one['seconds']:.0f} | {tests['tests']}, {tests['skipped']} | {one['apk_bytes']:,} |"


def _code(lines: Sequence[str]) -> list[str]:
    return ["```", *lines, "```", ""]


def _entry(entry: Mapping[str, Any]) -> str:
    words = [
        entry["name"],
        f"{entry['size_bytes']:,}",
        "yes" if entry["stored"] else "no",
        f"{entry['offset']:,}",
        "yes" if entry["offset"] % 4 == 0 else "no",
        "yes" if entry["offset"] % PAGE_BYTES == 0 else "no",
        f"{entry['page_bytes']:,}" if "page_bytes" in entry else "",
    ]
    return f"| {' | '.join(words)} |"


if __name__ == "__main__":
    run_script(main)
