"""Every command explains itself with an example that could be typed, and its help opens no heavy door."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from edgekd.cli import COMMANDS, group

NAMES = [name for name, _, _ in COMMANDS]


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example_that_the_command_accepts(name: str) -> None:
    text = CliRunner().invoke(group, [name, "--help"]).output
    lines = re.findall(r"^\s+edgekd (.+)$", text.partition("Example:")[2], re.MULTILINE)
    assert lines, f"edgekd {name} --help has no example"
    for line in lines:
        first, *rest = shlex.split(line)
        assert first == name
        command = group.get_command(click.Context(group), name)
        assert command is not None
        command.make_context(name, rest)  # Raises where an option or argument does not exist.


@pytest.mark.parametrize("name", NAMES)
def test_the_groups_line_is_the_commands_first(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    told = {n: text for n, _, text in COMMANDS}[name]
    assert command is not None and command.help is not None
    assert " ".join(command.help.strip().split("\n\n")[0].split()) == told


def test_every_command_of_the_table_is_listed() -> None:
    text = CliRunner().invoke(group, ["--help"]).output
    assert [name for name in NAMES if f"\n  {name} " in text] == NAMES
    codes = "Exit codes: 0 done, 1 error, 2 usage or recipe, 3 a gate failed, 4 a device failed."
    assert codes in " ".join(text.split())
