"""Does the Swift package that `edgekd ios` writes compile, and does it give Python's bytes and answers?

    python benchmarks/swift_port/run.py FILE [FILE...] [--swift PATH | --root DIR] [--out DIR]

Each FILE is a .tflite or .mlpackage of edgekd's; the package's own tests run with it. Swift is that of the PATH, or of
a root directory that has Debian's swiftlang, made by:

    mmdebstrap --variant=apt --include=swiftlang trixie DIR

where /proc is mounted (mount -t proc proc DIR/proc). On Linux there is no SwiftUI, Core ML, ImageIO, CoreVideo and no
LiteRT for Swift: what stands behind their guards is listed, and only its syntax is checked. Without Swift, --short
writes the package and compiles nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, Parser, machine, run_script, temporary_folder, write_results
from small_inputs import small_files

from edgekd.errors import UsageError
from edgekd.export.ios import PACKAGE, write_ios_package
from edgekd.formats.artifact import Artifact
from edgekd.temporary import owned_folder

TEMPLATE = ROOT / "edgekd/apple"
# Around what only Apple's systems have.
GUARD = re.compile(r"^#if (canImport\((?!CryptoKit)\w+\)|os\(iOS\))", re.MULTILINE)
TIMEOUT_S = 1800


@dataclass(frozen=True)
class Swift:
    """How Swift is called: ``argv`` before its arguments, with packages in ``folder``, which is ``seen_as`` by it."""

    argv: tuple[str, ...]
    folder: Path
    seen_as: str

    def test(self, package: Path) -> tuple[str, float]:
        """Run a package's tests: what they print, and the seconds with the build. Raises UsageError where one fails."""
        start = time.monotonic()
        return self._run(self.argv, "test", "--package-path", self._place(package)), time.monotonic() - start

    def check_syntax(self, sources: list[Path]) -> None:
        """Parse sources that are not a part of the package. Raises UsageError."""
        compiler = (*self.argv[:-1], f"{self.argv[-1]}c")
        self._run(compiler, "-frontend", "-parse", *map(self._place, sources))

    def _place(self, path: Path) -> str:
        return f"{self.seen_as}/{path.relative_to(self.folder)}"

    def _run(self, argv: tuple[str, ...], *arguments: str) -> str:
        done = subprocess.run([*argv, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S)
        if done.returncode != 0:
            raise UsageError(f"{' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
        return done.stdout + done.stderr


def main() -> None:
    """Write the package for every file, run its tests, and write what they said."""
    parser = Parser(__file__, __doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="files of edgekd's [--short: a small one]")
    parser.add_argument("--swift", default="swift", help="the program [swift]")
    parser.add_argument("--root", type=Path, help="a root directory that has Debian's swiftlang")
    arguments = parser.parse()
    if not arguments.files and not arguments.short:
        parser.error("needs FILE. To see whether the script works, use --short alone")
    scratch = temporary_folder()
    files = arguments.files or [small_files(scratch / "small")["int8.tflite"]]
    place = scratch if arguments.root is None else arguments.root / "tmp"
    with owned_folder(place, "swift") as folder:
        swift = find_swift(arguments.swift, arguments.root, folder)
        if swift is None and not arguments.short:
            raise UsageError("there is no Swift here: name one by --swift or --root")
        results = {
            "schema": 1,
            "machine": machine("cpu_model", "cores", "load_1min"),
            "swift": None if swift is None else version(swift),
            "files": [measure(Artifact.open(file), folder / str(number), swift) for number, file in enumerate(files)],
            "not_run": not_run(),
        }
    write_results(arguments.out, "swift_port", results, report(results))


def find_swift(program: str, root: Path | None, folder: Path) -> Swift | None:
    """The Swift that the user names, or the one here."""
    if root is not None:
        return Swift(("chroot", str(root), "env", "HOME=/tmp", "swift"), folder, f"/tmp/{folder.name}")
    found = shutil.which(program)
    return None if found is None else Swift((found,), folder, str(folder))


def version(swift: Swift) -> str:
    """The first line that it says of itself."""
    done = subprocess.run([*swift.argv, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def measure(artifact: Artifact, app: Path, swift: Swift | None) -> dict[str, Any]:
    """What the package's tests say of one file; only its bytes where there is no Swift."""
    app.mkdir()
    package = write_ios_package(artifact, app)
    same = package.folder == app / PACKAGE and package.vectors > 0
    result: dict[str, Any] = {"file": artifact.path.name, "vectors": package.vectors, "written": same}
    if swift is None:
        return result
    swift.check_syntax(sorted((package.folder / "App").glob("*.swift")))
    text, seconds = swift.test(package.folder)
    counts = {name: int(count) for name, count in re.findall(r"^edgekd: (\w+) (\d+) of \d+$", text, re.MULTILINE)}
    ends = re.findall(r"Executed (\d+) tests?, with (?:(\d+) tests? skipped and )?0 failures", text)
    return {**result, **counts, "tests": int(ends[-1][0]), "skipped": int(ends[-1][1] or 0), "seconds": seconds}


def not_run() -> dict[str, list[str]]:
    """The package's sources that need Apple's systems, wholly or in part, by what guards them."""
    return {
        str(path.relative_to(TEMPLATE)): sorted(set(GUARD.findall(path.read_text(encoding="utf-8"))))
        for path in sorted(TEMPLATE.rglob("*.swift"))
        if GUARD.search(path.read_text(encoding="utf-8"))
    }


def report(results: Mapping[str, Any]) -> str:
    """A row a file, and what was not run."""
    rows = [
        f"| `{one['file']}` | {one['inputs']} of {one['vectors']} | {one['decisions']} of {one['vectors']} | "
        f"{one['tests']}, {one['skipped']} skipped | {one['seconds']:.0f} |"
        if "tests" in one
        else f"| `{one['file']}` | not run | not run | not run | |"
        for one in results["files"]
    ]
    left = [f"- `{name}`: {', '.join(f'`{guard}`' for guard in guards)}" for name, guards in results["not_run"].items()]
    found = results["machine"]
    return f"""The Swift package of `edgekd ios`, built and tested by {results["swift"] or "no Swift"}.

Input tensors are of Python's pixels and compared byte for byte, decisions of Python's probabilities. The other tests
are of every layout and orientation, of damaged models and of pixels that are not there.

| file | input tensors | decisions | tests that ran without a failure | seconds with the build |
|---|---|---|---|---|
{chr(10).join(rows)}

The load was {found["load_1min"]} on {found["cores"]} cores of {found["cpu_model"]}. A test of damaged models is skipped
for an .mlpackage, which has no hash of its own.

What needs Apple's systems, of which Linux compiles nothing and checks the syntax alone:

{chr(10).join(left)}
"""


if __name__ == "__main__":
    run_script(main)
