"""Text that is not ours reaches the terminal as it is: no markup, no emoji, no escape sequences, in any encoding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekd.cli import console

NASTY = ("m[final].tflite", "[/x]", ":x:", "[bold]", "red\x1b[31m", "caf\udce9", "a\u202eb")
SHOWN = ("m[final].tflite", "[/x]", ":x:", "[bold]", r"red\x1b[31m", r"caf\udce9", r"a\u202eb")


@pytest.mark.parametrize(("text", "shown"), list(zip(NASTY, SHOWN, strict=True)))
def test_foreign_text_is_shown_as_it_is(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.line(text)
    console.table(("name", "count"), [(text, "3")])
    console.note(text)
    console.print_error(text)
    console.ConsoleWatcher().note(text)
    console.ConsoleWatcher().skipped(text)
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == shown and shown in out.splitlines()[-1]
    assert err.count(shown) == 4 and "\x1b" not in out + err


def run(*arguments: str, encoding: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    argv = [sys.executable, "-m", "edgekd", *arguments]
    return subprocess.run(argv, capture_output=True, env=environment, cwd=cwd, check=False, timeout=120)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_no_encoding_of_the_terminal_is_an_error(encoding: str, tmp_path: Path) -> None:
    done = run("run", "[/x]–→\u00a0😀é.toml", encoding=encoding, cwd=tmp_path)
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    text = done.stderr.decode(encoding)
    assert text.startswith("edgekd: [/x]") and ".toml does not exist" in text
    assert ("–→" in text) == (encoding == "utf-8")
    help_text = run("--help", encoding=encoding, cwd=tmp_path)
    assert help_text.returncode == 0, help_text.stderr


def test_an_unknown_option_is_shown_escaped(tmp_path: Path) -> None:
    done = run("run", "--no\x1b[31m", encoding="utf-8", cwd=tmp_path)
    assert done.returncode == 2 and rb"--no\x1b[31m" in done.stderr and b"\x1b" not in done.stderr


def test_our_typography_has_a_plain_form() -> None:
    whole = UnicodeEncodeError("ascii", "\u00a0–→×é", 0, 5, "")
    assert console._plain_or_escaped(whole) == (" -->x\\xe9", 5)


def test_the_old_name_of_label_works_and_is_not_listed(tmp_path: Path) -> None:
    done = run("teach", "--help", encoding="utf-8", cwd=tmp_path)
    assert done.returncode == 0 and b"edgekd label road.toml" in done.stdout
    assert b"teach " not in run("--help", encoding="utf-8", cwd=tmp_path).stdout


def test_a_line_break_in_a_name_begins_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_error("a\nedgekd: all is well.png is empty\n  a further line")
    assert capsys.readouterr().err == "edgekd: a\\nedgekd: all is well.png is empty\n  a further line\n"
