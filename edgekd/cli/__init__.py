"""The command line: a file a command, loaded when it is called, so that ``--help`` answers at once."""

from __future__ import annotations

import importlib
import sys

import click

from edgekd._version import __version__

# Command, module, first line of its help.
COMMANDS = (
    ("quickstart", "quickstart", "Do the main job on embedded traffic-light photos and end in a report."),
    ("run", "run", "From a recipe's photos to a checked and measured int8 model."),
    ("train", "train", "Do a recipe up to its teacher."),
    ("distill", "distill", "Do a recipe up to its distilled student, and the one without the teacher beside it."),
    (
        "teach",
        "teach",
        "Store what a recipe's teacher says of its photos, or of any list of photos, however many.",
    ),
    ("recipe", "recipe", "Print a recipe to start from, or explain one KEY of it."),
    ("sweep", "sweep", "Train many students from one teacher's column, and show which are worth their size."),
    ("export", "export", "Convert a .keras file to int8 .tflite and .onnx, and check what was written."),
    ("check", "check", "Score a file by its own runtime and hold it against its float twin."),
    ("predict", "predict", "Say what a file sees in photos."),
    ("inspect", "inspect", "Show what is inside any .tflite or .onnx, and name the classic mistakes."),
    ("golden", "golden", "Write golden vectors that a port of the preprocessing is tested against, or check them."),
    (
        "bench",
        "bench",
        "Time files side by side in fresh processes, in random order, on real photos, on one device or many.",
    ),
    ("compare", "compare", "Hold one measurement against an earlier one of the same device."),
    ("devices", "devices", "List where a file can be measured."),
    ("report", "report", "Render a run directory's report again, or join measurements of several devices in one."),
    ("doctor", "doctor", "Say what is installed, what is missing and what this machine is."),
)
_MODULES = {name: module for name, module, _ in COMMANDS}


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        command: click.Command = importlib.import_module(f"edgekd.cli.{_MODULES[cmd_name]}_command").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, _, text in COMMANDS])


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 error, 2 usage or recipe, 3 a gate failed, 4 a device failed.",
)
@click.version_option(__version__, prog_name="edgekd")
def group() -> None:
    """From a folder of photos and a big classifier to a small int8 one, checked and measured.

    \b
    Example:
      edgekd quickstart
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    from edgekd.errors import EdgekdError

    try:
        sys.exit(group.main(arguments, prog_name="edgekd", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except EdgekdError as error:
        click.echo(f"edgekd: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("edgekd: interrupted; the same command goes on where it was", err=True)
        sys.exit(130)
