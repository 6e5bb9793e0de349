"""The table of commands, the group that loads the one that is called, and the ways a command can end."""

from __future__ import annotations

import importlib
import io
import sys

import click

from edgekd._version import __version__

# Command, module, first line of its help.
COMMANDS = (
    ("quickstart", "quickstart", "Do the main job on embedded traffic-light photos and end in a report."),
    ("init", "init", "Look at PHOTOS and write a recipe for them, with the reason for each choice."),
    ("fit", "fit", "From photos and a budget to the best small model: look at PHOTOS, search, train, measure."),
    ("run", "run", "From a recipe's photos to a checked and measured int8 model."),
    ("train", "train", "Run a recipe up to its teacher."),
    ("distill", "distill", "Run a recipe up to its distilled student and the same student without the teacher."),
    ("label", "label", "Store the soft targets of a recipe's photos, or of any list of photos, however long."),
    ("recipe", "recipe", "Print a recipe to start from, or explain one KEY of it."),
    ("sweep", "sweep", "Train many students on one teacher's soft targets, and show which are worth their size."),
    ("audit", "audit", "Find labels of a run that are probably wrong, and say what to photograph and label next."),
    ("export", "export", "Convert a .keras file to int8 .tflite and .onnx, and check what was written."),
    ("check", "check", "Score a file with its own runtime and compare it with its float32 reference."),
    ("predict", "predict", "Classify photos with a .tflite or .onnx of any tool."),
    ("inspect", "inspect", "Say what any .tflite or .onnx is, which layers are heaviest, and what is wrong with it."),
    ("golden", "golden", "Write golden vectors that a port of the preprocessing is tested against, or check them."),
    ("demo", "demo", "Write one HTML file that runs a .tflite or .onnx in a browser, without a network or a server."),
    ("android", "android", "Put the tested .tflite into an Android app, with the Kotlin that runs it and a test."),
    ("ios", "ios", "Write a Swift package with a tested file and its golden test into an iOS app's folder."),
    (
        "js",
        "js",
        "Write an npm package with the tested file, its preprocessing and decision in JavaScript, and golden vectors.",
    ),
    (
        "dart",
        "dart",
        "Write a Dart package with the tested .tflite, its preprocessing, decision and golden vectors (experimental).",
    ),
    (
        "bench",
        "bench",
        "Time files side by side in fresh processes, in random order, on real photos, on one device or many.",
    ),
    (
        "compare",
        "compare",
        "Compare a measurement with an earlier one of the same device: latencies, or instructions of an emulated core.",
    ),
    ("devices", "devices", "List where a file can be measured."),
    ("report", "report", "Render a run directory's report again, or join measurements of several devices in one."),
    ("doctor", "doctor", "Show what is installed, what is missing and what this machine is."),
)
_MODULES = {name: module for name, module, _ in COMMANDS}
# Below it NumPy's and SciPy's libraries hang while they are loaded.
_LEAST_BYTES = 512 << 20
# Names of earlier versions, which still work and are listed nowhere.
_OLD_NAMES = {"teach": "label"}


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _MODULES.get(_OLD_NAMES.get(cmd_name, cmd_name))
        if module is None:
            return None
        command: click.Command = importlib.import_module(f"edgekd.cli.{module}_command").command
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
    """Run the command line and end the process with its exit code; nothing ends in a traceback."""
    from edgekd import stopping
    from edgekd.cli.console import accept_any_encoding, print_error
    from edgekd.temporary import process_folder

    try:
        stopping.install()
        accept_any_encoding()
        with process_folder() as folder:
            stopping.remove_at_the_end(folder)
            code = _run(arguments)
    except stopping.Stopped as error:
        stopping.finish()
        print_error(f"{error}. Run the same command again")
        stopping.end(error.exit_code)
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    """Run the command and print what went wrong, if anything; returns the exit code. Raises Stopped."""
    from edgekd import stopping
    from edgekd.cli.console import print_error
    from edgekd.cli.failures import describe_failure, show_tracebacks
    from edgekd.memory import require_address_space

    try:
        require_address_space(_LEAST_BYTES, "edgekd")
        return group.main(arguments, prog_name="edgekd", standalone_mode=False) or 0
    except click.ClickException as error:
        _print_usage(error)
        return error.exit_code
    except click.Abort:
        print_error("stopped")
        return 130
    except Exception as error:
        # A library in which the exception of a signal came up may raise one of its own instead.
        if (stopped := stopping.requested()) is not None:
            raise stopped from error
        if show_tracebacks():
            raise
        message, code = describe_failure(error)
        print_error(message)
        return code


def _print_usage(error: click.ClickException) -> None:
    """Print click's message, which repeats what was typed."""
    from edgekd.cli.console import PROGRESS, line

    text = io.StringIO()
    error.show(file=text)
    line(text.getvalue().rstrip("\n"), to=PROGRESS)
