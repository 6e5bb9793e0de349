"""The Android demo by its one command, from a fresh clone: how long it takes, and what is in the APK.

    python benchmarks/android_build/run.py MODEL.tflite [--cold] [--root DIR] [--out DIR]

Built, tested and signed as it is cloned, without a model, and with MODEL and its golden vectors, which this app's own
check compares with; then packaged with MODEL alone, as an app ships it. Before, `edgekd android` puts MODEL twice into
a project of the same skeleton without code, and what each time changes is counted. With --cold the first build starts
from an empty local Maven repository and downloads all that it needs. --root is another Debian, to build in as well
(repeatable; asks for root):

    mmdebstrap --variant=minbase --include=maven,default-jdk-headless,aapt,zipalign,apksigner,gcc,libc6-dev,python3 \\
        trixie DIR

Needs Maven and what android_demo/build.py asks for. --short runs no tests of the app.
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

from edgekd.export.android import add_to_android, find_module

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/integration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from android_build import APK_AGAIN, data_offset, kotlin_counts, page_bytes
from common import ROOT, Parser, machine, run_script, temporary_folder, write_results
from small_inputs import small_files

from edgekd.formats.artifact import Artifact

PAGE_BYTES = 4096
_SCRIPT = """plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.example.app"
    compileSdk = 36
    defaultConfig {
        applicationId = "org.example.app"
        minSdk = 21
        targetSdk = 36
    }
}
"""
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
    parser.add_argument("--root", type=Path, action="append", default=[], help="root of another Debian to build in")
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
    artifact = Artifact.open(model)
    fresh = twice(artifact, skeleton(clone / "android_demo", scratch / "fresh"))
    add_to_android(artifact, find_module(clone / "android_demo"))
    with_vectors = None if arguments.short else build(clone, target, ("package",), [])
    with_model = build(clone, target, APK_AGAIN, ["-Dvectors=none"])
    results = {
        "schema": 2,
        "commit": commit,
        "machine": machine("cpu_model", "cores", "load_1min"),
        "cold": arguments.cold,
        "model": {"file": model.name, "size_bytes": model.stat().st_size},
        "fresh_project": fresh,
        "without": without,
        "with_vectors": with_vectors and {**with_vectors, "entries": []},
        "with_model": with_model,
        "roots": [build_in(root, clone) for root in arguments.root],
    }
    write_results(arguments.out, "android_build", results, report(results))


def skeleton(demo: Path, folder: Path) -> Path:
    """A new project: the demo's Gradle files and manifest, and no code."""
    for name in ("settings.gradle.kts", "build.gradle.kts", "gradle/libs.versions.toml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(demo / name, folder / name)
    (folder / "app/src/main").mkdir(parents=True)
    shutil.copy(demo / "app/src/main/AndroidManifest.xml", folder / "app/src/main")
    (folder / "app/build.gradle.kts").write_text(_SCRIPT, encoding="utf-8")
    return folder


def twice(artifact: Artifact, project: Path) -> dict[str, Any]:
    """What `edgekd android` does in a project, and what it does there again."""
    first, second = (add_to_android(artifact, find_module(project)) for _ in range(2))
    source = project / "app/src/main"
    return {
        "first": {name: len(paths) for name, paths in first.changes.as_json().items()},
        "second": {name: len(paths) for name, paths in second.changes.as_json().items()},
        "shipped": {str(path.relative_to(source)): path.stat().st_size for path in sorted(source.rglob("*.[kt]*"))},
        "tests_bytes": sum(path.stat().st_size for path in (project / "app/src/androidTest").rglob("*.*")),
        "gradle_lines": [line.replace(f"{project}/", "") for line in first.gradle_lines],
    }


def build_in(root: Path, clone: Path) -> dict[str, Any]:
    """The one command in another Debian, with a relative -Dassets and this machine's Maven repository."""
    inside = root / "root/edgekd"
    shutil.rmtree(inside, ignore_errors=True)
    shutil.copytree(clone, inside, ignore=shutil.ignore_patterns("target"))
    (root / "root/.m2").mkdir(exist_ok=True)
    mounts = 'mount --bind "$2" "$1/root/.m2" && mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/tmp"'
    enter = ["unshare", "--mount", "sh", "-c", f'{mounts} && r="$1" && shift 2 && exec chroot "$r" "$@"', "sh"]
    here = [*enter, root, Path.home() / ".m2"]
    words = "cd /root/edgekd && exec mvn -B -o -q -f android_demo package -Dassets=android_demo/app/src/main/assets"
    started = time.monotonic()
    run(*here, "sh", "-c", words)
    built = facts_of(inside / "android_demo/target", time.monotonic() - started)
    return {
        "debian": (root / "etc/debian_version").read_text().strip(),
        "java": run(*here, "java", "--version").splitlines()[0],
        "maven": run(*here, "sh", "-c", "mvn -B -version | head -1").strip(),
        **{key: built[key] for key in ("seconds", "tests", "apk_bytes")},
    }


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
    with_vectors, fresh = results["with_vectors"] or with_model, results["fresh_project"]
    added = with_model["apk_bytes"] - without["apk_bytes"]
    vectors = with_vectors["apk_bytes"] - with_model["apk_bytes"]
    first = "nothing downloaded before" if results["cold"] else "everything downloaded before"
    title = f"{model['file']} ({model['size_bytes']:,} bytes)"
    return "\n".join(
        [
            f"`mvn -f android_demo package` from a fresh clone ({results['commit'][:12]}), on "
            f"{results['machine']['cores']} cores of {results['machine']['cpu_model']}:",
            "",
            "| assets | seconds | tests run, skipped | APK, bytes |",
            "|---|---|---|---|",
            _line(f"none ({first})", without),
            *([_line(f"{title} and its golden vectors, for the app's own check", with_vectors)] if vectors else []),
            f"| {title}, as an app ships it | packaged again | | {with_model['apk_bytes']:,} |",
            "",
            f"The model makes the APK {added:,} bytes larger, its golden vectors would {vectors:,}. Without a model "
            "the tests that run one are skipped.",
            "",
            *_roots(results["roots"]),
            f"`edgekd android` in a new project of the same skeleton: {_counts(fresh['first'])}; again: "
            f"{_counts(fresh['second'])}. Under `src/androidTest` {fresh['tests_bytes']:,} bytes. Shipped:",
            "",
            "| file | bytes |",
            "|---|---|",
            *(f"| {name} | {size:,} |" for name, size in fresh["shipped"].items()),
            "",
            "The lines that it prints for that project:",
            "",
            *_code(fresh["gradle_lines"]),
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
            "Central, is not built for them; LiteRT 1.4.2, which the Gradle build uses, is.",
            "",
        ]
    )


def _roots(roots: Sequence[Mapping[str, Any]]) -> list[str]:
    """The builds in other Debians."""
    if not roots:
        return []
    rows = (
        f"| {one['debian']} | {one['java']} | {one['maven']} | {one['seconds']:.0f} | {one['tests']['tests']}, "
        f"{one['tests']['skipped']} | {one['tests']['failures'] + one['tests']['errors']} | {one['apk_bytes']:,} |"
        for one in roots
    )
    head = [
        "| Debian | Java | Maven | seconds | tests run, skipped | failed | APK, bytes |",
        "|---|---|---|---|---|---|---|",
    ]
    return ["The same in other Debians, with the model and a relative `-Dassets`:", "", *head, *rows, ""]


def _counts(changes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in changes.items() if count)


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
