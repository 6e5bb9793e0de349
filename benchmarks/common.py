"""What every benchmark script shares: its options, where its results go, and how they are written.

A script that a person runs takes ``--out DIR`` (where its results go) and ``--short`` (a form that takes seconds, to
see that the script works). What its full form cannot do without is declared by ``Parser.input``: the short form makes
a small one where the user names none.
"""

from __future__ import annotations

import argparse
import atexit
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekd.storage import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"


@dataclass(frozen=True)
class _Input:
    """An argument that only the full form must have: its name in the namespace, and as the user types it."""

    destination: str
    typed: str


class Parser(argparse.ArgumentParser):
    """The options of one script; ``script`` is its ``__file__``, ``description`` its docstring.

    With ``work``, which says what is stored there, it also takes ``--work DIR``; the short form has a temporary one.
    """

    def __init__(self, script: str, description: str | None, *, work: str | None = None) -> None:
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self._results = Path(script).resolve().parent / "results"
        self._inputs: list[_Input] = []
        self.add_argument(
            "--out", type=Path, help="folder for the results [results/ beside the script; --short: a temporary one]"
        )
        self.add_argument("--short", action="store_true", help="the shortest form: seconds, its figures mean nothing")
        if work is not None:
            self.input("--work", help=f"{work} [--short: a temporary folder]")

    def input(self, typed: str, *, help: str, many: bool = False) -> None:
        """Declare a path that the full form must have: an option, or a positional argument without dashes.

        With ``many`` the option may be repeated, and its value is a list.
        """
        words: dict[str, Any] = {"nargs": "?"} if not typed.startswith("-") else {}
        if many:
            words["action"] = "append"
        action = self.add_argument(typed, type=Path, help=help, **words)
        self._inputs.append(_Input(action.dest, typed if typed.startswith("-") else typed.upper()))

    def parse(self, argv: list[str] | None = None) -> argparse.Namespace:
        """The command line's arguments, with absolute paths and with the folders that the short form does without."""
        arguments = self.parse_args(argv)
        missing = [one.typed for one in self._inputs if getattr(arguments, one.destination) in (None, [])]
        if missing and not arguments.short:
            self.error(f"needs {', '.join(missing)}. To see whether the script works, use --short alone")
        if arguments.short and arguments.out is not None and arguments.out.resolve() == self._results:
            self.error(f"--short does not write into {arguments.out}, which has the full form's results: name another")
        if arguments.out is None:
            arguments.out = _kept_folder() if arguments.short else self._results
        if getattr(arguments, "work", self) is None:
            arguments.work = temporary_folder()
        for name, value in vars(arguments).items():
            if isinstance(value, Path):
                setattr(arguments, name, value.resolve())
        return arguments


def temporary_folder() -> Path:
    """An empty folder that is removed when the script ends."""
    folder = Path(tempfile.mkdtemp(prefix="edgekd-benchmark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _kept_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="edgekd-benchmark-results-"))
    print(f"results: {folder}", flush=True)
    return folder


def machine(*keys: str) -> dict[str, Any]:
    """This machine's facts, or only these."""
    from edgekd.devices.table import open_device

    facts = open_device("host").facts()
    return {key: facts[key] for key in keys} if keys else facts


def run_script(main: Callable[[], None]) -> None:
    """Run a script's main function; an error that edgekd raises is one line on stderr and exit code 1."""
    from edgekd.errors import EdgekdError

    try:
        main()
    except EdgekdError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


def write_results(out: Path, name: str, results: Mapping[str, Any], text: str) -> None:
    """Write ``name``.json and ``name``.md into ``out``, each at once, and print the text."""
    write_json(out / f"{name}.json", results)
    write_text(out / f"{name}.md", text)
    print(text)
