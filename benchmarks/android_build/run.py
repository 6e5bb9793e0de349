"""The Android demo by its one command, from a fresh clone: how long it takes, and what is in the APK.

    python benchmarks/android_build/run.py MODEL.tflite [--cold] [--out DIR]

Built, tested and signed twice: as it is cloned, without a model, and with MODEL and its golden vectors in the assets.
With --cold the first time into an empty local repository of Maven's, so that all that it needs is downloaded first.
Needs Maven and what android_demo/build.py asks for.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekd.devices.table import open_device
from edgekd.export.android import add_to_android
from edgekd.formats.artifact import Artifact
from edgekd.storage import write_json, write_text

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from android_build import data_offset, kotlin_counts, page_bytes  # noqa: E402  a helper of the tests

PAGE_BYTES = 4096
BADGES = ("package:", "sdkVersion", "targetSdkVersion", "uses-permission:", "launchable-activity:", "native-code:")


def main() -> None:
    """Clone, build twice, look into both, and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--cold", action="store_true", help="download everything anew for the first build")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "edgekd"
        run("git", "clone", "-q", ROOT, clone)
        commit = run("git", "-C", clone, "rev-parse", "HEAD").strip()
        fresh = (f"-Dmaven.repo.local={scratch}/repository",) if arguments.cold else ()
        without = build(clone, *fresh)
        add_to_android(Artifact.open(arguments.model), clone / "android_demo")
        with_model = build(clone)
    golden = [entry for entry in with_model["entries"] if entry["name"].startswith("assets/golden/")]
    found = {
        "schema": 1,
        "commit": commit,
        "machine": {key: open_device("host").facts()[key] for key in ("cpu_model", "cores", "load_1min")},
        "cold": arguments.cold,
        "model": {"file": arguments.model.name, "size_bytes": arguments.model.stat().st_size},
        "golden_stored_bytes": sum(entry["stored_bytes"] for entry in golden),
        "without": without,
        "with_model": {**with_model, "entries": [entry for entry in with_model["entries"] if entry not in golden]},
    }
    write_json(arguments.out / "android_build.json", found)
    text = report(found)
    write_text(arguments.out / "android_build.md", text)
    print(text)


def run(*argv: str | Path) -> str:
    """What a command says. Raises CalledProcessError."""
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True).stdout


def build(clone: Path, *words: str) -> dict[str, Any]:
    """The one command in a clone, and what came of it."""
    started = time.monotonic()
    run("mvn", "-B", "-q", "-f", clone / "android_demo", "package", *words)
    seconds = time.monotonic() - started
    target = clone / "android_demo/target"
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
    """Every file in the APK: sizes, how it is stored, and where; libraries with the pages they are made for."""
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


def report(found: Mapping[str, Any]) -> str:
    """Times, sizes, and what the tools say."""
    without, with_model, model = found["without"], found["with_model"], found["model"]
    added = with_model["apk_bytes"] - without["apk_bytes"]
    first = "nothing downloaded before" if found["cold"] else "everything downloaded before"
    return "\n".join(
        [
            f"`mvn -f android_demo package` from a fresh clone ({found['commit'][:12]}), on "
            f"{found['machine']['cores']} cores of {found['machine']['cpu_model']}:",
            "",
            "| assets | seconds | tests run, skipped | APK, bytes |",
            "|---|---|---|---|",
            _line(f"none ({first})", without),
            _line(f"{model['file']} ({model['size_bytes']:,} bytes) and its golden vectors", with_model),
            "",
            f"The model and its golden vectors make the APK {added:,} bytes larger, of which "
            f"{found['golden_stored_bytes']:,} are the vectors, which only the check in the app needs. Without a model "
            "those tests are skipped that run one.",
            "",
            "`aapt2 dump badging`:",
            "",
            *_code(with_model["badging"]),
            "`apksigner verify -v`:",
            "",
            *_code(with_model["apksigner"]),
            "What is stored uncompressed, so that it is mapped where it lies:",
            "",
            "| file | bytes | stored | begins at | multiple of 4 | of a 4 KB page | made for pages of |",
            "|---|---|---|---|---|---|---|",
            *(_entry(entry) for entry in with_model["entries"] if entry["name"].endswith((".tflite", ".so", ".arsc"))),
            "",
            "Play asks for pages of 16384 bytes on 64-bit phones: TensorFlow Lite 2.16.1, which is what Maven Central "
            "has, is not made for them; LiteRT 1.4, which the Gradle build takes, is.",
            "",
        ]
    )


def _line(assets: str, one: Mapping[str, Any]) -> str:
    tests = one["tests"]
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
    main()
